//! What forgehand takes for granted of a forge and its client: each `contract_*` runs against localforge, and the very same function
//! against a live Forgejo when `FORGEHAND_TEST_FORGE_URL` and `FORGEHAND_TEST_ADMIN_TOKEN` are set (see `forge_site`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forgehand::model::{
    Approval, Branch, Checks, CommentId, Issue, IssueNumber, Permission, Pull, PullNumber, PullState, Reviews, Spot, Timestamp,
    Verdict,
};
use forgehand::ports::{Forge, ForgeErrorKind as Kind, IssueFilter, NewIssue, NewPull, NewReview};
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;

use crate::forge_site::{Ctx, Who, on_each_site};

fn numbers(issues: &[Issue]) -> BTreeSet<u64> {
    issues.iter().map(|i| i.number.0).collect()
}

fn since(time: Timestamp) -> IssueFilter {
    IssueFilter { since: Some(time), ..IssueFilter::default() }
}

/// Asks again until the condition holds; a forge may be a moment late.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within 6 s: {what}");
}

async fn contract_who_may_what(ctx: &Ctx) {
    let (bot, owner) = (ctx.bot_client(), ctx.client(&ctx.owner));
    assert!(!bot.version().await.expect("a version").is_empty());
    assert_eq!(bot.whoami().await.expect("the bot"), ctx.login("bot"));

    let facts = bot.repository(&ctx.repo).await.expect("the repository");
    assert_eq!((facts.name.clone(), facts.default_branch.as_str()), (ctx.repo.clone(), "main"));
    assert_eq!((facts.can_push, facts.can_admin, facts.archived, facts.empty), (true, false, false, false));
    assert!(owner.repository(&ctx.repo).await.expect("the repository").can_admin);

    assert_eq!(bot.permission(&ctx.repo, &ctx.login("bot")).await.expect("its own"), Permission::Write);
    assert_eq!(bot.permission(&ctx.repo, &ctx.login("reader")).await.expect_err("of others").kind, Kind::Denied);
    for (role, expected) in [("reader", Permission::Read), ("outsider", Permission::None), ("owner", Permission::Owner)] {
        assert_eq!(owner.permission(&ctx.repo, &ctx.login(role)).await.expect(role), expected, "{role}");
    }
}

async fn contract_refusals(ctx: &Ctx) {
    let issue = ctx.file("one", &[]).await;
    let bot = ctx.bot_client();
    bot.create_label(&ctx.repo, "portal", "#1f6feb", "from outside").await.expect("a label");

    let narrow = ctx.client(&ctx.token("bot", &["read:issue"]).await);
    let error = narrow.add_label(&ctx.repo, issue, "portal").await.expect_err("no scope to write");
    assert_eq!(error.kind, Kind::Denied);
    assert!(error.why.contains("[write:issue]"), "{error}");
    let error = narrow.whoami().await.expect_err("no scope for the user");
    assert!(error.kind == Kind::Denied && error.why.contains("[read:user]"), "{error}");

    let reader = ctx.client(&ctx.token("reader", &["write:issue"]).await);
    assert_eq!(reader.add_label(&ctx.repo, issue, "portal").await.expect_err("a reader").kind, Kind::Denied);
    let outsider = ctx.client(&ctx.token("outsider", &["write:issue", "write:repository"]).await);
    assert_eq!(outsider.issue(&ctx.repo, issue).await.expect_err("private").kind, Kind::NotFound);
    assert_eq!(bot.issue(&ctx.repo, IssueNumber(9999)).await.expect_err("none").kind, Kind::NotFound);

    for secret in ["deadbeef", "0123456789abcdef0123456789abcdef01234567"] {
        let wrong = ctx.client(&Who::Token(secret.to_owned()));
        let error = wrong.issue(&ctx.repo, issue).await.expect_err("a wrong token");
        assert_eq!(error.kind, Kind::Unauthorized);
        assert!(!format!("{error:?} {wrong:?}").contains(secret), "{error:?}");
    }
}

