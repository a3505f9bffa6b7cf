//! Steps that file issues, and steps about other issues than the run's own.

use forgehand::localforge::IssueView;
use forgehand::model::Event;
use serde_json::Value;

use crate::gates::beside;
use crate::rig::{Agent, Plan, REPO, Rig, TRIAGE, until};

const SPLIT: &str = r##"formula = 1
name = "split"
title = "File the parts of an issue as issues of their own"
blast_radius = "low"

[trigger]
comment = "/split"

[[label]]
name = "part"
color = "#c0c0c0"

[[step]]
id = "parts"
agent = "dev"
prompt = "look.md"
access = "read"
output = "parts"

[[step]]
id = "file"
propose = "sub-issues"
items = "steps.parts.output.parts"
at_most = 3
labels = ["part", "portal"]

[[step]]
id = "report"
propose = "issue"
title = "Report: {{line issue.title}}"
body = "filed.md"

[[step]]
id = "rename"
propose = "update-issue"
title = "{{line issue.title}} (in parts)"

[[step]]
id = "tell"
propose = "comment"
issue = "steps.parts.output.of"
body = "filed.md"

[[step]]
id = "sort"
propose = "labels"
issue = "steps.parts.output.of"
add = ["part"]

[[step]]
id = "done"
propose = "close"
issue = "steps.parts.output.of"
"##;

const SHUT: &str = r#"formula = 1
name = "shut"
title = "Close the issue"
blast_radius = "low"

[trigger]
comment = "/shut"

[[step]]
id = "close"
propose = "close"
"#;

const PARTS: &str = r#"{
  "type": "object", "required": ["of", "parts"], "additionalProperties": false,
  "properties": {
    "of": { "type": "integer" },
    "parts": { "type": "array", "items": {
      "type": "object", "required": ["id", "title", "body"], "additionalProperties": false,
      "properties": {
        "id": { "type": "string" }, "title": { "type": "string" }, "body": { "type": "string" },
        "depends_on": { "type": "array", "items": { "type": "string" } }
      }
    } }
  }
}"#;

const FILED: &str = "Filed{{#each steps.file.output.issues}} {{line id}}={{issue}}{{/each}}.\n";

/// Two parts, of which the first of the list waits for the second; the other issue is the one before the run's own.
const SCRIPT: &str = r#"case $FORGEHAND_STEP in
    parts) cat >"$FORGEHAND_RESULT" <<'END'
{"of": 1, "parts": [
  {"id": "b", "title": "Then  this\n@alice", "body": "Look at <!-- x --> @bob", "depends_on": ["a"]},
  {"id": "a", "title": "First that", "body": "```\nopen fence"}
]}
END
    ;;
    work) repair; commit 'Add properly'; answer done 'It adds.' ;;
esac"#;

async fn rig(test: &'static str) -> Option<Rig> {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, SCRIPT)).daemon("poll = \"1s\"");
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"split\", \"shut\"]").rig().await?;
    beside(
        &rig,
        &[
            ("formulas/split.toml", SPLIT),
            ("formulas/shut.toml", SHUT),
            ("formulas/schemas/parts.json", PARTS),
            ("prompts/look.md", "Say what {{outside issue.title}} is made of.\n"),
            ("prompts/filed.md", FILED),
        ],
    );
    Some(rig)
}

async fn api(rig: &Rig, path: &str) -> Value {
    rig.seed.api("owner", "GET", &format!("repos/{REPO}/{path}"), Value::Null).await.expect("an answer")
}

