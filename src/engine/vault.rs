//! What stands in the vault of an operations repository, and what a pull request would bring there: by git alone, which costs the forge's API
//! nothing.

use std::collections::BTreeMap;

use crate::model::{Branch, FileMark, Pull, RepoName, Sha};
use crate::ports::{Matters, RepoError, Repos};
use crate::vault::{LONGEST, MOST, Offer};

/// Where it all is.
const FOLDER: &str = "vault";

/// The files below `vault/` on a branch, by their paths there; what is too long is left out. None where the branch is not on the forge.
pub async fn vault_files(
    repos: &dyn Repos,
    repo: &RepoName,
    branch: &Branch,
) -> Result<Option<BTreeMap<String, String>>, RepoError> {
    let Some(commits) = repos.changes_of(repo, branch, FOLDER, 1).await? else { return Ok(None) };
    // Since that commit nothing changed there.
    match commits.first() {
        Some(at) => repos.files(repo, at, FOLDER, LONGEST, MOST).await.map(Some),
        None => Ok(Some(BTreeMap::new())),
    }
}

/// What an open pull request changes below `vault/`, and of which head that was read; none where its branch or its base is gone.
pub async fn vault_offers(repos: &dyn Repos, repo: &RepoName, pull: &Pull) -> Result<Option<(Sha, Vec<Offer>)>, RepoError> {
    let Some(merge) = repos.try_merge(repo, &pull.head, &pull.base).await? else { return Ok(None) };
    let head = merge.head;
    let Some(change) = repos.change(repo, &merge.base, &head, &Matters::default()).await? else { return Ok(None) };
    let mut offers = Vec::new();
    for file in change.files {
        let ours = |path: &str| path.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'));
        offers.extend(file.from.filter(|from| ours(from)).map(|path| Offer::Gone { path }));
        let path = file.path;
        if !ours(&path) {
            continue;
        }
        offers.push(match file.marks.contains(&FileMark::Deleted) {
            true => Offer::Gone { path },
            false => match repos.read(repo, &head, &path, LONGEST).await? {
                Some(text) => Offer::Text { path, text },
                None => Offer::Unreadable { path },
            },
        });
    }
    Ok(Some((head, offers)))
}
