//! Runs a project's verification on one exact commit: in a fresh clone, in the same sandbox as an agent, without the gateway.
//!
//! What it says is evidence, so nothing of an agent's workspace is in it: no build folder, no HOME, no file that was not committed.

use std::path::PathBuf;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RealHands;
use super::batch::{self, Stopped};
use super::places::Place;
use super::site::{NETWORK_PORT, Site, cancelled, environment, proxy_env, sandbox_failed};
use super::supervise::Exit;
use crate::model::{Access, CommandRun, Evidence};
use crate::ports::{HandError, VerifyOrder};
use crate::sandbox::{Forward, Process, Spec};

const WHAT: &str = "verifying a commit";

impl RealHands {
    pub(super) async fn verification(&self, order: &VerifyOrder, cancel: &CancellationToken) -> Result<Evidence, HandError> {
        if cancel.is_cancelled() {
            return Err(cancelled(WHAT));
        }
        let place = self.options.places.check_out(order).await?;
        let evidence = self.verify_in(&place, order, cancel).await;
        if let Err(error) = self.options.places.drop_check_out(order).await {
            tracing::warn!(run = %order.run, %error, "the clone of a verification stays");
        }
        evidence
    }

    async fn verify_in(&self, place: &Place, order: &VerifyOrder, cancel: &CancellationToken) -> Result<Evidence, HandError> {
        let egress = self.open_egress(&order.run, &order.network).await?;
        let socket = egress.as_ref().map(|(_, socket)| socket.clone());
        let deadline = Instant::now() + self.options.verify_limit;
        let mut evidence = Evidence { sha: order.sha.clone(), commands: Vec::new(), passed: true, timed_out: false };
        for command in &order.commands {
            let process = self.start_verification(place, command, socket.clone()).await?;
            let finished = batch::run(process, deadline, &self.options.limits, &self.options.redact, cancel).await;
            let finished = finished.map_err(|error| environment(WHAT, error))?;
            if finished.stopped == Some(Stopped::Cancelled) {
                return Err(cancelled(WHAT));
            }
            evidence.timed_out = finished.stopped == Some(Stopped::TimedOut);
            evidence.passed = finished.exit == Exit::Code(0) && !evidence.timed_out;
            let (exit, tail) = match finished.exit {
                Exit::Code(code) => (Some(code), finished.tail),
                Exit::Broken(how) => (None, format!("{}\n(ended by {how})", finished.tail).trim_start().to_owned()),
            };
            evidence.commands.push(CommandRun {
                command: command.clone(),
                // A limit ended it, whatever it made of that.
                exit: exit.filter(|_| !evidence.timed_out),
                millis: u64::try_from(finished.took.as_millis()).unwrap_or(u64::MAX),
                tail,
            });
            if !evidence.passed {
                break;
            }
        }
        if let Some((egress, _)) = egress {
            egress.close().await;
        }
        Ok(evidence)
    }

    async fn start_verification(&self, place: &Place, command: &str, socket: Option<PathBuf>) -> Result<Process, HandError> {
        let site = Site::new(&self.options.sandbox, place, Access::Write);
        let mut env = site.env();
        if socket.is_some() {
            env.extend(proxy_env(NETWORK_PORT));
        }
        let spec = Spec {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".into(), command.into()],
            env: env.into_iter().collect(),
            cwd: site.tree,
            stdin: Vec::new(),
            mounts: site.mounts,
            forwards: socket.into_iter().map(|socket| Forward { port: NETWORK_PORT, socket }).collect(),
        };
        self.options.sandbox.start(spec).await.map_err(|error| sandbox_failed(WHAT, &error))
    }
}
