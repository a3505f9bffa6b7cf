//! Judging what an agent committed, in the run's throw-away repository: what git says of it, never what the agent says.

use std::path::Path;

use crate::model::{Change, Refusal, Sha};
use crate::ports::{RepoError, TakeOrder};

use super::author::Author;
use super::compare;
use super::diff::{self, Entry};
use super::fault::shortened;
use super::links::{Links, leads_out};
use super::objects::{lines, many_shas};
use super::process::Call;
use super::take::{JUDGED, Stop, outside};
use super::{Git, unexpected};

/// What an agent merged in, in the run's throw-away repository.
const BESIDE: &str = "refs/forgehand/beside/merged";
/// Leaves that out of a list of commits.
const OWN_ALONE: [&str; 2] = ["--not", "--glob=refs/forgehand/beside"];
/// Longest text of all link targets of a tree together, in bytes.
const TARGETS: usize = 16 << 20;

impl Git {
    pub(super) async fn judge(
        &self,
        dir: &Path,
        mirror: &Path,
        order: &TakeOrder,
        tip: &Sha,
        author: &Author,
    ) -> Result<Change, Stop> {
        let from = self.start_of(dir, order, tip).await?;
        self.whole_and_not_too_large(dir, order, tip).await?;
        let commits = self.own_history(dir, order, tip).await?;
        if let Some(private) = &order.private {
            self.holds_nothing_private(dir, private, &commits).await?;
        }
        let (entries, counts) = self.compare(dir, &from, tip).await?;
        // To have merged what goes together by itself is work too.
        if entries.is_empty() && from == order.base {
            return Err(Refusal::NothingCommitted.into());
        }
        let files = self.runner.described(dir, &entries, &counts).await?;
        let (added, removed) = diff::sum(&counts);
        if added + removed > order.diff_lines {
            return Err(Refusal::DiffTooLarge { lines: added + removed, limit: order.diff_lines }.into());
        }
        if let Some(entry) = entries.iter().find(|entry| entry.adds_submodule()) {
            return Err(outside(format!("adds another repository as a submodule at {}", entry.path.escape_debug())).into());
        }
        self.links_stay_inside(dir, &from, tip, &entries).await?;
        let person_paths = diff::matching(&files, &order.person_paths)?;
        let verify_paths = diff::named_by(&files, &order.verify);
        let head = self.rewrite(dir, mirror, &commits, tip, author).await?;
        let (base, commits) = (order.base.clone(), u64::try_from(commits.len()).unwrap_or(u64::MAX));
        Ok(Change { head, base, commits, files, added, removed, person_paths, verify_paths })
    }

    /// What the agent's own work is compared with: the base, or where the other side was merged in the tree that git makes of both, conflicts
    /// as git writes them. From here on the other side's commits are no part of what is judged.
    async fn start_of(&self, dir: &Path, order: &TakeOrder, tip: &Sha) -> Result<Sha, Stop> {
        const WHAT: &str = "reading what an agent merged";
        let Some(beside) = &order.beside else { return Ok(order.base.clone()) };
        let within = async |of: &Sha| {
            let ask = Call::bare(dir, WHAT).args(["merge-base", "--is-ancestor", beside.as_str(), of.as_str()]);
            Ok::<bool, RepoError>(self.runner.run(ask).await?.good)
        };
        if !within(tip).await? || within(&order.base).await? {
            return Ok(order.base.clone());
        }
        let keep = Call::bare(dir, WHAT).args(["update-ref", BESIDE, beside.as_str()]);
        self.runner.ok(keep).await?;
        let merge = Call::bare(dir, WHAT).args(["merge-tree", "--write-tree", "--no-messages", "--name-only"]);
        let merged = self.runner.run(merge.args([order.base.as_str(), beside.as_str()])).await?;
        if !matches!(merged.code, Some(0 | 1)) {
            return Err(merged.error().into());
        }
        let tree = String::from_utf8_lossy(&merged.stdout).lines().next().unwrap_or_default().parse();
        tree.map_err(|_| unexpected(WHAT, &merged.stdout).into())
    }

