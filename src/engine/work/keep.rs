//! The operations repository: what a run reads of it, and the files that its steps keep there.
//!
//! Promises: what a file says is written on top of what the run had read, so that nobody's words are lost; where it cannot be written, the text
//! stays in a file of the state folder, and the failure says where. Keeping is repeated after a crash: what says so already is not written
//! again, and of pull requests that ask for a file one stands: another run writes there what it
//! would have there.

use std::collections::BTreeMap;

use crate::ledger::RunState;
use crate::model::{
    Branch, Failure, FailureKind, Formula, OpsFile, Outcome, Proposal, PullNumber, RepoName, RunId, Sha, Step, StepId, StepKind,
    unaskable, unwritable,
};
use crate::ports::{KeepAnswer, KeepOrder, NewPull};
use crate::text;

use super::asked::Asking;
use super::{Order, Worker, context, environment, forge, repos};

/// A file that is read at most, in bytes, and how many of a folder.
pub(super) const FILE: u64 = 256 * 1024;
const FILES: usize = 200;

/// The operations repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ops {
    /// Where it is.
    pub repo: RepoName,
    /// The branch that counts.
    pub branch: Branch,
}

/// What was read of it.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) files: Vec<OpsFile>,
    pub(super) at: Option<Sha>,
}

/// A file as a step would keep it.
pub(super) struct Draft {
    /// The repository that is asked for it, but for the operations repository.
    pub(super) into: Option<RepoName>,
    pub(super) path: String,
    pub(super) title: String,
    /// The body of the pull request that asks for it.
    pub(super) asks: Option<String>,
}

/// What came of writing or asking.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The commit that has it; none where it stood there already.
    pub(super) commit: Option<Sha>,
    /// What asks for it.
    pub(super) pull: Option<PullNumber>,
    /// Why that stays as it is, though it does not say the same.
    pub(super) left: Option<String>,
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn refused(why: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Refused, why: why.into() }
}

/// What a step's file is called, and what is said about it.
pub(super) fn draft_of(order: &Order<'_>, step: &StepId, texts: &crate::model::RunTexts) -> Result<Draft, Failure> {
    let run = order.run()?;
    let Some(Step { kind: StepKind::Propose(Proposal::File { repo, path, title, pull, .. }), .. }) =
        run.formula.steps.iter().find(|s| s.id == *step)
    else {
        return Err(environment(format!("step {step} keeps no file")));
    };
    let templates: Vec<&str> = [path, title].into_iter().chain(pull).map(String::as_str).collect();
    let mut rendered = context::proposal(order, step, &templates, texts)?.into_iter();
    let path = rendered.next().unwrap_or_default().trim().to_owned();
    let title = one_line(&rendered.next().unwrap_or_default());
    let unfit = if repo.is_some() { unaskable(&path) } else { unwritable(&path, pull.is_some()) };
    if let Some(why) = unfit {
        return Err(refused(format!("step {step}: {why}")));
    }
    if title.is_empty() {
        return Err(refused(format!("step {step}: nothing is said about {path}, its `title` comes to nothing")));
    }
    Ok(Draft { into: repo.clone(), path, title, asks: rendered.next() })
}

/// The branch by which a run asks for the file of a step: one for each item, where it has several.
fn own_branch(run: &RunState, step: &StepId) -> Branch {
    let nth = run.at(step).and_then(|at| at.each.as_ref()).map(|each| format!("-{}", each.nth()));
    Branch(format!("forgehand/{}-{step}{}", run.id, nth.unwrap_or_default()))
}

impl Worker {
    pub(super) fn ops(&self) -> Result<&Ops, Failure> {
        self.settings
            .ops
            .as_ref()
            .ok_or_else(|| refused("there is no operations repository: name it by [ops] repo in the configuration"))
    }

    /// Where a file is to stand. Another repository is one of the configuration's, and the operations repository keeps its own rules whatever it is
    /// called.
    async fn place(&self, order: &Order<'_>, draft: &Draft) -> Result<Ops, Failure> {
        let Some(repo) = &draft.into else { return self.ops().cloned() };
        if let Some(ops) = self.settings.ops.as_ref().filter(|ops| ops.repo == *repo) {
            return match unwritable(&draft.path, draft.asks.is_some()) {
                None => Ok(ops.clone()),
                Some(why) => Err(refused(why)),
            };
        }
        if *repo == order.subject.repo {
            return Err(refused(format!(
                "{repo} is the run's own repository: what it changes there goes through propose = \"pull-request\""
            )));
        }
        let Some(project) = self.settings.projects.get(repo).filter(|_| draft.asks.is_some()) else {
            return Err(refused(format!("{repo} is no repository of the configuration: name it by a [[project]]")));
        };
        let branch = match &project.base {
            Some(base) => base.clone(),
            None => self.ports.forge.repository(repo).await.map_err(forge)?.default_branch,
        };
        Ok(Ops { repo: repo.clone(), branch })
    }

    /// What a formula reads of the operations repository. What is not there is left out, and so is all where nothing is committed yet.
    pub(super) async fn read_ops(&self, run: &RunId, formula: &Formula) -> Result<Read, Failure> {
        if !formula.needs_ops() {
            return Ok(Read::default());
        }
        let Ops { repo, branch } = self.ops()?;
        let tips = self.ports.repos.sync(repo, std::slice::from_ref(branch), run).await.map_err(repos)?;
        let Some(at) = tips.0.into_iter().next().flatten() else { return Ok(Read::default()) };
        let files = self.ops_files(repo, &at, &formula.reads_ops).await?;
        Ok(Read { files, at: Some(at) })
    }

