//! The scripted agent: forgehand itself, behind the `command` backend, as `forgehand __scripted`.
//!
//! It is a program like any other agent: it reads its prompt on standard input, works in the workspace with git, and writes its answer to
//! the file that `FORGEHAND_RESULT` names; it holds no token and knows nothing of the forge. What it does not do is think: it knows
//! the demo's issues by their titles, and what to change for each. Of anything else it says that it does not know it.
//!
//! A turn that continues another (a verification failed) has no title in its prompt, so what it works on is noted in HOME, as a session is.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::CliError;
use super::example::Story;

/// Where it notes what it works on.
const SESSION: &str = ".scripted-session";

/// Changes that are made together, and committed.
struct Round {
    /// Made only when the prompt says this.
    after: Option<&'static str>,
    edits: &'static [Edit],
    /// The commit's message.
    commit: &'static str,
    /// The pull request's title.
    title: &'static str,
    summary: &'static str,
    /// What the agent thinks of its blast radius, where that is more than the diff shows.
    opinion: Option<&'static str>,
}

/// What happens to a file.
struct Edit {
    path: &'static str,
    how: How,
}

enum How {
    /// A piece of it gets another piece's place.
    Replace { old: &'static str, new: &'static str },
    /// It is written.
    Write(&'static str),
    /// It is taken away.
    Remove,
}

const fn replace(path: &'static str, old: &'static str, new: &'static str) -> Edit {
    Edit { path, how: How::Replace { old, new } }
}

const PLAIN: [Round; 1] = [Round {
    after: None,
    edits: &[
        replace("slug.sh", "| tr ' ' '-'", "|\n    sed 's/[^[:alnum:]]\\{1,\\}/-/g; s/^-//; s/-$//'"),
        replace(
            "tests/slug.sh",
            "exit \"$failed\"",
            "check \"slug with punctuation\" \"dune-messiah\" \"$(sh slug.sh 'Dune:  Messiah!')\"\n\
                  check \"slug with a slash\" \"ac-dc\" \"$(sh slug.sh AC/DC)\"\nexit \"$failed\"",
        ),
    ],
    commit: "Join the words of a short name by single dashes",
    title: "Join the words of a short name by single dashes",
    summary: "Whatever is neither a letter nor a digit separates words now, however much of it there is; none is left at the ends. \
              Two tests more, for punctuation and for a slash. Whoever keeps short names elsewhere finds other ones from now on, so \
              somebody should want that: its blast radius is more than its size shows.",
    opinion: Some("medium"),
}];

const SECOND_ROUND: [Round; 2] = [
    Round {
        after: None,
        edits: &[
            replace("count.sh", "wc -l <\"$1\" | tr -d ' '", "grep -c '' \"$1\""),
            replace(
                "tests/count.sh",
                ": >\"$list\"",
                "printf 'Emma\\nDune' >\"$list\"\ncheck \"count without a newline at the end\" 2 \"$(sh count.sh \"$list\")\"\n: >\"$list\"",
            ),
        ],
        commit: "Count a last line without a newline",
        title: "Count a last line without a newline",
        summary: "`wc -l` counts newlines; `grep -c ''` counts lines, the last one included. A test more.",
        opinion: Some("medium"),
    },
    Round {
        after: Some("FAIL exit status for an empty list"),
        edits: &[replace(
            "count.sh",
            "grep -c '' \"$1\"",
            "grep -c '' \"$1\" || [ \"$?\" -eq 1 ] # 1: it found no line, which is no error",
        )],
        commit: "Let an empty list be no error",
        title: "Count a last line without a newline",
        summary: "`wc -l` counts newlines; `grep -c ''` counts lines, the last one included. The verification showed that it fails for an \
                  empty list, though it prints 0: that exit status is taken for what it is now. A test more. Whoever added the missing \
                  book by hand counts it twice now, so somebody should want that.",
        opinion: Some("medium"),
    },
];

const DEPENDENT: [Round; 1] = [Round {
    after: None,
    edits: &[
        replace("note.sh", ">>\"$notes/$1.txt\"", ">>\"$notes/$(sh \"$(dirname \"$0\")/slug.sh\" \"$1\").txt\""),
        replace(
            "tests/note.sh",
            "exit \"$failed\"",
            "sh note.sh AC/DC loud\ncheck \"note about a book with a slash\" loud \"$(cat \"$NOTES/ac-dc.txt\")\"\nexit \"$failed\"",
        ),
    ],
    commit: "Name the file of a note after the book's short name",
    title: "Name the file of a note after the book's short name",
    summary: "The title went into the path as it was. `slug.sh` gives a name without slashes, since the issue that this one depends on \
              is done. A test more. Notes that are there already keep their old names, so somebody should want that.",
    opinion: Some("medium"),
}];

const LOW: [Round; 1] = [Round {
    after: None,
    edits: &[replace(
        "README.md",
        "writes a note about a book.",
        "writes a note about a book, into the folder that `NOTES` names (`notes` where it names none).",
    )],
    commit: "Say where notes are kept",
    title: "Say where notes are kept",
    summary: "A line of the README.",
    opinion: None,
}];

const MEDIUM: [Round; 1] = [Round {
    after: None,
    edits: &[Edit { path: "name.sh", how: How::Remove }, Edit { path: "tests/name.sh", how: How::Remove }],
    commit: "Remove the second script for short names",
    title: "Remove the second script for short names",
    summary: "`slug.sh` does what `name.sh` did, and nothing calls that one. Its test goes with it.",
    opinion: None,
}];

const HIGH: [Round; 1] = [Round {
    after: None,
    edits: &[Edit {
        path: ".forgejo/workflows/test.yml",
        how: How::Write(
            "on: [push]\njobs:\n  test:\n    runs-on: docker\n    steps:\n      - uses: actions/checkout@v4\n      - run: sh ./test.sh\n",
        ),
    }],
    commit: "Run the tests on each push",
    title: "Run the tests on each push",
    summary: "A workflow of the forge's Actions that runs `sh ./test.sh`.",
    opinion: None,
}];

/// Does a turn.
pub(in crate::cli) fn run() -> Result<(), CliError> {
    turn().map_err(|why| CliError::environment("the scripted agent broke off", why, "it is started by forgehand, in a workspace"))
}

fn turn() -> Result<(), String> {
    let told = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let (formula, result) = (told("FORGEHAND_FORMULA")?, told("FORGEHAND_RESULT")?);
    let mut prompt = String::new();
    std::io::stdin().read_to_string(&mut prompt).map_err(|e| format!("the prompt cannot be read: {e}"))?;
    let answer = match formula.as_str() {
        "triage" => triage(story_of(&prompt)),
        "fix" => fix(&prompt)?,
        "review" => review(story_of(&prompt)),
        other => return Err(format!("it has no script for the formula {other}")),
    };
    std::fs::write(&result, answer.to_string()).map_err(|e| format!("{result} cannot be written: {e}"))
}

/// The issue that a prompt is about: its title stands before every other text.
fn story_of(prompt: &str) -> Option<Story> {
    let places = Story::ALL.into_iter().filter_map(|story| Some((prompt.find(story.title())?, story)));
    places.min_by_key(|(place, _)| *place).map(|(_, story)| story)
}

/// What triage says of an issue.
struct Breakdown {
    route: &'static str,
    risk: &'static str,
    summary: &'static str,
    requirements: &'static [&'static str],
    acceptance: &'static [&'static str],
    files: &'static [&'static str],
    questions: &'static [&'static str],
}

