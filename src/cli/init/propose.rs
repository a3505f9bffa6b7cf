//! What a repository's own files say about how to verify it: commands, what to install first, caches, registries.
//!
//! Pure: names and contents in, a proposal out. A person decides; what is proposed is what the files themselves name.

use std::collections::{BTreeMap, BTreeSet};

/// The files whose content is asked for where they are there; of others the name is enough.
pub(super) const READ: [&str; 15] = [
    "Cargo.lock",
    "Gemfile.lock",
    "Makefile",
    "composer.json",
    "composer.lock",
    "package-lock.json",
    "package.json",
    "pnpm-lock.yaml",
    "poetry.lock",
    "pyproject.toml",
    "requirements.txt",
    "uv.lock",
    "yarn.lock",
    ".npmrc",
    "pip.conf",
];

/// The topmost folder of the base branch: the files' names, with the content of those in [`READ`].
pub(super) type Files = BTreeMap<String, Option<String>>;

/// What to write into `[[project]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proposal {
    /// The files that it was read from.
    pub(super) because: Vec<&'static str>,
    pub(super) verify: Vec<String>,
    pub(super) setup: Vec<String>,
    pub(super) caches: Vec<String>,
    pub(super) network: Vec<String>,
}

/// One way of building things.
struct Kind {
    /// Any of these names it.
    files: &'static [&'static str],
    setup: &'static [&'static str],
    verify: fn(&Files) -> Vec<String>,
    caches: &'static [&'static str],
    hosts: &'static [&'static str],
}

/// Of two that share a file's ecosystem the first one counts: see [`family`].
const KINDS: [Kind; 15] = [
    Kind {
        files: &["pnpm-lock.yaml"],
        setup: &["pnpm install --frozen-lockfile"],
        verify: |f| scripts(f, "pnpm run"),
        caches: &["~/.cache/pnpm", "~/.local/share/pnpm"],
        hosts: &["registry.npmjs.org"],
    },
    Kind {
        files: &["yarn.lock"],
        setup: &["yarn install --immutable || yarn install --frozen-lockfile"],
        verify: |f| scripts(f, "yarn run"),
        caches: &["~/.cache/yarn", "~/.yarn/berry"],
        hosts: &["registry.yarnpkg.com"],
    },
    Kind {
        files: &["bun.lock", "bun.lockb"],
        setup: &["bun install --frozen-lockfile"],
        verify: |f| scripts(f, "bun run"),
        caches: &["~/.bun/install/cache"],
        hosts: &["registry.npmjs.org"],
    },
    Kind {
        files: &["package-lock.json", "npm-shrinkwrap.json"],
        setup: &["npm ci"],
        verify: |f| scripts(f, "npm run"),
        caches: &["~/.npm"],
        hosts: &["registry.npmjs.org"],
    },
    Kind {
        files: &["Cargo.lock", "Cargo.toml"],
        setup: &["cargo fetch"],
        verify: |f| {
            let locked = if f.contains_key("Cargo.lock") { " --locked" } else { "" };
            vec![format!("cargo test{locked} --offline")]
        },
        caches: &["~/.cargo/registry", "~/.cargo/git"],
        hosts: &["index.crates.io", "static.crates.io"],
    },
    Kind {
        files: &["go.mod"],
        setup: &["go mod download"],
        verify: |_| vec!["go vet ./...".to_owned(), "go test ./...".to_owned()],
        caches: &["~/go/pkg/mod"],
        hosts: &["proxy.golang.org", "sum.golang.org"],
    },
    Kind {
        files: &["uv.lock"],
        setup: &["uv sync --frozen"],
        verify: |f| vec![format!("uv run --frozen {}", python_tests(f))],
        caches: &["~/.cache/uv"],
        hosts: &["pypi.org", "files.pythonhosted.org"],
    },
    Kind {
        files: &["poetry.lock"],
        setup: &["poetry install --no-interaction"],
        verify: |f| vec![format!("poetry run {}", python_tests(f))],
        caches: &["~/.cache/pypoetry"],
        hosts: &["pypi.org", "files.pythonhosted.org"],
    },
    Kind {
        files: &["requirements.txt"],
        setup: &["python3 -m venv .venv", ".venv/bin/pip install -r requirements.txt"],
        verify: |f| vec![format!(".venv/bin/{}", python_tests(f))],
        caches: &["~/.cache/pip"],
        hosts: &["pypi.org", "files.pythonhosted.org"],
    },
    Kind {
        files: &["Gemfile.lock"],
        setup: &["bundle install"],
        verify: |f| {
            let rspec = text(f, "Gemfile.lock").contains("rspec");
            vec![if rspec { "bundle exec rspec" } else { "bundle exec rake test" }.to_owned()]
        },
        caches: &["~/.bundle", "~/.gem"],
        hosts: &["rubygems.org", "index.rubygems.org"],
    },
    Kind {
        files: &["composer.lock"],
        setup: &["composer install --no-interaction"],
        verify: |f| {
            let named = json(text(f, "composer.json")).is_some_and(|c| c.pointer("/scripts/test").is_some());
            vec![if named { "composer test" } else { "vendor/bin/phpunit" }.to_owned()]
        },
        caches: &["~/.cache/composer"],
        hosts: &["repo.packagist.org", "api.github.com", "codeload.github.com"],
    },
    Kind {
        files: &["mix.lock"],
        setup: &["mix local.hex --force", "mix local.rebar --force", "mix deps.get"],
        verify: |_| vec!["mix test".to_owned()],
        caches: &["~/.hex", "~/.mix"],
        hosts: &["repo.hex.pm", "builds.hex.pm"],
    },
    Kind {
        files: &["pom.xml"],
        setup: &["mvn -B -q dependency:go-offline"],
        verify: |f| vec![format!("{} -B -o verify", if f.contains_key("mvnw") { "sh ./mvnw" } else { "mvn" })],
        caches: &["~/.m2/repository"],
        hosts: &["repo.maven.apache.org"],
    },
    Kind {
        files: &["build.gradle", "build.gradle.kts"],
        setup: &["sh ./gradlew --no-daemon dependencies"],
        verify: |_| vec!["sh ./gradlew --no-daemon --offline check".to_owned()],
        caches: &["~/.gradle/caches", "~/.gradle/wrapper"],
        hosts: &["repo.maven.apache.org", "plugins.gradle.org", "services.gradle.org"],
    },
    Kind { files: &["package.json"], setup: &[], verify: |f| scripts(f, "npm run"), caches: &[], hosts: &[] },
];

