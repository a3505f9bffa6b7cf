//! The lifecycle of an issue, as data. Decisions, the invariants, the tests and the diagram in the README are made from it.

use crate::model::{Decision, Trigger};

/// Where a row begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// No decision label.
    Undecided,
    /// This one.
    At(Decision),
    /// Wherever it is.
    Any,
}

/// Where a row leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// No decision label.
    Undecided,
    /// This one.
    At(Decision),
    /// It stays.
    Same,
}

impl To {
    /// The label after it.
    pub fn resolve(self, from: Option<Decision>) -> Option<Decision> {
        match self {
            Self::Undecided => None,
            Self::At(decision) => Some(decision),
            Self::Same => from,
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it begins.
    pub from: From,
    /// What happens.
    pub trigger: Trigger,
    /// Where it leads.
    pub to: To,
    /// For people.
    pub says: &'static str,
}

const fn row(from: From, trigger: Trigger, to: To, says: &'static str) -> Row {
    Row { from, trigger, to, says }
}

use Decision::{Failed, Interactive, NeedsInfo, Pr, Queue, Working};

/// All rows. What is not here does not happen.
pub const TABLE: &[Row] = &[
    row(From::Undecided, Trigger::TriagedQueue, To::At(Queue), "triage: an agent can do it"),
    row(From::Undecided, Trigger::TriagedPerson, To::At(Interactive), "triage: a person must"),
    row(From::Undecided, Trigger::TriagedQuestion, To::At(NeedsInfo), "triage has a question"),
    row(From::At(Queue), Trigger::TriagedQueue, To::At(Queue), "the text changed; triage: still for an agent"),
    row(From::At(Queue), Trigger::TriagedPerson, To::At(Interactive), "the text changed; triage: a person must"),
    row(From::At(Queue), Trigger::TriagedQuestion, To::At(NeedsInfo), "the text changed; triage has a question"),
    row(
        From::Undecided,
        Trigger::HandedOver,
        To::Undecided,
        "triage, or whoever it was handed to, hands over to another formula",
    ),
    row(From::At(Queue), Trigger::HandedOver, To::Undecided, "the text changed; triage hands over to another formula"),
    row(From::At(Working), Trigger::HandedOver, To::Undecided, "whoever worked on it hands over to another formula"),
    row(From::Undecided, Trigger::PullOpened, To::At(Pr), "whoever it was handed to opened a pull request"),
    row(From::Undecided, Trigger::NeedsPerson, To::At(Interactive), "a person must decide on what whoever it was handed to made"),
    row(From::At(NeedsInfo), Trigger::Answered, To::Undecided, "a person answered or edited the body"),
    row(From::At(NeedsInfo), Trigger::Unanswered, To::At(Interactive), "no answer in time, or nobody to give one"),
    row(From::At(Queue), Trigger::Dispatched, To::At(Working), "slot free, dependencies closed, budget left, claim won"),
    row(From::At(Working), Trigger::PullOpened, To::At(Pr), "verified, and the pull request is open"),
    row(From::At(Working), Trigger::FailedForGood, To::At(Failed), "failed for good"),
    row(From::Undecided, Trigger::FailedForGood, To::At(Failed), "triage failed for good"),
    row(From::At(Queue), Trigger::FailedForGood, To::At(Failed), "failed for good before work began"),
    row(From::At(Working), Trigger::Requeued, To::At(Queue), "failed in a way that may pass"),
    row(From::At(Working), Trigger::NeedsPerson, To::At(Interactive), "a person must decide on it; the branch is kept"),
    row(From::At(Queue), Trigger::NeedsPerson, To::At(Interactive), "the branch has a person's commits"),
    row(From::At(Working), Trigger::TriagedPerson, To::At(Interactive), "whoever worked on it says that a person must"),
    row(From::At(Working), Trigger::TriagedQuestion, To::At(NeedsInfo), "whoever worked on it has a question"),
    row(From::At(Working), Trigger::Orphaned, To::At(Queue), "no run of ours known for adopt_after"),
    row(From::Undecided, Trigger::PullFound, To::At(Pr), "an open pull request of ours stands there already"),
    row(From::At(Working), Trigger::PullFound, To::At(Pr), "no run of ours known, and our pull request is open"),
    row(From::At(Pr), Trigger::ReviseAsked, To::At(Working), "changes requested, checks red, conflict, or its base moved on"),
    row(From::At(Working), Trigger::ReviseAgain, To::At(Pr), "the revision failed in a way that may pass"),
    row(From::At(Pr), Trigger::Disputed, To::At(Interactive), "asked for too often, or it could not be done"),
    row(From::At(Pr), Trigger::FailedForGood, To::At(Failed), "the revision failed for good before work began"),
    row(From::Any, Trigger::Merged, To::Undecided, "our pull request was merged"),
    row(From::At(Pr), Trigger::MoreToDo, To::Undecided, "merged, and whoever went on with it left it open"),
    row(From::At(Pr), Trigger::ClosedUnmerged, To::At(Interactive), "pull request closed without a merge"),
    row(From::Any, Trigger::PersonQueued, To::At(Queue), "a person adds the label, or retry"),
    row(From::Any, Trigger::PersonInteractive, To::At(Interactive), "a person adds the label, or cancel"),
    row(From::Any, Trigger::PersonNeedsInfo, To::At(NeedsInfo), "a person adds the label"),
    row(From::Any, Trigger::LabelTakenOff, To::Undecided, "a person takes the last decision label off"),
    row(From::Any, Trigger::PersonClosed, To::Same, "a person closes the issue"),
];

/// Where a trigger leads from here; none where no row says so.
pub fn target(from: Option<Decision>, trigger: Trigger) -> Option<To> {
    TABLE.iter().find(|row| row.trigger == trigger && row.from.matches(from)).map(|row| row.to)
}

impl From {
    fn matches(self, at: Option<Decision>) -> bool {
        match self {
            Self::Undecided => at.is_none(),
            Self::At(decision) => at == Some(decision),
            Self::Any => true,
        }
    }
}

/// The table as a Mermaid state diagram, for the README.
pub fn mermaid(names: &crate::model::LabelNames) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    let node = |d: Decision| names.of(d).replace('-', "_");
    for decision in Decision::ALL {
        lines.push(format!("    state \"{}\" as {}", names.of(decision), node(decision)));
    }
    lines.push(format!("    state \"{}\" as undecided", names.portal));
    lines.push("    state \"wherever it is\" as anywhere".to_owned());
    lines.push("    [*] --> undecided: reported".to_owned());
    for row in TABLE {
        let to = match row.to {
            To::At(decision) => node(decision),
            To::Undecided if row.trigger == Trigger::Merged => "[*]".to_owned(),
            To::Undecided => "undecided".to_owned(),
            To::Same => "[*]".to_owned(),
        };
        let from = match row.from {
            From::At(decision) => node(decision),
            From::Undecided => "undecided".to_owned(),
            From::Any => "anywhere".to_owned(),
        };
        lines.push(format!("    {from} --> {to}: {}", row.says));
    }
    lines.join("\n") + "\n"
}
