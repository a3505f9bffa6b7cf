//! What real Forgejo servers answered, read by the client: statuses, keys and types of each kind of answer that it reads.
//!
//! `fixtures/forgejo/v15.jsonl` and `v16.jsonl` are whole lines of the recordings, one or more for each kind, so that a clone alone can tell.
//! Where the recordings themselves stand beside the repository (`../shared/forgejo-recordings`), all of them are read.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use forgehand::forge::Client;
use forgehand::model::{
    Branch, Checks, Comment, CommentId, Issue, IssueNumber, Login, Pull, PullNumber, PullState, RepoName, Timestamp,
};
use forgehand::ports::{Forge, ForgeError, ForgeErrorKind, IssueFilter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::forge_script::{self, Reply, Script};

/// One call as the walk wrote it down.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    /// What the walk calls it.
    pub step: String,
    /// The method.
    #[serde(default)]
    pub method: String,
    /// The path below `/api/v1`; empty where the line is no call (a delivery, a note).
    #[serde(default)]
    pub path: String,
    /// The body that was sent.
    #[serde(default)]
    pub request: Value,
    /// The query.
    #[serde(default)]
    pub query: Value,
    /// The status of the answer.
    #[serde(default)]
    pub status: u16,
    /// Its headers, those that matter.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its body.
    #[serde(default)]
    pub body: Value,
}

/// The kinds of answers that the client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Version,
    Whoami,
    Repository,
    Labels,
    Label,
    Issues,
    Issue,
    CommentsSince,
    IssueComments,
    Comment,
    DeleteComment,
    AttachedLabels,
    RemoveLabel,
    Timeline,
    Dependencies,
    Pulls,
    Pull,
    Checks,
    Permission,
}

const KINDS: usize = 19;

impl Recorded {
    fn kind(&self) -> Option<Kind> {
        let parts: Vec<&str> = self.path.trim_start_matches('/').split('/').collect();
        let number = |s: &str| s.parse::<u64>().is_ok();
        Some(match (self.method.as_str(), parts.as_slice()) {
            ("GET", ["version"]) => Kind::Version,
            ("GET", ["user"]) => Kind::Whoami,
            ("GET", ["repos", "issues", "search"]) | ("GET", ["repos", _, _, "issues"]) => Kind::Issues,
            ("POST", ["user", "repos"]) | ("GET" | "PATCH", ["repos", _, _]) => Kind::Repository,
            ("GET", ["repos", _, _, "labels"]) => Kind::Labels,
            ("POST", ["repos", _, _, "labels"]) => Kind::Label,
            ("POST", ["repos", _, _, "issues"]) => Kind::Issue,
            ("GET", ["repos", _, _, "issues", "comments"]) => Kind::CommentsSince,
            ("GET" | "PATCH", ["repos", _, _, "issues", "comments", _]) => Kind::Comment,
            ("DELETE", ["repos", _, _, "issues", "comments", _]) => Kind::DeleteComment,
            ("GET" | "PATCH", ["repos", _, _, "issues", n]) if number(n) => Kind::Issue,
            ("GET", ["repos", _, _, "issues", _, "comments"]) => Kind::IssueComments,
            ("POST", ["repos", _, _, "issues", _, "comments"]) => Kind::Comment,
            ("POST" | "PUT", ["repos", _, _, "issues", _, "labels"]) => Kind::AttachedLabels,
            ("DELETE", ["repos", _, _, "issues", _, "labels", ..]) => Kind::RemoveLabel,
            ("GET", ["repos", _, _, "issues", _, "timeline"]) => Kind::Timeline,
            ("GET", ["repos", _, _, "issues", _, "dependencies" | "blocks"]) => Kind::Dependencies,
            ("GET", ["repos", _, _, "pulls"]) => Kind::Pulls,
            ("POST", ["repos", _, _, "pulls"]) => Kind::Pull,
            ("GET" | "PATCH", ["repos", _, _, "pulls", n]) if number(n) => Kind::Pull,
            ("GET", ["repos", _, _, "pulls", base, _, ..]) if !number(base) => Kind::Pull,
            ("GET", ["repos", _, _, "commits", _, "status"]) => Kind::Checks,
            ("GET", ["repos", _, _, "collaborators", _, "permission"]) => Kind::Permission,
            _ => return None,
        })
    }

