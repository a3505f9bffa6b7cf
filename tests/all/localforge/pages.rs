//! The pages as a browser meets them.

use serde_json::json;

use super::site::{Answer, REPO, Site, answer, client};

async fn page(site: &Site, path: &str, login: Option<&str>) -> Answer {
    let request = client().get(format!("{}{path}", site.forge.url()));
    answer(match login {
        Some(login) => request.basic_auth(login, Some("password")),
        None => request,
    })
    .await
}

#[tokio::test]
async fn pages_escape_what_people_wrote_and_hide_what_is_private() {
    let site = Site::start().await;
    let number = site.issue("<script>alert(1)</script>", "<img src=x onerror=alert(2)>", &["portal"]).await;
    site.seed.comment(REPO, "reader", number, "\"><b>bold</b>").await.unwrap();
    let seen = page(&site, &format!("/{REPO}/issues/{number}"), Some("reader")).await;
    assert_eq!(seen.status, 200);
    for raw in ["<script", "<img", "<b>bold"] {
        assert!(!seen.text.contains(raw), "{raw}");
    }
    assert!(seen.text.contains("&lt;script&gt;") && seen.text.contains("portal"));
    assert!(seen.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(page(&site, &format!("/{REPO}/issues"), Some("reader")).await.text.contains("&lt;script&gt;"));

    let path = format!("/{REPO}/issues/{number}");
    let anonymous = page(&site, &path, None).await;
    assert_eq!(anonymous.status, 401);
    assert!(anonymous.header("www-authenticate").unwrap().starts_with("Basic"));
    assert_eq!(page(&site, &path, Some("outsider")).await.status, 404);
    assert!(!page(&site, "/", Some("outsider")).await.text.contains(REPO));
}

#[tokio::test]
async fn the_buttons_approve_merge_and_close_but_not_for_another_site() {
    let site = Site::start().await;
    let clone = site.clone_as("bot", &site.bot).await;
    for branch in ["first", "second"] {
        clone.commit(branch, "origin/main", branch, "<x>\n").await;
        clone.good(&["push", "-q", "origin", branch]).await;
        let pull = json!({ "head": branch, "base": "main", "title": branch });
        site.post(&format!("repos/{REPO}/pulls"), &site.bot, pull).await;
    }
    let shown = page(&site, &format!("/{REPO}/pulls/1"), Some("bot")).await;
    assert!(shown.text.contains("+&lt;x&gt;") && shown.text.contains("pulls/1/merge"), "{}", shown.text);
    let press = async |path: &str, login: &str, origin: &str| {
        let request = client().post(format!("{}/{REPO}/pulls/{path}", site.forge.url())).header("Origin", origin);
        answer(request.basic_auth(login, Some("password"))).await.status
    };
    let here = site.forge.url();
    assert_eq!(press("1/merge", "bot", "http://evil.example").await, 403);
    assert_eq!(press("1/merge", "reader", &here).await, 405, "rights are those of the API");
    assert_eq!(press("1/approve", "bot", &here).await, 422, "nobody approves his own");
    assert_eq!(press("1/approve", "owner", &here).await, 303);
    let reviews = site.get(&format!("repos/{REPO}/pulls/1/reviews"), &site.bot).await.json();
    assert_eq!((&reviews[0]["state"], &reviews[0]["user"]["login"]), (&json!("APPROVED"), &json!("owner")));
    assert_eq!(press("1/merge", "bot", &here).await, 303);
    assert_eq!(press("2/close", "bot", &here).await, 303);
    let pulls = site.seed.pulls(REPO).unwrap();
    let became: Vec<_> = pulls.iter().map(|pull| (pull.merged, pull.issue.open)).collect();
    assert_eq!(became, [(true, false), (false, false)]);
    let anonymous = client().post(format!("{here}/{REPO}/pulls/1/merge"));
    assert_eq!(answer(anonymous).await.status, 401);
}
