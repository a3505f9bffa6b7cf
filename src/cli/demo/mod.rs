//! `forgehand demo`: the whole line, from a report to a pull request, on the embedded forge.
//!
//! Real are the forge's protocol, git, the daemon (a process of its own, started as anybody would start it), its journal and the
//! sandbox. Scripted is the agent, unless `--agent claude` is given; it is announced as that. The demo itself plays the people: it reports
//! the issues, and merges a pull request when another issue waits for that. What is of low blast radius forgehand merges by itself; what waits
//! for the word of a person is left waiting.
//!
//! Promises: exit 0 only if every issue ended where it should, judged by what stands on the forge; whatever is started is ended, and the
//! folder removed unless it is to be kept. A kept folder that is opened again goes on where it was.

mod board;
mod daemon;
mod example;
mod folder;
mod script;
mod verdict;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::ValueEnum;

use crate::localforge::{LocalForge, LocalForgeError, Options, Seed};
use crate::sandbox::{self, Sandbox};

use super::localforge::of_localforge;
use super::run::interrupted;
use super::setup::Setup;
use super::{CliError, Kind};
use board::Screen;
use daemon::Daemon;
use example::{End, MAINTAINER, Numbers, REPO, Story};
use folder::Folder;
pub(super) use script::run as scripted;
use verdict::Verdict;
use watch::Watch;

/// How often the demo looks at the journal.
const LOOK: Duration = Duration::from_millis(150);
/// Requests of the daemon after which it has looked at the forge twice: a look costs two.
const LOOKED: u64 = 4;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Who does the work
    #[arg(long, value_enum, default_value_t = AgentKind::Scripted)]
    agent: AgentKind,
    /// Keep forge, configuration and state in this folder; one of an earlier demo is opened again
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Keep everything up to click around, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Give up after this time, as in 90s [default: 4m, with claude 45m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    limit: Option<Duration>,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AgentKind {
    /// Forgehand itself, by a script: costs nothing and needs nothing
    Scripted,
    /// Claude Code, with your credentials
    Claude,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).ok_or_else(|| "write it as 90s or 5m".to_owned())
}

/// Shows it.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    super::block_on(demo(arguments))?
}

async fn demo(arguments: &Arguments) -> Result<(), CliError> {
    let mut stop = pin!(interrupted());
    let mut folder = Folder::open(arguments.keep.as_deref())?;
    let forge = open_forge(&mut folder).await?;
    let shown = tokio::select! {
        biased;
        () = &mut stop => Err(cut()),
        staged = stage(&forge, &folder, arguments.agent) => match staged {
            Ok((setup, numbers)) => show(arguments, &Stage { forge: &forge, folder: &folder, setup, numbers }, stop).await,
            Err(error) => Err(error),
        },
    };
    forge.shutdown().await;
    shown
}

/// Everything that stands before the daemon starts.
struct Stage<'a> {
    forge: &'a LocalForge,
    folder: &'a Folder,
    setup: Setup,
    numbers: Numbers,
}

async fn open_forge(folder: &mut Folder) -> Result<LocalForge, CliError> {
    let password = folder.record.passwords.get(MAINTAINER).cloned().unwrap_or_default();
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options =
        |listen| Options { data: folder.forge(), listen, admin: Some((MAINTAINER.to_owned(), password.clone())), root_url: None };
    // Where it listened before, so that old links hold; elsewhere if that is taken by now.
    let forge = match LocalForge::start(options(folder.record.listen.unwrap_or(free))).await {
        Err(LocalForgeError::Listen { .. }) => LocalForge::start(options(free)).await,
        other => other,
    };
    let forge = forge.map_err(of_localforge)?;
    folder.record.listen = forge.url().strip_prefix("http://").and_then(|address| address.parse().ok());
    folder.remember()?;
    Ok(forge)
}

