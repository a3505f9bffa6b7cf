//! Text that comes from outside, made fit for agents and for the forge.
//!
//! Promises: what a person cannot see on the forge's page does not reach an agent (invisible characters, HTML comments, attributes, folded
//! titles of links); what is put between fences cannot close them; what an agent wrote calls nobody, closes no issue and cannot break out
//! of its place in a comment; text from outside is never compiled as a template. Cleaning twice changes nothing. Every cut is said.
//!
//! Where it is not certain that the forge's page shows something as code, it counts as not shown: rather is a piece of a report lost than a
//! hidden instruction read.

mod characters;
mod clean;
mod context;
mod dependencies;
mod markdown;
mod marker;
mod mention;
mod neutral;
mod parts;
mod render;
mod sections;
mod segments;

use crate::model::TextHash;

pub use characters::{cut, printable};
pub use clean::clean;
pub use context::{Item, PromptContext, ProposalContext, Said};
pub use dependencies::dependencies;
pub use markdown::{block, code, line, prose};
pub use marker::{
    BREAKDOWN, NOTE, STATUS, filed_as, find_marker, is_once, marked_as, marker, once_marker, strip_marker, with_tier,
};
pub use mention::mentions;
pub use neutral::commit_message;
pub use parts::{part_of, task_lines, tasks, ticked};
pub use render::{TextError, fence, render_prompt, render_proposal};
pub use sections::listed;

/// What is taken of an issue's body, in bytes.
pub const BODY_LIMIT: usize = 64 << 10;
/// What is taken of a comment, in bytes.
pub const COMMENT_LIMIT: usize = 16 << 10;
/// A whole prompt at most, in bytes.
pub const PROMPT_LIMIT: usize = 256 << 10;

/// What a text was: its SHA-256, raw, before any cleaning.
pub fn hash(text: &str) -> TextHash {
    TextHash::of(text)
}

/// A pattern that stands in this program.
fn pattern(text: &str) -> regex::Regex {
    regex::Regex::new(text).expect("the patterns of this module are constants, and each is used in its tests")
}
