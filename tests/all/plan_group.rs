//! Groups of runs that do not run beside each other: who waits, who takes whose place, and who does not run at all.

use std::collections::BTreeMap;

use forgehand::engine::Input;
use forgehand::model::{
    Command, Concurrency, Decision, Declined, Event, LabelNames, RunId, StopWhy, Subject, Timestamp, Wait, Wanted, WantedBy,
    WhenBusy,
};
use forgehand::words;

use super::plan_properties::settle;
use super::plan_world::{Fate, GLANCE, World, grouped_policy, repo, scheduled_policy, subject};

fn world(issues: &[&str], fix: Option<WhenBusy>, glance: Option<WhenBusy>) -> World {
    let issues: Vec<_> = issues.iter().map(|label| (vec![*label], false)).collect();
    World::new(&issues, grouped_policy([None, fix.map(|how| (true, how)), glance.map(|how| (true, how))]))
}

/// One thing after the other, until something holds.
fn on(world: &mut World, what: &str, holds: impl Fn(&World) -> bool) {
    world.wake();
    for _ in 0..300 {
        if holds(world) {
            return;
        }
        if world.under_way() == 0 {
            world.now = Timestamp(world.now.0 + 1_000);
            world.wake();
        }
        world.finish(0, Fate::Well(0));
    }
    panic!("never: {what}");
}

/// The run that lives on an issue.
fn lives(world: &World, number: u64) -> Option<RunId> {
    world.core.ledger().issue(&subject(number))?.live_run().map(|run| run.id.clone())
}

fn wants(world: &mut World, number: u64) {
    let wanted = Wanted { formula: "glance".into(), inputs: BTreeMap::new(), by: WantedBy::Hand };
    let (row, command) = (world.core.ledger().inbox_row + 1, Command::Run { subject: subject(number), wanted, seen: None });
    world.input(Input::Command { row, command });
}

fn declined(world: &World) -> Vec<(u64, RunId)> {
    let busy = |event: &Event| match event {
        Event::Declined { subject, declined: Declined::Busy { run }, .. } => Some((subject.issue.0, run.clone())),
        _ => None,
    };
    world.records.iter().filter_map(|record| busy(&record.event)).collect()
}

fn replaced(world: &World) -> Vec<RunId> {
    let stopped = |event: &Event| match event {
        Event::Stopping { run, why: StopWhy::Replaced } => Some(run.clone()),
        _ => None,
    };
    world.records.iter().filter_map(|record| stopped(&record.event)).collect()
}

#[test]
fn a_run_waits_for_its_group_and_says_who_is_in_the_way() {
    let mut world = world(&[GLANCE, GLANCE], None, Some(WhenBusy::Queue));
    on(&mut world, "a run beside a wait", |world| {
        lives(world, 1).is_some() && matches!(world.core.plan().waits.get(&subject(2)), Some(Wait::Group { .. }))
    });
    let wait = world.core.plan().waits[&subject(2)].clone();
    let run = lives(&world, 1).expect("it lives");
    assert_eq!(wait, Wait::Group { group: "one".into(), on: subject(1), run: run.clone() });
    let said = words::wait(&wait, &LabelNames::default());
    assert_eq!(said, format!("group one is at work: run {run} of o/r#1 must end first"));
    settle(&mut world, Fate::Well(0));
    assert_eq!((world.runs[&1], world.runs[&2]), (1, 1), "each ran");
}

#[test]
fn a_run_that_skips_does_not_take_place_and_one_of_the_lifecycle_waits_instead() {
    let mut world = world(&[GLANCE, GLANCE, "claude-queue"], Some(WhenBusy::Skip), Some(WhenBusy::Skip));
    on(&mut world, "the first run", |world| lives(world, 1).is_some() || lives(world, 2).is_some() || lives(world, 3).is_some());
    settle(&mut world, Fate::Well(0));
    assert_eq!(world.core.ledger().issue(&subject(3)).and_then(|state| state.at), Some(Decision::Pr), "{:?}", world.runs);
    let glanced: u32 = [1, 2].iter().filter_map(|number| world.runs.get(number)).sum();
    assert_eq!(glanced as usize + declined(&world).len(), 2, "each ran or was declined: {:?}", world.runs);
    assert!(!declined(&world).is_empty());
    assert_eq!(replaced(&world), []);
}

