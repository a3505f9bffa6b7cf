//! What the gateway has to say about a run: whether its money is spent, its account used up, its model out of reach.
//!
//! Trouble is kept for each model and ends with the next success of that same model: a small fast model that still answers says
//! nothing about the large one that is used up. Being over budget is never taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::model::Timestamp;

/// A 429 that asks for a longer wait than this is a usage limit, not a busy minute: the client would give up on it.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Models with trouble that are kept apart.
const MOST_MODELS: usize = 32;
/// Characters of a provider's message that are passed on.
const LONGEST_MESSAGE: usize = 300;

/// What was seen of a run's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands in the way.
    Fine,
    /// A call was refused or cut because of money.
    OverBudget {
        /// Which limit, in words.
        limit: String,
    },
    /// The account is used up.
    UsageLimit {
        /// When that ends, where the provider says so.
        until: Option<Timestamp>,
    },
    /// The provider refused the credentials, or there are none to send: a person has to look.
    Refused {
        /// What was seen.
        why: String,
    },
    /// The provider could not be reached, is overloaded or broken.
    Unreachable {
        /// What was seen.
        why: String,
    },
}

/// What stands in the way of one model. The order is that of weight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Unreachable(String),
    Refused(String),
    UsageLimit(Option<Timestamp>),
}

/// The open troubles of a run.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<String, Trouble>);

impl Troubles {
    /// A call of this model ended: well, or with trouble.
    pub(super) fn note(&mut self, model: &str, trouble: Option<Trouble>) {
        match trouble {
            None => {
                self.0.remove(model);
            }
            Some(trouble) if self.0.len() < MOST_MODELS || self.0.contains_key(model) => {
                self.0.insert(model.to_owned(), trouble);
            }
            Some(_) => {}
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.0.values().max() {
            None => Verdict::Fine,
            Some(Trouble::UsageLimit(until)) => Verdict::UsageLimit { until: *until },
            Some(Trouble::Refused(why)) => Verdict::Refused { why: why.clone() },
            Some(Trouble::Unreachable(why)) => Verdict::Unreachable { why: why.clone() },
        }
    }
}

/// Reads trouble out of an answer's head. What a 4xx means beyond that stands in its body: see [`from_error`].
pub(super) fn from_head(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Trouble> {
    match status.as_u16() {
        429 => Some(limited(headers, now)),
        401 | 403 => Some(Trouble::Refused(format!("the provider answered {}", status.as_u16()))),
        500.. => Some(Trouble::Unreachable(format!("the provider answered {}", status.as_u16()))),
        _ => None,
    }
}

/// Makes trouble more exact by the error in the answer's body.
pub(super) fn from_error(trouble: Option<Trouble>, status: StatusCode, kind: &str, message: &str) -> Option<Trouble> {
    let said = || {
        let message: String = message.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect();
        format!("the provider answered {}: {message}", status.as_u16())
    };
    match trouble {
        Some(Trouble::Refused(_)) => Some(Trouble::Refused(said())),
        Some(Trouble::Unreachable(_)) => Some(Trouble::Unreachable(said())),
        // An error inside a stream that began well.
        None if kind == "overloaded_error" || kind == "api_error" => Some(Trouble::Unreachable(said())),
        // No money left comes as a 400 or a 402: no retry helps, a person has to look.
        None if kind == "billing_error" || message.contains("credit balance is too low") => Some(Trouble::Refused(said())),
        other => other,
    }
}

fn limited(headers: &HeaderMap, now: Timestamp) -> Trouble {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let wait = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v.trim(), now));
    if text("anthropic-ratelimit-unified-status") == Some("rejected") {
        let reset = text("anthropic-ratelimit-unified-reset").and_then(|v| v.parse::<i64>().ok());
        let reset = reset.and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp);
        return Trouble::UsageLimit(reset.or_else(|| wait.map(|w| now + w)));
    }
    match wait {
        Some(wait) if wait > PATIENCE => Trouble::UsageLimit(Some(now + wait)),
        _ => Trouble::Unreachable("the provider answered 429: too many requests".to_owned()),
    }
}

/// `retry-after` is a number of seconds or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Timestamp::parse_http(text).map(|at| at.since(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_of_one_model_outlives_the_success_of_another() {
        let mut troubles = Troubles::default();
        troubles.note("large", Some(Trouble::UsageLimit(None)));
        troubles.note("small", Some(Trouble::Unreachable("x".into())));
        troubles.note("small", None);
        assert_eq!(troubles.verdict(), Verdict::UsageLimit { until: None });
        troubles.note("large", None);
        assert_eq!(troubles.verdict(), Verdict::Fine);
    }

    #[test]
    fn a_date_in_retry_after_counts_from_now() {
        let now = Timestamp::parse_http("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:59:37 GMT", now), Some(Duration::from_secs(600)));
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("soon", now), None);
    }
}
