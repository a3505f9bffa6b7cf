//! Rounds of revision of a pull request of ours: what was asked of it, and what of that is done with.
//!
//! Promises: a review that was given to a run which came to its end, and a point that was answered, are done with for good, whatever is
//! pushed later; what a reading shows for the first time while it is about an older commit counts only where that is the one that the last
//! revision began at, because it was given while that was at work.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{
    Ask, Branch, ChangeRequest, Checks, Commented, Decision, Evidence, PointId, PullNumber, PullState, ReviewId, Revision,
    RunOutcome, Sha, Timestamp,
};

use super::{IssueState, PullRef, RunState};

/// What is known of the reviews of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reviews {
    /// They were read since it last moved.
    Read,
    /// They are read with its next reading: nothing is known to have moved but by its opening.
    Due,
    /// It moved: they are read at once.
    Unread,
}

/// A head that can be merged into its base, and fails the verification then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// Which.
    pub head: Sha,
    /// How it failed.
    pub evidence: Evidence,
}

/// How far a pull request was revised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rounds {
    /// Revisions that came to their end since the last fresh start.
    pub done: u32,
    /// Those of them that were given a conflict.
    pub conflicts: u32,
    /// The head with red checks that was given to the last one.
    pub red: Option<Sha>,
    /// The head at which the last one began.
    pub from: Option<Sha>,
    /// The reviews that were given to one.
    pub reviews: BTreeSet<ReviewId>,
    /// The comments that were given to one.
    #[serde(default)]
    pub comments: BTreeSet<PointId>,
    /// The points that were answered.
    pub points: BTreeSet<PointId>,
}

impl PullRef {
    /// The requests for changes that no run was given yet.
    pub fn open_asks(&self) -> impl Iterator<Item = &Ask> {
        self.asks.iter().filter(|ask| !self.rounds.reviews.contains(&ask.review))
    }

    /// What was seen of comments. A reading that began before a run was given one may bring it once more.
    pub(super) fn commented(&mut self, seen: &[Commented]) {
        self.comments = seen.iter().filter(|comment| !self.rounds.comments.contains(&comment.point)).cloned().collect();
    }

    /// Whether a request for changes is news of this head, or of the one at which we began the revision that led to it. The forge's own mark
    /// of staleness comes late.
    pub fn is_news(&self, head: &Sha, request: &ChangeRequest) -> bool {
        let of = request.of.as_ref();
        (of == Some(head) && !request.stale) || (of.is_some() && of == self.rounds.from.as_ref())
    }

    /// One that was opened with this head.
    pub(super) fn opened(number: PullNumber, (branch, base): (Branch, Branch), head: Sha, at: Timestamp) -> Self {
        Self {
            number,
            branch,
            base,
            head,
            state: PullState::Open,
            checks: Checks::None,
            cut: false,
            idle: None,
            changes_requested: false,
            conflicts: false,
            unfit: None,
            approved: false,
            moved: None,
            reviews: Reviews::Due,
            branch_settled: false,
            found: false,
            asks: Vec::new(),
            comments: Vec::new(),
            rounds: Rounds::default(),
            evidence: None,
            opinion: None,
            weighed: None,
            weighed_since: at,
            brought_up: None,
            refused: None,
            then: None,
            rerun: None,
            files: BTreeSet::new(),
        }
    }

    /// How its head can be merged, and fails the verification then.
    pub fn unfit(&self) -> Option<&Evidence> {
        self.unfit.as_ref().filter(|unfit| unfit.head == self.head).map(|unfit| &unfit.evidence)
    }

    /// It moved. The first time it is its opening, our own doing; a review may have come with it all the same, and what is to be read at once stays so.
    pub(super) fn moved_at(&mut self, at: Timestamp) {
        self.reviews = match (self.moved, self.reviews) {
            (None, Reviews::Read | Reviews::Due) => Reviews::Due,
            (Some(_), _) | (None, Reviews::Unread) => Reviews::Unread,
        };
        self.moved = Some(at);
    }

    /// We merged its base into its branch, and nothing else.
    pub(super) fn brought_up_to(&mut self, head: &Sha) {
        let was_weighed = self.weighed_head().is_some_and(|weighed| !weighed.tier_only);
        self.pushed(head);
        self.brought_up = was_weighed.then(|| head.clone());
    }

    /// We pushed to its branch: what was known of its old head is not known of this one.
    pub(super) fn pushed(&mut self, head: &Sha) {
        self.head = head.clone();
        self.checks = Checks::None;
        (self.cut, self.idle) = (false, None);
        self.conflicts = false;
        self.approved = false;
        self.reviews = Reviews::Unread;
        self.weighed = None;
        self.refused = None;
    }

    /// What stood there when a run was prepared that revises it.
    pub(super) fn prepared(&mut self, revision: &Revision) {
        self.head = revision.head.clone();
        self.asks.clone_from(&revision.asks);
        self.comments.clone_from(&revision.comments);
        self.changes_requested |= !revision.asks.is_empty();
        self.checks = revision.checks;
        self.cut &= revision.checks == Checks::Failure;
        self.conflicts = revision.conflicts;
    }

