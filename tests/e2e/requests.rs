//! What it costs the forge: requests of the API that one issue, and nothing at all, take.

use forgehand::sandbox::Mode;

use crate::rig::{Plan, REPO, now, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_takes_at_most_thirty_requests_up_to_its_pull_request() {
    let rig = Plan::new("requests::an_issue").mode(Mode::None).rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let before = rig.forge.request_count();
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let taken = rig.forge.request_count() - before;
    assert!(taken <= 30, "{taken} requests, start-up included");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_once_takes_two_requests_however_many_issues_there_are() {
    let rig = Plan::new("requests::an_idle_once").mode(Mode::None).rig().await.expect("it needs nothing");
    for (upto, ours) in [(10, true), (1000, false)] {
        for number in rig.seed.issues(REPO).expect("the issues").len()..upto {
            // Some wait for a person; most are none of our business.
            let labels: &[&str] = if ours && number % 5 == 0 { &["portal", "interactive"] } else { &[] };
            rig.issue(&format!("Issue {number}"), "text", labels).await;
        }
        // Looks overlap by five seconds: what is newer is idle only later.
        let idle = now() + 6_000;
        until("the end of the overlap", || (now() > idle).then_some(())).await;
        rig.once().await;
        let before = rig.forge.request_count();
        rig.once().await.silent();
        let taken = rig.forge.request_count() - before;
        assert!(taken <= 2, "{taken} requests with {upto} open issues");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_pull_request_adds_one_request_on_a_slow_clock_and_git_is_asked_only_then() {
    let rig = Plan::new("requests::an_open_pull_request").mode(Mode::None).rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let idle = now() + 6_000;
    until("the end of the overlap", || (now() > idle).then_some(())).await;
    rig.once().await;
    let (api, git) = (rig.forge.request_count(), rig.forge.git_request_count());
    rig.once().await.silent();
    let (api, git) = (rig.forge.request_count() - api, rig.forge.git_request_count() - git);
    // A minute after it was opened its checks are read for the first time: on a slow machine that may be now.
    assert_eq!(git > 0, api > 2, "{api} requests of the API, {git} of git");
    assert!(api <= 3, "{api} requests");
}
