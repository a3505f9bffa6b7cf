//! The forge: whether it answers, is new enough and keeps time; the token; each repository, by trying a claim too.

use std::time::Duration;

use super::{Check, Patient, given, merging, operations, people, protection, webhook};
use crate::cli::setup::{SystemClock, SystemIds, forge_options, read_secret};
use crate::cli::survey;
use crate::cli::{CliError, Kind, wiring};
use crate::config::Project;
use crate::engine::InForce;
use crate::forge::{Client, Scope, ScopeAnswer};
use crate::git::Git;
use crate::model::{IssueNumber, JournalId, Login, RepoFacts, RepoLabel, Timestamp};
use crate::ports::{
    ClaimAnswer, Clock as _, Forge as _, ForgeError, ForgeErrorKind, Ids as _, NewClaim, RepoErrorKind, Repos as _,
};

/// Clocks that differ by more make times on the board puzzling; by more than a lease lasts, claims too.
const CLOCK_WARN: Duration = Duration::from_secs(60);
const CLOCK_FAIL: Duration = Duration::from_mins(10);
/// The number that no issue has: claims are tried on it.
const NOBODY: IssueNumber = IssueNumber(u64::MAX);
/// How long a claim that is tried lasts where giving it back fails.
const TRIAL: Duration = Duration::from_secs(30);
const SCOPES: &str =
    "make a new token with write:issue, write:repository and read:user, and put it where `token_env` or `token_file` points";
const RIGHTS: &str = "make the bot a collaborator of the repository with write access";

pub(super) async fn examine(patient: &Patient, checks: &mut Vec<Check>) {
    let config = &patient.setup.config;
    let token = read_secret(&config.forge.token, "the forge's token");
    let client = token.as_ref().ok().map(|token| patient.setup.client(token.clone()));
    let answers = reach(patient, client.as_ref().and_then(|c| c.as_ref().ok()), checks).await;
    let client = match (client, &token) {
        (_, Err(error)) => return checks.push(Check::error("token", error)),
        // The forge cannot be talked to at all, which was said.
        _ if !answers => return,
        (Some(Err(error)), _) => return checks.push(Check::error("token", &error)),
        (Some(Ok(client)), _) => client,
        (None, _) => return,
    };
    let Some(login) = account(patient, &client, checks).await else { return };
    let mut ours = given::identities(patient, checks).await;
    ours.push(login.clone());
    let folder = tempfile::tempdir();
    let git = match (&folder, token) {
        (Ok(folder), Ok(token)) => wiring::open_git(&patient.setup, folder.path(), token).ok(),
        _ => None,
    };
    let policy = operations::examine(patient, &client, git.as_ref(), checks).await;
    if let (Some(ops), Some(found)) = (&config.ops, &policy) {
        checks.push(people::of_operations(patient, &ops.repo, &found.policy.gate.approvers, &ours).await);
    }
    for project in &config.projects {
        let (git, policy, ours) = (git.as_ref(), policy.as_ref(), &ours);
        let bedside = Bedside { patient, client: &client, git, login: &login, ours, policy, project };
        bedside.examine(checks).await;
    }
}

/// Whether the forge answers: asked without a token first, so that a wrong one does not look like a forge that is gone.
async fn reach(patient: &Patient, client: Option<&Client>, checks: &mut Vec<Check>) -> bool {
    const NAME: &str = "forge";
    let url = &patient.setup.config.forge.url;
    let anonymous = forge_options(patient.setup.config.forge.ca_file.as_deref())
        .and_then(|options| Client::anonymous(url.as_str(), options).map_err(CliError::from));
    let anonymous = match anonymous {
        Ok(client) => client,
        Err(error) => {
            checks.push(Check::fail(Kind::Usage, NAME, error.says(), error.hint().unwrap_or("check [forge]")));
            return false;
        }
    };
    let closed = |e: &ForgeError| matches!(e.kind, ForgeErrorKind::Denied | ForgeErrorKind::Unauthorized);
    let answer = match (anonymous.version_and_time().await, client) {
        // A forge that shows nothing to strangers.
        (Err(error), Some(client)) if closed(&error) => client.version_and_time().await,
        (answer, _) => answer,
    };
    let (version, time) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            checks.push(unreachable(NAME, error));
            return false;
        }
    };
    let oldest = survey::OLDEST_FORGE;
    checks.push(match survey::major(&version) {
        Some(major) if major < oldest => {
            let says = format!("Forgejo {version} at {url} is too old");
            Check::fail(Kind::Forge, NAME, says, format!("upgrade the forge to {oldest} or newer"))
        }
        Some(_) => Check::ok(NAME, format!("Forgejo {version} at {url}")),
        None => {
            let says = format!("{url} calls itself version {version}, which cannot be compared");
            Check::warn(NAME, says, format!("see to it that it is Forgejo {oldest} or newer"))
        }
    });
    checks.push(clock(time, SystemClock.now()));
    true
}

