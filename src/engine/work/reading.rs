//! The stage of a rehearsal on an issue as it stands on the forge: what a real run would be given to read, read without one.
//!
//! Promises: only reads. CLAUDE.md of the base branch is left out, because nothing is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::model::{
    Branch, Dependency, EffectKey, Failure, FailureKind, Formula, Issue, LastTag, Login, ProjectFacts, RunTexts, Subject,
    Timestamp, Trouble,
};
use crate::scan::Scanner;
use crate::text;

use super::super::shell::Ports;
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

impl Stage {
    /// Reads an issue, and what it depends on.
    ///
    /// # Errors
    /// What cannot be read.
    pub async fn read(
        ports: Ports,
        settings: Settings,
        formula: Formula,
        subject: Subject,
        branch_prefix: String,
    ) -> Result<(Self, Vec<Dependency>), Unread> {
        let (now, journal) = (ports.clock.now(), ports.journal_id.clone());
        let project = settings.projects.get(&subject.repo).cloned().unwrap_or_default();
        // Texts and secrets belong to effects, and none is made here.
        let host = PlayedHost::of(&settings.probes);
        let vault = PlayedVault { known: Some(settings.vault.clone()), ..PlayedVault::default() };
        let worker = Worker::new(ports, settings, TextStore::new(Path::new("")), Arc::new(Scanner::new(Vec::new())));
        let facts = Arc::new(worker.survey(&subject.repo).await.map_err(Unread::Project)?);
        if subject.is_project() {
            let base = base_of(&formula, &project, &facts);
            let open = worker.open_issues(&subject.repo, &formula, &facts).await?;
            let stage = Self::about(formula, subject, project, branch_prefix, base, now);
            let last_tag = Some(LastTag::made_up());
            return Ok((Self { host, vault, texts: RunTexts { open, last_tag, ..RunTexts::default() }, ..stage }, Vec::new()));
        }
        let (issue, comments) = worker.read_issue(&subject).await?;
        if issue.pull.is_some() {
            return Err(Unread::NoIssue);
        }
        let named = text::dependencies(&issue.body).into_iter();
        let named: Vec<Subject> = named
            .map(|(repo, issue)| Subject { repo: repo.unwrap_or_else(|| subject.repo.clone()), issue })
            .filter(|other| *other != subject)
            .collect();
        let depends = worker.dependencies(&subject, &named).await.map_err(Unread::Project)?;
        let base = base_of(&formula, &project, &facts);
        let mut stage = Self { host, vault, issue, ..Self::about(formula, subject, project, branch_prefix, base, now) };
        let ledger = stage.opened(&facts);
        let state = ledger.issue(&stage.subject).ok_or_else(|| environment("the issue is gone"))?;
        let run = state.run.as_ref().map(|run| &run.id);
        let key = EffectKey::new(&stage.subject, run, &journal, "read", 1);
        let order = Order { key: &key, subject: &stage.subject, state, facts: &facts, project: &stage.project };
        let texts = worker.texts_of(&order, &stage.issue, &comments, None).await?;
        let tasks = worker.tasks(&stage.subject.repo, &stage.issue, &stage.formula).await?;
        stage.texts = RunTexts { tasks, last_tag: Some(LastTag::made_up()), ..texts };
        Ok((stage, depends))
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

fn base_of(formula: &Formula, project: &ProjectSettings, facts: &ProjectFacts) -> Branch {
    let named = formula.workspace.base.as_ref().or(project.base.as_ref());
    named.unwrap_or(&facts.repository.default_branch).clone()
}
