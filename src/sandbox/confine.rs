//! bubblewrap's arguments: an allow-list of what is seen inside.
//!
//! Root outside stays the owner of root's files inside, whatever it is called there and without any capability. So whatever an
//! unprivileged user of the host could not read or write in `/proc` is masked or made read-only (`/proc/sys/kernel/core_pattern`
//! was seen to be writable from inside, which is a way to run programs as root on the host), and of `/etc` only named files
//! are mounted, never a folder with keys.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Mount, MountAccess};

/// The identity inside, whoever is outside.
const ID: &str = "1000";
/// Folders of programs and libraries. Where one is a link, as on a merged `/usr`, the link is made.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store"];
/// What programs read of `/etc`. Keys are never here.
const ETC: [&str; 24] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/perl",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/protocols",
    "/etc/python3",
    "/etc/services",
    "/etc/shells",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];
/// Made for the sandbox: the host's accounts and names are no business of an agent, and its user must have a name.
const MADE: [(&str, &str); 4] = [
    (
        "passwd",
        "root:x:0:0:root:/:/bin/sh\nforgehand:x:1000:1000:forgehand:/forgehand/home:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("group", "root:x:0:\nforgehand:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost forgehand\n::1 localhost\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];
/// Folders of `/proc` about hardware, of no use inside.
const MASKED: [&str; 3] = ["/proc/acpi", "/proc/asound", "/proc/scsi"];
/// Where the sockets of forwards lie inside.
const SOCKETS: &str = "/forgehand/sockets";

/// Whether a path is seen inside at its own place without any mount of a run.
pub(super) fn is_base(path: &Path) -> bool {
    SYSTEM.iter().chain(&ETC).any(|base| path.starts_with(base))
}

/// The place inside of the socket that a port is carried to.
pub(super) fn socket_inside(address: Ipv4Addr, port: u16) -> PathBuf {
    Path::new(SOCKETS).join(format!("{address}-{port}"))
}

/// What is mounted for one sandbox.
pub(super) struct Layout<'a> {
    /// Checked already, their sources real.
    pub(super) mounts: &'a [Mount],
    /// Where a socket is to be inside, and where it is outside.
    pub(super) sockets: &'a [(PathBuf, PathBuf)],
    /// For each of the private temporary file systems.
    pub(super) tmp_bytes: Option<u64>,
    /// Holds the made files of `/etc` until the sandbox is up.
    pub(super) made: &'a TempDir,
}

impl Layout<'_> {
    /// Writes the made files, and lists the arguments up to and without the program.
    pub(super) fn arguments(&self) -> io::Result<Vec<OsString>> {
        let mut list = Arguments::default();
        for flag in ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        {
            list.add([flag]);
        }
        list.add(["--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "forgehand"]);
        list.add(["--uid", ID, "--gid", ID, "--cap-drop", "ALL"]);
        for folder in SYSTEM {
            list.system(Path::new(folder));
        }
        for path in ETC.iter().filter(|path| Path::new(path).exists()) {
            list.add(["--ro-bind", path, path]);
        }
        for (name, text) in MADE {
            let file = self.made.path().join(name);
            fs::write(&file, text)?;
            list.bind(MountAccess::Read, &file, &Path::new("/etc").join(name));
        }
        list.add(["--proc", "/proc"]);
        list.cover_proc()?;
        list.add(["--dev", "/dev"]);
        list.tmpfs("/dev/shm", self.tmp_bytes);
        list.tmpfs("/tmp", self.tmp_bytes);
        list.add(["--symlink", "/tmp", "/var/tmp"]);
        // A folder goes before what lies in it, or it would cover it.
        let mut mounts: Vec<&Mount> = self.mounts.iter().collect();
        mounts.sort_by_key(|mount| mount.target.components().count());
        for mount in mounts {
            list.bind(mount.access, &mount.source, &mount.target);
        }
        for (inside, socket) in self.sockets {
            list.bind(MountAccess::Read, socket, inside);
        }
        list.add(["--remount-ro", "/dev", "--remount-ro", "/"]);
        Ok(list.words)
    }
}

#[derive(Default)]
struct Arguments {
    words: Vec<OsString>,
}

impl Arguments {
    fn add<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&mut self, words: I) {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
    }

    fn bind(&mut self, access: MountAccess, source: &Path, target: &Path) {
        let flag = match access {
            MountAccess::Read => "--ro-bind",
            MountAccess::Write => "--bind",
        };
        self.add([OsStr::new(flag), source.as_os_str(), target.as_os_str()]);
    }

    fn system(&mut self, folder: &Path) {
        match fs::read_link(folder) {
            Ok(to) => self.add([OsStr::new("--symlink"), to.as_os_str(), folder.as_os_str()]),
            Err(_) if folder.is_dir() => self.bind(MountAccess::Read, folder, folder),
            Err(_) => {}
        }
    }

    fn tmpfs(&mut self, folder: &str, bytes: Option<u64>) {
        self.add(["--perms", "1777"]);
        if let Some(bytes) = bytes {
            self.add(["--size", &bytes.to_string()]);
        }
        self.add(["--tmpfs", folder]);
    }

    /// Masks what others may not read, and makes read-only what anybody may write. Folders of processes stay. Not only for root:
    /// whoever owns a namespace may write some of its settings, and anybody the pressure monitors.
    fn cover_proc(&mut self) -> io::Result<()> {
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            let mode = meta.permissions().mode();
            if is_process || meta.is_symlink() {
                continue;
            }
            match (meta.is_dir(), mode & 0o004 != 0) {
                (true, true) if !MASKED.iter().any(|masked| path == Path::new(masked)) => {
                    self.bind(MountAccess::Read, &path, &path);
                }
                (true, _) => self.add([OsStr::new("--tmpfs"), path.as_os_str(), OsStr::new("--remount-ro"), path.as_os_str()]),
                (false, false) => self.bind(MountAccess::Read, Path::new("/dev/null"), &path),
                (false, true) if mode & 0o222 != 0 => self.bind(MountAccess::Read, &path, &path),
                (false, true) => {}
            }
        }
        Ok(())
    }
}
