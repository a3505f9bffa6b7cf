//! The mirror, claims and pushes, over HTTP.

use std::sync::atomic::Ordering;
use std::time::Duration;

use forgehand::git::Limits;
use forgehand::model::{Branch, FileMark, IssueNumber, JournalId, Kept, LastTag, RunId, Sha, Timestamp};
use forgehand::ports::{
    ClaimAnswer, KeepAnswer, KeepOrder, Lease, NewClaim, PushAnswer, RepoErrorKind, Repos, TakeOrder, WorkspaceOrder,
};
use tokio::task::JoinSet;

use crate::git_door::{AUTHOR, Manner, TOKEN, World, git_for, sh};

fn sha(text: &str) -> Sha {
    text.parse().expect("an object's name")
}

#[tokio::test]
async fn a_sync_tells_what_is_on_the_forge_and_keeps_what_is_gone() {
    let world = World::new().await;
    sh(
        &world.person(),
        "git checkout -q -b side && git commit -q --allow-empty -m side && git push -q origin side && git tag v1 && git push -q origin v1",
    );
    let ask = [Branch::from("main"), Branch::from("side"), Branch::from("nowhere")];
    let first = world.git.sync(&world.repo, &ask, &RunId::from("r1")).await.expect("syncs");
    let (main, side) = (first.0[0].clone().expect("main"), first.0[1].clone().expect("side"));
    assert_eq!(
        (main.as_str(), side.as_str()),
        (&*sh(&world.person(), "git rev-parse main"), &*sh(&world.person(), "git rev-parse side"))
    );
    assert_eq!(first.0[2], None);

    // Forced, and deleted.
    sh(
        &world.person(),
        "git checkout -q --orphan new && git commit -qm new && git push -qf origin new:main && git push -q origin :side :v1",
    );
    let second = world.git.sync(&world.repo, &ask, &RunId::from("r1")).await.expect("syncs");
    assert_eq!(second.0[0].as_ref().map(Sha::as_str), Some(&*sh(&world.person(), "git rev-parse new")));
    assert_eq!(second.0[1], None, "a branch that is gone is told as gone");
    let refs = sh(&world.mirror(), "git for-each-ref --format='%(refname) %(objectname)'");
    assert!(refs.contains(&format!("refs/heads/side {side}")), "never pruned: {refs}");
    assert!(refs.contains("refs/tags/v1"), "never pruned: {refs}");
    assert!(refs.contains(&format!("refs/forgehand/runs/r1 {main}")), "the run's base stays: {refs}");

    world.git.forget(&world.repo, &RunId::from("r1")).await.expect("forgets");
    world.git.forget(&world.repo, &RunId::from("r1")).await.expect("forgets twice");
    assert!(!sh(&world.mirror(), "git for-each-ref").contains("refs/forgehand/runs"));
    assert!(world.git.has_commit(&world.repo, &main).await.expect("asks"), "its commits are still there");
}

