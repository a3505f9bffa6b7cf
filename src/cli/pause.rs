//! `forgehand pause [PROJECT|N] [--until TIME]`: nothing new is started there; what runs goes on.

use std::path::PathBuf;

use crate::model::{Command, Timestamp};
use crate::ports::Clock;
use crate::words;

use super::CliError;
use super::setup::{Setup, SystemClock};
use super::subject;

/// Arguments of `pause`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A project (owner/name) or an issue (7, or owner/name#7); everything where it is left out
    what: Option<String>,
    /// Until it ends by itself: 2h, "2026-11-21 18:00" (UTC), or RFC 3339
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Leaves the command.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let what = subject::scope(&setup.config, arguments.what.as_deref())?;
    let until = arguments.until.as_deref().map(|text| until(text, SystemClock.now())).transpose()?;
    let (_, when) = setup.order(&Command::Pause { what: what.clone(), until })?;
    anstream::println!("{} (as of {when}); `{}` takes it back", words::paused(&what, until), words::resume(&what));
    Ok(())
}

/// A point in time that is still to come.
fn until(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    let spoken = crate::config::parse_duration(text).map(|time| now + time);
    let hint = "write a time from now such as 90m, 2h or 7d, \"2026-11-21 18:00\" (UTC), or RFC 3339";
    let until = spoken.or_else(|| Timestamp::parse(text)).or_else(|| Timestamp::parse_utc(text));
    match until {
        None => Err(CliError::usage(format!("`{text}` is not a time"), hint)),
        Some(until) if until <= now => Err(CliError::usage(format!("`{text}` is over already: now is {now}"), hint)),
        Some(until) => Ok(until),
    }
}
