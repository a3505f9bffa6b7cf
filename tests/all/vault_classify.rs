//! `forgehand vault classify --git DIR BASE..HEAD`, the built program on real repositories: each trick that would lower a tier, and what a
//! repository's own configuration would have run.
#![expect(clippy::disallowed_methods, reason = "the program itself is tested, on repositories that git makes")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A repository with a first commit, tagged `base`.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let made = Self(tempfile::tempdir().expect("a folder"));
        made.sh(
            "git init -q -b main && mkdir -p src tests docs web && printf '%s\\n' 1 2 3 4 5 6 7 8 9 10 >src/a.rs && cp src/a.rs tests/a.rs
             echo text >README.md && echo more >docs/guide.md && echo 'echo hi' >run.sh
             echo '{\"scripts\":{\"test\":\"node t.js\"},\"dependencies\":{\"a\":\"1.0.0\"}}' >web/package.json
             echo ci >.woodpecker.yml && echo me >CLAUDE.md && git add -A && git commit -qm base && git tag base",
        );
        made
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn sh(&self, script: &str) -> String {
        let out = clean(Command::new("sh").args(["-ec", script]), self.path()).output().expect("sh");
        assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// The answer to a change made by a script on top of the base.
    fn after(&self, script: &str) -> Value {
        self.sh(&format!("git checkout -q -f -B work base && git clean -qffd\n{script}\ngit add -A && git commit -qm work"));
        self.asked(&["base..work"])
    }

    fn asked(&self, more: &[&str]) -> Value {
        let out = self.classify(&[&["--json"], more].concat());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON and nothing else")
    }

    fn classify(&self, more: &[&str]) -> Output {
        let dir = self.path().to_str().expect("UTF-8");
        classify(self.path(), &[&["--git", dir], more].concat())
    }
}

/// With nothing of our own environment or configuration.
fn clean<'c>(command: &'c mut Command, dir: &Path) -> &'c mut Command {
    let names = ["AUTHOR", "COMMITTER"];
    for name in names {
        command.env(format!("GIT_{name}_NAME"), "A").env(format!("GIT_{name}_EMAIL"), "a@example.test");
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", dir)
        .env("XDG_CONFIG_HOME", dir)
        .current_dir(dir)
}

fn classify(dir: &Path, args: &[&str]) -> Output {
    clean(Command::new(env!("CARGO_BIN_EXE_forgehand")).args(["vault", "classify"]).args(args), dir)
        .output()
        .expect("the program")
}

fn tier(answer: &Value) -> &str {
    answer["tier"].as_str().expect("a tier")
}

/// Whether a reason of this tier names a path.
fn names(answer: &Value, tier: &str, path: &str) -> bool {
    let reasons = answer["reasons"].as_array().expect("reasons");
    reasons.iter().any(|r| r["tier"] == tier && r["path"] == path)
}

