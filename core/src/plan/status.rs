//! What the one status comment of an issue should say.

use std::collections::BTreeSet;

use crate::ledger::IssueState;
use crate::model::{Cost, Decision, Intent, PersonWhy, PullState, RunOutcome, Saying, Status, Story, Subject, Trigger};

use super::revise::disputes;
use super::{Action, Context, Next, ProjectPolicy};

impl Context<'_> {
    /// Says it where it differs from what stands there. What calls a person is posted anew, because edits notify nobody.
    pub(super) fn status(&self, subject: &Subject, state: &IssueState, project: &ProjectPolicy) -> Option<Next> {
        let story = self.approval_story(state, project).or_else(|| self.story(state, project));
        let status = Status { story: story.unwrap_or(Story::Standing), set_back: state.set_back };
        self.say(subject, state, status)
    }

    /// The last word on an issue that is closed: only where something of ours stands there already.
    pub(super) fn status_of_closed(&self, subject: &Subject, state: &IssueState) -> Option<Next> {
        let pull = state.pull.as_ref().filter(|p| p.state == PullState::Merged)?;
        state.said.as_ref()?.comment?;
        let verified = pull.evidence.as_ref().filter(|evidence| evidence.passed).map(|evidence| {
            let commands = evidence.commands.iter().map(|run| run.command.clone());
            (evidence.sha.clone(), commands.collect())
        });
        let story = Story::Merged { pull: pull.number, verified, cost: state.cost };
        self.say(subject, state, Status { story, set_back: None })
    }

    fn say(&self, subject: &Subject, state: &IssueState, status: Status) -> Option<Next> {
        let said = state.said.as_ref();
        let nothing_new = match &status {
            Status { story: Story::Standing, set_back: None } => true,
            status => said.is_some_and(|s| s.status == *status),
        };
        if nothing_new {
            return None;
        }
        let older = said.and_then(|s| s.comment);
        let anew = status.story.calls_a_person() || status.set_back.is_some();
        let (edit, replaces) = if anew { (None, older) } else { (older, None) };
        // Of a pull request that was found nothing is said anew; but a comment of ours may stand there that says something else.
        let if_there =
            edit.is_none() && matches!(status.story, Story::Opened { .. }) && state.moved_by != Some(Trigger::PullOpened);
        let intent = Intent::Say { what: Saying::Status { status }, edit, replaces, if_there };
        Some(Next::Act(Action::Do { subject: subject.clone(), intent }))
    }

    /// None where the label says it all.
    fn story(&self, state: &IssueState, project: &ProjectPolicy) -> Option<Story> {
        let of = state.run.as_ref().map_or(self.policy.attempts, |run| self.policy.attempts_of(&run.formula));
        match state.at {
            Some(Decision::Working) => state.live_run().or_else(|| state.rests()).map(|run| match run.gate() {
                Some(gate) => Story::Gate { gate: gate.clone(), pull: run.pull },
                None => Story::Working { attempt: run.attempt, of },
            }),
            Some(Decision::Queue) | None => {
                let last = state.last.as_ref()?;
                let attempt = match last.outcome.cost() {
                    Cost::Attempt => state.attempts,
                    Cost::Pause => state.setup_failures,
                    Cost::Nothing | Cost::Final => return None,
                };
                let waits = state.backoff.is_some_and(|until| until > self.now) && state.moved_by != Some(Trigger::TriagedQueue);
                waits.then(|| Story::TryingAgain { attempt, of, outcome: last.outcome.clone() })
            }
            Some(Decision::Pr) => {
                let pull = state.pull.as_ref()?;
                let opened = state.moved_by == Some(Trigger::PullOpened);
                let open = pull.state == PullState::Open;
                let tier = if open { Self::tier_story(project, pull) } else { None };
                (opened || open).then_some(Story::Opened { pull: pull.number, tier })
            }
            Some(Decision::Failed) => {
                let last = state.last.as_ref().filter(|_| state.moved_by == Some(Trigger::FailedForGood))?;
                Some(Story::Failed { outcome: last.outcome.clone(), attempts: state.attempts.max(1) })
            }
            Some(Decision::NeedsInfo) => {
                let decided = &state.triaged.as_ref()?.decided;
                (state.moved_by == Some(Trigger::TriagedQuestion))
                    .then(|| Story::Question { questions: decided.questions.clone() })
            }
            Some(Decision::Interactive) => self.person_why(state).map(|why| Story::Person { why }),
        }
    }

    fn person_why(&self, state: &IssueState) -> Option<PersonWhy> {
        let last = state.last.as_ref().map(|l| &l.outcome);
        match (state.moved_by?, last) {
            (Trigger::TriagedPerson, Some(RunOutcome::InvalidOutput { why })) => Some(PersonWhy::NoAnswer { why: why.clone() }),
            (Trigger::TriagedPerson, _) => {
                let summary = state.triaged.as_ref()?.decided.summary.clone();
                Some(PersonWhy::Triage { summary })
            }
            (Trigger::NeedsPerson, Some(RunOutcome::NeedsPerson { paths })) => {
                let branch = state.last.as_ref().map_or_else(String::new, |last| last.branch.to_string());
                Some(PersonWhy::Paths { paths: paths.iter().cloned().collect::<BTreeSet<_>>(), branch })
            }
            (Trigger::NeedsPerson, Some(RunOutcome::BranchTaken { branch })) => {
                Some(PersonWhy::BranchTaken { branch: branch.to_string() })
            }
            (Trigger::Disputed, _) => {
                let pull = state.pull.as_ref()?;
                Some(PersonWhy::Disputed { pull: pull.number, rounds: pull.rounds.done, over: disputes(pull) })
            }
            (Trigger::Unanswered, _) => Some(PersonWhy::Unanswered),
            (Trigger::ClosedUnmerged, _) => Some(PersonWhy::ClosedUnmerged { pull: state.pull.as_ref()?.number }),
            _ => None,
        }
    }
}
