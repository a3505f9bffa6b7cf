//! How headless Claude Code is called: arguments and environment, as measured on 2.1.329 (`facts/claude-code.md`).
//!
//! Settings of the repository and of a user are not read (`--setting-sources ""`): a clone's `.claude/settings.json` runs hooks and can
//! send the key elsewhere, its `.mcp.json` starts servers. The prompt goes over stdin, because variadic flags swallow an argument and
//! 300 kB of it are E2BIG. The key in the environment is a dummy: the real one is with the gateway.

use std::path::{Path, PathBuf};

use super::output;
use crate::model::{Access, Shape, Usd};
use crate::ports::Session;

/// claude and how it is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claude {
    /// The program, absolute.
    pub program: PathBuf,
    /// The model, pinned.
    pub model: String,
    /// Turns at most.
    pub max_turns: u32,
}

/// What a turn needs beyond that.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Which session.
    pub session: &'a Session,
    /// What it may do.
    pub access: Access,
    /// Turns at most.
    pub max_turns: u32,
    /// The tools that it is given; empty: as its access says.
    pub tools: &'a [String],
    /// Of those no others than these; empty: all of them.
    pub only_tools: &'a [String],
    /// What it must answer.
    pub output: &'a Shape,
    /// What is left of the run's money. None where claude's own price list does not count: a server of the user's own.
    pub budget: Option<Usd>,
    /// The run's HOME, as the agent sees it.
    pub home: &'a Path,
    /// Where the gateway is, as the agent sees it.
    pub gateway: &'a str,
    /// The key that opens the gateway; of no worth anywhere else.
    pub key: &'a str,
}

impl Claude {
    /// The arguments, the program's name left out.
    pub fn args(&self, call: &Call<'_>) -> Vec<String> {
        let mut args: Vec<String> = ["-p", "--output-format", "stream-json", "--verbose"].map(str::to_owned).into();
        // An answer that is coming in is a sign of life, and a model that only pings gives none: measured, pings make no line.
        args.push("--include-partial-messages".to_owned());
        let mut flag = |name: &str, value: String| args.extend([name.to_owned(), value]);
        match call.session {
            Session::New(id) => flag("--session-id", id.clone()),
            // Never `--continue`: it silently starts anew.
            Session::Resume(id) => flag("--resume", id.clone()),
        }
        flag("--setting-sources", String::new());
        // Invalid settings fail open, so these are constant.
        flag("--settings", r#"{"attribution":{"commit":"","pr":""}}"#.to_owned());
        flag("--model", self.model.clone());
        flag("--max-turns", call.max_turns.to_string());
        if let Some(budget) = call.budget {
            flag("--max-budget-usd", format!("{:.6}", budget.dollars()));
        }
        let named = call.access.tools(call.tools);
        let given =
            named.into_iter().filter(|tool| call.only_tools.is_empty() || call.only_tools.iter().any(|only| only == tool));
        flag("--tools", given.collect::<Vec<_>>().join(","));
        flag("--json-schema", output::schema(call.output).to_string());
        args.extend(["--strict-mcp-config", "--dangerously-skip-permissions"].map(str::to_owned));
        args
    }

    /// The environment beyond what every program in a sandbox gets.
    pub fn env(&self, call: &Call<'_>) -> Vec<(String, String)> {
        let home = |name: &str| call.home.join(name).display().to_string();
        let mut env = vec![
            ("CLAUDE_CONFIG_DIR".to_owned(), home(".claude")),
            ("CLAUDE_CODE_TMPDIR".to_owned(), home("tmp")),
            ("ANTHROPIC_BASE_URL".to_owned(), call.gateway.to_owned()),
            ("ANTHROPIC_API_KEY".to_owned(), call.key.to_owned()),
            // Whatever it would ask a smaller model goes to the one that the gateway lets through.
            ("ANTHROPIC_DEFAULT_HAIKU_MODEL".to_owned(), self.model.clone()),
            ("ANTHROPIC_SMALL_FAST_MODEL".to_owned(), self.model.clone()),
            // Three tries are some five seconds; the plan has the patience.
            ("CLAUDE_CODE_MAX_RETRIES".to_owned(), "3".to_owned()),
        ];
        let on = [
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            // A background task would keep it alive after its result.
            "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
            "DISABLE_AUTOUPDATER",
            // As root it refuses to skip permissions without one of these.
            "IS_SANDBOX",
        ];
        env.extend(on.map(|name| (name.to_owned(), "1".to_owned())));
        env
    }
}

/// What claude says when the session to resume does not exist: it was killed within its first 0.2 s.
pub fn found_no_conversation(stderr: &str) -> bool {
    stderr.contains("No conversation found")
}

/// What claude says when a new session has the identifier of one that exists: it was cut before we wrote down that it began.
pub fn session_exists(stderr: &str) -> bool {
    stderr.contains("is already in use")
}
