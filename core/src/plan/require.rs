//! What a formula requires of the issue that it is to start on: labels, and files on the branch that it starts from.
//!
//! Promises: what does not hold is waited for, with what is amiss as the reason; nothing is claimed or spent for it meanwhile. Labels are known
//! from the last look. Files are looked for only where there is room for a run, and what was found is believed for a while only.
//!
//! Race known: a file that goes between its being found and the run's start. The run starts; its agent meets the branch as it is.

use super::admit::Verdict;
use super::{Action, Context};
use crate::ledger::IssueState;
use crate::model::{FilesAsked, FilesFound, FilesSought, Formula, Subject, Timestamp, Wait};

impl Context<'_> {
    /// What of the issue's labels keeps its formula from starting.
    pub(super) fn labels_wait(&self, subject: &Subject, state: &IssueState, formula: &Formula) -> Option<Wait> {
        let names = &self.policy.projects.get(&subject.repo)?.labels;
        let of = |labels: &[String], carried: bool| -> Vec<String> {
            let named = labels.iter().map(|label| names.configured(label).to_owned());
            named.filter(|label| state.seen.labels.contains(label) == carried).collect()
        };
        let (lacks, bars) = (of(&formula.require.labels, false), of(&formula.require.no_labels, true));
        (!lacks.is_empty() || !bars.is_empty()).then(|| Wait::Labels { formula: formula.name.clone(), lacks, bars })
    }

    /// What keeps its formula from starting of the files that it requires. Where all is full it is not worth a fetch to ask.
    pub(super) fn files(&self, subject: &Subject, state: &IssueState, formula: &Formula, full: bool) -> Option<Verdict> {
        if formula.require.files.is_empty() {
            return None;
        }
        let asked = FilesAsked { base: formula.workspace.base.clone(), files: formula.require.files.clone() };
        let known = state.files.as_ref().filter(|sought| sought.asked == asked);
        let due = |sought: &FilesSought| self.files_again_at(subject, sought).is_none_or(|again| self.now >= again);
        let Some(sought) = known.filter(|sought| !due(sought)) else {
            let looking = || Wait::Acting { what: "looking for the files that its formula requires".into() };
            return (!full).then(|| match self.view.reading.contains(subject) {
                true => Verdict::Wait(looking()),
                false => Verdict::Read(Action::Files { subject: subject.clone(), asked }),
            });
        };
        let formula = formula.name.clone();
        match &sought.result {
            Ok(found) if found.missing.is_empty() => None,
            Ok(FilesFound { branch, missing }) => {
                Some(Verdict::Wait(Wait::Files { formula, missing: missing.clone(), branch: branch.clone() }))
            }
            Err(why) => Some(Verdict::Wait(Wait::FilesUnread { formula, why: why.clone() })),
        }
    }

    /// When what was found is not believed any more; none where this process has not looked.
    fn files_again_at(&self, subject: &Subject, sought: &FilesSought) -> Option<Timestamp> {
        let pause = if sought.result.is_ok() { self.policy.trouble_pause } else { self.policy.unreachable_pause };
        self.view.files_read.get(subject).map(|at| *at + pause)
    }

    /// When files that were not there are looked for again.
    pub(super) fn files_due(&self, subject: &Subject, state: &IssueState) -> Option<Timestamp> {
        self.files_again_at(subject, state.files.as_ref().filter(|sought| !sought.hold())?)
    }
}
