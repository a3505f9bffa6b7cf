//! What stands on the forge and the journal does not know: pull requests from branches of ours, comments of ours.
//!
//! The first look lists the open pull requests. Later ones do so only where a pull request under our login turns up that no issue knows:
//! then the journal was lost or restored from an old copy, and nothing is done on the project before it is known whose it is.
//!
//! Known race: a look can show a pull request that we have just opened, before its opening is journalled. While an opening is under way in
//! the project, no pull request counts as unknown.

use crate::ledger::IssueState;
use crate::model::{
    BranchNames, Comment, Event, Intent, Issue, Lane, ProjectFacts, PullNumber, PullState, RepoName, StopWhy, Subject,
};
use crate::text;

use super::core::{Core, PullsAsked};
use super::input::LookedAt;

/// Whether the look that is about to begin brings the open pull requests.
pub(super) fn asks_for_pulls(core: &Core, repo: &RepoName, first: bool) -> Option<PullsAsked> {
    let asked = asked(core, repo)?;
    (first || core.pulls_wanted.contains(repo)).then_some(asked)
}

fn asked(core: &Core, repo: &RepoName) -> Option<PullsAsked> {
    let known = core.ledger.projects.get(repo).map(|p| p.issues.keys().copied().collect()).unwrap_or_default();
    let project = core.policy.projects.get(repo)?;
    let bases = project.formulas.values().filter_map(|formula| formula.workspace.base.clone()).collect();
    let names = BranchNames::of(&project.branch_prefix, project.formulas.values());
    Some(PullsAsked { names, bases, known })
}

fn facts<'c>(core: &'c Core, repo: &RepoName) -> Option<&'c ProjectFacts> {
    core.ledger.projects.get(repo)?.facts.as_ref()
}

/// Whether a look is complete: one that shows a pull request of ours that nobody knows asks for another with the open pull requests.
pub(super) fn is_whole(core: &mut Core, repo: &RepoName, looked: &LookedAt) -> bool {
    let unknown = strangers(core, repo, looked);
    if looked.pulls.is_some() {
        core.pulls_wanted.remove(repo);
        core.strangers.extend(unknown.iter().map(|issue| ((repo.clone(), PullNumber(issue.number.0)), issue.updated)));
        return true;
    }
    if unknown.is_empty() {
        return true;
    }
    core.pulls_wanted.insert(repo.clone());
    core.view.look_wanted.insert(repo.clone());
    false
}

fn strangers<'l>(core: &Core, repo: &RepoName, looked: &'l LookedAt) -> Vec<&'l Issue> {
    let (Some(project), Some(facts)) = (core.ledger.projects.get(repo), facts(core, repo)) else { return Vec::new() };
    if project.issues.values().any(opens) {
        return Vec::new();
    }
    let known = |number| project.issues.values().any(|state| state.pull.as_ref().is_some_and(|p| p.number == number));
    let judged = |issue: &Issue, number| core.strangers.get(&(repo.clone(), number)).is_some_and(|at| *at >= issue.updated);
    let strange = |issue: &&Issue| {
        let number = PullNumber(issue.number.0);
        issue.pull.is_some() && issue.open && facts.is_ours(&issue.author) && !known(number) && !judged(issue, number)
    };
    looked.issues.iter().filter(strange).collect()
}

/// A pull request is being opened.
fn opens(state: &IssueState) -> bool {
    state.open.get(&Lane::Main).is_some_and(|open| matches!(open.intent, Intent::OpenPull { .. }))
}

/// An issue of nobody's is ours where a pull request of ours is open for it.
pub(super) fn has_pull(core: &Core, repo: &RepoName, issue: &Issue, looked: &LookedAt) -> bool {
    let (Some(asked), Some(facts)) = (asked(core, repo), facts(core, repo)) else { return false };
    looked
        .pulls
        .iter()
        .flatten()
        .any(|pull| facts.is_ours(&pull.author) && asked.names.issue_of(&pull.head) == Some(issue.number))
}

/// The pull requests that are news.
pub(super) fn pulls(core: &Core, repo: &RepoName, looked: &LookedAt) -> Vec<Event> {
    let (Some(asked), Some(facts), Some(pulls)) = (asked(core, repo), facts(core, repo), &looked.pulls) else {
        return Vec::new();
    };
    let mut events = Vec::new();
    let mut taken = std::collections::BTreeSet::new();
    for pull in pulls.iter().filter(|pull| pull.state == PullState::Open) {
        let Some(number) = asked.names.issue_of(&pull.head) else { continue };
        let subject = Subject { repo: repo.clone(), issue: number };
        let known = core.ledger.issue(&subject);
        let comes = looked.issues.iter().any(|issue| issue.number == number && issue.open && issue.pull.is_none());
        let ours = known.and_then(|state| state.pull.as_ref()).filter(|p| p.state == PullState::Open);
        if (known.is_none() && !comes) || known.is_some_and(opens) || ours.is_some_and(|p| p.number == pull.number) {
            continue;
        }
        if !facts.is_ours(&pull.author) {
            if known.and_then(|state| state.foreign.as_ref()).is_none_or(|there| there.number != pull.number) {
                let (pull, by) = (pull.number, pull.author.clone());
                events.push(Event::PullForeign { subject, pull, by, open: true });
            }
        } else if ours.is_none() && taken.insert(number) {
            // A run that does not know of it would do the work again.
            let live = known.and_then(IssueState::live_run).filter(|run| run.stopping.is_none());
            events.extend(live.map(|run| Event::Stopping { run: run.id.clone(), why: StopWhy::Moot }));
            events.push(Event::PullFound {
                subject,
                pull: pull.number,
                branch: pull.head.clone(),
                base: pull.base.clone(),
                head: pull.head_sha.clone(),
                at: pull.updated,
            });
        }
    }
    events
}

/// Comments of ours that this very journal wrote, and does not know: it was restored from an old copy. A comment that is being written is
/// known by its intent. The markers tell; what they say is used up, so that no key is used twice.
pub(super) fn comments(core: &Core, repo: &RepoName, looked: &LookedAt) -> Vec<Event> {
    let Some(facts) = facts(core, repo) else { return Vec::new() };
    let journal = core.policy.journal.short();
    let news = |comment: &Comment| {
        let subject = Subject { repo: repo.clone(), issue: comment.issue };
        let parts = text::find_marker(&comment.body)?.parts(&subject)?;
        let known = core.ledger.issue(&subject);
        let comes = looked.issues.iter().any(|issue| issue.number == comment.issue && issue.open && issue.pull.is_none());
        let newer = parts.journal == journal && parts.effect > known.map_or(0, |state| state.effects);
        (newer && (known.is_some() || comes)).then(|| Event::CommentFound {
            comment: comment.id,
            breakdown: parts.word == text::BREAKDOWN,
            note: parts.word == text::NOTE,
            effect: parts.effect,
            run: parts.run,
            subject,
        })
    };
    looked.comments.iter().filter(|comment| facts.is_ours(&comment.author)).filter_map(news).collect()
}

/// Somebody else's pull request from a branch of ours has ended.
pub(super) fn foreign_ended(core: &Core, repo: &RepoName, seen: &Issue) -> Option<Event> {
    let of = |state: &IssueState| state.foreign.clone().filter(|pull| pull.number.0 == seen.number.0 && !seen.open);
    let (issue, pull) = core.ledger.projects.get(repo)?.issues.iter().find_map(|(issue, state)| Some((*issue, of(state)?)))?;
    let subject = Subject { repo: repo.clone(), issue };
    Some(Event::PullForeign { subject, pull: pull.number, by: pull.by, open: false })
}