#[test]
fn a_change_has_the_tier_that_its_diff_says() {
    let repository = Repository::new();
    let cases = [
        ("echo 1 >>README.md && echo 2 >>docs/guide.md && seq 300 >docs/new.txt", "low", "README.md"),
        ("echo 11 >>src/a.rs && echo 11 >>tests/a.rs", "low", ""),
        ("seq 30 >>src/a.rs", "medium", ""),
        ("for n in b c d; do echo 1 >src/$n.rs; done", "medium", ""),
        ("seq 1200 >docs/new.txt", "high", ""),
        ("git rm -q tests/a.rs", "medium", "tests/a.rs"),
        ("git mv tests/a.rs tests/a.rs.off", "medium", "tests/a.rs"),
        ("git mv docs/guide.md docs/manual.md", "low", "docs/guide.md"),
        ("printf 'a\\0b' >pic.png", "medium", "pic.png"),
        // One line that is a program, put in, changed, or come with a rename; documentation is written in paragraphs.
        ("seq -s ';' 400 >src/min.js", "medium", "src/min.js"),
        ("{ cat src/a.rs; seq -s ';' 400; } >src/b.rs && git rm -q src/a.rs && cp src/b.rs src/a.rs", "medium", "src/a.rs"),
        ("seq -s ' ' 400 >>docs/guide.md", "low", "docs/guide.md"),
        ("seq -s ';' 200 >src/min.js", "low", ""),
        ("mkdir -p deploy && echo x >deploy/x.py", "medium", "deploy/x.py"),
        ("echo x >main.tf", "medium", "main.tf"),
        ("mkdir -p deploy/.github && echo x >deploy/.github/x.yml", "high", "deploy/.github/x.yml"),
        ("mkdir -p src/deploy && echo x >src/deploy/x.py", "low", ""),
        ("echo x >.sops.yaml", "high", ".sops.yaml"),
        ("git mv .woodpecker.yml docs/old.txt", "high", ".woodpecker.yml"),
        ("git mv docs/guide.md .woodpecker.yaml", "high", ".woodpecker.yaml"),
        ("mkdir -p .GitHub/workflows && echo x >.GitHub/workflows/x.yml", "high", ".GitHub/workflows/x.yml"),
        ("git mv CLAUDE.md Claude.MD", "high", "Claude.MD"),
        ("echo x >ＡＧＥＮＴＳ.md", "high", "ＡＧＥＮＴＳ.md"),
        ("chmod +x run.sh", "high", "run.sh"),
        ("printf '#!/bin/sh\\n' >new.sh && chmod +x new.sh", "medium", "new.sh"),
        ("rm README.md && ln -s CLAUDE.md README.md", "high", "README.md"),
        ("ln -s /etc/passwd docs/a.md", "high", "docs/a.md"),
        (
            "git update-index --add --cacheinfo 160000,$(git rev-parse base),lib && mkdir lib && git init -q lib && (cd lib && git commit -q --allow-empty -m x)",
            "high",
            "lib",
        ),
        (
            "echo '{\"scripts\":{\"test\":\"node t.js\"},\"dependencies\":{\"a\":\"1.0.1\"}}' >web/package.json",
            "medium",
            "web/package.json",
        ),
        (
            "echo '{\"scripts\":{\"test\":\"node t.js\",\"postinstall\":\"sh x\"},\"dependencies\":{\"a\":\"1.0.0\"}}' >web/package.json",
            "high",
            "web/package.json",
        ),
        ("echo x >'a\"b.md' && echo x >'dokument-ä.md' && echo x >\"it's.md\"", "low", "dokument-ä.md"),
        ("mkdir 'ä \"q\"' && echo x >'ä \"q\"/CLAUDE.md'", "high", "ä \"q\"/CLAUDE.md"),
        ("echo x >\"$(printf 'a\\tb.md')\"", "high", "a\tb.md"),
        ("echo x >\"$(printf 'a\\nb.md')\"", "high", "a\nb.md"),
        ("echo x >:colon.md && echo x >' 1 2.md'", "low", " 1 2.md"),
    ];
    for (script, wanted, path) in cases {
        let answer = repository.after(script);
        assert_eq!(tier(&answer), wanted, "{script}\n{answer:#}");
        assert!(path.is_empty() || names(&answer, wanted, path), "{script}: no reason of {wanted} for {path}\n{answer:#}");
        let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&answer), ["reasons", "tier"]);
        for reason in answer["reasons"].as_array().expect("reasons") {
            assert_eq!(keys(reason), ["path", "source", "tier", "why"]);
        }
    }
}

#[test]
fn the_range_is_what_the_head_changed_since_it_left_the_base() {
    let repository = Repository::new();
    repository.after("echo 1 >>README.md");
    repository.sh("git checkout -q main && echo x >.gitattributes && git add -A && git commit -qm elsewhere");
    assert_eq!(tier(&repository.asked(&["main..work"])), "low", "what the base got meanwhile is not the change");
    assert_eq!(tier(&repository.asked(&["main...work"])), "low");
    assert_eq!(tier(&repository.asked(&["base..main"])), "high");
    repository.sh("git checkout -q work");
    assert_eq!(tier(&repository.asked(&["main.."])), "low", "the head is HEAD where it is left out");
    let answer = repository.asked(&["work..work"]);
    assert_eq!((tier(&answer), answer["reasons"][0]["why"].as_str()), ("low", Some("nothing changes")));
    repository.sh("git worktree add -q ../worktree-of-$(basename $PWD) main && mkdir -p deep/er");
    let name = format!("worktree-of-{}", repository.path().file_name().expect("a name").to_string_lossy());
    let worktree = repository.path().with_file_name(name);
    let bare = repository.path().join("bare.git");
    repository.sh("git clone -q --bare . bare.git");
    for dir in [&worktree, &bare, &repository.path().join("deep/er")] {
        let out = classify(repository.path(), &["--git", dir.to_str().expect("UTF-8"), "base..main"]);
        assert!(String::from_utf8_lossy(&out.stdout).starts_with("high\n"), "{}", String::from_utf8_lossy(&out.stderr));
    }
    std::fs::remove_dir_all(worktree).expect("removes");
}

