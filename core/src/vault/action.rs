//! `vault/actions/<id>.toml`.

use std::collections::BTreeSet;

use globset::Glob;

use super::{Known, listed};
use crate::document::{self, Faults, Table, Value, nearest};
use crate::model::{
    Action, ActionId, ActionWork, BadActionId, FormulaName, FormulaWork, IssueNumber, PersonWork, RepoName, Risk, Subject,
    is_model_name,
};

/// The words for tiers.
const TIERS: [(&str, Risk); 3] = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];
/// The longest that an action may take: a day.
const MINUTES: u64 = 24 * 60;
/// The keys that are for a formula alone.
const OF_FORMULAS: [&str; 8] = ["project", "inputs", "secrets", "mounts", "model", "tools", "timeout_minutes", "formula"];

/// Reads the file of an action; `name` is what the file is called, without its ending: that is what the action is called where it does not say.
///
/// # Errors
/// Each mistake, with its place.
pub fn action(file: &str, name: &str, text: &str, known: &Known) -> Result<Action, Faults> {
    document::read(file, text, |root| whole(root, name, known))
}

/// The keys that the reader asks the file of an action for, each with its tables. `text` shows them all.
pub fn known_keys(text: &str) -> BTreeSet<String> {
    document::known_keys(text, |root| whole(root, "name", &Known::default()))
}

fn whole(root: &Table<'_>, name: &str, known: &Known) -> Option<Action> {
    let id = match root.value("id") {
        Some(value) => id(&value),
        None => named_by_file(root, name),
    };
    let context = root.required("context", "context = \"why this is asked for\"", Value::filled);
    let unblocks = root.or("unblocks", Vec::new(), |v| v.list(|item| subject(item, known)));
    let work = work(root, &unblocks, known);
    let blast_radius = root.optional("blast_radius", |v| v.one_of(&TIERS));
    Some(Action { id: id?, work: work?, context: context?, unblocks, blast_radius })
}

fn id(value: &Value<'_>) -> Option<ActionId> {
    let text = value.filled()?;
    text.parse().map_or_else(|bad: BadActionId| value.wrong(bad.to_string(), BadActionId::HINT), Some)
}

fn named_by_file(root: &Table<'_>, name: &str) -> Option<ActionId> {
    match name.parse() {
        Ok(id) => Some(id),
        Err(BadActionId { .. }) => {
            root.wrong(
                format!("`{}` is no name of an action", name.escape_debug()),
                format!("call the file otherwise: {}", BadActionId::HINT),
            );
            None
        }
    }
}

/// A formula, or a person.
fn work(root: &Table<'_>, unblocks: &[Subject], known: &Known) -> Option<ActionWork> {
    let formula = root.optional("formula", |value| formula(value, known));
    let project = root.optional("project", |value| project(value, known));
    let inputs = root.named_values("inputs").into_iter().filter_map(|(name, value)| Some((name, value.json()?))).collect();
    let person = root.value("action_required").and_then(|value| person(root, &value));
    let secrets = root.or("secrets", Vec::new(), |v| names(v, &known.secrets, "secret", "[vault.secrets]"));
    let mounts = root.or("mounts", Vec::new(), |v| names(v, &known.mounts, "mount", "[vault.mounts]"));
    let model = root.optional("model", |value| model(value, known));
    let tools = root.or("tools", Vec::new(), |v| v.list(|item| tool(item, known)));
    let timeout_minutes = root.optional("timeout_minutes", |v| v.whole(1, MINUTES));
    match (root.value("formula"), root.has("action_required")) {
        (Some(both), true) => {
            both.wrong("`formula` and [action_required] are both given", "keep one: a formula is run, or a person does it")
        }
        (Some(value), false) => {
            let project = project.or_else(|| meant(unblocks, known));
            let formula = fired(&value, formula?, project.as_ref(), known)?;
            Some(ActionWork::Formula(FormulaWork { formula, project, inputs, secrets, mounts, model, tools, timeout_minutes }))
        }
        (None, true) => {
            for given in OF_FORMULAS.into_iter().filter_map(|key| root.value(key)) {
                given.wrong::<()>(format!("`{}` is for a formula, and a person is asked here", given.key()), "take it out");
            }
            person.map(ActionWork::Person)
        }
        (None, false) => {
            root.lacks("formula", "formula = \"release\", or [action_required] with what = \"...\" where a person does it");
            None
        }
    }
}

fn formula(value: &Value<'_>, known: &Known) -> Option<FormulaName> {
    let name = FormulaName(value.filled()?);
    if known.formulas.contains_key(&name) {
        return Some(name);
    }
    let hint = match nearest(name.as_str(), known.formulas.keys().map(FormulaName::as_str)) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => format!("there are {}", listed(known.formulas.keys().map(FormulaName::as_str))),
    };
    value.wrong(format!("there is no formula `{}`", name.as_str().escape_debug()), hint)
}

