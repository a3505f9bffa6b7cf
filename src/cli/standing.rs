//! What the first start found standing, said once for each project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::engine::Core;
use crate::ledger::{Gap, Ledger};
use crate::model::{IssueNumber, RepoName, Timestamp};
use crate::{plan, words};

use super::setup::Setup;
use super::{CliError, said};

/// The lines about one project.
pub(super) fn lines(core: &Core, repo: &RepoName) -> Vec<String> {
    let names = core.policy().projects.get(repo).map(|p| p.labels.clone()).unwrap_or_default();
    words::standing(repo, &plan::standing(core.ledger(), core.policy(), repo), &names)
}

/// Says it, as soon as the first look at a project is there. What was begun before this process was told then.
pub(super) struct Sayer {
    /// The projects that were looked at before this process began; nothing before the core is seen for the first time.
    begun: Option<BTreeSet<RepoName>>,
    told: BTreeSet<RepoName>,
    state_dir: PathBuf,
}

impl Sayer {
    pub(super) fn new(setup: &Setup) -> Self {
        Self { begun: None, told: BTreeSet::new(), state_dir: setup.state_dir.clone() }
    }

    /// Is shown the core after each step; the first time before any look.
    pub(super) fn look(&mut self, core: &Core) {
        let begun = self.begun.get_or_insert_with(|| begun(core.ledger()));
        for repo in core.view().fresh.iter().filter(|repo| !self.told.contains(*repo)).cloned().collect::<Vec<_>>() {
            let first = !begun.contains(&repo);
            let said = say_restored(&self.state_dir, core, &repo)
                .and_then(|()| if first { say(&self.state_dir, core, &repo) } else { Ok(()) });
            if let Err(error) = said {
                tracing::warn!(%repo, ?error, "what stood there at the first look could not be said");
            }
            self.told.insert(repo);
        }
    }
}

/// The projects that were looked at before.
pub(super) fn begun(ledger: &Ledger) -> BTreeSet<RepoName> {
    ledger.projects.iter().filter(|(_, project)| project.began.is_some()).map(|(repo, _)| repo.clone()).collect()
}

fn say(state_dir: &Path, core: &Core, repo: &RepoName) -> Result<(), CliError> {
    let Some(began) = core.ledger().projects.get(repo).and_then(|p| p.began) else { return Ok(()) };
    match lines(core, repo).as_slice() {
        [] => Ok(()),
        // A journal that was lost begins anew, and says it again.
        lines => said::once(state_dir, &format!("first-look-{}-{}", repo.folder(), began.0), &lines.join("\n")),
    }
}

/// Said once for each time that it was noticed.
fn say_restored(state_dir: &Path, core: &Core, repo: &RepoName) -> Result<(), CliError> {
    let of_repo = core.ledger().issues().filter(|(subject, _)| subject.repo == *repo);
    let restored = of_repo.filter_map(|(subject, state)| match state.gap {
        Some(Gap::Restored(at)) => Some((subject.issue, at)),
        Some(Gap::Found(_)) | None => None,
    });
    let (issues, times): (Vec<IssueNumber>, Vec<Timestamp>) = restored.unzip();
    match times.into_iter().max() {
        Some(at) => said::once(state_dir, &format!("restored-{}-{}", repo.folder(), at.0), &words::restored(repo, &issues)),
        None => Ok(()),
    }
}
