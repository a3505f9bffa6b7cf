//! The engine in this process, on the real client, the real git and a localforge; only hands and clock are played.
//!
//! Crash points are decorators around the ports: a fault stands at the nth call of a port, and one that never fires fails its test.

mod bench;
mod bounds;
mod crashes;
mod faults;
mod fleet;
mod hands;
mod lost;
