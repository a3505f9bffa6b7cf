//! Taking over a bundle is an attack surface (`facts/security.md`): each attack has its test, and each refusal its name.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use forgehand::git::Limits;
use forgehand::model::{Change, Refusal};
use forgehand::ports::{Repos, TakeOrder, WorkspaceOrder};
use forgehand::workspace::WorkspacePaths;

use crate::git_door::{AUTHOR, World, sh};

/// An agent that did its work and now tries something.
struct Attack {
    world: World,
    order: WorkspaceOrder,
    paths: WorkspacePaths,
    bundle: PathBuf,
}

impl Attack {
    /// After a commit of a line.
    async fn new() -> Self {
        Self::with("echo 4 >>src/a.txt && git commit -qam One", Limits::default()).await
    }

    async fn with(script: &str, limits: Limits) -> Self {
        let world = World::limited(limits).await;
        let (order, paths) = world.workspace("r1").await;
        sh(&paths.tree, script);
        let bundle = paths.out.join("c.bundle");
        Self { world, order, paths, bundle }
    }

    /// Runs a script in the tree; `$B` is the base, `$F` the bundle's path.
    fn sh(&self, script: &str) -> String {
        sh(&self.paths.tree, &format!("B={}; F={}; {script}", self.order.base, self.bundle.display()))
    }

    /// The bundle as it should be.
    fn bundled(self) -> Self {
        self.sh("git bundle create -q $F $B..claude/issue-7");
        self
    }

    fn order(&self) -> TakeOrder {
        let WorkspaceOrder { repo, run, base, branch, author } = self.order.clone();
        TakeOrder {
            beside: None,
            sets_aside: false,
            repo,
            run,
            bundle: self.bundle.clone(),
            branch,
            base,
            author,
            diff_lines: 50,
            person_paths: vec![],
            private: Some("App/.env".into()),
            verify: vec![],
        }
    }

    async fn taken(&self) -> Result<Change, Refusal> {
        let order = self.order();
        let taken = tokio::time::timeout(Duration::from_secs(60), self.world.git.take(&order));
        taken.await.expect("ends").expect("is judged")
    }

    /// It is refused, and nothing of it is left on the host.
    async fn refused(&self) -> Refusal {
        let refusal = self.taken().await.expect_err("refused");
        let left: Vec<_> =
            std::fs::read_dir(self.world.state().join("intake")).expect("the folder").flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "{left:?}");
        refusal
    }

    /// Another repository of the host that the agent must not read, with the branch that is expected.
    fn private(&self) -> PathBuf {
        let dir = self.world.dir.path();
        sh(dir, "git init -q -b claude/issue-7 private && cd private && echo secret >s && git add . && git commit -qm s");
        dir.join("private")
    }
}

#[track_caller]
fn no_bundle(refusal: &Refusal, word: &str) {
    assert!(matches!(refusal, Refusal::NotABundle { why } if why.contains(word)), "{refusal:?}");
}

#[track_caller]
fn outside(refusal: &Refusal, word: &str) {
    assert!(matches!(refusal, Refusal::OutsideTheBranch { why } if why.contains(word)), "{refusal:?}");
}

#[track_caller]
fn broken(refusal: &Refusal, word: &str) {
    assert!(matches!(refusal, Refusal::BrokenObjects { why } if why.contains(word)), "{refusal:?}");
}

#[tokio::test]
async fn honest_work_is_accepted() {
    let attack = Attack::new().await.bundled();
    assert_eq!(attack.taken().await.map(|change| change.added), Ok(1));
}

#[tokio::test]
async fn a_symlink_to_another_repository() {
    let attack = Attack::new().await;
    symlink(attack.private(), &attack.bundle).expect("links");
    no_bundle(&attack.refused().await, "symbolic link");
}

#[tokio::test]
async fn a_symlink_to_a_true_bundle() {
    let attack = Attack::new().await.bundled();
    std::fs::rename(&attack.bundle, attack.bundle.with_extension("real")).expect("moves");
    symlink(attack.bundle.with_extension("real"), &attack.bundle).expect("links");
    no_bundle(&attack.refused().await, "symbolic link");
}

