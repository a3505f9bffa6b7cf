//! An agent's turn, and what is taken over from it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ledger::{IssueState, Open, RunState};
use crate::model::{
    Access, AccountName, AgentName, Change, Commands, Evidence, Failure, Grant, Intent, Outcome, Refusal, RunTexts, RunsOn, Sha,
    Step, StepId, StepKind, Subject, Told, Trial,
};
use crate::ports::{AgentOrder, Given, HandEvent, Session, TakeOrder, TurnLimits, VaultNeeds, VerifyOrder};
use crate::{text, words};

use super::super::input::Input;
use super::{Order, ProjectSettings, Worker, context, environment, hands, repos};

/// How many events of an agent may wait to be journalled before it is slowed down.
const HEARD: usize = 64;

/// Which turn it is.
pub(super) struct Turn<'a> {
    pub(super) step: &'a StepId,
    pub(super) session: &'a str,
    pub(super) resume: bool,
    pub(super) told: &'a Told,
    pub(super) agent: Option<&'a AgentName>,
    pub(super) model: Option<&'a str>,
    pub(super) account: Option<&'a AccountName>,
}

impl Worker {
    pub(super) async fn agent(
        &self,
        order: &Order<'_>,
        turn: &Turn<'_>,
        heard: mpsc::Sender<Input>,
        cancel: CancellationToken,
    ) -> Result<Outcome, Failure> {
        let agent_order = self.agent_order(order, turn).await?;
        // A turn that was cut before this one left its workspace as it was, whether its session is resumed or not: git's locks are stale,
        // unless they are those of somebody who is at work in it beside this one.
        if agent_order.apart.is_none() && !is_shared(order.run()?, order.state, turn.step) {
            self.ports.hands.prepare(&agent_order.workspace).await.map_err(hands)?;
        }
        let run = agent_order.workspace.run.clone();
        let (tx, mut rx) = mpsc::channel::<HandEvent>(HEARD);
        let forward = async {
            while let Some(event) = rx.recv().await {
                let input = Input::Heard { run: run.clone(), session: turn.session.to_owned(), event };
                if heard.send(input).await.is_err() {
                    break;
                }
            }
        };
        let (report, ()) = tokio::join!(self.ports.hands.agent(&agent_order, tx, cancel), forward);
        let report = report.map_err(hands)?;
        Ok(Outcome::AgentEnded { how: report.outcome, output: report.output, resumable: report.resumable })
    }

    /// How long a step may take that begins now: as it says, as the action of the vault does that the run is, and as is left of the calls that it stands in.
    fn time_of(&self, run: &RunState, step: &Step) -> Option<Duration> {
        let granted = run.grant.as_ref().and_then(Grant::timeout);
        let left = run.call_until(step).map(|call| call.until.since(self.ports.clock.now()));
        step.timeout.into_iter().chain(granted).chain(left).min()
    }

    async fn agent_order(&self, order: &Order<'_>, turn: &Turn<'_>) -> Result<AgentOrder, Failure> {
        let run = order.run()?;
        let step = run.formula.steps.iter().find(|s| s.id == *turn.step).ok_or_else(|| environment("the step is gone"))?;
        let StepKind::Agent { access, output, tools, .. } = &step.kind else {
            return Err(environment(format!("step {} is no agent's", step.id)));
        };
        let texts = self.texts.read(&run.id)?;
        // Who only reads needs no secret, no service and no port.
        let given = if *access == Access::Write { self.given(order, None).await? } else { Given::default() };
        let prompt = told(order, step, turn.resume, turn.told, &texts, &given)?;
        let (limits, budget) = (&run.formula.limits, self.settings.budget_of(turn.agent));
        let place = run.formula.place(&step.id);
        let beside = place.is_some_and(|place| run.formula.is_beside_agents(place));
        let apart = place.filter(|place| !run.formula.writers_beside(*place).is_empty());
        let apart = apart.and_then(|_| run.at(&step.id)?.from.clone());
        let label = label(order.subject, run, self.settings.projects.len() > 1);
        Ok(AgentOrder {
            workspace: self.workspace(order, &order.prepared()?.base)?,
            formula: run.formula.name.clone(),
            step: step.id.clone(),
            access: *access,
            tools: tools.clone(),
            only_tools: run.grant.as_ref().map(|grant| grant.tools.clone()).unwrap_or_default(),
            model: turn.model.map(str::to_owned),
            prompt,
            output: output.clone(),
            session: if turn.resume { Session::Resume(turn.session.to_owned()) } else { Session::New(turn.session.to_owned()) },
            limits: TurnLimits {
                wall: limits.wall.into_iter().chain(self.time_of(run, step)).min(),
                silence: limits.silence,
                turns: limits.turns,
            },
            budget: limits.budget_usd.map_or(budget, |own| own.min(budget)).minus(run.cost),
            spent: run.cost,
            beside,
            apart,
            budget_call: self.settings.usd_call,
            label: if beside { format!("{label}-{}", step.id) } else { label },
            given,
            agent: turn.agent.cloned().unwrap_or_else(AgentName::usual),
            account: turn.account.cloned(),
        })
    }

