//! The model without its shell: what git says is made up here, so that races can be put in order.

use serde_json::{Value, json};

use super::records::{At, UserId};
use super::*;
use crate::git_job::{CommitInfo, Comparison, FileChange, Signature};
use crate::wire::asked;

const BASE: &str = "1111111111111111111111111111111111111111";
const HEAD: &str = "2222222222222222222222222222222222222222";

/// A git in which `work` is one commit ahead of `main`.
fn made_up(job: &GitJob) -> GitReply {
    let who = || Signature { name: "bot".into(), email: "bot@localhost".into(), at: 0 };
    let commit = CommitInfo {
        sha: HEAD.into(),
        tree: HEAD.into(),
        parents: vec![BASE.into()],
        author: who(),
        committer: who(),
        message: "work\n".into(),
    };
    match job {
        GitJob::Init { .. } => GitReply::Made(BASE.into()),
        GitJob::SetRef { to, .. } => to.clone().map_or(GitReply::Done, GitReply::Made),
        GitJob::Commit { .. } => GitReply::Commit(Some(commit)),
        GitJob::Commits { .. } => GitReply::Commits { list: vec![commit], total: 1 },
        GitJob::Compare { .. } => {
            let file = FileChange { path: "file".into(), status: "added", additions: 1, deletions: 0 };
            GitReply::Comparison(Comparison { merge_base: BASE.into(), files: vec![file], conflicts: false })
        }
        GitJob::Merge { .. } => GitReply::Made("3333333333333333333333333333333333333333".into()),
        other => panic!("nobody should ask for {other:?}"),
    }
}

struct Model {
    state: State,
    user: UserId,
    now: i64,
}

impl Model {
    fn new() -> Self {
        let mut state = State::new("http://forge".into());
        let new = asked::NewUser { username: "bot".into(), email: "bot@localhost".into(), ..Default::default() };
        let user = state.add_user(new, true, &[0; 32], At(0)).unwrap();
        let mut model = Self { state, user, now: 1 };
        model.call(Method::Post, "user/repos", json!({ "name": "app", "auto_init": true }));
        let repo = model.state.find_repo("bot", "app").unwrap().0.id;
        let update = RefUpdate { name: "refs/heads/work".into(), old: None, new: Some(HEAD.into()) };
        let push = Input::Push { repo, pusher: user, updates: vec![update], now: At(2) };
        let facts = model.ask_all(&push);
        assert!(matches!(model.state.apply(&push, &facts), Outcome::Done(_)));
        model
    }

    fn request(&mut self, method: Method, path: &str, body: Value) -> Input {
        self.now += 1;
        Input::Call(Request {
            method,
            path: path.split('/').map(str::to_owned).collect(),
            raw_path: format!("/api/v1/{path}"),
            query: Vec::new(),
            body: body.to_string().into_bytes(),
            credentials: Credentials::Inside(self.user),
            now: At(self.now),
            nonce: [7; 32],
            pulls_seen: self.state.pulls_made(),
        })
    }

    /// Everything an input wants to know of git; it is left at the point where it would be done.
    fn ask_all(&mut self, input: &Input) -> Facts {
        let mut facts = Facts::default();
        let before = serde_json::to_string(&self.state.snapshot().unwrap()).unwrap();
        let mut copy = State::new("http://forge".into());
        for change in serde_json::from_str::<Vec<Change>>(&before).unwrap() {
            copy.load(change).unwrap();
        }
        copy.index();
        while let Outcome::Ask(job) = copy.apply(input, &facts) {
            let asked = serde_json::to_string(&copy.snapshot().unwrap()).unwrap();
            assert_eq!(asked, before, "nothing changes before everything is asked");
            let reply = made_up(&job);
            let writes = job.writes();
            facts.add(*job, reply);
            if writes {
                break;
            }
        }
        facts
    }

    fn finish(&mut self, input: &Input, mut facts: Facts) -> Answer {
        loop {
            match self.state.apply(input, &facts) {
                Outcome::Done(answer) => return answer,
                Outcome::Ask(job) => {
                    let reply = made_up(&job);
                    facts.add(*job, reply);
                }
            }
        }
    }

    fn call(&mut self, method: Method, path: &str, body: Value) -> Answer {
        let input = self.request(method, path, body);
        let facts = self.ask_all(&input);
        self.finish(&input, facts)
    }
}

#[test]
fn of_identical_pull_requests_side_by_side_each_is_made_but_none_against_the_past() {
    let mut model = Model::new();
    let body = json!({ "head": "work", "base": "main", "title": "work" });
    let first = model.request(Method::Post, "repos/bot/app/pulls", body.clone());
    let second = model.request(Method::Post, "repos/bot/app/pulls", body.clone());
    let (facts, more) = (model.ask_all(&first), model.ask_all(&second));
    assert_eq!(model.finish(&first, facts).status, 201);
    assert_eq!(model.finish(&second, more).status, 201, "it came in before the first was made");
    assert_eq!(model.call(Method::Post, "repos/bot/app/pulls", body).status, 409);
}

#[test]
fn a_merge_that_git_made_is_recorded_whatever_happened_meanwhile() {
    let mut model = Model::new();
    let body = json!({ "head": "work", "base": "main", "title": "work" });
    assert_eq!(model.call(Method::Post, "repos/bot/app/pulls", body).status, 201);
    let merge = model.request(Method::Post, "repos/bot/app/pulls/1/merge", json!({ "Do": "merge" }));
    let facts = model.ask_all(&merge);
    let draft = json!({ "title": "WIP: work" });
    assert_eq!(model.call(Method::Patch, "repos/bot/app/pulls/1", draft).status, 201);
    assert_eq!(model.finish(&merge, facts).status, 200);
    let merged = model.call(Method::Get, "repos/bot/app/pulls/1/merge", Value::Null);
    assert_eq!(merged.status, 204);
}

#[test]
fn a_branch_that_moved_under_a_merge_is_a_409_and_nothing_changes() {
    let mut model = Model::new();
    let body = json!({ "head": "work", "base": "main", "title": "work" });
    model.call(Method::Post, "repos/bot/app/pulls", body);
    let merge = model.request(Method::Post, "repos/bot/app/pulls/1/merge", json!({ "Do": "merge" }));
    let Outcome::Ask(job) = model.state.apply(&merge, &Facts::default()) else { panic!("git was not asked") };
    let mut facts = Facts::default();
    facts.add(*job, GitReply::Stale);
    assert_eq!(model.finish(&merge, facts).status, 409);
    assert_eq!(model.call(Method::Get, "repos/bot/app/pulls/1/merge", Value::Null).status, 404);
}
