//! A rehearsal: a run that is played instead of made. The plan decides as in a real one, on a ledger of its own, event by event; what it wants
//! done is answered from a script, and what would be said to agents and people is rendered as it would be.
//!
//! Promises: no I/O, and no effect; the same stage and cast give the same play. What a step meets in a real run and not here: a forge, git or
//! machine that fails, people who act meanwhile, what an agent did to the repository. Gates open at once, and time passes as far as it must.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::hands::output;
use crate::ledger::{IssueState, Ledger};
use crate::model::{
    ActionFile, Advance, AtGate, CommentId, EffectKey, Event, Expected, HandOutcome, Intent, IssueDraft, IssueNumber, Outcome,
    Proposal, Record, Rerun, RunOutcome, Saying, Shape, Step, StepId, StepKind, Subject, Timestamp, Told, Wait, Wanted,
};
use crate::plan::{self, Action, Policy, View};
use crate::ports::Given;

use super::super::core::Facts;
use super::labels::{self, Relabel};
use super::prepare::without_texts;
use super::scene::Scene;
use super::stage::{BASE, HEAD, PULL, change, evidence, facts, labelled, policy, sha};
use super::{Order, Stage, agent, ask, context, issues, keep};

/// Decisions and effects of one rehearsal at most.
const ROUNDS: usize = 5_000;
/// How many more there may be for each item of a list that a step is done for.
const ROUNDS_OF_AN_ITEM: usize = 20;
/// Issues that are played have numbers above this one.
const FILED: u64 = 1_000_000;

/// What an agent answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This; whether it fits the step's schema is found out as in a real run.
    Output(Json),
    /// Nothing that could be used, for this reason.
    Invalid(String),
}

/// What commands show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// All of them pass.
    pub passed: bool,
    /// The end of what was printed.
    pub tail: String,
}

/// Who plays.
pub trait Cast {
    /// What the agent of a step answers.
    ///
    /// # Errors
    /// It has no answer left: the rehearsal ends.
    fn answer(&mut self, step: &StepId, shape: &Shape) -> Result<Answer, String>;
    /// What the commands of a step show.
    ///
    /// # Errors
    /// The rehearsal ends.
    fn shows(&mut self, step: &StepId) -> Result<Shown, String>;
    /// Its answers stand in for those that nobody knows yet.
    fn stands_in(&self) -> bool {
        false
    }
}

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// All that happened.
    pub scenes: Vec<Scene>,
    /// How the run ended.
    pub outcome: RunOutcome,
}

impl Stage {
    /// Plays the run to its end.
    ///
    /// # Errors
    /// Why it came to none: the cast has no answer, a template cannot be filled in, or the plan waits for what never comes.
    pub fn play(&self, cast: &mut dyn Cast) -> Result<Played, String> {
        let mut play = Play::new(self, cast);
        let (mut left, mut done) = (ROUNDS, 0);
        while left > 0 {
            if let Some(outcome) = play.outcome() {
                return Ok(Played { scenes: play.scenes, outcome });
            }
            play.step()?;
            (left, done) = (left - 1, done + 1);
            left += std::mem::take(&mut play.items) * ROUNDS_OF_AN_ITEM;
        }
        Err(format!("the run did not come to an end in {done} decisions"))
    }
}

/// A rehearsal under way.
struct Play<'a> {
    stage: &'a Stage,
    cast: &'a mut dyn Cast,
    ledger: Ledger,
    view: View,
    policy: Policy,
    facts: Facts,
    now: Timestamp,
    scenes: Vec<Scene>,
    /// What the effect names that is asked for now.
    about: Option<String>,
    /// The items of lists that were begun since the last decision.
    items: usize,
}

impl<'a> Play<'a> {
    fn new(stage: &'a Stage, cast: &'a mut dyn Cast) -> Self {
        let repo = stage.subject.repo.clone();
        let view = View { fresh: BTreeSet::from([repo]), ..View::default() };
        let facts = Arc::new(facts(stage));
        let ledger = stage.opened(&facts);
        Self {
            stage,
            cast,
            ledger,
            view,
            policy: policy(stage),
            facts,
            now: stage.now,
            scenes: Vec::new(),
            about: None,
            items: 0,
        }
    }

    fn note(&mut self, event: Event) {
        // What becomes of other issues is not played.
        let elsewhere = |of: &Subject| *of != self.stage.subject;
        if matches!(&event, Event::Seen { subject, .. } | Event::Wanted { subject, .. } if elsewhere(subject)) {
            return;
        }
        self.tell(&event);
        self.now = Timestamp(self.now.0 + 1);
        let record = Record { seq: self.ledger.seq + 1, at: self.now, event };
        self.ledger.apply(&record);
    }

