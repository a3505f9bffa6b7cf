//! The events of the journal: what was seen, what was decided, what was intended, and what came of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    AccountName, ActionFile, Advance, AgentName, Ask, Asked, Branch, BudgetOf, Checks, Command, CommentId, Commented, Decision,
    Declined, Dependency, EffectKey, FilesSought, Formula, FormulaName, IssueDraft, IssueNumber, Kept, LabelsMean, Login,
    MergeStyle, ModelCall, Mute, Outcome, ProbeName, ProjectFacts, PullNumber, PullState, Reply, RepoName, RunId, RunOutcome,
    Saying, Scope, SeenIssue, Sha, StepId, StopWhy, Subject, Timestamp, Told, Trial, Trigger, Trouble, Usd, VaultEvent, Verdict,
    Wanted, Weighed,
};

/// What was seen, decided, intended, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A process began to work on this journal. What it finds intended and not ended was cut.
    Started {
        /// Its version.
        version: String,
        /// Its process id.
        pid: u32,
    },
    /// It ended in order.
    Stopped,
    /// A command of a person was taken from the inbox.
    Commanded {
        /// Its row in the inbox.
        row: u64,
        /// The command.
        command: Command,
        /// It is carried out after a look, on what the forge shows by then: [`Event::Obeyed`] tells when.
        #[serde(default)]
        after_look: bool,
    },
    /// A command that waited for a look is carried out; its move is journalled with this.
    Obeyed {
        /// On which issue.
        subject: Subject,
    },
    /// A person paused something: nothing new is started there.
    Paused {
        /// What.
        what: Scope,
        /// Until when, by our clock; until it is resumed where none is given.
        until: Option<Timestamp>,
    },
    /// A person took a pause back.
    Resumed {
        /// Which.
        what: Scope,
    },
    /// A budget comes to its end: said once a day for each budget and mark, for a run once.
    BudgetWarned {
        /// Whose.
        what: BudgetOf,
        /// The mark: 80 where so much of it is spent, 100 where it does not pay for another run.
        at_percent: u8,
        /// Spent.
        spent: Usd,
        /// The limit.
        limit: Usd,
    },
    /// Start-up learned this of a project.
    Surveyed {
        /// The project.
        repo: RepoName,
        /// What was learned.
        facts: ProjectFacts,
    },
    /// A look at the project is complete, and what it brought is journalled before this.
    Looked {
        /// The project.
        repo: RepoName,
        /// The forge's clock when the look began.
        until: Timestamp,
    },
    /// The first look at the project is complete: what was filed before is old, unless the configuration says otherwise.
    Began {
        /// The project.
        repo: RepoName,
        /// When it was, by the forge's clock.
        at: Timestamp,
    },
    /// The project cannot be worked on for now.
    Troubled {
        /// The project.
        repo: RepoName,
        /// What is wrong.
        trouble: Trouble,
        /// It is left alone until then, by our clock. Journals of before this was kept have none.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// It can be again.
    Recovered {
        /// The project.
        repo: RepoName,
    },
    /// An issue of ours was seen, new or moved.
    Seen {
        /// Which.
        subject: Subject,
        /// As it was.
        issue: SeenIssue,
    },
    /// A person answered on an issue that waits for it.
    Answered {
        /// Which.
        subject: Subject,
        /// Who.
        by: Login,
        /// When, by the forge's clock.
        at: Timestamp,
    },
    /// The issue's dependencies, as the forge and its body give them.
    Depends {
        /// Which.
        subject: Subject,
        /// On what.
        on: Vec<Dependency>,
    },
    /// The files that an issue's formula requires were looked for, and it was news.
    FilesSought {
        /// Of which issue.
        subject: Subject,
        /// They.
        sought: FilesSought,
    },
    /// An issue that another depends on was seen open or closed.
    DependencySeen {
        /// It.
        dependency: Dependency,
    },
    /// A pull request of ours was seen in another state.
    PullSeen {
        /// The issue it belongs to.
        subject: Subject,
        /// Its state.
        state: PullState,
    },
    /// An open pull request of ours was found that this journal did not open.
    PullFound {
        /// The issue that its branch names.
        subject: Subject,
        /// It.
        pull: PullNumber,
        /// Its branch.
        branch: Branch,
        /// The branch that it goes to.
        base: Branch,
        /// The newest commit of its branch.
        head: Sha,
        /// When it last moved, by the forge's clock.
        at: Timestamp,
    },
    /// A pull request that is not ours comes from a branch of ours, or has ended.
    PullForeign {
        /// The issue that its branch names.
        subject: Subject,
        /// It.
        pull: PullNumber,
        /// Who opened it.
        by: Login,
        /// It is open.
        open: bool,
    },
    /// A comment of ours was seen that this journal will have written after what it knows: it was restored from an old copy.
    CommentFound {
        /// The issue that it stands on.
        subject: Subject,
        /// It.
        comment: CommentId,
        /// It is the triage breakdown, not the status comment.
        breakdown: bool,
        /// It is neither of the two, but what a step proposed.
        #[serde(default)]
        note: bool,
        /// The number of the effect that wrote it, among those of the issue.
        effect: u64,
        /// The number of the run that wrote it.
        run: Option<u32>,
    },
    /// The label that says where an issue came from was put on again: as good as filed now.
    Reported {
        /// Which issue.
        subject: Subject,
    },
    /// A pull request of ours moved: a review, a comment, a push.
    PullMoved {
        /// The issue it belongs to.
        subject: Subject,
        /// When, by the forge's clock.
        at: Timestamp,
    },
    /// Its checks, or what reviewers ask for, were seen to have changed.
    ChecksSeen {
        /// The issue it belongs to.
        subject: Subject,
        /// Its checks.
        checks: Checks,
        /// A reviewer asks for changes.
        changes_requested: bool,
        /// It cannot be merged into its base as it stands.
        #[serde(default)]
        conflicts: bool,
        /// Its head has an approval that stands, by somebody else than us.
        #[serde(default)]
        approved: bool,
        /// Where its head is; none where that was not found out.
        #[serde(default)]
        head: Option<Sha>,
        /// The requests for changes that stand, of those who may ask.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        asks: Vec<Ask>,
        /// The comments that no run was given yet, of those who may write.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        comments: Vec<Commented>,
        /// Why the checks say nothing.
        #[serde(default, rename = "cut")]
        mute: Mute,
        /// What decides about its merge, where we merge by ourselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weighed: Option<Box<Weighed>>,
    },
    /// The decision labels on the forge differ from what we left there: what that means was decided.
    LabelsRead {
        /// Which issue.
        subject: Subject,
        /// The decision labels it carries.
        found: BTreeSet<Decision>,
        /// What it means.
        meaning: LabelsMean,
    },
    /// The issue goes from one place of the lifecycle to another, by a row of the plan's table.
    Moved {
        /// Which issue.
        subject: Subject,
        /// The row's trigger.
        trigger: Trigger,
        /// Where it goes; none where no decision label stays.
        to: Option<Decision>,
    },
    /// It is closed and nothing of ours is left to do: it belongs to the history, and is not looked at until something happens to it.
    Settled {
        /// Which issue.
        subject: Subject,
    },
    /// A comment asks for a run; whether who wrote it may is to be read.
    Asked {
        /// On which issue.
        subject: Subject,
        /// What.
        asked: Asked,
    },
    /// A comment that asked for something is done with: what it asked for is in the events beside this one.
    Heard {
        /// On which issue.
        subject: Subject,
        /// It.
        comment: CommentId,
        /// It moves the issue through the lifecycle, whose formula works with what the comment gives.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        orders: bool,
    },
    /// A formula's schedule was seen for the first time, or another one, or none any more: its times count from here on.
    Scheduled {
        /// The project that it is about.
        repo: RepoName,
        /// The formula.
        formula: FormulaName,
        /// Its cron line; none where it has none any more, or is off.
        cron: Option<String>,
    },
    /// A run beside the lifecycle is wanted: it starts when it can.
    Wanted {
        /// On which issue.
        subject: Subject,
        /// Which.
        wanted: Wanted,
    },
    /// A run that was asked for does not take place.
    Declined {
        /// On which issue.
        subject: Subject,
        /// Of which formula.
        formula: FormulaName,
        /// Why.
        declined: Declined,
    },
    /// An effect is about to be made.
    Intended {
        /// Its key.
        key: EffectKey,
        /// On what.
        subject: Subject,
        /// What.
        intent: Intent,
    },
    /// An open intent was looked up after a restart or a doubtful answer, and nothing was found.
    NotFound {
        /// Its key.
        key: EffectKey,
    },
    /// An effect ended.
    Ended {
        /// Its key.
        key: EffectKey,
        /// How.
        outcome: Outcome,
    },
    /// A run began.
    RunStarted {
        /// Which.
        run: RunId,
        /// On what.
        subject: Subject,
        /// The workflow, as it is now.
        formula: Box<Formula>,
        /// Its attempt, from 1.
        attempt: u32,
        /// The branch it works on.
        branch: Branch,
        /// Who wanted it, where it is none of the lifecycle's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aside: Option<Wanted>,
        /// What earlier runs kept for it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<Kept>,
    },
    /// The agent's session can be resumed from now on.
    SessionStarted {
        /// The run.
        run: RunId,
        /// The session.
        session: String,
    },
    /// What an agent did, as a line for people; cleaned.
    Did {
        /// The run.
        run: RunId,
        /// The line.
        line: String,
        /// The step that it works on, where several of the run are at work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
    },
    /// A model call ended.
    Called {
        /// The run.
        run: RunId,
        /// The call.
        call: ModelCall,
        /// The step whose agent called, where several of the run are at work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
    },
    /// What an agent's step brought was judged, and the run goes on.
    Advanced {
        /// The run.
        run: RunId,
        /// The step that this is about.
        step: StepId,
        /// How it goes on.
        how: Advance,
    },
    /// A run is to be stopped.
    Stopping {
        /// Which.
        run: RunId,
        /// Why.
        why: StopWhy,
    },
    /// A run ended.
    RunEnded {
        /// Which.
        run: RunId,
        /// How.
        outcome: RunOutcome,
        /// It costs an attempt.
        costs_attempt: bool,
        /// Not tried again before this time.
        backoff_until: Option<Timestamp>,
    },
    /// The account of the model cannot be used until a time.
    AccountPaused {
        /// Until when, by our clock.
        until: Timestamp,
        /// Why.
        why: String,
        /// Which; none in a journal from before there were several.
        #[serde(default)]
        account: Option<AccountName>,
    },
    /// Something about the vault of the operations repository.
    Vault {
        /// The operations repository.
        repo: RepoName,
        /// What.
        what: VaultEvent,
    },
    /// A sign-in could not be renewed, or can be used again.
    SignInRenewed {
        /// Of which account.
        account: AccountName,
        /// Why it could not.
        failed: Option<String>,
    },
}

