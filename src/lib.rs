//! forgehand hires coding agents for a self-hosted Forgejo.
//!
//! The modules stand on floors: a module imports only from floors below its own, and siblings never import each other. A test
//! in `tests/all/floors.rs` reads the `use` lines and keeps it so.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// Floor 0
pub mod document;
pub mod model;
// Floor 1
pub mod config;
pub mod formula;
pub mod ledger;
pub mod scan;
pub mod text;
pub mod tier;
// Floor 2
pub mod metrics;
pub mod plan;
pub mod ports;
pub mod words;
// Floor 3
pub mod forge;
pub mod gateway;
pub mod git;
pub mod journal;
/// A small Forgejo, in a package of its own: it knows nothing of the rest.
pub use localforge;
pub mod notify;
pub mod sandbox;
// Floor 4
pub mod hands;
pub mod workspace;
// Floor 5
pub mod engine;
// Floor 6
pub mod cli;
pub mod web;
