//! Git over HTTP: rights are checked here, the protocol is `git http-backend`'s, run as a CGI program.
//!
//! The ref updates at the start of a push are read before git sees any of it, and a push that may not be is refused whole,
//! the way a `pre-receive` hook refuses it. Pushes to one repository go one after the other, so that what changed can be
//! told by looking before and after; the pusher is answered when the records say it too.

use std::process::Stdio;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio_util::io::ReaderStream;

use super::forge::Forge;
use super::http::{credentials, segments, text};
use super::pkt::{self, Start};
use super::state::records::{RepoId, UserId};
use super::state::{GitAccess, RefUpdate};

/// A request of git.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GitCall {
    owner: String,
    name: String,
    what: &'static str,
}

const FETCH: &str = "/git-upload-pack";
const PUSH: &str = "/git-receive-pack";
const REFS: &str = "/info/refs";

impl GitCall {
    /// The request that a path is, if it is one of git.
    pub fn of(path: &str) -> Option<Self> {
        let what = [FETCH, PUSH, REFS].into_iter().find(|what| path.ends_with(what))?;
        let mut repo = segments(path.strip_suffix(what)?).into_iter();
        let (owner, name) = (repo.next()?, repo.next()?);
        let name = name.strip_suffix(".git").map(str::to_owned).unwrap_or(name);
        repo.next().is_none().then_some(Self { owner, name, what })
    }
}

/// What a granted request works on.
struct Granted {
    repo: RepoId,
    folder: String,
    pusher: Option<UserId>,
}

pub(super) async fn answer(forge: &Forge, call: GitCall, request: Request) -> Response {
    let service = super::http::query(request.uri().query()).into_iter().find(|(key, _)| key == "service");
    let pushes = call.what == PUSH || service.is_some_and(|(_, service)| service == "git-receive-pack");
    let who = credentials(request.headers());
    let granted = match forge.read(|state| state.git_access(&who, &call.owner, &call.name, pushes)) {
        GitAccess::Granted { repo, folder, pusher } => Granted { repo, folder, pusher },
        GitAccess::Moved(name) => return moved(&name, call.what, request.uri().query()),
        GitAccess::Refused(status, why) => {
            let mut response = text(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), format!("{why}\n"));
            if status == 401 {
                let challenge = HeaderValue::from_static("Basic realm=\"localforge\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            return response;
        }
    };
    let done =
        if call.what == PUSH { push(forge, granted, request).await } else { relay(forge, &granted, call.what, request).await };
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "git over HTTP failed");
        text(StatusCode::INTERNAL_SERVER_ERROR, "git failed\n")
    })
}

