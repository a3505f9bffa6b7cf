//! How much a change could break, and why.
//!
//! Promises: a tier only goes up from the formula's blast radius; each step up has a reason with its source; a path counts as touched by a
//! rename on either end and whatever its case. Only what git says of the change is looked at, never what an agent says.

use crate::model::{Change, Risk, TierReason, TierSource};

/// A kind of path that steers builds, checks or agents.
struct Protected {
    /// Folders, at any depth.
    folders: &'static [&'static str],
    /// Names of files, at any depth.
    files: &'static [&'static str],
    /// Beginnings of names of files.
    beginnings: &'static [&'static str],
    /// Ends of names of files.
    endings: &'static [&'static str],
    why: &'static str,
}

const PROTECTED: [Protected; 6] = [
    Protected {
        folders: &[".forgejo", ".gitea", ".github", ".gitlab", ".woodpecker", ".circleci", ".buildkite", ".ci", ".husky"],
        files: &[
            ".gitlab-ci.yml",
            ".gitlab-ci.yaml",
            ".woodpecker.yml",
            ".woodpecker.yaml",
            ".drone.yml",
            ".travis.yml",
            "jenkinsfile",
            "azure-pipelines.yml",
            ".pre-commit-config.yaml",
            "codeowners",
        ],
        beginnings: &[],
        endings: &[],
        why: "decides what is checked, and who has to look",
    },
    Protected {
        folders: &[".claude", ".cursor", ".codex", ".gemini"],
        files: &[
            "claude.md",
            "claude.local.md",
            "agents.md",
            "gemini.md",
            ".mcp.json",
            ".cursorrules",
            "copilot-instructions.md",
        ],
        beginnings: &[],
        endings: &[],
        why: "steers agents that work here later",
    },
    Protected {
        folders: &[".forgehand"],
        files: &["forgehand.toml"],
        beginnings: &[],
        endings: &[],
        why: "is forgehand's own configuration",
    },
    Protected {
        folders: &[],
        files: &[".gitmodules", ".gitattributes", ".gitconfig", ".envrc", ".npmrc", ".yarnrc", ".yarnrc.yml", "pip.conf"],
        beginnings: &[],
        endings: &[],
        why: "can make git or a tool run or fetch something else",
    },
    Protected {
        folders: &[],
        files: &[
            "cargo.lock",
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock",
            "bun.lockb",
            "deno.lock",
            "gemfile.lock",
            "poetry.lock",
            "uv.lock",
            "pdm.lock",
            "pipfile.lock",
            "composer.lock",
            "go.sum",
            "flake.lock",
            "mix.lock",
            "pubspec.lock",
            "packages.lock.json",
            "gradle.lockfile",
            "podfile.lock",
            "package.resolved",
        ],
        beginnings: &[],
        endings: &[],
        why: "decides which code of others is taken in",
    },
    Protected {
        folders: &[".devcontainer", ".cargo"],
        files: &[
            "build.rs",
            "makefile",
            "gnumakefile",
            "justfile",
            "rakefile",
            "cmakelists.txt",
            "meson.build",
            "setup.py",
            "gradlew",
            "gradlew.bat",
            "mvnw",
            "flake.nix",
            "default.nix",
            "package.json",
            "conftest.py",
        ],
        beginnings: &["dockerfile", "containerfile", "docker-compose", "build.gradle", "settings.gradle"],
        endings: &[".dockerfile", ".mk"],
        why: "runs when the project is built",
    },
];