/// An effect on the outside, or long work. Each is journalled before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "intent")]
pub enum Intent {
    /// Take or renew the claim.
    Claim {
        /// The claim of ours that is renewed.
        renews: Option<Sha>,
    },
    /// Give the claim back.
    Release {
        /// It.
        held: Sha,
    },
    /// Make the decision labels be this one, or none.
    Labels {
        /// The one to be there.
        to: Option<Decision>,
        /// Those that were there when this was decided.
        known: BTreeSet<Decision>,
    },
    /// Write or edit a comment of ours.
    Say {
        /// What it says.
        what: Saying,
        /// The comment to edit; none to write a new one.
        edit: Option<CommentId>,
        /// The older comment that the new one stands for.
        replaces: Option<CommentId>,
        /// Only where a comment of ours of this kind stands already, which is found and edited.
        #[serde(default)]
        if_there: bool,
    },
    /// Close the issue.
    Close,
    /// Bring the mirror up to date, read what the run is given, make its workspace.
    Prepare {
        /// The run.
        run: RunId,
        /// It goes on from where its branch is, because a pull request of ours is open there.
        on_branch: bool,
    },
    /// Make the workspace a place like home: the project's env file and its `setup`.
    SetUp {
        /// The run.
        run: RunId,
    },
    /// Let the agent of a step work.
    Agent {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// Its session.
        session: String,
        /// The session is taken up again.
        resume: bool,
        /// What it is told besides, or instead, of the step's prompt.
        told: Told,
        /// Who works; none in a journal from before there were several.
        agent: Option<AgentName>,
        /// The model, where the formula or an action of the vault names one.
        model: Option<String>,
        /// Whose money or quota it takes; none where the agent needs no account.
        account: Option<AccountName>,
    },
    /// Take the agent's commits over and judge them.
    Take {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// Verify a commit.
    Verify {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The commit.
        sha: Sha,
        /// What is run, where that is not what the step says, or is to come out otherwise than passing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trial: Option<Box<Trial>>,
    },
    /// Push the judged commits.
    Push {
        /// The run.
        run: RunId,
        /// The commit.
        sha: Sha,
        /// The branch.
        branch: Branch,
        /// What the branch must be at: none if it must not exist.
        lease: Option<Sha>,
    },
    /// Look the pull request up, then open it.
    OpenPull {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The branch with the work.
        head: Branch,
        /// The branch it goes to.
        base: Branch,
        /// The commit it is at.
        sha: Sha,
    },
    /// Put the labels of a step on, and take its others off.
    Relabel {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// Another issue than the run's.
        #[serde(default)]
        on: Option<IssueNumber>,
    },
    /// Close an issue that a step names.
    CloseNamed {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The issue.
        on: IssueNumber,
    },
    /// Open the run's issue again.
    Reopen {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// File an issue.
    File {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// What it says, where no template does; and the issues that it waits for.
        item: Option<(IssueDraft, Vec<IssueNumber>)>,
        /// The run's issue waits for it.
        blocks: bool,
        /// The name under which nothing else is filed about the issue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        once: Option<String>,
    },
    /// Review a pull request of ours.
    Review {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The pull request.
        pull: PullNumber,
        /// The commit that was read.
        head: Sha,
        /// What it comes to.
        verdict: Verdict,
    },
    /// Answer a point of a reviewer, where it was made.
    Reply {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The pull request.
        pull: PullNumber,
        /// The answer.
        reply: Reply,
    },
    /// Keep a file in the operations repository.
    Keep {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// What it says.
        content: String,
        /// Where, but for the operations repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        into: Option<RepoName>,
    },
    /// Ask the vault for an action.
    AskVault {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// For which.
        file: ActionFile,
    },
    /// Mend what a probe of the host looks at.
    Mend {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The probe.
        probe: ProbeName,
    },
    /// Write an issue anew.
    Rewrite {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// Another issue than the run's.
        on: Option<IssueNumber>,
        /// The issues whose tasks are ticked in the body that stands there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tick: Vec<IssueNumber>,
    },
    /// Remove what an ended run needed.
    Discard {
        /// The run.
        run: RunId,
        /// The workspace is kept, so that a person finds the work.
        keep_workspace: bool,
    },
    /// Merge a pull request of ours, if this is its head.
    Merge {
        /// It.
        pull: PullNumber,
        /// The head that was verified and approved.
        head: Sha,
        /// How; as the repository usually does where nothing is said.
        style: Option<MergeStyle>,
    },
    /// Have the checks of a pull request of ours run again that were ended from outside, if this is its head.
    Rerun {
        /// It.
        pull: PullNumber,
        /// The head.
        head: Sha,
    },
    /// Delete the branch of a merged pull request of ours, if it stands where it was merged.
    DropBranch {
        /// It.
        branch: Branch,
        /// The pull request.
        pull: PullNumber,
    },
}
