//! Watches an agent at work and says how its turn ended. Pure and synchronous: times are handed in, counted from the start of the process.
//!
//! What it promises:
//! - A turn is [`HandOutcome::Succeeded`] only if a result was seen **and** it is `success` **and** no error **and** the exit code is 0.
//!   No result is a failure, exit 0 included (a SIGINT during a call ends with 0 and an empty stderr). The one exception is named:
//!   an agent that answered five times in the wrong form has worked; its answer is invalid, which has a rule of its own.
//! - Each way to hang has a limit: start, silence, wall clock, the time after a result, and the same call again and again.
//! - What we did to it comes before what it said last, and what the gateway saw comes before what the agent says of the model.
//!
//! Races it knows:
//! - *Result against limit*: the limit that fired first decides, even if a result comes during the grace period; the work stays in the
//!   workspace and the session can be resumed.
//! - *Money against result*: over budget, the gateway answers 403 and claude turns that into a result about authentication. The
//!   gateway's word wins, unless the turn ended well all the same.
//! - *Retry against silence*: claude is silent while it waits for its next try, so an announced delay is added to the limit.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::plain;
use super::stream::{Block, Line, ResultLine};
use crate::model::{HandOutcome, Timestamp};
use crate::ports::TurnLimits;

/// How much of an error's text is kept, in characters.
const WHY_LIMIT: usize = 600;
/// How long a line for people is, in characters.
const DOING_LIMIT: usize = 160;

/// The limits of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The whole turn.
    pub wall: Duration,
    /// Without a sign of life.
    pub silence: Duration,
    /// Without a sign of life while a tool works: a build is silent for long.
    pub silence_tool: Duration,
    /// Until the first sign of life of a claude.
    pub start: Duration,
    /// From the result to the exit.
    pub after_result: Duration,
    /// The same tool called with the same input, in a row.
    pub repeated: u32,
    /// From TERM to KILL when it is cancelled.
    pub grace_cancel: Duration,
    /// From TERM to KILL when a limit was reached.
    pub grace_limit: Duration,
}

impl Limits {
    /// These, and those of a formula where they are tighter.
    pub fn tightened(self, own: &TurnLimits) -> Self {
        let least = |usual: Duration, own: Option<Duration>| own.map_or(usual, |own| own.min(usual));
        Self {
            wall: least(self.wall, own.wall),
            silence: least(self.silence, own.silence),
            silence_tool: least(self.silence_tool, own.silence.map(|silence| silence.saturating_mul(6))),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(45),
            silence: Duration::from_mins(5),
            silence_tool: Duration::from_mins(30),
            start: Duration::from_mins(1),
            after_result: Duration::from_secs(10),
            repeated: 10,
            grace_cancel: Duration::from_millis(1500),
            grace_limit: Duration::from_secs(5),
        }
    }
}

/// How an agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Lines of stream-json that begin with `init` and end with `result`.
    StreamJson,
    /// Whatever it prints is a sign of life; its exit code is its result.
    Plain,
}

/// Why a turn is stopped by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody wants it to end.
    Cancelled,
    /// The wall clock.
    WallClock,
    /// No sign of life.
    Silence,
    /// It never began.
    NoStart,
    /// It did not end after its result.
    Lingering,
    /// The same call again and again.
    Repeating {
        /// The tool.
        tool: String,
    },
    /// Trouble with the model that no further try will heal.
    Model(ModelTrouble),
}

/// What stands between an agent and its model, as the gateway or claude itself saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelTrouble {
    /// The money is spent.
    Budget {
        /// Which limit, in words.
        limit: String,
    },
    /// The account is used up.
    UsageLimit {
        /// When it resets, if that was said.
        until: Option<Timestamp>,
    },
    /// A person has to look: credentials refused, no credit, a model that the provider does not know.
    Refused {
        /// What was said.
        why: String,
    },
    /// Overloaded, broken or not there: passes by itself.
    Unreachable {
        /// What was said.
        why: String,
    },
}

