//! The machine: git, the agent's program, the sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::skeleton::nearest_existing;
use super::{Check, Patient};
use crate::cli::places::KIND;
use crate::cli::{Kind, wiring};
use crate::config::{Agent, Backend, Looks, Probe};
use crate::model::{AgentName, Risk};
use crate::sandbox::{Exit, Mode, Sandbox, Spec};
use crate::workspace;

/// The oldest git that knows `merge-tree --write-tree`.
const OLDEST_GIT: [u32; 2] = [2, 38];
/// The Claude Code that was measured; an older one is known to lack what is relied on.
const OLDEST_CLAUDE: [u32; 3] = [2, 1, 329];
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn examine(patient: &Patient, checks: &mut Vec<Check>) {
    checks.push(git(patient).await);
    let sandbox = match wiring::open_sandbox(&patient.setup) {
        Ok(sandbox) => {
            checks.push(worth(&sandbox));
            Some(sandbox)
        }
        Err(error) => {
            checks.push(Check::error("sandbox", &error));
            None
        }
    };
    // Several agents mostly share a program.
    let mut seen: Vec<&Backend> = Vec::new();
    for one in patient.setup.config.crew() {
        let same = |other: &&Backend| match (&one.backend, other) {
            (Backend::Claude(one), Backend::Claude(other)) => one.program == other.program,
            (Backend::Command(one), Backend::Command(other)) => one.first() == other.first(),
            (Backend::Claude(_), Backend::Command(_)) | (Backend::Command(_), Backend::Claude(_)) => false,
        };
        if !seen.iter().any(same) {
            seen.push(&one.backend);
            checks.push(agent(one, sandbox.as_ref()).await);
        }
    }
    checks.push(workspace(&nearest_existing(&patient.setup.state_dir)));
    probes(&patient.setup.config.probes, checks);
}

/// Whether the programs and folders are there that probes of the host name.
fn probes(probes: &[Probe], checks: &mut Vec<Check>) {
    const NAME: &str = "probe";
    let before = checks.len();
    let found = |probe: &Probe, key: &str, words: &[String]| {
        let program = words.first().map(String::as_str).unwrap_or_default();
        which::which(program).err().map(|e| {
            let mend = format!("install it, or name another program by `{key}` of [[probe]] {}", probe.name);
            Check::fail(Kind::Environment, NAME, format!("{}: `{program}` is not there: {e}", probe.name), mend)
        })
    };
    for probe in probes {
        checks.extend(match &probe.looks {
            Looks::Command(words) => found(probe, "command", words),
            Looks::Memory { .. } | Looks::Load { .. } => None,
            Looks::Disk { path, .. } => (!path.exists()).then(|| {
                let says = format!("{}: {} is not there", probe.name, path.display());
                Check::fail(Kind::Environment, NAME, says, format!("make it, or name another `disk` of [[probe]] {}", probe.name))
            }),
        });
        checks.extend(probe.mend.as_ref().and_then(|mend| found(probe, "mend", &mend.command)));
    }
    if checks.len() == before && !probes.is_empty() {
        let low = |probe: &&Probe| probe.mend.as_ref().is_some_and(|mend| mend.blast_radius == Risk::Low);
        let (all, low) = (probes.len(), probes.iter().filter(low).count());
        let says = format!("{all} of the host, the memory and the disk of the state folder; {low} are mended without a person");
        checks.push(Check::ok(NAME, says));
    }
}

/// How workspaces are made, and whether the machine would let them be made faster.
fn workspace(on: &Path) -> Check {
    let used = match KIND {
        workspace::Kind::Clone => "a clone that borrows the mirror's objects, every file checked out",
    };
    let overlay = match workspace::overlay(on) {
        Ok(()) => "would be possible here".to_owned(),
        Err(why) => format!("would not be possible here: {why}"),
    };
    Check::ok("workspace", format!("{used}; an overlay over one checkout, which this version does not make, {overlay}"))
}

async fn git(patient: &Patient) -> Check {
    const NAME: &str = "git";
    let mend = "install git 2.38 or newer";
    let Ok(folder) = tempfile::tempdir() else {
        return Check::fail(Kind::Environment, NAME, "no temporary folder can be made", "see whether the disk is full");
    };
    let version = match wiring::open_git(&patient.setup, folder.path(), String::new().into()) {
        Err(error) => return Check::fail(Kind::Environment, NAME, error.says(), mend),
        Ok(git) => git.version().await,
    };
    match version {
        Err(error) => Check::fail(Kind::Environment, NAME, error.to_string(), mend),
        Ok(version) if numbers(&version) < OLDEST_GIT.to_vec() => {
            Check::fail(Kind::Environment, NAME, format!("git {version} is too old"), mend)
        }
        Ok(version) => Check::ok(NAME, format!("git {version}")),
    }
}