    /// The answer as it came over the wire. A total that belongs to smaller pages than the client's is left out.
    fn reply(&self) -> Reply {
        let body = match &self.body {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let small = self.query["limit"].as_u64().is_some_and(|limit| limit < 50);
        let kept = |name: &str| name != "link" && (name != "x-total-count" || !small);
        let headers = self.headers.iter().filter(|(name, _)| kept(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        Reply::Say { status: self.status, headers, body }
    }

    /// What the status means, told apart from the client: the table of the port.
    fn refusal(&self) -> Option<ForgeErrorKind> {
        let moved = || {
            let location = self.headers.get("location")?;
            let mut parts = location.strip_prefix("/api/v1/repos/")?.split(['/', '?']);
            Some(format!("{}/{}", parts.next()?, parts.next()?))
        };
        Some(match self.status {
            200..=299 => return None,
            301 => ForgeErrorKind::Moved { to: moved() },
            401 => ForgeErrorKind::Unauthorized,
            403 => ForgeErrorKind::Denied,
            404 => ForgeErrorKind::NotFound,
            409 | 412 => ForgeErrorKind::Conflict,
            423 => ForgeErrorKind::Archived,
            500 => ForgeErrorKind::Server,
            400 | 405 | 422 => ForgeErrorKind::Invalid,
            status => panic!("a status that the table does not have: {status} at {}", self.step),
        })
    }
}

fn fixture(name: &str) -> Vec<Recorded> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/fixtures/forgejo").join(name))
}

fn read(file: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}", file.display()))).collect()
}

/// The answers of a kind of call in the fixtures of both versions, for tests that compare a forge with them.
pub fn fixtures() -> Vec<Recorded> {
    ["v15.jsonl", "v16.jsonl"].into_iter().flat_map(fixture).collect()
}

fn repo() -> RepoName {
    "owner/app".parse().expect("a name")
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|entry| entry[key].as_str()).collect()
}

fn numbers(list: &Value, key: &str) -> Vec<u64> {
    let mut found: Vec<u64> = list.as_array().into_iter().flatten().filter_map(|entry| entry[key].as_u64()).collect();
    found.sort_unstable();
    found
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(Timestamp::parse).expect("a time")
}

fn same_issue(issue: &Issue, wire: &Value) {
    assert_eq!(json!(issue.number), wire["number"]);
    assert_eq!((json!(issue.title), json!(issue.body)), (wire["title"].clone(), wire["body"].clone()));
    assert_eq!(json!(issue.author), wire["user"]["login"]);
    assert_eq!(issue.open, wire["state"] == "open");
    assert!(texts(&wire["labels"], "name").into_iter().all(|name| issue.labels.contains(name)));
    assert_eq!((issue.created, issue.updated), (time(&wire["created_at"]), time(&wire["updated_at"])));
    assert_eq!(json!(issue.comments), wire["comments"]);
    assert_eq!(issue.pull.map(|p| json!(p.merged)), wire["pull_request"].get("merged").cloned());
}

fn same_comment(comment: &Comment, wire: &Value) {
    assert_eq!((json!(comment.id), json!(comment.body)), (wire["id"].clone(), wire["body"].clone()));
    assert_eq!(json!(comment.author), wire["user"]["login"]);
    assert_eq!((comment.created, comment.updated), (time(&wire["created_at"]), time(&wire["updated_at"])));
    let page = wire["html_url"].as_str().expect("a page");
    assert!(page.contains(&format!("s/{}#", comment.issue.0)), "{page}");
}

fn same_pull(pull: &Pull, wire: &Value) {
    assert_eq!((json!(pull.number), json!(pull.title)), (wire["number"].clone(), wire["title"].clone()));
    assert_eq!(json!(pull.author), wire["user"]["login"]);
    assert_eq!(json!(pull.head_sha), wire["head"]["sha"]);
    assert_eq!(json!(pull.base), wire["base"]["ref"]);
    assert!(wire["head"]["ref"] == json!(pull.head) || wire["head"]["label"] == json!(pull.head));
    assert_eq!(pull.state == PullState::Merged, wire["merged"] == true);
    assert_eq!(pull.state == PullState::Open, wire["state"] == "open");
    assert_eq!((pull.created, pull.updated), (time(&wire["created_at"]), time(&wire["updated_at"])));
}

fn sorted<T: Clone>(items: &[T], key: impl Fn(&T) -> u64) -> Vec<u64> {
    let mut keys: Vec<u64> = items.iter().map(key).collect();
    keys.sort_unstable();
    keys
}

