//! How much a change or an action could break, and why: the classifier.
//!
//! Promises: a tier is the highest of its reasons, and each reason has its source; unknown is high. A merge's tier comes from what git says of the
//! change, by the rules of a policy; an agent's opinion and a request can only raise it. A path counts on both ends of a rename and in
//! each form that it may be taken for. What no rule can loosen - modes, links, submodules, deceiving paths - is decided here, the rest
//! stands in `config/policy.toml`, or in the policy that takes its place.

mod path;
mod policy;
mod read;
mod scripts;

use crate::model::{Change, ChangedFile, FileMark, Risk, TierReason, TierSource};

pub use path::forms;
pub use policy::{ByTier, GateRules, LowActions, OnTimeout, PathRule, Policy, SHIPPED, SHIPPED_TEXT, Size, usual_name};
pub use scripts::{same_scripts, says_scripts};

/// A line that is longer, in bytes, does not count as one: nobody reads it as one.
pub const LONG_LINE: usize = 1000;

/// A tier and its reasons: those that ask for most first, then by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The highest of the reasons.
    pub tier: Risk,
    /// At least one.
    pub reasons: Vec<TierReason>,
}

impl Tier {
    fn of(policy: &Policy, mut reasons: Vec<TierReason>) -> Self {
        if policy.unread {
            let why = "the policy in force cannot be read: everything is high until it can";
            reasons.push(reason(TierSource::Policy, None, Risk::High, why));
        }
        reasons.sort_by(|a, b| (b.tier, &a.path, a.source, &a.why).cmp(&(a.tier, &b.path, b.source, &b.why)));
        reasons.dedup();
        Self { tier: reasons.iter().map(|r| r.tier).max().unwrap_or(Risk::High), reasons }
    }

    /// The reasons for people, at most `most`, and of the rest how many there are: those that raise, or all where nothing does.
    pub fn told(&self, most: usize) -> Vec<TierReason> {
        let raises = |r: &&TierReason| r.tier > Risk::Low || self.tier == Risk::Low;
        let mut told: Vec<TierReason> = self.reasons.iter().filter(raises).cloned().collect();
        if let Some(last) = told.get(most).cloned() {
            let why = format!("and {} more like this", told.len() - most);
            told.truncate(most);
            told.push(TierReason { path: None, why, ..last });
        }
        told
    }
}

/// What is said of a change beside the change itself: it can only raise the tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opinions {
    /// The agent's own.
    pub agent: Option<Risk>,
    /// What a request asks for.
    pub request: Option<Risk>,
}

/// The tier of merging a change.
pub fn of_change(policy: &Policy, change: &Change, opinions: Opinions) -> Tier {
    let mut reasons: Vec<TierReason> = change.files.iter().flat_map(|file| of_file(policy, file)).collect();
    reasons.extend(of_size(policy, change));
    reasons.extend(
        change.person_paths.iter().map(|path| {
            reason(TierSource::PersonPath, Some(path.as_str()), Risk::High, "is a path that a person must decide on")
        }),
    );
    reasons.extend(change.verify_paths.iter().map(|path| {
        let why = "a verify command names it, so the change can bend its own check";
        reason(TierSource::Verification, Some(path.as_str()), Risk::Medium, why)
    }));
    raise(&mut reasons, opinions);
    Tier::of(policy, reasons)
}

/// The tier of an action: the policy's entry for its formula, else the formula's blast radius, else high. A request can only raise it.
pub fn of_action(policy: &Policy, formula: &str, blast_radius: Option<Risk>, request: Option<Risk>) -> Tier {
    let first = match (policy.entry(formula), blast_radius) {
        (Some((tier, file)), _) => {
            reason(TierSource::Policy, None, tier, &format!("`{formula}` is {} in [tiers] of {file}", word(tier)))
        }
        (None, Some(tier)) => reason(TierSource::Formula, None, tier, &format!("the blast radius of `{formula}` itself")),
        (None, None) => {
            reason(TierSource::Formula, None, Risk::High, &format!("neither the policy nor a formula says what `{formula}` is"))
        }
    };
    let mut reasons = vec![first];
    raise(&mut reasons, Opinions { agent: None, request });
    Tier::of(policy, reasons)
}

/// The tier of an action that a person does: nobody can say what that breaks, so nothing about it is lower.
pub fn of_persons_action(policy: &Policy, request: Option<Risk>) -> Tier {
    let mut reasons =
        vec![reason(TierSource::Formula, None, Risk::High, "a person does it: no formula says how much it could break")];
    raise(&mut reasons, Opinions { agent: None, request });
    Tier::of(policy, reasons)
}

/// Adds opinions; one that would lower is said to be ignored.
fn raise(reasons: &mut Vec<TierReason>, opinions: Opinions) {
    let found = reasons.iter().map(|r| r.tier).max().unwrap_or(Risk::High);
    let said =
        [(TierSource::Agent, "the agent's own opinion", opinions.agent), (TierSource::Request, "asked for", opinions.request)];
    for (source, who, tier) in said {
        let Some(tier) = tier else { continue };
        let why =
            if tier < found { format!("{who}: ignored, for it would lower, and this can only raise") } else { who.to_owned() };
        reasons.push(reason(source, None, tier, &why));
    }
}

