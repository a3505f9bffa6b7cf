//! Data written as TOML: `toml(..)`.
//!
//! Promises: what is written is read again as the same data, whatever its texts say, but for what TOML has no word for: a field that is null is
//! left out. Short values stand first, long texts after them, tables last; among themselves in the order of their names, so that the same data
//! are always the same text.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

/// An object as a document; none where something in it cannot be written, such as a null in a list.
pub fn toml(object: &Map<String, Json>) -> Option<String> {
    let mut written = String::new();
    table(object, "", &mut written)?;
    Some(written)
}

fn table(object: &Map<String, Json>, path: &str, into: &mut String) -> Option<()> {
    let mut fields: Vec<(&String, &Json)> = object.iter().filter(|(_, value)| !value.is_null()).collect();
    fields.sort_by_key(|(name, value)| (place(value), *name));
    for (name, value) in fields {
        let name = key(name);
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Json::Object(inner) => {
                headed(&format!("[{path}]"), into);
                table(inner, &path, into)?;
            }
            Json::Array(items) if is_tables(items) => {
                for item in items.iter().filter_map(Json::as_object) {
                    headed(&format!("[[{path}]]"), into);
                    table(item, &path, into)?;
                }
            }
            value => writeln!(into, "{name} = {}", inline(value)?).ok()?,
        }
    }
    Some(())
}

fn headed(header: &str, into: &mut String) {
    let gap = if into.is_empty() { "" } else { "\n" };
    into.push_str(&format!("{gap}{header}\n"));
}

fn place(value: &Json) -> u8 {
    match value {
        Json::Object(_) => 2,
        Json::Array(items) if is_tables(items) => 3,
        Json::String(text) if text.contains('\n') => 1,
        _ => 0,
    }
}

fn is_tables(items: &[Json]) -> bool {
    !items.is_empty() && items.iter().all(Json::is_object)
}

fn inline(value: &Json) -> Option<String> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => value.to_string(),
        // Beyond 64 bits TOML has no whole numbers.
        Json::Number(number) if number.is_i64() || number.is_f64() => number.to_string(),
        Json::Number(_) => return None,
        Json::String(text) if text.contains('\n') => format!("\"\"\"\n{}\"\"\"", escaped(text, true)),
        Json::String(text) => format!("\"{}\"", escaped(text, false)),
        Json::Array(items) => {
            let items = items.iter().map(inline).collect::<Option<Vec<_>>>()?;
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| Some(format!("{} = {}", key(name), inline(value)?)));
            format!("{{ {} }}", fields.collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { name.to_owned() } else { format!("\"{}\"", escaped(name, false)) }
}

fn escaped(text: &str, over_lines: bool) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => written.push_str("\\\\"),
            // Of quotes only those end a long text that others follow.
            '"' if !over_lines || rest.peek().is_none_or(|next| *next == '"') => written.push_str("\\\""),
            '\n' if over_lines => written.push('\n'),
            '\t' => written.push_str("\\t"),
            c if c.is_control() => written.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Json {
        let value: toml::Value = toml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        serde_json::to_value(value).expect("data")
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all = json!({
            "": "an empty name", "a b": 1, "n": -2, "f": 1.5, "yes": true, "none": [], "texts": ["a", "\"b\"", "c\\n"],
            "mixed": [1, {"x": "y"}],
            "long": "a\n\"\"\"\nb\\c \"\"\"\"\"\r\n\u{0}\u{7f}\u{202e}\t\"",
            "begins": "\n\nb", "quote": "a\n\"",
            "table": {"x": {"y": "z\n"}, "q": 1}, "empty": {},
            "issue": [{"id": "a", "body": "## x\n```\n[[issue]]\n```\n"}, {"id": "b", "sub": [{"k": 1}]}, {}],
        });
        let text = toml(all.as_object().expect("an object")).expect("TOML");
        assert_eq!(read(&text), all, "{text}");
    }

    #[test]
    fn it_reads_well_and_leaves_out_what_is_not_there() {
        let all = json!({ "issue": [{ "title": "B", "body": "x\ny\n", "id": "b", "depends_on": ["a"] }], "vision": "o/r#7", "gone": null });
        let text = toml(all.as_object().expect("an object")).expect("TOML");
        let wanted =
            "vision = \"o/r#7\"\n\n[[issue]]\ndepends_on = [\"a\"]\nid = \"b\"\ntitle = \"B\"\nbody = \"\"\"\nx\ny\n\"\"\"\n";
        assert_eq!(text, wanted);
        assert_eq!(toml(json!({ "a": [null] }).as_object().expect("an object")), None);
    }
}