async fn contract_idle_costs_two_requests(ctx: &Ctx) {
    let filed = join_all((0..60).map(|n| ctx.file(if n % 2 == 0 { "even" } else { "odd" }, &[]))).await;
    let bot = ctx.bot_client();
    bot.create_comment(&ctx.repo, filed[0], "hello").await.expect("a comment");
    let all = bot.issues(&ctx.repo, &IssueFilter::default()).await.expect("all");
    let later = all.items.iter().map(|i| i.updated).max().expect("some") + Duration::from_secs(1);
    let drift = all.date.expect("the forge's time").since(later);
    assert!(drift < Duration::from_secs(3600), "the date and the issues' times are of one clock");

    let before = bot.requests();
    let idle = bot.issues(&ctx.repo, &since(later)).await.expect("nothing");
    assert!(idle.items.is_empty() && idle.date.is_some(), "{idle:?}");
    assert_eq!(bot.requests() - before, 1);
    let idle = bot.comments_since(&ctx.repo, later).await.expect("nothing");
    assert!(idle.items.is_empty(), "{idle:?}");
    assert_eq!(bot.requests() - before, 2);
}

async fn contract_no_issue_is_missed(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let portal = bot.create_label(&ctx.repo, "portal", "#1f6feb", "").await.expect("a label").id;
    let mut filed = Vec::new();
    for chunk in 0..6 {
        let labels: &[u64] = if chunk % 2 == 0 { &[portal] } else { &[] };
        filed.extend(join_all((0..20).map(|_| ctx.file("crowd", labels))).await);
    }
    let expected: BTreeSet<u64> = filed.iter().map(|n| n.0).collect();
    assert_eq!(expected.len(), 120);

    let listed = bot.issues(&ctx.repo, &IssueFilter::default()).await.expect("all");
    assert_eq!((numbers(&listed.items), listed.items.len()), (expected.clone(), 120));
    assert!(listed.items.is_sorted_by_key(|i| i.updated), "oldest movement first");
    assert!(bot.requests() < 25, "{} requests for 120 issues", bot.requests());

    // Every third moves while the list is read, again and again: all are there each time.
    let moving = async {
        for issue in filed.iter().step_by(3) {
            bot.create_comment(&ctx.repo, *issue, "moves").await.expect("a comment");
        }
    };
    let reading = async {
        for _ in 0..4 {
            let listed = bot.issues(&ctx.repo, &IssueFilter::default()).await.expect("all");
            assert_eq!((numbers(&listed.items), listed.items.len()), (expected.clone(), 120));
        }
    };
    join(moving, reading).await;

    for issue in filed.iter().take(5) {
        bot.close_issue(&ctx.repo, *issue).await.expect("closed");
    }
    let filter = IssueFilter { label: Some("portal".into()), open_only: true, ..IssueFilter::default() };
    let open = bot.issues(&ctx.repo, &filter).await.expect("open ones with the label").items;
    assert_eq!(open.len(), 55);
    assert!(open.iter().all(|i| i.open && i.labels.contains("portal")));
    // Of a long list only as many as are asked for, those that moved the longest ago; it ends before the last page.
    let filter = IssueFilter { open_only: true, no_pulls: true, ..IssueFilter::default() };
    let all = bot.issues(&ctx.repo, &filter).await.expect("the open ones").items;
    let some = bot.issues(&ctx.repo, &IssueFilter { at_most: Some(60), ..filter }).await.expect("some of them").items;
    assert_eq!((all.len(), some.len()), (115, 60));
    assert!(some.iter().zip(&all).all(|(one, other)| one.updated == other.updated), "in the same order");
    // The forge drops a name that it does not know and answers with everything.
    let filter = IssueFilter { label: Some("no-such-label".into()), ..IssueFilter::default() };
    assert!(bot.issues(&ctx.repo, &filter).await.expect("none").items.is_empty());
}

async fn contract_since_is_inclusive(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let first = ctx.file("first", &[]).await;
    let updated = bot.issue(&ctx.repo, first).await.expect("it").updated;
    assert_eq!(updated.0 % 1000, 0, "whole seconds");
    assert_eq!(numbers(&bot.issues(&ctx.repo, &since(updated)).await.expect("a list").items), BTreeSet::from([first.0]));
    // What moves an issue: a comment, a label, its end.
    bot.create_label(&ctx.repo, "portal", "#1f6feb", "").await.expect("a label");
    let (mut last, tries) = (updated, AtomicU32::new(0));
    for step in 0..3 {
        let later = last + Duration::from_secs(1);
        until("the forge's clock goes on", async || {
            match step {
                0 => drop(bot.create_comment(&ctx.repo, first, "again").await.expect("a comment")),
                1 => {
                    bot.remove_label(&ctx.repo, first, "portal").await.expect("off");
                    bot.add_label(&ctx.repo, first, "portal").await.expect("on");
                }
                // One that changes nothing may move nothing.
                _ => {
                    let body = format!("edited, try {}", tries.fetch_add(1, Ordering::Relaxed));
                    ctx.by_owner(Method::PATCH, &format!("/issues/{}", first.0), json!({ "body": body })).await;
                }
            }
            let listed = bot.issues(&ctx.repo, &since(later)).await.expect("a list").items;
            last = listed.first().map_or(last, |i| i.updated);
            numbers(&listed) == BTreeSet::from([first.0])
        })
        .await;
    }
}

