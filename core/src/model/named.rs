//! What a formula names, so that only that is read for its runs.
//!
//! Promises: nothing that an expression or a tag of a template names is missed, however it is spelt: words are looked for and no paths, so that
//! `issue.tasks`, `issue['tasks']` and a chain over several lines are the same. Words of another meaning may count too, which costs a request.
//! What a prompt says outside of its tags does not.

use serde_json::Value as Json;

use super::Formula;

/// The keys of steps that hold templates.
const TEMPLATES: [&str; 5] = ["prompt", "title", "body", "path", "pull"];
/// What the answers of agents are to be names nothing.
const SCHEMA: &str = "schema";

impl Formula {
    /// Whether its steps, or what it ends as, name something by these words.
    pub fn names(&self, words: &[&str]) -> bool {
        let found = |value: serde_json::Result<Json>| value.is_ok_and(|value| names(&value, false, words));
        found(serde_json::to_value(&self.steps)) || found(serde_json::to_value(&self.outcomes))
    }
}

fn names(value: &Json, template: bool, words: &[&str]) -> bool {
    match value {
        Json::String(text) => match template || text.contains("{{") {
            true => tags(text).any(|tag| has_all(tag, words)),
            false => has_all(text, words),
        },
        Json::Array(items) => items.iter().any(|item| names(item, template, words)),
        Json::Object(object) => {
            let inner = object.iter().filter(|(key, _)| *key != SCHEMA);
            inner.into_iter().any(|(key, value)| names(value, TEMPLATES.contains(&key.as_str()), words))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// What stands between the brackets of a template.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).map(|tag| tag.split("}}").next().unwrap_or(tag))
}

fn has_all(text: &str, words: &[&str]) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    words.iter().all(|word| text.split(|c: char| !part(c)).any(|found| found == *word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_named_is_found_however_it_is_spelt_and_prose_is_not() {
        let tasks = ["issue", "tasks"];
        for spelt in ["issue.tasks.exists(t, t.open)", "!issue['tasks'].exists(t, t.open)", "issue\n  .tasks", "issue . tasks"] {
            assert!(names(&json!([{ "when": spelt }]), false, &tasks), "{spelt}");
        }
        assert!(names(&json!({ "prompt": "Do {{#each issue.tasks}}{{number}}{{/each}}." }), false, &tasks));
        assert!(names(&json!({ "with": { "all": { "expression": "issue.tasks" } } }), false, &tasks));
        for other in ["issue.tasks_cut", "issue.number", "steps.tasks.status"] {
            assert!(!names(&json!({ "when": other }), false, &tasks), "{other}");
        }
        assert!(!names(&json!({ "prompt": "An issue and its tasks. {{repo}}" }), false, &tasks));
        assert!(!names(&json!({ "output": { "schema": { "description": "The issue and its tasks." } } }), false, &tasks));
    }
}
