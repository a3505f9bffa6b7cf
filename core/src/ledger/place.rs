//! Where an issue stands: what its labels mean, and what a move from one place of the lifecycle to another makes of it.

use std::collections::BTreeSet;

use crate::model::{Decision, LabelsMean, Status, Story, Timestamp, Trigger};

use super::{Decided, IssueState, Orphan};

impl IssueState {
    pub(super) fn labels_read(&mut self, found: &BTreeSet<Decision>, meaning: LabelsMean, at: Timestamp) {
        self.written = Some(found.clone());
        self.doubted = false;
        match meaning {
            LabelsMean::Standing { label } => {
                self.stand(label, at);
                self.found_at(label, at);
            }
            LabelsMean::Foreign { label } => self.stand(Some(label), at),
            LabelsMean::SetByHand { label } => self.set_back = Some(label),
            LabelsMean::Ordered { .. } | LabelsMean::TakenOff => self.set_back = None,
            LabelsMean::Leftover => {}
        }
    }

    fn stand(&mut self, label: Option<Decision>, at: Timestamp) {
        self.fresh_start();
        self.at = label;
        self.at_since = at;
        self.moved_by = None;
        self.orphan = None;
        match label {
            Some(Decision::Queue) => {
                self.queued = Some(at);
                self.skip_triage = true;
            }
            Some(Decision::Working) => self.orphan = Some(Orphan { since: at }),
            Some(Decision::NeedsInfo) => {
                // The first look may have brought an answer.
                let answered = self.answered;
                self.ask();
                self.answered = answered;
            }
            Some(Decision::Pr | Decision::Failed | Decision::Interactive) | None => {}
        }
    }

    pub(super) fn moved(&mut self, trigger: Trigger, to: Option<Decision>, at: Timestamp) {
        self.at = to;
        self.at_since = at;
        self.moved_by = Some(trigger);
        self.orphan = None;
        self.set_back = None;
        if trigger != Trigger::HandedOver {
            self.hand = None;
        }
        if let Some(pull) = self.pull.as_mut() {
            pull.found = false;
        }
        // What called a person was about where it stood: when it comes to call again, edits would notify nobody.
        if let Some(said) = self.said.as_mut().filter(|said| said.status.story.calls_a_person()) {
            said.status = Status { story: Story::Standing, set_back: None };
        }
        match trigger {
            Trigger::PersonQueued => {
                self.fresh_start();
                self.skip_triage = true;
                self.queued = Some(at);
            }
            Trigger::LabelTakenOff => {
                self.fresh_start();
                self.forget_triage();
            }
            Trigger::Answered => {
                self.attempts = 0;
                self.setup_failures = 0;
                self.backoff = None;
                self.forget_triage();
            }
            Trigger::TriagedQueue => {
                self.skip_triage = false;
                self.queued = Some(at);
                self.attempts = 0;
                self.setup_failures = 0;
                self.backoff = None;
            }
            // The next attempt is the first at something else.
            Trigger::PullOpened => {
                self.attempts = 0;
                self.setup_failures = 0;
                self.backoff = None;
            }
            Trigger::TriagedQuestion => {
                self.answered = false;
                self.asked = self.triaged.as_ref().map(|t| t.text.clone());
            }
            Trigger::PersonNeedsInfo => self.ask(),
            Trigger::Orphaned => {
                self.queued = Some(at);
                self.skip_triage = true;
            }
            Trigger::HandedOver => {
                self.attempts = 0;
                self.setup_failures = 0;
                self.backoff = None;
            }
            Trigger::Merged | Trigger::PersonClosed => self.done = true,
            Trigger::TriagedPerson
            | Trigger::Unanswered
            | Trigger::Dispatched
            | Trigger::PullFound
            | Trigger::FailedForGood
            | Trigger::Requeued
            | Trigger::NeedsPerson
            | Trigger::ReviseAsked
            | Trigger::ReviseAgain
            | Trigger::Disputed
            | Trigger::MoreToDo
            | Trigger::ClosedUnmerged
            | Trigger::PersonInteractive => {}
        }
    }

    /// A person says that something is missing: a comment or an edit from now on is the answer.
    fn ask(&mut self) {
        self.answered = false;
        self.asked = Some(self.seen.text.clone());
    }

    fn fresh_start(&mut self) {
        self.hand = None;
        self.handed.clear();
        self.attempts = 0;
        self.setup_failures = 0;
        self.backoff = None;
        self.retry = None;
        self.set_back = None;
        self.done = false;
        self.skip_triage = false;
        if let Some(pull) = self.pull.as_mut() {
            pull.rounds.begin_anew();
        }
    }

    /// Triage will look again; its comment is edited then, not doubled.
    fn forget_triage(&mut self) {
        self.handed.clear();
        self.answered = false;
        if let Some(triaged) = self.triaged.as_mut() {
            triaged.decided = Decided::default();
            triaged.text.body = "".into();
        }
        if self.triaged.as_ref().is_some_and(|t| t.breakdown.is_none()) {
            self.triaged = None;
        }
    }
}
