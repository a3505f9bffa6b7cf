//! Issues that steps of formulas file, write anew and close.
//!
//! Promises: an issue that was filed is found by its mark and not filed twice; what it waits for stands in its first line, in the same
//! request; that the run's issue waits for it is a second request, which the look-up makes where the first process could not. Ticking tasks changes
//! nothing else of a body, and nothing where they are ticked. Known race: who edits a body between our reading and our writing of it, a
//! moment later, edits in vain.

use crate::formula::unfit_label;
use crate::model::{
    Decision, EffectKey, Failure, FailureKind, IssueDraft, IssueNumber, LabelNames, Outcome, Proposal, RepoLabel, RunTexts, Step,
    StepId, StepKind, Subject, TextMark, Timestamp,
};
use crate::ports::{ForgeErrorKind, IssueFilter, NewIssue};
use crate::text;

use super::super::core::Facts;
use super::{Order, Worker, context, environment, forge};

/// The longest title that a forge keeps, in characters.
const TITLE: usize = 255;

/// What is asked for, where no template says it.
pub(super) struct Named<'a> {
    /// What it says, and the issues that it waits for.
    pub(super) item: Option<&'a (IssueDraft, Vec<IssueNumber>)>,
    /// The run's issue waits for it.
    pub(super) blocks: bool,
    /// The name under which it is filed once.
    pub(super) once: Option<&'a str>,
}

/// An issue as it is to be filed.
pub(super) struct Draft {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) labels: Vec<String>,
}

/// What an issue of a step comes to.
pub(super) fn draft_of(
    order: &Order<'_>,
    step: &StepId,
    item: Option<&(IssueDraft, Vec<IssueNumber>)>,
    texts: &RunTexts,
) -> Result<Draft, Failure> {
    let step = step_of(order, step)?;
    let (title, body, labels) = match (&step.kind, item) {
        (StepKind::Propose(Proposal::Issue { title, body, labels, .. }), None) => {
            let rendered = context::proposal(order, &step.id, &[title, body], texts)?;
            let [title, body] = rendered.as_slice() else { return Err(environment("an issue needs a title and a body")) };
            (title.clone(), body.clone(), labels)
        }
        (StepKind::Propose(Proposal::SubIssues { labels, .. }), Some((draft, after))) => {
            (text::clean(&draft.title), below(order.subject, after, &text::prose(&draft.body)), labels)
        }
        _ => return Err(environment(format!("step {} files no issue", step.id))),
    };
    let refs: Vec<&str> = labels.iter().map(String::as_str).collect();
    let mut names = Vec::new();
    for name in context::proposal(order, &step.id, &refs, texts)? {
        names.extend(label_of_new(order, step, name.trim())?);
    }
    // Those of an item were judged when its list was.
    names.extend(item.into_iter().flat_map(|(draft, _)| draft.labels.iter().cloned()));
    names.sort();
    names.dedup();
    let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TITLE).collect();
    if title.is_empty() {
        return Err(Failure { kind: FailureKind::Refused, why: format!("step {}: the issue would have no title", step.id) });
    }
    Ok(Draft { title, body, labels: names })
}

/// What a label of a new issue is called on this project's forge: one that the formula describes, or one by which work comes in.
fn label_of_new(order: &Order<'_>, step: &Step, name: &str) -> Result<Option<String>, Failure> {
    let usual = LabelNames::default();
    if name.is_empty() {
        return Ok(None);
    }
    if name == usual.portal || name == usual.of(Decision::Queue) {
        return Ok(Some(order.project.labels.configured(name).to_owned()));
    }
    let known = [&order.project.labels, &usual];
    let described = &order.run()?.formula.labels;
    match known.iter().find_map(|known| unfit_label(name, described, known).map(|(what, _)| what)) {
        None => Ok(Some(name.to_owned())),
        Some(what) => Err(Failure { kind: FailureKind::Refused, why: format!("step {}: {what}", step.id) }),
    }
}

