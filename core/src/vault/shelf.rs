//! All that stands below `vault/` at a commit: the actions, what is recorded of them, and what people are asked for in words.

use std::collections::BTreeMap;

use super::{Known, action, pending::waiting_for};
use crate::document::Faults;
use crate::model::{ACTIONS, Action, ActionId, ActionRecord, ActionState, PendingItem};

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Beside the action's file, as other factories have it.
    Actions,
    /// `vault/approved`.
    Approved,
    /// `vault/fired`.
    Fired,
    /// `vault/rejected`.
    Rejected,
}

impl Place {
    const ALL: [Self; 4] = [Self::Actions, Self::Approved, Self::Fired, Self::Rejected];

    /// The folder, below `vault`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Approved => "approved",
            Self::Fired => "fired",
            Self::Rejected => "rejected",
        }
    }
}

/// The file of an action.
#[derive(Clone, Debug)]
pub struct Filed {
    /// Where it stands, from the root.
    pub path: String,
    /// What it says.
    pub text: String,
    /// What that means.
    pub read: Result<Action, Faults>,
}

/// What is recorded of an action.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where.
    pub place: Place,
    /// What; none where it cannot be read: that something was done counts all the same.
    pub record: Option<ActionRecord>,
}

/// An action, as far as the branch that counts knows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is called.
    pub id: ActionId,
    /// What asks for it: more than one where the name is used twice.
    pub filed: Vec<Filed>,
    /// What is recorded.
    pub recorded: Vec<Recorded>,
}

impl Entry {
    /// The action; none where its file is gone, is wrong, or is not the only one of that name.
    pub fn action(&self) -> Option<&Action> {
        match self.filed.as_slice() {
            [filed] => filed.read.as_ref().ok(),
            _ => None,
        }
    }

    /// How it stands.
    pub fn state(&self) -> ActionState {
        let at = |place| self.recorded.iter().any(|recorded| recorded.place == place);
        let over =
            [(Place::Fired, ActionState::Fired), (Place::Rejected, ActionState::Rejected), (Place::Actions, ActionState::Done)];
        if let Some((_, state)) = over.into_iter().find(|(place, _)| at(*place)) {
            return state;
        }
        match (at(Place::Approved), self.action(), self.filed.is_empty()) {
            (true, Some(_), _) | (true, None, true) => ActionState::Approved,
            (false, Some(_), _) => ActionState::Merged,
            (_, None, _) => ActionState::Broken,
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    entries: BTreeMap<ActionId, Entry>,
    items: Vec<PendingItem>,
}

impl Shelf {
    /// Of the files below `vault/`, by their paths there.
    pub fn of(files: &BTreeMap<String, String>, known: &Known) -> Self {
        let mut shelf = Self::default();
        for (path, text) in files {
            let Some((folder, file)) = path.split_once('/').filter(|(_, file)| !file.contains('/')) else { continue };
            if let Some(name) = file.strip_suffix(".md").filter(|_| folder == "pending") {
                shelf.items.push(PendingItem { name: name.to_owned(), unblocks: waiting_for(text, known) });
            }
            let Some(place) = Place::ALL.into_iter().find(|place| place.folder() == folder) else { continue };
            if let Some(id) = file.strip_suffix(".result.json").and_then(|name| name.parse().ok()) {
                shelf.entry(id).recorded.push(Recorded { place, record: serde_json::from_str(text).ok() });
            } else if let Some(name) = file.strip_suffix(".toml") {
                shelf.put(place, name, text, known);
            }
        }
        shelf
    }

    fn put(&mut self, place: Place, name: &str, text: &str, known: &Known) {
        match (place, name.parse::<ActionId>()) {
            (Place::Actions, by_name) => {
                let path = format!("{ACTIONS}/{name}.toml");
                let read = action(&path, name, text, known);
                // A file whose name is none, and that does not say another, is told of where it was asked for.
                let Some(id) = read.as_ref().ok().map(|action| action.id.clone()).or(by_name.ok()) else { return };
                self.entry(id).filed.push(Filed { path, text: text.to_owned(), read });
            }
            // Other factories move the file when it is done.
            (Place::Fired | Place::Rejected, Ok(id)) => self.entry(id).recorded.push(Recorded { place, record: None }),
            (Place::Fired | Place::Rejected | Place::Approved, _) => {}
        }
    }

    fn entry(&mut self, id: ActionId) -> &mut Entry {
        self.entries.entry(id.clone()).or_insert(Entry { id, filed: Vec::new(), recorded: Vec::new() })
    }

    /// One.
    pub fn get(&self, id: &ActionId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Each, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// What people are asked for in words, by name.
    pub fn items(&self) -> &[PendingItem] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKS: &str = "context = \"c\"\naction_required = \"x\"";

    fn shelf(files: &[(&str, &str)]) -> Shelf {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Shelf::of(&files, &Known::default())
    }

    fn state(shelf: &Shelf, id: &str) -> ActionState {
        shelf.get(&id.parse().expect("a name")).unwrap_or_else(|| panic!("{id}: {shelf:?}")).state()
    }

    #[test]
    fn what_is_recorded_says_how_an_action_stands() {
        let shelf = shelf(&[
            ("actions/a.toml", ASKS),
            ("actions/b.toml", ASKS),
            ("actions/b.result.json", "{\"exit_code\": 0}"),
            ("actions/c.toml", ASKS),
            ("fired/c.result.json", "not JSON"),
            ("approved/c.result.json", "{}"),
            ("actions/d.toml", "no"),
            ("actions/e.toml", ASKS),
            ("rejected/E.result.json", "{}"),
            ("approved/f.result.json", "{}"),
            ("actions/f.toml", ASKS),
            ("fired/g.toml", "anything"),
            ("actions/.gitkeep", ""),
            ("actions/deep/h.toml", ASKS),
            ("policy.toml", ""),
            ("pending/i.md", ""),
        ]);
        let all: Vec<(String, ActionState)> = shelf.iter().map(|entry| (entry.id.to_string(), entry.state())).collect();
        assert_eq!(all.len(), 7, "{all:?}");
        for (id, wanted) in [
            ("a", ActionState::Merged),
            ("b", ActionState::Done),
            ("c", ActionState::Fired),
            ("d", ActionState::Broken),
            ("e", ActionState::Rejected),
            ("f", ActionState::Approved),
            ("g", ActionState::Fired),
        ] {
            assert_eq!(state(&shelf, id), wanted, "{id}");
        }
    }

    #[test]
    fn a_name_that_two_files_use_is_nobodys() {
        let shelf =
            shelf(&[("actions/a.toml", ASKS), ("actions/b.toml", &format!("id = \"A\"\n{ASKS}")), ("actions/.x.toml", ASKS)]);
        assert_eq!(state(&shelf, "a"), ActionState::Broken);
        assert_eq!(shelf.iter().count(), 1);
    }
}