/// What the files say. A `test.sh` or a target of a Makefile is the project's own word and goes before what an ecosystem usually does.
pub(super) fn propose(files: &Files) -> Proposal {
    let mut found = Proposal::default();
    if files.contains_key("test.sh") {
        found.because.push("test.sh");
        found.verify.push("sh ./test.sh".to_owned());
    } else if let Some(target) = ["check", "test"].into_iter().find(|target| has_target(text(files, "Makefile"), target)) {
        found.because.push("Makefile");
        found.verify.push(format!("make {target}"));
    }
    let own_word = !found.verify.is_empty();
    let mut seen = BTreeSet::new();
    for kind in &KINDS {
        let Some(file) = kind.files.iter().find(|file| files.contains_key(**file)) else { continue };
        if !seen.insert(family(file)) {
            continue;
        }
        found.because.push(file);
        found.setup.extend(kind.setup.iter().map(|s| (*s).to_owned()));
        found.caches.extend(kind.caches.iter().map(|s| (*s).to_owned()));
        found.network.extend(kind.hosts.iter().map(|s| (*s).to_owned()));
        found.network.extend(hosts(file, text(files, file)));
        if !own_word {
            found.verify.extend((kind.verify)(files));
        }
    }
    if !found.network.is_empty() {
        found.network.extend([".npmrc", "pip.conf"].iter().flat_map(|file| hosts(file, text(files, file))));
    }
    let mut once = BTreeSet::new();
    found.network.retain(|host| once.insert(host.clone()));
    found
}

/// What files of one family stand for the same packages: the first one found is the one in use.
fn family(file: &str) -> &str {
    match file {
        "pnpm-lock.yaml" | "yarn.lock" | "bun.lock" | "bun.lockb" | "package-lock.json" | "npm-shrinkwrap.json" => "package.json",
        "uv.lock" | "poetry.lock" => "requirements.txt",
        other => other,
    }
}

/// The scripts of `package.json` that tell whether the project is whole.
fn scripts(files: &Files, runner: &str) -> Vec<String> {
    let package = json(text(files, "package.json")).unwrap_or_default();
    let script = |name: &str| package.pointer(&format!("/scripts/{name}")).and_then(serde_json::Value::as_str);
    // What `npm init` writes fails always.
    let real = |name: &&str| script(name).is_some_and(|s| !s.contains("no test specified"));
    let mut found: Vec<&str> = ["lint", "typecheck", "test"].into_iter().filter(real).collect();
    if !found.contains(&"test") {
        found.extend(["build"].into_iter().filter(real));
    }
    found.into_iter().map(|name| format!("{runner} {name}")).collect()
}

fn python_tests(files: &Files) -> &'static str {
    let places = ["uv.lock", "poetry.lock", "pyproject.toml", "requirements.txt"];
    if places.iter().any(|file| text(files, file).contains("pytest")) { "python -m pytest" } else { "python -m unittest" }
}

/// Whether a Makefile has a target.
fn has_target(makefile: &str, target: &str) -> bool {
    makefile
        .lines()
        .any(|line| line.strip_prefix(target).is_some_and(|rest| rest.trim_start().starts_with(':') && !rest.contains(":=")))
}

