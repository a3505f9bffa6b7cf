//! Several agents, through the binary: who does which step, as whom, at whose cost; and hiring and dismissing them.

use forgehand::model::{AgentName, Event, Intent};
use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::claude_hand::claude;
use crate::claude_line::{is_triage, play};
use crate::messages_api::MessagesApi;
use crate::rig::{Agent, FIX, Plan, REPO, Rig, TRIAGE, until};

async fn plain(test: &'static str) -> Rig {
    Plan::new(test).daemon("poll = \"1s\"").mode(Mode::None).rig().await.expect("it needs nothing")
}

fn text(rig: &Rig) -> String {
    std::fs::read_to_string(rig.config_file()).expect("the configuration")
}

/// Who did each turn of an agent, and which step.
fn turns(rig: &Rig) -> Vec<(String, String)> {
    let turn = |event: Event| match event {
        Event::Intended { intent: Intent::Agent { step, agent, .. }, .. } => {
            Some((step.to_string(), agent.as_ref().map(AgentName::to_string).unwrap_or_default()))
        }
        _ => None,
    };
    rig.records().into_iter().filter_map(|record| turn(record.event)).collect()
}

fn listed(list: &Value, name: &str) -> Value {
    let agents = list["agents"].as_array().expect("a list");
    agents.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}")).clone()
}

