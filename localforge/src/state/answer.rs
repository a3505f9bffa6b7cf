//! What the API answers with: bodies, refusals in the forge's own words, and lists in pages.

use serde::Serialize;

use super::{Call, Request};
use crate::git_job::GitJob;
use crate::wire;

/// A webhook delivery to be made.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub url: String,
    pub secret: String,
    /// The coarse event, as `X-Forgejo-Event` says it.
    pub event: &'static str,
    /// The fine one, as `X-Forgejo-Event-Type` says it.
    pub event_type: &'static str,
    pub payload: String,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Empty,
    Json(String),
    Html(String),
    Text(String),
    Bytes(Vec<u8>),
}

/// An answer of the API, and what else has to be done about it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    pub deliveries: Vec<Delivery>,
    /// Refs to be set once the records are written.
    pub followups: Vec<GitJob>,
}

impl Answer {
    /// A status and nothing else.
    pub fn empty(status: u16) -> Self {
        Self::new(status, Body::Empty)
    }

    pub fn new(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body, deliveries: Vec::new(), followups: Vec::new() }
    }

    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::new(status, Body::Json(text)),
            Err(error) => Self::new(500, Body::Text(format!("an answer could not be written: {error}"))),
        }
    }

    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// Why a request gets no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A message, as most refusals have.
    Says(u16, String),
    /// 404, with a message of its own where there is one, and the errors behind it.
    Missing { message: Option<String>, errors: Vec<String> },
    /// A status without any body.
    Blank(u16),
    /// The repository has another name now.
    Moved { get: bool, location: String },
}

impl Refusal {
    pub fn answer(self, root: &str) -> Answer {
        let url = format!("{root}/api/swagger");
        match self {
            Self::Says(status, message) => Answer::json(status, &wire::Refused { message, url, errors: None }),
            Self::Missing { message, errors } => {
                let message = message.unwrap_or_else(|| "The target couldn't be found.".into());
                Answer::json(404, &wire::Refused { message, url, errors: Some(errors) })
            }
            Self::Blank(status) => Answer::empty(status),
            Self::Moved { get, location } => {
                let link = location.replace('&', "&amp;").replace('"', "&#34;").replace('<', "&lt;");
                let body = if get { Body::Html(format!("<a href=\"{link}\">Moved Permanently</a>.\n\n")) } else { Body::Empty };
                Answer::new(301, body).header("location", location)
            }
        }
    }
}

/// Why a handler ends early.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Git has to be asked first.
    Ask(Box<GitJob>),
    /// The answer is no.
    Refuse(Refusal),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// What a handler comes to.
pub(super) type Handled = Result<Answer, Halt>;

/// A refusal with a message.
pub(super) fn says<T>(status: u16, message: impl Into<String>) -> Result<T, Halt> {
    Err(Refusal::Says(status, message.into()).into())
}

/// 404 without details.
pub(super) fn missing() -> Halt {
    Refusal::Missing { message: None, errors: Vec::new() }.into()
}

/// 404 with the error behind it.
pub(super) fn missing_because(error: impl Into<String>) -> Halt {
    Refusal::Missing { message: None, errors: vec![error.into()] }.into()
}

/// The 500 without words that a real forge gives for what it does not foresee.
pub(super) fn blank_500() -> Halt {
    Refusal::Says(500, String::new()).into()
}

/// A reply of git that does not belong to the job: a fault of the shell.
pub(super) fn unexpected() -> Halt {
    Refusal::Says(500, "git answered another question".into()).into()
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub number: usize,
    pub size: usize,
}

const DEFAULT_PAGE: usize = 30;
const MAX_PAGE: usize = 50;

impl Page {
    pub fn of(request: &Request) -> Self {
        let number = |name| request.query(name).and_then(|text| text.parse::<usize>().ok()).filter(|n| *n > 0);
        Self { number: number("page").unwrap_or(1), size: number("limit").unwrap_or(DEFAULT_PAGE).min(MAX_PAGE) }
    }

    /// For the lists that are given whole unless a page is named.
    pub fn if_named(request: &Request) -> Option<Self> {
        request.query("page").map(|_| Self::of(request))
    }

    pub fn skip(self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }

    /// This page of a list.
    pub fn cut<T>(self, list: Vec<T>) -> Vec<T> {
        list.into_iter().skip(self.skip()).take(self.size).collect()
    }
}

impl Call<'_> {
    /// One page with `X-Total-Count` and, where there are more, `Link`.
    pub(super) fn linked(&self, page: Page, total: usize, list: &impl Serialize) -> Answer {
        let answer = Answer::json(200, list).header("x-total-count", total);
        match self.link(page, total) {
            Some(link) => answer.header("link", link),
            None => answer,
        }
    }

    /// The `Link` header. A page past the end counts as the last one.
    fn link(&self, page: Page, total: usize) -> Option<String> {
        let last = total.div_ceil(page.size).max(1);
        let here = page.number.min(last);
        let path = self.request.raw_path.split('?').next().unwrap_or_default();
        let mut query: Vec<(&str, &str)> =
            self.request.query.iter().filter(|(key, _)| key != "page").map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let link = |to: usize, rel: &str, query: &[(&str, &str)]| {
            let number = to.to_string();
            let mut all = query.to_vec();
            all.push(("page", &number));
            all.sort_unstable();
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
            format!("<{}{path}?{text}>; rel=\"{rel}\"", self.state.root)
        };
        query.sort_unstable();
        let mut links = Vec::new();
        if here < last {
            links.push(link(here + 1, "next", &query));
            links.push(link(last, "last", &query));
        }
        if here > 1 {
            links.push(link(1, "first", &query));
            links.push(link(here - 1, "prev", &query));
        }
        (!links.is_empty()).then(|| links.join(","))
    }
}