/// Reads the answer as lists are read, and compares.
async fn read_list(client: &Client, kind: Kind, at: &Recorded) -> Result<(), ForgeError> {
    let (repo, number, body) = (repo(), IssueNumber(1), &at.body);
    match kind {
        Kind::Labels => {
            let labels = client.labels(&repo).await?;
            assert_eq!(sorted(&labels, |l| l.id), numbers(body, "id"));
        }
        Kind::Issues => {
            let listed = client.issues(&repo, &IssueFilter::default()).await?;
            assert_eq!(sorted(&listed.items, |i| i.number.0), numbers(body, "number"));
            for issue in &listed.items {
                let wire = body.as_array().and_then(|all| all.iter().find(|w| w["number"] == json!(issue.number)));
                same_issue(issue, wire.expect("an issue of the answer"));
            }
        }
        Kind::CommentsSince | Kind::IssueComments => {
            let comments = match kind {
                Kind::IssueComments => client.issue_comments(&repo, number).await?,
                _ => client.comments_since(&repo, Timestamp(0)).await?.items,
            };
            assert_eq!(sorted(&comments, |c| c.id.0), numbers(body, "id"));
            for comment in &comments {
                let wire = body.as_array().and_then(|all| all.iter().find(|w| w["id"] == json!(comment.id)));
                same_comment(comment, wire.expect("a comment of the answer"));
            }
        }
        Kind::Timeline => {
            let events = client.label_events(&repo, number).await?;
            let wires: Vec<&Value> = body.as_array().into_iter().flatten().filter(|e| e["type"] == "label").collect();
            assert_eq!(events.len(), wires.len());
            for (event, wire) in events.iter().zip(wires) {
                assert_eq!(json!(event.label), wire["label"]["name"]);
                assert_eq!((event.added, json!(event.by)), (wire["body"] == "1", wire["user"]["login"].clone()));
                assert_eq!(event.at, time(&wire["created_at"]));
            }
        }
        Kind::Dependencies => {
            let found = client.dependencies(&repo, number).await?;
            assert_eq!(sorted(&found, |d| d.issue.0), numbers(body, "number"));
            assert!(found.iter().all(|d| d.repo == repo && (d.open || at.step.contains("closed"))));
        }
        Kind::Pulls => {
            for wire in body.as_array().into_iter().flatten() {
                let branch = wire["head"]["label"].as_str().filter(|l| !l.is_empty()).or(wire["head"]["ref"].as_str());
                let script = Script::start([at.reply()]).await;
                let head = Branch::from(branch.expect("a head"));
                let found = script.client().pulls(&repo, &head, &Branch::from("main"), None).await?;
                let ours = wire["flow"] == 0;
                assert_eq!(found.len(), usize::from(ours), "AGit pushes have no branch");
                found.iter().for_each(|pull| same_pull(pull, wire));
            }
            client.pulls(&repo, &Branch::from("nobody"), &Branch::from("main"), None).await?;
        }
        other => panic!("{other:?} is no list"),
    }
    Ok(())
}

/// Reads the answer with the call that such an answer belongs to, and compares what came of it with the raw answer.
async fn read_answer(client: &Client, kind: Kind, at: &Recorded) -> Result<(), ForgeError> {
    let (repo, number, body) = (repo(), IssueNumber(1), &at.body);
    match kind {
        Kind::Version => assert_eq!(json!(client.version().await?), body["version"]),
        Kind::Whoami => assert_eq!(json!(client.whoami().await?), body["login"]),
        Kind::Repository => {
            let facts = client.repository(&repo).await?;
            assert_eq!(
                (json!(facts.name), json!(facts.default_branch)),
                (body["full_name"].clone(), body["default_branch"].clone())
            );
            assert_eq!((json!(facts.archived), json!(facts.empty)), (body["archived"].clone(), body["empty"].clone()));
            let rights = &body["permissions"];
            assert_eq!((json!(facts.can_push), json!(facts.can_admin)), (rights["push"].clone(), rights["admin"].clone()));
        }
        Kind::Label => {
            let label = client.create_label(&repo, "portal", "#1f6feb", "").await?;
            assert_eq!((json!(label.id), json!(label.name)), (body["id"].clone(), body["name"].clone()));
        }
        Kind::Issue => same_issue(&client.issue(&repo, number).await?, body),
        Kind::Comment => same_comment(&client.create_comment(&repo, number, "x").await?, body),
        Kind::DeleteComment => client.delete_comment(&repo, CommentId(1)).await?,
        Kind::AttachedLabels => {
            let names = texts(body, "name");
            let asked = at.request["labels"][0].as_str().unwrap_or("portal");
            let found = client.add_label(&repo, number, asked).await;
            if at.status < 300 && !names.contains(&asked) {
                let error = found.expect_err("a label that did not stick");
                assert!(error.why.contains(&format!("no label `{asked}`")), "{error}");
            } else {
                assert_eq!(found?, names);
            }
        }
        Kind::RemoveLabel => client.remove_label(&repo, number, "portal").await?,
        Kind::Pull => same_pull(&client.pull(&repo, PullNumber(5)).await?, body),
        Kind::Checks => {
            let checks = client.checks(&repo, &"a".repeat(40).parse().expect("a name")).await?;
            let states = texts(&body["statuses"], "status");
            let red = states.iter().any(|s| !matches!(*s, "success" | "pending" | "warning" | "skipped"));
            assert_eq!((checks == Checks::None, checks == Checks::Failure), (states.is_empty(), red), "{states:?}");
        }
        Kind::Permission => {
            let permission = client.permission(&repo, &Login::from("reader")).await?;
            assert_eq!(json!(permission), body["permission"]);
        }
        _ => read_list(client, kind, at).await?,
    }
    Ok(())
}

