//! Schedules: each time starts one run, across restarts too, and what was missed starts one.

use forgehand::engine::Input;
use forgehand::formula::Cron;
use forgehand::model::{
    Command, Event, ForgeEvent, FormulaName, IssueNumber, Record, Scope, Subject, Timestamp, Wait, Wanted, WantedBy,
};
use proptest::prelude::*;

use super::plan_properties::{Step, kinds, lead, settle, step};
use super::plan_world::{Fate, GLANCE, World, glancing_policy, policy, repo, scheduled_policy, subject};

/// Every ten minutes, and twice an hour.
const CRONS: [(&str, &str); 2] = [("tend", "*/10 * * * *"), ("weed", "5,35 * * * *")];

const MINUTE: i64 = 60_000;

fn project() -> Subject {
    Subject::project(repo())
}

/// The times that runs of a formula were wanted for.
fn wanted(world: &World, formula: &str) -> Vec<Timestamp> {
    let due = |record: &Record| match &record.event {
        Event::Wanted { wanted: Wanted { formula: name, by: WantedBy::Schedule { at }, .. }, .. } if name.as_str() == formula => {
            Some(*at)
        }
        _ => None,
    };
    world.records.iter().filter_map(due).collect()
}

fn started(world: &World, formula: &str) -> usize {
    let of = |record: &&Record| matches!(&record.event, Event::RunStarted { formula: f, .. } if f.name.as_str() == formula);
    world.records.iter().filter(of).count()
}

/// Lets everything under way end well, and what follows from it.
fn work(world: &mut World) {
    world.wake();
    while world.under_way() > 0 {
        world.finish(0, Fate::Well(0));
    }
}

fn pass(world: &mut World, millis: i64) {
    world.now.0 += millis;
    world.input(Input::Tick);
}

/// Goes to just before the next time of a line.
fn until_next(world: &mut World, cron: &str) -> Timestamp {
    let next = Cron::parse(cron).expect("a line").next(world.now).expect("a time");
    world.now = Timestamp(next.0 - 100);
    next
}

fn scheduled(crons: &[(&str, &str)]) -> World {
    let mut world = World::new(&[], scheduled_policy(crons));
    work(&mut world);
    world
}

#[test]
fn a_label_that_stays_on_starts_its_formula_again_and_no_sooner() {
    const HOUR: i64 = 60 * MINUTE;
    let mut policy = glancing_policy();
    for project in policy.projects.values_mut() {
        let glance = project.formulas.get_mut(&FormulaName::from("glance")).expect("it is on");
        glance.trigger.again = Some(std::time::Duration::from_hours(6));
    }
    let mut world = World::new(&[(vec![GLANCE], true)], policy);
    work(&mut world);
    let first = world.now;
    assert_eq!(started(&world, "glance"), 1);
    let wake = world.core.plan().wake.expect("a time");
    assert!(wake <= Timestamp(first.0 + 6 * HOUR), "it wakes for it: {wake:?}");
    pass(&mut world, 5 * HOUR);
    work(&mut world);
    assert_eq!(started(&world, "glance"), 1, "no sooner");
    // Missed for a long time, it is one all the same, and a restart begins no other.
    pass(&mut world, 30 * HOUR);
    world.begin();
    work(&mut world);
    pass(&mut world, MINUTE);
    work(&mut world);
    assert_eq!(started(&world, "glance"), 2);
    world.label(1, GLANCE, false, "ann");
    work(&mut world);
    pass(&mut world, 30 * HOUR);
    work(&mut world);
    assert_eq!(started(&world, "glance"), 2, "the label is off");
    assert!(world.core.ledger().issue(&subject(1)).is_some());
}

#[test]
fn a_new_schedule_waits_for_its_next_time_and_each_time_starts_one_run() {
    let mut world = scheduled(&CRONS[..1]);
    assert_eq!(wanted(&world, "tend"), [], "its first sight starts nothing");
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(until_next(&mut world, CRONS[0].1));
        work(&mut world);
        pass(&mut world, MINUTE);
        work(&mut world);
        // Whatever starts again: the time was had.
        world.begin();
        work(&mut world);
        pass(&mut world, MINUTE);
        work(&mut world);
    }
    assert_eq!(wanted(&world, "tend"), times);
    assert_eq!(started(&world, "tend"), 3);
    let state = world.core.ledger().issue(&project()).expect("known");
    assert!(state.run.is_none() && state.open.is_empty(), "{state:?}");
    let wait = world.core.plan().waits.get(&project()).cloned();
    assert!(matches!(wait, Some(Wait::Schedule { .. })), "{wait:?}");
}

#[test]
fn a_timer_wakes_at_the_next_time() {
    let world = scheduled(&CRONS[..1]);
    let next = Cron::parse(CRONS[0].1).expect("a line").next(world.now);
    assert_eq!(world.core.plan().wake, next);
}

