//! Decorators around the ports: they count what goes through, and at one chosen place the process dies or an answer is lost.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use forgehand::git::Git;
use forgehand::ledger::Ledger;
use forgehand::model::{
    Branch, Change, Checks, Command, Comment, CommentId, Dependency, Event, Evidence, HostEnd, Issue, IssueNumber, JournalId,
    Kept, LabelEvent, LastTag, Login, MergeStyle, Permission, PortRange, Pull, PullNumber, Record, Refusal, RepoFacts, RepoLabel,
    RepoName, ReviewId, Reviews, RunId, Sha, Spot, StepId, Timestamp,
};
use forgehand::ports::{
    AgentOrder, AgentReport, BringUp, CiRun, ClaimAnswer, Clock, CommitStatus, DiskRoom, FailedJob, Forge, ForgeError,
    ForgeErrorKind, HandError, HandErrorKind, HandEvent, Hands, Host, HostOrder, HostRan, IssueFilter, Journal, JournalError,
    KeepAnswer, KeepOrder, Lease, LineComment, Listed, Matters, Merge, MergedPull, NewClaim, NewIssue, NewPull, NewReview,
    NewStatus, PushAnswer, Recalled, RepoError, RepoErrorKind, Repos, SetUpOrder, TakeOrder, Tips, VerifyOrder, Vitals,
    WorkspaceOrder, WrittenReview,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Which port a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Forge,
    Repos,
    Hands,
    Journal,
    Host,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The process dies before it is done.
    DiesBefore,
    /// The process dies when it is done, before anybody hears of it.
    DiesAfter,
    /// It is not done, and the answer does not say so. (The journal: it fails, and the process goes on.)
    Unsent,
    /// It is done, and the answer does not say so.
    Lost,
}

/// One fault; calls that write have a count of their own.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub site: Site,
    pub at: u64,
    pub how: How,
}

/// What all decorators of one life share. It outlives the processes of that life.
pub struct Faults {
    fault: Option<Fault>,
    /// One call of so many fails, by a seed.
    storm: Option<(u64, u64)>,
    calm: AtomicBool,
    count: AtomicU64,
    fired: AtomicBool,
    calls: [AtomicU64; 5],
    writes: [AtomicU64; 5],
    busy: AtomicI64,
    kill: std::sync::Mutex<CancellationToken>,
}

struct Busy<'a>(&'a AtomicI64);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Faults {
    pub fn new(fault: Option<Fault>) -> Arc<Self> {
        Arc::new(Self {
            fault,
            storm: None,
            calm: AtomicBool::new(false),
            count: AtomicU64::new(0),
            fired: AtomicBool::new(false),
            calls: Default::default(),
            writes: Default::default(),
            busy: AtomicI64::new(0),
            kill: std::sync::Mutex::new(CancellationToken::new()),
        })
    }

    /// One call of so many fails, is lost, or is the last one of its process.
    pub fn storm(one_in: u64, seed: u64) -> Arc<Self> {
        let mut faults = Arc::into_inner(Self::new(None)).expect("nobody else has it");
        faults.storm = Some((one_in, seed));
        Arc::new(faults)
    }

