//! Branch protections, as an administrator of a repository sees and sets them, and as far as everybody who may write sees them.
//!
//! Promises: a rule that is there is made stricter, never looser, and keeps whatever else it says; done again nothing changes. Where a pattern names
//! the branch, its rule is the one that is made stricter: a new one of the branch's name would take its place. Known race: two who protect
//! a branch at once, of whom the second is told that the rule is there.

use globset::GlobBuilder;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::{Branch, Login, RepoName, Sha};
use crate::ports::{Forge as _, ForgeError, ForgeErrorKind};

use super::transport::Call;
use super::{Client, wire};

/// Pull requests whose checks are looked at.
const LOOKED_AT: usize = 5;

/// A branch's rule.
#[derive(Deserialize)]
struct WireRule {
    rule_name: String,
    #[serde(default)]
    required_approvals: u64,
    #[serde(default)]
    enable_status_check: bool,
    status_check_contexts: Option<Vec<String>>,
    #[serde(default)]
    protected_file_patterns: String,
    #[serde(default)]
    apply_to_admins: bool,
    #[serde(default)]
    enable_approvals_whitelist: bool,
    approvals_whitelist_username: Option<Vec<String>>,
    approvals_whitelist_teams: Option<Vec<String>>,
}

impl From<WireRule> for Rule {
    fn from(rule: WireRule) -> Self {
        let patterns = rule.protected_file_patterns.split(';').map(str::trim).filter(|pattern| !pattern.is_empty());
        let approvers = rule.approvals_whitelist_username.unwrap_or_default().into_iter().map(Login).collect();
        // Who is in a team cannot be seen here.
        let teams = rule.approvals_whitelist_teams.is_some_and(|teams| !teams.is_empty());
        Self {
            name: rule.rule_name,
            guard: Guard {
                approvals: rule.required_approvals,
                contexts: rule.status_check_contexts.unwrap_or_default(),
                files: patterns.map(str::to_owned).collect(),
                replaces: Vec::new(),
                admins: rule.apply_to_admins,
            },
            checks: rule.enable_status_check,
            approvers: (rule.enable_approvals_whitelist && !teams).then_some(approvers),
        }
    }
}

/// A branch, as far as its protection goes: who may write may read it.
#[derive(Deserialize)]
struct WireBranch {
    #[serde(default)]
    protected: bool,
    #[serde(default)]
    required_approvals: u64,
    #[serde(default)]
    enable_status_check: bool,
    status_check_contexts: Option<Vec<String>>,
    #[serde(default)]
    user_can_merge: bool,
    #[serde(default)]
    user_can_push: bool,
    commit: Option<BranchTip>,
}

#[derive(Deserialize)]
struct BranchTip {
    id: String,
}

impl WireBranch {
    fn seen(self) -> Result<BranchSeen, wire::Misfit> {
        let tip = self.commit.as_ref().map(|commit| commit.id.parse()).ok_or("a branch without a commit")?;
        Ok(BranchSeen {
            protected: self.protected,
            approvals: self.required_approvals,
            checks: self.enable_status_check,
            may_merge: self.user_can_merge,
            may_push: self.user_can_push,
            tip: tip.map_err(|_| "a branch at what is no commit")?,
            contexts: if self.enable_status_check { self.status_check_contexts.unwrap_or_default() } else { Vec::new() },
        })
    }
}

/// What a rule demands of a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Approvals of a pull request.
    pub approvals: u64,
    /// Checks that are to be green, as patterns.
    pub contexts: Vec<String>,
    /// Files that an administrator alone may merge, as patterns.
    pub files: Vec<String>,
    /// Patterns that those take the place of.
    pub replaces: Vec<String>,
    /// Administrators too.
    pub admins: bool,
}

impl Guard {
    /// Whether it demands nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self { replaces: self.replaces.clone(), ..Self::default() }
    }

    /// What a rule does not demand of it; all where there is none.
    #[must_use]
    pub fn beyond(&self, rule: Option<&Rule>) -> Self {
        let Some(Rule { guard: there, checks, .. }) = rule else { return self.clone() };
        let stale = there.files.iter().any(|pattern| self.replaces.contains(pattern));
        Self {
            replaces: self.replaces.clone(),
            approvals: if there.approvals < self.approvals { self.approvals } else { 0 },
            // Which checks are required is somebody's choice, once any are; none named are all of them.
            contexts: if *checks { Vec::new() } else { self.contexts.clone() },
            files: self.files.iter().filter(|pattern| stale || !there.files.contains(pattern)).cloned().collect(),
            admins: self.admins && !there.admins,
        }
    }
}

/// A rule of a branch, as its administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name: a branch, or a pattern of branches.
    pub name: String,
    /// What it demands.
    pub guard: Guard,
    /// Checks are required: those that are named, else all.
    pub checks: bool,
    /// Whose approvals count alone, where that is bounded.
    pub approvers: Option<Vec<Login>>,
}

