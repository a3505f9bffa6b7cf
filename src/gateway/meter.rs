//! Reads tokens out of an answer while it passes by, streamed or whole.
//!
//! Memory is bounded whatever the provider sends: an event over [`LARGEST_EVENT`] passes through but is not read, and neither is a whole
//! answer over [`LARGEST_ANSWER`]. The provider tells the output's tokens only at the end of a stream; until then they are estimated by
//! the text that was seen, so that a client which hangs up just before the end does not get its output for nothing.

use serde::Deserialize;
use serde_json::Value;

use super::prices::Usage;

/// Bytes of an event that is read.
const LARGEST_EVENT: usize = 1024 * 1024;
/// Bytes of a whole answer that is read.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Bytes of text for one token, at the least: the estimate stays below what will be charged.
const BYTES_PER_TOKEN: u64 = 4;

/// Watches one answer.
#[derive(Debug)]
pub(super) struct Meter {
    form: Form,
    /// What the provider said, the largest of each count: they are cumulative.
    told: Option<Usage>,
    /// The output's tokens are final.
    complete: bool,
    /// Bytes of output that were seen.
    text: u64,
    error: Option<ProviderError>,
}

#[derive(Debug)]
enum Form {
    Events(Events),
    Whole(Vec<u8>),
    /// Too large, or in an encoding that we did not ask for.
    Unreadable,
}

/// An error as the provider words it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct ProviderError {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    error: Value,
}

impl Meter {
    /// A stream of server-sent events.
    pub(super) fn events() -> Self {
        Self::new(Form::Events(Events::default()))
    }

    /// One JSON document.
    pub(super) fn whole() -> Self {
        Self::new(Form::Whole(Vec::new()))
    }

    /// Something that cannot be read.
    pub(super) fn unreadable() -> Self {
        Self::new(Form::Unreadable)
    }

    fn new(form: Form) -> Self {
        Self { form, told: None, complete: false, text: 0, error: None }
    }

    /// Takes the next piece of the answer.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        match &mut self.form {
            Form::Events(events) => {
                let seen = events.feed(chunk);
                self.take(seen);
            }
            Form::Whole(bytes) if bytes.len() + chunk.len() <= LARGEST_ANSWER => bytes.extend_from_slice(chunk),
            Form::Whole(_) => self.form = Form::Unreadable,
            Form::Unreadable => {}
        }
    }

    /// The answer is over, or was cut.
    pub(super) fn finish(&mut self) {
        match std::mem::replace(&mut self.form, Form::Unreadable) {
            Form::Events(mut events) => {
                let seen = events.feed(b"\n\n");
                self.take(seen);
            }
            Form::Whole(bytes) => {
                if let Ok(answer) = serde_json::from_slice::<Answer>(&bytes) {
                    self.told(&answer.usage);
                    self.error = serde_json::from_value(answer.error).ok();
                    self.complete = true;
                }
            }
            Form::Unreadable => {}
        }
    }

    /// What was used so far; none if the provider has not said anything yet.
    pub(super) fn usage(&self) -> Option<Usage> {
        let told = self.told?;
        let estimate = if self.complete { 0 } else { self.text / BYTES_PER_TOKEN };
        Some(Usage { output: told.output.max(estimate), ..told })
    }

    /// The output is over and its tokens are known: cutting would save nothing.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The error that the answer carried.
    pub(super) fn error(&self) -> Option<&ProviderError> {
        self.error.as_ref()
    }

    fn take(&mut self, seen: Seen) {
        self.text = self.text.saturating_add(seen.skipped);
        for event in seen.events {
            self.event(&event);
        }
    }

    fn event(&mut self, event: &Value) {
        match event.get("type").and_then(Value::as_str) {
            Some("message_start") => {
                if let Some(usage) = event.pointer("/message/usage") {
                    self.told(usage);
                }
            }
            Some("content_block_delta") => {
                let text =
                    ["text", "partial_json", "thinking"].into_iter().filter_map(|key| event.get("delta")?.get(key)?.as_str());
                let bytes: usize = text.map(str::len).sum();
                self.text = self.text.saturating_add(bytes as u64);
            }
            Some("message_delta") => {
                if let Some(usage) = event.get("usage") {
                    self.told(usage);
                    self.complete |= event.pointer("/delta/stop_reason").is_some_and(|reason| !reason.is_null());
                }
            }
            Some("error") => self.error = event.get("error").and_then(|e| ProviderError::deserialize(e).ok()),
            _ => {}
        }
    }

    fn told(&mut self, usage: &Value) {
        let Some(top) = read_usage(usage) else { return };
        // Where one call works in several rounds, the counts at the top may be of the last round only.
        let rounds = usage.get("iterations").and_then(Value::as_array).into_iter().flatten().filter_map(read_usage);
        let told = self.told.get_or_insert_default();
        *told = larger(larger(*told, top), rounds.fold(Usage::default(), sum));
    }
}

fn read_usage(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let cached = |name: &str| usage.get("cache_creation").and_then(|c| c.get(name)).and_then(Value::as_u64).unwrap_or(0);
    let counts = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map(count);
    if counts.iter().all(Option::is_none) {
        return None;
    }
    let [input, output, cache_read, cache_write] = counts.map(Option::unwrap_or_default);
    let cache_write_1h = cached("ephemeral_1h_input_tokens");
    // Without the split, or with more than it tells of, the rest is taken for the usual five minutes.
    let cache_write_5m = cached("ephemeral_5m_input_tokens").max(cache_write.saturating_sub(cache_write_1h));
    Some(Usage { input, output, cache_read, cache_write_5m, cache_write_1h })
}

