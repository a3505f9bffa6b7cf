//! The texts of a run, frozen in a file from its start to its end; the journal holds their marks.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::model::{Failure, RunId, RunTexts};

use super::environment;

/// Where the texts of runs are kept.
#[derive(Clone, Debug)]
pub struct TextStore {
    folder: PathBuf,
}

impl TextStore {
    /// In a state folder.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("texts") }
    }

    fn path(&self, run: &RunId) -> PathBuf {
        self.folder.join(format!("{run}.json"))
    }

    /// Keeps them, whole or not at all. It waits for the disk, away from the async threads.
    pub async fn write(&self, run: &RunId, texts: RunTexts) -> Result<(), Failure> {
        let (folder, path) = (self.folder.clone(), self.path(run));
        let write = move || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(&serde_json::to_vec(&texts)?)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other).flatten();
        written.map_err(|e| environment(format!("keeping the run's texts in {}: {e}", self.folder.display())))
    }

    /// Reads them.
    pub fn read(&self, run: &RunId) -> Result<RunTexts, Failure> {
        let path = self.path(run);
        let read = || -> std::io::Result<RunTexts> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
        read().map_err(|e| environment(format!("reading the run's texts from {}: {e}", path.display())))
    }

    /// Keeps what a run could not write elsewhere, for people; answers with where.
    pub fn keep_aside(&self, run: &RunId, path: &str, content: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.with_file_name("unwritten");
        let kept = folder.join(format!("{run}-{}", path.replace('/', "-")));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(content.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&kept)?;
            Ok(())
        };
        write().map_err(|e| environment(format!("{}: {e}", kept.display())))?;
        Ok(kept)
    }

    /// Drops them.
    pub fn remove(&self, run: &RunId) -> Result<(), Failure> {
        match std::fs::remove_file(self.path(run)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(environment(format!("removing the run's texts: {e}"))),
            _ => Ok(()),
        }
    }
}
