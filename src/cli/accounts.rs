//! The accounts with the model's provider: where their credentials are, how they stand, when they end, and having a sign-in renewed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::config::{AccountSource, Agent, Backend, SecretSource};
use crate::gateway::{self, CredentialError, CredentialSource, Renewal};
use crate::ledger::Ledger;
use crate::model::{AccountName, CredentialFacts, Ends, LabelNames, Standing, Standings, TextHash, Timestamp, Wait};
use crate::ports::{Accounts, Clock};
use crate::scan::Scanner;
use crate::{text, words};

use super::CliError;
use super::said;
use super::setup::{Setup, SystemClock};

/// How long renewing a sign-in may take.
const RENEWAL: Duration = Duration::from_secs(60);

/// Where systemd passes credentials.
pub(super) fn passed(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(name))
}

/// An account as it stands, for people: what `status`, `agents` and whoever checks the installation show.
#[derive(Debug, Serialize)]
pub(super) struct AccountReport {
    /// What it is called.
    pub(super) name: String,
    /// The variable or file that its credentials are in; none where they are not to be found.
    pub(super) place: Option<String>,
    /// `ready`, `missing`, `ended` or `unusable`.
    pub(super) state: &'static str,
    /// When the credentials end, as far as that is known.
    pub(super) expires: Option<String>,
    /// What they are and when they end, in words.
    pub(super) what: String,
    /// What has to be done about them, if anything has.
    pub(super) warning: Option<String>,
    /// Until when it is paused.
    pub(super) paused_until: Option<String>,
    /// What was spent on it today, by UTC.
    pub(super) spent_today_usd: f64,
    /// Its own quota for a day.
    pub(super) usd_day: Option<f64>,
}

impl Setup {
    /// Where the credentials of every account that somebody works on are; none where a variable or credential is not there.
    pub(super) fn account_sources(&self) -> BTreeMap<AccountName, Option<CredentialSource>> {
        let sources = self.config.account_sources();
        sources.into_iter().map(|(name, source)| (name, source_of(&source, &self.home))).collect()
    }

    /// What an agent would work with now: the first of its accounts that can be used, else the first one.
    pub(super) fn credentials_of(&self, agent: &Agent) -> Option<CredentialSource> {
        let (sources, now) = (self.account_sources(), SystemClock.now());
        let all = || agent.accounts.iter().filter_map(|account| sources.get(account)?.as_ref());
        all().find(|source| standing(Some(source), now) == Standing::Ready).or_else(|| all().next()).cloned()
    }

    /// How the accounts stand.
    pub(super) fn standings(&self) -> Standings {
        let now = SystemClock.now();
        self.account_sources().into_iter().map(|(name, source)| (name, standing(source.as_ref(), now))).collect()
    }

    /// Whether some agent could work: a command needs no credentials, nor does a model server of one's own.
    pub(super) fn has_credentials(&self) -> bool {
        let standings = self.standings();
        let there = |account: &AccountName| standings.get(account).is_none_or(|s| !matches!(s, Standing::Missing));
        self.config.crew().any(|agent| agent.accounts.is_empty() || agent.accounts.iter().any(there))
    }

    /// Every account, with what is known of it.
    pub(super) fn account_reports(&self, ledger: &Ledger, now: Timestamp) -> Vec<AccountReport> {
        self.account_sources().iter().map(|(name, source)| self.account_report(name, source.as_ref(), ledger, now)).collect()
    }