    /// No more faults.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    /// How many faults there were in a storm.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// What a storm does to a call.
    fn struck(&self, site: Site, call: u64, writes: bool) -> Option<How> {
        let (one_in, seed) = self.storm.filter(|_| !self.calm.load(Ordering::SeqCst))?;
        let name = format!("{seed}/{site:?}/{call}");
        let drawn = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).as_u128();
        let how = match (drawn >> 64) % 4 {
            0 => How::DiesBefore,
            1 => How::DiesAfter,
            // What only reads, and what hands do, either answers or does not.
            2 if writes && site != Site::Journal => How::Lost,
            3 if writes && site != Site::Journal => How::Unsent,
            _ => How::DiesBefore,
        };
        let strikes = drawn.is_multiple_of(u128::from(one_in));
        strikes.then(|| self.count.fetch_add(1, Ordering::SeqCst))?;
        Some(how)
    }

    pub fn fired(&self) -> bool {
        self.fired.load(Ordering::SeqCst)
    }

    /// A new process begins: what tells it to die.
    pub fn process(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *self.kill.lock().expect("no panic") = token.clone();
        token
    }

    fn die(&self) {
        self.kill.lock().expect("no panic").cancel();
    }

    /// Whether the fault is here; it fires once.
    fn here(&self, site: Site, writes: bool) -> Option<How> {
        let call = self.calls[site as usize].fetch_add(1, Ordering::SeqCst);
        let write = if writes { Some(self.writes[site as usize].fetch_add(1, Ordering::SeqCst)) } else { None };
        if let Some(how) = self.struck(site, call, writes) {
            return Some(how);
        }
        let fault = self.fault.filter(|f| f.site == site)?;
        // Of a call to the forge that only reads, dying after it is dying before the next.
        let every = match fault.how {
            How::DiesBefore => true,
            How::DiesAfter => site != Site::Forge,
            How::Unsent | How::Lost => site == Site::Journal,
        };
        let at = if every { Some(call) } else { write };
        (at == Some(fault.at) && !self.fired.swap(true, Ordering::SeqCst)).then_some(fault.how)
    }

    async fn call<T, E: Unknown>(&self, site: Site, writes: bool, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let _busy = Busy(&self.busy);
        match self.here(site, writes) {
            None => call.await,
            Some(How::DiesBefore) => {
                self.die();
                std::future::pending().await
            }
            Some(How::DiesAfter) => {
                let _unheard = call.await;
                self.die();
                std::future::pending().await
            }
            Some(How::Unsent) => Err(E::unknown()),
            Some(How::Lost) => {
                let _unheard = call.await;
                Err(E::unknown())
            }
        }
    }
}

/// An error that does not say whether it was done.
trait Unknown {
    fn unknown() -> Self;
}

impl Unknown for ForgeError {
    fn unknown() -> Self {
        Self { kind: ForgeErrorKind::Doubtful, what: "a call".into(), why: "no answer came".into() }
    }
}

impl Unknown for RepoError {
    fn unknown() -> Self {
        Self { kind: RepoErrorKind::Unreachable, what: "git".into(), why: "no answer came".into() }
    }
}

impl Unknown for HandError {
    fn unknown() -> Self {
        Self { kind: HandErrorKind::Environment, what: "hands".into(), why: "something broke".into() }
    }
}

impl Unknown for std::convert::Infallible {
    fn unknown() -> Self {
        unreachable!("what a program ends as is known")
    }
}

/// A clock that goes faster: it jumps where the engine only waits, and stands (nearly) still while something is under way.
pub struct JumpingClock {
    pub ahead: AtomicI64,
    pub faults: Arc<Faults>,
}

#[async_trait]
impl Clock for JumpingClock {
    #[expect(clippy::disallowed_methods, reason = "the clock under the playing one")]
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_millis() + self.ahead.load(Ordering::SeqCst))
    }

    async fn sleep(&self, time: Duration) {
        loop {
            tokio::time::sleep(Duration::from_millis(4)).await;
            if self.faults.busy.load(Ordering::SeqCst) == 0 {
                self.ahead.fetch_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
                return;
            }
        }
    }
}

/// A journal whose writes can fail, before or after they are on the disk.
pub struct FaultyJournal {
    pub inner: Box<dyn Journal>,
    pub faults: Arc<Faults>,
}

impl Journal for FaultyJournal {
    fn id(&self) -> JournalId {
        self.inner.id()
    }

    fn append(&mut self, at: Timestamp, events: &[Event]) -> Result<Vec<Record>, JournalError> {
        let failed = || JournalError::Storage { what: "writing".into(), why: "the disk is gone".into() };
        match self.faults.here(Site::Journal, true) {
            None => self.inner.append(at, events),
            Some(How::DiesBefore | How::Unsent) => Err(failed()),
            Some(How::DiesAfter | How::Lost) => {
                self.inner.append(at, events)?;
                Err(failed())
            }
        }
    }

    fn recall(&mut self) -> Result<Recalled, JournalError> {
        self.inner.recall()
    }

    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        self.inner.keep(ledger)
    }

    fn inbox(&self) -> Result<Vec<(u64, Command)>, JournalError> {
        self.inner.inbox()
    }

    fn reopen(&mut self) -> Result<(), JournalError> {
        self.inner.reopen()
    }
}

/// A port with faults.
pub struct Faulty<P> {
    pub inner: P,
    pub faults: Arc<Faults>,
}

