//! Runs a program that has nothing to say but its exit code and the end of its output: a verification, git making a bundle.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::supervise::{Exit, Limits};
use super::tail::Tail;
use super::transcript::Redact;
use super::turn;
use crate::sandbox::Process;

/// How much of the output is kept, in bytes.
const TAIL: usize = 8 << 10;
/// How long the output of a process that is gone is read: without a sandbox, an orphan may hold the pipes open.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A time that nothing here reaches.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// How it ended.
pub(super) struct Finished {
    pub(super) exit: Exit,
    pub(super) took: Duration,
    /// The end of both outputs, cleaned.
    pub(super) tail: String,
    pub(super) stopped: Option<Stopped>,
}

/// Why it was ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    Cancelled,
    TimedOut,
}

/// Waits for it, until `deadline` at the longest.
///
/// # Errors
/// If its output cannot be read at all; it is killed then.
pub(super) async fn run(
    mut process: Process,
    deadline: Instant,
    limits: &Limits,
    redact: &Redact,
    cancel: &CancellationToken,
) -> io::Result<Finished> {
    let begun = Instant::now();
    let (mut stdout, mut stderr) = turn::outputs(&process)?;
    let mut tail = Tail::new(TAIL);
    let (mut out, mut error) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let (mut out_open, mut error_open) = (true, true);
    let mut stopped = None;
    let mut due = deadline;
    let mut ended = None;
    while ended.is_none() || out_open || error_open {
        let alive = ended.is_none();
        tokio::select! {
            biased;
            () = cancel.cancelled(), if alive && stopped.is_none() => {
                stopped = Some(Stopped::Cancelled);
                due = Instant::now() + limits.grace_cancel;
                process.terminate();
            }
            () = sleep_until(due) => match (alive, stopped) {
                (true, None) => {
                    stopped = Some(Stopped::TimedOut);
                    due = Instant::now() + limits.grace_limit;
                    process.terminate();
                }
                (true, Some(_)) => {
                    due = Instant::now() + NEVER;
                    process.kill();
                }
                (false, _) => break,
            },
            end = process.wait(), if alive => {
                ended = Some((end, begun.elapsed()));
                due = Instant::now() + LAST_WORDS;
            }
            read = stdout.read(&mut out), if out_open => match read {
                Ok(0) | Err(_) => out_open = false,
                Ok(length) => tail.push(out.get(..length).unwrap_or_default()),
            },
            read = stderr.read(&mut error), if error_open => match read {
                Ok(0) | Err(_) => error_open = false,
                Ok(length) => tail.push(error.get(..length).unwrap_or_default()),
            },
        }
    }
    let (exit, took) = ended
        .map_or_else(|| (Exit::Broken("no exit".to_owned()), begun.elapsed()), |(ended, took)| (turn::exit(ended.exit), took));
    Ok(Finished { exit, took, tail: tail.text(redact), stopped })
}
