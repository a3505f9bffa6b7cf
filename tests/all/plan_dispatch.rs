//! The dispatcher of the vault: wherever the process dies, and however often, an action is begun at most once, and never one that is not to be.

use std::collections::BTreeMap;

use forgehand::engine::{Core, Effect, Input, Job, LookedAt, OfferRead, ShelfRead, VaultAnswer, VaultJob, VaultRead};
use forgehand::formula::load;
use forgehand::model::{
    Action, ActionEnd, ActionId, ActionRecord, ActionState, ActionWork, ApprovedBy, Approving, Begun, Command, CommandRun,
    Dispatch, Event, Evidence, Failure, FailureKind, FormulaName, FormulaWork, Intent, Judged, Outcome, PendingItem, PullNumber,
    Record, RepoName, Risk, Sha, ShelvedAction, Subject, TextHash, Timestamp, VaultEvent, Wanted, WantedBy,
};
use forgehand::plan::{Policy, actions_open};

use super::plan_world;

const MINUTE: i64 = 60_000;
/// The pull request that asks for the action.
const ASKED: PullNumber = PullNumber(4);

const DEPLOY: &str = "formula = 1\nname = \"deploy\"\ntitle = \"Deploy\"\nblast_radius = \"high\"\n[trigger]\nvault = true\n[[step]]\nid = \"run\"\nrun = [\"true\"]\non = \"base\"\n";

const WAITS: &str = "formula = 1\nname = \"waits\"\ntitle = \"Wait\"\nblast_radius = \"low\"\n[trigger]\nvault = true\n[[step]]\nid = \"wait\"\ngate = \"vault\"\naction = \"'v1'\"\n";

fn ops() -> RepoName {
    "owner/ops".parse().expect("a name")
}

fn sha(n: u64) -> Sha {
    format!("{n:040x}").parse().expect("a sha")
}

fn vault_read(shelf: Option<ShelfRead>) -> VaultRead {
    VaultRead { offers: Vec::new(), shelf, policy: None }
}

fn id() -> ActionId {
    "v1".parse().expect("a name")
}

fn policy() -> Policy {
    let deploy = load("deploy.toml", DEPLOY, &|_| None).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    let mut policy = Policy { ops: Some(ops()), ..plan_world::policy() };
    let waits = load("waits.toml", WAITS, &|_| None).unwrap_or_else(|e| panic!("{:#?}", e.lines()));
    for (name, formula) in [("deploy", deploy), ("waits", waits)] {
        policy.projects.values_mut().for_each(|p| drop(p.formulas.insert(name.into(), formula.clone())));
    }
    policy
}

/// An action, as its file and its record say.
fn shelved(state: ActionState, text: &str, end: Option<ActionEnd>) -> ShelvedAction {
    let work = FormulaWork {
        formula: FormulaName::from("deploy"),
        project: Some(plan_world::repo()),
        inputs: BTreeMap::new(),
        secrets: vec!["TAP".into()],
        mounts: Vec::new(),
        model: None,
        tools: Vec::new(),
        timeout_minutes: None,
    };
    let unblocks = vec![plan_world::subject(1)];
    let action = Action { id: id(), work: ActionWork::Formula(work), context: "c".into(), unblocks, blast_radius: None };
    ShelvedAction {
        id: id(),
        state,
        action: Some(action),
        wrong: None,
        tier: Some(Risk::High),
        free: false,
        file: Some(id().file()),
        text: Some(TextHash(text.to_owned())),
        end,
    }
}

