//! The begin and the end of a run: what it is given to read, where it works.

use std::collections::BTreeMap;

use crate::formula::{OVER_FILE, OVER_FILES, OVER_FOLDER, laid_over};
use crate::model::{
    Access, Branch, Change, Comment, Failure, FailureKind, Formula, Issue, IssueNumber, LastTag, Login, Moved, OpenIssue,
    OpenIssues, Outcome, Permission, ProjectFacts, Remark, RepoName, RunId, RunTexts, Sha, StepKind, Subject, Trouble,
    read_marks,
};
use crate::ports::{BringUp, IssueFilter, WorkspaceOrder};
use crate::text;

use super::super::observed::{seen_issue, shown_title};
use super::{Order, ProjectSettings, Worker, forge, hands, repos};

/// CLAUDE.md of the base branch is cut at this many bytes.
pub(super) const GUIDE: u64 = 64 * 1024;
/// How long ago a part may have been closed to be known, and how many issues are read to find those.
const PARTS: std::time::Duration = std::time::Duration::from_hours(24 * 90);
const PARTS_READ: usize = 2_000;

/// Whether anything in a formula names the issues of its project, which are read as well for who asks what moved.
fn asks_for_issues(formula: &Formula) -> bool {
    formula.names(&["issues"]) || formula.names(&["moved"])
}

fn open(issue: Issue, about: &Subject, facts: &ProjectFacts) -> OpenIssue {
    let Issue { number, title, body, author, labels, created, updated, comments, .. } = issue;
    let (parts, open_parts) = Default::default();
    let filed_as = Some(&body).filter(|_| facts.is_ours(&author)).and_then(|body| text::filed_as(body, about));
    let filed_as = filed_as.unwrap_or_default();
    OpenIssue { number, title, body, author, labels, created, updated, comments, filed_as, parts, open_parts }
}

/// As the journal has them.
pub(super) fn without_texts(open: &OpenIssues) -> OpenIssues {
    let plain = |issue: &OpenIssue| OpenIssue { title: shown_title(&issue.title), body: String::new(), ..issue.clone() };
    OpenIssues { items: open.items.iter().map(plain).collect(), cut: open.cut }
}

/// What was read of what a run is about.
enum Read {
    Issue(Box<Issue>, Vec<Comment>),
    Project,
}

impl Worker {
    pub(super) async fn prepare(&self, order: &Order<'_>, on_branch: bool) -> Result<Outcome, Failure> {
        let (run, repo) = (order.run()?, &order.subject.repo);
        let named = run.formula.workspace.base.as_ref().or(order.project.base.as_ref());
        let base_branch = named.unwrap_or(&order.facts.repository.default_branch).clone();
        let branches = [base_branch.clone(), run.branch.clone()];
        // Neither needs the other. A fetch is never given up because a reading failed: the next one would begin anew.
        let (read, tips) = tokio::join!(self.read_subject(order.subject), self.ports.repos.sync(repo, &branches, &run.id));
        let (read, tips) = (read?, tips.map_err(repos)?);
        let (Some(base), tip) = (tips.0.first().cloned().flatten(), tips.0.get(1).cloned().flatten()) else {
            return Ok(Outcome::NothingThere { branch: named.cloned() });
        };
        let tip_ours = self.is_ours(order, &base, tip.as_ref(), on_branch).await?;
        let reading = self.ports.repos.read(repo, &base, "CLAUDE.md", GUIDE);
        let (guide, over) = tokio::join!(reading, self.over(order, &base));
        let guide = guide.map_err(repos)?;
        let over = match over? {
            Ok(over) => over,
            Err(why) => return Ok(Outcome::FormulaRefused { why }),
        };
        let from = if on_branch { tip.clone().unwrap_or_else(|| base.clone()) } else { base.clone() };
        let ops = self.read_ops(&run.id, over.as_ref().unwrap_or(&run.formula)).await?;
        let (mut texts, seen, read_up_to) = match read {
            Read::Issue(issue, comments) => {
                let tasks = self.tasks(repo, &issue, over.as_ref().unwrap_or(&run.formula)).await?;
                let texts = RunTexts { tasks, ..self.texts_of(order, &issue, &comments, guide).await? };
                (texts, seen_issue(repo, &issue), comments.iter().map(|c| c.id).max())
            }
            Read::Project => {
                let open = self.open_issues(repo, over.as_ref().unwrap_or(&run.formula), order.facts).await?;
                (RunTexts { guide, open, ..RunTexts::default() }, order.state.seen.clone(), None)
            }
        };
        let revised = order.state.open_pull().filter(|_| on_branch && over.as_ref().unwrap_or(&run.formula).revises());
        let (mut revision, mut merged) = (None, None);
        if let Some(pull) = revised {
            let (mut asked, texts_of_pull) = self.revision(order, pull, &from).await?;
            if over.as_ref().unwrap_or(&run.formula).updates() && !asked.conflicts {
                merged = self.brought_up(order, &from, (&base, &base_branch)).await?.map(Box::new);
                asked.conflicts = merged.is_none();
            }
            texts.pull = Some(texts_of_pull);
            revision = Some(Box::new(asked));
        }
        let host = self.host(over.as_ref().unwrap_or(&run.formula)).await;
        let (sprint, text) = self.sprint(order, over.as_ref().unwrap_or(&run.formula), &ops).await?.unzip();
        (texts.ops, texts.sprint) = (ops.files, text);
        let open = order.subject.is_project().then(|| Box::new(without_texts(&texts.open)));
        let tasks = (!texts.tasks.is_empty()).then(|| Box::new(texts.tasks.without_texts()));
        texts.last_tag = self.last_tag(repo, over.as_ref().unwrap_or(&run.formula), &base).await?;
        let last_tag = texts.last_tag.clone().map(Box::new);
        let moved = self.moved(order, over.as_ref().unwrap_or(&run.formula), &base, &texts).map(Box::new);
        let workspace = self.workspace(order, &from)?;
        let (kept, made) = tokio::join!(self.texts.write(&run.id, texts), self.ports.hands.prepare(&workspace));
        kept?;
        made.map_err(hands)?;
        Ok(Outcome::Prepared {
            base: from,
            base_branch,
            tip,
            issue: Box::new(seen),
            read_up_to,
            trunk: Some(Box::new(base)),
            tip_ours,
            over: over.map(Box::new),
            open,
            revision,
            merged,
            ops: ops.at.map(Box::new),
            tasks,
            sprint: sprint.map(Box::new),
            host: Some(host).filter(|host| !host.probes.is_empty()).map(Box::new),
            last_tag,
            moved,
        })
    }

