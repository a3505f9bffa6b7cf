//! `[daemon]`, `[limits]` and `[sandbox]`: how the work is done, and what it may cost.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{SecretSource, values};
use crate::document::{Table, Value};
use crate::model::Usd;

/// `[daemon]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where the journal, mirrors, workspaces and logs are; the platform's place where it is left out.
    pub state_dir: Option<PathBuf>,
    /// How many runs at once.
    pub slots: u32,
    /// When to look.
    pub poll: Poll,
    /// How long a stop waits for what runs.
    pub drain: Duration,
    /// How the log is written.
    pub log: LogFormat,
    /// Where webhooks come in and metrics are read; nowhere where it is left out. Beyond loopback only with a secret.
    pub listen: Option<SocketAddr>,
    /// Where the secret is kept that deliveries are signed with.
    pub webhook_secret: Option<SecretSource>,
}

/// When to look at the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Each time this has passed; at least a second.
    Every(Duration),
    /// At the times of a cron pattern of six fields, seconds first, in UTC: as tokio-cron-scheduler takes it.
    Cron(String),
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// `[limits]`: what a run may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts on one issue until it has failed for good.
    pub attempts: u32,
    /// Waits after the first, second, ... failed attempt; the last one repeats. At least one.
    pub backoff: Vec<Duration>,
    /// An agent's turn, by the clock on the wall.
    pub wall: Duration,
    /// No sign of life of an agent.
    pub silence: Duration,
    /// The same while a tool of its is at work.
    pub silence_tool: Duration,
    /// A whole verification.
    pub verify: Duration,
    /// The commands of a project's `setup` together.
    pub setup: Duration,
    /// Changed lines of a diff.
    pub diff_lines: u64,
    /// Money for one call of the model.
    pub usd_call: Usd,
    /// Money for one run.
    pub usd_run: Usd,
    /// Money for one project in a UTC day.
    pub usd_project: Usd,
    /// Money for everything in a UTC day.
    pub usd_day: Usd,
    /// No new fix is begun while so many of our pull requests wait for people.
    pub open_pulls: u32,
    /// The longest list that a step of a formula is done for; what a formula says is at most that.
    pub items: u32,
    /// After this an issue that is worked on by nobody we know is taken over.
    pub adopt_after: Duration,
    /// After this a question that nobody answered goes to a person.
    pub question: Duration,
}

/// `[sandbox]`: what agents and verifications are confined to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether there is one.
    pub mode: SandboxMode,
    /// Further folders and files to mount, read-only.
    pub read: Vec<PathBuf>,
    /// Folders for `PATH` inside, mounted read-only.
    pub path: Vec<PathBuf>,
    /// Hosts that an agent may reach, `name` or `name:port`.
    pub network: Vec<String>,
    /// Memory, in bytes.
    pub memory: u64,
    /// Processes at once.
    pub processes: u32,
    /// The private `/tmp`, in bytes.
    pub tmp: u64,
}

/// Whether there is a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxMode {
    /// bubblewrap, or nothing runs.
    Bubblewrap,
    /// None, said in so many words.
    None,
}

impl Daemon {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let webhook_secret =
            values::secret_source(table, "webhook_secret_env", "webhook_secret_file", "webhook_secret_credential");
        Self {
            state_dir: table.optional("state_dir", values::path),
            slots: count(table, "slots", 1, 64),
            poll: table.or("poll", Poll::Every(Duration::from_secs(15)), poll),
            drain: table.or("drain", Duration::from_secs(60), values::duration),
            log: table.or("log", LogFormat::Text, |v| v.one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])),
            listen: table.optional("listen", |v| listen(v, webhook_secret.is_some())),
            webhook_secret,
        }
    }
}

impl Limits {
    /// The wait after an attempt that failed, counted from 1.
    pub fn backoff_after(&self, attempt: u32) -> Duration {
        let nth = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.backoff.get(nth).or(self.backoff.last()).copied().unwrap_or_default()
    }

