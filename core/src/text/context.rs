//! What templates are filled with.
//!
//! Each value is first made as it is, and then taken over by the vocabulary of [`crate::model::TemplateKind`]: what that calls outside is
//! cleaned, cut and wrapped, so that a template cannot print it without a helper, also if nobody had checked the template.

use serde_json::{Map, Value as Json, json};

use super::characters::{cut, printable};
use super::clean::clean;
use super::{BODY_LIMIT, COMMENT_LIMIT};
use crate::model::{
    About, Branch, Change, CheckText, Evidence, HostFacts, InputSpec, IssueNumber, Kept, OpenIssues, OpsFile, Provisions,
    PullTexts, Remark, RepoName, Risk, RunTexts, SeenIssue, Sha, Sprint, StepId, Task, Tasks, TemplateKind, TierReason, Usd,
    Variable,
};

/// The key that wrapped text lies under; a helper unwraps it.
pub(super) const WRAPPED: &str = "outside";
/// The key of a record that is not there. No property can be called so by a template.
pub(super) const ABSENT: &str = " absent";

const TITLE_LIMIT: usize = 1 << 10;
const GUIDE_LIMIT: usize = 32 << 10;
/// What is shown of the end of a command's output, and of all of them together.
const TAIL_LIMIT: usize = 4 << 10;
const TAILS_LIMIT: usize = 24 << 10;
/// A body in the list of a project's issues, and all of them together.
const LISTED_BODY_LIMIT: usize = 4 << 10;
const BODIES_LIMIT: usize = 96 << 10;
/// All bodies of tasks together, in what is said on the forge, which takes less.
const SAID_LIMIT: usize = 24 << 10;
/// The body of a task.
const TASK_LIMIT: usize = 16 << 10;
/// A file of the operations repository, and all of them together.
const OPS_FILE_LIMIT: usize = 48 << 10;
const OPS_LIMIT: usize = 96 << 10;
/// All comments together; the newest are kept.
const COMMENTS_LIMIT: usize = 96 << 10;

/// What a step left behind for those after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The step.
    pub step: StepId,
    /// The JSON schema of its output.
    pub schema: Json,
    /// It is done for each item of a list, and its output is the list of theirs.
    pub for_each: bool,
    /// Its output; null where it was skipped.
    pub output: Json,
}

/// The item of a list that a step is done for.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// It.
    pub value: &'a Json,
    /// What templates may do with it.
    pub variable: &'a Variable,
    /// Which it is, from 1.
    pub nth: u32,
}

/// What a prompt is made of.
#[derive(Clone, Copy, Debug)]
pub struct PromptContext<'a> {
    /// The repository.
    pub repo: &'a RepoName,
    /// The issue; [`IssueNumber::PROJECT`] where the run is about none.
    pub issue: IssueNumber,
    /// What was seen of the issue last.
    pub seen: &'a SeenIssue,
    /// What the run is given to read, raw as it was journalled.
    pub texts: &'a RunTexts,
    /// The branch that work starts from.
    pub base: &'a Branch,
    /// The tip of that branch.
    pub trunk: &'a Sha,
    /// The branch of the run.
    pub branch: &'a Branch,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// What went wrong last: the words for it and a verification's output.
    pub failure: Option<&'a str>,
    /// The project's verify commands.
    pub verify: &'a [String],
    /// What the run is given beside its clone.
    pub provisions: &'a Provisions,
    /// The port that it was handed.
    pub port: Option<u16>,
    /// What the step must answer.
    pub output: &'a Json,
    /// What earlier steps answered.
    pub steps: &'a [Said],
    /// What the formula is given; null where nobody said.
    pub inputs: &'a [(InputSpec, Json)],
    /// What the step is done for, where that is an item of a list.
    pub item: Option<Item<'a>>,
    /// What earlier runs kept on branches.
    pub kept: &'a [Kept],
    /// The sprint about the issue.
    pub sprint: Option<&'a Sprint>,
    /// What is known of the host.
    pub host: &'a HostFacts,
}

