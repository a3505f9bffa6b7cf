//! Actions of the vault at a terminal: asked for by a pull request, listed, shown.

use forgehand::localforge::SeedFile;
use forgehand::model::{Event, VaultEvent};

use crate::gates::beside;
use crate::ops::{OPS, clone_of, git_in, in_ops};
use crate::rig::{Agent, Plan, Rig, TRIAGE};

const PERSON: &str = "context = \"The disk is full.\"\nunblocks = [\"#1\"]\n[action_required]\nwhat = \"Buy a disk\"\n";

/// A formula that actions may run.
const TAP: &str = "formula = 1\nname = \"tap\"\ntitle = \"Tap\"\nblast_radius = \"medium\"\n[trigger]\nvault = true\n[[step]]\nid = \"run\"\nrun = [\"true\"]\non = \"base\"\n";

async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).agent(Agent::scripted(TRIAGE, "")).mode(forgehand::sandbox::Mode::None);
    let rig = plan.project("formulas = [\"triage\", \"fix\", \"tap\"]").rig().await.expect("it needs nothing");
    beside(&rig, &[("formulas/tap.toml", TAP)]);
    let vault = "[vault.secrets]\nTAP = { file = \"/nowhere/tap\" }\n\n";
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n{vault}[agent]\n"));
    let file = |path, content| SeedFile { path, content, executable: false };
    let files = [
        file("vault/actions/old.toml", PERSON),
        file("vault/actions/old.result.json", "{\"id\":\"old\",\"exit_code\":0}"),
        file("vault/actions/new.toml", PERSON),
        file("vault/actions/bad.toml", "formula = \"relase\"\ncontext = \"c\"\n"),
        file("vault/pending/key.md", "## What\nA key\n## Why\nIt ended.\n## Human action\nMake one\n"),
    ];
    rig.seed.create_repo("owner", "ops", false, &files).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    rig
}