/// The body of an issue that is part of another, and what it waits for: in front, where no fence of the rest can hide it.
fn below(parent: &Subject, after: &[IssueNumber], body: &str) -> String {
    let part = (!parent.is_project()).then(|| format!("Part of {}.", parent.issue));
    let waits = (!after.is_empty()).then(|| {
        let issues: Vec<String> = after.iter().map(ToString::to_string).collect();
        format!("Depends on {}.", issues.join(", "))
    });
    let first: Vec<String> = part.into_iter().chain(waits).collect();
    if first.is_empty() { body.to_owned() } else { format!("{}\n\n{body}", first.join(" ")) }
}

/// What a step writes anew: title and body, each where it says.
pub(super) fn rewritten(order: &Order<'_>, step: &StepId, texts: &RunTexts) -> Result<(Option<String>, Option<String>), Failure> {
    let step = step_of(order, step)?;
    let StepKind::Propose(Proposal::UpdateIssue { title, body, .. }) = &step.kind else {
        return Err(environment(format!("step {} writes no issue anew", step.id)));
    };
    let render = |template: &Option<String>| match template {
        Some(template) => context::proposal(order, &step.id, &[template], texts).map(|rendered| rendered.into_iter().next()),
        None => Ok(None),
    };
    let (title, body) = (render(title)?, render(body)?);
    let title = title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
    if title.as_deref() == Some("") {
        return Err(Failure { kind: FailureKind::Refused, why: format!("step {}: the issue would have no title", step.id) });
    }
    Ok((title, body))
}

fn step_of<'o>(order: &'o Order<'_>, step: &StepId) -> Result<&'o Step, Failure> {
    order.run()?.formula.steps.iter().find(|s| s.id == *step).ok_or_else(|| environment("the step is gone"))
}

impl Worker {
    pub(super) async fn file(&self, order: &Order<'_>, step: &StepId, named: &Named<'_>) -> Result<Outcome, Failure> {
        let Named { item, blocks, once } = *named;
        let (repo, run) = (&order.subject.repo, order.run()?);
        let while_open = matches!(step_of(order, step)?.kind, StepKind::Propose(Proposal::Issue { while_open: true, .. }));
        if let Some(name) = once
            && let Some(issue) = self.filed_before(order, name, while_open).await?
        {
            let unlinked = self.make_wait(order.subject, blocks, issue).await?;
            return Ok(Outcome::Filed { issue, unlinked, learned: Vec::new() });
        }
        let draft = draft_of(order, step, item, &self.texts.read(&run.id)?)?;
        let (labels, learned) = self.label_ids(order, &draft.labels).await?;
        let marks: Vec<String> =
            once.map(|name| text::once_marker(order.subject, name)).into_iter().chain([text::marker(order.key)]).collect();
        let body = format!("{}\n\n{}", self.scanner.redact(&draft.body), marks.join("\n"));
        let new = NewIssue { title: self.scanner.redact(&draft.title), body, labels };
        let issue = self.as_author(run).0.create_issue(repo, &new).await.map_err(forge)?.number;
        let unlinked = self.make_wait(order.subject, blocks, issue).await?;
        Ok(Outcome::Filed { issue, unlinked, learned })
    }

    /// What some run filed under a name, open or, unless only that counts, closed. Nothing was filed about an issue before that issue was.
    async fn filed_before(&self, order: &Order<'_>, name: &str, open_only: bool) -> Result<Option<IssueNumber>, Failure> {
        let since = (!order.subject.is_project()).then_some(order.state.seen.created);
        let filter = IssueFilter { since, open_only, no_pulls: true, ..IssueFilter::default() };
        let listed = self.ports.forge.issues(&order.subject.repo, &filter).await.map_err(forge)?;
        let ours = listed.items.iter().filter(|issue| order.facts.is_ours(&issue.author));
        Ok(ours.filter(|issue| text::is_once(&issue.body, order.subject, name)).map(|issue| issue.number).min())
    }

