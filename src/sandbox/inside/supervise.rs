//! The shim's one loop: starts the program, hears the daemon, watches the limits, reaps, reports.

use std::fs;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, pidfd_open,
    set_child_subreaper, set_dumpable_behavior, setrlimit, wait, waitpid,
};

use super::super::wire::{self, Ended, Exit, InsideLimits, LimitKind, Report, Setup, Usage};
use super::watch::Watch;
use super::{forward, kin};

/// When the machine runs out of memory, what is inside goes before the daemon does.
const OOM_SCORE: &str = "500";

/// Does everything, from the setup to the report.
pub(super) fn run() -> io::Result<()> {
    protect_self();
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    control.write_all(&[wire::HELLO])?;
    let (setup, streams) = receive(&mut control)?;
    let limits = setup.limits;
    let program = match start(setup, streams) {
        Ok(program) => program,
        Err(error) => return send(&mut control, &Report::Failed(error.to_string())),
    };
    // The daemon may be gone by now, and the program is here: the loop finds that out, and ends it.
    let _ = send(&mut control, &Report::Started);
    let exit = Supervisor { control: &mut control, program, limits, status: None }.run();
    // The daemon may be gone: then nobody wants to know.
    let _ = send(&mut control, &Report::Ended(Ended { exit, usage: usage() }));
    Ok(())
}

/// None of these can fail in a way that would leave the program less confined than the daemon reported.
fn protect_self() {
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let _ = rustix::thread::set_name(c"forgehand");
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = set_child_subreaper(Some(getpid()));
}

/// The setup, and the program's standard streams that came with its first byte.
fn receive(control: &mut UnixStream) -> io::Result<(Setup, [OwnedFd; 3])> {
    let mut header = [0; wire::HEADER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let (first, rest) = header.split_at_mut(1);
    let read = recvmsg(&*control, &mut [IoSliceMut::new(first)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if read.bytes == 0 {
        return Err(io::Error::other("the daemon went away before it said what to start"));
    }
    let streams: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| if let RecvAncillaryMessage::ScmRights(files) = message { Some(files) } else { None })
        .flatten()
        .collect();
    let streams = <[OwnedFd; 3]>::try_from(streams).map_err(|_| io::Error::other("the program's streams did not come along"))?;
    control.read_exact(rest)?;
    let mut body = vec![0; wire::body_length(header)?];
    control.read_exact(&mut body)?;
    Ok((serde_json::from_slice(&body)?, streams))
}

fn start(setup: Setup, [stdin, stdout, stderr]: [OwnedFd; 3]) -> io::Result<Pid> {
    forward::listen(setup.forwards)?;
    limit(Resource::Core, Some(0))?;
    limit(Resource::Fsize, setup.limits.file_bytes)?;
    limit(Resource::Nproc, setup.limits.nproc)?;
    #[expect(clippy::disallowed_methods, reason = "the sandbox owns the start of the program")]
    let mut command = Command::new(&setup.program);
    command
        .args(&setup.args)
        .env_clear()
        .envs(&setup.env)
        .current_dir(&setup.cwd)
        .process_group(0)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    let child = command.spawn()?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("a process without a number"))
}

/// The shim keeps the limit itself, for the program to inherit: there is no moment without it.
fn limit(resource: Resource, value: Option<u64>) -> io::Result<()> {
    if value.is_some() {
        setrlimit(resource, Rlimit { current: value, maximum: value })?;
    }
    Ok(())
}

struct Supervisor<'a> {
    control: &'a mut UnixStream,
    program: Pid,
    limits: InsideLimits,
    /// Known once the program was waited for.
    status: Option<WaitStatus>,
}

/// Why the loop ends.
enum Over {
    Itself,
    Killed,
    Limit(LimitKind),
    /// The shim can't watch any longer, so nothing may go on.
    Blind(io::Error),
}

impl Supervisor<'_> {
    /// Until the program has ended, and everything that it left.
    fn run(mut self) -> Exit {
        let over = self.supervise().unwrap_or_else(Over::Blind);
        self.end_program();
        // As process 1 the shim takes the rest along when it exits.
        if getpid() != Pid::INIT {
            kin::kill_all();
        }
        match over {
            Over::Itself => self.status.map_or(Exit::Lost, |status| exit_of(status, self.limits)),
            Over::Killed => Exit::Signal(Signal::KILL.as_raw()),
            Over::Limit(kind) => Exit::Limit(kind),
            Over::Blind(error) => {
                super::say(&error);
                Exit::Lost
            }
        }
    }

    /// Kills the program where it still runs, and waits for it, so that its usage counts.
    fn end_program(&mut self) {
        while self.status.is_none() {
            // Not waited for yet, so the number is its own.
            let _ = kill_process_group(self.program, Signal::KILL);
            match waitpid(Some(self.program), WaitOptions::empty()) {
                Ok(Some((_, status))) => self.status = Some(status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn supervise(&mut self) -> io::Result<Over> {
        let ended = pidfd_open(self.program, PidfdFlags::empty())?;
        let mut watch = Watch::new(self.limits);
        loop {
            let mut ready = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&*self.control, PollFlags::IN)];
            match poll(&mut ready, Some(&timespec(watch.interval()))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ordered = ready.get(1).is_some_and(|control| !control.revents().is_empty());
            self.reap();
            if self.status.is_some() {
                return Ok(Over::Itself);
            }
            if ordered && let Some(over) = self.obey()? {
                return Ok(over);
            }
            if let Some(kind) = watch.look()? {
                return Ok(Over::Limit(kind));
            }
        }
    }

    /// Waits for whoever ended: the program, or orphans that came to the shim.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.program {
                self.status = Some(status);
            }
        }
    }

    fn obey(&mut self) -> io::Result<Option<Over>> {
        let mut order = [0];
        match self.control.read(&mut order) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            // The daemon is gone, by its own end or by kill -9.
            Ok(0) | Err(_) => Ok(Some(Over::Killed)),
            Ok(_) if order == [wire::TERMINATE] => {
                let _ = kill_process_group(self.program, Signal::TERM);
                Ok(None)
            }
            Ok(_) if order == [wire::KILL] => Ok(Some(Over::Killed)),
            Ok(_) => Err(io::Error::other("an order that the shim does not know")),
        }
    }
}

fn exit_of(status: WaitStatus, limits: InsideLimits) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) if signal == Signal::XFSZ.as_raw() && limits.file_bytes.is_some() => {
            Exit::Limit(LimitKind::FileSize)
        }
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Lost,
    }
}

fn usage() -> Usage {
    use nix::sys::resource::{UsageWho, getrusage};
    let Ok(used) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Usage::default() };
    let millis = |time: nix::sys::time::TimeVal| time.tv_sec() * 1000 + time.tv_usec() / 1000;
    Usage {
        cpu_millis: u64::try_from(millis(used.user_time()) + millis(used.system_time())).unwrap_or(0),
        max_rss_bytes: u64::try_from(used.max_rss()).unwrap_or(0).saturating_mul(1024),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
}

fn send(control: &mut UnixStream, report: &Report) -> io::Result<()> {
    control.write_all(&wire::frame(report)?)
}