/// The larger of two accounts of the same tokens. What is written to the cache is taken from one of them, split and all.
fn larger(a: Usage, b: Usage) -> Usage {
    let written = |usage: &Usage| usage.cache_write_5m.saturating_add(usage.cache_write_1h);
    let cache = if written(&b) > written(&a) { b } else { a };
    Usage {
        input: a.input.max(b.input),
        output: a.output.max(b.output),
        cache_read: a.cache_read.max(b.cache_read),
        cache_write_5m: cache.cache_write_5m,
        cache_write_1h: cache.cache_write_1h,
    }
}

fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input.saturating_add(b.input),
        output: a.output.saturating_add(b.output),
        cache_read: a.cache_read.saturating_add(b.cache_read),
        cache_write_5m: a.cache_write_5m.saturating_add(b.cache_write_5m),
        cache_write_1h: a.cache_write_1h.saturating_add(b.cache_write_1h),
    }
}

/// Splits a stream into events. A line may come in any number of pieces.
#[derive(Debug, Default)]
struct Events {
    /// The current line as far as it is kept.
    line: Vec<u8>,
    /// The `data` of the current event.
    data: Vec<u8>,
    /// The current line has no byte yet.
    in_line: bool,
    /// The current event is too large and is passed over.
    oversized: bool,
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<Value>,
    /// Bytes of events that were too large to read.
    skipped: u64,
}

impl Events {
    fn feed(&mut self, chunk: &[u8]) -> Seen {
        let mut seen = Seen::default();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.keep(text, &mut seen);
            if ended {
                self.end_line(&mut seen);
            }
        }
        seen
    }

    fn keep(&mut self, text: &[u8], seen: &mut Seen) {
        self.in_line |= !matches!(text, b"" | b"\r");
        if !self.oversized && self.line.len() + self.data.len() + text.len() > LARGEST_EVENT {
            self.oversized = true;
            seen.skipped += (self.line.len() + self.data.len()) as u64;
            self.line = Vec::new();
            self.data = Vec::new();
        }
        if self.oversized {
            seen.skipped += text.len() as u64;
        } else {
            self.line.extend_from_slice(text);
        }
    }

    fn end_line(&mut self, seen: &mut Seen) {
        let blank = !std::mem::take(&mut self.in_line);
        if blank {
            if !std::mem::take(&mut self.oversized) && !self.data.is_empty() {
                seen.events.extend(serde_json::from_slice::<Value>(&self.data));
            }
            self.data.clear();
        } else if let Some(data) = self.line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_suffix(b"\r").unwrap_or(data));
            self.data.push(b'\n');
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_creation_input_tokens":7,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":2},"output_tokens":1}}}"#;
    const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42}}"#;

    fn stream(ending: &str) -> Vec<u8> {
        let text = "x".repeat(400);
        [
            format!("event: message_start{ending}data: {START}{ending}{ending}"),
            format!(r#"data:{{"type":"content_block_delta","delta":{{"type":"text_delta","text":"{text}"}}}}{ending}{ending}"#),
            format!("data: {END}{ending}{ending}"),
        ]
        .concat()
        .into_bytes()
    }

    #[test]
    fn tokens_are_read_wherever_the_pieces_are_cut() {
        for ending in ["\n", "\r\n"] {
            let stream = stream(ending);
            for size in [1, 2, 7, 64, stream.len()] {
                let mut meter = Meter::events();
                stream.chunks(size).for_each(|piece| meter.feed(piece));
                assert!(meter.is_complete());
                let usage = Usage { input: 10, output: 42, cache_read: 3, cache_write_5m: 5, cache_write_1h: 2 };
                assert_eq!(meter.usage(), Some(usage), "pieces of {size}");
            }
        }
    }

    #[test]
    fn output_is_estimated_until_it_is_told() {
        let stream = stream("\n");
        let end = stream.len() - END.len() - 8;
        let mut meter = Meter::events();
        meter.feed(&stream[..end]);
        assert_eq!(meter.usage().map(|u| u.output), Some(100));
        assert!(!meter.is_complete());
    }

    #[test]
    fn an_event_without_its_blank_line_counts_at_the_end() {
        let mut meter = Meter::events();
        meter.feed(format!("data: {START}").as_bytes());
        assert_eq!(meter.usage(), None);
        meter.finish();
        assert_eq!(meter.usage().map(|u| u.input), Some(10));
    }

    #[test]
    fn a_huge_event_is_passed_over_in_bounded_memory() {
        let mut meter = Meter::events();
        meter.feed(format!("data: {START}\n\ndata: ").as_bytes());
        for _ in 0..64 {
            meter.feed(&[b'y'; 64 * 1024]);
            let Form::Events(events) = &meter.form else { panic!("the form changed") };
            assert!(events.line.capacity() <= 2 * LARGEST_EVENT);
        }
        meter.feed(format!("\n\ndata: {END}\n\n").as_bytes());
        assert_eq!(meter.usage().map(|u| u.output), Some(42));
    }

    #[test]
    fn rounds_of_one_call_add_up() {
        let mut meter = Meter::whole();
        meter.feed(br#"{"usage":{"input_tokens":5,"output_tokens":2,"iterations":[{"input_tokens":90,"output_tokens":9},{"input_tokens":5,"output_tokens":2}]}}"#);
        meter.finish();
        assert_eq!(meter.usage(), Some(Usage { input: 95, output: 11, ..Usage::default() }));
    }

    #[test]
    fn an_answer_without_usage_has_none() {
        for body in [r#"{"content":[]}"#, r#"{"usage":null}"#, r#"{"usage":{}}"#, "not json", ""] {
            let mut meter = Meter::whole();
            meter.feed(body.as_bytes());
            meter.finish();
            assert_eq!(meter.usage(), None, "{body}");
        }
    }
}
