//! What is to be done, shown first and then carried out; each step leaves what is there already.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::config::SecretSource;
use crate::journal::History;
use crate::ports::{Clock as _, Forge as _, Ids as _};
use crate::words;

use super::super::accounts::AccountReport;
use super::super::setup::{Setup, SystemClock, SystemIds, read_secret};
use super::super::survey;
use super::super::{CliError, Kind, guard};
use super::file::{self, Wanted};
use super::gather::{self, Basics};
use super::look::{Found, Guarded, HookState, Looked};
use super::{Desk, Existing};

/// What is to be done.
pub(super) struct Plan {
    seen: Vec<String>,
    /// A token that was typed in, and where it goes.
    token: Option<(PathBuf, SecretString)>,
    /// For each repository the labels that it lacks.
    labels: Vec<(usize, Vec<String>)>,
    /// The repositories that get a webhook.
    hooks: Vec<usize>,
    /// The branches that get a stricter rule.
    guards: Vec<usize>,
    secret: SecretSource,
    config: Option<ConfigWrite>,
    /// The schema that the configuration names, where it is missing or an older version's.
    schema: Option<ConfigWrite>,
}

struct ConfigWrite {
    file: PathBuf,
    old: Option<String>,
    text: String,
}

impl Plan {
    pub(super) fn make(desk: &Desk, basics: &Basics, looked: &Looked, wanted: &Wanted) -> Result<Self, CliError> {
        let labels = looked.repos.iter().map(|found| survey::missing_labels(&found.names, &found.used, &found.labels));
        let labels = labels.enumerate().filter(|(_, missing)| !missing.is_empty()).collect();
        let makes = |found: &Found| matches!(found.hook, HookState::Make(_));
        let hooks = looked.repos.iter().enumerate().filter(|(_, found)| makes(found)).map(|(at, _)| at).collect();
        let lacks = |guarded: &Guarded| guarded.lacking.as_ref().is_some_and(|lacking| !lacking.is_empty());
        let guards = looked.guarded.iter().enumerate().filter(|(_, guarded)| lacks(guarded)).map(|(at, _)| at).collect();
        let secret = gather::webhook_secret(desk);
        let config = match &desk.existing {
            None => Some(ConfigWrite { file: desk.file.clone(), old: None, text: file::new_text(wanted)? }),
            Some(Existing { text: old, .. }) => {
                file::completed(old, wanted)?.map(|text| ConfigWrite { file: desk.file.clone(), old: Some(old.clone()), text })
            }
        };
        let token = basics.typed.clone().map(|file| (file, basics.token.clone()));
        let schema = schema(desk)?;
        let mut seen = seen(looked, &place(&secret));
        seen.extend(credentials(desk, config.as_ref()));
        Ok(Self { seen, token, labels, hooks, guards, secret, config, schema })
    }

    pub(super) fn is_empty(&self) -> bool {
        let forge = self.labels.is_empty() && self.hooks.is_empty() && self.guards.is_empty();
        forge && self.token.is_none() && self.config.is_none() && self.schema.is_none()
    }

    /// What was seen, and what will be done.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.seen.clone();
        lines.extend(self.token.iter().map(|(file, _)| format!("will keep the token in {}, for you alone", file.display())));
        for (_, missing) in &self.labels {
            lines.push(format!("will create the labels {}", missing.join(", ")));
        }
        if !self.hooks.is_empty() {
            let new = matches!(&self.secret, SecretSource::File(file) if !file.exists());
            let which = if new { "a new secret, kept in" } else { "the secret in" };
            lines.push(format!("will create a webhook that signs with {which} {}", place(&self.secret)));
        }
        for config in self.schema.iter().chain(&self.config) {
            let how = if config.old.is_some() { "complete" } else { "write" };
            lines.push(format!("will {how} {}", config.file.display()));
        }
        lines
    }

    /// Does it, the configuration last: what breaks off before is taken up by the next run.
    pub(super) async fn carry_out(&self, looked: &Looked) -> Result<(), CliError> {
        if let Some((file, token)) = &self.token {
            file::write_secret(file, token.expose_secret())?;
        }
        for (at, _) in &self.labels {
            if let Some(found) = looked.repos.get(*at) {
                create_labels(looked, found).await?;
            }
        }
        if !self.hooks.is_empty() {
            let secret = self.secret()?;
            for found in self.hooks.iter().filter_map(|at| looked.repos.get(*at)) {
                if let HookState::Make(url) = &found.hook {
                    looked.admin.create_hook(&found.repo, url.as_str(), secret.expose_secret()).await?;
                }
            }
        }
        for guarded in self.guards.iter().filter_map(|at| looked.guarded.get(*at)) {
            looked.admin.protect(&guarded.repo, &guarded.branch, &guarded.wanted).await?;
        }
        for config in self.schema.iter().chain(&self.config) {
            file::write(&config.file, config.old.as_deref(), &config.text)?;
        }
        Ok(())
    }

    /// The secret that is kept, or a new one: 244 bits of the kernel's randomness.
    fn secret(&self) -> Result<SecretString, CliError> {
        match &self.secret {
            SecretSource::File(file) if !file.exists() => {
                let secret = format!("{}{}", SystemIds.uuid(), SystemIds.uuid()).replace('-', "");
                file::write_secret(file, &secret)?;
                Ok(secret.into())
            }
            source => match read_secret(source, "the webhook's secret")? {
                empty if empty.expose_secret().is_empty() => {
                    let what = format!("the webhook's secret in {} is empty", place(source));
                    Err(CliError::usage(what, "remove the file, and a new secret is made"))
                }
                secret => Ok(secret),
            },
        }
    }
}

