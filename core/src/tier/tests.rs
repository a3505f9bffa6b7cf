//! The classifier by tables: the shipped policy, one's own over it, and what would lower a tier.

use super::*;
use crate::model::{MergeStyle, OnVault, Sha};

fn file(path: &str, lines: u64) -> ChangedFile {
    ChangedFile { path: path.to_owned(), from: None, added: lines, removed: 0, marks: [].into() }
}

fn marked(path: &str, mark: FileMark) -> ChangedFile {
    ChangedFile { marks: [mark].into(), ..file(path, 1) }
}

fn renamed(from: &str, path: &str) -> ChangedFile {
    ChangedFile { from: Some(from.to_owned()), ..file(path, 0) }
}

fn change(files: Vec<ChangedFile>) -> Change {
    let sha: Sha = "0123456789abcdef0123456789abcdef01234567".parse().expect("a sha");
    let added = files.iter().map(|f| f.added).sum();
    Change { head: sha.clone(), base: sha, commits: 1, files, added, removed: 0, person_paths: vec![], verify_paths: vec![] }
}

fn merge(files: Vec<ChangedFile>) -> Tier {
    of_change(Policy::shipped(), &change(files), Opinions::default())
}

fn tier(files: Vec<ChangedFile>) -> Risk {
    merge(files).tier
}

#[track_caller]
fn all_are(wanted: Risk, paths: &[&str]) {
    for path in paths {
        let found = merge(vec![file(path, 1)]);
        assert_eq!(found.tier, wanted, "{path}: {:?}", found.reasons);
    }
}

#[test]
fn documentation_and_text_are_low_at_any_size_that_is_not_huge() {
    all_are(
        Risk::Low,
        &["README.md", "docs/a/b.rst", "notes.txt", "LICENSE", "sub/CHANGELOG", "docs/makefiles.md", "a/dockerfiles.md"],
    );
    assert_eq!(tier(vec![file("README.md", 500), file("docs/a.md", 400), file("docs/b.md", 1), file("c.txt", 1)]), Risk::Low);
    assert_eq!(tier(vec![file("README.md", 1001)]), Risk::High);
    assert_eq!(tier(vec![file("README.md", 1000)]), Risk::Low);
}

#[test]
fn code_is_medium_unless_it_is_small() {
    assert_eq!(tier(vec![file("src/a.rs", 20)]), Risk::Low);
    assert_eq!(tier(vec![file("src/a.rs", 21)]), Risk::Medium);
    assert_eq!(tier(vec![file("src/a.rs", 10), file("tests/a.rs", 10)]), Risk::Low);
    assert_eq!(tier(vec![file("src/a.rs", 1), file("src/b.rs", 1), file("src/c.rs", 1)]), Risk::Medium);
    assert_eq!(tier(vec![file("src/a.rs", 10), file("src/b.rs", 10), file("README.md", 300)]), Risk::Low, "text does not count");
    assert_eq!(tier(vec![file("src/a.rs", 1000)]), Risk::Medium);
    assert_eq!(tier(vec![file("src/a.rs", 600), file("src/b.rs", 401)]), Risk::High);
    assert_eq!(tier(vec![]), Risk::Low);
    all_are(
        Risk::Low,
        &[
            "src/workspace/mod.rs",
            "src/build/mod.rs",
            "src/install/x.rs",
            "a.sql",
            "src/deploy/x.py",
            "src/infra/mod.rs",
            "no-ending",
        ],
    );
}

#[test]
fn some_is_medium_at_any_size() {
    all_are(
        Risk::Medium,
        &[
            "requirements.txt",
            "sub/requirements-dev.txt",
            "go.mod",
            "Gemfile",
            "pom.xml",
            "a.csproj",
            "vendor/x/y.md",
            "setup.cfg",
            "deploy/x.py",
            "ops/main.tf",
            "k8s/app.yaml",
            "sub/fly.toml",
            "etc/app.service",
        ],
    );
    assert_eq!(tier(vec![marked("src/a.js", FileMark::LongLine)]), Risk::Medium);
    assert_eq!(tier(vec![marked("docs/a.md", FileMark::LongLine)]), Risk::Low, "that is a paragraph");
    for mark in [FileMark::Deleted, FileMark::Binary, FileMark::Executable] {
        assert_eq!(tier(vec![marked("docs/a.md", mark)]), Risk::Medium, "{mark:?}");
        assert_eq!(tier(vec![marked("src/a.rs", mark)]), Risk::Medium, "{mark:?}");
    }
}