    pub(super) fn read(table: &Table<'_>) -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let hours = |n: u64| minutes(n * 60);
        let dollars = |n: u64| Usd(n * 1_000_000);
        Self {
            attempts: count(table, "attempts", 3, 100),
            backoff: table.or("backoff", vec![minutes(1), minutes(5), minutes(15)], backoff),
            wall: table.or("wall", minutes(45), values::limit),
            silence: table.or("silence", minutes(5), values::limit),
            silence_tool: table.or("silence_tool", minutes(30), values::limit),
            verify: table.or("verify", minutes(30), values::limit),
            setup: table.or("setup", minutes(15), values::limit),
            open_pulls: table.or("open_pulls", 10, |v| v.whole(1, 10_000).and_then(|n| u32::try_from(n).ok())),
            items: table.or("items", 10_000, |v| v.whole(1, 10_000).and_then(|n| u32::try_from(n).ok())),
            diff_lines: table.or("diff_lines", 4_000, |v| v.whole(1, 10_000_000)),
            usd_call: table.or("usd_call", dollars(1), values::usd),
            usd_run: table.or("usd_run", dollars(5), values::usd),
            usd_project: table.or("usd_project", dollars(25), values::usd),
            usd_day: table.or("usd_day", dollars(25), values::usd),
            adopt_after: table.or("adopt_after", hours(2), values::limit),
            question: table.or("question", hours(7 * 24), values::limit),
        }
    }
}

impl Sandbox {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let modes = [("bubblewrap", SandboxMode::Bubblewrap), ("none", SandboxMode::None)];
        let paths = |key| table.or(key, Vec::new(), |v: &Value<'_>| v.list(folder));
        Self {
            mode: table.or("mode", SandboxMode::Bubblewrap, |v| v.one_of(&modes)),
            read: paths("read"),
            path: paths("path"),
            network: table.or("network", Vec::new(), |v| v.list(values::host)),
            memory: table.or("memory", 4 << 30, values::size),
            processes: count(table, "processes", 512, 1_000_000),
            tmp: table.or("tmp", 1 << 30, values::size),
        }
    }
}

/// An address to listen on. What others than this machine can reach has to ask for a signature.
fn listen(value: &Value<'_>, secret: bool) -> Option<SocketAddr> {
    let text = value.filled()?;
    let Ok(address) = text.trim().parse::<SocketAddr>() else {
        return value
            .wrong(format!("`{text}` is not an address to listen on"), "write it as \"127.0.0.1:8787\" or \"[::1]:8787\"");
    };
    if !address.ip().is_loopback() && !secret {
        let help = "name the webhook's secret by `webhook_secret_env` or `webhook_secret_file`, or listen on 127.0.0.1";
        return value.wrong("`listen` is open to other machines, and without a secret anybody could knock", help);
    }
    Some(address)
}

/// A number from 1 to `most`.
fn count(table: &Table<'_>, key: &'static str, default: u32, most: u32) -> u32 {
    table.or(key, default, |v| v.whole(1, u64::from(most)).and_then(|n| u32::try_from(n).ok()))
}

/// A path to mount. Whether it holds what must not be shown is for the sandbox to find out; `/` itself never may.
fn folder(value: &Value<'_>) -> Option<PathBuf> {
    let path = values::path(value)?;
    if path.components().count() == 1 && path.is_absolute() {
        return value.wrong(
            "the whole file system cannot be shown to an agent",
            "name the folder that it needs, such as \"/opt/toolchain\"",
        );
    }
    Some(path)
}

fn backoff(value: &Value<'_>) -> Option<Vec<Duration>> {
    let waits = value.list(values::duration)?;
    if waits.is_empty() {
        return value.wrong("`backoff` names no time", "write backoff = [\"1m\", \"5m\", \"15m\"]; the last one repeats");
    }
    Some(waits)
}

/// A time that passes between two looks, or a cron pattern of five or six fields in UTC.
fn poll(value: &Value<'_>) -> Option<Poll> {
    if value.is_whole() {
        return value.mistyped("a time with its unit or a cron pattern: write \"15s\" or \"*/5 * * * *\"");
    }
    let text = value.string()?;
    let fields: Vec<_> = text.split_whitespace().collect();
    let pattern = match fields.len() {
        0 | 1 => {
            let time = values::duration(value)?;
            if time < Duration::from_secs(1) {
                return value.wrong("`poll` is shorter than a second", "write \"1s\" or more; 15s is the default");
            }
            return Some(Poll::Every(time));
        }
        5 => format!("0 {}", fields.join(" ")),
        6 => fields.join(" "),
        _ => return value.wrong(format!("`{text}` is not a cron pattern"), "write five fields, or six with seconds first; UTC"),
    };
    // The scheduler's own parser with its own settings, so that what passes here passes there.
    let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).dom_and_dow(true).build();
    match parser.parse(&pattern) {
        Ok(_) => Some(Poll::Cron(pattern)),
        Err(e) => value.wrong(
            format!("`{text}` is not a cron pattern: {e}"),
            "write \"*/5 * * * *\", or six fields with seconds first; UTC",
        ),
    }
}
