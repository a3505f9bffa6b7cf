//! Rules about the lines of a text, in a JSON schema: what a document that somebody writes whole has to look like.
//!
//! Promises: what is wrong is said with the number of its line and with what to write; lines that no rule is about are left to whoever writes
//! them. JSON schema has no word for this, so the rules stand beside its own as `x-lines`, which other readers of the schema pass over.

use regex::Regex;
use serde_json::Value as Json;

use super::Flaw;
use super::json::parts as parts_of;

/// The keyword.
pub const LINES: &str = "x-lines";
/// How deep a schema is looked into.
const DEPTH: usize = 64;
/// How much of a line is repeated, in characters.
const SHOWN: usize = 120;

/// A rule.
enum Rule {
    /// A line that looks like one thing is written in one way.
    Line { like: Regex, is: Regex },
    /// Each part of the text, from a line to the next such line, has exactly one line of a kind.
    Part { from: Regex, has: Regex },
    /// A part that has a line of one kind has none of another.
    Lacks { from: Regex, with: Regex, lacks: Regex },
}

/// What is wrong with the rules of a schema; none where they can be used.
pub fn flaw(schema: &Json) -> Option<Flaw> {
    fn of(part: &Json, at: &str, depth: usize) -> Option<Flaw> {
        if depth > DEPTH {
            return None;
        }
        let own = part.get(LINES).and_then(|rules| read(rules).err());
        let own = own.map(|what| Flaw { at: format!("{at}/{LINES}"), what });
        own.or_else(|| parts_of(part).find_map(|(name, inner)| of(inner, &format!("{at}/{name}"), depth + 1)))
    }
    of(schema, "", 0)
}

/// What is wrong with the texts of a value that fits the schema otherwise: each with its place and its line.
pub fn mistakes(schema: &Json, value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    look(schema, schema, value, "", &mut found, 0);
    found
}

/// The schema without its rules, for readers that know no other words than those of JSON schema.
pub fn without(schema: &mut Json) {
    match schema {
        Json::Object(fields) => {
            fields.remove(LINES);
            fields.values_mut().for_each(without);
        }
        Json::Array(items) => items.iter_mut().for_each(without),
        _ => {}
    }
}

fn look(schema: &Json, root: &Json, value: &Json, place: &str, found: &mut Vec<String>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    if let Some(to) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        look(to, root, value, place, found, depth + 1);
    }
    match value {
        Json::String(text) => {
            for (rule, write) in schema.get(LINES).and_then(|rules| read(rules).ok()).into_iter().flatten() {
                rule.judge(text, |at, what| found.push(format!("at {place}, line {at}: {what}: {write}")));
            }
        }
        Json::Object(fields) => {
            for (name, inner) in fields {
                if let Some(schema) = schema["properties"].get(name) {
                    look(schema, root, inner, &format!("{place}/{name}"), found, depth + 1);
                }
            }
        }
        Json::Array(items) => {
            for (nth, inner) in items.iter().enumerate() {
                look(&schema["items"], root, inner, &format!("{place}/{nth}"), found, depth + 1);
            }
        }
        _ => {}
    }
}

/// The rules, each with what to write.
fn read(rules: &Json) -> Result<Vec<(Rule, String)>, String> {
    let rules = rules.as_array().ok_or_else(|| format!("`{LINES}` is a list of rules"))?;
    rules.iter().map(rule).collect()
}

fn rule(rule: &Json) -> Result<(Rule, String), String> {
    let pattern = |name: &str| -> Result<Regex, String> {
        let text = rule[name].as_str().ok_or_else(|| format!("a rule of `{LINES}` lacks `{name}`, a pattern"))?;
        Regex::new(text).map_err(|why| format!("`{name}` of a rule of `{LINES}` is no pattern: {why}"))
    };
    let keys: Vec<&str> =
        rule.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).filter(|k| *k != "write").collect();
    let meant = match keys.as_slice() {
        ["is", "like"] => Rule::Line { like: pattern("like")?, is: pattern("is")? },
        ["from", "has"] => Rule::Part { from: pattern("from")?, has: pattern("has")? },
        ["from", "lacks", "with"] => Rule::Lacks { from: pattern("from")?, with: pattern("with")?, lacks: pattern("lacks")? },
        _ => return Err(format!("a rule of `{LINES}` has `like` and `is`, or `from` and `has`, or `from`, `with` and `lacks`")),
    };
    let write = rule["write"].as_str().ok_or_else(|| format!("a rule of `{LINES}` lacks `write`: what to write instead"))?;
    Ok((meant, write.to_owned()))
}