impl From<ModelTrouble> for HandOutcome {
    fn from(trouble: ModelTrouble) -> Self {
        match trouble {
            ModelTrouble::Budget { limit } => Self::Budget { limit },
            ModelTrouble::UsageLimit { until } => Self::UsageLimit { until },
            ModelTrouble::Refused { why } => Self::Unreachable { why, credentials: true },
            ModelTrouble::Unreachable { why } => Self::Unreachable { why, credentials: false },
        }
    }
}

/// What a line means for the one who drives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Heard {
    /// The session exists from now on.
    pub session_started: bool,
    /// What it does now, for people: one line, cleaned of control characters.
    pub doing: Option<String>,
    /// End it.
    pub stop: Option<Stop>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// Otherwise: a signal, a limit of the sandbox. In words.
    Broken(String),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Broken(how) => f.write_str(how),
        }
    }
}

/// How the process was seen to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// What it said on its error output last.
    pub stderr: String,
    /// What the gateway saw.
    pub trouble: Option<ModelTrouble>,
}

/// How the turn ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The outcome.
    pub outcome: HandOutcome,
    /// The structured output, unchecked, where the turn ended well; or why there is none.
    pub answer: Result<Value, String>,
    /// There is a session to resume.
    pub resumable: bool,
}

/// The state of a turn.
#[derive(Clone, Debug)]
pub struct Supervisor {
    limits: Limits,
    dialect: Dialect,
    max_turns: u32,
    started: bool,
    session: bool,
    heard_at: Duration,
    retry_delay: Duration,
    tools: BTreeSet<String>,
    last_call: Option<[u8; 32]>,
    same_calls: u32,
    rejected: Option<Option<Timestamp>>,
    api_error: Option<String>,
    result: Option<(Duration, ResultLine)>,
    stop: Option<Stop>,
}

impl Supervisor {
    /// A turn that begins now. `max_turns` is only told to people.
    pub fn new(limits: Limits, dialect: Dialect, max_turns: u32) -> Self {
        Self {
            limits,
            dialect,
            max_turns,
            started: dialect == Dialect::Plain,
            session: false,
            heard_at: Duration::ZERO,
            retry_delay: Duration::ZERO,
            tools: BTreeSet::new(),
            last_call: None,
            same_calls: 0,
            rejected: None,
            api_error: None,
            result: None,
            stop: None,
        }
    }

    /// A line of stream-json came, `at` after the start.
    pub fn line(&mut self, at: Duration, line: Line) -> Heard {
        if !matches!(line, Line::Heartbeat) {
            self.heard_at = at;
            self.started = true;
            self.retry_delay = Duration::ZERO;
        }
        let mut heard = Heard::default();
        match line {
            Line::Init { .. } => {
                heard.session_started = !self.session;
                self.session = true;
            }
            Line::Assistant { blocks, error } => self.assistant(blocks, error, &mut heard),
            Line::User { answered } => answered.iter().for_each(|id| {
                self.tools.remove(id);
            }),
            Line::Retry { delay, status, error } => self.retry(delay, status, &error, &mut heard),
            Line::RateLimit { rejected: true, resets } => self.rejected = Some(resets),
            Line::Result(result) => {
                self.tools.clear();
                self.result.get_or_insert((at, *result));
            }
            Line::RateLimit { rejected: false, .. }
            | Line::Progress
            | Line::Heartbeat
            | Line::Other
            | Line::Malformed
            | Line::TooLong => {}
        }
        heard
    }

    /// A program without a protocol printed something.
    pub fn printed(&mut self, at: Duration) {
        self.heard_at = at;
    }

    /// When [`Supervisor::tick`] has to be asked, if nothing is heard until then.
    pub fn deadline(&self) -> Duration {
        let silence = if self.tools.is_empty() { self.limits.silence } else { self.limits.silence_tool };
        let next = match &self.result {
            Some((at, _)) => *at + self.limits.after_result,
            None if !self.started => self.limits.start,
            None => self.heard_at + silence + self.retry_delay,
        };
        next.min(self.limits.wall)
    }