    /// What somebody asked for beside the lifecycle is no round of it.
    fn round(&mut self, revision: &Revision, counts: bool) {
        let rounds = &mut self.rounds;
        rounds.done += u32::from(counts);
        rounds.conflicts += u32::from(revision.conflicts || revision.unfit);
        rounds.red = (revision.checks == Checks::Failure).then(|| revision.head.clone()).or(rounds.red.take());
        rounds.from = Some(revision.head.clone());
        rounds.reviews.extend(revision.asks.iter().map(|ask| ask.review));
        let given: BTreeSet<PointId> = revision.comments.iter().map(|comment| comment.point).collect();
        self.comments.retain(|comment| !given.contains(&comment.point));
        self.rounds.comments.extend(given);
    }
}

impl Rounds {
    /// A person asks for more: what was answered stays so.
    pub(super) fn begin_anew(&mut self) {
        (self.done, self.conflicts, self.red) = (0, 0, None);
    }
}

impl IssueState {
    /// The pull request of ours that is open.
    pub fn open_pull(&self) -> Option<&PullRef> {
        self.pull.as_ref().filter(|pull| pull.state == PullState::Open)
    }

    /// A run that revises ended.
    pub(super) fn revised(&mut self, run: &RunState, outcome: &RunOutcome) {
        let counts = !run.aside && self.at == Some(Decision::Working);
        let revision = run.prepared.as_ref().and_then(|prepared| prepared.revision.as_ref());
        let (Some(revision), Some(pull)) = (revision, self.pull.as_mut()) else { return };
        if let (RunOutcome::VerificationFailed { evidence }, true) = (outcome, run.formula.updates()) {
            pull.unfit = Some(Box::new(Unfit { head: revision.head.clone(), evidence: evidence.clone() }));
        }
        if let (RunOutcome::Succeeded { .. }, true) = (outcome, pull.number == revision.pull) {
            match run.formula.updates() {
                // What is asked of it stands as it did.
                true => pull.rounds.from = Some(revision.head.clone()),
                false => pull.round(revision, counts),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Risk, Weighed};

    fn sha(of: u64) -> Sha {
        format!("{of:040x}").parse().expect("a name of an object")
    }

    fn weighed(head: u64) -> Weighed {
        let (reasons, approvals, approvers, required, lacking) = Default::default();
        Weighed {
            head: sha(head),
            base: sha(0),
            behind: false,
            tier: Risk::Medium,
            reasons,
            approvals,
            approvers,
            admins: Vec::new(),
            required,
            lacking,
            unreported: false,
            style: None,
            window: None,
            tier_only: false,
        }
    }

    #[test]
    fn what_was_reviewed_before_it_was_first_seen_to_move_is_still_read_at_once() {
        let opened = || PullRef::opened(PullNumber(1), ("claude/issue-1".into(), "main".into()), sha(1), Timestamp(0));
        let mut pull = opened();
        pull.moved_at(Timestamp(1));
        assert_eq!(pull.reviews, Reviews::Due, "that was its opening");
        pull.moved_at(Timestamp(2));
        assert_eq!(pull.reviews, Reviews::Unread);
        let mut reviewed = opened();
        reviewed.reviews = Reviews::Unread;
        reviewed.moved_at(Timestamp(1));
        assert_eq!(reviewed.reviews, Reviews::Unread, "our own review came before the look that saw its opening");
    }

    #[test]
    fn the_window_goes_on_where_we_brought_the_branch_up_and_begins_anew_where_somebody_pushed() {
        let mut pull = PullRef::opened(PullNumber(1), ("claude/issue-1".into(), "main".into()), sha(1), Timestamp(0));
        pull.weigh(Some(&weighed(1)), Timestamp(10));
        assert_eq!(pull.weighed_since, Timestamp(10));
        pull.brought_up_to(&sha(2));
        pull.weigh(Some(&weighed(2)), Timestamp(20));
        assert_eq!(pull.weighed_since, Timestamp(10), "nobody changed anything");
        pull.weigh(Some(&weighed(3)), Timestamp(30));
        assert_eq!(pull.weighed_since, Timestamp(30), "somebody pushed");
        // A person was to merge it: nobody waited for an approval.
        pull.weigh(Some(&Weighed { tier_only: true, ..weighed(4) }), Timestamp(32));
        pull.weigh(Some(&weighed(4)), Timestamp(35));
        assert_eq!(pull.weighed_since, Timestamp(35), "it waits for one from now on");
        // That was pushed and not seen yet when we brought it up: what nobody has weighed begins to wait with us.
        pull.pushed(&sha(5));
        pull.brought_up_to(&sha(6));
        pull.weigh(Some(&weighed(6)), Timestamp(40));
        assert_eq!(pull.weighed_since, Timestamp(40));
    }
}
