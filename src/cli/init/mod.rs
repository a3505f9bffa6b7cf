//! `forgehand init`: sets a forge's repositories up, and writes the configuration.
//!
//! Promises: nothing is changed before all was looked at and agreed to; what is there already stays (labels, webhooks, the
//! configuration's own lines), so that running it again changes nothing; without a terminal it asks nothing and says which flags are missing.
//!
//! Known race: two who set up the same repository at once can each make a label; the next run says so.

mod ask;
mod effects;
mod file;
mod gather;
mod look;
mod propose;

use std::path::{Path, PathBuf};

use url::Url;

use crate::model::{Login, RepoName, Timestamp};

use super::CliError;
use super::setup::{self, Setup};
use ask::Asker;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The forge's address, subpath included
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A repository to take under care; may be given several times
    #[arg(long = "repo", value_name = "OWNER/NAME")]
    repos: Vec<RepoName>,
    /// The variable of the environment that holds the bot's token
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// The file that holds the bot's token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The bot's login, where its token may not ask who it is
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// The variable that holds a token with repository administration: makes the webhook, asks for people's rights
    #[arg(long, value_name = "NAME", conflicts_with = "rights_token_file")]
    rights_token_env: Option<String>,
    /// The file that holds such a token
    #[arg(long, value_name = "FILE")]
    rights_token_file: Option<PathBuf>,
    /// The certificate (PEM) of the private authority that signed the forge's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Who does the work
    #[arg(long, value_enum, value_name = "BACKEND")]
    backend: Option<BackendName>,
    /// The words of the agent's command, for `--backend command`
    #[arg(long, num_args = 1.., value_name = "WORD")]
    command: Vec<String>,
    /// A command that verifies a commit; may be given several times [default: read from the lock file]
    #[arg(long, value_name = "COMMAND")]
    verify: Vec<String>,
    /// A command that runs before agent and verification; may be given several times [default: read from the lock file]
    #[arg(long, value_name = "COMMAND")]
    setup: Vec<String>,
    /// A host that the setup may reach; may be given several times [default: by the lock file]
    #[arg(long, value_name = "HOST")]
    network: Vec<String>,
    /// A folder below HOME that the setup fills and agents only read; may be given several times [default: by the lock file]
    #[arg(long = "cache", value_name = "~/FOLDER")]
    caches: Vec<String>,
    /// Which of the issues filed before the first start are triaged too: a date, a time, or `all`
    #[arg(long, value_name = "DATE|all", value_parser = since)]
    since: Option<String>,
    /// Where the forge reaches the daemon's webhook, such as https://bot.example/hooks/forgejo
    #[arg(long, value_name = "URL")]
    webhook: Option<Url>,
    /// Where the daemon listens for it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: std::net::SocketAddr,
    /// Where journal, mirrors and workspaces go [default: ~/.local/state/forgehand]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Protect the base branches, so that the forge holds back what the policy would: approvals, checks, administrators too; of `[ops]` the
    /// vault. Takes a token that administers
    #[arg(long)]
    protect: bool,
    /// Take every proposal, ask nothing
    #[arg(long, short)]
    yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BackendName {
    /// Headless Claude Code
    Claude,
    /// Any program
    Command,
}

/// A configuration that is there already.
struct Existing {
    setup: Setup,
    text: String,
}

/// Where everything stands.
struct Desk {
    asker: Asker,
    file: PathBuf,
    existing: Option<Existing>,
}

/// Sets up.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let asker = if arguments.yes { Asker::Nobody } else { Asker::here() };
    let found = setup::find_file(config.clone());
    let file = found.clone().or(config).unwrap_or_else(|| PathBuf::from(setup::FILE));
    let file = std::path::absolute(&file).unwrap_or(file);
    let existing = found.is_some().then(|| existing(&file)).transpose()?;
    let desk = Desk { asker, file, existing };
    super::block_on(setting_up(&desk, arguments))?
}

fn existing(file: &Path) -> Result<Existing, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| CliError::usage(format!("{} cannot be read", file.display()), "check its permissions").because(e))?;
    Ok(Existing { setup: Setup::load(Some(file.to_owned()))?, text })
}

async fn setting_up(desk: &Desk, arguments: &Arguments) -> Result<(), CliError> {
    let basics = gather::basics(desk, arguments)?;
    let mut looked = look::all(desk, arguments, &basics).await?;
    let wanted = gather::wanted(desk, arguments, &basics, &mut looked)?;
    let plan = effects::Plan::make(desk, &basics, &looked, &wanted)?;
    for line in plan.lines() {
        anstream::println!("{line}");
    }
    if plan.is_empty() {
        anstream::println!("everything is set up; nothing to do");
        return Ok(());
    }
    if arguments.dry_run {
        return Ok(());
    }
    if !desk.asker.agrees("Shall this be done?", true)? {
        anstream::println!("nothing was changed");
        return Ok(());
    }
    plan.carry_out(&looked).await?;
    anstream::println!("done; `forgehand doctor` checks it all, `forgehand once --dry-run` shows what would happen first");
    Ok(())
}

/// A date, a time, or `all`.
fn since(text: &str) -> Result<String, String> {
    let right = text == "all" || Timestamp::parse(text).is_some() || Timestamp::parse(&format!("{text}T00:00:00Z")).is_some();
    if right { Ok(text.to_owned()) } else { Err("write a date (2026-11-21), a time (2026-11-21T08:00:00Z) or `all`".to_owned()) }
}

fn login(text: &str) -> Login {
    Login(text.trim_start_matches('@').to_owned())
}
