//! Runs that ask the vault and wait at its gate: what opens it, by the policy's word for the tier, and what ends the run.

use std::collections::BTreeMap;
use std::time::Duration;

use forgehand::formula::{load, shipped_prompt};
use forgehand::ledger::{ClaimState, IssueState, RunState};
use forgehand::model::{
    Action, ActionAt, ActionEnd, ActionId, ActionState, ActionWork, AtGate, Dispatch, Event, Formula, FormulaWork, HandOutcome,
    Intent, OnVault, Outcome, PersonWork, PullNumber, Record, Risk, RunOutcome, SeenIssue, ShelvedAction, StopWhy, Timestamp,
    VAULT_APPROVED, VaultAsk, VaultEvent, Wait,
};
use forgehand::words;

use crate::plan_again::{Line, seen, subject};
use crate::plan_world;

const WINDOW: Duration = Duration::from_hours(2);
const PULL: PullNumber = PullNumber(5);

fn formula(of: &str) -> Formula {
    let text = format!(
        "formula = 1\nname = \"fix\"\ntitle = \"It\"\nblast_radius = \"low\"\n\
         [trigger]\nlabel = \"claude-queue\"\n\
         [[step]]\nid = \"ask\"\npropose = \"vault-action\"\naction = \"'deploy'\"\ntitle = \"Deploy\"\nbody = \"asked.md\"\n\
         asks = \"{{ 'context': 'c', 'action_required': 'x' }}\"\n\
         [[step]]\nid = \"wait\"\ngate = \"vault\"\n{of}\n"
    );
    let prompts =
        |name: &str| if name == "asked.md" { Some("Asked.".to_owned()) } else { shipped_prompt(name).map(str::to_owned) };
    load("fix.toml", &text, &prompts).unwrap_or_else(|e| panic!("{:#?}", e.lines()))
}

fn id() -> ActionId {
    "deploy".parse().expect("a name")
}

fn line(on_vault: OnVault, of: &str) -> Line {
    let ask = VaultAsk {
        id: id(),
        tier: Risk::Medium,
        path: "vault/actions/deploy.toml".into(),
        commit: None,
        pull: Some(PULL),
        left: None,
        on_vault,
        window: WINDOW,
        closed: false,
    };
    let mut line = Line::new(formula(of), vec![Outcome::VaultAsked(ask)]);
    line.policy.ops = Some(plan_world::repo());
    // Nothing stood there before.
    line.note(event(VaultEvent::Dispatched {
        what: Dispatch::Read { at: None, changed: Vec::new(), gone: Vec::new(), items: None },
    }));
    line
}

fn event(what: VaultEvent) -> Event {
    Event::Vault { repo: plan_world::repo(), what }
}

fn by_person() -> ActionWork {
    ActionWork::Person(PersonWork { what: "w".into(), how: Vec::new(), verify: None })
}

fn by_formula() -> ActionWork {
    ActionWork::Formula(FormulaWork {
        formula: "deploy".into(),
        project: None,
        inputs: BTreeMap::new(),
        secrets: Vec::new(),
        mounts: Vec::new(),
        model: None,
        tools: Vec::new(),
        timeout_minutes: None,
    })
}

/// An action for a person stands on the branch that counts.
fn stands(line: &mut Line, state: ActionState, end: Option<(Option<i64>, &str)>) {
    stands_as(line, by_person(), state, end);
}

fn stands_as(line: &mut Line, work: ActionWork, state: ActionState, end: Option<(Option<i64>, &str)>) {
    stands_named(line, id(), work, state, end);
}

fn stands_named(line: &mut Line, id: ActionId, work: ActionWork, state: ActionState, end: Option<(Option<i64>, &str)>) {
    let action = Action { id: id.clone(), work, context: "c".into(), unblocks: Vec::new(), blast_radius: None };
    let end = end.map(|(exit_code, logs)| ActionEnd { exit_code, logs: logs.to_owned() });
    let action = ShelvedAction {
        id,
        state,
        action: Some(action),
        wrong: None,
        tier: Some(Risk::Medium),
        free: false,
        file: None,
        text: None,
        end,
    };
    let what = Dispatch::Read { at: None, changed: vec![action], gone: Vec::new(), items: None };
    line.note(event(VaultEvent::Dispatched { what }));
}

fn labelled(line: &mut Line) {
    let mut issue = seen();
    issue.labels.insert(VAULT_APPROVED.to_owned());
    line.note(Event::Seen { subject: subject(), issue });
}

/// What it waits for, and until when.
fn waits(line: &mut Line) -> (ActionAt, bool, Option<Timestamp>) {
    match line.on() {
        Some(Wait::Gate { waits: AtGate::Vault(vault), until, .. }) => {
            assert_eq!(vault.pull, Some(PULL));
            (vault.at, vault.label, until)
        }
        other => panic!("{other:?} after {:?}", line.did),
    }
}

const DONE: RunOutcome = RunOutcome::Succeeded { pull: None };

