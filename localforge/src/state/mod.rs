//! The model of the forge: `state.apply(input, facts)` is synchronous and does no I/O. The time, a nonce and everything that
//! git knows come in; an answer, webhook deliveries and changed records go out.
//!
//! Where a request needs git, `apply` ends with [`Outcome::Ask`]; the shell runs the job, adds the reply to the facts and
//! applies the same input again. A handler therefore asks for everything *before* it changes a record, and once a writing
//! job is among the facts it must finish.
//!
//! Races it knows, because a real forge has them: of several identical `POST pulls` side by side each makes a pull request
//! (409 guards only against those that stood when the request came in), and between two questions to git a branch may move
//! (the writing jobs name what they expect).

mod access;
mod answer;
mod branches;
mod comments;
mod contents;
mod dependencies;
mod hooks;
mod issue_edit;
mod issue_list;
mod issues;
mod labels;
mod merging;
mod protections;
mod pulls;
mod pushes;
mod reactions;
pub(super) mod records;
mod repos;
mod reviews;
mod route;
mod show;
mod show_pull;
mod statuses;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod users;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use access::{Actor, Credentials, GitAccess};
pub(super) use answer::{Answer, Body, Delivery};
pub(super) use pulls::escape_path;
pub(super) use pushes::RefUpdate;
pub(super) use table::Change;

use self::answer::Halt;
use self::records::*;
use self::table::Table;
use super::git_job::{BranchTip, GitJob, GitReply};

/// A call of the API.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub method: Method,
    /// The path below `/api/v1`, in segments, decoded.
    pub path: Vec<String>,
    /// The path and query as they came, for redirects.
    pub raw_path: String,
    pub query: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub credentials: Credentials,
    pub now: At,
    /// 32 bytes that nobody else has been given.
    pub nonce: [u8; 32],
    /// How many pull requests there were when the request came in.
    pub pulls_seen: u64,
}

impl Request {
    /// The value of a query parameter; an empty one counts as absent.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The methods that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What can happen to the forge.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// Somebody calls the API.
    Call(Request),
    /// A push changed refs.
    Push { repo: RepoId, pusher: UserId, updates: Vec<RefUpdate>, now: At },
    /// A pull request that waited for its checks is to be merged.
    Scheduled { pull: IssueKey, now: At },
}

/// What git has said so far about one input.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(GitJob, GitReply)>);

impl Facts {
    /// Keeps what git replied.
    pub fn add(&mut self, job: GitJob, reply: GitReply) {
        self.0.push((job, reply));
    }

    fn get(&self, job: &GitJob) -> Option<&GitReply> {
        self.0.iter().find(|(known, _)| known == job).map(|(_, reply)| reply)
    }

    /// The reply to the writing job of this input, once there is one: from then on the handler must finish.
    fn written(&self) -> Option<&GitReply> {
        self.0.iter().rev().find(|(job, _)| job.writes()).map(|(_, reply)| reply)
    }

    /// The branch that a file was written to.
    fn written_file(&self) -> Option<&BranchTip> {
        self.0.iter().find_map(|(job, _)| match job {
            GitJob::WriteFile { branch, .. } => Some(branch),
            _ => None,
        })
    }
}

/// What `apply` came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is done.
    Done(Answer),
    /// Git has to be asked first.
    Ask(Box<GitJob>),
}

/// Everything the forge knows.
#[derive(Debug)]
pub(super) struct State {
    /// The address that links are made of, without a slash at its end.
    pub root: String,
    users: Table<UserId, User>,
    tokens: Table<TokenId, Token>,
    repos: Table<RepoId, Repo>,
    redirects: Table<(UserId, String), RepoId>,
    labels: Table<LabelId, Label>,
    issues: Table<IssueKey, Issue>,
    events: Table<(IssueKey, EventId), Event>,
    reviews: Table<(IssueKey, ReviewId), Review>,
    statuses: Table<(RepoId, String, u64), Status>,
    hooks: Table<HookId, Hook>,
    counters: Table<String, u64>,
    /// Which issue an event belongs to; made from `events`.
    event_home: BTreeMap<EventId, IssueKey>,
    /// The pull requests that wait for their checks to be merged; made from `issues`.
    waiting: BTreeSet<IssueKey>,
}

