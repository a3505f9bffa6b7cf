//! A line of the journal.

use serde::{Deserialize, Serialize};

use super::{Event, Timestamp};

/// An event as it was journalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// When, by our clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}
