//! A recorded test from a real run: what its agents answered and its commands showed, as the journal has it.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_spanned::Spanned;

use crate::cli::setup::Setup;
use crate::cli::{CliError, block_on, print_bytes};
use crate::engine::TextStore;
use crate::journal::JournalReader;
use crate::model::{
    Advance, EffectKey, Event, Formula, HandOutcome, HostFacts, Intent, Kept, OpenIssues, Outcome, ProbeName, Probed, Record,
    RunId, RunOutcome, RunTexts, SeenIssue, Sprint, StepId, Subject, Tasks,
};
use crate::ports::Forge as _;

use super::asked::PullAsked;
use super::ended::{ActionText, MergeText};
use super::listed::TaskText;
use super::moved::MovedText;
use super::probed::ProbeText;
use super::recorded::{self, Answered, CommentText, Expected, IssueText, KeptText, OpenText, OpsText, Recorded, Resulted};
use super::tagged::TagText;

/// How much of the end of what was printed is kept.
const TAIL: usize = 2_000;

/// A run as the journal has it.
struct Taped {
    run: RunId,
    formula: Formula,
    attempt: u32,
    asked: Option<String>,
    sprint: Option<Sprint>,
    host: Option<HostFacts>,
    seen: Option<SeenIssue>,
    open: Option<OpenIssues>,
    tasks: Option<Tasks>,
    inputs: BTreeMap<String, Json>,
    kept: Vec<Kept>,
    last_tag: Option<TagText>,
    moved: Option<MovedText>,
    turns: BTreeMap<EffectKey, StepId>,
    answers: Vec<Answered>,
    results: Vec<Resulted>,
    mended: Vec<ProbeName>,
    actions: Vec<ActionText>,
    merge: Option<MergeText>,
    ended: Option<RunOutcome>,
}

/// Prints a run on an issue that has ended as a test: the named one, or else the last.
pub(in crate::cli) fn print(
    setup: &Setup,
    journal: &JournalReader,
    subject: &Subject,
    named: Option<&RunId>,
) -> Result<(), CliError> {
    let mut runs: Vec<Taped> = Vec::new();
    journal.each(0, u64::MAX, |record| tape(&mut runs, subject, record))?;
    let (run, outcome) = ended(runs, subject, named)?;
    let ended = recorded::outcome(&outcome);
    let mut test = run.test(setup, subject, &ended);
    let played = test.play(run.formula.clone()).map_err(|why| unplayable(subject, &ended, &why))?;
    if recorded::outcome(&played.outcome) != ended {
        let why = format!("played anew it ends as {}", recorded::outcome(&played.outcome));
        return Err(unplayable(subject, &ended, &why));
    }
    test.expect.skipped = Some(recorded::skipped(&played));
    test.expect.proposes = Some(recorded::proposes(&played));
    let text = toml::to_string_pretty(&test).map_err(|e| {
        CliError::usage(format!("the run on {subject} cannot be written as TOML"), "record another one").because(e)
    })?;
    let about = if subject.is_project() { subject.to_string() } else { subject.issue.0.to_string() };
    let command = format!("forgehand logs {about} --as-test --run {}", run.run);
    let head = format!("# From attempt {} at {subject}, by `{command}`.\n", run.attempt);
    print_bytes(format!("{head}{text}").as_bytes());
    Ok(())
}

fn ended(runs: Vec<Taped>, subject: &Subject, named: Option<&RunId>) -> Result<(Taped, RunOutcome), CliError> {
    let mut names: Vec<String> = Vec::new();
    for run in runs.into_iter().rev() {
        let Some(outcome) = run.ended.clone() else { continue };
        if named.is_none_or(|named| *named == run.run) {
            return Ok((run, outcome));
        }
        names.push(format!("{} ({})", run.run, run.formula.name));
    }
    let what = match named {
        Some(named) => format!("no run {named} on {subject} has ended"),
        None => format!("no run on {subject} has ended"),
    };
    let hint = match names.is_empty() {
        true => "`forgehand logs` tells what there is".to_owned(),
        false => format!("the last that have: {}", names.into_iter().take(10).collect::<Vec<_>>().join(", ")),
    };
    Err(CliError::usage(what, hint))
}

fn unplayable(subject: &Subject, ended: &str, why: &str) -> CliError {
    let what = format!("the run on {subject} ended as {ended}, which its answers and commands alone do not lead to");
    let hint = "a test plays what agents answer and commands show; record a run that ended by those";
    CliError::usage(what, hint).because(why)
}

