//! A running sandbox, from the daemon's side.
//!
//! Races it knows. *Descriptors leak into a program started at the same moment*: none is ever inheritable, the shim gets its own
//! as standard streams and the program's over the socket. *A start is given up half-way*: a [`Process`] exists from the first moment,
//! and dropping it kills. *[`Process::wait`] is cancelled*: what was heard stays, and it can be called again. *The number of a
//! killed shim is used again*: it is known by a process descriptor, taken while it waits for us.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::cgroup::Group;
use super::error::SandboxError;
use super::spawner::Spawner;
use super::wire::{self, Ended, Exit, LimitKind, Report, Setup, Usage};

/// A sandbox is up in some 20 ms; a machine that needs longer than this is in no state to run an agent.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the shim may take to obey a kill before it is killed itself.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// How long words about a failed start are waited for.
const WORDS_LIMIT: Duration = Duration::from_secs(1);

/// How a process is started.
pub(super) struct Launch {
    /// The command line that ends in the shim.
    pub(super) command: Vec<OsString>,
    /// The shim's binary, to become its descriptor 1.
    pub(super) shim: OwnedFd,
    pub(super) setup: Setup,
    pub(super) stdin: Vec<u8>,
    /// In a PID namespace of its own.
    pub(super) confined: bool,
    pub(super) group: Option<Group>,
}

/// A program in its sandbox. Dropping it kills the sandbox and everything in it.
pub struct Process {
    /// What the program writes. Read it to its end, or the program waits for ever once the pipe is full.
    pub stdout: Receiver,
    /// What the program complains.
    pub stderr: Receiver,
    /// What bubblewrap and the shim complain.
    words: Receiver,
    control: UnixStream,
    heard: Vec<u8>,
    reported: Option<Ended>,
    ended: Option<Ended>,
    killed: AtomicBool,
    confined: bool,
    /// Nothing once it was waited for.
    child: Option<Child>,
    /// Known once it said hello.
    shim: Option<OwnedFd>,
    group: Option<Group>,
    spawner: Spawner,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.child.as_ref().and_then(Child::id)).field("ended", &self.ended).finish()
    }
}