/// What a comment or a pull request is made of.
#[derive(Clone, Copy, Debug)]
pub struct ProposalContext<'a> {
    /// The repository.
    pub repo: &'a RepoName,
    /// The issue; [`IssueNumber::PROJECT`] where the run is about none.
    pub issue: IssueNumber,
    /// What was seen of the issue last.
    pub seen: &'a SeenIssue,
    /// What the run was given to read, raw.
    pub texts: &'a RunTexts,
    /// The branch that the work would go to.
    pub base: &'a Branch,
    /// The branch of the run.
    pub branch: &'a Branch,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// What the steps answered.
    pub steps: &'a [Said],
    /// What the formula is given; null where nobody said.
    pub inputs: &'a [(InputSpec, Json)],
    /// What the step is done for, where that is an item of a list.
    pub item: Option<Item<'a>>,
    /// What earlier runs kept on branches.
    pub kept: &'a [Kept],
    /// The sprint about the issue.
    pub sprint: Option<&'a Sprint>,
    /// What is known of the host.
    pub host: &'a HostFacts,
    /// The change, where there is one.
    pub change: Option<&'a Change>,
    /// The verification of that change.
    pub evidence: Option<&'a Evidence>,
    /// How much the change could break, and why.
    pub tier: Option<(Risk, &'a [TierReason])>,
    /// What the run cost so far.
    pub cost: Usd,
}

impl PromptContext<'_> {
    pub(super) fn values(&self) -> Json {
        let texts = self.texts;
        let values = json!({
            "repo": self.repo.to_string(),
            "slug": self.repo.folder(),
            "last_tag": last_tag(texts),
            "project": project(&texts.open),
            "ops": ops(&texts.ops),
            "host": host(self.host),
            "issue": {
                "number": self.issue.0,
                "author": name(&texts.author),
                "labels": labels(&self.seen.labels),
                "created": self.seen.created.rfc3339(),
                "updated": self.seen.updated.rfc3339(),
                "comments": self.seen.comments,
                "title": taken(&texts.title, TITLE_LIMIT),
                "body": taken(&texts.body, BODY_LIMIT),
                "kept": kept(self.kept),
                "tasks": tasks(&texts.tasks, BODIES_LIMIT),
                "tasks_cut": texts.tasks.cut,
                "listed_in": numbers(&texts.tasks.listed_in),
                "sprint": self.sprint.map(|known| sprint(known, texts.sprint.as_deref())),
            },
            "base": name(self.base.as_str()),
            "trunk": self.trunk.as_str(),
            "branch": name(self.branch.as_str()),
            "attempt": self.attempt,
            "breakdown": texts.breakdown.as_deref().map(|t| taken(&super::strip_marker(t), COMMENT_LIMIT)),
            "comments": comments(&texts.comments),
            // A file of the repository and a program's output are no Markdown that people saw as a page.
            "guide": texts.guide.as_deref().map(|t| cut(&printable(t), GUIDE_LIMIT)),
            "failure": self.failure.map(|t| cut(&printable(t), COMMENT_LIMIT)),
            "pull": texts.pull.as_ref().map(pull),
            "verify": self.verify,
            "at_home": *self.provisions != Provisions::default(),
            "setup": self.provisions.setup,
            "services": self.provisions.services.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "port": self.port,
            "env_file": self.provisions.env_file.as_ref().map(|file| &file.to),
            "schema": format!("{:#}", self.output),
            "steps": outputs(self.steps),
            "inputs": given(self.inputs),
            "item": self.item.map(|item| item.value),
            "index": self.item.map(|item| item.nth),
        });
        wrapped(values, &vocabulary(TemplateKind::Prompt, self.issue, self.steps, self.inputs, self.item))
    }
}

