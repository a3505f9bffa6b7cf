//! What a run has spent since its agents began to work side by side: one purse for all of them.

use std::sync::{Mutex, PoisonError};

use crate::model::Usd;

/// The money of a run. Agents that work side by side have one gateway each, and spend from the same purse.
#[derive(Debug, Default)]
pub struct Purse {
    begun: Usd,
    spent: Mutex<Usd>,
}

impl Purse {
    /// Of a run that has spent so much, and whose agents spend nothing now.
    pub fn of(begun: Usd) -> Self {
        Self { begun, spent: Mutex::default() }
    }

    /// What all of them may have spent, where one begins that may spend `budget` beyond what the run had spent by then.
    pub fn limit(&self, budget: Usd, by_then: Usd) -> Usd {
        budget + by_then.minus(self.begun)
    }

    /// What they have spent.
    pub(super) fn spent(&self) -> Usd {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that had cost `before` at `now`; answers with the sum.
    pub(super) fn charge(&self, before: Usd, now: Usd) -> Usd {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = spent.minus(before) + now;
        *spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_begins_later_has_what_the_others_leave() {
        let dollars = Usd::from_dollars;
        let purse = Purse::of(dollars(1.0));
        assert_eq!(purse.limit(dollars(4.0), dollars(1.0)), dollars(4.0));
        assert_eq!(purse.charge(dollars(0.0), dollars(1.5)), dollars(1.5));
        // It is known of one and a half by now, and the run may spend five.
        assert_eq!(purse.limit(dollars(2.5), dollars(2.5)), dollars(4.0));
        assert_eq!(purse.charge(dollars(1.5), dollars(2.0)), dollars(2.0));
        // A call that is under way was not told of: it counts all the same.
        assert_eq!((purse.limit(dollars(2.5), dollars(2.5)), purse.spent()), (dollars(4.0), dollars(2.0)));
    }
}
