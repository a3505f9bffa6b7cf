//! What the policy says, as values: the shipped one, and an operations repository's own over it.
//!
//! Promises: a policy is complete, whatever its own file leaves out; an entry of the own file takes the place of the shipped one of the same
//! name or pattern, and of no other. A policy that nobody can read makes everything high.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Serialize;

use super::{path, read};
use crate::document::Faults;
use crate::model::{FormulaName, Login, MergeStyle, OnVault, Risk};

/// What the shipped policy is called.
pub const SHIPPED: &str = "config/policy.toml";

/// The text of the shipped policy.
pub const SHIPPED_TEXT: &str = include_str!("../../../config/policy.toml");

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let read = read::own(SHIPPED, SHIPPED_TEXT);
    // A constant of this program, loaded by its tests.
    let own = read.unwrap_or_else(|faults| unreachable!("the shipped policy: {:?}", faults.lines()));
    Policy::bare().under(&own)
});

/// What other factories call the roles that are shipped here.
const ALIASES: [(&str, &str); 11] = [
    ("dev", "fix"),
    ("dev-agent", "fix"),
    ("review-pr", "review"),
    ("review-agent", "review"),
    ("run-gardener", "groom"),
    ("gardener", "groom"),
    ("groom-backlog", "groom"),
    ("run-planner", "plan"),
    ("run-predictor", "predict"),
    ("run-supervisor", "supervise"),
    ("run-architect", "architect"),
];

/// What a formula is called here, where that is another factory's name for it.
pub fn usual_name(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, usual)| usual)
}

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The tier of formulas' actions.
    tiers: BTreeMap<FormulaName, (Risk, String)>,
    paths: Vec<PathRule>,
    written: Arc<Index>,
    taken: Arc<Index>,
    /// Up to which size code is low.
    pub low: Size,
    /// Above how many changed lines, added and removed ones, everything is high.
    pub medium_lines: u64,
    /// What the gate does.
    pub gate: GateRules,
    /// Everything is high: the policy in force cannot be read.
    pub(super) unread: bool,
}

/// A size, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Changed lines, added and removed ones.
    pub lines: u64,
    /// Files.
    pub files: u64,
}

/// What the gate is told by the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRules {
    /// How long medium waits for an approval.
    pub wait: Duration,
    /// What comes after that.
    pub on_timeout: OnTimeout,
    /// Who may approve; the repository's administrators where nobody is named.
    pub approvers: Vec<Login>,
    /// What a run does while a vault action that it asked for waits.
    pub on_vault: ByTier,
    /// How long `soft-block` looks before its run steps back.
    pub window: Duration,
    /// How a low action goes through without a person; none: it does not.
    pub low_actions: Option<LowActions>,
    /// How a pull request is merged; none: as the repository usually does.
    pub merge_style: Option<MergeStyle>,
}

/// What a medium change does whose wait is over. An action waits on in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// It waits on.
    Wait,
    /// It goes through.
    Merge,
}

/// That for each tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByTier {
    /// For low.
    pub low: OnVault,
    /// For medium.
    pub medium: OnVault,
    /// For high.
    pub high: OnVault,
}

impl ByTier {
    /// That of a tier.
    pub fn of(&self, tier: Risk) -> OnVault {
        match tier {
            Risk::Low => self.low,
            Risk::Medium => self.medium,
            Risk::High => self.high,
        }
    }
}

/// How a low action goes through without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LowActions {
    /// It is committed with its record.
    Direct,
    /// By a pull request that an identity merges which may.
    SelfMerge,
}

/// A pattern of paths, and the tier of what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// As it is written.
    pub pattern: String,
    /// The tier.
    pub tier: Risk,
    /// The file that says so.
    pub file: String,
}

/// What a file says by itself; what it leaves out is none.
#[derive(Clone, Debug, Default)]
pub struct Own {
    pub(super) file: String,
    pub(super) tiers: BTreeMap<FormulaName, Risk>,
    pub(super) paths: Vec<(String, Risk)>,
    pub(super) low_lines: Option<u64>,
    pub(super) low_files: Option<u64>,
    pub(super) medium_lines: Option<u64>,
    pub(super) wait: Option<Duration>,
    pub(super) on_timeout: Option<OnTimeout>,
    pub(super) approvers: Option<Vec<Login>>,
    pub(super) on_vault: [Option<OnVault>; 3],
    pub(super) window: Option<Duration>,
    pub(super) low_actions: Option<LowActions>,
    pub(super) merge_style: Option<MergeStyle>,
}

