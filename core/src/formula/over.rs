//! A formula of a project's own base branch, laid over the one that the configuration names.
//!
//! Promises: nobody new works or may write, pull requests and reviews are proposed only where they were, limits only shrink, those of steps too, the tier only
//! rises, models and backends are the configured ones, what has to hold before a run starts still has to, and what was verified before is so still. What was done
//! behind a gate is (`gated`), no other files of the operations repository are read or written, and nobody else is started or handed to. When a run starts is
//! the configuration's alone. What else is proposed (comments, labels, issues) is what whoever may push to the base branch may do himself.

use std::collections::BTreeSet;

use super::agents::hired;
use super::call::also_required;
use super::{gated, held};
use crate::model::{
    Access, Expression, Formula, FormulaLimits, FormulaName, Gate, Hire, InputSpec, Proposal, RepoName, Step, StepId, StepKind,
};

/// The folder of a base branch with formulas, prompts and schemas of its own; how long a file in it may be, in bytes, and how many there may
/// be.
pub const OVER_FOLDER: &str = ".forgehand";
/// See [`OVER_FOLDER`].
pub const OVER_FILE: u64 = 64 * 1024;
/// See [`OVER_FOLDER`].
pub const OVER_FILES: usize = 200;

/// The formula that a run goes on with; or why the one of the base branch would do more than the configured one.
pub fn laid_over(over: Formula, configured: &Formula) -> Result<Formula, String> {
    if over.about() != configured.about() {
        return Err(
            "one of the two is about the project, by `cron` or `vault` of its [trigger], and the other about an issue".to_owned()
        );
    }
    if let Some(why) = more(&over, configured) {
        return Err(why);
    }
    let mut both = over;
    both.name = configured.name.clone();
    both.trigger = configured.trigger.clone();
    both.blast_radius = both.blast_radius.max(configured.blast_radius);
    both.limits = least(both.limits, &configured.limits);
    if let Some(label) = also_required(&mut both.require, &configured.require) {
        return Err(format!("it rules the label `{label}` out, which the configuration asks for, or the other way round"));
    }
    for step in &mut both.steps {
        let id = &step.id;
        if let StepKind::Agent { role, hire, .. } = &mut step.kind {
            *hire = as_configured(hire, (id, role), configured)?;
        }
    }
    held::hold(&mut both, configured);
    let (own, given) = (&mut both.workspace, &configured.workspace);
    own.base.clone_from(&given.base);
    own.branch.clone_from(&given.branch);
    for (own, given) in [(&mut own.env_file, given.env_file), (&mut own.ports, given.ports), (&mut own.caches, given.caches)] {
        if given == Some(false) {
            *own = given;
        }
    }
    Ok(both)
}

/// What the agent of a step is: what the configured formula has for the step of that name, else for another one of the role; of those one that
/// is what the base branch's formula says, where that says something.
fn as_configured(own: &Hire, (id, role): (&StepId, &str), configured: &Formula) -> Result<Hire, String> {
    let says = |known: &Hire| {
        (own.backend.is_none() || own.backend == known.backend) && (own.model.is_none() || own.model == known.model)
    };
    let known: Vec<(&StepId, &Hire)> = hired(configured, role).filter(|(_, known)| says(known)).collect();
    let same = known.iter().find(|(step, _)| *step == id).or(known.first());
    same.map(|(_, known)| (*known).clone()).ok_or_else(|| {
        let what = own.model.as_ref().map_or_else(|| "a backend".to_owned(), |model| format!("the model `{model}`"));
        format!("it has the agent `{role}` work with {what}, and the configured one does not")
    })
}

