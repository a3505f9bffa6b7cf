//! What a formula does only behind its gates, so that one that is laid over it does that behind the same.
//!
//! Promises: what every step of a kind waits for in the configured formula, and is skipped with, every step of that kind waits for and is skipped
//! with in the other one. A gate stands for another one that waits for the same and is skipped for no further reason: neither by a condition of
//! its own, nor by one of what it needs or is called in. Comments, labels and issues are held to nothing.

use std::collections::BTreeSet;

use crate::model::{Formula, Gate, Proposal, Step, StepKind};

/// What it does before a gate that the configured one does it behind, as people are told.
pub(super) fn ungated(over: &Formula, configured: &Formula) -> Option<String> {
    let (own, held) = (Held::of(over), Held::of(configured));
    let kinds: BTreeSet<String> = configured.steps.iter().flat_map(done).collect();
    kinds.into_iter().find(|kind| {
        let of_kind = |formula: &Formula| -> Vec<usize> {
            let is = |step: &Step| done(step).contains(kind);
            formula.steps.iter().enumerate().filter(|(_, step)| is(step)).map(|(place, _)| place).collect()
        };
        let (known, found) = (of_kind(configured), of_kind(over));
        let always = |gates: &[BTreeSet<usize>]| -> BTreeSet<usize> {
            let sets = known.iter().filter_map(|place| gates.get(*place).cloned());
            sets.reduce(|all, more| all.intersection(&more).copied().collect()).unwrap_or_default()
        };
        let lacks = |wanted: &BTreeSet<usize>, gates: &BTreeSet<usize>| {
            wanted.iter().any(|gate| !gates.iter().any(|own_gate| own.stands_for(*own_gate, &held, *gate)))
        };
        let (behind, with) = (always(&held.behind), always(&held.with));
        found.iter().any(|place| lacks(&behind, &own.behind[*place]) || lacks(&with, &own.with[*place]))
    })
}

/// Whether one of its gates of a sort waits for the same as one of the configured formula, and is skipped for no further reason.
pub(super) fn keeps(over: &Formula, configured: &Formula, sort: impl Fn(&Gate) -> bool) -> bool {
    let (own, held) = (Held::of(over), Held::of(configured));
    let of_sort = |formula: &Formula| -> Vec<usize> {
        let is = |step: &Step| matches!(&step.kind, StepKind::Gate(gate) if sort(gate));
        formula.steps.iter().enumerate().filter(|(_, step)| is(step)).map(|(place, _)| place).collect()
    };
    let (known, found) = (of_sort(configured), of_sort(over));
    known.is_empty() || known.iter().any(|gate| found.iter().any(|own_gate| own.stands_for(*own_gate, &held, *gate)))
}

/// How the steps of a formula hang on its gates, each by its place.
struct Held<'f> {
    formula: &'f Formula,
    /// The gates that end before it begins.
    behind: Vec<BTreeSet<usize>>,
    /// Those that it is skipped with.
    with: Vec<BTreeSet<usize>>,
    /// The conditions that it is skipped by.
    conditions: Vec<BTreeSet<String>>,
}

impl<'f> Held<'f> {
    fn of(formula: &'f Formula) -> Self {
        let mut held = Self { formula, behind: Vec::new(), with: Vec::new(), conditions: Vec::new() };
        for (place, step) in formula.steps.iter().enumerate() {
            let call = step.called_by().and_then(|enter| formula.place(&enter)).filter(|enter| *enter < place);
            let before = formula.before(place).into_iter().filter(|before| *before < place);
            held.behind.push(held.gates(before, &held.behind));
            // A condition of its own decides alone, but for the call that it stands in.
            let needs = if step.when.is_none() { formula.needs(place) } else { Vec::new() };
            let hangs: Vec<usize> = needs.into_iter().filter(|needed| *needed < place).chain(call).collect();
            held.with.push(held.gates(hangs.iter().copied(), &held.with));
            let own = step.when.iter().map(|when| format!("{}{}", step.inside(), when.0));
            let inherited = hangs.iter().filter_map(|on| held.conditions.get(*on)).flatten().cloned();
            let conditions = own.chain(inherited).collect();
            held.conditions.push(conditions);
        }
        held
    }

    /// The gates among some steps, and those that these hang on.
    fn gates(&self, steps: impl Iterator<Item = usize>, known: &[BTreeSet<usize>]) -> BTreeSet<usize> {
        let mut gates = BTreeSet::new();
        for place in steps {
            gates.extend(known.get(place).into_iter().flatten());
            gates.extend(self.gate(place).map(|_| place));
        }
        gates
    }

    /// What is waited for at a place, where the gate is one that may stay shut.
    fn gate(&self, place: usize) -> Option<&Gate> {
        match self.formula.steps.get(place).map(|step| &step.kind) {
            Some(StepKind::Gate(gate @ (Gate::Checks | Gate::Approval | Gate::Vault { .. }))) => Some(gate),
            _ => None,
        }
    }

    fn stands_for(&self, own: usize, other: &Self, gate: usize) -> bool {
        let conditions = self.conditions.get(own).zip(other.conditions.get(gate));
        self.gate(own) == other.gate(gate) && conditions.is_some_and(|(own, other)| own.is_subset(other))
    }
}