#[test]
fn nothing_of_the_repository_is_run_and_nothing_is_written() {
    let repository = Repository::new();
    repository.after("echo 1 >>README.md && echo 1 >>src/a.rs");
    let trap = repository.path().join("trapped");
    // Each of these is run by git where it is asked in another way.
    repository.sh(&format!(
        "printf '#!/bin/sh\\ntouch {0}\\ncat \"$1\"\\n' >../trap-$(basename $PWD) && T=$(realpath ../trap-$(basename $PWD)) && chmod +x $T
         for key in diff.external diff.trap.textconv diff.trap.command filter.trap.clean filter.trap.smudge core.fsmonitor core.pager core.sshCommand \
             core.gitProxy core.editor credential.helper; do git config $key $T; done
         mkdir -p .git/hooks && for hook in post-checkout pre-commit reference-transaction post-index-change; do cp $T .git/hooks/$hook; done
         mkdir -p .git/info && echo '* diff=trap filter=trap' >.git/info/attributes
         git config alias.rev-parse \"!$T\" && git config remote.origin.url \"ext::$T\" && git config remote.origin.promisor true
         git config protocol.allow always && git config protocol.ext.allow always && git config extensions.partialClone origin",
        trap.display()
    ));
    let state = || repository.sh("find . -path ./trapped -prune -o -type f -printf '%p %T@ %s\\n' | sort");
    let before = state();
    assert_eq!(tier(&repository.asked(&["base..work"])), "low");
    // A commit that is not there would be fetched by whoever the partial clone names.
    let out = repository.classify(&["base..0123456789abcdef0123456789abcdef01234567"]);
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
    // As would a file that is not there.
    let blob = repository.sh("git rev-parse work:src/a.rs");
    let object = repository.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    let kept = std::fs::read(&object).expect("a loose object");
    std::fs::remove_file(&object).expect("removes");
    let out = repository.classify(&["base..work"]);
    assert_eq!(out.status.code(), Some(4), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!trap.exists(), "a program of the repository was run");
    std::fs::write(&object, kept).expect("writes");
    let names = |text: &str| text.lines().filter(|line| !line.contains(&blob[2..])).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&state()), "something was written");
    // The trap would spring.
    repository.sh("git -c core.fsmonitor=false diff base work -- src/a.rs >/dev/null 2>&1 || true");
    assert!(trap.exists(), "the trap is none");
    std::fs::remove_file(
        repository.path().with_file_name(format!("trap-{}", repository.path().file_name().expect("a name").to_string_lossy())),
    )
    .expect("removes");
}

#[test]
fn a_policy_of_ones_own_is_laid_over_the_shipped_one() {
    let repository = Repository::new();
    let policy = repository.path().join("p.toml");
    std::fs::write(&policy, "[paths]\n\".woodpecker.*\" = \"medium\"\n\"/src\" = \"high\"\n").expect("writes");
    let file = policy.to_str().expect("UTF-8");
    repository.sh("echo p.toml >>.git/info/exclude");
    assert_eq!(tier(&repository.after("echo x >>.woodpecker.yml")), "high");
    assert_eq!(tier(&repository.asked(&["base..work", "--policy", file])), "medium");
    repository.after("echo x >>src/a.rs");
    let answer = repository.asked(&["base..work", "--policy", file]);
    assert!(names(&answer, "high", "src/a.rs"), "{answer:#}");
    assert!(answer["reasons"][0]["why"].as_str().is_some_and(|why| why.contains("`/src` is high in [paths] of ")), "{answer:#}");

    std::fs::write(&policy, "[paths]\n\"*.rs\" = \"lo\"\n").expect("writes");
    let out = repository.classify(&["base..work", "--policy", file]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.contains("p.toml:2:10") && said.contains("`*.rs` cannot be \"lo\""), "{said}");
}

#[test]
fn what_cannot_be_looked_at_is_said_and_has_its_exit_code() {
    let repository = Repository::new();
    let empty = tempfile::tempdir().expect("a folder");
    let (dir, none) = (repository.path().to_str().expect("UTF-8"), empty.path().to_str().expect("UTF-8"));
    repository.sh("git checkout -q --orphan other && git commit -qm other && git tag other && git checkout -q -f main");
    let cases: [(&[&str], &str); 9] = [
        (&["--git", dir, "base"], "is no range of commits"),
        (&["--git", dir, "base..nowhere"], "`nowhere` names no commit"),
        (&["--git", dir, "base..--all"], "`--all` names no commit"),
        (&["--git", dir, "base..main:README.md"], "names no commit"),
        (&["--git", dir, "base..other"], "share no history"),
        (&["--git", none, "base..main"], "is no repository that git can read"),
        (&["--git", "/nowhere/at/all", "base..main"], "is no repository that git can read"),
        (&["base..main"], "--git DIR"),
        (&["7"], "there is no configuration"),
    ];
    for (args, words) in cases {
        let out = classify(empty.path(), args);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words) && said.contains("hint:") && out.stdout.is_empty(), "{args:?}: {said}");
    }
}

#[test]
fn people_see_no_control_character_of_a_path() {
    let repository = Repository::new();
    repository.after("echo x >\"$(printf 'a\\033[2Jb.md')\"");
    let out = repository.classify(&["base..work"]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.starts_with("high\n") && text.contains("a\\u{1b}[2Jb.md") && !text.contains('\u{1b}'), "{text:?}");
}
