//! What it costs the forge: requests for a life, and for a look when nothing is to be done.

use forgehand::localforge::LocalForge;

use super::bench::{Daemon, PLAIN, Site};
use super::faults::Faults;

async fn idle_cost(site: &Site, issues: u64) -> u64 {
    let repo = site.project().await;
    let seed = site.forge.seed();
    seed.create_label(&repo.to_string(), "interactive", "#ffaa00").await.expect("a label");
    for number in 0..issues {
        let labels: &[&str] = if number % 100 == 0 { &["interactive"] } else { &[] };
        seed.create_issue(&repo.to_string(), "ann", "Something", "To do.", labels).await.expect("an issue");
    }
    let daemon = Daemon::new(site, &repo, PLAIN, Faults::new(None));
    daemon.live().await;
    // What moved within the overlap of two looks is shown once more.
    daemon.process().await;
    let before = requests(&site.forge);
    daemon.process().await;
    requests(&site.forge) - before
}

fn requests(forge: &LocalForge) -> u64 {
    forge.request_count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_look_costs_two_requests_however_many_issues_are_open() {
    let site = Site::start().await;
    for issues in [10, 2000] {
        let cost = idle_cost(&site, issues).await;
        assert!(cost <= 2, "{cost} requests with {issues} open issues");
        assert!(cost > 0, "it looked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_an_issue_takes_thirty_requests_at_most() {
    let site = Site::start().await;
    let repo = site.project().await;
    let seed = site.forge.seed();
    seed.create_issue(&repo.to_string(), "ann", "Say hello", "Please.", &["portal"]).await.expect("an issue");
    let before = requests(&site.forge);
    let daemon = Daemon::new(&site, &repo, PLAIN, Faults::new(None));
    daemon.live().await;
    let cost = requests(&site.forge) - before;
    assert_eq!(seed.pulls(&repo.to_string()).expect("pulls").len(), 1);
    assert!(cost <= 30, "{cost} requests");
}