/// Puts each answer of a kind that the client reads before the client. Gives back how many of each kind there were.
async fn replay(lines: &[Recorded]) -> BTreeMap<Kind, usize> {
    let mut seen = BTreeMap::new();
    for at in lines {
        let Some(kind) = at.kind() else { continue };
        // What follows is only asked for after a refusal of `DELETE .../labels/{name}`: what the issue carries.
        let script = Script::start([at.reply(), forge_script::json(200, "[]")]).await;
        let client = script.client();
        let told = format!("{} ({} {} -> {})", at.step, at.method, at.path, at.status);
        let found = read_answer(&client, kind, at).await;
        let forgiven = matches!((kind, at.status), (Kind::DeleteComment, 404) | (Kind::RemoveLabel, 422));
        match (found, at.refusal().filter(|_| !forgiven)) {
            (Ok(()), None) => {}
            (Err(error), Some(expected)) => {
                assert_eq!(error.kind, expected, "{told}: {error}");
                assert!(!error.why.is_empty() && !error.why.contains('\n'), "{told}: {error}");
                assert!(at.status != 401 || !error.why.contains("deadbeef"), "{told}: {error}");
                assert!(
                    !at.body["message"].as_str().unwrap_or("").contains("scope") || error.why.contains("scope"),
                    "{told}: {error}"
                );
            }
            (found, expected) => panic!("{told}: {found:?} where {expected:?} was expected"),
        }
        *seen.entry(kind).or_insert(0) += 1;
    }
    seen
}

#[tokio::test]
async fn fixtures_read_as_they_stand() {
    for name in ["v15.jsonl", "v16.jsonl"] {
        let seen = replay(&fixture(name)).await;
        assert_eq!(seen.len(), KINDS, "{name} lacks a kind of answer: {:?}", seen.keys());
    }
}

/// The folder of the recordings, if it stands beside this repository.
fn recordings() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/forgejo-recordings");
    // A worktree lies one folder deeper.
    let deeper = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/forgejo-recordings");
    [folder, deeper].into_iter().find(|f| f.is_dir())
}

/// Says on the real standard error, which the harness does not hold back, that a check could not be made.
fn notice(check: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "not checked (1): {check}: {why}");
}

#[tokio::test]
async fn recordings_read_as_they_stand() {
    let Some(folder) = recordings() else {
        return notice(
            "forge_recordings::recordings_read_as_they_stand",
            "../shared/forgejo-recordings is not there; the fixtures were read",
        );
    };
    for name in ["v15.jsonl", "v16.jsonl"] {
        let lines = read(&folder.join(name));
        let seen = replay(&lines).await;
        assert_eq!(seen.len(), KINDS, "{name}: {seen:?}");
        assert!(seen.values().sum::<usize>() > 120, "{name}: {seen:?}");
        for at in fixture(name) {
            let same = |line: &&Recorded| (&line.step, &line.path, &line.body) == (&at.step, &at.path, &at.body);
            assert!(lines.iter().any(|l| same(&l)), "{name}: the fixture `{}` is not in the recordings any more", at.step);
        }
    }
}
