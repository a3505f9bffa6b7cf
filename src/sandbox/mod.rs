//! Confinement: a program runs where it sees what it was given, and nothing else.
//!
//! [`Sandbox::open`] proves once that a sandbox can be had on this machine; [`Sandbox::start`] runs a program in one of its own.
//! With [`Mode::Bubblewrap`] that is: an allow-list of mounts, own PID, IPC, UTS, user and network namespaces, a private `/tmp`, an
//! unprivileged identity without capabilities, no network but [`Forward`]s, limits, and a shim of ours inside ([`inside`]) that
//! takes everything along when it goes. With [`Mode::None`] only the environment, the limits and the taking along hold.
//!
//! What holds at every moment: no secret is in an argument list or in the environment of anything but the program itself; a `kill -9`
//! of the daemon ends everything inside within milliseconds, in both modes; no descriptor of the daemon is open inside.
//!
//! What does not hold: where no cgroup is delegated, memory and processes are watched, not walled (`inside/watch.rs`). Without
//! bubblewrap a program can kill the shim, and then its children outlive it.

mod cgroup;
mod confine;
mod error;
mod guard;
pub mod inside;
mod process;
mod programs;
mod report;
mod spawner;
mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

pub use error::SandboxError;
pub use process::Process;
pub use report::SandboxReport;
pub use wire::{Ended, Exit, LimitKind, Usage};

use cgroup::Delegated;
use confine::Layout;
use guard::Guard;
use process::Launch;
use programs::{Found, Search, search_path};
use spawner::Spawner;
use wire::{InsideLimits, PortForward, Setup};

/// The first argument that makes this program the shim.
const INSIDE: &str = "__inside";
/// The second argument that makes it the stage in front of bubblewrap.
const OUTER: &str = "outer";
/// The shim's binary, wherever it lies by now: it is passed on as this descriptor.
const SHIM: &str = "/proc/self/fd/1";
/// `RLIMIT_NPROC` counts the shim's threads too, two for each connection that is carried: this is left to them.
const SHIM_THREADS: u64 = 600;

/// How much is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything, by bubblewrap.
    Bubblewrap,
    /// Nothing but environment and limits: `[sandbox] mode = "none"` in so many words.
    None,
}

/// What a sandbox is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much is confined.
    pub mode: Mode,
    /// The forgehand binary. Opened once, so that an upgrade under a running daemon does no harm.
    pub shim: PathBuf,
    /// `[sandbox] read`: more to mount, read-only, at its own path.
    pub read: Vec<PathBuf>,
    /// `[sandbox] path`: folders to search for programs, mounted read-only and put in front of `PATH`.
    pub path: Vec<PathBuf>,
    /// State, configuration, credentials: refused as mounts, with whatever lies in them or holds them.
    pub forbidden: Vec<PathBuf>,
    /// Folders within the forbidden ones that runs are given parts of: workspaces, the objects of mirrors. Holds for
    /// [`Spec::mounts`] only.
    pub own: Vec<PathBuf>,
    /// The limits of every sandbox.
    pub limits: Limits,
}

/// What one sandbox may use; nothing stands for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all processes together that no file backs, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and their threads, all together, as `pids.max` counts them.
    pub processes: Option<u64>,
    /// A single file, in bytes.
    pub file_bytes: Option<u64>,
    /// The private `/tmp` and `/dev/shm`, in bytes each; only under bubblewrap.
    pub tmp_bytes: Option<u64>,
}

/// A file or folder of the host that is seen inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where it is inside.
    pub target: PathBuf,
    /// What may be done with it.
    pub access: MountAccess,
}

/// What may be done with a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountAccess {
    /// Only looking.
    Read,
    /// Everything.
    Write,
}

/// A port of the sandbox's own loopback that leads out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The address of the loopback inside, 127.0.0.1 mostly.
    pub address: Ipv4Addr,
    /// The port of that address.
    pub port: u16,
    /// The Unix socket of the host that answers.
    pub socket: PathBuf,
}

/// A program to run, and all that it is given.
///
/// Has no `Debug`: the environment may hold a secret of the run.
pub struct Spec {
    /// By name or absolute path, found on the host; a path in one of the mounts' places inside; or a path relative to `cwd`.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<OsString>,
    /// All of its environment. `PATH` is completed by `[sandbox] path` and by the program's own folder.
    pub env: BTreeMap<String, String>,
    /// Its working directory, as seen inside; under [`Mode::None`] a path of the host.
    pub cwd: PathBuf,
    /// All of its input.
    pub stdin: Vec<u8>,
    /// What it sees beside programs and libraries.
    pub mounts: Vec<Mount>,
    /// What it reaches beside itself. Only under bubblewrap.
    pub forwards: Vec<Forward>,
}

/// A way to run programs confined. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    mode: Mode,
    bubblewrap: PathBuf,
    shim: File,
    /// `read` and `path` of the configuration, checked: the real path and the named one.
    always: Vec<(PathBuf, PathBuf)>,
    path: Vec<PathBuf>,
    guard: Guard,
    limits: Limits,
    delegated: Result<Delegated, String>,
    root: bool,
    spawner: Spawner,
}