#[tokio::test]
async fn a_folder_that_became_a_symlink() {
    let attack = Attack::new().await.bundled();
    std::fs::rename(&attack.paths.out, attack.paths.out.with_extension("real")).expect("moves");
    symlink(attack.paths.out.with_extension("real"), &attack.paths.out).expect("links");
    no_bundle(&attack.refused().await, "folder that is a link");
}

#[tokio::test]
async fn a_file_with_a_gitdir_in_it() {
    let attack = Attack::new().await;
    std::fs::write(&attack.bundle, format!("gitdir: {}/.git\n", attack.private().display())).expect("writes");
    no_bundle(&attack.refused().await, "does not begin");
}

#[tokio::test]
async fn a_named_pipe_does_not_hang() {
    let attack = Attack::new().await;
    attack.sh("mkfifo $F");
    no_bundle(&attack.refused().await, "named pipe");
}

#[tokio::test]
async fn a_socket_a_folder_a_device_or_nothing() {
    let attack = Attack::new().await;
    no_bundle(&attack.refused().await, "not there");
    let _listener = std::os::unix::net::UnixListener::bind(&attack.bundle).expect("a socket");
    no_bundle(&attack.refused().await, "socket");
    attack.sh("rm $F && mkdir $F");
    no_bundle(&attack.refused().await, "folder");
}

#[tokio::test]
async fn a_file_over_the_limit() {
    let attack = Attack::with("echo 4 >>src/a.txt && git commit -qam One", Limits { bundle: 1 << 20, ..Limits::default() })
        .await
        .bundled();
    assert!(attack.taken().await.is_ok(), "as it is it fits");
    attack.sh("truncate -s 2M $F");
    no_bundle(&attack.refused().await, "1048576");
}

#[tokio::test]
async fn a_small_pack_that_unpacks_to_a_large_file() {
    let script = "head -c 8000000 /dev/zero >zeros && git add . && git commit -qm zeros";
    let attack = Attack::with(script, Limits { bundle: 1 << 20, unpacked: 4 << 20, ..Limits::default() }).await.bundled();
    assert!(std::fs::metadata(&attack.bundle).expect("is there").len() < 1 << 20);
    no_bundle(&attack.refused().await, "unpacks to");
}

#[tokio::test]
async fn a_bundle_with_a_filter() {
    let attack = Attack::new().await;
    attack.sh("git bundle create -q $F --filter=blob:none $B..claude/issue-7");
    no_bundle(&attack.refused().await, "does not begin");
}

#[tokio::test]
async fn a_filtered_pack_under_a_plain_header() {
    let attack = Attack::new().await;
    attack.sh("{ printf '# v2 git bundle\\n-%s x\\n%s refs/heads/claude/issue-7\\n\\n' $B $(git rev-parse HEAD); printf 'HEAD\\n^%s\\n' $B | git pack-objects --revs --stdout --filter=blob:none -q; } >$F");
    broken(&attack.refused().await, "");
}

#[tokio::test]
async fn a_pack_that_is_cut_or_garbled() {
    let attack = Attack::new().await.bundled();
    let whole = std::fs::read(&attack.bundle).expect("reads");
    std::fs::write(&attack.bundle, &whole[..whole.len() - 30]).expect("writes");
    broken(&attack.refused().await, "");
    let mut garbled = whole.clone();
    let near_end = garbled.len() - 40;
    garbled[near_end] ^= 0xff;
    std::fs::write(&attack.bundle, &garbled).expect("writes");
    broken(&attack.refused().await, "");
}

#[tokio::test]
async fn two_refs() {
    let attack = Attack::new().await;
    attack.sh("git branch main && git bundle create -q $F $B..claude/issue-7 HEAD");
    outside(&attack.refused().await, "2 refs");
}

#[tokio::test]
async fn another_branch() {
    let attack = Attack::new().await;
    attack.sh("git branch -m main && git bundle create -q $F $B..main");
    outside(&attack.refused().await, "refs/heads/main");
}