#[test]
fn what_steers_is_high() {
    all_are(
        Risk::High,
        &[
            // CI of any forge
            ".github/workflows/x.yml",
            ".forgejo/issue_template/a.md",
            ".gitea/x",
            ".woodpecker.yml",
            ".woodpecker/a.yaml",
            ".gitlab-ci.yml",
            "ci/build.gitlab-ci.yml",
            ".drone.yml",
            "Jenkinsfile",
            "sub/.travis.yml",
            "azure-pipelines.yml",
            ".circleci/config.yml",
            // agents and forge
            "CLAUDE.md",
            "sub/AGENTS.md",
            ".claude/settings.json",
            ".cursorrules",
            ".mcp.json",
            "docs/CODEOWNERS",
            "renovate.json5",
            // build and install scripts
            "build.rs",
            "Makefile",
            "x/Makefile.am",
            "setup.py",
            "CMakeLists.txt",
            "install.sh",
            "build.gradle.kts",
            "flake.nix",
            ".cargo/config.toml",
            ".npmrc",
            // hooks, attributes
            ".husky/pre-commit",
            ".githooks/pre-push",
            ".pre-commit-config.yaml",
            ".gitattributes",
            "sub/.gitattributes",
            ".gitmodules",
            // containers
            "Dockerfile",
            "sub/Dockerfile.prod",
            "app.dockerfile",
            "Containerfile",
            "compose.yaml",
            "docker-compose.override.yml",
            ".devcontainer/devcontainer.json",
            // lock files
            "Cargo.lock",
            "web/package-lock.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "go.sum",
            "bun.lockb",
            "poetry.lock",
            ".terraform.lock.hcl",
            // databases
            "db/migrations/1.sql",
            "alembic/versions/a.py",
            "prisma/schema.prisma",
            "schema.sql",
            "db/schema.rb",
            "sql/V1__init.sql",
            // environment
            ".env",
            ".env.production",
            "prod.env",
            ".envrc",
            // ourselves
            "vault/policy.toml",
            "config/policy.toml",
            "formulas/fix.toml",
            "prompts/fix.md",
            ".forgehand/formulas/fix.toml",
            "forgehand.toml",
        ],
    );
    for mark in [FileMark::Mode, FileMark::Symlink, FileMark::Submodule] {
        let found = merge(vec![marked("README.md", mark)]);
        assert_eq!(found.tier, Risk::High, "{mark:?}");
        assert_eq!(found.reasons[0].source, TierSource::Diff);
    }
}

#[test]
fn no_spelling_of_a_path_lowers_it() {
    all_are(
        Risk::High,
        &[
            ".GitHub/Workflows/x.yml",
            "sub/.Claude/settings.json",
            "CLAUDE.MD",
            "DOCKERFILE",
            "Cargo.LOCK",
            ".gitmodules.",
            ".github",
            ".github /x.yml",
            "ＣＬＡＵＤＥ.md",
            "СLAUDE.md",
            "claude\u{200b}.md",
            ".g\u{131}thub/workflows/x.yml",
            ".github\\workflows\\x.yml",
            "CLAUDE.md::$DATA",
            "docker\u{fb01}le",
            "do\u{301}cs/\u{202e}dm.exe",
            "README\n.md",
            "a\tb.md",
            "a\u{1b}[2J.md",
            "bad\u{fffd}.md",
        ],
    );
    // What a careless file system takes for text is none: on another it is a program.
    for path in ["run.md:x.sh", "README.md.", "a.md\u{3000}", "x.md/run.sh", "README.md\\..\\run.sh"] {
        let found = merge(vec![file(path, 21)]);
        assert_eq!(found.tier, Risk::Medium, "{path:?}: {:?}", found.reasons);
    }
}