fn breakdown(story: Option<Story>) -> Breakdown {
    let nothing = Breakdown {
        route: "interactive",
        risk: "medium",
        summary: "The demo's agent is scripted and does not know this issue.",
        requirements: &[],
        acceptance: &[],
        files: &[],
        questions: &[],
    };
    match story {
        Some(Story::Plain) => Breakdown {
            route: "queue",
            risk: "low",
            summary: "Short names of books keep characters that do not belong into them.",
            requirements: &["Letters and digits stay, whatever is between them becomes a single dash.", "No dash at either end."],
            acceptance: &["`sh slug.sh 'Dune: Messiah'` prints `dune-messiah`."],
            files: &["slug.sh", "tests/slug.sh"],
            ..nothing
        },
        Some(Story::SecondRound) => Breakdown {
            route: "queue",
            risk: "low",
            summary: "A list whose last line has no newline is counted one book short.",
            requirements: &["The last line counts, with or without a newline.", "An empty list goes on to count 0."],
            acceptance: &["A list of two lines without a newline at the end counts 2."],
            files: &["count.sh", "tests/count.sh"],
            ..nothing
        },
        Some(Story::Vague) => Breakdown {
            route: "needs-info",
            risk: "low",
            summary: "Something about lists looks wrong to the reporter; the report does not say what.",
            questions: &["Which list looked wrong, and what did you see?", "What should it have looked like?"],
            ..nothing
        },
        Some(Story::Person) => Breakdown {
            risk: "high",
            summary: "The table of loans needs another column, and a migration of the loans that are stored already.",
            requirements: &["Loans that are stored already get a date by a rule that somebody has to decide on."],
            files: &["schema.sql"],
            ..nothing
        },
        Some(Story::Dependent) => Breakdown {
            route: "queue",
            risk: "low",
            summary: "A note about a book with a slash in its title is written to a path that is not there.",
            requirements: &["The file of a note has the book's short name."],
            acceptance: &["`sh note.sh AC/DC loud` writes `ac-dc.txt`."],
            files: &["note.sh", "tests/note.sh"],
            ..nothing
        },
        Some(Story::Low) => Breakdown {
            route: "queue",
            risk: "low",
            summary: "The README does not say into which folder notes are written.",
            requirements: &["The README names `NOTES` and what holds without it."],
            files: &["README.md"],
            ..nothing
        },
        Some(Story::Medium) => Breakdown {
            route: "queue",
            summary: "Two scripts make short names, and one of them is not needed any more.",
            requirements: &["`name.sh` and its test are gone, and nothing calls it."],
            files: &["name.sh", "tests/name.sh"],
            ..nothing
        },
        Some(Story::High) => Breakdown {
            route: "queue",
            risk: "high",
            summary: "The forge is to run the tests on each push.",
            requirements: &["A workflow runs `sh ./test.sh`."],
            files: &[".forgejo/workflows/test.yml"],
            ..nothing
        },
        None => nothing,
    }
}

