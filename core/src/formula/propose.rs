//! Steps that ask something of the forge: what they propose, and that they may.

use super::asks;
use super::expression::{Type, Wants};
use super::head;
use super::needed::needed;
use super::read::{Scene, typed, word};
use super::scope::ABOUT_THE_PROJECT;
use super::starts;
use crate::document::{Table, Value, nearest};
use crate::model::{
    About, Decision, Expression, FormulaLabel, LabelNames, Proposal, RepoName, TemplateKind, Variable, Verdict, unaskable,
    unwritable,
};

/// How labels begin that say what something privileged may do: only the vault puts those on.
const PRIVILEGED: &str = "vault";

/// What a step proposes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Comment,
    PullRequest,
    Labels,
    Close,
    Reopen,
    Branch,
    Issue,
    SubIssues,
    UpdateIssue,
    Review,
    Push,
    Merge,
    Replies,
    File,
    VaultAction,
    Mend,
    Start,
}

/// Which keys belong to what, with what they look like where one is missing.
const KEYS: [(&str, &[What]); 24] = [
    ("asks", &[What::VaultAction]),
    ("while_open", &[What::Issue]),
    ("probe", &[What::Mend]),
    ("title", &[What::PullRequest, What::Issue, What::UpdateIssue, What::File, What::VaultAction]),
    ("body", &[What::Comment, What::PullRequest, What::Issue, What::UpdateIssue, What::Review, What::File, What::VaultAction]),
    ("path", &[What::File]),
    ("repo", &[What::File]),
    ("content", &[What::File]),
    ("pull_request", &[What::File]),
    ("verdict", &[What::Review]),
    ("add", &[What::Labels]),
    ("remove", &[What::Labels]),
    ("issue", &[What::Comment, What::Labels, What::Close, What::UpdateIssue, What::Start]),
    ("starts", &[What::Start]),
    ("with", &[What::Start]),
    ("then", &[What::PullRequest]),
    ("tick", &[What::UpdateIssue]),
    ("labels", &[What::Issue, What::SubIssues]),
    ("blocks", &[What::Issue]),
    ("once", &[What::Issue, What::SubIssues]),
    ("items", &[What::SubIssues, What::Replies]),
    ("at_most", &[What::SubIssues]),
    ("keep", &[What::Branch]),
    ("commands", &[What::Branch]),
];

/// Issues that a list comes to at most, where its step does not say.
const FILED: u32 = 20;