macro_rules! port {
    ($port:ident for $inner:ty, $site:ident, $error:ident: $($rw:ident $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl $port for Faulty<$inner> {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out, $error> {
                self.faults.call(Site::$site, stringify!($rw) == "write", self.inner.$name($($arg),*)).await
            })*
        }
    };
}

port! { Forge for forgehand::forge::Client, Forge, ForgeError:
    read version() -> String;
    read whoami() -> Login;
    read repository(repo: &RepoName) -> RepoFacts;
    read labels(repo: &RepoName) -> Vec<RepoLabel>;
    write create_label(repo: &RepoName, name: &str, color: &str, description: &str) -> RepoLabel;
    read issues(repo: &RepoName, filter: &IssueFilter) -> Listed<Issue>;
    read comments_since(repo: &RepoName, since: Timestamp) -> Listed<Comment>;
    read issue(repo: &RepoName, issue: IssueNumber) -> Issue;
    read issue_comments(repo: &RepoName, issue: IssueNumber) -> Vec<Comment>;
    read label_events(repo: &RepoName, issue: IssueNumber) -> Vec<LabelEvent>;
    read dependencies(repo: &RepoName, issue: IssueNumber) -> Vec<Dependency>;
    write add_label(repo: &RepoName, issue: IssueNumber, name: &str) -> Vec<String>;
    write remove_label(repo: &RepoName, issue: IssueNumber, name: &str) -> ();
    write create_comment(repo: &RepoName, issue: IssueNumber, body: &str) -> Comment;
    write edit_comment(repo: &RepoName, id: CommentId, body: &str) -> Comment;
    write delete_comment(repo: &RepoName, id: CommentId) -> ();
    write create_issue(repo: &RepoName, new: &NewIssue) -> Issue;
    write edit_issue(repo: &RepoName, issue: IssueNumber, title: Option<&str>, body: Option<&str>) -> Issue;
    write add_dependency(repo: &RepoName, issue: IssueNumber, on: IssueNumber) -> ();
    write close_issue(repo: &RepoName, issue: IssueNumber) -> ();
    write reopen_issue(repo: &RepoName, issue: IssueNumber) -> ();
    read pulls(repo: &RepoName, head: &Branch, base: &Branch, since: Option<Timestamp>) -> Vec<Pull>;
    read open_pulls(repo: &RepoName) -> Vec<Pull>;
    read pull(repo: &RepoName, pull: PullNumber) -> Pull;
    read merged_by(repo: &RepoName, commit: &Sha) -> Option<MergedPull>;
    write create_pull(repo: &RepoName, new: &NewPull) -> Pull;
    write close_pull(repo: &RepoName, pull: PullNumber) -> ();
    read required_contexts(repo: &RepoName, branch: &Branch) -> Vec<String>;
    read admins_pass(repo: &RepoName, branch: &Branch) -> bool;
    read usual_merge(repo: &RepoName) -> Option<MergeStyle>;
    write merge_pull(repo: &RepoName, pull: PullNumber, head: &Sha, style: MergeStyle, force: bool) -> ();
    read checks(repo: &RepoName, sha: &Sha) -> Checks;
    read statuses(repo: &RepoName, sha: &Sha) -> Vec<CommitStatus>;
    write set_status(repo: &RepoName, sha: &Sha, new: &NewStatus) -> ();
    read failed_jobs(repo: &RepoName, sha: &Sha) -> Vec<FailedJob>;
    read ci_runs(repo: &RepoName, sha: &Sha) -> Vec<CiRun>;
    write rerun(repo: &RepoName, run: u64) -> ();
    read reviews(repo: &RepoName, pull: PullNumber) -> Reviews;
    read written_reviews(repo: &RepoName, pull: PullNumber) -> Vec<WrittenReview>;
    write create_review(repo: &RepoName, pull: PullNumber, new: &NewReview) -> ();
    read line_comments(repo: &RepoName, pull: PullNumber, review: ReviewId) -> Vec<LineComment>;
    write reply(repo: &RepoName, pull: PullNumber, review: ReviewId, spot: &Spot, body: &str) -> ();
    read assignees(repo: &RepoName) -> Vec<Login>;
    read permission(repo: &RepoName, login: &Login) -> Permission;
}

