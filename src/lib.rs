//! forgehand hires coding agents for a self-hosted Forgejo.
//!
//! The modules stand on floors: a module imports only from floors below its own, and siblings never import each other. A test
//! in `tests/all/floors.rs` reads the `use` lines and keeps it so. What decides is in the package `forgehand-core` (`core/`), what acts is here.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// Floors 0 to 2: what decides and does nothing, in a package of its own.
pub use forgehand_core::{config, document, formula, ledger, metrics, model, plan, ports, scan, text, tier, vault, words};
// Floor 3
pub mod forge;
pub mod gateway;
pub mod git;
pub mod host;
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
