//! Running git: an environment of our own making, a process group, a time limit, a bounded output.
//!
//! Races known: a child whose future is dropped is killed with its whole group before tokio reaps the leader, so that the group's number
//! cannot have been given to somebody else. A daemon that is killed leaves its children behind; those that write refs hold the mirror's
//! lock file as their stdin, so that the next daemon waits for them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use url::Url;

use crate::ports::{RepoError, RepoErrorKind};

use super::fault::{environment, failed, from_words};

/// What git says about a failure at most, in bytes; more is read and dropped.
const STDERR: usize = 64 << 10;

/// Settings of every call. There is no system or user file, and the files of our repositories are written by us alone.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.quotePath", "false"),
    ("credential.helper", ""),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("advice.detachedHead", "false"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("checkout.workers", "2"),
    ("protocol.allow", "never"),
];

/// Settings of a call that talks to the forge (`facts/security.md`: git follows a 301 unless told not to).
const SETTINGS_FORGE: &[(&str, &str)] = &[
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("protocol.http.allow", "always"),
    ("protocol.https.allow", "always"),
    ("transfer.fsckObjects", "false"),
];

/// Settings of a call that reads one of our own repositories by its path.
const SETTINGS_OWN: &[(&str, &str)] = &[("protocol.file.allow", "always")];

/// Settings of a call in a repository that is not ours: its own configuration holds otherwise.
const SETTINGS_FOREIGN: &[(&str, &str)] = &[
    // Who asks may read it and nothing of it is run, whoever it belongs to.
    ("safe.directory", "*"),
    ("core.commitGraph", "false"),
];

/// Whom a call talks to, which decides its settings and its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody.
    Here,
    /// Nobody, for long: all objects of a mirror.
    Long,
    /// Nobody, in a repository that somebody else configured.
    Foreign,
    /// Another repository of ours, by its path.
    Own,
    /// The forge, with a small question or a small push: a claim is renewed every 3 minutes and lasts 10.
    Ask,
    /// The forge, with objects.
    Transfer,
}

impl Reach {
    fn limit(self) -> Duration {
        match self {
            Self::Here | Self::Foreign | Self::Own => Duration::from_secs(300),
            Self::Ask => Duration::from_secs(100),
            Self::Transfer | Self::Long => Duration::from_secs(1800),
        }
    }

    fn is_forge(self) -> bool {
        matches!(self, Self::Ask | Self::Transfer)
    }

    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Here | Self::Long => &[],
            Self::Foreign => SETTINGS_FOREIGN,
            Self::Own => SETTINGS_OWN,
            Self::Ask | Self::Transfer => SETTINGS_FORGE,
        }
    }
}

/// What a child reads.
#[derive(Debug)]
pub(super) enum Input {
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file from where it stands. A lock file (empty) is given so too: the child holds the lock for as long as it lives.
    File(File),
}

/// One call of git.
#[derive(Debug)]
pub(super) struct Call {
    what: String,
    args: Vec<OsString>,
    dir: PathBuf,
    reach: Reach,
    input: Input,
    most: usize,
}

impl Call {
    /// A call on a bare repository of ours; `what` says in words what it is for.
    pub(super) fn bare(dir: &Path, what: impl Into<String>) -> Self {
        let mut git_dir = OsString::from("--git-dir=");
        git_dir.push(dir);
        Self {
            what: what.into(),
            args: vec![git_dir],
            dir: dir.to_owned(),
            reach: Reach::Here,
            input: Input::Nothing,
            most: 64 << 20,
        }
    }

    /// A call on a fresh checkout of ours, before anybody else gets it.
    pub(super) fn tree(dir: &Path, what: impl Into<String>) -> Self {
        let mut call = Self::bare(&dir.join(".git"), what);
        let mut tree = OsString::from("--work-tree=");
        tree.push(dir);
        call.dir = dir.to_owned();
        call.arg(tree)
    }

    /// A call that makes a repository.
    pub(super) fn nowhere(cwd: &Path, what: impl Into<String>) -> Self {
        let mut call = Self::bare(cwd, what);
        call.args.clear();
        call
    }

