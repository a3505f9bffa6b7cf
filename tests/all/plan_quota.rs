//! What a formula may have of a day: how many runs, how much money, and what waits for the next one.

use std::collections::BTreeMap;

use forgehand::model::{Event, Formula, FormulaName, LabelNames, Quota, Timestamp, Usd, Wait};
use forgehand::words;

use super::plan_properties::settle;
use super::plan_running::{NOW, Site, at, call, starts};
use super::plan_world::{Fate, GLANCE, World, glancing_policy};

fn site(slots: u32, projects: &[(&str, u64)], limit: impl Fn(&mut Formula)) -> Site {
    let mut site = Site::new(slots, projects);
    for (name, _) in projects {
        limit(site.project(name).formulas.get_mut(&FormulaName::from("fix")).expect("it is on"));
    }
    site
}

fn wait(site: &Site, number: u64) -> Wait {
    site.plan().waits[&at("o/a", number)].clone()
}

#[test]
fn a_formula_begins_as_many_runs_of_a_day_as_it_may_in_each_project() {
    let mut site = site(6, &[("o/a", 3), ("o/b", 1)], |fix| fix.limits.runs_day = Some(2));
    assert_eq!(site.starts(), ["o/a#1", "o/b#1", "o/a#2"], "two side by side have no share in common");
    let until = NOW.next_day();
    let quota = Wait::Quota { formula: "fix".into(), of: Quota::Runs { limit: 2 }, until };
    assert_eq!(wait(&site, 3), quota);
    let said = words::wait(&quota, &LabelNames::default());
    assert_eq!(said, format!("formula fix had its 2 runs of the day; the next one may begin at {until}"));
    site.run("o/a", 1);
    assert_eq!(site.starts(), ["o/b#1", "o/a#2"]);
    site.run("o/a", 2);
    assert_eq!((site.starts(), wait(&site, 3)), (vec!["o/b#1".to_owned()], quota), "what began counts");
    assert!(site.plan().wake.is_some_and(|wake| wake <= until), "it is planned again when the day begins");
    assert_eq!(starts(&site.plan_at(until)), ["o/b#1", "o/a#3"], "a new day has runs of its own");
}

#[test]
fn a_formulas_money_of_a_day_counts_what_its_runs_may_still_spend() {
    let mut site = site(6, &[("o/a", 3)], |fix| {
        (fix.limits.usd_day, fix.limits.budget_usd) = (Some(Usd::from_dollars(3.0)), Some(Usd::from_dollars(1.0)));
    });
    assert_eq!(site.starts(), ["o/a#1", "o/a#2", "o/a#3"]);
    let run = site.run("o/a", 1);
    site.note(Event::Called { run, call: call(0.5), step: None });
    assert_eq!(site.starts(), ["o/a#2", "o/a#3"], "half is spent, half is kept");
    let run = site.run("o/a", 2);
    site.note(Event::Called { run, call: call(1.25), step: None });
    assert_eq!(site.starts(), [] as [&str; 0]);
    let (spent, reserved, limit) = (Usd::from_dollars(1.75), Usd::from_dollars(0.5), Usd::from_dollars(3.0));
    let until = NOW.next_day();
    let quota = Wait::Quota { formula: "fix".into(), of: Quota::Usd { spent, reserved, limit }, until };
    assert_eq!(wait(&site, 3), quota);
    let said = words::wait(&quota, &LabelNames::default());
    assert!(said.contains("$1.75 of $3.00 spent, $0.50 kept for what runs"), "{said}");
    assert!(words::mover(&quota, &LabelNames::default()).contains("`usd_day` in [limits] of the formula"));
    assert_eq!(starts(&site.plan_at(until)), ["o/a#3"], "what lives keeps its half; the day has spent nothing");
}

#[test]
fn a_limit_below_what_one_run_may_cost_pays_for_one() {
    let mut site = site(6, &[("o/a", 2)], |fix| fix.limits.usd_day = Some(Usd::from_dollars(0.5)));
    assert_eq!(site.starts(), ["o/a#1"]);
    let run = site.run("o/a", 1);
    site.note(Event::Called { run, call: call(0.1), step: None });
    assert_eq!(site.starts(), [] as [&str; 0]);
}

#[test]
fn all_that_waits_comes_to_its_day_and_nobody_else_waits() {
    let mut policy = glancing_policy();
    for project in policy.projects.values_mut() {
        let glance = project.formulas.get_mut(&FormulaName::from("glance")).expect("it is on");
        glance.limits.runs_day = Some(1);
    }
    let issues = [GLANCE, GLANCE, GLANCE, "claude-queue", "claude-queue"].map(|label| (vec![label], false));
    let mut world = World::new(&issues, policy);
    for _ in 0..4 {
        settle(&mut world, Fate::Well(0));
        world.now = world.now.next_day();
    }
    let mut days: BTreeMap<(FormulaName, String), u32> = BTreeMap::new();
    for record in &world.records {
        if let Event::RunStarted { formula, .. } = &record.event {
            *days.entry((formula.name.clone(), record.at.day())).or_default() += 1;
        }
    }
    let first = world.records.first().map_or(Timestamp(0), |record| record.at).day();
    let of =
        |name: &str| days.iter().filter(|((formula, _), _)| formula.as_str() == name).map(|(_, runs)| *runs).collect::<Vec<_>>();
    assert_eq!(of("glance"), [1, 1, 1], "one a day: {days:?}");
    assert_eq!(days.get(&("fix".into(), first)), Some(&2), "the lifecycle goes on: {days:?}");
}
