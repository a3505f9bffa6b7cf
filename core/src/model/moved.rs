//! What moved since a formula's last run about its project came to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{IssueNumber, OpenIssues, OpsFile, Sha, TextHash, Timestamp};

/// How far two clocks may be apart of which one tells whole seconds: within that, what moved an issue counts as the run's own doing.
const CLOCKS: Duration = Duration::from_secs(2);

/// What moved, and what the files that were read say now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moved {
    /// No run came to its end yet, or there are too many open issues to tell.
    pub unknown: bool,
    /// The base branch has another tip.
    pub commits: bool,
    /// Open issues that are new, moved, or carry other labels.
    pub issues: BTreeSet<IssueNumber>,
    /// Issues that were open and are not any more.
    pub closed: BTreeSet<IssueNumber>,
    /// Files of the operations repository that say something else, are new or gone.
    pub files: BTreeSet<String>,
    /// What the files that were read say.
    pub read: BTreeMap<String, TextHash>,
}

impl Moved {
    /// Whether anything did.
    pub fn anything(&self) -> bool {
        self.unknown || self.commits || !(self.issues.is_empty() && self.closed.is_empty() && self.files.is_empty())
    }
}

/// What a run left behind as it saw it: what it did itself is no news for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// The tip of the base branch.
    pub trunk: Sha,
    /// The open issues.
    pub issues: BTreeMap<IssueNumber, IssueMark>,
    /// What the files that it read or wrote say.
    pub files: BTreeMap<String, TextHash>,
    /// There were more open issues than are read.
    pub cut: bool,
}

/// An open issue as a run left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssueMark {
    /// The run only saw it.
    Seen {
        /// When it had moved last, by the forge's clock.
        updated: Timestamp,
        /// Its labels.
        labels: BTreeSet<String>,
        /// How many comments it had: a forge's clock tells whole seconds.
        #[serde(default)]
        comments: u64,
    },
    /// The run filed or changed it: what came until then, by our clock, was its own doing.
    Touched {
        /// When the run ended.
        until: Timestamp,
    },
}

impl Sight {
    /// What moved since. `by_our_clock` turns a time of the forge's into one of ours.
    pub fn moved(&self, trunk: &Sha, open: &OpenIssues, ops: &[OpsFile], by_our_clock: impl Fn(Timestamp) -> Timestamp) -> Moved {
        let standing: BTreeSet<IssueNumber> = open.items.iter().map(|issue| issue.number).collect();
        let has_moved = |issue: &&super::OpenIssue| match self.issues.get(&issue.number) {
            None => true,
            Some(IssueMark::Seen { updated, labels, comments }) => {
                (issue.updated, &issue.labels, issue.comments) != (*updated, labels, *comments)
            }
            Some(IssueMark::Touched { until }) => by_our_clock(issue.updated) > *until + CLOCKS,
        };
        let read = read(ops);
        let other = |(path, text): (&String, &TextHash), known: &BTreeMap<String, TextHash>| {
            (known.get(path) != Some(text)).then(|| path.clone())
        };
        let new = read.iter().filter_map(|file| other(file, &self.files));
        let gone = self.files.iter().filter_map(|file| other(file, &read));
        Moved {
            unknown: open.cut || self.cut,
            commits: self.trunk != *trunk,
            issues: open.items.iter().filter(has_moved).map(|issue| issue.number).collect(),
            closed: self.issues.keys().filter(|issue| !standing.contains(issue)).copied().collect(),
            files: new.chain(gone).collect(),
            read,
        }
    }
}

/// What files say.
pub fn read(ops: &[OpsFile]) -> BTreeMap<String, TextHash> {
    ops.iter().map(|file| (file.path.clone(), TextHash::of(&file.text))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Login, OpenIssue};
    use super::*;

    fn sha(digit: &str) -> Sha {
        digit.repeat(40).parse().expect("a commit")
    }

    fn issue(number: u64, updated: i64) -> OpenIssue {
        OpenIssue {
            number: IssueNumber(number),
            title: "It is slow".into(),
            body: String::new(),
            author: Login::from("reporter"),
            labels: BTreeSet::new(),
            created: Timestamp(0),
            updated: Timestamp(updated),
            comments: 0,
            filed_as: String::new(),
            parts: BTreeSet::new(),
            open_parts: BTreeSet::new(),
        }
    }

    fn sight() -> Sight {
        let seen = IssueMark::Seen { updated: Timestamp(10), labels: BTreeSet::new(), comments: 0 };
        let touched = IssueMark::Touched { until: Timestamp(100) };
        Sight {
            trunk: sha("1"),
            issues: BTreeMap::from([(IssueNumber(1), seen), (IssueNumber(2), touched)]),
            files: BTreeMap::from([("a.md".to_owned(), TextHash::of("a"))]),
            cut: false,
        }
    }

    fn moved(trunk: &str, issues: Vec<OpenIssue>, text: &str) -> Moved {
        let ops = [OpsFile { path: "a.md".into(), text: text.into() }];
        sight().moved(&sha(trunk), &OpenIssues { items: issues, cut: false }, &ops, |at| at)
    }

    #[test]
    fn what_the_run_did_itself_is_no_news() {
        let nothing = moved("1", vec![issue(1, 10), issue(2, 2_100)], "a");
        assert!(!nothing.anything(), "{nothing:?}");
        let after = moved("1", vec![issue(1, 10), issue(2, 2_101)], "a");
        assert_eq!(after.issues, BTreeSet::from([IssueNumber(2)]));
    }

    #[test]
    fn each_thing_that_moved_is_named() {
        assert!(moved("2", vec![issue(1, 10), issue(2, 90)], "a").commits);
        assert_eq!(moved("1", vec![issue(1, 11), issue(2, 90)], "a").issues, BTreeSet::from([IssueNumber(1)]));
        assert_eq!(moved("1", vec![issue(1, 10), issue(2, 90), issue(3, 1)], "a").issues, BTreeSet::from([IssueNumber(3)]));
        assert_eq!(moved("1", vec![issue(1, 10)], "a").closed, BTreeSet::from([IssueNumber(2)]));
        assert_eq!(moved("1", vec![issue(1, 10), issue(2, 90)], "b").files, BTreeSet::from(["a.md".to_owned()]));
        let labelled = OpenIssue { labels: BTreeSet::from(["bug".to_owned()]), ..issue(1, 10) };
        assert_eq!(moved("1", vec![labelled, issue(2, 90)], "a").issues, BTreeSet::from([IssueNumber(1)]));
        let gone = sight().moved(&sha("1"), &OpenIssues { items: vec![issue(1, 10), issue(2, 90)], cut: false }, &[], |at| at);
        assert_eq!(gone.files, BTreeSet::from(["a.md".to_owned()]));
    }

    #[test]
    fn what_was_left_out_may_have_moved() {
        let cut = OpenIssues { items: vec![issue(1, 10), issue(2, 90)], cut: true };
        let ops = [OpsFile { path: "a.md".into(), text: "a".into() }];
        assert!(sight().moved(&sha("1"), &cut, &ops, |at| at).anything());
    }
}
