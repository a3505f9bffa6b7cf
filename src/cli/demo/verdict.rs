//! What became of each issue, judged by what stands on the forge; the journal is asked only for what no forge can tell.

use crate::localforge::{IssueView, LocalForgeError, PullView, Seed};

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
    let mut verdicts = Vec::new();
    for (story, number) in numbers {
        let Some(issue) = issues.iter().find(|issue| issue.number == *number) else { continue };
        let head = format!("claude/issue-{number}");
        let pull = pulls.iter().rev().find(|pull| pull.head == head);
        let asked = seed.comments(REPO, *number)?.iter().any(|comment| comment.author == BOT);
        let came = came(*story, &Seen { issue, pull, asked }, watch, agent);
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
}

impl Seen<'_> {
    fn carries(&self, label: &str) -> bool {
        self.issue.open && self.issue.labels.iter().any(|l| l == label)
    }
}

/// What became of it, if it is where it should be and nothing more happens to it.
fn came(story: Story, seen: &Seen<'_>, watch: &Watch<'_>, agent: AgentKind) -> Option<String> {
    let number = seen.issue.number;
    if !watch.rests(number) {
        return None;
    }
    let verified = |pull: &PullView| watch.verified(number).is_some_and(|sha| sha.as_str() == pull.head_sha);
    match story.end() {
        End::Merged => {
            let pull = seen.pull.filter(|pull| pull.merged && !seen.issue.open && verified(pull))?;
            Some(format!("fixed; {MAINTAINER} merged pull request #{}, and that closed it", pull.issue.number))
        }
        End::PullOpen => {
            let pull = seen.pull.filter(|pull| !pull.merged && pull.issue.open && verified(pull))?;
            let pull = seen.carries("claude-pr").then_some(pull.issue.number)?;
            match story {
                // A real agent may well get it right at once.
                Story::SecondRound if watch.was_rejected(number) => {
                    Some(format!("fixed in a second round, after its verification had failed; pull request #{pull} is open"))
                }
                Story::SecondRound if agent == AgentKind::Scripted => None,
                Story::Dependent => Some(format!("waited for the one it depends on, then fixed; pull request #{pull} is open")),
                _ => Some(format!("fixed; pull request #{pull} is open")),
            }
        }
        End::Question => (seen.carries("needs-info") && seen.asked).then(|| "its reporter is asked what is meant".to_owned()),
        End::Person => {
            let left = seen.carries("interactive") && seen.asked && seen.pull.is_none();
            left.then(|| "handed to a person: it needs a schema migration".to_owned())
        }
    }
}
