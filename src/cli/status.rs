//! `forgehand status`: the board.

use std::path::PathBuf;

use crate::journal::History;
use crate::model::{Subject, Timestamp};
use crate::plan::{Plan, View};
use crate::ports::Clock;
use crate::words;

use super::CliError;
use super::board::{Board, WebhookRow};
use super::deliveries::Deliveries;
use super::setup::{Known, Setup, SystemClock};

/// Closed issues are on the board for scripts for so long, in milliseconds.
const RECENT: i64 = 7 * 86_400_000;

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// JSON for scripts
    #[arg(long)]
    json: bool,
    /// With --json also the closed issues that came to rest more than a week ago
    #[arg(long, requires = "json")]
    all: bool,
}

/// Shows the board.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = Setup::shown(config)?;
    let history = if arguments.all { History::All } else { History::Since(Timestamp(SystemClock.now().0 - RECENT)) };
    let known = setup.known(&history)?;
    let plan = known.plan();
    let mut board = Board::new(&known.ledger, &known.policy, known.now, |subject| plan.waits.get(subject).cloned());
    board.webhook = setup.config.daemon.listen.map(|_| webhook(&Deliveries::read(&setup.state_dir)));
    if let Some(ops) = &setup.config.ops {
        board.with_unwritten(&ops.repo, super::vault::unwritten(&setup.state_dir));
    }
    board.configuration = super::in_force::report(&setup.state_dir);
    board.accounts = setup.account_reports(&known.ledger, known.now);
    if arguments.json {
        board.with_past(&known.ledger, &known.policy);
        return super::setup::print_json(&board);
    }
    if board.issues.is_empty() && board.projects.is_empty() {
        anstream::println!("no issue carries `portal` or a decision label");
    }
    for line in board.lines(setup.config.projects.len() > 1) {
        anstream::println!("{line}");
    }
    Ok(())
}

fn webhook(deliveries: &Deliveries) -> WebhookRow {
    WebhookRow {
        delivered: deliveries.delivered.iter().map(|(repo, at)| (repo.to_string(), at.to_string())).collect(),
        trouble: deliveries.trouble().map(|refused| words::turned_away(&refused.why, refused.at)),
    }
}

impl Known {
    /// The plan as the daemon would make it now, seen from outside: every project counts as looked at, what is intended as under way.
    pub(super) fn plan(&self) -> Plan {
        let mut view = View { standings: self.standings.clone(), room: self.room, ..View::default() };
        // What could not be renewed is tried again by whoever runs, not by us.
        view.not_renewed = self
            .ledger
            .accounts
            .iter()
            .filter_map(|(name, account)| Some((name.clone(), (self.now, account.not_renewed.clone()?))))
            .collect();
        view.offers_read = Some(self.now);
        view.fresh = self.policy.projects.keys().cloned().collect();
        // What was read is not read again by us.
        let now = || self.ledger.issues().map(|(subject, _): (Subject, _)| (subject, self.now)).collect();
        (view.checked, view.depends_read, view.files_read) = (now(), now(), now());
        if self.daemon_lives {
            view.acting =
                self.ledger.issues().flat_map(|(_, s)| s.open.values().map(|o| o.key.clone()).collect::<Vec<_>>()).collect();
        }
        crate::plan::plan(&self.ledger, &view, &self.policy, self.now)
    }
}
