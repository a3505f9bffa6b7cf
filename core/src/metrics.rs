//! What is counted and measured, as Prometheus reads it.
//!
//! Promises: counters count what this process journalled, from nothing at its start, and never go down; gauges are what the ledger says;
//! labels are words of ours, projects of the configuration and a fixed few others, so that their number is bounded; nothing here is
//! text from outside. Costs no I/O and reads no clock.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::ledger::Ledger;
use crate::model::{Decision, Event, ModelCall, RepoName, Timestamp, Usd};

/// Upper bounds of the histogram of model calls, in seconds.
const BUCKETS: [f64; 11] = [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 600.0];
/// Outcomes of runs that are there from the start, so that the first of them is seen as an increase.
const OUTCOMES: [&str; 26] = [
    "succeeded",
    "no-change",
    "refused",
    "invalid-output",
    "verification-failed",
    "bundle-refused",
    "needs-person",
    "checks-red",
    "gate-shut",
    "action-rejected",
    "action-failed",
    "too-many-items",
    "call-timed-out",
    "expression-failed",
    "branch-taken",
    "environment",
    "setup-failed",
    "formula-refused",
    "stalled",
    "timed-out",
    "budget",
    "usage-limit",
    "crashed",
    "unreachable",
    "cancelled",
    "interrupted",
];

/// What was counted since the process began.
#[derive(Clone, Debug)]
pub struct Metrics {
    began: Timestamp,
    runs: BTreeMap<&'static str, u64>,
    cost: BTreeMap<String, Usd>,
    calls: BTreeMap<&'static str, u64>,
    latency: Histogram,
    gauges: Gauges,
}

/// What is so now.
#[derive(Clone, Debug, Default)]
struct Gauges {
    active: u64,
    paused: u64,
    journal: u64,
    issues: BTreeMap<(String, &'static str), u64>,
    queue_age: BTreeMap<String, f64>,
    trouble: BTreeMap<String, bool>,
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    millis: u64,
}

/// What others count: words and numbers.
pub type Counts = Vec<(&'static str, u64)>;

/// What is counted elsewhere and shown here.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Requests to the forge, by method.
    pub forge_requests: Counts,
    /// Those that failed, by kind.
    pub forge_errors: Counts,
    /// Deliveries of webhooks, by what became of them.
    pub deliveries: Counts,
    /// The last delivery about each project.
    pub delivered: BTreeMap<RepoName, Timestamp>,
    /// Notifications, by what became of them.
    pub notifications: Counts,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            runs: OUTCOMES.iter().map(|word| (*word, 0)).collect(),
            cost: BTreeMap::new(),
            calls: ["ok", "refused", "failed", "cut"].map(|how| (how, 0)).into(),
            latency: Histogram::default(),
            gauges: Gauges::default(),
        }
    }

    /// Counts what was journalled; the ledger is as it is after that.
    pub fn heard(&mut self, event: &Event, ledger: &Ledger) {
        match event {
            Event::RunEnded { outcome, .. } => *self.runs.entry(outcome.word()).or_default() += 1,
            Event::Called { run, call, .. } => {
                *self.calls.entry(how(call)).or_default() += 1;
                self.latency.add(call.millis);
                if let Some(subject) = ledger.subject_of(run) {
                    *self.cost.entry(subject.repo.to_string()).or_default() += call.cost;
                }
            }
            _ => {}
        }
    }

    /// Measures what is so now in these projects.
    pub fn measure<'p>(&mut self, ledger: &Ledger, projects: impl Iterator<Item = &'p RepoName>, now: Timestamp) {
        let mut gauges = Gauges { journal: ledger.seq, ..Gauges::default() };
        gauges.paused = {
            let paused = |a: &&crate::ledger::AccountState| a.paused.as_ref().is_some_and(|(until, _)| *until > now);
            u64::try_from(ledger.accounts.values().filter(paused).count()).unwrap_or(u64::MAX)
        };
        for repo in projects {
            let (name, project) = (repo.to_string(), ledger.projects.get(repo));
            gauges.trouble.insert(name.clone(), project.is_some_and(|p| p.trouble.is_some()));
            self.cost.entry(name.clone()).or_default();
            let mut oldest: Option<Timestamp> = None;
            for word in [None, Some(Decision::Queue)].into_iter().chain(OTHERS.map(Some)).map(state) {
                gauges.issues.insert((name.clone(), word), 0);
            }
            for issue in project.into_iter().flat_map(|p| p.issues.values()) {
                gauges.active += u64::from(issue.live_run().is_some());
                if !issue.seen.open {
                    continue;
                }
                *gauges.issues.entry((name.clone(), state(issue.at))).or_default() += 1;
                if issue.at == Some(Decision::Queue) {
                    let since = issue.queued.unwrap_or(issue.at_since);
                    oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
                }
            }
            gauges.queue_age.insert(name, oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()));
        }
        self.gauges = gauges;
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self, elsewhere: &Elsewhere) -> String {
        let mut text = Text::default();
        text.family("forgehand_build_info", "gauge", "What runs.");
        text.sample("forgehand_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        text.single("forgehand_start_time_seconds", "gauge", "When this process began, since 1970.", self.began.0 as f64 / 1e3);
        text.by("forgehand_runs_total", "counter", "Runs that ended, by outcome.", "outcome", &self.runs);
        text.single("forgehand_runs_active", "gauge", "Runs that live.", self.gauges.active as f64);
        self.models(&mut text);
        self.projects(&mut text);
        text.single("forgehand_accounts_paused", "gauge", "Accounts of the model that are paused.", self.gauges.paused as f64);
        text.single("forgehand_journal_events", "gauge", "Events in the journal.", self.gauges.journal as f64);
        let counts = |counts: &Counts| counts.iter().copied().collect::<BTreeMap<_, _>>();
        let (requests, errors) = (counts(&elsewhere.forge_requests), counts(&elsewhere.forge_errors));
        text.by("forgehand_forge_requests_total", "counter", "Requests to the forge, retries included.", "method", &requests);
        text.by("forgehand_forge_errors_total", "counter", "Requests to the forge that failed, by kind.", "kind", &errors);
        let deliveries = counts(&elsewhere.deliveries);
        text.by("forgehand_webhook_deliveries_total", "counter", "Deliveries of webhooks.", "result", &deliveries);
        let name = "forgehand_webhook_last_delivery_timestamp_seconds";
        text.family(name, "gauge", "The last delivery about a project, since 1970.");
        for (repo, at) in &elsewhere.delivered {
            text.sample(name, &[("project", &repo.to_string())], at.0 as f64 / 1e3);
        }
        let notifications = counts(&elsewhere.notifications);
        text.by("forgehand_notifications_total", "counter", "Notifications of [[notify]].", "result", &notifications);
        text.0
    }

    fn models(&self, text: &mut Text) {
        let name = "forgehand_model_cost_dollars_total";
        text.family(name, "counter", "What model calls cost by our price table, in US dollars.");
        for (project, cost) in &self.cost {
            text.sample(name, &[("project", project)], cost.dollars());
        }
        text.by("forgehand_model_calls_total", "counter", "Model calls that ended.", "result", &self.calls);
        self.latency.write(text, "forgehand_model_call_duration_seconds", "How long model calls took, as the gateway saw them.");
    }

    fn projects(&self, text: &mut Text) {
        text.family("forgehand_issues", "gauge", "Open issues of ours, by where they stand.");
        for ((project, state), count) in &self.gauges.issues {
            text.sample("forgehand_issues", &[("project", project), ("state", state)], *count as f64);
        }
        let name = "forgehand_queue_oldest_age_seconds";
        text.family(name, "gauge", "How long the oldest issue has been queued; 0 where none is.");
        for (project, age) in &self.gauges.queue_age {
            text.sample(name, &[("project", project)], *age);
        }
        let name = "forgehand_project_troubled";
        text.family(
            name,
            "gauge",
            "1 where a project cannot be worked on: the forge is away, or a person has to mend something.",
        );
        for (project, troubled) in &self.gauges.trouble {
            text.sample(name, &[("project", project)], f64::from(u8::from(*troubled)));
        }
    }
}