/// The hosts that a lock file fetches from, by the addresses in it. Those of people's pages stand in lock files too, so only the lines that
/// say where a package comes from are read.
fn hosts(file: &str, text: &str) -> Vec<String> {
    if file == "composer.lock" {
        return composer_hosts(text);
    }
    let marks: &[&str] = match file {
        "package-lock.json" | "npm-shrinkwrap.json" | "yarn.lock" => &["resolved"],
        "pnpm-lock.yaml" => &["tarball:"],
        "Cargo.lock" => &["source = "],
        "uv.lock" => &["source = ", "url = "],
        "poetry.lock" => &["url = "],
        "Gemfile.lock" => &["remote:"],
        "requirements.txt" | "pip.conf" => &["index-url", "index_url"],
        ".npmrc" => &["registry"],
        _ => &[],
    };
    let of_source = |line: &&str| marks.iter().any(|mark| line.contains(mark));
    let mut found: Vec<String> = text.lines().filter(of_source).filter_map(host).collect();
    found.sort();
    found.dedup();
    // The index of crates.io has had two addresses; the lock file names the one that is not asked any more.
    found.retain(|host| file != "Cargo.lock" || host != "github.com" || text.contains("git+https://github.com"));
    found
}

fn composer_hosts(text: &str) -> Vec<String> {
    let lock = json(text).unwrap_or_default();
    let packages = ["/packages", "/packages-dev"].into_iter().filter_map(|list| lock.pointer(list)?.as_array());
    let urls = packages.flatten().filter_map(|package| package.pointer("/dist/url")?.as_str());
    let found: BTreeSet<String> = urls.filter_map(host).collect();
    found.into_iter().collect()
}

/// The host of the first address in a line.
fn host(line: &str) -> Option<String> {
    let rest = line.split_once("https://").or_else(|| line.split_once("http://"))?.1;
    let end = rest.find(['/', '"', '\'', '?', '#', ' ', ')', '}', ',']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'));
    plain.then_some(host)
}

fn text<'f>(files: &'f Files, file: &str) -> &'f str {
    files.get(file).and_then(Option::as_deref).unwrap_or_default()
}

fn json(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(name, text)| ((*name).to_owned(), Some((*text).to_owned()))).collect()
    }

    #[test]
    fn a_node_project_is_verified_by_its_scripts_and_fetches_from_where_its_lock_file_says() {
        let lock = r#"{"packages": {"a": {"resolved": "https://npm.corp.example:8443/a.tgz", "funding": {"url": "https://money.example/a"}}}}"#;
        let lock = lock.replace(", ", ",\n").replace("{\"url", "{\n\"url");
        let found = propose(&files(&[
            ("package-lock.json", &lock),
            ("package.json", r#"{"scripts": {"test": "vitest", "lint": "eslint .", "start": "node ."}}"#),
        ]));
        assert_eq!(found.verify, ["npm run lint", "npm run test"]);
        assert_eq!(found.setup, ["npm ci"]);
        assert_eq!(found.caches, ["~/.npm"]);
        assert_eq!(found.network, ["registry.npmjs.org", "npm.corp.example:8443"]);
    }

    #[test]
    fn a_test_that_npm_made_up_is_no_test() {
        let package = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        assert_eq!(propose(&files(&[("package.json", package)])).verify, Vec::<String>::new());
    }

    #[test]
    fn one_package_manager_counts_and_the_projects_own_word_goes_first() {
        let found = propose(&files(&[
            ("pnpm-lock.yaml", ""),
            ("package-lock.json", "{}"),
            ("package.json", r#"{"scripts": {"test": "x"}}"#),
            ("Makefile", "test: build\n\tpnpm test\ncheck := 1\n"),
        ]));
        assert_eq!(found.verify, ["make test"]);
        assert_eq!(found.setup, ["pnpm install --frozen-lockfile"]);
        assert_eq!(found.because, ["Makefile", "pnpm-lock.yaml"]);
    }

    #[test]
    fn crates_come_from_their_two_hosts_and_from_git_where_the_lock_file_says_so() {
        let plain = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        let found = propose(&files(&[("Cargo.lock", plain)]));
        assert_eq!(found.verify, ["cargo test --locked --offline"]);
        assert_eq!(found.network, ["index.crates.io", "static.crates.io"]);
        let git = format!("{plain}source = \"git+https://github.com/a/b?rev=1#2\"\n");
        assert!(propose(&files(&[("Cargo.lock", &git)])).network.contains(&"github.com".to_owned()));
    }

    #[test]
    fn each_lock_file_is_known() {
        let named = [
            ("go.mod", "go test ./..."),
            ("uv.lock", "uv run --frozen python -m unittest"),
            ("poetry.lock", "poetry run python -m unittest"),
            ("requirements.txt", ".venv/bin/python -m unittest"),
            ("Gemfile.lock", "bundle exec rake test"),
            ("composer.lock", "vendor/bin/phpunit"),
            ("mix.lock", "mix test"),
            ("pom.xml", "mvn -B -o verify"),
            ("build.gradle.kts", "sh ./gradlew --no-daemon --offline check"),
            ("test.sh", "sh ./test.sh"),
        ];
        for (file, verify) in named {
            let found = propose(&files(&[(file, "")]));
            assert_eq!(found.verify.last().map(String::as_str), Some(verify), "{file}");
            assert_eq!(found.because, [file]);
            assert_eq!(found.network.is_empty(), file == "test.sh", "{file}");
        }
        assert_eq!(propose(&files(&[("README.md", "")])), Proposal::default());
    }
}