fn tape(runs: &mut Vec<Taped>, wanted: &Subject, record: Record) {
    if let Event::RunStarted { run, subject, formula, attempt, kept, aside, .. } = &record.event {
        if subject == wanted {
            runs.push(Taped {
                run: run.clone(),
                formula: Formula::clone(formula),
                attempt: *attempt,
                asked: aside.as_ref().and_then(|wanted| wanted.by.word()).map(str::to_owned),
                sprint: None,
                host: None,
                last_tag: None,
                moved: None,
                seen: None,
                open: None,
                tasks: None,
                inputs: aside.as_ref().map(|wanted| wanted.inputs.clone()).unwrap_or_default(),
                kept: kept.clone(),
                turns: BTreeMap::new(),
                answers: Vec::new(),
                results: Vec::new(),
                mended: Vec::new(),
                actions: Vec::new(),
                merge: None,
                ended: None,
            });
        }
        return;
    }
    // One that waits for a merge goes on when others have begun and ended.
    match record.event {
        Event::Intended { key, subject, intent } if subject == *wanted => {
            let (run, step) = match intent {
                Intent::Agent { run, step, .. } | Intent::Verify { run, step, .. } | Intent::Mend { run, step, .. } => {
                    (run, step)
                }
                Intent::Prepare { run, .. } => (run, StepId::from("")),
                _ => return,
            };
            if let Some(taped) = living(runs, &run) {
                taped.turns.insert(key, step);
            }
        }
        Event::Ended { key, outcome } => {
            let heard = runs.iter_mut().find_map(|taped| taped.turns.remove(&key).map(|step| (taped, step)));
            if let Some((taped, step)) = heard {
                taped.heard(step, outcome);
            }
        }
        Event::Advanced { run, how: Advance::Opened { output: Some(left) }, .. } => {
            if let Some(taped) = living(runs, &run) {
                taped.actions.extend(ActionText::of_gate(&left));
                taped.merge = MergeText::of_step(&left).or(taped.merge);
            }
        }
        Event::RunEnded { run, outcome, .. } => {
            if let Some(taped) = living(runs, &run) {
                taped.actions.extend(ActionText::of_end(&outcome));
                taped.ended = Some(outcome);
            }
        }
        _ => {}
    }
}

/// A run that has not ended.
fn living<'r>(runs: &'r mut [Taped], run: &RunId) -> Option<&'r mut Taped> {
    runs.iter_mut().find(|taped| taped.run == *run && taped.ended.is_none())
}

impl Taped {
    fn heard(&mut self, step: StepId, outcome: Outcome) {
        let step = Spanned::new(0..0, step.0);
        match outcome {
            Outcome::Prepared { issue, open, tasks, sprint, host, last_tag, moved, .. } => {
                self.host = host.map(|host| *host);
                self.moved = moved.as_deref().and_then(MovedText::of);
                self.last_tag = last_tag.as_deref().map(TagText::of);
                (self.seen, self.open) = (Some(*issue), open.map(|open| *open));
                (self.tasks, self.sprint) = (tasks.map(|tasks| *tasks), sprint.map(|sprint| *sprint));
            }
            // A turn that was cut was taken up again, and its answer came later.
            Outcome::AgentEnded { how: HandOutcome::Succeeded, output, .. } => {
                let (output, invalid) = match output {
                    Ok(output) => (Some(filled(output)), None),
                    Err(why) => (None, Some(why)),
                };
                self.answers.push(Answered { step, output, invalid });
            }
            Outcome::Verified { evidence } => {
                let tail = evidence.commands.last().map(|run| end(&run.tail)).filter(|_| !evidence.passed).unwrap_or_default();
                self.results.push(Resulted { step, passed: evidence.passed, tail });
            }
            Outcome::Mended { probed, .. } => self.mended.extend(probed.is_well().then(|| probed.name.clone())),
            _ => {}
        }
    }

    /// What the probes of the host showed, and whether mending them helped.
    fn probes(&self) -> Vec<ProbeText> {
        let probed = |probed: &Probed| ProbeText { mended: self.mended.contains(&probed.name), ..ProbeText::of(probed) };
        self.host.iter().flat_map(|host| host.probes.iter().map(probed)).collect()
    }

    /// Those that it could have handed over to, and did not.
    fn off(&self, ended: &str) -> Vec<String> {
        let to = self.formula.outcomes.iter().filter_map(|ending| Some(ending.hands.as_ref()?.to.to_string()));
        to.filter(|_| ended != "hand-over").collect()
    }

