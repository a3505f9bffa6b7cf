//! What stands in the vault of an operations repository, and what a pull request would bring there: by git alone, which costs the forge's API
//! nothing.

use std::collections::BTreeMap;

use crate::model::{Branch, FileMark, Login, Permission, Pull, RepoName, Sha};
use crate::plan::Offered;
use crate::ports::{Forge, ForgeError, ForgeErrorKind, Matters, RepoError, Repos};
use crate::vault::{LONGEST, MOST, Offer};

/// Where it all is.
const FOLDER: &str = "vault";

/// The commit that changed something below `vault/` last on a branch; none where nothing is there. None too, outside, where the branch is not on
/// the forge.
pub async fn vault_tip(repos: &dyn Repos, repo: &RepoName, branch: &Branch) -> Result<Option<Option<Sha>>, RepoError> {
    let commits = repos.changes_of(repo, branch, FOLDER, 1).await?;
    Ok(commits.map(|commits| commits.into_iter().next()))
}

/// The files below `vault/` at a commit.
pub async fn vault_files_at(repos: &dyn Repos, repo: &RepoName, at: &Sha) -> Result<BTreeMap<String, String>, RepoError> {
    repos.files(repo, at, FOLDER, LONGEST, MOST).await
}

/// The files below `vault/` on a branch, by their paths there; what is too long is left out. None where the branch is not on the forge.
pub async fn vault_files(
    repos: &dyn Repos,
    repo: &RepoName,
    branch: &Branch,
) -> Result<Option<BTreeMap<String, String>>, RepoError> {
    // Since that commit nothing changed there.
    match vault_tip(repos, repo, branch).await? {
        None => Ok(None),
        Some(None) => Ok(Some(BTreeMap::new())),
        Some(Some(at)) => vault_files_at(repos, repo, &at).await.map(Some),
    }
}

/// Whether somebody could have pushed a branch instead of a fork's, as far as the forge tells whoever may ask.
///
/// # Errors
/// The forge cannot be asked now.
pub async fn author_writes(
    forge: &dyn Forge,
    rights: Option<&dyn Forge>,
    repo: &RepoName,
    author: &Login,
) -> Result<bool, ForgeError> {
    if repo.owner() == author.as_str() {
        return Ok(true);
    }
    let asks = match rights {
        Some(rights) => rights,
        None if forge.repository(repo).await?.can_admin => forge,
        None => return Ok(false),
    };
    match asks.permission(repo, author).await {
        Ok(permission) => Ok(permission >= Permission::Write),
        Err(error) if matches!(error.kind, ForgeErrorKind::Unreachable { .. } | ForgeErrorKind::NotAForge) => Err(error),
        Err(_) => Ok(false),
    }
}

/// What an open pull request brings, and of which head that was read; none where its branch or its base is gone.
pub async fn vault_offers(repos: &dyn Repos, repo: &RepoName, pull: &Pull) -> Result<Option<(Sha, Offered)>, RepoError> {
    let merge = match pull.own {
        true => repos.try_merge(repo, &pull.head, &pull.base).await?,
        false => repos.try_merge_pull(repo, pull.number, &pull.base).await?,
    };
    let Some(merge) = merge else { return Ok(None) };
    let head = merge.head;
    let Some(change) = repos.change(repo, &merge.base, &head, &Matters::default()).await? else { return Ok(None) };
    let (mut offers, mut others) = (Vec::new(), false);
    for file in change.files {
        let ours = |path: &str| path.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'));
        others |= file.from.as_deref().is_some_and(|from| !ours(from));
        offers.extend(file.from.filter(|from| ours(from)).map(|path| Offer::Gone { path }));
        let path = file.path;
        if !ours(&path) {
            others = true;
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
    Ok(Some((head, Offered { offers, others })))
}
