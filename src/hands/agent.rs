//! An agent's turn: what it is started with, and what is made of its end.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, Weak};

use secrecy::ExposeSecret;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::claude::{self, Call};
use super::places::Place;
use super::shell::{Outfit, own_forward};
use super::site::{MODEL_PORT, NETWORK_PORT, Site, Whose, cancelled, environment, proxy_env, sandbox_failed};
use super::supervise::{Dialect, Supervisor};
use super::transcript::{Redact, Transcript};
use super::turn::{Driven, Ears, Metered, drive};
use super::{Backend, ClaudeBackend, RealHands, command, output};
use crate::gateway::{Address, Door, Egress, Gateway, GatewayError, Order, Purse, Upstream};
use crate::model::{HandOutcome, ModelCall, Shape, Usd};
use crate::ports::{AgentOrder, AgentReport, HandError, HandErrorKind, HandEvent, Session};
use crate::sandbox::{Forward, Mode, Mount, MountAccess, Process, Spec};

/// The key inside a sandbox, where only the socket decides who gets through.
const DUMMY_KEY: &str = "sk-ant-dummy-the-gateway-has-the-real-one";
/// Calls that wait to be told.
const CALLS: usize = 64;

/// What is asked of an agent, where, and who listens.
struct Ask<'a> {
    order: &'a AgentOrder,
    place: Place,
    events: &'a mpsc::Sender<HandEvent>,
    cancel: &'a CancellationToken,
}

/// What a process is started with, beyond what its place gives it.
struct Start {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    mounts: Vec<Mount>,
    forwards: Vec<Forward>,
}

impl RealHands {
    pub(super) async fn turn(
        &self,
        order: &AgentOrder,
        events: &mpsc::Sender<HandEvent>,
        cancel: &CancellationToken,
    ) -> Result<AgentReport, HandError> {
        if cancel.is_cancelled() {
            return Err(cancelled("starting an agent"));
        }
        let (repo, run) = (&order.workspace.repo, &order.workspace.run);
        let place = match (&order.apart, order.beside) {
            (Some(at), _) => self.options.places.apart(&order.workspace, &order.step, at).await?,
            (None, true) => self.options.places.beside(repo, run, &order.step).await?,
            (None, false) => self.options.places.place(repo, run)?,
        };
        self.remember_env(&order.workspace.run).await?;
        let ask = Ask { order, place, events, cancel };
        let redact = Arc::clone(&self.options.redact);
        let mut transcript = Transcript::open(&self.options.logs, &order.label, redact).await;
        let (formula, step) = (&order.formula, &order.step);
        transcript
            .note(json!({"turn": "begins", "agent": order.agent, "formula": formula, "step": step, "session": session_words(&order.session)}))
            .await;
        let report = match self.options.agents.get(&order.agent).unwrap_or(&self.options.backend) {
            Backend::Claude(backend) => {
                self.claude_turn(&of_model(backend, order.model.as_deref()), &ask, &mut transcript).await?
            }
            Backend::Command { argv } => self.command_turn(argv, &ask, &mut transcript).await?,
        };
        let report = AgentReport {
            outcome: self.cleaned(report.outcome),
            output: cleaned_output(report.output, &order.output, &self.options.redact),
            ..report
        };
        transcript
            .note(json!({"turn": "ended", "step": step, "outcome": report.outcome, "output": report.output.as_ref().err()}))
            .await;
        Ok(report)
    }