/// What a file asks for by itself; nothing where it is code that only its size decides about.
fn of_file(policy: &Policy, file: &ChangedFile) -> Vec<TierReason> {
    let mut found: Vec<TierReason> = ends(file).flat_map(|path| of_path(policy, path)).collect();
    let long =
        format!("has a changed line of more than {LONG_LINE} bytes, or is too large to tell: how many lines changed says little");
    let mut add = |source, tier, why: &str| found.push(reason(source, Some(&file.path), tier, why));
    for mark in &file.marks {
        match mark {
            FileMark::Deleted => add(TierSource::Diff, Risk::Medium, "is deleted"),
            FileMark::Binary => add(TierSource::Diff, Risk::Medium, "is binary: nobody can read what changed"),
            FileMark::Executable => add(TierSource::Diff, Risk::Medium, "is new, and can be executed"),
            FileMark::Mode => add(TierSource::Diff, Risk::High, "its mode changed"),
            FileMark::Symlink => add(TierSource::Diff, Risk::High, "is or was a symbolic link"),
            FileMark::Submodule => add(TierSource::Diff, Risk::High, "is or was a submodule: code of another repository"),
            FileMark::SameScripts => {}
            // Of documentation that is a paragraph.
            FileMark::LongLine if is_text(policy, file) => {}
            FileMark::LongLine => add(TierSource::Size, Risk::Medium, &long),
        }
    }
    if ends(file).any(says_scripts) && !file.marks.contains(&FileMark::SameScripts) {
        add(TierSource::Scripts, Risk::High, "what it has run on a build or an installation changed, or could not be compared");
    }
    // Content that was somewhere and is not any more: only of documentation is that as good as an edit.
    if let Some(from) = &file.from
        && !is_text(policy, file)
    {
        found.push(reason(TierSource::Diff, Some(from), Risk::Medium, "is gone from here by a rename"));
    }
    found
}

fn of_path(policy: &Policy, path: &str) -> Vec<TierReason> {
    let rule = policy.rule(path).map(|rule| {
        let why = format!("`{}` is {} in [paths] of {}", rule.pattern, word(rule.tier), rule.file);
        reason(TierSource::Policy, Some(path), rule.tier, &why)
    });
    let deceives = path::deceives(path).map(|why| reason(TierSource::Diff, Some(path), Risk::High, why));
    rule.into_iter().chain(deceives).collect()
}

/// What the size asks for: code is low up to a limit, and nothing is beyond the other one.
fn of_size(policy: &Policy, change: &Change) -> Vec<TierReason> {
    let mut found = Vec::new();
    let all = lines(change.files.iter()).max(change.added.saturating_add(change.removed));
    if all > policy.medium_lines {
        let why = format!("{all} changed lines are more than {}", policy.medium_lines);
        found.push(reason(TierSource::Size, None, Risk::High, &why));
    }
    let code: Vec<&ChangedFile> = change.files.iter().filter(|file| !is_text(policy, file)).collect();
    let size = Size { lines: lines(code.iter().copied()), files: u64::try_from(code.len()).unwrap_or(u64::MAX) };
    let limit = policy.low;
    let (counted, most) = (counted(size), counted(limit));
    if size.files == 0 {
        if change.files.is_empty() {
            found.push(reason(TierSource::Size, None, Risk::Low, "nothing changes"));
        }
    } else if size.lines > limit.lines || size.files > limit.files {
        found.push(reason(TierSource::Size, None, Risk::Medium, &format!("{counted} of code are more than {most}")));
    } else {
        found.push(reason(TierSource::Size, None, Risk::Low, &format!("{counted} of code are not more than {most}")));
    }
    found
}

/// Whether a file is documentation or text on both ends.
fn is_text(policy: &Policy, file: &ChangedFile) -> bool {
    ends(file).all(|path| policy.rule(path).is_some_and(|rule| rule.tier == Risk::Low))
}

fn ends(file: &ChangedFile) -> impl Iterator<Item = &str> {
    std::iter::once(file.path.as_str()).chain(file.from.as_deref())
}

fn lines<'f>(files: impl Iterator<Item = &'f ChangedFile>) -> u64 {
    files.fold(0, |sum, file| sum.saturating_add(file.added).saturating_add(file.removed))
}

fn counted(size: Size) -> String {
    let of = |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    format!("{} in {}", of(size.lines, "line"), of(size.files, "file"))
}

fn word(tier: Risk) -> &'static str {
    match tier {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

fn reason(source: TierSource, path: Option<&str>, tier: Risk, why: &str) -> TierReason {
    TierReason { source, path: path.map(str::to_owned), tier, why: why.to_owned() }
}

#[cfg(test)]
mod tests;
