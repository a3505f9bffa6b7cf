//! The one function that writes labels.
//!
//! POST, then a DELETE for each that has to go; never the whole set. The answer to our POST is the full list: decision labels in it that
//! the plan did not know win, and ours is taken off again. Of several all stay, because only the timeline tells which was the last.

use std::collections::BTreeSet;

use crate::model::{Decision, Failure, LabelNames, Outcome, RepoLabel};
use crate::words;

use super::{Order, Worker, forge};

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
                learned = self.ensure_label(order, names.of(to)).await?;
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

    /// A label of the table that the repository lacks is created before it is first written, never a second of the same name.
    async fn ensure_label(&self, order: &Order<'_>, name: &str) -> Result<Vec<RepoLabel>, Failure> {
        let repo = &order.subject.repo;
        if order.facts.labels.iter().any(|l| l.name == name) {
            return Ok(Vec::new());
        }
        let lock = self.labelling(repo);
        let _one_at_a_time = lock.lock().await;
        let mut labels = self.ports.forge.labels(repo).await.map_err(forge)?;
        if !labels.iter().any(|l| l.name == name) {
            let (color, description) = words::label_look(order.project.labels.decision(name));
            labels.push(self.ports.forge.create_label(repo, name, color, description).await.map_err(forge)?);
        }
        Ok(labels)
    }
}
