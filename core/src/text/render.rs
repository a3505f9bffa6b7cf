//! Filling templates in.

use std::fmt::Write as _;
use std::sync::LazyLock;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy, Output, RenderContext, RenderErrorReason, Renderable,
    no_escape,
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::context::{ABSENT, PromptContext, ProposalContext, WRAPPED};
use super::{PROMPT_LIMIT, markdown};

/// A body on the forge at most, in bytes.
const PROPOSAL_LIMIT: usize = 60 << 10;

/// A template that could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It names what is not there, or is no template.
    #[error("the template cannot be filled in: {why}; `formula` checks templates when they are loaded, so load it again")]
    Template {
        /// What the template engine said.
        why: String,
    },
    /// The whole is longer than it may be.
    #[error("the text has {bytes} bytes, and at most {limit} are allowed: shorten the template, or use each text once")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// What puts a text from outside in its place.
struct Through(fn(&str) -> String);

impl HelperDef for Through {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let given = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("text", 0))?;
        let text = match given.value() {
            Json::Object(wrapped) => wrapped.get(WRAPPED).and_then(Json::as_str).unwrap_or_default().to_owned(),
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            Json::Null | Json::Bool(_) | Json::Array(_) => String::new(),
        };
        out.write(&(self.0)(&text))?;
        Ok(())
    }
}

/// `#if` and `#unless`, to which a record that is not there is false.
struct Where {
    there: bool,
}

impl HelperDef for Where {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let given = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("if", 0))?;
        let there = given.value().is_truthy(false) && given.value().get(ABSENT).is_none();
        let body = if there == self.there { helper.template() } else { helper.inverse() };
        body.map_or(Ok(()), |body| body.render(engine, context, state, out))
    }
}

static PROMPTS: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut engine = strict();
    engine.register_helper("outside", Box::new(Through(fence)));
    engine.register_helper("line", Box::new(Through(fence_line)));
    engine
});

static PROPOSALS: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut engine = strict();
    engine.register_helper("prose", Box::new(Through(markdown::prose)));
    engine.register_helper("line", Box::new(Through(markdown::line)));
    engine.register_helper("code", Box::new(Through(markdown::code)));
    engine.register_helper("block", Box::new(Through(markdown::block)));
    engine
});

fn strict() -> Handlebars<'static> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(no_escape);
    engine.register_helper("if", Box::new(Where { there: true }));
    engine.register_helper("unless", Box::new(Where { there: false }));
    engine
}

/// A prompt for an agent. A name that is not there is an error; values are never compiled.
pub fn render_prompt(template: &str, context: &PromptContext<'_>) -> Result<String, TextError> {
    render(&PROMPTS, template, &context.values(), PROMPT_LIMIT)
}

/// A comment, or the title or body of a pull request. A title is one line: `line` keeps it so.
pub fn render_proposal(template: &str, context: &ProposalContext<'_>) -> Result<String, TextError> {
    render(&PROPOSALS, template, &context.values(), PROPOSAL_LIMIT).map(|text| text.trim().to_owned())
}

fn render(engine: &Handlebars<'_>, template: &str, values: &Json, limit: usize) -> Result<String, TextError> {
    let why = |e: handlebars::RenderError| TextError::Template { why: e.to_string() };
    let text = engine.render_template(template, values).map_err(why)?;
    if text.len() > limit { Err(TextError::TooLong { bytes: text.len(), limit }) } else { Ok(text) }
}

/// A text between two lines that it cannot contain: their name is made from the text itself, until it does not occur in it.
pub fn fence(text: &str) -> String {
    let text = super::printable(text);
    let name = fence_of(&text);
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("<outside-{name}>\n{text}{end}</outside-{name}>")
}

/// The same on one line, with its line breaks as spaces: for titles and labels in a list.
pub fn fence_line(text: &str) -> String {
    let text = super::printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let name = fence_of(&text);
    format!("<outside-{name}>{text}</outside-{name}>")
}

/// The name of a fence, which does not occur in the text.
fn fence_of(text: &str) -> String {
    let mut name = String::new();
    let mut digest = Sha256::digest(text.as_bytes());
    while name.is_empty() || text.contains(&name) {
        name.clear();
        for byte in digest.iter().take(6) {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        digest = Sha256::digest(digest);
    }
    name
}
