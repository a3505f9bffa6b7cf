//! What came of an effect, into what is known of its issue.

use std::collections::BTreeSet;

use crate::model::{Checks, Intent, Lane, Outcome, PullState, Rerun, Timestamp, VAULT_APPROVED};

use super::{BranchTip, ClaimState, Held, IssueState, PullRef, Refused, Reviews, RunState};

impl IssueState {
    pub(super) fn outcome(&mut self, intent: &Intent, outcome: &Outcome, lane: &Lane, at: Timestamp) {
        self.count_failure(outcome, lane, at);
        match outcome {
            Outcome::Claimed { sha, .. } => {
                self.claim = ClaimState::Ours(Held { sha: sha.clone(), since: at, failed: None, failures: 0 })
            }
            Outcome::ClaimHeld { by, until } => {
                self.claim = ClaimState::Theirs { by: by.clone(), until: *until };
                self.stop_for_claim();
            }
            Outcome::ClaimLost => {
                self.claim = ClaimState::None;
                self.stop_for_claim();
            }
            Outcome::Released => self.claim = ClaimState::None,
            Outcome::Labelled { labels, people, .. } => {
                self.unsure.clear();
                self.seen.labels = labels.clone();
                self.written = Some(match intent {
                    Intent::Labels { to: Some(to), .. } if people.is_empty() => BTreeSet::from([*to]),
                    _ => BTreeSet::new(),
                });
            }
            Outcome::Said { comment, left } => self.said_now(intent, *comment, *left),
            Outcome::Unsaid => self.unsaid(intent),
            Outcome::Closed => {
                if self.seen.open && *intent == Intent::Close {
                    self.closes();
                    self.seen.open = false;
                }
                self.run_outcome(intent, outcome, at);
            }
            Outcome::Reopened => {
                self.seen.open = true;
                self.opens();
                self.run_outcome(intent, outcome, at);
            }
            Outcome::Relabelled { labels, .. } => {
                if let Intent::Relabel { on: None, .. } = intent {
                    self.seen.labels = labels.clone();
                }
                self.run_outcome(intent, outcome, at);
            }
            Outcome::Discarded { kept } => {
                if let Intent::Discard { run, .. } = intent {
                    let ended = [self.last.as_mut(), self.aside.as_mut()].into_iter().flatten();
                    ended.filter(|ended| ended.run == *run).for_each(|ended| ended.workspace.clone_from(kept));
                }
            }
            Outcome::Merged => {
                if let Some(pull) = self.pull.as_mut() {
                    pull.state = PullState::Merged;
                }
            }
            Outcome::MergeRefused { why } => self.merge_refused(intent, why, at),
            Outcome::Reran(rerun) => self.reran(intent, rerun),
            Outcome::BranchGone => {
                // What is pushed there from now on makes it anew.
                self.tip = None;
                self.branch_settled();
            }
            Outcome::BranchLeft { .. } => self.branch_settled(),
            Outcome::Failed { failure } => self.failed(intent, failure),
            Outcome::Prepared { .. }
            | Outcome::NothingThere { .. }
            | Outcome::FormulaRefused { .. }
            | Outcome::SetUp
            | Outcome::AgentEnded { .. }
            | Outcome::Taken { .. }
            | Outcome::Verified { .. }
            | Outcome::Pushed
            | Outcome::PushStale { .. }
            | Outcome::PullOpened { .. }
            | Outcome::Filed { .. }
            | Outcome::Rewritten { .. }
            | Outcome::Replied
            | Outcome::Reviewed { .. }
            | Outcome::Kept { .. }
            | Outcome::VaultAsked(_)
            | Outcome::Mended { .. }
            | Outcome::Cut => {
                if let (Intent::Labels { to: Some(to), .. }, Outcome::Cut) = (intent, outcome) {
                    self.unsure.insert(*to);
                }
                self.run_outcome(intent, outcome, at);
            }
        }
    }

    fn branch_settled(&mut self) {
        if let Some(pull) = self.pull.as_mut() {
            pull.branch_settled = true;
        }
    }

