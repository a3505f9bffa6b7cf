//! `[[project]]` and `[labels]`: a repository under care, and what its labels are called.

use globset::GlobBuilder;

use super::{provisions, values};
use crate::document::{Table, Value};
use crate::model::{
    Branch, FormulaName, IssueNumber, LabelNames, Login, MergeRule, OverlapRule, Provisions, RepoName, Since, Usd,
};

/// The paths whose change a person must decide on, unless a project names its own.
pub const DEFAULT_PERSON_PATHS: [&str; 10] = [
    "**/migrations/**",
    "**/migration/**",
    "**/migrate/**",
    "**/alembic/versions/**",
    "**/db/changelog/**",
    "**/prisma/schema*",
    "**/prisma/schema/**",
    "**/schema.sql",
    "**/structure.sql",
    "**/schema.rb",
];

/// A repository under care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The repository.
    pub repo: RepoName,
    /// The commands that verify a commit, in order; at least one.
    pub verify: Vec<String>,
    /// Hosts that a verification may reach, `name` or `name:port`.
    pub verify_network: Vec<String>,
    /// Who is mentioned where something waits for a person; the issue's author where nobody is named.
    pub mention: Vec<Login>,
    /// Globs of paths whose change a person must decide on.
    pub person_paths: Vec<String>,
    /// What the number of the issue is put behind to name a branch.
    pub branch_prefix: String,
    /// The branch that work starts from and goes to; the repository's default one where it is left out.
    pub base: Option<Branch>,
    /// Accounts that file issues and cannot answer questions.
    pub intake: Vec<Login>,
    /// Logins that are obeyed where nobody's rights can be asked about.
    pub obey: Vec<Login>,
    /// From when on issues are triaged that were filed before the first start.
    pub since: Option<Since>,
    /// The formulas that are on.
    pub formulas: Vec<FormulaName>,
    /// What the labels are called here.
    pub labels: LabelNames,
    /// How many runs at once, within those of `[daemon]`; none where only those bound it.
    pub slots: Option<u32>,
    /// Money for a UTC day, within that of all; `usd_project` of `[limits]` where it is left out.
    pub usd_day: Option<Usd>,
    /// Which pull requests are merged without a person.
    pub merge: MergeRule,
    /// What is merged without a person needs an approval of the review role, or of a person.
    pub review: bool,
    /// Whose files an issue keeps clear of before its run begins.
    pub overlap: OverlapRule,
    /// What runs are given beside their clone.
    pub provisions: Provisions,
}

impl Project {
    /// The branch of an issue's work.
    pub fn branch(&self, issue: IssueNumber) -> Branch {
        Branch(format!("{}{}", self.branch_prefix, issue.0))
    }

    /// Whether an account files issues and cannot answer. Logins are compared as the forge does, without regard to case.
    pub fn is_intake(&self, login: &Login) -> bool {
        self.intake.iter().any(|l| l.as_str().eq_ignore_ascii_case(login.as_str()))
    }

    /// Whether a login is obeyed by configuration.
    pub fn is_obeyed(&self, login: &Login) -> bool {
        self.obey.iter().any(|l| l.as_str().eq_ignore_ascii_case(login.as_str()))
    }

    /// The formulas that are on where nothing is said.
    pub fn usual_formulas() -> Vec<FormulaName> {
        vec![FormulaName::from("triage"), FormulaName::from("fix")]
    }