/// What it would do that the configured one does not.
fn more(over: &Formula, configured: &Formula) -> Option<String> {
    let roles = |formula: &Formula| -> BTreeSet<(String, Access)> {
        let role = |step: &Step| match &step.kind {
            StepKind::Agent { role, access, .. } => Some((role.clone(), *access)),
            _ => None,
        };
        formula.steps.iter().filter_map(role).collect()
    };
    let allowed = roles(configured);
    for (role, access) in roles(over) {
        let Some((_, most)) = allowed.iter().rfind(|(known, _)| *known == role) else {
            return Some(format!("it asks for the agent `{role}`, which the configured one does not"));
        };
        if access > *most {
            return Some(format!("it lets the agent `{role}` write, and the configured one only lets it look"));
        }
    }
    if let Some(tool) = more_tools(over, configured) {
        return Some(format!("{tool}, which the configured one does not"));
    }
    let verifies = |step: &Step| matches!(step.kind, StepKind::Verify { .. });
    let has = |formula: &Formula, what: &dyn Fn(&Step) -> bool| formula.steps.iter().any(what);
    if over.opens_pull() && !configured.opens_pull() {
        return Some("it opens a pull request, and the configured one does not".to_owned());
    }
    if over.merges() && !configured.merges() {
        return Some("it puts a pull request forward to be merged, and the configured one does not".to_owned());
    }
    if let Some(what) = gated::ungated(over, configured) {
        return Some(format!("{what} before a gate of the configured one is passed, or where that is skipped"));
    }
    let answers = |step: &Step| matches!(step.kind, StepKind::Propose(Proposal::Replies { .. }));
    if (over.revises() && !configured.revises()) || (has(over, &answers) && !has(configured, &answers)) {
        return Some("it revises a pull request, and the configured one does not".to_owned());
    }
    if over.needs_ops() && !configured.needs_ops() {
        return Some("it reads or writes the operations repository, and the configured one does not".to_owned());
    }
    if let Some(path) = over.reads_ops.iter().find(|path| !configured.reads_ops.iter().any(|known| lies_in(path, known))) {
        return Some(format!("it reads `{path}` of the operations repository, and the configured one does not"));
    }
    if let Some(repo) = over.asks_in().difference(&configured.asks_in()).next() {
        return Some(format!("it asks for a file in {repo}, and the configured one does not"));
    }
    let known = |file: &Written<'_>| writes(configured).any(|own| own == *file || own == Written { directly: true, ..*file });
    if let Some(Written { path, directly, .. }) = writes(over).find(|file| !known(file)) {
        let how = if directly { "directly" } else { "by a pull request" };
        return Some(format!("it writes the file `{path}` {how}, and the configured one does not"));
    }
    if over.steps.iter().any(|step| asks(step).is_some_and(|asked| !configured.steps.iter().any(|own| asks(own) == Some(asked))))
    {
        return Some("it asks the vault for something that the configured one does not".to_owned());
    }
    if over.mends() && !configured.mends() {
        return Some("it mends what probes of the host look at, and the configured one does not".to_owned());
    }
    if over.reads_host() && !configured.reads_host() {
        return Some("it reads the probes of the host, and the configured one does not".to_owned());
    }
    if let Some(formula) = starts(over).into_iter().find(|formula| !starts(configured).contains(formula)) {
        return Some(format!("it starts runs of {formula}, and the configured one does not"));
    }
    if over.reviews() && !configured.reviews() {
        return Some("it reviews, and the configured one does not".to_owned());
    }
    if has(configured, &verifies) && !verified_first(over) {
        return Some("it leaves out the project's verification, or puts a condition on it".to_owned());
    }
    if !gated::keeps(over, configured, |gate| matches!(gate, Gate::Approval)) {
        return Some("it leaves out the gate for an approval, or puts another condition on it".to_owned());
    }
    if !gated::keeps(over, configured, |gate| matches!(gate, Gate::Vault { .. })) {
        return Some("it leaves out the gate for the vault, or puts another condition on it".to_owned());
    }
    let other = |spec: &&InputSpec| configured.inputs.iter().any(|known| known.name == spec.name && known.kind != spec.kind);
    if let Some(spec) = over.inputs.iter().find(other) {
        return Some(format!("its input `{}` takes something else than that of the configured one", spec.name));
    }
    let unknown = over.inputs.iter().find(|spec| spec.default.is_none() && configured.inputs.iter().all(|i| i.name != spec.name));
    unknown.map(|spec| format!("nobody gives it its input `{}`: give that a default", spec.name))
}

/// Whether a path of the operations repository is one that a formula names, or lies in a folder that it names.
fn lies_in(path: &str, named: &str) -> bool {
    path == named || (named.ends_with('/') && path.starts_with(named))
}

/// A file that a formula writes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Written<'f> {
    /// Where; none is the operations repository.
    repo: Option<&'f RepoName>,
    path: &'f str,
    /// Nobody is asked by a pull request.
    directly: bool,
}

fn writes(formula: &Formula) -> impl Iterator<Item = Written<'_>> {
    formula.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Propose(Proposal::File { repo, path, pull, .. }) => {
            Some(Written { repo: repo.as_ref(), path, directly: pull.is_none() })
        }
        _ => None,
    })
}