/// The numbers at the beginning of a version.
fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version.get(..end).unwrap_or_default().split('.').map_while(|part| part.parse().ok()).collect()
}

fn worth(sandbox: &Sandbox) -> Check {
    const NAME: &str = "sandbox";
    let report = sandbox.describe();
    let lacks = report.lacks.join("; ");
    match (report.mode, &report.root) {
        (Mode::None, _) => {
            let says = format!("there is none, by configuration: {lacks}");
            Check::warn(NAME, says, "take `mode = \"none\"` out of [sandbox] unless you trust every issue and every agent")
        }
        (Mode::Bubblewrap, Some(root)) => Check::warn(
            NAME,
            format!("one was started; {root}; not limited here: {lacks}"),
            "run forgehand as an account of its own",
        ),
        (Mode::Bubblewrap, None) if report.is_walled() => Check::ok(NAME, format!("one was started; not limited here: {lacks}")),
        (Mode::Bubblewrap, None) => {
            let mend = "run it as a systemd service with `Delegate=yes`, where each sandbox gets a control group of its own";
            Check::warn(NAME, format!("one was started; not limited here: {lacks}"), mend)
        }
    }
}

async fn agent(agent: &Agent, sandbox: Option<&Sandbox>) -> Check {
    const NAME: &str = "agent";
    let section = if agent.name == AgentName::usual() { "[agent]".to_owned() } else { format!("[agents.{}]", agent.name) };
    let claude = match &agent.backend {
        Backend::Command(words) => {
            let program = words.first().map(String::as_str).unwrap_or_default();
            return match which::which(program) {
                Ok(path) => Check::ok(NAME, format!("{}", path.display())),
                Err(e) => {
                    let mend = format!("install it, or name another program by `command` in {section}");
                    Check::fail(Kind::Environment, NAME, format!("`{program}` is not there: {e}"), mend)
                }
            };
        }
        Backend::Claude(claude) => claude,
    };
    let pinned = OLDEST_CLAUDE.map(|n| n.to_string()).join(".");
    let install = format!("npm install -g @anthropic-ai/claude-code@{pinned}, or name it by `claude = \"/path\"` in {section}");
    let program = match which::which(&claude.program) {
        Ok(program) => program,
        Err(e) => {
            let says = format!("`{}` is not there: {e}", claude.program.display());
            return Check::fail(Kind::Environment, NAME, says, install);
        }
    };
    let Some(sandbox) = sandbox else {
        let says = format!("{}; its version was not asked for, because there is no sandbox to run it in", program.display());
        return Check::warn(NAME, says, "mend the sandbox first");
    };
    match version_of(sandbox, program.clone()).await {
        Err(why) => {
            Check::fail(Kind::Environment, NAME, format!("{} does not run in the sandbox: {why}", program.display()), install)
        }
        Ok(version) if numbers(&version) < OLDEST_CLAUDE.to_vec() => {
            Check::fail(Kind::Environment, NAME, format!("Claude Code {version} is older than {pinned}"), install)
        }
        Ok(version) => Check::ok(NAME, format!("Claude Code {version}, in the sandbox")),
    }
}

/// What a program answers to `--version`, run as an agent would be.
async fn version_of(sandbox: &Sandbox, program: PathBuf) -> Result<String, String> {
    let home = ("HOME".to_owned(), "/tmp".to_owned());
    let spec = Spec {
        program,
        args: vec!["--version".into()],
        env: BTreeMap::from([home, ("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned())]),
        cwd: PathBuf::from("/tmp"),
        stdin: Vec::new(),
        mounts: Vec::new(),
        forwards: Vec::new(),
    };
    let talk = async {
        let mut process = sandbox.start(spec).await.map_err(|e| e.to_string())?;
        let mut said = Vec::new();
        let heard = (&mut process.stdout).take(4096).read_to_end(&mut said).await;
        heard.map_err(|e| e.to_string())?;
        match process.wait().await.exit {
            Exit::Code(0) => Ok(String::from_utf8_lossy(&said).trim().to_owned()),
            other => Err(format!("`--version` ended with {other:?}")),
        }
    };
    let said = tokio::time::timeout(PATIENCE, talk).await.map_err(|_| "it does not answer".to_owned())??;
    said.split_whitespace().find(|word| !numbers(word).is_empty()).map(str::to_owned).ok_or(format!("it says {said:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("2.39.5") > OLDEST_GIT.to_vec());
        assert!(numbers("2.9.1 (Apple Git-1)") < OLDEST_GIT.to_vec());
        assert!(numbers("2.1.1000") > OLDEST_CLAUDE.to_vec());
        assert!(numbers("nightly").is_empty());
    }
}
