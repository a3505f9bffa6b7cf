//! What would be done now: reads the forge, decides, and changes nothing.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;
use crate::model::{Intent, Subject};
use crate::plan::Policy;
use crate::scan::Scanner;

use super::core::{Core, Effect, Job};
use super::input::Input;
use super::shell::Ports;
use super::work::{Settings, TextStore, Worker};

/// What would be done.
#[derive(Debug)]
pub struct Preview {
    /// What is known and planned, decisions included that were only made in memory.
    pub core: Core,
    /// The effects that would be made first.
    pub would: Vec<(Subject, Intent)>,
}

impl Preview {
    /// Looks at every project and plans.
    pub async fn make(ledger: Ledger, policy: Policy, settings: Settings, ports: Ports) -> Self {
        let clock = ports.clock.clone();
        let repos = policy.projects.keys().cloned().collect();
        // Texts and secrets belong to effects, and none is made here.
        let worker = Worker::new(ports, settings, TextStore::new(std::path::Path::new("")), Arc::new(Scanner::new(Vec::new())));
        let mut core = Core::on(ledger, policy);
        let mut would = Vec::new();
        let mut inputs = vec![Input::Accounts(worker.standings()), Input::Wake { repos, force: true }];
        let (heard, _unheard) = mpsc::channel(1);
        while let Some(input) = inputs.pop() {
            for effect in core.handle(input, clock.now()) {
                match effect {
                    Effect::Start(job) => match *job {
                        Job::Act { subject, intent, .. } => would.push((subject, intent)),
                        Job::Find { subject, intent, .. } => would.push((subject, intent)),
                        // A dry run renews and says nothing either.
                        Job::Renew(_) | Job::TellOffer { .. } | Job::Vault { .. } => {}
                        job => inputs.push(worker.run(job, heard.clone(), CancellationToken::new()).await),
                    },
                    Effect::Append { .. } | Effect::Cancel(_) | Effect::Alarm(_) => {}
                }
            }
        }
        Self { core, would }
    }
}