    /// What moved since the formula's last run about the project, where it asks for that.
    pub(super) fn moved(&self, order: &Order<'_>, formula: &Formula, trunk: &Sha, texts: &RunTexts) -> Option<Moved> {
        if !(order.subject.is_project() && formula.names(&["moved"])) {
            return None;
        }
        let before = order.state.sights.get(&formula.name);
        Some(match before {
            Some(before) => before.moved(trunk, &texts.open, &texts.ops, |at| self.by_our_clock(at)),
            None => Moved { unknown: true, read: read_marks(&texts.ops), ..Moved::default() },
        })
    }

    /// The branch with its base merged; none where that is a conflict.
    async fn brought_up(&self, order: &Order<'_>, head: &Sha, base: (&Sha, &Branch)) -> Result<Option<Change>, Failure> {
        let run = order.run()?;
        let order = BringUp {
            repo: order.subject.repo.clone(),
            run: run.id.clone(),
            head: (head.clone(), run.branch.clone()),
            base: (base.0.clone(), base.1.clone()),
            author: self.author(run),
            at: self.forge_now(),
        };
        self.ports.repos.bring_up(&order).await.map_err(repos)
    }

    /// The newest tag, where the formula asks for it.
    async fn last_tag(&self, repo: &RepoName, formula: &Formula, at: &Sha) -> Result<Option<LastTag>, Failure> {
        match formula.names(&["last_tag"]) {
            true => self.ports.repos.last_tag(repo, at).await.map(Some).map_err(repos),
            false => Ok(None),
        }
    }

    /// The open issues of a project, where the formula asks for them: those first that have not moved for the longest.
    pub(super) async fn open_issues(
        &self,
        repo: &RepoName,
        formula: &Formula,
        facts: &ProjectFacts,
    ) -> Result<OpenIssues, Failure> {
        if !asks_for_issues(formula) {
            return Ok(OpenIssues::default());
        }
        let at_most = Some(OpenIssues::MOST + 1);
        let filter = IssueFilter { open_only: true, no_pulls: true, at_most, ..IssueFilter::default() };
        let mut items = self.ports.forge.issues(repo, &filter).await.map_err(forge)?.items;
        let cut = items.len() > OpenIssues::MOST;
        items.truncate(OpenIssues::MOST);
        let about = Subject::project(repo.clone());
        let mut known = OpenIssues { items: items.into_iter().map(|issue| open(issue, &about, facts)).collect(), cut };
        if !cut && (formula.names(&["parts"]) || formula.names(&["open_parts"])) {
            let parts = self.parts(repo, &known, facts).await?;
            known.know_parts(&parts);
        }
        Ok(known)
    }