    fn state(&self) -> Result<IssueState, String> {
        self.ledger.issue(&self.stage.subject).cloned().ok_or_else(|| "the issue is gone".to_owned())
    }

    fn outcome(&self) -> Option<RunOutcome> {
        self.ledger.issue(&self.stage.subject)?.run.as_ref()?.ended.clone()
    }

    /// The next decision or effect.
    fn step(&mut self) -> Result<(), String> {
        let plan = plan::plan(&self.ledger, &self.view, &self.policy, self.now);
        for action in plan.actions {
            match action {
                Action::Record(events) if !events.is_empty() => {
                    events.into_iter().for_each(|event| self.note(event));
                    return Ok(());
                }
                Action::Do { intent, .. } => return self.act(&intent),
                Action::Checks(_) => {
                    self.view.checked.insert(self.stage.subject.clone(), self.now);
                    self.note(super::stage::green(&self.stage.subject));
                    return Ok(());
                }
                Action::Record(_)
                | Action::Find { .. }
                | Action::Stop { .. }
                | Action::Survey(_)
                | Action::Look(_)
                | Action::History(_)
                | Action::Dependencies(_)
                | Action::Rights { .. }
                | Action::Files { .. }
                | Action::Renew(_)
                | Action::Offers
                | Action::TellOffer(_)
                | Action::Vault(_) => {}
            }
        }
        if let Some(Wait::Gate { waits: AtGate::Vault(vault), .. }) = plan.waits.get(&self.stage.subject) {
            self.note(self.stage.vault.over(&vault.repo, &vault.action));
            return Ok(());
        }
        if let Some(event) = self.ledger.issue(&self.stage.subject).and_then(|state| self.stage.merged(state)) {
            self.note(event);
            return Ok(());
        }
        let given_up = self.ledger.issue(&self.stage.subject).and_then(|state| self.stage.given_up(state));
        match given_up.or(plan.wake).filter(|wake| *wake > self.now) {
            Some(wake) => self.now = wake,
            None => return Err(self.stuck(plan.waits.get(&self.stage.subject))),
        }
        Ok(())
    }

    fn stuck(&self, wait: Option<&crate::model::Wait>) -> String {
        let names = &self.stage.project.labels;
        let why = wait.map_or_else(|| "nothing is left to do".to_owned(), |wait| crate::words::wait(wait, names));
        format!("the run does not go on: {why}")
    }

    fn act(&mut self, intent: &Intent) -> Result<(), String> {
        let state = self.state()?;
        let subject = self.stage.subject.clone();
        let run = state.run.as_ref().map(|run| &run.id);
        let key = EffectKey::new(&subject, run, &self.policy.journal, intent.word(), state.effects + 1);
        self.note(Event::Intended { key: key.clone(), subject, intent: intent.clone() });
        if let Intent::Agent { run, session, .. } = intent {
            self.note(Event::SessionStarted { run: run.clone(), session: session.clone() });
        }
        let outcome = self.answered(&key, intent)?;
        self.note(Event::Ended { key, outcome });
        Ok(())
    }

