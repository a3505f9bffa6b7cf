//! `forgehand formula graph NAME`: the steps in the order that they need, as text or as a Mermaid diagram.

use std::fmt::Write as _;

use crate::cli::library::Library;
use crate::cli::{CliError, print_bytes};
use crate::model::{BackTo, Ending, Formula, StepId, StepKind};
use crate::words;

/// Arguments of `formula graph`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The formula
    name: String,
    /// A Mermaid diagram, for a page or a pull request
    #[arg(long)]
    mermaid: bool,
}

/// Draws it.
pub(super) fn run(library: &Library, arguments: &Arguments) -> Result<(), CliError> {
    let formula = super::loaded(library, &arguments.name)?;
    let drawn = if arguments.mermaid { mermaid(&formula) } else { text(&formula) };
    print_bytes(drawn.as_bytes());
    Ok(())
}

/// What a step waits for because it says so, and what else it waits for: what is there already by that is left out.
fn waits(formula: &Formula, at: usize) -> (Vec<&StepId>, Vec<&StepId>) {
    let needs = formula.needs(at);
    let before = formula.before(at);
    let reached = |place: usize| before.iter().any(|other| *other != place && formula.behind(place).contains(other));
    let names = |places: Vec<usize>| places.into_iter().filter_map(|place| Some(&formula.steps.get(place)?.id)).collect();
    let others = before.iter().copied().filter(|place| !needs.contains(place) && !reached(*place)).collect();
    (names(needs), names(others))
}

/// The longest way to each step: steps on the same level have no order between them.
fn levels(formula: &Formula) -> Vec<usize> {
    let mut levels: Vec<usize> = Vec::new();
    for at in 0..formula.steps.len() {
        let before = formula.before(at);
        let level = before.iter().filter_map(|place| levels.get(*place)).max().map_or(0, |level| level + 1);
        levels.push(level);
    }
    levels
}

fn text(formula: &Formula) -> String {
    let mut drawn = format!("{}: {}\nstarts by: {}\n\n", formula.name, formula.title, words::triggers(&formula.trigger));
    let levels = levels(formula);
    let last = levels.iter().max().copied().unwrap_or_default();
    for level in 0..=last {
        let here: Vec<usize> = (0..formula.steps.len()).filter(|at| levels.get(*at) == Some(&level)).collect();
        for (nth, at) in here.iter().enumerate() {
            let lead = if nth == 0 { format!("{:>3}", level + 1) } else { "   ".to_owned() };
            describe(&mut drawn, formula, *at, &lead);
        }
    }
    drawn.push_str("\nends as:\n");
    for ending in &formula.outcomes {
        let _ = writeln!(drawn, "  {}{}", words::end_word(ending.is), condition(ending));
    }
    if formula.outcomes.iter().all(|ending| ending.when.is_some()) {
        let otherwise = if formula.outcomes.is_empty() { "" } else { " otherwise" };
        let _ = writeln!(drawn, "  done{otherwise}");
    }
    drawn
}

fn describe(drawn: &mut String, formula: &Formula, at: usize, lead: &str) {
    let Some(step) = formula.steps.get(at) else { return };
    let _ = writeln!(drawn, "{lead}  {}: {}", step.id, words::step(&step.kind));
    let (needs, others) = waits(formula, at);
    if !needs.is_empty() {
        let _ = writeln!(drawn, "       after {}", listed(&needs));
    }
    if !others.is_empty() {
        let _ = writeln!(drawn, "       not beside {}: they share the run's change", listed(&others));
    }
    for note in notes(formula, at) {
        let _ = writeln!(drawn, "       {note}");
    }
}

fn listed(names: &[&StepId]) -> String {
    names.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
}

/// What else decides about a step.
fn notes(formula: &Formula, at: usize) -> Vec<String> {
    let Some(step) = formula.steps.get(at) else { return Vec::new() };
    let writers = formula.writers_beside(at).into_iter().filter_map(|place| Some(&formula.steps.get(place)?.id));
    let writers: Vec<&StepId> = writers.collect();
    let apart = (!writers.is_empty()).then(|| format!("in a workspace of its own: {} may write beside it", listed(&writers)));
    let when = step.when.iter().map(|when| format!("when {}", when.0));
    let each = step
        .for_each
        .iter()
        .filter(|_| !matches!(step.kind, StepKind::Leave { .. }))
        .map(|each| format!("for each of {}, at most {}", each.items.0, each.at_most));
    let back = step.kind.on_failure().map(|BackTo { to, at_most, .. }| format!("fails: back to {to}, at most {at_most} times"));
    let commits = match &step.kind {
        StepKind::Agent { commits: Some(commits), .. } => Some(format!("commits taken over when {}", commits.0)),
        _ => None,
    };
    when.chain(each).chain(commits).chain(back).chain(apart).collect()
}

fn condition(ending: &Ending) -> String {
    ending.when.as_ref().map_or_else(String::new, |when| format!(" when {}", when.0))
}

fn mermaid(formula: &Formula) -> String {
    let mut drawn = "flowchart TD\n".to_owned();
    let place = |id: &StepId| formula.steps.iter().position(|step| step.id == *id);
    for (at, step) in formula.steps.iter().enumerate() {
        let about = std::iter::once(words::step(&step.kind)).chain(notes(formula, at));
        let about: Vec<String> = about.map(|line| quoted(&line)).collect();
        let _ = writeln!(drawn, "    s{at}[\"<b>{}</b><br/>{}\"]", step.id, about.join("<br/>"));
    }
    for at in 0..formula.steps.len() {
        let (needs, others) = waits(formula, at);
        for before in needs.into_iter().filter_map(place) {
            let _ = writeln!(drawn, "    s{before} --> s{at}");
        }
        for before in others.into_iter().filter_map(place) {
            let _ = writeln!(drawn, "    s{before} -. \"not beside\" .-> s{at}");
        }
    }
    for (at, step) in formula.steps.iter().enumerate() {
        if let Some((back, to)) = step.kind.on_failure().and_then(|back| Some((back, place(&back.to)?))) {
            let _ = writeln!(drawn, "    s{at} -. \"fails, at most {}\" .-> s{to}", back.at_most);
        }
    }
    let needed: Vec<usize> = (0..formula.steps.len()).flat_map(|at| formula.before(at)).collect();
    let ends: Vec<usize> = (0..formula.steps.len()).filter(|at| !needed.contains(at)).collect();
    let otherwise = formula.outcomes.iter().all(|ending| ending.when.is_some());
    let endings = formula.outcomes.iter().map(|ending| (words::end_word(ending.is), condition(ending)));
    for (nth, (word, condition)) in endings.chain(otherwise.then(|| ("done", String::new()))).enumerate() {
        let _ = writeln!(drawn, "    e{nth}([\"{word}{}\"])", quoted(&condition));
        for at in &ends {
            let _ = writeln!(drawn, "    s{at} --> e{nth}");
        }
    }
    drawn
}

/// Text inside the quotes of a label.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br/>")
}