/// The tier of a change made under a formula of this blast radius, and the reasons: the formula first, then each path that asks for more,
/// also where another has asked for as much already.
pub fn of_change(change: &Change, blast_radius: Risk) -> (Risk, Vec<TierReason>) {
    let formula = TierReason {
        source: TierSource::Formula,
        path: None,
        tier: blast_radius,
        why: "the formula's own blast radius".to_owned(),
    };
    let mut paths: Vec<&String> = change.files.iter().flat_map(|f| std::iter::once(&f.path).chain(&f.from)).collect();
    paths.sort_unstable();
    paths.dedup();
    let protected =
        paths.into_iter().filter_map(|path| protected(path).map(|why| reason(TierSource::ProtectedPath, path, Risk::High, why)));
    let persons = change
        .person_paths
        .iter()
        .map(|path| reason(TierSource::PersonPath, path, Risk::High, "is a path that a person must decide on"));
    let verified = change.verify_paths.iter().map(|path| {
        reason(TierSource::Verification, path, Risk::Medium, "a verify command names it, so the change can bend its own check")
    });
    let reasons: Vec<TierReason> = std::iter::once(formula).chain(protected).chain(persons).chain(verified).collect();
    let tier = reasons.iter().map(|r| r.tier).max().unwrap_or(blast_radius);
    (tier, reasons)
}

/// Why a path is protected, if it is. Case makes no difference, nor do dots and blanks that some file systems drop at the end of a name.
pub fn protected(path: &str) -> Option<&'static str> {
    let folded = path.to_lowercase();
    let mut parts: Vec<&str> = folded.split('/').map(|part| part.trim_end_matches(['.', ' '])).collect();
    let name = parts.pop().unwrap_or_default();
    let found = PROTECTED.iter().find(|kind| {
        kind.files.contains(&name)
            || kind.beginnings.iter().any(|b| name.starts_with(b))
            || kind.endings.iter().any(|e| name.ends_with(e))
            || parts.iter().chain([&name]).any(|part| kind.folders.contains(part))
    });
    found.map(|kind| kind.why)
}

fn reason(source: TierSource, path: &str, tier: Risk, why: &str) -> TierReason {
    TierReason { source, path: Some(path.to_owned()), tier, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChangedFile, Sha};

    fn change(files: &[(&str, Option<&str>)]) -> Change {
        let sha: Sha = "0123456789abcdef0123456789abcdef01234567".parse().expect("a sha");
        let file = |(path, from): &(&str, Option<&str>)| ChangedFile {
            path: (*path).to_owned(),
            from: from.map(str::to_owned),
            added: 1,
            removed: 0,
        };
        Change {
            head: sha.clone(),
            base: sha,
            commits: 1,
            files: files.iter().map(file).collect(),
            added: 1,
            removed: 0,
            person_paths: vec![],
            verify_paths: vec![],
        }
    }

    #[test]
    fn ordinary_paths_leave_the_formulas_tier() {
        let (tier, reasons) = of_change(&change(&[("src/main.rs", None), ("docs/makefiles.md", None)]), Risk::Medium);
        assert_eq!((tier, reasons.len()), (Risk::Medium, 1));
    }

    #[test]
    fn a_protected_path_is_high_by_either_name_and_in_any_case() {
        let cases = [
            (".github/workflows/x.yml", None),
            ("sub/.Claude/settings.json", None),
            ("CLAUDE.md", None),
            ("a.txt", Some("Cargo.LOCK")),
            ("sub/Dockerfile.prod", None),
            ("app.dockerfile", None),
            (".gitmodules.", None),
            (".github", None),
            ("docs/CODEOWNERS", None),
        ];
        for case in cases {
            let (tier, reasons) = of_change(&change(&[case]), Risk::Low);
            assert_eq!(tier, Risk::High, "{case:?}");
            assert_eq!(reasons.last().map(|r| r.source), Some(TierSource::ProtectedPath), "{case:?}");
        }
    }

    #[test]
    fn a_file_that_a_verify_command_names_is_medium_at_least_and_said() {
        let mut touched = change(&[("test.sh", None)]);
        touched.verify_paths = vec!["test.sh".into()];
        let (tier, reasons) = of_change(&touched, Risk::Low);
        assert_eq!(tier, Risk::Medium);
        assert!(reasons.iter().any(|r| r.path.as_deref() == Some("test.sh") && r.why.contains("verify command")));
        assert_eq!(of_change(&touched, Risk::High).0, Risk::High);
    }

    #[test]
    fn a_path_for_a_person_is_high() {
        let mut touched = change(&[("db/schema.sql", None)]);
        touched.person_paths = vec!["db/schema.sql".into()];
        assert_eq!(of_change(&touched, Risk::Low).0, Risk::High);
    }
}