    pub(super) async fn take(&self, order: &Order<'_>, cancel: CancellationToken) -> Result<Outcome, Failure> {
        let prepared = order.prepared()?;
        let workspace = self.workspace(order, &prepared.base)?;
        let Some(bundle) = self.ports.hands.bundle(&workspace, cancel).await.map_err(hands)? else {
            return Ok(Outcome::Taken { judged: Err(Refusal::NothingCommitted) });
        };
        let formula = &order.run()?.formula;
        let take = TakeOrder {
            repo: workspace.repo,
            run: workspace.run,
            bundle,
            branch: workspace.branch,
            base: prepared.base.clone(),
            // Who revises may have to bring the branch up to date.
            beside: prepared.revision.as_ref().map(|_| prepared.trunk.clone()),
            author: self.author(order.run()?),
            diff_lines: self.settings.diff_lines,
            person_paths: order.project.person_paths.clone(),
            private: order.project.provisions.env_file.as_ref().map(|file| file.to.clone()),
            verify: all_commands(order.run()?, order.project),
            sets_aside: (0..formula.steps.len()).any(|place| !formula.writers_beside(place).is_empty()),
        };
        let judged = match self.ports.repos.take(&take).await.map_err(repos)? {
            Ok(change) => self.scan_change(&take, change).await?,
            Err(refusal) => Err(refusal),
        };
        Ok(Outcome::Taken { judged })
    }

    /// What is published is scanned first: every line that the change adds.
    async fn scan_change(&self, take: &TakeOrder, change: Change) -> Result<Result<Change, Refusal>, Failure> {
        let added = self.ports.repos.added(&take.run, &change.base, &change.head).await.map_err(repos)?;
        for (path, lines) in added {
            if let Some(finding) = self.scanner.find(&lines).into_iter().next() {
                return Ok(Err(Refusal::Secret { path, rule: finding.rule.to_string() }));
            }
        }
        Ok(Ok(change))
    }

    pub(super) async fn verify(
        &self,
        order: &Order<'_>,
        step: &StepId,
        (sha, trial): (&Sha, Option<&Trial>),
        cancel: CancellationToken,
    ) -> Result<Outcome, Failure> {
        let judged = order.run()?.change.as_ref().map(|change| &change.head);
        let over = trial.and_then(|trial| trial.over.as_ref());
        let tried = match judged == Some(sha) && over.is_none() {
            true => sha.clone(),
            false => {
                let laid = self.ports.repos.lay_over(&order.subject.repo, &order.run()?.id, sha, over).await;
                laid.map_err(repos)?
            }
        };
        let step = order.run()?.formula.steps.iter().find(|s| s.id == *step).ok_or_else(|| environment("the step is gone"))?;
        let formula = &order.run()?.formula;
        let beside = formula.place(&step.id).is_some_and(|place| formula.is_beside_commands(place));
        let verify = VerifyOrder {
            repo: order.subject.repo.clone(),
            run: order.run()?.id.clone(),
            step: step.id.clone(),
            sha: tried,
            commands: trial.map_or_else(|| commands_of(step, order.project).to_vec(), |trial| trial.commands.clone()),
            item: trial.and_then(|trial| trial.item.clone()),
            network: order.project.verify_network.clone(),
            timeout: self.time_of(order.run()?, step),
            given: self.given(order, beside.then_some(&step.id)).await?,
            vault: needs(order.run()?, step),
        };
        let evidence = self.ports.hands.verify(&verify, cancel).await.map_err(hands)?;
        // It speaks for the commit that was asked about, also where files were laid over that.
        Ok(Outcome::Verified { evidence: Evidence { sha: sha.clone(), ..evidence } })
    }
}

/// Whether somebody beside this step is at work in the run's own workspace.
fn is_shared(run: &RunState, state: &IssueState, step: &StepId) -> bool {
    let in_it = |(of, open): (&StepId, &Open)| {
        let works = matches!(open.intent, Intent::Agent { .. } | Intent::Take { .. });
        let apart = run.formula.place(of).is_some_and(|place| !run.formula.writers_beside(place).is_empty());
        works && !apart && of != step
    };
    state.hands().any(in_it)
}

