//! The example project, its people and its issues, and what should become of each.
//!
//! Setting up is level-triggered: what is there already (a folder opened again, a demo that was cut) is left as it is.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::localforge::{LocalForgeError, Seed, SeedFile};
use crate::model::Risk;

/// Owns the project, and merges what is good.
pub(super) const MAINTAINER: &str = "ada";
/// Reports what is wrong.
pub(super) const REPORTER: &str = "rob";
/// The account that forgehand works with.
pub(super) const BOT: &str = "forgehand";
/// The account of the review role: nobody may approve what he opened himself.
pub(super) const REVIEWER: &str = "vera";
/// The project.
pub(super) const REPO: &str = "ada/shelf";
/// What verifies a commit of it.
pub(super) const VERIFY: &str = "sh ./test.sh";
/// What forgehand's tokens may do: what the README asks for, and no more.
const SCOPES: [&str; 3] = ["write:issue", "write:repository", "read:user"];

/// The files of the first commit.
const FILES: [(&str, &str); 13] = [
    ("README.md", include_str!("example/README.md")),
    ("CLAUDE.md", include_str!("example/CLAUDE.md")),
    ("test.sh", include_str!("example/test.sh")),
    ("slug.sh", include_str!("example/slug.sh")),
    ("count.sh", include_str!("example/count.sh")),
    ("name.sh", include_str!("example/name.sh")),
    ("note.sh", include_str!("example/note.sh")),
    ("schema.sql", include_str!("example/schema.sql")),
    ("tests/lib/check.sh", include_str!("example/tests/lib/check.sh")),
    ("tests/slug.sh", include_str!("example/tests/slug.sh")),
    ("tests/count.sh", include_str!("example/tests/count.sh")),
    ("tests/name.sh", include_str!("example/tests/name.sh")),
    ("tests/note.sh", include_str!("example/tests/note.sh")),
];

/// One of the demo's issues. They are told apart by their titles, which no two share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Story {
    /// A plain fix; its pull request is merged by the maintainer.
    Plain,
    /// The first round fails its verification, the second one passes.
    SecondRound,
    /// Nobody could know what is meant.
    Vague,
    /// Asks for a schema migration.
    Person,
    /// Depends on the plain one.
    Dependent,
    /// A line of text.
    Low,
    /// Takes files away. Depends on the plain one, so that it is done on a base that stays.
    Medium,
    /// Has the forge run something. Depends on the plain one for the same reason.
    High,
}

/// Where a story should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its pull request is merged by the maintainer, and the issue closed by that.
    Merged,
    /// Its pull request is merged by forgehand, and the issue closed by that.
    MergedAlone,
    /// Its pull request is open, at a commit that was verified.
    PullOpen,
    /// The same, of this blast radius, and it waits for the word that this asks for.
    Waits(Risk),
    /// A question to its reporter is open.
    Question,
    /// A person has it.
    Person,
}

impl Story {
    /// All of them, in the order in which they are reported.
    pub(super) const ALL: [Self; 8] =
        [Self::Plain, Self::SecondRound, Self::Vague, Self::Person, Self::Dependent, Self::Low, Self::Medium, Self::High];

