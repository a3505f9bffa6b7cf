//! The jobs that change a repository. Objects are made first; a single `update-ref` then makes them count.

use super::{GitError, Repository, failed, parse};
use crate::git_job::{BranchTip, CommitInfo, FirstCommit, GitReply, Sign, Signature};
use crate::state::records::MergeStyle;

const NONE: &str = "0000000000000000000000000000000000000000";

/// What a bare repository of the forge is set to: pushes over HTTP are judged by the forge, and nothing is ever collected,
/// because records may name commits that no ref reaches any more.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[http]\n\treceivepack = true\n\
    [gc]\n\tauto = 0\n[receive]\n\tautogc = false\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n";

/// A name or an address as it may stand in a commit.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    if text.trim().is_empty() { "localforge".to_owned() } else { text }
}

fn message(sign: &Sign) -> String {
    format!("{}\n", sign.message.trim_end())
}

/// A path as `git fast-import` reads it.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

impl Repository<'_> {
    pub(super) async fn init(&self, default_branch: &str, first: Option<&FirstCommit>) -> Result<GitReply, GitError> {
        // What a crash left behind is of no use: no record names it.
        if tokio::fs::try_exists(&self.dir).await? {
            tokio::fs::remove_dir_all(&self.dir).await?;
        }
        let dir = self.dir.to_string_lossy().into_owned();
        self.git(&["init", "--quiet", "--bare", "--template=", &dir]).await?;
        tokio::fs::write(self.dir.join("config"), CONFIG).await?;
        let branch = format!("refs/heads/{default_branch}");
        self.git(&["symbolic-ref", "HEAD", &branch]).await?;
        let Some(first) = first else { return Ok(GitReply::Done) };
        let (name, email, text) = (plain(&first.sign.name), plain(&first.sign.email), message(&first.sign));
        let mut stream = format!("commit {branch}\ncommitter {name} <{email}> {} +0000\n", first.sign.at).into_bytes();
        stream.extend(format!("data {}\n{text}\n", text.len()).bytes());
        for file in &first.files {
            let mode = if file.executable { "100755" } else { "100644" };
            stream.extend(format!("M {mode} inline {}\ndata {}\n", quoted(&file.path), file.content.len()).bytes());
            stream.extend(&file.content);
            stream.push(b'\n');
        }
        self.git_with(&["fast-import", "--quiet"], &[], Some(&stream)).await?;
        Ok(GitReply::Made(self.object(&["rev-parse", &branch], &[], None).await?))
    }

    /// Commits a tree; the author is the signer, or somebody else whose commit is made anew.
    async fn commit_tree(
        &self,
        tree: &str,
        parents: &[&str],
        sign: &Sign,
        author: Option<&Signature>,
        text: &str,
    ) -> Result<String, GitError> {
        let (name, email, date) = (plain(&sign.name), plain(&sign.email), format!("{} +0000", sign.at));
        let by = |a: &Signature| (plain(&a.name), plain(&a.email), format!("{} +0000", a.at));
        let (author_name, author_email, author_date) = author.map_or_else(|| (name.clone(), email.clone(), date.clone()), by);
        let env = [
            ("GIT_AUTHOR_NAME", author_name.as_str()),
            ("GIT_AUTHOR_EMAIL", &author_email),
            ("GIT_AUTHOR_DATE", &author_date),
            ("GIT_COMMITTER_NAME", &name),
            ("GIT_COMMITTER_EMAIL", &email),
            ("GIT_COMMITTER_DATE", &date),
        ];
        let mut args = vec!["commit-tree", tree];
        for parent in parents {
            args.extend(["-p", parent]);
        }
        self.object(&args, &env, Some(text.as_bytes())).await
    }

    /// The tree of two commits merged; nothing where they conflict.
    pub(super) async fn merged_tree(&self, ours: &str, theirs: &str) -> Result<Option<String>, GitError> {
        let args = ["merge-tree", "--write-tree", "--no-messages", ours, theirs];
        let output = self.try_git(&args, &[], None).await?;
        match output.status.code() {
            Some(0) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
            Some(1) => Ok(None),
            _ => Err(failed(&args, &output)),
        }
    }

    pub(super) async fn set_ref(&self, name: &str, from: Option<&str>, to: Option<&str>) -> Result<GitReply, GitError> {
        let old = from.unwrap_or(NONE);
        let output = match to {
            Some(new) => self.try_git(&["update-ref", name, new, old], &[], None).await?,
            None => self.try_git(&["update-ref", "-d", name, old], &[], None).await?,
        };
        Ok(match to {
            _ if !output.status.success() => GitReply::Stale,
            Some(new) => GitReply::Made(new.to_owned()),
            None => GitReply::Done,
        })
    }

    pub(super) async fn write_file(
        &self,
        branch: &BranchTip,
        path: &str,
        content: Option<&[u8]>,
        sign: &Sign,
    ) -> Result<GitReply, GitError> {
        let index = tempfile::Builder::new().prefix("index-").tempdir_in(&self.dir)?;
        let file = index.path().join("index").to_string_lossy().into_owned();
        let env = [("GIT_INDEX_FILE", file.as_str())];
        self.git_with(&["read-tree", &branch.parent], &env, None).await?;
        match content {
            Some(content) => {
                let old = parse::tree(&self.git(&["ls-tree", "-l", "-z", &branch.parent, "--", path]).await?)?;
                let mode = old.first().filter(|old| old.kind == "blob").map_or("100644", |old| old.mode.as_str());
                let blob = self.object(&["hash-object", "-w", "--stdin"], &[], Some(content)).await?;
                self.git_with(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{path}")], &env, None).await?;
            }
            None => {
                self.git_with(&["rm", "--cached", "--quiet", "--", path], &env, None).await?;
            }
        }
        let tree = self.object(&["write-tree"], &env, None).await?;
        let commit = self.commit_tree(&tree, &[&branch.parent], sign, None, &message(sign)).await?;
        let from = (!branch.new).then_some(branch.parent.as_str());
        self.set_ref(&format!("refs/heads/{}", branch.name), from, Some(&commit)).await
    }

    pub(super) async fn merge(
        &self,
        style: MergeStyle,
        base: &str,
        base_sha: &str,
        head: &str,
        sign: &Sign,
    ) -> Result<GitReply, GitError> {
        let text = message(sign);
        let made = match style {
            MergeStyle::Merge => match self.merged_tree(base_sha, head).await? {
                Some(tree) => Some(self.commit_tree(&tree, &[base_sha, head], sign, None, &text).await?),
                None => None,
            },
            MergeStyle::Squash => match self.merged_tree(base_sha, head).await? {
                Some(tree) => Some(self.commit_tree(&tree, &[base_sha], sign, None, &text).await?),
                None => None,
            },
            MergeStyle::Rebase => self.rebased(base_sha, head, sign).await?,
            MergeStyle::RebaseMerge => match self.rebased(base_sha, head, sign).await? {
                Some(tip) => {
                    let tree = self.object(&["rev-parse", &format!("{tip}^{{tree}}")], &[], None).await?;
                    Some(self.commit_tree(&tree, &[base_sha, &tip], sign, None, &text).await?)
                }
                None => None,
            },
            MergeStyle::FastForwardOnly => {
                (self.merge_base(base_sha, head).await?.as_deref() == Some(base_sha)).then(|| head.to_owned())
            }
        };
        match made {
            Some(commit) => self.set_ref(&format!("refs/heads/{base}"), Some(base_sha), Some(&commit)).await,
            None => Ok(GitReply::Conflict),
        }
    }

    /// The tip of `head`'s commits made anew on top of `onto`; nothing where one of them conflicts.
    async fn rebased(&self, onto: &str, head: &str, sign: &Sign) -> Result<Option<String>, GitError> {
        if self.merge_base(onto, head).await?.as_deref() == Some(onto) {
            return Ok(Some(head.to_owned()));
        }
        let args = ["log", "--reverse", "--topo-order", "--no-merges", parse::COMMIT, head, &format!("^{onto}")];
        let commits: Vec<CommitInfo> = parse::commits(&self.git(&args).await?)?;
        let mut tip = onto.to_owned();
        for commit in commits {
            let Some(parent) = commit.parents.first() else { return Ok(None) };
            // Git before 2.40 cannot be told a merge base: a commit with the tip's tree and this one's parent has it.
            let tree = format!("{tip}^{{tree}}");
            let tree = self.object(&["rev-parse", &tree], &[], None).await?;
            let stand_in = self.commit_tree(&tree, &[parent], sign, None, "stand-in\n").await?;
            let Some(tree) = self.merged_tree(&stand_in, &commit.sha).await? else { return Ok(None) };
            tip = self.commit_tree(&tree, &[&tip], sign, Some(&commit.author), &commit.message).await?;
        }
        Ok(Some(tip))
    }

    pub(super) async fn update(
        &self,
        rebase: bool,
        base_sha: &str,
        head: &str,
        head_sha: &str,
        sign: &Sign,
    ) -> Result<GitReply, GitError> {
        let made = if rebase {
            self.rebased(base_sha, head_sha, sign).await?
        } else {
            match self.merged_tree(head_sha, base_sha).await? {
                Some(tree) => Some(self.commit_tree(&tree, &[head_sha, base_sha], sign, None, &message(sign)).await?),
                None => None,
            }
        };
        match made {
            Some(commit) => self.set_ref(&format!("refs/heads/{head}"), Some(head_sha), Some(&commit)).await,
            None => Ok(GitReply::Conflict),
        }
    }
}