    /// What is part of what: tasks that a body lists, and what we filed as a part, open or closed a while ago. Who else writes that an issue is
    /// part of another is not believed: with all parts closed somebody may close the whole.
    async fn parts(
        &self,
        repo: &RepoName,
        open: &OpenIssues,
        facts: &ProjectFacts,
    ) -> Result<Vec<(IssueNumber, IssueNumber)>, Failure> {
        let since = Some(self.forge_now() - PARTS);
        let filter = IssueFilter { since, no_pulls: true, at_most: Some(PARTS_READ), ..IssueFilter::default() };
        let moved = self.ports.forge.issues(repo, &filter).await.map_err(forge)?.items;
        let moved = moved.iter().map(|issue| (issue.number, &issue.author, &issue.body));
        let standing = open.items.iter().map(|issue| (issue.number, &issue.author, &issue.body));
        let filed = standing.chain(moved).filter(|(_, author, _)| facts.is_ours(author));
        let filed = filed.filter_map(|(number, _, body)| Some((text::part_of(body)?, number)));
        let listed = open.items.iter().flat_map(|whole| text::tasks(&whole.body).into_iter().map(|part| (whole.number, part)));
        Ok(filed.chain(listed).collect())
    }

    /// What the run is about, as it stands on the forge.
    async fn read_subject(&self, subject: &Subject) -> Result<Read, Failure> {
        if subject.is_project() {
            return Ok(Read::Project);
        }
        let (issue, comments) = self.read_issue(subject).await?;
        Ok(Read::Issue(Box::new(issue), comments))
    }

    /// The run's formula as the base branch has it, where that has files of its own for it. An action of the vault was approved as it is
    /// configured: whoever may write to the project has no say in what its secrets are given to.
    async fn over(&self, order: &Order<'_>, base: &Sha) -> Result<Result<Option<Formula>, String>, Failure> {
        if order.run()?.grant.is_some() {
            return Ok(Ok(None));
        }
        let (repo, configured) = (&order.subject.repo, &order.run()?.formula);
        let files = self.ports.repos.files(repo, base, OVER_FOLDER, OVER_FILE, OVER_FILES).await.map_err(repos)?;
        if files.is_empty() {
            return Ok(Ok(None));
        }
        let Some(over) = self.ports.formulas.over(&configured.name, &files) else { return Ok(Ok(None)) };
        let laid = over.and_then(|over| laid_over(over, configured));
        Ok(laid.map(Some).map_err(|why| format!("{} in {OVER_FOLDER}: {why}", configured.name)))
    }

    pub(super) async fn read_issue(&self, subject: &Subject) -> Result<(Issue, Vec<Comment>), Failure> {
        let (repo, number) = (&subject.repo, subject.issue);
        let issue = self.ports.forge.issue(repo, number).await.map_err(forge)?;
        let comments = match issue.comments {
            0 => Vec::new(),
            _ => self.ports.forge.issue_comments(repo, number).await.map_err(forge)?,
        };
        Ok((issue, comments))
    }

    /// A branch that the journal does not know: whether all that is on it was committed as we commit.
    async fn is_ours(&self, order: &Order<'_>, base: &Sha, tip: Option<&Sha>, on_branch: bool) -> Result<bool, Failure> {
        let state = order.state;
        let known = |tip: &Sha| state.tip.as_ref().is_some_and(|t| t.sha == *tip) || state.pushing.as_ref() == Some(tip);
        match tip.filter(|tip| !on_branch && !known(tip)) {
            Some(tip) => {
                // Another agent's attempt is ours too.
                self.ports.repos.all_by(&order.subject.repo, base, tip, &self.authors()).await.map_err(repos)
            }
            None => Ok(false),
        }
    }