    /// The issue's title.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Plain => "Short names keep punctuation and double blanks",
            Self::SecondRound => "The last book of a list is not counted",
            Self::Vague => "Lists look wrong sometimes",
            Self::Person => "Store when a book is due",
            Self::Dependent => "A note about AC/DC cannot be written",
            Self::Low => "Nobody is told where notes are kept",
            Self::Medium => "Two scripts make short names",
            Self::High => "Nobody runs the tests before a push",
        }
    }

    /// The issue's text. `plain` is the number of the plain one.
    fn body(self, plain: u64) -> String {
        match self {
            Self::Plain => {
                "`sh slug.sh 'Dune:  Messiah'` prints `dune:--messiah`. It should print `dune-messiah`: letters and digits, \
                            joined by single dashes, none at the ends."
                    .to_owned()
            }
            Self::SecondRound => {
                "`printf 'Emma\\nDune' >list; sh count.sh list` prints 1, because the last line has no newline. \
                                  There are two books in it."
                    .to_owned()
            }
            Self::Vague => "They just look wrong, not always. Please fix.".to_owned(),
            Self::Person => {
                "`schema.sql` says when a book was lent, not when it is due. We need a column for that, and the loans \
                             that are stored already need a date too."
                    .to_owned()
            }
            Self::Dependent => format!(
                "`sh note.sh AC/DC loud` fails, because the title is used as the name of a file as it is. It should be `slug.sh`'s \
                 name, and that has to get rid of the slash first.\n\nDepends on #{plain}"
            ),
            Self::Low => {
                "`note.sh` writes into the folder that `NOTES` names, or into `notes`. One has to read the script to know; the \
                          README should say it."
                    .to_owned()
            }
            Self::Medium => format!(
                "`name.sh` does what `slug.sh` should do, only worse. Once that one is right, nobody needs it: remove it and its \
                 test.\n\nDepends on #{plain}"
            ),
            Self::High => format!(
                "Let the forge run `sh ./test.sh` on each push, by a workflow of its Actions. It should begin with the tests of \
                 #{plain} in it.\n\nDepends on #{plain}"
            ),
        }
    }

    /// Whether an agent makes a change for it.
    pub(super) fn is_done_by_agents(self) -> bool {
        !matches!(self.end(), End::Question | End::Person)
    }

    /// Where it should end.
    pub(super) fn end(self) -> End {
        match self {
            Self::Plain => End::Merged,
            Self::SecondRound | Self::Dependent => End::PullOpen,
            Self::Low => End::MergedAlone,
            Self::Medium => End::Waits(Risk::Medium),
            Self::High => End::Waits(Risk::High),
            Self::Vague => End::Question,
            Self::Person => End::Person,
        }
    }
}

/// The numbers of the demo's issues.
pub(super) type Numbers = BTreeMap<Story, u64>;

/// Makes whatever of people, project and issues is not there yet. The maintainer is there: it is the forge's administrator.
pub(super) async fn prepare(seed: &Seed, passwords: &BTreeMap<String, String>) -> Result<Numbers, LocalForgeError> {
    for (login, password) in passwords.iter().filter(|(login, _)| *login != MAINTAINER) {
        if seed.api(login, "GET", "user", Value::Null).await.is_err() {
            seed.add_user(login, password).await?;
        }
    }
    if seed.issues(REPO).is_err() {
        let (owner, name) = REPO.split_once('/').unwrap_or((MAINTAINER, REPO));
        let files = FILES.map(|(path, content)| SeedFile { path, content, executable: false });
        seed.create_repo(owner, name, false, &files).await?;
    }
    for login in [BOT, REVIEWER] {
        seed.add_collaborator(REPO, login, "write").await?;
    }
    let labels = seed.api(MAINTAINER, "GET", &format!("repos/{REPO}/labels"), Value::Null).await?;
    let named = |name: &str| labels.as_array().is_some_and(|all| all.iter().any(|l| l.get("name").is_some_and(|n| n == name)));
    if !named("portal") {
        seed.create_label(REPO, "portal", "#1d76db").await?;
    }
    let mut numbers = Numbers::new();
    for story in Story::ALL {
        let there = seed.issues(REPO)?.into_iter().find(|issue| issue.title == story.title());
        let number = match there {
            Some(issue) => issue.number,
            None => {
                let plain = numbers.get(&Story::Plain).copied().unwrap_or_default();
                seed.create_issue(REPO, REPORTER, story.title(), &story.body(plain), &["portal"]).await?
            }
        };
        numbers.insert(story, number);
    }
    Ok(numbers)
}

/// A token for an account of forgehand's.
pub(super) async fn token(seed: &Seed, login: &str) -> Result<String, LocalForgeError> {
    seed.token(login, &SCOPES).await
}
