//! `forgehand formula run NAME [--issue N]`: leaves the order for the daemon, or for the next `once`; with `--dry-run` it shows what a run would
//! tell agents and propose, with placeholders for what nobody answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::cli::setup::Setup;
use crate::cli::{CliError, Kind, block_on, subject, wiring};
use crate::engine::{self, Placeholders, Played, Scene, Unread};
use crate::formula;
use crate::journal::History;
use crate::model::{
    About, Command, Decision, Formula, FormulaName, LabelNames, SeenIssue, Skipped, Step, StepId, Subject, Wanted, WantedBy,
};
use crate::plan;
use crate::ports::Forge as _;
use crate::words;

use super::given;
use super::holds::in_the_way;

/// Arguments of `formula run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The formula
    name: String,
    /// The issue: 7, or owner/name#7; without one for a formula about the project, which has `cron`
    #[arg(long, value_name = "N")]
    issue: Option<String>,
    /// The project: owner/name, where there are several
    #[arg(long, value_name = "OWNER/NAME", conflicts_with = "issue")]
    project: Option<String>,
    /// Show each prompt and each proposal, and touch nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: the comment that starts it, such as "/look depth=3"
    #[arg(long, value_name = "TEXT", requires = "dry_run")]
    comment: Option<String>,
    /// What an input is given; other than a text it is written as JSON
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
}

/// Runs it.
pub(super) fn run(config: Option<PathBuf>, clone: Option<&Path>, arguments: &Arguments) -> Result<(), CliError> {
    let setup = if arguments.dry_run { Setup::load(config)? } else { Setup::shown(config)? };
    let formula = super::loaded(&setup.library(), &arguments.name)?;
    let subject = subject_of(&setup, &formula, arguments)?;
    let mut inputs = given::of(&formula, &arguments.inputs)?;
    if !arguments.dry_run {
        super::unlaid(clone, "run")?;
        return order(&setup, subject, &formula, inputs);
    }
    let over = block_on(laid(&setup, clone, &subject, &formula))??;
    let (formula, over) = over.map_or((formula, None), |(formula, from)| (formula, Some(from)));
    let known = setup.known(&History::Of(subject.clone()))?.ledger;
    let read = block_on(wiring::stage(&setup, &subject, &formula, &known))??;
    let mut staged = read.map_err(|unread| not_read(&subject, unread))?;
    let stage = &mut staged.stage;
    if let Some(comment) = &arguments.comment {
        let (word, said) = said(&formula, comment)?;
        inputs = said.into_iter().chain(inputs).collect();
        // What moves an issue through the lifecycle starts no run that was asked for.
        stage.asked = (!formula.trigger.label.as_deref().is_some_and(plan::is_of_lifecycle)).then_some(word);
    }
    stage.kept = known.kept(&subject);
    stage.off = off(&setup, &formula, &subject);
    if !inputs.is_empty() {
        stage.inputs = given::startable(&formula, inputs)?;
    }
    let played = stage.play(&mut Placeholders).map_err(|why| {
        let what = format!("formula {} comes to no end on {subject}", formula.name);
        CliError::usage(what, format!("`forgehand formula lint {}` checks it", formula.name)).because(why)
    })?;
    anstream::println!("{} on {subject}: {}", formula.name, formula.title);
    let over = over.map(|from| format!("it is laid over by {from}"));
    let host =
        stage.host.is_asked(&formula).then(|| "the probes of the host are not run here, and each counts as failing".to_owned());
    for line in
        over.into_iter().chain(host).chain(in_the_way(&setup, &staged, known.issue(&subject), arguments.comment.is_some()))
    {
        anstream::println!("note: {line}");
    }
    show(&formula, &played);
    Ok(())
}