/// What a step asks of the vault.
fn asks(step: &Step) -> Option<(&Expression, &Expression)> {
    match &step.kind {
        StepKind::Propose(Proposal::VaultAction { action, asks, .. }) => Some((action, asks)),
        _ => None,
    }
}

/// The formulas that it starts runs of, now, when its pull request is merged, or when it hands over.
fn starts(formula: &Formula) -> BTreeSet<&FormulaName> {
    fn of(step: &Step) -> Option<&FormulaName> {
        match &step.kind {
            StepKind::Propose(Proposal::Start { start, .. } | Proposal::PullRequest { then: Some(start), .. }) => {
                Some(&start.formula)
            }
            _ => None,
        }
    }
    let handed = formula.outcomes.iter().filter_map(|ending| ending.hands.as_ref()).map(|hands| &hands.to);
    formula.steps.iter().filter_map(of).chain(handed).collect()
}

/// A tool that an agent is given in no step of the configured one. What a step does not name is what its access allows.
fn more_tools(over: &Formula, configured: &Formula) -> Option<String> {
    fn given(formula: &Formula) -> impl Iterator<Item = (&str, Vec<&str>)> {
        formula.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Agent { role, access, tools, .. } => Some((role.as_str(), access.tools(tools))),
            _ => None,
        })
    }
    let known: BTreeSet<(&str, &str)> =
        given(configured).flat_map(|(role, tools)| tools.into_iter().map(move |t| (role, t))).collect();
    let mut asked = given(over).flat_map(|(role, tools)| tools.into_iter().map(move |tool| (role, tool)));
    asked.find(|asked| !known.contains(asked)).map(|(role, tool)| format!("it gives the agent `{role}` the tool `{tool}`"))
}

/// Whether each pull request, and each push to one, is of commits that the project's verification saw: it stands behind whoever writes, and what lies between it
/// and the pull request has no condition of its own, so that all of it is skipped where the verification is.
fn verified_first(over: &Formula) -> bool {
    let steps = &over.steps;
    let publishes = |step: &Step| matches!(step.kind, StepKind::Propose(Proposal::PullRequest { .. } | Proposal::Push));
    let opens = steps.iter().enumerate().filter(|(_, step)| publishes(step));
    opens.map(|(at, _)| at).all(|at| {
        let written = steps[..at].iter().rposition(is_writer).map_or(0, |writer| writer + 1);
        hangs_on_verification(steps, at, written)
    })
}

/// Whether a step is skipped where a verification is that stands at a place or behind it.
fn hangs_on_verification(steps: &[Step], at: usize, from: usize) -> bool {
    let step = &steps[at];
    if matches!(step.kind, StepKind::Verify { .. }) {
        return at >= from;
    }
    let before = |id: &StepId| steps[..at].iter().position(|other| other.id == *id);
    step.when.is_none() && step.needs.iter().flatten().filter_map(before).any(|needed| hangs_on_verification(steps, needed, from))
}

fn is_writer(step: &Step) -> bool {
    matches!(step.kind, StepKind::Agent { access: Access::Write, .. })
}