    /// What was read of the operations repository, and what a pull request asks for there.
    fn ops(&self, texts: Option<&RunTexts>) -> Vec<OpsText> {
        let asked = self.sprint.as_ref().zip(texts.and_then(|texts| texts.sprint.as_deref()));
        let asked = asked.and_then(|(sprint, text)| OpsText::asked(sprint, text));
        texts.into_iter().flat_map(|texts| texts.ops.iter().map(OpsText::of)).chain(asked).collect()
    }

    /// Of the issues of a project the journal has all but the bodies.
    fn as_seen(&self) -> Option<RunTexts> {
        self.open.clone().map(|open| RunTexts { open, ..RunTexts::default() })
    }

    fn test(&self, setup: &Setup, subject: &Subject, ended: &str) -> Recorded {
        let texts = TextStore::new(&setup.state_dir)
            .read(&self.run)
            .ok()
            .or_else(|| as_it_stands(setup, subject))
            .or_else(|| self.as_seen());
        let seen = self.seen.as_ref();
        let said = |text: Option<String>, other: Option<&str>| text.unwrap_or_else(|| other.unwrap_or_default().to_owned());
        let comment = |remark: &crate::model::Remark| CommentText { author: remark.author.0.clone(), body: remark.body.clone() };
        let issue = IssueText {
            number: subject.issue.0,
            title: said(texts.as_ref().map(|texts| texts.title.clone()), seen.map(|seen| seen.title.as_str())),
            body: said(texts.as_ref().map(|texts| texts.body.clone()), None),
            author: said(texts.as_ref().map(|texts| texts.author.clone()), seen.map(|seen| seen.author.as_str())),
            labels: seen.map(|seen| seen.labels.iter().cloned().collect()).unwrap_or_default(),
            comments: texts.iter().flat_map(|texts| texts.comments.iter().map(comment)).collect(),
        };
        let tasks = texts.as_ref().map(|texts| &texts.tasks).filter(|tasks| !tasks.is_empty()).or(self.tasks.as_ref());
        let outcome = Spanned::new(0..0, ended.to_owned());
        let expect = Expected { outcome, skipped: None, proposes: None, says: Vec::new(), asks: Vec::new() };
        Recorded {
            formula: Spanned::new(0..0, self.formula.name.to_string()),
            description: String::new(),
            issue: (!subject.is_project()).then_some(issue),
            open: texts.iter().flat_map(|texts| texts.open.items.iter().map(OpenText::of)).collect(),
            pull: texts.as_ref().and_then(|texts| texts.pull.as_ref()).map(PullAsked::of),
            tasks: tasks.iter().flat_map(|tasks| tasks.items.iter().map(TaskText::of)).collect(),
            listed_in: tasks.iter().flat_map(|tasks| tasks.listed_in.iter().map(|issue| issue.0)).collect(),
            inputs: self.inputs.clone(),
            kept: self.kept.iter().map(KeptText::of).collect(),
            off: self.off(ended),
            asked: self.asked.clone(),
            ops: self.ops(texts.as_ref()),
            probes: self.probes(),
            last_tag: self.last_tag.clone(),
            moved: self.moved.clone(),
            actions: self.actions.clone(),
            merge: self.merge,
            answers: self.answers.clone(),
            results: self.results.clone(),
            expect,
        }
    }
}

/// The journal has no texts, and a run's own are dropped when it is done: what stands on the forge now, if it answers.
fn as_it_stands(setup: &Setup, subject: &Subject) -> Option<RunTexts> {
    if subject.is_project() {
        return None;
    }
    let read = || -> Result<RunTexts, CliError> {
        let issue = block_on(setup.forge()?.issue(&subject.repo, subject.issue))??;
        Ok(RunTexts { title: issue.title, body: issue.body, author: issue.author.to_string(), ..RunTexts::default() })
    };
    match read() {
        Ok(texts) => Some(texts),
        Err(error) => {
            anstream::eprintln!("the issue's text is left out, because the forge does not give it: {}", error.says());
            None
        }
    }
}

/// TOML has no null; a field without a value is as good as none.
fn filled(value: Json) -> Json {
    match value {
        Json::Object(fields) => {
            fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, filled(value))).collect()
        }
        Json::Array(items) => items.into_iter().map(filled).collect(),
        other => other,
    }
}

fn end(tail: &str) -> String {
    tail.get(tail.ceil_char_boundary(tail.len().saturating_sub(TAIL))..).unwrap_or_default().to_owned()
}