#[test]
fn times_that_were_missed_start_one_run_for_the_last_of_them() {
    let mut world = scheduled(&CRONS[..1]);
    world.now.0 += 600 * MINUTE;
    let last = Cron::parse(CRONS[0].1).expect("a line").last(world.now).expect("a time");
    world.begin();
    work(&mut world);
    assert_eq!(wanted(&world, "tend"), [last]);
    assert_eq!(started(&world, "tend"), 1);
}

#[test]
fn a_lost_journal_and_another_line_wait_for_the_next_time() {
    let mut world = scheduled(&CRONS[..1]);
    world.now.0 += 600 * MINUTE;
    world.lose();
    work(&mut world);
    assert_eq!(wanted(&world, "tend"), [], "a lost journal starts nothing");
    world.now.0 += MINUTE;
    world.adopt(scheduled_policy(&[("tend", "*/7 * * * *")]));
    work(&mut world);
    assert_eq!(wanted(&world, "tend"), [], "nor does another line");
    // Off for a day, then on again.
    world.adopt(policy());
    work(&mut world);
    assert_eq!(world.core.ledger().projects[&repo()].schedules.len(), 0);
    world.now.0 += 24 * 60 * MINUTE;
    world.adopt(scheduled_policy(&CRONS[..1]));
    work(&mut world);
    assert_eq!(wanted(&world, "tend"), [], "nor does one that is on again");
}

#[test]
fn a_time_that_comes_while_the_last_run_is_at_work_is_skipped() {
    let mut world = scheduled(&CRONS[..1]);
    let first = until_next(&mut world, CRONS[0].1);
    pass(&mut world, MINUTE);
    assert_eq!(wanted(&world, "tend"), [first]);
    // Its claim is under way for half an hour.
    pass(&mut world, 30 * MINUTE);
    world.wake();
    assert_eq!(wanted(&world, "tend"), [first]);
    work(&mut world);
    assert_eq!((wanted(&world, "tend").len(), started(&world, "tend")), (1, 1), "nothing is made up for");
    let next = until_next(&mut world, CRONS[0].1);
    pass(&mut world, MINUTE);
    assert_eq!(wanted(&world, "tend"), [first, next]);
}

#[test]
fn a_pause_holds_it_and_then_it_runs_once() {
    let mut world = scheduled(&CRONS[..1]);
    let pause = Command::Pause { what: Scope::Project { repo: repo() }, until: None };
    world.input(Input::Command { row: 1, command: pause });
    for _ in 0..5 {
        until_next(&mut world, CRONS[0].1);
        pass(&mut world, MINUTE);
        work(&mut world);
    }
    assert_eq!(started(&world, "tend"), 0);
    let wait = world.core.plan().waits.get(&project()).cloned();
    assert!(matches!(wait, Some(Wait::Paused { .. })), "{wait:?}");
    world.input(Input::Command { row: 2, command: Command::Resume { what: Scope::Project { repo: repo() } } });
    work(&mut world);
    assert_eq!(started(&world, "tend"), 1);
}

#[test]
fn another_daemon_that_has_the_project_keeps_it_from_starting() {
    let mut world = scheduled(&CRONS[..1]);
    until_next(&mut world, CRONS[0].1);
    world.rival(0);
    pass(&mut world, MINUTE);
    work(&mut world);
    assert_eq!(started(&world, "tend"), 0);
    let wait = world.core.plan().waits.get(&project()).cloned();
    assert!(matches!(wait, Some(Wait::Claimed { .. })), "{wait:?}");
    pass(&mut world, 11 * MINUTE);
    work(&mut world);
    assert_eq!(started(&world, "tend"), 1, "its claim has expired");
}

/// Two open issues, and a formula about the project that the end of something starts, beside a schedule that is far away.
fn hearing() -> World {
    let mut policy = scheduled_policy(&[("tend", "0 0 1 1 *")]);
    for project in policy.projects.values_mut() {
        let tend = project.formulas.get_mut(&FormulaName::from("tend")).expect("it is on");
        tend.trigger.event = vec![ForgeEvent::IssueClosed, ForgeEvent::PullMerged];
    }
    let mut world = World::new(&[(vec!["interactive"], true), (vec!["interactive"], true), (vec!["interactive"], false)], policy);
    work(&mut world);
    world
}

/// What of what happened a run was wanted by.
fn heard(world: &World) -> Vec<(ForgeEvent, IssueNumber)> {
    let by = |record: &Record| match &record.event {
        Event::Wanted { subject, wanted: Wanted { by: WantedBy::Happened { event, on }, .. } } if *subject == project() => {
            Some((*event, *on))
        }
        _ => None,
    };
    world.records.iter().filter_map(by).collect()
}

fn close(world: &mut World, number: u64) {
    world.set_open(number, false);
    work(world);
}