fn triage(story: Option<Story>) -> Value {
    let Breakdown { route, risk, summary, requirements, acceptance, files, questions } = breakdown(story);
    println!("triage: {route}");
    json!({
        "route": route, "risk": risk, "summary": summary, "requirements": requirements, "acceptance": acceptance,
        "files": files, "questions": questions,
    })
}

/// Whether a change is good. It was made by the same script, so there is nothing to find.
fn review(story: Option<Story>) -> Value {
    let (verdict, summary) = match story {
        Some(_) => ("approve", "It does what the issue asks for, and no more. (A script says this, which has not read it.)"),
        None => ("comment", "The demo's agent is scripted and does not know this issue."),
    };
    println!("review: {verdict}");
    json!({ "verdict": verdict, "summary": summary, "findings": [] })
}

fn fix(prompt: &str) -> Result<Value, String> {
    let home = std::env::var_os("HOME").map(PathBuf::from).ok_or("HOME is not set")?;
    let session = home.join(SESSION);
    let story = match story_of(prompt) {
        Some(story) => {
            std::fs::write(&session, story.title()).map_err(|e| format!("{} cannot be written: {e}", session.display()))?;
            Some(story)
        }
        None => std::fs::read_to_string(&session).ok().and_then(|title| story_of(&title)),
    };
    let rounds: &[Round] = match story {
        Some(Story::Plain) => &PLAIN,
        Some(Story::SecondRound) => &SECOND_ROUND,
        Some(Story::Dependent) => &DEPENDENT,
        Some(Story::Low) => &LOW,
        Some(Story::Medium) => &MEDIUM,
        Some(Story::High) => &HIGH,
        Some(Story::Vague | Story::Person) | None => {
            return Ok(
                json!({ "outcome": "refused", "summary": "The demo's agent is scripted and has no change for this issue." }),
            );
        }
    };
    let mut answer = json!({ "outcome": "no-change", "summary": "There was nothing left to change." });
    for round in rounds.iter().filter(|round| round.after.is_none_or(|sign| prompt.contains(sign))) {
        for edit in round.edits {
            if edit.make()? {
                println!("edits {}", edit.path);
            }
        }
        commit(round.commit)?;
        answer = json!({ "outcome": "done", "title": round.title, "summary": round.summary });
        if let Some(opinion) = round.opinion {
            answer["blast_radius"] = opinion.into();
        }
    }
    Ok(answer)
}

impl Edit {
    /// Makes it, unless a turn before this one did; says whether.
    fn make(&self) -> Result<bool, String> {
        let path = Path::new(self.path);
        let write = |text: &str| {
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
            made.map_err(|e| format!("{} cannot be written: {e}", self.path)).map(|()| true)
        };
        match self.how {
            How::Write(text) => match std::fs::read_to_string(path) {
                Ok(there) if there == text => Ok(false),
                _ => write(text),
            },
            How::Remove if !path.exists() => Ok(false),
            How::Remove => std::fs::remove_file(path).map_err(|e| format!("{} cannot be removed: {e}", self.path)).map(|()| true),
            How::Replace { old, new } => {
                let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", self.path))?;
                if text.contains(new) {
                    return Ok(false);
                }
                let Some((before, after)) = text.split_once(old) else {
                    return Err(format!("{} does not say `{old}`, so the script does not fit it", self.path));
                };
                write(&format!("{before}{new}{after}"))
            }
        }
    }
}

fn commit(message: &str) -> Result<(), String> {
    if git(&["status", "--porcelain"])?.is_empty() {
        return Ok(());
    }
    println!("commits: {message}");
    git(&["add", "--all"])?;
    git(&["-c", "user.name=scripted", "-c", "user.email=scripted@localhost", "commit", "--quiet", "-m", message]).map(drop)
}

fn git(args: &[&str]) -> Result<String, String> {
    #[expect(clippy::disallowed_methods, reason = "this is an agent's process, inside the sandbox: no adapter is there")]
    let output = std::process::Command::new("git").args(args).output().map_err(|e| format!("git cannot be started: {e}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("git {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}
