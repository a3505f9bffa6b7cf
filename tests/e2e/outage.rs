//! The forge away, slow, or behind a proxy that answers in its place: agents go on, their work is kept, and everything is caught up.

use std::time::Duration;

use forgehand::model::{Event, Timestamp};
use forgehand::sandbox::Mode;

use crate::faulty::{Faulty, Mood};
use crate::rig::{Agent, FIX, Plan, Rig, TRIAGE, until};

const BUSY: &str =
    "HTTP/1.1 503 x\r\ncontent-type: text/html\r\ncontent-length: 22\r\nconnection: close\r\n\r\n<html>bad hour</html>\n";
const FEWER: &str = "HTTP/1.1 429 x\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const PAGE: &str =
    "HTTP/1.1 200 x\r\ncontent-type: text/html\r\ncontent-length: 20\r\nconnection: close\r\n\r\n<html>sign in</html>";
const WALL: &str =
    "HTTP/1.1 403 x\r\ncontent-type: text/html\r\ncontent-length: 19\r\nconnection: close\r\n\r\n<html>denied</html>";

/// A site whose daemon sees the forge only through the proxy.
async fn behind(plan: Plan) -> (Rig, Faulty) {
    let rig = plan.mode(Mode::None).rig().await.expect("it needs nothing");
    let proxy = Faulty::before(&rig.forge.url()).await;
    rig.reconfigure(&rig.forge.url(), &proxy.url());
    (rig, proxy)
}

/// The troubles that were journalled: when, and until when the project is left alone.
fn troubles(rig: &Rig) -> Vec<(Timestamp, Timestamp)> {
    let trouble = |r: forgehand::model::Record| match r.event {
        Event::Troubled { until: Some(until), .. } => Some((r.at, until)),
        _ => None,
    };
    rig.records().into_iter().filter_map(trouble).collect()
}

fn recoveries(rig: &Rig) -> usize {
    rig.records().iter().filter(|r| matches!(r.event, Event::Recovered { .. } | Event::Surveyed { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_through_an_outage_and_all_is_caught_up_after_it() {
    let agent = Agent::scripted(TRIAGE, &format!("wait_for 'go'; {FIX}"));
    let (rig, proxy) = behind(Plan::new("outage::an_agent_works_through").agent(agent).daemon("poll = \"1s\"")).await;
    let told = rig.dir.path().join("told");
    let text = std::fs::read_to_string(rig.config_file()).expect("the configuration");
    rig.configure(&format!(
        "{text}\n[[notify]]\non = [\"unreachable\"]\ncommand = [\"sh\", \"-c\", \"cat >>'{0}'; echo >>'{0}'\"]\n",
        told.display()
    ));
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;

    proxy.be(Mood::HangUp);
    // Meanwhile the agent ends, and people go on.
    rig.let_pass("go");
    let other = rig.issue("Another", "text", &["portal", "interactive"]).await;
    until("the outage to be seen twice", || (troubles(&rig).len() > 1).then_some(())).await;
    let verified = |r: &forgehand::model::Record| {
        matches!(r.event, Event::Ended { outcome: forgehand::model::Outcome::Verified { .. }, .. })
    };
    until("the verification", || rig.records().iter().any(verified).then_some(())).await;
    let pushes =
        |r: &&forgehand::model::Record| matches!(r.event, Event::Intended { intent: forgehand::model::Intent::Push { .. }, .. });
    until("a push that cannot be", || rig.records().iter().find(pushes).map(drop)).await;
    let said = rig.run(&["status"]).await.ok();
    assert!(
        said.out.contains("! owner/app: the forge does not answer") && said.out.contains("looked at again at"),
        "{}",
        said.out
    );
    for (n, (at, until)) in troubles(&rig).into_iter().enumerate() {
        let (pause, base) = ((until.0 - at.0) as f64, (5_000.0 * f64::powi(2.0, n as i32)).min(300_000.0));
        assert!(
            (0.74 * base..=1.26 * base).contains(&pause),
            "pause {n} is {pause} ms: not 5 s doubled {n} times, give or take a quarter"
        );
    }

    let before = proxy.asked().len();
    proxy.be(Mood::Pass);
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    let seen = |r: &forgehand::model::Record| matches!(&r.event, Event::Seen { subject, .. } if subject.issue.0 == other);
    until("what people did meanwhile", || rig.records().iter().any(seen).then_some(())).await;
    until("the claim's end", || rig.claims().is_empty().then_some(())).await;
    assert_eq!((rig.turns("work"), rig.pulls().len()), (1, 1), "the work was kept, not done again: {}", rig.story());
    let asked = proxy.asked()[before..].to_vec();
    let polls = asked.iter().filter(|line| line.contains("/issues?")).count();
    assert!(asked.len() - 2 * polls < 40, "no burst: {} requests besides {polls} looks: {asked:#?}", asked.len());
    let notices =
        until("the end of it to be told", || std::fs::read_to_string(&told).ok().filter(|text| text.lines().count() == 2)).await;
    assert!(notices.contains("cannot be worked on") && notices.contains("can be worked on again"), "{notices}");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_proxy_says_in_its_place_passes() {
    let (rig, proxy) = behind(Plan::new("outage::whatever_a_proxy_says").daemon("poll = \"1s\"")).await;
    let daemon = rig.start(&["run"]);
    until("the first look", || rig.records().iter().any(|r| matches!(r.event, Event::Looked { .. })).then_some(())).await;
    for (mood, words) in [
        (BUSY, "the forge is not to be reached behind its proxy (status 503)"),
        (FEWER, "429"),
        (PAGE, "what answers at [forge] url is not a Forgejo"),
        (WALL, "the forge is not to be reached behind its proxy (status 403)"),
    ] {
        let (known, back) = (troubles(&rig).len(), recoveries(&rig));
        proxy.be(Mood::Say(mood));
        until("the trouble", || (troubles(&rig).len() > known).then_some(())).await;
        let said = rig.run(&["status"]).await.ok();
        assert!(said.out.contains(words), "{words} is not in {}", said.out);
        proxy.be(Mood::Pass);
        until("its end", || (recoveries(&rig) > back).then_some(())).await;
    }
    // Slow is no outage.
    proxy.be(Mood::Slow(Duration::from_millis(700)));
    let known = troubles(&rig).len();
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    assert_eq!(troubles(&rig).len(), known);
    assert!(!rig.run(&["status"]).await.ok().out.contains("! owner/app"));
    daemon.kill().await;
}