async fn contract_labels(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let issue = ctx.file("one", &[]).await;
    let names = ["portal", "claude-queue", "prio/low", "42", "ünïcode & more"];
    for name in names {
        assert_eq!(bot.create_label(&ctx.repo, name, "#1f6feb", "a label").await.expect(name).name, name);
    }
    let known: BTreeSet<String> = bot.labels(&ctx.repo).await.expect("labels").into_iter().map(|l| l.name).collect();
    assert!(names.iter().all(|n| known.contains(*n)), "{known:?}");

    for (count, name) in names.iter().enumerate() {
        let carried = bot.add_label(&ctx.repo, issue, name).await.expect(name);
        assert_eq!(carried.len(), count + 1, "the whole list comes back");
    }
    assert_eq!(bot.add_label(&ctx.repo, issue, "portal").await.expect("no-op").len(), names.len());
    for unknown in ["no-such-label", "Portal"] {
        let error = bot.add_label(&ctx.repo, issue, unknown).await.expect_err("names are case-sensitive");
        assert_eq!(error.kind, Kind::Invalid);
    }
    for name in names {
        bot.remove_label(&ctx.repo, issue, name).await.expect(name);
        bot.remove_label(&ctx.repo, issue, name).await.expect("no-op");
        assert!(!bot.issue(&ctx.repo, issue).await.expect("it").labels.contains(name), "{name}");
    }
    for absent in ["no-such-label", "..", "."] {
        bot.remove_label(&ctx.repo, issue, absent).await.expect("not on is no error");
    }
    assert_eq!(bot.remove_label(&ctx.repo, IssueNumber(9999), "portal").await.expect_err("no issue").kind, Kind::NotFound);

    let events = bot.label_events(&ctx.repo, issue).await.expect("events");
    assert!(events.iter().all(|e| e.by == ctx.login("bot")), "{events:?}");
    let told: Vec<(&str, bool)> = events.iter().map(|e| (e.label.as_str(), e.added)).collect();
    let expected: Vec<(&str, bool)> = names.iter().map(|n| (*n, true)).chain(names.iter().map(|n| (*n, false))).collect();
    assert_eq!(told, expected, "a no-op leaves no event");
}

async fn contract_a_long_timeline_comes_whole(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let issue = ctx.file("one", &[]).await;
    assert!(bot.label_events(&ctx.repo, issue).await.expect("none yet").is_empty());
    bot.create_label(&ctx.repo, "portal", "#1f6feb", "").await.expect("a label");
    for _ in 0..30 {
        bot.add_label(&ctx.repo, issue, "portal").await.expect("on");
        bot.create_comment(&ctx.repo, issue, "between").await.expect("a comment");
        bot.remove_label(&ctx.repo, issue, "portal").await.expect("off");
    }
    let before = bot.requests();
    let events = bot.label_events(&ctx.repo, issue).await.expect("events");
    assert_eq!(events.len(), 60);
    assert!(events.iter().enumerate().all(|(n, e)| e.added == (n % 2 == 0)), "in order");
    assert_eq!(bot.requests() - before, 1);
    assert_eq!(bot.issue_comments(&ctx.repo, issue).await.expect("comments").len(), 30);
}