#[tokio::test]
async fn a_tag_in_place_of_a_commit() {
    let attack = Attack::new().await;
    attack.sh("git tag -a -m t t && git update-ref --no-deref refs/tags/t2 t && T=$(git rev-parse t) && { printf '# v2 git bundle\\n-%s x\\n%s refs/heads/claude/issue-7\\n\\n' $B $T; printf '%s\\n^%s\\n' $T $B | git pack-objects --revs --stdout -q; } >$F");
    outside(&attack.refused().await, "not a commit");
}

#[tokio::test]
async fn prerequisites_that_the_forge_does_not_have() {
    let attack = Attack::new().await;
    attack.sh("git commit -q --allow-empty -m two && git bundle create -q $F HEAD~1..claude/issue-7");
    outside(&attack.refused().await, "does not have");
}

#[tokio::test]
async fn a_history_that_leaves_the_base_out() {
    let attack = Attack::new().await;
    attack.sh("git checkout -q --orphan x && git commit -qm x && git branch -M claude/issue-7 && git bundle create -q $F claude/issue-7");
    outside(&attack.refused().await, "does not build on");
}

#[tokio::test]
async fn a_foreign_history_merged_in() {
    let attack = Attack::new().await;
    attack.sh("git checkout -q --orphan x && git rm -qrf . && echo f >foreign && git add . && git commit -qm foreign && git checkout -q claude/issue-7 && git merge -q --allow-unrelated-histories -m merged x");
    let attack = attack.bundled();
    outside(&attack.refused().await, "shares nothing");
}

#[tokio::test]
async fn more_commits_than_are_accepted() {
    let script = "for n in 1 2 3 4; do echo $n >>src/a.txt; git commit -qam $n; done";
    let attack = Attack::with(script, Limits { commits: 3, ..Limits::default() }).await.bundled();
    outside(&attack.refused().await, "4 commits");
}

#[tokio::test]
async fn nothing_but_an_empty_commit() {
    let attack = Attack::with("git commit -q --allow-empty -m empty", Limits::default()).await.bundled();
    assert_eq!(attack.refused().await, Refusal::NothingCommitted);
}

#[tokio::test]
async fn a_symlink_that_leads_out() {
    for target in ["/etc/passwd", "../../../x", "src/../../../x", "../.git/config"] {
        let attack =
            Attack::with(&format!("ln -s {target} src/l && git add . && git commit -qm l"), Limits::default()).await.bundled();
        assert_eq!(attack.refused().await, Refusal::SymlinkOut { path: "src/l".into() }, "{target}");
    }
}

#[tokio::test]
async fn a_symlink_that_leads_out_through_another() {
    let script = "mkdir -p s/t && ln -s ../.. s/t/up && ln -s s/t/up/.. l && git add . && git commit -qm l";
    let attack = Attack::with(script, Limits::default()).await.bundled();
    assert_eq!(attack.refused().await, Refusal::SymlinkOut { path: "l".into() });
}

#[tokio::test]
async fn a_symlink_that_a_person_made_is_not_the_agents() {
    let attack = Attack::new().await;
    sh(&attack.world.person(), "ln -s /etc/hostname theirs && git add . && git commit -qm theirs && git push -q origin main");
    let (order, paths) = attack.world.workspace("r2").await;
    let bundle = paths.out.join("c.bundle");
    let attack = Attack { order, paths, bundle, world: attack.world };
    attack.sh("ln -s src/a.txt fine && git add . && git commit -qm fine");
    let attack = attack.bundled();
    assert!(attack.taken().await.is_ok());
}

#[tokio::test]
async fn a_diff_over_its_limit() {
    let attack = Attack::with("seq 60 >many && git add . && git commit -qm many", Limits::default()).await.bundled();
    assert_eq!(attack.refused().await, Refusal::DiffTooLarge { lines: 60, limit: 50 });
}

