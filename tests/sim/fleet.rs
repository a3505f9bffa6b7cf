//! Many pull requests of all tiers while calls fail and the process dies, again and again: what is not to be merged is not, and everything else
//! is, once.
//!
//! CI has a small fleet; `FORGEHAND_FLEET=200` sends as many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use forgehand::localforge::PullView;
use forgehand::model::{Event, Intent, Outcome};
use serde_json::json;

use super::bench::{Daemon, Died, PLAIN, Site};
use super::faults::Faults;
use super::hands::{Kind, Script, kind_of};

/// Pull requests where nobody says otherwise.
const USUAL: u64 = 16;
/// One call of so many for each pull request fails, or is the last one of its process: a process reads each of them first.
const ONE_IN: u64 = 6;
/// Processes, with the time that passes between them, until it counts as stuck.
const ROUNDS: u64 = 40;

const FLEET: Script = Script { fleet: true, ..PLAIN };

/// Who approves what an issue comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Approver {
    Nobody,
    /// Who may write, and is no administrator.
    Writer,
    /// Who administers.
    Admin,
    /// An administrator, and then somebody pushes.
    Outdated,
}

fn approver_of(issue: u64) -> Approver {
    match issue / 4 % 4 {
        0 => Approver::Admin,
        1 => Approver::Nobody,
        2 => Approver::Writer,
        _ => Approver::Outdated,
    }
}

/// Whether the policy lets it be merged in the end.
fn goes(issue: u64) -> bool {
    match (kind_of(issue), approver_of(issue)) {
        (Kind::Low, _) => true,
        (Kind::Medium, Approver::Admin | Approver::Writer) | (Kind::High, Approver::Admin) => true,
        (Kind::Medium | Kind::High, _) => false,
    }
}

fn issue_of(pull: &PullView) -> u64 {
    pull.head.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a branch of ours")
}

/// People do what they do on each pull request: who approves does so for each head, the others once or not at all.
async fn people(site: &Site, repo: &str, done: &mut BTreeMap<u64, String>) {
    let seed = site.forge.seed();
    for pull in seed.pulls(repo).expect("them").iter().filter(|pull| pull.issue.open) {
        let issue = issue_of(pull);
        let (who, once) = match approver_of(issue) {
            Approver::Nobody => continue,
            Approver::Writer => ("bob", false),
            Approver::Admin => ("ann", false),
            Approver::Outdated => ("ann", true),
        };
        let known = done.get(&issue);
        if known.is_some_and(|head| once || *head == pull.head_sha) {
            continue;
        }
        let review = json!({ "event": "APPROVED", "body": "", "commit_id": pull.head_sha });
        let path = format!("repos/{repo}/pulls/{}/reviews", pull.issue.number);
        seed.api(who, "POST", &path, review).await.expect("a review");
        done.insert(issue, pull.head_sha.clone());
        if once {
            let file = json!({ "content": "eA==", "message": "One more", "branch": pull.head });
            seed.api("ann", "POST", &format!("repos/{repo}/contents/more-{issue}.md"), file).await.expect("a commit");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_pull_requests_under_faults_what_may_is_merged_once_and_nothing_else() {
    let many = std::env::var("FORGEHAND_FLEET").ok().and_then(|many| many.parse().ok()).unwrap_or(USUAL);
    let site = Site::start().await;
    let (repo, seed) = (site.project().await, site.forge.seed());
    let name = repo.to_string();
    seed.add_user("bob", "some-Password-1").await.expect("a user");
    seed.add_collaborator(&name, "bob", "write").await.expect("access");
    for n in 1..=many {
        seed.create_issue(&name, "ann", &format!("Do {n}"), "Now.", &["portal"]).await.expect("an issue");
    }
    let faults = Faults::storm(ONE_IN * many, 7);
    let mut daemon = Daemon::new(&site, &repo, FLEET, Arc::clone(&faults));
    daemon.fail_fast = false;
    let wanted: BTreeSet<u64> = (1..=many).filter(|n| goes(*n)).collect();
    let merged =
        || -> BTreeSet<u64> { seed.pulls(&name).expect("them").iter().filter(|pull| pull.merged).map(issue_of).collect() };
    let (mut done, mut deaths) = (BTreeMap::new(), 0);
    for _ in 0..ROUNDS * many.max(10) {
        if merged() == wanted && seed.pulls(&name).expect("them").len() as u64 == many {
            break;
        }
        match daemon.process().await {
            Died::Killed => deaths += 1,
            Died::Quiet => {
                people(&site, &name, &mut done).await;
                daemon.clock.ahead.fetch_add(daemon.pause, Ordering::SeqCst);
            }
        }
    }
    // A while longer: nothing else follows.
    faults.calm();
    for _ in 0..3 {
        daemon.process().await;
        daemon.clock.ahead.fetch_add(daemon.pause, Ordering::SeqCst);
    }
    let pulls = seed.pulls(&name).expect("them");
    let of_each: BTreeSet<u64> = pulls.iter().map(issue_of).collect();
    assert_eq!((pulls.len() as u64, of_each.len() as u64), (many, many), "each issue has one pull request: {pulls:#?}");
    assert_eq!(merged(), wanted, "{}", daemon.story());
    assert!(pulls.iter().filter(|pull| pull.merged).all(|pull| pull.merged_by.as_deref() == Some("bot")), "{pulls:#?}");
    // The journal tells of one merge for each, whatever answers were lost.
    let records = daemon.records();
    let mut told: BTreeMap<u64, u32> = BTreeMap::new();
    let mut open = BTreeMap::new();
    for record in &records {
        match &record.event {
            Event::Intended { key, subject, intent: Intent::Merge { .. } } => drop(open.insert(key.clone(), subject.issue.0)),
            Event::Ended { key, outcome: Outcome::Merged } => {
                if let Some(issue) = open.get(key) {
                    *told.entry(*issue).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    assert!(told.iter().all(|(issue, times)| wanted.contains(issue) && *times == 1), "{told:?}");
    assert!(deaths > 0 && faults.count() > 5, "{deaths} deaths, {} faults", faults.count());
}