/// Places of the lifecycle other than the queue.
const OTHERS: [Decision; 5] = [Decision::Working, Decision::Pr, Decision::Failed, Decision::Interactive, Decision::NeedsInfo];

fn state(at: Option<Decision>) -> &'static str {
    match at {
        None => "undecided",
        Some(Decision::Queue) => "queue",
        Some(Decision::Working) => "working",
        Some(Decision::Pr) => "pr",
        Some(Decision::Failed) => "failed",
        Some(Decision::Interactive) => "interactive",
        Some(Decision::NeedsInfo) => "needs-info",
    }
}

fn how(call: &ModelCall) -> &'static str {
    match call.status {
        _ if call.cut => "cut",
        Some(200..300) => "ok",
        Some(400..500) => "refused",
        _ => "failed",
    }
}

impl Histogram {
    fn add(&mut self, millis: u64) {
        for (bound, count) in BUCKETS.iter().zip(&mut self.counts) {
            *count += u64::from(millis as f64 / 1e3 <= *bound);
        }
        self.count += 1;
        self.millis += millis;
    }

    fn write(&self, text: &mut Text, name: &str, help: &str) {
        text.family(name, "histogram", help);
        for (bound, count) in BUCKETS.iter().zip(self.counts) {
            text.sample(&format!("{name}_bucket"), &[("le", &bound.to_string())], count as f64);
        }
        text.sample(&format!("{name}_bucket"), &[("le", "+Inf")], self.count as f64);
        text.sample(&format!("{name}_sum"), &[], self.millis as f64 / 1e3);
        text.sample(&format!("{name}_count"), &[], self.count as f64);
    }
}

/// The text as it grows.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn by(&mut self, name: &str, kind: &str, help: &str, label: &str, counts: &BTreeMap<&'static str, u64>) {
        self.family(name, kind, help);
        for (word, count) in counts {
            self.sample(name, &[(label, word)], *count as f64);
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
