//! Steps of a run side by side: whatever their order, each begins when those that it waits for have ended, and is done once.

use std::collections::BTreeMap;

use forgehand::formula::load;
use forgehand::model::{
    Access, Advance, CommandRun, Event, Evidence, Formula, HandOutcome, Intent, Lane, Outcome, Record, RunOutcome, Step, StepKind,
};
use forgehand::plan::Policy;
use proptest::prelude::*;

use super::plan_properties::{kinds, live, step, unforgotten};
use super::plan_world::{Fate, World, policy, subject};

/// What a step does, what of those before it it needs (none: the one before it), and whether it is done again where it fails.
type Sketch = (u8, Option<Vec<bool>>, bool);

fn sketch() -> impl Strategy<Value = Sketch> {
    (0_u8..10, prop::option::weighted(0.8, prop::collection::vec(prop::bool::weighted(0.4), 7)), any::<bool>())
}

/// A formula of such steps, which works and opens a pull request at its end.
fn branching(sketches: &[Sketch]) -> Formula {
    let agent = |access: &str| format!("agent = \"dev\"\nprompt = \"it.md\"\naccess = \"{access}\"\noutput = \"fix-result\"\n");
    let mut text =
        "formula = 1\nname = \"fix\"\ntitle = \"It\"\nblast_radius = \"low\"\n[trigger]\nlabel = \"claude-queue\"\n".to_owned();
    text.push_str(&format!("[[step]]\nid = \"work\"\n{}", agent("write")));
    let mut ids = vec!["work".to_owned()];
    for (at, (kind, needs, again)) in sketches.iter().enumerate() {
        let retry = if *again { "retry = { at_most = 1, wait = \"1m\" }\n" } else { "" };
        let does = match kind {
            0..5 => format!("{}{retry}", agent("read")),
            5 => "propose = \"comment\"\nbody = \"it.md\"\n".to_owned(),
            6 => "gate = \"time\"\nafter = \"5m\"\n".to_owned(),
            7 => format!("run = [\"make lint\"]\n{retry}on_failure = {{ to = \"work\", at_most = 1 }}\n"),
            8 => format!("{}for_each = {{ items = \"['a', 'b']\", at_most = 2 }}\n", agent("read")),
            // Without `once` it would be filed again where what is behind it fails, which is refused.
            _ => format!("propose = \"issue\"\nonce = \"'s{at}'\"\ntitle = \"It\"\nbody = \"it.md\"\n"),
        };
        let needs = needs.as_ref().map(|needs| {
            let chosen = ids.iter().zip(needs).filter(|(_, chosen)| **chosen).map(|(id, _)| format!("\"{id}\""));
            format!("needs = [{}]\n", chosen.collect::<Vec<_>>().join(", "))
        });
        let id = format!("s{at}");
        text.push_str(&format!("[[step]]\nid = \"{id}\"\n{}{does}", needs.unwrap_or_default()));
        ids.push(id);
    }
    let all = ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    let verify =
        "[[step]]\nid = \"verify\"\nneeds = [\"work\"]\nrun = \"project.verify\"\non_failure = { to = \"work\", at_most = 1 }\n";
    let open = format!(
        "[[step]]\nid = \"open\"\nneeds = [{all}, \"verify\"]\npropose = \"pull-request\"\ntitle = \"It\"\nbody = \"it.md\"\n"
    );
    text.push_str(verify);
    text.push_str(&open);
    let prompts = |_: &str| Some("It.".to_owned());
    load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{text}\n{:#?}", e.lines()))
}

fn with(formula: &Formula, slots: u32) -> Policy {
    let mut policy = Policy { slots, ..policy() };
    policy.projects.values_mut().for_each(|p| drop(p.formulas.insert("fix".into(), formula.clone())));
    policy
}

/// How often each step of each attempt was done, and not gone back on since.
fn each_done_once(world: &World, formula: &Formula) -> Result<(), TestCaseError> {
    let mut done: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for record in &world.records {
        match &record.event {
            Event::Advanced { run, step, how: Advance::Next | Advance::Opened { .. } } => {
                let Some(place) = formula.place(step) else { continue };
                let before = done.entry(run.to_string()).or_default();
                prop_assert!(!before.contains(&place), "{run}: {step} is done twice");
                before.push(place);
            }
            Event::Advanced { run, how: Advance::Back { to, .. }, .. } => {
                let behind = formula.place(to).map(|place| formula.behind(place)).unwrap_or_default();
                done.entry(run.to_string()).or_default().retain(|place| !behind.contains(place));
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60),
        max_shrink_iters: 400,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(2),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_their_order_each_waits_for_what_it_needs_and_is_done_once(
        sketches in prop::collection::vec(sketch(), 1..7),
        slots in 1_u32..5,
        steps in prop::collection::vec(step(), 0..120),
        kinds in kinds(),
        last in prop::sample::select(vec![0_u8, 0, 0, 4, 5, 6, 7, 8, 10, 12]),
    ) {
        let formula = branching(&sketches);
        let world = live(&unforgotten(steps), &kinds, Fate::Well(last), with(&formula, slots));
        each_done_once(&world, &formula)?;
    }
}

/// A world with one issue that an agent may work on, and so many slots.
fn site(formula: &Formula, slots: u32) -> World {
    World::new(&[(vec!["claude-queue"], false)], with(formula, slots))
}

/// Everything ends well but what hands do for these steps, which stay at work.
fn until_at_work(world: &mut World, wanted: &[&str]) {
    for _ in 0..200 {
        if at_work(world) == wanted {
            return;
        }
        let Some(next) = (0..world.under_way()).find(|at| !is_of(world, *at, wanted)) else { break };
        world.finish(next, Fate::Well(0));
    }
    let story = world.story.iter().rev().take(12).map(|(_, line)| line).collect::<Vec<_>>();
    panic!("{:?} are at work, and not {wanted:?}: {:?} {story:#?}", at_work(world), world.core.plan().waits);
}

/// The steps that hands really work for.
fn at_work(world: &World) -> Vec<String> {
    let lanes = (0..world.under_way()).filter_map(|at| world.intent(at)).map(Intent::lane);
    let mut steps: Vec<String> =
        lanes.filter_map(|lane| if let Lane::Step(step) = lane { Some(step.to_string()) } else { None }).collect();
    steps.sort();
    steps
}

fn is_of(world: &World, at: usize, steps: &[&str]) -> bool {
    matches!(world.intent(at).map(Intent::lane), Some(Lane::Step(step)) if steps.contains(&step.as_str()))
}

fn finish_of(world: &mut World, step: &str, fate: Fate) {
    let at = (0..world.under_way()).find(|at| is_of(world, *at, &[step])).expect("it is at work");
    world.finish(at, fate);
}

/// Two agents read beside each other behind one that writes, and a gate beside them.
fn two() -> Formula {
    let needs = |needs: &[bool]| Some(needs.to_vec());
    let mut formula = branching(&[
        (0, needs(&[true]), false),
        (0, needs(&[true]), false),
        (6, needs(&[true]), false),
        (5, needs(&[false, false, false, true]), false),
    ]);
    // The verification is behind them, so that what is at work is what reads.
    let open = formula.steps.iter().position(|step| step.id.as_str() == "verify").expect("there");
    formula.steps[open].needs = Some(["s0", "s1", "s2", "s3"].map(Into::into).to_vec());
    formula
}

#[test]
fn agents_without_an_order_are_at_work_side_by_side_and_a_gate_beside_them_holds_nobody() {
    let mut world = site(&two(), 2);
    until_at_work(&mut world, &["s0", "s1"]);
    let run = world.core.ledger().issue(&subject(1)).and_then(|state| state.live_run()).expect("a run").clone();
    assert_eq!(run.where_it_is().as_deref(), Some("s0, s1, s2"));
    let wait = world.core.plan().waits.get(&subject(1)).map(|wait| forgehand::words::wait(wait, &Default::default()));
    assert_eq!(wait.as_deref(), Some("under way: agent of step s0, agent of step s1"));
    let wake = world.core.plan().wake.expect("the gate opens by the clock");
    // The gate opens in the middle of it, and what is behind it is said.
    world.now = wake.max(forgehand::model::Timestamp(world.now.0 + 300_000));
    world.input(forgehand::engine::Input::Tick);
    let said = world
        .records
        .iter()
        .any(|r| matches!(&r.event, Event::Advanced { step, how: Advance::Opened { .. }, .. } if step.as_str() == "s2"));
    assert!(said && at_work(&world) == ["s0", "s1"], "{:?}", world.records.iter().rev().take(5).collect::<Vec<_>>());
    for _ in 0..100 {
        if world.under_way() == 0 {
            break;
        }
        world.finish(0, Fate::Well(0));
    }
    assert_eq!(world.pulls.len(), 1);
}

#[test]
fn with_one_slot_they_take_turns() {
    let mut world = site(&two(), 1);
    until_at_work(&mut world, &["s0"]);
    finish_of(&mut world, "s0", Fate::Well(0));
    until_at_work(&mut world, &["s1"]);
}

#[test]
fn a_daemon_that_died_with_two_at_work_goes_on_with_both() {
    let mut world = site(&two(), 2);
    until_at_work(&mut world, &["s0", "s1"]);
    world.begin();
    until_at_work(&mut world, &["s0", "s1"]);
    let reads = |record: &&Record| matches!(&record.event, Event::Intended { intent: Intent::Agent { step, .. }, .. } if step.as_str() != "work");
    assert_eq!(world.records.iter().filter(reads).count(), 4, "each was begun twice");
}

#[test]
fn where_one_fails_for_good_the_others_are_stopped_and_the_run_ends_as_that_one() {
    let mut world = site(&two(), 2);
    until_at_work(&mut world, &["s0", "s1"]);
    let failed = HandOutcome::Crashed { why: "exit code 7".into() };
    let ended = Outcome::AgentEnded { how: failed.clone(), output: Err("none".into()), resumable: false };
    world.finish_as(|intent| intent.step().is_some_and(|step| step.as_str() == "s1"), ended);
    assert_eq!(at_work(&world), ["s0"]);
    assert!(world.is_told_to_end("s0"), "nobody wants its work any more");
    finish_of(&mut world, "s0", Fate::Well(0));
    let ended = world.records.iter().rev().find_map(|record| match &record.event {
        Event::RunEnded { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert_eq!(ended, Some(RunOutcome::Hand { how: failed }));
}

/// Commands that have no order run behind an agent's work, beside the project's verification.
fn three() -> Formula {
    let needs = || Some(vec![true]);
    branching(&[(7, needs(), false), (7, needs(), false)])
}

fn begun(world: &World, of: &str) -> usize {
    let is = |record: &&Record| matches!(&record.event, Event::Intended { intent: Intent::Verify { step, .. }, .. } if step.as_str() == of);
    world.records.iter().filter(is).count()
}

/// What commands of a step showed of the commit that they ran on.
fn shows(world: &mut World, step: &str, passed: bool) {
    let mut of = None;
    for at in 0..world.under_way() {
        if let Some(Intent::Verify { step: own, sha, .. }) = world.intent(at)
            && own.as_str() == step
        {
            of = Some(sha.clone());
        }
    }
    let sha = of.expect("its commands run");
    let run = CommandRun { command: format!("make {step}"), exit: Some(i32::from(!passed)), millis: 1, tail: String::new() };
    let evidence = Evidence { sha, commands: vec![run], passed, timed_out: false };
    world.finish_as(|intent| intent.step().is_some_and(|s| s.as_str() == step), Outcome::Verified { evidence });
}

fn finish_all(world: &mut World) {
    for _ in 0..100 {
        if world.under_way() == 0 {
            break;
        }
        world.finish(0, Fate::Well(0));
    }
}

#[test]
fn commands_without_an_order_run_side_by_side_and_what_they_show_stands_in_the_order_of_the_file() {
    let mut world = site(&three(), 3);
    until_at_work(&mut world, &["s0", "s1", "verify"]);
    world.begin();
    until_at_work(&mut world, &["s0", "s1", "verify"]);
    for step in ["s0", "s1", "verify"] {
        assert_eq!(begun(&world, step), 2, "{step}: each is run again after a crash, by itself");
    }
    shows(&mut world, "verify", true);
    shows(&mut world, "s1", true);
    assert!(world.pulls.is_empty() && at_work(&world) == ["s0"], "who publishes waits for all of them");
    world.begin();
    until_at_work(&mut world, &["s0"]);
    assert_eq!((begun(&world, "s0"), begun(&world, "s1"), begun(&world, "verify")), (3, 2, 2), "what ended is not run again");
    shows(&mut world, "s0", true);
    let run = world.core.ledger().issue(&subject(1)).and_then(|state| state.live_run()).expect("a run").clone();
    let all: Vec<String> = run.evidence.iter().flat_map(|all| &all.commands).map(|ran| ran.command.clone()).collect();
    assert_eq!(all, ["make s0", "make s1", "make verify"]);
    finish_all(&mut world);
    assert_eq!(world.pulls.len(), 1);
}

/// An agent that reads beside one that writes, and one behind that beside another that writes.
const APART: &str = r#"formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[trigger]
label = "claude-queue"
[[step]]
id = "look"
agent = "dev"
prompt = "it.md"
access = "read"
output = "fix-result"
[[step]]
id = "work"
needs = []
agent = "dev"
prompt = "it.md"
access = "write"
output = "fix-result"
[[step]]
id = "again"
agent = "dev"
prompt = "it.md"
access = "write"
output = "fix-result"
[[step]]
id = "weigh"
needs = ["work"]
agent = "dev"
prompt = "it.md"
access = "read"
output = "fix-result"
[[step]]
id = "verify"
needs = ["again", "weigh", "look"]
run = "project.verify"
[[step]]
id = "open"
propose = "pull-request"
title = "It"
body = "it.md"
"#;

fn apart() -> Formula {
    load("fix.toml", APART, &|_: &str| Some("It.".to_owned())).expect("it is one")
}

/// The commit that an agent began from.
fn began_from(world: &World, step: &str) -> Option<String> {
    let run = world.core.ledger().issue(&subject(1)).and_then(|state| state.live_run()).expect("a run");
    run.at(&step.into()).and_then(|at| at.from.as_ref()).map(ToString::to_string)
}

fn head(world: &World) -> String {
    let run = world.core.ledger().issue(&subject(1)).and_then(|state| state.live_run()).expect("a run");
    let base = run.prepared.as_ref().map(|prepared| &prepared.base);
    run.change.as_ref().map(|change| &change.head).or(base).expect("it stands on something").to_string()
}

#[test]
fn an_agent_reads_what_stood_when_it_began_while_another_writes() {
    let mut world = site(&apart(), 2);
    until_at_work(&mut world, &["look", "work"]);
    let base = head(&world);
    assert_eq!(began_from(&world, "look").as_ref(), Some(&base));
    world.begin();
    until_at_work(&mut world, &["look", "work"]);
    finish_of(&mut world, "work", Fate::Well(0));
    // The commits are taken over beside whoever reads, and who comes next begins from them.
    let taking = |world: &World| (0..world.under_way()).position(|at| matches!(world.intent(at), Some(Intent::Take { .. })));
    let take = taking(&world).expect("they are taken over");
    world.finish(take, Fate::Well(0));
    let first = head(&world);
    assert!(first != base && began_from(&world, "look") == Some(base), "what it sees stays as it was");
    finish_of(&mut world, "look", Fate::Well(0));
    until_at_work(&mut world, &["again", "weigh"]);
    assert_eq!(began_from(&world, "weigh").as_ref(), Some(&first));
    finish_of(&mut world, "again", Fate::Well(0));
    let take = taking(&world).expect("they are taken over");
    world.finish(take, Fate::Well(0));
    world.begin();
    until_at_work(&mut world, &["weigh"]);
    assert!(head(&world) != first && began_from(&world, "weigh") == Some(first), "also after a crash");
    finish_all(&mut world);
    assert_eq!(world.pulls.len(), 1);
}

#[test]
fn who_writes_waits_for_the_setup_also_where_another_reads_by_then() {
    let first = APART.replacen("look", "first", 1);
    let (first, rest) = first.split_at(first.rfind("[[step]]\nid = \"work\"").expect("it is there"));
    let look = first.get(first.find("[[step]]").expect("it is there")..).expect("it").replace("first", "look");
    let look = look.replace("agent =", "needs = []\nagent =");
    let rest = rest.replacen("needs = []", "needs = [\"first\"]\nwhen = \"steps.first.status == 'done'\"", 1);
    let text = format!("{first}{look}{rest}");
    let formula = load("fix.toml", &text, &|_: &str| Some("It.".to_owned())).expect("it is one");
    let mut world = site(&formula, 2);
    until_at_work(&mut world, &["first", "look"]);
    let set_up =
        |world: &World| world.records.iter().any(|r| matches!(&r.event, Event::Intended { intent: Intent::SetUp { .. }, .. }));
    assert!(!set_up(&world), "who only reads needs none");
    finish_of(&mut world, "first", Fate::Well(0));
    assert!(at_work(&world) == ["look"] && set_up(&world), "{:?}", at_work(&world));
    until_at_work(&mut world, &["look", "work"]);
    finish_all(&mut world);
    assert_eq!(world.pulls.len(), 1);
}

#[test]
fn with_one_slot_commands_take_turns() {
    let mut world = site(&three(), 1);
    until_at_work(&mut world, &["s0"]);
    shows(&mut world, "s0", true);
    until_at_work(&mut world, &["s1"]);
}

#[test]
fn commands_that_send_the_work_back_stop_those_beside_them_and_all_run_again() {
    let mut world = site(&three(), 3);
    until_at_work(&mut world, &["s0", "s1", "verify"]);
    shows(&mut world, "s1", true);
    shows(&mut world, "s0", false);
    assert!(at_work(&world) == ["verify"] && world.is_told_to_end("verify"), "what runs on the commits of before is not wanted");
    // It ends well before it hears of that, and speaks for nothing.
    shows(&mut world, "verify", true);
    until_at_work(&mut world, &["work"]);
    let run = world.core.ledger().issue(&subject(1)).and_then(|state| state.live_run()).expect("a run");
    assert!(run.evidence.is_none() && run.unmet.is_empty(), "{:?}", run.evidence);
    finish_of(&mut world, "work", Fate::Well(0));
    until_at_work(&mut world, &["s0", "s1", "verify"]);
}

#[test]
fn what_failed_beside_them_still_counts_where_commands_go_back_to_an_agent_that_only_reads() {
    let text = r#"formula = 1
name = "fix"
title = "It"
blast_radius = "low"
[trigger]
label = "claude-queue"
[[step]]
id = "work"
agent = "dev"
prompt = "it.md"
access = "write"
output = "fix-result"
[[step]]
id = "strict"
run = ["make strict"]
go_on = true
[[step]]
id = "look"
needs = ["work"]
agent = "dev"
prompt = "it.md"
access = "read"
output = "fix-result"
[[step]]
id = "try"
run = ["make try"]
on_failure = { to = "look", at_most = 1 }
[[step]]
id = "open"
needs = ["strict", "try"]
propose = "pull-request"
title = "It"
body = "it.md"
"#;
    let formula = load("fix.toml", text, &|_: &str| Some("It.".to_owned())).expect("it is one");
    let mut world = site(&formula, 2);
    until_at_work(&mut world, &["look", "strict"]);
    shows(&mut world, "strict", false);
    finish_of(&mut world, "look", Fate::Well(0));
    until_at_work(&mut world, &["try"]);
    shows(&mut world, "try", false);
    until_at_work(&mut world, &["look"]);
    finish_of(&mut world, "look", Fate::Well(0));
    until_at_work(&mut world, &["try"]);
    shows(&mut world, "try", true);
    finish_all(&mut world);
    assert_eq!(begun(&world, "strict"), 1, "nothing that it waits for was done again");
    let ended = world.records.iter().find_map(|record| match &record.event {
        Event::RunEnded { outcome, .. } => Some(outcome),
        _ => None,
    });
    let commands = |evidence: &Evidence| evidence.commands.iter().map(|ran| ran.command.clone()).collect::<Vec<_>>();
    let Some(RunOutcome::VerificationFailed { evidence }) = ended else { panic!("{ended:?}") };
    assert_eq!((commands(evidence), world.pulls.len()), (vec!["make strict".to_owned(), "make try".to_owned()], 0));
}

#[test]
fn what_shares_the_workspace_is_done_in_the_order_of_the_file() {
    let needs = |needs: &[bool]| Some(needs.to_vec());
    // A reader that needs nobody stands behind the one that writes, and commands that need nobody.
    let formula = branching(&[(0, needs(&[]), false), (7, needs(&[]), false), (0, needs(&[true]), false)]);
    let before = |id: &str| {
        let place = formula.place(&id.into()).expect("there");
        formula.before(place).into_iter().map(|at| formula.steps[at].id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((before("s0"), before("s1"), before("s2")), (vec![], vec!["work".to_owned()], vec!["work".to_owned()]));
    let writers = |id: &str| formula.place(&id.into()).map(|at| formula.writers_beside(at));
    assert_eq!((writers("s0"), writers("s2"), writers("s1")), (Some(vec![0]), Some(vec![]), Some(vec![])), "one reads apart");
    // Commands have a clone each; what shows the commits to people comes behind all of them.
    assert_eq!(before("verify"), ["work"]);
    assert!(["s1", "verify"].iter().all(|id| before("open").contains(&(*id).to_owned())));
    let reads = |step: &&Step| matches!(step.kind, StepKind::Agent { access: Access::Read, .. });
    let beside = |step: &Step| formula.place(&step.id).is_some_and(|at| formula.is_beside_agents(at));
    assert!(formula.steps.iter().filter(reads).all(beside));
    assert!(!beside(&formula.steps[0]), "who writes has the run's own HOME");
}
