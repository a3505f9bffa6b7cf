//! Makes the ledger's shape: a hash of the source of the fold and of what it folds. A ledger that was written down under another shape is
//! not read but folded anew, so nobody has to remember a version when a field or the fold changes.
//!
//! And has relative relocations packed, which the daemon would otherwise keep 3 MB of in memory for as long as it lives.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> std::io::Result<()> {
    let mut sources = BTreeSet::new();
    for folder in ["src/ledger", "src/model"] {
        println!("cargo:rerun-if-changed={folder}");
        files(Path::new(folder), &mut sources)?;
    }
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        source.hash(&mut hasher);
        std::fs::read(source)?.hash(&mut hasher);
    }
    println!("cargo:rustc-env=FORGEHAND_LEDGER_SHAPE={}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish());
    if libc_reads_packed_relocations() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// glibc does since 2.36, and a program that has them does not start on an older one: so only where this machine's is new enough, and
/// the program is built for this machine.
#[expect(clippy::disallowed_methods, reason = "a build script is no part of the program")]
fn libc_reads_packed_relocations() -> bool {
    let target = std::env::var("TARGET").unwrap_or_default();
    if !target.ends_with("-linux-gnu") || std::env::var("HOST").ok().as_ref() != Some(&target) {
        return false;
    }
    let Ok(answer) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let mut parts = answer.trim().trim_start_matches("glibc ").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(2), Some(36))
}

fn files(folder: &Path, found: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}