    /// What is read of the operations repository at a commit.
    pub(super) async fn ops_files(&self, repo: &RepoName, at: &Sha, paths: &[String]) -> Result<Vec<OpsFile>, Failure> {
        let mut files = Vec::new();
        for path in paths {
            match path.strip_suffix('/') {
                Some(folder) => {
                    let below = self.ports.repos.files(repo, at, folder, FILE, FILES).await.map_err(repos)?;
                    files.extend(below.into_iter().map(|(name, text)| OpsFile { path: format!("{path}{name}"), text }));
                }
                None => {
                    let text = self.ports.repos.read(repo, at, path, FILE).await.map_err(repos)?;
                    files.extend(text.map(|text| OpsFile { path: path.clone(), text }));
                }
            }
        }
        Ok(files)
    }

    pub(super) async fn keep(&self, order: &Order<'_>, step: &StepId, content: &str) -> Result<Outcome, Failure> {
        let draft = draft_of(order, step, &self.texts.read(&order.run()?.id)?)?;
        self.without_secrets(step, &draft.path, content)?;
        let _asking = if draft.asks.is_some() { Some(self.asking.lock().await) } else { None };
        let Written { commit, pull, left } = self.written(order, step, &draft, content).await?;
        Ok(Outcome::Kept { path: draft.path, commit, pull, left })
    }

    /// A text with its middle taken out is no file that anybody wanted.
    pub(super) fn without_secrets(&self, step: &StepId, path: &str, content: &str) -> Result<(), Failure> {
        match self.scanner.redact(content) == content {
            true => Ok(()),
            false => Err(refused(format!("step {step}: what {path} would say holds a secret, or what looks like one"))),
        }
    }

    /// Writes what a step would have in the operations repository, or asks for it there. Whoever asks holds the lock.
    pub(super) async fn written(
        &self,
        order: &Order<'_>,
        step: &StepId,
        draft: &Draft,
        content: &str,
    ) -> Result<Written, Failure> {
        let run = order.run()?;
        let place = self.place(order, draft).await?;
        let Ops { repo, branch } = &place;
        let prepared = run.prepared.as_ref().filter(|_| draft.into.is_none());
        let own = draft.asks.is_some().then(|| own_branch(run, step));
        let there = match self.asked_for(order, draft, (&place, content), own.as_ref()).await? {
            Asking::Nothing => None,
            Asking::There(there) => Some(there),
            Asking::Settled(pull, left) => return Ok(Written { commit: None, pull: Some(pull), left }),
        };
        let there = there.as_ref();
        let asked_by = own.filter(|_| there.is_none());
        let file = KeepOrder {
            base: there.map_or(branch, |there| &there.branch).clone(),
            asked_by: asked_by.clone(),
            read: there.map_or_else(|| prepared.and_then(|prepared| prepared.ops.clone()), |there| Some(there.head.clone())),
            files: BTreeMap::from([(draft.path.clone(), content.to_owned())]),
            message: format!("{}\n\nForgehand-Effect: {}", self.scanner.redact(&draft.title), order.key),
            author: self.author(run),
            at: self.forge_now(),
        };
        let answer = match self.as_author(run).1.keep(repo, &file).await.map_err(repos) {
            Err(failure) if failure.kind == FailureKind::Refused => {
                return Err(self.aside(run.id.clone(), &draft.path, content, failure.why));
            }
            answer => answer?,
        };
        match answer {
            KeepAnswer::Same => Ok(Written { commit: None, pull: there.map(|there| there.pull), left: None }),
            KeepAnswer::Written(commit) => {
                let pull = match &asked_by {
                    Some(head) => Some(self.ask(order, draft, &place, head).await?),
                    None => there.map(|there| there.pull),
                };
                Ok(Written { commit: Some(commit), pull, left: None })
            }
            KeepAnswer::Conflict => {
                let why = format!("somebody changed the same lines of {} in {repo} since they were read", draft.path);
                Err(self.aside(run.id.clone(), &draft.path, content, why))
            }
            KeepAnswer::NoBranch => {
                let why = match there {
                    Some(there) => format!("the branch {} of {}, which asks for it in {repo}, is gone", there.branch, there.pull),
                    None if draft.into.is_some() => format!("{repo} has no branch {branch}: commit something there"),
                    None => format!("{repo} has no branch {branch}: commit something there, or name another by [ops] branch"),
                };
                Err(self.aside(run.id.clone(), &draft.path, content, why))
            }
        }
    }

    /// The pull request that asks for it, looked up and then opened.
    async fn ask(&self, order: &Order<'_>, draft: &Draft, place: &Ops, head: &Branch) -> Result<PullNumber, Failure> {
        let Ops { repo, branch } = place;
        let there = self.ports.forge.pulls(repo, head, branch, None).await.map_err(forge)?;
        if let Some(pull) = self.the_one(repo, order.facts, there).await? {
            return Ok(pull);
        }
        let body = self.scanner.redact(draft.asks.as_deref().unwrap_or_default());
        let body = format!("{body}\n\n{}", text::marker(order.key));
        let new = NewPull { head: head.clone(), base: branch.clone(), title: self.scanner.redact(&draft.title), body };
        let pull = self.as_author(order.run()?).0.create_pull(repo, &new).await.map_err(forge)?;
        Ok(pull.number)
    }

    /// A bot that cannot write must never look like one that has nothing to say: the text is kept, and the failure says where.
    fn aside(&self, run: RunId, path: &str, content: &str, why: String) -> Failure {
        match self.texts.keep_aside(&run, path, content) {
            Ok(kept) => refused(format!("{why}; what was to be written is kept in {}", kept.display())),
            Err(failure) => refused(format!("{why}; nor could it be kept: {}", failure.why)),
        }
    }
}