pub(super) fn propose(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Proposal> {
    let templates = scene.templates;
    let whats = [
        ("comment", What::Comment),
        ("pull-request", What::PullRequest),
        ("labels", What::Labels),
        ("close", What::Close),
        ("reopen", What::Reopen),
        ("branch", What::Branch),
        ("issue", What::Issue),
        ("sub-issues", What::SubIssues),
        ("update-issue", What::UpdateIssue),
        ("review", What::Review),
        ("push", What::Push),
        ("merge", What::Merge),
        ("replies", What::Replies),
        ("file", What::File),
        ("vault-action", What::VaultAction),
        ("mend", What::Mend),
        ("start", What::Start),
    ];
    let what = table.optional("propose", |v| v.one_of(&whats).and_then(|what| with_its_issue(v, table, what, scene.about)))?;
    misplaced(table, what, whats.iter().find(|(_, known)| *known == what).map_or("", |(word, _)| word));
    let vocabulary = scene.vocabulary(TemplateKind::Proposal);
    let inline = |v: &Value<'_>| templates.inline(v, TemplateKind::Proposal, &vocabulary);
    let issue = table.optional("issue", |v| number(v, scene));
    let body = || table.required("body", "body = \"said.md\"", |v| templates.file(v, TemplateKind::Proposal, &vocabulary));
    match what {
        What::Comment => Some(Proposal::Comment { body: body()?, issue }),
        What::PullRequest => {
            let (title, body) = (table.required("title", "title = \"{{line issue.title}}\"", inline), body());
            let then = table.optional("then", |v| starts::then(&v.opened()?, scene));
            Some(Proposal::PullRequest { title: title?, body: body?, then })
        }
        What::Labels => labels(table, scene, &vocabulary, issue),
        What::Close => Some(Proposal::Close { issue }),
        What::Reopen => Some(Proposal::Reopen),
        What::Branch => {
            let keep = table.required("keep", "keep = \"reproduction\"", word);
            let commands = table.optional("commands", |v| needed(v, scene, Wants::List).map(|(expression, _)| expression));
            Some(Proposal::Branch { keep: keep?, commands })
        }
        What::Issue => {
            let (title, body) = (table.required("title", "title = \"{{line steps.work.output.title}}\"", inline), body());
            let labels = new_labels(table, scene, &vocabulary);
            let blocks = table.or("blocks", false, |v| match (scene.about, v.boolean()?) {
                (About::Project, true) => v.wrong("no issue waits for this one", ABOUT_THE_PROJECT),
                (_, blocks) => Some(blocks),
            });
            let once = once(table, scene);
            let while_open = table.or("while_open", false, |v| match (v.boolean()?, table.has("once")) {
                (true, false) => v.wrong("nothing says under which name it is filed", "add once = \"'disk'\", or take it out"),
                (while_open, _) => Some(while_open),
            });
            Some(Proposal::Issue { title: title?, body: body?, labels: labels?, blocks, once, while_open })
        }
        What::Review => {
            let verdict = table.required("verdict", "verdict = \"steps.look.output.verdict\"", |v| verdict(v, scene));
            let body = body();
            Some(Proposal::Review { verdict: verdict?, body: body? })
        }
        What::SubIssues => sub_issues(table, scene, &vocabulary),
        What::Push => Some(Proposal::Push),
        What::Merge => Some(Proposal::Merge),
        What::Replies => {
            let items = table.required("items", "items = \"steps.work.output.answers\"", |v| answers(v, scene));
            Some(Proposal::Replies { items: items? })
        }
        What::File => file(table, scene, &vocabulary),
        What::VaultAction => asks::action(table, scene, &vocabulary),
        What::Mend => {
            let probe = table
                .required("probe", "probe = \"item.name\"", |v| needed(v, scene, Wants::Text).map(|(expression, _)| expression));
            Some(Proposal::Mend { probe: probe? })
        }
        What::Start => starts::start(table, scene).map(|start| Proposal::Start { start, issue }),
        What::UpdateIssue => {
            let title = table.optional("title", inline);
            let body = table.optional("body", |v| templates.file(v, TemplateKind::Proposal, &vocabulary));
            let tick = table.optional("tick", |v| starts::tick(v, scene));
            if table.has("tick") && table.has("body") {
                return table.value("tick")?.wrong("`tick` is for the body that stands there", "take `body` out, or `tick`");
            }
            if !table.has("title") && !table.has("body") && !table.has("tick") {
                table.lacks("body", "body = \"report.md\"");
                return None;
            }
            Some(Proposal::UpdateIssue { title, body, tick, issue })
        }
    }
}

/// A file of the operations repository, or of another one, which is asked by a pull request alone. Where its path is known, whether it may stand there is said at once.
fn file(table: &Table<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable) -> Option<Proposal> {
    let inline = |v: &Value<'_>| scene.templates.inline(v, TemplateKind::Proposal, vocabulary);
    let asks = table.or("pull_request", false, Value::boolean);
    let repo = table.optional("repo", |v| match (v.filled()?.parse::<RepoName>(), asks) {
        (Ok(repo), true) => Some(repo),
        (Ok(_), false) => v.wrong("another repository is only asked for a file", "write pull_request = true, and a `body`"),
        (Err(bad), _) => v.wrong(bad.to_string(), "write repo = \"owner/name\", one that the configuration names"),
    });
    let path = table.required("path", "path = \"prerequisites.md\"", |v| {
        let text = inline(v)?;
        let unfit = if table.has("repo") { unaskable(&text) } else { unwritable(&text, asks) };
        match unfit.filter(|_| !text.contains("{{")) {
            None => Some(text),
            Some(why) => v.wrong(why, "docs/formulas.md says what is kept where"),
        }
    });
    let content = table.required("content", "content = \"steps.plan.output.tree\"", |v| {
        needed(v, scene, Wants::Text).map(|(expression, _)| expression)
    });
    let title = table.required("title", "title = \"Keep the tree\"", inline);
    let body = |v: &Value<'_>| scene.templates.file(v, TemplateKind::Proposal, vocabulary);
    let pull = match asks {
        true => Some(table.required("body", "body = \"asked.md\"", body)?),
        false => table
            .optional("body", |v| v.wrong("what is committed directly has no body", "take it out, or write pull_request = true")),
    };
    Some(Proposal::File { repo, path: path?, content: content?, title: title?, pull })
}

/// What a review comes to: one of the words, wherever that can be known.
fn verdict(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    let (expression, of) = needed(value, scene, Wants::Text)?;
    let Type::Text { one_of: Some(words) } = of.present() else { return Some(expression) };
    match words.iter().find(|word| Verdict::ALL.iter().all(|known| known.word() != word.as_str())) {
        None => Some(expression),
        Some(never) => {
            let known = Verdict::ALL.map(|known| format!("\"{}\"", known.word())).join(", ");
            value.wrong(format!("this can come to \"{never}\", which is no verdict"), format!("a verdict is {known}"))
        }
    }
}

/// The number of another issue.
fn number(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    let (expression, of) = needed(value, scene, Wants::Value)?;
    match of.present() {
        Type::Integer | Type::Any => Some(expression),
        other => value.wrong(
            format!("`issue` is the number of an issue, and this comes to {other}"),
            "ask for a whole number, such as issue = \"steps.work.output.number\"",
        ),
    }
}

/// The name under which something is filed once.
fn once(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    table.optional("once", |v| needed(v, scene, Wants::Text).map(|(expression, _)| expression))
}

fn sub_issues(table: &Table<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable) -> Option<Proposal> {
    let items = table.required("items", "items = \"steps.split.output.issues\"", |value| {
        let (expression, of) = typed(value, scene.known, Wants::List)?;
        let Type::List(item) = of.present() else { return Some(expression) };
        match lacking(item.present()) {
            None => Some(expression),
            Some(what) => value
                .wrong(what, "an item is an object with `title` and `body`, texts, and perhaps `id`, `depends_on` and `labels`"),
        }
    });
    let at_most = table.or("at_most", FILED, |v| v.whole(1, 100).and_then(|n| u32::try_from(n).ok()));
    let labels = new_labels(table, scene, vocabulary);
    Some(Proposal::SubIssues { items: items?, at_most, labels: labels?, once: once(table, scene) })
}

/// The answers to what reviewers said.
fn answers(value: &Value<'_>, scene: &Scene<'_, '_>) -> Option<Expression> {
    let (expression, of) = typed(value, scene.known, Wants::List)?;
    let Type::List(item) = of.present() else { return Some(expression) };
    let text = |name: &'static str| (name, Type::text());
    match unlike(item.present(), "answer", &[text("to"), text("text")], &[]) {
        None => Some(expression),
        Some(what) => {
            value.wrong(what, "an item is an object with `to`, the point as the prompt calls it, and `text`, both texts")
        }
    }
}

/// What an item lacks that is to become an issue.
fn lacking(item: &Type) -> Option<String> {
    let texts = Type::list(Type::text());
    let must = [("title", Type::text()), ("body", Type::text())];
    unlike(item, "issue", &must, &[("id", Type::text()), ("depends_on", texts.clone()), ("labels", texts)])
}

/// What keeps an item from being one of these: a field that it lacks, or one that is something else.
fn unlike(item: &Type, what: &str, must: &[(&str, Type)], may: &[(&str, Type)]) -> Option<String> {
    let record = match item {
        Type::Any => return None,
        Type::Record(record) => record,
        other => return Some(format!("an item of this list is {other}, and no {what}")),
    };
    must.iter().chain(may).enumerate().find_map(|(at, (name, wants))| match record.field(name).map(Type::present) {
        None if at < must.len() => Some(format!("an item of this list has no `{name}`")),
        None | Some(Type::Any) => None,
        Some(found) => (!alike(found, wants)).then(|| format!("`{name}` of an item is {found}, and not {wants}")),
    })
}

/// Whether the items of a list may be of this type.
pub(super) fn lists(item: &Type, wants: &Type) -> bool {
    matches!(item, Type::Any) || alike(item, wants)
}

fn alike(found: &Type, wants: &Type) -> bool {
    match (found, wants) {
        (Type::Text { .. }, Type::Text { .. }) => true,
        (Type::List(found), Type::List(wants)) => matches!(found.present(), Type::Any) || alike(found.present(), wants),
        _ => false,
    }
}

/// The labels of a new issue: those that the formula describes, and those by which work comes in.
fn new_labels(table: &Table<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable) -> Option<Vec<String>> {
    let usual = LabelNames::default();
    let entry = |name: &str| name == usual.portal || name == usual.of(Decision::Queue);
    match table.value("labels") {
        Some(value) => head::some(&value, |v| label(v, scene, vocabulary, &entry)),
        None => Some(Vec::new()),
    }
}

/// What is proposed needs an issue that it is about: where the formula has none of its own, the one that the step names.
fn with_its_issue(value: &Value<'_>, table: &Table<'_>, what: What, about: About) -> Option<What> {
    match (what, about) {
        (_, About::Issue) | (What::Issue | What::SubIssues | What::File | What::VaultAction | What::Mend, About::Project) => {}
        (What::Comment | What::Labels | What::Close | What::UpdateIssue | What::Start, About::Project) if table.has("issue") => {}
        (What::Comment | What::Labels | What::Close | What::UpdateIssue | What::Start, About::Project) => {
            let help = format!("{ABOUT_THE_PROJECT}: name one, such as issue = \"steps.work.output.number\"");
            return value.wrong(format!("`{}` has no issue here", value.string()?), help);
        }
        (What::PullRequest | What::Review | What::Push | What::Replies, About::Project) => {
            return value.wrong("a pull request is opened, reviewed and revised for an issue", ABOUT_THE_PROJECT);
        }
        (What::Merge, About::Project) => {
            let help =
                format!("{ABOUT_THE_PROJECT}: start a formula about the issue by propose = \"start\", and put this step there");
            return value.wrong("it is the pull request of an issue that is put forward to be merged", help);
        }
        (What::Reopen | What::Branch, About::Project) => {
            return value.wrong(format!("`{}` is for the issue that the run is about", value.string()?), ABOUT_THE_PROJECT);
        }
    }
    Some(what)
}

/// Complains of keys that belong to another proposal.
fn misplaced(table: &Table<'_>, what: What, word: &str) {
    for (key, owners) in KEYS {
        if let Some(value) = table.value(key).filter(|_| !owners.contains(&what)) {
            value.wrong::<()>(format!("`{key}` means nothing with propose = \"{word}\""), "take it out");
        }
    }
}

fn labels(table: &Table<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable, issue: Option<Expression>) -> Option<Proposal> {
    // Another issue may be brought in as work; where the run's own one goes says its outcome.
    let entry = |name: &str| table.has("issue") && name == LabelNames::default().portal;
    let names = |key: &'static str, also: &dyn Fn(&str) -> bool| match table.value(key) {
        Some(value) => head::some(&value, |v| label(v, scene, vocabulary, also)),
        None => Some(Vec::new()),
    };
    let (add, remove) = (names("add", &entry), names("remove", &|_| false));
    if !table.has("add") && !table.has("remove") {
        table.lacks("add", "add = [\"stale\"]");
        return None;
    }
    let (add, remove) = (add?, remove?);
    if let (Some(both), Some(value)) = (add.iter().find(|name| remove.contains(name)), table.value("remove")) {
        return value.wrong(format!("`{both}` is put on and taken off"), "keep it in `add` or in `remove`");
    }
    Some(Proposal::Labels { add, remove, issue })
}

