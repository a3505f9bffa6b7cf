//! Sending notices: bounded, and nobody waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forgehand::model::Occasion;
use forgehand::notify::{By, Fold, Hook, Letter, MOST, Notifier, Recipient};
use secrecy::SecretString;

use crate::forge_script::{Reply, Script, json};

fn letter(n: u64) -> Letter {
    Letter {
        on: Occasion::Failed,
        at: "2026-11-21T12:00:00Z".into(),
        repo: Some("o/r".into()),
        issue: Some(n),
        url: None,
        title: format!("number {n}"),
        text: "text".into(),
    }
}

fn fold() -> Fold {
    Arc::new(|more, last| Letter { title: format!("and {more} more"), ..last.clone() })
}

fn on(occasions: &[Occasion]) -> BTreeSet<Occasion> {
    occasions.iter().copied().collect()
}

#[tokio::test]
async fn more_than_a_minute_takes_are_folded_into_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("told");
    let command = vec!["sh".to_owned(), "-c".to_owned(), format!("cat >>'{0}'; echo >>'{0}'", file.display())];
    let others = Recipient {
        on: on(&[Occasion::Budget]),
        by: By::Command(vec!["sh".into(), "-c".into(), format!("touch '{}'", dir.path().join("wrong").display())]),
    };
    let (notifier, post) = Notifier::start(vec![Recipient { on: on(&Occasion::ALL), by: By::Command(command) }, others], &fold());
    for n in 0..MOST as u64 + 5 {
        notifier.send(&letter(n));
    }
    let results = notifier.results();
    drop(notifier);
    post.close(Duration::from_secs(60)).await;
    let told = std::fs::read_to_string(&file).expect("what was told");
    let titles: Vec<String> = told
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["title"].as_str().expect("a title").to_owned())
        .collect();
    assert_eq!(titles.len(), MOST + 1, "{titles:?}");
    assert_eq!((titles[0].as_str(), titles[MOST].as_str()), ("number 0", "and 5 more"));
    assert_eq!(results.read(), [("dropped", 0), ("failed", 0), ("folded", 5), ("sent", 11)]);
    assert!(!dir.path().join("wrong").exists(), "only whom it concerns");
}

#[tokio::test]
async fn who_stays_keeps_his_queue_and_who_goes_still_gets_what_waits() {
    let dir = tempfile::tempdir().expect("a folder");
    let told = |name: &str, slow: &str| Recipient {
        on: on(&Occasion::ALL),
        by: By::Command(vec![
            "sh".into(),
            "-c".into(),
            format!("{slow} cat >>'{0}'; echo >>'{0}'", dir.path().join(name).display()),
        ]),
    };
    let lines = |name: &str| std::fs::read_to_string(dir.path().join(name)).map_or(0, |text| text.lines().count());
    let (notifier, post) = Notifier::start(vec![told("stays", ""), told("goes", "sleep 0.2;")], &fold());
    for n in 0..MOST as u64 {
        notifier.send(&letter(n));
    }
    notifier.replace(vec![told("stays", ""), told("comes", "")], &fold());
    for n in 0..3 {
        notifier.send(&letter(n));
    }
    // A handle that is still there keeps nothing from its end.
    post.close(Duration::from_secs(60)).await;
    assert_eq!((lines("stays"), lines("goes"), lines("comes")), (MOST + 1, MOST, 3), "{:?}", notifier.results().read());
    assert_eq!(notifier.results().read(), [("dropped", 0), ("failed", 0), ("folded", 3), ("sent", 2 * MOST as u64 + 4)]);
}

#[tokio::test]
async fn a_webhook_that_hangs_or_refuses_holds_up_nobody_and_its_address_is_not_told() {
    let (hangs, refuses) = (Script::start((0..200).map(|_| Reply::Silence)).await, Script::start([json(500, "no")]).await);
    let hook = |script: &Script, discord| {
        let address = SecretString::from(format!("http://{}/secret-path", script.address()));
        let hook = Hook::new(&address, discord).expect("an address on loopback");
        assert!(!format!("{hook:?}").contains("secret-path"));
        Recipient { on: on(&Occasion::ALL), by: By::Webhook(hook) }
    };
    let (notifier, post) = Notifier::start(vec![hook(&hangs, false), hook(&refuses, true)], &fold());
    for n in 0..150 {
        // Nothing to await here: that is the promise.
        notifier.send(&letter(n));
    }
    let results = notifier.results();
    drop(notifier);
    post.close(Duration::from_secs(12)).await;
    let count = |word: &str| results.read().into_iter().find(|(w, _)| *w == word).expect("a word").1;
    assert!(count("dropped") >= 98 && count("failed") >= 1, "{:?}", results.read());
    assert_eq!(count("sent"), 0);
    let asked = refuses.asked();
    assert!(asked[0].line == "POST /secret-path" && asked[0].body.contains("allowed_mentions"), "{asked:?}");
}

#[test]
fn an_address_in_the_open_is_refused_without_being_repeated() {
    for address in ["http://discord.example/api/secret", "ftp://127.0.0.1/secret", "secret", ""] {
        let error = Hook::new(&SecretString::from(address), true).expect_err(address);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    Hook::new(&SecretString::from("https://discord.example/api/x\n"), true).expect("an address");
}