    fn merge_refused(&mut self, intent: &Intent, why: &str, at: Timestamp) {
        let (Intent::Merge { head, .. }, Some(pull)) = (intent, self.pull.as_mut()) else { return };
        let times = pull.refused.as_ref().filter(|before| before.head == *head).map_or(0, |before| before.times);
        pull.refused = Some(Refused { head: head.clone(), why: why.to_owned(), at, times: times.saturating_add(1) });
    }

    fn reran(&mut self, intent: &Intent, rerun: &Rerun) {
        let (Intent::Rerun { head, .. }, Some(pull)) = (intent, self.pull.as_mut()) else { return };
        pull.rerun = Some((head.clone(), rerun.clone()));
        if *rerun == Rerun::Begun && pull.head == *head {
            (pull.checks, pull.cut) = (Checks::Pending, false);
        }
    }

    fn stop_for_claim(&mut self) {
        let rests = self.stepped_back.iter_mut().filter(|run| !run.aside);
        for run in self.run.iter_mut().filter(|run| run.ended.is_none()).chain(rests) {
            run.stopping.get_or_insert(crate::model::StopWhy::ClaimLost);
        }
    }

    fn run_outcome(&mut self, intent: &Intent, outcome: &Outcome, at: Timestamp) {
        let keeps = self.run.as_ref().is_some_and(|run| run.formula.keeps_branch());
        if let (Intent::Push { sha, .. }, Outcome::Pushed, false) = (intent, outcome, keeps) {
            self.tip = Some(BranchTip { sha: sha.clone() });
        }
        if let (Intent::Push { sha, branch, .. }, Outcome::Pushed, Some(pull)) = (intent, outcome, self.pull.as_mut())
            && pull.branch == *branch
        {
            match self.run.as_ref().is_some_and(|run| run.formula.updates()) {
                true => pull.brought_up_to(sha),
                false => pull.pushed(sha),
            }
            if let Some(run) = &self.run {
                pull.evidence = run.evidence_of(sha);
                pull.opinion = pull.opinion.max(run.opinion());
                pull.files.extend(run.own_files());
            }
        }
        // That moved it, and whoever waits for the review need not wait for the next reading.
        if let (Outcome::Reviewed { .. }, Some(pull)) = (outcome, self.pull.as_mut()) {
            pull.reviews = Reviews::Unread;
        }
        if let (Intent::Reply { reply, .. }, Outcome::Replied, Some(pull)) = (intent, outcome, self.pull.as_mut()) {
            pull.rounds.points.insert(reply.to.id);
        }
        if let (Outcome::Prepared { revision: Some(revision), .. }, Some(pull)) = (outcome, self.pull.as_mut()) {
            pull.prepared(revision);
        }
        if let (Intent::OpenPull { sha, head, base, .. }, Outcome::PullOpened { pull }) = (intent, outcome) {
            let before = self.pull.take().filter(|before| before.number == *pull);
            let before = before.map(|before| (before.asks, before.rounds, before.opinion, before.files));
            let (asks, rounds, opinion, mut files) = before.unwrap_or_default();
            files.extend(self.run.iter().flat_map(RunState::own_files));
            let evidence = self.run.as_ref().and_then(|run| run.evidence_of(sha));
            let opinion = opinion.max(self.run.as_ref().and_then(RunState::opinion));
            let fresh = PullRef::opened(*pull, (head.clone(), base.clone()), sha.clone(), at);
            self.pull = Some(PullRef { asks, rounds, evidence, opinion, files, ..fresh });
        }
        match outcome {
            Outcome::Prepared { issue, .. } => self.see(issue),
            Outcome::SetUp => self.setup_failures = 0,
            _ => {}
        }
        let Some(run) = self.run.as_mut() else { return };
        run.outcome(intent, outcome, at);
        if let Outcome::VaultAsked(ask) = outcome
            && self.seen.labels.contains(VAULT_APPROVED)
        {
            run.labelled_before.insert(ask.id.clone());
        }
    }
}