    /// Walks everything that the tip brings: nothing may be missing, and unpacked it must fit.
    async fn whole_and_not_too_large(&self, dir: &Path, order: &TakeOrder, tip: &Sha) -> Result<(), Stop> {
        const WHAT: &str = "walking an agent's objects";
        let [kind] = &self.kinds(dir, &[tip.to_string()]).await?[..] else { return Err(unexpected(WHAT, b"").into()) };
        if kind.as_ref().is_none_or(|kind| kind.name != "commit") {
            return Err(outside("its branch is not a commit").into());
        }
        let [Some(_)] = &self.kinds(dir, &[order.base.to_string()]).await?[..] else {
            return Err(super::failed(WHAT, format!("the mirror has no {}", order.base)).into());
        };
        let walk = Call::bare(dir, WHAT)
            .args(["rev-list", "--objects", "--no-object-names", tip.as_str()])
            .arg(format!("^{}", order.base))
            .args(OWN_ALONE);
        let out = self.runner.run(walk).await?;
        if out.cut {
            return Err(Refusal::NotABundle { why: "a bundle of too many objects".to_owned() }.into());
        }
        if !out.good {
            return Err(Refusal::BrokenObjects { why: shortened(&out.stderr) }.into());
        }
        let objects = many_shas(WHAT, &out.stdout)?;
        let size: u64 = self.kinds(dir, &objects).await?.into_iter().flatten().map(|kind| kind.size).sum();
        if size > self.limits.unpacked {
            return Err(Refusal::NotABundle { why: format!("a bundle that unpacks to {size} bytes") }.into());
        }
        Ok(())
    }

    /// The commits on top of the base, parents first. They must descend from it, and nothing may come in from the side.
    async fn own_history(&self, dir: &Path, order: &TakeOrder, tip: &Sha) -> Result<Vec<String>, Stop> {
        const WHAT: &str = "reading an agent's history";
        let (base, not_base) = (order.base.as_str(), format!("^{}", order.base));
        if *tip == order.base {
            return Err(Refusal::NothingCommitted.into());
        }
        let descends = self.runner.run(Call::bare(dir, WHAT).args(["merge-base", "--is-ancestor", base, tip.as_str()])).await?;
        if !descends.good {
            return Err(outside(format!("does not build on {}", order.base.short())).into());
        }
        let roots =
            Call::bare(dir, WHAT).args(["rev-list", "--max-parents=0", "--max-count=1", tip.as_str(), &not_base]).args(OWN_ALONE);
        if !self.runner.ok(roots).await?.is_empty() {
            return Err(outside("merges a history that shares nothing with the base").into());
        }
        let list = Call::bare(dir, WHAT).args(["rev-list", "--topo-order", "--reverse", tip.as_str(), &not_base]).args(OWN_ALONE);
        let commits = many_shas(WHAT, &self.runner.ok(list).await?)?;
        if commits.len() > self.limits.commits {
            return Err(outside(format!("holds {} commits, and {} are accepted", commits.len(), self.limits.commits)).into());
        }
        let text: u64 = self.kinds(dir, &commits).await?.into_iter().flatten().map(|kind| kind.size + 128).sum();
        if usize::try_from(text).unwrap_or(usize::MAX) > super::history::COMMITS {
            return Err(Refusal::NotABundle { why: "a bundle with endless commit messages".to_owned() }.into());
        }
        Ok(commits)
    }

    /// No commit may hold the private path, for all of them are published; nor anything in the place of a folder that leads to it, or the
    /// file could not be put into a clone of that commit.
    async fn holds_nothing_private(&self, dir: &Path, private: &str, commits: &[String]) -> Result<(), Stop> {
        let folders: Vec<&str> = private.match_indices('/').filter_map(|(at, _)| private.get(..at)).collect();
        let ask = |path: &str| commits.iter().map(|commit| format!("{commit}:{path}")).collect::<Vec<_>>();
        let held = self.kinds(dir, &ask(private)).await?.into_iter().any(|kind| kind.is_some());
        let mut barred = false;
        for folder in folders {
            barred |= self.kinds(dir, &ask(folder)).await?.into_iter().flatten().any(|kind| kind.name != "tree");
        }
        if held || barred { Err(Refusal::EnvFile { path: private.to_owned() }.into()) } else { Ok(()) }
    }

