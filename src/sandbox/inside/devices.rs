//! The stage in front of bubblewrap that only root needs.
//!
//! bubblewrap mounts the host's device nodes, writable. Root inside its user namespace still owns them, whatever it is called
//! there and without any capability: `chmod 0 /dev/null` inside the sandbox was seen to hold on the host. So the nodes are
//! made read-only in a mount namespace of their own first; writing *through* a device is not affected.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};

/// The nodes that bubblewrap's `--dev` takes from the host.
const NODES: [&str; 7] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console"];

/// Makes the nodes read-only and becomes the command; the answer is why that failed.
///
/// Without the right to mount it fails: then bubblewrap could not protect them either.
pub(super) fn protect_and_become(command: &[OsString]) -> io::Error {
    let Some((program, args)) = command.split_first() else {
        return io::Error::other("no command follows");
    };
    if let Err(error) = protect() {
        return io::Error::other(format!("the host's device nodes can't be made read-only: {error}"));
    }
    #[expect(clippy::disallowed_methods, reason = "the sandbox owns the start of bubblewrap")]
    let mut command = Command::new(program);
    command.args(args).exec()
}

fn protect() -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    for node in NODES {
        // One that is not ours, as in a container of somebody else's, can't be changed from inside anyway.
        if fs::metadata(node).is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw()) {
            let flags = kept(statvfs(node)?.f_flag);
            mount_bind(node, node)?;
            mount_remount(node, MountFlags::BIND | MountFlags::RDONLY | flags, "")?;
        }
    }
    Ok(())
}

/// A container's flags are locked: a remount without them is refused.
fn kept(of: StatVfsMountFlags) -> MountFlags {
    let pairs = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    pairs.into_iter().filter(|(known, _)| of.contains(*known)).map(|(_, flag)| flag).collect()
}