fn least(own: FormulaLimits, configured: &FormulaLimits) -> FormulaLimits {
    fn least<T: Ord>(own: Option<T>, configured: Option<T>) -> Option<T> {
        match (own, configured) {
            (Some(own), Some(configured)) => Some(own.min(configured)),
            (one, other) => one.or(other),
        }
    }
    FormulaLimits {
        wall: least(own.wall, configured.wall),
        silence: least(own.silence, configured.silence),
        turns: least(own.turns, configured.turns),
        budget_usd: least(own.budget_usd, configured.budget_usd),
        attempts: least(own.attempts, configured.attempts),
        runs_day: least(own.runs_day, configured.runs_day),
        usd_day: least(own.usd_day, configured.usd_day),
        concurrency: configured.concurrency.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{shipped_formula, shipped_text};

    fn prompt(name: &str) -> Option<String> {
        (name == "plain.md").then_some("Fine.").or_else(|| crate::formula::shipped_prompt(name)).map(str::to_owned)
    }

    fn fix(change: impl FnOnce(String) -> String) -> Result<Formula, String> {
        let text = change(shipped_text("fix").expect("shipped").to_owned());
        let over = crate::formula::load("fix.toml", &text, &prompt);
        laid_over(over.unwrap_or_else(|faults| panic!("{:?}", faults.lines())), &shipped_formula("fix").expect("shipped"))
    }

    #[test]
    fn it_may_do_the_same_in_another_way() {
        let limits = "[limits]\nwall = \"5m\"\nbudget_usd = 1.5\n\n[require]";
        let changed = fix(|text| text.replace("[require]\ndependencies_closed = true", limits).replace("\"medium\"", "\"low\""));
        let both = changed.expect("no more than before");
        let configured = shipped_formula("fix").expect("shipped");
        assert_eq!(both.limits.wall, Some(std::time::Duration::from_mins(5)));
        assert!(both.require.dependencies_closed, "what had to hold still has to");
        assert_eq!((both.blast_radius, &both.trigger), (configured.blast_radius, &configured.trigger));
    }

    #[test]
    fn it_asks_for_files_in_no_other_repository() {
        let with = |repo: &str| {
            let step = format!(
                "\n[[step]]\nid = \"note\"\npropose = \"file\"\n{repo}pull_request = true\npath = \"sprints/a.md\"\n\
                 content = \"'a'\"\ntitle = \"A\"\nbody = \"plain.md\"\n"
            );
            let text = shipped_text("fix").expect("shipped").to_owned() + &step;
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let (ops, one, two) = ("", "repo = \"o/one\"\n", "repo = \"o/two\"\n");
        assert!(laid_over(with(one), &with(one)).is_ok());
        let why = laid_over(with(two), &with(one)).expect_err("elsewhere");
        assert!(why.contains("it asks for a file in o/two"), "{why}");
        let why = laid_over(with(one), &with(ops)).expect_err("elsewhere");
        assert!(why.contains("it asks for a file in o/one"), "{why}");
        let why = laid_over(with(ops), &with(one)).expect_err("the operations repository is another one too");
        assert!(why.contains("operations repository"), "{why}");
    }

    #[test]
    fn it_reads_and_writes_nothing_more_in_the_operations_repository() {
        let with = |files: &str, path: &str, asks: &str| {
            let step = format!(
                "\n[[step]]\nid = \"note\"\npropose = \"file\"\npath = \"{path}\"\ncontent = \"'a'\"\ntitle = \"A\"\n{asks}"
            );
            let ops = format!("[ops]\nfiles = [{files}]\n\n[[step]]");
            let text = shipped_text("fix").expect("shipped").replacen("[[step]]", &ops, 1) + &step;
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let asks = "pull_request = true\nbody = \"plain.md\"\n";
        let configured = with("\"sprints/\", \"prerequisites.md\"", "sprints/a.md", asks);
        assert!(
            laid_over(with("\"sprints/one/\", \"sprints/b.md\", \"prerequisites.md\"", "sprints/a.md", asks), &configured)
                .is_ok()
        );
        for (files, path, asks, says) in [
            ("\"sprints/\", \"vault/\"", "sprints/a.md", asks, "it reads `vault/` of the operations repository"),
            ("\"portfolio.md\"", "sprints/a.md", asks, "it reads `portfolio.md`"),
            ("\"prerequisites.md\"", "prerequisites.md", asks, "it writes the file `prerequisites.md` by a pull request"),
            ("\"prerequisites.md\"", "sprints/a.md", "", "it writes the file `sprints/a.md` directly"),
        ] {
            let why = laid_over(with(files, path, asks), &configured).expect_err("it would do more");
            assert!(why.contains(says), "{why}");
        }
        let directly = with("\"prerequisites.md\"", "sprints/a.md", "");
        assert!(laid_over(with("\"prerequisites.md\"", "sprints/a.md", asks), &directly).is_ok(), "it asks first");
    }

    #[test]
    fn it_hands_over_to_nobody_new_and_takes_what_the_configured_one_takes() {
        let with = |more: &str| {
            let text = shipped_text("fix").expect("shipped").replacen("[[step]]", &format!("{more}\n[[step]]"), 1);
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let hands = |to: &str| with(&format!("[[outcome]]\nwhen = \"issue.number > 5\"\nis = \"hand-over\"\nto = \"{to}\"\n"));
        assert!(laid_over(hands("diagnose"), &hands("diagnose")).is_ok());
        let why = laid_over(hands("release"), &hands("diagnose")).expect_err("another one");
        assert!(why.contains("it starts runs of release"), "{why}");
        let takes = |of: &str| with(&format!("[[input]]\nname = \"area\"\ntype = \"text\"\ndefault = \"all\"\n{of}\n"));
        let words = "one_of = [\"all\", \"some\"]";
        assert!(laid_over(takes(words), &takes(words)).is_ok());
        let why = laid_over(takes(words), &takes("")).expect_err("what was any text would be a word");
        assert!(why.contains("its input `area` takes something else"), "{why}");
    }

    #[test]
    fn it_has_no_more_of_a_day_than_the_configured_one() {
        let with = |limits: &str| {
            let text = shipped_text("fix").expect("shipped").replacen("[[step]]", &format!("[limits]\n{limits}\n\n[[step]]"), 1);
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let of = |own: &str, configured: &str| {
            let limits = laid_over(with(own), &with(configured)).expect("no more").limits;
            (limits.runs_day, limits.usd_day.map(crate::model::Usd::dollars))
        };
        let configured = "runs_day = 4\nusd_day = 2.0";
        assert_eq!(of("runs_day = 400\nusd_day = 20.0", configured), (Some(4), Some(2.0)));
        assert_eq!(of("runs_day = 1\nusd_day = 0.5", configured), (Some(1), Some(0.5)));
        assert_eq!(of("", configured), (Some(4), Some(2.0)));
        assert_eq!(of("runs_day = 1", ""), (Some(1), None));
    }

    #[test]
    fn it_may_do_no_more() {
        let refused = |change: &dyn Fn(String) -> String, says: &str| {
            let why = fix(change).expect_err("it would do more");
            assert!(why.contains(says), "{why}");
        };
        refused(&|text| text.replace("agent = \"dev\"", "agent = \"root\""), "the agent `root`");
        refused(&|text| text.replace("run = \"project.verify\"", "run = [\"true\"]"), "leaves out the project's verification");
        let other = "when = \"issue.number == 0\"\nrun = \"project.verify\"";
        let open = "id = \"open\"\nwhen = \"steps.work.output.outcome == 'done'\"";
        let mends = "[[step]]\nid = \"mend\"\npropose = \"mend\"\nprobe = \"'db'\"\n\n[[step]]";
        refused(&|text| text.replacen("[[step]]", mends, 1), "it mends what probes of the host look at");
        let asks = "id = \"open\"\nwhen = \"host.probes.exists(p, p.ok)\"";
        refused(&|text| text.replace("id = \"open\"", asks), "it reads the probes of the host");
        refused(
            &|text| {
                let text = text.replace("when = \"steps.work.output.outcome == 'done'\"\nrun = \"project.verify\"", other);
                text.replace("id = \"open\"", open)
            },
            "puts a condition on it",
        );
        let triage = shipped_formula("triage").expect("shipped");
        let why = laid_over(shipped_formula("fix").expect("shipped"), &triage).expect_err("it would do more");
        assert!(why.contains("the agent `dev`"), "{why}");
        let looks = shipped_text("fix").expect("shipped").replace("access = \"write\"\n", "access = \"read\"\n");
        let looks = looks.replace("commits = \"output.outcome == 'done'\"\n", "");
        let cut = looks.find("[[step]]\nid = \"verify\"").expect("a step");
        let looks = crate::formula::load("fix.toml", &looks[..cut], &prompt);
        let why = laid_over(shipped_formula("fix").expect("shipped"), &looks.expect("a formula")).expect_err("it would do more");
        assert!(why.contains("only lets it look"), "{why}");
        refused(
            &|text| text + "\n[[step]]\nid = \"judge\"\npropose = \"review\"\nverdict = \"'approve'\"\nbody = \"plain.md\"\n",
            "it reviews",
        );
    }

    #[test]
    fn a_pull_request_is_put_forward_only_where_it_was_and_behind_the_same_gates() {
        let merge = "\n[[step]]\nid = \"merge\"\npropose = \"merge\"\n";
        let gate = "\n[[step]]\nid = \"seen\"\ngate = \"approval\"\n";
        let with = |more: &str| {
            let text = shipped_text("fix").expect("shipped").to_owned() + more;
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let why = laid_over(with(merge), &with("")).expect_err("more");
        assert!(why.contains("it puts a pull request forward to be merged"), "{why}");
        let (before, after) = (format!("{gate}{merge}"), format!("{merge}{gate}"));
        assert!(laid_over(with(&before), &with(&before)).is_ok());
        assert!(laid_over(with(&before), &with(merge)).is_ok(), "it asks for more");
        let why = laid_over(with(&after), &with(&before)).expect_err("the gate held the merge");
        assert!(why.contains("before a gate of the configured one is passed"), "{why}");
        let timed = format!(
            "{gate}{}",
            merge.replace("\"merge\"\n\"", "").replace("propose = \"merge\"\n", "propose = \"merge\"\ntimeout = \"1h\"\n")
        );
        assert!(laid_over(with(&timed), &with(&before)).is_ok(), "how long it waits is its own matter");
    }

    #[test]
    fn commands_of_its_own_do_not_stand_for_the_verification() {
        let verify = "when = \"steps.work.output.outcome == 'done'\"\nrun = \"project.verify\"";
        let between = |needs: &str, when: &str| {
            let lint = format!("[[step]]\nid = \"lint\"\n{needs}{when}run = [\"true\"]\n\n[[step]]\nid = \"open\"");
            fix(|text| {
                let text = text.replace(verify, "when = \"issue.number == 0\"\nrun = \"project.verify\"");
                text.replace("[[step]]\nid = \"open\"", &lint)
            })
        };
        assert!(between("", "").is_ok(), "all of it is skipped with the verification");
        for (needs, when) in [("needs = [\"work\"]\n", ""), ("", "when = \"issue.number > 0\"\n")] {
            let why = between(needs, when).expect_err("what nobody verified would be proposed");
            assert!(why.contains("puts a condition on it"), "{why}");
        }
    }

    #[test]
    fn an_agent_is_what_the_configured_formula_has_it_be() {
        let with = |says: &str| {
            let text = shipped_text("fix").expect("shipped").replace("agent = \"dev\"", &format!("agent = \"dev\"\n{says}"));
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let is = |formula: &Formula| hired(formula, "dev").next().expect("an agent").1.clone();
        let configured = with("model = \"small\"\nbackend = \"claude\"");
        for silent in ["", "model = \"small\"", "backend = \"claude\""] {
            let both = laid_over(with(silent), &configured).expect("it is the same");
            assert_eq!(is(&both), is(&configured), "{silent}");
        }
        let why = laid_over(with("model = \"large\""), &configured).expect_err("another model");
        assert!(why.contains("work with the model `large`"), "{why}");
        let why = laid_over(with("backend = \"command\""), &configured).expect_err("another backend");
        assert!(why.contains("work with a backend"), "{why}");
        assert!(laid_over(with("model = \"small\""), &with("")).is_err(), "nobody said it");
        let two = |first: &str, second: &str| {
            let step =
                "[[step]]\nid = \"look\"\nagent = \"dev\"\naccess = \"read\"\nprompt = \"plain.md\"\noutput = \"fix-result\"\n";
            let text = shipped_text("fix").expect("shipped").replace("agent = \"dev\"", &format!("agent = \"dev\"\n{second}"));
            let text = text.replacen("[[step]]", &format!("{step}{first}\n[[step]]"), 1);
            crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
        };
        let configured = two("model = \"small\"", "model = \"large\"");
        let both = laid_over(two("", ""), &configured).expect("it is the same");
        let models: Vec<_> = hired(&both, "dev").map(|(_, hire)| hire.model.clone()).collect();
        assert_eq!(models, [Some("small".to_owned()), Some("large".to_owned())], "each step what its own name has");
    }

    #[test]
    fn tools_are_no_more_than_those_of_the_configured_one() {
        let with = |tools: &str| {
            let text =
                shipped_text("fix").expect("shipped").replace("access = \"write\"", &format!("access = \"write\"\n{tools}"));
            crate::formula::load("fix.toml", &text, &|name| crate::formula::shipped_prompt(name).map(str::to_owned))
                .expect("a formula")
        };
        let configured = with("tools = [\"Edit\", \"Read\"]");
        assert!(laid_over(with("tools = [\"Read\"]"), &configured).is_ok());
        assert!(laid_over(with("tools = [\"Bash\"]"), &configured).expect_err("more").contains("`Bash`"));
        assert!(laid_over(with(""), &configured).is_err());
        assert!(laid_over(with("tools = [\"Bash\"]"), &with("")).is_ok());
        // What goes without saying is not all that there is.
        let why = laid_over(with("tools = [\"Read\", \"WebFetch\"]"), &with("")).expect_err("more");
        assert!(why.contains("the agent `dev` the tool `WebFetch`"), "{why}");
    }
}
