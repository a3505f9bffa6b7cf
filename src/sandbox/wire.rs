//! What goes over the control socket between the daemon and the shim inside.
//!
//! Daemon to shim: one [`Setup`] as a frame, whose first byte carries the program's three standard streams as descriptors, then
//! single bytes ([`TERMINATE`], [`KILL`]). Shim to daemon: the byte [`HELLO`], then frames of [`Report`]. A frame is a length of
//! four bytes, little endian, and that much JSON. End of file is an order in both directions: the daemon is gone, so everything
//! is to die; the shim is gone, so everything has died.
//!
//! Nothing here derives `Debug`: the environment may hold a secret of the run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The shim is up and waits for its setup.
pub(super) const HELLO: u8 = b'H';
/// Send TERM to the program's process group.
pub(super) const TERMINATE: u8 = b'T';
/// Kill everything inside and report.
pub(super) const KILL: u8 = b'K';
/// The length in front of a frame.
pub(super) const HEADER: usize = 4;
/// No frame is longer: the largest holds an environment and an argument list, which the kernel bounds lower than this.
const FRAME_LIMIT: usize = 16 << 20;

/// What the shim is to start.
#[derive(Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: OsString,
    pub(super) forwards: Vec<PortForward>,
    pub(super) limits: InsideLimits,
}

/// A port of the sandbox's own loopback, and the socket that it is carried to, as seen inside.
#[derive(Serialize, Deserialize)]
pub(super) struct PortForward {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    pub(super) socket: OsString,
}

/// The limits that the shim keeps itself.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct InsideLimits {
    /// Watched; nothing where a cgroup holds it.
    pub(super) memory_bytes: Option<u64>,
    /// Watched; nothing where a cgroup holds it.
    pub(super) tasks: Option<u64>,
    /// `RLIMIT_FSIZE`.
    pub(super) file_bytes: Option<u64>,
    /// `RLIMIT_NPROC`, where the kernel counts for this sandbox alone.
    pub(super) nproc: Option<u64>,
}

/// What the shim says.
#[derive(Serialize, Deserialize)]
pub(super) enum Report {
    /// The program runs.
    Started,
    /// The program could not be started.
    Failed(String),
    /// It ended, and what was left of its children is killed.
    Ended(Ended),
}

/// How a sandboxed program ended, and what it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// What it and the children that it waited for used. Nothing where it could not be learnt.
    pub usage: Usage,
}

/// The way a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it; 9 also after [`Process::kill`](super::Process::kill).
    Signal(i32),
    /// It went over a limit and was killed for it.
    Limit(LimitKind),
    /// The sandbox vanished without a word: somebody killed it, or the machine ran out of memory.
    Lost,
}

/// A limit that a program can go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitKind {
    /// `memory_bytes`.
    Memory,
    /// `processes`.
    Processes,
    /// `file_bytes`.
    FileSize,
}

/// What a program used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, user and system, in milliseconds.
    pub cpu_millis: u64,
    /// The most memory that a single process held, in bytes.
    pub max_rss_bytes: u64,
}

/// A value as a frame.
pub(super) fn frame<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(value)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length as usize <= FRAME_LIMIT);
    let length = length.ok_or_else(|| io::Error::other("arguments and environment are too large"))?;
    let mut framed = length.to_le_bytes().to_vec();
    framed.extend_from_slice(&body);
    Ok(framed)
}

/// How long the body behind this header is.
pub(super) fn body_length(header: [u8; HEADER]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > FRAME_LIMIT { Err(io::Error::other("a frame over its limit")) } else { Ok(length) }
}

/// Takes the first frame off `bytes`, once it is all there.
pub(super) fn take_frame<T: DeserializeOwned>(bytes: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let end = HEADER + body_length(*header)?;
    let Some(body) = bytes.get(HEADER..end) else { return Ok(None) };
    let value = serde_json::from_slice(body)?;
    bytes.drain(..end);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_out_whole_however_they_arrive(texts in prop::collection::vec(".{0,40}", 0..5), pieces in 1_usize..30) {
            let sent: Vec<u8> = texts.iter().flat_map(|text| frame(text).expect("framed")).collect();
            let (mut arrived, mut taken) = (Vec::new(), Vec::new());
            for piece in sent.chunks(pieces) {
                arrived.extend_from_slice(piece);
                while let Some(text) = take_frame::<String>(&mut arrived).expect("well-formed") {
                    taken.push(text);
                }
            }
            prop_assert!(arrived.is_empty());
            prop_assert_eq!(taken, texts);
        }
    }

    #[test]
    fn a_frame_over_its_limit_is_refused_before_it_is_there() {
        assert!(take_frame::<String>(&mut vec![0xff; HEADER]).is_err());
    }
}