impl Process {
    /// Starts a sandbox and, in it, the program.
    pub(super) async fn start(launch: Launch, spawner: &Spawner) -> Result<Self, SandboxError> {
        let program = launch.setup.program.display().to_string();
        let message = wire::frame(&launch.setup).map_err(SandboxError::start)?;
        let stdin = whole_input(&launch.stdin).map_err(SandboxError::start)?;
        let (stdout, stdout_inside) = output().map_err(SandboxError::start)?;
        let (stderr, stderr_inside) = output().map_err(SandboxError::start)?;
        let mut process = Self::spawn(launch, spawner, stdout, stderr).await.map_err(SandboxError::start)?;
        let started = timeout(START_LIMIT, process.set_up(&message, [stdin, stdout_inside, stderr_inside])).await;
        match started.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut))) {
            Ok(Report::Started) => Ok(process),
            Ok(Report::Failed(why)) => Err(SandboxError::Program { name: program, why }),
            Ok(Report::Ended(_)) => Err(SandboxError::start("it ended before it began")),
            Err(error) => Err(SandboxError::start(process.last_words().await.unwrap_or_else(|| error.to_string()))),
        }
    }

    /// Starts bubblewrap or the shim; no program yet.
    async fn spawn(launch: Launch, spawner: &Spawner, stdout: Receiver, stderr: Receiver) -> io::Result<Self> {
        let (words, words_inside) = output()?;
        let (control, control_inside) = control()?;
        let command = shell(&launch.command, control_inside, launch.shim, words_inside)?;
        let child = spawner.spawn(command).await?;
        Ok(Self {
            stdout,
            stderr,
            words,
            control,
            heard: Vec::new(),
            reported: None,
            ended: None,
            killed: AtomicBool::new(false),
            confined: launch.confined,
            child: Some(child),
            shim: None,
            group: launch.group,
            spawner: spawner.clone(),
        })
    }

    /// The talk with the shim before the program runs. The streams are closed here when it is over.
    async fn set_up(&mut self, message: &[u8], streams: [OwnedFd; 3]) -> io::Result<Report> {
        let pid = self.control.async_io(Interest::READABLE, || receive_hello(&self.control)).await?;
        self.shim = Some(pidfd_open(pid, PidfdFlags::empty())?);
        if let Some(group) = &self.group {
            // The shim has no children yet, so everything of the program will be in it.
            group.add(pid)?;
        }
        let sent = self.control.async_io(Interest::WRITABLE, || send_streams(&self.control, message, &streams)).await?;
        drop(streams);
        self.control.write_all(message.get(sent..).unwrap_or_default()).await?;
        self.hear().await?.ok_or_else(|| io::Error::other("the shim ended without a word"))
    }

    /// The next report; nothing once the shim is gone. Can be cancelled and called again.
    async fn hear(&mut self) -> io::Result<Option<Report>> {
        loop {
            if let Some(report) = wire::take_frame(&mut self.heard)? {
                return Ok(Some(report));
            }
            if self.control.read_buf(&mut self.heard).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Asks the program and its process group to end, by TERM. It may take its time, or not listen: the caller has the clock.
    pub fn terminate(&self) {
        // A shim that is gone has nobody left to ask.
        let _ = self.control.try_write(&[wire::TERMINATE]);
    }

    /// Kills the program and everything it started, whatever session that is in.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        if self.control.try_write(&[wire::KILL]).is_err() {
            self.kill_hard();
        }
    }

    /// Without asking the shim. Outside a PID namespace that would orphan its children, which it alone knows: there it hears that the
    /// control socket ended.
    fn kill_hard(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        if self.confined
            && let Some(shim) = &self.shim
        {
            // Process 1 of the namespace takes all others along. It may be gone already.
            let _ = pidfd_send_signal(shim, Signal::KILL);
        }
    }

    /// Waits until the program has ended and nothing of the sandbox is left. Can be cancelled and called again.
    ///
    /// Output that was written remains to be read afterwards, up to a pipe's size; so read beside it.
    pub async fn wait(&mut self) -> Ended {
        if let Some(ended) = self.ended {
            return ended;
        }
        if self.killed.load(Ordering::Relaxed) {
            if timeout(KILL_LIMIT, self.gone()).await.is_err() {
                self.kill_hard();
                self.gone().await;
            }
        } else {
            self.gone().await;
        }
        let ended = self.reported.unwrap_or_else(|| Ended { exit: self.unreported(), usage: Usage::default() });
        if ended.exit == Exit::Lost {
            let words = self.last_words().await;
            tracing::warn!(words, "a sandbox was lost");
        }
        self.group = None;
        *self.ended.insert(ended)
    }

    /// Until the shim is silent and the outermost process is waited for.
    async fn gone(&mut self) {
        while let Ok(Some(report)) = self.hear().await {
            if let Report::Ended(ended) = report {
                self.reported = Some(ended);
            }
        }
        if let Some(child) = &mut self.child {
            // It fails only for a child that was waited for already.
            let _ = child.wait().await;
        }
        self.child = None;
    }

    fn unreported(&self) -> Exit {
        if self.group.as_ref().is_some_and(Group::out_of_memory) {
            Exit::Limit(LimitKind::Memory)
        } else if self.killed.load(Ordering::Relaxed) {
            Exit::Signal(Signal::KILL.as_raw())
        } else {
            Exit::Lost
        }
    }

    async fn last_words(&mut self) -> Option<String> {
        let mut words = Vec::new();
        // As much as there is by then.
        let _ = timeout(WORDS_LIMIT, (&mut self.words).take(4096).read_to_end(&mut words)).await;
        Some(String::from_utf8_lossy(&words).trim().to_owned()).filter(|words| !words.is_empty())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_hard();
        if let Some(mut child) = self.child.take() {
            if self.confined {
                // bubblewrap itself, which may not have come as far as a shim.
                let _ = child.start_kill();
            }
            self.spawner.reap(child, self.group.take());
        }
    }
}

/// The command with its three streams: the control socket, the shim's binary, and where to complain.
fn shell(words: &[OsString], control: OwnedFd, shim: OwnedFd, complaints: OwnedFd) -> io::Result<Command> {
    let (program, args) = words.split_first().ok_or_else(|| io::Error::other("nothing to start"))?;
    #[expect(clippy::disallowed_methods, reason = "the sandbox owns the start of bubblewrap and of the shim")]
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir("/").stdin(Stdio::from(control)).stdout(Stdio::from(shim));
    // A Ctrl-C on the daemon's terminal is the daemon's to handle.
    command.process_group(0).stderr(Stdio::from(complaints));
    Ok(command)
}

/// Our end, which learns who is at the other, and the shim's.
fn control() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    rustix::net::sockopt::set_socket_passcred(&ours, true)?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs.into()))
}

fn output() -> io::Result<(Receiver, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Receiver::from_owned_fd(ours)?, theirs))
}

/// All of the program's input, followed by its end: a file in memory needs nobody to feed it.
fn whole_input(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// The first byte says that the shim is up; the kernel says which process sent it, by its number out here.
fn receive_hello(control: &UnixStream) -> io::Result<Pid> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let read = recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if read.bytes == 0 || byte != [wire::HELLO] {
        return Err(io::Error::other("the shim did not come up"));
    }
    let sender = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
        _ => None,
    });
    sender.ok_or_else(|| io::Error::other("the kernel does not say who the shim is"))
}

/// Sends the start of the message with the program's streams; answers with how much of it went.
fn send_streams(control: &UnixStream, message: &[u8], streams: &[OwnedFd; 3]) -> io::Result<usize> {
    let borrowed = streams.each_ref().map(AsFd::as_fd);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(io::Error::other("no room for three descriptors"));
    }
    Ok(sendmsg(control, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?)
}