/// The formula as a run would go on with it, and what is laid over it: files of a clone, or of the base branch as it is on the forge.
async fn laid(
    setup: &Setup,
    clone: Option<&Path>,
    subject: &Subject,
    configured: &Formula,
) -> Result<Option<(Formula, String)>, CliError> {
    let (library, from) = match clone {
        Some(clone) => (setup.library().laid_of_clone(clone)?, clone.join(formula::OVER_FOLDER).display().to_string()),
        None => {
            let client = setup.forge()?;
            let of_project = setup.config.project(&subject.repo).and_then(|project| project.base.clone());
            let base = match configured.workspace.base.clone().or(of_project) {
                Some(base) => base,
                None => client.repository(&subject.repo).await?.default_branch,
            };
            let (repo, folder) = (&subject.repo, formula::OVER_FOLDER);
            let files = client.folder(repo, base.as_str(), folder, formula::OVER_FILE, formula::OVER_FILES).await?;
            (setup.library().laid(files), format!("{folder} of {base}"))
        }
    };
    let over = super::loaded(&library, configured.name.as_str());
    if !library.is_laid() {
        return Ok(None);
    }
    let refused = |why: String| {
        let what = format!("a run of {} would end at once: {from} is refused", configured.name);
        CliError::usage(what, "`forgehand formula lint --clone DIR` checks a clone of it").because(why)
    };
    let over = formula::laid_over(over?, configured).map_err(refused)?;
    Ok(Some((over, from)))
}

/// The word that starts the formula, and what the comment gives it.
fn said(formula: &Formula, comment: &str) -> Result<(String, BTreeMap<String, Json>), CliError> {
    let Some((word, given)) = plan::said(formula, comment) else {
        let words = formula.trigger.comment.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        let hint =
            if words.is_empty() { "no comment does: leave --comment out".to_owned() } else { format!("begin with {words}") };
        return Err(CliError::usage(format!("formula {} is not started by the comment of --comment", formula.name), hint));
    };
    Ok((word.to_owned(), given))
}

/// The formulas that it hands over to and that are not on there.
fn off(setup: &Setup, formula: &Formula, subject: &Subject) -> BTreeSet<FormulaName> {
    let on = setup.config.project(&subject.repo).map(|project| &project.formulas);
    let to = formula.outcomes.iter().filter_map(|ending| Some(&ending.hands.as_ref()?.to));
    to.filter(|to| !on.is_some_and(|on| on.contains(*to))).cloned().collect()
}

/// What it is to run on: the formula says whether that is an issue.
fn subject_of(setup: &Setup, formula: &Formula, arguments: &Arguments) -> Result<Subject, CliError> {
    let name = &formula.name;
    match (formula.about(), &arguments.issue) {
        (About::Issue, Some(issue)) => subject::parse(&setup.config, issue),
        (About::Issue, None) => {
            let hint = format!("write `forgehand formula run {name} --issue 7`; a formula with `cron` is about the project");
            Err(CliError::usage(format!("formula {name} is about an issue"), hint))
        }
        (About::Project, None) => subject::of_project(&setup.config, arguments.project.as_deref()),
        (About::Project, Some(_)) => Err(CliError::usage(
            format!("formula {name} is about the project: a schedule or the vault starts it"),
            "leave --issue out",
        )),
    }
}

/// Leaves the order. What is the lifecycle's goes through the lifecycle.
fn order(setup: &Setup, subject: Subject, formula: &Formula, given: BTreeMap<String, Json>) -> Result<(), CliError> {
    let (names, name) = (LabelNames::default(), &formula.name);
    if !setup.config.project(&subject.repo).is_some_and(|project| project.formulas.contains(name)) {
        let hint = format!("name it in `formulas` of the project: formulas = [.., \"{name}\"]");
        return Err(CliError::usage(format!("formula {name} is off for {}", subject.repo), hint));
    }
    let queued = formula.trigger.label.as_deref() == Some(names.of(Decision::Queue));
    given::startable(formula, given.clone())?;
    let wanted = Wanted { formula: name.clone(), inputs: given, by: WantedBy::Hand };
    let command = match queued {
        true => Command::Retry { subject: subject.clone(), given: Some(Box::new(wanted)) },
        false => Command::Run { subject: subject.clone(), wanted, seen: unknown(setup, &subject)? },
    };
    let (_, when) = setup.order(&command)?;
    anstream::println!("{name} is to run on {subject} {when}");
    Ok(())
}

