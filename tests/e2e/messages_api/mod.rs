//! A scripted Messages API on loopback: what a test's closure answers, in the form in which the provider would stream it.
//!
//! A script is a function of the request alone (and of whatever it captured): the same conversation gets the same answer, so that a
//! session that is cut and resumed goes on where it was. Use [`Request::prompt`] and [`Request::turn`] to tell where that is.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request to the API, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub uri: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Value,
}

impl Request {
    /// The key that came with it.
    pub fn key(&self) -> Option<&str> {
        self.headers.get("x-api-key").and_then(|key| key.to_str().ok())
    }

    /// All text of the user's side: prompts, reminders of claude's own, answers of tools.
    pub fn prompt(&self) -> String {
        let mut texts = Vec::new();
        for message in self.messages().filter(|message| message["role"] == "user") {
            collect_text(&message["content"], &mut texts);
        }
        texts.join("\n")
    }

    /// How often the model has answered in this conversation: 0 for its first turn.
    pub fn turn(&self) -> usize {
        self.messages().filter(|message| message["role"] == "assistant").count()
    }

    /// The answer of the tool that was called last, as text.
    pub fn tool_answer(&self) -> String {
        let mut texts = Vec::new();
        if let Some(message) = self.messages().last() {
            collect_text(&message["content"], &mut texts);
        }
        texts.join("\n")
    }

    fn messages(&self) -> impl Iterator<Item = &Value> {
        self.body["messages"].as_array().into_iter().flatten()
    }
}

fn collect_text(content: &Value, into: &mut Vec<String>) {
    match content {
        Value::String(text) => into.push(text.clone()),
        Value::Array(parts) => parts.iter().for_each(|part| match part["type"].as_str() {
            Some("text") => into.extend(part["text"].as_str().map(str::to_owned)),
            Some("tool_result") => collect_text(&part["content"], into),
            _ => {}
        }),
        _ => {}
    }
}

/// What the script answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The model speaks: content blocks, 100 tokens in and 50 out.
    Message(Vec<Value>),
    /// An HTTP error.
    Error {
        /// Its status.
        status: u16,
        /// Headers beside it.
        headers: Vec<(&'static str, String)>,
        /// The provider's word for it, `overloaded_error`.
        kind: &'static str,
        /// The provider's sentence.
        message: String,
    },
    /// The answer begins and never goes on: a ping a second, until the client leaves.
    Silence,
}

impl Reply {
    /// The model says something and ends its turn.
    pub fn text(text: &str) -> Self {
        Self::Message(vec![json!({"type": "text", "text": text})])
    }

    /// The model calls a tool.
    pub fn tool(name: &str, input: Value) -> Self {
        Self::Message(vec![json!({"type": "tool_use", "name": name, "input": input})])
    }

    /// The model runs a command.
    pub fn bash(command: &str) -> Self {
        Self::tool("Bash", json!({"command": command, "description": "scripted"}))
    }

    /// The model gives its structured output.
    pub fn answer(output: Value) -> Self {
        Self::tool("StructuredOutput", output)
    }

    /// The API refuses.
    pub fn error(status: u16, kind: &'static str, message: &str) -> Self {
        Self::Error { status, headers: Vec::new(), kind, message: message.to_owned() }
    }

    /// A refusal with a header beside it.
    pub fn with(self, name: &'static str, value: impl ToString) -> Self {
        match self {
            Self::Error { status, mut headers, kind, message } => {
                headers.push((name, value.to_string()));
                Self::Error { status, headers, kind, message }
            }
            other @ (Self::Message(_) | Self::Silence) => other,
        }
    }
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Shared {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
}

/// The server. It ends when its last handle is dropped.
#[derive(Clone)]
pub struct MessagesApi {
    url: String,
    shared: Arc<Shared>,
    _server: Arc<JoinSet<()>>,
}

impl MessagesApi {
    /// Starts it on a free port of the loopback.
    pub async fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let shared = Arc::new(Shared { script: Mutex::new(Box::new(script)), requests: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the loopback");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        // A conversation with a long file in it is longer than axum's usual limit.
        let router = router.layer(DefaultBodyLimit::disable());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("the server runs") });
        Self { url, shared, _server: Arc::new(server) }
    }

    /// Starts it with one answer after the other; the last one is repeated.
    pub async fn turns(replies: Vec<Reply>) -> Self {
        let mut next = 0;
        Self::start(move |_| {
            let reply = replies.get(next).or(replies.last()).expect("at least one reply").clone();
            next += 1;
            reply
        })
        .await
    }

    /// Where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests to `/v1/messages` so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no test panics while it holds this").clone()
    }
}

async fn handle(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice::<Value>(&body);
    let (Method::POST, "/v1/messages", Ok(body)) = (method, uri.path(), body) else {
        return respond(StatusCode::NOT_FOUND, "application/json", Body::from("{}"));
    };
    let request = Request { uri: uri.to_string(), headers, body };
    let reply = (shared.script.lock().expect("no script panics"))(&request);
    let number = {
        let mut requests = shared.requests.lock().expect("no test panics while it holds this");
        requests.push(request.clone());
        requests.len()
    };
    match reply {
        Reply::Message(content) => {
            let events = message_events(number, &request.body["model"], &content);
            respond(StatusCode::OK, "text/event-stream", Body::from(events))
        }
        Reply::Silence => {
            let start = sse(&message_start(number, &request.body["model"]));
            let pings = stream::unfold(Some(start), |first| async move {
                let event = match first {
                    Some(start) => start,
                    None => {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        sse(&json!({"type": "ping"}))
                    }
                };
                Some((Ok::<_, Infallible>(event), None))
            });
            respond(StatusCode::OK, "text/event-stream", Body::from_stream(pings))
        }
        Reply::Error { status, headers, kind, message } => {
            let body = json!({"type": "error", "error": {"type": kind, "message": message}});
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = respond(status, "application/json", Body::from(body.to_string()));
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().expect("a header's value"));
            }
            response
        }
    }
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response {
    Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body).expect("a response")
}

fn sse(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("an event's type"))
}

fn message_start(number: usize, model: &Value) -> Value {
    json!({"type": "message_start", "message": {"id": format!("msg_{number:04}"), "type": "message", "role": "assistant",
        "model": model, "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 100, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}}})
}

/// A whole answer as the provider streams it; tool input comes in pieces.
fn message_events(number: usize, model: &Value, content: &[Value]) -> String {
    let mut events = sse(&message_start(number, model));
    for (index, block) in content.iter().enumerate() {
        let (empty, deltas) = if block["type"] == "tool_use" {
            let id = format!("toolu_{number:04}_{index}");
            let empty = json!({"type": "tool_use", "id": id, "name": block["name"], "input": {}});
            let input: Vec<char> = block["input"].to_string().chars().collect();
            let pieces = input.chunks(32 << 10).map(String::from_iter);
            (empty, pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect())
        } else {
            (json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": block["text"]})])
        };
        events += &sse(&json!({"type": "content_block_start", "index": index, "content_block": empty}));
        for delta in deltas {
            events += &sse(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events += &sse(&json!({"type": "content_block_stop", "index": index}));
    }
    let calls = content.iter().any(|block| block["type"] == "tool_use");
    let reason = if calls { "tool_use" } else { "end_turn" };
    events += &sse(&json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": 50}}));
    events + &sse(&json!({"type": "message_stop"}))
}
