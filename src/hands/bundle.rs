//! Takes an agent's commits out of its workspace: git makes a bundle in a second sandbox, without network, and with nothing that could
//! be written but the folder for what is handed out.
//!
//! The host's git never looks at a tree that an agent could write (`facts/security.md`): not even to count commits. Whatever
//! the agent's repository makes git do happens in here, where there is nothing to find. A repository that it broke is no failure of
//! the machine: then nothing is committed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{self, Stopped};
use super::site::{Site, cancelled, environment, sandbox_failed};
use super::supervise::Exit;
use super::{RealHands, command};
use crate::model::Access;
use crate::ports::{HandError, WorkspaceOrder};
use crate::sandbox::Spec;

/// The bundle's file, in the place's `out`.
const BUNDLE: &str = "work.bundle";
/// How long git may take: a repository can be made to hang it, with a pipe in the place of a ref.
const LIMIT: Duration = Duration::from_mins(5);
/// The exit code that says: no commits.
const NO_COMMITS: i32 = 42;
/// `$1` is the base, `$2` the branch, `$3` the file. The branch is named in full, so that a tag of the same name is not meant.
const SCRIPT: &str = r#"
commits=$(git rev-list --count "$1..refs/heads/$2") || exit 1
[ "$commits" -gt 0 ] || exit 42
exec git bundle create --quiet "$3" "$1..refs/heads/$2"
"#;

impl RealHands {
    pub(super) async fn make_bundle(
        &self,
        order: &WorkspaceOrder,
        cancel: &CancellationToken,
    ) -> Result<Option<PathBuf>, HandError> {
        const WHAT: &str = "bundling the agent's commits";
        if cancel.is_cancelled() {
            return Err(cancelled(WHAT));
        }
        let place = self.options.places.place(&order.repo, &order.run)?;
        // What comes out is scanned, maybe by a process that did not read the env file.
        self.remember_env(&order.run).await?;
        let file = place.out.join(BUNDLE);
        command::clear_result(&file).map_err(|error| environment(WHAT, format!("{}: {error}", file.display())))?;
        let site = Site::new(&self.options.sandbox, &place, Access::Read);
        let inside = site.out.join(BUNDLE).display().to_string();
        let mut env = site.env();
        // The agent's HOME has a .gitconfig if the agent wanted one.
        env.push(("GIT_CONFIG_GLOBAL".to_owned(), "/dev/null".to_owned()));
        let args = ["-c", SCRIPT, "sh", order.base.as_str(), order.branch.as_str(), &inside];
        let spec = Spec {
            program: PathBuf::from("/bin/sh"),
            args: args.map(OsString::from).into(),
            env: env.into_iter().collect(),
            cwd: site.tree,
            stdin: Vec::new(),
            mounts: site.mounts,
            forwards: Vec::new(),
        };
        let process = self.options.sandbox.start(spec).await.map_err(|error| sandbox_failed(WHAT, &error))?;
        let options = &self.options;
        let finished = batch::run(process, Instant::now() + LIMIT, &options.limits, &options.redact, cancel).await;
        let finished = finished.map_err(|error| environment(WHAT, error))?;
        match (finished.stopped, finished.exit) {
            (Some(Stopped::Cancelled), _) => Err(cancelled(WHAT)),
            (None, Exit::Code(0)) => Ok(Some(file)),
            (None, Exit::Code(NO_COMMITS)) => Ok(None),
            (stopped, exit) => {
                tracing::warn!(run = %order.run, ?stopped, %exit, said = %finished.tail, "the agent's repository gives no bundle");
                Ok(None)
            }
        }
    }
}