port! { Repos for Arc<Git>, Repos, RepoError:
    read sync(repo: &RepoName, branches: &[Branch], keep: &RunId) -> Tips;
    read read(repo: &RepoName, at: &Sha, path: &str, limit: u64) -> Option<String>;
    read files(repo: &RepoName, at: &Sha, folder: &str, limit: u64, most: usize) -> BTreeMap<String, String>;
    read holds(repo: &RepoName, at: &Sha, path: &str) -> bool;
    read missing(repo: &RepoName, branch: &Branch, paths: &[String]) -> Option<Vec<String>>;
    read all_by(repo: &RepoName, base: &Sha, tip: &Sha, authors: &[String]) -> bool;
    read last_tag(repo: &RepoName, at: &Sha) -> LastTag;
    read touched(repo: &RepoName, base: &Sha, tip: &Sha, path: &str) -> bool;
    write claim(repo: &RepoName, issue: IssueNumber, claim: &NewClaim) -> ClaimAnswer;
    write release(repo: &RepoName, issue: IssueNumber, held: &Sha) -> ();
    read take(order: &TakeOrder) -> Result<Change, Refusal>;
    read added(run: &RunId, base: &Sha, head: &Sha) -> Vec<(String, String)>;
    read checkout(repo: &RepoName, run: &RunId, sha: &Sha, dest: &Path) -> ();
    read lay_over(repo: &RepoName, run: &RunId, on: &Sha, over: Option<&Kept>) -> Sha;
    write push(repo: &RepoName, run: &RunId, head: &Sha, branch: &Branch, lease: &Lease) -> PushAnswer;
    read remote_tip(repo: &RepoName, branch: &Branch) -> Option<Sha>;
    write delete_branch(repo: &RepoName, branch: &Branch, at: &Sha) -> bool;
    read change(repo: &RepoName, base: &Sha, head: &Sha, matters: &Matters) -> Option<Change>;
    read changes_of(repo: &RepoName, branch: &Branch, path: &str, most: usize) -> Option<Vec<Sha>>;
    read try_merge(repo: &RepoName, head: &Branch, base: &Branch) -> Option<Merge>;
    read try_merge_pull(repo: &RepoName, pull: PullNumber, base: &Branch) -> Option<Merge>;
    read bring_up(order: &BringUp) -> Option<Change>;
    write keep(repo: &RepoName, order: &KeepOrder) -> KeepAnswer;
    read forget(repo: &RepoName, run: &RunId) -> ();
}

port! { Hands for super::hands::Played, Hands, HandError:
    read prepare(order: &WorkspaceOrder) -> ();
    read set_up(order: &SetUpOrder, cancel: CancellationToken) -> ();
    read agent(order: &AgentOrder, events: mpsc::Sender<HandEvent>, cancel: CancellationToken) -> AgentReport;
    read bundle(order: &WorkspaceOrder, cancel: CancellationToken) -> Option<std::path::PathBuf>;
    read verify(order: &VerifyOrder, cancel: CancellationToken) -> Evidence;
    read port(repo: &RepoName, run: &RunId, step: Option<&StepId>, range: PortRange) -> u16;
    read retire(repo: &RepoName, run: &RunId) -> Option<std::path::PathBuf>;
    read discard(repo: &RepoName, run: &RunId) -> ();
}

/// A host with one thing that is not well until it is mended.
#[derive(Default)]
pub struct Ailing {
    /// How often it was.
    pub mended: AtomicU64,
}

#[async_trait]
impl Host for Faulty<Arc<Ailing>> {
    async fn run(&self, order: &HostOrder<'_>) -> HostRan {
        let mend = order.words == ["mend"];
        let run = async {
            if mend {
                self.inner.mended.fetch_add(1, Ordering::SeqCst);
            }
            let well = self.inner.mended.load(Ordering::SeqCst) > 0;
            let end = HostEnd::Exited { code: i32::from(!well) };
            Ok::<_, std::convert::Infallible>(HostRan { end, tail: "it is down".into() })
        };
        match self.faults.call(Site::Host, mend, run).await {
            Ok(ran) => ran,
            Err(never) => match never {},
        }
    }

    async fn room(&self, _: &Path, _: Duration) -> Result<DiskRoom, String> {
        Err("no probe of a disk is there".into())
    }

    fn vitals(&self) -> Result<Vitals, String> {
        Err("no probe of the host itself is there".into())
    }
}
