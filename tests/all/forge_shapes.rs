//! The shape of a forge's answers (status, keys, types), held against what real servers answered to the same calls.

use reqwest::Method;
use serde_json::{Value, json};

use crate::forge_recordings::{Recorded, fixtures};
use crate::forge_site::{Ctx, Who, on_each_site};

/// The keys that the client reads: where a real server gives one, it must be there.
const READ: &[&str] = &[
    "admin",
    "archived",
    "base",
    "body",
    "comments",
    "created_at",
    "default_branch",
    "empty",
    "flow",
    "full_name",
    "head",
    "html_url",
    "id",
    "issue_url",
    "label",
    "labels",
    "login",
    "merged",
    "message",
    "name",
    "number",
    "permission",
    "permissions",
    "pull_request",
    "pull_request_url",
    "push",
    "ref",
    "repo_id",
    "repository",
    "sha",
    "state",
    "status",
    "statuses",
    "title",
    "total_count",
    "type",
    "updated_at",
    "user",
    "version",
];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// What differs between a recorded answer and one here. Whether a value is null is a matter of what there is, so null fits anything;
/// of a list the entries here are held against the first one there.
fn differences(there: &Value, here: &Value, at: &str, strict: bool, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(there), Value::Object(here)) => {
            for (key, value) in here {
                match there.get(key) {
                    Some(known) => differences(known, value, &format!("{at}.{key}"), strict, found),
                    None if strict => found.push(format!("{at}.{key}: not in the recordings")),
                    // A later Forgejo may say more; the client does not mind.
                    None => {}
                }
            }
            let lost = there.keys().filter(|key| READ.contains(&key.as_str()) && !here.contains_key(*key));
            found.extend(lost.map(|key| format!("{at}.{key}: missing")));
        }
        (Value::Array(there), Value::Array(here)) => {
            for (n, value) in here.iter().enumerate() {
                if let Some(known) = there.first() {
                    differences(known, value, &format!("{at}[{n}]"), strict, found);
                }
            }
        }
        _ if kind(there) != kind(here) => found.push(format!("{at}: {} in the recordings, {} here", kind(there), kind(here))),
        _ => {}
    }
}

/// Calls made so far, held against the step of the recordings that they repeat.
struct Walk<'a> {
    ctx: &'a Ctx,
    fixtures: Vec<Recorded>,
    found: Vec<String>,
    steps: usize,
}

impl Walk<'_> {
    async fn call(&mut self, step: &str, who: &Who, method: Method, rest: &str, body: Value) -> Value {
        let path = if rest.starts_with("//") { rest[1..].to_owned() } else { self.ctx.path(rest) };
        let answer = self.ctx.site.api.raw(who, method, &path, body).await;
        let mut best: Option<Vec<String>> = None;
        // One of the two versions must fit.
        for recorded in self.fixtures.iter().filter(|f| f.step == step) {
            let mut found = Vec::new();
            if recorded.status != answer.status {
                found.push(format!("status {} in the recordings, {} here: {}", recorded.status, answer.status, answer.body));
            } else {
                differences(&recorded.body, &answer.body, "body", self.ctx.site.local, &mut found);
            }
            if best.as_ref().is_none_or(|b| found.len() < b.len()) {
                best = Some(found);
            }
        }
        let found = best.unwrap_or_else(|| panic!("no fixture `{step}`"));
        self.found.extend(found.into_iter().map(|f| format!("{step}: {f}")));
        self.steps += 1;
        answer.body
    }
}