    fn answered(&mut self, key: &EffectKey, intent: &Intent) -> Result<Outcome, String> {
        let state = self.state()?;
        let (facts, stage) = (self.facts.clone(), self.stage);
        self.about = about(intent);
        let order = Order { key, subject: &stage.subject, state: &state, facts: &facts, project: &stage.project };
        Ok(match intent {
            Intent::Claim { .. } => Outcome::Claimed { sha: sha(BASE)?, until: self.now.next_day() },
            Intent::Release { .. } => Outcome::Released,
            Intent::Labels { to, .. } => labelled(&state, &stage.project.labels, *to),
            Intent::Say { what, edit, .. } => {
                match what {
                    Saying::Proposed { step, .. } | Saying::Note { step, .. } => self.propose(&order, step)?,
                    Saying::Status { .. } => {}
                }
                Outcome::Said { comment: edit.unwrap_or(CommentId(state.effects)), left: None }
            }
            Intent::Close => {
                if let Some(step) = order.run().ok().and_then(|run| run.step_of(intent)) {
                    self.proposed(&step, proposal_of(&order, &step)?, None, String::new());
                }
                Outcome::Closed
            }
            Intent::CloseNamed { step, on, .. } => {
                self.proposed(step, proposal_of(&order, step)?, None, format!("on {on}\n"));
                Outcome::Closed
            }
            Intent::File { step, item, once, .. } => match self.filed_before(once.as_deref()) {
                Some(issue) => Outcome::Filed { issue, unlinked: false, learned: Vec::new() },
                None => self.file(&order, step, item.as_ref())?,
            },
            Intent::Review { step, .. } => {
                self.propose(&order, step)?;
                Outcome::Reviewed { counts: true }
            }
            Intent::Keep { step, content, .. } => self.keep(&order, step, content)?,
            Intent::AskVault { step, file, .. } => self.ask_vault(&order, step, file)?,
            Intent::Mend { step, probe, .. } => {
                self.proposed(step, proposal_of(&order, step)?, None, format!("{probe}\n"));
                stage.host.mended(probe)?
            }
            Intent::Rewrite { step, on, tick, .. } => {
                let (title, body) = issues::rewritten(&order, step, &stage.texts).map_err(|failure| failure.why)?;
                let ticked = |issue: &IssueNumber| format!("- [x] {issue}, on {}\n", on.unwrap_or(stage.subject.issue));
                let body = body.or_else(|| (!tick.is_empty()).then(|| tick.iter().map(ticked).collect()));
                self.proposed(step, proposal_of(&order, step)?, title, body.unwrap_or_default());
                Outcome::Rewritten { text: None }
            }
            Intent::Prepare { .. } => Outcome::Prepared {
                open: stage.subject.is_project().then(|| Box::new(without_texts(&stage.texts.open))),
                base: sha(BASE)?,
                base_branch: stage.base.clone(),
                tip: None,
                issue: Box::new(state.seen.clone()),
                read_up_to: None,
                trunk: Some(Box::new(sha(BASE)?)),
                tip_ours: false,
                over: None,
                revision: self.stage.revision()?,
                merged: order.run().is_ok_and(|run| run.formula.updates()).then(change).transpose()?.map(Box::new),
                ops: None,
                tasks: Some(Box::new(stage.texts.tasks.without_texts())),
                sprint: stage.sprint.clone().map(Box::new),
                host: Some(Box::new(stage.host.facts())),
                last_tag: stage.texts.last_tag.clone().map(Box::new),
                moved: stage.moved.clone().map(Box::new),
            },
            Intent::SetUp { .. } => Outcome::SetUp,
            Intent::Agent { step, resume, told, .. } => {
                let step = named(&order, step)?;
                let StepKind::Agent { output: shape, .. } = &step.kind else { return Err("the step is no agent's".into()) };
                let prompt = agent::told(&order, step, *resume, told, &stage.texts, &Given::default()).map_err(|f| f.why)?;
                let none_left = |none: String| match told {
                    Told::AnswerAgain { why } => format!("{none}; the one before was not taken: {}", why.trim_end()),
                    _ => none,
                };
                let answer = match self.cast.answer(&step.id, shape).map_err(none_left)? {
                    // Of a pattern nothing can be made up: what stands for an answer is shown as it is.
                    Answer::Output(answer) if self.cast.stands_in() => Ok(answer),
                    Answer::Output(answer) => output::fits(shape, &answer).map(|()| answer),
                    Answer::Invalid(why) => Err(why),
                };
                self.scenes.push(Scene::Asked { step: step.id.clone(), prompt, answer: answer.clone() });
                Outcome::AgentEnded { how: HandOutcome::Succeeded, output: answer, resumable: true }
            }
            Intent::Take { step, .. } => {
                self.scenes.push(Scene::Taken { step: step.clone() });
                Outcome::Taken { judged: Ok(change()?) }
            }
            Intent::Verify { step, sha, trial, .. } => {
                let step = named(&order, step)?;
                let own = || agent::commands_of(step, &stage.project);
                let commands = trial.as_ref().map_or_else(own, |trial| &trial.commands);
                let shown = match trial.as_ref().map(|trial| &trial.expect) {
                    // Nobody knows what it shows: it shows what it is to.
                    Some(Expected::Failure { prints }) if self.cast.stands_in() => {
                        Shown { passed: false, tail: prints.clone().unwrap_or_default() }
                    }
                    _ => self.cast.shows(&step.id)?,
                };
                let evidence = evidence(sha, commands, shown);
                self.scenes.push(Scene::Ran { step: step.id.clone(), evidence: evidence.clone() });
                Outcome::Verified { evidence }
            }
            Intent::Push { .. } => {
                let step = state.run.as_ref().and_then(|run| Some((run.step_of(intent)?, run.branch.to_string())));
                if let Some((step, branch)) = step {
                    match proposal_of(&order, &step)? {
                        proposal @ Proposal::Branch { .. } => self.proposed(&step, proposal, None, format!("{branch}\n")),
                        proposal @ Proposal::Push => self.proposed(&step, proposal, None, String::new()),
                        _ => {}
                    }
                }
                Outcome::Pushed
            }
            Intent::Reopen { step, .. } => {
                self.proposed(step, proposal_of(&order, step)?, None, String::new());
                Outcome::Reopened
            }
            Intent::OpenPull { step, .. } => {
                self.propose(&order, step)?;
                Outcome::PullOpened { pull: PULL }
            }
            Intent::Reply { step, reply, .. } => {
                let said = stage.texts.pull.iter().flat_map(|pull| &pull.points).find(|said| said.point.id == reply.to.id);
                let quote = said.map(|said| said.body.as_str());
                let words = crate::words::reply(
                    &reply.to,
                    quote,
                    reply.text.as_deref(),
                    order.run().ok().and_then(|r| r.pushed.as_ref()),
                );
                self.proposed(step, proposal_of(&order, step)?, None, format!("{words}\n"));
                Outcome::Replied
            }
            Intent::Relabel { step, .. } => self.relabel(&order, step)?,
            Intent::Discard { .. } => Outcome::Discarded { kept: None },
            Intent::Merge { .. } => Outcome::Merged,
            Intent::Rerun { .. } => Outcome::Reran(Rerun::Begun),
            Intent::DropBranch { .. } => Outcome::BranchGone,
        })
    }