async fn contract_comments(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let (one, two) = (ctx.file("one", &[]).await, ctx.file("two", &[]).await);
    let first = bot.create_comment(&ctx.repo, one, "queued\n<!-- forgehand -->").await.expect("a comment");
    assert_eq!((first.issue, &first.author, first.body.as_str()), (one, &ctx.login("bot"), "queued\n<!-- forgehand -->"));
    let second = bot.create_comment(&ctx.repo, two, "other").await.expect("a comment");
    let third = bot.create_comment(&ctx.repo, one, "third").await.expect("a comment");

    let ids = |comments: &[forgehand::model::Comment]| comments.iter().map(|c| c.id).collect::<Vec<CommentId>>();
    assert_eq!(ids(&bot.issue_comments(&ctx.repo, one).await.expect("comments")), [first.id, third.id]);
    let all = bot.comments_since(&ctx.repo, first.updated).await.expect("comments");
    assert_eq!(ids(&all.items), [first.id, second.id, third.id]);
    assert_eq!(all.items.iter().map(|c| c.issue).collect::<Vec<_>>(), [one, two, one]);

    let (later, tries) = (third.updated + Duration::from_secs(1), AtomicU32::new(0));
    until("the forge's clock goes on", async || {
        let body = format!("working, try {}", tries.fetch_add(1, Ordering::Relaxed));
        bot.edit_comment(&ctx.repo, first.id, &body).await.expect("edited").updated >= later
    })
    .await;
    let moved = bot.comments_since(&ctx.repo, later).await.expect("the edited one").items;
    assert_eq!(ids(&moved), [first.id]);
    assert_eq!((moved[0].body.starts_with("working, try "), moved[0].created), (true, first.created));

    bot.delete_comment(&ctx.repo, first.id).await.expect("deleted");
    bot.delete_comment(&ctx.repo, first.id).await.expect("gone is no error");
    assert_eq!(bot.edit_comment(&ctx.repo, first.id, "x").await.expect_err("gone").kind, Kind::NotFound);
    assert_eq!(bot.create_comment(&ctx.repo, one, "").await.expect_err("empty").kind, Kind::Invalid);
    assert_eq!(bot.create_comment(&ctx.repo, IssueNumber(9999), "x").await.expect_err("no issue").kind, Kind::NotFound);
    let reader = ctx.client(&ctx.token("reader", &["write:issue"]).await);
    assert_eq!(reader.edit_comment(&ctx.repo, third.id, "x").await.expect_err("another's").kind, Kind::Denied);
}

async fn contract_many_comments(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let issue = ctx.file("one", &[]).await;
    let mut expected = BTreeSet::new();
    for _ in 0..6 {
        let made = join_all((0..20).map(|_| bot.create_comment(&ctx.repo, issue, "x"))).await;
        expected.extend(made.into_iter().map(|c| c.expect("a comment").id));
    }
    let before = bot.requests();
    let listed = bot.comments_since(&ctx.repo, Timestamp(0)).await.expect("all").items;
    assert_eq!(listed.iter().map(|c| c.id).collect::<BTreeSet<_>>(), expected);
    assert_eq!((listed.len(), bot.requests() - before), (120, 3));
}

async fn contract_issues_that_we_file(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let label = bot.create_label(&ctx.repo, "part", "#1f6feb", "a part").await.expect("a label");
    let new = NewIssue { title: "A part".into(), body: "Depends on #1\n<!-- mark -->".into(), labels: vec![label.id] };
    let filed = bot.create_issue(&ctx.repo, &new).await.expect("an issue");
    assert_eq!((filed.title.as_str(), filed.body.as_str(), filed.open), ("A part", new.body.as_str(), true));
    assert_eq!((filed.labels.into_iter().collect::<Vec<_>>(), filed.author), (vec!["part".to_owned()], ctx.login("bot")));
    let filter = IssueFilter { since: Some(filed.created), ..IssueFilter::default() };
    let since = bot.issues(&ctx.repo, &filter).await.expect("a list");
    assert!(since.items.iter().any(|issue| issue.number == filed.number && issue.body == new.body), "it can be looked up");

    let renamed = bot.edit_issue(&ctx.repo, filed.number, Some("The part"), None).await.expect("another title");
    assert_eq!((renamed.title.as_str(), renamed.body.as_str()), ("The part", new.body.as_str()));
    let rewritten = bot.edit_issue(&ctx.repo, filed.number, None, Some("anew")).await.expect("another body");
    assert_eq!((rewritten.title.as_str(), rewritten.body.as_str()), ("The part", "anew"));

    let untitled = NewIssue { title: String::new(), ..new.clone() };
    assert_eq!(bot.create_issue(&ctx.repo, &untitled).await.expect_err("no title").kind, Kind::Invalid);
    let gone = bot.edit_issue(&ctx.repo, IssueNumber(9999), Some("t"), None).await;
    assert_eq!(gone.expect_err("no issue").kind, Kind::NotFound);
    let nowhere = bot.add_dependency(&ctx.repo, filed.number, IssueNumber(9999)).await;
    assert_eq!(nowhere.expect_err("no issue").kind, Kind::NotFound);
}

