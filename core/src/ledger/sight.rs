//! What a run about the project saw and did, for the next one of its formula that asks what moved since.
//!
//! Promises: only a run that came to an end of its formula's is remembered, so that what a failed one did not get to is no less new to the next. What
//! somebody changed while the run was at work, and the run did not change too, has moved for the next one.

use crate::model::{IssueMark, IssueNumber, Outcome, RunOutcome, Saying, Sight, TextHash, Timestamp};

use super::{IssueState, RunState};
use crate::model::Intent;

impl RunState {
    /// What an effect of its steps changed.
    pub(super) fn touch(&mut self, intent: &Intent, outcome: &Outcome) {
        match (intent, outcome) {
            (Intent::File { .. }, Outcome::Filed { issue, .. }) => self.touches(*issue, false),
            (Intent::CloseNamed { on, .. }, Outcome::Closed) => self.touches(*on, true),
            (Intent::Relabel { on: Some(on), .. }, Outcome::Relabelled { .. })
            | (Intent::Rewrite { on: Some(on), .. }, Outcome::Rewritten { .. })
            | (Intent::Say { what: Saying::Note { on: Some(on), .. }, .. }, Outcome::Said { .. }) => self.touches(*on, false),
            // What is only asked for is not there yet.
            (Intent::Keep { content, into: None, .. }, Outcome::Kept { path, pull: None, .. }) if self.reads(path) => {
                self.wrote.insert(path.clone(), TextHash::of(content));
            }
            _ => {}
        }
    }

    fn touches(&mut self, issue: IssueNumber, closed: bool) {
        *self.touched.entry(issue).or_default() |= closed;
    }

    fn reads(&self, path: &str) -> bool {
        let under = |known: &String| known == path || (known.ends_with('/') && path.starts_with(known.as_str()));
        self.formula.reads_ops.iter().any(under)
    }

    /// What it leaves behind as it saw it; none where it does not ask what moved.
    fn sight(&self, at: Timestamp) -> Option<Sight> {
        let prepared = self.prepared.as_ref()?;
        let mut files = prepared.moved.as_ref()?.read.clone();
        files.extend(self.wrote.clone());
        let seen = |issue: &crate::model::OpenIssue| {
            let mark = IssueMark::Seen { updated: issue.updated, labels: issue.labels.clone(), comments: issue.comments };
            (issue.number, mark)
        };
        let mut issues: std::collections::BTreeMap<_, _> = prepared.open.items.iter().map(seen).collect();
        for (issue, closed) in &self.touched {
            match closed {
                true => issues.remove(issue),
                false => issues.insert(*issue, IssueMark::Touched { until: at }),
            };
        }
        Some(Sight { trunk: prepared.trunk.clone(), issues, files, cut: prepared.open.cut })
    }
}

impl IssueState {
    /// A run ended.
    pub(super) fn sighted(&mut self, run: &RunState, at: Timestamp) {
        let came_to_its_end = matches!(
            run.ended,
            Some(
                RunOutcome::Succeeded { .. }
                    | RunOutcome::NoChange { .. }
                    | RunOutcome::Refused { .. }
                    | RunOutcome::Routed { .. }
                    | RunOutcome::HandedOver { .. }
            )
        );
        if let Some(sight) = run.sight(at).filter(|_| came_to_its_end) {
            self.sights.insert(run.formula.name.clone(), sight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Branch, Formula, RunId, StepId};

    fn formula() -> Formula {
        let text = include_str!("../../../formulas/plan.toml");
        let reads: toml::Table = text.parse().expect("TOML");
        let files = reads["ops"]["files"].as_array().expect("a list").iter();
        let reads_ops = files.map(|file| file.as_str().expect("a path").to_owned()).collect();
        let empty: Formula = serde_json::from_value(serde_json::json!({
            "name": "plan", "title": "Plan", "description": "", "blast_radius": "low", "steps": []
        }))
        .expect("a formula");
        Formula { reads_ops, ..empty }
    }

    #[test]
    fn what_a_run_writes_is_marked_where_it_is_read() {
        let mut run = RunState::new(RunId::from("r"), formula(), 1, Branch::from("b"), Timestamp(0));
        let keep = Intent::Keep { run: RunId::from("r"), step: StepId::from("keep"), content: "new".into(), into: None };
        let kept = |path: &str, pull| Outcome::Kept { path: path.to_owned(), commit: None, pull, left: None };
        run.touch(&keep, &kept("prerequisites.md", None));
        run.touch(&keep, &kept("vault/pending/mail.md", None));
        run.touch(&keep, &kept("knowledge/a.md", None));
        run.touch(&keep, &kept("RESOURCES.md", Some(crate::model::PullNumber(1))));
        let wrote: Vec<&str> = run.wrote.keys().map(String::as_str).collect();
        assert_eq!(
            wrote,
            ["prerequisites.md", "vault/pending/mail.md"],
            "what it does not read, and what is only asked for, is not there"
        );
        assert_eq!(run.wrote["prerequisites.md"], TextHash::of("new"));
    }

    #[test]
    fn what_a_run_closed_stays_closed() {
        let mut run = RunState::new(RunId::from("r"), formula(), 1, Branch::from("b"), Timestamp(0));
        let close = Intent::CloseNamed { run: RunId::from("r"), step: StepId::from("x"), on: IssueNumber(3) };
        run.touch(&close, &Outcome::Closed);
        let said = Saying::Note { run: RunId::from("r"), step: StepId::from("y"), on: Some(IssueNumber(3)) };
        let say = Intent::Say { what: said, edit: None, replaces: None, if_there: false };
        run.touch(&say, &Outcome::Said { comment: crate::model::CommentId(1), left: None });
        assert_eq!(run.touched, std::collections::BTreeMap::from([(IssueNumber(3), true)]));
    }
}
