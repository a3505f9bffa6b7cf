//! The one place that writes labels: those of the lifecycle, and those that steps of formulas describe.
//!
//! POST, then a DELETE for each that has to go; never the whole set. The answer to our POST is the full list: decision labels in it that
//! the plan did not know win, and ours is taken off again. Of several all stay, because only the timeline tells which was the last.

use std::collections::BTreeSet;

use crate::formula::unfit_label;
use crate::model::{
    Decision, Failure, FailureKind, IssueNumber, LabelNames, Outcome, Proposal, RepoLabel, RunTexts, StepId, StepKind,
};
use crate::words;

use super::{Order, Worker, context, environment, forge};

/// The labels of a step, by name.
pub(super) struct Relabel {
    pub(super) add: BTreeSet<String>,
    pub(super) remove: BTreeSet<String>,
}

/// What the templates of a step come to. A name that they may not come to is refused, whoever wrote it; where the answers that they are
/// filled with only stand in for others, the template is shown in its place.
pub(super) fn of_step(order: &Order<'_>, step: &StepId, texts: &RunTexts, stand_ins: bool) -> Result<Relabel, Failure> {
    let run = order.run()?;
    let step = run.formula.steps.iter().find(|s| s.id == *step).ok_or_else(|| environment("the step is gone"))?;
    let StepKind::Propose(Proposal::Labels { add, remove, issue }) = &step.kind else {
        return Err(environment(format!("step {} proposes no labels", step.id)));
    };
    let known = [&order.project.labels, &LabelNames::default()];
    // The word stands in the formula itself: no answer of an agent comes to it.
    let entry = |template: &str| issue.is_some() && template == LabelNames::default().portal;
    let names = |templates: &[String]| {
        let refs: Vec<&str> = templates.iter().map(String::as_str).collect();
        let mut names = BTreeSet::new();
        for (template, name) in templates.iter().zip(context::proposal(order, &step.id, &refs, texts)?) {
            let name = name.trim();
            match known.iter().find_map(|known| unfit_label(name, &run.formula.labels, known)) {
                _ if name.is_empty() => {}
                Some(_) if entry(template) => drop(names.insert(order.project.labels.configured(name).to_owned())),
                None => drop(names.insert(name.to_owned())),
                Some(_) if stand_ins => drop(names.insert(template.clone())),
                Some((what, _)) => {
                    return Err(Failure { kind: FailureKind::Refused, why: format!("step {}: {what}", step.id) });
                }
            }
        }
        Ok(names)
    };
    let (add, mut remove) = (names(add)?, names(remove)?);
    // Templates may come to the same: then it stays.
    remove.retain(|name| !add.contains(name));
    Ok(Relabel { add, remove })
}

/// How a label looks that the repository lacks: as the formula describes it, or as one of the lifecycle does.
pub(super) fn look<'o>(order: &'o Order<'_>, name: &str) -> Result<(&'o str, &'o str), Failure> {
    let described = order.run()?.formula.labels.iter().find(|label| label.name == name);
    let usual = || words::label_look(order.project.labels.decision(name));
    Ok(described.map_or_else(usual, |label| (label.color.as_str(), label.description.as_str())))
}

impl Worker {
    pub(super) async fn write_labels(
        &self,
        order: &Order<'_>,
        to: Option<Decision>,
        known: &BTreeSet<Decision>,
    ) -> Result<Outcome, Failure> {
        let names = &order.project.labels;
        let (repo, issue) = (&order.subject.repo, order.subject.issue);
        let mut learned = Vec::new();
        let labels: BTreeSet<String> = match to {
            Some(to) => {
                learned = self.ensure_label(order, names.of(to), words::label_look(Some(to))).await?;
                self.ports.forge.add_label(repo, issue, names.of(to)).await.map_err(forge)?.into_iter().collect()
            }
            None => self.ports.forge.issue(repo, issue).await.map_err(forge)?.labels,
        };
        let found = names.decisions(&labels);
        let people: BTreeSet<Decision> = found.into_iter().filter(|d| !known.contains(d) && Some(*d) != to).collect();
        let keep = if people.is_empty() { to.into_iter().collect() } else { people.clone() };
        let labels = self.take_off(order, names, labels, &keep).await?;
        Ok(Outcome::Labelled { labels, people, learned })
    }

    /// What a step of a formula puts on and takes off; never a label of the lifecycle. Each answer to a POST is the full list, and has to
    /// hold what was put on. What somebody else writes in between is their word: it stays.
    pub(super) async fn relabel(&self, order: &Order<'_>, step: &StepId, on: Option<IssueNumber>) -> Result<Outcome, Failure> {
        let (repo, issue) = (&order.subject.repo, on.unwrap_or(order.subject.issue));
        let run = order.run()?;
        let Relabel { add, remove } = of_step(order, step, &self.texts.read(&run.id)?, false)?;
        let (mut learned, mut labels) = (Vec::new(), None);
        for name in &add {
            let new = self.ensure_label(order, name, look(order, name)?).await?;
            learned = if new.is_empty() { learned } else { new };
            let all = self.ports.forge.add_label(repo, issue, name).await.map_err(forge)?;
            if !all.contains(name) {
                let why = format!("step {}: the forge did not put label `{name}` on", step);
                return Err(Failure { kind: FailureKind::Refused, why });
            }
            labels = Some(all.into_iter().collect());
        }
        let mut labels: BTreeSet<String> = match labels {
            Some(labels) => labels,
            None => self.ports.forge.issue(repo, issue).await.map_err(forge)?.labels,
        };
        for name in remove.iter().filter(|name| labels.contains(*name)) {
            self.ports.forge.remove_label(repo, issue, name).await.map_err(forge)?;
        }
        labels.retain(|name| !remove.contains(name));
        Ok(Outcome::Relabelled { labels, learned })
    }

    async fn take_off(
        &self,
        order: &Order<'_>,
        names: &LabelNames,
        mut labels: BTreeSet<String>,
        keep: &BTreeSet<Decision>,
    ) -> Result<BTreeSet<String>, Failure> {
        for decision in names.decisions(&labels) {
            if !keep.contains(&decision) {
                let name = names.of(decision);
                self.ports.forge.remove_label(&order.subject.repo, order.subject.issue, name).await.map_err(forge)?;
                labels.remove(name);
            }
        }
        Ok(labels)
    }

    /// A label that the repository lacks is created before it is first written, never a second of the same name.
    pub(super) async fn ensure_label(
        &self,
        order: &Order<'_>,
        name: &str,
        (color, description): (&str, &str),
    ) -> Result<Vec<RepoLabel>, Failure> {
        let repo = &order.subject.repo;
        if order.facts.labels.iter().any(|l| l.name == name) {
            return Ok(Vec::new());
        }
        let lock = self.labelling(repo);
        let _one_at_a_time = lock.lock().await;
        let mut labels = self.ports.forge.labels(repo).await.map_err(forge)?;
        if !labels.iter().any(|l| l.name == name) {
            labels.push(self.ports.forge.create_label(repo, name, color, description).await.map_err(forge)?);
        }
        Ok(labels)
    }
}
