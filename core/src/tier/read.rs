//! Reading a policy: `policy.toml`, into what it says by itself.

use std::collections::BTreeMap;

use super::policy::{LowActions, OnTimeout, Own, glob};
use crate::document::{self, Faults, Table, Value, nearest};
use crate::model::OnVault;
use crate::model::{FormulaName, Login, MergeStyle, Risk};

/// The words for tiers.
const TIERS: [(&str, Risk); 3] = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];

const ON_VAULT: [(&str, OnVault); 4] =
    [("continue", OnVault::Continue), ("soft-block", OnVault::SoftBlock), ("label", OnVault::Label), ("block", OnVault::Block)];

/// The keys of the top level that are no formula's name.
const KEYS: [&str; 8] = ["tiers", "paths", "limits", "low", "medium", "on_vault", "approvers", "merge_style"];

/// The most that a limit can be.
const MOST: u64 = 1_000_000;

/// Reads a policy's own file.
pub(super) fn own(file: &str, text: &str) -> Result<Own, Faults> {
    document::read(file, text, |root| Some(Own { file: file.to_owned(), ..whole(root) }))
}

fn whole(root: &Table<'_>) -> Own {
    let styles = MergeStyle::ALL.map(|style| (style.word(), style));
    let limits = root.table("limits");
    let (small, large) = (limits.table("low"), limits.table("medium"));
    let (low, medium) = (root.table("low"), root.table("medium"));
    let whole = |value: &Value<'_>| value.whole(0, MOST);
    let (on_vault, window) = on_vault(root);
    let own = Own {
        low_lines: small.optional("lines", whole),
        low_files: small.optional("files", whole),
        medium_lines: large.optional("lines", whole),
        wait: medium.optional("wait", Value::some_time),
        on_timeout: medium.optional("on_timeout", |v| v.one_of(&[("wait", OnTimeout::Wait), ("merge", OnTimeout::Merge)])),
        approvers: root.optional("approvers", |v| v.list(login)),
        on_vault,
        window,
        low_actions: low
            .optional("actions", |v| v.one_of(&[("direct", LowActions::Direct), ("self-merge", LowActions::SelfMerge)])),
        merge_style: root.optional("merge_style", |v| v.one_of(&styles)),
        paths: root.named_values("paths").iter().filter_map(|(pattern, value)| path_rule(pattern, value)).collect(),
        // Last: what nobody asked for by then is a formula.
        tiers: tiers(root),
        file: String::new(),
    };
    if let (Some(few), Some(many)) = (own.low_lines, own.medium_lines)
        && few > many
    {
        large.wrong(format!("{many} lines are fewer than those of low ({few})"), "write more lines here, or fewer there");
    }
    own
}

/// `on_vault = "block"`, or a table with a word for each tier.
fn on_vault(root: &Table<'_>) -> ([Option<OnVault>; 3], Option<std::time::Duration>) {
    let word = |value: &Value<'_>| value.one_of(&ON_VAULT);
    match root.value("on_vault") {
        None => ([None; 3], None),
        Some(value) if value.is_table() => {
            let table = root.table("on_vault");
            let words = ["low", "medium", "high"].map(|tier| table.optional(tier, word));
            (words, table.optional("window", Value::some_time))
        }
        Some(value) => ([word(&value); 3], None),
    }
}

/// `[tiers]`, and the pairs of the top level that are no key.
fn tiers(root: &Table<'_>) -> BTreeMap<FormulaName, Risk> {
    let mut all = BTreeMap::new();
    let listed = root.named_values("tiers");
    let flat = root.rest().into_iter().filter(|(name, value)| is_pair(name, value));
    for (name, value) in listed.into_iter().chain(flat) {
        let name = FormulaName(name);
        if !is_formula(name.as_str()) {
            value.wrong::<()>(
                format!("`{}` is not a formula's name", name.as_str().escape_debug()),
                "small letters, digits and `-`, such as \"fix\"",
            );
        } else if let Some(tier) = value.one_of(&TIERS)
            && all.insert(name.clone(), tier).is_some()
        {
            value.wrong::<()>(format!("the tier of `{name}` is said twice"), "keep one of the two");
        }
    }
    all
}

/// Whether a key of the top level can be meant as a formula; if not, that is complained of.
fn is_pair(name: &str, value: &Value<'_>) -> bool {
    let near = nearest(name, KEYS);
    let is_word = value.is_text();
    if is_formula(name) && is_word {
        return true;
    }
    let help = match near {
        Some(right) => format!("did you mean `{right}`?"),
        None => format!("the keys here are {}, and names of formulas", KEYS.map(|key| format!("`{key}`")).join(", ")),
    };
    value.wrong::<()>(format!("unknown key `{}`", name.escape_debug()), help);
    false
}

fn is_formula(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn path_rule(pattern: &str, value: &Value<'_>) -> Option<(String, Risk)> {
    let tier = value.one_of(&TIERS)?;
    let plain = pattern.trim_matches('/');
    if plain.trim().is_empty() {
        return value.wrong("a pattern of paths is empty", "write it like \"docs/\" or \"*.md\"");
    }
    if let Err(e) = glob(pattern) {
        let help = "write it like \"docs/\", \"*.md\" or \"/deploy/**\"";
        return value.wrong(format!("`{}` is not a pattern of paths: {}", pattern.escape_debug(), e.kind()), help);
    }
    Some((pattern.to_owned(), tier))
}

fn login(value: &Value<'_>) -> Option<Login> {
    let text = value.filled()?;
    if let Some(bare) = text.strip_prefix('@') {
        return value.wrong(format!("`{text}` is not a login"), format!("write it without the @: \"{bare}\""));
    }
    let right = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if right {
        Some(Login(text))
    } else {
        value.wrong(format!("`{}` is not a login", text.escape_debug()), "letters, digits, `-`, `_` and `.` only")
    }
}
