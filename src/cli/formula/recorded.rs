//! Recorded tests of formulas: what agents answered and commands showed, and what the formula makes of it.
//!
//! They are `formulas/tests/*.toml`: shipped ones, and an author's own beside the configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_spanned::Spanned;

use super::asked::PullAsked;
use super::ended::{ActionText, MergeText};
use super::listed::{self, TaskText};
use super::moved::MovedText;
use super::probed::ProbeText;
use super::tagged::TagText;
use crate::cli::CliError;
use crate::document::{Fault, Faults, SourceFile, nearest};
use crate::engine::{Answer, Cast, Played, PlayedHost, PlayedVault, ProjectSettings, Scene, Shown, Stage};
use crate::model::{
    About, AskedBy, Branch, Formula, FormulaName, Issue, IssueNumber, Kept, LastTag, Login, OpenIssue, OpenIssues, OpsFile,
    PullNumber, Remark, RepoName, Route, RunOutcome, RunTexts, Shape, Sprint, StepId, Subject, Timestamp,
};
use crate::{formula, words};

/// What the words for an ending may be that a formula can name.
const OUTCOMES: [&str; 15] = [
    "action-rejected",
    "action-failed",
    "done",
    "no-change",
    "refused",
    "queue",
    "interactive",
    "needs-info",
    "hand-over",
    "verification-failed",
    "invalid-output",
    "too-many-items",
    "call-timed-out",
    "expression-failed",
    "crashed",
];

/// A test as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    /// The formula that it is about.
    pub(super) formula: Spanned<String>,
    /// What it shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    /// What the run is given to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issue: Option<IssueText>,
    /// The project's open issues, for a formula about the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<OpenText>,
    /// What is asked of the pull request, for a formula that revises one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pull: Option<PullAsked>,
    /// What the issue lists as its tasks.
    #[serde(default, rename = "task", skip_serializing_if = "Vec::is_empty")]
    pub(super) tasks: Vec<TaskText>,
    /// The open issues that list it as a task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) listed_in: Vec<u64>,
    /// What the formula is given; what is left out is as it says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) inputs: BTreeMap<String, Json>,
    /// What earlier runs kept on branches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) kept: Vec<KeptText>,
    /// Formulas that are not on for the project, of those that it hands over to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) off: Vec<String>,
    /// The word of a comment that asks for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<String>,
    /// What is read of the operations repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ops: Vec<OpsText>,
    /// What the probes of the host show.
    #[serde(default, rename = "probe", skip_serializing_if = "Vec::is_empty")]
    pub(super) probes: Vec<ProbeText>,
    /// What becomes of actions of the vault; one that is not named ends well.
    #[serde(default, rename = "action", skip_serializing_if = "Vec::is_empty")]
    pub(super) actions: Vec<ActionText>,
    /// What becomes of a pull request that a step puts forward to be merged; without it, it is merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) merge: Option<MergeText>,
    /// The newest tag; without it there is one, and a commit since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_tag: Option<TagText>,
    /// What moved since the formula's last run about the project; without it there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) moved: Option<MovedText>,
    /// What agents answer, for each step in its order.
    #[serde(default, rename = "answer", skip_serializing_if = "Vec::is_empty")]
    pub(super) answers: Vec<Answered>,
    /// What commands show, for each step in its order; a step without any passes.
    #[serde(default, rename = "result", skip_serializing_if = "Vec::is_empty")]
    pub(super) results: Vec<Resulted>,
    /// What comes of it.
    pub(super) expect: Expected,
}

/// An issue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IssueText {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) author: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) comments: Vec<CommentText>,
}

impl Default for IssueText {
    fn default() -> Self {
        let (title, body, author) = ("A title".to_owned(), "A body.".to_owned(), "reporter".to_owned());
        Self { number: 7, title, body, author, labels: Vec::new(), comments: Vec::new() }
    }
}

/// An open issue of the project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenText {
    pub(super) number: u64,
    pub(super) title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) body: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) author: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<String>,
    /// When it last moved, as `2026-09-01T00:00:00Z`; now, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) updated: Option<String>,
    #[serde(default)]
    pub(super) comments: u64,
    /// The name under which it was filed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) filed_as: String,
    /// The issues that are part of it; those of them are open that are listed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) parts: BTreeSet<u64>,
}

