//! What the dispatcher of the vault saw, decided and did about actions on the branch that counts.
//!
//! Promises: who approved an action is told with where that was seen, so that the journal tells why something privileged was done.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Action, ActionId, ActionRecord, ActionState, CommandRun, Declined, Failure, Login, PendingItem, PullNumber, RepoName, Risk,
    RunOutcome, Sha, TextHash,
};

/// An action as it stands on the branch that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelvedAction {
    /// Which.
    pub id: ActionId,
    /// How it stands.
    pub state: ActionState,
    /// What it asks for; none where that cannot be understood.
    pub action: Option<Action>,
    /// What is wrong where it cannot; the first mistake.
    #[serde(default)]
    pub wrong: Option<String>,
    /// How much it could break, by the policy in force when it was read.
    pub tier: Option<Risk>,
    /// By that policy it goes through without a person.
    pub free: bool,
    /// The file that asks for it, from the root.
    pub file: Option<String>,
    /// What that says.
    pub text: Option<TextHash>,
    /// How it ended, where that is recorded.
    pub end: Option<ActionEnd>,
}

/// How an action ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionEnd {
    /// The exit status of its last command; none where nothing is known.
    pub exit_code: Option<i64>,
    /// The end of what it printed, or why there is none.
    pub logs: String,
}

/// What became of an action that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "became")]
pub enum ActionOutcome {
    /// A run of its formula ended.
    Run {
        /// How.
        outcome: RunOutcome,
        /// The commands that it ran last, and what they printed.
        commands: Vec<CommandRun>,
    },
    /// There was no run.
    Declined {
        /// Why.
        declined: Declined,
    },
}

impl ActionOutcome {
    /// Its exit status, and what its commands printed. Of what did not end well by another reason than a command no status is known.
    pub fn end(&self) -> ActionEnd {
        let Self::Run { outcome, commands } = self else { return ActionEnd::default() };
        let well = matches!(outcome, RunOutcome::Succeeded { .. } | RunOutcome::NoChange { .. });
        let last = commands.last().and_then(|run| run.exit).filter(|exit| *exit != 0).map(i64::from);
        let printed: Vec<String> = commands.iter().map(|run| format!("$ {}\n{}", run.command, run.tail.trim_end())).collect();
        ActionEnd { exit_code: if well { Some(0) } else { last }, logs: printed.join("\n") }
    }
}

/// By whose word an action may be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum ApprovedBy {
    /// An approver reviewed the head that was merged.
    Review {
        /// Who.
        login: Login,
        /// The pull request.
        pull: PullNumber,
    },
    /// An approver merged it.
    Merge {
        /// Who.
        login: Login,
        /// The pull request.
        pull: PullNumber,
    },
    /// It is low, and the policy lets that through.
    Policy,
}

impl ApprovedBy {
    /// As a record has it.
    pub fn name(&self) -> &str {
        match self {
            Self::Review { login, .. } | Self::Merge { login, .. } => login.as_str(),
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for ApprovedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Review { login, pull } => write!(f, "{login} approved {pull}"),
            Self::Merge { login, pull } => write!(f, "{login} merged {pull}"),
            Self::Policy => f.write_str("it is low, and the policy lets that through"),
        }
    }
}

/// Whether an action may be run, as the forge tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Approving {
    /// It may.
    Approved {
        /// By whose word.
        by: ApprovedBy,
        /// The commit that brought it to the branch.
        sha: Sha,
    },
    /// Nobody who may has approved it.
    Lacking {
        /// Why what there is does not count.
        why: String,
    },
}