async fn stage(forge: &LocalForge, folder: &Folder, agent: AgentKind) -> Result<(Setup, Numbers), CliError> {
    let seed = forge.seed();
    let numbers = example::prepare(&seed, &folder.record.passwords).await.map_err(of_localforge)?;
    for (login, token) in folder.tokens() {
        if !token.exists() {
            let made = example::token(&seed, login).await.map_err(of_localforge)?;
            folder::write_private(&token, &made).map_err(|e| failed(&token, e))?;
        }
    }
    let sandbox = try_sandbox();
    let file = folder.configure(&forge.url(), agent, sandbox.is_ok())?;
    let setup = Setup::load(Some(file))?;
    if !setup.has_credentials() {
        let hint = "set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, or sign in with `claude`; without --agent it needs none";
        return Err(CliError::usage("there are no credentials for claude", hint));
    }
    anstream::println!("forge    {}/{REPO} (localforge, in this process)", forge.url());
    anstream::println!("folder   {}", folder.path.display());
    match agent {
        AgentKind::Scripted => anstream::println!("agent    scripted: forgehand itself plays the agent, no model is asked"),
        AgentKind::Claude => anstream::println!("agent    claude, with your credentials: this costs money or quota"),
    }
    match sandbox {
        Ok(()) => anstream::println!("sandbox  bubblewrap"),
        Err(why) => anstream::println!("sandbox  none: {why}; agent and verification run unconfined"),
    }
    Ok((setup, numbers))
}

/// Whether a sandbox can be had here.
fn try_sandbox() -> Result<(), String> {
    let options = sandbox::Options {
        mode: sandbox::Mode::Bubblewrap,
        shim: std::env::current_exe().map_err(|e| e.to_string())?,
        read: Vec::new(),
        path: Vec::new(),
        forbidden: Vec::new(),
        own: Vec::new(),
        limits: sandbox::Limits::default(),
    };
    Sandbox::open(options).map(drop).map_err(|e| e.to_string())
}