#[test]
fn a_rename_counts_on_both_ends() {
    for (from, to) in [
        ("CLAUDE.md", "docs/old.md"),
        ("docs/old.md", "CLAUDE.md"),
        ("a.yml", ".github/workflows/a.yml"),
        ("Cargo.LOCK", "a.txt"),
    ] {
        assert_eq!(tier(vec![renamed(from, to)]), Risk::High, "{from} -> {to}");
    }
    assert_eq!(tier(vec![renamed("docs/a.md", "docs/b.md")]), Risk::Low);
    for (from, to) in [("tests/a.rs", "tests/a.rs.off"), ("tests/a.rs", "docs/a.md"), ("docs/a.md", "src/a.rs")] {
        let found = merge(vec![renamed(from, to)]);
        assert_eq!(found.tier, Risk::Medium, "{from} -> {to}");
        assert!(found.reasons.iter().any(|r| r.path.as_deref() == Some(from)), "{:?}", found.reasons);
    }
}

#[test]
fn a_deleted_test_is_not_low() {
    let found = merge(vec![marked("tests/login.rs", FileMark::Deleted)]);
    assert_eq!((found.tier, found.reasons[0].path.as_deref()), (Risk::Medium, Some("tests/login.rs")));
}

#[test]
fn scripts_of_a_manifest_are_high_and_its_versions_are_not() {
    assert_eq!(tier(vec![marked("package.json", FileMark::SameScripts)]), Risk::Medium);
    let found = merge(vec![file("web/package.json", 1)]);
    assert_eq!((found.tier, found.reasons[0].source), (Risk::High, TierSource::Scripts));
    assert_eq!(tier(vec![renamed("package.json", "a.json")]), Risk::High);
    assert_eq!(tier(vec![marked("Cargo.toml", FileMark::SameScripts)]), Risk::Medium);
    assert_eq!(tier(vec![file("Cargo.toml", 1)]), Risk::High, "could not be compared");
}

#[test]
fn what_a_project_says_raises() {
    let mut touched = change(vec![file("test.sh", 1)]);
    touched.verify_paths = vec!["test.sh".into()];
    let found = of_change(Policy::shipped(), &touched, Opinions::default());
    assert_eq!((found.tier, found.reasons[0].source), (Risk::Medium, TierSource::Verification));
    touched.person_paths = vec!["test.sh".into()];
    let found = of_change(Policy::shipped(), &touched, Opinions::default());
    assert_eq!((found.tier, found.reasons[0].source), (Risk::High, TierSource::PersonPath));
}

#[test]
fn an_opinion_raises_and_never_lowers() {
    let small = change(vec![file("src/a.rs", 1)]);
    let large = change(vec![file("src/a.rs", 100)]);
    let of = |change, agent, request| of_change(Policy::shipped(), change, Opinions { agent, request });
    assert_eq!(of(&small, Some(Risk::Medium), None).tier, Risk::Medium);
    assert_eq!(of(&small, None, Some(Risk::High)).tier, Risk::High);
    for (agent, request, source) in [(Some(Risk::Low), None, TierSource::Agent), (None, Some(Risk::Low), TierSource::Request)] {
        let found = of(&large, agent, request);
        assert_eq!(found.tier, Risk::Medium);
        let note = found.reasons.iter().find(|r| r.source == source).expect("a note");
        assert!(note.why.contains("ignored"), "{note:?}");
        assert!(!found.told(9).iter().any(|r| r.source == source), "what is ignored raises nothing");
    }
}

#[test]
fn an_agents_opinion_is_read_from_what_it_answers() {
    let answers =
        [serde_json::json!({"summary": "s"}), serde_json::json!({"blast_radius": "low"}), serde_json::json!(["blast_radius"])];
    assert_eq!(Risk::said(&answers), Some(Risk::Low));
    assert_eq!(Risk::said(&answers[..1]), None);
    let items = serde_json::json!([{ "blast_radius": "low" }, { "blast_radius": "high" }, {}]);
    assert_eq!(Risk::said([&items, &answers[1]]), Some(Risk::High), "an agent that is asked for each item is heard each time");
    for odd in [serde_json::json!({"blast_radius": "none"}), serde_json::json!({"blast_radius": 1})] {
        assert_eq!(Risk::said([&odd, &answers[1]]), Some(Risk::High), "{odd}");
    }
}