async fn contract_dependencies(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let (one, two) = (ctx.file("one", &[]).await, ctx.file("two", &[]).await);
    assert!(bot.dependencies(&ctx.repo, one).await.expect("none").is_empty());
    bot.add_dependency(&ctx.repo, one, two).await.expect("a dependency");
    assert_eq!(bot.add_dependency(&ctx.repo, one, two).await.expect_err("a second time").kind, Kind::Server);
    let found = bot.dependencies(&ctx.repo, one).await.expect("one");
    assert_eq!((found.len(), &found[0].repo, found[0].issue, found[0].open), (1, &ctx.repo, two, true));
    assert_eq!(bot.close_issue(&ctx.repo, one).await.expect_err("an open dependency").kind, Kind::Conflict);
    bot.close_issue(&ctx.repo, two).await.expect("closed");
    assert!(!bot.dependencies(&ctx.repo, one).await.expect("one")[0].open);
    bot.close_issue(&ctx.repo, one).await.expect("closed");
    assert!(!bot.issue(&ctx.repo, one).await.expect("it").open);
    for _ in 0..2 {
        bot.reopen_issue(&ctx.repo, one).await.expect("open, also where it is already");
        assert!(bot.issue(&ctx.repo, one).await.expect("it").open);
    }
}

fn new_pull(head: &Branch) -> NewPull {
    NewPull { head: head.clone(), base: "main".into(), title: "Fix the total".into(), body: "Closes #1".into() }
}

fn found(pulls: &[Pull]) -> Vec<(PullNumber, PullState)> {
    pulls.iter().map(|p| (p.number, p.state)).collect()
}

async fn contract_pulls(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let main = Branch::from("main");
    let head = ctx.branch("claude/issue-1").await;
    let other = ctx.branch("claude/issue-10").await;
    assert!(bot.pulls(&ctx.repo, &head, &main, Some(Timestamp(0))).await.expect("none").is_empty());
    let pull = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request");
    let second = bot.create_pull(&ctx.repo, &new_pull(&other)).await.expect("another");
    assert_eq!((pull.state, &pull.head, &pull.base, &pull.author), (PullState::Open, &head, &main, &ctx.login("bot")));
    assert_eq!(bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect_err("again").kind, Kind::Conflict);
    assert_eq!(bot.create_pull(&ctx.repo, &new_pull(&"nope".into())).await.expect_err("no head").kind, Kind::NotFound);
    assert_eq!(bot.create_pull(&ctx.repo, &new_pull(&main)).await.expect_err("onto itself").kind, Kind::Invalid);

    let before = bot.requests();
    assert_eq!(found(&bot.pulls(&ctx.repo, &head, &main, None).await.expect("it")), [(pull.number, PullState::Open)]);
    assert_eq!(bot.requests() - before, 1);
    assert_eq!(bot.pull(&ctx.repo, pull.number).await.expect("it").head_sha, pull.head_sha);
    let as_issue = bot.issue(&ctx.repo, IssueNumber(pull.number.0)).await.expect("seen as an issue");
    assert!(as_issue.pull.is_some_and(|p| !p.merged));
    let remark = bot.create_comment(&ctx.repo, as_issue.number, "a remark").await.expect("a comment");
    assert_eq!(remark.issue, as_issue.number);
    assert_eq!(bot.comments_since(&ctx.repo, remark.updated).await.expect("it").items[0].issue, as_issue.number);

    bot.close_pull(&ctx.repo, second.number).await.expect("closed");
    assert!(bot.pulls(&ctx.repo, &other, &main, None).await.expect("none open").is_empty());
    let closed = bot.pulls(&ctx.repo, &other, &main, Some(second.created)).await.expect("it");
    assert_eq!(found(&closed), [(second.number, PullState::Closed)]);
    // After a closed one the same may be opened again, and both are found, the open one first.
    let third = bot.create_pull(&ctx.repo, &new_pull(&other)).await.expect("a third");
    let both = bot.pulls(&ctx.repo, &other, &main, Some(second.created)).await.expect("both");
    assert_eq!(found(&both), [(third.number, PullState::Open), (second.number, PullState::Closed)]);
    let later = third.updated + Duration::from_secs(3600);
    assert_eq!(found(&bot.pulls(&ctx.repo, &other, &main, Some(later)).await.expect("it")), [(third.number, PullState::Open)]);
}

