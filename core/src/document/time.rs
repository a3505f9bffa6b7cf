//! Times with their units, as people write them.

use std::time::Duration;

use super::Value;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const YEAR: u64 = 366 * 86_400_000;

/// A time with its unit, `90s`, `5m`, `2h`, `7d`, also `1h30m`; at most a year. None if the text is something else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let (unit, after) = after.split_at_checked(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()))?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after;
    }
    (millis <= YEAR).then(|| Duration::from_millis(millis))
}

impl Value<'_> {
    /// A time, nothing included.
    pub fn time(&self) -> Option<Duration> {
        if self.is_whole() {
            return self.mistyped("a time with its unit: write \"90s\", \"5m\", \"2h\" or \"7d\"");
        }
        let text = self.string()?;
        match parse_duration(&text) {
            Some(time) => Some(time),
            None => self.wrong(format!("`{text}` is not a time"), "write \"90s\", \"5m\", \"2h\" or \"7d\"; a year at most"),
        }
    }

    /// A time that is longer than nothing.
    pub fn some_time(&self) -> Option<Duration> {
        let time = self.time()?;
        if time.is_zero() {
            return self.wrong(format!("`{}` cannot be nothing", self.key()), "write a time such as \"5m\"");
        }
        Some(time)
    }
}