/// The issue as it stands on the forge, where the journal does not know it: it carries no label of ours.
fn unknown(setup: &Setup, subject: &Subject) -> Result<Option<Box<SeenIssue>>, CliError> {
    let known = setup.known(&History::Of(subject.clone()))?.ledger;
    let looked = known.projects.get(&subject.repo).is_some_and(|project| project.looked.is_some());
    if subject.is_project() || !looked || known.issue(subject).is_some() {
        return Ok(None);
    }
    let issue = block_on(async { setup.forge()?.issue(&subject.repo, subject.issue).await.map_err(CliError::from) })??;
    match (&issue.pull, issue.open) {
        (Some(_), _) => Err(CliError::usage(format!("{subject} is a pull request"), "name the issue that it is about")),
        (None, false) => Err(CliError::usage(format!("{subject} is closed"), "open it again first")),
        (None, true) => Ok(Some(Box::new(engine::seen_issue(&subject.repo, &issue)))),
    }
}

fn not_read(subject: &Subject, unread: Unread) -> CliError {
    match unread {
        Unread::Project(trouble) => CliError::trouble(&subject.repo, &trouble),
        Unread::NoIssue => {
            CliError::usage(format!("there is no issue {subject}"), "check the number, `repo`, and the bot's access")
        }
        Unread::Issue(why) => {
            CliError::new(Kind::Forge, format!("{subject} cannot be read"), "see whether the forge is up").because(why)
        }
    }
}

fn show(formula: &Formula, played: &Played) {
    let step_of = |id: &StepId| formula.steps.iter().find(|step| step.id == id.written());
    let mut last: Option<&StepId> = None;
    for scene in &played.scenes {
        let step = scene.step();
        if last != Some(step) {
            let does = step_of(step).map_or_else(String::new, |step| words::step(&step.kind));
            anstream::println!("\n== {step}: {does}");
        }
        last = Some(step);
        tell(scene, step_of(step));
    }
    anstream::println!("\nends as {}, on these placeholders", super::recorded::outcome(&played.outcome));
    anstream::println!("{}", words::outcome(&played.outcome));
}

fn tell(scene: &Scene, step: Option<&Step>) {
    match scene {
        Scene::Held { .. } => {
            let when = step.and_then(|step| step.when.as_ref()).map_or("", |when| when.0.as_str());
            anstream::println!("when {when}: holds");
        }
        Scene::Skipped { why: Skipped::Condition { when }, .. } => anstream::println!("when {when}: does not hold, skipped"),
        Scene::Skipped { why: Skipped::Needs { step }, .. } => anstream::println!("skipped, because {step} was"),
        Scene::Asked { prompt, answer, .. } => {
            anstream::println!("-- prompt");
            anstream::print!("{}", ended(prompt));
            anstream::println!("-- answer (a placeholder made from its schema)");
            match answer {
                Ok(answer) => anstream::println!("{answer:#}"),
                Err(why) => anstream::println!("none that fits: {why}"),
            }
        }
        Scene::Taken { .. } => anstream::println!("its commits would be taken over"),
        Scene::Ran { evidence, .. } => {
            evidence.commands.iter().for_each(|run| anstream::println!("would run: {}", run.command));
            anstream::println!(
                "{}",
                if evidence.passed { "(it counts as passed)" } else { "(it counts as failing, as it is to)" }
            );
        }
        Scene::Back { to, .. } => anstream::println!("back to {to}"),
        Scene::Again { outcome, .. } => anstream::println!("failed ({}), done again", words::outcome(outcome)),
        Scene::Each { items, .. } => anstream::println!("is done for each of {items} items"),
        Scene::Item { item, of, .. } => anstream::println!("-- item {item} of {of}"),
        Scene::Opened { .. } => anstream::println!("would wait here (it counts as opened)"),
        Scene::Proposed { proposal, about, title, body, .. } => {
            let about = about.as_ref().map_or_else(String::new, |about| format!(", {about}"));
            anstream::println!("-- would propose: {}{about}", words::proposal(proposal));
            if let Some(title) = title {
                anstream::println!("title: {title}\n");
            }
            anstream::print!("{}", ended(body));
        }
    }
}

/// With its last line ended.
fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end_matches('\n'))
}
