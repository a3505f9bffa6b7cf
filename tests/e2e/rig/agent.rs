//! Who does the work at a test's site: a shell script that plays an agent, or the real claude against a scripted API.

use std::fs;
use std::path::{Path, PathBuf};

/// Triage that hands the issue to an agent.
pub const TRIAGE: &str = "route queue";
/// A fix that passes, under a name that must not reach the forge.
pub const FIX: &str = "repair; commit 'Add properly'; answer done 'add.sh adds now.'";

/// What every script can say.
const WORDS: &str = r#"#!/bin/sh
set -eu
here=$(dirname "$0")
prompt=$(cat)
route() {
    printf '{"route":"%s","summary":"Make add.sh add.","requirements":["It adds"],"acceptance":["The test passes"],"files":["add.sh"],"risk":"low","questions":[%s]}' \
        "$1" "${2:-}" >"$FORGEHAND_RESULT"
}
answer() { printf '{"outcome":"%s","title":"Add properly","summary":"%s"}' "$1" "$2" >"$FORGEHAND_RESULT"; }
repair() { echo 'echo $(($1 + $2))' >add.sh; }
commit() { git add -A; git -c user.name=Mallory -c user.email=mallory@example.test commit -q --allow-empty -m "$1"; }
wait_for() { while [ ! -e "$here/$1" ]; do sleep 0.05; done; }
asked_for() { case "$prompt" in *"$1"*) true ;; *) false ;; esac }
"#;

/// Who does the work.
#[derive(Clone, Debug)]
pub enum Agent {
    /// A shell script: what it does in triage, and in every other formula.
    Script { triage: String, fix: String },
    /// The real claude, against the API at this address; none if it is not installed.
    Claude { program: Option<PathBuf>, url: String, more: &'static str },
}

impl Agent {
    pub fn scripted(triage: &str, fix: &str) -> Self {
        Self::Script { triage: triage.to_owned(), fix: fix.to_owned() }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Claude { program: None, .. })
    }

    pub(super) fn install(&self, dir: &Path) {
        let folder = dir.join("agent");
        fs::create_dir(&folder).expect("the agent's folder");
        if let Self::Script { triage, fix } = self {
            let script = format!("{WORDS}\ncase $FORGEHAND_FORMULA in\ntriage)\n{triage}\n;;\n*)\n{fix}\n;;\nesac\n");
            fs::write(folder.join("agent.sh"), script).expect("the agent's script");
        }
    }

    pub fn config(&self, dir: &Path) -> String {
        match self {
            Self::Script { .. } => {
                format!("backend = \"command\"\ncommand = [\"sh\", \"{}\"]", dir.join("agent/agent.sh").display())
            }
            Self::Claude { program, url, more } => {
                let program = program.as_deref().unwrap_or(Path::new("claude")).display();
                format!(
                    "backend = \"claude\"\nclaude = \"{program}\"\nmodel = \"claude-sonnet-4-5\"\nbase_url = \"{url}\"\n{more}"
                )
            }
        }
    }
}
