//! Points in time and amounts of money, as whole numbers, so that they compare and add up exactly.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since 1970 UTC. Which clock it was read from is said where it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time of an RFC 3339 text, as the forge writes it.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|t| Self(t.timestamp_millis()))
    }

    /// The time of `2026-11-21 18:00`, with or without seconds, in UTC, as people write it.
    pub fn parse_utc(text: &str) -> Option<Self> {
        let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
        let parsed = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text.trim(), format).ok());
        parsed.map(|t| Self(t.and_utc().timestamp_millis()))
    }

    /// The time of an HTTP `Date` header.
    pub fn parse_http(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc2822(text).ok().map(|t| Self(t.timestamp_millis()))
    }

    /// How long after `earlier` this is; nothing if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day, `2026-11-21`: what a day's budget counts by.
    pub fn day(self) -> String {
        self.utc().format("%Y-%m-%d").to_string()
    }

    /// The UTC month, `2026-11`.
    pub fn month(self) -> String {
        self.utc().format("%Y-%m").to_string()
    }

    /// The beginning of the next UTC day.
    pub fn next_day(self) -> Self {
        const DAY: i64 = 86_400_000;
        Self((self.0.div_euclid(DAY) + 1) * DAY)
    }

    /// RFC 3339 with whole seconds, as the forge's `since` wants it.
    pub fn rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// From when on issues count that were filed before the first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// All of them.
    All,
    /// Those that were filed at or after this time, by the forge's clock.
    At(Timestamp),
}

impl Since {
    /// `all`, a day such as `2026-01-31` (its beginning, UTC), or RFC 3339. None if the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "all" => Some(Self::All),
            day if day.len() == 10 => Timestamp::parse(&format!("{day}T00:00:00Z")).map(Self::At),
            time => Timestamp::parse(time).map(Self::At),
        }
    }
}

/// An amount of money in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub u64);

impl Usd {
    /// The amount of a number of dollars; what is negative or not a number counts as nothing.
    pub fn from_dollars(dollars: f64) -> Self {
        Self((dollars.max(0.0) * 1e6).round() as u64)
    }

    /// In dollars, for people and for JSON.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// What is left of this after `spent`.
    pub fn minus(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is less than a cent is not nothing.
        let digits = if (1..10_000).contains(&self.0) { 4 } else { 2 };
        write!(f, "${:.digits$}", self.dollars())
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