impl ProposalContext<'_> {
    pub(super) fn values(&self) -> Json {
        let runs = self.evidence.map_or(&[][..], |evidence| &evidence.commands);
        let share = TAIL_LIMIT.min(TAILS_LIMIT.checked_div(runs.len()).unwrap_or(TAIL_LIMIT));
        let command = |run: &crate::model::CommandRun| {
            json!({
                "command": run.command,
                "passed": run.exit == Some(0),
                "seconds": format!("{:.1}", run.millis as f64 / 1e3),
                "tail": end(&run.tail, share),
            })
        };
        let reason = |reason: &TierReason| json!({ "path": reason.path, "why": reason.why });
        let risk = |risk| match risk {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
        };
        let values = json!({
            "repo": self.repo.to_string(),
            "slug": self.repo.folder(),
            "last_tag": last_tag(self.texts),
            "project": project(&self.texts.open),
            "ops": ops(&self.texts.ops),
            "host": host(self.host),
            "issue": {
                "number": self.issue.0,
                "author": name(&self.texts.author),
                "labels": labels(&self.seen.labels),
                "created": self.seen.created.rfc3339(),
                "updated": self.seen.updated.rfc3339(),
                "comments": self.seen.comments,
                "title": cut(&self.texts.title, TITLE_LIMIT),
                "kept": kept(self.kept),
                "body": taken(&self.texts.body, COMMENT_LIMIT),
                "tasks": tasks(&self.texts.tasks, SAID_LIMIT),
                "tasks_cut": self.texts.tasks.cut,
                "listed_in": numbers(&self.texts.tasks.listed_in),
                "sprint": self.sprint.map(|known| sprint(known, None)),
            },
            "base": name(self.base.as_str()),
            "branch": name(self.branch.as_str()),
            "attempt": self.attempt,
            "cost": self.cost.to_string(),
            "commit": self.change.map(|c| c.head.short()),
            "change": self.change.map(|c| json!({
                "commits": c.commits, "files": c.files.len(), "added": c.added, "removed": c.removed,
            })),
            "evidence": runs.iter().map(command).collect::<Vec<_>>(),
            "printed": runs.iter().any(|run| !run.tail.trim().is_empty()),
            "tier": self.tier.map(|(tier, _)| risk(tier)),
            "reasons": self.tier.map_or(Vec::new(), |(_, reasons)| reasons.iter().map(reason).collect()),
            "steps": outputs(self.steps),
            "inputs": given(self.inputs),
            "item": self.item.map(|item| item.value),
            "index": self.item.map(|item| item.nth),
        });
        wrapped(values, &vocabulary(TemplateKind::Proposal, self.issue, self.steps, self.inputs, self.item))
    }
}

fn vocabulary(
    kind: TemplateKind,
    issue: IssueNumber,
    steps: &[Said],
    inputs: &[(InputSpec, Json)],
    item: Option<Item<'_>>,
) -> Variable {
    let about = if issue == IssueNumber::PROJECT { About::Project } else { About::Issue };
    let steps = steps.iter().map(|said| (&said.step, Variable::answer(&said.schema, said.for_each)));
    kind.vocabulary(about, steps, inputs.iter().map(|(spec, _)| spec), item.map(|item| item.variable.clone()))
}

/// The newest tag that the base branch has behind it.
fn last_tag(texts: &RunTexts) -> Json {
    let tag = texts.last_tag.clone().unwrap_or_default();
    json!({ "name": taken(&tag.name, TITLE_LIMIT), "commit": tag.commit.as_ref().map(Sha::as_str), "commits": tag.commits })
}

/// The project's open issues. Of their bodies those count first that stand first; that one is left out is said in its place.
fn project(open: &OpenIssues) -> Json {
    let mut room = BODIES_LIMIT;
    let issues = open.items.iter().map(|issue| {
        let body = taken(&issue.body, LISTED_BODY_LIMIT);
        let left = room.checked_sub(body.len());
        room = left.unwrap_or(room);
        json!({
            "number": issue.number.0,
            "title": taken(&issue.title, TITLE_LIMIT),
            "author": name(issue.author.as_str()),
            "labels": labels(&issue.labels),
            "created": issue.created.rfc3339(),
            "updated": issue.updated.rfc3339(),
            "comments": issue.comments,
            "parts": issue.parts.iter().map(|part| part.0).collect::<Vec<_>>(),
            "open_parts": issue.open_parts.iter().map(|part| part.0).collect::<Vec<_>>(),
            "filed_as": clean(&issue.filed_as),
            "body": if left.is_some() { body } else { "[left out: all bodies together are too long]".to_owned() },
        })
    });
    json!({ "issues": issues.collect::<Vec<_>>(), "issues_cut": open.cut })
}

