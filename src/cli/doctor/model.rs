//! The model: whether there are credentials, when they end, and, if asked to, whether they work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::mpsc;

use super::{Check, Patient};
use crate::cli::accounts::AccountReport;
use crate::cli::setup::SystemClock;
use crate::cli::{Kind, wiring};
use crate::config::{Agent, Backend, Claude};
use crate::gateway::{Address, Door, Gateway, Order, Prices, Upstream};
use crate::journal::History;
use crate::model::{StepKind, Usd};
use crate::ports::Clock as _;

/// How long the model may take to say a word.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGN_IN: &str = "`claude setup-token` makes a token for a year: put it into CLAUDE_CODE_OAUTH_TOKEN, or name its file by `key_file` in [agent]";

pub(super) async fn examine(patient: &Patient, online: bool, checks: &mut Vec<Check>) {
    let needs_a_model = |agent: &Agent| matches!(agent.backend, Backend::Claude(_));
    if patient.setup.config.crew().any(needs_a_model) {
        checks.extend(credentials(patient));
    }
    if !online {
        return;
    }
    // One call for each model, wherever it is.
    let mut called: Vec<Claude> = Vec::new();
    for (agent, claude) in of_agents(patient).chain(of_formulas(patient)) {
        if !called.iter().any(|other| (&other.base_url, &other.model) == (&claude.base_url, &claude.model)) {
            checks.push(call(patient, agent, &claude).await);
            called.push(claude);
        }
    }
    if called.is_empty() {
        checks.push(Check::ok("model", "the agents are commands of your own: there is no model to call"));
    }
}

/// The models of the configuration, each with who works with it.
fn of_agents(patient: &Patient) -> impl Iterator<Item = (&Agent, Claude)> {
    patient.setup.config.crew().filter_map(|agent| match &agent.backend {
        Backend::Claude(claude) => Some((agent, Claude::clone(claude))),
        Backend::Command(_) => None,
    })
}

/// Those that formulas name which are on. One that does not load is told of elsewhere.
fn of_formulas(patient: &Patient) -> impl Iterator<Item = (&Agent, Claude)> {
    let (setup, crew) = (&patient.setup, patient.setup.crew());
    let on = setup.config.projects.iter().flat_map(|project| &project.formulas).collect::<BTreeSet<_>>();
    let formulas = setup.formulas().unwrap_or_default().into_iter().filter(move |(name, _)| on.contains(name));
    formulas.flat_map(|(_, formula)| formula.steps).filter_map(move |step| {
        let StepKind::Agent { role, hire, .. } = step.kind else { return None };
        let model = hire.model.clone()?;
        let name = &crew.of_step(&role, &hire).name;
        let (agent, claude) = of_agents(patient).find(|(agent, _)| agent.name == *name)?;
        Some((agent, Claude { model: Some(model), ..claude }))
    })
}

/// Each account that somebody works on. One that cannot be used is worth a word only, where there is another that can.
fn credentials(patient: &Patient) -> Vec<Check> {
    const NAME: &str = "credentials";
    let setup = &patient.setup;
    // A journal that cannot be read is told of elsewhere.
    let ledger = setup.ledger(&History::All).unwrap_or_default();
    let reports = setup.account_reports(&ledger, SystemClock.now());
    if reports.is_empty() {
        return vec![Check::ok(NAME, "none, and a model server of your own needs none")];
    }
    let usable = reports.iter().any(|report| report.state == "ready");
    let check = |report: &AccountReport| {
        let says = report.says(reports.len() == 1);
        match (&report.warning, report.state) {
            (None, _) => Check::ok(NAME, says),
            (Some(_), "ready") => Check::warn(NAME, says, SIGN_IN),
            (Some(_), _) if usable => Check::warn(NAME, says, SIGN_IN),
            (Some(_), _) => Check::fail(Kind::Environment, NAME, says, SIGN_IN),
        }
    };
    reports.iter().map(check).collect()
}

/// One word of the model, through the gateway as an agent's calls go.
async fn call(patient: &Patient, agent: &Agent, claude: &Claude) -> Check {
    const NAME: &str = "model";
    match tokio::time::timeout(PATIENCE, said(patient, agent, claude)).await {
        Ok(Ok(says)) => Check::ok(NAME, says),
        Ok(Err(why)) => Check::fail(Kind::Environment, NAME, format!("{}: {why}", claude.base_url), MODEL),
        Err(_) => Check::fail(Kind::Environment, NAME, format!("{} does not answer", claude.base_url), MODEL),
    }
}

const MODEL: &str = "check the credentials, `model` and `base_url` of [agent] or [agents.NAME], a formula's `model`, and that this machine reaches it";

async fn said(patient: &Patient, agent: &Agent, claude: &Claude) -> Result<String, String> {
    let model = claude.model.clone().unwrap_or_else(|| wiring::DEFAULT_MODEL.to_owned());
    let (calls, mut told) = mpsc::channel(4);
    let order = Order {
        upstream: Upstream {
            base_url: claude.base_url.clone(),
            allow_http: claude.base_url.scheme() == "http",
            credentials: patient.setup.credentials_of(agent),
        },
        door: Door::Tcp,
        models: vec![model.clone()],
        budget: Usd::from_dollars(0.1),
        purse: Arc::default(),
        budget_call: Usd::from_dollars(0.1),
        prices: Arc::new(Prices::shipped()),
        calls,
    };
    let gateway = Gateway::open(order).await.map_err(|e| e.to_string())?;
    let Address::Tcp { url, key } = gateway.address() else { return Err("the gateway has no port".to_owned()) };
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().map_err(|e| e.to_string())?;
    let body = json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Say yes."}]});
    let request = client.post(format!("{url}/v1/messages")).header("x-api-key", key.expose_secret());
    let answer = request.header("anthropic-version", "2023-06-01").json(&body).send().await.map_err(|e| e.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|e| e.to_string())?;
    gateway.close().await;
    if !status.is_success() {
        let message = serde_json::from_str::<serde_json::Value>(&text).ok();
        let message = message.and_then(|m| m.pointer("/error/message").and_then(|m| m.as_str().map(str::to_owned)));
        return Err(format!("{status}: {}", message.unwrap_or_default()));
    }
    let cost = told.recv().await.map(|call| call.cost);
    Ok(format!("{model} answers{}", cost.map(|cost| format!("; that cost {cost}")).unwrap_or_default()))
}
