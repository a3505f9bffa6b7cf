//! Workspaces: made, kept, swept, removed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use forgehand::model::RunId;
use forgehand::ports::{HandErrorKind, WorkspaceOrder};
use forgehand::workspace::{Kind, Owner, Workspaces};

use crate::git_door::{World, sh};

#[tokio::test]
async fn a_workspace_is_on_its_branch_and_borrows_the_mirrors_objects() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    assert_eq!(
        sh(&paths.tree, "git rev-parse --abbrev-ref HEAD && git rev-parse HEAD && git status --porcelain && cat src/a.txt"),
        format!("claude/issue-7\n{}\n1\n2\n3", order.base)
    );
    assert_eq!(
        sh(&paths.tree, "git config user.name; git config user.email; git config core.checkStat; git remote"),
        "Forge Hand\nhand@example.org\nminimal"
    );
    let alternates = std::fs::read_to_string(paths.tree.join(".git/objects/info/alternates")).expect("borrows");
    assert_eq!(Path::new(alternates.trim()), paths.objects);
    assert_eq!(paths.objects, world.mirror().join("objects"));
    assert!(paths.home.is_dir() && paths.out.is_dir());
    assert_eq!(
        sh(&paths.tree, "find .git -type f -name '*.sample'; grep -r 0123456789abcdef0123 .git/config || true"),
        "",
        "no hooks, no token"
    );
    // It can be moved, since it holds no path of its own.
    std::fs::rename(&paths.tree, world.dir.path().join("elsewhere")).expect("moves");
    assert_eq!(sh(&world.dir.path().join("elsewhere"), "git log --oneline | wc -l && git status --porcelain"), "1");
}

#[tokio::test]
async fn an_author_is_configured_as_it_is_written() {
    let world = World::new().await;
    let (order, _) = world.workspace("r1").await;
    let author = r#"Forge "Big" \ Hand; #1 <hand@example.org>"#;
    let order = WorkspaceOrder { run: RunId::from("r2"), author: author.to_owned(), ..order };
    let paths = world.workspaces().prepare(&order).await.expect("prepares");
    assert_eq!(sh(&paths.tree, "printf '%s <%s>' \"$(git config user.name)\" \"$(git config user.email)\""), author);
    assert_eq!(
        sh(&paths.tree, "git symbolic-ref HEAD && git rev-parse HEAD"),
        format!("refs/heads/claude/issue-7\n{}", order.base)
    );
}

#[tokio::test]
async fn a_workspace_that_is_there_is_kept_and_only_stale_locks_go() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    sh(
        &paths.tree,
        "echo 4 >>src/a.txt && git commit -qam kept && echo 5 >>src/a.txt && echo new >untracked && touch Cargo.lock .git/x \
        && touch .git/index.lock .git/HEAD.lock .git/refs/heads/claude/issue-7.lock .git/refs/heads/main.lock",
    );
    let head = sh(&paths.tree, "git rev-parse HEAD");
    assert_eq!(world.workspaces().prepare(&order).await.expect("prepares"), paths);
    assert_eq!(
        sh(&paths.tree, "git rev-parse HEAD && git status --porcelain && find . -name '*.lock' && ls .git/x"),
        format!("{head}\n M src/a.txt\n?? Cargo.lock\n?? untracked\n./Cargo.lock\n.git/x")
    );
}

#[tokio::test]
async fn sweeping_locks_follows_nothing() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    let host = world.dir.path().join("host");
    sh(world.dir.path(), "mkdir -p host/refs/deep && touch host/index.lock host/refs/a.lock host/refs/deep/b.lock");
    let whole = || sh(&host, "find . -name '*.lock' | wc -l") == "3";
    // A folder among the refs, the refs themselves, the whole of .git: each a link to a folder of the host.
    symlink(host.join("refs"), paths.tree.join(".git/refs/linked")).expect("links");
    symlink(host.join("index.lock"), paths.tree.join(".git/index.lock")).expect("links");
    world.workspaces().prepare(&order).await.expect("prepares");
    assert!(whole(), "what a link points to stays");
    assert!(paths.tree.join(".git/index.lock").symlink_metadata().is_err(), "the link itself went");
    sh(&paths.tree, &format!("mv .git/refs .git/r && ln -s {}/refs .git/refs", host.display()));
    world.workspaces().prepare(&order).await.expect("prepares");
    assert!(whole());
    sh(&paths.tree, &format!("mv .git g && ln -s {} .git", host.display()));
    world.workspaces().prepare(&order).await.expect("prepares");
    assert!(whole());
    sh(&paths.tree, &format!("rm .git && echo 'gitdir: {}' >.git", host.display()));
    world.workspaces().prepare(&order).await.expect("prepares");
    assert!(whole());
}