/// A label by its name, or a template that comes to one: which it is, is then looked at when it is known.
fn label(value: &Value<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable, also: &dyn Fn(&str) -> bool) -> Option<String> {
    let text = scene.templates.inline(value, TemplateKind::Proposal, vocabulary)?;
    if text.contains("{{") || also(&text) {
        return Some(text);
    }
    match unfit(&text, scene.labels, &LabelNames::default()) {
        None => Some(text),
        Some((what, help)) => value.wrong(what, help),
    }
}

/// Why a formula may not put a label on or take it off, and what to do.
pub fn unfit(name: &str, declared: &[FormulaLabel], names: &LabelNames) -> Option<(String, String)> {
    let help = || "only labels that [[label]] describes are put on and taken off".to_owned();
    if names.decision(name).is_some() || name == names.portal || name == names.priority {
        let help = "a formula says where an issue goes by its [[outcome]]";
        return Some((format!("label `{name}` says where an issue stands, and no step writes it"), help.to_owned()));
    }
    if name.to_ascii_lowercase().starts_with(PRIVILEGED) {
        return Some((format!("label `{name}` is the vault's, and no step writes it"), help()));
    }
    if declared.iter().any(|label| label.name == name) {
        return None;
    }
    let help = match nearest(name, declared.iter().map(|label| label.name.as_str())) {
        Some(right) => format!("did you mean \"{right}\"?"),
        None => "describe it: [[label]] with `name` and `color`".to_owned(),
    };
    Some((format!("the formula does not describe a label `{name}`"), help))
}
