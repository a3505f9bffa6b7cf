//! Pull requests of the operations repository: each head is read and judged once, and that is written once, wherever the process dies.

use std::collections::BTreeMap;

use forgehand::engine::{Core, Effect, Input, Job, LookedAt, OfferRead, VaultRead};
use forgehand::model::{Event, Failure, FailureKind, Judged, PullNumber, Record, RepoName, Sha, Timestamp, VaultEvent};
use forgehand::plan::Policy;

use super::plan_world;

const MINUTE: i64 = 60_000;

fn ops() -> RepoName {
    "owner/ops".parse().expect("a name")
}

fn head(n: u8) -> Sha {
    format!("{n:040x}").parse().expect("a sha")
}

fn wrong() -> Judged {
    Judged {
        actions: Vec::new(),
        mistakes: vec!["vault/actions/a.toml:1:1: no".into()],
        more: 0,
        unblocks: Vec::new(),
        items: Vec::new(),
        free: false,
    }
}

/// What is read of a pull request: its head, and what that comes to.
type Read = Option<(u8, Option<Judged>)>;

/// A core with what it was asked for, and the journal of all its lives.
struct Desk {
    core: Core,
    records: Vec<Record>,
    jobs: Vec<Job>,
    now: Timestamp,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self { core: core(&[]), records: Vec::new(), jobs: Vec::new(), now: Timestamp(1_790_000_000_000) };
        desk.begin();
        desk
    }

    /// Another process on the same journal.
    fn again(&mut self) {
        self.core = core(&self.records);
        self.jobs.clear();
        self.begin();
    }

    /// The project was looked at.
    fn begin(&mut self) {
        let repo = plan_world::repo();
        self.input(Input::Wake { repos: vec![repo.clone()], force: true });
        if self.jobs.iter().any(|job| matches!(job, Job::Survey(_))) {
            self.input(Input::Surveyed { repo: repo.clone(), result: Ok(plan_world::facts()) });
        }
        assert!(self.jobs.iter().any(|job| matches!(job, Job::Look { .. })), "{:?}", self.jobs);
        assert!(self.asked().is_none(), "a forge that nothing was read of is asked for the project first");
        let looked = LookedAt { began: self.now, date: Some(self.now), pulls: Some(Vec::new()), ..LookedAt::default() };
        self.input(Input::Looked { repo, result: Ok(looked) });
    }

    fn input(&mut self, input: Input) {
        for effect in self.core.handle(input, self.now) {
            match effect {
                Effect::Append { at, events } => {
                    for event in events {
                        self.records.push(Record { seq: self.records.len() as u64 + 1, at, event });
                    }
                }
                Effect::Start(job) => self.jobs.push(*job),
                Effect::Cancel(_) => {}
                Effect::Alarm(violation) => panic!("{violation}"),
            }
        }
    }

    fn pass(&mut self, millis: i64) {
        self.now = Timestamp(self.now.0 + millis);
        self.input(Input::Tick);
    }

    /// The heads that are known where the open pull requests are asked for.
    fn asked(&mut self) -> Option<BTreeMap<PullNumber, Sha>> {
        let at = self.jobs.iter().position(|job| matches!(job, Job::Offers { .. }))?;
        let Job::Offers { repo, known, .. } = self.jobs.remove(at) else { return None };
        assert_eq!(repo, ops());
        Some(known)
    }

    fn read(&mut self, offers: &[(u64, Read)]) {
        let read = |(pull, read): &(u64, Read)| OfferRead {
            pull: PullNumber(*pull),
            read: read.clone().map(|(sha, judged)| (head(sha), judged)),
        };
        self.input(Input::Offers {
            repo: ops(),
            result: Ok(VaultRead { offers: offers.iter().map(read).collect(), shelf: None, policy: None }),
        });
    }

    /// What is to be said: of which pull request, at which head.
    fn says(&mut self) -> Option<(u64, Sha)> {
        let at = self.jobs.iter().position(|job| matches!(job, Job::TellOffer { .. }))?;
        let Job::TellOffer { pull, head, .. } = self.jobs.remove(at) else { return None };
        Some((pull.0, head))
    }

    fn told(&mut self, pull: u64, sha: u8, failed: Option<FailureKind>) {
        let failed = failed.map(|kind| Failure { kind, why: "no".into() });
        self.input(Input::OfferTold { repo: ops(), pull: PullNumber(pull), head: head(sha), failed });
    }

    fn intended(&self) -> usize {
        self.records.iter().filter(|record| matches!(record.event, Event::Vault { what: VaultEvent::Telling { .. }, .. })).count()
    }
}

fn core(records: &[Record]) -> Core {
    Core::new(records, Policy { ops: Some(ops()), ..plan_world::policy() })
}

