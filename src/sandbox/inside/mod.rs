//! The shim: what `forgehand __inside` does, on the other side of the wall.
//!
//! Under bubblewrap it is process 1 of the sandbox, so the program can't signal it, and its end is the end of everything inside.
//! Without bubblewrap it is a subreaper, so children that made sessions of their own come back to it and are killed one by one.
//! Either way it is not dumpable: the program can neither trace it nor look into its memory, descriptors or environment.
//!
//! Descriptor 0 is the control socket, 1 the shim's own binary (it is executed through `/proc/self/fd/1`, so that an upgrade of
//! the file under a running daemon does no harm), 2 takes words about a failed start. The program's own three come over the
//! socket. Everything else that was inherited is closed before anything happens.
//!
//! Races it knows. *The daemon dies at any moment*: the control socket ends, and the shim with it. *A process number is used again
//! between looking and killing*: process descriptors and start times are compared (`kin`). *Children fork while they are
//! killed*: they are all stopped before one is killed. *TERM for a program that has just ended*: only the one loop reaps, so the
//! number is still taken.

mod devices;
mod forward;
mod kin;
mod supervise;
mod watch;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use super::{INSIDE, OUTER};

/// Does the shim's work if this process was started to be it; `None` lets `main` go on.
///
/// Must come first in `main`: it closes every descriptor that it does not know.
pub fn main() -> Option<ExitCode> {
    let mut args = env::args_os().skip(1);
    if args.next().as_deref() != Some(OsStr::new(INSIDE)) {
        return None;
    }
    let rest: Vec<OsString> = args.collect();
    let done = close_inherited().and_then(|()| match rest.split_first() {
        Some((stage, command)) if stage == OUTER => Err(devices::protect_and_become(command)),
        _ => supervise::run(),
    });
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    })
}

/// Tells the daemon's log. It may be gone, and then nobody listens.
fn say(error: &io::Error) {
    let _ = writeln!(io::stderr(), "forgehand inside the sandbox: {error}");
}

/// Closes what the daemon itself was started with and did not know of, a job server's pipes or a folder of the host: bubblewrap
/// hands every open descriptor on.
fn close_inherited() -> io::Result<()> {
    let mut open: Vec<i32> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // One of them is the listing itself, closed by now.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}