/// The tables, one after the other, for what is done to all of them.
macro_rules! each_table {
    ($state:expr, $table:ident => $do:expr) => {
        each_table!(@ $state, $table => $do;
            users tokens repos redirects labels issues events reviews statuses hooks counters)
    };
    (@ $state:expr, $table:ident => $do:expr; $($name:ident)+) => {{
        let state = $state;
        $({
            let $table = &mut state.$name;
            $do
        })+
    }};
}

impl State {
    /// A forge with nothing in it.
    pub fn new(root: String) -> Self {
        Self {
            root,
            users: Table::new("users"),
            tokens: Table::new("tokens"),
            repos: Table::new("repos"),
            redirects: Table::new("redirects"),
            labels: Table::new("labels"),
            issues: Table::new("issues"),
            events: Table::new("events"),
            reviews: Table::new("reviews"),
            statuses: Table::new("statuses"),
            hooks: Table::new("hooks"),
            counters: Table::new("counters"),
            event_home: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Does what the input asks for, as far as the facts carry.
    pub fn apply(&mut self, input: &Input, facts: &Facts) -> Outcome {
        let mut deliveries = Vec::new();
        let mut followups = Vec::new();
        let handled = match input {
            Input::Call(request) => {
                let mut call = Call::new(self, request, facts);
                let handled = call.route();
                deliveries = call.deliveries;
                followups = call.followups;
                handled
            }
            Input::Push { repo, pusher, updates, now } => {
                let mut doing = Doing { state: self, facts, now: *now, deliveries: &mut deliveries, followups: &mut followups };
                doing.pushed(*repo, *pusher, updates).map(|()| Answer::empty(200))
            }
            Input::Scheduled { pull, now } => {
                let mut doing = Doing { state: self, facts, now: *now, deliveries: &mut deliveries, followups: &mut followups };
                doing.merge_scheduled(*pull).map(|()| Answer::empty(200))
            }
        };
        let mut answer = match handled {
            Ok(answer) => answer,
            Err(Halt::Ask(job)) => return Outcome::Ask(job),
            Err(Halt::Refuse(refusal)) => refusal.answer(&self.root),
        };
        answer.deliveries = deliveries;
        answer.followups = followups;
        Outcome::Done(answer)
    }

    /// The records changed since the last call.
    pub fn take_changes(&mut self) -> serde_json::Result<Vec<Change>> {
        let mut changes = Vec::new();
        each_table!(&mut *self, table => table.take_changes(&mut changes)?);
        Ok(changes)
    }

    /// Every record.
    pub fn snapshot(&mut self) -> serde_json::Result<Vec<Change>> {
        let mut records = Vec::new();
        each_table!(&mut *self, table => table.snapshot(&mut records)?);
        Ok(records)
    }

    /// Takes back a record that was written. A table that this version does not know is an error.
    pub fn load(&mut self, Change(name, key, row): Change) -> serde_json::Result<()> {
        let (mut key, mut row, mut known) = (Some(key), Some(row), false);
        each_table!(&mut *self, table => if table.name() == name && let (Some(key), Some(row)) = (key.take(), row.take()) {
            known = true;
            table.load(key, row)?;
        });
        if known { Ok(()) } else { Err(serde::de::Error::custom(format!("there is no table `{name}`"))) }
    }

    /// Rebuilds what is derived from the records; called once after loading.
    pub fn index(&mut self) {
        self.event_home = self.events.iter().map(|((issue, id), _)| (*id, *issue)).collect();
        let waits = |issue: &&Issue| issue.pull.as_ref().is_some_and(|pull| pull.scheduled.is_some());
        self.waiting = self.issues.values().filter(waits).map(|issue| issue.key).collect();
    }

    /// An administrator of the site.
    pub fn site_admin(&self) -> Option<UserId> {
        self.users.values().find(|user| user.is_admin).map(|user| user.id)
    }

    /// How many tokens a user has been given.
    pub fn tokens_of(&self, user: Option<UserId>) -> usize {
        self.tokens.values().filter(|token| Some(token.user) == user).count()
    }

    /// How many pull requests were ever made.
    pub fn pulls_made(&self) -> u64 {
        self.counters.get(&"pull".to_owned()).copied().unwrap_or(0)
    }

    /// The next number of a sequence, starting with 1.
    fn next(&mut self, sequence: &str) -> u64 {
        let next = self.counters.get(&sequence.to_owned()).copied().unwrap_or(0) + 1;
        self.counters.insert(sequence.to_owned(), next);
        next
    }

    fn event(&self, id: EventId) -> Option<&Event> {
        self.events.get(&(*self.event_home.get(&id)?, id))
    }

    /// The timeline of an issue, oldest first.
    pub fn timeline(&self, issue: IssueKey) -> impl Iterator<Item = &Event> {
        self.events.range((issue, EventId(0))..=(issue, EventId(u64::MAX))).map(|(_, event)| event)
    }

    /// The issues and pull requests of a repository by number.
    pub fn issues_of(&self, repo: RepoId) -> impl DoubleEndedIterator<Item = &Issue> {
        self.issues.range(IssueKey(repo, 0)..=IssueKey(repo, u64::MAX)).map(|(_, issue)| issue)
    }

    /// An issue or pull request.
    pub fn issue(&self, key: IssueKey) -> Option<&Issue> {
        self.issues.get(&key)
    }

    /// The repositories, oldest first.
    pub fn repositories(&self) -> impl Iterator<Item = &Repo> {
        self.repos.values()
    }

    /// A repository.
    pub fn repo(&self, id: RepoId) -> Option<&Repo> {
        self.repos.get(&id)
    }

    /// A label.
    pub fn label(&self, id: LabelId) -> Option<&Label> {
        self.labels.get(&id)
    }
}

/// The state while one input is applied to it: what changes records, whoever asked for it.
struct Doing<'a> {
    state: &'a mut State,
    facts: &'a Facts,
    now: At,
    deliveries: &'a mut Vec<Delivery>,
    followups: &'a mut Vec<GitJob>,
}

impl Doing<'_> {
    /// What git says to this job, or the job itself, to be asked.
    fn git(&self, job: GitJob) -> Result<GitReply, Halt> {
        self.facts.get(&job).cloned().ok_or_else(|| Halt::Ask(Box::new(job)))
    }

