//! `[[notify]]` at work: what is journalled becomes letters, and those go out by themselves.

use std::sync::Arc;

use secrecy::SecretString;

use crate::config::{NotifyBy, SecretSource, WebhookFormat};
use crate::engine::{Core, Listener};
use crate::model::{Event, News, Notice, Timestamp};
use crate::notify::{By, Fold, Hook, Letter, Notifier, Recipient};
use crate::plan::Notices;
use crate::scan::Scanner;
use crate::words;

use super::CliError;
use super::setup::{Setup, read_secret};

/// Tells people what is journalled.
pub(super) struct Teller {
    notices: Notices,
    notifier: Notifier,
    forge: url::Url,
    scanner: Arc<Scanner>,
}

impl Teller {
    /// Begins, with what the journal holds as known.
    pub(super) fn new(setup: &Setup, core: &Core, scanner: &Arc<Scanner>, notifier: Notifier) -> Self {
        let (notices, forge) = (Notices::new(core.ledger()), setup.config.forge.url.clone());
        Self { notices, notifier, forge, scanner: scanner.clone() }
    }

    /// For the engine.
    pub(super) fn listener(mut self) -> Listener {
        Box::new(move |at: Timestamp, events: &[Event], ledger| {
            for event in events {
                for notice in self.notices.of(at, event, ledger) {
                    self.notifier.send(&letter(&notice, &self.forge, &self.scanner));
                }
            }
        })
    }
}

/// Who is told.
pub(super) fn recipients(setup: &Setup) -> Result<Vec<Recipient>, CliError> {
    setup.config.notify.iter().map(|notify| Ok(Recipient { on: notify.on.clone(), by: by(&notify.by)? })).collect()
}

/// What is sent where there was too much.
pub(super) fn fold() -> Fold {
    Arc::new(|more, last: &Letter| {
        let (title, text) = words::more_notices(more);
        Letter { repo: None, issue: None, url: None, title, text, ..last.clone() }
    })
}

/// What is sent of a notice; what is published is scanned first.
fn letter(notice: &Notice, forge: &url::Url, scanner: &Scanner) -> Letter {
    let (title, text) = words::notice(&notice.news);
    let page = match (&notice.news, notice.news.subject(), notice.news.repo()) {
        (News::Waits { pull: Some(pull), subject, .. } | News::Approval { pull, subject, .. }, ..) => {
            Some(format!("{}/pulls/{}", subject.repo, pull.0))
        }
        (_, Some(subject), _) if subject.is_project() => Some(subject.repo.to_string()),
        (_, Some(subject), _) => Some(format!("{}/issues/{}", subject.repo, subject.issue.0)),
        (_, None, repo) => repo.map(ToString::to_string),
    };
    Letter {
        on: notice.news.occasion(),
        at: notice.at.rfc3339(),
        repo: notice.news.repo().map(ToString::to_string),
        issue: notice.news.subject().filter(|subject| !subject.is_project()).map(|subject| subject.issue.0),
        url: page.and_then(|page| forge.join(&page).ok()).map(String::from),
        title: scanner.redact(&title),
        text: scanner.redact(&text),
    }
}

fn by(by: &NotifyBy) -> Result<By, CliError> {
    Ok(match by {
        NotifyBy::Command(words) => By::Command(words.clone()),
        NotifyBy::Mail { to, sendmail } => By::Mail { to: to.clone(), sendmail: sendmail.clone() },
        NotifyBy::Webhook { address, format } => {
            let address = read_address(address)?;
            let hook = Hook::new(&address, *format == WebhookFormat::Discord).map_err(|e| {
                CliError::usage(
                    "the address of a webhook in [[notify]] cannot be used",
                    "see what `webhook_env` or `webhook_file` holds",
                )
                .because(e)
            })?;
            By::Webhook(hook)
        }
    })
}

fn read_address(source: &SecretSource) -> Result<SecretString, CliError> {
    read_secret(source, "the address of a webhook in [[notify]]")
}

/// Where an address is kept, if it is a secret.
pub(super) fn kept(by: &NotifyBy) -> Option<&SecretSource> {
    match by {
        NotifyBy::Webhook { address, .. } => Some(address),
        NotifyBy::Command(_) | NotifyBy::Mail { .. } => None,
    }
}

/// The addresses that are secrets, so that no text of ours holds one.
pub(super) fn addresses(setup: &Setup) -> Result<Vec<SecretString>, CliError> {
    setup.config.notify.iter().filter_map(|notify| kept(&notify.by)).map(read_address).collect()
}