#[test]
fn block_waits_until_the_action_is_over_whatever_label_there_is() {
    let mut line = line(OnVault::Block, "");
    assert_eq!(waits(&mut line), (ActionAt::Asked, false, None));
    labelled(&mut line);
    assert_eq!(waits(&mut line), (ActionAt::Asked, false, None));
    stands(&mut line, ActionState::Merged, None);
    assert_eq!(waits(&mut line), (ActionAt::There(ActionState::Merged), false, None));
    assert!(line.run().parked, "it holds no slot");
    stands(&mut line, ActionState::Fired, Some((Some(0), "all\u{1b}[31m is well")));
    assert_eq!(line.outcome(), DONE);
    let left = &line.run().outputs[&"wait".into()];
    assert_eq!((left["state"].as_str(), left["exit_code"].as_i64()), (Some("fired"), Some(0)), "{left}");
    assert!(left["logs"].as_str().is_some_and(|logs| logs.contains("is well") && !logs.contains('\u{1b}')), "{left}");
    assert_eq!(line.count("vault"), 1, "it is asked for once");
}

#[test]
fn label_goes_on_too_where_somebody_puts_it_on() {
    let mut line = line(OnVault::Label, "");
    assert_eq!(waits(&mut line), (ActionAt::Asked, true, None));
    let wait = line.on().expect("it waits");
    let names = forgehand::model::LabelNames::default();
    assert!(words::mover(&wait, &names).contains(VAULT_APPROVED), "{}", words::mover(&wait, &names));
    labelled(&mut line);
    assert_eq!(line.outcome(), DONE);
    assert_eq!(line.run().outputs[&"wait".into()]["state"], "asked", "nothing is known of it yet");
}

#[test]
fn a_label_from_before_counts_once_it_was_taken_off_and_put_on_again() {
    let mut line = line(OnVault::Label, "");
    waits(&mut line);
    // It stood there before the run asked.
    let asks = |record: &Record| matches!(&record.event, Event::Intended { intent: Intent::AskVault { .. }, .. });
    let asked = line.records.iter().position(asks).expect("it asked");
    let mut issue = seen();
    issue.labels.insert(VAULT_APPROVED.to_owned());
    let earlier = Record { event: Event::Seen { subject: subject(), issue }, ..line.records[asked].clone() };
    line.records.insert(asked, earlier);
    for _ in 0..3 {
        assert_eq!(waits(&mut line), (ActionAt::Asked, true, None), "it was put on for something else");
        labelled(&mut line);
    }
    line.note(Event::Seen { subject: subject(), issue: seen() });
    assert_eq!(waits(&mut line), (ActionAt::Asked, true, None));
    labelled(&mut line);
    assert_eq!(line.outcome(), DONE);
}

/// It looked for as long as the window says.
fn stepped_back(of: &str) -> Line {
    let mut line = line(OnVault::SoftBlock, of);
    let (_, _, until) = waits(&mut line);
    let until = until.expect("an end");
    assert_eq!(until, reached(&line) + WINDOW, "{of}");
    line.now = Timestamp(until.0 - 2);
    assert!(line.on().is_some() && rests(&line).is_none(), "{of}: not yet");
    line.now = until;
    waits(&mut line);
    assert!(rests(&line).is_some(), "{of}: {:?}", line.did);
    line
}

fn reached(line: &Line) -> Timestamp {
    line.run().steps_in_work().map(|(_, at)| at.reached).next().expect("a step")
}

/// The run that stepped back.
fn rests(line: &Line) -> Option<RunState> {
    line.ledger().issue(&subject()).and_then(IssueState::rests).cloned()
}

#[test]
fn soft_block_looks_for_as_long_as_the_window_says_and_then_goes_on_with_other_work() {
    let mut line = stepped_back("");
    // Its issue is still its own: the label and the claim stay, and nobody begins it anew.
    let ledger = line.ledger();
    let state = ledger.issue(&subject()).expect("an issue");
    assert!(state.run.is_none() && matches!(state.claim, ClaimState::Ours(_)), "{:?}", state.claim);
    assert_eq!(waits(&mut line), (ActionAt::Asked, false, None));
    let told = words::stepped_back(&rests(&line).expect("a run"));
    assert_eq!(told, "formula fix waits in step wait for the action deploy of the vault to be over");
    // When the action is over it goes on where it was, and pays for nothing twice.
    stands(&mut line, ActionState::Merged, None);
    waits(&mut line);
    stands(&mut line, ActionState::Fired, Some((Some(0), "")));
    assert_eq!(line.outcome(), DONE);
    assert_eq!((line.run().outputs[&"wait".into()]["state"].as_str(), line.count("vault")), (Some("fired"), 1));

    let mut line = self::line(OnVault::SoftBlock, "");
    waits(&mut line);
    stands(&mut line, ActionState::Done, None);
    assert_eq!(line.outcome(), DONE, "it opens before");
}

