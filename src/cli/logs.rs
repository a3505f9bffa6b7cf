//! `forgehand logs [N] [-f]`: the story of an issue's runs from the journal, the agent's steps readable.

use std::path::PathBuf;
use std::time::Duration;

use crate::journal::{History, JournalReader};
use crate::ledger::Ledger;
use crate::model::{Event, Record, RepoName, RunId, Subject};
use crate::words;

use super::setup::Setup;
use super::{CliError, subject};

/// How often the journal is looked at with `-f`.
const FOLLOW: Duration = Duration::from_millis(500);

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The issue: 7, or owner/name#7; owner/name for the runs about a project; everything where it is left out
    issue: Option<String>,
    /// Go on as the story goes on
    #[arg(long, short)]
    follow: bool,
    /// The events themselves, a JSON object a line
    #[arg(long)]
    json: bool,
    /// The issue's last run as a recorded test of its formula, for formulas/tests/NAME.toml
    #[arg(long, requires = "issue", conflicts_with_all = ["follow", "json"])]
    as_test: bool,
    /// With --as-test: not its last run but this one, as the story names it
    #[arg(long, requires = "as_test")]
    run: Option<String>,
}

/// Tells the story.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let wanted = arguments.issue.as_deref().map(|text| subject::issue_or_project(&setup.config, text)).transpose()?;
    let Some(journal) = JournalReader::open(&setup.state_dir)? else {
        return Err(CliError::usage("there is no journal yet", "it begins with the first `forgehand once` or `run`"));
    };
    if let (true, Some(subject)) = (arguments.as_test, &wanted) {
        let run = arguments.run.as_deref().map(RunId::from);
        return super::formula::print_as_test(&setup, &journal, subject, run.as_ref());
    }
    super::block_on(async {
        let mut teller = Teller { wanted, json: arguments.json, ledger: Ledger::default() };
        let (mut seq, up_to) = chapter(&journal, teller.wanted.as_ref(), arguments.follow)?;
        loop {
            let mut told = Ok(());
            journal.each(seq, up_to, |record| {
                seq = record.seq;
                if told.is_ok() {
                    told = teller.tell(&record);
                }
            })?;
            told?;
            if !arguments.follow {
                teller.transcripts(&setup);
                return Ok(());
            }
            tokio::time::sleep(FOLLOW).await;
        }
    })?
}

/// Where the story of an issue begins, less one, and where it ends: before its first record nothing is about it, nor is anything after it
/// came to rest.
fn chapter(journal: &JournalReader, wanted: Option<&Subject>, follow: bool) -> Result<(u64, u64), CliError> {
    // The story of a project begins with its schedules, before anything was wanted.
    let Some(subject) = wanted.filter(|subject| !subject.is_project()) else { return Ok((0, u64::MAX)) };
    let ledger = journal.ledger(&History::Of(subject.clone()))?;
    let Some(state) = ledger.issue(subject) else { return Ok((0, u64::MAX)) };
    let end = ledger.past().find(|(past, _)| past == subject).map(|(_, past)| past.seq()).filter(|_| !follow);
    Ok((state.first.saturating_sub(1), end.unwrap_or(u64::MAX)))
}

struct Teller {
    wanted: Option<Subject>,
    json: bool,
    /// Runs are known by the ledger only while they live, so it is folded along.
    ledger: Ledger,
}

impl Teller {
    fn tell(&mut self, record: &Record) -> Result<(), CliError> {
        let before = about(&self.ledger, &record.event);
        self.ledger.apply(record);
        let about = before.or_else(|| about(&self.ledger, &record.event));
        if !self.is_wanted(&about) {
            return Ok(());
        }
        if self.json {
            return super::setup::print_json_line(record);
        }
        if let Some(line) = words::event(&record.event) {
            let whose = match &about {
                Some(About::Issue(subject)) if self.wanted.is_none() => format!("{subject} "),
                Some(About::Project(repo)) => format!("{repo} "),
                _ => String::new(),
            };
            anstream::println!("{} {whose}{line}", record.at);
        }
        Ok(())
    }

    /// Where everything is that agents said. It is told on stderr: it is no part of the story.
    fn transcripts(&self, setup: &Setup) {
        let Some(subject) = self.wanted.as_ref().filter(|_| !self.json) else { return };
        let runs = setup.state_dir.join("runs");
        let name = match subject.is_project() {
            true => "project-".to_owned(),
            false => format!("issue-{}-attempt-", subject.issue.0),
        };
        // Without a folder where there was one project when it was written.
        let plain = (setup.config.projects.len() == 1).then(|| runs.clone());
        for folder in [Some(runs.join(subject.repo.folder())), plain].into_iter().flatten() {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let ours = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name));
            let mut files: Vec<PathBuf> = files.filter(ours).collect();
            files.sort();
            for file in files {
                anstream::eprintln!("transcript: {}", file.display());
            }
        }
    }

    fn is_wanted(&self, about: &Option<About>) -> bool {
        match (&self.wanted, about) {
            (None, _) => true,
            (Some(wanted), Some(About::Issue(subject))) => subject == wanted,
            (Some(_), _) => false,
        }
    }
}

enum About {
    Issue(Subject),
    Project(RepoName),
}

fn about(ledger: &Ledger, event: &Event) -> Option<About> {
    match event {
        Event::Surveyed { repo, .. } | Event::Looked { repo, .. } | Event::Troubled { repo, .. } | Event::Recovered { repo } => {
            Some(About::Project(repo.clone()))
        }
        event => crate::plan::subject_of(ledger, event).map(About::Issue),
    }
}