    /// Rule 6: title and body, the breakdown as it stands, comments of people with write access; where somebody is asked, also what the
    /// one who filed it says.
    pub(super) async fn texts_of(
        &self,
        order: &Order<'_>,
        issue: &Issue,
        comments: &[Comment],
        guide: Option<String>,
    ) -> Result<RunTexts, Failure> {
        let reads = order.run()?.formula.steps.iter().all(|s| !matches!(s.kind, StepKind::Agent { access: Access::Write, .. }));
        let left = || super::say::ours(comments, order.facts, order.subject, text::BREAKDOWN).pop();
        let breakdown = order.state.triaged.as_ref().and_then(|t| t.breakdown).or_else(left);
        let mut texts = RunTexts {
            title: issue.title.clone(),
            body: issue.body.clone(),
            author: issue.author.to_string(),
            guide,
            ..RunTexts::default()
        };
        let mut rights: BTreeMap<&Login, bool> = BTreeMap::new();
        for comment in comments {
            if Some(comment.id) == breakdown {
                texts.breakdown = Some(text::strip_marker(&comment.body));
                continue;
            }
            let counts = match rights.get(&comment.author) {
                _ if order.facts.is_ours(&comment.author) => false,
                _ if reads && comment.author == issue.author => true,
                Some(counts) => *counts,
                None => self.may_write(&order.subject.repo, order.project, order.facts, &comment.author).await?,
            };
            rights.insert(&comment.author, counts);
            if counts {
                texts.comments.push(Remark { author: comment.author.clone(), at: comment.created, body: comment.body.clone() });
            }
        }
        Ok(texts)
    }

    /// By rights, never by name, where the token may ask; else only who the configuration names, and the owner.
    pub(super) async fn may_write(
        &self,
        repo: &RepoName,
        project: &ProjectSettings,
        facts: &ProjectFacts,
        login: &Login,
    ) -> Result<bool, Failure> {
        if project.obey.contains(login) || repo.owner() == login.as_str() {
            return Ok(true);
        }
        Ok(self.permission_of(repo, facts, login).await?.is_some_and(|permission| permission >= Permission::Write))
    }

    /// What somebody may do; none where nobody may ask, or the forge does not say.
    pub(super) async fn permission_of(
        &self,
        repo: &RepoName,
        facts: &ProjectFacts,
        login: &Login,
    ) -> Result<Option<Permission>, Failure> {
        let Some(asks) = self.rights_forge(facts) else { return Ok(None) };
        match asks.permission(repo, login).await {
            Ok(permission) => Ok(Some(permission)),
            Err(error) => match forge(error) {
                failure if failure.kind == FailureKind::Passing => Err(failure),
                _ => Ok(None),
            },
        }
    }

    /// Whether somebody may ask for runs.
    pub(super) async fn rights(&self, repo: &RepoName, login: &Login, facts: &ProjectFacts) -> Result<bool, Trouble> {
        let fallback = ProjectSettings::default();
        let project = self.settings.projects.get(repo).unwrap_or(&fallback);
        let may = self.may_write(repo, project, facts, login).await;
        may.map_err(|failure| Trouble::Unreachable { why: failure.why })
    }

    /// Whether the forge can be asked what somebody may do.
    pub(super) fn asks_for_rights(&self, facts: &ProjectFacts) -> bool {
        self.rights_forge(facts).is_some()
    }

    pub(super) fn rights_forge(&self, facts: &ProjectFacts) -> Option<&dyn crate::ports::Forge> {
        match &self.ports.rights {
            Some(rights) => Some(rights.as_ref()),
            None if facts.repository.can_admin => Some(self.ports.forge.as_ref()),
            None => None,
        }
    }

    pub(super) fn workspace(&self, order: &Order<'_>, base: &Sha) -> Result<WorkspaceOrder, Failure> {
        let run = order.run()?;
        let (repo, branch): (RepoName, Branch) = (order.subject.repo.clone(), run.branch.clone());
        Ok(WorkspaceOrder { repo, run: run.id.clone(), base: base.clone(), branch, author: self.author(run) })
    }

    pub(super) async fn discard(&self, order: &Order<'_>, run: &RunId, keep_workspace: bool) -> Result<Outcome, Failure> {
        let repo = &order.subject.repo;
        let kept = self.ports.hands.retire(repo, run).await.map_err(hands)?.filter(|_| keep_workspace);
        if !keep_workspace {
            self.ports.hands.discard(repo, run).await.map_err(hands)?;
            self.ports.repos.forget(repo, run).await.map_err(repos)?;
        }
        if let Some(ops) = self.settings.ops.as_ref().filter(|_| order.run().is_ok_and(|run| run.formula.needs_ops())) {
            self.ports.repos.forget(&ops.repo, run).await.map_err(repos)?;
        }
        for other in order.run().iter().flat_map(|run| run.formula.asks_in()) {
            self.ports.repos.forget(other, run).await.map_err(repos)?;
        }
        self.texts.remove(run)?;
        Ok(Outcome::Discarded { kept })
    }
}