#[test]
fn what_ends_starts_one_run_about_the_project_however_much_it_was() {
    let mut world = hearing();
    assert_eq!((heard(&world), started(&world, "tend")), (vec![], 0), "what was closed before starts nothing");
    close(&mut world, 1);
    assert_eq!(heard(&world), [(ForgeEvent::IssueClosed, IssueNumber(1))]);
    world.begin();
    work(&mut world);
    pass(&mut world, MINUTE);
    work(&mut world);
    assert_eq!(started(&world, "tend"), 1, "nor does a restart start it again");

    // Opened and closed again, and another one with it: two in one look are one.
    world.set_open(1, true);
    work(&mut world);
    assert_eq!(started(&world, "tend"), 1);
    world.set_open(1, false);
    close(&mut world, 2);
    assert_eq!(started(&world, "tend"), heard(&world).len(), "each was wanted for something");
    assert!(heard(&world).len() >= 2, "{:?}", heard(&world));
}

#[test]
fn what_ends_while_that_is_looked_at_has_it_looked_at_once_more() {
    let mut world = hearing();
    let runs = |world: &World| world.core.ledger().issue(&project()).is_some_and(|state| state.live_run().is_some());
    world.set_open(1, false);
    world.wake();
    while !runs(&world) {
        assert!(world.under_way() > 0, "nothing goes on");
        world.finish(0, Fate::Well(0));
    }
    world.set_open(2, false);
    work(&mut world);
    assert_eq!(heard(&world), [(ForgeEvent::IssueClosed, IssueNumber(1)), (ForgeEvent::IssueClosed, IssueNumber(2))]);
    assert_eq!(started(&world, "tend"), 2);

    // A run that was wanted for another reason has looked, too.
    let wanted = Wanted { formula: "tend".into(), inputs: Default::default(), by: WantedBy::Hand };
    world.input(Input::Command { row: 1, command: Command::Run { subject: project(), wanted, seen: None } });
    work(&mut world);
    assert_eq!((heard(&world).len(), started(&world, "tend")), (2, 3));
}

#[test]
fn a_person_stops_the_run_about_a_project() {
    let mut world = scheduled(&CRONS[..1]);
    let wanted = Wanted { formula: "tend".into(), inputs: Default::default(), by: WantedBy::Hand };
    world.input(Input::Command { row: 1, command: Command::Run { subject: project(), wanted, seen: None } });
    let runs = |world: &World| world.core.ledger().issue(&project()).is_some_and(|state| state.live_run().is_some());
    while !runs(&world) {
        world.finish(0, Fate::Well(0));
    }
    world.input(Input::Command { row: 2, command: Command::Cancel { subject: project() } });
    work(&mut world);
    assert!(!runs(&world));
    let state = world.core.ledger().issue(&project()).expect("known");
    assert_eq!((state.at, state.commanded, state.run.is_none()), (None, None, true));
}

/// Of every journal: the times of a schedule are in their order, each the last one that had come, none from before the schedule was known, and
/// none while the last one was still wanted or at work.
fn each_time_once(world: &World) -> Result<(), TestCaseError> {
    for (name, cron) in CRONS {
        let (line, formula) = (Cron::parse(cron).expect("a line"), FormulaName::from(name));
        let (mut after, mut busy) = (None, None);
        for record in &world.records {
            match &record.event {
                Event::Scheduled { formula: of, cron, .. } if *of == formula => after = cron.as_ref().map(|_| record.at),
                Event::Wanted { wanted: Wanted { formula: of, by: WantedBy::Schedule { at }, .. }, .. } if *of == formula => {
                    prop_assert_eq!(line.last(record.at), Some(*at), "{} is not its last time", at);
                    prop_assert!(after.is_some_and(|after| *at > after), "{name} at {at}, after {after:?}");
                    prop_assert!(busy.is_none(), "{name} at {at}: the last is at work");
                    (after, busy) = (Some(*at), Some(None));
                }
                Event::RunStarted { formula: of, run, .. } if of.name == formula => {
                    prop_assert_eq!(&busy, &Some(None), "{} started, and nobody wanted it", name);
                    busy = Some(Some(run.clone()));
                }
                Event::RunEnded { run, .. } if busy == Some(Some(run.clone())) => busy = None,
                Event::Declined { formula: of, .. } if *of == formula => busy = None,
                _ => {}
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        max_shrink_iters: 400,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(2),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_each_time_of_a_schedule_starts_one_run(
        steps in prop::collection::vec((step(), prop::option::of(1..40_i64)), 0..120),
        kinds in kinds(),
    ) {
        let steps = steps.into_iter().flat_map(|(step, minutes)| [Some(step), minutes.map(|m| Step::Time(m * MINUTE))]);
        let steps: Vec<Step> = steps.flatten().collect();
        let mut world = World::new(&kinds, scheduled_policy(&CRONS));
        lead(&mut world, &steps);
        each_time_once(&world)?;
        // Without schedules it comes to rest.
        world.adopt(policy());
        settle(&mut world, Fate::Well(0));
        each_time_once(&world)?;
        let state = world.core.ledger().issue(&project());
        prop_assert!(state.is_none_or(|state| state.run.is_none() && state.open.is_empty()), "{state:?}");
    }
}
