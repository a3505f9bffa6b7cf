//! Rules of branches, as the client reads and sets them: against localforge, and a live Forgejo where there is one.

use forgehand::forge::Guard;
use forgehand::model::Branch;
use forgehand::ports::{Forge, ForgeErrorKind as Kind, NewPull};
use reqwest::Method;
use serde_json::json;

use crate::forge_site::{Ctx, on_each_site};

fn wanted() -> Guard {
    Guard { approvals: 1, contexts: vec!["*".into()], files: vec!["vault/**".into()], replaces: vec!["v*".into()], admins: true }
}

async fn contract_a_rule_is_made_once_and_never_looser(ctx: &Ctx) {
    let (bot, owner, main) = (ctx.bot_client(), ctx.client(&ctx.owner), Branch::from("main"));
    assert_eq!(bot.rule(&ctx.repo, &main).await.expect_err("of administrators").kind, Kind::Denied);
    assert_eq!(bot.protect(&ctx.repo, &main, &wanted()).await.expect_err("of administrators").kind, Kind::Denied);
    let seen = bot.branch(&ctx.repo, &main).await.expect("the branch");
    assert!(!seen.protected && seen.may_merge && !seen.checks);

    let usual = Guard { approvals: 1, admins: true, ..Guard::default() };
    assert_eq!(owner.protect(&ctx.repo, &main, &usual).await.expect("protected"), usual);
    assert_eq!(owner.protect(&ctx.repo, &main, &usual).await.expect("again"), Guard::default());
    let seen = bot.branch(&ctx.repo, &main).await.expect("the branch");
    assert!(seen.protected && seen.may_merge && !seen.checks && seen.approvals == 1, "{seen:?}");

    // A rule of a pattern names it too: a second one of its name would take that one's place.
    ctx.by_owner(Method::DELETE, "/branch_protections/main", json!(null)).await;
    let theirs =
        json!({ "rule_name": "ma*", "required_approvals": 2, "protected_file_patterns": "*.lock; a/**", "enable_push": false });
    ctx.by_owner(Method::POST, "/branch_protections", theirs).await;
    let lacked = owner.protect(&ctx.repo, &main, &wanted()).await.expect("protected");
    assert_eq!(lacked, Guard { approvals: 0, ..wanted() });
    let rule = owner.rule(&ctx.repo, &main).await.expect("the rule").expect("one");
    let files = ["*.lock", "a/**", "vault/**"].map(str::to_owned).to_vec();
    assert_eq!(
        (rule.name.as_str(), rule.checks, rule.guard),
        ("ma*", true, Guard { approvals: 2, files, replaces: Vec::new(), ..wanted() })
    );
    let all = ctx.by_owner(Method::GET, "/branch_protections", json!(null)).await;
    assert_eq!((all.as_array().map(Vec::len), &all[0]["enable_push"]), (Some(1), &json!(false)), "{all:#}");
    // Which checks are required is their choice, once any are.
    ctx.by_owner(Method::PATCH, "/branch_protections/ma*", json!({ "status_check_contexts": ["ci/one"] })).await;
    assert!(owner.protect(&ctx.repo, &main, &wanted()).await.expect("again").is_empty());
}

async fn contract_checks_are_seen_on_pull_requests(ctx: &Ctx) {
    let bot = ctx.bot_client();
    assert!(!bot.has_checks(&ctx.repo).await.expect("told"));
    let head = ctx.branch("work").await;
    let new = NewPull { head, base: "main".into(), title: "Work".into(), body: String::new() };
    let pull = bot.create_pull(&ctx.repo, &new).await.expect("a pull request");
    assert!(!bot.has_checks(&ctx.repo).await.expect("told"));
    ctx.by_bot(Method::POST, &format!("/statuses/{}", pull.head_sha), json!({ "state": "failure", "context": "ci/x" })).await;
    assert!(bot.has_checks(&ctx.repo).await.expect("told"));
}

#[tokio::test]
async fn a_rule_is_made_once_and_never_looser() {
    on_each_site(async |ctx| contract_a_rule_is_made_once_and_never_looser(&ctx).await).await;
}

#[tokio::test]
async fn checks_are_seen_on_pull_requests() {
    on_each_site(async |ctx| contract_checks_are_seen_on_pull_requests(&ctx).await).await;
}