#[tokio::test]
async fn a_tree_that_is_a_link_is_no_workspace() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    let elsewhere = world.dir.path().join("elsewhere");
    std::fs::rename(&paths.tree, &elsewhere).expect("moves");
    symlink(&elsewhere, &paths.tree).expect("links");
    let error = world.workspaces().prepare(&order).await.expect_err("refused");
    assert_eq!(error.kind, HandErrorKind::Environment);
    assert!(error.why.contains("in the way"), "{error}");
}

#[tokio::test]
async fn a_half_made_workspace_is_made_again() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    let workspaces = world.workspaces();
    workspaces.discard(&order.run).await.expect("discards");
    // A base that the mirror lacks: nothing of it may look like a workspace.
    let mut wrong = order.clone();
    wrong.base = "1".repeat(40).parse().expect("a name");
    assert!(workspaces.prepare(&wrong).await.is_err());
    assert!(!paths.tree.exists());
    workspaces.prepare(&order).await.expect("prepares");
    assert_eq!(sh(&paths.tree, "git status --porcelain"), "");
}

#[tokio::test]
async fn discarding_removes_everything_and_only_that() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    let host = world.dir.path().join("host");
    sh(world.dir.path(), "mkdir -p host/sub && touch host/file host/sub/file");
    symlink(&host, paths.tree.join("link")).expect("links");
    // Deeper than a path can be long, and folders without any rights.
    sh(
        &paths.tree,
        "d=$(printf 'd%.0s' $(seq 200)); mkdir $d; touch $d/bottom; for n in $(seq 60); do mkdir up; mv $d up/$d; mv up $d; done",
    );
    sh(&paths.tree, "mkdir -p closed/inner && touch closed/inner/f && chmod 000 closed/inner && chmod 000 closed && mkfifo pipe");
    let workspaces = world.workspaces();
    workspaces.discard(&order.run).await.expect("discards");
    assert_eq!(std::fs::read_dir(world.state().join("work")).expect("is there").count(), 0);
    assert!(host.join("sub/file").exists() && host.join("file").exists());
    workspaces.discard(&order.run).await.expect("gone is no error");
    workspaces.discard(&RunId::from("never-was")).await.expect("never there is no error");
    assert_eq!(std::fs::read_dir(world.state().join("work")).expect("is there").count(), 0);
}

#[tokio::test]
async fn a_removal_that_was_cut_is_finished() {
    let world = World::new().await;
    let (order, _) = world.workspace("r1").await;
    let work = world.state().join("work");
    std::fs::create_dir_all(work.join("r1~gone/1/x/y")).expect("makes");
    std::fs::create_dir_all(work.join("r1~gone/2")).expect("makes");
    world.workspaces().discard(&order.run).await.expect("discards");
    assert_eq!(std::fs::read_dir(work).expect("is there").count(), 0);
}

#[tokio::test]
async fn a_workspace_can_be_given_to_another_user() {
    use std::os::unix::fs::MetadataExt;
    let me = rustix_uid();
    let world = World::new().await;
    let (order, _) = world.workspace("r0").await;
    // Only root can give files away; anybody can give them to themselves.
    let to = if me == 0 { 65534 } else { me };
    let owner = Owner { uid: to, gid: std::fs::metadata(world.dir.path()).expect("is there").gid() };
    let workspaces = Workspaces::new(&world.state(), world.git.clone(), Kind::Clone, Some(owner));
    let mut order = order;
    order.run = RunId::from("r2");
    let paths = workspaces.prepare(&order).await.expect("prepares");
    for path in [&paths.home, &paths.out, &paths.tree, &paths.tree.join("src/a.txt"), &paths.tree.join(".git/HEAD")] {
        assert_eq!(std::fs::symlink_metadata(path).expect("is there").uid(), to, "{}", path.display());
    }
    assert_eq!(std::fs::metadata(&paths.home).expect("is there").permissions().mode() & 0o777, 0o700);
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("procfs").uid()
}