#[test]
fn the_timeout_of_a_gate_counts_also_for_a_run_that_stepped_back() {
    let shut = |outcome: RunOutcome, wanted| {
        assert!(matches!(outcome, RunOutcome::GateShut { after, .. } if after == wanted), "{outcome:?}");
    };
    let mut line = line(OnVault::SoftBlock, "timeout = \"30m\"");
    let (_, _, until) = waits(&mut line);
    line.now = until.expect("an end");
    shut(line.outcome(), Duration::from_mins(30));

    let mut line = stepped_back("timeout = \"5h\"");
    let (_, _, until) = waits(&mut line);
    assert_eq!(until, Some(reached(&line) + Duration::from_hours(5)));
    line.now = until.expect("an end");
    shut(line.outcome(), Duration::from_hours(5));
}

#[test]
fn who_stepped_back_is_stopped_as_who_is_at_work() {
    let mut closed = stepped_back("");
    let issue = SeenIssue { open: false, ..seen() };
    closed.note(Event::Seen { subject: subject(), issue });
    assert_eq!(closed.outcome(), RunOutcome::Hand { how: HandOutcome::Cancelled });

    let mut replaced = stepped_back("");
    let run = replaced.run().id;
    replaced.note(Event::Stopping { run, why: StopWhy::Person });
    assert_eq!(replaced.outcome(), RunOutcome::Hand { how: HandOutcome::Cancelled });
}

#[test]
fn continue_goes_on_at_once() {
    let mut line = line(OnVault::Continue, "");
    assert_eq!(line.outcome(), DONE);
    assert_eq!(line.run().outputs[&"wait".into()]["state"], "asked");
}

#[test]
fn what_nobody_wants_or_went_wrong_ends_the_run_in_any_case() {
    for on_vault in [OnVault::Block, OnVault::Label, OnVault::SoftBlock] {
        for (state, end, wanted) in [
            (ActionState::Rejected, None, (true, None)),
            (ActionState::Fired, Some((Some(3), "no")), (false, Some(3))),
            (ActionState::Done, Some((Some(1), "")), (false, Some(1))),
        ] {
            let mut line = line(on_vault, "");
            waits(&mut line);
            stands(&mut line, state, end);
            let outcome = line.outcome();
            let RunOutcome::ActionFailed { step, action, rejected, exit_code } = &outcome else { panic!("{outcome:?}") };
            assert_eq!((step.as_str(), action, *rejected, *exit_code), ("wait", &id(), wanted.0, wanted.1), "{state:?}");
        }
        // Whoever closes the pull request does not want it either.
        let mut line = line(on_vault, "");
        waits(&mut line);
        line.note(event(VaultEvent::Gone { pull: PullNumber(6) }));
        waits(&mut line);
        line.note(event(VaultEvent::Gone { pull: PULL }));
        let outcome = line.outcome();
        assert_eq!(outcome.word(), "action-rejected");
        assert!(words::outcome(&outcome).contains("the action deploy of the vault, which was rejected"), "{outcome:?}");
    }
}

#[test]
fn a_record_that_the_dispatcher_did_not_write_opens_nothing_for_what_a_formula_does() {
    for on_vault in [OnVault::Block, OnVault::Label, OnVault::SoftBlock] {
        for (state, end) in [(ActionState::Fired, 0), (ActionState::Done, 0), (ActionState::Fired, 3)] {
            let mut line = line(on_vault, "");
            waits(&mut line);
            stands_as(&mut line, by_formula(), state, Some((Some(end), "")));
            assert_eq!(waits(&mut line).0, ActionAt::There(state), "{on_vault:?}");
        }
        let mut line = line(on_vault, "");
        waits(&mut line);
        stands_as(&mut line, by_formula(), ActionState::Rejected, None);
        assert_eq!(line.outcome().word(), "action-rejected", "people may reject it at any time");
    }
}

#[test]
fn a_gate_waits_for_each_action_of_a_list_one_after_the_other() {
    let mut line = line(OnVault::Block, "for_each = { items = \"['deploy', 'other']\", at_most = 2 }\naction = \"item\"");
    assert_eq!(waits(&mut line).0, ActionAt::Asked);
    stands(&mut line, ActionState::Done, None);
    // The first is over; the second was asked for by nobody here, and is waited for until it is over.
    let of = |line: &mut Line| match line.on() {
        Some(Wait::Gate { waits: AtGate::Vault(vault), .. }) => vault.action.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&mut line), "other");
    assert_eq!(of(&mut line), "other", "a look more changes nothing");
    stands_named(&mut line, "other".parse().expect("a name"), by_person(), ActionState::Done, None);
    assert_eq!(line.outcome(), DONE);
    let left = &line.run().outputs[&"wait".into()];
    let ids: Vec<&str> = left.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids, ["deploy", "other"]);
}

#[test]
fn a_pull_request_that_was_merged_is_not_taken_for_one_that_nobody_wants() {
    let mut line = line(OnVault::Block, "");
    waits(&mut line);
    line.note(event(VaultEvent::Gone { pull: PULL }));
    stands(&mut line, ActionState::Merged, None);
    assert_eq!(waits(&mut line), (ActionAt::There(ActionState::Merged), false, None));
}