/// What earlier runs kept: where, and how it is run.
fn kept(all: &[Kept]) -> Json {
    let one = |kept: &Kept| {
        json!({
            "name": kept.name,
            "issue": kept.issue.0,
            "formula": kept.formula,
            "branch": name(kept.branch.as_str()),
            "commit": kept.sha.as_str(),
            "base": kept.base.as_str(),
            "commands": kept.commands,
        })
    };
    all.iter().map(one).collect()
}

/// What the issue lists as its tasks. Of their bodies those count first that stand first; that one is left out is said in its place.
fn tasks(all: &Tasks, mut room: usize) -> Json {
    let one = |task: &Task| {
        let body = taken(&task.body, TASK_LIMIT);
        let left = room.checked_sub(body.len());
        room = left.unwrap_or(room);
        json!({
            "number": task.number.0,
            "title": taken(&task.title, TITLE_LIMIT),
            "author": name(task.seen.author.as_str()),
            "open": task.seen.open,
            "ticked": task.ticked,
            "labels": labels(&task.seen.labels),
            "body": if left.is_some() { body } else { "[left out: all bodies together are too long]".to_owned() },
            "file_targets": task.file_targets,
            "acceptance_criteria": task.acceptance_criteria,
            "tasks": numbers(&task.tasks),
        })
    };
    all.items.iter().map(one).collect()
}

fn labels<'l>(labels: impl IntoIterator<Item = &'l String>) -> Vec<String> {
    labels.into_iter().map(|label| clean(label)).collect()
}

fn numbers(issues: &[IssueNumber]) -> Vec<u64> {
    issues.iter().map(|issue| issue.0).collect()
}

/// The sprint about the issue.
fn sprint(sprint: &Sprint, text: Option<&str>) -> Json {
    json!({
        "path": name(&sprint.path),
        "merged": sprint.asked.is_none(),
        "pull": sprint.asked.as_ref().map(|asked| asked.pull.0),
        "wrong": sprint.wrong,
        "text": text.map(|text| cut(&printable(text), OPS_FILE_LIMIT)),
    })
}

/// What was read of the operations repository. What comes first counts first; that something is left out is said in its place.
fn ops(files: &[OpsFile]) -> Json {
    let mut room = OPS_LIMIT;
    let files = files.iter().map(|file| {
        // A file is no page that people saw: what Markdown hides is part of it.
        let text = cut(&printable(&file.text), OPS_FILE_LIMIT);
        let left = room.checked_sub(text.len());
        room = left.unwrap_or(room);
        let text = if left.is_some() { text } else { "[left out: all files together are too long]".to_owned() };
        json!({ "path": name(&file.path), "text": text })
    });
    json!({ "files": files.collect::<Vec<_>>() })
}

