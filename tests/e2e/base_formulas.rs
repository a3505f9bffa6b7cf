//! Formulas and prompts of a project's own base branch, laid over those of the configuration.

use forgehand::formula::{shipped_prompt, shipped_text};
use forgehand::model::{Event, Outcome};

use crate::rig::{Agent, Plan, Rig, TRIAGE};

/// Says which prompt it was given.
const SCRIPT: &str = r#"case $FORGEHAND_STEP in
    work) repair; commit 'Add properly'; if asked_for 'as this project does it'; then answer done 'Our way.'; else answer done 'Any way.'; fi ;;
esac"#;

fn plan(test: &'static str) -> Plan {
    Plan::new(test).agent(Agent::scripted(TRIAGE, SCRIPT)).limits("attempts = 1")
}

fn laid_over(rig: &Rig) -> usize {
    let over = |record: &&forgehand::model::Record| {
        matches!(&record.event, Event::Ended { outcome: Outcome::Prepared { over: Some(_), .. }, .. })
    };
    rig.records().iter().filter(over).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_branch_lays_prompts_and_formulas_over_those_of_the_configuration() {
    let prompt = format!("Do it as this project does it.\n\n{}", shipped_prompt("fix.md").expect("shipped"));
    let formula = shipped_text("fix").expect("shipped").replace("{{line issue.title}}", "{{line issue.title}} (ours)");
    let formula = formula.replace("{{line steps.work.output.title}}", "{{line steps.work.output.title}} (ours)");
    let plan = plan("base_formulas::laid_over").file(".forgehand/prompts/fix.md", &prompt);
    let Some(rig) = plan.file(".forgehand/formulas/fix.toml", &formula).rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let tried = rig.run(&["formula", "run", "fix", "--issue", &number.to_string(), "--dry-run"]).await.ok().out;
    assert!(tried.contains("note: it is laid over by .forgehand of main") && tried.contains("Do it as this project"), "{tried}");
    assert!(tried.contains("(ours)"), "{tried}");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let pull = rig.pulls().pop().expect("a pull request");
    assert_eq!(pull.issue.title, "Add properly (ours)");
    assert!(pull.issue.body.contains("Our way."), "{}", pull.issue.body);
    assert_eq!(laid_over(&rig), 1);
    assert!(rig.story().contains("its formula is that of the base branch"), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_formula_does_not_use_change_nothing() {
    let plan = plan("base_formulas::unused").file(".forgehand/prompts/other.md", "Something else.");
    let Some(rig) = plan.rig().await else { return };
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    rig.once().await;
    assert_eq!((rig.labels(number), laid_over(&rig)), (vec!["claude-pr".to_owned()], 0), "{}", rig.story());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_branch_weakens_nothing_and_what_is_broken_there_is_said() {
    let weaker = shipped_text("fix").expect("shipped").replace("run = \"project.verify\"", "run = [\"true\"]");
    let broken = shipped_text("fix").expect("shipped").replace("agent = \"dev\"", "agnet = \"dev\"");
    let of_its_own =
        |key: &str| shipped_text("fix").expect("shipped").replace("agent = \"dev\"", &format!("agent = \"dev\"\n{key}"));
    let cases = [
        (
            "base_formulas::model",
            of_its_own("model = \"claude-opus-4-8\""),
            ".forgehand/formulas/fix.toml:18:9: the configured `fix` does not have `dev` work with the model `claude-opus-4-8`",
            "the configured `fix` does not have `dev` work with the model",
        ),
        (
            "base_formulas::backend",
            of_its_own("backend = \"command\""),
            ".forgehand/formulas/fix.toml:18:11: a base branch does not say that `dev` is a `command`",
            "a base branch does not say that `dev` is a `command`",
        ),
        ("base_formulas::weaker", weaker, "it leaves out the project's verification", "it leaves out the project's verification"),
        (
            "base_formulas::broken",
            broken,
            ".forgehand/formulas/fix.toml:17:1: unknown key `agnet`",
            "unknown key `agnet` in [[step]]",
        ),
    ];
    for (test, formula, says, at_the_desk) in cases {
        let Some(rig) = plan(test).file(".forgehand/formulas/fix.toml", &formula).rig().await else { return };
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
        let tried = rig.run(&["formula", "run", "fix", "--issue", &number.to_string(), "--dry-run"]).await;
        assert!(tried.code == Some(2) && tried.err.contains(at_the_desk), "{tried:?}");
        rig.once().await;
        assert_eq!(rig.labels(number), ["claude-failed"], "{}", rig.story());
        assert!(rig.story().contains(says), "{}", rig.story());
        assert_eq!((rig.turns("work"), rig.pulls().len()), (0, 0));
        rig.assert_status(number, ".forgehand");
    }
}
