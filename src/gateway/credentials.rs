//! Where the model's key comes from, and reading it afresh for each call.
//!
//! A file is read again for every call: it is small, and so a key that was rotated or a sign-in that Claude Code renewed counts from
//! the next call on. Races known: a file that is being rewritten in place can be seen half; the call then fails with 401, which
//! the client retries. Nothing here renews a sign-in: two renewers would invalidate each other's tokens.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::model::Timestamp;

/// Bytes that a credentials file may have.
const LARGEST: u64 = 64 * 1024;
/// How an OAuth token of Anthropic begins; everything else is taken for an API key.
const OAUTH_PREFIX: &str = "sk-ant-oat";

/// Where credentials are found.
#[derive(Clone, Debug)]
pub enum CredentialSource {
    /// The environment, as it was when the program started.
    Env {
        /// The variable's name, for messages.
        variable: String,
        /// Its value.
        value: SecretString,
    },
    /// A file with an API key or an OAuth token in it, or one in the form of Claude Code's sign-in.
    File(PathBuf),
    /// The sign-in that Claude Code keeps, `~/.claude/.credentials.json`.
    SignIn(PathBuf),
}

/// What the model's provider asks for.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Sent as `x-api-key`.
    ApiKey(SecretString),
    /// Sent as `authorization: Bearer`, with the time at which it ends, by the provider's clock, where that is known.
    Bearer(SecretString, Option<Timestamp>),
}

/// Credentials that are there but cannot be used. Never carries what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("cannot read the model's credentials in {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// What it holds is no credential.
    #[error("{place} holds no usable credential: {why}")]
    Malformed {
        /// The file or variable.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignInFile {
    claude_ai_oauth: Option<SignIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    access_token: String,
    /// Milliseconds since 1970.
    expires_at: Option<i64>,
}

impl CredentialSource {
    /// Reads the credential. None if the file is not there or holds nothing.
    ///
    /// # Errors
    /// If it is there and cannot be read, or is no credential.
    pub fn load(&self) -> Result<Option<Credential>, CredentialError> {
        match self {
            Self::Env { variable, value } if variable == "CLAUDE_CODE_OAUTH_TOKEN" || variable == "ANTHROPIC_AUTH_TOKEN" => {
                Ok(token(value.expose_secret(), variable)?.map(|t| Credential::Bearer(t, None)))
            }
            Self::Env { variable, value } => plain(value.expose_secret(), variable),
            Self::File(path) | Self::SignIn(path) => match read(path)? {
                Some(text) => parse(text.expose_secret(), &path.display().to_string()),
                None => Ok(None),
            },
        }
    }

    /// Whether somebody named this source for forgehand, as opposed to the sign-in that happened to be there.
    pub fn is_explicit(&self) -> bool {
        !matches!(self, Self::SignIn(_))
    }
}

impl Credential {
    /// The secret itself.
    pub fn secret(&self) -> &SecretString {
        match self {
            Self::ApiKey(secret) | Self::Bearer(secret, _) => secret,
        }
    }
}

/// Finds credentials, without reading any file.
///
/// What the configuration names (`key_env`, then `key_file`) is used or nothing is: falling back would spend another account's money.
/// Where it names nothing: `ANTHROPIC_API_KEY`, `CLAUDE_CODE_OAUTH_TOKEN`, then the sign-in of Claude Code below `home`.
pub fn find_credentials(
    env: impl Fn(&str) -> Option<String>,
    key_env: Option<&str>,
    key_file: Option<&Path>,
    home: &Path,
) -> Option<CredentialSource> {
    let from_env = |name: &str| {
        let value = env(name).filter(|v| !v.trim().is_empty())?;
        Some(CredentialSource::Env { variable: name.to_owned(), value: value.into() })
    };
    if key_env.is_some() || key_file.is_some() {
        return key_env.and_then(from_env).or_else(|| key_file.map(|path| CredentialSource::File(path.to_owned())));
    }
    let sign_in = home.join(".claude/.credentials.json");
    from_env("ANTHROPIC_API_KEY")
        .or_else(|| from_env("CLAUDE_CODE_OAUTH_TOKEN"))
        .or_else(|| sign_in.is_file().then_some(CredentialSource::SignIn(sign_in)))
}

fn read(path: &Path) -> Result<Option<SecretString>, CredentialError> {
    let unreadable = |why| CredentialError::Unreadable { path: path.to_owned(), why };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
    };
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some(text.into()))
}

fn parse(text: &str, place: &str) -> Result<Option<Credential>, CredentialError> {
    if !text.trim_start().starts_with('{') {
        return plain(text, place);
    }
    // serde's own message could quote the file, so it is not passed on.
    let file: SignInFile = serde_json::from_str(text)
        .map_err(|_| CredentialError::Malformed { place: place.to_owned(), why: "it is not the JSON that Claude Code writes" })?;
    let Some(sign_in) = file.claude_ai_oauth else { return Ok(None) };
    let secret = token(&sign_in.access_token, place)?;
    Ok(secret.map(|s| Credential::Bearer(s, sign_in.expires_at.map(Timestamp))))
}

fn plain(text: &str, place: &str) -> Result<Option<Credential>, CredentialError> {
    Ok(token(text, place)?.map(|secret| {
        if secret.expose_secret().starts_with(OAUTH_PREFIX) {
            Credential::Bearer(secret, None)
        } else {
            Credential::ApiKey(secret)
        }
    }))
}

/// What can stand in a header: anything else would fail later, in a place that knows less.
fn token(text: &str, place: &str) -> Result<Option<SecretString>, CredentialError> {
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok((!text.is_empty()).then(|| text.into()))
    } else {
        Err(CredentialError::Malformed { place: place.to_owned(), why: "a key is one line without spaces" })
    }
}
