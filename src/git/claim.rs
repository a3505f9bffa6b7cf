//! Claims: a unique commit on `refs/forgehand/claims/<N>` of the forge says which journal works on an issue, and until when.
//!
//! Races known: of several who push at once the forge lets one win, because each lease names what the ref must be (`facts/forgejo.md`). A
//! push whose answer was lost leaves a commit of our own journal that we do not know: it is taken over. A claim that ends while we look
//! at it is taken over by its very sha, so that a renewal in between wins.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{IssueNumber, JournalId, RepoName, Sha, Timestamp};
use crate::ports::{ClaimAnswer, Lease, NewClaim, RepoError, RepoErrorKind};

use super::process::{Call, Reach};
use super::push::{Landed, OneRef};
use super::{Git, failed, on_disk};

/// Where claims stand on the forge, each under the number of its issue. No issue has the number 0: that one is for trying.
const CLAIMS: &str = "refs/forgehand/claims/";
/// The tree without a file.
const NO_FILES: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// The message of a claim commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    journal: JournalId,
    nonce: String,
    /// Milliseconds since 1970 by the forge's clock.
    until: Timestamp,
}

/// What stands at a claim's ref.
enum Seen {
    Nothing,
    Claim(Sha, Said),
    /// It changed while we looked.
    Moving,
}

impl Git {
    pub(super) async fn take_claim(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        claim: &NewClaim,
    ) -> Result<ClaimAnswer, RepoError> {
        let what = format!("claiming {repo}{issue}");
        let dir = self.mirror(repo).await?;
        let ours = self.write_claim(&dir, claim).await?;
        let first = claim.renews.clone().map_or(Lease::Absent, Lease::At);
        if self.push_claim(&dir, repo, issue, &ours, &first).await? {
            return Ok(ClaimAnswer::Won(ours));
        }
        let lease = match self.look(&dir, repo, issue, &what).await? {
            Seen::Moving => return Ok(ClaimAnswer::Lost),
            Seen::Nothing => Lease::Absent,
            Seen::Claim(sha, _) if sha == ours => return Ok(ClaimAnswer::Won(ours)),
            Seen::Claim(sha, said) if said.journal == claim.journal || said.until <= claim.now => Lease::At(sha),
            Seen::Claim(_, said) => return Ok(ClaimAnswer::Held { by: said.journal, until: said.until }),
        };
        let won = self.push_claim(&dir, repo, issue, &ours, &lease).await?;
        Ok(if won { ClaimAnswer::Won(ours) } else { ClaimAnswer::Lost })
    }

    pub(super) async fn give_claim_back(&self, repo: &RepoName, issue: IssueNumber, held: &Sha) -> Result<(), RepoError> {
        let what = format!("giving back the claim of {repo}{issue}");
        let dir = self.mirror(repo).await?;
        let lease = Lease::At(held.clone());
        let push = OneRef { new: None, name: &claim_ref(issue), lease: &lease, reach: Reach::Ask };
        match self.push_ref(&dir, repo, &what, &push).await? {
            Landed::Done | Landed::Stale => Ok(()),
            Landed::Refused(why) => Err(RepoError { kind: RepoErrorKind::Denied, what, why }),
        }
    }

    pub(super) async fn claims_on_forge(&self, repo: &RepoName) -> Result<Vec<(IssueNumber, Sha)>, RepoError> {
        let what = format!("asking for the claims of {repo}");
        let all = format!("{CLAIMS}*");
        let call = Call::nowhere(&self.mirrors, &what).args(["ls-remote", "--refs", "--", &self.remote(repo), &all]);
        let out = self.runner.ok(call.reach(Reach::Ask)).await?;
        let claim = |line: &str| {
            let (sha, name) = line.split_once('\t')?;
            Some((IssueNumber(name.strip_prefix(CLAIMS)?.parse().ok()?), sha.parse().ok()?))
        };
        Ok(String::from_utf8_lossy(&out).lines().filter_map(claim).collect())
    }

    async fn push_claim(
        &self,
        dir: &Path,
        repo: &RepoName,
        issue: IssueNumber,
        ours: &Sha,
        lease: &Lease,
    ) -> Result<bool, RepoError> {
        let what = format!("claiming {repo}{issue}");
        let push = OneRef { new: Some(ours), name: &claim_ref(issue), lease, reach: Reach::Ask };
        match self.push_ref(dir, repo, &what, &push).await? {
            Landed::Done => Ok(true),
            Landed::Stale => Ok(false),
            Landed::Refused(why) => Err(RepoError { kind: RepoErrorKind::Denied, what, why }),
        }
    }

    /// Writes the commit into the mirror's objects. The nonce makes it unlike any other: two pushes of one sha would both succeed.
    async fn write_claim(&self, dir: &Path, claim: &NewClaim) -> Result<Sha, RepoError> {
        let said = Said { journal: claim.journal.clone(), nonce: claim.nonce.clone(), until: claim.until };
        let message = serde_json::to_string(&said).map_err(|e| failed("writing a claim", e))?;
        let by = format!("forgehand <forgehand@localhost> {} +0000", claim.now.0.max(0) / 1000);
        let commit = format!("tree {NO_FILES}\nauthor {by}\ncommitter {by}\n\n{message}\n");
        let (_, commit) = tokio::try_join!(self.write_no_files(dir), self.write_object(dir, "commit", commit.into_bytes()))?;
        Ok(commit)
    }

    /// The tree of all claims: it is written once, and again where a repacking has put it elsewhere.
    async fn write_no_files(&self, dir: &Path) -> Result<(), RepoError> {
        let (folder, file) = NO_FILES.split_at(2);
        let loose = dir.join("objects").join(folder).join(file);
        if on_disk("looking for an object", move || loose.try_exists()).await? {
            return Ok(());
        }
        self.write_object(dir, "tree", Vec::new()).await.map(drop)
    }

    async fn look(&self, dir: &Path, repo: &RepoName, issue: IssueNumber, what: &str) -> Result<Seen, RepoError> {
        let name = claim_ref(issue);
        let Some(sha) = self.tip_on_forge(repo, &name).await? else { return Ok(Seen::Nothing) };
        let fetch = Call::bare(dir, what)
            .args(["fetch", "-q", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", "--no-recurse-submodules"])
            .args(["--", &self.remote(repo), &name])
            .reach(Reach::Ask);
        let out = self.runner.run(fetch).await?;
        if !out.good {
            let gone = out.stderr.contains("couldn't find remote ref");
            return if gone { Ok(Seen::Moving) } else { Err(out.error()) };
        }
        let [Some(kind)] = &self.kinds(dir, &[sha.to_string()]).await?[..] else { return Ok(Seen::Moving) };
        let strange = || {
            let why = format!(
                "{name} holds {} and that is no claim of forgehand: look at who wrote it and delete the ref",
                sha.short()
            );
            failed(what, why)
        };
        if kind.name != "commit" || kind.size > 64 << 10 {
            return Err(strange());
        }
        let bytes = self.contents(dir, &[sha.to_string()], 128 << 10).await?.remove(sha.as_str()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let said = text.split_once("\n\n").and_then(|(_, message)| serde_json::from_str(message).ok()).ok_or_else(strange)?;
        Ok(Seen::Claim(sha, said))
    }
}

fn claim_ref(issue: IssueNumber) -> String {
    format!("{CLAIMS}{}", issue.0)
}