    /// A call in a folder of somebody's repository: only ever one that looks names and commits up.
    pub(super) fn foreign(dir: &Path, what: impl Into<String>) -> Self {
        Self::nowhere(dir, what).reach(Reach::Foreign)
    }

    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(super) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(super) fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    pub(super) fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// What git is asked to do: its subcommand.
    fn verb(&self) -> String {
        let verb = self.args.iter().map(|arg| arg.to_string_lossy()).find(|arg| !arg.starts_with('-'));
        verb.unwrap_or_default().into_owned()
    }

    /// Bounds the output, in bytes.
    pub(super) fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }
}

/// What a call ended with.
#[derive(Debug)]
pub(super) struct Output {
    what: String,
    /// The exit code was 0.
    pub(super) good: bool,
    /// The exit code; none where a signal or our own bound ended it.
    pub(super) code: Option<i32>,
    /// What it wrote.
    pub(super) stdout: Vec<u8>,
    /// What it said, cleaned of the token.
    pub(super) stderr: String,
    /// There was more than the bound allows; the rest is missing and git was ended.
    pub(super) cut: bool,
}

impl Output {
    /// The error that this stands for.
    pub(super) fn error(&self) -> RepoError {
        if self.cut {
            return failed(&self.what, "git's output is longer than is accepted");
        }
        from_words(&self.what, &self.stderr)
    }

    /// The output of a call that must succeed.
    pub(super) fn good(self) -> Result<Vec<u8>, RepoError> {
        if self.good && !self.cut { Ok(self.stdout) } else { Err(self.error()) }
    }
}

/// Starts git.
#[derive(Debug)]
pub(super) struct Runner {
    program: PathBuf,
    path: OsString,
    home: PathBuf,
    header_key: String,
    header: SecretString,
    /// Whom the forge's certificate is checked by, where that is not the machine's own list.
    authority: Option<String>,
    secrets: Vec<SecretString>,
}

impl Runner {
    /// Finds git on `PATH`. The header with the token is scoped to the forge's address, so that it can go nowhere else.
    pub(super) fn new(
        home: PathBuf,
        forge: &Url,
        (login, token): (&str, &SecretString),
        authority: Option<&Path>,
    ) -> Result<Self, RepoError> {
        let program = found()?;
        let authority = authority.map(|path| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| environment("looking for `ca_file`", format!("{} is not UTF-8", path.display())))
        });
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{login}:{}", token.expose_secret()));
        Ok(Self {
            program,
            path: path(),
            home,
            header_key: format!("http.{}/.extraHeader", forge.as_str().trim_end_matches('/')),
            header: format!("Authorization: Basic {basic}").into(),
            authority: authority.transpose()?,
            secrets: vec![token.clone(), basic.into()],
        })
    }

    /// For calls that talk to nobody.
    pub(super) fn without_forge(home: PathBuf) -> Result<Self, RepoError> {
        Ok(Self {
            program: found()?,
            path: path(),
            home,
            header_key: String::new(),
            header: SecretString::default(),
            authority: None,
            secrets: Vec::new(),
        })
    }

    /// Runs a call and gives back its output, however it ended. An error is only that it could not be run, or not in its time.
    pub(super) async fn run(&self, call: Call) -> Result<Output, RepoError> {
        let (what, reach, limit, most) = (call.what.clone(), call.reach, call.reach.limit(), call.most);
        let (verb, started) = (call.verb(), Instant::now());
        let (mut child, bytes) = self.start(call)?;
        let group = Group::of(&child);
        let talk = converse(&mut child, bytes, most);
        let Ok(talked) = tokio::time::timeout(limit, talk).await else {
            let kind = match reach {
                Reach::Here | Reach::Long | Reach::Foreign | Reach::Own => RepoErrorKind::Environment,
                Reach::Ask | Reach::Transfer => RepoErrorKind::Unreachable,
            };
            return Err(RepoError { kind, what, why: format!("git did not end within {} s and was stopped", limit.as_secs()) });
        };
        let said = talked.map_err(|e| environment(&what, e))?;
        if !said.cut {
            group.ended();
        }
        let stderr = self.cleaned(&String::from_utf8_lossy(&said.stderr));
        // What each call costs: `RUST_LOG=forgehand::git=debug`, and the benchmark of the start.
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(verb, forge = reach.is_forge(), micros, "git ended");
        Ok(Output { what, good: said.code == Some(0), code: said.code, stdout: said.stdout, stderr, cut: said.cut })
    }

    /// Runs a call that must succeed.
    pub(super) async fn ok(&self, call: Call) -> Result<Vec<u8>, RepoError> {
        self.run(call).await?.good()
    }

    /// Starts a child with nothing of our environment but the path.
    #[expect(clippy::disallowed_methods, reason = "git is started here and nowhere else")]
    fn start(&self, call: Call) -> Result<(Child, Option<Vec<u8>>), RepoError> {
        let mut command = Command::new(&self.program);
        command.args(&call.args).current_dir(&call.dir).env_clear();
        command.env("PATH", &self.path).env("HOME", &self.home).env("LANG", "C").env("LC_ALL", "C");
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", ""),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_LITERAL_PATHSPECS", "1"),
            // What repositories of ours are, whatever a newer git makes of one that is not told.
            ("GIT_DEFAULT_HASH", "sha1"),
            ("GIT_DEFAULT_REF_FORMAT", "files"),
        ] {
            command.env(name, value);
        }
        if call.reach == Reach::Foreign {
            // Over whatever its configuration allows: an object that a partial clone lacks is not fetched, by no program that it names.
            command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_LAZY_FETCH", "1");
        }
        let forge = call.reach.is_forge();
        let auth = forge.then_some((self.header_key.as_str(), self.header.expose_secret()));
        let authority = self.authority.as_deref().filter(|_| forge).map(|path| ("http.sslCAInfo", path));
        let settings = SETTINGS.iter().chain(call.reach.settings()).copied().chain(auth).chain(authority);
        let mut count = 0;
        for (key, value) in settings {
            command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        let (stdin, bytes) = match call.input {
            Input::Nothing => (Stdio::null(), None),
            Input::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
            Input::File(file) => (Stdio::from(file), None),
        };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|e| environment(&call.what, format!("git could not be started: {e}")))?;
        Ok((child, bytes))
    }

    /// A text without our token, in whatever form git may have repeated it.
    fn cleaned(&self, said: &str) -> String {
        self.secrets
            .iter()
            .filter(|s| !s.expose_secret().is_empty())
            .fold(said.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"))
    }
}

