//! The webhook: whether it is there, switched on, hears what it must, and whether deliveries arrive.
//!
//! The forge tells nobody what became of a delivery, so what arrived is read from what the daemon noted of it.

use std::time::Duration;

use super::Check;
use super::forge::Bedside;
use crate::cli::CliError;
use crate::cli::deliveries::Deliveries;
use crate::cli::setup::read_secret;
use crate::forge::Hook;
use crate::journal;
use crate::ports::ForgeErrorKind;
use crate::words;

const NAME: &str = "webhook";
/// Where the daemon takes deliveries.
const PATH: &str = "/hooks/forgejo";
/// Without these, people's orders wait for the next poll.
const NEEDED: [&str; 2] = ["issue_label", "issue_comment"];
const MAKE: &str =
    "`forgehand init --webhook https://THIS-MACHINE/hooks/forgejo` makes it, with a token that administers (--rights-token-env)";

/// How it stands with it.
pub(super) async fn webhook(bedside: &Bedside<'_>) -> Check {
    let (setup, repo) = (&bedside.patient.setup, &bedside.project.repo);
    let daemon = &setup.config.daemon;
    let (Some(listen), Some(secret)) = (daemon.listen, &daemon.webhook_secret) else {
        return Check::ok(NAME, format!("{repo}: none is configured; polling sees everything a little later"));
    };
    if let Err(error) = read_secret(secret, "the webhook's secret") {
        return Check::error(NAME, &error);
    }
    let seen = match hook_there(bedside).await {
        Seen::Check(check) => return check,
        Seen::Hook(says) => says,
    };
    if journal::is_written(&setup.state_dir) && !is_open(listen).await {
        let says = format!("{repo}: a daemon runs, but nobody answers at {listen}");
        return Check::warn(
            NAME,
            says,
            "see what `forgehand status` and the log say: it could not listen there, or takes that up at its next start",
        );
    }
    arrivals(bedside, seen)
}

enum Seen {
    Check(Check),
    Hook(&'static str),
}

async fn hook_there(bedside: &Bedside<'_>) -> Seen {
    let repo = &bedside.project.repo;
    let listed = match bedside.patient.rights() {
        Some(Ok(client)) => client.hooks(repo).await,
        Some(Err(error)) => return Seen::Check(Check::error(NAME, &error)),
        None => bedside.client.hooks(repo).await,
    };
    let hooks = match listed {
        // Only who administers sees them: what arrives is all there is to go by.
        Err(error) if error.kind == ForgeErrorKind::Denied => {
            return Seen::Hook("whether it is there needs a token that administers");
        }
        Err(error) => return Seen::Check(Check::error(NAME, &CliError::from(error))),
        Ok(hooks) => hooks,
    };
    let ours = |hook: &&Hook| hook.url.trim_end_matches('/').ends_with(PATH);
    let Some(hook) = hooks.iter().find(ours) else {
        return Seen::Check(Check::warn(NAME, format!("{repo}: no webhook points to {PATH}"), MAKE));
    };
    if !hook.active {
        let says = format!("{repo}: the webhook to {} is switched off", hook.url);
        return Seen::Check(Check::warn(NAME, says, "switch it on in the repository's settings"));
    }
    let deaf: Vec<&str> = NEEDED.into_iter().filter(|event| !hook.events.iter().any(|heard| heard == event)).collect();
    if !deaf.is_empty() {
        let says = format!("{repo}: the webhook to {} does not hear {}", hook.url, deaf.join(", "));
        return Seen::Check(Check::warn(NAME, says, "switch on all issue and pull request events in the repository's settings"));
    }
    Seen::Hook("it is there and switched on")
}

/// Whether somebody listens there.
async fn is_open(listen: std::net::SocketAddr) -> bool {
    let connected = tokio::time::timeout(Duration::from_secs(3), tokio::net::TcpStream::connect(listen)).await;
    matches!(connected, Ok(Ok(_)))
}

fn arrivals(bedside: &Bedside<'_>, seen: &str) -> Check {
    let repo = &bedside.project.repo;
    let deliveries = Deliveries::read(&bedside.patient.setup.state_dir);
    if let Some(refused) = deliveries.trouble() {
        let says = format!("{repo}: {}", words::turned_away(&refused.why, refused.at));
        return Check::warn(
            NAME,
            says,
            "give the forge's webhook the secret that `webhook_secret_env` or `webhook_secret_file` names",
        );
    }
    match deliveries.delivered.get(repo) {
        Some(at) => Check::ok(NAME, format!("{repo}: {seen}; the last delivery came at {at}")),
        None => {
            let mend = "with a daemon running, label an issue and look again; the webhook's page on the forge shows what became of its deliveries \
                        (a private address needs [webhook] ALLOWED_HOST_LIST there)";
            Check::warn(NAME, format!("{repo}: {seen}; no delivery has arrived yet"), mend)
        }
    }
}