    async fn claude_turn(
        &self,
        backend: &ClaudeBackend,
        ask: &Ask<'_>,
        transcript: &mut Transcript,
    ) -> Result<AgentReport, HandError> {
        let order = ask.order;
        if order.budget == Usd::default() {
            let outcome = HandOutcome::Budget { limit: "usd_run: nothing is left".to_owned() };
            return Ok(AgentReport { outcome, output: Err("there is no structured output".to_owned()), resumable: false });
        }
        let mut session = order.session.clone();
        let mut driven = self.claude_process(backend, ask, &session, transcript).await?;
        // A session that was cut before it was written, or written before we knew: it is the same conversation, so once more.
        let other = match session {
            Session::Resume(id) if claude::found_no_conversation(&driven.stderr) => Some(Session::New(id)),
            Session::New(id) if claude::session_exists(&driven.stderr) => Some(Session::Resume(id)),
            Session::New(_) | Session::Resume(_) => None,
        };
        if let Some(other) = other.filter(|_| !driven.ending.resumable && !ask.cancel.is_cancelled()) {
            transcript.note(json!({"turn": "again", "session": session_words(&other)})).await;
            session = other;
            driven = self.claude_process(backend, ask, &session, transcript).await?;
        }
        let ending = driven.ending;
        let output = ending.answer.and_then(|answer| output::parse_output(&order.output, &answer.to_string()));
        Ok(AgentReport { outcome: ending.outcome, output, resumable: ending.resumable })
    }

    async fn claude_process(
        &self,
        backend: &ClaudeBackend,
        ask: &Ask<'_>,
        session: &Session,
        transcript: &mut Transcript,
    ) -> Result<Driven, HandError> {
        let order = ask.order;
        let (calls_out, calls) = mpsc::channel(CALLS);
        let gateway = self.open_gateway(backend, order, calls_out).await?;
        let site = Site::new(&self.options.sandbox, &ask.place, ask.order.access);
        let (url, key, forward) = match gateway.address() {
            Address::Socket(socket) => {
                (format!("http://127.0.0.1:{MODEL_PORT}"), DUMMY_KEY.to_owned(), Some(own_forward(MODEL_PORT, socket)))
            }
            Address::Tcp { url, key } => (url.clone(), key.expose_secret().to_owned(), None),
        };
        let own_server = backend.upstream.base_url != Upstream::default().base_url;
        let call = Call {
            session,
            access: order.access,
            tools: &order.tools,
            only_tools: &order.only_tools,
            max_turns: order.limits.turns.map_or(backend.claude.max_turns, |own| own.min(backend.claude.max_turns)),
            output: &order.output,
            budget: (!own_server).then_some(order.budget),
            home: &site.home,
            gateway: &url,
            key: &key,
        };
        let start = Start {
            program: backend.claude.program.clone(),
            args: backend.claude.args(&call),
            env: backend.claude.env(&call),
            mounts: Vec::new(),
            forwards: forward.into_iter().collect(),
        };
        let supervisor = Supervisor::new(self.options.limits.tightened(&order.limits), Dialect::StreamJson, call.max_turns);
        let (process, ways) = self.start(ask, site, start).await?;
        let ears = ears(ask, &self.options.redact, transcript, Some(Metered { gateway, calls }));
        let driven = drive(process, supervisor, ears).await.map_err(|error| environment("listening to an agent", error))?;
        ways.close(transcript).await;
        Ok(driven)
    }

    async fn command_turn(&self, argv: &[String], ask: &Ask<'_>, transcript: &mut Transcript) -> Result<AgentReport, HandError> {
        let Some((program, args)) = argv.split_first() else {
            return Err(environment("starting an agent", "`command` of [agent] is empty: name a program and its arguments"));
        };
        let (order, result) = (ask.order, ask.place.out.join(RESULT));
        command::clear_result(&result)
            .map_err(|error| environment("making room for the agent's result", format!("{}: {error}", result.display())))?;
        let site = Site::new(&self.options.sandbox, &ask.place, ask.order.access);
        let mounts = command::mounts(argv, |folder| self.options.sandbox.refuses(folder));
        let start = Start {
            program: PathBuf::from(program),
            args: args.to_vec(),
            env: command::env(&order.formula, &order.step, &site.out.join(RESULT)),
            mounts: mounts.into_iter().map(read_only).collect(),
            forwards: Vec::new(),
        };
        let (process, ways) = self.start(ask, site, start).await?;
        let supervisor = Supervisor::new(self.options.limits.tightened(&order.limits), Dialect::Plain, 0);
        let driven = drive(process, supervisor, ears(ask, &self.options.redact, transcript, None)).await;
        let driven = driven.map_err(|error| environment("listening to an agent", error))?;
        ways.close(transcript).await;
        let output = match driven.ending.outcome {
            HandOutcome::Succeeded => command::read_result(&result).and_then(|json| output::parse_output(&order.output, &json)),
            _ => driven.ending.answer.and_then(|answer| Err(answer.to_string())),
        };
        Ok(AgentReport { outcome: driven.ending.outcome, output, resumable: false })
    }