#[test]
fn an_actions_tier_is_the_policys_else_the_formulas_else_high() {
    let policy =
        Policy::parse("vault/policy.toml", "dev = \"low\"\n[tiers]\nrun-gardener = \"low\"\ngroom-backlog = \"medium\"\n")
            .expect("reads");
    let of = |formula, radius, request| of_action(&policy, formula, radius, request);
    let cases = [
        ("fix", Some(Risk::Medium), None, Risk::Low, TierSource::Policy),
        ("dev", None, None, Risk::Low, TierSource::Policy),
        ("dev-agent", None, None, Risk::Low, TierSource::Policy),
        ("run-gardener", None, None, Risk::Low, TierSource::Policy),
        ("groom", None, None, Risk::Medium, TierSource::Policy),
        ("release", Some(Risk::Low), None, Risk::High, TierSource::Policy),
        ("tidy", Some(Risk::Medium), None, Risk::Medium, TierSource::Formula),
        ("tidy", None, None, Risk::High, TierSource::Formula),
        ("", None, None, Risk::High, TierSource::Formula),
        ("fix", None, Some(Risk::High), Risk::High, TierSource::Request),
    ];
    for (formula, radius, request, tier, source) in cases {
        let found = of(formula, radius, request);
        assert_eq!((found.tier, found.reasons[0].source), (tier, source), "{formula} {radius:?} {request:?}");
    }
    let lowered = of("tidy", Some(Risk::High), Some(Risk::Low));
    assert_eq!((lowered.tier, lowered.reasons.len()), (Risk::High, 2));
    assert!(lowered.reasons[1].why.contains("ignored"), "{lowered:?}");
}

#[test]
fn a_policy_that_cannot_be_read_makes_everything_high() {
    let faults = Policy::parse("vault/policy.toml", "[paths]\n\"*.md\" = \"lwo\"\n").expect_err("a mistake");
    assert_eq!(faults.lines(), ["vault/policy.toml:2:10: `*.md` cannot be \"lwo\" (write \"low\" or \"medium\" or \"high\")"]);
    let policy = Policy::shipped().everything_high();
    let found = of_change(&policy, &change(vec![file("README.md", 1)]), Opinions::default());
    assert_eq!((found.tier, found.reasons[0].source), (Risk::High, TierSource::Policy));
    assert_eq!(of_action(&policy, "fix", Some(Risk::Low), None).tier, Risk::High);
    assert_eq!(tier(vec![file("README.md", 1)]), Risk::Low, "the other one is as it was");
}

#[test]
fn an_own_policy_takes_the_place_of_what_it_names_and_of_nothing_else() {
    let text = "[limits.low]\nlines = 5\n[paths]\n\".GitHub/\" = \"medium\"\n\"docs/\" = \"low\"\n\"/deploy\" = \"high\"\n\"*.rs\" = \"low\"\n";
    let own = Policy::parse("own.toml", text).expect("reads");
    let of = |files| of_change(&own, &change(files), Opinions::default());
    assert_eq!(of(vec![file(".github/workflows/x.yml", 1)]).tier, Risk::Medium);
    assert!(of(vec![file(".github/x.yml", 1)]).reasons.iter().any(|r| r.why == "`.GitHub/` is medium in [paths] of own.toml"));
    assert_eq!(of(vec![file(".github/CODEOWNERS", 1)]).tier, Risk::High, "another pattern of the shipped one holds");
    assert_eq!(of(vec![file("docs/conf.py", 200)]).tier, Risk::Low);
    assert_eq!(of(vec![file("docs", 6)]).tier, Risk::Medium, "what is called like a folder is none");
    assert_eq!(of(vec![file("deploy/a.md", 1)]).tier, Risk::High);
    assert_eq!(of(vec![file("sub/deploy/a.md", 1)]).tier, Risk::Low);
    assert_eq!(of(vec![file("a.py", 6)]).tier, Risk::Medium);
    assert_eq!(of(vec![file("build.rs", 1)]).tier, Risk::High, "the highest of what fits");
    assert_eq!((own.low, own.medium_lines), (Size { lines: 5, files: 2 }, 1000));
}

#[test]
fn the_shipped_policy_is_what_is_promised() {
    let policy = Policy::shipped();
    assert_eq!((policy.low, policy.medium_lines), (Size { lines: 20, files: 2 }, 1000));
    let gate = &policy.gate;
    assert_eq!(gate.on_timeout, OnTimeout::Wait);
    assert!(gate.approvers.is_empty());
    assert_eq!([Risk::Low, Risk::Medium, Risk::High].map(|tier| gate.on_vault.of(tier)), [OnVault::Block; 3]);
    assert_eq!(gate.window.as_secs(), 2 * 3600);
    assert_eq!((gate.low_actions, gate.merge_style), (None, None));
    assert_eq!(policy.entry("nobody-knows"), None);
}