/// Bundles a commit on the base whose tree has one entry more, which no well-behaved git would make.
fn bundle_with_entry(attack: &Attack, mode: &str, name: &str) {
    let blob = attack.sh("echo evil | git hash-object -w --stdin");
    attack.sh(&format!("git cat-file tree $B^{{tree}} >../evil && printf '{mode} {name}\\0' >>../evil"));
    let path = attack.paths.tree.with_file_name("evil");
    let mut tree = std::fs::read(&path).expect("written");
    tree.extend(hex::decode(blob).expect("a name"));
    std::fs::write(path, tree).expect("writes");
    attack.sh("T=$(git hash-object -t tree -w --literally ../evil); git update-ref refs/heads/claude/issue-7 $(git commit-tree -p $B -m evil $T)");
    attack.sh("git bundle create -q $F $B..claude/issue-7");
}

#[tokio::test]
async fn a_tree_with_a_git_folder_in_it() {
    for name in ["zzz/.git", "z..", ".GIT", "git~1", ".g\\342\\200\\214it", "..", ".git"] {
        let attack = Attack::new().await;
        // Sorted last, so that only the name is wrong; what else is wrong is named too.
        bundle_with_entry(&attack, "100644", name);
        let refusal = attack.taken().await;
        match name {
            "z.." => assert!(refusal.is_ok(), "{name}: a name like any other: {refusal:?}"),
            _ => broken(&refusal.expect_err(name), "fsck error"),
        }
    }
}

#[tokio::test]
async fn a_gitmodules_that_names_a_command() {
    let attack = Attack::new().await;
    let text = "[submodule \"x\"]\\n path = x\\n url = -u./evil\\n";
    attack.sh(&format!(
        "printf '{text}' >.gitmodules && git add . && git commit -qm m && git bundle create -q $F $B..claude/issue-7"
    ));
    broken(&attack.refused().await, "itmodules");
}

#[tokio::test]
async fn a_gitmodules_that_is_a_link() {
    let attack = Attack::new().await;
    bundle_with_entry(&attack, "120000", ".gitmodules");
    broken(&attack.refused().await, "itmodules");
}

#[tokio::test]
async fn a_submodule() {
    let attack = Attack::with(
        "git update-index --add --cacheinfo 160000,1111111111111111111111111111111111111111,sub && git commit -qm sub",
        Limits::default(),
    )
    .await
    .bundled();
    outside(&attack.refused().await, "submodule");
}

#[tokio::test]
async fn a_second_bundle_takes_the_place_of_the_first() {
    let attack = Attack::new().await.bundled();
    let first = attack.taken().await.expect("accepted");
    attack.sh("rm $F && git commit -q --amend -m other");
    let attack = attack.bundled();
    let second = attack.taken().await.expect("accepted");
    assert_ne!(first.head, second.head);
    let intake = attack.world.state().join("intake/r1.git");
    assert_eq!(sh(&intake, &format!("git cat-file -e {} 2>/dev/null || echo gone", first.head)), "gone");
    attack.world.git.forget(&attack.order.repo, &attack.order.run).await.expect("forgets");
    assert!(!intake.exists());
    assert_eq!(attack.order.author, AUTHOR);
}

#[tokio::test]
async fn a_message_that_would_close_an_issue_or_call_a_person() {
    let message = "Add properly\n\nCloses #9, fixes: o/r#4. Thanks @owner [skip ci]\n\nCo-authored-by: A <a@b.example>";
    let attack = Attack::with(&format!("echo 4 >>src/a.txt && git commit -qam '{message}'"), Limits::default()).await.bundled();
    let change = attack.taken().await.expect("is accepted");
    let intake = attack.world.state().join("intake/r1.git");
    let published = sh(&intake, &format!("git log -1 --format=%B {}", change.head));
    assert_eq!(published.replace('\u{200b}', ""), message, "people read what was written");
    for words in ["Closes #9", "fixes: o/r#4", "@owner", "[skip ci]"] {
        assert!(!published.contains(words), "{words:?} in {published:?}");
    }
    assert!(published.contains("Co-authored-by: A <a@b.example>"), "a trailer stays as it is: {published:?}");
    let scanned = attack.world.git.added(&attack.order.run, &attack.order.base, &change.head).await.expect("reads");
    assert!(scanned.iter().any(|(_, text)| text.contains("Thanks @owner")), "secrets are looked for in the words as they were");
}