impl Policy {
    /// The shipped one.
    pub fn shipped() -> &'static Self {
        &POLICY
    }

    /// The shipped policy with a file of one's own over it.
    ///
    /// # Errors
    /// Each mistake of the file, with its place. Until it is mended, [`Policy::everything_high`] of the last good one is to hold.
    pub fn parse(file: &str, text: &str) -> Result<Self, Faults> {
        read::own(file, text).map(|own| Self::shipped().under(&own))
    }

    /// This policy for as long as the file that should take its place cannot be read: everything is high, and said to be.
    #[must_use]
    pub fn everything_high(&self) -> Self {
        Self { unread: true, ..self.clone() }
    }

    /// The policy that denies most: what is said by nobody.
    fn bare() -> Self {
        Self {
            tiers: BTreeMap::new(),
            paths: Vec::new(),
            written: Arc::default(),
            taken: Arc::default(),
            low: Size { lines: 0, files: 0 },
            medium_lines: 0,
            gate: GateRules {
                wait: Duration::from_hours(24),
                on_timeout: OnTimeout::Wait,
                approvers: Vec::new(),
                on_vault: ByTier { low: OnVault::Block, medium: OnVault::Block, high: OnVault::Block },
                window: Duration::from_hours(2),
                low_actions: None,
                merge_style: None,
            },
            unread: false,
        }
    }

    /// With a file's entries over this policy's.
    fn under(&self, own: &Own) -> Self {
        let mut all = self.clone();
        all.tiers.extend(own.tiers.iter().map(|(name, tier)| (name.clone(), (*tier, own.file.clone()))));
        // Of those that mean the same the last one counts.
        let last: BTreeMap<String, usize> =
            own.paths.iter().enumerate().map(|(place, (pattern, _))| (path::folded(pattern), place)).collect();
        all.paths.retain(|rule| !last.contains_key(&path::folded(&rule.pattern)));
        let places: BTreeSet<usize> = last.into_values().collect();
        let rules = places.into_iter().filter_map(|place| own.paths.get(place));
        all.paths.extend(rules.map(|(pattern, tier)| PathRule { pattern: pattern.clone(), tier: *tier, file: own.file.clone() }));
        all.written = Index::of(&all.paths, path::written);
        let folded = Index::of(&all.paths, path::folded);
        // Most patterns are the same in either form, and an index of them takes memory.
        all.taken = if folded.patterns == all.written.patterns { Arc::clone(&all.written) } else { folded };
        all.low.lines = own.low_lines.unwrap_or(all.low.lines);
        all.low.files = own.low_files.unwrap_or(all.low.files);
        all.medium_lines = own.medium_lines.unwrap_or(all.medium_lines);
        let gate = &mut all.gate;
        gate.wait = own.wait.unwrap_or(gate.wait);
        gate.on_timeout = own.on_timeout.unwrap_or(gate.on_timeout);
        gate.window = own.window.unwrap_or(gate.window);
        gate.low_actions = own.low_actions.or(gate.low_actions);
        gate.merge_style = own.merge_style.or(gate.merge_style);
        if let Some(approvers) = &own.approvers {
            gate.approvers.clone_from(approvers);
        }
        let [low, medium, high] = own.on_vault;
        gate.on_vault = ByTier {
            low: low.unwrap_or(gate.on_vault.low),
            medium: medium.unwrap_or(gate.on_vault.medium),
            high: high.unwrap_or(gate.on_vault.high),
        };
        all
    }

    /// What the policy says of a formula, and which file of it: the entry of its very name, else the highest of those that mean the same.
    pub(super) fn entry(&self, formula: &str) -> Option<(Risk, &str)> {
        let own = self.tiers.get(&FormulaName::from(formula));
        let usual = usual_name(formula);
        let same = || self.tiers.iter().filter(|(name, _)| usual_name(name.as_str()) == usual).map(|(_, entry)| entry).max();
        own.or_else(same).map(|(tier, file)| (*tier, file.as_str()))
    }

    /// The rule that decides about a path; none where the policy has none: then it is code. Low is only what is low in whatever form.
    pub(super) fn rule(&self, path: &str) -> Option<&PathRule> {
        let [written, taken] = path::forms(path);
        let found = [self.written.highest(&written, &self.paths), self.taken.highest(&taken, &self.paths)];
        let raised = found.iter().flatten().filter(|rule| rule.tier > Risk::Low).max_by_key(|rule| rule.tier);
        raised.copied().or(found[0].and(found[1]))
    }
}

/// The patterns of all rules: the nth is of the nth rule. They are made ready when a path is first looked up: where nothing is merged, never.
#[derive(Debug, Default)]
struct Index {
    patterns: Vec<String>,
    set: OnceLock<GlobSet>,
}

impl Index {
    fn of(rules: &[PathRule], fold: fn(&str) -> String) -> Arc<Self> {
        let patterns = rules.iter().map(|rule| fold(&rule.pattern)).collect();
        Arc::new(Self { patterns, set: OnceLock::new() })
    }

    fn build(&self) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        // The reader of the file refused what is no pattern; whatever is none folded names nothing.
        let nothing = || Glob::new("/").unwrap_or_else(|_| unreachable!("a constant"));
        self.patterns.iter().for_each(|pattern| {
            set.add(glob(pattern).unwrap_or_else(|_| nothing()));
        });
        set.build().unwrap_or_default()
    }

    /// The highest rule that names a path, or a folder that it is in; the first of those that are as high.
    fn highest<'r>(&self, path: &str, rules: &'r [PathRule]) -> Option<&'r PathRule> {
        let set = self.set.get_or_init(|| self.build());
        let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at)).map(|folder| (folder, false));
        let named = |(place, itself): (&str, bool)| {
            let rules = set.matches(place).into_iter().filter_map(|nth| rules.get(nth));
            rules.filter(move |rule| rule.tier > Risk::Low || itself != rule.pattern.ends_with('/')).collect::<Vec<_>>()
        };
        folders.chain([(path, true)]).flat_map(named).reduce(|best, rule| if rule.tier > best.tier { rule } else { best })
    }
}

/// What a pattern means: a file or a folder at any depth, with all that is in it; from the root where it begins with `/`. Low is given to files
/// alone, or to what is in a folder where the pattern ends with `/`: `*.md` says nothing of what lies in a folder `x.md`.
pub(super) fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    let plain = pattern.trim_matches('/');
    let prefix = if pattern.starts_with('/') || plain.starts_with("**/") { "" } else { "**/" };
    GlobBuilder::new(&format!("{prefix}{plain}")).literal_separator(true).build()
}