    async fn start(&self, ask: &Ask<'_>, site: Site, start: Start) -> Result<(Process, Ways), HandError> {
        let Start { program, args, env, mounts, mut forwards } = start;
        let mut all_env = site.env();
        all_env.extend(env);
        let order = ask.order;
        let outfit = self.outfit(&ask.place, whose(order), &order.given, ask.cancel).await?;
        all_env.extend(outfit.env.iter().cloned());
        forwards.extend(outfit.forwards.iter().cloned());
        let egress = self.open_egress(&whose(order).address(), &self.options.network).await?;
        if let Some((_, socket)) = &egress {
            forwards.push(own_forward(NETWORK_PORT, socket));
            all_env.extend(proxy_env(NETWORK_PORT));
        }
        let mut all_mounts = site.mounts;
        all_mounts.extend(mounts);
        all_mounts.extend(outfit.mounts.iter().cloned());
        let spec = Spec {
            program,
            args: args.into_iter().map(OsString::from).collect(),
            env: all_env.into_iter().collect(),
            cwd: site.tree,
            stdin: order.prompt.clone().into_bytes(),
            mounts: all_mounts,
            forwards,
        };
        let process = self.options.sandbox.start(spec).await.map_err(|error| sandbox_failed("starting an agent", &error))?;
        tracing::debug!(run = %order.workspace.run, step = %order.step, "the agent runs");
        Ok((process, Ways { egress: egress.map(|(egress, _)| egress), outfit }))
    }

    async fn open_gateway(
        &self,
        backend: &ClaudeBackend,
        order: &AgentOrder,
        calls: mpsc::Sender<ModelCall>,
    ) -> Result<Gateway, HandError> {
        let door = match self.mode {
            Mode::Bubblewrap => Door::Socket(self.socket(&whose(order).address(), "model")?),
            Mode::None => Door::Tcp,
        };
        let mut upstream = backend.upstream.clone();
        if let Some(credentials) = order.account.as_ref().and_then(|account| backend.accounts.get(account)) {
            upstream.credentials = Some(credentials.clone());
        }
        let purse = self.purse(order);
        let order = Order {
            upstream,
            door,
            models: vec![backend.claude.model.clone()],
            budget: purse.limit(order.budget, order.spent),
            purse,
            budget_call: order.budget_call,
            prices: Arc::clone(&backend.prices),
            calls,
        };
        Gateway::open(order).await.map_err(|error| HandError {
            kind: match error {
                GatewayError::NoCredentials => HandErrorKind::NoCredentials,
                _ => HandErrorKind::Environment,
            },
            what: "opening the way to the model".to_owned(),
            why: error.to_string(),
        })
    }

    /// The purse that the run's agents spend from who are at work now.
    fn purse(&self, order: &AgentOrder) -> Arc<Purse> {
        let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        purses.retain(|_, purse| purse.strong_count() > 0);
        let run = &order.workspace.run;
        purses.get(run).and_then(Weak::upgrade).unwrap_or_else(|| {
            let purse = Arc::new(Purse::of(order.spent));
            purses.insert(run.clone(), Arc::downgrade(&purse));
            purse
        })
    }

    /// The proxy to the network, where hosts are named and there is a sandbox to keep everything else out of reach.
    pub(super) async fn open_egress(&self, whose: &str, hosts: &[String]) -> Result<Option<(Egress, PathBuf)>, HandError> {
        if hosts.is_empty() || self.mode == Mode::None {
            return Ok(None);
        }
        let socket = self.socket(whose, "network")?;
        let egress = Egress::open(&socket, hosts.to_vec()).await;
        let egress = egress.map_err(|error| environment("opening the way to the network", error))?;
        Ok(Some((egress, socket)))
    }