    fn account_report(
        &self,
        name: &AccountName,
        source: Option<&CredentialSource>,
        ledger: &Ledger,
        now: Timestamp,
    ) -> AccountReport {
        let known = ledger.accounts.get(name);
        let facts = source.map(CredentialSource::facts).transpose().map(Option::flatten);
        let failed = known.and_then(|k| k.not_renewed.as_deref());
        let told = tell(&facts, failed, now);
        let paused = known.and_then(|k| k.paused.as_ref()).filter(|(until, _)| *until > now);
        AccountReport {
            name: name.to_string(),
            place: source.map(CredentialSource::place),
            state: told.state,
            expires: told.expires.map(|at| at.to_string()),
            what: told.what,
            warning: told.warning,
            paused_until: paused.map(|(until, _)| until.to_string()),
            spent_today_usd: known.map_or(0.0, |k| k.spent_on(&now.day()).dollars()),
            usd_day: self.config.accounts.iter().find(|a| a.name == *name).and_then(|a| Some(a.usd_day?.dollars())),
        }
    }
}

struct Told {
    state: &'static str,
    expires: Option<Timestamp>,
    what: String,
    warning: Option<String>,
}

fn tell(facts: &Result<Option<CredentialFacts>, CredentialError>, failed: Option<&str>, now: Timestamp) -> Told {
    match facts {
        Ok(Some(facts)) => Told {
            state: if matches!(facts.standing(now), Standing::Ended { .. }) { "ended" } else { "ready" },
            expires: match facts.ends {
                Ends::At { at, .. } | Ends::AtBest { at } => Some(at),
                Ends::Never | Ends::Unknown => None,
            },
            what: words::credential(facts, now),
            warning: words::credential_warning(facts, failed, now),
        },
        Ok(None) => {
            let mover = words::mover(&Wait::NoCredentials, &LabelNames::default());
            let warning = Some(format!("there are no credentials; what helps: {mover}"));
            Told { state: "missing", expires: None, what: "there are no credentials".to_owned(), warning }
        }
        Err(error) => {
            Told { state: "unusable", expires: None, what: error.to_string(), warning: Some(format!("{error}; mend the file")) }
        }
    }
}

impl AccountReport {
    /// What people are told of it who ask; the name is left out where it is the only one.
    pub(super) fn says(&self, alone: bool) -> String {
        let whose = if alone { String::new() } else { format!("account `{}`: ", self.name) };
        format!("{whose}{}", self.warning.as_ref().unwrap_or(&self.what))
    }

    /// The line of `status` of credentials that end, and need nobody yet; none where there is nothing to be told.
    pub(super) fn ends(&self) -> Option<String> {
        let ends = self.expires.is_some() && self.warning.is_none();
        ends.then(|| format!("{}: {}", words::account(&AccountName(self.name.clone())), self.what))
    }

    /// The line of `status` where something has to be done; none where nothing has.
    pub(super) fn warned(&self) -> Option<String> {
        let warning = self.warning.as_ref()?;
        Some(format!("! {}: {warning}", words::account(&AccountName(self.name.clone()))))
    }
}

fn source_of(source: &AccountSource, home: &Path) -> Option<CredentialSource> {
    let env = |name: &str| std::env::var(name).ok();
    let filled = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    match source {
        AccountSource::Usual => gateway::find_credentials(env, None, None, home),
        AccountSource::Key(SecretSource::Env(name)) => gateway::find_credentials(env, Some(name), None, home),
        AccountSource::Key(SecretSource::File(path)) => Some(CredentialSource::File(path.clone())),
        AccountSource::Key(SecretSource::Credential(name)) | AccountSource::OauthToken(SecretSource::Credential(name)) => {
            passed(name).map(CredentialSource::Passed)
        }
        AccountSource::OauthToken(SecretSource::Env(name)) => {
            filled(name).map(|value| CredentialSource::OauthEnv { variable: name.clone(), value: value.into() })
        }
        AccountSource::OauthToken(SecretSource::File(path)) => Some(CredentialSource::OauthFile(path.clone())),
        AccountSource::SignIn(path) => Some(CredentialSource::SignIn(path.clone())),
    }
}

fn standing(source: Option<&CredentialSource>, now: Timestamp) -> Standing {
    match source.map(CredentialSource::facts) {
        Some(Ok(Some(facts))) => facts.standing(now),
        Some(Ok(None) | Err(_)) | None => Standing::Missing,
    }
}

