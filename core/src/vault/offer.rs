//! What a pull request would bring into the vault.

use std::collections::BTreeSet;

use super::{Known, Shelf, action, pending};
use crate::document::{Fault, Faults, SourceFile};
use crate::model::{ACTIONS, Action, ActionId, PENDING};

/// A file that a pull request brings, changes or takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It says this.
    Text {
        /// Where, from the root.
        path: String,
        /// What.
        text: String,
    },
    /// It is a link, a submodule, or too long.
    Unreadable {
        /// Where, from the root.
        path: String,
    },
    /// It is gone from there.
    Gone {
        /// Where, from the root.
        path: String,
    },
}

impl Offer {
    /// Where it is, from the root.
    pub fn path(&self) -> &str {
        match self {
            Self::Text { path, .. } | Self::Unreadable { path } | Self::Gone { path } => path,
        }
    }
}

/// Judges what would come to be actions and items; answers with the actions. What else is below `vault/` is not judged here.
///
/// # Errors
/// Each mistake of each file.
pub fn check(offers: &[Offer], shelf: &Shelf, known: &Known) -> Result<Vec<Action>, Faults> {
    let gone: BTreeSet<&str> = offers.iter().filter(|offer| matches!(offer, Offer::Gone { .. })).map(Offer::path).collect();
    let (mut actions, mut faults) = (Vec::<Action>::new(), Vec::new());
    for offer in offers {
        let (path, text) = match offer {
            Offer::Text { path, text } => (path, text),
            Offer::Unreadable { path } => {
                if name_of(path).is_some() {
                    faults.push(at_top(path, "", "it is no file that can be read as text", "a regular file of at most 256 KiB"));
                }
                continue;
            }
            Offer::Gone { .. } => continue,
        };
        match name_of(path) {
            Some(Ok(Name::Action(name))) => match action(path, name, text, known) {
                Ok(action) => {
                    faults.extend(used(&action.id, shelf, (path, text), &gone));
                    if actions.iter().any(|other| other.id == action.id) {
                        let what = format!("the action `{}` is asked for twice here", action.id);
                        faults.push(at_top(path, text, &what, "give one of the two another `id`"));
                    }
                    actions.push(action);
                }
                Err(found) => faults.extend(found.iter().cloned()),
            },
            Some(Ok(Name::Item)) => faults.extend(pending(path, text, known).err().iter().flat_map(Faults::iter).cloned()),
            Some(Err(hint)) => faults.push(at_top(path, text, "nothing is read here", hint)),
            None => {}
        }
    }
    if faults.is_empty() { Ok(actions) } else { Err(faults.into_iter().collect()) }
}

enum Name<'p> {
    Action(&'p str),
    Item,
}

/// What a path would be; none where that is no business of the vault's; what to do where it is meant to be one and is none.
fn name_of(path: &str) -> Option<Result<Name<'_>, &'static str>> {
    let below = |folder: &str| path.strip_prefix(folder)?.strip_prefix('/');
    let ends = |ending: &str| path.to_ascii_lowercase().ends_with(ending);
    if let Some(file) = below(ACTIONS) {
        return match file.strip_suffix(".toml") {
            Some(name) if !name.contains('/') => Some(Ok(Name::Action(name))),
            Some(_) => Some(Err("an action stands in vault/actions itself: vault/actions/<id>.toml")),
            None if ends(".toml") => Some(Err("the ending is `.toml`, in small letters")),
            None => None,
        };
    }
    let file = below(PENDING)?;
    match file.strip_suffix(".md") {
        Some(name) if !name.contains('/') => Some(Ok(Name::Item)),
        Some(_) => Some(Err("an item stands in vault/pending itself: vault/pending/<name>.md")),
        None => None,
    }
}