    /// The issue that was filed and whose answer never came.
    pub(super) async fn find_filed(
        &self,
        key: &EffectKey,
        subject: &Subject,
        blocks: bool,
        since: Timestamp,
        facts: &Facts,
    ) -> Result<Option<Outcome>, Failure> {
        let filter = IssueFilter { since: Some(since), ..IssueFilter::default() };
        let listed = self.ports.forge.issues(&subject.repo, &filter).await.map_err(forge)?;
        let ours = listed.items.iter().filter(|i| facts.is_ours(&i.author) && text::find_marker(&i.body).as_ref() == Some(key));
        let Some(issue) = ours.map(|i| i.number).min() else { return Ok(None) };
        let unlinked = self.make_wait(subject, blocks, issue).await?;
        Ok(Some(Outcome::Filed { issue, unlinked, learned: Vec::new() }))
    }

    /// The run's issue waits for a new one. The new one stands already, so a failure that passes is doubtful: the look-up finds it and comes
    /// here again. Whether the forge keeps dependencies is the repository's setting.
    async fn make_wait(&self, subject: &Subject, blocks: bool, on: IssueNumber) -> Result<bool, Failure> {
        let (repo, issue) = (&subject.repo, subject.issue);
        if !blocks || subject.is_project() {
            return Ok(false);
        }
        let doubtful = |failure: Failure| match failure.kind {
            FailureKind::Passing => Failure { kind: FailureKind::Doubtful, ..failure },
            _ => failure,
        };
        match self.ports.forge.dependencies(repo, issue).await {
            Ok(there) if there.iter().any(|d| d.repo == *repo && d.issue == on) => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind == ForgeErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(doubtful(forge(error))),
        }
        match self.ports.forge.add_dependency(repo, issue, on).await {
            Ok(()) => Ok(false),
            Err(error) if matches!(error.kind, ForgeErrorKind::NotFound | ForgeErrorKind::Denied) => Ok(true),
            Err(error) => Err(doubtful(forge(error))),
        }
    }

    /// The forge's identifiers of labels, which are made where the repository lacks them.
    async fn label_ids(&self, order: &Order<'_>, names: &[String]) -> Result<(Vec<u64>, Vec<RepoLabel>), Failure> {
        let (mut ids, mut learned) = (Vec::new(), Vec::new());
        for name in names {
            let look = super::labels::look(order, name)?;
            let new = self.ensure_label(order, name, look).await?;
            let known = new.iter().chain(&order.facts.labels).find(|label| label.name == *name);
            ids.extend(known.map(|label| label.id));
            learned = if new.is_empty() { learned } else { new };
        }
        Ok((ids, learned))
    }

    pub(super) async fn rewrite(
        &self,
        order: &Order<'_>,
        step: &StepId,
        on: Option<IssueNumber>,
        tick: &[IssueNumber],
    ) -> Result<Outcome, Failure> {
        let run = order.run()?;
        let (title, body) = rewritten(order, step, &self.texts.read(&run.id)?)?;
        let (title, body) = (title.map(|t| self.scanner.redact(&t)), body.map(|b| self.scanner.redact(&b)));
        let issue = on.unwrap_or(order.subject.issue);
        let body = match tick {
            [] => body,
            // What stands there is published already, and stays as it is.
            tick => text::ticked(&self.ports.forge.issue(&order.subject.repo, issue).await.map_err(forge)?.body, tick),
        };
        if title.is_none() && body.is_none() {
            return Ok(Outcome::Rewritten { text: None });
        }
        let edited = self.ports.forge.edit_issue(&order.subject.repo, issue, title.as_deref(), body.as_deref()).await;
        let edited = edited.map_err(forge)?;
        let text = TextMark { title: text::hash(&edited.title), body: text::hash(&edited.body) };
        Ok(Outcome::Rewritten { text: Some(text) })
    }

    pub(super) async fn close_named(&self, order: &Order<'_>, on: IssueNumber) -> Result<Outcome, Failure> {
        match self.ports.forge.close_issue(&order.subject.repo, on).await {
            Ok(()) => Ok(Outcome::Closed),
            // It waits for others that are open: asked again it would say the same.
            Err(error) if error.kind == ForgeErrorKind::Conflict => {
                Err(Failure { kind: FailureKind::Refused, why: format!("{on} cannot be closed: {}", error.why) })
            }
            Err(error) => Err(forge(error)),
        }
    }
}
