//! Changes of the same files (`overlap` of a project): an issue whose likely files meet those of a change that is being made waits.
//!
//! Promises: a run that would open a pull request of ours, or do more work on one, does not begin beside another of the same repository and
//! base whose files it meets; it waits before it begins and never after. Who waits waits for a run that lives, for an open pull request, or
//! for who is before it - and those wait for none of its kind: a run that lives for nobody, who has a pull request open for runs alone, and
//! a pull request whose issue waits for other issues holds nobody up. So no two wait for each other. Where no files are known nothing meets.
//!
//! Races known: likely files are an opinion, so that two changes may meet all the same, and the merge tells; what people push to a
//! pull request of ours is not known. The claim of an issue does not say what it is for, so it counts as a change until the run begins.

use std::cell::OnceCell;

use crate::ledger::{IssueState, RunState};
use crate::model::{Branch, Event, Formula, OverlapRule, Overlapping, RepoName, Subject, Wait};
use crate::tier;

use super::admit::is_claiming;
use super::{Action, Context, Plan};

/// Files that are told.
const TOLD: usize = 3;

/// The changes that are kept clear of: what lives, what is open, and what was granted since.
pub(super) struct Overlaps<'a> {
    changes: Vec<Changing<'a>>,
}

/// Something that changes files.
pub(super) struct Changing<'a> {
    on: Subject,
    base: Option<Branch>,
    by: Overlapping,
    /// It may be long until it ends, because it waits for people or for time.
    rests: bool,
    /// A pull request of ours is open for its issue.
    pull: bool,
    files: Vec<&'a str>,
    places: OnceCell<Vec<Place>>,
}

/// A path, as parts, in the forms that it can be taken for. A folder is the beginning of what is below it.
struct Place([Vec<String>; 2]);

impl Place {
    fn of(path: &str) -> Self {
        let [written, taken] = tier::forms(&parts(path).join("/")).map(|form| parts(&form));
        // What has no name left in it is not the root for that.
        let taken = if taken.is_empty() { written.clone() } else { taken };
        Self([written, taken])
    }

    /// They are one file, or one of them is a folder with the other below it.
    fn meets(&self, other: &Self) -> bool {
        let begins = |(a, b): (&Vec<String>, &Vec<String>)| a.iter().zip(b).all(|(a, b)| a == b);
        self.0.iter().zip(&other.0).any(begins)
    }
}

fn parts(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part.trim() {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.to_owned()),
        }
    }
    // A folder, as a pattern.
    while parts.last().is_some_and(|last| last == "*" || last == "**") {
        parts.pop();
    }
    parts
}

impl<'a> Changing<'a> {
    fn places(&self) -> &[Place] {
        self.places.get_or_init(|| self.files.iter().map(|file| Place::of(file)).collect())
    }

    /// Which of the files of one meet those of the other.
    fn meets(&self, other: &Self) -> Vec<&'a str> {
        if self.on == other.on || self.on.repo != other.on.repo || self.base != other.base {
            return Vec::new();
        }
        let met = |place: &Place| other.places().iter().any(|there| place.meets(there));
        self.files.iter().zip(self.places()).filter(|(_, place)| met(place)).map(|(file, _)| *file).collect()
    }
}

impl<'a> Overlaps<'a> {
    pub(super) fn new(context: &Context<'a>) -> Self {
        let (runs, pulls): (Vec<_>, Vec<_>) = context
            .ledger
            .issues()
            .filter(|(subject, _)| context.overlap_rule(&subject.repo) != OverlapRule::Off)
            .map(|(subject, state)| (context.running(&subject, state), context.open(&subject, state)))
            .unzip();
        Self { changes: runs.into_iter().chain(pulls).flatten().collect() }
    }

    /// The first of them that a run would meet. Who is stopped to make room is in nobody's way.
    pub(super) fn in_the_way(&self, comer: &Changing<'_>, stopped: Option<&Subject>) -> Option<Wait> {
        let counts = |other: &&Changing<'_>| match other.by {
            Overlapping::Pull { .. } => !comer.pull,
            Overlapping::Run | Overlapping::Turn => stopped != Some(&other.on),
        };
        self.changes.iter().filter(counts).find_map(|other| {
            let met = comer.meets(other);
            let files: Vec<String> = met.iter().take(TOLD).map(|file| (*file).to_owned()).collect();
            let more = u32::try_from(met.len() - files.len()).unwrap_or(u32::MAX);
            (!met.is_empty()).then(|| Wait::Overlap { on: other.on.clone(), by: other.by, files, more })
        })
    }

    /// Whether who waits like that keeps its turn, so that nobody who comes after it and meets it begins before it: what it waits for ends soon.
    pub(super) fn keeps_turn(&self, wait: &Wait) -> bool {
        let Wait::Overlap { on, by, .. } = wait else { return false };
        self.changes.iter().any(|other| other.on == *on && other.by == *by && !other.rests)
    }

    /// It begins, or is the next to.
    pub(super) fn comes(&mut self, comer: Option<Changing<'a>>, by: Overlapping) {
        self.changes.extend(comer.map(|comer| Changing { by, ..comer }));
    }
}

impl<'a> Context<'a> {
    fn overlap_rule(&self, repo: &RepoName) -> OverlapRule {
        self.policy.projects.get(repo).map_or(OverlapRule::Off, |project| project.overlap)
    }

