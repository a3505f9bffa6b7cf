//! Drives one process from its start until it and all its children are gone: reads what it says, tells what is worth telling, and ends
//! it where the supervisor or somebody else wants that.
//!
//! Races it knows:
//! - *An end against its last words*: the process is gone before its output is read to the end; reading goes on until the pipes close, but
//!   not for longer than [`LAST_WORDS`]: without a sandbox, an orphan may hold them open.
//! - *A slow listener*: a full channel never delays reading, limits or a cancel. Lines about what it does are dropped then; model calls
//!   and the session's start are kept and told later.
//! - *TERM against KILL*: a process that ends within its grace period is not killed; one that does not is, with everything inside.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::plain;
use super::stream::{self, LINE_LIMIT, Line, Lines, RawLine};
use super::supervise::{Dialect, Ended, Ending, Exit, Heard, ModelTrouble, Stop, Supervisor};
use super::tail::Tail;
use super::transcript::{Redact, Transcript};
use crate::gateway::{Gateway, Verdict};
use crate::model::ModelCall;
use crate::ports::HandEvent;
use crate::sandbox::{self, Process};

/// How long the output of a process that is gone is read.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much of the error output is kept, in bytes.
const STDERR: usize = 4 << 10;
/// Lines for people that wait for a slow listener.
const WAITING: usize = 64;
/// The longest line of a program without a protocol.
const PLAIN_LINE: usize = 1 << 20;
/// A time that no turn reaches.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// Those who listen, and who can interfere.
pub(super) struct Ears<'a> {
    pub(super) events: &'a mpsc::Sender<HandEvent>,
    pub(super) transcript: &'a mut Transcript,
    pub(super) redact: &'a Redact,
    pub(super) cancel: &'a CancellationToken,
    pub(super) gateway: Option<Metered>,
}

/// The way to the model, and the calls that it tells of.
pub(super) struct Metered {
    pub(super) gateway: Gateway,
    pub(super) calls: mpsc::Receiver<ModelCall>,
}

/// How it ended, and what it said on its error output last, raw.
pub(super) struct Driven {
    pub(super) ending: Ending,
    pub(super) stderr: String,
}

/// Handles of our own on what a process says, so that it can be read while the process is waited for.
pub(super) fn outputs(process: &Process) -> io::Result<(Receiver, Receiver)> {
    let again = |pipe: &Receiver| Receiver::from_owned_fd(pipe.as_fd().try_clone_to_owned()?);
    Ok((again(&process.stdout)?, again(&process.stderr)?))
}

/// Drives a process to its end.
///
/// # Errors
/// If its output cannot be read at all; it is killed then.
pub(super) async fn drive(mut process: Process, supervisor: Supervisor, ears: Ears<'_>) -> io::Result<Driven> {
    let (mut stdout, mut stderr) = outputs(&process)?;
    let mut turn = Turn::new(supervisor, ears);
    let mut buffer = vec![0; 64 << 10];
    let mut error_buffer = vec![0; 8 << 10];
    let (mut out_open, mut err_open) = (true, true);
    let mut ended = None;
    while ended.is_none() || out_open || err_open {
        let alive = ended.is_none();
        tokio::select! {
            biased;
            () = turn.ears.cancel.cancelled(), if alive && turn.ending_by.is_none() => turn.stop(&process, Stop::Cancelled),
            () = sleep_until(turn.due()), if alive => turn.clock(&process),
            () = sleep_until(turn.last_words), if !alive => break,
            Ok(permit) = turn.ears.events.reserve(), if !turn.untold.is_empty() => {
                if let Some(event) = turn.untold.pop_front() {
                    permit.send(event);
                }
            }
            Some(call) = next_call(&mut turn.ears.gateway) => turn.called(&process, call),
            end = process.wait(), if alive => {
                ended = Some(end);
                turn.gone = true;
                turn.last_words = Instant::now() + LAST_WORDS;
            }
            read = stdout.read(&mut buffer), if out_open => match read {
                Ok(0) | Err(_) => out_open = false,
                Ok(length) => turn.said(&process, buffer.get(..length).unwrap_or_default()).await,
            },
            read = stderr.read(&mut error_buffer), if err_open => match read {
                Ok(0) | Err(_) => err_open = false,
                Ok(length) => turn.complained(error_buffer.get(..length).unwrap_or_default()),
            },
        }
    }
    Ok(turn.finish(&process, ended).await)
}

/// The next call that ended; waits for ever where there is no gateway.
async fn next_call(metered: &mut Option<Metered>) -> Option<ModelCall> {
    match metered {
        Some(metered) => metered.calls.recv().await,
        None => std::future::pending().await,
    }
}

struct Turn<'a> {
    ears: Ears<'a>,
    supervisor: Supervisor,
    begun: Instant,
    lines: Lines,
    stderr: Tail,
    untold: VecDeque<HandEvent>,
    /// When it is killed, once it was asked to end.
    ending_by: Option<Instant>,
    /// It has ended by itself or by us: what is read from now on stops nothing any more.
    gone: bool,
    last_words: Instant,
}

impl<'a> Turn<'a> {
    fn new(supervisor: Supervisor, ears: Ears<'a>) -> Self {
        let limit = match supervisor.dialect() {
            Dialect::StreamJson => LINE_LIMIT,
            Dialect::Plain => PLAIN_LINE,
        };
        let begun = Instant::now();
        Self {
            ears,
            supervisor,
            begun,
            lines: Lines::new(limit),
            stderr: Tail::new(STDERR),
            untold: VecDeque::new(),
            ending_by: None,
            gone: false,
            last_words: begun + NEVER,
        }
    }

