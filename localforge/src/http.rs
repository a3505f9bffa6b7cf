//! The door: tells the API, git and the pages apart, and turns HTTP into what the model knows.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::forge::{Forge, Incoming};
use super::state::{self, Answer, Credentials, Method};
use super::{git_http, pages};

/// The largest body of an API call that is read.
const LARGEST: usize = 64 * 1024 * 1024;

/// Every request, whatever its path.
pub(super) fn router(forge: Arc<Forge>) -> Router {
    Router::new().fallback(answer).with_state(forge)
}

async fn answer(State(forge): State<Arc<Forge>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix("/api/v1/") {
        forge.count_api();
        return api(&forge, rest, request).await;
    }
    if let Some(call) = git_http::GitCall::of(&path) {
        forge.count_git();
        return git_http::answer(&forge, call, request).await;
    }
    pages::answer(&forge, &path, request).await
}

async fn api(forge: &Forge, path: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(method) = method(&parts.method) else { return text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") };
    let Ok(body) = to_bytes(body, LARGEST).await else { return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large") };
    let incoming = Incoming {
        method,
        path: segments(path),
        raw_path: parts.uri.path_and_query().map(|all| all.as_str().to_owned()).unwrap_or_default(),
        query: query(parts.uri.query()),
        body: body.into(),
        credentials: credentials(&parts.headers),
    };
    respond(forge.call(incoming).await)
}

pub(super) fn query(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn method(method: &axum::http::Method) -> Option<Method> {
    match method.as_str() {
        "GET" | "HEAD" => Some(Method::Get),
        "POST" => Some(Method::Post),
        "PUT" => Some(Method::Put),
        "PATCH" => Some(Method::Patch),
        "DELETE" => Some(Method::Delete),
        _ => None,
    }
}

/// The segments of a path, each decoded by itself, so that `%2F` stays inside its segment.
pub(super) fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(unescaped).collect()
}

/// A segment without its `%` escapes; what is no escape stays.
pub(super) fn unescaped(segment: &str) -> String {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let bytes = segment.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Who a request says it is from.
pub(super) fn credentials(headers: &HeaderMap) -> Credentials {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return Credentials::None };
    let Some((scheme, secret)) = value.split_once(' ') else { return Credentials::None };
    match scheme.to_ascii_lowercase().as_str() {
        "token" | "bearer" => Credentials::Token(secret.trim().to_owned()),
        "basic" => {
            let decoded = STANDARD.decode(secret.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            match decoded.as_deref().and_then(|text| text.split_once(':')) {
                Some((login, secret)) => Credentials::Basic(login.to_owned(), secret.to_owned()),
                None => Credentials::Basic(String::new(), String::new()),
            }
        }
        _ => Credentials::None,
    }
}

/// An answer of the model over HTTP.
pub(super) fn respond(answer: Answer) -> Response {
    let (kind, body) = match answer.body {
        state::Body::Empty => (None, Body::empty()),
        state::Body::Json(text) => (Some("application/json;charset=utf-8"), Body::from(text)),
        state::Body::Html(text) => (Some("text/html; charset=utf-8"), Body::from(text)),
        state::Body::Text(text) => (Some("text/plain;charset=utf-8"), Body::from(text)),
        state::Body::Bytes(bytes) => (Some("text/plain; charset=utf-8"), Body::from(bytes)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in answer.headers {
        // A value with characters that no header may hold is left out.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A plain answer.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_slash_stays_in_its_segment() {
        assert_eq!(segments("repos/o/r/branches/a%2Fb/"), ["repos", "o", "r", "branches", "a/b"]);
        assert_eq!(unescaped("100%"), "100%");
        assert_eq!(unescaped("%zz%41"), "%zzA");
    }
}
