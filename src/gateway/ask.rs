//! What a client asks of the model, as far as it has to be known: which model, and nothing that leads out of the sandbox.
//!
//! The provider can reach the network for a client: it fetches images and documents by URL, searches, calls MCP servers. An agent
//! without network would have one that way, so these are refused. So is what the run's list or the price table would not see: other
//! models as advisers or fallbacks, and fast mode. Claude Code 2.1.329 with its own tools for files and shell asks for none of it. A key that occurs twice makes the request invalid, so that what is judged here is what the provider reads.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Tools that the provider runs itself and that reach beyond the conversation.
const REACHING_TOOLS: [&str; 5] = ["web_search", "web_fetch", "code_execution", "mcp_", "advisor"];

/// A request's body.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    pub(super) model: String,
    #[serde(default)]
    speed: Option<String>,
    #[serde(default)]
    mcp_servers: Option<Vec<IgnoredAny>>,
    /// A list of models, or `default`.
    #[serde(default)]
    fallbacks: Option<IgnoredAny>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    system: Content,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Tool {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Content,
}

/// A text, a block, or a list of blocks. All that is kept of it is whether something in it reaches beyond the sandbox.
#[derive(Clone, Copy, Debug, Default)]
struct Content {
    reaches: bool,
}

/// A content block, or a part of one that has a `type` of its own.
#[derive(Deserialize)]
struct Block {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// Of an image or a document; plain text in a search result.
    #[serde(default)]
    source: Content,
    /// Of a tool's result, or of a document made of blocks.
    #[serde(default)]
    content: Content,
    /// Of a tool that is added in the middle of a conversation: its name, or its definition.
    #[serde(default)]
    tool: Content,
    #[serde(default)]
    definition: Content,
}

impl Ask {
    /// Reads a request's body. The error is a sentence for the client.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|e| format!("the request cannot be read: {e}"))
    }

    /// What in it is not allowed to any agent.
    pub(super) fn forbidden(&self) -> Option<String> {
        if let Some(tool) = self.tools.iter().flatten().filter_map(|t| t.kind.as_deref()).find(|kind| is_reaching(kind)) {
            return Some(format!("the tool `{tool}` is run by the provider and reaches beyond the sandbox"));
        }
        if self.mcp_servers.as_ref().is_some_and(|servers| !servers.is_empty()) {
            return Some("MCP servers that the provider calls reach beyond the sandbox".to_owned());
        }
        if self.system.reaches || self.messages.iter().any(|m| m.content.reaches) {
            return Some("what the provider fetches by URL, and tools that it runs, reach beyond the sandbox".to_owned());
        }
        if self.fallbacks.is_some() {
            return Some("a fallback would answer with another model than the one that was allowed".to_owned());
        }
        (self.speed.as_deref() == Some("fast")).then(|| "fast mode has no price here".to_owned())
    }
}

fn is_reaching(kind: &str) -> bool {
    REACHING_TOOLS.iter().any(|reaching| kind.starts_with(reaching))
}

/// The short names that Claude Code knows: each stands for a family of models.
pub const FAMILIES: [&str; 4] = ["fable", "opus", "sonnet", "haiku"];

