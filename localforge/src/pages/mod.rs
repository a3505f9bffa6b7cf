//! Plain pages to look at: repositories, issues with their comments, pull requests with their changes, and buttons to
//! approve, to merge and to close a pull request.
//!
//! Who looks is told by HTTP Basic authentication: the browser asks for a name and a password where a page needs them. A
//! button's request that another site sent is refused. Every text from outside is escaped, and no page runs a script.

mod html;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use self::html::Page;
use super::forge::{Forge, Incoming};
use super::git_job::{GitJob, GitReply};
use super::http::{credentials, query, respond, segments, text};
use super::state::records::{Access, Issue, IssueKey, RepoId};
use super::state::{Actor, Answer, Body, Credentials, Method, State};

/// Answers a request for a page.
pub(super) async fn answer(forge: &Forge, path: &str, request: Request) -> Response {
    let who = credentials(request.headers());
    let Ok(actor) = forge.read(|state| state.authenticate(&who)) else { return challenge() };
    let parts = segments(path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let query = query(request.uri().query());
    match (request.method().as_str(), parts.as_slice()) {
        ("GET" | "HEAD", ["-", "login"]) => match actor {
            Actor::Anonymous => challenge(),
            Actor::Known { .. } => back_to("/"),
        },
        ("GET" | "HEAD", parts) => show(forge, actor, parts, &query).await,
        ("POST", [owner, name, "pulls", number, what @ ("approve" | "merge" | "close")]) => {
            if !is_same_site(request.headers()) {
                return text(StatusCode::FORBIDDEN, "this came from another site\n");
            }
            if actor == Actor::Anonymous {
                return challenge();
            }
            press(forge, who, &format!("{owner}/{name}"), number, what).await
        }
        _ => not_found(),
    }
}

/// Asks the browser who looks.
fn challenge() -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, "Please sign in.\n");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"localforge\""));
    response
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "There is no such page.\n")
}

fn back_to(path: &str) -> Response {
    let mut response = text(StatusCode::SEE_OTHER, "");
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// Whether a form was sent by a page of ours: browsers say where a form stood.
fn is_same_site(headers: &HeaderMap) -> bool {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let fetched = of("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = match (of("origin"), of("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (Some(_), None) => false,
    };
    fetched && origin
}

/// What a path of a page names.
enum Wanted {
    Html(String),
    /// A page that also shows the changes between two commits.
    WithDiff {
        page: Page,
        folder: String,
        from: String,
        to: String,
    },
    /// The same, without a page around it.
    OnlyDiff {
        folder: String,
        from: String,
        to: String,
    },
    Nothing,
}

async fn show(forge: &Forge, actor: Actor, parts: &[&str], query: &[(String, String)]) -> Response {
    let page = |html: String| respond_html(html);
    match forge.read(|state| wanted(state, actor, parts, query)) {
        Wanted::Html(html) => page(html),
        Wanted::WithDiff { page: around, folder, from, to } => match diff(forge, folder, from, to).await {
            Some(diff) => page(around.with_diff(&diff)),
            None => text(StatusCode::INTERNAL_SERVER_ERROR, "git could not tell the changes\n"),
        },
        Wanted::OnlyDiff { folder, from, to } => match diff(forge, folder, from, to).await {
            Some(diff) => respond(Answer::new(200, Body::Text(diff))),
            None => text(StatusCode::INTERNAL_SERVER_ERROR, "git could not tell the changes\n"),
        },
        Wanted::Nothing if actor == Actor::Anonymous => challenge(),
        Wanted::Nothing => not_found(),
    }
}

fn respond_html(html: String) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    respond(Answer::new(200, Body::Html(html)).header("content-security-policy", policy))
}

async fn diff(forge: &Forge, folder: String, from: String, to: String) -> Option<String> {
    match forge.git.run(&GitJob::Diff { folder, from, to }).await {
        Ok(GitReply::Text(diff)) => Some(diff),
        _ => None,
    }
}

fn wanted(state: &State, actor: Actor, parts: &[&str], query: &[(String, String)]) -> Wanted {
    let [owner, name, rest @ ..] = parts else {
        return if parts.is_empty() { Wanted::Html(html::repositories(state, actor)) } else { Wanted::Nothing };
    };
    let Some((repo, _)) = state.find_repo(owner, name).filter(|(repo, _)| state.access(repo, actor) >= Access::Read) else {
        return Wanted::Nothing;
    };
    let all = query.iter().any(|(key, value)| key == "state" && value == "all");
    let pull = |number: &str| numbered(state, repo.id, number).filter(|issue| issue.pull.is_some());
    match rest {
        [] | ["issues"] => Wanted::Html(html::issues(state, repo, false, all)),
        ["pulls"] => Wanted::Html(html::issues(state, repo, true, all)),
        ["issues", number] => match numbered(state, repo.id, number) {
            Some(issue) => Wanted::Html(html::issue(state, repo, issue).whole()),
            None => Wanted::Nothing,
        },
        ["pulls", number] if number.ends_with(".diff") || number.ends_with(".patch") => {
            let found = number.split('.').next().and_then(pull).and_then(|issue| issue.pull.as_ref());
            found.map_or(Wanted::Nothing, |pull| Wanted::OnlyDiff {
                folder: repo.folder.clone(),
                from: pull.merge_base.clone(),
                to: pull.head_sha.clone(),
            })
        }
        ["pulls", number] => match pull(number).and_then(|issue| Some((issue, issue.pull.as_ref()?))) {
            Some((issue, pull)) => Wanted::WithDiff {
                page: html::issue(state, repo, issue),
                folder: repo.folder.clone(),
                from: pull.merge_base.clone(),
                to: pull.head_sha.clone(),
            },
            None => Wanted::Nothing,
        },
        _ => Wanted::Nothing,
    }
}

fn numbered<'s>(state: &'s State, repo: RepoId, number: &str) -> Option<&'s Issue> {
    state.issue(IssueKey(repo, number.parse().ok()?))
}

/// A button: the same call as over the API, then back to the page.
async fn press(forge: &Forge, credentials: Credentials, repo: &str, number: &str, what: &str) -> Response {
    let path = format!("repos/{repo}/pulls/{number}");
    let (method, path, body) = match what {
        "approve" => (Method::Post, format!("{path}/reviews"), r#"{"event":"APPROVED"}"#),
        "merge" => (Method::Post, format!("{path}/merge"), r#"{"Do":"merge"}"#),
        _ => (Method::Patch, path, r#"{"state":"closed"}"#),
    };
    let incoming = Incoming {
        method,
        raw_path: format!("/api/v1/{path}"),
        path: segments(&path),
        query: Vec::new(),
        body: body.as_bytes().to_vec(),
        credentials,
    };
    let answer = forge.call(incoming).await;
    if answer.status < 300 {
        return back_to(&format!("/{repo}/pulls/{number}"));
    }
    let why = match &answer.body {
        Body::Json(text) | Body::Text(text) => html::message(text),
        Body::Empty | Body::Html(_) | Body::Bytes(_) => String::new(),
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::CONFLICT);
    text(status, format!("The forge says no ({}): {why}\n", answer.status))
}