    /// When the clock has to be looked at.
    fn due(&self) -> Instant {
        self.ending_by.unwrap_or_else(|| self.begun + self.supervisor.deadline())
    }

    fn clock(&mut self, process: &Process) {
        if self.ending_by.is_some() {
            process.kill();
            self.ending_by = Some(Instant::now() + NEVER);
        } else if let Some(stop) = self.supervisor.tick(self.begun.elapsed()) {
            self.stop(process, stop);
        }
    }

    fn stop(&mut self, process: &Process, why: Stop) {
        if self.ending_by.is_none() && !self.gone {
            tracing::info!(?why, "ending an agent");
            self.ending_by = Some(Instant::now() + self.supervisor.stopped(why));
            process.terminate();
        }
    }

    fn called(&mut self, process: &Process, call: ModelCall) {
        self.untold.push_back(HandEvent::Called(call));
        // An agent that is over its budget gets no more answers, and need not think about that for long.
        let trouble = self.ears.gateway.as_ref().and_then(|metered| trouble(metered.gateway.verdict()));
        if let Some(trouble @ ModelTrouble::Budget { .. }) = trouble {
            self.stop(process, Stop::Model(trouble));
        }
    }

    async fn said(&mut self, process: &Process, bytes: &[u8]) {
        for line in self.lines.push(bytes) {
            self.heard(process, line).await;
        }
    }

    async fn heard(&mut self, process: &Process, line: RawLine) {
        let heard = self.line(line).await;
        if heard.session_started {
            self.untold.push_back(HandEvent::SessionStarted);
        }
        if let Some(doing) = heard.doing.filter(|_| self.untold.len() < WAITING) {
            self.untold.push_back(HandEvent::Doing((self.ears.redact)(&doing)));
        }
        if let Some(stop) = heard.stop {
            self.stop(process, stop);
        }
    }

    async fn line(&mut self, line: RawLine) -> Heard {
        let at = self.begun.elapsed();
        let RawLine::Whole(bytes) = line else {
            self.ears.transcript.output("stdout", "(a line over the limit was dropped)").await;
            return match self.supervisor.dialect() {
                Dialect::StreamJson => self.supervisor.line(at, Line::TooLong),
                Dialect::Plain => Heard::default(),
            };
        };
        match self.supervisor.dialect() {
            Dialect::StreamJson => {
                let line = stream::parse(&bytes);
                // Pieces of an answer come again as a whole.
                match line {
                    Line::Progress | Line::Heartbeat => {}
                    Line::Malformed => self.ears.transcript.output("stdout", &String::from_utf8_lossy(&bytes)).await,
                    _ => self.ears.transcript.raw(&bytes).await,
                }
                self.supervisor.line(at, line)
            }
            Dialect::Plain => {
                self.supervisor.printed(at);
                let text = String::from_utf8_lossy(&bytes);
                self.ears.transcript.output("stdout", &text).await;
                let doing = plain(&text, 160);
                Heard { doing: (!doing.is_empty()).then_some(doing), ..Heard::default() }
            }
        }
    }

    fn complained(&mut self, bytes: &[u8]) {
        if self.supervisor.dialect() == Dialect::Plain {
            self.supervisor.printed(self.begun.elapsed());
        }
        self.stderr.push(bytes);
    }

    /// Reads the rest, closes the gateway, tells what is untold, and judges.
    async fn finish(mut self, process: &Process, ended: Option<sandbox::Ended>) -> Driven {
        if let Some(rest) = self.lines.finish() {
            self.heard(process, rest).await;
        }
        let mut seen = None;
        if let Some(Metered { gateway, mut calls }) = self.ears.gateway.take() {
            seen = trouble(gateway.verdict());
            let untold = &mut self.untold;
            let drain = async {
                while let Some(call) = calls.recv().await {
                    untold.push_back(HandEvent::Called(call));
                }
            };
            tokio::join!(gateway.close(), drain);
        }
        for event in self.untold.drain(..) {
            // Who has stopped listening does not want to know.
            let _ = self.ears.events.send(event).await;
        }
        let stderr = self.stderr.text(self.ears.redact);
        if !stderr.is_empty() {
            self.ears.transcript.output("stderr", &stderr).await;
        }
        let exit = ended.map_or_else(|| Exit::Broken("no exit".to_owned()), |ended| exit(ended.exit));
        let ending = self.supervisor.end(&Ended { exit, stderr: stderr.clone(), trouble: seen });
        Driven { ending, stderr }
    }
}

/// What the gateway's verdict means for the turn.
fn trouble(verdict: Verdict) -> Option<ModelTrouble> {
    match verdict {
        Verdict::Fine => None,
        Verdict::OverBudget { limit } => Some(ModelTrouble::Budget { limit }),
        Verdict::UsageLimit { until } => Some(ModelTrouble::UsageLimit { until }),
        Verdict::Refused { why } => Some(ModelTrouble::Refused { why }),
        Verdict::Unreachable { why } => Some(ModelTrouble::Unreachable { why }),
    }
}

/// How a process of the sandbox ended, in the supervisor's words.
pub(super) fn exit(exit: sandbox::Exit) -> Exit {
    match exit {
        sandbox::Exit::Code(code) => Exit::Code(code),
        sandbox::Exit::Signal(signal) => Exit::Broken(format!("signal {signal}")),
        sandbox::Exit::Limit(limit) => Exit::Broken(format!("a limit of the sandbox ({limit:?})")),
        sandbox::Exit::Lost => Exit::Broken("the sandbox vanished".to_owned()),
    }
}