/// What came of writing down that an action begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum Begun {
    /// It stands there, and nobody else's word does: the action is begun here.
    Here {
        /// The commit; none where it stood there already, from before a crash.
        commit: Option<Sha>,
    },
    /// It is not what was approved any more, or somebody else recorded something of it: nothing is begun.
    StoodDown {
        /// Why.
        why: String,
    },
    /// It could not be written.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// What an action is given that its run may use, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The operations repository.
    pub repo: RepoName,
    /// The action.
    pub id: ActionId,
    /// The secrets that its commands find in their environment.
    pub secrets: Vec<String>,
    /// What is mounted for its commands.
    pub mounts: Vec<String>,
    /// The model that its agents work with.
    pub model: Option<String>,
    /// The tools that its agents are given, of those that their formula gives them; all of them where none is named.
    #[serde(default)]
    pub tools: Vec<String>,
    /// How long each of its steps may take. It only tightens.
    pub timeout_minutes: Option<u64>,
}

impl Grant {
    /// How long a step may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_minutes.map(Duration::from_mins)
    }
}

/// A decision or an effect of the dispatcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "dispatch")]
pub enum Dispatch {
    /// The branch was read, and something is news.
    Read {
        /// The commit that changed the vault last; none where nothing is there.
        at: Option<Sha>,
        /// What is new, or otherwise than it was. At the first reading it is all that was there before forgehand came.
        changed: Vec<ShelvedAction>,
        /// What is not there any more.
        gone: Vec<ActionId>,
        /// All that people are asked for in words, where that is otherwise than it was.
        #[serde(default)]
        items: Option<Vec<PendingItem>>,
    },
    /// Who approved an action was read.
    Weighed {
        /// Which.
        id: ActionId,
        /// The commit that had changed the vault last.
        at: Sha,
        /// Whether it may be run.
        answer: Approving,
    },
    /// That it begins is about to be written to the branch.
    Beginning {
        /// Which.
        id: ActionId,
        /// What is written; who begins it is added.
        record: ActionRecord,
        /// The commit that had changed the vault last: what came later is not written over.
        read: Sha,
    },
    /// That ended. Where it stands there a run of its formula is wanted, which is journalled with this.
    Begun {
        /// Which.
        id: ActionId,
        /// How.
        end: Begun,
    },
    /// How it ended is about to be written to the branch.
    Closing {
        /// Which.
        id: ActionId,
        /// What is written.
        record: ActionRecord,
    },
    /// That ended.
    Closed {
        /// Which.
        id: ActionId,
        /// What was to be written.
        record: ActionRecord,
        /// Why it does not stand there.
        failed: Option<Failure>,
    },
    /// A pull request that asks for nothing but low actions is about to be merged, as the policy has it.
    Merging {
        /// It.
        pull: PullNumber,
        /// Its head.
        head: Sha,
    },
    /// That ended.
    Merged {
        /// It.
        pull: PullNumber,
        /// Its head.
        head: Sha,
        /// Why it is not merged.
        failed: Option<String>,
        /// What that means for the next time.
        #[serde(default, skip_serializing_if = "Unmerged::is_passing")]
        how: Unmerged,
    },
}

/// What the failure of a merge comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmerged {
    /// It was not asked for, or not taken: it passes.
    #[default]
    Passing,
    /// The forge said no: it does so until somebody changes something there.
    Refused,
    /// It was asked for, and may be made yet.
    Doubtful,
}

impl Unmerged {
    /// There is nothing to say.
    pub fn is_passing(&self) -> bool {
        *self == Self::Passing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_that_an_older_journal_tells_of_is_read() {
        let head = "a".repeat(40);
        let read = |more: &str| -> Dispatch {
            serde_json::from_str(&format!(r#"{{"dispatch":"merged","pull":3,"head":"{head}"{more}}}"#)).expect("it is read")
        };
        let why = |what: Dispatch| match what {
            Dispatch::Merged { failed, how, .. } => (failed, how),
            other => panic!("{other:?}"),
        };
        assert_eq!(why(read(r#","failed":null"#)), (None, Unmerged::Passing));
        assert_eq!(why(read(r#","failed":"not yet""#)), (Some("not yet".to_owned()), Unmerged::Passing));
        assert_eq!(why(read(r#","failed":"no","how":"refused""#)), (Some("no".to_owned()), Unmerged::Refused));
        let told = serde_json::to_string(&read(r#","failed":null"#)).expect("JSON");
        assert!(!told.contains("how"), "{told}");
    }
}
