//! Death before and after every call and every journal write, and answers that never came: the end is the same as without.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::bench::{ASKING, Daemon, End, PLAIN, Site};
use super::faults::{Fault, Faults, How, Site as Where};
use super::hands::Script;

/// How many lives go on at a time.
const AT_ONCE: usize = 6;

/// The life of one issue, with at most one fault: its end, and whether the fault fired.
async fn life(site: &Site, script: Script, fault: Option<Fault>) -> (End, bool) {
    let repo = site.project().await;
    let seed = site.forge.seed();
    let number =
        seed.create_issue(&repo.to_string(), "ann", "Say hello", "It should say hello.", &["portal"]).await.expect("an issue");
    assert_eq!(number, 1);
    let faults = Faults::new(fault);
    let mut daemon = Daemon::new(site, &repo, script, Arc::clone(&faults));
    daemon.fail_fast = !matches!(fault, Some(Fault { site: Where::Journal, how: How::Unsent | How::Lost, .. }));
    daemon.live().await;
    let mended = daemon.host.mended.load(Ordering::SeqCst);
    assert_eq!(mended, u64::from(script.mends), "{fault:?}: what is well is not mended again");
    (site.end(&repo).await, faults.fired())
}

/// Every place of a kind, from the first until there is none any more.
async fn everywhere(script: Script, at: Where, how: How, least: u64) {
    let site = Site::start().await;
    let (expected, _) = life(&site, script, None).await;
    assert!(expected.claims.is_empty(), "{expected:?}");
    let mut lives = FuturesUnordered::new();
    let (mut next, mut ended, mut count) = (0, false, 0);
    loop {
        while lives.len() < AT_ONCE && !ended {
            let fault = Fault { site: at, at: next, how };
            let site = &site;
            lives.push(async move { (fault, life(site, script, Some(fault)).await) });
            next += 1;
        }
        let Some((fault, (end, fired))) = lives.next().await else { break };
        assert_eq!(end, expected, "{fault:?}");
        ended |= !fired;
        count += u64::from(fired);
    }
    assert!(count >= least, "only {count} places were found");
}

macro_rules! everywhere {
    ($($name:ident: $script:expr, $site:ident, $how:ident, $least:expr;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            everywhere($script, Where::$site, How::$how, $least).await;
        })*
    };
}

/// Triage has a question.
const ASKS: Script = Script { route: "needs-info", ..PLAIN };
/// The agent declines.
const DECLINES: Script = Script { verdict: "refused", ..PLAIN };
/// Nobody is needed up to the end.
const MERGES: Script = Script { merges: true, ..PLAIN };
/// Who worked on it waits for that, and says so.
const FORWARDS: Script = Script { forwards: true, ..MERGES };
/// Who reads what was written does so side by side, and something is said beside them.
const BRANCHES: Script = Script { branches: true, ..PLAIN };
/// Before it works, what a probe looks at is mended.
const MENDS: Script = Script { mends: true, ..PLAIN };