/// A process on a journal, and the branch that outlives it.
struct Site {
    core: Core,
    records: Vec<Record>,
    jobs: Vec<Job>,
    now: Timestamp,
    /// What `vault/fired` has of the action.
    fired: Option<ActionRecord>,
    /// How often its commands were begun.
    ran: u32,
    /// The commit that changed the vault last.
    tip: u64,
    /// The file is there.
    filed: bool,
    /// What people are asked for in words.
    items: Vec<PendingItem>,
    approved: bool,
    /// A pull request that asks for the action is open, and is merged by the policy alone.
    free: bool,
    /// How often the forge was asked to merge it, and did.
    merges: (u32, u32),
    /// It says no.
    refuses: bool,
    /// It merges, and its answer is lost.
    mute: bool,
    /// What the head of that pull request ends in; the first is all that is low.
    head: u64,
    /// The process dies at this record, with its effect made or not.
    dies: Option<(usize, bool)>,
}

/// It is dead.
struct Dead;

impl Site {
    fn new(dies: Option<(usize, bool)>) -> Self {
        Self {
            core: Core::new(&[], policy()),
            records: Vec::new(),
            jobs: Vec::new(),
            now: Timestamp(1_790_000_000_000),
            fired: None,
            ran: 0,
            tip: 1,
            filed: false,
            items: Vec::new(),
            approved: true,
            free: false,
            merges: (0, 0),
            refuses: false,
            mute: false,
            head: 4,
            dies,
        }
    }

