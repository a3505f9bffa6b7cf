//! The stage of a rehearsal on an issue as it stands on the forge: what a real run would be given to read, read without one.
//!
//! Promises: only reads. CLAUDE.md of the base branch is left out, because nothing is fetched.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Dependency, EffectKey, Failure, FailureKind, Formula, Subject, Trouble};
use crate::scan::Scanner;
use crate::text;

use super::super::shell::Ports;
use super::{Order, Settings, Stage, TextStore, Worker, environment};

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
        let worker = Worker::new(ports, settings, TextStore::new(Path::new("")), Arc::new(Scanner::new(Vec::new())));
        let facts = Arc::new(worker.survey(&subject.repo).await.map_err(Unread::Project)?);
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
        let named = formula.workspace.base.as_ref().or(project.base.as_ref());
        let base = named.unwrap_or(&facts.repository.default_branch).clone();
        let texts = crate::model::RunTexts::default();
        let mut stage = Self { formula, subject, issue, texts, project, branch_prefix, base, now };
        let ledger = stage.opened(&facts);
        let state = ledger.issue(&stage.subject).ok_or_else(|| environment("the issue is gone"))?;
        let run = state.run.as_ref().map(|run| &run.id);
        let key = EffectKey::new(&stage.subject, run, &journal, "read", 1);
        let order = Order { key: &key, subject: &stage.subject, state, facts: &facts, project: &stage.project };
        let texts = worker.texts_of(&order, &stage.issue, &comments, None).await?;
        stage.texts = texts;
        Ok((stage, depends))
    }
}