/// Git follows this with a warning.
fn moved(name: &str, what: &str, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(location) = HeaderValue::from_str(&format!("/{name}{what}{query}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Starts `git http-backend` for a request.
fn backend(forge: &Forge, granted: &Granted, what: &str, request: &Request) -> std::io::Result<Child> {
    let dir = forge.git.path(&granted.folder);
    let headers = request.headers();
    let mut command = forge.git.command(&dir);
    command
        .arg("http-backend")
        .env_remove("GIT_DIR")
        .env("GIT_PROJECT_ROOT", &dir)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", what)
        .env("REQUEST_METHOD", request.method().as_str())
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", header_text(headers, "content-type"))
        .env("HTTP_CONTENT_ENCODING", header_text(headers, "content-encoding"))
        .env("GIT_PROTOCOL", header_text(headers, "git-protocol"))
        .env("REMOTE_USER", granted.pusher.map(|user| user.0.to_string()).unwrap_or_default())
        .env("REMOTE_ADDR", "127.0.0.1")
        // Without CONTENT_LENGTH it reads to the end. With it, it would read on for ever where whoever asked is gone in the middle.
        .stdin(Stdio::piped());
    command.spawn()
}

/// Feeds the program what it reads; one that stops reading says why in its answer.
async fn feed(mut stdin: ChildStdin, first: Bytes, mut rest: BodyDataStream) {
    if stdin.write_all(&first).await.is_err() {
        return;
    }
    while let Some(Ok(chunk)) = rest.next().await {
        if stdin.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

fn broken(what: &str) -> std::io::Error {
    std::io::Error::other(format!("git http-backend: {what}"))
}

/// Passes a request on and streams the answer back as it comes.
async fn relay(forge: &Forge, granted: &Granted, what: &str, request: Request) -> std::io::Result<Response> {
    let mut child = backend(forge, granted, what, &request)?;
    let stdin = child.stdin.take().ok_or_else(|| broken("no input"))?;
    let mut stdout = child.stdout.take().ok_or_else(|| broken("no output"))?;
    // A fetch sends all it wants before it is answered.
    feed(stdin, Bytes::new(), request.into_body().into_data_stream()).await;
    let mut start = BytesMut::new();
    let (response, rest) = loop {
        if let Some(split) = cgi_head(&start) {
            break split;
        }
        if stdout.read_buf(&mut start).await? == 0 {
            return Err(broken("no answer"));
        }
    };
    let stream = futures_util::stream::once(async move { Ok(rest) }).chain(ReaderStream::new(stdout).map(move |chunk| {
        // The program lives as long as its answer is read, and is killed with it.
        let _lives = &child;
        chunk
    }));
    Ok(response.map(|()| Body::from_stream(stream)))
}

/// A push: judged by its ref updates, done by git, noted in the records.
async fn push(forge: &Forge, granted: Granted, request: Request) -> std::io::Result<Response> {
    if !header_text(request.headers(), "content-encoding").is_empty() {
        return Ok(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a push is not compressed\n"));
    }
    let _lock = forge.lock_refs(&granted.folder).await;
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let mut start = BytesMut::new();
    let commands = loop {
        match pkt::commands(&start) {
            Start::Whole(commands) => break commands,
            Start::Nonsense => return Ok(text(StatusCode::BAD_REQUEST, "this is not a push\n")),
            Start::More => {}
        }
        match body.next().await {
            Some(Ok(chunk)) => start.extend(chunk),
            _ => return Ok(text(StatusCode::BAD_REQUEST, "the push broke off\n")),
        }
    };
    let verdict = forge.read(|state| state.judge_push(granted.repo, granted.pusher, &commands.updates));
    if let Some(why) = verdict {
        return Ok(refused(&commands, &why));
    }
    let watched = forge.read(|state| state.with_protected_files(granted.repo, &commands.updates));
    if !watched.is_empty() {
        while let Some(more) = body.next().await {
            match more {
                Ok(chunk) => start.extend(chunk),
                Err(_) => return Ok(text(StatusCode::BAD_REQUEST, "the push broke off\n")),
            }
        }
        let pack = start.get(commands.pack..).unwrap_or_default();
        let changed = forge.git.pushed_paths(&granted.folder, pack, &watched).await;
        let changed = changed.map_err(|error| broken(&error.to_string()))?;
        let judge =
            |(update, paths): (&RefUpdate, &Vec<String>)| forge.read(|state| state.judge_files(granted.repo, update, paths));
        if let Some(why) = watched.iter().zip(&changed).find_map(judge) {
            return Ok(refused(&commands, &why));
        }
    }
    let mut child = backend(forge, &granted, PUSH, &Request::from_parts(parts, Body::empty()))?;
    let stdin = child.stdin.take().ok_or_else(|| broken("no input"))?;
    let (output, ()) = tokio::join!(child.wait_with_output(), feed(stdin, start.freeze(), body));
    let output = output?;
    if let Some(pusher) = granted.pusher
        && let Err(error) = forge.note_refs(granted.repo, pusher, &granted.folder).await
    {
        return Err(broken(&error.to_string()));
    }
    let (response, rest) = cgi_head(&BytesMut::from(output.stdout.as_slice()))
        .ok_or_else(|| broken(String::from_utf8_lossy(&output.stderr).trim()))?;
    Ok(response.map(|()| Body::from(rest)))
}

/// The answer to a push that is not taken.
fn refused(commands: &pkt::Commands, why: &str) -> Response {
    let mut response = Response::new(Body::from(pkt::refusal(commands, why)));
    let kind = HeaderValue::from_static("application/x-git-receive-pack-result");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The head of a CGI answer and what follows it; nothing while it is not whole.
fn cgi_head(output: &BytesMut) -> Option<(Response<()>, Bytes)> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut response = Response::new(());
    for line in String::from_utf8_lossy(output.get(..end)?).lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or_default();
        } else if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Some((response, Bytes::copy_from_slice(output.get(end + 4..)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_requests_of_git_are_taken_for_such() {
        let call = GitCall::of("/owner/app.git/git-receive-pack").unwrap();
        assert_eq!((call.owner.as_str(), call.name.as_str(), call.what), ("owner", "app", PUSH));
        assert!(GitCall::of("/owner/app/info/refs").is_some());
        assert_eq!(GitCall::of("/owner/app/HEAD"), None);
        assert_eq!(GitCall::of("/a/owner/app.git/info/refs"), None);
    }

    #[test]
    fn a_cgi_head_is_read_with_its_status() {
        let output = BytesMut::from("Status: 404 Not Found\r\nContent-Type: x/y\r\n\r\nrest");
        let (response, rest) = cgi_head(&output).unwrap();
        assert_eq!((response.status().as_u16(), rest.as_ref()), (404, b"rest".as_ref()));
        assert!(cgi_head(&BytesMut::from("Status: 200\r\n")).is_none());
    }
}