/// The real accounts.
pub(super) struct RealAccounts {
    sources: BTreeMap<AccountName, Option<CredentialSource>>,
    claude: PathBuf,
    home: PathBuf,
    state_dir: PathBuf,
    /// Credentials that appear or change are secrets from then on. None: nothing is said or learned, because nothing is done.
    scanner: Option<Arc<Scanner>>,
    known: Mutex<BTreeMap<AccountName, TextHash>>,
    /// Somebody needs credentials, and there were none when it was asked last.
    lacking: Mutex<Option<bool>>,
}

impl RealAccounts {
    /// `scanner` learns what comes; without one people are told nothing either.
    pub(super) fn new(setup: &Setup, scanner: Option<Arc<Scanner>>) -> Self {
        let claude = setup.config.crew().find_map(|agent| match &agent.backend {
            Backend::Claude(claude) => Some(claude.program.clone()),
            Backend::Command(_) => None,
        });
        Self {
            sources: setup.account_sources(),
            claude: claude.unwrap_or_else(|| PathBuf::from("claude")),
            home: setup.home.clone(),
            state_dir: setup.state_dir.clone(),
            scanner,
            known: Mutex::default(),
            lacking: Mutex::new(None),
        }
    }

    /// A sign-in changes when it is renewed, a key when it is rotated.
    fn learn(&self, scanner: &Scanner) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, source) in &self.sources {
            let Some(credential) = source.as_ref().and_then(|source| source.load().ok().flatten()) else { continue };
            let hash = text::hash(credential.secret().expose_secret());
            if known.insert(name.clone(), hash.clone()) != Some(hash) {
                scanner.learn(vec![credential.secret().clone()]);
            }
        }
    }

    /// No credentials: said once, remembered, and quiet from then on. That there are some again is for the log.
    fn say(&self, lacking: bool) {
        let before = self.lacking.lock().unwrap_or_else(PoisonError::into_inner).replace(lacking);
        if before == Some(lacking) {
            return;
        }
        if before == Some(true) {
            tracing::info!("there are credentials for the model now");
        }
        if let Err(error) = say_credentials(&self.state_dir, lacking) {
            tracing::warn!(?error, "that there are no credentials could not be remembered");
        }
    }
}

/// Says on stderr that there are no credentials, unless that was said before.
fn say_credentials(state_dir: &Path, lacking: bool) -> Result<(), CliError> {
    const WHAT: &str = "no-credentials";
    if !lacking {
        return said::forget(state_dir, WHAT);
    }
    let mover = words::mover(&Wait::NoCredentials, &LabelNames::default());
    let text = format!("there are no credentials for the model, so no agent is started; what helps: {mover}");
    said::once(state_dir, WHAT, &text)
}

#[async_trait]
impl Accounts for RealAccounts {
    fn standings(&self) -> Standings {
        let now = SystemClock.now();
        let standings: Standings =
            self.sources.iter().map(|(name, source)| (name.clone(), standing(source.as_ref(), now))).collect();
        if let Some(scanner) = &self.scanner {
            self.learn(scanner);
            self.say(!standings.is_empty() && standings.values().all(|s| *s == Standing::Missing));
        }
        standings
    }

    async fn renew(&self, account: &AccountName) -> Result<(), String> {
        let Some(sign_in) = self.sources.get(account).and_then(Option::as_ref).and_then(CredentialSource::path) else {
            return Err("it is no sign-in".to_owned());
        };
        let claude = which::which(&self.claude).map_err(|e| format!("`{}`: {e}", self.claude.display()))?;
        let renewal = Renewal { sign_in: sign_in.to_owned(), claude, home: self.home.clone(), limit: RENEWAL };
        let renewed = renewal.renew(|| SystemClock.now()).await.map_err(|error| error.to_string());
        match &renewed {
            Ok(()) => tracing::info!(%account, "the sign-in was renewed"),
            Err(why) => tracing::warn!(%account, why, "the sign-in could not be renewed"),
        }
        renewed
    }
}