/// The issues that nobody but us filed.
fn filed(rig: &Rig) -> Vec<IssueView> {
    let mut all = rig.seed.issues(REPO).expect("the issues");
    all.retain(|issue| issue.number > 2);
    all.sort_by_key(|issue| issue.number);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_filed_in_their_order_and_the_issue_waits_for_them() {
    let Some(rig) = rig("filing::parts").await else { return };
    let other = rig.issue("An old one", "It is done", &["interactive"]).await;
    let whole = rig.issue("A large thing", "Build all of it", &["interactive"]).await;
    assert_eq!((other, whole), (1, 2));
    rig.run(&["formula", "lint", "split"]).await.ok();
    let tried = rig.run(&["formula", "run", "split", "--issue", "2", "--dry-run"]).await.ok();
    assert!(tried.out.contains("Part of #2.") && tried.out.contains("(in parts)"), "{}", tried.out);
    assert_eq!(filed(&rig).len(), 0, "a dry run files nothing");

    rig.once().await;
    rig.run(&["formula", "run", "split", "--issue", "2"]).await.ok();
    rig.once().await;
    let issues = filed(&rig);
    assert_eq!(issues.len(), 3, "{}", rig.story());
    let titles: Vec<&str> = issues.iter().map(|issue| issue.title.as_str()).collect();
    assert_eq!(titles[..2], ["First that", "Then this @alice"], "{}", rig.story());
    assert!(titles[2].starts_with("Report: "), "{titles:?}");
    let (first, second) = (issues[0].number, issues[1].number);
    let body = |n: usize| issues[n].body.as_str();
    assert!(body(0).starts_with("Part of #2.\n"), "{}", body(0));
    assert!(body(1).starts_with(&format!("Part of #2. Depends on #{first}.\n")), "{}", body(1));
    assert!(!body(1).contains(" @bob") && !body(1).contains("<!-- x"), "what an agent wrote is cleaned: {}", body(1));
    let labelled = |number: u64| ["part", "portal"].iter().all(|name| rig.issue_now(number).labels.contains(&(*name).to_owned()));
    assert!(labelled(first) && labelled(second), "{:?}", rig.issue_now(first));

    // The forge itself knows that the whole waits for its parts, and not for the report.
    let waits = api(&rig, "issues/2/dependencies").await;
    let mut waits: Vec<u64> = waits.as_array().expect("a list").iter().filter_map(|d| d["number"].as_u64()).collect();
    waits.sort_unstable();
    assert_eq!(waits, [first, second]);
    assert_eq!(api(&rig, "issues/2").await["title"], "A large thing (in parts)");

    // What was asked about the other issue was done there.
    let words = format!("Filed a={first} b={second}.");
    assert_eq!((rig.said(1, &words).len(), rig.said(2, &words).len()), (1, 0), "{:#?}", rig.comments(1));
    assert_eq!(rig.labels(1), ["interactive", "part"]);
    assert_eq!(api(&rig, "issues/1").await["state"], "closed");
    assert_eq!(rig.labels(2), ["interactive"]);

    // They come in as work does; the one that waits for the other says so.
    rig.once().await;
    let waits = rig.json(&["explain", &second.to_string(), "--json"]).await;
    assert!(waits.to_string().contains(&format!("#{first}")), "{waits}\n{}", rig.story());

    // What waits for others cannot be closed: the run ends and says so, and does not try for ever.
    rig.run(&["formula", "run", "shut", "--issue", "2"]).await.ok();
    rig.once().await;
    assert!(rig.issue_now(2).open && rig.story().contains("#2 cannot be closed"), "{}", rig.story());
    assert_eq!(rig.claims(), Vec::<String>::new(), "{}", rig.story());
}

/// Killed as soon as the forge has this issue, whatever the journal has of it.
async fn killed_at(nth: u64) {
    let Some(rig) = rig("filing::once").await else { return };
    rig.issue("An old one", "It is done", &["interactive"]).await;
    rig.issue("A large thing", "Build all of it", &["interactive"]).await;
    rig.once().await;
    rig.run(&["formula", "run", "split", "--issue", "2"]).await.ok();
    let daemon = rig.start(&["run"]);
    until("the issue", || (rig.seed.issues(REPO).expect("the issues").len() as u64 >= 2 + nth).then_some(())).await;
    daemon.kill().await;
    let daemon = rig.start(&["run"]);
    until("the end", || rig.records().iter().any(|r| matches!(r.event, Event::RunEnded { .. })).then_some(())).await;
    daemon.kill().await;
    let titles: Vec<String> = filed(&rig).into_iter().map(|issue| issue.title).collect();
    assert_eq!(titles.len(), 3, "killed at {nth}: {titles:?}\n{}", rig.story());
    let waits = api(&rig, "issues/2/dependencies").await;
    assert_eq!(waits.as_array().map(Vec::len), Some(2), "killed at {nth}: {}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_filed_once_wherever_a_daemon_died() {
    tokio::join!(killed_at(1), killed_at(2), killed_at(3));
}