/// The program.
fn found() -> Result<PathBuf, RepoError> {
    which::which("git").map_err(|e| environment("looking for git", format!("{e}: install git and put it on PATH")))
}

/// Where it finds others.
fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())
}

/// A child's process group, killed when this is dropped before the child has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended by itself just now: then there is nobody to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// What was heard of a child.
struct Said {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    cut: bool,
}

/// Why listening ended before the child did.
enum Early {
    Cut(Vec<u8>),
    Broken(std::io::Error),
}

/// Feeds a child, hears it out and waits for its end; stops early where it says more than `most` bytes.
async fn converse(child: &mut Child, bytes: Option<Vec<u8>>, most: usize) -> std::io::Result<Said> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut pipe), Some(bytes)) = (stdin, bytes) {
            // A child that does not want to hear more says why in its exit code.
            let _ = pipe.write_all(&bytes).await;
        }
        Ok(())
    };
    let listen = async {
        let Some(pipe) = stdout else { return Ok(Vec::new()) };
        match hear(pipe, most).await {
            Ok(out) if out.len() > most => Err(Early::Cut(out)),
            Ok(out) => Ok(out),
            Err(e) => Err(Early::Broken(e)),
        }
    };
    let complain = async {
        let Some(mut pipe) = stderr else { return Ok(Vec::new()) };
        let words = hear(&mut pipe, STDERR).await.map_err(Early::Broken)?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.map_err(Early::Broken)?;
        Ok(words)
    };
    match tokio::try_join!(feed, listen, complain) {
        Ok(((), stdout, stderr)) => Ok(Said { code: child.wait().await?.code(), stdout, stderr, cut: false }),
        Err(Early::Cut(stdout)) => Ok(Said { code: None, stdout, stderr: Vec::new(), cut: true }),
        Err(Early::Broken(e)) => Err(e),
    }
}

/// Reads to the end, or one byte further than `most`.
async fn hear(pipe: impl AsyncRead + Unpin, most: usize) -> std::io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    pipe.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut heard).await?;
    Ok(heard)
}
