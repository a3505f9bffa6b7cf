//! What was observed, as events: only what is ours, and only what is news.
//!
//! Known race: a forge tells whole seconds, so a pull request that moved in the second of a look may move again in it. It is read again at the
//! next look.

use std::collections::BTreeSet;

use crate::ledger::{IssueState, PullRef, Reviews, Unread};
use crate::model::{
    Asked, Comment, Decision, Dependency, Event, Failure, ForgeEvent, Formula, Intent, Issue, Judged, LabelNames, Lane,
    ProjectFacts, PullNumber, PullState, RepoName, SeenIssue, Sha, Subject, TextMark, Timestamp, Trouble, VaultEvent,
};
use crate::plan::{self, Weighing};
use crate::text;

use super::core::Core;
use super::input::{Input, LookedAt, PullRead, Reviewed, VaultRead};
use super::{dispatch, found};

/// What the forge's times are rounded to.
const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a title may be on the board, in characters.
const TITLE: usize = 120;

/// A look without news is journalled only when the last one is older than this, so that an idle daemon's journal does not grow.
const LOOKED_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);

/// A look that showed this much is journalled even without news, so that the next start need not read it again.
const MUCH: usize = 20;

/// The events of an observation.
pub(super) fn events(core: &mut Core, input: Input, now: Timestamp) -> Vec<Event> {
    match input {
        Input::Surveyed { repo, result } => surveyed(core, repo, result, now),
        Input::Looked { repo, result } => looked(core, repo, result, now),
        Input::History { subject, result } => {
            core.view.reading.remove(&subject);
            let login = core.ledger.projects.get(&subject.repo).and_then(|p| p.facts.as_ref()).map(ProjectFacts::logins);
            match (result, login) {
                (Ok(labels), Some(login)) => plan::history(&core.ledger, &core.policy, now, &subject, &labels, &login),
                (Err(trouble), _) => troubled(core, subject.repo, trouble, now),
                (Ok(_), None) => Vec::new(),
            }
        }
        Input::Dependencies { subject, result } => {
            core.view.reading.remove(&subject);
            core.view.depends_read.insert(subject.clone(), now);
            match result {
                Ok(on) => vec![Event::Depends { subject, on }],
                Err(trouble) => troubled(core, subject.repo, trouble, now),
            }
        }
        Input::Rights { subject, asked, result } => {
            core.view.reading.remove(&subject);
            match result {
                Ok(may) => plan::rights(&core.ledger, &core.policy, now, &subject, &asked, may),
                Err(trouble) => troubled(core, subject.repo, trouble, now),
            }
        }
        Input::Files { subject, sought } => {
            core.view.reading.remove(&subject);
            core.view.files_read.insert(subject.clone(), now);
            let news = core.ledger.issue(&subject).is_some_and(|state| state.files.as_ref() != Some(&sought));
            news.then_some(Event::FilesSought { subject, sought }).into_iter().collect()
        }
        Input::Checks { subject, moved, weighing, result } => {
            core.view.reading.remove(&subject);
            let Some(known) = core.ledger.issue(&subject).and_then(|s| s.pull.as_ref()) else { return Vec::new() };
            // What moved meanwhile may not have been in it: it is read again.
            if known.moved == moved {
                core.view.checked.insert(subject.clone(), now);
                if weighing == Weighing::Whole {
                    let whole = result.as_ref().is_ok_and(|read| read.weighed.is_some());
                    core.view.weighed.insert(subject.clone(), (now, whole));
                }
            } else if result.is_ok() {
                return Vec::new();
            }
            match result {
                Ok(read) => pull_read(subject, known, read).into_iter().collect(),
                Err(trouble) => troubled(core, subject.repo, trouble, now),
            }
        }
        _ => Vec::new(),
    }
}

