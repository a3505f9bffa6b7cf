//! Looks at the forge and its repositories without changing anything.

use url::Url;

use crate::config::Project;
use crate::forge::{Client, Guard, Hook, Scope, ScopeAnswer};
use crate::git::{self, Git};
use crate::model::{Branch, BranchNames, FormulaLabel, LabelNames, Login, RepoFacts, RepoLabel, RepoName, Since, Timestamp};
use crate::ports::{Clock as _, Forge as _, ForgeErrorKind};

use super::super::setup::{SystemClock, usual_labels};
use super::super::survey::{self, Place, Standing};
use super::super::{CliError, Kind, guard};
use super::gather::Basics;
use super::propose::{self, Files, Proposal};
use super::{Arguments, Desk};

/// What was seen.
pub(super) struct Looked {
    pub(super) client: Client,
    pub(super) admin: Client,
    pub(super) version: String,
    /// By the forge's clock, where it tells it.
    pub(super) now: Timestamp,
    pub(super) login: Login,
    pub(super) site_admin: bool,
    pub(super) repos: Vec<Found>,
    /// The branches that are to be protected.
    pub(super) guarded: Vec<Guarded>,
}

/// A branch that is to be protected.
pub(super) struct Guarded {
    pub(super) repo: RepoName,
    pub(super) branch: Branch,
    /// All that is wanted.
    pub(super) wanted: Guard,
    /// What lacks of it; none where the token may not tell.
    pub(super) lacking: Option<Guard>,
}

/// A repository as it stands.
pub(super) struct Found {
    pub(super) repo: RepoName,
    /// Where work starts from and goes to.
    pub(super) base: Branch,
    pub(super) names: LabelNames,
    pub(super) labels: Vec<RepoLabel>,
    /// The labels that the formulas use that are on.
    pub(super) used: Vec<FormulaLabel>,
    pub(super) hook: HookState,
    pub(super) proposal: Proposal,
    pub(super) standing: Standing,
    pub(super) since: Option<String>,
    /// The flags that say something else than the configuration, which stays.
    pub(super) overruled: Vec<&'static str>,
}

/// What is to be done about the webhook.
pub(super) enum HookState {
    /// Nobody wants one.
    Unwanted,
    /// One with this address is there: it is kept as it is.
    Kept(Hook),
    /// To be made.
    Make(Url),
    /// The token may not: a person has to.
    ByHand(Url),
}

/// Looks at everything; the first thing that makes work impossible ends it, before anything was changed.
pub(super) async fn all(desk: &Desk, arguments: &Arguments, basics: &Basics) -> Result<Looked, CliError> {
    let (client, admin) = (basics.client()?, basics.admin()?);
    let (version, time) = client.version_and_time().await?;
    let now = time.unwrap_or_else(|| SystemClock.now());
    if survey::major(&version).is_some_and(|major| major < survey::OLDEST_FORGE) {
        let what = format!("the forge is version {version}, and forgehand needs Forgejo {} or newer", survey::OLDEST_FORGE);
        return Err(CliError::new(Kind::Forge, what, "upgrade the forge first"));
    }
    let (login, site_admin) = who(&client, basics).await?;
    let hook = webhook(desk, arguments)?;
    let folder = tempfile::tempdir()
        .map_err(|e| CliError::environment("no temporary folder can be made", e, "see whether the disk is full"))?;
    let git = git_in(folder.path(), basics)?;
    let mut repos = Vec::new();
    for repo in &basics.repos {
        let eyes = Eyes { client: &client, admin: &admin, git: &git, login: &login };
        repos.push(eyes.repository(desk, arguments, repo, hook.as_ref()).await?);
    }
    let guarded = if arguments.protect { guarded(desk, &client, &admin, &repos).await? } else { Vec::new() };
    Ok(Looked { client, admin, version, now, login, site_admin, repos, guarded })
}

