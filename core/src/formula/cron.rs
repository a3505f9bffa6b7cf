//! Cron lines: five fields, or six with seconds first, in UTC.

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds};

use crate::model::Timestamp;

/// When something comes round.
#[derive(Clone, Debug)]
pub struct Cron(croner::Cron);

impl Cron {
    /// Reads a line; says in words what is wrong with it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let pattern = match fields.len() {
            5 => format!("0 {}", fields.join(" ")),
            6 => fields.join(" "),
            count => return Err(format!("it has {count} fields")),
        };
        let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
        let cron = Self(parser.parse(&pattern).map_err(|error| error.to_string())?);
        match cron.next(Timestamp::default()) {
            Some(_) => Ok(cron),
            None => Err("no such day ever comes".to_owned()),
        }
    }

    /// The first time after another.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.0.find_next_occurrence(&second(after)?, false).ok()?;
        Some(Timestamp(next.timestamp_millis()))
    }

    /// The last time up to another, which counts itself.
    pub fn last(&self, up_to: Timestamp) -> Option<Timestamp> {
        let last = self.0.find_previous_occurrence(&second(up_to)?, true).ok()?;
        Some(Timestamp(last.timestamp_millis()))
    }
}

/// The second that a time lies in.
fn second(time: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.0.div_euclid(1_000), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_utc(text).expect("a time")
    }

    #[test]
    fn a_line_of_five_fields_comes_round_on_the_minute() {
        let cron = Cron::parse("0 */6 * * *").expect("a line");
        assert_eq!(cron.next(at("2026-11-21 06:00")), Some(at("2026-11-21 12:00")), "a time is not after itself");
        assert_eq!(cron.next(at("2026-11-21 23:59:59")), Some(at("2026-11-22 00:00")));
        assert_eq!(cron.last(at("2026-11-21 12:00")), Some(at("2026-11-21 12:00")));
        assert_eq!(cron.last(Timestamp(at("2026-11-21 12:00").0 - 1)), Some(at("2026-11-21 06:00")));
    }

    #[test]
    fn what_lies_within_a_second_is_neither_twice_nor_never() {
        let cron = Cron::parse("* * * * * *").expect("a line");
        let base = at("2026-11-21 12:00").0;
        for millis in [0, 1, 500, 999] {
            assert_eq!(cron.next(Timestamp(base + millis)), Some(Timestamp(base + 1_000)), "{millis}");
            assert_eq!(cron.last(Timestamp(base + millis)), Some(Timestamp(base)), "{millis}");
        }
    }

    #[test]
    fn rare_days_are_found_and_days_that_never_come_are_refused() {
        let leap = Cron::parse("0 0 29 2 *").expect("a line");
        assert_eq!(leap.next(at("2026-11-21 12:00")), Some(at("2028-02-29 00:00")));
        assert_eq!(leap.last(at("2026-11-21 12:00")), Some(at("2024-02-29 00:00")));
        assert_eq!(Cron::parse("0 0 30 2 *").map(|_| ()), Err("no such day ever comes".to_owned()));
        assert_eq!(Cron::parse("* * *").map(|_| ()), Err("it has 3 fields".to_owned()));
    }
}
