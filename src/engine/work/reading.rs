//! The stage of a rehearsal on an issue as it stands on the forge: what a real run would be given to read, read without one.
//!
//! Promises: only reads: files are what the forge shows of them, and the newest tag is the real one. What cannot be read is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::ledger::IssueState;
use crate::model::{
    Branch, Dependency, EffectKey, Failure, FailureKind, Formula, Issue, LastTag, Login, ProjectFacts, PullTexts, RunId,
    RunTexts, Subject, Timestamp, Trouble,
};
use crate::scan::Scanner;
use crate::text;

use super::super::shell::Ports;
use super::prepare::GUIDE;
use super::stage::PULL;
use super::{Order, PlayedHost, PlayedMerge, PlayedVault, ProjectSettings, Settings, Stage, TextStore, Worker, environment};

/// Why there is no stage.
#[derive(Clone, Debug, PartialEq)]
pub enum Unread {
    /// The project cannot be worked on.
    Project(Trouble),
    /// There is no such issue.
    NoIssue,
    /// It cannot be read.
    Issue(String),
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            FailureKind::Gone => Self::NoIssue,
            _ => Self::Issue(failure.why),
        }
    }
}

/// What was read for a rehearsal.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The stage.
    pub stage: Stage,
    /// What the issue depends on.
    pub depends: Vec<Dependency>,
    /// The files that the formula requires and that the base branch does not have.
    pub lacks: Vec<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

impl Stage {
    /// Reads what a run would be about, with what the journal knows of it.
    ///
    /// # Errors
    /// What cannot be read, and without which there is nothing to show.
    pub async fn read(
        ports: Ports,
        settings: Settings,
        formula: Formula,
        subject: Subject,
        branch_prefix: String,
        known: Option<&IssueState>,
    ) -> Result<Staged, Unread> {
        let now = ports.clock.now();
        let project = settings.projects.get(&subject.repo).cloned().unwrap_or_default();
        // Texts and secrets belong to effects, and none is made here.
        let host = PlayedHost::of(&settings.probes);
        let vault = PlayedVault { known: Some(settings.vault.clone()), ..PlayedVault::default() };
        let worker = Worker::new(ports, settings, TextStore::new(Path::new("")), Arc::new(Scanner::new(Vec::new())));
        let facts = Arc::new(worker.survey(&subject.repo).await.map_err(Unread::Project)?);
        let base = base_of(&formula, &project, &facts);
        let stage = Self { host, vault, ..Self::about(formula, subject, project, branch_prefix, base, now) };
        let mut staged = Staged { stage, depends: Vec::new(), lacks: Vec::new(), unread: Vec::new() };
        match staged.stage.subject.is_project() {
            true => {
                let Self { subject, formula, .. } = &staged.stage;
                staged.stage.texts.open = worker.open_issues(&subject.repo, formula, &facts).await?;
            }
            false => staged.read_issue(&worker, &facts, known).await?,
        }
        staged.stage.texts.last_tag = Some(LastTag::made_up());
        staged.read_files(&worker, &facts, known).await?;
        Ok(staged)
    }

    /// Before anything is read of an issue, which a run about a project has none of.
    fn about(
        formula: Formula,
        subject: Subject,
        project: ProjectSettings,
        branch_prefix: String,
        base: Branch,
        now: Timestamp,
    ) -> Self {
        let issue = Issue {
            number: subject.issue,
            title: String::new(),
            body: String::new(),
            author: Login(String::new()),
            open: true,
            labels: BTreeSet::new(),
            created: now,
            updated: now,
            comments: 0,
            pull: None,
        };
        Self {
            formula,
            subject,
            issue,
            texts: RunTexts::default(),
            project,
            branch_prefix,
            base,
            now,
            kept: Vec::new(),
            sprint: None,
            moved: None,
            asked: None,
            vault: PlayedVault::default(),
            merge: PlayedMerge::default(),
            host: PlayedHost::default(),
            off: BTreeSet::new(),
            inputs: BTreeMap::new(),
        }
    }
}