    /// Adds an entry to a timeline, which moves the issue's `updated_at`.
    fn record(&mut self, issue: IssueKey, author: UserId, what: What) -> EventId {
        let id = EventId(self.state.next("event"));
        let event = Event { id, issue, author, created: self.now, updated: self.now, what };
        self.state.events.insert((issue, id), event);
        self.state.event_home.insert(id, issue);
        self.touch(issue);
        id
    }

    /// Moves an issue's `updated_at`.
    fn touch(&mut self, issue: IssueKey) {
        let now = self.now;
        if let Some(issue) = self.state.issues.get_mut(&issue) {
            issue.updated = now;
        }
    }
}

/// A call of the API while it is answered: who asks, for what.
struct Call<'a> {
    state: &'a mut State,
    request: &'a Request,
    facts: &'a Facts,
    actor: Actor,
    deliveries: Vec<Delivery>,
    followups: Vec<GitJob>,
}

impl<'a> Call<'a> {
    fn new(state: &'a mut State, request: &'a Request, facts: &'a Facts) -> Self {
        Self { state, request, facts, actor: Actor::Anonymous, deliveries: Vec::new(), followups: Vec::new() }
    }

    fn doing(&mut self) -> Doing<'_> {
        Doing {
            state: self.state,
            facts: self.facts,
            now: self.request.now,
            deliveries: &mut self.deliveries,
            followups: &mut self.followups,
        }
    }

    fn git(&self, job: GitJob) -> Result<GitReply, Halt> {
        self.facts.get(&job).cloned().ok_or_else(|| Halt::Ask(Box::new(job)))
    }
}