impl Sandbox {
    /// Makes sure that programs can be confined here, by confining one.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] without a working bubblewrap, [`SandboxError::Refused`] for a folder in `read` or `path`
    /// that may not be seen inside.
    pub fn open(options: Options) -> Result<Self, SandboxError> {
        let Options { mode, shim, read, path, forbidden, own, limits } = options;
        let confined = mode == Mode::Bubblewrap;
        let unavailable = |why: String| SandboxError::Unavailable { why };
        let bubblewrap = match mode {
            Mode::Bubblewrap => which::which("bwrap").map_err(|_| unavailable("bubblewrap is not installed".to_owned()))?,
            Mode::None => PathBuf::new(),
        };
        let guard = Guard::new(&forbidden, &own);
        let mut always = Vec::new();
        for folder in read.iter().chain(&path).filter(|_| confined) {
            always.push((guard.foreign(folder)?, folder.clone()));
        }
        let shared = Shared {
            mode,
            bubblewrap,
            shim: File::open(&shim).map_err(|error| SandboxError::start(format!("{}: {error}", shim.display())))?,
            always,
            path,
            guard,
            limits,
            delegated: Delegated::take(),
            root: rustix::process::geteuid().is_root(),
            spawner: Spawner::start().map_err(SandboxError::start)?,
        };
        let sandbox = Self { shared: Arc::new(shared) };
        // A thread of its own, because this may be called from within a runtime.
        let proof = thread::scope(|scope| scope.spawn(|| sandbox.prove()).join());
        match proof.unwrap_or_else(|_| Err(SandboxError::start("its trial broke off"))) {
            Ok(()) => Ok(sandbox),
            Err(SandboxError::Start { why }) if confined => Err(unavailable(format!("bubblewrap does not work: {why}"))),
            Err(error) => Err(error),
        }
    }

    fn prove(&self) -> Result<(), SandboxError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SandboxError::start)?;
        let spec = Spec {
            program: PathBuf::from("true"),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: PathBuf::from("/"),
            stdin: Vec::new(),
            mounts: Vec::new(),
            forwards: Vec::new(),
        };
        runtime.block_on(async {
            match self.start(spec).await?.wait().await.exit {
                Exit::Code(0) => Ok(()),
                other => Err(SandboxError::start(format!("`true` ended with {other:?}"))),
            }
        })
    }

    /// What holds here and what does not.
    pub fn describe(&self) -> SandboxReport {
        let Shared { mode, limits, delegated, root, .. } = &*self.shared;
        SandboxReport::new(*mode, limits, delegated.as_ref().err().map(String::as_str), *root)
    }

    /// Where the program sees a mount: at its place inside, or without bubblewrap where it is.
    pub fn path_inside(&self, mount: &Mount) -> PathBuf {
        match self.shared.mode {
            Mode::Bubblewrap => mount.target.clone(),
            Mode::None => mount.source.clone(),
        }
    }

    /// Whether a folder would be refused as a mount. Without bubblewrap nothing is mounted, and so nothing refused.
    pub fn refuses(&self, folder: &Path) -> bool {
        self.shared.mode == Mode::Bubblewrap && self.shared.guard.foreign(folder).is_err()
    }

    /// Starts a program in a sandbox of its own. It runs when this answers.
    ///
    /// # Errors
    /// When a mount is refused, the program is not found or can't be executed, a forward can't be carried, or the sandbox does
    /// not come up.
    pub async fn start(&self, spec: Spec) -> Result<Process, SandboxError> {
        let shared = Arc::clone(&self.shared);
        // Looks at many files, and may have to ask a version manager.
        let prepared = tokio::task::spawn_blocking(move || shared.prepare(spec)).await;
        let prepared = prepared.map_err(SandboxError::start)??;
        Process::start(prepared.launch, &self.shared.spawner).await
    }
}

/// A launch, and what must stay until it is done.
struct Prepared {
    launch: Launch,
    _made: Option<tempfile::TempDir>,
}

