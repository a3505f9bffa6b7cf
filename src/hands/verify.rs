//! Runs a project's verification on one exact commit: in a fresh clone, in the same sandbox as an agent, without the gateway.
//!
//! What it says is evidence, so nothing of an agent's workspace is in it: no build folder, no HOME, no file that was not committed.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RealHands;
use super::batch::{self, Stopped};
use super::places::Place;
use super::setup::{SetUp, SetupFailed, SetupSite, command_run};
use super::shell::Outfit;
use super::site::{Whose, cancelled, environment};
use super::vault::Granted;
use crate::model::{Evidence, TrialItem};
use crate::ports::{HandError, VerifyOrder};
use crate::sandbox::MountAccess;

const WHAT: &str = "verifying a commit";

impl RealHands {
    pub(super) async fn verification(&self, order: &VerifyOrder, cancel: &CancellationToken) -> Result<Evidence, HandError> {
        if cancel.is_cancelled() {
            return Err(cancelled(WHAT));
        }
        let place = self.options.places.check_out(order).await?;
        let evidence = self.verify_in(&place, order, cancel).await;
        if let Err(error) = self.options.places.drop_check_out(order).await {
            tracing::warn!(run = %order.run, step = %order.step, %error, "the clone of a verification stays");
        }
        if let Err(error) = self.ports.give_back_of(&order.run, &order.step) {
            tracing::warn!(run = %order.run, step = %order.step, %error, "the port of a verification is not given back");
        }
        evidence
    }

    async fn verify_in(&self, place: &Place, order: &VerifyOrder, cancel: &CancellationToken) -> Result<Evidence, HandError> {
        let outfit = self.outfit(place, whose(order), &order.given, cancel).await?;
        let evidence = self.verify_with(place, order, &outfit, cancel).await;
        outfit.close().await;
        evidence
    }

    async fn verify_with(
        &self,
        place: &Place,
        order: &VerifyOrder,
        outfit: &Outfit,
        cancel: &CancellationToken,
    ) -> Result<Evidence, HandError> {
        let granted = self.granted(&order.vault).await?;
        let granted = Granted { env: order.item.iter().flat_map(TrialItem::env).collect(), ..granted };
        let commands = match self.set_up_clone(place, order, outfit, cancel).await? {
            Ok(commands) => commands,
            Err(failed) => return self.whose_fault(order, failed, cancel).await,
        };
        let egress = self.open_egress(&whose(order).address(), &order.network).await?;
        let socket = egress.as_ref().map(|(_, socket)| socket.as_path());
        let deadline = Instant::now() + order.timeout.map_or(self.options.verify_limit, |own| own.min(self.options.verify_limit));
        let mut evidence = Evidence { sha: order.sha.clone(), commands, passed: true, timed_out: false };
        for command in &order.commands {
            let process = self.start_command(place, command, (socket, &granted), outfit, WHAT).await?;
            let finished = batch::run(process, deadline, &self.options.limits, &self.options.redact, cancel).await;
            let finished = finished.map_err(|error| environment(WHAT, error))?;
            if finished.stopped == Some(Stopped::Cancelled) {
                return Err(cancelled(WHAT));
            }
            evidence.timed_out = finished.stopped == Some(Stopped::TimedOut);
            let run = command_run(command, finished);
            evidence.passed = run.exit == Some(0);
            evidence.commands.push(run);
            if !evidence.passed {
                break;
            }
        }
        if let Some((egress, _)) = egress {
            egress.close().await;
        }
        Ok(evidence)
    }

    /// The clone becomes what the agent's workspace was: the env file as the run began with it, and `setup`.
    async fn set_up_clone(
        &self,
        place: &Place,
        order: &VerifyOrder,
        outfit: &Outfit,
        cancel: &CancellationToken,
    ) -> Result<SetUp, HandError> {
        if let Some(file) = &order.given.provisions.env_file {
            let env = match self.remember_env(&order.run).await? {
                Some(env) => env,
                None => self.read_env(file).await?,
            };
            self.put_env(place, &env).await?;
        }
        self.run_setup(SetupSite { place, whose: whose(order), given: &order.given, outfit }, None, cancel).await
    }

    /// A setup that fails on an agent's commit, but not on the base, fails by that commit: then it is evidence. If it fails on both it is
    /// nobody's doing.
    async fn whose_fault(
        &self,
        order: &VerifyOrder,
        failed: SetupFailed,
        cancel: &CancellationToken,
    ) -> Result<Evidence, HandError> {
        if order.given.trunk.is_none() {
            return Err(failed.error());
        }
        let cache = self.cache(&order.repo, &order.run, &order.given, cancel).await?;
        let caches = cache.as_ref().map(|held| held.parts(&order.given)).unwrap_or_default();
        // The base's clone is the run's: another step of it may ask the same.
        let making = self.making(&order.repo);
        let _alone = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(cancelled(WHAT)),
            alone = making.lock() => alone,
        };
        let again = self.on_trunk((&order.repo, &order.run), &order.given, (&caches, MountAccess::Read), cancel).await?;
        match again {
            Ok(_) => {
                let SetupFailed { commands, timed_out } = failed;
                Ok(Evidence { sha: order.sha.clone(), commands, passed: false, timed_out })
            }
            Err(_) => Err(failed.error()),
        }
    }
}

fn whose(order: &VerifyOrder) -> Whose<'_> {
    Whose { repo: &order.repo, run: &order.run, step: Some(&order.step) }
}