/// What the formula is given, by name.
fn given(inputs: &[(InputSpec, Json)]) -> Json {
    inputs.iter().map(|(spec, value)| (spec.name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

fn outputs(steps: &[Said]) -> Json {
    steps.iter().map(|said| (said.step.0.clone(), json!({ "output": said.output }))).collect::<Map<_, _>>().into()
}

/// What the probes of the host showed. What one printed was bounded when it was read.
fn host(facts: &HostFacts) -> Json {
    let probe = |probed: &crate::model::Probed| {
        json!({
            "name": name(probed.name.as_str()),
            "ok": probed.is_well(),
            "priority": probed.priority.word(),
            "ended": probed.end.word(),
            "exit": probed.end.code(),
            "output": printable(&probed.output),
            "mend": probed.mend_word(),
            "tried": probed.tried,
        })
    };
    json!({ "probes": facts.probes.iter().map(probe).collect::<Vec<_>>() })
}

/// What is asked of a pull request. Of its points those count first that were made first; that one is cut is said in its place.
fn pull(texts: &PullTexts) -> Json {
    let mut room = COMMENTS_LIMIT;
    let points = texts.points.iter().map(|said| {
        let body = cut(&taken(&said.body, COMMENT_LIMIT), room);
        room = room.saturating_sub(body.len());
        let spot = said.point.spot.as_ref();
        json!({
            "id": said.point.id.to_string(),
            "author": name(said.point.by.as_str()),
            "at": said.at.rfc3339(),
            "path": spot.map(|spot| taken(&spot.path, TITLE_LIMIT)),
            "line": spot.filter(|spot| spot.line > 0 && !spot.old).map(|spot| spot.line),
            "body": body,
        })
    });
    let points: Vec<Json> = points.collect();
    let share = TAILS_LIMIT.checked_div(texts.checks.len()).unwrap_or(TAILS_LIMIT);
    let check = |check: &CheckText| {
        json!({
            "context": taken(&check.context, TITLE_LIMIT),
            "description": taken(&check.description, TITLE_LIMIT),
            "link": taken(&check.link, TITLE_LIMIT),
            "log": check.log.as_deref().map(|log| end(log, share)),
        })
    };
    json!({
        "number": texts.number.0,
        "asked": !points.is_empty(),
        "points": points,
        "red": !texts.checks.is_empty(),
        "checks": texts.checks.iter().map(check).collect::<Vec<_>>(),
        "conflicts": texts.conflicts,
        "unfit": texts.unfit.as_deref().map(|unfit| end(unfit, TAILS_LIMIT)),
    })
}

/// The newest comments that fit, oldest first; that older ones are left out is said in the place of the first.
fn comments(all: &[Remark]) -> Json {
    let mut room = COMMENTS_LIMIT;
    let mut kept = Vec::new();
    for (nth, remark) in all.iter().enumerate().rev() {
        let body = taken(&remark.body, COMMENT_LIMIT);
        let Some(left) = room.checked_sub(body.len()) else {
            let said = format!("[{} older comments are left out]", nth + 1);
            kept.push(json!({ "author": "forgehand", "at": remark.at.rfc3339(), "body": said }));
            break;
        };
        room = left;
        kept.push(json!({ "author": name(remark.author.as_str()), "at": remark.at.rfc3339(), "body": body }));
    }
    kept.reverse();
    kept.into()
}

/// The end of a program's output, whole lines where it has them; that it has more is said.
fn end(output: &str, limit: usize) -> String {
    let output = printable(output);
    if output.len() <= limit {
        return output;
    }
    let rest = output.get(output.ceil_char_boundary(output.len() - limit)..).unwrap_or_default();
    let rest = rest.split_once('\n').map_or(rest, |(_, lines)| lines);
    format!("[the beginning is left out]\n{rest}")
}

/// What is taken of a text. Much of what is cleaned away may be long, so a multiple of the limit is looked at, but not more.
fn taken(text: &str, limit: usize) -> String {
    cut(&clean(&cut(text, limit.saturating_mul(4))), limit)
}

/// A login or the name of a branch: one word, without what Markdown or a fence is made of.
fn name(text: &str) -> String {
    let plain = |c: &char| !c.is_whitespace() && !matches!(c, '<' | '>' | '`' | '{' | '}');
    printable(text).chars().filter(plain).take(250).collect()
}

/// The values that the vocabulary names, outside text wrapped; what is absent or empty is null.
fn wrapped(value: Json, variable: &Variable) -> Json {
    match (variable, value) {
        (Variable::Outside, Json::String(text)) if !text.trim().is_empty() => {
            json!({ WRAPPED: cut(&printable(&text), BODY_LIMIT) })
        }
        (Variable::Outside, _) => Json::Null,
        (Variable::Plain, value) => value,
        (Variable::List(item), Json::Array(items)) => items.into_iter().map(|i| wrapped(i, item)).collect(),
        (Variable::List(_), _) => Json::Array(Vec::new()),
        (Variable::Record(names), Json::Object(mut object)) => {
            let pair =
                |(name, below): (&String, &Variable)| (name.clone(), wrapped(object.remove(name).unwrap_or_default(), below));
            names.iter().map(pair).collect::<Map<_, _>>().into()
        }
        // Its names are known all the same: there is nothing under them, and it is false in a condition.
        (Variable::Record(names), _) => {
            let pair = |(name, below): (&String, &Variable)| (name.clone(), wrapped(Json::Null, below));
            names.iter().map(pair).chain([(ABSENT.to_owned(), true.into())]).collect::<Map<_, _>>().into()
        }
    }
}
