//! How many requests were sent, and how many failed in which way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Method;

use crate::ports::{ForgeError, ForgeErrorKind};

/// How many requests a client sent, retries included, by method; and how many of them failed, by kind.
#[derive(Debug, Default)]
pub struct Counts {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    requests: BTreeMap<&'static str, u64>,
    errors: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Requests, by method.
    pub fn requests(&self) -> Vec<(&'static str, u64)> {
        self.counted().requests.iter().map(|(word, count)| (*word, *count)).collect()
    }

    /// Failures, by kind.
    pub fn errors(&self) -> Vec<(&'static str, u64)> {
        let unreachable = ForgeErrorKind::Unreachable { retry_after: None }.word();
        // There from the start, so that the first failure is seen as an increase.
        let mut all = BTreeMap::from([(unreachable, 0)]);
        all.extend(&self.counted().errors);
        all.into_iter().collect()
    }

    pub(super) fn sent(&self, method: &Method) {
        let word = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            _ => "other",
        };
        *self.counted().requests.entry(word).or_default() += 1;
    }

    pub(super) fn failed(&self, error: &ForgeError) {
        *self.counted().errors.entry(error.kind.word()).or_default() += 1;
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
