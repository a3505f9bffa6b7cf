//! What is said of credentials: what they are, when they end, and what to do in time.

use std::time::Duration;

use crate::model::{CredentialFacts, CredentialKind, Ends, Timestamp};

/// So long before their end people are told.
const WARN: Duration = Duration::from_secs(7 * 86_400);

/// What is recommended.
const BETTER: &str = "`claude setup-token` makes a token that lasts a year";

/// What credentials are and when they end, as one sentence without a full stop.
pub fn credential(facts: &CredentialFacts, now: Timestamp) -> String {
    let kind = match facts.kind {
        CredentialKind::ApiKey => "an API key",
        CredentialKind::OauthToken => "a token of `claude setup-token`",
        CredentialKind::SignIn => "the sign-in of Claude Code",
    };
    let ends = match facts.ends {
        Ends::Never => "it does not expire".to_owned(),
        Ends::At { at, renewable: true } if at <= now => format!("it ended at {at} and is renewed when it is needed"),
        Ends::At { at, renewable: true } => format!("until {at}, renewed when it is needed"),
        Ends::At { at, renewable: false } if at <= now => format!("it ended at {at}"),
        Ends::At { at, renewable: false } => format!("until {at}, and nothing here can renew it"),
        Ends::AtBest { at } if at <= now => format!("it lasts a year, and its file is older: it should have ended by {at}"),
        Ends::AtBest { at } => format!("it lasts a year: until {at} at best, by the time of its file"),
        Ends::Unknown => "when it ends is not known here; a token lasts a year from its making".to_owned(),
    };
    format!("{kind}; {ends}")
}

/// What people have to be told of credentials now; `failed` is why they could not be renewed.
pub fn credential_warning(facts: &CredentialFacts, failed: Option<&str>, now: Timestamp) -> Option<String> {
    let near = |at: Timestamp| at <= now + WARN;
    match (facts.ends, failed) {
        (Ends::At { at, renewable: true }, Some(why)) if at <= now => {
            Some(format!("the sign-in ended at {at} and could not be renewed ({why}): sign in again with `claude`; {BETTER}"))
        }
        (Ends::At { renewable: true, .. } | Ends::Never | Ends::Unknown, _) => None,
        (Ends::At { at, renewable: false }, _) if at <= now => {
            Some(format!("it ended at {at}: sign in again with `claude`; {BETTER}"))
        }
        (Ends::At { at, renewable: false }, _) if near(at) => {
            Some(format!("it ends at {at} ({}), and nothing here can renew it; {BETTER}", left(at, now)))
        }
        (Ends::AtBest { at }, _) if at <= now => {
            Some(format!("the token is more than a year old and should have ended by {at}; {BETTER}"))
        }
        (Ends::AtBest { at }, _) if near(at) => Some(format!("the token ends at {at} at best ({}); {BETTER}", left(at, now))),
        (Ends::At { .. } | Ends::AtBest { .. }, _) => None,
    }
}

/// `in 3 days`, `in 5 hours`.
fn left(at: Timestamp, now: Timestamp) -> String {
    let hours = at.since(now).as_secs() / 3600;
    if hours >= 48 { format!("in {} days", hours / 24) } else { format!("in {}", super::counted(hours, "hour")) }
}
