//! What an agent and its verification said, kept for people: `runs/issue-N-attempt-K.jsonl` (in a folder for each repository where there
//! are several), one JSON object a line, secrets removed.
//!
//! Turns of one attempt are appended to one file, each between two lines of ours (`"type":"forgehand"`). A file that cannot be written is
//! told once and ends no run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// Takes secrets out of a text.
pub type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Bytes that a single turn may add: a program that floods its output must not fill the disk.
const TURN_LIMIT: usize = 256 << 20;

/// Where the log of that name is.
fn path_of(folder: &Path, label: &str) -> PathBuf {
    let plain = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' }).collect()
    };
    let (folder, name) = match label.split_once('/') {
        Some((inner, name)) => (folder.join(plain(inner).trim_start_matches('.')), name),
        None => (folder.to_owned(), label),
    };
    folder.join(format!("{}.jsonl", plain(name)))
}

/// The log of an attempt.
pub(super) struct Transcript {
    file: Option<File>,
    path: PathBuf,
    redact: Redact,
    left: usize,
}

impl Transcript {
    /// Opens it for appending; only our own user may read it.
    pub(super) async fn open(folder: &Path, label: &str, redact: Redact) -> Self {
        let path = path_of(folder, label);
        let file = async {
            tokio::fs::create_dir_all(path.parent().unwrap_or(folder)).await?;
            OpenOptions::new().create(true).append(true).mode(0o600).open(&path).await
        };
        let file = match file.await {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the run's log cannot be written; the run goes on without one");
                None
            }
        };
        Self { file, path, redact, left: TURN_LIMIT }
    }

    /// A line of ours.
    pub(super) async fn note(&mut self, mut what: Value) {
        if let Some(object) = what.as_object_mut() {
            object.insert("type".to_owned(), json!("forgehand"));
        }
        self.write(&what.to_string()).await;
    }

    /// What a program printed.
    pub(super) async fn output(&mut self, stream: &str, text: &str) {
        self.write(&json!({"type": "output", "stream": stream, "text": text}).to_string()).await;
    }

    /// A line of the agent's stream.
    pub(super) async fn raw(&mut self, line: &[u8]) {
        self.write(&String::from_utf8_lossy(line)).await;
    }

    async fn write(&mut self, line: &str) {
        let Some(file) = &mut self.file else { return };
        let mut line = (self.redact)(line).replace(['\n', '\r'], " ");
        if line.len() >= self.left {
            line = json!({"type": "forgehand", "cut": "the log of this turn ends here: it is over its limit"}).to_string();
            self.left = 0;
        }
        line.push('\n');
        self.left = self.left.saturating_sub(line.len());
        let mut written = file.write_all(line.as_bytes()).await;
        if written.is_ok() {
            written = file.flush().await;
        }
        if let Err(error) = &written {
            tracing::warn!(path = %self.path.display(), %error, "the run's log cannot be written any more");
        }
        if written.is_err() || self.left == 0 {
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_folder_only_where_its_name_says_so_and_never_leaves_its_place() {
        let path = |label: &str| path_of(Path::new("/runs"), label).display().to_string();
        assert_eq!(path("issue-7-attempt-1"), "/runs/issue-7-attempt-1.jsonl");
        assert_eq!(path("owner--my.app/issue-7-attempt-1"), "/runs/owner--my.app/issue-7-attempt-1.jsonl");
        assert_eq!(path("../../etc"), "/runs/.._etc.jsonl");
        assert_eq!(path("a/../b"), "/runs/a/.._b.jsonl");
    }
}