#[tokio::test]
async fn an_idle_sync_costs_two_requests_and_a_remote_tip_too() {
    let world = World::new().await;
    world.sync("main", "r1").await;
    world.door.hits.store(0, Ordering::SeqCst);
    world.sync("main", "r2").await;
    assert_eq!(world.door.hits.swap(0, Ordering::SeqCst), 2);
    world.git.remote_tip(&world.repo, &"main".into()).await.expect("asks");
    assert_eq!(world.door.hits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_empty_repository_has_no_tips() {
    let world = World::empty(Limits::default()).await;
    assert_eq!(world.sync("main", "r1").await, None);
    assert_eq!(world.git.remote_tip(&world.repo, &"main".into()).await.expect("asks"), None);
}

#[tokio::test]
async fn a_branch_that_becomes_a_folder_of_branches_does_not_stop_the_mirror() {
    let world = World::new().await;
    sh(&world.person(), "git checkout -q -b a && git commit -q --allow-empty -m a && git push -q origin a");
    let old = world.sync("a", "r1").await.expect("a");
    sh(&world.person(), "git push -q origin :a && git push -q origin main:a/b");
    assert!(world.sync("a/b", "r2").await.is_some());
    assert!(sh(&world.mirror(), "git for-each-ref").contains(&format!("{old} commit\trefs/forgehand/aside/{old}")));
}

#[tokio::test]
async fn syncs_side_by_side_and_a_lock_that_a_dead_git_left_do_no_harm() {
    let world = World::new().await;
    world.sync("main", "r0").await;
    sh(&world.person(), "git commit -q --allow-empty -m more && git push -q origin main");
    std::fs::write(world.mirror().join("refs/heads/main.lock"), "").expect("writes");
    let mut all = JoinSet::new();
    for n in 0..4 {
        let (git, repo) = (world.git.clone(), world.repo.clone());
        all.spawn(async move { git.sync(&repo, &["main".into()], &RunId(format!("r{n}"))).await });
    }
    let want = sh(&world.person(), "git rev-parse main");
    for tips in all.join_all().await {
        assert_eq!(tips.expect("syncs").0[0].as_ref().map(Sha::as_str), Some(want.as_str()));
    }
    assert!(!world.mirror().join("refs/heads/main.lock").exists());
}

#[tokio::test]
async fn syncs_that_wait_for_each_other_share_a_fetch_and_a_later_one_has_its_own() {
    let world = World::new().await;
    world.sync("main", "r0").await;
    let want = world.sync("main", "r0").await;
    world.door.hits.store(0, Ordering::SeqCst);
    let runs: Vec<RunId> = (1..=6).map(|n| RunId(format!("r{n}"))).collect();
    let branches = ["main".into()];
    let all = futures_util::future::join_all(runs.iter().map(|run| world.git.sync(&world.repo, &branches, run))).await;
    for tips in all {
        assert_eq!(tips.expect("syncs").0[0], want);
    }
    // Two requests each: the first one's, if it began before the others asked, and one that began when all had asked.
    let hits = world.door.hits.load(Ordering::SeqCst);
    assert!(hits == 2 || hits == 4, "{hits} requests");
    let refs = sh(&world.mirror(), "git for-each-ref refs/forgehand/runs");
    assert_eq!(refs.lines().count(), 7, "each run's base is kept: {refs}");
    sh(&world.person(), "git commit -q --allow-empty -m more && git push -q origin main");
    assert_ne!(world.sync("main", "r7").await, want, "what stood there before it was asked is seen");
}

#[tokio::test]
async fn only_regular_files_are_read() {
    let world = World::new().await;
    sh(
        &world.person(),
        "ln -s /etc/passwd link && echo hello >CLAUDE.md && git add . && git commit -qm files && git push -q origin main",
    );
    let at = world.sync("main", "r1").await.expect("main");
    let (git, repo) = (&world.git, &world.repo);
    let read = async |path: &str, limit| git.read(repo, &at, path, limit).await.expect("reads");
    assert_eq!(read("CLAUDE.md", 6).await.as_deref(), Some("hello\n"));
    assert_eq!(read("CLAUDE.md", 5).await, None);
    assert_eq!(read("src/a.txt", 100).await.as_deref(), Some("1\n2\n3\n"));
    for path in ["link", "src", "src/", "missing", "*.md", "link/x"] {
        assert_eq!(read(path, 100).await, None, "{path}");
    }
}

#[tokio::test]
async fn missing_files_are_told_by_the_branch_as_it_is_now() {
    let world = World::new().await;
    let (git, repo) = (&world.git, &world.repo);
    let paths: Vec<String> = ["src", "src/a.txt", "src/b", "a b 1", "*.md", "new.md"].map(str::to_owned).to_vec();
    let missing = async |branch: &str| git.missing(repo, &branch.into(), &paths).await.expect("answers");
    assert_eq!(missing("main").await, Some(["src/b", "a b 1", "*.md", "new.md"].map(str::to_owned).to_vec()));
    assert_eq!(missing("nowhere").await, None);
    sh(&world.person(), "echo x >new.md && echo y >'a b 1' && git add . && git commit -qm files && git push -q origin main");
    assert_eq!(missing("main").await, Some(["src/b", "*.md"].map(str::to_owned).to_vec()));
    sh(&world.person(), "git rm -q new.md && git commit -qm gone && git push -q origin main");
    assert_eq!(missing("main").await, Some(["src/b", "*.md", "new.md"].map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn a_conflict_is_found_without_a_work_tree_and_leaves_nothing() {
    let world = World::new().await;
    let script = "set -e
        git checkout -q -b same && echo 4 >>src/a.txt && git commit -qam same
        git checkout -q -b other main && echo 5 >other.txt && git add . && git commit -qm other
        git checkout -q main && echo 5 >>src/a.txt && git commit -qam moved
        git push -q origin main same other && git push -q origin main:odd && git checkout -q -b odd
        echo '* merge=evil' >.gitattributes && echo 6 >>src/a.txt && git add . && git commit -qm odd && git push -qf origin odd";
    sh(&world.person(), script);
    let (git, repo) = (&world.git, &world.repo);
    world.sync("main", "r1").await.expect("main");
    git.forget(repo, &RunId::from("r1")).await.expect("forgets");
    let litter = || {
        let refs = sh(&world.mirror(), "git for-each-ref --format='%(refname)'; git count-objects; ls objects/pack");
        (refs, std::fs::read_dir(world.state().join("intake")).expect("the folder").count())
    };
    let before = litter();
    let merge = async |head: &str| git.try_merge(repo, &head.into(), &"main".into()).await.expect("answers");
    let conflicts = async |head: &str| merge(head).await.map(|merge| merge.conflicts);
    assert_eq!(conflicts("same").await, Some(true));
    assert_eq!(conflicts("other").await, Some(false));
    assert_eq!(conflicts("odd").await, Some(false));
    assert_eq!(conflicts("nowhere").await, None);
    let head = merge("same").await.map(|merge| merge.head.to_string());
    assert_eq!(head, Some(sh(&world.person(), "git rev-parse same")));
    assert_eq!(before.1, 0);
    assert_eq!(litter(), before, "no ref, no object and no folder is left");

    // It is read again each time: a person mends it, and what the mirror still remembers of a deleted branch does not count.
    sh(
        &world.person(),
        "git checkout -q same && git rebase -q -X theirs main && git push -qf origin same && git push -q origin :other",
    );
    assert_eq!(conflicts("same").await, Some(false));
    assert_eq!(conflicts("other").await, None);

    // What a killed daemon left half-made is no hindrance.
    let left = world.state().join("intake/o--r~merge.git");
    std::fs::create_dir_all(&left).expect("a folder");
    std::fs::write(left.join("HEAD"), "nonsense").expect("a file");
    assert_eq!(conflicts("same").await, Some(false));
}

fn claim(journal: &str, nonce: &str, now: i64, until: i64, renews: Option<&Sha>) -> NewClaim {
    NewClaim {
        journal: JournalId::from(journal),
        nonce: nonce.into(),
        until: Timestamp(until),
        now: Timestamp(now),
        renews: renews.cloned(),
    }
}

const ISSUE: IssueNumber = IssueNumber(42);

fn won(answer: ClaimAnswer) -> Sha {
    match answer {
        ClaimAnswer::Won(sha) => sha,
        other => panic!("not won: {other:?}"),
    }
}

#[tokio::test]
async fn of_four_that_claim_at_once_one_wins() {
    let world = World::new().await;
    for round in 0..3 {
        let mut racers = JoinSet::new();
        for racer in 0..4 {
            // A machine of its own each.
            let git = git_for(&world.dir.path().join(format!("machine-{racer}")), world.port, TOKEN, Limits::default());
            let repo = world.repo.clone();
            let new = claim(&format!("journal-{racer}"), &format!("nonce-{round}-{racer}"), 0, 1000, None);
            racers.spawn(async move { git.claim(&repo, IssueNumber(round), &new).await.expect("answers") });
        }
        let answers = racers.join_all().await;
        let winners: Vec<_> =
            answers.iter().filter_map(|answer| if let ClaimAnswer::Won(sha) = answer { Some(sha) } else { None }).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let there = sh(&world.bare(), &format!("git rev-parse refs/forgehand/claims/{round}"));
        assert_eq!(winners[0].as_str(), there);
    }
}

#[tokio::test]
async fn a_live_claim_holds_and_an_ended_one_is_taken_over() {
    let world = World::new().await;
    let (git, repo) = (&world.git, &world.repo);
    let theirs = won(git.claim(repo, ISSUE, &claim("them", "1", 0, 1000, None)).await.expect("answers"));
    let held = git.claim(repo, ISSUE, &claim("us", "2", 999, 2000, None)).await.expect("answers");
    assert_eq!(held, ClaimAnswer::Held { by: JournalId::from("them"), until: Timestamp(1000) });
    let ours = won(git.claim(repo, ISSUE, &claim("us", "3", 1000, 2000, None)).await.expect("answers"));
    // Theirs is lost: they can neither renew it nor give ours back.
    let renewed = git.claim(repo, ISSUE, &claim("them", "4", 1500, 3000, Some(&theirs))).await.expect("answers");
    assert_eq!(renewed, ClaimAnswer::Held { by: JournalId::from("us"), until: Timestamp(2000) });
    git.release(repo, ISSUE, &theirs).await.expect("no error");
    assert_eq!(sh(&world.bare(), "git rev-parse refs/forgehand/claims/42"), ours.as_str());
}

#[tokio::test]
async fn a_claim_is_renewed_found_again_and_given_back() {
    let world = World::new().await;
    let (git, repo) = (&world.git, &world.repo);
    let first = won(git.claim(repo, ISSUE, &claim("us", "1", 0, 1000, None)).await.expect("answers"));
    let second = won(git.claim(repo, ISSUE, &claim("us", "2", 500, 1500, Some(&first))).await.expect("answers"));
    // We crashed and know of neither: our own journal's claim is ours whatever its commit.
    let third = won(git.claim(repo, ISSUE, &claim("us", "3", 600, 1600, None)).await.expect("answers"));
    assert_ne!(second, third);
    git.release(repo, ISSUE, &third).await.expect("gives back");
    assert_eq!(sh(&world.bare(), "git for-each-ref refs/forgehand"), "");
    git.release(repo, ISSUE, &third).await.expect("gone is no error");
    // Renewing what somebody removed takes it anew.
    won(git.claim(repo, ISSUE, &claim("us", "4", 700, 1700, Some(&third))).await.expect("answers"));
}

#[tokio::test]
async fn a_commit_that_is_no_claim_is_said_and_left() {
    let world = World::new().await;
    sh(&world.person(), "git push -q origin main:refs/forgehand/claims/42");
    let error = world.git.claim(&world.repo, ISSUE, &claim("us", "1", 0, 1000, None)).await.expect_err("strange");
    assert_eq!(error.kind, RepoErrorKind::Failed);
    assert!(error.why.contains("refs/forgehand/claims/42"), "{error}");
}

/// An agent's commits, taken over.
async fn taken(world: &World, run: &str, script: &str) -> (TakeOrder, forgehand::model::Change) {
    let (order, paths) = world.workspace(run).await;
    sh(&paths.tree, script);
    let bundle = paths.out.join("c.bundle");
    sh(&paths.tree, &format!("git bundle create -q {} {}..{}", bundle.display(), order.base, order.branch));
    let order = TakeOrder {
        beside: None,
        sets_aside: false,
        repo: order.repo,
        run: order.run,
        bundle,
        branch: order.branch,
        base: order.base,
        author: AUTHOR.into(),
        diff_lines: 4000,
        person_paths: vec!["migrations".into()],
        private: Some("App/.env".into()),
        verify: vec!["sh ./test.sh".into()],
    };
    let change = world.git.take(&order).await.expect("takes").expect("accepts");
    (order, change)
}

#[tokio::test]
async fn what_a_merge_brings_from_the_other_side_is_not_the_agents() {
    let world = World::new().await;
    let (order, paths) = world.workspace("r1").await;
    sh(&paths.tree, "printf '1\\nours\\n3\\n' >src/a.txt && git commit -qam Ours");
    let base: Sha = sha(&sh(&paths.tree, "git rev-parse HEAD"));
    // What the pull request has is on the forge, and main goes on.
    sh(&paths.tree, &format!("git push -q {} HEAD:refs/heads/claude/issue-7", world.bare().display()));
    let more = "mkdir -p migrations && seq 500 >migrations/1.sql && printf '1\\ntheirs\\n3\\n' >src/a.txt && git add . && git commit -qm Theirs && git push -q origin main";
    sh(&world.person(), more);
    let trunk = world.sync("main", "r1").await.expect("main");
    sh(&paths.tree, &format!("git fetch -q {} main && git merge -q FETCH_HEAD || true", world.bare().display()));
    sh(&paths.tree, "printf '1\\nboth\\n3\\n' >src/a.txt && git add . && git commit -qm Merge");
    let bundle = paths.out.join("c.bundle");
    sh(&paths.tree, &format!("git bundle create -q {} {base}..{}", bundle.display(), order.branch));
    let take = |beside| TakeOrder {
        sets_aside: false,
        beside,
        repo: order.repo.clone(),
        run: order.run.clone(),
        bundle: bundle.clone(),
        branch: order.branch.clone(),
        base: base.clone(),
        author: AUTHOR.into(),
        diff_lines: 50,
        person_paths: vec!["migrations".into()],
        private: None,
        verify: Vec::new(),
    };
    let refused = world.git.take(&take(None)).await.expect("takes").expect_err("all of it would be the agent's");
    assert!(matches!(refused, forgehand::model::Refusal::DiffTooLarge { .. }), "{refused:?}");

    let change = world.git.take(&take(Some(trunk.clone()))).await.expect("takes").expect("accepts");
    let files: Vec<&str> = change.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!((files, change.commits, change.person_paths.len()), (vec!["src/a.txt"], 1, 0));
    let intake = world.state().join("intake/r1.git");
    let parents = sh(&intake, &format!("git log -1 --format=%P {}", change.head));
    assert_eq!(parents, format!("{base} {trunk}"), "everybody's commits stay as they are");
    let added = world.git.added(&order.run, &base, &change.head).await.expect("reads");
    assert!(added.iter().all(|(path, _)| path != "migrations/1.sql"), "what the forge has is not published anew: {added:?}");
}

#[tokio::test]
async fn a_change_is_what_git_says_and_by_the_author_that_is_configured() {
    let world = World::new().await;
    let script = "echo 4 >>src/a.txt && git mv test.sh run.sh && git commit -qam 'One

Co-Authored-By: somebody' && mkdir -p db/Migrations && echo x >db/Migrations/1.sql && printf 'a\\0b' >pic && git add . && git commit -qm Two";
    let (order, change) = taken(&world, "r1", script).await;
    assert_eq!((change.commits, change.added, change.removed), (2, 2, 0));
    assert_eq!(change.base, order.base);
    let files: Vec<(&str, Option<&str>, u64)> =
        change.files.iter().map(|f| (f.path.as_str(), f.from.as_deref(), f.added)).collect();
    assert_eq!(
        files,
        [("db/Migrations/1.sql", None, 1), ("pic", None, 0), ("run.sh", Some("test.sh"), 0), ("src/a.txt", None, 1)]
    );
    let marks: Vec<_> = change.files.iter().flat_map(|f| f.marks.iter().copied()).collect();
    assert_eq!(marks, [FileMark::Binary]);
    assert_eq!(change.person_paths, ["db/Migrations/1.sql"]);
    assert_eq!(change.verify_paths, ["test.sh"]);

    let intake = world.state().join("intake/r1.git");
    let log = sh(&intake, &format!("git log --format='%an <%ae> %cn <%ce> %s %P' {}..{}", order.base, change.head));
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with(&format!("{AUTHOR} {AUTHOR} Two ")), "{log}");
    assert!(lines[1].starts_with(&format!("{AUTHOR} {AUTHOR} One {}", order.base)), "{log}");
    assert!(sh(&intake, &format!("git log --format=%b {}", change.head)).contains("Co-Authored-By: somebody"));
    let tree = world.state().join("work/r1/tree");
    assert_eq!(sh(&tree, "git rev-parse 'HEAD^{tree}'"), sh(&intake, &format!("git rev-parse '{}^{{tree}}'", change.head)));
    assert_eq!(
        sh(&tree, "git log -2 --format='%at %ct'"),
        sh(&intake, &format!("git log -2 --format='%at %ct' {}", change.head))
    );

    assert_eq!(world.git.take(&order).await.expect("takes").expect("accepts"), change, "taking again gives the same");
}

#[tokio::test]
async fn merges_are_kept_and_commits_of_the_forge_are_not_rewritten() {
    let world = World::new().await;
    sh(
        &world.person(),
        "git checkout -q -b theirs && echo t >theirs && git add . && git commit -qm theirs && git push -q origin theirs && git checkout -q main",
    );
    let theirs = world.sync("theirs", "r0").await.expect("theirs");
    let script = format!("echo o >ours && git add . && git commit -qm ours && git merge -q --no-edit {theirs}");
    let (order, change) = taken(&world, "r1", &script).await;
    let intake = world.state().join("intake/r1.git");
    let parents = sh(&intake, &format!("git log -1 --format=%P {}", change.head));
    let parents: Vec<&str> = parents.split(' ').collect();
    assert_eq!(parents[1], theirs.as_str(), "a commit that the forge has stays as it is");
    assert_eq!(sh(&intake, &format!("git log -1 --format='%an %P' {}", parents[0])), format!("Forge Hand {}", order.base));
    assert_eq!(change.commits, 3);
}

#[tokio::test]
async fn what_would_be_published_is_told_from_every_commit_and_message() {
    let world = World::new().await;
    let script = "echo TOKEN-ONE >>src/a.txt && git commit -qam 'MESSAGE-SECRET' && sed -i /TOKEN/d src/a.txt && git commit -qam gone \
        && printf 'B\\0I\\0N\\0' >bin && git add . && git commit -qm bin";
    let (order, change) = taken(&world, "r1", script).await;
    assert!(!change.files.iter().any(|file| file.path == "src/a.txt"), "the sum shows nothing of it");
    let added = world.git.added(&order.run, &order.base, &change.head).await.expect("reads");
    let text = |path: &str| added.iter().find(|(found, _)| found == path).map(|(_, text)| text.as_str()).unwrap_or_default();
    assert_eq!(text("src/a.txt"), "TOKEN-ONE\n", "and nothing that was there before");
    assert_eq!(text("bin"), "BIN\n");
    assert!(text("(commit messages)").contains("MESSAGE-SECRET"));
}

#[tokio::test]
async fn a_verification_gets_a_clone_that_stands_alone() {
    let world = World::new().await;
    let (order, change) = taken(&world, "r1", "echo 4 >>src/a.txt && git commit -qam One").await;
    let dest = world.dir.path().join("verify");
    world.git.checkout(&world.repo, &order.run, &change.head, &dest).await.expect("checks out");
    assert_eq!(sh(&dest, "git rev-parse HEAD && git status --porcelain && sh ./test.sh"), format!("{}\nok", change.head));
    assert!(!dest.join(".git/objects/info/alternates").exists());
    assert_eq!(sh(&dest, "git symbolic-ref -q HEAD || echo detached; git remote; git fsck --strict 2>&1"), "detached");
    let again = world.git.checkout(&world.repo, &order.run, &change.head, &dest).await.expect_err("not empty");
    assert!(again.why.contains("not empty"), "{again}");
    let other = world.git.checkout(&world.repo, &order.run, &sha(&"1".repeat(40)), &world.dir.path().join("v2")).await;
    assert!(other.is_err(), "a commit that was not judged");
}

#[tokio::test]
async fn the_files_of_a_kept_branch_are_laid_over_a_commit() {
    let world = World::new().await;
    let (git, repo) = (&world.git, &world.repo);
    let script = "echo new >t.txt && echo 4 >>src/a.txt && git add -A && git commit -qm Show";
    let (order, change) = taken(&world, "r1", script).await;
    let branch = Branch::from("claude/issue-7-reproduce");
    let pushed = git.push(repo, &order.run, &change.head, &branch, &Lease::Absent).await.expect("pushes");
    assert_eq!(pushed, PushAnswer::Pushed);
    git.sync(repo, std::slice::from_ref(&branch), &"r1".into()).await.expect("syncs");
    let kept = Kept {
        name: "reproduction".into(),
        issue: IssueNumber(7),
        formula: "reproduce".into(),
        branch,
        sha: change.head.clone(),
        base: order.base.clone(),
        commands: Vec::new(),
    };
    let looked = |run: &'static str, sha: Sha, folder: &'static str| {
        let dest = world.dir.path().join(folder);
        async move {
            git.checkout(repo, &run.into(), &sha, &dest).await.expect("checks out");
            dest
        }
    };

    // On the base, for a run that took nothing over: with nothing laid over it, it is the base itself.
    let plain = git.lay_over(repo, &"r2".into(), &order.base, None).await.expect("the base");
    assert_eq!(plain, order.base);
    assert!(!looked("r2", plain, "plain").await.join("t.txt").exists());
    let laid = git.lay_over(repo, &"r2".into(), &order.base, Some(&kept)).await.expect("laid over");
    assert_eq!(git.lay_over(repo, &"r2".into(), &order.base, Some(&kept)).await.expect("again"), laid, "the same each time");
    let at = looked("r2", laid, "laid").await;
    assert_eq!(sh(&at, "cat t.txt; tail -n 1 src/a.txt"), "new\n4");

    // On what an agent made that changed the same lines: what was kept stands as it was kept, the rest as it is there.
    let (fix, fixed) = taken(&world, "r3", "echo 5 >>src/a.txt && echo more >m.txt && git add -A && git commit -qm Fix").await;
    let laid = git.lay_over(repo, &fix.run, &fixed.head, Some(&kept)).await.expect("laid over a conflict");
    let at = looked("r3", laid, "conflict").await;
    assert_eq!(sh(&at, "cat t.txt m.txt; tail -n 1 src/a.txt"), "new\nmore\n4");

    let gone = Kept { sha: sha(&"1".repeat(40)), ..kept };
    let error = git.lay_over(repo, &fix.run, &fixed.head, Some(&gone)).await.expect_err("not there");
    assert!(error.why.contains("claude/issue-7-reproduce is not there any more"), "{error}");
}

#[tokio::test]
async fn what_was_taken_over_before_can_still_be_begun_from() {
    let world = World::new().await;
    let (order, first) = taken(&world, "r1", "echo 4 >>src/a.txt && git commit -qam First").await;
    let paths = world.workspaces().paths(&order.repo, &order.run).expect("paths");
    // History is written anew, so that none of the later commits has the first one behind it.
    let mut heads = vec![first.head];
    for line in ["5", "6"] {
        let bundle = format!("git bundle create -q {} {}..{}", order.bundle.display(), order.base, order.branch);
        sh(
            &paths.tree,
            &format!("git reset -q --hard {} && echo {line} >>src/a.txt && git commit -qam More && {bundle}", order.base),
        );
        heads
            .push(world.git.take(&TakeOrder { sets_aside: true, ..order.clone() }).await.expect("takes").expect("accepted").head);
    }
    sh(&paths.tree, "echo half >>src/a.txt");
    let author = "Forge <forge@example.org>".to_owned();
    let TakeOrder { repo, run, base, branch, .. } = order;
    let workspace = WorkspaceOrder { repo, run, base: base.clone(), branch, author };
    let (workspaces, step) = (world.workspaces(), "look".into());
    let shown = "tail -n 1 src/a.txt; git rev-parse HEAD; git symbolic-ref HEAD; git status --porcelain";
    for (at, line) in heads.iter().zip(["4", "5", "6"]).chain([(&base, "3")]) {
        let made = workspaces.prepare_apart(&workspace, &step, at).await.expect("prepares");
        assert_eq!(sh(&made.tree, shown), format!("{line}\n{at}\nrefs/heads/{}", workspace.branch));
        // What whoever was cut there left is there for who goes on.
        sh(&made.tree, "echo note >note; touch .git/index.lock");
        assert_eq!(workspaces.prepare_apart(&workspace, &step, at).await.expect("it is there"), made);
        assert_eq!(sh(&made.tree, "cat note; test ! -e .git/index.lock"), "note");
    }
    assert_eq!(sh(&paths.tree, "tail -n 1 src/a.txt"), "half", "the run's own is as it was");
    let stands = format!("git cat-file -e {} 2>/dev/null || echo gone", heads[0]);
    assert_eq!(sh(&world.state().join("intake/r1.git"), &stands), "gone", "it is not where pushes come from");
    world.git.forget(&workspace.repo, &workspace.run).await.expect("forgets");
    assert_eq!(sh(&world.state(), "ls intake"), "", "what was set aside goes with the run");
}

#[tokio::test]
async fn a_push_needs_its_lease() {
    let world = World::new().await;
    let (order, change) = taken(&world, "r1", "echo 4 >>src/a.txt && git commit -qam One").await;
    let (git, repo) = (&world.git, &world.repo);
    let push = async |head: &Sha, lease: &Lease| git.push(repo, &order.run, head, &order.branch, lease).await;
    let not_there = push(&change.head, &Lease::At(order.base.clone())).await.expect("answers");
    assert_eq!(not_there, PushAnswer::Stale { tip: None });
    assert!(push(&order.base, &Lease::Absent).await.is_err(), "only the judged head is pushed");
    assert_eq!(push(&change.head, &Lease::Absent).await.expect("answers"), PushAnswer::Pushed);
    assert_eq!(push(&change.head, &Lease::Absent).await.expect("answers"), PushAnswer::Pushed, "it already is there");
    assert_eq!(git.remote_tip(repo, &order.branch).await.expect("asks"), Some(change.head.clone()));

    // A person goes on on the branch: their commit is never forced over.
    sh(
        &world.person(),
        "git fetch -q origin && git checkout -q claude/issue-7 && git commit -q --allow-empty -m mine && git push -q origin HEAD",
    );
    let tip = sha(&sh(&world.person(), "git rev-parse HEAD"));
    for lease in [Lease::Absent, Lease::At(change.head.clone())] {
        assert_eq!(push(&change.head, &lease).await.expect("answers"), PushAnswer::Stale { tip: Some(tip.clone()) });
    }
    // Told to, it goes back.
    assert_eq!(push(&change.head, &Lease::At(tip)).await.expect("answers"), PushAnswer::Pushed);
}

#[tokio::test]
async fn a_hook_that_refuses_is_heard() {
    let world = World::new().await;
    let (order, change) = taken(&world, "r1", "echo 4 >>src/a.txt && git commit -qam One").await;
    sh(
        &world.bare(),
        "mkdir -p hooks && printf '#!/bin/sh\\necho not on a Friday >&2\\nexit 1\\n' >hooks/pre-receive && chmod +x hooks/pre-receive",
    );
    let error = world.git.push(&world.repo, &order.run, &change.head, &order.branch, &Lease::Absent).await.expect_err("refused");
    assert_eq!(error.kind, RepoErrorKind::Denied);
    assert!(error.why.contains("not on a Friday"), "{error}");
    let claimed = world.git.claim(&world.repo, ISSUE, &claim("us", "1", 0, 1, None)).await.expect_err("refused");
    assert_eq!(claimed.kind, RepoErrorKind::Denied);
}

#[tokio::test]
async fn troubles_are_told_apart_and_never_tell_the_token() {
    let world = World::new().await;
    let tip = async || world.git.remote_tip(&world.repo, &"main".into()).await.expect_err("trouble");
    for (status, kind) in [
        (401, RepoErrorKind::Denied),
        (403, RepoErrorKind::Denied),
        (404, RepoErrorKind::Denied),
        (429, RepoErrorKind::Unreachable),
        (500, RepoErrorKind::Unreachable),
        (502, RepoErrorKind::Unreachable),
        (503, RepoErrorKind::Unreachable),
    ] {
        world.door.behave(Manner::Status(status));
        let error = tip().await;
        assert_eq!(error.kind, kind, "{status}: {error}");
        let passes = [(429, "asks for fewer requests"), (502, "is away behind its proxy"), (503, "is away behind its proxy")];
        for (_, words) in passes.iter().filter(|(passing, _)| *passing == status) {
            assert!(error.why.contains(words), "{status}: {error}");
        }
    }
    let elsewhere = World::new().await;
    world
        .door
        .behave(Manner::Moved(format!("http://127.0.0.1:{}/sub/o/r.git/info/refs?service=git-upload-pack", elsewhere.port)));
    let moved = tip().await;
    assert_eq!(moved.kind, RepoErrorKind::Denied);
    assert!(moved.why.contains("renamed or moved"), "{moved}");
    assert_eq!(elsewhere.door.hits.load(Ordering::SeqCst), 0, "no redirect is followed");

    world.door.behave(Manner::Serve);
    let wrong = git_for(&world.dir.path().join("wrong"), world.port, "sesame-sesame", Limits::default());
    let error = wrong.sync(&world.repo, &["main".into()], &RunId::from("r1")).await.expect_err("trouble");
    assert_eq!(error.kind, RepoErrorKind::Denied);
    assert!(!format!("{error:?} {wrong:?}").contains("sesame"), "{error:?}");

    let closed = { std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port() };
    let nobody = git_for(&world.dir.path().join("nobody"), closed, TOKEN, Limits::default());
    let error = nobody.remote_tip(&world.repo, &"main".into()).await.expect_err("trouble");
    assert_eq!(error.kind, RepoErrorKind::Unreachable, "{error}");
}

/// Command lines of all processes that mention a text.
fn command_lines(part: &str) -> Vec<String> {
    let read = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let lines = std::fs::read_dir("/proc").expect("procfs").flatten().filter_map(read);
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(part)).collect()
}

#[tokio::test]
async fn the_token_is_in_no_process_list_and_a_dropped_call_leaves_no_process() {
    let world = World::new().await;
    world.door.behave(Manner::Hang);
    let mark = format!("127.0.0.1:{}/", world.port);
    {
        let branch = Branch::from("main");
        let call = world.git.remote_tip(&world.repo, &branch);
        tokio::pin!(call);
        tokio::select! {
            biased;
            answer = &mut call => panic!("the door hangs: {answer:?}"),
            () = world.door.knocked.notified() => {}
        }
        let running = command_lines(&mark);
        assert!(running.len() >= 2, "git and its helper run: {running:?}");
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("bot:{TOKEN}"));
        assert!(running.iter().all(|line| !line.contains(TOKEN) && !line.contains(&basic)), "{running:?}");
    }
    let gone = async {
        while !command_lines(&mark).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("nothing is left running");
}

#[tokio::test]
async fn a_run_that_cannot_name_a_folder_is_refused() {
    let world = World::new().await;
    for run in ["", "..", "a/b", "../../etc", ".hidden", "x.lock", "a~b", "a b"] {
        assert!(world.git.sync(&world.repo, &["main".into()], &RunId::from(run)).await.is_err(), "{run:?}");
        assert!(world.workspaces().paths(&world.repo, &RunId::from(run)).is_err(), "{run:?}");
    }
}

fn keep(path: &str, content: &str, read: Option<&Sha>, asked_by: Option<&str>) -> KeepOrder {
    KeepOrder {
        base: "main".into(),
        asked_by: asked_by.map(Branch::from),
        read: read.cloned(),
        files: [(path.to_owned(), content.to_owned())].into(),
        message: "Keep it".into(),
        author: AUTHOR.into(),
        at: Timestamp(1_790_000_000_000),
    }
}

fn written(answer: KeepAnswer) -> Sha {
    match answer {
        KeepAnswer::Written(sha) => sha,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_kept_on_top_of_what_was_read_and_nobodys_words_are_lost() {
    let world = World::new().await;
    let read = sha(&sh(&world.person(), "git rev-parse main"));
    let shows = |path: &str| sh(&world.person(), &format!("git fetch -q && git show origin/main:{path}"));
    let first = written(world.git.keep(&world.repo, &keep("notes/a.md", "1\n", None, None)).await.expect("keeps"));
    assert_eq!(shows("notes/a.md"), "1");
    let tip = sh(&world.person(), "git fetch -q && git log -1 --format='%H %an %s' origin/main");
    assert_eq!(tip, format!("{first} {} Keep it", AUTHOR.split(" <").next().expect("a name")));
    // Done again, as after a crash.
    assert_eq!(world.git.keep(&world.repo, &keep("notes/a.md", "1\n", None, None)).await.expect("keeps"), KeepAnswer::Same);

    // A person changed the end of a file whose beginning is written, and added another one.
    sh(
        &world.person(),
        "git checkout -q main && git pull -q && sed -i '$s/.*/mine/' src/a.txt && echo x >other && git add . && git commit -qm person && git push -q origin main",
    );
    let ours = sh(&world.person(), "git show origin/main~1:src/a.txt | sed '1s/.*/ours/'");
    let both = keep("src/a.txt", &format!("{ours}\n"), Some(&read), None);
    written(world.git.keep(&world.repo, &both).await.expect("keeps"));
    let merged = shows("src/a.txt");
    assert!(merged.starts_with("ours\n") && merged.ends_with("mine"), "{merged}");
    assert_eq!(shows("other"), "x");

    // And the very line that is written.
    let against = keep("src/a.txt", "1\n2\nnot this\n", Some(&read), None);
    assert_eq!(world.git.keep(&world.repo, &against).await.expect("answers"), KeepAnswer::Conflict);
    assert_eq!(shows("src/a.txt"), merged, "nothing was written over");
    let nowhere = KeepOrder { base: "nowhere".into(), ..keep("a", "1", None, None) };
    assert_eq!(world.git.keep(&world.repo, &nowhere).await.expect("answers"), KeepAnswer::NoBranch);
}

#[tokio::test]
async fn a_file_that_is_asked_for_stands_on_a_branch_of_its_own_once() {
    let world = World::new().await;
    let before = sh(&world.person(), "git rev-parse main");
    let order = keep("notes/a.md", "1\n", None, Some("forgehand/ask"));
    let first = written(world.git.keep(&world.repo, &order).await.expect("keeps"));
    let again = written(world.git.keep(&world.repo, &order).await.expect("keeps"));
    assert_eq!(first, again, "what stands there is taken as it is");
    let main = sh(&world.person(), "git fetch -q && git rev-parse origin/main");
    assert_eq!(main, before, "only a person brings it there");
    let content = sh(&world.person(), "git show origin/forgehand/ask:notes/a.md");
    assert_eq!(content, "1");
    // Only the branch that asks for it changes it, whatever came to main since.
    sh(&world.person(), "git checkout -q main && echo x >other && git add . && git commit -qm person && git push -q origin main");
    let tips = world.git.sync(&world.repo, &["main".into(), "forgehand/ask".into()], &"r1".into()).await.expect("syncs");
    let [Some(main), Some(ask)] = &tips.0[..] else { panic!("{tips:?}") };
    for (path, touched) in [("notes/a.md", true), ("other", false), ("notes/*.md", false)] {
        assert_eq!(world.git.touched(&world.repo, main, ask, path).await.expect("answers"), touched, "{path}");
    }
}

#[tokio::test]
async fn the_newest_tag_is_of_a_version_and_of_no_pre_release() {
    let world = World::new().await;
    let person =
        |script: &str| sh(&world.person(), &format!("git checkout -q main && {script} && git push -q --tags origin main"));
    let last = async || {
        let tips = world.git.sync(&world.repo, &["main".into()], &"r1".into()).await.expect("syncs");
        world.git.last_tag(&world.repo, tips.0[0].as_ref().expect("main")).await.expect("answers")
    };
    let before = sh(&world.person(), "git rev-list --count main").parse().expect("a number");
    assert_eq!(last().await, LastTag { name: String::new(), commit: None, commits: before });
    let first = sha(&person("git tag app-1.9.0 && git rev-parse main"));
    assert_eq!(last().await, LastTag { name: "app-1.9.0".into(), commit: Some(first), commits: 0 });
    person("git commit -q --allow-empty -m a && git tag -am x v1.10.0");
    let tagged = sha(&sh(&world.person(), "git rev-parse main"));
    // What names no version, what is not released yet, and what is not behind it.
    person("git commit -q --allow-empty -m b && git tag nightly-g1 && git tag v2.0.0-rc.1 && git commit -q --allow-empty -m c");
    person("git checkout -q -b old && git commit -q --allow-empty -m d && git tag v3.0.0 && git checkout -q main");
    assert_eq!(last().await, LastTag { name: "v1.10.0".into(), commit: Some(tagged), commits: 2 });
}

#[tokio::test]
async fn a_branch_is_deleted_where_it_stands_at_the_commit_and_nowhere_else() {
    let world = World::new().await;
    let branch: Branch = "claude/issue-9".into();
    sh(&world.person(), "git push -q origin main:claude/issue-9");
    let there = sha(&sh(&world.person(), "git rev-parse main"));
    let elsewhere: Sha = "1".repeat(40).parse().expect("a name");
    assert!(!world.git.delete_branch(&world.repo, &branch, &elsewhere).await.expect("answers"));
    assert_eq!(world.git.remote_tip(&world.repo, &branch).await.expect("it"), Some(there.clone()));
    assert!(world.git.delete_branch(&world.repo, &branch, &there).await.expect("answers"));
    assert_eq!(world.git.remote_tip(&world.repo, &branch).await.expect("it"), None);
    assert!(world.git.delete_branch(&world.repo, &branch, &there).await.expect("answers"), "gone is gone");
    sh(&world.bare(), "mkdir -p hooks && printf '#!/bin/sh\\nexit 1\\n' >hooks/pre-receive && chmod +x hooks/pre-receive");
    let error = world.git.delete_branch(&world.repo, &"main".into(), &there).await.expect_err("refused");
    assert_eq!(error.kind, RepoErrorKind::Denied);
}