fn unreachable(name: &'static str, error: ForgeError) -> Check {
    if error.why.contains("ca_file") {
        let mend = "write `ca_file = \"/path/ca.pem\"` into [forge], the certificate of the authority that signed the forge's";
        return Check::fail(Kind::Forge, name, error.to_string(), mend);
    }
    if matches!(error.kind, ForgeErrorKind::NotFound | ForgeErrorKind::NotAForge) {
        let mend = "check `url` of [forge]: it is the address of the forge's start page, subpath included";
        return Check::fail(Kind::Forge, name, format!("no Forgejo answers there: {error}"), mend);
    }
    Check::error(name, &CliError::from(error))
}

fn clock(theirs: Option<Timestamp>, ours: Timestamp) -> Check {
    const NAME: &str = "clock";
    let Some(theirs) = theirs else {
        return Check::warn(NAME, "the forge does not tell its time", "let the proxy in front of it pass the Date header on");
    };
    let off = theirs.since(ours).max(ours.since(theirs));
    let says = format!("the forge's clock is {} s {} ours", off.as_secs(), if theirs > ours { "ahead of" } else { "behind" });
    let mend = "set both clocks by NTP (`timedatectl set-ntp true`)";
    match off {
        off if off > CLOCK_FAIL => Check::fail(Kind::Environment, NAME, says, mend),
        off if off > CLOCK_WARN => Check::warn(NAME, says, mend),
        // The forge's answer is cut to whole seconds and took its time.
        _ => Check::ok(NAME, "the forge's clock is near ours"),
    }
}

/// Whose the token is; none where it opens nothing.
async fn account(patient: &Patient, client: &Client, checks: &mut Vec<Check>) -> Option<Login> {
    const NAME: &str = "token";
    let configured = patient.setup.config.forge.login.clone();
    match client.me().await {
        Ok(me) if me.site_admin => {
            let says = format!("it is {}'s, who administers the whole forge: no protection of a branch would stop it", me.login);
            checks.push(Check::warn(NAME, says, "give forgehand an account that is no administrator"));
            Some(me.login)
        }
        Ok(me) => {
            checks.push(Check::ok(NAME, format!("it is {}'s", me.login)));
            Some(me.login)
        }
        Err(error) if error.kind == ForgeErrorKind::Denied && configured.is_some() => {
            let login = configured.unwrap_or_else(|| Login::from("the bot"));
            checks.push(Check::ok(NAME, format!("it may not ask who it is; the configuration says {login}")));
            Some(login)
        }
        Err(error) if error.kind == ForgeErrorKind::Denied => {
            let mend = "make a new token with read:user too, or write `login = \"...\"` into [forge]";
            checks.push(Check::fail(Kind::Forge, NAME, format!("it may not ask who it is: {}", error.why), mend));
            Some(Login::from("the bot"))
        }
        Err(error) => {
            checks.push(Check::error(NAME, &CliError::from(error)));
            None
        }
    }
}

impl Patient {
    /// A client with the token that administers; none where none is configured.
    pub(super) fn rights(&self) -> Option<Result<Client, CliError>> {
        self.setup.rights()
    }
}

/// One repository, and all it takes to look at it.
pub(super) struct Bedside<'a> {
    pub(super) patient: &'a Patient,
    pub(super) client: &'a Client,
    git: Option<&'a Git>,
    pub(super) login: &'a Login,
    /// The accounts of forgehand, as far as they tell who they are.
    pub(super) ours: &'a [Login],
    /// The policy in force, where it can be told.
    pub(super) policy: Option<&'a InForce>,
    pub(super) project: &'a Project,
}