impl Shared {
    fn prepare(&self, spec: Spec) -> Result<Prepared, SandboxError> {
        let group = self.delegated.as_ref().ok().map(|delegated| delegated.group(&self.limits)).transpose();
        let group = group.map_err(|error| SandboxError::start(format!("its control group: {error}")))?;
        let confined = self.mode == Mode::Bubblewrap;
        let (command, program, search, made) = if confined {
            let (found, mounts) = self.find_confined(&spec)?;
            let (command, made) = self.confined_command(&spec, &mounts)?;
            (command, found.path, found.search, Some(made))
        } else {
            if let Some(forward) = spec.forwards.first() {
                return Err(SandboxError::Forward { port: forward.port, why: "there is no sandbox to carry it into".to_owned() });
            }
            (vec![SHIM.into(), INSIDE.into()], self.find_unconfined(&spec.program)?, Vec::new(), None)
        };
        let walled = group.is_some();
        let limits = InsideLimits {
            memory_bytes: self.limits.memory_bytes.filter(|_| !walled),
            tasks: self.limits.processes.filter(|_| !walled),
            file_bytes: self.limits.file_bytes,
            // The kernel lets root pass, and an old one counts what the same user runs elsewhere.
            nproc: self.limits.processes.filter(|_| confined && !self.root && counts_by_namespace()).map(with_shim),
        };
        let forwards = spec.forwards.iter().map(|Forward { address, port, .. }| PortForward {
            address: *address,
            port: *port,
            socket: confine::socket_inside(*address, *port).into_os_string(),
        });
        let setup = Setup {
            program: program.into_os_string(),
            args: spec.args,
            env: self.environment(spec.env, &search),
            cwd: spec.cwd.into_os_string(),
            forwards: forwards.collect(),
            limits,
        };
        let shim = OwnedFd::from(self.shim.try_clone().map_err(SandboxError::start)?);
        Ok(Prepared { launch: Launch { command, shim, setup, stdin: spec.stdin, confined, group }, _made: made })
    }

    /// The program, and every mount that it and the run need.
    fn find_confined(&self, spec: &Spec) -> Result<(Found, Vec<Mount>), SandboxError> {
        let read_only = |(source, target): (PathBuf, PathBuf)| Mount { source, target, access: MountAccess::Read };
        let mut mounts = self.guard.mounts(&spec.mounts)?;
        let configured = self.always.iter().filter(|(real, named)| !(confine::is_base(named) && real == named));
        mounts.extend(configured.cloned().map(read_only));
        let is_inside = |path: &Path| mounts.iter().any(|mount| mount.source != mount.target && path.starts_with(&mount.target));
        let has_folder = spec.program.components().count() > 1;
        if has_folder && (spec.program.is_relative() || is_inside(&spec.program)) {
            return Ok((Found { path: spec.program.clone(), ..Found::default() }, mounts));
        }
        let found = {
            let seen = |path: &Path| {
                let as_is = |mount: &Mount| mount.source == mount.target && path.starts_with(&mount.target);
                confine::is_base(path) || mounts.iter().any(as_is)
            };
            let admit = |path: &Path| self.guard.foreign(path);
            Search { folders: &self.search_folders(), visible: &seen, admit: &admit }.find(&spec.program)?
        };
        mounts.extend(found.mounts.iter().cloned().map(read_only));
        Ok((found, mounts))
    }

    fn find_unconfined(&self, program: &Path) -> Result<PathBuf, SandboxError> {
        if program.components().count() > 1 {
            return Ok(program.to_owned());
        }
        let search = Search { folders: &self.search_folders(), visible: &|_| true, admit: &|path| Ok(path.to_owned()) };
        let missing =
            || SandboxError::Program { name: program.display().to_string(), why: "it is not found on this machine".to_owned() };
        search.look_up(program).ok_or_else(missing)
    }

    fn search_folders(&self) -> Vec<PathBuf> {
        let ours = std::env::var_os("PATH").unwrap_or_default();
        self.path.iter().cloned().chain(std::env::split_paths(&ours)).filter(|folder| folder.is_absolute()).collect()
    }

    fn confined_command(&self, spec: &Spec, mounts: &[Mount]) -> Result<(Vec<OsString>, tempfile::TempDir), SandboxError> {
        let mut sockets = Vec::new();
        for Forward { address, port, socket } in &spec.forwards {
            let failed = |why: String| SandboxError::Forward { port: *port, why: format!("{}: {why}", socket.display()) };
            let meta = fs::metadata(socket).map_err(|error| failed(error.to_string()))?;
            if !meta.file_type().is_socket() {
                return Err(failed("it is not a socket".to_owned()));
            }
            sockets.push((confine::socket_inside(*address, *port), socket.clone()));
        }
        let made = tempfile::tempdir().map_err(SandboxError::start)?;
        let layout = Layout { mounts, sockets: &sockets, tmp_bytes: self.limits.tmp_bytes, made: &made };
        let arguments = layout.arguments().map_err(SandboxError::start)?;
        let mut command: Vec<OsString> = Vec::new();
        if self.root {
            command.extend([SHIM.into(), INSIDE.into(), OUTER.into()]);
        }
        command.push(self.bubblewrap.clone().into_os_string());
        command.extend(arguments);
        command.extend(["--".into(), SHIM.into(), INSIDE.into()]);
        Ok((command, made))
    }

    fn environment(&self, mut env: BTreeMap<String, String>, companions: &[PathBuf]) -> BTreeMap<String, String> {
        let asked = env.get("PATH").map(OsString::from).or_else(|| match self.mode {
            Mode::Bubblewrap => None,
            Mode::None => std::env::var_os("PATH"),
        });
        let path = search_path(&self.path, asked.as_deref(), companions);
        env.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
        env
    }
}

fn with_shim(processes: u64) -> u64 {
    processes.saturating_add(SHIM_THREADS)
}

/// Since Linux 5.14 `RLIMIT_NPROC` counts for each user namespace; before, for all of the user's processes.
fn counts_by_namespace() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(14))
}