async fn contract_a_merged_pull_keeps_its_branch_name(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let (head, main) = (ctx.branch("claude/issue-1").await, Branch::from("main"));
    let pull = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request");
    let path = format!("{}/merge", ctx.path(&format!("/pulls/{}", pull.number.0)));
    let body = json!({ "Do": "merge", "head_commit_id": pull.head_sha, "delete_branch_after_merge": true });
    until("the forge has checked for conflicts", async || {
        ctx.site.api.raw(&ctx.bot, Method::POST, &path, body.clone()).await.status == 200
    })
    .await;
    let merged = bot.pulls(&ctx.repo, &head, &main, Some(pull.created)).await.expect("it");
    assert_eq!(found(&merged), [(pull.number, PullState::Merged)]);
    assert_eq!((&merged[0].head, &merged[0].head_sha), (&head, &pull.head_sha), "though the branch is gone");
    let seen = bot.issue(&ctx.repo, IssueNumber(pull.number.0)).await.expect("it");
    assert!(!seen.open && seen.pull.is_some_and(|p| p.merged), "{seen:?}");
}

async fn contract_checks(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let head = ctx.branch("claude/issue-1").await;
    let sha = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request").head_sha;
    assert_eq!(bot.checks(&ctx.repo, &sha).await.expect("none"), Checks::None);
    let steps = [
        ("ci/a", "pending", Checks::Pending),
        ("ci/b", "success", Checks::Pending),
        ("ci/a", "success", Checks::Success),
        ("ci/c", "warning", Checks::Success),
        ("ci/c", "skipped", Checks::Success),
        ("ci/b", "failure", Checks::Failure),
        ("ci/b", "success", Checks::Success),
        ("ci/d", "great", Checks::Failure),
    ];
    for (context, state, expected) in steps {
        ctx.by_bot(Method::POST, &format!("/statuses/{sha}"), json!({ "context": context, "state": state })).await;
        assert_eq!(bot.checks(&ctx.repo, &sha).await.expect("checks"), expected, "after {context} {state}");
    }
}

async fn contract_reviews(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let head = ctx.branch("claude/issue-1").await;
    let pull = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request");
    let read = async || bot.reviews(&ctx.repo, pull.number).await.expect("reviews");
    assert_eq!(read().await, Reviews::default());
    let path = format!("/pulls/{}/reviews", pull.number.0);
    let approve = json!({ "event": "APPROVED" });

    let reader = ctx.token("reader", &["write:issue", "write:repository"]).await;
    ctx.site.api.done(&reader, Method::POST, &ctx.path(&path), approve.clone()).await;
    ctx.by_owner(Method::POST, &path, json!({ "event": "LGTM", "body": "fine" })).await;
    assert_eq!(read().await, Reviews::default(), "a reader's is not official, and what is pending is no word");

    ctx.by_owner(Method::POST, &path, json!({ "event": "REQUEST_CHANGES", "body": "no" })).await;
    let asked = read().await;
    assert!(asked.changes_requested && asked.approvals.is_empty());
    let [request] = asked.requests.as_slice() else { panic!("{asked:?}") };
    let told = (request.by.clone(), request.of.clone(), request.official, request.stale, request.body.as_str());
    assert_eq!(told, (ctx.login("owner"), Some(pull.head_sha.clone()), true, false, "no"));
    ctx.by_owner(Method::POST, &path, approve.clone()).await;
    let approval = Approval { by: ctx.login("owner"), of: pull.head_sha.clone() };
    let approved = Reviews { approvals: vec![approval], ..Reviews::default() };
    assert_eq!(read().await, approved, "the last word counts");

    ctx.by_owner(Method::POST, &path, json!({ "event": "COMMENT", "body": "why?" })).await;
    let on_a_line = json!([{ "path": "README.md", "body": "and this?", "new_position": 1 }]);
    ctx.by_owner(Method::POST, &path, json!({ "event": "COMMENT", "body": "", "comments": on_a_line })).await;
    let said = read().await.comments;
    let told: Vec<_> = said.iter().map(|said| (said.by.clone(), said.of.clone(), said.body.as_str())).collect();
    let of = |body| (ctx.login("owner"), Some(pull.head_sha.clone()), body);
    assert_eq!(told, [of("why?"), of("")], "what only says something, with a text or on lines");
    let given = ctx.by_owner(Method::POST, &path, approve.clone()).await;
    assert_eq!(read().await, approved, "who approves is content with what was said before");

    let dismissals = format!("{path}/{}/dismissals", given["id"]);
    ctx.by_owner(Method::POST, &dismissals, json!({ "message": "too early" })).await;
    let after = read().await;
    assert!(after.approvals.is_empty() && !after.changes_requested, "dismissed: {after:?}");
    assert_eq!(after.comments.len(), 2, "and is content no more");
    ctx.by_owner(Method::POST, &path, approve).await;
    assert_eq!(read().await, approved);
    // A push makes it stale, at once or a second later: until then its commit tells.
    let body = json!({ "content": "ZWNobyA1Cg==", "message": "more", "branch": head.as_str() });
    ctx.by_bot(Method::POST, "/contents/more.sh", body).await;
    until("the approval is stale", async || read().await.approvals.is_empty()).await;
}

