//! The policy in force: that of the operations repository, read from its branch, else the shipped one.
//!
//! Promises: where the newest version cannot be read everything is high, and what else the last good one says stays in force; what is in force, and
//! why, is told with it. Race known: a policy that changes after it was read counts from the next reading on.

use crate::model::{BrokenPolicy, RepoName, Sha};
use crate::ports::{RepoError, Repos};
use crate::tier::Policy;

use super::Ops;

/// Where an operations repository has its policy.
pub const POLICY: &str = "vault/policy.toml";
/// The longest policy that is read, in bytes.
pub const POLICY_BYTES: u64 = 256 * 1024;
/// Older versions of a policy that are tried where the newest does not parse.
const VERSIONS: usize = 50;

/// A policy, and whose it is.
#[derive(Clone, Debug)]
pub struct InForce {
    /// What holds.
    pub policy: Policy,
    /// Why that.
    pub from: PolicyFrom,
}

/// Whose policy is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFrom {
    /// The shipped one: nothing else is there.
    Shipped,
    /// That of the operations repository.
    Ops {
        /// The repository.
        repo: RepoName,
        /// The commit that wrote it.
        at: Sha,
    },
    /// The operations repository's newest cannot be read: everything is high until it can.
    Broken {
        /// The repository.
        repo: RepoName,
        /// What is wrong with it, and which version's other rules hold.
        broken: BrokenPolicy,
    },
}

impl InForce {
    /// What is wrong with the newest version, if something is.
    pub fn broken(&self) -> Option<BrokenPolicy> {
        match &self.from {
            PolicyFrom::Broken { broken, .. } => Some(broken.clone()),
            PolicyFrom::Shipped | PolicyFrom::Ops { .. } => None,
        }
    }
}

/// Reads what is in force.
///
/// # Errors
/// The operations repository cannot be read at all.
pub async fn policy_in_force(repos: &dyn Repos, ops: Option<&Ops>) -> Result<InForce, RepoError> {
    let shipped = || InForce { policy: Policy::shipped().clone(), from: PolicyFrom::Shipped };
    let Some(Ops { repo, branch }) = ops else { return Ok(shipped()) };
    let mut broken: Option<(Sha, String)> = None;
    for at in repos.changes_of(repo, branch, POLICY, VERSIONS).await?.unwrap_or_default() {
        match version(repos, repo, &at).await? {
            Ok(own) => return Ok(under(repo, own.map(|policy| (policy, at)), broken)),
            // The newest is what is told of.
            Err(why) => broken = broken.or(Some((at, why))),
        }
    }
    Ok(under(repo, None, broken))
}

/// A version of the policy: none where it was taken away there, from when on the shipped one holds; else what is wrong with it.
async fn version(repos: &dyn Repos, repo: &RepoName, at: &Sha) -> Result<Result<Option<Policy>, String>, RepoError> {
    Ok(match repos.read(repo, at, POLICY, POLICY_BYTES).await? {
        Some(text) => Policy::parse(POLICY, &text).map(Some).map_err(|faults| faults.lines().join("; ")),
        None if repos.holds(repo, at, POLICY).await? => Err("it is no readable file".to_owned()),
        None => Ok(None),
    })
}

/// The newest good one, for as long as a newer one is broken.
fn under(repo: &RepoName, own: Option<(Policy, Sha)>, broken: Option<(Sha, String)>) -> InForce {
    let (policy, good) = own.map_or_else(|| (Policy::shipped().clone(), None), |(policy, at)| (policy, Some(at)));
    let repo = repo.clone();
    match (broken, good) {
        (Some((at, why)), good) => {
            let broken = BrokenPolicy { at, why, good };
            InForce { policy: policy.everything_high(), from: PolicyFrom::Broken { repo, broken } }
        }
        (None, Some(at)) => InForce { policy, from: PolicyFrom::Ops { repo, at } },
        (None, None) => InForce { policy, from: PolicyFrom::Shipped },
    }
}
