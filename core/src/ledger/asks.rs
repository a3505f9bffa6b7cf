//! What live runs asked the vault for.

use super::Ledger;
use crate::model::PullNumber;

impl Ledger {
    /// The pull requests by which they did, of those that are not known to be closed.
    pub fn asked_pulls(&self) -> impl Iterator<Item = PullNumber> {
        let runs = self.issues().flat_map(|(_, state)| state.lives());
        runs.flat_map(|run| run.asks.values()).filter(|ask| !ask.closed).filter_map(|ask| ask.pull)
    }

    /// One is not open any more.
    pub(super) fn ask_closed(&mut self, pull: PullNumber) {
        let issues = self.projects.values_mut().flat_map(|project| project.issues.values_mut());
        let runs = issues.flat_map(|state| state.run.iter_mut().chain(&mut state.stepped_back)).filter(|run| run.ended.is_none());
        let asks = runs.flat_map(|run| run.asks.values_mut()).filter(|ask| ask.pull == Some(pull));
        asks.for_each(|ask| ask.closed = true);
    }
}