/// What was read of the operations repository's open pull requests, where it is news. What cannot be read now is asked for with its clock.
pub(super) fn offers(core: &mut Core, repo: RepoName, result: Result<VaultRead, Failure>, now: Timestamp) -> Vec<Event> {
    core.view.offers_reading = false;
    core.view.offers_read = Some(now);
    let known = core.ledger.ops.get(&repo);
    let of_repo = |what: VaultEvent| Event::Vault { repo: repo.clone(), what };
    let VaultRead { offers: read, shelf, policy } = match result {
        Ok(read) => read,
        Err(failure) => {
            tracing::warn!(%repo, why = %failure.why, "what its pull requests ask the vault for could not be read");
            let news = Unread::is_news(known.and_then(|ops| ops.unread.as_ref()), &failure);
            return news.then(|| of_repo(VaultEvent::Readable { failed: Some(failure) })).into_iter().collect();
        }
    };
    let again = known.is_some_and(|ops| ops.unread.is_some());
    let mut events: Vec<Event> = again.then(|| of_repo(VaultEvent::Readable { failed: None })).into_iter().collect();
    let broken = known.and_then(|ops| ops.policy.as_ref()).map(|(broken, _)| broken);
    let policy = policy.filter(|policy| policy.as_ref() != broken);
    events.extend(policy.map(|broken| of_repo(VaultEvent::Policy { broken })));
    let before = core.ledger.offers.get(&repo);
    let news = |pull: PullNumber, head: &Sha, judged: &Option<Judged>| {
        let known = before.and_then(|offers| offers.get(&pull));
        known.is_none_or(|known| known.head != *head || known.judged != *judged)
    };
    let known = before.into_iter().flat_map(|offers| offers.keys().copied());
    // What a run asked for before that began and that is not there is closed, also where it was never read.
    let known: BTreeSet<PullNumber> = known.chain(std::mem::take(&mut core.view.offers_waited)).collect();
    let gone = known.into_iter().filter(|pull| read.iter().all(|offer| offer.pull != *pull));
    events.extend(gone.map(|pull| of_repo(VaultEvent::Gone { pull })));
    events.extend(read.into_iter().filter_map(|offer| {
        let (head, judged) = offer.read.filter(|(head, judged)| news(offer.pull, head, judged))?;
        Some(of_repo(VaultEvent::Seen { pull: offer.pull, head, judged }))
    }));
    events.extend(shelf.and_then(|shelf| dispatch::read(core, &repo, shelf)));
    events
}

/// What was read of a pull request, where it is news.
fn pull_read(subject: Subject, known: &PullRef, read: PullRead) -> Option<Event> {
    let PullRead { head, checks, mute, reviews, conflicts, weighed } = read;
    let same_head = head.as_ref().is_none_or(|head| *head == known.head);
    // An approval is bound to the head that it was given to.
    let were_read = reviews.is_some();
    let before = || Reviewed {
        changes_requested: known.changes_requested,
        approved: known.approved && same_head,
        asks: known.asks.clone(),
        comments: known.comments.clone(),
    };
    let Reviewed { changes_requested, approved, asks, comments } = reviews.unwrap_or_else(before);
    let conflicts = conflicts.unwrap_or(known.conflicts);
    let same =
        known.checks == checks && known.mute() == mute && known.conflicts == conflicts && known.approved == approved && same_head;
    // That reviews were read for the first time since it moved is news, whatever they say.
    let first_read = were_read && known.reviews != Reviews::Read;
    let weighs = weighed.is_some() && weighed != known.weighed;
    let asked = known.asks != asks || known.comments != comments || known.changes_requested != changes_requested;
    let news = !same || weighs || asked || first_read;
    news.then_some(Event::ChecksSeen {
        subject,
        checks,
        changes_requested,
        conflicts,
        approved,
        head,
        asks,
        comments,
        mute,
        weighed,
    })
}

fn surveyed(core: &mut Core, repo: RepoName, result: Result<ProjectFacts, Trouble>, now: Timestamp) -> Vec<Event> {
    core.view.looking.remove(&repo);
    match result {
        Ok(facts) => {
            core.view.look_wanted.insert(repo.clone());
            vec![Event::Surveyed { repo, facts }]
        }
        Err(trouble) => troubled(core, repo, trouble, now),
    }
}

/// It is looked at again when its pause is over, whenever the next wake comes.
fn troubled(core: &mut Core, repo: RepoName, trouble: Trouble, now: Timestamp) -> Vec<Event> {
    core.view.look_wanted.insert(repo.clone());
    vec![plan::troubled(&core.ledger, &core.view, &core.policy, now, repo, trouble)]
}

fn looked(core: &mut Core, repo: RepoName, result: Result<LookedAt, Trouble>, now: Timestamp) -> Vec<Event> {
    core.view.looking.remove(&repo);
    let looked = match result {
        Ok(looked) => looked,
        Err(trouble) => return troubled(core, repo, trouble, now),
    };
    let whole = found::is_whole(core, &repo, &looked);
    if whole {
        core.view.fresh.insert(repo.clone());
    }
    let mut events = Vec::new();
    for issue in &looked.issues {
        events.extend(seen(core, &repo, issue, &looked));
    }
    events.extend(found::pulls(core, &repo, &looked));
    events.extend(found::comments(core, &repo, &looked));
    events.extend(looked.comments.iter().filter_map(|comment| answered(core, &repo, comment)));
    events.extend(asked(core, &repo, &looked));
    let project = core.ledger.projects.get(&repo);
    if project.is_some_and(|p| p.trouble.is_some()) {
        events.push(Event::Recovered { repo: repo.clone() });
    }
    let until = looked.date.unwrap_or(looked.began);
    let last = project.and_then(|p| p.looked);
    if looked.issues.iter().any(|issue| unbelieved(core, &repo, issue, &looked)) {
        // What was not believed must be shown again, so the next look begins where this one did; a command waits for it.
        if core.ledger.projects.get(&repo).is_some_and(|p| p.issues.values().any(|state| state.commanded.is_some())) {
            core.view.look_wanted.insert(repo);
        }
        return events;
    }
    core.view.looks_began.insert(repo.clone(), looked.began);
    if project.is_none_or(|p| p.began.is_none()) {
        // A journal that has looked before knows of no first start: nothing is old for it.
        let at = last.map_or(until, |_| Timestamp::default());
        events.push(Event::Began { repo: repo.clone(), at });
    }
    let much = looked.issues.len() + looked.comments.len() >= MUCH || !whole;
    if !events.is_empty() || much || last.is_none_or(|last| until.since(last) > LOOKED_EVERY) {
        events.push(Event::Looked { repo: repo.clone(), until });
    }
    core.view.looked.insert(repo, until);
    events
}