#[test]
fn the_gates_keys_are_read() {
    let text = "approvers = [\"alice\"]\nmerge_style = \"squash\"\non_vault = \"continue\"\n[low]\nactions = \"self-merge\"\n[medium]\nwait = \"30m\"\n\
        on_timeout = \"merge\"\n";
    let gate = Policy::parse("p.toml", text).expect("reads").gate;
    assert_eq!(gate.approvers, [crate::model::Login("alice".into())]);
    assert_eq!((gate.merge_style, gate.low_actions), (Some(MergeStyle::Squash), Some(LowActions::SelfMerge)));
    assert_eq!((gate.wait.as_secs(), gate.on_timeout, gate.on_vault.high), (1800, OnTimeout::Merge, OnVault::Continue));
    let text = "[on_vault]\nlow = \"continue\"\nmedium = \"soft-block\"\nhigh = \"label\"\nwindow = \"1h\"\n";
    let gate = Policy::parse("p.toml", text).expect("reads").gate;
    assert_eq!(gate.on_vault, ByTier { low: OnVault::Continue, medium: OnVault::SoftBlock, high: OnVault::Label });
    assert_eq!(gate.window.as_secs(), 3600);
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    let cases = [
        ("aprovers = [\"a\"]", "1:12: unknown key `aprovers` (did you mean `approvers`?)"),
        ("merge_stile = \"squash\"", "1:15: unknown key `merge_stile` (did you mean `merge_style`?)"),
        ("dev = \"lwo\"", "1:7: `dev` cannot be \"lwo\" (write \"low\" or \"medium\" or \"high\")"),
        ("dev = 1", "1:7: unknown key `dev`"),
        ("dev = \"low\"\n[tiers]\ndev = \"high\"", "1:7: the tier of `dev` is said twice (keep one of the two)"),
        ("[tiers]\n\"A b\" = \"low\"", "2:9: `A b` is not a formula's name"),
        ("[paths]\n\"a[\" = \"low\"", "2:8: `a[` is not a pattern of paths"),
        ("[paths]\n\"/\" = \"low\"", "2:7: a pattern of paths is empty"),
        ("[paths]\n\"a\" = true", "2:7: `a` must be a string in quotes"),
        ("[limits.low]\nline = 3", "2:1: unknown key `line` in [limits.low] (did you mean `lines`?)"),
        ("[limits.low]\nlines = -3", "2:9: `lines` is out of range"),
        ("[limits.low]\nlines = 30\n[limits.medium]\nlines = 20", "3:1: 20 lines are fewer than those of low (30)"),
        ("[limits.hihg]\nlines = 3", "1:9: unknown key `hihg` in [limits]"),
        ("[medium]\nwait = 30", "2:8: `wait` must be a time with its unit"),
        ("[medium]\non_timeout = \"marge\"", "2:14: `on_timeout` cannot be \"marge\" (did you mean \"merge\"?)"),
        ("on_vault = \"blok\"", "1:12: `on_vault` cannot be \"blok\" (did you mean \"block\"?)"),
        ("approvers = [\"@alice\"]", "1:14: `@alice` is not a login (write it without the @: \"alice\")"),
        ("[low]\nactions = \"ask\"", "2:11: `actions` cannot be \"ask\""),
        ("[paths", "1:7: this is not TOML"),
    ];
    for (text, wanted) in cases {
        let lines = Policy::parse("p", text).expect_err(text).lines();
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("p:{wanted}"))),
            "{text:?} should say {wanted}\nand says {lines:#?}"
        );
        assert_eq!(lines.len(), 1, "{text:?}: {lines:#?}");
    }
}

#[test]
fn people_are_told_what_raises_and_not_all_of_it() {
    let many = (0..30).map(|n| file(&format!(".github/{n}.yml"), 1)).chain([file("README.md", 1)]).collect();
    let told = merge(many).told(20);
    assert_eq!((told.len(), told[20].path.as_deref(), told[20].why.as_str()), (21, None, "and 11 more like this"));
    assert!(told.iter().all(|r| r.path.as_deref() != Some("README.md")));
    let low = merge(vec![file("README.md", 1)]).told(20);
    assert_eq!(low.len(), 1);
}