/// Another login with a token of its own, in a file.
pub async fn person(rig: &Rig, login: &str, access: &str) {
    rig.seed.add_user(login, "Correct-Horse-9-Battery").await.expect("a user");
    rig.seed.add_collaborator(REPO, login, access).await.expect("a collaborator");
    let token = rig.seed.token(login, &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    std::fs::write(rig.dir.path().join(format!("token-{login}")), token).expect("its token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formulas_model_reaches_the_provider_at_its_own_price() {
    let api = MessagesApi::start(play).await;
    let agent = Agent::Claude { program: claude(), url: api.url().to_owned(), more: "" };
    let Some(rig) = Plan::new("agents::a_formulas_model").agent(agent).mode(Mode::None).rig().await else { return };
    rig.reconfigure("author = ", "key_file = \"key\"\nauthor = ");
    std::fs::write(rig.dir.path().join("key"), "sk-ant-api03-x").expect("a key");
    let own = |model: &str| {
        let text = format!("formula = 1\nname = \"fix\"\nextends = \"fix\"\n\n[agent]\nmodel = \"{model}\"\n");
        std::fs::create_dir_all(rig.dir.path().join("formulas")).expect("a folder");
        std::fs::write(rig.dir.path().join("formulas/fix.toml"), text).expect("a formula");
    };
    own("claude-haikoo-4-5");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    let said = rig.run(&["once"]).await;
    let words =
        ["formulas/fix.toml:6:9", "no price is known for the model `claude-haikoo-4-5`", "did you mean \"claude-haiku-5-5\"?"];
    assert!(said.code == Some(2) && words.iter().all(|word| said.err.contains(word)), "{said:?}");
    assert!(api.requests().is_empty(), "nobody works with it");
    own("claude-haiku-4-5");
    let shown = rig.run(&["formula", "show", "fix"]).await.ok();
    assert!(shown.err.contains("step work, role dev: with claude-haiku-4-5, and not with claude-sonnet-4-5"), "{shown:?}");
    let tried = rig.run(&["formula", "run", "fix", "--issue", &number.to_string(), "--dry-run"]).await.ok().out;
    assert!(tried.contains("== work: agent dev, writes, with claude-haiku-4-5"), "{tried}");
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    for request in api.requests() {
        let model = if is_triage(&request) { "claude-sonnet-4-5" } else { "claude-haiku-4-5" };
        assert!(request.body["model"].as_str().is_some_and(|m| m.starts_with(model)), "{} is not {model}", request.body["model"]);
    }
    let story = rig.story();
    assert!(story.contains("let the agent work on step work with claude-haiku-4-5"), "{story}");
    let prices = forgehand::gateway::Prices::shipped();
    let calls = rig.records().into_iter().filter_map(|record| match record.event {
        Event::Called { call, .. } => Some(call),
        _ => None,
    });
    let of_fix: Vec<_> = calls.filter(|call| call.model.starts_with("claude-haiku-4-5")).collect();
    assert!(!of_fix.is_empty(), "{story}");
    for call in of_fix {
        let usage = forgehand::gateway::Usage { input: call.input, output: call.output, ..Default::default() };
        assert_eq!(Some(call.cost), prices.cost("claude-haiku-4-5", usage), "{call:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_its_agent_its_model_and_its_cost() {
    let api = MessagesApi::start(play).await;
    let more = "key_file = \"key\"\n[agents.reader]\nroles = [\"triage\"]\nmodel = \"claude-haiku-4-5\"\n\n[agents.spare]\nroles = [\"review\"]";
    let agent = Agent::Claude { program: claude(), url: api.url().to_owned(), more: "" };
    let Some(rig) = Plan::new("agents::each_role").agent(agent).mode(Mode::None).rig().await else { return };
    let (key, others) = more.split_once('\n').expect("two lines");
    rig.reconfigure("author = ", &format!("{key}\nauthor = "));
    rig.reconfigure("\n[sandbox]", &format!("\n{others}\n\n[sandbox]"));
    std::fs::write(rig.dir.path().join("key"), "sk-ant-api03-x").expect("a key");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    for request in api.requests() {
        let model = if is_triage(&request) { "claude-haiku-4-5" } else { "claude-sonnet-4-5" };
        assert!(request.body["model"].as_str().is_some_and(|m| m.starts_with(model)), "{} is not {model}", request.body["model"]);
    }
    let expected = [("read".to_owned(), "reader".to_owned()), ("work".to_owned(), "default".to_owned())];
    assert_eq!(turns(&rig), expected);
    let list = rig.json(&["agents", "--json"]).await;
    let (reader, usual, spare) = (listed(&list, "reader"), listed(&list, "default"), listed(&list, "spare"));
    assert_eq!((&reader["roles"], &usual["roles"], &spare["roles"]), (&json!(["triage"]), &json!(["dev"]), &json!(["review"])));
    assert_eq!((&reader["model"], &usual["model"]), (&json!("claude-haiku-4-5"), &json!("claude-sonnet-4-5")));
    let cost = |row: &Value| row["cost_usd"].as_f64().expect("a number");
    assert!(cost(&reader) > 0.0 && cost(&usual) > 0.0 && cost(&spare) == 0.0, "{list:#}");
    let all = rig.row(number).await["cost_usd"].as_f64().expect("a number");
    assert!((cost(&reader) + cost(&usual) - all).abs() < 1e-9, "{list:#}");
    assert_eq!((&usual["accounts"], &usual["identity"]), (&json!(["default"]), &json!("bot")));
    assert!(rig.run(&["agents"]).await.ok().out.contains("reader  claude claude-haiku-4-5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_own_budget_takes_the_place_of_the_usual_one() {
    for (usual, own, end) in [("5", "0.00001", "claude-failed"), ("0.00001", "5", "claude-pr")] {
        let api = MessagesApi::start(play).await;
        let agent = Agent::Claude { program: claude(), url: api.url().to_owned(), more: "key_file = \"key\"" };
        let Some(rig) = Plan::new("agents::own_budget").agent(agent).mode(Mode::None).rig().await else { return };
        std::fs::write(rig.dir.path().join("key"), "sk-ant-api03-x").expect("a key");
        rig.reconfigure("author = ", &format!("budget_usd = {usual}\nauthor = "));
        let section = format!("[agents.worker]\nroles = [\"dev\"]\nbudget_usd = {own}\n");
        rig.reconfigure("\n[sandbox]", &format!("\n{section}\n[sandbox]"));
        let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
        rig.once().await;
        assert_eq!(rig.labels(number), [end], "{usual} and {own}: {}", rig.story());
        if end == "claude-failed" {
            rig.assert_status(number, "the agent reached its limit");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_an_identity_of_its_own_works_under_it() {
    let rig = plain("agents::an_identity_of_its_own").await;
    person(&rig, "dev", "write").await;
    let section = "[agents.dev]\nroles = [\"dev\"]\ntoken_file = \"token-dev\"\nauthor = \"Dev <dev@example.test>\"\n";
    rig.reconfigure("\n[sandbox]", &format!("\n{section}\n[sandbox]"));
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let pull = &rig.pulls()[0];
    assert_eq!(pull.issue.author, "dev");
    let commit = rig.seed.api("owner", "GET", &format!("repos/{REPO}/git/commits/{}", pull.head_sha), Value::Null).await;
    assert_eq!(commit.expect("the commit")["commit"]["author"]["email"], "dev@example.test");
    assert!(rig.comments(number).iter().all(|c| c.author == "bot"), "triage is the bot's, and so is the status");
    assert_eq!(listed(&rig.json(&["agents", "--json"]).await, "dev")["identity"], "dev");
    // It is one of us: what it says is no answer, and what was its stays ours when it is gone.
    rig.reconfigure(section, "");
    let asked = rig.issue("Unclear", "?", &["needs-info"]).await;
    rig.once().await;
    rig.seed.comment(REPO, "dev", asked, "I am no person.").await.expect("a comment");
    rig.once().await;
    assert_eq!(rig.labels(asked), ["needs-info"], "{}", rig.story());
    rig.seed.comment(REPO, "reporter", asked, "Like this.").await.expect("a comment");
    rig.once().await;
    assert_ne!(rig.labels(asked), ["needs-info"], "a person's answer is one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_may_not_write_is_told_before_it_works() {
    let rig = plain("agents::an_identity_that_may_not_write").await;
    person(&rig, "dev", "read").await;
    rig.reconfigure("\n[sandbox]", "\n[agents.dev]\nroles = [\"dev\"]\ntoken_file = \"token-dev\"\n\n[sandbox]");
    rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let said = rig.run(&["once"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("`dev`, whom agent `dev` works as, may not write to owner/app"), "{}", said.err);
    std::fs::write(rig.dir.path().join("token-dev"), "0123456789012345678901234567890123456789").expect("a token");
    let said = rig.run(&["once"]).await;
    assert!(said.err.contains("does not accept the token of agent `dev`"), "{}", said.err);
    assert!(turns(&rig).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hiring_and_dismissing_leave_the_rest_of_the_file_as_it_was() {
    let rig = plain("agents::hiring_and_dismissing").await;
    let before = format!("# mine\n{}\n# usd_run = 3   # one day\n", text(&rig).replace("[limits]", "[limits] # money"));
    rig.configure(&before);
    let hire = ["agents", "hire", "local", "--url", "http://127.0.0.1:11434", "--model", "qwen", "--role", "review,triage"];
    let said = rig.run(&[&hire[..], &["--budget-usd", "0.5"]].concat()).await.ok();
    assert!(said.out.contains("hired `local`: claude with qwen at http://127.0.0.1:11434/"), "{said:?}");
    let hired = text(&rig);
    assert!(hired.starts_with(&before), "all that was there stands as it stood:\n{hired}");
    let row = listed(&rig.json(&["agents", "--json"]).await, "local");
    assert_eq!((&row["model"], &row["backend"], &row["accounts"]), (&json!("qwen"), &json!("claude"), &json!([])));
    assert_eq!(row["budget_usd"], json!(0.5));
    assert_eq!((&row["roles"], &row["url"]), (&json!(["review", "triage"]), &json!("http://127.0.0.1:11434/")));
    rig.run(&["agents", "hire", "second", "--author", "Two <two@example.test>"]).await.ok();
    rig.reconfigure("[agents.second]", "# it is the second one\n[agents.second]");
    rig.run(&["agents", "dismiss", "second"]).await.ok();
    assert_eq!(text(&rig), hired, "what stands right above a section goes with it");
    let said = rig.run(&["agents", "dismiss", "local"]).await.ok();
    assert!(said.out.contains("(review, triage)"), "{said:?}");
    assert_eq!(text(&rig), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_edit_changes_nothing() {
    let rig = plain("agents::a_wrong_edit").await;
    rig.run(&["agents", "hire", "one", "--role", "triage"]).await.ok();
    let before = text(&rig);
    let wrong: [(&[&str], &str); 9] = [
        (&["hire", "far", "--url", "http://10.0.0.1", "--model", "m"], "plain http to another machine"),
        (&["hire", "far", "--url", "http://127.0.0.1"], "--model"),
        (&["hire", "one"], "there is an agent `one` already"),
        (&["hire", "default"], "there is an agent `default` already"),
        (&["hire", "two", "--role", "triage"], "the role `triage` has `one` already"),
        (&["hire", "two", "--backend", "claude", "--account", "nobodys"], "there is no account `nobodys`"),
        (&["hire", "No Name"], "is not a name for an agent"),
        (&["dismiss", "two"], "there is no agent `two` to dismiss"),
        (&["dismiss", "default"], "cannot be dismissed"),
    ];
    for (words, expected) in wrong {
        let said = rig.run(&[&["agents"], words].concat()).await;
        assert_eq!(said.code, Some(2), "{words:?}: {said:?}");
        assert!(said.err.contains(expected), "{words:?}: {expected:?} in {}", said.err);
        assert_eq!(text(&rig), before, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_runs_takes_up_who_is_hired() {
    let rig = plain("agents::a_daemon_that_runs").await;
    let daemon = rig.start(&["run"]);
    until("the first look", || (!rig.records().is_empty()).then_some(())).await;
    let script = rig.dir.path().join("agent/agent.sh").display().to_string();
    let hire = ["agents", "hire", "reader", "--role", "triage", "--backend", "command", "--command", "sh", &script];
    rig.run(&hire).await.ok();
    let taken = || {
        let log = rig.left_in("logs").into_iter().map(|name| rig.state_dir().join("logs").join(name));
        log.into_iter().any(|file| std::fs::read_to_string(file).is_ok_and(|t| t.contains("was read anew"))).then_some(())
    };
    until("the configuration taken up", taken).await;
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    until("the pull request", || (rig.labels(number) == ["claude-pr"]).then_some(())).await;
    assert_eq!(turns(&rig)[0], ("read".to_owned(), "reader".to_owned()));
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_show_what_each_is_at() {
    let agent = Agent::scripted(TRIAGE, &format!("wait_for go; {FIX}"));
    let plan = Plan::new("agents::what_each_is_at").agent(agent).daemon("poll = \"1s\"").mode(Mode::None);
    let rig = plan.rig().await.expect("it needs nothing");
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["claude-queue"]).await;
    let daemon = rig.start(&["run"]);
    rig.at_work("work").await;
    let doing = listed(&rig.json(&["agents", "--json"]).await, "default")["doing"].clone();
    assert_eq!((&doing[0]["issue"], &doing[0]["step"]), (&json!(format!("{REPO}#{number}")), &json!("work")));
    assert!(rig.run(&["agents"]).await.ok().out.contains(&format!("at work   {REPO}#{number} (work)")));
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_model_is_hired_by_its_url_and_gets_no_key() {
    let api = MessagesApi::start(play).await;
    let agent = Agent::Claude { program: claude(), url: "https://api.anthropic.com".into(), more: "" };
    let plan = Plan::new("agents::a_local_model").agent(agent).mode(Mode::None);
    let Some(rig) = plan.env("ANTHROPIC_API_KEY", "sk-ant-api03-not-for-anybody-else").rig().await else { return };
    rig.run(&["agents", "hire", "local", "--url", api.url(), "--model", "qwen", "--role", "dev,triage"]).await.ok();
    let number = rig.issue("Total is wrong", "2 and 2 gives 5", &["portal"]).await;
    rig.once().await;
    assert_eq!(rig.labels(number), ["claude-pr"], "{}", rig.story());
    let requests = api.requests();
    assert!(!requests.is_empty() && requests.iter().all(|r| r.body["model"] == "qwen"));
    for request in &requests {
        let headers = format!("{:?}", request.headers);
        assert!(!headers.contains("not-for-anybody-else"), "{headers}");
    }
}