    async fn compare(&self, dir: &Path, base: &Sha, tip: &Sha) -> Result<(Vec<Entry>, diff::Counts), Stop> {
        const WHAT: &str = "comparing an agent's work with its base";
        let out = self.runner.run(compare::call(dir, base, tip, WHAT)).await?;
        if out.cut {
            return Err(Refusal::NotABundle { why: "a bundle that touches too many files".to_owned() }.into());
        }
        let out = out.good()?;
        diff::parse(&out).ok_or_else(|| unexpected(WHAT, &out).into())
    }

    /// Refuses links that lead out. One that did so in the base already, and is the same, is not the agent's.
    async fn links_stay_inside(&self, dir: &Path, from: &Sha, tip: &Sha, entries: &[Entry]) -> Result<(), Stop> {
        if !entries.iter().any(Entry::touches_link) {
            return Ok(());
        }
        let now = self.links(dir, tip).await?;
        let out: Vec<&String> = now.keys().filter(|path| leads_out(&now, path)).collect();
        if out.is_empty() {
            return Ok(());
        }
        let before = self.links(dir, from).await?;
        let was_so = |path: &str| before.get(path) == now.get(path) && leads_out(&before, path);
        match out.into_iter().find(|path| !was_so(path)) {
            Some(path) => Err(Refusal::SymlinkOut { path: path.clone() }.into()),
            None => Ok(()),
        }
    }

    /// All symbolic links of a commit's tree.
    async fn links(&self, dir: &Path, commit: &Sha) -> Result<Links, RepoError> {
        const WHAT: &str = "reading the links of a tree";
        let listed = self.runner.ok(Call::bare(dir, WHAT).args(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()])).await?;
        let text = String::from_utf8_lossy(&listed);
        let link = |entry: &str| {
            let (head, path) = entry.split_once('\t')?;
            let blob = head.strip_prefix("120000 blob ")?;
            Some((path.to_owned(), blob.to_owned()))
        };
        let found: Vec<(String, String)> = text.split('\0').filter_map(link).collect();
        let blobs: Vec<String> = found.iter().map(|(_, blob)| blob.clone()).collect();
        let targets = self.contents(dir, &blobs, TARGETS).await?;
        let target =
            |blob: &String| String::from_utf8_lossy(targets.get(blob).map(Vec::as_slice).unwrap_or_default()).into_owned();
        Ok(found.iter().map(|(path, blob)| (path.clone(), target(blob))).collect())
    }

    /// Re-authors what is the agent's: a commit that the forge has is somebody's own and stays as it is.
    async fn rewrite(&self, dir: &Path, mirror: &Path, commits: &[String], tip: &Sha, author: &Author) -> Result<Sha, RepoError> {
        let known = self.kinds(mirror, commits).await?;
        let new: Vec<String> =
            commits.iter().zip(known).filter(|(_, known)| known.is_none()).map(|(sha, _)| sha.clone()).collect();
        let head = self.reauthor(dir, &new, tip, author).await?;
        let keep = Call::bare(dir, "keeping the judged head").args(["update-ref", JUDGED, head.as_str()]);
        self.runner.ok(keep).await?;
        Ok(head)
    }

    /// The commits on top of `base` as lines for git's standard input.
    pub(super) async fn commits_between(&self, dir: &Path, base: &Sha, head: &Sha, what: &str) -> Result<Vec<u8>, RepoError> {
        let call = Call::bare(dir, what).args(["rev-list", "--topo-order", "--reverse", head.as_str()]).arg(format!("^{base}"));
        let call = call.args(OWN_ALONE);
        Ok(lines(&many_shas(what, &self.runner.ok(call).await?)?))
    }
}