/// A branch, as everybody sees it who may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchSeen {
    /// A rule names it.
    pub protected: bool,
    /// Approvals that are required.
    pub approvals: u64,
    /// Checks are required.
    pub checks: bool,
    /// Which, as patterns.
    pub contexts: Vec<String>,
    /// Who asks may merge to it, once all is there that is required.
    pub may_merge: bool,
    /// Who asks may push to it what no rule of files holds back.
    pub may_push: bool,
    /// Where it is.
    pub tip: Sha,
}

impl Client {
    /// A branch as who may write sees it.
    ///
    /// # Errors
    /// The forge's.
    pub async fn branch(&self, repo: &RepoName, branch: &Branch) -> Result<BranchSeen, ForgeError> {
        let call = Call::of(Method::GET, repo, &["branches", branch.as_str()]);
        self.json::<WireBranch>(&call).await?.seen().map_err(|why| call.unreadable(why))
    }

    /// The rule that holds for a branch.
    ///
    /// # Errors
    /// The forge's; [`Denied`](ForgeErrorKind::Denied) or `NotFound` where the token's account does not administer the repository.
    pub async fn rule(&self, repo: &RepoName, branch: &Branch) -> Result<Option<Rule>, ForgeError> {
        let rules: Option<Vec<WireRule>> = self.json(&Call::of(Method::GET, repo, &["branch_protections"])).await?;
        let mut rules: Vec<Rule> = rules.unwrap_or_default().into_iter().map(Rule::from).collect();
        let named = |rule: &Rule| {
            let glob = GlobBuilder::new(&rule.name).literal_separator(true).build();
            glob.is_ok_and(|glob| glob.compile_matcher().is_match(branch.as_str()))
        };
        // The forge lists them in the order in which they count, but for the one of the very name, which comes first.
        let at = rules.iter().position(|rule| rule.name == branch.as_str()).or_else(|| rules.iter().position(named));
        Ok(at.map(|at| rules.swap_remove(at)))
    }

    /// Has a branch's rule demand this at least, everything else as before; where there is none, pushes stay free and approvals end with a new head.
    /// Answers with what it did not demand until now.
    ///
    /// # Errors
    /// As [`Client::rule`].
    pub async fn protect(&self, repo: &RepoName, branch: &Branch, wanted: &Guard) -> Result<Guard, ForgeError> {
        let rule = self.rule(repo, branch).await?;
        let lacking = wanted.beyond(rule.as_ref());
        let Some(rule) = rule else {
            let mut body = changes(wanted, &[]);
            let usual = json!({
                "rule_name": branch,
                "enable_push": true,
                "dismiss_stale_approvals": true,
                "block_on_rejected_reviews": true,
            });
            body.extend(usual.as_object().cloned().unwrap_or_default());
            self.send(&Call::of(Method::POST, repo, &["branch_protections"]).body(body.into())).await?;
            return Ok(lacking);
        };
        if !lacking.is_empty() {
            let body = changes(&lacking, &rule.guard.files);
            self.send(&Call::of(Method::PATCH, repo, &["branch_protections", &rule.name]).body(body.into())).await?;
        }
        Ok(lacking)
    }

    /// Whether checks report on pull requests here: on one of the last ones something has.
    ///
    /// # Errors
    /// The forge's.
    pub async fn has_checks(&self, repo: &RepoName) -> Result<bool, ForgeError> {
        let call = Call::of(Method::GET, repo, &["pulls"]).query("state", "all").query("sort", "recentupdate");
        let call = call.query("page", 1).query("limit", LOOKED_AT);
        let listed: Option<Vec<wire::Pull>> = self.json(&call).await?;
        for wire in listed.unwrap_or_default().into_iter().take(LOOKED_AT) {
            let pull = wire.pull().map_err(|why| call.unreadable(why))?;
            match self.statuses(repo, &pull.head_sha).await {
                Ok(statuses) if statuses.is_empty() => {}
                Ok(_) => return Ok(true),
                // A head that went with its branch.
                Err(error) if error.kind == ForgeErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// The fields of a rule that demand this, beside files that are protected already.
fn changes(guard: &Guard, files: &[String]) -> Map<String, Value> {
    let mut fields = Map::new();
    if guard.approvals > 0 {
        fields.insert("required_approvals".to_owned(), guard.approvals.into());
    }
    if !guard.contexts.is_empty() {
        fields.insert("enable_status_check".to_owned(), true.into());
        fields.insert("status_check_contexts".to_owned(), json!(guard.contexts));
    }
    if !guard.files.is_empty() {
        let kept = files.iter().filter(|pattern| !guard.files.contains(pattern) && !guard.replaces.contains(pattern));
        let all: Vec<&str> = kept.chain(&guard.files).map(String::as_str).collect();
        fields.insert("protected_file_patterns".to_owned(), all.join(";").into());
    }
    if guard.admins {
        fields.insert("apply_to_admins".to_owned(), true.into());
    }
    fields
}