fn row<'r>(rows: &'r serde_json::Value, id: &str) -> &'r serde_json::Value {
    let all = rows.as_array().expect("a list");
    all.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("{id}: {rows:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_asked_for_once_listed_and_shown() {
    let rig = rig("vault::asked").await;
    let rows = rig.json(&["vault", "list", "--json"]).await;
    for (id, state) in [("old", "done"), ("new", "merged"), ("bad", "broken"), ("key", "pending")] {
        assert_eq!(row(&rows, id)["state"], state, "{rows:#}");
    }
    assert_eq!((&row(&rows, "new")["tier"], &row(&rows, "new")["unblocks"][0]), (&"high".into(), &"owner/app#1".into()));
    assert!(row(&rows, "bad")["mistakes"][0].as_str().expect("one").contains("vault/actions/bad.toml:1:11: there is no formula"));

    let file = |name: &str, text: &str| {
        let path = rig.config_file().with_file_name(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    for (name, text, says) in [
        ("old.toml", PERSON, "is recorded already"),
        ("new.toml", PERSON, "is merged already"),
        ("x.toml", "id = \"../x\"\nformula = \"release\"\ncontext = \"c\"\n", "no name of an action"),
        ("x.toml", "formula = \"fix\"\ncontext = \"c\"\n", "`fix` is not run as an action in owner/app"),
        ("x.toml", "formula = \"tap\"\ncontext = \"c\"\nsecrets = [\"TPA\"]\nmounts = [\"/etc\"]\n", "there is no mount"),
    ] {
        let refused = rig.run(&["vault", "request", &file(name, text)]).await;
        assert!(refused.code == Some(2) && refused.err.contains(says), "{says}: {refused:?}");
    }
    let asks = file("tap.toml", "formula = \"tap\"\ncontext = \"v1\"\nsecrets = [\"TAP\"]\nblast_radius = \"low\"\n");
    let tried = rig.run(&["vault", "request", &asks, "--dry-run"]).await.ok();
    assert!(tried.out.contains("would ask for vault/actions/tap.toml in owner/ops, medium"), "{tried:?}");
    let said = rig.run(&["vault", "request", &asks]).await.ok();
    assert!(said.out.contains("asks for tap, medium"), "{said:?}");
    assert!(rig.run(&["vault", "request", &asks]).await.ok().out.contains("asks for tap already"));
    assert!(in_ops(&rig, &["show", "origin/forgehand/vault-tap:vault/actions/tap.toml"]).await.contains("TAP"));

    let rows = rig.json(&["vault", "list", "--json", "--open"]).await;
    let tap = row(&rows, "tap");
    assert_eq!((&tap["state"], &tap["formula"], &tap["tier"]), (&"asked".into(), &"tap".into(), &"medium".into()), "{rows:#}");
    assert!(rows.as_array().expect("a list").iter().all(|row| row["id"] != "old"), "{rows:#}");
    let shown = rig.run(&["vault", "show", "TAP"]).await.ok();
    assert!(shown.out.contains("asked for by pull request") && shown.out.contains("ignored, for it would lower"), "{shown:?}");
    let done = rig.run(&["vault", "show", "old"]).await.ok();
    assert!(done.out.contains("recorded in vault/actions") && done.out.contains("Buy a disk"), "{done:?}");
    let none = rig.run(&["vault", "show", "nobody"]).await;
    assert!(none.code == Some(2) && none.err.contains("nobody asks for"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_head_that_touches_the_vault_has_a_status_that_says_where_it_is_wrong() {
    let rig = rig("vault::status").await;
    let clone = clone_of(&rig, OPS).await;
    let push = async |text: &str| {
        std::fs::write(clone.path().join("vault/actions/tap.toml"), text).expect("a file");
        git_in(&clone, &["add", "-A"]).await;
        git_in(&clone, &["commit", "-qm", "Ask"]).await;
        git_in(&clone, &["push", "-q", "origin", "HEAD:ask"]).await;
        git_in(&clone, &["rev-parse", "HEAD"]).await.trim().to_owned()
    };
    let wrong = push("context = \"c\"\nformula = \"tap\"\nsecrets = [\"TPA\"]\n").await;
    let pull = serde_json::json!({ "head": "ask", "base": "main", "title": "Ask" });
    rig.seed.api("owner", "POST", &format!("repos/{OPS}/pulls"), pull).await.expect("a pull request");
    let status = async |sha: &str| {
        let path = format!("repos/{OPS}/commits/{sha}/status");
        let all = rig.seed.api("owner", "GET", &path, serde_json::Value::Null).await.expect("the statuses")["statuses"].clone();
        let text = |key: &str| all[0][key].as_str().unwrap_or_default().to_owned();
        (all.as_array().map_or(0, Vec::len), text("context"), text("status"), text("description"))
    };
    let once = async || {
        rig.run(&["once"]).await.ok();
        rig.records()
            .iter()
            .filter(|record| matches!(record.event, Event::Vault { what: VaultEvent::Telling { .. }, .. }))
            .count()
    };
    assert_eq!((once().await, once().await), (1, 1), "{}", rig.story());
    let (count, context, state, says) = status(&wrong).await;
    assert_eq!((count, context.as_str(), state.as_str()), (1, "forgehand/vault", "failure"), "{says}");
    assert!(says.starts_with("vault/actions/tap.toml:3:12: there is no secret `TPA`") && says.contains("has `TAP`"), "{says}");
    let right = push("context = \"c\"\nformula = \"tap\"\nsecrets = [\"TAP\"]\n").await;
    assert_eq!(once().await, 2, "{}", rig.story());
    let (_, _, state, says) = status(&right).await;
    assert_eq!((state.as_str(), says.as_str()), ("success", "well-formed: tap"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_decide_as_themselves_and_what_they_decide_is_recorded_once() {
    let rig = rig("vault::decided").await;
    let scopes = ["write:repository", "write:issue", "read:user"];
    let bot = rig.seed.token("bot", &scopes).await.expect("a token");
    let owner = rig.seed.token("owner", &scopes).await.expect("a token");
    let rig = rig.with_env("OWNER", &owner).with_env("BOT", &bot);
    let file = rig.config_file().with_file_name("tap.toml");
    std::fs::write(&file, "formula = \"tap\"\ncontext = \"v1\"\n").expect("a file");
    rig.run(&["vault", "request", &file.display().to_string()]).await.ok();
    let ours = rig.run(&["vault", "approve", "tap", "--token-env", "BOT"]).await;
    assert!(ours.code == Some(2) && ours.err.contains("forgehand's own account"), "{ours:?}");
    let early = rig.run(&["vault", "done", "tap", "--token-env", "OWNER"]).await;
    assert!(early.code == Some(2) && early.err.contains("not merged yet"), "{early:?}");
    let said = rig.run(&["vault", "approve", "tap", "--token-env", "OWNER"]).await.ok();
    assert!(
        said.out.contains("owner approved owner/ops#1")
            && said.out.contains("tap medium")
            && said.out.contains("once somebody merges #1"),
        "{said:?}"
    );
    let reviews = rig.seed.api("owner", "GET", &format!("repos/{OPS}/pulls/1/reviews"), serde_json::Value::Null).await;
    let reviews = reviews.expect("the reviews");
    let head = rig.seed.pulls(OPS).expect("the pull requests").remove(0).head;
    let tip = in_ops(&rig, &["rev-parse", &format!("origin/{head}")]).await;
    assert_eq!((&reviews[0]["state"], reviews[0]["commit_id"].as_str()), (&"APPROVED".into(), Some(tip.trim())), "{reviews:#}");
    rig.run(&["vault", "reject", "tap", "--token-env", "OWNER", "--because", "Not now."]).await.ok();
    assert!(!rig.seed.pulls(OPS).expect("the pull requests")[0].issue.open);

    // What is merged is done, or is not wanted: recorded, and then over.
    let done = rig.run(&["vault", "done", "new", "--token-env", "OWNER", "--because", "It is in."]).await.ok();
    assert!(done.out.contains("recorded in vault/fired/new.result.json"), "{done:?}");
    let record: serde_json::Value =
        serde_json::from_str(&in_ops(&rig, &["show", "main:vault/fired/new.result.json"]).await).expect("JSON");
    assert_eq!(
        (&record["id"], &record["tier"], &record["approved_by"], &record["exit_code"], &record["logs"]),
        (&"new".into(), &"high".into(), &"owner".into(), &0.into(), &"It is in.".into()),
        "{record:#}"
    );
    for (id, says) in [("new", "is fired already"), ("old", "is done already")] {
        let again = rig.run(&["vault", "reject", id, "--token-env", "OWNER"]).await;
        assert!(again.code == Some(2) && again.err.contains(says), "{again:?}");
    }
    let rejected = rig.run(&["vault", "reject", "bad", "--token-env", "OWNER"]).await.ok();
    assert!(rejected.out.contains("recorded in vault/rejected/bad.result.json"), "{rejected:?}");
    let rows = rig.json(&["vault", "list", "--json"]).await;
    assert_eq!((&row(&rows, "new")["state"], &row(&rows, "bad")["state"]), (&"fired".into(), &"rejected".into()), "{rows:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_be_recorded_is_kept_and_said_until_it_is() {
    let rig = rig("vault::unwritten").await;
    let scopes = ["write:repository", "write:issue", "read:user"];
    rig.seed.add_user("reader", "Correct-Horse-9-Battery").await.expect("a user");
    rig.seed.add_collaborator(OPS, "reader", "read").await.expect("a collaborator");
    let reader = rig.seed.token("reader", &scopes).await.expect("a token");
    let owner = rig.seed.token("owner", &scopes).await.expect("a token");
    let rig = rig.with_env("READER", &reader).with_env("OWNER", &owner);
    let refused = rig.run(&["vault", "done", "new", "--token-env", "READER", "--because", "It is in."]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let kept =
        refused.err.split_once("is kept in ").and_then(|(_, path)| path.split_whitespace().next()).expect("where").to_owned();
    let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&kept).expect("the record")).expect("JSON");
    assert_eq!((&record["id"], &record["logs"]), (&"new".into(), &"It is in.".into()), "{record:#}");
    assert_eq!(row(&rig.json(&["vault", "list", "--json"]).await, "new")["state"], "merged");
    let told = async || rig.json(&["status", "--json"]).await["troubles"].clone();
    let trouble = told().await[0].clone();
    let says = trouble["trouble"].as_str().unwrap_or_default().to_owned();
    assert!(
        trouble["repo"] == OPS && says.contains(&kept) && says.contains("of the action new could not be recorded"),
        "{trouble:#}"
    );
    assert!(rig.run(&["status"]).await.ok().out.contains("`forgehand vault done new`"));

    rig.run(&["vault", "done", "new", "--token-env", "OWNER"]).await.ok();
    assert!(!std::path::Path::new(&kept).exists() && told().await.is_null(), "{:#}", told().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_of_more_files_than_are_read_stands_still_and_says_why() {
    let rig = rig("vault::full").await;
    let clone = clone_of(&rig, OPS).await;
    let push = async |message: &str| {
        git_in(&clone, &["add", "-A"]).await;
        git_in(&clone, &["commit", "-qm", message]).await;
        git_in(&clone, &["push", "-q", "origin", "HEAD:main"]).await;
    };
    let old = clone.path().join("vault/fired");
    std::fs::create_dir_all(&old).expect("a folder");
    for number in 0..5_000 {
        std::fs::write(old.join(format!("old-{number}.result.json")), format!("{{\"id\":\"old-{number}\",\"exit_code\":0}}"))
            .expect("a file");
    }
    push("Five years").await;
    rig.run(&["once"]).await.ok();
    let says = "there are 5005 files, and at most 5000 are read: take those away that nobody needs";
    let troubles = rig.json(&["status", "--json"]).await["troubles"].clone();
    assert!(
        troubles[0]["repo"] == OPS && troubles[0]["trouble"].as_str().is_some_and(|told| told.contains(says)),
        "{troubles:#}"
    );
    let list = rig.run(&["vault", "list"]).await;
    assert!(list.code == Some(4) && list.err.contains(says), "{list:?}");
    // Mended as it says, it goes on by itself.
    std::fs::remove_dir_all(&old).expect("taken away");
    push("Not needed").await;
    rig.run(&["once"]).await.ok();
    assert!(rig.json(&["status", "--json"]).await["troubles"].is_null(), "{}", rig.story());
    assert_eq!(row(&rig.json(&["vault", "list", "--json"]).await, "new")["state"], "merged");
}