/// An action whose name is used up.
fn used(id: &ActionId, shelf: &Shelf, (path, text): (&str, &str), gone: &BTreeSet<&str>) -> Vec<Fault> {
    const HINT: &str = "an action is done once: give this one another `id`, which by itself is its file's name";
    let Some(entry) = shelf.get(id) else { return Vec::new() };
    let elsewhere = entry.filed.iter().find(|filed| filed.path != path && !gone.contains(filed.path.as_str()));
    let twice = elsewhere.map(|other| at_top(path, text, &format!("{} asks for the action `{id}` already", other.path), HINT));
    let recorded = entry.recorded.first().map(|recorded| {
        let folder = recorded.place.folder();
        at_top(path, text, &format!("what became of the action `{id}` is recorded already, in vault/{folder}"), HINT)
    });
    twice.into_iter().chain(recorded).collect()
}

fn at_top(path: &str, text: &str, what: &str, hint: &str) -> Fault {
    Fault::at(&SourceFile::new(path, text), 0..0, what, Some(hint.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ASKS: &str = "context = \"c\"\naction_required = \"x\"";

    fn text(path: &str, text: &str) -> Offer {
        Offer::Text { path: path.to_owned(), text: text.to_owned() }
    }

    fn said(offers: &[Offer]) -> Vec<String> {
        let files = [("actions/old.toml", ASKS), ("actions/done.toml", ASKS), ("fired/done.result.json", "{}")];
        let files: BTreeMap<String, String> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let known = Known::default();
        check(offers, &Shelf::of(&files, &known), &known).err().map_or_else(Vec::new, |faults| faults.lines())
    }

    #[test]
    fn the_same_action_twice_is_refused() {
        let cases = [
            (vec![text("vault/actions/done.toml", ASKS)], "is recorded already, in vault/fired"),
            (vec![text("vault/actions/DONE.toml", ASKS)], "is recorded already, in vault/fired"),
            (
                vec![text("vault/actions/new.toml", &format!("id = \"OLD\"\n{ASKS}"))],
                "vault/actions/old.toml asks for the action `OLD` already",
            ),
            (vec![text("vault/actions/a.toml", ASKS), text("vault/actions/A.toml", ASKS)], "is asked for twice here"),
        ];
        for (offers, wanted) in cases {
            let said = said(&offers);
            assert!(said.iter().any(|line| line.contains(wanted)), "{wanted}: {said:#?}");
        }
        let renamed = [
            text("vault/actions/new.toml", &format!("id = \"old\"\n{ASKS}")),
            Offer::Gone { path: "vault/actions/old.toml".into() },
        ];
        assert_eq!(said(&renamed), Vec::<String>::new(), "the file alone is called otherwise");
        assert_eq!(said(&[text("vault/actions/old.toml", &format!("{ASKS}\nblast_radius = \"high\""))]), Vec::<String>::new());
    }

    #[test]
    fn only_what_the_vault_reads_is_judged_and_nothing_slips_by() {
        for (path, wanted) in [
            ("vault/actions/deep/a.toml", "an action stands in vault/actions itself"),
            ("vault/actions/a.TOML", "in small letters"),
            ("vault/pending/deep/a.md", "an item stands in vault/pending itself"),
            ("vault/actions/.a.toml", "is no name of an action"),
        ] {
            let said = said(&[text(path, ASKS)]);
            assert!(said.len() == 1 && said[0].contains(wanted), "{path}: {said:?}");
        }
        for path in
            ["vault/actions/README.md", "vault/actions/.gitkeep", "vault/fired/a.result.json", "knowledge/vault/actions/a.toml"]
        {
            assert_eq!(said(&[text(path, "anything")]), Vec::<String>::new(), "{path}");
        }
        let link = said(&[Offer::Unreadable { path: "vault/actions/a.toml".into() }]);
        assert!(link[0].contains("vault/actions/a.toml:1:1: it is no file"), "{link:?}");
        let item = said(&[text("vault/pending/a.md", "## What\nx\n")]);
        assert_eq!(item.len(), 2, "{item:?}");
    }
}
