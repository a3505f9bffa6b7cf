//! Changes of the same files: who waits for whom, and that nobody does where it is not wanted.

use std::collections::BTreeSet;

use forgehand::ledger::{Decided, IssueState, Ledger, Reviews, Said, Triaged};
use forgehand::model::{
    Branch, Change, ChangedFile, Dependency, FormulaName, IssueNumber, LabelNames, OverlapRule, Overlapping, PullNumber, Sha,
    Status, Story, Wait, Wanted, WantedBy,
};
use forgehand::plan::{Plan, View, check, plan};
use forgehand::words;

use super::plan_properties::settle;
use super::plan_running::{NOW, Site, at, repo, starts, waiting};
use super::plan_world::{Fate, World, policy, revising_policy, subject};

/// Issues of `o/a` that stand in the queue, with the files that triage named.
struct Queue {
    site: Site,
    ledger: Ledger,
}

impl Queue {
    fn new(likely: &[&[&str]]) -> Self {
        Self::on(Site::new(4, &[("o/a", likely.len() as u64)]), likely)
    }

    fn on(site: Site, likely: &[&[&str]]) -> Self {
        let mut queue = Self { ledger: site.ledger(), site };
        for (files, number) in likely.iter().zip(1..) {
            queue.likely(number, files);
        }
        queue
    }

    fn issue(&mut self, number: u64) -> &mut IssueState {
        let project = self.ledger.projects.get_mut(&repo("o/a")).expect("a project");
        project.issues.get_mut(&IssueNumber(number)).expect("an issue")
    }

    fn likely(&mut self, number: u64, files: &[&str]) {
        let issue = self.issue(number);
        let (text, decided, files) =
            (issue.seen.text.clone(), Decided::default(), files.iter().map(|f| (*f).to_owned()).collect());
        issue.triaged = Some(Triaged { text, decided, read_up_to: None, breakdown: None, files });
    }

    fn rule(&mut self, overlap: OverlapRule) {
        self.site.project("o/a").overlap = overlap;
    }

    fn plan(&self) -> Plan {
        let fresh = self.site.policy.projects.keys().cloned().collect();
        let checked = [1, 2, 3].map(|number| (at("o/a", number), NOW)).into();
        let view = View { fresh, checked, ..View::default() };
        let made = plan(&self.ledger, &view, &self.site.policy, NOW);
        check(&made, &self.ledger, &view, &self.site.policy).expect("a plan that keeps the rules");
        made
    }

    fn starts(&self) -> Vec<String> {
        starts(&self.plan())
    }

    fn wait(&self, number: u64) -> Option<Wait> {
        self.plan().waits.get(&at("o/a", number)).cloned()
    }
}

fn on(number: u64, by: Overlapping, files: &[&str]) -> Option<Wait> {
    Some(Wait::Overlap { on: at("o/a", number), by, files: files.iter().map(|f| (*f).to_owned()).collect(), more: 0 })
}

fn changed(paths: &[&str]) -> Change {
    let sha = |c: &str| -> Sha { c.repeat(40).parse().expect("a name of an object") };
    let file = |path: &&str| ChangedFile { path: (*path).to_owned(), from: None, added: 1, removed: 0, marks: BTreeSet::new() };
    let (files, person_paths, verify_paths) = (paths.iter().map(file).collect(), Vec::new(), Vec::new());
    Change { head: sha("3"), base: sha("1"), commits: 1, files, added: 1, removed: 0, person_paths, verify_paths }
}

#[test]
fn of_two_that_meet_the_first_begins_and_the_other_says_what_it_waits_for() {
    let mut queue = Queue::new(&[&["src/parse.rs", "README.md"], &["docs/x.md", "src/"], &["web/index.html"], &[]]);
    assert_eq!(queue.starts(), ["o/a#1", "o/a#3", "o/a#4"]);
    let wait = queue.wait(2);
    assert_eq!(wait, on(1, Overlapping::Run, &["src/"]));
    let said = words::wait(&wait.expect("it waits"), &LabelNames::default());
    assert_eq!(said, "it would likely change the same files as o/a#1, which is at work: `src/`");
    queue.issue(2).seen.labels.insert("priority".into());
    assert_eq!(
        (queue.starts(), queue.wait(1)),
        (vec!["o/a#2".into(), "o/a#3".into(), "o/a#4".into()], on(2, Overlapping::Run, &["src/parse.rs"]))
    );
    queue.rule(OverlapRule::Off);
    assert_eq!((queue.starts().len(), queue.wait(1)), (4, None));
}

#[test]
fn a_run_changes_what_its_commits_do_where_they_were_judged_and_what_is_likely_before() {
    let mut site = Site::new(4, &[("o/a", 3)]);
    site.run("o/a", 1);
    let mut queue = Queue::on(site, &[&["a"], &["a"], &["b", "c", "d", "e", "f"]]);
    assert_eq!((queue.starts(), queue.wait(2)), (vec!["o/a#3".to_owned()], on(1, Overlapping::Run, &["a"])));
    queue.issue(1).run.as_mut().expect("a run").change = Some(changed(&["f", "E", "d", "c"]));
    assert_eq!(queue.starts(), ["o/a#2"]);
    let files = ["c", "d", "e"].map(str::to_owned).to_vec();
    let wait = Wait::Overlap { on: at("o/a", 1), by: Overlapping::Run, files, more: 1 };
    assert_eq!(queue.wait(3), Some(wait.clone()));
    assert!(words::wait(&wait, &LabelNames::default()).ends_with("`c`, `d`, `e` and 1 more file"), "a few are told");
    // Where it goes elsewhere it is in nobody's way.
    queue.site.policy.projects.values_mut().for_each(|project| project.base = Some(Branch("next".into())));
    let fix = &mut queue.issue(1).run.as_mut().expect("a run").formula;
    fix.workspace.base = Some(Branch("main".into()));
    assert_eq!(queue.starts(), ["o/a#2", "o/a#3"]);
}