impl OpenText {
    /// As it was read.
    pub(super) fn of(issue: &OpenIssue) -> Self {
        Self {
            number: issue.number.0,
            title: issue.title.clone(),
            body: issue.body.clone(),
            author: issue.author.0.clone(),
            labels: issue.labels.iter().cloned().collect(),
            updated: Some(issue.updated.rfc3339()),
            comments: issue.comments,
            filed_as: issue.filed_as.clone(),
            parts: issue.parts.iter().map(|part| part.0).collect(),
        }
    }

    fn read(&self, now: Timestamp) -> Result<OpenIssue, String> {
        let time =
            |text: &String| Timestamp::parse(text).ok_or_else(|| format!("`{text}` is no time such as 2026-09-01T00:00:00Z"));
        let updated = self.updated.as_ref().map(time).transpose()?.unwrap_or(now);
        Ok(OpenIssue {
            number: IssueNumber(self.number),
            title: self.title.clone(),
            body: self.body.clone(),
            author: Login::from(self.author.as_str()),
            labels: self.labels.iter().cloned().collect(),
            created: updated,
            updated,
            comments: self.comments,
            filed_as: self.filed_as.clone(),
            parts: BTreeSet::new(),
            open_parts: BTreeSet::new(),
        })
    }
}

/// What an earlier run kept on a branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptText {
    pub(super) name: String,
    /// The issue that the run was about; the one of this test, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issue: Option<u64>,
    pub(super) commands: Vec<String>,
}

impl KeptText {
    /// As it was kept.
    pub(super) fn of(kept: &Kept) -> Self {
        Self { name: kept.name.clone(), issue: Some(kept.issue.0), commands: kept.commands.clone() }
    }

    fn read(&self, own: u64) -> Result<Kept, String> {
        let issue = self.issue.unwrap_or(own);
        let commit = |digit: &str| digit.repeat(40).parse().map_err(|_| "no commit".to_owned());
        Ok(Kept {
            name: self.name.clone(),
            issue: IssueNumber(issue),
            formula: "reproduce".into(),
            branch: Branch(format!("claude/issue-{issue}-reproduce")),
            sha: commit("2")?,
            base: commit("1")?,
            commands: self.commands.clone(),
        })
    }
}

/// A file of the operations repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpsText {
    pub(super) path: String,
    pub(super) text: String,
    /// The pull request that asks for it; without one it is on the branch that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pull: Option<u64>,
}

impl OpsText {
    /// As it was read.
    pub(super) fn of(file: &OpsFile) -> Self {
        Self { path: file.path.clone(), text: file.text.clone(), pull: None }
    }

    /// A sprint that a pull request asks for.
    pub(super) fn asked(sprint: &Sprint, text: &str) -> Option<Self> {
        let pull = Some(sprint.asked.as_ref()?.pull.0);
        Some(Self { path: sprint.path.clone(), text: text.to_owned(), pull })
    }

    fn is_merged(&self) -> bool {
        self.pull.is_none()
    }

    /// The sprint about an issue that it is.
    fn sprint(&self, about: &Subject) -> Option<(Sprint, String)> {
        let block = formula::filer_block(&self.path, &self.text)?;
        let branch = Branch::from("forgehand/asked");
        let asked = self.pull.map(|pull| Some(AskedBy { pull: PullNumber(pull), branch, head: "3".repeat(40).parse().ok()? }));
        let sprint = Sprint { path: self.path.clone(), asked: asked.flatten(), issues: block.issues, wrong: block.wrong };
        let about_it = block.vision.as_ref().is_none_or(|vision| vision == about);
        about_it.then(|| (sprint, self.text.clone()))
    }
}

/// A comment of somebody who may write.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentText {
    pub(super) author: String,
    pub(super) body: String,
}

/// An agent's answer: an output, or why it was none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    pub(super) step: Spanned<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) invalid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Json>,
}

/// What the commands of a step showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resulted {
    pub(super) step: Spanned<String>,
    pub(super) passed: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) tail: String,
}

