//! A control group for each sandbox, where the system gave us some of our own (cgroup v2, `Delegate=yes`).
//!
//! A group can only hand controllers to its children while it has no processes itself. So the daemon moves into a leaf of its own
//! group, and only if it is alone there: a group shared with somebody's shell is not ours to rearrange.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Pid;

use super::Limits;

const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Our part of the hierarchy.
pub(super) struct Delegated {
    folder: PathBuf,
    next: AtomicU64,
}

impl Delegated {
    /// Takes over the group that this process was given; the error says why there is none.
    pub(super) fn take() -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::/")).ok_or("no cgroup v2")?;
        let folders = MOUNTS.iter().map(|mount| Path::new(mount).join(path));
        let folder = folders.into_iter().find(|folder| folder.join("cgroup.controllers").is_file()).ok_or("no cgroup v2")?;
        Self::within(folder, process::id())
    }

    fn within(folder: PathBuf, own: u32) -> Result<Self, String> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"));
        let controllers = read("cgroup.controllers")?;
        for needed in ["memory", "pids"] {
            if !controllers.split_whitespace().any(|controller| controller == needed) {
                return Err(format!("the {needed} controller is not delegated"));
            }
        }
        if read("cgroup.procs")?.lines().any(|pid| pid.trim() != own.to_string()) {
            return Err("the daemon's control group has other processes in it".to_owned());
        }
        let leaf = folder.join("daemon");
        let taken: io::Result<()> = (|| {
            create(&leaf)?;
            fs::write(leaf.join("cgroup.procs"), own.to_string())?;
            fs::write(folder.join("cgroup.subtree_control"), "+memory +pids")
        })();
        taken.map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder, next: AtomicU64::new(0) })
    }

    /// Makes the group of one sandbox.
    pub(super) fn group(&self, limits: &Limits) -> io::Result<Group> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let group = Group { folder: self.folder.join(format!("sandbox-{}-{number}", process::id())) };
        create(&group.folder)?;
        let value = |limit: Option<u64>| limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
        group.write("memory.max", &value(limits.memory_bytes))?;
        // Swapping out instead of ending would only make the machine slow.
        let _ = group.write("memory.swap.max", "0");
        group.write("memory.oom.group", "1")?;
        // bubblewrap and the shim are in it too.
        group.write("pids.max", &value(limits.processes.map(|processes| processes.saturating_add(8))))?;
        Ok(group)
    }
}

fn create(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The group of one sandbox; removed when it is dropped, which must be after the last of its processes.
pub(super) struct Group {
    folder: PathBuf,
}

impl Group {
    /// Puts a process in. Its children to come are in it too.
    pub(super) fn add(&self, pid: Pid) -> io::Result<()> {
        self.write("cgroup.procs", &pid.as_raw_nonzero().to_string())
    }

    /// The kernel killed it for its memory.
    pub(super) fn out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
    }

    /// Kills whatever is still in it.
    pub(super) fn kill(&self) {
        let _ = self.write("cgroup.kill", "1");
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.folder.join(name), value)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that is still busy stays behind, empty soon, and goes with the daemon's own group.
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(controllers: &str, processes: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("cgroup.controllers"), controllers).expect("written");
        fs::write(folder.path().join("cgroup.procs"), processes).expect("written");
        folder
    }

    #[test]
    fn a_group_without_the_controllers_or_with_strangers_is_left_alone() {
        let bare = given("cpu io", "7\n");
        assert!(Delegated::within(bare.path().to_owned(), 7).is_err_and(|why| why.contains("memory")));
        let shared = given("cpu memory pids", "7\n8\n");
        assert!(Delegated::within(shared.path().to_owned(), 7).is_err_and(|why| why.contains("other processes")));
        assert!(!shared.path().join("daemon").exists(), "nothing was rearranged");
    }

    #[test]
    fn a_sandbox_gets_its_limits_written_and_an_out_of_memory_kill_is_read() {
        let own = given("memory pids", "7\n");
        let delegated = Delegated::within(own.path().to_owned(), 7).expect("is ours");
        let read = |name: &str| fs::read_to_string(own.path().join(name)).expect("was written");
        assert_eq!(read("daemon/cgroup.procs"), "7");
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids");
        let limits = Limits { memory_bytes: Some(5), processes: None, file_bytes: None, tmp_bytes: None };
        let group = delegated.group(&limits).expect("made");
        let name = format!("sandbox-{}-0", process::id());
        assert_eq!(read(&format!("{name}/memory.max")), "5");
        assert_eq!(read(&format!("{name}/pids.max")), "max");
        group.write("memory.events", "oom 1\noom_kill 0\n").expect("written");
        assert!(!group.out_of_memory());
        group.write("memory.events", "oom 1\noom_kill 3\n").expect("written");
        assert!(group.out_of_memory());
    }
}