    /// What a run would change that is to begin; none where it changes nothing, nobody knows what, or nobody has to keep clear.
    pub(super) fn coming(&self, subject: &Subject, state: &'a IssueState, formula: &Formula) -> Option<Changing<'a>> {
        if !formula.changes_files() || self.overlap_rule(&subject.repo) == OverlapRule::Off {
            return None;
        }
        self.changing(subject, state, self.base_of(subject, state, formula), None)
    }

    /// What is being changed: by a run that lives, or by one that is about to begin.
    fn running(&self, subject: &Subject, state: &'a IssueState) -> Option<Changing<'a>> {
        match state.live_run() {
            Some(run) if run.formula.changes_files() => {
                let prepared = run.prepared.as_ref().map(|prepared| prepared.base_branch.clone());
                let base = prepared.or_else(|| self.base_of(subject, state, &run.formula));
                Some(Changing { rests: run.parked, ..self.changing(subject, state, base, Some(run))? })
            }
            None if is_claiming(state) => self.changing(subject, state, self.base_of_project(&subject.repo), None),
            Some(_) | None => None,
        }
    }

    /// What a pull request changes that is open, where that is asked for. One whose issue waits for another holds nobody up, who could be that.
    fn open(&self, subject: &Subject, state: &'a IssueState) -> Option<Changing<'a>> {
        let pull = state.open_pull().filter(|_| self.overlap_rule(&subject.repo) == OverlapRule::Open)?;
        if !state.seen.open || state.depends.iter().flatten().any(|on| on.open) {
            return None;
        }
        let by = Overlapping::Pull { pull: pull.number };
        Some(Changing { by, rests: true, ..self.changing(subject, state, Some(pull.base.clone()), None)? })
    }

    /// The files of a run, where it has commits, and of the pull request that is open; else those that will likely change.
    fn changing(
        &self,
        subject: &Subject,
        state: &'a IssueState,
        base: Option<Branch>,
        run: Option<&'a RunState>,
    ) -> Option<Changing<'a>> {
        let change = run.and_then(|run| run.change.as_ref());
        let judged = change.into_iter().flat_map(|change| &change.files);
        let judged = judged.flat_map(|file| std::iter::once(&file.path).chain(&file.from));
        let pull = state.open_pull();
        let mut files: Vec<&str> = judged.chain(pull.into_iter().flat_map(|pull| &pull.files)).map(String::as_str).collect();
        if files.is_empty() {
            files = state.triaged.iter().flat_map(|triaged| &triaged.files).map(String::as_str).collect();
        }
        let (on, by) = (subject.clone(), Overlapping::Run);
        let changing = Changing { on, base, by, rests: false, pull: pull.is_some(), files, places: OnceCell::new() };
        (!changing.files.is_empty()).then_some(changing)
    }

    /// The branch that a run's work goes to.
    fn base_of(&self, subject: &Subject, state: &IssueState, formula: &Formula) -> Option<Branch> {
        let pull = state.open_pull().map(|pull| &pull.base);
        pull.or(formula.workspace.base.as_ref()).cloned().or_else(|| self.base_of_project(&subject.repo))
    }

    fn base_of_project(&self, repo: &RepoName) -> Option<Branch> {
        let configured = self.policy.projects.get(repo).and_then(|project| project.base.as_ref());
        let facts = self.ledger.projects.get(repo).and_then(|project| project.facts.as_ref());
        configured.or_else(|| facts.map(|facts| &facts.repository.default_branch)).cloned()
    }
}

/// A run that a plan starts beside another whose files it meets.
pub(super) fn beside(context: &Context<'_>, plan: &Plan) -> Option<Subject> {
    let mut at_work = Overlaps { changes: Vec::new() };
    let live = context.ledger.issues().filter(|(_, state)| state.live_run().is_some());
    at_work.changes.extend(live.filter_map(|(subject, state)| context.running(&subject, state)));
    let events = plan.actions.iter().filter_map(|action| if let Action::Record(events) = action { Some(events) } else { None });
    for event in events.flatten() {
        let Event::RunStarted { subject, formula, .. } = event else { continue };
        let Some(state) = context.ledger.issue(subject) else { continue };
        let comer = context.coming(subject, state, formula);
        if comer.as_ref().is_some_and(|comer| at_work.in_the_way(comer, None).is_some()) {
            return Some(subject.clone());
        }
        at_work.comes(comer, Overlapping::Run);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(one: &str, other: &str) -> bool {
        let met = Place::of(one).meets(&Place::of(other));
        assert_eq!(Place::of(other).meets(&Place::of(one)), met, "{one:?} and {other:?}, either way round");
        met
    }

    #[test]
    fn a_file_meets_itself_in_any_spelling_and_the_folders_that_it_lies_in() {
        for other in [
            "src/foo/Bar.rs",
            "./src//foo/bar.rs",
            "src\\foo\\bar.rs",
            "/src/x/../foo/bar.rs:12",
            "src/foo/",
            "SRC/foo/**",
            ".",
            "/",
        ] {
            assert!(meet("src/foo/bar.rs", other), "{other:?}");
        }
        for other in ["src/foo/bar.rs.orig", "src/foo/ba", "src/fo/", "foo/bar.rs", "bar.rs", "src/*/bar.rs", "...", ":"] {
            assert!(!meet("src/foo/bar.rs", other), "{other:?}");
        }
    }
}
