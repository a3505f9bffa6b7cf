//! Which branch the work on an issue is pushed to.

use std::collections::BTreeSet;

use super::{Branch, Formula, IssueNumber};

/// What branches of ours are called: the issue's number behind a prefix, and behind that perhaps, with a `-`, a word of its formula's own. So
/// each begins with the prefix, names one issue, and is read back without doubt: a number has no `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchNames {
    /// What they begin with.
    pub prefix: String,
    /// The words that formulas put behind the number whose pull requests are opened from there.
    pub words: BTreeSet<String>,
}

impl BranchNames {
    /// Those of a project with these formulas.
    pub fn of<'f>(prefix: &str, formulas: impl IntoIterator<Item = &'f Formula>) -> Self {
        let opens = formulas.into_iter().filter(|formula| formula.opens_pull());
        let words = opens.filter_map(|formula| formula.branch_word().map(str::to_owned)).collect();
        Self { prefix: prefix.to_owned(), words }
    }

    /// The issue that a branch of ours names.
    pub fn issue_of(&self, branch: &Branch) -> Option<IssueNumber> {
        let rest = branch.as_str().strip_prefix(&self.prefix)?;
        let (number, word) = rest.split_once('-').map_or((rest, None), |(number, word)| (number, Some(word)));
        if word.is_some_and(|word| !self.words.contains(word)) {
            return None;
        }
        // `claude/issue-07` is not what we would call it.
        number.parse().ok().filter(|n: &u64| n.to_string() == number).map(IssueNumber).filter(|n| *n != IssueNumber::PROJECT)
    }
}

impl Formula {
    /// The word that tells its branches from those of other formulas: its own, or its name where it keeps what it made on a branch.
    pub fn branch_word(&self) -> Option<&str> {
        self.workspace.branch.as_deref().or_else(|| self.keeps_branch().then(|| self.name.as_str()))
    }

    /// The branch of its work on an issue.
    pub fn branch_of(&self, prefix: &str, issue: IssueNumber) -> Branch {
        Branch(match self.branch_word() {
            Some(word) => format!("{prefix}{}-{word}", issue.0),
            None => format!("{prefix}{}", issue.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_branch_of_ours_names_its_issue_and_what_others_call_so_does_not() {
        let names = BranchNames { prefix: "claude/issue-".to_owned(), words: ["spike".to_owned(), "a-b".to_owned()].into() };
        let of = |branch: &str| names.issue_of(&branch.into()).map(|issue| issue.0);
        assert_eq!(["claude/issue-7", "claude/issue-7-spike", "claude/issue-7-a-b"].map(of), [Some(7), Some(7), Some(7)]);
        for other in
            ["claude/issue-07", "claude/issue-7-", "claude/issue-7-other", "claude/issue-7-a", "issue-7", "claude/issue-0-spike"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