/// `owner/repo`, one of the configuration.
fn project(value: &Value<'_>, known: &Known) -> Option<RepoName> {
    let text = value.filled()?;
    let found = known.projects.iter().find(|project| project.to_string().eq_ignore_ascii_case(&text));
    found.cloned().or_else(|| {
        let names: Vec<String> = known.projects.iter().map(ToString::to_string).collect();
        let hint = format!("there are {}", listed(names.iter().map(String::as_str)));
        value.wrong(format!("`{}` is no project of the configuration", text.escape_debug()), hint)
    })
}

/// The project that is meant where none is named: that of the issues that wait, else the only one.
fn meant(unblocks: &[Subject], known: &Known) -> Option<RepoName> {
    let mut waiting = unblocks.iter().map(|subject| &subject.repo);
    let first = waiting.next();
    match (first, known.projects.as_slice()) {
        (Some(first), _) if waiting.all(|other| other == first) => Some(first.clone()),
        (None, [only]) => Some(only.clone()),
        _ => None,
    }
}

/// The formula, where it can be run there as an action.
fn fired(value: &Value<'_>, formula: FormulaName, project: Option<&RepoName>, known: &Known) -> Option<FormulaName> {
    let Some(project) = project else {
        return value.wrong(format!("in which project is `{formula}` run?"), "name it: project = \"owner/repo\"");
    };
    match known.fired.get(project) {
        Some(fired) if !fired.contains(&formula) => value.wrong(
            format!("`{formula}` is not run as an action in {project}"),
            "that takes `vault = true` under its [trigger], and its name in `formulas` of that [[project]]",
        ),
        Some(_) | None => Some(formula),
    }
}

/// `[action_required]`, or a sentence in its place.
fn person(root: &Table<'_>, value: &Value<'_>) -> Option<PersonWork> {
    if value.is_text() {
        return value.filled().map(|what| PersonWork { what, how: Vec::new(), verify: None });
    }
    let table = root.table("action_required");
    let what = table.required("what", "what = \"what is to be done\"", Value::filled);
    let how = table.or("how", Vec::new(), |v| if v.is_text() { v.filled().map(|one| vec![one]) } else { v.list(Value::filled) });
    let verify = table.optional("verify", Value::filled);
    Some(PersonWork { what: what?, how, verify })
}

/// Names of the configuration; none twice.
fn names(value: &Value<'_>, known: &BTreeSet<String>, what: &str, section: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    value.list(|item| {
        let name = item.filled()?;
        if !known.contains(&name) {
            let hint = match nearest(&name, known.iter().map(String::as_str)) {
                Some(right) => format!("did you mean \"{right}\"?"),
                None if known.is_empty() => format!("{section} of the configuration has none yet"),
                None => format!("{section} of the configuration has {}", listed(known.iter().map(String::as_str))),
            };
            return item.wrong(format!("there is no {what} `{}` that an action may name", name.escape_debug()), hint);
        }
        if !seen.insert(name.clone()) {
            return item.wrong(format!("the {what} `{name}` is named twice"), "keep one of the two");
        }
        Some(name)
    })
}

fn tool(value: &Value<'_>, known: &Known) -> Option<String> {
    let name = value.filled()?;
    if known.tools.contains(&name) {
        return Some(name);
    }
    let names = || known.tools.iter().map(String::as_str);
    let hint = match nearest(&name, names()) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => format!("there are {}", listed(names())),
    };
    value.wrong(format!("there is no tool `{}`", name.escape_debug()), hint)
}

/// The name of a model that has a price, or that an agent has: the run would only find at night that nobody works with it.
fn model(value: &Value<'_>, known: &Known) -> Option<String> {
    let text = value.filled()?;
    if !is_model_name(&text) {
        let help = "letters, digits and `-`, `_`, `.`, `:`, `/`, `@`, such as \"sonnet\"";
        return value.wrong(format!("`{}` cannot be a name of `{}`", text.escape_debug(), value.key()), help);
    }
    let fits = |pattern: &String| Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(&text));
    if known.models.iter().any(fits) {
        return Some(text);
    }
    let whole = known.models.iter().map(|pattern| pattern.trim_matches('*')).filter(|name| !name.contains('*'));
    let help = match nearest(&text, whole) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => "name one of config/prices.toml, one that an agent of the configuration has, or a family such as \"sonnet\""
            .to_owned(),
    };
    value.wrong(format!("no price is known for the model `{text}`, so nobody works with it"), help)
}