/// What comes of it; what is left out is not looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// How the run ends.
    pub(super) outcome: Spanned<String>,
    /// The steps that are skipped, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) skipped: Option<Vec<String>>,
    /// What is proposed, all of it and in its order: `comment`, or `comment, on #3` where it is to be about that issue, or of that verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) proposes: Option<Vec<String>>,
    /// Words that stand in what is proposed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) says: Vec<String>,
    /// Words that stand in what agents are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) asks: Vec<String>,
}

/// A test with its file.
pub(super) struct Test {
    pub(super) file: String,
    pub(super) recorded: Recorded,
    source: SourceFile,
}

impl Test {
    /// Reads a test.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, CliError> {
        let source = SourceFile::new(file, text);
        let recorded: Recorded = toml::from_str(text).map_err(|error| {
            let hint = "a test has `formula`, `[issue]`, `[pull]`, `[[answer]]`, `[[result]]` and `[expect]`; `forgehand logs N --as-test` writes one";
            let fault = Fault::at(&source, error.span().unwrap_or(0..0), error.message(), Some(hint.to_owned()));
            CliError::file(Faults::from_iter([fault]).into())
        })?;
        Ok(Self { file: file.to_owned(), recorded, source })
    }

    /// What is wrong with it as a test of this formula.
    pub(super) fn check(&self, formula: &Formula) -> Result<(), CliError> {
        let Recorded { answers, results, expect, .. } = &self.recorded;
        let steps: Vec<&str> = formula.steps.iter().map(|step| step.id.as_str()).collect();
        let named = answers.iter().map(|answer| &answer.step).chain(results.iter().map(|result| &result.step));
        let written = |name: &Spanned<String>| StepId::from(name.get_ref().as_str()).written();
        let step = named.filter(|name| !steps.contains(&written(name).as_str())).map(|name| {
            let what = format!("formula {} has no step `{}`", formula.name, name.get_ref());
            self.fault(name, what, &steps)
        });
        let outcome = Some(&expect.outcome).filter(|word| !OUTCOMES.contains(&word.get_ref().as_str()));
        let outcome = outcome.map(|word| self.fault(word, format!("no run ends as `{}`", word.get_ref()), &OUTCOMES));
        let empty = answers.iter().filter(|answer| answer.output.is_some() == answer.invalid.is_some()).map(|answer| {
            let help = "write `output = { .. }`, or `invalid = \"why it was none\"`".to_owned();
            Fault::at(&self.source, answer.step.span(), "an answer has an output, or is invalid", Some(help))
        });
        let faults: Vec<Fault> = step.chain(outcome).chain(empty).collect();
        if faults.is_empty() { Ok(()) } else { Err(CliError::file(Faults::from_iter(faults).into())) }
    }

    fn fault(&self, at: &Spanned<String>, what: String, right: &[&str]) -> Fault {
        let help = match nearest(at.get_ref(), right.iter().copied()) {
            Some(right) => format!("did you mean \"{right}\"?"),
            None => format!("there are {}", right.join(", ")),
        };
        Fault::at(&self.source, at.span(), what, Some(help))
    }
}

impl Recorded {
    /// Plays it.
    ///
    /// # Errors
    /// Why it came to no end.
    pub(super) fn play(&self, formula: Formula) -> Result<Played, String> {
        let mut script = Script::new(self);
        let played = self.stage(formula)?.play(&mut script)?;
        match script.left() {
            Some(left) => Err(left),
            None => Ok(played),
        }
    }

