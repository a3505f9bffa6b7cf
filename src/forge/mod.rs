//! The Forgejo client: [`ports::Forge`](crate::ports::Forge) over a thin `reqwest`.
//!
//! What it promises:
//! - No redirect is followed: a renamed repository answers 301 to a POST too, and a client that follows turns it into a GET that does nothing.
//! - A GET is sent again, a few times within a few seconds, where the failure passes by itself. What writes is sent once. If it broke
//!   before it left it is [`Unreachable`](crate::ports::ForgeErrorKind::Unreachable), after that
//!   [`Doubtful`](crate::ports::ForgeErrorKind::Doubtful), and a proxy's 502 counts as after: nobody knows what became of it behind the proxy.
//! - A `Retry-After` is obeyed by all calls of the client: until it has passed nothing is sent.
//! - The token stands in the `Authorization` header and nowhere else. A 401, which repeats it, is never quoted.
//! - An answer is read up to a limit, and what is not a Forgejo's answer is said to be that.
//! - Of the forge's filters (labels, head, base), which drop what they don't know, none is trusted.
//!
//! Races it knows:
//! - *An issue moves while the list is read.* Issues are read by `since`, oldest movement first: what moves shows up again further on. Page
//!   numbers count only within one crowded second.
//! - *An entry leaves a list of pages while it is read*, and the next page begins one too late: seen by the total, and stepped back. (Not
//!   seen if at the same moment another joins.)
//! - *A pull request closes or reopens between the two lists* of [`pulls`](crate::ports::Forge::pulls): closed in between it is reported as
//!   open; reopened in between it may be in neither. Who looks for a lost one must look twice.
//!
//! Known: a label name that a repository has twice is no usable filter (the forge asks for both) and would be taken off only once. Names that
//! [`labels`](crate::ports::Forge::labels) saw twice are filtered here and taken off by their numbers; a second one made after that look is
//! not known until the next one.

mod actions;
mod calls;
mod counts;
mod paging;
mod protection;
mod refusal;
mod review;
mod survey;
mod transport;
mod wire;

pub use counts::Counts;
pub use protection::{BranchSeen, Guard, Rule};
pub use survey::{Entry, HOOK_EVENTS, Hook, Me, Scope, ScopeAnswer};
pub use transport::{Client, Options, install_tls};