/// `owner/repo#7`, or `#7` where there is one project.
fn subject(value: &Value<'_>, known: &Known) -> Option<Subject> {
    let text = value.filled()?;
    issue(&text, known).map_or_else(|(what, help)| value.wrong(what, &help), Some)
}

/// The issue that a text names, of a project of the configuration; else what is wrong with it, and what to do.
pub(super) fn issue(text: &str, known: &Known) -> Result<Subject, (String, String)> {
    const HELP: &str = "write it as \"owner/repo#7\"";
    let wrong = |what: String| (what, HELP.to_owned());
    let bad = || wrong(format!("`{}` names no issue", text.escape_debug()));
    let (repo, number) = text.rsplit_once('#').ok_or_else(bad)?;
    let number = number.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(bad)?;
    let repo = match (repo, known.projects.as_slice()) {
        ("", [only]) => only.clone(),
        ("", _) => return Err(wrong(format!("which project's issue {text}?"))),
        (repo, projects) => {
            let named: RepoName = repo.parse().map_err(|_| bad())?;
            let same = |p: &&RepoName| p.to_string().eq_ignore_ascii_case(&named.to_string());
            let Some(project) = projects.iter().find(same) else {
                let names: Vec<String> = projects.iter().map(ToString::to_string).collect();
                let hint = format!("there are {}", listed(names.iter().map(String::as_str)));
                return Err((format!("`{named}` is no project of the configuration, so nothing of it could wait"), hint));
            };
            project.clone()
        }
    };
    Ok(Subject { repo, issue: IssueNumber(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn known() -> Known {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        Known {
            formulas: [("release".into(), Some(Risk::Medium)), ("deploy".into(), None)].into(),
            secrets: names(&["DEPLOY_TOKEN", "TAP"]),
            mounts: names(&["ssh"]),
            tools: names(&["Bash", "Read"]),
            models: vec!["*claude-opus-*".to_owned(), "sonnet".to_owned()],
            projects: vec!["owner/app".parse().expect("a name"), "owner/web".parse().expect("a name")],
            fired: [("owner/app".parse().expect("a name"), [FormulaName::from("deploy")].into())].into(),
        }
    }

    fn read(text: &str) -> Result<Action, Vec<String>> {
        action("vault/actions/a.toml", "a", text, &known()).map_err(|faults| faults.lines())
    }

    #[test]
    fn a_whole_one_is_read() {
        let text = "id = \"deploy-1\"\nformula = \"deploy\"\ncontext = \"v1 is merged\"\nunblocks = [\"Owner/App#7\"]\nsecrets = [\"DEPLOY_TOKEN\"]\nmounts = [\"ssh\"]\nmodel = \"sonnet\"\ntools = [\"Bash\"]\ninputs = { to = \"prod\", n = [1, true] }\ntimeout_minutes = 30\nblast_radius = \"medium\"\n";
        let action = read(text).expect("it is right");
        let ActionWork::Formula(work) = &action.work else { panic!("{action:?}") };
        assert_eq!((work.formula.as_str(), work.timeout_minutes, work.model.as_deref()), ("deploy", Some(30), Some("sonnet")));
        assert_eq!(
            (&work.secrets[..], &work.mounts[..], &work.tools[..]),
            (&["DEPLOY_TOKEN".into()][..], &["ssh".into()][..], &["Bash".into()][..])
        );
        assert_eq!(work.project.as_ref().map(ToString::to_string).as_deref(), Some("owner/app"), "that of the issue that waits");
        assert_eq!(serde_json::json!(work.inputs), serde_json::json!({ "to": "prod", "n": [1, true] }));
        assert_eq!(action.unblocks[0].to_string(), "owner/app#7", "as the configuration writes it");
        assert_eq!(action.blast_radius, Some(Risk::Medium));
        assert_eq!(action.id.as_str(), "deploy-1");
    }

    #[test]
    fn what_a_person_does_is_read_and_takes_its_name_from_the_file() {
        let action = read("context = \"c\"\naction_required = \"Press it\"").expect("it is right");
        assert_eq!(action.id.as_str(), "a");
        assert!(matches!(action.work, ActionWork::Person(PersonWork { what, .. }) if what == "Press it"));
        let told =
            read("context = \"c\"\n[action_required]\nwhat = \"w\"\nhow = [\"x\", \"y\"]\nverify = \"v\"").expect("it is right");
        assert!(matches!(told.work, ActionWork::Person(PersonWork { how, verify, .. }) if how.len() == 2 && verify.is_some()));
    }

    #[test]
    fn each_mistake_has_its_place_and_a_hint() {
        let cases = [
            ("id = \"../a\"\nformula = \"release\"\ncontext = \"c\"", "a.toml:1:6: `../a` is no name of an action (letters"),
            ("id = \"vault/actions/b\"\nformula = \"release\"\ncontext = \"c\"", "is no name of an action"),
            ("formula = \"relase\"\ncontext = \"c\"", "a.toml:1:11: there is no formula `relase` (did you mean \"release\"?)"),
            ("formula = \"../release\"\ncontext = \"c\"", "there is no formula `../release`"),
            (
                "formula = \"release\"\ncontext = \"c\"\nsecrets = [\"TAP\", \"TPA\"]",
                "a.toml:3:19: there is no secret `TPA` that an action may name",
            ),
            (
                "formula = \"release\"\ncontext = \"c\"\nsecrets = [\"FORGEHAND_TOKEN\"]",
                "[vault.secrets] of the configuration has `DEPLOY_TOKEN`, `TAP`",
            ),
            ("formula = \"release\"\ncontext = \"c\"\nsecrets = [\"TAP\", \"TAP\"]", "named twice"),
            ("formula = \"release\"\ncontext = \"c\"\nmounts = [\"/etc/shadow\"]", "there is no mount `/etc/shadow`"),
            ("formula = \"release\"\ncontext = \"c\"\nmounts = [\"..\"]", "there is no mount `..`"),
            ("formula = \"release\"\ncontext = \"c\"\nunblocks = [\"owner/other#1\"]", "is no project of the configuration"),
            ("formula = \"release\"\ncontext = \"c\"\nunblocks = [\"#1\"]", "which project's issue #1?"),
            ("formula = \"release\"\ncontext = \"c\"\nunblocks = [\"seven\"]", "names no issue"),
            ("formula = \"release\"\ncontext = \"c\"\nmodel = \"--danger\"", "cannot be a name of `model`"),
            ("formula = \"release\"\ncontext = \"c\"\nmodel = \"gpt-9\"", "no price is known for the model `gpt-9`"),
            ("formula = \"release\"\ncontext = \"c\"\nmodel = \"sonet\"", "did you mean \"sonnet\"?"),
            ("formula = \"release\"\ncontext = \"c\"\ntimeout_minutes = 0", "out of range"),
            ("formula = \"release\"\ncontext = \"c\"\nblast_radius = \"tiny\"", "`blast_radius` cannot be \"tiny\""),
            ("formula = \"release\"\ncontext = \"c\"\nsecret = [\"TAP\"]", "unknown key `secret` (did you mean `secrets`?)"),
            ("formula = \"release\"\ncontext = \" \"", "`context` is empty"),
            ("formula = \"release\"", "`context` is missing"),
            ("context = \"c\"", "`formula` is missing"),
            ("formula = \"release\"\ncontext = \"c\"\naction_required = \"x\"", "are both given"),
            ("context = \"c\"\nsecrets = [\"TAP\"]\naction_required = \"x\"", "a.toml:2:11: `secrets` is for a formula"),
            ("context = \"c\"\n[action_required]\nhow = \"x\"", "lacks `what`"),
            ("formula = \"deploy\"\ncontext = \"c\"", "a.toml:1:11: in which project is `deploy` run? (name it: project ="),
            ("formula = \"deploy\"\ncontext = \"c\"\nproject = \"owner/ap\"", "a.toml:3:11: `owner/ap` is no project"),
            (
                "formula = \"release\"\ncontext = \"c\"\nproject = \"owner/app\"",
                "a.toml:1:11: `release` is not run as an action in owner/app (that takes `vault = true`",
            ),
            ("formula = \"deploy\"\ncontext = \"c\"\ntools = [\"bash\"]", "there is no tool `bash` (did you mean \"Bash\"?)"),
            ("formula = \"deploy\"\ncontext = \"c\"\ninputs = { at = 2026-01-01 }", "a.toml:3:17: "),
            ("context = \"c\"\nproject = \"owner/app\"\naction_required = \"x\"", "`project` is for a formula"),
            ("context = ", "this is not TOML"),
        ];
        for (text, wanted) in cases {
            let said = read(text).expect_err(text);
            assert!(said.iter().any(|line| line.contains(wanted)), "{text}\n{wanted}\n{said:#?}");
        }
        let all = read("id = \"a/b\"\nformula = \"no\"\nsecrets = [\"no\"]\nmounts = [\"no\"]").expect_err("five mistakes");
        assert_eq!(all.len(), 5, "{all:#?}");
        let known = known();
        let named = action("vault/actions/a b.toml", "a b", "formula = \"release\"\ncontext = \"c\"", &known)
            .expect_err("its file's name");
        assert!(named.lines()[0].contains("call the file otherwise"), "{:?}", named.lines());
    }
}
