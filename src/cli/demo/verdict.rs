//! What became of each issue, judged by what stands on the forge; the journal is asked only for what no forge can tell.

use crate::localforge::{IssueView, LocalForgeError, PullView, Seed};

use crate::model::{Risk, ToMerge, Wait};
use crate::words;

use super::AgentKind;
use super::example::{BOT, End, MAINTAINER, Numbers, REPO, Story};
use super::watch::Watch;

/// What became of an issue.
pub(super) struct Verdict {
    pub(super) story: Story,
    pub(super) number: u64,
    /// What became of it, or what is missing.
    pub(super) came: Result<String, String>,
    /// Its pages.
    pub(super) links: Vec<String>,
}

/// Judges each of them.
pub(super) fn judge(
    seed: &Seed,
    numbers: &Numbers,
    watch: &Watch<'_>,
    agent: AgentKind,
) -> Result<Vec<Verdict>, LocalForgeError> {
    let (issues, pulls) = (seed.issues(REPO)?, seed.pulls(REPO)?);
    let plan = watch.plan();
    let mut verdicts = Vec::new();
    for (story, number) in numbers {
        let Some(issue) = issues.iter().find(|issue| issue.number == *number) else { continue };
        let head = format!("claude/issue-{number}");
        let pull = pulls.iter().rev().find(|pull| pull.head == head);
        let asked = seed.comments(REPO, *number)?.iter().any(|comment| comment.author == BOT);
        let seen = Seen { issue, pull, asked, wait: watch.wait(&plan, *number) };
        let came = match (agent, story.is_done_by_agents()) {
            // Which tier its work is of, and what its reviewer thinks of it, is not foretold.
            (AgentKind::Claude, true) => worked_on(&seen, watch),
            _ => came(*story, &seen, watch),
        };
        let came = came.ok_or_else(|| watch.standing(*number));
        let links = [Some(issue.url.clone()), pull.map(|pull| pull.issue.url.clone())];
        verdicts.push(Verdict { story: *story, number: *number, came, links: links.into_iter().flatten().collect() });
    }
    Ok(verdicts)
}

struct Seen<'a> {
    issue: &'a IssueView,
    pull: Option<&'a PullView>,
    /// The bot wrote to the reporter.
    asked: bool,
    /// What `explain` says that it waits for.
    wait: Option<&'a Wait>,
}

impl Seen<'_> {
    fn carries(&self, label: &str) -> bool {
        self.issue.open && self.issue.labels.iter().any(|l| l == label)
    }

    /// Its pull request, if its head is the commit that passed its verification last.
    fn verified(&self, watch: &Watch<'_>) -> Option<&PullView> {
        let verified = watch.verified(self.issue.number)?;
        self.pull.filter(|pull| pull.head_sha == verified.as_str())
    }

    /// Its verified pull request, if it was merged by this account and the issue closed by that.
    fn merged_by(&self, login: &str, watch: &Watch<'_>) -> Option<u64> {
        let pull = self.verified(watch).filter(|pull| pull.merged_by.as_deref() == Some(login))?;
        (!self.issue.open).then_some(pull.issue.number)
    }

    /// Its verified pull request, if it is open and the issue says so.
    fn open(&self, watch: &Watch<'_>) -> Option<u64> {
        let pull = self.verified(watch).filter(|pull| !pull.merged && pull.issue.open)?;
        self.carries("claude-pr").then_some(pull.issue.number)
    }
}

/// What became of it, if it is where it should be and nothing more happens to it.
fn came(story: Story, seen: &Seen<'_>, watch: &Watch<'_>) -> Option<String> {
    let number = seen.issue.number;
    if !watch.rests(number) {
        return None;
    }
    match story.end() {
        End::Merged => {
            let pull = seen.merged_by(MAINTAINER, watch)?;
            Some(format!("fixed; {MAINTAINER} merged pull request #{pull}, and that closed it"))
        }
        End::MergedAlone => {
            let pull = seen.merged_by(BOT, watch).filter(|_| watch.tier(number) == Some(Risk::Low))?;
            Some(format!("done; forgehand merged pull request #{pull} by itself, as its blast radius is low"))
        }
        End::PullOpen => {
            let pull = seen.open(watch)?;
            match story {
                Story::SecondRound if watch.was_rejected(number) => {
                    Some(format!("fixed in a second round, after its verification had failed; pull request #{pull} is open"))
                }
                Story::SecondRound => None,
                Story::Dependent => Some(format!("waited for the one it depends on, then fixed; pull request #{pull} is open")),
                _ => Some(format!("fixed; pull request #{pull} is open")),
            }
        }
        End::Waits(risk) => {
            seen.open(watch)?;
            let wait = seen.wait.filter(|wait| waits_as(risk, wait))?;
            Some(format!("done; {}", words::wait(wait, &watch.names)))
        }
        End::Question => (seen.carries("needs-info") && seen.asked).then(|| "its reporter is asked what is meant".to_owned()),
        End::Person => {
            let left = seen.carries("interactive") && seen.asked && seen.pull.is_none();
            left.then(|| "handed to a person: it needs a schema migration".to_owned())
        }
    }
}

/// The word that a blast radius asks for.
fn waits_as(risk: Risk, wait: &Wait) -> bool {
    let Wait::ToMerge { tier: Some(tier), waits, .. } = wait else { return false };
    let word = match risk {
        Risk::Low => matches!(waits, ToMerge::Review),
        Risk::Medium => matches!(waits, ToMerge::Approval { .. }),
        Risk::High => matches!(waits, ToMerge::Approver { .. }),
    };
    *tier == risk && word
}

/// What became of what a model worked on, if that rests.
fn worked_on(seen: &Seen<'_>, watch: &Watch<'_>) -> Option<String> {
    if !watch.rests(seen.issue.number) {
        return None;
    }
    let merged = [BOT, MAINTAINER].into_iter().find_map(|login| Some((login, seen.merged_by(login, watch)?)));
    match (merged, seen.open(watch)) {
        (Some((login, pull)), _) => Some(format!("done; {login} merged pull request #{pull}, and that closed it")),
        (None, Some(pull)) => {
            let waits = seen.wait.map(|wait| format!(": {}", words::wait(wait, &watch.names)));
            Some(format!("done; pull request #{pull} is open{}", waits.unwrap_or_default()))
        }
        (None, None) => None,
    }
}