/// The branches that are to be protected, and how far they are.
async fn guarded(desk: &Desk, client: &Client, admin: &Client, repos: &[Found]) -> Result<Vec<Guarded>, CliError> {
    let config = desk.existing.as_ref().map(|existing| &existing.setup.config);
    let mut wanted = Vec::new();
    for Found { repo, base, .. } in repos {
        let project = config.and_then(|config| config.project(repo));
        wanted.push((repo.clone(), base.clone(), guard::of_project(client, config, repo, base, project).await?));
    }
    let ops = config.and_then(|config| config.ops.as_ref());
    if let Some(ops) = ops.filter(|ops| !wanted.iter().any(|(repo, base, _)| *repo == ops.repo && *base == ops.branch)) {
        wanted.push((ops.repo.clone(), ops.branch.clone(), guard::of_ops()));
    }
    let mut guarded = Vec::new();
    for (repo, branch, wanted) in wanted {
        let lacking = match admin.rule(&repo, &branch).await {
            Ok(rule) => Some(wanted.beyond(rule.as_ref())),
            Err(error) if matches!(error.kind, ForgeErrorKind::Denied | ForgeErrorKind::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        guarded.push(Guarded { repo, branch, wanted, lacking });
    }
    Ok(guarded)
}

async fn who(client: &Client, basics: &Basics) -> Result<(Login, bool), CliError> {
    match (client.me().await, &basics.login) {
        (Ok(me), _) => Ok((me.login, me.site_admin)),
        (Err(error), Some(login)) if error.kind == ForgeErrorKind::Denied => Ok((login.clone(), false)),
        (Err(error), None) if error.kind == ForgeErrorKind::Denied => {
            let hint = "make a token with read:user too, or name the bot's login with --login";
            Err(CliError::new(Kind::Forge, "the token may not ask who it is", hint).because(error))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The webhook that is wanted; asked for where nothing was said and somebody is there.
fn webhook(desk: &Desk, arguments: &Arguments) -> Result<Option<Url>, CliError> {
    if let Some(url) = &arguments.webhook {
        return Ok(Some(url.clone()));
    }
    if desk.existing.is_some() || !desk.asker.is_there() {
        return Ok(None);
    }
    let question =
        "Where the forge reaches this machine for a webhook (https://bot.example/hooks/forgejo; empty: none, polling does)";
    let text = desk.asker.line(question, "")?.unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let url =
        text.parse().map_err(|e| CliError::usage(format!("`{text}` is no address"), "write it with https://").because(e))?;
    Ok(Some(url))
}

fn git_in(folder: &std::path::Path, basics: &Basics) -> Result<Git, CliError> {
    let forge_url = basics
        .url
        .parse()
        .map_err(|e| CliError::usage(format!("`{}` is no address", basics.url), "write it with https://").because(e))?;
    let options = git::Options {
        state_dir: folder.to_owned(),
        forge_url,
        login: basics.login.as_ref().map_or_else(|| "forgehand".to_owned(), ToString::to_string),
        token: basics.token.clone(),
        ca_file: basics.ca_file.clone(),
        limits: git::Limits::default(),
    };
    Git::new(options).map_err(|e| CliError::environment("git cannot be used", e, "install git 2.39 or newer"))
}

/// Who looks.
struct Eyes<'a> {
    client: &'a Client,
    admin: &'a Client,
    git: &'a Git,
    login: &'a Login,
}

impl Eyes<'_> {
    async fn repository(
        &self,
        desk: &Desk,
        arguments: &Arguments,
        repo: &RepoName,
        hook: Option<&Url>,
    ) -> Result<Found, CliError> {
        let facts = self.client.repository(repo).await?;
        self.usable(repo, &facts).await?;
        let configured = desk.existing.as_ref().and_then(|e| e.setup.config.project(repo));
        let names = configured.map(|p| p.labels.clone()).unwrap_or_default();
        let branches = match (&desk.existing, configured) {
            (Some(existing), Some(project)) => existing.setup.branches_of(project)?,
            _ => BranchNames::of("claude/issue-", []),
        };
        let base = configured.and_then(|p| p.base.clone()).unwrap_or_else(|| facts.default_branch.clone());
        let labels = self.client.labels(repo).await?;
        let proposal = match configured {
            Some(_) => Proposal::default(),
            None => propose::propose(&self.files(repo, base.as_str()).await?),
        };
        let place = Place { repo, names: &names, branches: &branches, labels: &labels };
        let standing = Standing::look(self.client, self.git, &place).await?;
        let hook = self.hook(repo, hook).await?;
        let overruled = configured.map_or_else(Vec::new, |project| overruled(arguments, project));
        let since = configured.map_or_else(|| arguments.since.clone(), |project| Some(taken_from(project.since)));
        let used = match &desk.existing {
            Some(existing) => existing.setup.labels_used(configured)?,
            None => usual_labels(),
        };
        Ok(Found { repo: repo.clone(), base, names, labels, used, hook, proposal, standing, since, overruled })
    }

    /// Whether forgehand could work there at all.
    async fn usable(&self, repo: &RepoName, facts: &RepoFacts) -> Result<(), CliError> {
        let no = |what: String, hint: &str| Err(CliError::new(Kind::Forge, what, hint));
        if facts.archived {
            return no(format!("{repo} is archived"), "unarchive it, or leave it out");
        }
        if facts.empty {
            return no(format!("{repo} has no commit yet"), "push a first one");
        }
        for scope in [Scope::Issue, Scope::Repository] {
            match self.client.scope(repo, scope).await? {
                ScopeAnswer::Held => {}
                ScopeAnswer::Lacking => {
                    let hint = "make a new token with write:issue, write:repository and read:user";
                    return no(format!("the token lacks {}", scope.name()), hint);
                }
                ScopeAnswer::Refused(why) => return no(format!("{}: {why}", self.may_not_write(repo)), RIGHTS),
            }
        }
        if !facts.can_push {
            return no(self.may_not_write(repo), RIGHTS);
        }
        Ok(())
    }

    fn may_not_write(&self, repo: &RepoName) -> String {
        format!("`{}` may not write to {repo}", self.login)
    }

    async fn files(&self, repo: &RepoName, branch: &str) -> Result<Files, CliError> {
        let mut files = Files::new();
        for entry in self.client.root(repo, branch).await?.into_iter().filter(|e| e.is_file) {
            let content = match propose::READ.contains(&entry.name.as_str()) {
                true => self.client.file(repo, branch, &entry.name).await?,
                false => None,
            };
            files.insert(entry.name, content);
        }
        Ok(files)
    }

    async fn hook(&self, repo: &RepoName, wanted: Option<&Url>) -> Result<HookState, CliError> {
        let Some(url) = wanted else { return Ok(HookState::Unwanted) };
        let hooks = match self.admin.hooks(repo).await {
            Err(error) if error.kind == ForgeErrorKind::Denied => return Ok(HookState::ByHand(url.clone())),
            hooks => hooks?,
        };
        let same = |hook: &Hook| hook.url.trim_end_matches('/') == url.as_str().trim_end_matches('/');
        Ok(hooks.into_iter().find(same).map_or_else(|| HookState::Make(url.clone()), HookState::Kept))
    }
}

/// The flags that say something else than the configuration does of a project.
fn overruled(arguments: &Arguments, project: &Project) -> Vec<&'static str> {
    let given = &project.provisions;
    let caches: Vec<String> = given.caches.iter().map(|path| format!("~/{path}")).collect();
    let other = |said: &[String], stands: &[String]| {
        !said.is_empty() && !said.iter().map(|s| s.trim_end_matches('/')).eq(stands.iter().map(String::as_str))
    };
    let since = arguments.since.as_deref().map(Since::parse);
    let flags = [
        ("--since", since.is_some_and(|since| since != project.since)),
        ("--verify", other(&arguments.verify, &project.verify)),
        ("--setup", other(&arguments.setup, &given.setup)),
        ("--network", other(&arguments.network, &given.network)),
        ("--cache", other(&arguments.caches, &caches)),
    ];
    flags.into_iter().filter(|(_, overruled)| *overruled).map(|(flag, _)| flag).collect()
}

/// From when on a configured project takes reports, for people.
fn taken_from(since: Option<Since>) -> String {
    match since {
        Some(Since::All) => "all".to_owned(),
        Some(Since::At(time)) => time.rfc3339(),
        None => "an hour before the first start".to_owned(),
    }
}

const RIGHTS: &str = "make the bot a collaborator with write access";
