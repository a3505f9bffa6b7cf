//! What the commands of an action of the vault get: secrets in their environment, and mounts.
//!
//! Promises: a secret is read when a command is to get it and no sooner, and whoever redacts knows it by then; it is in the environment of that
//! command alone, in no file, no argument and no message. What cannot be had stops the action before a command of it began. Nothing is
//! mounted that can be written to.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;

use super::RealHands;
use super::site::environment;
use crate::config::VaultSecret;
use crate::ports::{HandError, VaultNeeds};
use crate::sandbox::{Mount, MountAccess};

const WHAT: &str = "reading what the action may use";
/// Where mounts are inside.
const MOUNTS: &str = "/forgehand/mounts";
/// How long a program may take to print a secret.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest secret, in bytes: an environment holds no more.
const LONGEST: usize = 64 << 10;
/// A line of a longer secret that is redacted by itself has at least so many characters.
const LINE: usize = 8;

/// What commands get.
#[derive(Default)]
pub(super) struct Granted {
    pub(super) secrets: Vec<(String, SecretString)>,
    /// Each with the variable that says where it is.
    pub(super) mounts: Vec<(String, Mount)>,
    /// What they are told beside that.
    pub(super) env: Vec<(String, String)>,
}

impl RealHands {
    pub(super) async fn granted(&self, needs: &VaultNeeds) -> Result<Granted, HandError> {
        let mut granted = Granted::default();
        for name in &needs.secrets {
            let Some(source) = self.options.vault.secrets.get(name) else {
                return Err(environment(WHAT, format!("[vault.secrets] of the configuration has no `{name}` any more")));
            };
            let secret = read(source).await.map_err(|why| environment(WHAT, format!("the secret `{name}`: {why}")))?;
            granted.secrets.push((name.clone(), secret));
        }
        for name in &needs.mounts {
            let Some(path) = self.options.vault.mounts.get(name) else {
                return Err(environment(WHAT, format!("[vault.mounts] of the configuration has no `{name}` any more")));
            };
            let source = at_home(path);
            if !source.exists() {
                return Err(environment(WHAT, format!("the mount `{name}`: {} is not there", source.display())));
            }
            let variable = format!("FORGEHAND_MOUNT_{}", name.to_ascii_uppercase().replace('-', "_"));
            let target = Path::new(MOUNTS).join(name);
            granted.mounts.push((variable, Mount { source, target, access: MountAccess::Read }));
        }
        (self.options.learn_secrets)(granted.secrets.iter().flat_map(|(_, secret)| pieces(secret)).collect());
        Ok(granted)
    }
}

/// A secret, and the lines of it: a command may print one of them.
fn pieces(secret: &SecretString) -> Vec<SecretString> {
    let text = secret.expose_secret();
    let lines = text.lines().map(str::trim).filter(|line| line.chars().count() >= LINE && *line != text);
    [text].into_iter().chain(lines).map(SecretString::from).collect()
}

fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

async fn read(source: &VaultSecret) -> Result<SecretString, String> {
    let text = match source {
        VaultSecret::Env(name) => std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?,
        VaultSecret::File(path) => {
            let path = at_home(path);
            tokio::fs::read_to_string(&path).await.map_err(|e| format!("{} cannot be read: {e}", path.display()))?
        }
        VaultSecret::Command(words) => printed(words).await?,
    };
    // A file ends with a newline; a key has some within, which stay.
    let text = text.trim_end_matches(['\n', '\r']);
    match text.len() {
        0 => Err("it is empty".to_owned()),
        length if length > LONGEST => Err(format!("it has {length} bytes, and an environment takes {LONGEST}")),
        _ if text.contains('\0') => Err("it has a NUL byte, which no environment takes".to_owned()),
        _ => Ok(SecretString::from(text)),
    }
}

/// What a program prints. Of what it says besides nothing is passed on: it may hold what it was to keep.
async fn printed(words: &[String]) -> Result<String, String> {
    let [program, arguments @ ..] = words else { return Err("no program is named".to_owned()) };
    #[expect(clippy::disallowed_methods, reason = "whoever runs forgehand named it, and it is to see what they do")]
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(e)) => return Err(format!("{program} cannot be started: {e}")),
        Err(_) => return Err(format!("{program} took longer than {} s", PATIENCE.as_secs())),
    };
    if !output.status.success() {
        return Err(format!("{program} failed ({}); run it by hand to see why", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("what {program} prints is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_read_from_where_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        std::fs::write(&file, "-----BEGIN\nabcdefgh\n").expect("a file");
        let secret = read(&VaultSecret::File(file)).await.expect("it is there");
        assert_eq!(secret.expose_secret(), "-----BEGIN\nabcdefgh");
        let all: Vec<String> = pieces(&secret).iter().map(|piece| piece.expose_secret().to_owned()).collect();
        assert_eq!(all, ["-----BEGIN\nabcdefgh", "-----BEGIN", "abcdefgh"]);
        let words = |words: &[&str]| VaultSecret::Command(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(read(&words(&["printf", "s3cret"])).await.expect("it prints").expose_secret(), "s3cret");
        for (source, wanted) in [
            (words(&["sh", "-c", "echo no >&2; exit 3"]), "failed"),
            (words(&["printf", ""]), "it is empty"),
            (words(&["/nowhere/sops"]), "cannot be started"),
            (VaultSecret::File(folder.path().join("none")), "cannot be read"),
            (VaultSecret::Env("FORGEHAND_NOT_SET_ANYWHERE".into()), "is not set"),
        ] {
            let why = read(&source).await.expect_err("it cannot be had");
            assert!(why.contains(wanted), "{wanted}: {why}");
        }
    }
}
