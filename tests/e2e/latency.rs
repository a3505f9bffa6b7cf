//! A benchmark, not a test: from the arrival of the webhook for a label that a person set to the agent's first instruction.
//!
//! `cargo test --release --test e2e -- --ignored latency --nocapture`, with `FORGEHAND_BENCH_BEFORE=/path/to/another/forgehand` to measure
//! that one too, turn about in one run (it must write `git ended` and `the agent runs` into its log).
//!
//! Our own part is all of that time but the moments in which we wait for the forge: while one of our requests is on its way (from its first
//! byte to the last of its answer, as a proxy before the forge sees it), or while a `git fetch` or `git push` to the forge runs. Beside it
//! stands the time without the forge's answers alone: what git's own transport needs to start and to unpack is in that one.

use std::path::PathBuf;

use forgehand::sandbox::Mode;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::faulty::Faulty;
use crate::rig::{Agent, FIX, Plan, REPO, Rig, Started, TRIAGE, micros, until};
use crate::webhook::listens;

const SECRET: &str = "correct-horse-battery-staple";
const ROUNDS: usize = 11;
/// What the daemon logs for this.
const LOG: &str = "forgehand=info,forgehand::git=debug,forgehand::hands=debug";

/// Moments between two times, in microseconds.
type Spans = Vec<(i64, i64)>;

/// A daemon of one binary, on a forge of its own.
struct Site {
    name: String,
    rig: Rig,
    proxy: Faulty,
    daemon: Started,
    client: reqwest::Client,
    url: String,
    rounds: Vec<Round>,
}

/// What one start took, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Round {
    all: i64,
    /// Without the forge's answers.
    unanswered: i64,
    /// Without these and git's transport: our own part.
    own: i64,
    requests: usize,
    programs: usize,
}

impl Site {
    async fn start(name: &str, mode: Mode, program: Option<PathBuf>) -> Option<Self> {
        let plan =
            Plan::new("latency").mode(mode).agent(Agent::scripted(TRIAGE, FIX)).env("HOOK_SECRET", SECRET).env("RUST_LOG", LOG);
        let plan = plan.daemon("poll = \"1h\"\nlisten = \"127.0.0.1:0\"\nwebhook_secret_env = \"HOOK_SECRET\"");
        let rig = plan.file("CLAUDE.md", "Be brief.\n").rig().await?;
        let rig = match program {
            Some(program) => rig.with_program(program),
            None => rig,
        };
        let proxy = Faulty::before(&rig.forge.url()).await;
        rig.reconfigure(&rig.forge.url(), &proxy.url());
        rig.label("claude-queue").await;
        let daemon = rig.start(&["run"]);
        let url = until("the address", || listens(&rig)).await;
        until("the first look", || rig.story().contains("learned the project").then_some(())).await;
        let (url, client) = (format!("http://{url}/hooks/forgejo"), reqwest::Client::new());
        Some(Self { name: name.to_owned(), rig, proxy, daemon, client, url, rounds: Vec::new() })
    }

