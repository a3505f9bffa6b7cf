//! What the forge is to hold back beside forgehand: who is told of it, and who sets it.

use forgehand::localforge::SeedFile;
use forgehand::sandbox::Mode;
use serde_json::{Value, json};

use crate::agents::person;
use crate::ops::{OPS, git_in, ops_clone};
use crate::rig::{Plan, REPO, Rig};

async fn rig(test: &'static str) -> Rig {
    let plan = Plan::new(test).mode(Mode::None).project("merge = \"policy\"\nreview = \"required\"");
    let rig = plan.rig().await.expect("it needs nothing");
    let policy = SeedFile { path: "vault/policy.toml", content: "approvers = [\"judge\", \"bot\"]\n", executable: false };
    rig.seed.create_repo("owner", "ops", false, &[policy]).await.expect("a repository");
    rig.seed.add_collaborator(OPS, "bot", "write").await.expect("a collaborator");
    person(&rig, "judge", "write").await;
    let owner = rig.seed.token("owner", &["write:issue", "write:repository", "read:user"]).await.expect("a token");
    rig.reconfigure("token_file = \"token\"\n", "token_file = \"token\"\nrights_token_env = \"OWNER_TOKEN\"\n");
    rig.reconfigure("[agent]\n", &format!("[ops]\nrepo = \"{OPS}\"\n\n[agent]\n"));
    rig.with_env("OWNER_TOKEN", &owner)
}

impl Rig {
    /// What the doctor says of a thing: its status, and what it says, for each.
    async fn of(&self, name: &str) -> Vec<(String, String)> {
        let said = self.run(&["doctor", "--json"]).await;
        let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:#?}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = report["checks"].as_array().expect("checks").iter().filter(|check| check["name"] == name);
        all.map(|check| (text(&check["status"]), text(&check["says"]))).collect()
    }

    #[track_caller]
    fn says<'a>(&'a self, name: &'a str, status: &'a str, words: &'a str) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let all = self.of(name).await;
            assert!(
                all.iter().any(|(s, says)| s == status && says.contains(words)),
                "{at}: {status} {words:?} is not in {all:#?}"
            );
        }
    }

    async fn rules(&self, repo: &str) -> Value {
        self.seed.api("owner", "GET", &format!("repos/{repo}/branch_protections"), Value::Null).await.expect("the rules")
    }
}