fn unbelieved(core: &Core, repo: &RepoName, issue: &Issue, looked: &LookedAt) -> bool {
    let subject = Subject { repo: repo.clone(), issue: issue.number };
    core.ledger.issue(&subject).is_some_and(|state| !believed(core, &subject, state, looked))
}

fn seen(core: &Core, repo: &RepoName, issue: &Issue, looked: &LookedAt) -> Vec<Event> {
    let subject = Subject { repo: repo.clone(), issue: issue.number };
    if let Some(mark) = issue.pull {
        let state = match (issue.open, mark.merged) {
            (true, _) => PullState::Open,
            (false, true) => PullState::Merged,
            (false, false) => PullState::Closed,
        };
        return pull_seen(core, repo, issue, state, looked.date);
    }
    let mut events: Vec<Event> = dependency_seen(core, &subject, issue.open).into_iter().collect();
    let known = core.ledger.issue(&subject);
    let Some(policy) = core.policy.projects.get(repo) else { return events };
    let comes = || {
        is_ours(issue, &policy.labels)
            || policy.starts_for(&issue.labels)
            || found::has_pull(core, repo, issue, looked)
            || starts_something(core, repo, issue, looked)
    };
    if known.is_none() && !(issue.open && comes()) {
        return events;
    }
    if known.is_some_and(|state| issue.updated < state.seen.updated) {
        // An answer that is older than what a run has read since.
        return events;
    }
    let mut news = seen_issue(repo, issue);
    if let Some(state) = known
        && !believed(core, &subject, state, looked)
    {
        news.labels = state.seen.labels.clone();
        news.open = state.seen.open;
        news.text = state.seen.text.clone();
    }
    let portal = &policy.labels.portal;
    let anew = known.is_some_and(|state| state.found && !state.seen.labels.contains(portal)) && news.labels.contains(portal);
    if known.is_none_or(|state| state.seen != news) {
        events.push(Event::Seen { subject: subject.clone(), issue: news });
    }
    events.extend(anew.then_some(Event::Reported { subject }));
    events
}

/// Whether something starts a formula on an issue without a label of ours: a comment that begins with its word, or that it was opened, which of one
/// from the second of the first look is not known.
fn starts_something(core: &Core, repo: &RepoName, issue: &Issue, looked: &LookedAt) -> bool {
    let Some((project, policy)) = core.ledger.projects.get(repo).zip(core.policy.projects.get(repo)) else { return false };
    let Some((facts, began)) = project.facts.as_ref().zip(project.began).filter(|_| project.looked.is_some()) else {
        return false;
    };
    let opened = |formula: &Formula| formula.trigger.event.contains(&ForgeEvent::IssueOpened);
    let asks = |comment: &Comment| {
        comment.issue == issue.number && !facts.is_ours(&comment.author) && policy.asked_by(&comment.body).is_some()
    };
    (issue.created > began && policy.formulas.values().any(opened)) || looked.comments.iter().any(asks)
}

fn is_ours(issue: &Issue, names: &LabelNames) -> bool {
    issue.labels.contains(&names.portal) || !names.decisions(&issue.labels).is_empty()
}

/// Nothing of ours that writes or reads labels and state ended since the look began, and none that writes is under way.
fn believed(core: &Core, subject: &Subject, state: &IssueState, looked: &LookedAt) -> bool {
    let writing = state.open.get(&Lane::Main).is_some_and(|open| {
        matches!(
            open.intent,
            Intent::Labels { .. } | Intent::Relabel { .. } | Intent::Rewrite { .. } | Intent::Close | Intent::Reopen { .. }
        )
    });
    let ended = |map: &std::collections::BTreeMap<Subject, u64>| map.get(subject).copied().unwrap_or(0);
    !writing && ended(&core.writings) == ended(&looked.writings)
}

/// A title as it is journalled.
pub(super) fn shown_title(title: &str) -> String {
    text::clean(title).chars().take(TITLE).collect()
}