#[test]
fn who_only_looks_is_in_nobodys_way_and_has_nobody_in_its_own() {
    let mut queue = Queue::new(&[&["a"], &["a"]]);
    let glance = queue.site.policy.projects[&repo("o/a")].formulas[&FormulaName::from("triage")].clone();
    queue.site.project("o/a").formulas.insert("glance".into(), forgehand::model::Formula { name: "glance".into(), ..glance });
    let wanted = Wanted { formula: "glance".into(), inputs: Default::default(), by: WantedBy::Hand };
    queue.issue(2).wanted.push((wanted, NOW));
    assert_eq!(queue.starts(), ["o/a#2", "o/a#1"]);
}

#[test]
fn an_open_pull_request_holds_others_up_only_where_that_is_asked_for_and_never_its_own_issue() {
    let mut site = Site::new(4, &[("o/a", 2)]);
    waiting(&mut site, "o/a", 3);
    let mut queue = Queue::on(site, &[&["a"], &["b"], &["x"]]);
    queue.issue(3).pull.as_mut().expect("a pull request").files = BTreeSet::from(["A".to_owned()]);
    assert_eq!(queue.starts(), ["o/a#1", "o/a#2"]);
    queue.rule(OverlapRule::Open);
    let pull = Overlapping::Pull { pull: PullNumber(103) };
    assert_eq!((queue.starts(), queue.wait(1)), (vec!["o/a#2".to_owned()], on(3, pull, &["a"])));
    let said = words::wait(&queue.wait(1).expect("it waits"), &LabelNames::default());
    assert_eq!(said, "it would likely change the same files as pull request #103 of o/a#3, which is open: `a`");
    // More work on it waits for no pull request; where it waits for an issue, that could be the very one.
    let depends = Dependency { repo: repo("o/a"), issue: IssueNumber(1), open: true };
    queue.issue(3).depends = Some(vec![depends]);
    assert_eq!(queue.starts(), ["o/a#1", "o/a#2"]);
}

#[test]
fn two_open_pull_requests_of_the_same_files_are_revised_one_after_the_other() {
    let mut site = Site::new(4, &[("o/a", 0)]);
    site.policy.projects = revising_policy().projects.into_values().map(|project| (repo("o/a"), project)).collect();
    for number in [1, 2] {
        waiting(&mut site, "o/a", number);
    }
    let mut queue = Queue::on(site, &[]);
    for number in [1, 2] {
        let pull = queue.issue(number).pull.as_mut().expect("a pull request");
        (pull.files, pull.found, pull.conflicts) = (BTreeSet::from(["a".to_owned()]), false, true);
        pull.reviews = Reviews::Read;
        let status = Status { story: Story::Opened { pull: pull.number, tier: None }, set_back: None };
        queue.issue(number).said = Some(Said { comment: None, status });
    }
    queue.rule(OverlapRule::Open);
    assert_eq!((queue.starts(), queue.wait(2)), (vec!["o/a#1".to_owned()], on(1, Overlapping::Run, &["a"])));
}

#[test]
fn who_waits_for_a_run_keeps_its_turn_before_younger_ones_but_not_while_that_rests() {
    let mut site = Site::new(4, &[("o/a", 4)]);
    site.run("o/a", 1);
    let mut queue = Queue::on(site, &[&["a"], &["a", "b"], &["b"], &["c"]]);
    assert_eq!(queue.starts(), ["o/a#4"]);
    assert_eq!((queue.wait(2), queue.wait(3)), (on(1, Overlapping::Run, &["a"]), on(2, Overlapping::Turn, &["b"])));
    queue.issue(1).run.as_mut().expect("a run").parked = true;
    assert_eq!((queue.starts(), queue.wait(2)), (vec!["o/a#3".into(), "o/a#4".into()], on(1, Overlapping::Run, &["a"])));
}

#[test]
fn no_slot_is_said_before_files_that_meet() {
    let mut site = Site::new(1, &[("o/a", 2)]);
    site.run("o/a", 1);
    let queue = Queue::on(site, &[&["a"], &["a"]]);
    assert_eq!(queue.wait(2), Some(Wait::NoSlot { slots: 1, project: None }));
}

#[test]
fn what_triage_names_and_what_is_pushed_is_remembered() {
    let mut world = World::new(&[(vec!["portal"], false)], policy());
    settle(&mut world, Fate::Well(2));
    let state = world.core.ledger().issue(&subject(1)).expect("known");
    let named = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>();
    assert_eq!(state.triaged.as_ref().map(|triaged| triaged.files.clone()), Some(named(&["docs/b.md", "./c"])));
    let pull = state.open_pull().expect("a pull request");
    assert_eq!(pull.files, named(&["docs/b.md", "./c"]).into_iter().collect());
}