#[test]
fn a_newer_run_takes_the_place_of_an_older_one() {
    let mut world = world(&[GLANCE, "interactive"], None, Some(WhenBusy::Replace));
    on(&mut world, "the first run", |world| lives(world, 1).is_some());
    let first = lives(&world, 1).expect("it lives");
    world.label(2, GLANCE, true, "ann");
    on(&mut world, "the second run", |world| lives(world, 2).is_some());
    assert_eq!(replaced(&world), [first]);
    settle(&mut world, Fate::Well(0));
    assert_eq!((world.runs[&1], world.runs[&2]), (1, 1), "beside the lifecycle nothing is made up for");
}

#[test]
fn work_that_is_replaced_goes_back_to_the_queue_and_two_do_not_replace_each_other_for_ever() {
    let mut world = world(&["claude-queue", "interactive"], Some(WhenBusy::Replace), None);
    on(&mut world, "the first at work", |world| {
        world.core.ledger().issue(&subject(1)).is_some_and(|state| state.at == Some(Decision::Working))
    });
    let first = lives(&world, 1).expect("it lives");
    world.label(2, "interactive", false, "ann");
    world.label(2, "claude-queue", true, "ann");
    on(&mut world, "the second run", |world| lives(world, 2).is_some());
    assert_eq!(lives(&world, 1), None);
    assert_eq!(world.core.ledger().issue(&subject(1)).map(|state| (state.at, state.attempts)), Some((Some(Decision::Queue), 0)));
    settle(&mut world, Fate::Well(0));
    for number in [1, 2] {
        assert_eq!(world.core.ledger().issue(&subject(number)).and_then(|state| state.at), Some(Decision::Pr), "{number}");
    }
    assert_eq!((replaced(&world), world.runs[&1], world.runs[&2]), (vec![first], 2, 1));
}

#[test]
fn what_is_wanted_on_the_same_issue_is_decided_while_its_run_is_at_work() {
    for (how, runs) in [(WhenBusy::Skip, 1), (WhenBusy::Replace, 2), (WhenBusy::Queue, 2)] {
        let mut world = world(&[GLANCE], None, Some(how));
        on(&mut world, "a run", |world| lives(world, 1).is_some());
        let first = lives(&world, 1).expect("it lives");
        wants(&mut world, 1);
        let (skips, stops) = (declined(&world), replaced(&world));
        let expected = match how {
            WhenBusy::Skip => (vec![(1, first)], vec![]),
            WhenBusy::Replace => (vec![], vec![first]),
            WhenBusy::Queue => (vec![], vec![]),
        };
        assert_eq!((skips, stops), expected, "{how:?}: at once");
        settle(&mut world, Fate::Well(0));
        assert_eq!(world.runs[&1], runs, "{how:?}");
    }
}

#[test]
fn what_a_schedule_wants_finds_the_group_at_work_too() {
    let cron = "*/5 * * * *";
    // Both come round at once: neither was asked for after the other began, so neither takes the other's place.
    for (how, declines) in [(WhenBusy::Skip, 1), (WhenBusy::Replace, 0), (WhenBusy::Queue, 0)] {
        let mut policy = scheduled_policy(&[("tend", cron), ("weed", cron)]);
        for project in policy.projects.values_mut() {
            for name in ["tend", "weed"] {
                let concurrency = Concurrency { group: "garden".into(), when_busy: how };
                project.formulas.get_mut(&name.into()).expect("there").limits.concurrency = Some(concurrency);
            }
        }
        let mut world = World::new(&[], policy);
        let at_work = |world: &World| {
            let state = world.core.ledger().issue(&Subject::project(repo()));
            state.and_then(|state| state.live_run()).map(|run| run.id.clone())
        };
        world.wake();
        while world.under_way() > 0 {
            world.finish(0, Fate::Well(0));
        }
        world.now = Timestamp(world.now.0 + 301_000);
        on(&mut world, "a run of the first", |world| at_work(world).is_some());
        let first = at_work(&world).expect("it lives");
        on(&mut world, "its end", |world| at_work(world).as_ref() != Some(&first));
        assert_eq!((declined(&world).len(), replaced(&world).len()), (declines, 0), "{how:?}");
    }
}