    /// Looks at the clock.
    #[must_use = "the process has to be ended"]
    pub fn tick(&self, at: Duration) -> Option<Stop> {
        if self.stop.is_some() || at < self.deadline() {
            None
        } else if at >= self.limits.wall {
            Some(Stop::WallClock)
        } else if self.result.is_some() {
            Some(Stop::Lingering)
        } else if self.started {
            Some(Stop::Silence)
        } else {
            Some(Stop::NoStart)
        }
    }

    /// How it speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The process is being ended. Answers with the time that it has for that; the first reason stays.
    pub fn stopped(&mut self, why: Stop) -> Duration {
        let grace = match why {
            Stop::Cancelled => self.limits.grace_cancel,
            Stop::WallClock | Stop::Silence | Stop::NoStart | Stop::Lingering | Stop::Repeating { .. } | Stop::Model(_) => {
                self.limits.grace_limit
            }
        };
        self.stop.get_or_insert(why);
        grace
    }

    /// The process and its children are gone.
    pub fn end(self, ended: &Ended) -> Ending {
        let resumable = self.session;
        let outcome = self.outcome(ended);
        let answer = match (&outcome, self.result) {
            (HandOutcome::Succeeded, Some((_, ResultLine { structured_output: Some(answer), .. }))) => Ok(answer),
            (HandOutcome::Succeeded, Some((_, result))) if result.subtype == INVALID_ANSWERS => {
                Err(format!("the structured output was invalid again and again: {}", plain(&result.text, WHY_LIMIT)))
            }
            (HandOutcome::Succeeded, _) => Err("the structured output is missing".to_owned()),
            (other, _) => Err(format!("there is no structured output: the turn ended as {}", other.word())),
        };
        Ending { outcome, answer, resumable }
    }

    fn assistant(&mut self, blocks: Vec<Block>, error: Option<String>, heard: &mut Heard) {
        for block in blocks {
            match block {
                Block::Text(text) if error.is_none() => heard.doing = doing(&text),
                Block::ToolCall { id, name, input } => {
                    heard.doing = doing(&describe(&name, &input));
                    heard.stop = heard.stop.take().or_else(|| self.repeated(&name, &input));
                    self.tools.insert(id);
                }
                Block::Text(_) | Block::Other => {}
            }
        }
        if error.is_some() {
            self.api_error = error;
        }
    }

    fn retry(&mut self, delay: Duration, status: Option<u16>, error: &str, heard: &mut Heard) {
        self.retry_delay = delay;
        // It would go on for three minutes with a key that nobody will make valid.
        if status == Some(401) {
            heard.stop =
                Some(Stop::Model(ModelTrouble::Refused { why: format!("401 from the model's API ({})", plain(error, 80)) }));
        }
        let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        heard.doing = Some(format!("the model's API said {status}; trying again in {:.1} s", delay.as_secs_f64()));
    }

    /// Counts the same call in a row. A model in a loop spends money without a pause, so that silence never catches it.
    fn repeated(&mut self, name: &str, input: &Value) -> Option<Stop> {
        let call = Sha256::new().chain_update(name).chain_update([0]).chain_update(input.to_string()).finalize().into();
        self.same_calls = if self.last_call == Some(call) { self.same_calls + 1 } else { 1 };
        self.last_call = Some(call);
        (self.same_calls >= self.limits.repeated).then(|| Stop::Repeating { tool: name.to_owned() })
    }

    fn outcome(&self, ended: &Ended) -> HandOutcome {
        let over_budget = ended.trouble.clone().filter(|trouble| matches!(trouble, ModelTrouble::Budget { .. }));
        match (&self.stop, over_budget) {
            (Some(Stop::Cancelled), _) => HandOutcome::Cancelled,
            (Some(_), Some(budget)) => budget.into(),
            (Some(Stop::WallClock), None) => HandOutcome::TimedOut,
            (Some(Stop::Silence | Stop::Repeating { .. }), None) => HandOutcome::Stalled,
            (Some(Stop::NoStart), None) => crashed(
                format!("it gave no sign of life within {} s of its start", self.limits.start.as_secs_f64()),
                &ended.stderr,
            ),
            (Some(Stop::Lingering), None) => crashed(
                format!("it did not end within {} s of its result", self.limits.after_result.as_secs_f64()),
                &ended.stderr,
            ),
            (Some(Stop::Model(trouble)), None) => trouble.clone().into(),
            (None, _) => self.own_end(ended),
        }
    }

