//! `[[notify]]`: who is told of what, beside the forge.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{SecretSource, values};
use crate::document::{Table, Value};
use crate::model::Occasion;

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// On which occasions.
    pub on: BTreeSet<Occasion>,
    /// How.
    pub by: NotifyBy,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyBy {
    /// A program: its words, at least one. It reads JSON.
    Command(Vec<String>),
    /// A webhook.
    Webhook {
        /// Where its address is kept, which is a secret.
        address: SecretSource,
        /// What it understands.
        format: WebhookFormat,
    },
    /// A mail, by the local sendmail.
    Mail {
        /// To whom.
        to: String,
        /// The program.
        sendmail: PathBuf,
    },
}

/// What a webhook understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFormat {
    /// Our own JSON.
    Json,
    /// Discord's.
    Discord,
}

const ONE_OF: &str =
    "command = [\"notify-send\"], webhook_env = \"DISCORD_WEBHOOK\", webhook_file = \"/path\" or mail = \"me@example.org\"";

impl Notify {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let words = Occasion::ALL.map(|occasion| (occasion.word(), occasion));
        let on = table.or("on", Occasion::ALL.to_vec(), |v| occasions(v, &words));
        let command = table.optional("command", command);
        let address = values::secret_source(table, "webhook_env", "webhook_file", "webhook_credential");
        let formats = [("json", WebhookFormat::Json), ("discord", WebhookFormat::Discord)];
        let format = table.or("format", WebhookFormat::Json, |v| v.one_of(&formats));
        let mail = table.optional("mail", mail);
        let sendmail = table.or("sendmail", PathBuf::from("/usr/sbin/sendmail"), values::path);
        let given = [
            table.has("command"),
            ["webhook_env", "webhook_file", "webhook_credential"].into_iter().any(|key| table.has(key)),
            table.has("mail"),
        ];
        match given.iter().filter(|given| **given).count() {
            1 => {}
            0 => {
                table.wrong("[[notify]] does not say how", format!("add {ONE_OF}"));
                return None;
            }
            _ => {
                table.wrong("[[notify]] says more than one way", "keep one, and write a [[notify]] for each other");
                return None;
            }
        }
        let by = match (command, address, mail) {
            (Some(words), ..) => NotifyBy::Command(words),
            (_, Some(address), _) => NotifyBy::Webhook { address, format },
            (_, _, Some(to)) => NotifyBy::Mail { to, sendmail },
            // Complained of already.
            (None, None, None) => return None,
        };
        Some(Self { on: on.into_iter().collect(), by })
    }
}

fn occasions(value: &Value<'_>, words: &[(&'static str, Occasion)]) -> Option<Vec<Occasion>> {
    let all = value.list(|v| v.one_of(words))?;
    if all.is_empty() {
        return value
            .wrong("`on` names no occasion", "leave it out for all of them, or name some, such as [\"failed\", \"waits\"]");
    }
    Some(all)
}

fn command(value: &Value<'_>) -> Option<Vec<String>> {
    let words = value.list(Value::string)?;
    if words.first().is_none_or(|program| program.trim().is_empty()) || words.iter().any(|w| w.contains('\0')) {
        return value
            .wrong("`command` names no program", "write command = [\"/usr/local/bin/tell-me\"]; it reads JSON on its stdin");
    }
    Some(words)
}

/// A bare address: it becomes an argument and a header.
fn mail(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.-_+=~".contains(c);
    let right = text.chars().all(plain)
        && !text.starts_with('-')
        && matches!(text.split_once('@'), Some((name, host)) if !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if right {
        Some(text)
    } else {
        value.wrong(format!("`{}` is not a mail address", text.escape_debug()), "write mail = \"me@example.org\"")
    }
}