async fn contract_reviews_that_we_write(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let head = ctx.branch("claude/issue-1").await;
    let pull = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request");
    let new = |verdict, body: &str| NewReview { verdict, body: body.into(), of: pull.head_sha.clone() };
    for own in [Verdict::Approve, Verdict::RequestChanges] {
        let refused = bot.create_review(&ctx.repo, pull.number, &new(own, "mine")).await;
        assert_eq!(refused.expect_err("one's own").kind, Kind::Invalid);
    }
    bot.create_review(&ctx.repo, pull.number, &new(Verdict::Comment, "mine <!-- mark -->")).await.expect("a comment");
    let judge = ctx.client(&ctx.token("owner", &["write:issue", "write:repository"]).await);
    judge.create_review(&ctx.repo, pull.number, &new(Verdict::RequestChanges, "no")).await.expect("a review");
    assert!(bot.reviews(&ctx.repo, pull.number).await.expect("reviews").changes_requested);
    judge.create_review(&ctx.repo, pull.number, &new(Verdict::Approve, "yes")).await.expect("a review");
    let approvals = bot.reviews(&ctx.repo, pull.number).await.expect("reviews").approvals;
    assert_eq!(approvals, [Approval { by: ctx.login("owner"), of: pull.head_sha.clone() }]);
    let written = bot.written_reviews(&ctx.repo, pull.number).await.expect("reviews");
    let told: Vec<_> = written.iter().map(|r| (r.by.clone(), r.body.as_str(), r.verdict)).collect();
    let (bot, owner) = (ctx.login("bot"), ctx.login("owner"));
    let expected = [
        (bot, "mine <!-- mark -->", Some(Verdict::Comment)),
        (owner.clone(), "no", Some(Verdict::RequestChanges)),
        (owner, "yes", Some(Verdict::Approve)),
    ];
    assert_eq!(told, expected);
}

async fn contract_comments_on_lines(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let head = ctx.branch("claude/issue-1").await;
    let pull = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request");
    let path = format!("/pulls/{}/reviews", pull.number.0);
    let line = json!({ "path": "claude-issue-1.sh", "body": "quote it", "new_position": 1 });
    let review = json!({ "event": "REQUEST_CHANGES", "body": "see there", "comments": [line] });
    ctx.by_owner(Method::POST, &path, review).await;
    let written = bot.written_reviews(&ctx.repo, pull.number).await.expect("reviews");
    let [review] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!((review.comments, review.dismissed, review.official), (1, false, true));
    assert_eq!(review.of, Some(pull.head_sha.clone()));

    let read = async || bot.line_comments(&ctx.repo, pull.number, review.id).await.expect("comments");
    let first = read().await;
    let [said] = first.as_slice() else { panic!("{first:?}") };
    let spot = Spot { path: "claude-issue-1.sh".into(), line: 1, old: false };
    assert_eq!((said.by.clone(), &said.spot, said.body.as_str()), (ctx.login("owner"), &spot, "quote it"));
    bot.reply(&ctx.repo, pull.number, review.id, &spot, "done <!-- mark -->").await.expect("a reply");
    let both = read().await;
    let told: Vec<_> = both.iter().map(|c| (c.by.clone(), &c.spot, c.body.as_str())).collect();
    let expected = [(ctx.login("owner"), &spot, "quote it"), (ctx.login("bot"), &spot, "done <!-- mark -->")];
    assert_eq!(told, expected, "it stands in the review that it answers");
    let reviews = bot.written_reviews(&ctx.repo, pull.number).await.expect("reviews");
    assert_eq!(reviews.len(), 1, "and is no review of its own: {reviews:?}");
}