    /// It ended by itself.
    fn own_end(&self, ended: &Ended) -> HandOutcome {
        let well = match (self.dialect, &self.result) {
            (Dialect::Plain, _) => ended.exit == Exit::Code(0),
            (Dialect::StreamJson, Some((_, result))) => {
                result.subtype == INVALID_ANSWERS
                    || (result.subtype == "success" && !result.is_error && ended.exit == Exit::Code(0))
            }
            (Dialect::StreamJson, None) => false,
        };
        if well {
            return HandOutcome::Succeeded;
        }
        if let Some(trouble) = &ended.trouble {
            return trouble.clone().into();
        }
        let exit = ended.exit.to_string();
        match &self.result {
            _ if let Some(until) = self.rejected => HandOutcome::UsageLimit { until },
            Some((_, result)) => self.failed_result(result, &exit, &ended.stderr),
            None if self.api_error.as_deref() == Some("authentication_failed") => {
                HandOutcome::Unreachable { why: "claude says that it is not logged in".to_owned(), credentials: true }
            }
            None if self.dialect == Dialect::StreamJson => {
                crashed(format!("it ended with {exit} and without a result"), &ended.stderr)
            }
            None => crashed(format!("it ended with {exit}"), &ended.stderr),
        }
    }

    fn failed_result(&self, result: &ResultLine, exit: &str, stderr: &str) -> HandOutcome {
        let said = plain(&result.text, WHY_LIMIT);
        match (result.subtype.as_str(), result.api_status) {
            ("error_max_turns", _) => HandOutcome::Budget { limit: format!("max_turns ({})", self.max_turns) },
            ("error_max_budget_usd", _) => HandOutcome::Budget { limit: format!("budget_usd: {said}") },
            (_, Some(429)) => HandOutcome::UsageLimit { until: None },
            // 404 is a model that the provider does not know, 400 may be an empty purse: no further try will heal them.
            (_, Some(401 | 403 | 404)) => HandOutcome::Unreachable { why: said, credentials: true },
            (_, Some(400)) if said.to_lowercase().contains("credit") => HandOutcome::Unreachable { why: said, credentials: true },
            (_, Some(500..)) => HandOutcome::Unreachable { why: said, credentials: false },
            (_, None) if result.terminal_reason.as_deref() == Some("api_error") => {
                let credentials = self.api_error.as_deref() == Some("authentication_failed");
                HandOutcome::Unreachable { why: said, credentials }
            }
            (subtype, _) => crashed(format!("it ended with {exit} and the result {}: {said}", plain(subtype, 80)), stderr),
        }
    }
}

/// The result of an agent whose structured output was refused by claude itself as often as it may be.
const INVALID_ANSWERS: &str = "error_max_structured_output_retries";

fn crashed(why: String, stderr: &str) -> HandOutcome {
    let stderr = plain(stderr, WHY_LIMIT);
    HandOutcome::Crashed { why: if stderr.is_empty() { why } else { format!("{why}; it said: {stderr}") } }
}

/// The first line of a text, for people.
fn doing(text: &str) -> Option<String> {
    let line = plain(text.lines().find(|line| !line.trim().is_empty())?, DOING_LIMIT);
    (!line.is_empty()).then_some(line)
}

/// A tool call in a few words.
fn describe(name: &str, input: &Value) -> String {
    let key = ["command", "file_path", "pattern", "path", "summary"];
    match key.iter().find_map(|key| input.get(key).and_then(Value::as_str)) {
        Some(detail) => format!("{name}: {}", detail.lines().next().unwrap_or_default()),
        None => name.to_owned(),
    }
}