impl Bedside<'_> {
    async fn examine(&self, checks: &mut Vec<Check>) {
        let repo = &self.project.repo;
        let facts = match self.client.repository(repo).await {
            Ok(facts) => facts,
            Err(error) => return checks.push(Check::error("repository", &CliError::from(error))),
        };
        let usable = self.repository(&facts).await;
        let goes_on = usable.status != super::Status::Fail;
        checks.push(usable);
        if !goes_on {
            return;
        }
        checks.push(self.scopes(&facts).await);
        match self.client.labels(repo).await {
            Ok(labels) => checks.push(self.labels(&labels)),
            Err(error) => checks.push(Check::error("labels", &CliError::from(error))),
        }
        checks.push(self.claim().await);
        checks.push(webhook::webhook(self).await);
        checks.push(people::approval(self, &facts).await);
        checks.extend(merging::merging(self));
        checks.extend(protection::protection(self, &facts).await);
    }

    async fn repository(&self, facts: &RepoFacts) -> Check {
        const NAME: &str = "repository";
        let repo = &self.project.repo;
        let fail = |says: String, mend: &str| Check::fail(Kind::Forge, NAME, says, mend);
        if facts.archived {
            return fail(format!("{repo} is archived"), "unarchive it, or remove the project from the configuration");
        }
        if facts.empty {
            return fail(format!("{repo} has no commit yet"), "push a first one");
        }
        let Some(base) = &self.project.base else {
            return Check::ok(NAME, format!("{repo}, work goes to {}", facts.default_branch));
        };
        match self.client.root(repo, base.as_str()).await {
            Ok(_) => Check::ok(NAME, format!("{repo}, work goes to {base}")),
            Err(error) if error.kind == ForgeErrorKind::NotFound => {
                let says = format!("{repo} has no branch `{base}`");
                Check::fail(Kind::Usage, NAME, says, format!("write `base = \"{}\"`, or leave it out", facts.default_branch))
            }
            Err(error) => Check::error(NAME, &CliError::from(error)),
        }
    }

    async fn scopes(&self, facts: &RepoFacts) -> Check {
        const NAME: &str = "rights";
        let repo = &self.project.repo;
        for scope in [Scope::Issue, Scope::Repository] {
            match self.client.scope(repo, scope).await {
                Ok(ScopeAnswer::Held) => {}
                Ok(ScopeAnswer::Lacking) => {
                    return Check::fail(Kind::Forge, NAME, format!("{repo}: the token lacks {}", scope.name()), SCOPES);
                }
                Ok(ScopeAnswer::Refused(why)) => {
                    return Check::fail(Kind::Forge, NAME, format!("{repo}: {} may not write there ({why})", self.login), RIGHTS);
                }
                Err(error) => return Check::error(NAME, &CliError::from(error)),
            }
        }
        if facts.can_push {
            Check::ok(NAME, format!("{repo}: {} may write issues and code", self.login))
        } else {
            Check::fail(Kind::Forge, NAME, format!("{repo}: {} may not write code there", self.login), RIGHTS)
        }
    }

    fn labels(&self, labels: &[RepoLabel]) -> Check {
        const NAME: &str = "labels";
        let (repo, names) = (&self.project.repo, &self.project.labels);
        // That the formulas do not load is said elsewhere.
        let used = self.patient.setup.labels_used(Some(self.project)).unwrap_or_default();
        let doubled = survey::doubled_labels(names, &used, labels);
        if !doubled.is_empty() {
            let says: Vec<String> = doubled.iter().map(|(name, times)| format!("`{name}` is there {times} times")).collect();
            let mend =
                "delete all but one of each on the repository's labels page; until then they are put on and taken off together";
            return Check::warn(NAME, format!("{repo}: {}", says.join(", ")), mend);
        }
        let differ = self.patient.setup.labels_that_differ(self.project).unwrap_or_default();
        if !differ.is_empty() {
            return Check::warn(NAME, differ.join("; "), "write one colour into both; `init` creates it with the first");
        }
        match survey::missing_labels(names, &used, labels) {
            missing if missing.is_empty() => Check::ok(NAME, format!("{repo}: all are there, each once")),
            missing => Check::warn(NAME, format!("{repo}: {} missing", missing.join(", ")), "`forgehand init` creates them"),
        }
    }

    /// Takes a claim and gives it back: proves that git gets through, with the right to write.
    async fn claim(&self) -> Check {
        const NAME: &str = "claim";
        let repo = &self.project.repo;
        let Some(git) = self.git else {
            return Check::warn(NAME, format!("{repo}: not tried, because git cannot be used"), "mend git first");
        };
        let now = SystemClock.now();
        let claim = NewClaim {
            journal: JournalId(format!("doctor-{}", SystemIds.uuid())),
            nonce: SystemIds.uuid(),
            until: now + TRIAL,
            now,
            renews: None,
        };
        let failed = |error: crate::ports::RepoError| {
            let kind = if error.kind == RepoErrorKind::Environment { Kind::Environment } else { Kind::Forge };
            let mend = "see what git says; the bot needs write access to the code, and to refs/forgehand/claims";
            Check::fail(kind, NAME, format!("{repo}: {}: {}", error.what, error.why), mend)
        };
        let held = match git.claim(repo, NOBODY, &claim).await {
            Ok(ClaimAnswer::Won(sha)) => sha,
            Ok(ClaimAnswer::Held { .. } | ClaimAnswer::Lost) => {
                let says = format!("{repo}: another doctor is trying the same at this moment");
                return Check::warn(NAME, says, "run it again");
            }
            Err(error) => return failed(error),
        };
        match git.release(repo, NOBODY, &held).await {
            Ok(()) => Check::ok(NAME, format!("{repo}: one was pushed and given back")),
            Err(error) => failed(error),
        }
    }
}