/// A secret's place, for people.
fn place(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("${name}"),
        SecretSource::File(file) => file.display().to_string(),
        SecretSource::Credential(name) => format!("credential {name}"),
    }
}

/// Beside a configuration that names it, the schema of this version.
fn schema(desk: &Desk) -> Result<Option<ConfigWrite>, CliError> {
    let names_it = |existing: &Existing| existing.text.starts_with(&format!("#:schema ./{}", file::SCHEMA_FILE));
    if !desk.existing.as_ref().is_none_or(names_it) {
        return Ok(None);
    }
    let (place, text) = (gather::beside(&desk.file, file::SCHEMA_FILE), file::schema()?);
    let old = std::fs::read_to_string(&place).ok();
    Ok((old.as_ref() != Some(&text)).then_some(ConfigWrite { file: place, old, text }))
}

/// Looked at again just before: somebody may have made one while a person read the plan.
async fn create_labels(looked: &Looked, found: &Found) -> Result<(), CliError> {
    let there = looked.client.labels(&found.repo).await?;
    for name in survey::missing_labels(&found.names, &found.used, &there) {
        let usual = words::label_named(&name, &found.names);
        let used = found.used.iter().find(|label| label.name == name).filter(|_| !found.names.is_of_lifecycle(&name));
        let (color, description) = used.map_or(usual, |label| (label.color.as_str(), label.description.as_str()));
        looked.client.create_label(&found.repo, &name, color, description).await.map_err(|e| {
            CliError::new(Kind::Forge, format!("{}: the label `{name}` was not created", found.repo), "run it again").because(e)
        })?;
    }
    Ok(())
}

/// What the agents will work with and when it ends, by the configuration as it will be.
fn credentials(desk: &Desk, config: Option<&ConfigWrite>) -> Vec<String> {
    // What is written was read back before, and what could not be read then was said.
    let made = config.and_then(|write| Setup::parse(desk.file.clone(), write.text.clone().into_bytes()).ok());
    let Some(setup) = made.as_ref().or(desk.existing.as_ref().map(|existing| &existing.setup)) else { return Vec::new() };
    let reports = setup.account_reports(&setup.ledger(&History::All).unwrap_or_default(), SystemClock.now());
    let line = |report: &AccountReport| {
        let how = if report.warning.is_some() { "careful, credentials" } else { "credentials" };
        format!("{how}: {}", report.says(reports.len() == 1))
    };
    reports.iter().map(line).collect()
}

fn seen(looked: &Looked, secret: &str) -> Vec<String> {
    let mut lines = vec![format!("the forge is Forgejo {}, and the bot there is {}", looked.version, looked.login)];
    if looked.site_admin {
        lines.push(format!(
            "careful: {} administers the whole forge, so no protection of a branch stops it; give forgehand an account of its own",
            looked.login
        ));
    }
    for found in &looked.repos {
        lines.push(format!("{}: the token may write issues and code", found.repo));
        if !found.overruled.is_empty() {
            let flags = found.overruled.join(", ");
            lines.push(format!("  careful, it is configured already and stays so, whatever {flags} says: change it in the file"));
        }
        let doubled = survey::doubled_labels(&found.names, &found.used, &found.labels);
        lines.extend(doubled.iter().map(|(name, times)| format!("  {}", words::doubled_label(name, *times))));
        let standing = found.standing.lines(&found.names, &looked.login, found.since.as_deref());
        lines.extend(standing.iter().map(|line| format!("  found {line}")));
        if found.standing.is_empty() {
            lines.push("  nothing stands there yet that concerns forgehand".to_owned());
        }
        match &found.hook {
            HookState::Unwanted | HookState::Make(_) => {}
            HookState::Kept(hook) if hook.active => lines.push(format!("  the webhook to {} is there and kept", hook.url)),
            HookState::Kept(hook) => {
                lines.push(format!("  the webhook to {} is there but switched off: switch it on in the repository's settings", hook.url));
            }
            HookState::ByHand(url) => lines.push(format!(
                "  the token may not make webhooks: name one that administers with --rights-token-env or --rights-token-file, or make it by hand in the \
                 repository's settings (type Forgejo, target {url}, content type JSON, the secret of {secret}, all issue and pull request events)"
            )),
        }
    }
    lines.extend(looked.guarded.iter().map(guard_line));
    lines
}

/// What is seen of a branch's protection, and will be done about it.
fn guard_line(Guarded { repo, branch, wanted, lacking }: &Guarded) -> String {
    match lacking {
        Some(lacking) if lacking.is_empty() => {
            format!("{branch} of {repo} is protected as the policy needs it: {}", guard::told(wanted))
        }
        Some(lacking) => format!("will protect {branch} of {repo}, so that it demands {}", guard::told(lacking)),
        None => format!(
            "the token does not administer {repo}, so {branch} is not protected: name one that does with --rights-token-env or --rights-token-file, \
             or have the repository's settings demand {}",
            guard::told(wanted)
        ),
    }
}