/// What a step does that a gate before it may be there for, as people are told. What may stand on any issue all the same is left out.
fn done(step: &Step) -> Vec<String> {
    let proposal = match &step.kind {
        StepKind::Agent { role, .. } => return vec![format!("it has the agent `{role}` work")],
        StepKind::Run { .. } => return vec!["it runs commands".to_owned()],
        StepKind::Propose(proposal) => proposal,
        StepKind::Verify { .. } | StepKind::Gate(_) | StepKind::Enter { .. } | StepKind::Leave { .. } => return Vec::new(),
    };
    let starts = |formula| format!("it starts runs of {formula}");
    let what = match proposal {
        Proposal::Comment { .. }
        | Proposal::Labels { .. }
        | Proposal::Issue { .. }
        | Proposal::SubIssues { .. }
        | Proposal::UpdateIssue { .. } => return Vec::new(),
        Proposal::Start { start, .. } => starts(&start.formula),
        Proposal::PullRequest { then, .. } => {
            let opens = "it opens a pull request".to_owned();
            return std::iter::once(opens).chain(then.iter().map(|start| starts(&start.formula))).collect();
        }
        Proposal::Push => "it pushes to a pull request".to_owned(),
        Proposal::Branch { .. } => "it keeps a branch".to_owned(),
        Proposal::Merge => "it puts a pull request forward to be merged".to_owned(),
        Proposal::Replies { .. } => "it answers reviewers".to_owned(),
        Proposal::Review { .. } => "it reviews".to_owned(),
        Proposal::File { .. } => "it writes a file".to_owned(),
        Proposal::VaultAction { .. } => "it asks the vault".to_owned(),
        Proposal::Mend { .. } => "it mends what a probe looks at".to_owned(),
        Proposal::Close { .. } => "it closes an issue".to_owned(),
        Proposal::Reopen => "it leaves its issue open".to_owned(),
    };
    vec![what]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{laid_over, load};

    const HEAD: &str = "formula = 1\nname = \"it\"\ntitle = \"It\"\nblast_radius = \"low\"\n";
    const START: &str = "[[step]]\nid = \"deploy\"\npropose = \"start\"\nstarts = \"predict\"\n";
    const GATE: &str = "[[step]]\nid = \"seen\"\ngate = \"approval\"\n";

    fn formula(steps: &str) -> Formula {
        let work = "[[step]]\nid = \"work\"\nagent = \"dev\"\nprompt = \"it.md\"\naccess = \"write\"\noutput = \"fix-result\"\n\
                    [[step]]\nid = \"verify\"\nrun = \"project.verify\"\n\
                    [[step]]\nid = \"open\"\npropose = \"pull-request\"\ntitle = \"It\"\nbody = \"it.md\"\n";
        let text = format!("{HEAD}{work}{steps}");
        load("it.toml", &text, &|_| Some("It.".to_owned())).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
    }

    fn refused(own: &str, configured: &str) -> Option<String> {
        laid_over(formula(own), &formula(configured)).err()
    }

    #[test]
    fn what_is_done_behind_a_gate_is_done_behind_it_whatever_the_steps_are_called() {
        let merge = "[[step]]\nid = \"merge\"\npropose = \"merge\"\n";
        let configured = format!("{GATE}{merge}");
        assert_eq!(refused(&configured, &configured), None);
        // Another step between them, and another name.
        let between =
            format!("{}[[step]]\nid = \"say\"\npropose = \"comment\"\nbody = \"it.md\"\n{merge}", GATE.replace("seen", "looked"));
        assert_eq!(refused(&between, &configured), None);
        // The gate is skipped with what it needs, and the merge has a condition of its own.
        let never = "[[step]]\nid = \"never\"\ngate = \"time\"\nafter = \"1m\"\nwhen = \"'zzz' in issue.labels\"\n";
        let around = format!("{never}{GATE}[[step]]\nid = \"merge\"\npropose = \"merge\"\nwhen = \"issue.number > 0\"\n");
        let why = refused(&around, &configured).expect("nobody looks at it");
        assert!(
            why.contains("it puts a pull request forward to be merged before a gate of the configured one is passed"),
            "{why}"
        );
        // Whoever merges without a look where the configured one does not merge at all.
        let (some, own) = (GATE.to_owned() + "when = \"issue.number > 5\"\n", merge.to_owned() + "when = \"issue.number > 0\"\n");
        assert_eq!(refused(&format!("{some}{own}"), &format!("{some}{own}")), None);
        let why = refused(&format!("{some}{own}"), &format!("{some}{merge}")).expect("it merges where nobody looked");
        assert!(why.contains("or where that is skipped"), "{why}");
        assert_eq!(refused(&format!("{GATE}{own}"), &format!("{some}{own}")), None, "it asks more often");
    }

    #[test]
    fn what_waits_for_the_vault_waits_for_it_in_every_step_that_starts_the_same() {
        let ask = "[[step]]\nid = \"ask\"\npropose = \"vault-action\"\naction = \"'deploy'\"\nasks = { }\ntitle = \"It\"\nbody = \"it.md\"\n";
        let ask = ask.replace(
            "asks = { }",
            "asks = \"{'context': 'It is merged.', 'action_required': {'what': 'a', 'how': 'b', 'verify': 'c'}}\"",
        );
        let gate = "[[step]]\nid = \"asked\"\ngate = \"vault\"\naction = \"steps.ask.output.id\"\n";
        let configured = format!("{ask}{gate}{START}");
        assert_eq!(refused(&configured, &configured), None);
        let beside = format!("{ask}{gate}{START}needs = [\"ask\"]\n");
        let why = refused(&beside, &configured).expect("it does not wait");
        assert!(why.contains("it starts runs of predict before a gate of the configured one is passed"), "{why}");
        let twice = format!("{configured}{}needs = [\"open\"]\n", START.replace("id = \"deploy\"", "id = \"again\""));
        assert!(refused(&twice, &configured).is_some(), "each of them waits");
        assert_eq!(refused(&configured, &beside), None, "it waits for more");
    }
}
