//! The end of what a program printed, as text that people can read.

use super::transcript::Redact;

/// Keeps the last bytes that were pushed.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    shown: usize,
}

impl Tail {
    /// Of which `shown` bytes can be read. Twice as much is kept, so that a secret which the cut would split is seen whole first.
    pub(super) fn new(shown: usize) -> Self {
        Self { bytes: Vec::new(), shown }
    }

    /// Appends.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // In steps, so that not every push moves everything.
        if self.bytes.len() > self.shown * 4 {
            self.bytes.drain(..self.bytes.len() - self.shown * 2);
        }
    }

    /// As text: lines kept, secrets and control characters gone.
    pub(super) fn text(&self, redact: &Redact) -> String {
        let clean = redact(&readable(&String::from_utf8_lossy(&self.bytes)));
        let mut start = clean.len().saturating_sub(self.shown);
        while !clean.is_char_boundary(start) {
            start += 1;
        }
        clean.get(start..).unwrap_or_default().trim_end().to_owned()
    }
}

/// Without escape sequences of terminals and other control characters; of a line that was written over only the last state stays.
fn readable(text: &str) -> String {
    let mut readable = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
        let body = body.trim_end_matches('\r');
        let body = body.rsplit('\r').next().unwrap_or_default();
        let mut chars = body.chars();
        while let Some(c) = chars.next() {
            match c {
                '\u{1b}' => skip_sequence(&mut chars),
                '\t' => readable.push('\t'),
                c if c.is_control() => {}
                c => readable.push(c),
            }
        }
        readable.push_str(end);
    }
    readable
}

/// Skips what belongs to an escape character: `[` up to a letter, `]` up to a bell, else one character.
fn skip_sequence(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => while chars.next().is_some_and(|c| !matches!(c, '@'..='~')) {},
        Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn redact() -> Redact {
        Arc::new(|text| text.replace("hunter2", "[removed]"))
    }

    #[test]
    fn the_end_stays_and_a_secret_that_the_cut_would_split_is_removed() {
        let mut tail = Tail::new(16);
        for _ in 0..100 {
            tail.push(b"0123456789");
        }
        tail.push("hunter2 is the é".as_bytes());
        assert_eq!(tail.text(&redact()), "moved] is the é");
        let mut tail = Tail::new(16);
        tail.push(b"short");
        assert_eq!(tail.text(&redact()), "short");
    }

    #[test]
    fn colours_bells_and_progress_bars_are_gone() {
        let text = readable("\u{1b}[31mred\u{1b}[0m\u{7}\n10%\r50%\r100%\r\n\u{1b}]0;title\u{7}x\ty");
        assert_eq!(text, "red\n100%\nx\ty");
    }
}