    /// What would be said, as it would be.
    fn propose(&mut self, order: &Order<'_>, step: &StepId) -> Result<(), String> {
        let step = named(order, step)?;
        let StepKind::Propose(proposal) = &step.kind else { return Err(format!("step {} proposes nothing", step.id)) };
        let (title, body) = match proposal {
            Proposal::Comment { body, .. } | Proposal::Review { body, .. } => (None, body),
            Proposal::PullRequest { title, body, .. } => (Some(title), body),
            Proposal::Labels { .. }
            | Proposal::Close { .. }
            | Proposal::Reopen
            | Proposal::Branch { .. }
            | Proposal::Issue { .. }
            | Proposal::SubIssues { .. }
            | Proposal::Push
            | Proposal::Merge
            | Proposal::Replies { .. }
            | Proposal::Mend { .. }
            | Proposal::File { .. }
            | Proposal::VaultAction { .. }
            | Proposal::Start { .. }
            | Proposal::UpdateIssue { .. } => return Err(format!("step {} says nothing", step.id)),
        };
        let render = |template: &String| {
            let rendered = context::proposal(order, &step.id, &[template], &self.stage.texts).map_err(|failure| failure.why)?;
            Ok::<String, String>(rendered.into_iter().next().unwrap_or_default())
        };
        let (title, body) = (title.map(render).transpose()?, render(body)?);
        self.proposed(&step.id, proposal, title, body);
        Ok(())
    }

    fn proposed(&mut self, step: &StepId, proposal: &Proposal, title: Option<String>, body: String) {
        let (step, proposal, about) = (step.clone(), proposal.clone(), self.about.clone());
        self.scenes.push(Scene::Proposed { step, proposal, about, title, body });
    }

    /// A run that would be started.
    fn started(&mut self, step: &StepId, wanted: &Wanted, on: IssueNumber) {
        let Some(StepKind::Propose(proposal)) =
            self.stage.formula.place(&step.written()).and_then(|at| self.stage.formula.steps.get(at)).map(|step| &step.kind)
        else {
            return;
        };
        let inputs: String = wanted.inputs.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        self.proposed(step, &proposal.clone(), None, format!("{} on {on}\n{inputs}", wanted.formula));
    }

    /// What stands open under a name.
    fn filed_before(&self, name: Option<&str>) -> Option<IssueNumber> {
        let open = &self.stage.texts.open.items;
        open.iter().find(|issue| name.is_some_and(|name| issue.filed_as == name)).map(|issue| issue.number)
    }

