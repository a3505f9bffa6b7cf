//! Errors for people: a sentence, what stood behind it, and a hint; and the exit code.

use std::fmt;

use crate::document::Faults;
use crate::engine::EngineError;
use crate::model::Trouble;
use crate::ports::{ForgeError, ForgeErrorKind, JournalError};
use crate::words;

/// What decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A defect of ours.
    Internal,
    /// The configuration, or how the program was called.
    Usage,
    /// The forge.
    Forge,
    /// The machine.
    Environment,
}

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Forge => 3,
            Self::Environment => 4,
        }
    }
}

/// A command that failed.
#[derive(Debug)]
pub struct CliError {
    kind: Kind,
    what: String,
    why: Option<String>,
    hint: Option<String>,
    report: Option<miette::Report>,
    busy: bool,
    /// All that is to be said was said: only the exit code is left.
    told: bool,
}

impl CliError {
    /// Of a kind, with a hint.
    pub fn new(kind: Kind, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: None, hint: Some(hint.into()), report: None, busy: false, told: false }
    }

    /// Only an exit code: what stands behind it was printed.
    pub(super) fn told(kind: Kind) -> Self {
        Self { told: true, ..Self::new(kind, "", "") }
    }

    /// With what stood behind it.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// With one more thing to know.
    #[must_use]
    pub(super) fn and_hint(mut self, more: String) -> Self {
        self.hint = Some(self.hint.map_or_else(|| more.clone(), |hint| format!("{hint}; {more}")));
        self
    }

    /// The machine stood in the way.
    pub fn environment(what: impl Into<String>, why: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self::new(Kind::Environment, what, hint).because(why)
    }

    /// The way it was called is wrong.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what, hint)
    }

    /// Mistakes of a file, shown with their places.
    pub fn file(report: miette::Report) -> Self {
        Self { kind: Kind::Usage, what: String::new(), why: None, hint: None, report: Some(report), busy: false, told: false }
    }

    /// A project cannot be worked on.
    pub fn trouble(repo: &crate::model::RepoName, trouble: &Trouble) -> Self {
        Self {
            kind: Kind::Forge,
            what: format!("{repo}: {}", words::trouble(trouble)),
            why: None,
            hint: None,
            report: None,
            busy: false,
            told: false,
        }
    }

    /// What went wrong, and what stood behind it, as one sentence for a log.
    pub(super) fn sentence(&self) -> String {
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        format!("{}{why}", self.what)
    }

    /// Another process works on the same journal.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// What went wrong and what stood behind it, in one line.
    pub(super) fn says(&self) -> String {
        match &self.why {
            Some(why) => format!("{}: {why}", self.what),
            None => self.what.clone(),
        }
    }

    /// What to do.
    pub(super) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What went wrong and what to do, once for each mistake of a file.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        match self.report.as_ref().and_then(|report| report.downcast_ref::<Faults>()) {
            Some(faults) => faults
                .iter()
                .map(|fault| {
                    let place = format!("{}:{}:{}: {fault}", fault.file(), fault.line(), fault.column());
                    (place, fault.hint().unwrap_or("correct that line").replace('\n', " "))
                })
                .collect(),
            None => vec![(self.says(), self.hint().unwrap_or("see what it says").to_owned())],
        }
    }

    /// What decides the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Prints it to stderr.
    pub fn report(&self) {
        if self.told {
            return;
        }
        if let Some(report) = &self.report {
            anstream::eprintln!("{report:?}");
            return;
        }
        anstream::eprintln!("error: {}", self.what);
        if let Some(why) = &self.why {
            anstream::eprintln!("  because: {why}");
        }
        if let Some(hint) = &self.hint {
            anstream::eprintln!("  hint: {hint}");
        }
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let busy = matches!(error, JournalError::Busy { .. });
        let hint = match error {
            JournalError::Busy { .. } => "`forgehand status` shows what it does; `retry` and `cancel` reach it",
            JournalError::TooNew { .. } => "nothing was changed",
            JournalError::Storage { .. } => "see whether the state folder is writable and the disk has room",
        };
        Self { busy, ..Self::new(Kind::Environment, error.to_string(), hint) }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Journal(error) => error.into(),
        }
    }
}

impl From<ForgeError> for CliError {
    fn from(error: ForgeError) -> Self {
        let hint = match &error.kind {
            ForgeErrorKind::Unreachable { .. } | ForgeErrorKind::Doubtful | ForgeErrorKind::Server => {
                "see whether the forge is up"
            }
            ForgeErrorKind::Unauthorized => "make a new token and put it where `token_env` or `token_file` points",
            ForgeErrorKind::Denied => "give the token write:issue, write:repository and read:user, and the bot write access",
            ForgeErrorKind::NotFound => "check the number, `repo`, and the bot's access",
            ForgeErrorKind::Moved { .. } => "write the repository's new name into the configuration",
            ForgeErrorKind::Archived => "unarchive the repository, or remove the project",
            ForgeErrorKind::Conflict | ForgeErrorKind::Invalid => "look at the issue on the forge",
            ForgeErrorKind::NotAForge => "check `url` of [forge], subpath included",
        };
        Self::new(Kind::Forge, error.to_string(), hint)
    }
}