    fn stage(&self, formula: Formula) -> Result<Stage, String> {
        let issue = self.issue.clone().unwrap_or_default();
        let repo: RepoName = "owner/name".parse().map_err(|e: crate::model::BadRepoName| e.to_string())?;
        let now = Timestamp(1_790_000_000_000);
        let remark =
            |comment: &CommentText| Remark { author: Login::from(comment.author.as_str()), at: now, body: comment.body.clone() };
        let mut open = OpenIssues { items: self.open.iter().map(|open| open.read(now)).collect::<Result<_, _>>()?, cut: false };
        let parts =
            |open: &OpenText| open.parts.iter().map(|part| (IssueNumber(open.number), IssueNumber(*part))).collect::<Vec<_>>();
        open.know_parts(&self.open.iter().flat_map(parts).collect::<Vec<_>>());
        let subject = match formula.about() {
            About::Issue => Subject { repo, issue: IssueNumber(issue.number) },
            About::Project => Subject::project(repo),
        };
        let inputs = match self.inputs.is_empty() {
            true => BTreeMap::new(),
            false => formula::inputs::taken(&formula.inputs, self.inputs.clone())?,
        };
        let sprint = self.ops.iter().find_map(|file| file.sprint(&subject)).filter(|_| !subject.is_project());
        let (sprint, sprint_text) = sprint.unzip();
        let merged = self.ops.iter().filter(|file| file.is_merged());
        Ok(Stage {
            formula,
            subject,
            issue: Issue {
                number: IssueNumber(issue.number),
                title: issue.title.clone(),
                body: issue.body.clone(),
                author: Login::from(issue.author.as_str()),
                open: true,
                labels: issue.labels.iter().cloned().collect(),
                created: now,
                updated: now,
                comments: issue.comments.len() as u64,
                pull: None,
            },
            texts: RunTexts {
                title: issue.title.clone(),
                body: issue.body.clone(),
                author: issue.author.clone(),
                comments: issue.comments.iter().map(remark).collect(),
                pull: self.pull.as_ref().map(|pull| pull.read(now)),
                open,
                tasks: listed::tasks(&self.tasks, &self.listed_in, now),
                ops: merged.map(|file| OpsFile { path: file.path.clone(), text: file.text.clone() }).collect(),
                sprint: sprint_text,
                last_tag: Some(self.last_tag.as_ref().map_or_else(LastTag::made_up, TagText::read)),
                ..RunTexts::default()
            },
            project: ProjectSettings { verify: vec!["the project's verification".into()], ..ProjectSettings::default() },
            branch_prefix: "claude/issue-".into(),
            base: Branch::from("main"),
            now,
            sprint,
            moved: self.moved.as_ref().map(MovedText::read),
            asked: self.asked.clone(),
            host: PlayedHost(self.probes.iter().map(ProbeText::read).collect()),
            vault: self.vault()?,
            merge: self.merge.map(MergeText::read).unwrap_or_default(),
            kept: self.kept.iter().map(|kept| kept.read(issue.number)).collect::<Result<_, _>>()?,
            off: self.off.iter().map(|name| FormulaName(name.clone())).collect(),
            inputs,
        })
    }

    fn vault(&self) -> Result<PlayedVault, String> {
        let ends = self.actions.iter().map(ActionText::read).collect::<Result<_, _>>()?;
        Ok(PlayedVault { known: None, ends })
    }

    /// What a play has that is other than what is expected.
    pub(super) fn differs(&self, played: &Played) -> Vec<String> {
        let expect = &self.expect;
        let mut found = Vec::new();
        let ended = outcome(&played.outcome);
        if *expect.outcome.get_ref() != ended {
            let what = words::outcome(&played.outcome);
            found.push(format!("it ends as {ended} ({what}), and {} is expected", expect.outcome.get_ref()));
        }
        let mut lists = |what: &str, wanted: &Option<Vec<String>>, is: Vec<String>| {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != is) {
                found.push(format!("it {what} [{}], and [{}] is expected", is.join(", "), wanted.join(", ")));
            }
        };
        lists("skips", &expect.skipped, skipped(played));
        let is = proposes(played);
        // Who says no issue and no verdict takes any.
        let fits = |wanted: &[String]| {
            wanted.len() == is.len()
                && is.iter().zip(wanted).all(|(is, wanted)| is == wanted || is.split(", ").next() == Some(wanted))
        };
        if let Some(wanted) = expect.proposes.as_deref().filter(|wanted| !fits(wanted)) {
            found.push(format!("it proposes [{}], and [{}] is expected", is.join("; "), wanted.join("; ")));
        }
        let (said, asked) = (said(played), asked(played));
        let missing = |text: &str, words: &[String], where_: &str| -> Vec<String> {
            words
                .iter()
                .filter(|part| !text.contains(part.as_str()))
                .map(|part| format!("\"{part}\" stands nowhere in {where_}"))
                .collect()
        };
        found.extend(missing(&said, &expect.says, "what is proposed"));
        found.extend(missing(&asked, &expect.asks, "what agents are told"));
        found
    }
}