/// Runs the daemon until each issue is where it should be, and tells.
async fn show(
    arguments: &Arguments,
    stage: &Stage<'_>,
    mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> Result<(), CliError> {
    let mut daemon = Daemon::start(&stage.setup.file, stage.folder.log())?;
    let limit = arguments.limit.unwrap_or(match arguments.agent {
        AgentKind::Scripted => Duration::from_mins(4),
        AgentKind::Claude => Duration::from_mins(45),
    });
    anstream::println!("daemon   forgehand --config {} run\n", stage.setup.file.display());
    let told = tokio::select! {
        biased;
        () = &mut stop => None,
        told = perform(arguments.agent, limit, stage, &mut daemon) => Some(told),
    };
    if arguments.serve && told.is_some() {
        say_how_to_look(stage);
        stop.await;
    }
    daemon.stop().await;
    if arguments.keep.is_some() {
        let listen = stage.folder.record.listen.map(|address| format!(" --listen {address}")).unwrap_or_default();
        anstream::println!("\nkept in {}", stage.folder.path.display());
        anstream::println!("  go on:         forgehand demo --keep {} --serve", stage.folder.path.display());
        anstream::println!("  its forge:     forgehand localforge --data {}{listen}", stage.folder.forge().display());
        anstream::println!("  what happened: forgehand --config {} logs", stage.setup.file.display());
    }
    told.unwrap_or_else(|| Err(cut()))
}

async fn perform(agent: AgentKind, limit: Duration, stage: &Stage<'_>, daemon: &mut Daemon) -> Result<(), CliError> {
    let seed = stage.forge.seed();
    let mut screen = Screen::new();
    let mut watch = Watch::new(&stage.setup)?;
    let acted = tokio::time::timeout(limit, act(agent, stage, daemon, &mut watch, &mut screen)).await;
    screen.clear();
    let verdicts = verdict::judge(&seed, &stage.numbers, &watch, agent).map_err(of_localforge)?;
    report(&verdicts);
    let why = match acted {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(_elapsed) => format!("the time is up, {} s", limit.as_secs_f32()),
    };
    let missing: Vec<String> = verdicts.iter().filter(|v| v.came.is_err()).map(|v| format!("#{}", v.number)).collect();
    anstream::eprintln!("\nthe last lines of the daemon's log:\n{}", daemon.tail());
    let what = format!("the demo did not end where it should: {} is missing", missing.join(", "));
    Err(CliError::new(
        Kind::Internal,
        what,
        "`forgehand demo --keep DIR` keeps everything to look at; --limit gives it more time",
    )
    .because(why))
}

/// Follows the daemon and plays the maintainer, until each issue is where it should be.
async fn act(
    agent: AgentKind,
    stage: &Stage<'_>,
    daemon: &mut Daemon,
    watch: &mut Watch<'_>,
    screen: &mut Screen,
) -> Result<(), String> {
    let seed = stage.forge.seed();
    watch.show(screen);
    loop {
        let plan = watch.catch_up(screen);
        if let Some(status) = daemon.ended() {
            return Err(format!("the daemon ended by itself: {status}"));
        }
        let wanted = stage.numbers.values().any(|number| watch.waits_for_others(&plan, *number));
        let verdicts = verdict::judge(&seed, &stage.numbers, watch, agent).map_err(|e| e.to_string())?;
        // What was verified on a base that moves on is not merged, so what is merged alone comes first.
        let settled = verdicts.iter().filter(|v| v.story.end() == End::MergedAlone).all(|v| v.came.is_ok());
        let offered = stage.numbers.get(&Story::Plain).filter(|number| wanted && settled && watch.rests(**number));
        if let Some(number) = offered {
            merge(&seed, *number, screen).await.map_err(|e| e.to_string())?;
        }
        // In a folder that is opened again all may look well before the daemon has looked.
        let looked = watch.has_begun() && stage.forge.request_count() >= LOOKED;
        if looked && verdicts.len() == stage.numbers.len() && verdicts.iter().all(|verdict| verdict.came.is_ok()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The maintainer merges what was done for an issue, if it is there and not merged yet.
async fn merge(seed: &Seed, number: u64, screen: &Screen) -> Result<(), LocalForgeError> {
    let head = format!("claude/issue-{number}");
    let open = |pull: &crate::localforge::PullView| pull.head == head && pull.issue.open && !pull.merged;
    if let Some(pull) = seed.pulls(REPO)?.into_iter().find(open) {
        let pull = pull.issue.number;
        screen.say(&format!(
            "--  {MAINTAINER}, played by the demo, merges pull request #{pull}, because another issue waits for #{number}"
        ));
        seed.merge_pull(REPO, MAINTAINER, pull).await?;
    }
    Ok(())
}

fn report(verdicts: &[Verdict]) {
    anstream::println!("\nWhat became of them:");
    for verdict in verdicts {
        let (mark, came) = match &verdict.came {
            Ok(came) => ("ok  ", came.clone()),
            Err(standing) => ("MISS", format!("not where it should be: {standing}")),
        };
        anstream::println!("{mark} #{} {}: {came}", verdict.number, verdict.story.title());
        for link in &verdict.links {
            anstream::println!("       {link}");
        }
    }
}

fn say_how_to_look(stage: &Stage<'_>) {
    anstream::println!("\neverything stays up until Ctrl-C: {}/{REPO}", stage.forge.url());
    anstream::println!("approve a pull request that waits, as {MAINTAINER}, and forgehand merges it");
    for (login, password) in &stage.folder.record.passwords {
        anstream::println!("  sign in as {login:<10} {password}");
    }
}

fn cut() -> CliError {
    CliError::environment("the demo was interrupted", "a signal asked for it", "with --keep DIR it can go on where it was")
}

/// A file or folder of the demo's stood in its way.
fn failed(path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::environment(format!("{} cannot be used", path.display()), why, "see whether it is writable and the disk has room")
}
