//! How the forge's client behaves on the wire, against a server that does what no Forgejo would do on demand.

use std::time::Duration;

use forgehand::forge::{Client, Options};
use forgehand::model::{Branch, CommentId, IssueNumber, Login, PullNumber, RepoName, Timestamp};
use forgehand::ports::{CiState, Forge, ForgeError, ForgeErrorKind as Kind, IssueFilter, JobLog, NewPull};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::forge_script::{Reply, Script, TOKEN, json, page};

fn repo() -> RepoName {
    "owner/app".parse().expect("a name")
}

fn unreachable() -> Kind {
    Kind::Unreachable { retry_after: None }
}

async fn comment(client: &Client) -> ForgeError {
    client.create_comment(&repo(), IssueNumber(1), "hello").await.expect_err("the script refuses")
}

#[tokio::test]
async fn says_who_it_is_and_keeps_the_subpath() {
    let server = Script::start([json(200, r#"{"version":"15.0.3+gitea-1.22.0"}"#), json(204, "")]).await;
    let client = server.client_at("/git/forge/");
    assert_eq!(client.version().await.expect("a version"), "15.0.3+gitea-1.22.0");
    client.remove_label(&repo(), IssueNumber(7), "prio/low & ü?").await.expect("taken off");
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /git/forge/api/v1/version");
    assert!(asked[0].head.contains(&format!("authorization: token {TOKEN}")), "{}", asked[0].head);
    assert!(asked[0].head.contains(&format!("user-agent: forgehand/{}", env!("CARGO_PKG_VERSION"))), "{}", asked[0].head);
    assert_eq!(asked[1].line, "DELETE /git/forge/api/v1/repos/owner/app/issues/7/labels/prio%2Flow%20&%20%C3%BC%3F");
    assert_eq!(client.requests(), 2);
}

#[tokio::test]
async fn a_label_that_no_path_can_carry_is_taken_off_by_its_number() {
    for odd in ["..", "42", "."] {
        let labels = format!(r#"[{{"id":9,"name":"{odd}"}},{{"id":3,"name":"portal"}}]"#);
        let server = Script::start([json(200, &labels), json(204, "")]).await;
        server.client().remove_label(&repo(), IssueNumber(7), odd).await.expect("taken off");
        let lines: Vec<String> = server.asked().into_iter().map(|a| a.line).collect();
        let path = "/api/v1/repos/owner/app/issues/7/labels";
        assert_eq!(lines, [format!("GET {path}"), format!("DELETE {path}/9")]);
    }
    let server = Script::start([]).await;
    let error = server.client().permission(&repo(), &Login::from("..")).await.expect_err("no such path");
    assert_eq!((error.kind, server.asked().len()), (Kind::Invalid, 0));
}

#[tokio::test]
async fn a_read_is_sent_again_and_a_write_is_not() {
    let server = Script::start([
        page(502, "<html>bad gateway</html>"),
        Reply::HangUp,
        Reply::BreakOff { status: 200, body: r#"{"version":"#.into() },
        json(200, r#"{"version":"16.0.0"}"#),
    ])
    .await;
    let client = server.client();
    assert_eq!(client.version().await.expect("the fourth attempt"), "16.0.0");
    assert_eq!(client.requests(), 4);

    let lost = [
        Reply::HangUp,
        Reply::Silence,
        page(502, "<html>bad gateway</html>"),
        page(504, "<html>gateway timeout</html>"),
        page(500, "<html>oops</html>"),
        Reply::BreakOff { status: 201, body: r#"{"id":1,"#.into() },
        json(201, r#"{"id":1}"#),
    ];
    for reply in lost {
        let server = Script::start([reply.clone()]).await;
        let error = comment(&server.client()).await;
        assert_eq!(error.kind, Kind::Doubtful, "{reply:?}: {error}");
        assert_eq!(error.what, "POST repos/owner/app/issues/1/comments");
        assert_eq!(server.asked().len(), 1, "{reply:?}");
        assert_eq!(server.asked()[0].body, r#"{"body":"hello"}"#);
    }
}

#[tokio::test]
async fn attempts_end() {
    let server = Script::start((0..9).map(|_| page(503, "<html>busy</html>"))).await;
    let error = server.client().version().await.expect_err("it never comes up");
    assert_eq!((error.kind, server.asked().len()), (unreachable(), 4));

    let server = Script::start((0..9).map(|_| json(429, "{}").header("retry-after", "77"))).await;
    let error = server.client().version().await.expect_err("it asks for more time than there is");
    assert_eq!((error.kind, server.asked().len()), (Kind::Unreachable { retry_after: Some(77) }, 1));
}

#[tokio::test]
async fn a_forge_that_asks_for_quiet_gets_it_from_every_call() {
    let server = Script::start([json(429, "{}").header("retry-after", "77"), json(200, r#"{"version":"16.0.0"}"#)]).await;
    let client = server.client();
    client.version().await.expect_err("it asks for more time than there is");
    let quiet = client.version().await.expect_err("nothing is sent");
    assert!(matches!(quiet.kind, Kind::Unreachable { retry_after: Some(70..=77) }), "{quiet:?}");
    let error = comment(&client).await;
    assert!(matches!(error.kind, Kind::Unreachable { .. }), "what was not sent is not doubtful: {error}");
    assert_eq!((server.asked().len(), client.requests()), (1, 1));

    let server = Script::start([page(503, "busy").header("retry-after", "1"), json(200, r#"{"version":"16.0.0"}"#)]).await;
    assert_eq!(server.client().version().await.expect("after a second"), "16.0.0");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn silence_has_an_end() {
    let server = Script::start((0..9).map(|_| Reply::Silence)).await;
    let options = Options { read: Duration::from_millis(50), retries: 0, ..Options::default() };
    let client = Client::new(&format!("http://{}", server.address()), SecretString::from(TOKEN), options).expect("a client");
    let error = client.version().await.expect_err("nobody speaks");
    assert_eq!(error.kind, unreachable());
    assert!(error.why.contains("silent"), "{error}");
}

#[tokio::test]
async fn without_a_connection_a_write_is_not_doubtful() {
    // A port that was just free: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its number");
    drop(listener);
    let client = Client::new(&format!("http://{address}"), SecretString::from(TOKEN), Options::default()).expect("a client");
    let error = comment(&client).await;
    assert_eq!((error.kind.clone(), client.requests()), (unreachable(), 1));
    assert!(error.why.contains("is the forge running"), "{error}");
}

#[tokio::test]
async fn a_token_is_never_repeated() {
    let echo = |status| {
        json(status, &format!(r#"{{"message":"access token does not exist [sha: {TOKEN}]\ntask with token \"{TOKEN}\""}}"#))
    };
    for (status, kind) in [(401, Kind::Unauthorized), (403, Kind::Denied), (422, Kind::Invalid), (500, Kind::Server)] {
        let server = Script::start([echo(status)]).await;
        let client = server.client();
        let error = client.whoami().await.expect_err("refused");
        assert_eq!(error.kind, kind);
        assert!(!format!("{error} {error:?} {client:?}").contains(TOKEN), "{error}");
    }
}

#[tokio::test]
async fn statuses_mean_what_the_port_says() {
    let said = |status, message: &str| json(status, &format!(r#"{{"message":"{message}","url":"x"}}"#));
    let scope = "token does not have at least one of required scope(s): [write:issue]";
    let cases = [
        (said(403, scope), Kind::Denied, scope),
        (json(403, ""), Kind::Denied, "lacks the right"),
        (said(404, "gone"), Kind::NotFound, "gone"),
        (json(404, r#"{"message":"m","errors":["issue does not exist"]}"#), Kind::NotFound, "m; issue does not exist"),
        (page(403, "<html>denied</html>"), Kind::Doubtful, "proxy (status 403)"),
        (page(404, "<html>nginx</html>"), Kind::NotAForge, "subpath"),
        (said(409, "already"), Kind::Conflict, "already"),
        (said(412, "open dependencies"), Kind::Conflict, "open dependencies"),
        (said(413, "quota"), Kind::Invalid, "quota"),
        (said(423, "archived"), Kind::Archived, "archived"),
        (said(422, "[Name]: Required"), Kind::Invalid, "[Name]: Required"),
        (said(500, ""), Kind::Server, "without a reason"),
        (page(200, "<html>sign in</html>"), Kind::NotAForge, "forge.url"),
        (page(302, "").header("location", "/user/login"), Kind::NotAForge, "/user/login"),
        (
            page(301, "").header("location", "https://h.example/api/v1/repos/owner/app/issues/1/comments?t=1"),
            Kind::NotAForge,
            "https://h.example/",
        ),
    ];
    for (reply, kind, words) in cases {
        let server = Script::start([reply.clone()]).await;
        let error = comment(&server.client()).await;
        assert_eq!(error.kind, kind, "{reply:?}: {error}");
        assert!(error.why.contains(words), "{reply:?}: {error}");
    }
}

#[tokio::test]
async fn a_renamed_repository_is_said_and_not_followed() {
    for location in
        ["/api/v1/repos/owner/new/issues/1/comments", "https://git.example/sub/api/v1/repos/owner/new/issues/1/comments"]
    {
        let server = Script::start([json(301, "").header("location", location)]).await;
        assert_eq!(comment(&server.client()).await.kind, Kind::Moved { to: Some("owner/new".into()) });
        assert_eq!(server.asked().len(), 1);
    }
    let body = r#"<a href="/api/v1/repos/owner/new">Moved Permanently</a>."#;
    let server = Script::start([page(301, body), page(301, "")]).await;
    let client = server.client();
    let error = client.repository(&repo()).await.expect_err("moved");
    assert_eq!(error.kind, Kind::Moved { to: Some("owner/new".into()) });
    assert!(error.why.contains("owner/new"), "{error}");
    let error = client.repository(&repo()).await.expect_err("moved");
    assert_eq!(error.kind, Kind::Moved { to: None });
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let server = Script::start([json(200, &format!("{{\"version\":\"{}\"}}", "1".repeat(2 << 20)))]).await;
    let error = server.client().version().await.expect_err("too large");
    assert_eq!(error.kind, Kind::NotAForge);
}

#[test]
fn what_cannot_be_an_address_or_a_token_is_refused() {
    let new = |url: &str, token: &str| Client::new(url, SecretString::from(token), Options::default()).map(drop);
    for url in ["", "git.example", "ftp://h/", "http://user:secret@h/", "http://h/?q=1", "file:///etc"] {
        let error = new(url, "t").expect_err(url);
        assert_eq!(error.kind, Kind::Invalid);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    for token in ["", "a b", "abc\n", "\u{fc}"] {
        let error = new("http://127.0.0.1/", token).expect_err(token);
        assert!(token.is_empty() || !error.to_string().contains(token), "{error}");
    }
    new("http://[::1]:3000/sub", "t").expect("an address");
}

#[tokio::test]
async fn https_is_spoken_with_the_certificates_of_the_machine() {
    let server = Script::start((0..9).map(|_| json(200, r#"{"version":"15"}"#))).await;
    let options = Options { connect: Duration::from_millis(200), retries: 0, ..Options::default() };
    match Client::new(&format!("https://{}", server.address()), SecretString::from(TOKEN), options) {
        // The script speaks no TLS.
        Ok(client) => assert_eq!(client.version().await.expect_err("no handshake").kind, unreachable()),
        Err(error) => assert!(error.why.contains("CA certificates"), "a machine without any: {error}"),
    }
    assert!(server.asked().is_empty(), "nothing is said before the handshake");
}

/// An issue as a forge would send it, moved at this second.
fn issue(number: u64, second: u32, state: &str, labels: &str) -> String {
    let time = format!("2026-11-21T07:{:02}:{:02}Z", second / 60, second % 60);
    format!(
        r#"{{"number":{number},"title":"t","body":null,"user":null,"labels":{labels},"state":"{state}",
        "created_at":"{time}","updated_at":"{time}","pull_request":null}}"#
    )
}

fn list(items: impl IntoIterator<Item = String>, total: usize) -> Reply {
    let body = format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","));
    json(200, &body).header("x-total-count", &total.to_string()).header("date", "Sat, 21 Nov 2026 08:00:00 GMT")
}

#[tokio::test]
async fn issues_are_read_on_by_time_and_a_crowded_second_by_pages() {
    let plain = |n: u64, s: u32| issue(n, s, "open", "null");
    let server = Script::start([
        // 1 to 20 at second 1, 21 to 50 at second 2: goes on with second 2.
        list((1..=20).map(|n| plain(n, 1)).chain((21..=50).map(|n| plain(n, 2))), 130),
        // Second 2 fills a page on its own.
        list((21..=70).map(|n| plain(n, 2)), 110),
        // Within it one leaves (21 moves to second 9), so 71 slides to the first page: that is read again.
        list((21..=70).map(|n| plain(n, 2)), 60),
        list((72..=80).map(|n| plain(n, 2)), 59),
        list((22..=71).map(|n| plain(n, 2)), 59),
        list((72..=80).map(|n| plain(n, 2)), 59),
        // And on with second 3; a total that fits the page saves a further look.
        list((81..=129).map(|n| plain(n, 3)).chain([plain(21, 9)]), 50),
    ])
    .await;
    let listed = server.client().issues(&repo(), &IssueFilter::default()).await.expect("all");
    let numbers: Vec<u64> = listed.items.iter().map(|i| i.number.0).collect();
    let expected: Vec<u64> = (1..=20).chain(22..=129).chain([21]).collect();
    assert_eq!(numbers, expected, "each once, by movement");
    assert_eq!(listed.date, Timestamp::parse("2026-11-21T08:00:00Z"));
    let since: Vec<String> = server
        .asked()
        .iter()
        .map(|a| {
            a.line
                .split(['?', '&'])
                .filter(|p| ["since=", "before", "page="].iter().any(|k| p.starts_with(k)))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .map(|l| l.replace("%3A", ":").replace("2026-11-21T07:00:", ""))
        .collect();
    assert_eq!(
        since,
        [
            "since=1970-01-01T00:00:00Z page=1",
            "since=02Z page=1",
            "since=02Z before=02Z page=1",
            "since=02Z before=02Z page=2",
            "since=02Z before=02Z page=1",
            "since=02Z before=02Z page=2",
            "since=03Z page=1",
        ]
    );
    assert!(server.asked()[0].line.contains("state=all&sort=leastupdate"), "{}", server.asked()[0].line);
    assert!(server.asked().iter().all(|a| a.line.contains("limit=50")));
}

#[tokio::test]
async fn no_filter_of_the_forge_is_trusted() {
    let portal = r#"[{"id":1,"name":"portal"}]"#;
    let answer =
        [issue(1, 1, "open", portal), issue(2, 1, "open", "[]"), issue(3, 1, "closed", portal), issue(4, 1, "new-word", portal)];
    let server = Script::start([list(answer, 4)]).await;
    let filter = IssueFilter {
        label: Some("portal".into()),
        open_only: true,
        since: Timestamp::parse("2026-11-21T07:00:00.900Z"),
        ..IssueFilter::default()
    };
    let listed = server.client().issues(&repo(), &filter).await.expect("a list");
    assert_eq!(listed.items.iter().map(|i| i.number.0).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(listed.items[0].author, Login::from("Ghost"));
    let line = &server.asked()[0].line;
    assert!(
        line.contains("state=open") && line.contains("labels=portal") && line.contains("since=2026-11-21T07%3A00%3A00Z"),
        "{line}"
    );
}

/// A pull request, at second `number`, of a repository with this id.
fn pull(number: u64, state: &str, head: (&str, &str, i64), flow: u8) -> String {
    let (label, reference, repo) = head;
    format!(
        r#"{{"number":{number},"title":"t","user":{{"login":"bot"}},"state":"{state}","merged":false,"flow":{flow},
        "head":{{"label":"{label}","ref":"{reference}","sha":"{}","repo_id":{repo},"repo":null}},
        "base":{{"label":"main","ref":"main","sha":"{}","repo_id":1}},
        "created_at":"2026-11-21T07:00:{number:02}Z","updated_at":"2026-11-21T07:00:{number:02}Z"}}"#,
        "a".repeat(40),
        "b".repeat(40)
    )
}

#[tokio::test]
async fn only_pulls_of_our_own_branch_are_ours() {
    let ours = "claude/issue-1";
    let open = [
        pull(20, "open", (ours, ours, 1), 0),
        // A branch of a fork, an AGit topic of a user `claude`, another branch.
        pull(21, "open", (ours, ours, 2), 0),
        pull(22, "open", (ours, "refs/pull/22/head", 1), 1),
        pull(23, "open", ("other", "other", 1), 0),
    ];
    // One whose branch is gone, one again from the first list, one too old.
    let closed = [
        pull(19, "closed", (ours, "refs/pull/19/head", 1), 0),
        pull(20, "closed", (ours, ours, 1), 0),
        pull(5, "closed", (ours, ours, 1), 0),
    ];
    let server = Script::start([list(open.clone(), 4), list(open, 4), list(closed, 300)]).await;
    let client = server.client();
    let (head, base) = (Branch::from(ours), Branch::from("main"));
    let found = client.pulls(&repo(), &head, &base, None).await.expect("open ones");
    assert_eq!(found.iter().map(|p| p.number).collect::<Vec<_>>(), [PullNumber(20)]);
    assert_eq!(client.requests(), 1);
    let since = Timestamp::parse("2026-11-21T07:00:10Z");
    let found = client.pulls(&repo(), &head, &base, since).await.expect("and closed ones");
    assert_eq!(found.iter().map(|p| p.number).collect::<Vec<_>>(), [PullNumber(20), PullNumber(19)]);
    assert_eq!(found[1].head, head);
    assert_eq!(client.requests(), 3, "an old one ends the list, whatever the total says");
}

#[tokio::test]
async fn a_list_that_shrinks_while_it_is_read_loses_nothing() {
    let comment = |id: u64, second: u32| {
        let time = format!("2026-11-21T07:00:{second:02}Z");
        format!(
            r#"{{"id":{id},"issue_url":"","pull_request_url":"http://h/sub/owner/app/pulls/{id}","user":{{"login":"a"}},"body":"b",
            "created_at":"{time}","updated_at":"{time}"}}"#
        )
    };
    let server = Script::start([
        list((1..=50).map(|n| comment(n, 1)), 60),
        list((52..=60).map(|n| comment(n, 1)), 59),
        list((2..=51).map(|n| comment(n, 1)), 59),
        list((52..=60).chain([2]).map(|n| comment(n, 2)), 59),
    ])
    .await;
    let listed = server.client().comments_since(&repo(), Timestamp(0)).await.expect("all");
    assert_eq!(listed.items.iter().map(|c| c.id.0).collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    assert_eq!(listed.items[1].updated, Timestamp::parse("2026-11-21T07:00:02Z").expect("a time"), "the newest version stays");
    assert_eq!(listed.items[1].issue, IssueNumber(2));

    let shrinking = (0..300).map(|n| list((1..=50).map(|n| comment(n, 1)), 60 - n % 2));
    let server = Script::start(shrinking).await;
    let error = server.client().comments_since(&repo(), Timestamp(0)).await.expect_err("it never stands still");
    assert_eq!(error.kind, unreachable(), "{error}");
}

#[tokio::test]
async fn smaller_pages_of_a_forge_are_not_taken_for_the_last() {
    let label = |id: u64| format!(r#"{{"id":{id},"name":"l{id}"}}"#);
    let server = Script::start([list((1..=20).map(label), 25), list((21..=25).map(label), 25)]).await;
    let labels = server.client().labels(&repo()).await.expect("all");
    assert_eq!(labels.len(), 25);
    // Pages that were filtered after they were cut are short, and no reason to ask for them again.
    let server =
        Script::start([list((1..=50).map(label), 120), list((51..=98).map(label), 120), list((101..=119).map(label), 120)]).await;
    let labels = server.client().labels(&repo()).await.expect("all");
    assert_eq!((labels.len(), server.asked().len()), (117, 3));
}

#[tokio::test]
async fn a_write_that_changed_nothing_is_an_error() {
    let server = Script::start([
        json(200, r#"[{"id":1,"name":"portal"}]"#),
        json(201, &issue(1, 1, "open", "[]")),
        json(201, &pull(1, "open", ("a", "a", 1), 0)),
        json(404, r#"{"message":"gone"}"#),
        json(404, r#"{"message":"gone"}"#),
    ])
    .await;
    let client = server.client();
    let error = client.add_label(&repo(), IssueNumber(1), "claude-queue").await.expect_err("not in the answer");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.why.contains("the repository has no label `claude-queue`"), "{error}");
    assert_eq!(client.close_issue(&repo(), IssueNumber(1)).await.expect_err("still open").kind, Kind::Invalid);
    assert_eq!(client.close_pull(&repo(), PullNumber(1)).await.expect_err("still open").kind, Kind::Invalid);
    assert_eq!(client.edit_comment(&repo(), CommentId(1), "x").await.expect_err("deleted").kind, Kind::NotFound);
    client.delete_comment(&repo(), CommentId(1)).await.expect("gone is gone");
}

#[tokio::test]
async fn a_pull_that_stands_already_is_a_conflict() {
    let server = Script::start([json(409, r#"{"message":"pull request already exists for these targets [id: 1]"}"#)]).await;
    let new = NewPull { head: "a".into(), base: "main".into(), title: "t".into(), body: "Closes #1".into() };
    let error = server.client().create_pull(&repo(), &new).await.expect_err("409");
    assert_eq!(error.kind, Kind::Conflict);
    assert_eq!(server.asked()[0].body, r#"{"base":"main","body":"Closes #1","head":"a","title":"t"}"#);
}

#[tokio::test]
async fn checks_are_added_up_over_all_pages() {
    use forgehand::model::{Checks, Sha};
    let sha: Sha = "c".repeat(40).parse().expect("a name");
    let combined = |states: &[&str], total: usize| {
        let statuses: Vec<String> = states.iter().map(|s| format!(r#"{{"status":"{s}"}}"#)).collect();
        json(200, &format!(r#"{{"state":"success","total_count":{total},"statuses":[{}]}}"#, statuses.join(",")))
    };
    let cases = [
        (vec![json(200, r#"{"state":"","total_count":0,"statuses":null}"#)], Checks::None),
        (vec![combined(&["success", "skipped", "warning"], 3)], Checks::Success),
        (vec![combined(&["success", "pending"], 2)], Checks::Pending),
        (vec![combined(&["pending", "error"], 2)], Checks::Failure),
        (vec![combined(&["success", "great"], 2)], Checks::Failure),
        (vec![combined(&["success"; 50], 51), combined(&["failure"], 51)], Checks::Failure),
    ];
    for (replies, expected) in cases {
        let count = replies.len();
        let server = Script::start(replies).await;
        assert_eq!(server.client().checks(&repo(), &sha).await.expect("checks"), expected);
        assert_eq!(server.asked().len(), count);
    }
}

#[tokio::test]
async fn a_dependency_that_cannot_be_seen_stays_open() {
    let hidden = r#"{"number":0,"title":"HIDDEN","state":"open","repository":null,"created_at":"0001-01-01T00:00:00Z"}"#;
    let other = r#"{"number":3,"state":"closed","repository":{"id":2,"full_name":"other/lib"}}"#;
    let server = Script::start([json(200, &format!("[{hidden},{other}]"))]).await;
    let found = server.client().dependencies(&repo(), IssueNumber(1)).await.expect("both");
    assert!(found[0].open && found[0].repo == repo() && found[0].issue == IssueNumber(0));
    assert!(!found[1].open && found[1].repo.to_string() == "other/lib");
}

#[tokio::test]
async fn the_end_of_what_a_failed_job_printed_is_read_where_the_forge_has_it() {
    let sha = "1111111111111111111111111111111111111111".parse().expect("a name");
    let runs = r#"{"workflow_runs":[{"id":7,"status":"failure"},{"id":8,"status":"success"}],"total_count":2}"#;
    let jobs = r#"[{"id":70,"name":"test","status":"failure"},{"id":71,"name":"lint","status":"success"},{"id":72,"name":"late","status":"cancelled"}]"#;
    let log = "2026-11-21T07:00:48Z expected 4\n2026-11-21T07:00:49Z got 5\n";
    let missing = || json(404, r#"{"message":"not found"}"#);
    let server = Script::start([json(200, runs), json(200, jobs), json(200, log), missing()]).await;
    let failed = server.client().failed_jobs(&repo(), &sha).await.expect("jobs");
    let told: Vec<_> = failed.iter().map(|job| (job.name.as_str(), job.run, job.cancelled, &job.log)).collect();
    let said = JobLog::Ends("expected 4\ngot 5".to_owned());
    assert_eq!(told, [("test", 7, false, &said), ("late", 7, true, &JobLog::Nothing)]);
    assert!(failed.iter().all(|job| !job.never_began()), "one said something, and one was cancelled");
    assert!(server.asked()[0].line.contains(&format!("head_sha={sha}")), "{}", server.asked()[0].line);

    // Without a log a job never came to its first step; one that is not handed out tells nothing.
    let two = r#"[{"id":70,"name":"test","status":"failure"},{"id":71,"name":"lint","status":"failure"}]"#;
    let server = Script::start([json(200, runs), json(200, two), missing(), json(403, r#"{"message":"no"}"#)]).await;
    let failed = server.client().failed_jobs(&repo(), &sha).await.expect("jobs");
    let told: Vec<_> = failed.iter().map(|job| (job.name.as_str(), job.never_began())).collect();
    assert_eq!(told, [("test", true), ("lint", false)], "{failed:?}");
    assert!(failed[0].is_told_by("ci.yml / test (pull_request)") && !failed[0].is_told_by("ci.yml / tests (push)"));

    // 15 lists runs and knows of no jobs.
    let server = Script::start([json(200, runs), missing()]).await;
    assert_eq!(server.client().failed_jobs(&repo(), &sha).await.expect("none"), Vec::new());
}

#[tokio::test]
async fn cancelled_runs_are_run_again_where_the_forge_has_a_call_for_that() {
    let sha: forgehand::model::Sha = "1111111111111111111111111111111111111111".parse().expect("a name");
    let of = |id: u64, status: &str, sha: &str| format!(r#"{{"id":{id},"status":"{status}","commit_sha":"{sha}"}}"#);
    let mut runs: Vec<String> = ["cancelled", "success", "failure", "skipped", "waiting", "running", "blocked", "quantum"]
        .iter()
        .zip(1..)
        .map(|(status, id)| of(id, status, sha.as_str()))
        .collect();
    runs.push(of(9, "cancelled", "2222222222222222222222222222222222222222"));
    let listed = format!(r#"{{"workflow_runs":[{}],"total_count":9}}"#, runs.join(","));
    let server =
        Script::start([json(200, &listed), json(204, ""), json(400, r#"{"message":"not done"}"#), json(404, "{}")]).await;
    let client = server.client();
    let found: Vec<_> = client.ci_runs(&repo(), &sha).await.expect("runs").iter().map(|run| (run.id, run.state)).collect();
    let (cancelled, ended, under_way, waiting) = (CiState::Cancelled, CiState::Ended, CiState::UnderWay, CiState::Waiting);
    let of_this =
        [(1, cancelled), (2, ended), (3, ended), (4, ended), (5, waiting), (6, under_way), (7, waiting), (8, under_way)];
    assert_eq!(found, of_this, "a filter that a version does not know lists those of other commits too");
    client.rerun(&repo(), 1).await.expect("it runs again");
    assert_eq!(server.asked()[1].line, "POST /api/v1/repos/owner/app/actions/runs/1/rerun");
    let kinds = [client.rerun(&repo(), 1).await, client.rerun(&repo(), 1).await].map(|answer| answer.expect_err("no").kind);
    assert_eq!(kinds, [Kind::Invalid, Kind::NotFound]);
}