    pub(super) fn read(table: &Table<'_>, labels: &LabelNames) -> Option<Self> {
        let repo = table.required("repo", "repo = \"owner/name\"", values::repo);
        let verify = table.required("verify", "verify = [\"sh ./test.sh\"]", verify);
        let logins = |key| table.or(key, Vec::new(), |v: &Value<'_>| v.list(values::login));
        let defaults = DEFAULT_PERSON_PATHS.map(str::to_owned).to_vec();
        let verify_network = table.or("verify_network", Vec::new(), |v| v.list(values::host));
        let mention = logins("mention");
        let person_paths = table.or("person_paths", defaults, |v| v.list(glob));
        let branch_prefix = table.or("branch_prefix", "claude/issue-".into(), branch);
        let base = table.optional("base", branch).map(Branch);
        let (intake, obey) = (logins("intake"), logins("obey"));
        let since = table.optional("since", since);
        let formulas = table.or("formulas", Self::usual_formulas(), |v| v.list(formula_name));
        let labels = read_labels(&table.table("labels"), labels);
        let slots = table.optional("slots", |v| v.whole(1, 64).and_then(|n| u32::try_from(n).ok()));
        let usd_day = table.optional("usd_day", values::usd);
        let merge = table.or("merge", MergeRule::Never, |v| v.one_of(&MergeRule::WORDS));
        let review = table.or("review", true, |v| v.one_of(&[("required", true), ("off", false)]));
        let overlap = table.or("overlap", OverlapRule::Running, |v| v.one_of(&OverlapRule::WORDS));
        let provisions = provisions::read(table);
        Some(Self {
            repo: repo?,
            verify: verify?,
            verify_network,
            mention,
            person_paths,
            branch_prefix,
            base,
            intake,
            obey,
            since,
            formulas,
            labels,
            slots,
            usd_day,
            merge,
            review,
            overlap,
            provisions,
        })
    }
}

/// Reads names of labels over those that hold without them.
pub(super) fn read_labels(table: &Table<'_>, over: &LabelNames) -> LabelNames {
    let name = |key, default: &String| table.or(key, default.clone(), label);
    let names = LabelNames {
        portal: name("portal", &over.portal),
        priority: name("priority", &over.priority),
        queue: name("queue", &over.queue),
        working: name("working", &over.working),
        pr: name("pr", &over.pr),
        failed: name("failed", &over.failed),
        interactive: name("interactive", &over.interactive),
        needs_info: name("needs_info", &over.needs_info),
    };
    let LabelNames { portal, priority, queue, working, pr, failed, interactive, needs_info } = &names;
    let mut all = [portal, priority, queue, working, pr, failed, interactive, needs_info];
    all.sort_unstable();
    if table.is_given()
        && let Some([twice, _]) = all.windows(2).find(|pair| matches!(pair, [a, b] if a == b))
    {
        table.wrong(
            format!("two labels are called `{twice}`"),
            "give each a name of its own: the labels are how an issue is steered",
        );
    }
    names
}

fn label(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    // The forge splits a filter by labels at commas, and cuts names at 50 characters.
    if text.contains([',', '\n', '\r']) || text.trim() != text || text.chars().count() > 50 {
        return value.wrong(
            format!("`{}` cannot be a label's name", text.escape_debug()),
            "no comma, no blank at its ends, 50 characters at most",
        );
    }
    Some(text)
}

fn verify(value: &Value<'_>) -> Option<Vec<String>> {
    let commands = value.list(values::command)?;
    if commands.is_empty() {
        let help = "name at least one command that fails where the project is broken, such as \"sh ./test.sh\"";
        return value.wrong("`verify` names no command: nothing would tell good work from bad", help);
    }
    Some(commands)
}

fn glob(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    match GlobBuilder::new(&text).literal_separator(true).build() {
        Ok(_) => Some(text),
        Err(e) => value.wrong(format!("`{text}` is not a pattern of paths: {}", e.kind()), "write it like \"**/migrations/**\""),
    }
}

/// A branch or the beginning of one, by the rules of `git check-ref-format`.
fn branch(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let wrong = text.contains(forbidden)
        || text.starts_with(['/', '-', '.'])
        || ["..", "//", "@{", "/."].iter().any(|part| text.contains(part))
        || text.split('/').any(|part| part.ends_with(".lock") || part.ends_with('.'))
        || text.starts_with("refs/");
    if wrong {
        value.wrong(format!("`{}` cannot name a branch", text.escape_debug()), "write it like \"claude/issue-\"")
    } else {
        Some(text)
    }
}

fn since(value: &Value<'_>) -> Option<Since> {
    let text = value.string()?;
    match Since::parse(&text) {
        Some(since) => Some(since),
        None => value.wrong(
            format!("`{}` is neither a day nor a time", text.escape_debug()),
            "write \"2026-01-31\", \"2026-01-31T08:00:00Z\" or \"all\"",
        ),
    }
}

fn formula_name(value: &Value<'_>) -> Option<FormulaName> {
    let text = value.filled()?;
    let right = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if right {
        Some(FormulaName(text))
    } else {
        value.wrong(format!("`{text}` is not a formula's name"), "such as \"triage\" or \"fix\"")
    }
}