async fn contract_statuses(ctx: &Ctx) {
    let bot = ctx.bot_client();
    let head = ctx.branch("claude/issue-1").await;
    let pull = bot.create_pull(&ctx.repo, &new_pull(&head)).await.expect("a pull request");
    let path = format!("/statuses/{}", pull.head_sha);
    for (state, context, description) in [
        ("pending", "ci", "running"),
        ("success", "lint", "ok"),
        ("failure", "ci", "Failing after 3s"),
        ("failure", "long", "Has been cancelled"),
    ] {
        let status =
            json!({ "state": state, "context": context, "description": description, "target_url": "http://127.0.0.1:1/runs/1" });
        ctx.by_bot(Method::POST, &path, status).await;
    }
    let mut all = bot.statuses(&ctx.repo, &pull.head_sha).await.expect("statuses");
    all.sort_by(|one, other| one.context.cmp(&other.context));
    let link = "http://127.0.0.1:1/runs/1";
    let told: Vec<_> =
        all.iter().map(|s| (s.context.as_str(), s.state, s.cut, s.description.as_str(), s.link.as_str())).collect();
    let expected = [
        ("ci", Checks::Failure, false, "Failing after 3s", link),
        ("lint", Checks::Success, false, "ok", link),
        ("long", Checks::Failure, true, "Has been cancelled", link),
    ];
    assert_eq!(told, expected);
    assert_eq!(bot.checks(&ctx.repo, &pull.head_sha).await.expect("checks"), Checks::Failure);
}

async fn contract_renamed(ctx: &Ctx) {
    let issue = ctx.file("one", &[]).await;
    let bot = ctx.bot_client();
    bot.create_label(&ctx.repo, "portal", "#1f6feb", "").await.expect("a label");
    ctx.by_owner(Method::PATCH, "", json!({ "name": "app-renamed" })).await;
    let to = format!("{}/app-renamed", ctx.repo.owner());
    let moved = Kind::Moved { to: Some(to.clone()) };
    assert_eq!(bot.repository(&ctx.repo).await.expect_err("moved").kind, moved);
    assert_eq!(bot.issues(&ctx.repo, &IssueFilter::default()).await.expect_err("moved").kind, moved);
    assert_eq!(bot.add_label(&ctx.repo, issue, "portal").await.expect_err("moved").kind, moved);
    assert_eq!(bot.create_comment(&ctx.repo, issue, "x").await.expect_err("moved").kind, moved);
    let renamed = to.parse().expect("a name");
    let there = bot.issue(&renamed, issue).await.expect("under its new name");
    assert!(there.labels.is_empty() && there.comments == 0, "nothing was done under the old one: {there:?}");
}

async fn contract_archived(ctx: &Ctx) {
    let issue = ctx.file("one", &[]).await;
    let bot = ctx.bot_client();
    ctx.by_owner(Method::PATCH, "", json!({ "archived": true })).await;
    assert!(bot.repository(&ctx.repo).await.expect("it").archived);
    assert_eq!(bot.create_comment(&ctx.repo, issue, "x").await.expect_err("archived").kind, Kind::Archived);
    assert_eq!(bot.issue(&ctx.repo, issue).await.expect("still read").comments, 0);
}

async fn contract_a_scoped_token_may_not_ask_who_it_is(ctx: &Ctx) {
    let body = json!({
        "name": "scoped", "scopes": ["write:issue", "write:repository"],
        "repositories": [{ "owner": ctx.repo.owner(), "name": ctx.repo.name() }],
    });
    let made = ctx.make_token("bot", body).await;
    let scoped = ctx.client(&made);
    assert_eq!(scoped.whoami().await.expect_err("not this one").kind, Kind::Denied);
    assert!(scoped.repository(&ctx.repo).await.expect("the one").can_push);
    scoped.create_label(&ctx.repo, "portal", "#1f6feb", "").await.expect("a label");
}

macro_rules! on_each_site {
    ($($name:ident)*) => {
        mod sites {
            $(#[tokio::test] async fn $name() {
                super::on_each_site(async |ctx| super::$name(&ctx).await).await;
            })*
        }
    };
}

on_each_site! {
    contract_who_may_what
    contract_refusals
    contract_idle_costs_two_requests
    contract_no_issue_is_missed
    contract_since_is_inclusive
    contract_labels
    contract_a_long_timeline_comes_whole
    contract_comments
    contract_many_comments
    contract_issues_that_we_file
    contract_dependencies
    contract_pulls
    contract_a_merged_pull_keeps_its_branch_name
    contract_checks
    contract_reviews
    contract_reviews_that_we_write
    contract_comments_on_lines
    contract_statuses
    contract_renamed
    contract_archived
    contract_a_scoped_token_may_not_ask_who_it_is
}