impl Rule {
    fn judge(&self, text: &str, mut wrong: impl FnMut(usize, String)) {
        let lines = || text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
        match self {
            Self::Line { like, is } => {
                for (at, line) in lines().filter(|(_, line)| like.is_match(line) && !is.is_match(line)) {
                    wrong(at, format!("`{}`", shown(line)));
                }
            }
            Self::Part { from, has } => {
                for part in parts(lines(), from) {
                    let (at, head) = part[0];
                    let of: Vec<usize> = part.iter().filter(|(_, line)| has.is_match(line)).map(|(at, _)| *at).collect();
                    match of.as_slice() {
                        [_] => {}
                        [] => wrong(at, format!("below `{}` a line is missing", shown(head))),
                        [_, second, ..] => wrong(*second, format!("a second such line below `{}`", shown(head))),
                    }
                }
            }
            Self::Lacks { from, with, lacks } => {
                for part in parts(lines(), from) {
                    let Some((_, with)) = part.iter().find(|(_, line)| with.is_match(line)) else { continue };
                    if let Some((at, line)) = part.iter().find(|(_, line)| lacks.is_match(line)) {
                        wrong(*at, format!("`{}` does not go with `{}`", shown(line), shown(with)));
                    }
                }
            }
        }
    }
}

/// The parts of a text that begin with such a line; what stands before the first is none.
fn parts<'t>(lines: impl Iterator<Item = (usize, &'t str)>, from: &Regex) -> Vec<Vec<(usize, &'t str)>> {
    let mut parts: Vec<Vec<(usize, &str)>> = Vec::new();
    for (at, line) in lines {
        if from.is_match(line) {
            parts.push(vec![(at, line)]);
        } else if let Some(part) = parts.last_mut() {
            part.push((at, line));
        }
    }
    parts
}

fn shown(line: &str) -> String {
    line.trim().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Json {
        json!({ "type": "object", "properties": { "tree": { "type": "string", "x-lines": [
            { "like": "(?i)^\\s*status", "is": "^Status: (DONE|BLOCKED — \\S)", "write": "Status: BLOCKED — why" },
            { "from": "^## ", "has": "^Status: ", "write": "one Status: line" },
            { "from": "^## ", "with": "^Status: DONE", "lacks": "^- \\[ \\]", "write": "tick it" },
        ] } } })
    }

    fn wrong(text: &str) -> Vec<String> {
        mistakes(&schema(), &json!({ "tree": text }))
    }

    #[test]
    fn a_text_as_the_rules_say_is_right() {
        assert_eq!(
            wrong("Words of people.\n\n## One\n\nStatus: BLOCKED — no mail\n\n- [ ] mail\n\n## Two\nStatus: DONE\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(
            wrong("## One\n\nstatus: blocked\nStatus: DONE\n"),
            ["at /tree, line 3: `status: blocked`: Status: BLOCKED — why"]
        );
        assert_eq!(wrong("## One\nwords\n"), ["at /tree, line 1: below `## One` a line is missing: one Status: line"]);
        assert_eq!(
            wrong("\n## One\nStatus: DONE\nStatus: DONE\n"),
            ["at /tree, line 4: a second such line below `## One`: one Status: line"]
        );
        assert_eq!(
            wrong("## One\nStatus: DONE\n- [ ] mail\n"),
            ["at /tree, line 3: `- [ ] mail` does not go with `Status: DONE`: tick it"]
        );
    }

    #[test]
    fn rules_that_cannot_be_used_are_said() {
        let of = |rules: Json| flaw(&json!({ "properties": { "a": { "x-lines": rules } } })).expect("it is wrong").to_string();
        assert!(of(json!("x")).starts_with("at /properties/a/x-lines: `x-lines` is a list of rules"));
        assert!(of(json!([{ "like": "x" }])).contains("`like` and `is`"));
        assert!(of(json!([{ "like": "(", "is": "x", "write": "x" }])).contains("no pattern"));
        assert!(of(json!([{ "like": "x", "is": "x" }])).contains("`write`"));
        assert_eq!(flaw(&schema()), None);
        let mut plain = schema();
        without(&mut plain);
        assert!(!plain.to_string().contains(LINES));
    }
}