    /// A person puts a label on an issue, and the forge tells.
    async fn round(&mut self) {
        let rig = &self.rig;
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &[]).await;
        let labels = json!({ "labels": ["claude-queue"] });
        rig.seed.api("owner", "POST", &format!("repos/{REPO}/issues/{number}/labels"), labels).await.expect("a label");
        let body = json!({ "repository": { "full_name": REPO } }).to_string();
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        let signature = hex::encode(mac.chain_update(body.as_bytes()).finalize().into_bytes());
        let sent = micros();
        let post = self.client.post(&self.url).header("x-forgejo-signature", signature).body(body);
        assert!(post.send().await.expect("an answer").status().is_success());
        until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
        until("the end of the run", || (rig.claims().is_empty() && rig.left_in("work").is_empty()).then_some(())).await;
        let round = self.measured(sent);
        self.rounds.push(round);
    }

    /// What the log and the proxy say of the start after this time.
    fn measured(&self, sent: i64) -> Round {
        let log = self.log();
        let started = log.iter().find(|(at, line)| *at >= sent && line.contains("the agent runs")).expect("the agent's start").0;
        let asked = self.proxy.requests(sent, started);
        let answers: Spans = asked.iter().map(|(from, to, _)| (*from, *to)).collect();
        let programs: Vec<(i64, i64, String)> = log.into_iter().filter_map(git_program).collect();
        let programs: Vec<_> = programs.into_iter().filter(|(from, to, _)| *from >= sent && *to <= started).collect();
        let transport = programs.iter().filter(|(_, _, line)| line.contains("forge=true")).map(|(from, to, _)| (*from, *to));
        let all = started - sent;
        let unanswered = all - taken(answers.clone(), sent, started);
        let own = all - taken(answers.into_iter().chain(transport).collect(), sent, started);
        if self.rounds.len() == ROUNDS - 1 {
            println!("  the last start of {}, in milliseconds from the webhook:", self.name);
            let journal =
                self.rig.records().into_iter().map(|r| (r.at.0 * 1000, r.at.0 * 1000, forgehand::words::event(&r.event)));
            let told = journal.filter_map(|(from, to, line)| Some((from, to, line?)));
            let mut lines: Vec<_> = told.chain(asked.clone()).chain(programs.clone()).collect();
            lines.retain(|(from, ..)| (sent / 1000 * 1000..=started).contains(from));
            lines.sort();
            for (from, to, line) in lines {
                println!("    {:>7.1} +{:>5.1}  {line}", (from - sent) as f64 / 1e3, (to - from) as f64 / 1e3);
            }
            println!("    {:>7.1}         the agent runs", all as f64 / 1e3);
        }
        Round { all, unanswered, own, requests: asked.len(), programs: programs.len() }
    }

    /// When each line of the log was written, and the line.
    fn log(&self) -> Vec<(i64, String)> {
        let folder = self.rig.state_dir().join("logs");
        let logs = self.rig.left_in("logs").into_iter().map(|name| std::fs::read_to_string(folder.join(name)).expect("a log"));
        let text: String = logs.collect();
        let line = |line: &str| {
            let (at, rest) = line.split_once(' ')?;
            Some((chrono::DateTime::parse_from_rfc3339(at).ok()?.timestamp_micros(), rest.trim().to_owned()))
        };
        text.lines().filter_map(line).collect()
    }

    fn report(&self) {
        let row = |what: &str, of: fn(&Round) -> i64| {
            let values: Vec<f64> = self.rounds.iter().map(|round| of(round) as f64 / 1e3).collect();
            // The first one makes the mirror and the labels.
            let (first, mut rest) = (values[0], values[1..].to_vec());
            rest.sort_by(f64::total_cmp);
            let (median, worst) = (rest[rest.len() / 2], rest[rest.len() - 1]);
            println!("{:<18} {what:<38} median {median:>6.1} ms, worst {worst:>6.1} ms, the first {first:>6.1} ms", self.name);
        };
        row("webhook to agent", |round| round.all);
        row("without the forge's answers", |round| round.unanswered);
        row("our own part (without git's transport)", |round| round.own);
        let last = self.rounds[ROUNDS - 1];
        println!("{:<18} {} requests, {} runs of git", self.name, last.requests, last.programs);
    }
}

/// A line of the log that tells of a run of git: from when to when, and which.
fn git_program((ended, line): (i64, String)) -> Option<(i64, i64, String)> {
    let (_, told) = line.split_once("git ended")?;
    let micros: i64 = told.split_once("micros=")?.1.split_whitespace().next()?.parse().ok()?;
    Some((ended - micros, ended, format!("git{told}")))
}

/// How much of a time these moments cover together.
fn taken(mut spans: Spans, from: i64, to: i64) -> i64 {
    spans.sort_unstable();
    let (mut sum, mut upto) = (0, from);
    for (began, ended) in spans {
        sum += (ended.min(to) - began.max(upto)).max(0);
        upto = upto.max(ended);
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark: it measures and asserts nothing"]
async fn from_webhook_to_agent() {
    let before = std::env::var_os("FORGEHAND_BENCH_BEFORE").map(PathBuf::from);
    println!("load: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    for mode in [Mode::None, Mode::Bubblewrap] {
        let mut sites = Vec::new();
        if let Some(before) = &before {
            sites.extend(Site::start(&format!("before, {mode:?}"), mode, Some(before.clone())).await);
        }
        sites.extend(Site::start(&format!("now, {mode:?}"), mode, None).await);
        for _ in 0..ROUNDS {
            for site in &mut sites {
                site.round().await;
            }
        }
        for site in &sites {
            site.report();
        }
        for mut site in sites {
            site.daemon.term();
            until("the end", || site.daemon.ended().then_some(())).await;
        }
    }
    println!("load: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}
