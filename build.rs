//! Has relative relocations packed, which the daemon would otherwise keep 3 MB of in memory for as long as it lives.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if libc_reads_packed_relocations() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
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
