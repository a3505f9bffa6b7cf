//! A benchmark, not a test: from a webhook's arrival to the agent's start, less the forge's own time.
//!
//! `cargo test --test e2e -- --ignored latency --nocapture`

use forgehand::sandbox::Mode;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::faulty::Faulty;
use crate::rig::{Agent, FIX, Plan, REPO, TRIAGE, now, until};
use crate::webhook::listens;

const SECRET: &str = "correct-horse-battery-staple";
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark: it measures and asserts nothing"]
async fn from_webhook_to_agent() {
    for mode in [Mode::None, Mode::Bubblewrap] {
        let agent = Agent::scripted(TRIAGE, &format!("[ -e \"$here\" ] && date +%s%3N >>\"$here/started\"; echo started; {FIX}"));
        let daemon = "poll = \"1h\"\nlisten = \"127.0.0.1:0\"\nwebhook_secret_env = \"HOOK_SECRET\"";
        let plan = Plan::new("latency").mode(mode).agent(agent).daemon(daemon).env("HOOK_SECRET", SECRET);
        let Some(rig) = plan.rig().await else { continue };
        let proxy = Faulty::before(&rig.forge.url()).await;
        rig.reconfigure(&rig.forge.url(), &proxy.url());
        let mut daemon = rig.start(&["run"]);
        let url = until("the address", || listens(&rig)).await;
        until("the first look", || rig.story().contains("learned the project").then_some(())).await;
        let client = reqwest::Client::new();
        let mut own = Vec::new();
        for round in 0..ROUNDS {
            let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
            let body = json!({ "repository": { "full_name": REPO } }).to_string();
            let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
            let signature = hex::encode(mac.chain_update(body.as_bytes()).finalize().into_bytes());
            let sent = now();
            let post = client.post(format!("http://{url}/hooks/forgejo")).header("x-forgejo-signature", signature).body(body);
            assert!(post.send().await.expect("an answer").status().is_success());
            let started = until("the agent", || {
                let begun = rig.records().into_iter().find(|r| {
                    r.at.0 >= sent
                        && matches!(
                            r.event,
                            forgehand::model::Event::Intended { intent: forgehand::model::Intent::Agent { .. }, .. }
                        )
                })?;
                let said = std::fs::read_to_string(rig.dir.path().join("agent/started")).ok();
                let line =
                    said.as_deref().and_then(|text| text.lines().nth(round)).and_then(|line| line.trim().parse::<i64>().ok());
                // In a sandbox the script's folder cannot be written: there the intent's time has to do.
                if mode == Mode::None { line } else { Some(begun.at.0) }
            })
            .await;
            let forge = proxy.busy(sent, started);
            println!(
                "{mode:?}: {} ms in all, {forge} ms of them the forge's, {} ms ours",
                started - sent,
                started - sent - forge
            );
            own.push(started - sent - forge);
            if round == ROUNDS - 1 {
                for record in rig.records().into_iter().filter(|r| (sent..=started).contains(&r.at.0)) {
                    if let Some(line) = forgehand::words::event(&record.event) {
                        println!("  +{:>4} {line}", record.at.0 - sent);
                    }
                }
                for (from, to, line) in proxy.requests(sent, started) {
                    println!("  +{:>4} to +{:>4} {line}", from - sent, to - sent);
                }
            }
            until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
            until("the end of the run", || (rig.claims().is_empty() && rig.left_in("work").is_empty()).then_some(())).await;
        }
        own.sort_unstable();
        println!("{mode:?}: our own part, median of {ROUNDS}: {} ms, worst {} ms", own[ROUNDS / 2], own[ROUNDS - 1]);
        daemon.term();
        until("the end", || daemon.ended().then_some(())).await;
    }
}
