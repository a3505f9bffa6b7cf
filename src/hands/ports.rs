//! Which run has which port: a file for each in a folder of ours, so that the book outlives the process.
//!
//! Promises: no port is handed to two runs that live, and a run gets the same one again as long as it can have it. Where runs share the
//! host's loopback (no sandbox), a port that somebody else listens on is left alone and chosen around, and steps of a run whose commands
//! may run side by side have one each, for as long as they do. In a sandbox of its own each can listen on the run's.
//!
//! Races known: without a sandbox somebody can take a port between the look and the run's own listening; the run then hears that it is
//! taken. A daemon killed between the choice and the file hands the port out again. The entry of a run whose workspace is gone is stale.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::model::{PortRange, RepoName, RunId, StepId};

/// The book of ports.
pub(super) struct PortBook {
    folder: PathBuf,
    one_at_a_time: Mutex<()>,
}

/// Who asks, and how the ports are looked at.
pub(super) struct Asks<'a> {
    pub(super) repo: &'a RepoName,
    pub(super) run: &'a RunId,
    /// A step that has one for itself.
    pub(super) step: Option<&'a StepId>,
    pub(super) range: PortRange,
    /// The run shares the host's loopback: a port must be free there.
    pub(super) on_host: bool,
}

impl PortBook {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, one_at_a_time: Mutex::new(()) }
    }

    /// The run's port; none if all are taken. `lives` tells whether a run still has its workspace.
    pub(super) fn hold(&self, asks: &Asks<'_>, lives: impl Fn(&RepoName, &RunId) -> bool) -> io::Result<Option<u16>> {
        let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(&self.folder)?;
        let mut held = self.entries()?;
        let usable = |port: u16| asks.range.contains(port) && (!asks.on_host || is_free(port));
        let ours = |holder: &Holder| holder.run == *asks.run && holder.step.as_ref() == asks.step;
        let ours: Vec<u16> = held.iter().filter(|(_, holder)| ours(holder)).map(|(port, _)| *port).collect();
        let mut kept = None;
        for port in ours {
            if kept.is_none() && usable(port) {
                kept = Some(port);
            } else {
                fs::remove_file(self.folder.join(port.to_string()))?;
                held.remove(&port);
            }
        }
        if kept.is_some() {
            return Ok(kept);
        }
        for port in asks.range.first..=asks.range.last {
            let taken = held.get(&port).is_some_and(|holder| lives(&holder.repo, &holder.run));
            if !taken && usable(port) {
                let mut entry = tempfile::NamedTempFile::with_prefix_in("new~", &self.folder)?;
                write!(entry, "{} {}", asks.repo, asks.run)?;
                if let Some(step) = asks.step {
                    write!(entry, " {step}")?;
                }
                entry.persist(self.folder.join(port.to_string()))?;
                return Ok(Some(port));
            }
        }
        Ok(None)
    }

    /// A run that ended has no port any more.
    pub(super) fn give_back(&self, run: &RunId) -> io::Result<()> {
        self.free(|holder| holder.run == *run)
    }

    /// The commands of a step have ended.
    pub(super) fn give_back_of(&self, run: &RunId, step: &StepId) -> io::Result<()> {
        self.free(|holder| holder.run == *run && holder.step.as_ref() == Some(step))
    }

    fn free(&self, whose: impl Fn(&Holder) -> bool) -> io::Result<()> {
        let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        for port in self.entries()?.into_iter().filter(|(_, holder)| whose(holder)).map(|(port, _)| port) {
            fs::remove_file(self.folder.join(port.to_string()))?;
        }
        Ok(())
    }

    fn entries(&self) -> io::Result<BTreeMap<u16, Holder>> {
        let mut held = BTreeMap::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(held),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Some(port) = entry.file_name().to_str().and_then(|name| name.parse::<u16>().ok()) else { continue };
            let text = match fs::read_to_string(entry.path()) {
                // `gc` took the entry of a run that lives no more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            if let Some(holder) = holder(&text) {
                held.insert(port, holder);
            }
        }
        Ok(held)
    }
}

/// Whose a port is.
struct Holder {
    repo: RepoName,
    run: RunId,
    step: Option<StepId>,
}