async fn write_policy(rig: &Rig, text: &str) {
    let clone = ops_clone(rig).await;
    std::fs::write(clone.path().join("vault/policy.toml"), text).expect("written");
    git_in(&clone, &["commit", "-qam", "Another policy"]).await;
    git_in(&clone, &["push", "-q", "origin", "main"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_sets_what_the_doctor_misses_and_makes_no_rule_looser() {
    let rig = rig("protection::set").await;
    rig.says("protection", "warn", "main does not demand an approval, all that of administrators too").await;
    rig.says("operations", "warn", "vault/policy.toml) is not protected").await;
    let tried = rig.run(&["init", "--protect", "--dry-run"]).await.ok();
    assert!(tried.out.contains("will protect main of owner/app, so that it demands an approval"), "{}", tried.out);
    assert_eq!(rig.rules(REPO).await, json!([]), "nothing was touched");
    rig.run(&["init", "--protect", "--yes"]).await.ok();
    let (app, ops) = (rig.rules(REPO).await, rig.rules(OPS).await);
    let of = |rules: &Value| {
        [
            "required_approvals",
            "apply_to_admins",
            "enable_push",
            "enable_status_check",
            "dismiss_stale_approvals",
            "protected_file_patterns",
        ]
        .map(|key| rules[0][key].clone())
    };
    assert_eq!(of(&app), [json!(1), json!(true), json!(true), json!(false), json!(true), json!("")], "{app:#}");
    assert_eq!(
        of(&ops),
        [
            json!(1),
            json!(false),
            json!(true),
            json!(false),
            json!(true),
            json!("vault/actions/**;vault/pending/**;vault/policy.toml")
        ],
        "{ops:#}"
    );
    let again = rig.run(&["init", "--protect", "--yes"]).await.ok();
    assert!(again.out.contains("nothing to do") && again.out.contains("main of owner/app is protected as"), "{}", again.out);
    rig.says("protection", "ok", "main demands an approval, all that of administrators too").await;
    rig.says("operations", "ok", "vault/policy.toml) is protected").await;

    // Theirs is stricter, or hinders: that is said and left.
    let rule = format!("repos/{REPO}/branch_protections/main");
    rig.seed.api("owner", "PATCH", &rule, json!({ "required_approvals": 2 })).await.expect("changed");
    rig.says("protection", "warn", "demands 2 approvals, and what is low gets 1").await;
    rig.run(&["init", "--protect", "--yes"]).await.ok();
    assert_eq!(rig.rules(REPO).await[0]["required_approvals"], 2);
    // Files of a project are not protected by us: the forge would merge nothing that touches them.
    let files = |patterns: &str, admins: bool| json!({ "required_approvals": 1, "protected_file_patterns": patterns, "apply_to_admins": admins });
    rig.seed.api("owner", "PATCH", &rule, files(".forgejo/**", true)).await.expect("changed");
    rig.says(
        "protection",
        "warn",
        "main protects files (.forgejo/**): whatever is approved, only an administrator of the forge can merge what touches them",
    )
    .await;
    rig.seed.api("owner", "PATCH", &rule, files(".forgejo/**", false)).await.expect("changed");
    rig.says("protection", "warn", "only an administrator, by force, can merge").await;
    rig.seed.api("owner", "PATCH", &rule, files("", true)).await.expect("changed");
    let alone = json!({ "required_approvals": 1, "enable_merge_whitelist": true, "merge_whitelist_usernames": ["owner"] });
    rig.seed.api("owner", "PATCH", &rule, alone).await.expect("changed");
    rig.says("protection", "warn", "bot may not merge to main, whatever is approved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_who_may_approve_and_proves_that_it_can_write() {
    let rig = rig("protection::told").await;
    let before = git_in(&ops_clone(&rig).await, &["rev-parse", "main^{tree}"]).await;
    rig.says("operations", "ok", "forgehand wrote a file and took it away again").await;
    assert_eq!(git_in(&ops_clone(&rig).await, &["rev-parse", "main^{tree}"]).await, before, "all is as it was");
    rig.says("policy", "ok", "vault/policy.toml of owner/ops at ").await;
    rig.says("approval", "ok", "judge may, by `approvers` of the policy; the word of bot never counts").await;
    rig.says("approval", "ok", "owner/ops: judge approve actions, by `approvers` of the policy").await;
    rig.seed.add_collaborator(REPO, "judge", "read").await.expect("a collaborator");
    rig.says("approval", "warn", "judge of the policy's `approvers` may not write there").await;
    write_policy(&rig, "approvers = [\"bot\"]\n").await;
    rig.says("approval", "warn", "names accounts of forgehand's alone").await;
    rig.says("approval", "warn", "owner/ops: `approvers` of the policy names accounts of forgehand's alone").await;
    write_policy(&rig, "").await;
    rig.says("approval", "ok", "owner/ops: owner approve actions, as its administrators").await;
    rig.reconfigure("review = \"required\"", "review = \"required\"\nobey = [\"judge\"]");
    rig.says("approval", "ok", "judge may what is medium, by `obey`, and never what is high").await;
    write_policy(&rig, "approvers = 7\n").await;
    rig.says("policy", "fail", "cannot be read, so everything is high").await;
    rig.seed.add_collaborator(OPS, "bot", "read").await.expect("a collaborator");
    rig.says("operations", "fail", "forgehand cannot write there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_classified_by_the_policy_in_force() {
    let rig = rig("protection::classified").await;
    let file = json!({ "content": "eA==", "message": "More", "branch": "main", "new_branch": "more" });
    rig.seed.api("owner", "POST", &format!("repos/{REPO}/contents/more.txt"), file).await.expect("a commit");
    let pull = json!({ "head": "more", "base": "main", "title": "More", "body": "" });
    let pull = rig.seed.api("owner", "POST", &format!("repos/{REPO}/pulls"), pull).await.expect("a pull request");
    let number = pull["number"].to_string();
    let tier = async |more: &[&str]| {
        let said = rig.run(&[&["vault", "classify", &number, "--json"], more].concat()).await.ok();
        let told: Value = serde_json::from_str(&said.out).expect("nothing else on stdout");
        (told["tier"].as_str().expect("a tier").to_owned(), said.err)
    };
    let (found, err) = tier(&[]).await;
    assert!(found == "low" && err.contains("by vault/policy.toml of owner/ops at "), "{found} {err}");
    write_policy(&rig, "[paths]\n\"*.txt\" = \"medium\"\n").await;
    assert_eq!(tier(&[]).await.0, "medium");
    write_policy(&rig, "[paths\n").await;
    let (found, err) = tier(&[]).await;
    assert!(found == "high" && err.contains("which cannot be read, so everything is high"), "{found} {err}");
    let own = rig.dir.path().join("own.toml");
    std::fs::write(&own, "").expect("a policy");
    let (found, err) = tier(&["--policy", own.to_str().expect("text")]).await;
    assert!(found == "low" && !err.contains("by "), "{found} {err}");
}