    /// Another process on the same journal.
    fn again(&mut self) {
        self.core = Core::new(&self.records, policy());
        self.jobs.clear();
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

    /// A process, until it is quiet or dies.
    fn process(&mut self) -> Result<(), Dead> {
        let repo = plan_world::repo();
        self.input(Input::Wake { repos: vec![repo.clone()], force: true });
        for _ in 0..200 {
            if self.jobs.is_empty() {
                self.now = Timestamp(self.now.0 + MINUTE);
                self.input(Input::Tick);
                if self.jobs.is_empty() || (self.jobs.iter().all(|job| matches!(job, Job::Offers { .. })) && self.is_done()) {
                    return Ok(());
                }
            }
            let job = self.jobs.remove(0);
            self.perform(job)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let closed = |record: &Record| {
            matches!(
                &record.event,
                Event::Vault { what: VaultEvent::Dispatched { what: Dispatch::Closed { failed: None, .. } }, .. }
            )
        };
        self.records.iter().any(closed) || (!self.filed && !self.free) || self.refuses || !self.approved
    }

    /// Dies here, before the effect or after it.
    fn dies_here(&mut self, after: bool) -> Result<(), Dead> {
        match self.dies {
            Some((at, made)) if self.records.len() >= at && made == after => {
                self.dies = None;
                Err(Dead)
            }
            _ => Ok(()),
        }
    }

    fn perform(&mut self, job: Job) -> Result<(), Dead> {
        self.dies_here(false)?;
        let input = match job {
            Job::Survey(repo) => Input::Surveyed { repo, result: Ok(plan_world::facts()) },
            Job::Look { repo, stamp, .. } => {
                let looked = LookedAt { date: Some(self.now), pulls: Some(Vec::new()), ..stamp };
                Input::Looked { repo, result: Ok(looked) }
            }
            Job::Offers { repo, shelf, known, .. } => {
                let offers = self.offers(&known);
                let at = Some(sha(self.tip));
                let read =
                    (shelf != Some(at.clone())).then(|| ShelfRead { at, actions: self.shelf(), items: self.items.clone() });
                Input::Offers { repo, result: Ok(VaultRead { offers, ..vault_read(read) }) }
            }
            Job::TellOffer { repo, pull, head, .. } => Input::OfferTold { repo, pull, head, failed: None },
            Job::Vault { repo, job } => Input::Vault { repo, answer: self.dispatch(job) },
            Job::Act { key, intent, state, .. } => {
                let outcome = match intent {
                    Intent::Claim { .. } => Outcome::Claimed { sha: sha(77), until: Timestamp(self.now.0 + 10 * MINUTE) },
                    Intent::Release { .. } => Outcome::Released,
                    Intent::Prepare { .. } => plan_world::prepared_project(&state),
                    Intent::Verify { sha, .. } => {
                        self.ran += 1;
                        let run = CommandRun { command: "true".into(), exit: Some(0), millis: 1, tail: String::new() };
                        Outcome::Verified { evidence: Evidence { sha, commands: vec![run], passed: true, timed_out: false } }
                    }
                    Intent::Discard { .. } => Outcome::Discarded { kept: None },
                    other => panic!("{other:?}"),
                };
                Input::Ended { key, outcome }
            }
            Job::Find { key, .. } => Input::Found { key, result: Ok(None) },
            other => panic!("{other:?}"),
        };
        self.dies_here(true)?;
        self.input(input);
        Ok(())
    }

    /// The first issue is seen to be queued.
    fn queue(&mut self) {
        let subject: Subject = plan_world::subject(1);
        self.input(Input::Wake { repos: vec![subject.repo.clone()], force: true });
        let at = self.jobs.iter().position(|job| matches!(job, Job::Look { .. })).expect("a look");
        let Job::Look { stamp, .. } = self.jobs.remove(at) else { panic!("it is one") };
        let issues = vec![plan_world::queued(1, self.now)];
        let looked = LookedAt { date: Some(self.now), pulls: Some(Vec::new()), issues, ..stamp };
        self.input(Input::Looked { repo: subject.repo, result: Ok(looked) });
    }

    /// What it waits for, in words.
    fn waits(&self) -> Option<String> {
        let wait = self.core.plan().waits.get(&plan_world::subject(1))?;
        Some(forgehand::words::wait(wait, &forgehand::model::LabelNames::default()))
    }

    fn shelf(&self) -> Vec<ShelvedAction> {
        let state = if self.fired.is_some() { ActionState::Fired } else { ActionState::Merged };
        let end = self.fired.as_ref().map(|record| ActionEnd { exit_code: record.exit_code, logs: String::new() });
        self.filed.then(|| shelved(state, "one", end)).into_iter().collect()
    }

    /// What is open there; of a head that is known no more is told.
    fn offers(&self, known: &BTreeMap<PullNumber, Sha>) -> Vec<OfferRead> {
        let unblocks = vec![plan_world::subject(1)];
        let judged =
            Judged { actions: vec![id()], unblocks, items: Vec::new(), free: self.head == 4, mistakes: Vec::new(), more: 0 };
        let head = sha(self.head);
        let read = (known.get(&ASKED) != Some(&head)).then_some((head, Some(judged)));
        self.free.then_some(OfferRead { pull: ASKED, read }).into_iter().collect()
    }

    fn is_merged(&mut self) {
        (self.free, self.filed, self.tip) = (false, true, self.tip + 1);
    }

    /// What the forge and its branch answer.
    fn dispatch(&mut self, job: VaultJob) -> VaultAnswer {
        match job {
            VaultJob::Weigh { action, at, put_through, .. } => {
                // Else whoever the forge names for the merge would pass for an approver.
                assert_eq!(put_through.contains(&ASKED), self.merges.1 > 0, "{put_through:?}");
                let by = ApprovedBy::Merge { login: "owner".into(), pull: PullNumber(1) };
                let answer = match self.approved {
                    true => Approving::Approved { by, sha: sha(9) },
                    false => Approving::Lacking { why: "nobody did".into() },
                };
                VaultAnswer::Weighed(action.id, at, Ok(answer))
            }
            VaultJob::Begin { action, record, .. } => {
                let end = match &self.fired {
                    Some(there) if *there != *record => Begun::StoodDown { why: "somebody recorded something of it".into() },
                    Some(_) => Begun::Here { commit: None },
                    None => {
                        self.fired = Some(*record);
                        self.tip += 1;
                        Begun::Here { commit: Some(sha(self.tip)) }
                    }
                };
                VaultAnswer::Begun(action.id, end)
            }
            VaultJob::Close { id, record, .. } => {
                self.fired = Some(*record.clone());
                self.tip += 1;
                VaultAnswer::Closed(id, *record, None)
            }
            VaultJob::Merge { pull, head } => {
                assert_eq!((pull, &head), (ASKED, &sha(4)));
                // What is merged is seen to be that first.
                if !self.free {
                    return VaultAnswer::Merged(pull, head, None);
                }
                self.merges.0 += 1;
                if self.refuses {
                    let failed = Failure { kind: FailureKind::Refused, why: "one approval".into() };
                    return VaultAnswer::Merged(pull, head, Some(failed));
                }
                self.merges.1 += 1;
                self.is_merged();
                let failed = self.mute.then(|| Failure { kind: FailureKind::Doubtful, why: "no answer".into() });
                VaultAnswer::Merged(pull, head, failed)
            }
        }
    }

    fn wanted(&self) -> usize {
        let by_vault = |record: &&Record| matches!(&record.event, Event::Wanted { wanted, .. } if matches!(wanted.by, WantedBy::Vault { .. }));
        self.records.iter().filter(by_vault).count()
    }

    fn open(&self) -> Vec<String> {
        actions_open(self.core.ledger(), self.core.policy()).map(|(_, stands)| stands).collect()
    }
}

/// From before the action is merged until it is recorded, dying once at a record. Whether it died.
fn life(dies: Option<(usize, bool)>) -> (Site, bool) {
    let mut site = Site::new(None);
    assert!(site.process().is_ok(), "nothing is there yet");
    (site.filed, site.tip, site.dies) = (true, 2, dies);
    let mut died = false;
    for _ in 0..4 {
        if site.process().is_err() {
            died = true;
            site.again();
        }
    }
    (site, died)
}

#[test]
fn an_action_that_was_approved_is_begun_once_and_recorded() {
    let (site, _) = life(None);
    let record = site.fired.as_ref().expect("it is recorded");
    assert_eq!((site.ran, site.wanted()), (1, 1));
    assert_eq!((record.exit_code, record.approved_by.as_deref()), (Some(0), Some("owner")));
    assert_eq!(site.open(), Vec::<String>::new());
}

#[test]
fn wherever_it_dies_it_is_begun_at_most_once_and_its_end_is_recorded() {
    let (whole, _) = life(None);
    let mut deaths = 0;
    for at in 1..=whole.records.len() {
        for made in [false, true] {
            let (site, died) = life(Some((at, made)));
            deaths += u32::from(died);
            assert!(site.ran <= 1 && site.wanted() <= 1, "at {at}, made: {made}: it ran {} times", site.ran);
            let record = site.fired.as_ref().unwrap_or_else(|| panic!("at {at}, made: {made}: nothing is recorded"));
            // What was cut at its command is told as that; everything else came to its end.
            let cut = record.logs.as_deref().is_some_and(|logs| logs.contains("was cut"));
            assert!(cut || (site.ran, record.exit_code) == (1, Some(0)), "at {at}, made: {made}: {record:?}");
            assert_eq!(site.open(), Vec::<String>::new(), "at {at}, made: {made}");
        }
    }
    assert!(deaths > 20, "{deaths} deaths");
}

/// The same from a pull request on that the policy alone merges.
fn life_by_the_policy(dies: Option<(usize, bool)>) -> (Site, bool) {
    let mut site = Site::new(None);
    assert!(site.process().is_ok(), "nothing is there yet");
    (site.free, site.dies) = (true, dies);
    let mut died = false;
    for _ in 0..4 {
        if site.process().is_err() {
            died = true;
            site.again();
        }
    }
    (site, died)
}

#[test]
fn wherever_it_dies_what_is_low_is_merged_once_and_run_at_most_once() {
    let (whole, _) = life_by_the_policy(None);
    assert_eq!((whole.merges, whole.ran, whole.wanted()), ((1, 1), 1, 1));
    let merging = |record: &Record| {
        matches!(&record.event, Event::Vault { what: VaultEvent::Dispatched { what: Dispatch::Merging { .. } }, .. })
    };
    let merging = whole.records.iter().position(merging).expect("it is journalled before");
    let (mut deaths, mut at_merge) = (0, 0);
    for at in 1..=whole.records.len() {
        for made in [false, true] {
            let (site, died) = life_by_the_policy(Some((at, made)));
            deaths += u32::from(died);
            at_merge += u32::from(died && at == merging + 1);
            assert_eq!(site.merges, (1, 1), "at {at}, made: {made}");
            assert!(site.ran <= 1 && site.wanted() <= 1 && site.fired.is_some(), "at {at}, made: {made}: {} times", site.ran);
            assert_eq!(site.open(), Vec::<String>::new(), "at {at}, made: {made}");
        }
    }
    assert!(deaths > 20 && at_merge == 2, "{deaths} deaths, {at_merge} of them at the merge");
}

#[test]
fn who_the_forge_names_for_a_merge_of_ours_is_no_approver_and_who_merges_something_else_is() {
    // What `Weigh` is told is held to what really happened, where it is answered.
    let mut mute = Site::new(None);
    assert!(mute.process().is_ok());
    (mute.free, mute.mute) = (true, true);
    assert!(mute.process().is_ok());
    assert_eq!((mute.merges, mute.ran), ((1, 1), 1), "its answer was lost");

    let merging = |record: &Record| {
        matches!(&record.event, Event::Vault { what: VaultEvent::Dispatched { what: Dispatch::Merging { .. } }, .. })
    };
    let (whole, _) = life_by_the_policy(None);
    let at = whole.records.iter().position(merging).expect("it is journalled before") + 1;
    let mut pushed = Site::new(None);
    assert!(pushed.process().is_ok());
    (pushed.free, pushed.dies) = (true, Some((at, false)));
    assert!(pushed.process().is_err(), "it dies before it asks for the merge");
    pushed.again();
    pushed.head = 5;
    assert!(pushed.process().is_ok());
    assert_eq!((pushed.merges, pushed.ran), ((0, 0), 0), "it is another head, which is not low");
    pushed.is_merged();
    pushed.now = Timestamp(pushed.now.0 + MINUTE);
    assert!(pushed.process().is_ok());
    assert_eq!(pushed.ran, 1, "a person merged that: {:?}", pushed.open());
}

#[test]
fn what_the_forge_refuses_to_merge_is_said_to_who_waits_and_asked_again_by_the_hour() {
    let refused = || {
        let mut site = Site::new(None);
        assert!(site.process().is_ok());
        (site.free, site.refuses) = (true, true);
        for _ in 0..30 {
            site.now = Timestamp(site.now.0 + MINUTE);
            assert!(site.process().is_ok());
        }
        assert_eq!((site.merges, site.ran), ((2, 0), 0), "once more, and then no more");
        site
    };
    let mut told = refused();
    told.queue();
    let said = told.waits().unwrap_or_default();
    assert!(said.contains("#4, which is not merged: the forge does not merge it (one approval)"), "{said:?}");

    let mut site = refused();
    site.now = Timestamp(site.now.0 + 60 * MINUTE);
    assert!(site.process().is_ok());
    assert_eq!(site.merges, (3, 0));
    // Somebody lets it.
    site.refuses = false;
    site.now = Timestamp(site.now.0 + 60 * MINUTE);
    assert!(site.process().is_ok());
    assert_eq!((site.merges, site.ran), ((4, 1), 1), "{:?}", site.open());
}

#[test]
fn nothing_is_begun_that_was_there_before_or_is_recorded_or_nobody_approved() {
    let mut before = Site::new(None);
    before.filed = true;
    assert!(before.process().is_ok() && before.process().is_ok());
    assert_eq!((before.ran, before.wanted()), (0, 0), "it was there before");

    let mut lacking = Site::new(None);
    assert!(lacking.process().is_ok());
    (lacking.filed, lacking.tip, lacking.approved) = (true, 2, false);
    assert!(lacking.process().is_ok());
    assert_eq!((lacking.ran, lacking.open()), (0, vec!["nobody did".to_owned()]));
    // Who reads it again an hour later finds that somebody did.
    lacking.approved = true;
    lacking.now = Timestamp(lacking.now.0 + 60 * MINUTE);
    assert!(lacking.process().is_ok());
    assert_eq!(lacking.ran, 1);

    // A journal that was lost knows the branch alone, and leaves what is begun or merged there alone.
    let (whole, _) = life(None);
    let mut lost = Site { filed: true, tip: whole.tip, fired: whole.fired.clone(), ..Site::new(None) };
    assert!(lost.process().is_ok());
    assert_eq!((lost.ran, lost.wanted()), (0, 0));

    // Somebody else was faster between the reading and the writing.
    let mut second = Site::new(None);
    assert!(second.process().is_ok());
    (second.filed, second.tip) = (true, 2);
    second.fired = Some(ActionRecord { logs: Some("begun by another".into()), ..ActionRecord::default() });
    let events = second.core.ledger().seq;
    second.input(Input::Offers {
        repo: ops(),
        result: Ok(vault_read(Some(ShelfRead {
            at: Some(sha(2)),
            actions: vec![shelved(ActionState::Merged, "one", None)],
            items: Vec::new(),
        }))),
    });
    assert!(second.process().is_ok());
    assert!(second.core.ledger().seq > events && second.ran == 0, "{:?}", second.open());
}

#[test]
fn a_run_about_the_project_does_not_wait_for_an_action_that_would_wait_for_it() {
    let mut site = Site::new(None);
    assert!(site.process().is_ok());
    (site.filed, site.tip, site.approved) = (true, 2, false);
    assert!(site.process().is_ok());
    let wanted = Wanted { formula: "waits".into(), inputs: BTreeMap::new(), by: WantedBy::Hand };
    let command = Command::Run { subject: Subject::project(plan_world::repo()), wanted, seen: None };
    site.input(Input::Command { row: 1, command });
    assert!(site.process().is_ok());
    let ended = site.records.iter().find_map(|record| match &record.event {
        Event::RunEnded { outcome, .. } => Some(forgehand::words::outcome(outcome)),
        _ => None,
    });
    assert!(ended.as_ref().is_some_and(|why| why.contains("cannot be waited for here")), "{ended:?}");
}

#[test]
fn an_issue_waits_for_what_unblocks_it_until_that_ended() {
    let mut site = Site::new(None);
    assert!(site.process().is_ok());
    (site.filed, site.tip, site.approved) = (true, 2, false);
    assert!(site.process().is_ok());
    site.queue();
    let said = site.waits().unwrap_or_default();
    assert!(said.contains("the action v1 of the vault: nobody did"), "{said:?}");
}

#[test]
fn an_issue_waits_for_what_people_are_asked_for_until_its_file_is_gone() {
    let mut site = Site::new(None);
    let item = |issue| PendingItem { name: "disk".into(), unblocks: vec![plan_world::subject(issue)] };
    // It was there before forgehand came, which is no reason not to wait.
    site.items = vec![item(1)];
    assert!(site.process().is_ok());
    site.queue();
    assert_eq!(site.waits().as_deref(), Some("waits for what people are asked for in vault/pending/disk.md"));
    let begins = |job: &Job| matches!(job, Job::Dependencies { subject, .. } if *subject == plan_world::subject(1));
    assert!(!site.jobs.iter().any(begins), "nothing begins");

    let read = |items, tip| Input::Offers {
        repo: ops(),
        result: Ok(vault_read(Some(ShelfRead { at: Some(sha(tip)), actions: Vec::new(), items }))),
    };
    site.input(read(vec![item(2)], 2));
    assert!(site.jobs.iter().any(begins), "{:?}", site.waits());
}