/// What the commands of a step get of the vault: those that the formula itself writes out, on the base branch. What an agent wrote or chose is never
/// run with it, nor for it.
fn needs(run: &RunState, step: &Step) -> VaultNeeds {
    let own = matches!(&step.kind, StepKind::Run { commands: Commands::List(_), on: RunsOn::Base, .. });
    let own = own && !run.formula.items_are_of_agents(step);
    match run.grant.as_ref().filter(|_| own) {
        Some(grant) => VaultNeeds { secrets: grant.secrets.clone(), mounts: grant.mounts.clone() },
        None => VaultNeeds::default(),
    }
}

/// A name for the log of an attempt. Issues of several repositories share their numbers: each repository has a folder then.
pub(super) fn label(subject: &Subject, run: &RunState, several: bool) -> String {
    let name = match subject.is_project() {
        // Each is a first attempt; its number among those about the project tells them apart.
        true => format!("project-{}-{}", run.formula.name, run.id.number().unwrap_or(run.attempt)),
        false => format!("issue-{}-attempt-{}", subject.issue.0, run.attempt),
    };
    if several { format!("{}/{name}", subject.repo.folder()) } else { name }
}

/// What the agent of a step is told at the start of a turn.
pub(super) fn told(
    order: &Order<'_>,
    step: &Step,
    resume: bool,
    told: &Told,
    texts: &RunTexts,
    given: &Given,
) -> Result<String, Failure> {
    let StepKind::Agent { prompt, .. } = &step.kind else {
        return Err(environment(format!("step {} is no agent's", step.id)));
    };
    Ok(match (resume, told) {
        // A session that knows nothing of it has to hear both.
        (false, failing @ Told::Failing { by, .. }) => {
            let asked = context::prompt(order, step, prompt, texts, &Told::Prompt, given)?;
            let Some(template) = failing_prompt(order.run()?, by.as_ref(), &step.id) else { return Ok(asked) };
            let both = format!("{asked}\n\n{}", context::prompt(order, step, template, texts, failing, given)?);
            if both.len() > text::PROMPT_LIMIT {
                return context::prompt(order, step, prompt, texts, failing, given);
            }
            both
        }
        (false, told) | (true, told @ Told::Prompt) => context::prompt(order, step, prompt, texts, told, given)?,
        (true, Told::GoOn) => words::go_on(),
        (true, Told::AnswerAgain { why }) => words::answer_again(&text::fence(why)),
        (true, told @ Told::Failing { by, .. }) => {
            let template = failing_prompt(order.run()?, by.as_ref(), &step.id).unwrap_or(prompt);
            context::prompt(order, step, template, texts, told, given)?
        }
    })
}

/// What an agent step is told when a step behind it failed.
fn failing_prompt<'a>(run: &'a RunState, by: Option<&StepId>, to: &StepId) -> Option<&'a str> {
    let failing = run.formula.steps.iter().filter(|step| by.is_none_or(|by| step.id == *by));
    failing.filter_map(|step| step.kind.on_failure()).find(|back| back.to == *to).map(|back| back.prompt.as_str())
}

/// The commands that a step names itself; nothing of any other.
pub(super) fn commands_of<'a>(step: &'a Step, project: &'a ProjectSettings) -> &'a [String] {
    match &step.kind {
        StepKind::Verify { .. } => &project.verify,
        StepKind::Run { commands: Commands::List(commands), .. } => commands,
        StepKind::Run { commands: Commands::Of { .. } | Commands::Kept { .. }, .. }
        | StepKind::Agent { .. }
        | StepKind::Propose(_)
        | StepKind::Gate(_)
        | StepKind::Enter { .. }
        | StepKind::Leave { .. } => &[],
    }
}

/// The commands that people wrote for a run to pass; the project's verification where its formula names none. What an agent kept is text from outside.
pub(super) fn written_commands(run: &RunState, project: &ProjectSettings) -> Vec<String> {
    let written: Vec<String> = run.formula.steps.iter().flat_map(|step| commands_of(step, project)).cloned().collect();
    if written.is_empty() { project.verify.clone() } else { written }
}

/// All commands that a run has its commits pass, those that were kept among them.
pub(super) fn all_commands(run: &RunState, project: &ProjectSettings) -> Vec<String> {
    let kept = |step: &Step| match &step.kind {
        StepKind::Run { commands: Commands::Kept { kept }, .. } => run.kept.iter().find(|known| known.name == *kept),
        _ => None,
    };
    let of = |step| commands_of(step, project).iter().chain(kept(step).into_iter().flat_map(|kept| &kept.commands));
    let all: Vec<String> = run.formula.steps.iter().flat_map(of).cloned().collect();
    if all.is_empty() { project.verify.clone() } else { all }
}
