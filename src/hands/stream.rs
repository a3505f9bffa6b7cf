//! What `claude -p --output-format stream-json --verbose` says, line by line.
//!
//! One JSON object a line. Measured on 2.1.329: `type` need not be the first key, a line can be megabytes long, and new types appear
//! without notice. So: a line is bounded only by [`LINE_LIMIT`], it is read as a whole value before anything is decided, and what is
//! not known is [`Line::Other`], never an error. Nothing in here is trusted further than to steer the supervisor: the text comes from
//! a model that read what strangers wrote.

use std::time::Duration;

use serde_json::Value;

use crate::model::Timestamp;

/// The longest line that is read, in bytes. A write of 2 MB made lines of 2 MB; what is beyond this is no answer any more.
pub const LINE_LIMIT: usize = 64 << 20;

/// One line of the stream, as far as the supervisor needs it.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// `system/init`: the session exists from now on.
    Init {
        /// Its identifier, a UUID.
        session: String,
    },
    /// `assistant`: usually one block an event.
    Assistant {
        /// What it says and asks for.
        blocks: Vec<Block>,
        /// Claude Code's own words for a failed call (`authentication_failed`, `rate_limit`), where this stands for one.
        error: Option<String>,
    },
    /// `user`: the answers of tools.
    User {
        /// The tool calls that are answered.
        answered: Vec<String>,
    },
    /// `system/api_retry`: a call failed and is tried again by itself.
    Retry {
        /// How long it waits.
        delay: Duration,
        /// The HTTP status; none if there was no answer.
        status: Option<u16>,
        /// Claude Code's word for it.
        error: String,
    },
    /// `rate_limit_event`.
    RateLimit {
        /// The account is used up; otherwise it is a warning.
        rejected: bool,
        /// When it resets, by the provider's clock.
        resets: Option<Timestamp>,
    },
    /// `result`: the last word. At most one counts.
    Result(Box<ResultLine>),
    /// `stream_event` of an answer that is coming in: a sign of life that says nothing else.
    Progress,
    /// A ping. No sign of life: a model that only pings is never detected by claude itself.
    Heartbeat,
    /// A type that is of no interest, or that is not known.
    Other,
    /// No JSON object.
    Malformed,
    /// Longer than the limit; what it was is not known.
    TooLong,
}

/// A part of what the model says.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text for people.
    Text(String),
    /// A tool is called.
    ToolCall {
        /// The call.
        id: String,
        /// The tool.
        name: String,
        /// What it is called with.
        input: Value,
    },
    /// Thinking, or a kind that is not known.
    Other,
}

/// The `result` event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultLine {
    /// `success`, `error_max_turns`, ...; API failures are `success` too, with `is_error`.
    pub subtype: String,
    /// Something went wrong.
    pub is_error: bool,
    /// The final text, or the errors.
    pub text: String,
    /// Why it ended, such as `completed` or `api_error`.
    pub terminal_reason: Option<String>,
    /// The HTTP status of the call that failed.
    pub api_status: Option<u16>,
    /// The structured output, unchecked.
    pub structured_output: Option<Value>,
}

/// Reads a line. Never fails: what cannot be read is said to be so.
pub fn parse(line: &[u8]) -> Line {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(line) else { return Line::Malformed };
    let event = Value::Object(object);
    match (text(&event, "type"), text(&event, "subtype")) {
        ("system", "init") => Line::Init { session: text(&event, "session_id").to_owned() },
        ("system", "api_retry") => Line::Retry {
            delay: Duration::from_millis(whole(&event, "retry_delay_ms").unwrap_or(0)),
            status: status(&event, "error_status"),
            error: text(&event, "error").to_owned(),
        },
        ("assistant", _) => Line::Assistant {
            blocks: contents(&event).iter().map(block).collect(),
            error: event.get("error").and_then(Value::as_str).map(str::to_owned),
        },
        ("user", _) => Line::User {
            answered: contents(&event)
                .iter()
                .filter(|part| text(part, "type") == "tool_result")
                .map(|part| text(part, "tool_use_id").to_owned())
                .collect(),
        },
        ("rate_limit_event", _) => rate_limit(&event),
        ("result", _) => Line::Result(Box::new(result(event))),
        ("stream_event", _) if event.get("event").is_none_or(|e| text(e, "type") == "ping") => Line::Heartbeat,
        ("stream_event", _) => Line::Progress,
        ("keep_alive" | "ping", _) => Line::Heartbeat,
        _ => Line::Other,
    }
}

/// The content blocks of a message. Content that is a plain string has none.
fn contents(event: &Value) -> &[Value] {
    event.pointer("/message/content").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn block(part: &Value) -> Block {
    match text(part, "type") {
        "text" => Block::Text(text(part, "text").to_owned()),
        "tool_use" => Block::ToolCall {
            id: text(part, "id").to_owned(),
            name: text(part, "name").to_owned(),
            input: part.get("input").cloned().unwrap_or_default(),
        },
        _ => Block::Other,
    }
}

fn rate_limit(event: &Value) -> Line {
    let info = event.get("rate_limit_info").unwrap_or(&Value::Null);
    Line::RateLimit {
        rejected: text(info, "status") == "rejected",
        resets: info.get("resetsAt").and_then(Value::as_i64).and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp),
    }
}

fn result(mut event: Value) -> ResultLine {
    let errors = event.get("errors").and_then(Value::as_array).map(|errors| {
        errors.iter().map(|e| e.as_str().map_or_else(|| e.to_string(), str::to_owned)).collect::<Vec<_>>().join("; ")
    });
    ResultLine {
        subtype: text(&event, "subtype").to_owned(),
        // An event that does not say whether it failed has failed.
        is_error: event.get("is_error").and_then(Value::as_bool).unwrap_or(true),
        text: errors.unwrap_or_else(|| text(&event, "result").to_owned()),
        terminal_reason: event.get("terminal_reason").and_then(Value::as_str).map(str::to_owned),
        api_status: status(&event, "api_error_status"),
        structured_output: event.get_mut("structured_output").map(Value::take).filter(|value| !value.is_null()),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn whole(value: &Value, key: &str) -> Option<u64> {
    let number = value.get(key)?;
    // A delay has been seen as a fraction in other versions.
    number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

fn status(value: &Value, key: &str) -> Option<u16> {
    whole(value, key).and_then(|n| u16::try_from(n).ok())
}

/// Cuts a stream of bytes into lines, each at most `limit` bytes long. However the bytes arrive, the lines are the same.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    part: Vec<u8>,
    skipping: bool,
}

/// A line, or the place where one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawLine {
    /// Its bytes, without the line's end. Never empty.
    Whole(Vec<u8>),
    /// It was longer than the limit and is gone.
    TooLong,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, part: Vec::new(), skipping: false }
    }

    /// Takes what was read; answers with the lines that it completes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<RawLine> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.keep(line);
            lines.extend(self.complete());
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
        lines
    }

    /// The last line, where the stream ended without a line's end.
    pub fn finish(&mut self) -> Option<RawLine> {
        self.complete()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.skipping || self.part.len() + bytes.len() > self.limit {
            self.skipping = true;
            self.part = Vec::new();
        } else {
            self.part.extend_from_slice(bytes);
        }
    }

    fn complete(&mut self) -> Option<RawLine> {
        let line = std::mem::take(&mut self.part);
        if std::mem::take(&mut self.skipping) {
            return Some(RawLine::TooLong);
        }
        (!line.trim_ascii().is_empty()).then_some(RawLine::Whole(line))
    }
}