    /// The path of a socket of a run, or of one of its steps: short, because a socket's path has 107 bytes at most.
    pub(super) fn socket(&self, whose: &str, what: &str) -> Result<PathBuf, HandError> {
        let folder = &self.options.sockets;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| environment("making a folder for sockets", format!("{}: {error}", folder.display())))?;
        let digest = hex::encode(Sha256::digest(whose));
        let name: String = digest.chars().take(16).collect();
        Ok(folder.join(format!("{name}-{what}")))
    }

    /// What an outcome says, without secrets.
    fn cleaned(&self, outcome: HandOutcome) -> HandOutcome {
        let clean = |why: String| (self.options.redact)(&why);
        match outcome {
            HandOutcome::Crashed { why } => HandOutcome::Crashed { why: clean(why) },
            HandOutcome::Unreachable { why, credentials } => HandOutcome::Unreachable { why: clean(why), credentials },
            HandOutcome::Budget { limit } => HandOutcome::Budget { limit: clean(limit) },
            other @ (HandOutcome::Succeeded
            | HandOutcome::Stalled
            | HandOutcome::TimedOut
            | HandOutcome::UsageLimit { .. }
            | HandOutcome::Cancelled
            | HandOutcome::Interrupted) => other,
        }
    }
}

/// An agent's answer without secrets: it is journalled, and parts of it are published.
fn cleaned_output(
    output: Result<serde_json::Value, String>,
    shape: &Shape,
    redact: &Redact,
) -> Result<serde_json::Value, String> {
    fn clean(value: &mut serde_json::Value, redact: &Redact) {
        match value {
            serde_json::Value::String(text) => *text = redact(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| clean(item, redact)),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(|field| clean(field, redact)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
    let mut output = output.map_err(|why| redact(&why))?;
    clean(&mut output, redact);
    output::fits(shape, &output).map_err(|why| redact(&format!("a secret was taken out of the structured output, and {why}")))?;
    Ok(output)
}

fn whose(order: &AgentOrder) -> Whose<'_> {
    Whose { repo: &order.workspace.repo, run: &order.workspace.run, step: Some(&order.step) }
}

/// The file for a command's structured output, in the place's `out`.
const RESULT: &str = "result.json";

/// The same with another model, where one is named.
fn of_model(backend: &ClaudeBackend, model: Option<&str>) -> ClaudeBackend {
    let claude = match model {
        Some(model) => claude::Claude { model: model.to_owned(), ..backend.claude.clone() },
        None => backend.claude.clone(),
    };
    ClaudeBackend { claude, ..backend.clone() }
}

fn ears<'a>(ask: &Ask<'a>, redact: &'a Redact, transcript: &'a mut Transcript, gateway: Option<Metered>) -> Ears<'a> {
    Ears { events: ask.events, transcript, redact, cancel: ask.cancel, gateway }
}

fn read_only(folder: PathBuf) -> Mount {
    Mount { source: folder.clone(), target: folder, access: MountAccess::Read }
}

fn session_words(session: &Session) -> serde_json::Value {
    match session {
        Session::New(id) => json!({"new": id}),
        Session::Resume(id) => json!({"resumed": id}),
    }
}

/// The ways out of a turn's sandbox.
struct Ways {
    egress: Option<Egress>,
    outfit: Outfit,
}

impl Ways {
    /// Ends them; what the network refused is worth knowing.
    async fn close(self, transcript: &mut Transcript) {
        self.outfit.close().await;
        let Some(egress) = self.egress else { return };
        let blocked = egress.blocked();
        egress.close().await;
        if !blocked.is_empty() {
            tracing::info!(?blocked, "an agent asked for hosts that are not in `network`");
            transcript.note(json!({"blocked": blocked})).await;
        }
    }
}