everywhere! {
    it_dies_before_a_call_to_the_forge: PLAIN, Forge, DiesBefore, 20;
    it_dies_after_a_write_to_the_forge: MERGES, Forge, DiesAfter, 10;
    it_dies_before_a_call_of_git: PLAIN, Repos, DiesBefore, 8;
    it_dies_after_a_call_of_git: PLAIN, Repos, DiesAfter, 8;
    it_dies_before_hands_begin: PLAIN, Hands, DiesBefore, 6;
    it_dies_after_hands_end: PLAIN, Hands, DiesAfter, 6;
    it_dies_before_a_write_to_the_journal: PLAIN, Journal, DiesBefore, 20;
    it_dies_after_a_write_to_the_journal: MERGES, Journal, DiesAfter, 25;
    a_write_to_the_journal_fails: PLAIN, Journal, Unsent, 20;
    a_write_to_the_journal_fails_and_is_there: PLAIN, Journal, Lost, 20;
    a_write_to_the_forge_is_lost: PLAIN, Forge, Unsent, 8;
    the_answer_to_a_write_to_the_forge_is_lost: MERGES, Forge, Lost, 10;
    a_push_is_lost: PLAIN, Repos, Unsent, 3;
    the_answer_to_a_push_is_lost: PLAIN, Repos, Lost, 3;
    asking_it_dies_after_a_write_to_the_journal: ASKS, Journal, DiesAfter, 12;
    asking_an_answer_is_lost: ASKS, Forge, Lost, 4;
    declining_an_answer_is_lost: DECLINES, Forge, Lost, 7;
    waiting_for_the_merge_it_dies_after_a_write_to_the_forge: FORWARDS, Forge, DiesAfter, 11;
    waiting_for_the_merge_it_dies_after_a_write_to_the_journal: FORWARDS, Journal, DiesAfter, 28;
    mending_it_dies_before_the_host_is_asked: MENDS, Host, DiesBefore, 4;
    mending_it_dies_after_the_host_was_asked: MENDS, Host, DiesAfter, 4;
    with_branches_it_dies_before_hands_begin: BRANCHES, Hands, DiesBefore, 8;
    with_branches_it_dies_after_a_write_to_the_journal: BRANCHES, Journal, DiesAfter, 20;
    with_branches_an_answer_is_lost: BRANCHES, Forge, Lost, 9;
    as_it_asks_for_a_file_it_dies_after_a_write_to_the_forge: ASKING, Forge, DiesAfter, 9;
    as_it_asks_for_a_file_it_dies_after_a_call_of_git: ASKING, Repos, DiesAfter, 12;
    as_it_asks_for_a_file_an_answer_is_lost: ASKING, Forge, Lost, 9;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_life_ends_where_it_should() {
    let site = Site::start().await;
    let labels = |end: &End| end.issues[0].2.clone();
    let (end, _) = life(&site, PLAIN, None).await;
    assert_eq!(labels(&end), ["claude-pr", "portal"], "{end:#?}");
    assert_eq!(end.pulls.len(), 1);
    assert_eq!(end.branches.len(), 2, "{:?}", end.branches);
    assert_eq!(end.comments[0].1.len(), 2, "a breakdown and a status: {:?}", end.comments);
    let (end, _) = life(&site, MERGES, None).await;
    assert!(!end.issues[0].1 && end.pulls.iter().all(|pull| !pull.2), "{end:#?}");
    assert_eq!(end.branches.len(), 1, "its branch is gone: {:?}", end.branches);
    assert!(end.comments[0].1.iter().any(|said| said.contains("**Merged**")), "{:?}", end.comments);
    let (end, _) = life(&site, FORWARDS, None).await;
    assert!(!end.issues[0].1 && end.pulls.iter().all(|pull| !pull.2) && end.claims.is_empty(), "{end:#?}");
    let told = end.comments[0].1.iter().filter(|said| said.contains("It is there."));
    assert_eq!(told.count(), 1, "{:?}", end.comments);
    let (end, _) = life(&site, ASKS, None).await;
    assert_eq!(labels(&end), ["needs-info", "portal"]);
    let (end, _) = life(&site, DECLINES, None).await;
    assert_eq!(labels(&end), ["claude-failed", "portal"]);
    let (end, _) = life(&site, Script { route: "interactive", ..PLAIN }, None).await;
    assert_eq!(labels(&end), ["interactive", "portal"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_work_on_each_issue_once() {
    let site = Site::start().await;
    let repo = site.project().await;
    let seed = site.forge.seed();
    for title in ["Say hello", "Say hello again", "Say it a third time"] {
        seed.create_issue(&repo.to_string(), "ann", title, "Now.", &["portal"]).await.expect("an issue");
    }
    // One clock: it jumps only while neither of them does anything.
    let faults = Faults::new(None);
    let mut other = Daemon::new(&site, &repo, PLAIN, Arc::clone(&faults));
    let one = Daemon::new(&site, &repo, PLAIN, faults);
    other.clock = Arc::clone(&one.clock);
    other.turns = Arc::clone(&one.turns);
    tokio::join!(one.live(), other.live());
    assert_eq!(one.turns.load(Ordering::SeqCst), 6, "each issue is triaged once and worked on once");
    let end = site.end(&repo).await;
    let ours = end.issues.iter().filter(|i| i.0 <= 3);
    for (number, open, labels) in ours {
        assert!(*open && labels.iter().map(String::as_str).eq(["claude-pr", "portal"]), "#{number}: {labels:?}");
    }
    assert_eq!(end.pulls.len(), 3, "{:?}", end.pulls);
    assert_eq!(end.branches.len(), 4, "{:?}", end.branches);
    assert!(end.claims.is_empty(), "{:?}", end.claims);
    for (number, comments) in end.comments.iter().filter(|(number, _)| *number <= 3) {
        assert_eq!(comments.len(), 2, "#{number}: {comments:?}");
    }
}