/// What an entry says: `owner/name run`, and the step where it is that one's.
fn holder(text: &str) -> Option<Holder> {
    let mut words = text.split(' ');
    let (repo, run) = (words.next()?.parse().ok()?, RunId::from(words.next()?));
    Some(Holder { repo, run, step: words.next().map(StepId::from) })
}

/// Nobody listens on it, on any address of this machine. Nothing is connected to: the port may be somebody's.
fn is_free(port: u16) -> bool {
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    let v6 = || match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Ok(_) => true,
        // A machine without IPv6 has nobody listening there.
        Err(error) => error.kind() != io::ErrorKind::AddrInUse,
    };
    v4 && v6()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks<'a>(repo: &'a RepoName, run: &'a RunId, range: (u16, u16), on_host: bool) -> Asks<'a> {
        Asks { repo, run, step: None, range: PortRange { first: range.0, last: range.1 }, on_host }
    }

    #[test]
    fn a_port_is_one_runs_until_it_is_given_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let repo: RepoName = "o/r".parse().expect("a name");
        let runs = ["a", "b", "c"].map(RunId::from);
        let [a, b, c] = &runs;
        let hold = |run| PortBook::new(dir.path().join("ports")).hold(&asks(&repo, run, (3100, 3101), false), |_, _| true);
        assert_eq!((hold(a).expect("a book"), hold(b).expect("a book")), (Some(3100), Some(3101)));
        assert_eq!(hold(c).expect("a book"), None, "all are taken");
        assert_eq!(hold(b).expect("a book"), Some(3101), "another process reads the same book");
        let book = PortBook::new(dir.path().join("ports"));
        book.give_back(a).expect("given back");
        assert_eq!(hold(c).expect("a book"), Some(3100));
        let other = book.hold(&asks(&repo, b, (3200, 3201), false), |_, _| true).expect("a book");
        assert_eq!(other, Some(3200), "another range, another port");
        assert_eq!(book.entries().expect("read").len(), 2, "and the old one is free");
        let gone = book.hold(&asks(&repo, a, (3100, 3100), false), |_, run| run != c).expect("a book");
        assert_eq!(gone, Some(3100), "a run without a workspace has none");
    }

    #[test]
    fn steps_side_by_side_have_one_each_until_their_commands_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let (repo, run): (RepoName, RunId) = ("o/r".parse().expect("a name"), "a".into());
        let book = PortBook::new(dir.path().join("ports"));
        let (lint, test): (StepId, StepId) = ("lint".into(), "test".into());
        let hold = |step| {
            let asks = Asks { step, ..asks(&repo, &run, (3100, 3102), false) };
            book.hold(&asks, |_, _| true).expect("a book")
        };
        assert_eq!((hold(None), hold(Some(&lint)), hold(Some(&test))), (Some(3100), Some(3101), Some(3102)));
        assert_eq!((hold(None), hold(Some(&lint))), (Some(3100), Some(3101)), "the same again");
        book.give_back_of(&run, &lint).expect("given back");
        assert_eq!((hold(Some(&"more".into())), hold(Some(&test))), (Some(3101), Some(3102)), "its own alone");
        book.give_back(&run).expect("given back");
        assert_eq!(book.entries().expect("read").len(), 0, "all of the run's");
    }

    #[test]
    fn a_foreign_listener_is_chosen_around() {
        let dir = tempfile::tempdir().expect("a folder");
        let (repo, run): (RepoName, RunId) = ("o/r".parse().expect("a name"), "a".into());
        let (foreign, first) = loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let port = listener.local_addr().expect("an address").port();
            if port < u16::MAX && is_free(port + 1) {
                break (listener, port);
            }
        };
        let book = PortBook::new(dir.path().to_owned());
        let range = (first, first + 1);
        assert_eq!(book.hold(&asks(&repo, &run, range, false), |_, _| true).expect("a book"), Some(first), "not on the host");
        assert_eq!(book.hold(&asks(&repo, &run, range, true), |_, _| true).expect("a book"), Some(first + 1));
        drop(foreign);
    }
}
