//! `forgehand localforge`: the small embedded forge, alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::localforge::{self, LocalForgeError, Options};

use super::CliError;

/// Arguments of `localforge`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that holds everything it knows
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where it listens; loopback only
    #[arg(long, value_name = "127.0.0.1:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// An administrator to make, if there is none of that name
    #[arg(long, value_name = "NAME:PASSWORD")]
    admin: Option<String>,
}

/// Serves until it is interrupted.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let admin = match &arguments.admin {
        None => None,
        Some(text) => match text.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => Some((name.to_owned(), password.to_owned())),
            _ => return Err(CliError::usage("--admin needs a name and a password", "write --admin NAME:PASSWORD")),
        },
    };
    let options = Options { data: arguments.data.clone(), listen: arguments.listen, admin, root_url: None };
    super::block_on(async {
        let say = |forge: &localforge::LocalForge| anstream::println!("localforge listens on {}", forge.url());
        localforge::serve(options, say, super::run::interrupted()).await.map_err(of_localforge)
    })?
}

/// What stood in its way.
pub(super) fn of_localforge(error: LocalForgeError) -> CliError {
    match error {
        LocalForgeError::NotLoopback(_) => CliError::usage(error.to_string(), "it has no protection for an open network"),
        other => CliError::environment(
            "localforge could not be started",
            other,
            "see whether the port is free and the folder writable",
        ),
    }
}
