//! The journal is lost, or restored from an old copy, at each place where a daemon can die: the end is the same as without, claims that a
//! lost journal holds until they expire aside.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::bench::{ASKING, Daemon, Died, End, PLAIN, Site};
use super::faults::{Fault, Faults, How, Site as Where};
use super::hands::Script;

/// How many lives go on at a time.
const AT_ONCE: usize = 6;

/// What becomes of the journal after the daemon died.
#[derive(Clone, Copy, Debug)]
enum Journal {
    Lost,
    /// The daemon goes on to the end; then the journal of its death is put back.
    Restored,
}

async fn life(site: &Site, script: Script, fault: Option<Fault>, journal: Journal) -> (End, bool) {
    let repo = site.project().await;
    let seed = site.forge.seed();
    seed.create_issue(&repo.to_string(), "ann", "Say hello", "It should say hello.", &["portal"]).await.expect("an issue");
    let faults = Faults::new(fault);
    let mut daemon = Daemon::new(site, &repo, script, Arc::clone(&faults));
    // What a lost journal has claimed is free at once: nobody waits ten minutes here.
    daemon.lease = Duration::ZERO;
    while daemon.process().await == Died::Quiet && !daemon.is_done() {
        daemon.clock.ahead.fetch_add(daemon.pause, Ordering::SeqCst);
    }
    match journal {
        Journal::Lost => {
            let mut next = Daemon::new(site, &repo, script, Faults::new(None));
            next.clock.ahead.store(daemon.clock.ahead.load(Ordering::SeqCst), Ordering::SeqCst);
            // Past `adopt_after`.
            next.pause = 1_000_000;
            next.live().await;
        }
        Journal::Restored => {
            let copy = tempfile::tempdir().expect("a folder");
            copy_journal(daemon.state.path(), copy.path());
            daemon.live().await;
            copy_journal(copy.path(), daemon.state.path());
            daemon.pause = 1_000_000;
            daemon.live().await;
        }
    }
    (site.end(&repo).await, faults.fired())
}

fn copy_journal(from: &std::path::Path, to: &std::path::Path) {
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _none = std::fs::remove_file(to.join(file));
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).expect("a copy");
        }
    }
}

async fn everywhere(script: Script, at: Where, how: How, journal: Journal, least: u64) {
    let site = Site::start().await;
    let expected = End { claims: Vec::new(), ..life(&site, script, None, Journal::Restored).await.0 };
    let pulls = if script.asks { 2 } else { 1 };
    assert_eq!((expected.pulls.len(), expected.comments[0].1.len()), (pulls, 2), "{expected:#?}");
    let mut lives = FuturesUnordered::new();
    let (mut next, mut ended, mut count) = (0, false, 0);
    loop {
        while lives.len() < AT_ONCE && !ended {
            let fault = Fault { site: at, at: next, how };
            let site = &site;
            lives.push(async move { (fault, life(site, script, Some(fault), journal).await) });
            next += 1;
        }
        let Some((fault, (end, fired))) = lives.next().await else { break };
        assert_eq!(End { claims: Vec::new(), ..end }, expected, "{journal:?} after {fault:?}");
        ended |= !fired;
        count += u64::from(fired);
    }
    assert!(count >= least, "only {count} places were found");
}

macro_rules! everywhere {
    ($($name:ident: $script:expr, $site:ident, $how:ident, $journal:ident, $least:expr;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            everywhere($script, Where::$site, How::$how, Journal::$journal, $least).await;
        })*
    };
}

everywhere! {
    the_journal_is_lost_after_a_write_to_the_forge: PLAIN, Forge, DiesAfter, Lost, 8;
    the_journal_is_lost_after_a_call_of_git: PLAIN, Repos, DiesAfter, Lost, 8;
    the_journal_is_lost_after_a_write_to_it: PLAIN, Journal, DiesAfter, Lost, 12;
    the_journal_is_restored_from_before_a_call_to_the_forge: PLAIN, Forge, DiesBefore, Restored, 20;
    the_journal_is_restored_from_after_a_write_to_the_forge: PLAIN, Forge, DiesAfter, Restored, 8;
    the_journal_is_restored_from_after_a_write_to_it: PLAIN, Journal, DiesAfter, Restored, 12;
    asking_for_a_file_the_journal_is_lost_after_a_write_to_the_forge: ASKING, Forge, DiesAfter, Lost, 9;
}