impl Staged {
    /// The issue, what it depends on and lists, and what is asked of its pull request.
    async fn read_issue(&mut self, worker: &Worker, facts: &Arc<ProjectFacts>, known: Option<&IssueState>) -> Result<(), Unread> {
        let stage = &mut self.stage;
        let (issue, comments) = worker.read_issue(&stage.subject).await?;
        if issue.pull.is_some() {
            return Err(Unread::NoIssue);
        }
        let subject = &stage.subject;
        let named = text::dependencies(&issue.body).into_iter();
        let named: Vec<Subject> = named
            .map(|(repo, issue)| Subject { repo: repo.unwrap_or_else(|| subject.repo.clone()), issue })
            .filter(|other| other != subject)
            .collect();
        self.depends = worker.dependencies(subject, &named).await.map_err(Unread::Project)?;
        stage.issue = issue;
        let ledger = stage.opened(facts);
        let state = ledger.issue(&stage.subject).ok_or_else(|| environment("the issue is gone"))?;
        let key = key_of(worker, &stage.subject, state);
        let order = Order { key: &key, subject: &stage.subject, state, facts, project: &stage.project };
        let texts = worker.texts_of(&order, &stage.issue, &comments, None).await?;
        let tasks = worker.tasks(&stage.subject.repo, &stage.issue, &stage.formula).await?;
        let revised = known.and_then(|state| Some((state, state.open_pull()?))).filter(|_| stage.formula.revises());
        let pull = match revised {
            Some((state, pull)) => Some(worker.revision(&Order { state, ..order }, pull, &pull.head).await?.1),
            None => stage.formula.revises().then(|| PullTexts::made_up(PULL)),
        };
        stage.texts = RunTexts { tasks, pull, ..texts };
        Ok(())
    }

    /// What the base branch and the operations repository say. A rehearsal goes on without what cannot be read there.
    async fn read_files(&mut self, worker: &Worker, facts: &Arc<ProjectFacts>, known: Option<&IssueState>) -> Result<(), Unread> {
        let (stage, preview) = (&mut self.stage, RunId("preview".into()));
        let (repo, repos) = (&stage.subject.repo, &worker.ports.repos);
        let tips = repos.sync(repo, std::slice::from_ref(&stage.base), &preview).await;
        let tip = tips.map(|tips| tips.0.into_iter().next().flatten());
        let tip = tip.unwrap_or_else(|error| {
            self.unread.push(format!("{} of {repo}: {error}", stage.base));
            None
        });
        if let Some(at) = &tip {
            match repos.read(repo, at, "CLAUDE.md", GUIDE).await {
                Ok(guide) => stage.texts.guide = guide,
                Err(error) => self.unread.push(format!("CLAUDE.md of {}: {error}", stage.base)),
            }
            for path in &stage.formula.require.files {
                match repos.holds(repo, at, path).await {
                    Ok(true) => {}
                    Ok(false) => self.lacks.push(path.clone()),
                    Err(error) => self.unread.push(format!("whether {path} is on {}: {error}", stage.base)),
                }
            }
        }
        if let (Some(at), true) = (&tip, stage.formula.names(&["last_tag"])) {
            match repos.last_tag(repo, at).await {
                Ok(tag) => stage.texts.last_tag = Some(tag),
                Err(error) => self.unread.push(format!("the newest tag, for which one is made up: {error}")),
            }
        }
        let ledger = stage.opened(facts);
        let state = ledger.issue(&stage.subject).ok_or_else(|| environment("the issue is gone"))?;
        let key = key_of(worker, &stage.subject, state);
        let order = Order { key: &key, subject: &stage.subject, state, facts, project: &stage.project };
        match worker.read_ops(&preview, &stage.formula).await {
            Ok(read) => {
                match worker.sprint(&order, &stage.formula, &read).await {
                    Ok(found) => (stage.sprint, stage.texts.sprint) = found.unzip(),
                    Err(failure) => self.unread.push(format!("the sprint of the issue: {}", failure.why)),
                }
                stage.texts.ops = read.files;
            }
            Err(failure) => self.unread.push(format!("the operations repository: {}", failure.why)),
        }
        if let (Some(at), Some(state)) = (&tip, known) {
            stage.moved = worker.moved(&Order { state, ..order }, &stage.formula, at, &stage.texts);
        }
        Ok(())
    }
}

fn key_of(worker: &Worker, subject: &Subject, state: &IssueState) -> EffectKey {
    EffectKey::new(subject, state.run.as_ref().map(|run| &run.id), &worker.ports.journal_id, "read", 1)
}

fn base_of(formula: &Formula, project: &ProjectSettings, facts: &ProjectFacts) -> Branch {
    let named = formula.workspace.base.as_ref().or(project.base.as_ref());
    named.unwrap_or(&facts.repository.default_branch).clone()
}