/// Whether a model is on a run's list.
///
/// An entry allows the model of that name and its dated releases (`claude-sonnet-5` allows `claude-sonnet-5-20260201`); one that ends in
/// `*` allows each model that begins with what stands before it; `fable`, `opus`, `sonnet` and `haiku`, the short names that Claude Code
/// knows, allow that family. The mark `[1m]` of a long context is no part of a name. An empty list allows nothing. Claude Code also
/// calls a small fast model for side jobs: it has to be on the list, or such calls are refused.
pub(super) fn is_allowed(models: &[String], model: &str) -> bool {
    let bare = |name: &str| name.strip_suffix("[1m]").unwrap_or(name).to_owned();
    let model = bare(model);
    models.iter().map(|entry| bare(entry)).any(|entry| {
        if let Some(start) = entry.strip_suffix('*') {
            return model.starts_with(start);
        }
        if FAMILIES.contains(&entry.as_str()) {
            return model == entry || model.strip_prefix("claude-").is_some_and(|rest| rest.split('-').any(|part| part == entry));
        }
        match model.strip_prefix(&entry) {
            Some("") => true,
            Some(rest) => rest.strip_prefix('-').is_some_and(|date| date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit())),
            None => false,
        }
    })
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Blocks;
        impl<'de> Visitor<'de> for Blocks {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or content blocks")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Content, E> {
                Ok(Content::default())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
                Ok(Content::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut blocks: A) -> Result<Content, A::Error> {
                let mut reaches = false;
                while let Some(block) = blocks.next_element::<Content>()? {
                    reaches |= block.reaches;
                }
                Ok(Content { reaches })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
                let block = Block::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let itself = block.kind.is_some_and(|kind| kind == "url" || is_reaching(&kind));
                let parts = [block.source, block.content, block.tool, block.definition];
                Ok(Content { reaches: itself || parts.iter().any(|part| part.reaches) })
            }
        }
        deserializer.deserialize_any(Blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(rest: &str) -> Option<String> {
        Ask::read(format!(r#"{{"model":"m",{rest}}}"#).as_bytes()).unwrap().forbidden()
    }

    #[test]
    fn what_reaches_out_of_the_sandbox_is_forbidden() {
        for rest in [
            r#""tools":[{"name":"Bash"},{"type":"web_search_20250305","name":"web_search"}]"#,
            r#""tools":[{"type":"web_fetch_20250910"}]"#,
            r#""tools":[{"type":"mcp_toolset"}]"#,
            r#""mcp_servers":[{"type":"url","url":"https://evil.example"}]"#,
            r#""messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://evil.example/?secret"}}]}]"#,
            r#""messages":[{"content":[{"type":"tool_result","content":[{"type":"document","source":{"url":"x","type":"url"}}]}]}]"#,
            r#""messages":[{"content":[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"url"}}]}}]}]"#,
            r#""messages":[{"role":"system","content":[{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"type":"web_fetch_20250910"}}}]}]"#,
            r#""fallbacks":[{"model":"claude-opus-5"}]"#,
            r#""fallbacks":"default""#,
            r#""speed":"fast""#,
        ] {
            assert!(forbidden(rest).is_some(), "{rest}");
        }
    }

    #[test]
    fn what_an_agent_usually_sends_is_not() {
        for rest in [
            r#""tools":[{"name":"Bash","input_schema":{"type":"object"}},{"type":"custom","name":"x"},{"type":"bash_20250124"}],"mcp_servers":[]"#,
            r#""messages":[{"role":"user","content":"url"},{"content":[{"type":"tool_use","input":{"source":{"type":"url"}}}]}]"#,
            r#""messages":[{"content":[{"type":"image","source":{"type":"base64","data":"eA=="}}]}],"system":[{"type":"text","text":"x"}]"#,
            r#""messages":[{"content":[{"type":"search_result","source":"https://x.example","content":[{"type":"text","text":"x"}]}]}]"#,
            r#""messages":[{"content":[{"type":"tool_result","content":null}]}],"speed":"standard","tools":null,"fallbacks":null"#,
            r#""messages":[{"role":"system","content":[{"type":"tool_addition","tool":{"type":"tool_reference","name":"Bash"}}]}]"#,
        ] {
            assert_eq!(forbidden(rest), None, "{rest}");
        }
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        assert!(Ask::read(br#"{"model":"cheap","model":"dear"}"#).is_err());
        assert!(Ask::read(br#"{"model":"m","messages":[{"content":[{"source":{"type":"url","type":"text"}}]}]}"#).is_err());
    }

    #[test]
    fn a_list_of_models_allows_what_it_says() {
        let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        for (entry, model, allowed) in [
            ("claude-sonnet-5", "claude-sonnet-5", true),
            ("claude-sonnet-5", "claude-sonnet-5-20260201", true),
            ("claude-sonnet-5", "claude-sonnet-5-5", false),
            ("claude-sonnet-5[1m]", "claude-sonnet-5", true),
            ("claude-haiku-*", "claude-haiku-4-5-20251001", true),
            ("claude-haiku-*", "claude-opus-5", false),
            ("haiku", "claude-3-5-haiku-20241022", true),
            ("haiku", "claude-opus-5", false),
            ("*", "anything", true),
            ("", "anything", false),
        ] {
            assert_eq!(is_allowed(&list(&[entry]), model), allowed, "{entry} {model}");
        }
        assert!(!is_allowed(&[], "claude-sonnet-5"));
    }
}
