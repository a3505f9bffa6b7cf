//! Many pull requests of all tiers while calls fail and the process dies, again and again: what is not to be merged is not, and everything else
//! is, once.
//!
//! CI has a small fleet in one project; `FORGEHAND_FLEET=200` sends as many, in several projects of one daemon.

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
/// Pull requests of one project: each merge has all that are left there read again.
const OF_A_PROJECT: u64 = 20;
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
async fn people(site: &Site, repo: &str, done: &mut BTreeMap<Which, String>) {
    let seed = site.forge.seed();
    for pull in seed.pulls(repo).expect("them").iter().filter(|pull| pull.issue.open) {
        let issue = issue_of(pull);
        let (who, once) = match approver_of(issue) {
            Approver::Nobody => continue,
            Approver::Writer => ("bob", false),
            Approver::Admin => ("ann", false),
            Approver::Outdated => ("ann", true),
        };
        let which = (repo.to_owned(), issue);
        let known = done.get(&which);
        if known.is_some_and(|head| once || *head == pull.head_sha) {
            continue;
        }
        let review = json!({ "event": "APPROVED", "body": "", "commit_id": pull.head_sha });
        let path = format!("repos/{repo}/pulls/{}/reviews", pull.issue.number);
        seed.api(who, "POST", &path, review).await.expect("a review");
        done.insert(which, pull.head_sha.clone());
        if once {
            let file = json!({ "content": "eA==", "message": "One more", "branch": pull.head });
            seed.api("ann", "POST", &format!("repos/{repo}/contents/more-{issue}.md"), file).await.expect("a commit");
        }
    }
}

/// An issue of a project.
type Which = (String, u64);

/// The pull requests of all projects, each with its issue.
fn pulls(site: &Site, projects: &[(String, u64)]) -> Vec<(Which, PullView)> {
    let of = |name: &String| site.forge.seed().pulls(name).expect("them");
    projects.iter().flat_map(|(name, _)| of(name).into_iter().map(|pull| ((name.clone(), issue_of(&pull)), pull))).collect()
}

/// Projects with their issues, as many as are to come to a pull request.
async fn projects(site: &Site, many: u64) -> Vec<(String, u64)> {
    let seed = site.forge.seed();
    seed.add_user("bob", "some-Password-1").await.expect("a user");
    let mut projects = Vec::new();
    let mut left = many;
    while left > 0 {
        let (name, here) = (site.project().await.to_string(), left.min(OF_A_PROJECT));
        seed.add_collaborator(&name, "bob", "write").await.expect("access");
        for n in 1..=here {
            seed.create_issue(&name, "ann", &format!("Do {n}"), "Now.", &["portal"]).await.expect("an issue");
        }
        left -= here;
        projects.push((name, here));
    }
    projects
}

/// How often the journal tells of a merge, whatever answers were lost.
fn merges_told(daemon: &Daemon<'_>) -> BTreeMap<Which, u32> {
    let mut told: BTreeMap<Which, u32> = BTreeMap::new();
    let mut open = BTreeMap::new();
    for record in daemon.records() {
        match record.event {
            Event::Intended { key, subject, intent: Intent::Merge { .. } } => {
                open.insert(key, (subject.repo.to_string(), subject.issue.0));
            }
            Event::Ended { key, outcome: Outcome::Merged } => {
                if let Some(which) = open.get(&key) {
                    *told.entry(which.clone()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_pull_requests_under_faults_what_may_is_merged_once_and_nothing_else() {
    let many = std::env::var("FORGEHAND_FLEET").ok().and_then(|many| many.parse().ok()).unwrap_or(USUAL);
    let site = Site::start().await;
    let projects = projects(&site, many).await;
    let mut repos = projects.iter().map(|(name, _)| name.parse().expect("a name"));
    let faults = Faults::storm(ONE_IN * many, 7);
    let mut daemon = Daemon::new(&site, &repos.next().expect("one at least"), FLEET, Arc::clone(&faults));
    daemon.further = repos.collect();
    daemon.fail_fast = false;
    let all: BTreeSet<Which> =
        projects.iter().flat_map(|(name, count)| (1..=*count).map(move |issue| (name.clone(), issue))).collect();
    let wanted: BTreeSet<Which> = all.iter().filter(|(_, issue)| goes(*issue)).cloned().collect();
    let merged = || -> BTreeSet<Which> {
        pulls(&site, &projects).into_iter().filter(|(_, pull)| pull.merged).map(|(which, _)| which).collect()
    };
    let (mut done, mut deaths) = (BTreeMap::new(), 0);
    for _ in 0..ROUNDS * many.max(10) {
        if merged() == wanted && pulls(&site, &projects).len() == all.len() {
            break;
        }
        match daemon.process().await {
            Died::Killed => deaths += 1,
            Died::Quiet => {
                for (name, _) in &projects {
                    people(&site, name, &mut done).await;
                }
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
    let pulls = pulls(&site, &projects);
    let of_each: BTreeSet<Which> = pulls.iter().map(|(which, _)| which.clone()).collect();
    assert_eq!((pulls.len(), of_each), (all.len(), all), "each issue has one pull request: {pulls:#?}");
    assert_eq!(merged(), wanted, "{}", daemon.story());
    assert!(pulls.iter().filter(|(_, pull)| pull.merged).all(|(_, pull)| pull.merged_by.as_deref() == Some("bot")), "{pulls:#?}");
    let told = merges_told(&daemon);
    assert!(told.iter().all(|(which, times)| wanted.contains(which) && *times == 1), "{told:?}");
    assert!(deaths > 0 && faults.count() > 5, "{deaths} deaths, {} faults", faults.count());
    eprintln!(
        "{many} pull requests in {} projects: {} merged, {deaths} deaths, {} faults",
        projects.len(),
        wanted.len(),
        faults.count()
    );
}