    /// An issue that would be filed, with its labels below. Its number is one that no forge has yet.
    fn file(
        &mut self,
        order: &Order<'_>,
        step: &StepId,
        item: Option<&(IssueDraft, Vec<IssueNumber>)>,
    ) -> Result<Outcome, String> {
        let draft = match issues::draft_of(order, step, item, &self.stage.texts) {
            Ok(draft) => draft,
            Err(failure) => return Ok(Outcome::Failed { failure }),
        };
        let labels: String = draft.labels.iter().map(|name| format!("\n+ {name}")).collect();
        let body = if labels.is_empty() { draft.body } else { format!("{}\n{labels}\n", draft.body.trim_end()) };
        self.proposed(step, proposal_of(order, step)?, Some(draft.title), body);
        Ok(Outcome::Filed { issue: IssueNumber(FILED + order.state.effects), unlinked: false, learned: Vec::new() })
    }

    /// A file that would be kept, below its path.
    fn keep(&mut self, order: &Order<'_>, step: &StepId, content: &str) -> Result<Outcome, String> {
        let draft = match keep::draft_of(order, step, &self.stage.texts) {
            Ok(draft) => draft,
            Err(failure) => return Ok(Outcome::Failed { failure }),
        };
        let asks = draft.asks.as_ref().map_or_else(String::new, |body| format!("{}\n\n", body.trim_end()));
        let into = draft.into.as_ref().map_or_else(String::new, |repo| format!("{repo}, "));
        let body = format!("{asks}{into}{}:\n\n{content}", draft.path);
        self.proposed(step, proposal_of(order, step)?, Some(draft.title), body);
        let pull = draft.asks.map(|_| PULL);
        Ok(Outcome::Kept { path: draft.path, commit: Some(sha(HEAD)?), pull, left: None })
    }

    /// An action that would be asked for, below its path.
    fn ask_vault(&mut self, order: &Order<'_>, step: &StepId, file: &ActionFile) -> Result<Outcome, String> {
        let (draft, ask) = match ask::played(order, step, file, self.stage) {
            Ok(asked) => asked,
            Err(failure) => return Ok(Outcome::Failed { failure }),
        };
        let body = draft.asks.as_deref().unwrap_or_default().trim_end();
        let body = format!("{body}\n\n{}:\n\n{}", draft.path, file.content);
        self.proposed(step, proposal_of(order, step)?, Some(draft.title), body);
        Ok(Outcome::VaultAsked(ask))
    }

    /// The labels that would be written, a line for each.
    fn relabel(&mut self, order: &Order<'_>, step: &StepId) -> Result<Outcome, String> {
        let Relabel { add, remove } = match labels::of_step(order, step, &self.stage.texts, self.cast.stands_in()) {
            Ok(wanted) => wanted,
            Err(failure) => return Ok(Outcome::Failed { failure }),
        };
        let proposal = proposal_of(order, step)?;
        let lines = add.iter().map(|name| format!("+ {name}\n")).chain(remove.iter().map(|name| format!("- {name}\n")));
        self.proposed(step, proposal, None, lines.collect());
        let mut labels = order.state.seen.labels.clone();
        labels.retain(|label| !remove.contains(label));
        labels.extend(add);
        Ok(Outcome::Relabelled { labels, learned: Vec::new() })
    }

    /// What a decision shows of the order of the steps.
    fn tell(&mut self, event: &Event) {
        let Event::Advanced { step, how, .. } = event else { return };
        if let Advance::Started { wanted, on } = how {
            self.started(step, wanted, *on);
        }
        self.scenes.extend(Scene::of(&self.stage.formula, step, how));
        if let Advance::Each { items } = how {
            self.items += items.len();
        }
    }
}

/// The issue that a proposal names, or the verdict of a review.
fn about(intent: &Intent) -> Option<String> {
    match intent {
        Intent::Say { what: Saying::Note { on: Some(on), .. }, .. }
        | Intent::CloseNamed { on, .. }
        | Intent::Relabel { on: Some(on), .. }
        | Intent::Rewrite { on: Some(on), .. } => Some(format!("on {on}")),
        Intent::Review { verdict, .. } => Some(verdict.word().to_owned()),
        _ => None,
    }
}

fn proposal_of<'o>(order: &'o Order<'_>, step: &StepId) -> Result<&'o Proposal, String> {
    match &named(order, step)?.kind {
        StepKind::Propose(proposal) => Ok(proposal),
        _ => Err(format!("step {step} proposes nothing")),
    }
}

fn named<'o>(order: &'o Order<'_>, step: &StepId) -> Result<&'o Step, String> {
    let run = order.run().map_err(|failure| failure.why)?;
    run.formula.steps.iter().find(|known| known.id == *step).ok_or_else(|| format!("step {step} is gone"))
}
