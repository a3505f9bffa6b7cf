//! The words of the domain: identifiers, states, outcomes, and the events of the journal.
//!
//! Everything here is data. Nothing does I/O, reads a clock or knows how it is stored on a forge.

mod account;
mod advance;
mod command;
mod ending;
mod event;
mod failure;
mod files;
mod filing;
mod forge;
mod formula;
mod ids;
mod lane;
mod lifecycle;
mod notice;
mod open;
mod ops;
mod order;
mod outcome;
mod proposal;
mod provisions;
mod reason;
mod revision;
mod seen;
mod shape;
mod tasks;
mod template;
mod time;
mod told;
mod trial;
mod wanted;
mod work;

pub use account::*;
pub use advance::*;
pub use command::*;
pub use ending::*;
pub use event::*;
pub use failure::*;
pub use files::*;
pub use filing::*;
pub use forge::*;
pub use formula::*;
pub use ids::*;
pub use lane::*;
pub use lifecycle::*;
pub use notice::*;
pub use open::*;
pub use ops::*;
pub use outcome::*;
pub use proposal::*;
pub use provisions::*;
pub use reason::*;
pub use revision::*;
pub use seen::*;
pub use shape::*;
pub use tasks::*;
pub use template::*;

pub use time::*;
pub use told::*;
pub use trial::*;
pub use wanted::*;
pub use work::*;
