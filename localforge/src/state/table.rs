//! A table of records that remembers which of them changed, so that the store writes only those.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One changed record as it goes to the store: table, key, and the record or nothing where it was removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change(pub String, pub Value, pub Option<Value>);

/// Records by key, in order.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    name: &'static str,
    rows: BTreeMap<K, V>,
    changed: BTreeSet<K>,
}

impl<K, V> Table<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    pub fn new(name: &'static str) -> Self {
        Self { name, rows: BTreeMap::new(), changed: BTreeSet::new() }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// The record to be changed; it is written again.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    pub fn insert(&mut self, key: K, row: V) {
        self.changed.insert(key.clone());
        self.rows.insert(key, row);
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.rows.values()
    }

    pub fn range(&self, keys: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(keys)
    }

    /// What changed since this was last asked, as it stands now.
    pub fn take_changes(&mut self, out: &mut Vec<Change>) -> serde_json::Result<()> {
        for key in std::mem::take(&mut self.changed) {
            out.push(self.change(&key)?);
        }
        Ok(())
    }

    /// Every record, for a new snapshot.
    pub fn snapshot(&self, out: &mut Vec<Change>) -> serde_json::Result<()> {
        for key in self.rows.keys() {
            out.push(self.change(key)?);
        }
        Ok(())
    }

    /// Takes back what was written.
    pub fn load(&mut self, key: Value, row: Option<Value>) -> serde_json::Result<()> {
        let key: K = serde_json::from_value(key)?;
        match row {
            Some(row) => self.rows.insert(key, serde_json::from_value(row)?),
            None => self.rows.remove(&key),
        };
        Ok(())
    }

    fn change(&self, key: &K) -> serde_json::Result<Change> {
        let row = self.rows.get(key).map(serde_json::to_value).transpose()?;
        Ok(Change(self.name.to_owned(), serde_json::to_value(key)?, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_reported_once_and_loads_again() {
        let mut table: Table<u64, String> = Table::new("words");
        table.insert(1, "one".into());
        table.insert(2, "two".into());
        table.remove(&2);
        let mut changes = Vec::new();
        table.take_changes(&mut changes).unwrap();
        table.take_changes(&mut changes).unwrap();
        assert_eq!(changes.len(), 2, "nothing is reported a second time");

        let mut again: Table<u64, String> = Table::new("words");
        for Change(_, key, row) in changes {
            again.load(key, row).unwrap();
        }
        assert_eq!(again.values().collect::<Vec<_>>(), ["one"]);
    }
}