async fn contract_shapes(ctx: &Ctx) {
    use Method as M;
    let (bot, reader) = (ctx.bot.clone(), ctx.token("reader", &["write:issue", "write:repository"]).await);
    let (narrow, wrong) = (ctx.token("bot", &["read:issue"]).await, Who::Token("deadbeef".into()));
    let mut walk = Walk { ctx, fixtures: fixtures(), found: Vec::new(), steps: 0 };
    let none = || Value::Null;
    walk.call("version", &Who::Anonymous, M::GET, "//version", none()).await;
    walk.call("user", &bot, M::GET, "//user", none()).await;
    walk.call("user without scope", &narrow, M::GET, "//user", none()).await;
    walk.call("user bad token", &wrong, M::GET, "//user", none()).await;
    walk.call("user anonymous", &Who::Anonymous, M::GET, "//user", none()).await;
    walk.call("repo as bot", &bot, M::GET, "", none()).await;
    walk.call("repo missing", &bot, M::GET, "-nope", none()).await;
    let permission = |role: &str| format!("/collaborators/{}/permission", ctx.login(role));
    walk.call("permission of self", &bot, M::GET, &permission("bot"), none()).await;
    walk.call("permission of another as writer", &bot, M::GET, &permission("reader"), none()).await;
    walk.call("permission of outsider as owner", &ctx.owner, M::GET, &permission("outsider"), none()).await;

    let label = json!({ "name": "portal", "color": "#1f6feb", "description": "portal" });
    walk.call("label create", &bot, M::POST, "/labels", label.clone()).await;
    walk.call("label create bad color", &bot, M::POST, "/labels", json!({ "name": "bad", "color": "teal" })).await;
    walk.call("label create no scope", &narrow, M::POST, "/labels", label).await;
    walk.call("labels list page", &bot, M::GET, "/labels?page=1&limit=5", none()).await;
    walk.call("labels list past end", &bot, M::GET, "/labels?page=9&limit=5", none()).await;

    for title in ["one", "two"] {
        walk.call("issue create", &reader, M::POST, "/issues", json!({ "title": title, "body": "b" })).await;
    }
    walk.call("issue get", &bot, M::GET, "/issues/1", none()).await;
    walk.call("issue get missing", &bot, M::GET, "/issues/9999", none()).await;
    let labels = |name: &str| json!({ "labels": [name] });
    walk.call("labels add by name", &bot, M::POST, "/issues/1/labels", labels("portal")).await;
    walk.call("labels add unknown", &bot, M::POST, "/issues/1/labels", labels("no-such-label")).await;
    walk.call("labels add mixed", &bot, M::POST, "/issues/1/labels", json!({ "labels": ["portal", 1] })).await;
    walk.call("labels add as reader", &reader, M::POST, "/issues/1/labels", labels("portal")).await;
    walk.call("issues list one label", &bot, M::GET, "/issues?state=open&labels=portal&page=1&limit=50", none()).await;
    walk.call("timeline page", &bot, M::GET, "/issues/1/timeline?page=1&limit=50", none()).await;
    walk.call("timeline page past end", &bot, M::GET, "/issues/1/timeline?page=50&limit=50", none()).await;
    walk.call("labels delete one by name", &bot, M::DELETE, "/issues/1/labels/portal", none()).await;
    walk.call("labels delete unknown", &bot, M::DELETE, "/issues/1/labels/no-such-label", none()).await;
    walk.call("issues list since future", &bot, M::GET, "/issues?since=2099-01-01T00:00:00Z&page=1&limit=50", none()).await;
    walk.call("issues list bad since", &bot, M::GET, "/issues?since=yesterday&page=1&limit=50", none()).await;

    let comment = walk.call("comment create", &bot, M::POST, "/issues/1/comments", json!({ "body": "hello" })).await;
    let comment = format!("/issues/comments/{}", comment["id"]);
    walk.call("comment create empty", &bot, M::POST, "/issues/1/comments", json!({ "body": "" })).await;
    walk.call("comment create missing issue", &bot, M::POST, "/issues/9999/comments", json!({ "body": "x" })).await;
    walk.call("comment edit own", &bot, M::PATCH, &comment, json!({ "body": "edited" })).await;
    walk.call("comment edit another as reader", &reader, M::PATCH, &comment, json!({ "body": "x" })).await;
    walk.call("comments list", &bot, M::GET, "/issues/1/comments", none()).await;
    let since = "/issues/comments?since=2020-01-01T00:00:00Z&page=1&limit=50";
    walk.call("comments of repo since the edit", &bot, M::GET, since, none()).await;
    walk.call("comment delete", &bot, M::DELETE, "/issues/comments/999999", none()).await;

    let on_two = json!({ "owner": ctx.repo.owner(), "repo": ctx.repo.name(), "index": 2 });
    ctx.by_bot(M::POST, "/issues/1/dependencies", on_two.clone()).await;
    walk.call("dependency add again", &bot, M::POST, "/issues/1/dependencies", on_two).await;
    walk.call("dependency list", &bot, M::GET, "/issues/1/dependencies?page=1&limit=50", none()).await;
    let closed = || json!({ "state": "closed" });
    walk.call("issue close with open dependency", &bot, M::PATCH, "/issues/1", closed()).await;
    walk.call("issue close", &bot, M::PATCH, "/issues/2", closed()).await;

    let head = ctx.branch("claude/issue-1").await;
    let pull = |head: &str| json!({ "head": head, "base": "main", "title": "Fix the total", "body": "Closes #1" });
    let made = walk.call("pull create", &bot, M::POST, "/pulls", pull(head.as_str())).await;
    walk.call("pull create again", &bot, M::POST, "/pulls", pull(head.as_str())).await;
    walk.call("pull create no diff", &bot, M::POST, "/pulls", pull("main")).await;
    walk.call("pull create missing head", &bot, M::POST, "/pulls", pull("nope")).await;
    walk.call("pulls list", &bot, M::GET, "/pulls?state=open&page=1&limit=50", none()).await;
    walk.call("issues list pulls", &bot, M::GET, "/issues?type=pulls&page=1&limit=50", none()).await;
    let sha = made["head"]["sha"].as_str().unwrap_or("no-sha").to_owned();
    let status = format!("/commits/{sha}/status?page=1&limit=50");
    walk.call("combined status none", &bot, M::GET, &status, none()).await;
    ctx.by_bot(M::POST, &format!("/statuses/{sha}"), json!({ "context": "c", "state": "success" })).await;
    walk.call("combined status", &bot, M::GET, &status, none()).await;
    walk.call("pull close", &bot, M::PATCH, &format!("/pulls/{}", made["number"]), closed()).await;

    ctx.by_owner(M::PATCH, "", json!({ "name": "app-renamed" })).await;
    walk.call("repo by old name", &bot, M::GET, "", none()).await;
    walk.call("issue label by old name", &bot, M::POST, "/issues/2/labels", labels("portal")).await;
    let renamed = format!("//repos/{}/app-renamed", ctx.repo.owner());
    ctx.site.api.done(&ctx.owner, M::PATCH, &renamed[1..], json!({ "archived": true })).await;
    walk.call("comment on archived", &bot, M::POST, &format!("{renamed}/issues/2/comments"), json!({ "body": "x" })).await;
    assert!(walk.found.is_empty(), "{} of {} steps:\n{}", walk.found.len(), walk.steps, walk.found.join("\n"));
}

#[tokio::test]
async fn shapes_are_those_of_real_servers() {
    on_each_site(async |ctx| contract_shapes(&ctx).await).await;
}

#[test]
fn a_difference_is_seen() {
    let there = json!({ "id": 1, "user": { "login": "a" }, "labels": [{ "name": "x" }], "assignee": null });
    let differ = |here: Value| {
        let mut found = Vec::new();
        differences(&there, &here, "body", true, &mut found);
        found
    };
    assert!(differ(json!({ "id": 2, "user": null, "labels": [], "assignee": 3 })).is_empty());
    assert_eq!(differ(json!({ "id": "2", "user": {}, "labels": [{ "name": "x", "more": 1 }] })).len(), 3);
}
