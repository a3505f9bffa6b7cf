//! Steps that ask something of the forge: what they propose, and that they may.

use super::head;
use super::read::Scene;
use crate::document::{Table, Value, nearest};
use crate::model::{FormulaLabel, LabelNames, Proposal, TemplateKind, Variable};

/// How labels begin that say what something privileged may do: only the vault puts those on.
const PRIVILEGED: &str = "vault";

/// What a step proposes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Comment,
    PullRequest,
    Labels,
    Close,
}

/// Which keys belong to what, with what they look like where one is missing.
const KEYS: [(&str, &[What]); 4] = [
    ("title", &[What::PullRequest]),
    ("body", &[What::Comment, What::PullRequest]),
    ("add", &[What::Labels]),
    ("remove", &[What::Labels]),
];

pub(super) fn propose(table: &Table<'_>, scene: &Scene<'_, '_>) -> Option<Proposal> {
    let templates = scene.templates;
    let whats =
        [("comment", What::Comment), ("pull-request", What::PullRequest), ("labels", What::Labels), ("close", What::Close)];
    let what = table.optional("propose", |v| v.one_of(&whats))?;
    misplaced(table, what, whats.iter().find(|(_, known)| *known == what).map_or("", |(word, _)| word));
    let vocabulary = scene.vocabulary(TemplateKind::Proposal);
    let body = || table.required("body", "body = \"said.md\"", |v| templates.file(v, TemplateKind::Proposal, &vocabulary));
    match what {
        What::Comment => Some(Proposal::Comment { body: body()? }),
        What::PullRequest => {
            let inline = |v: &Value<'_>| templates.inline(v, TemplateKind::Proposal, &vocabulary);
            let (title, body) = (table.required("title", "title = \"{{line issue.title}}\"", inline), body());
            Some(Proposal::PullRequest { title: title?, body: body? })
        }
        What::Labels => labels(table, scene, &vocabulary),
        What::Close => Some(Proposal::Close),
    }
}

/// Complains of keys that belong to another proposal.
fn misplaced(table: &Table<'_>, what: What, word: &str) {
    for (key, owners) in KEYS {
        if let Some(value) = table.value(key).filter(|_| !owners.contains(&what)) {
            value.wrong::<()>(format!("`{key}` means nothing with propose = \"{word}\""), "take it out");
        }
    }
}

fn labels(table: &Table<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable) -> Option<Proposal> {
    let names = |key: &'static str| match table.value(key) {
        Some(value) => head::some(&value, |v| label(v, scene, vocabulary)),
        None => Some(Vec::new()),
    };
    let (add, remove) = (names("add"), names("remove"));
    if !table.has("add") && !table.has("remove") {
        table.lacks("add", "add = [\"stale\"]");
        return None;
    }
    let (add, remove) = (add?, remove?);
    if let (Some(both), Some(value)) = (add.iter().find(|name| remove.contains(name)), table.value("remove")) {
        return value.wrong(format!("`{both}` is put on and taken off"), "keep it in `add` or in `remove`");
    }
    Some(Proposal::Labels { add, remove })
}

/// A label by its name, or a template that comes to one: which it is, is then looked at when it is known.
fn label(value: &Value<'_>, scene: &Scene<'_, '_>, vocabulary: &Variable) -> Option<String> {
    let text = scene.templates.inline(value, TemplateKind::Proposal, vocabulary)?;
    if text.contains("{{") {
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
