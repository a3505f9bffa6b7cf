//! What forgehand decides, without what it does: the domain, the formats that people write, the ledger, the plan, the words.
//!
//! Promises: nothing here reads a file, a clock, the network or an environment; what does stands behind the traits of `ports`, in the
//! package above. The modules stand on the floors 0 to 2: a module imports only from floors below its own, and siblings never import each
//! other. A test in `tests/all/floors.rs` reads the `use` lines of both packages and keeps it so.
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
pub mod vault;
// Floor 2
pub mod metrics;
pub mod plan;
pub mod ports;
pub mod words;