/// The word for how a run ended.
pub(super) fn outcome(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Succeeded { .. } => "done".to_owned(),
        RunOutcome::Routed { to: Route::Queue, .. } => "queue".to_owned(),
        RunOutcome::Routed { to: Route::Interactive, .. } => "interactive".to_owned(),
        RunOutcome::Routed { to: Route::NeedsInfo, .. } => "needs-info".to_owned(),
        RunOutcome::HandedOver { .. } => "hand-over".to_owned(),
        other => other.word().to_owned(),
    }
}

/// The steps that were skipped and not done later.
pub(super) fn skipped(played: &Played) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for scene in &played.scenes {
        match scene {
            Scene::Skipped { step, .. } => {
                found.retain(|known| *known != step.0);
                found.push(step.0.clone());
            }
            Scene::Held { step } => found.retain(|known| *known != step.0),
            // What stood behind is decided anew.
            Scene::Back { .. } => found.clear(),
            _ => {}
        }
    }
    found
}

/// What was proposed, and about which issue or with which verdict.
pub(super) fn proposes(played: &Played) -> Vec<String> {
    let proposal = |scene: &Scene| match scene {
        Scene::Proposed { proposal, about, .. } => {
            let about = about.as_ref().map_or_else(String::new, |about| format!(", {about}"));
            Some(format!("{}{about}", words::proposal(proposal)))
        }
        _ => None,
    };
    played.scenes.iter().filter_map(proposal).collect()
}

fn said(played: &Played) -> String {
    let text = |scene: &Scene| match scene {
        Scene::Proposed { title, body, .. } => Some(format!("{}\n{body}", title.as_deref().unwrap_or_default())),
        _ => None,
    };
    played.scenes.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

fn asked(played: &Played) -> String {
    let text = |scene: &Scene| match scene {
        Scene::Asked { prompt, .. } => Some(prompt.clone()),
        _ => None,
    };
    played.scenes.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

/// Who plays a recorded test.
struct Script {
    answers: BTreeMap<String, Vec<Answer>>,
    results: BTreeMap<String, Vec<Shown>>,
    asked: BTreeMap<String, usize>,
}

impl Script {
    fn new(recorded: &Recorded) -> Self {
        let (mut answers, mut results) = (BTreeMap::<String, Vec<Answer>>::new(), BTreeMap::<String, Vec<Shown>>::new());
        for answer in recorded.answers.iter().rev() {
            let said = match (&answer.output, &answer.invalid) {
                (Some(output), _) => Answer::Output(output.clone()),
                (None, why) => Answer::Invalid(why.clone().unwrap_or_default()),
            };
            answers.entry(answer.step.get_ref().clone()).or_default().push(said);
        }
        for result in recorded.results.iter().rev() {
            let shown = Shown { passed: result.passed, tail: result.tail.clone() };
            results.entry(result.step.get_ref().clone()).or_default().push(shown);
        }
        Self { answers, results, asked: BTreeMap::new() }
    }

    /// What was recorded and not asked for.
    fn left(&self) -> Option<String> {
        let answers = self.answers.iter().map(|(step, left)| ("answer", step, left.len()));
        let results = self.results.iter().map(|(step, left)| ("result", step, left.len()));
        let (what, step, left) = answers.chain(results).find(|(_, _, left)| *left > 0)?;
        Some(format!("{left} more recorded {what}s of step {step} are there than the run asks for"))
    }
}

impl Cast for Script {
    fn answer(&mut self, step: &StepId, _: &Shape) -> Result<Answer, String> {
        let times = self.asked.entry(step.0.clone()).or_default();
        *times += 1;
        let next = next(&mut self.answers, step);
        next.ok_or_else(|| format!("step {step} is asked for its answer number {times}, and none is recorded"))
    }

    fn shows(&mut self, step: &StepId) -> Result<Shown, String> {
        let passes = || Shown { passed: true, tail: String::new() };
        Ok(next(&mut self.results, step).unwrap_or_else(passes))
    }
}

/// What comes next of a step. That of a call for one of several items has its own, or takes the next one that is recorded for the step in the file.
fn next<T>(of: &mut BTreeMap<String, Vec<T>>, step: &StepId) -> Option<T> {
    let own = of.get_mut(step.as_str()).and_then(Vec::pop);
    own.or_else(|| of.get_mut(step.written().as_str()).and_then(Vec::pop))
}