/// An issue as it is journalled: of its texts only what they were.
pub fn seen_issue(repo: &RepoName, issue: &Issue) -> SeenIssue {
    let depends: BTreeSet<Subject> = text::dependencies(&issue.body)
        .into_iter()
        .map(|(other, number)| Subject { repo: other.unwrap_or_else(|| repo.clone()), issue: number })
        .filter(|s| *s != Subject { repo: repo.clone(), issue: issue.number })
        .collect();
    SeenIssue {
        title: shown_title(&issue.title),
        text: TextMark { title: text::hash(&issue.title), body: text::hash(&issue.body) },
        author: issue.author.clone(),
        open: issue.open,
        labels: issue.labels.clone(),
        created: issue.created,
        updated: issue.updated,
        comments: issue.comments,
        depends: depends.into_iter().collect(),
    }
}

/// How a pull request of ours is now, and whether it moved. In the second of the look it may move again without a later time, so what moved
/// then is taken for a second older: the next look, which overlaps, finds it moved once more.
fn pull_seen(core: &Core, repo: &RepoName, seen: &Issue, state: PullState, date: Option<Timestamp>) -> Vec<Event> {
    let past = date.map_or(seen.updated, |date| date - SECOND);
    let at = seen.updated.min(past);
    let issues = core.ledger.projects.get(repo).into_iter().flat_map(|p| p.with_pulls());
    let ours = issues.filter_map(|(issue, known)| Some((issue, known.pull.as_ref().filter(|p| p.number.0 == seen.number.0)?)));
    ours.flat_map(|(issue, pull)| {
        let subject = Subject { repo: repo.clone(), issue };
        let other = (pull.state != state).then(|| Event::PullSeen { subject: subject.clone(), state });
        let moved = pull.moved.is_none_or(|moved| moved < at).then_some(Event::PullMoved { subject, at });
        other.into_iter().chain(moved)
    })
    .chain(found::foreign_ended(core, repo, seen))
    .collect()
}

fn dependency_seen(core: &Core, subject: &Subject, open: bool) -> Option<Event> {
    let known = core.ledger.issues().flat_map(|(_, state)| state.depends.iter().flatten());
    let differs = known.filter(|d| d.repo == subject.repo && d.issue == subject.issue).any(|d| d.open != open);
    let dependency = Dependency { repo: subject.repo.clone(), issue: subject.issue, open };
    differs.then_some(Event::DependencySeen { dependency })
}

/// Comments that ask for a run, oldest first, each once. Those that stood there at the first look ask for nothing any more.
fn asked(core: &Core, repo: &RepoName, looked: &LookedAt) -> Vec<Event> {
    let Some((project, policy)) = core.ledger.projects.get(repo).zip(core.policy.projects.get(repo)) else { return Vec::new() };
    let Some(facts) = project.facts.as_ref().filter(|_| project.looked.is_some()) else { return Vec::new() };
    // An issue that nobody knew comes with the comment.
    let comes = |number| looked.issues.iter().any(|issue| issue.number == number && issue.open && issue.pull.is_none());
    let mut asking: Vec<(Subject, Asked)> = looked
        .comments
        .iter()
        .filter(|comment| !facts.is_ours(&comment.author))
        .filter_map(|comment| {
            let subject = Subject { repo: repo.clone(), issue: comment.issue };
            let heard = match core.ledger.issue(&subject) {
                Some(state) => state.heard,
                None if comes(comment.issue) => None,
                None => return None,
            };
            let (formula, word, inputs) = policy.asked_by(&comment.body)?;
            let (login, word) = (comment.author.clone(), word.to_owned());
            let asked = Asked { comment: comment.id, login, formula: formula.clone(), word, inputs };
            (heard.is_none_or(|heard| heard < comment.id)).then_some((subject, asked))
        })
        .collect();
    asking.sort_by_key(|(_, asked)| asked.comment);
    asking.into_iter().map(|(subject, asked)| Event::Asked { subject, asked }).collect()
}

/// A person's comment, newer than what triage read, on an issue that waits for an answer.
fn answered(core: &Core, repo: &RepoName, comment: &Comment) -> Option<Event> {
    let subject = Subject { repo: repo.clone(), issue: comment.issue };
    let ours = core.ledger.projects.get(repo)?.facts.as_ref()?.is_ours(&comment.author);
    let waits = match core.ledger.issue(&subject) {
        Some(state) => {
            let read = state.triaged.as_ref().and_then(|t| t.read_up_to).is_some_and(|read| comment.id <= read);
            !read && !state.answered && state.at == Some(Decision::NeedsInfo)
        }
        // A first look brings no other comments than answers.
        None => core.ledger.projects.get(repo)?.looked.is_none(),
    };
    if ours || !waits {
        return None;
    }
    Some(Event::Answered { subject, by: comment.author.clone(), at: comment.updated })
}