#[test]
fn a_head_is_read_and_said_of_once_and_a_new_one_again() {
    let mut desk = Desk::new();
    assert_eq!(desk.asked(), Some(BTreeMap::new()));
    desk.read(&[(1, Some((1, Some(wrong())))), (2, Some((2, None)))]);
    assert_eq!(desk.says(), Some((1, head(1))), "what is no business of the vault's has no status");
    assert_eq!(desk.intended(), 1, "it is journalled before");
    desk.told(1, 1, None);
    assert_eq!((desk.says(), desk.asked()), (None, None));
    desk.pass(MINUTE / 2);
    assert_eq!(desk.asked(), None, "it has a slower clock than a tick");
    desk.pass(MINUTE / 2);
    assert_eq!(desk.asked(), Some(BTreeMap::from([(PullNumber(1), head(1)), (PullNumber(2), head(2))])));
    desk.read(&[(1, None), (2, None)]);
    assert_eq!(desk.says(), None, "nothing moved");
    desk.pass(MINUTE);
    desk.asked().expect("it is read again");
    desk.read(&[(1, Some((3, Some(wrong()))))]);
    assert_eq!(desk.says(), Some((1, head(3))), "somebody pushed");
    assert!(
        desk.records
            .iter()
            .any(|record| matches!(record.event, Event::Vault { what: VaultEvent::Gone { pull: PullNumber(2) }, .. }))
    );
    // And once more while that is being said.
    desk.pass(MINUTE);
    desk.asked().expect("it is read again");
    desk.read(&[(1, Some((4, Some(wrong()))))]);
    assert_eq!(desk.says(), None, "one after the other");
    desk.told(1, 3, None);
    assert_eq!(desk.says(), Some((1, head(4))), "what ended was about an older head");
    desk.told(1, 4, None);
    assert_eq!(desk.says(), None);
    desk.pass(MINUTE);
    assert_eq!(desk.asked(), Some(BTreeMap::from([(PullNumber(1), head(4))])));
}

#[test]
fn a_process_that_dies_says_what_is_unsaid_and_nothing_twice() {
    let mut desk = Desk::new();
    desk.asked().expect("it is read");
    desk.read(&[(1, Some((1, Some(wrong()))))]);
    desk.says().expect("it is said");
    // Whether it was written nobody knows: whoever writes it looks first.
    desk.again();
    assert_eq!(desk.says(), None, "not before it is known that it is open still");
    assert_eq!(desk.asked(), Some(BTreeMap::from([(PullNumber(1), head(1))])));
    desk.read(&[(1, None)]);
    assert_eq!(desk.says(), Some((1, head(1))));
    desk.told(1, 1, None);
    desk.again();
    desk.asked().expect("it is read");
    desk.read(&[(1, None)]);
    assert_eq!(desk.says(), None, "it is said");
    desk.pass(MINUTE);
    desk.asked().expect("it is read");
    desk.read(&[]);
    assert_eq!((desk.says(), desk.intended()), (None, 2));
}

#[test]
fn what_could_not_be_written_is_tried_again_with_growing_pauses() {
    let mut desk = Desk::new();
    desk.asked().expect("it is read");
    desk.read(&[(1, Some((1, Some(wrong()))))]);
    desk.says().expect("it is said");
    desk.told(1, 1, Some(FailureKind::Refused));
    assert_eq!(desk.says(), None, "not at once");
    desk.pass(5_000);
    desk.says().expect("after five seconds");
    desk.told(1, 1, Some(FailureKind::Passing));
    desk.pass(5_000);
    assert_eq!(desk.says(), None, "the second pause is longer");
    desk.pass(10_000);
    desk.says().expect("after fifteen");
    desk.told(1, 1, None);
    desk.pass(MINUTE);
    assert_eq!(desk.says(), None);
}

#[test]
fn what_cannot_be_read_is_asked_for_again_and_nothing_is_forgotten_for_it() {
    let mut desk = Desk::new();
    desk.asked().expect("it is read");
    desk.read(&[(1, Some((1, Some(wrong()))))]);
    desk.says().expect("it is said");
    desk.told(1, 1, None);
    desk.pass(MINUTE);
    desk.asked().expect("it is read");
    let failure = Failure { kind: FailureKind::Passing, why: "no answer".into() };
    desk.input(Input::Offers { repo: ops(), result: Err(failure) });
    assert_eq!(desk.asked(), None, "not at once");
    desk.pass(MINUTE);
    assert_eq!(desk.asked(), Some(BTreeMap::from([(PullNumber(1), head(1))])));
    desk.input(Input::Drain);
    desk.read(&[(1, Some((2, Some(wrong()))))]);
    assert_eq!(desk.says(), None, "a process that is about to end begins nothing");
}
