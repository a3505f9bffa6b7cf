//! Where the model's key comes from, and reading it afresh for each call.
//!
//! A file is read again for every call: it is small, and so a key that was rotated or a sign-in that Claude Code renewed counts from
//! the next call on. Races known: a file that is being rewritten in place can be seen half; the call then fails with 401, which
//! the client retries. Nothing here renews a sign-in: two renewers would invalidate each other's tokens; see `renew`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::model::{CredentialFacts, CredentialKind, Ends, Timestamp};

/// Bytes that a credentials file may have.
const LARGEST: u64 = 64 * 1024;
/// How an OAuth token of Anthropic begins; everything else is taken for an API key.
const OAUTH_PREFIX: &str = "sk-ant-oat";
/// What Claude Code calls the file of its sign-in.
const SIGN_IN: &str = ".credentials.json";
/// How long a token of `claude setup-token` lasts.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

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
    /// A token of `claude setup-token` in the environment, whatever it looks like.
    OauthEnv {
        /// The variable's name, for messages.
        variable: String,
        /// Its value.
        value: SecretString,
    },
    /// A token of `claude setup-token` in a file, whatever it looks like.
    OauthFile(PathBuf),
    /// As [`CredentialSource::File`], in a file that a service manager made at the start: its time says nothing.
    Passed(PathBuf),
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
    refresh_token: Option<String>,
    /// Milliseconds since 1970: after this only a person can sign in again.
    refresh_token_expires_at: Option<i64>,
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
            Self::OauthEnv { variable, value } => {
                Ok(token(value.expose_secret(), variable)?.map(|t| Credential::Bearer(t, None)))
            }
            Self::OauthFile(path) => match read(path)? {
                Some(text) => Ok(token(text.expose_secret(), &path.display().to_string())?.map(|t| Credential::Bearer(t, None))),
                None => Ok(None),
            },
            Self::File(path) | Self::SignIn(path) | Self::Passed(path) => match read(path)? {
                Some(text) => parse(text.expose_secret(), &path.display().to_string()),
                None => Ok(None),
            },
        }
    }

    /// What is known of the credential, without asking anybody. None if the file is not there or holds nothing.
    ///
    /// # Errors
    /// As [`CredentialSource::load`].
    pub fn facts(&self) -> Result<Option<CredentialFacts>, CredentialError> {
        let Some(credential) = self.load()? else { return Ok(None) };
        let sign_in = self.path().map(read).transpose()?.flatten().and_then(|text| sign_in(text.expose_secret()));
        let facts = match (credential, sign_in) {
            (_, Some(sign_in)) => CredentialFacts { kind: CredentialKind::SignIn, ends: self.end_of(&sign_in) },
            (Credential::ApiKey(_), None) => CredentialFacts { kind: CredentialKind::ApiKey, ends: Ends::Never },
            (Credential::Bearer(..), None) => CredentialFacts { kind: CredentialKind::OauthToken, ends: self.year_of_file() },
        };
        Ok(Some(facts))
    }

    /// The file that the credential is in, where it is in one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::SignIn(path) | Self::OauthFile(path) | Self::Passed(path) => Some(path),
            Self::Env { .. } | Self::OauthEnv { .. } => None,
        }
    }

    /// The place, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Env { variable, .. } | Self::OauthEnv { variable, .. } => variable.clone(),
            Self::File(path) | Self::SignIn(path) | Self::OauthFile(path) | Self::Passed(path) => path.display().to_string(),
        }
    }

    /// Only what Claude Code finds under the name that it looks for can be renewed by it.
    fn end_of(&self, sign_in: &SignIn) -> Ends {
        let Some(at) = sign_in.expires_at.map(Timestamp) else { return Ends::Unknown };
        let its_own =
            self.path().and_then(Path::file_name).is_some_and(|name| name == SIGN_IN) && !matches!(self, Self::Passed(_));
        let lasting = sign_in.refresh_token_expires_at.is_none_or(|refresh| Timestamp(refresh) > at);
        Ends::At { at, renewable: its_own && lasting && sign_in.refresh_token.as_ref().is_some_and(|t| !t.is_empty()) }
    }

    fn year_of_file(&self) -> Ends {
        let (Self::File(path) | Self::OauthFile(path)) = self else { return Ends::Unknown };
        let modified = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let since = since.and_then(|since| i64::try_from(since.as_millis()).ok());
        since.map_or(Ends::Unknown, |since| Ends::AtBest { at: Timestamp(since) + YEAR })
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
    let sign_in = home.join(".claude").join(SIGN_IN);
    from_env("ANTHROPIC_API_KEY")
        .or_else(|| from_env("CLAUDE_CODE_OAUTH_TOKEN"))
        // Also where there is none yet: it counts as soon as somebody signs in.
        .or(Some(CredentialSource::SignIn(sign_in)))
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

/// The sign-in in a text, where there is one.
fn sign_in(text: &str) -> Option<SignIn> {
    let file: SignInFile = serde_json::from_str(text).ok()?;
    file.claude_ai_oauth
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
