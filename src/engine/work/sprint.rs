//! The sprint about an issue, as it stands in the operations repository: on the branch that counts, or in a pull request of ours that asks for it.
//!
//! Promises: only what names the issue itself is its sprint, or what a pull request of ours asks for that was opened for it; what is merged
//! counts before what is asked for. Known race: what is pushed to that pull request after this reading is seen by the next run.

use crate::formula::{Block, filer_block};
use crate::model::{AskedBy, Failure, Formula, OpsFile, PullNumber, Sprint};
use crate::ports::IssueFilter;
use crate::text;

use super::keep::{Ops, Read};
use super::{Order, Worker, forge, repos};

/// The sprint, and its file.
pub(super) type Found = (Sprint, String);

impl Worker {
    /// The sprint about the run's issue, where its formula asks for it.
    pub(super) async fn sprint(&self, order: &Order<'_>, formula: &Formula, read: &Read) -> Result<Option<Found>, Failure> {
        let run = order.run()?;
        if order.subject.is_project() || !formula.needs_ops() || !formula.names(&["issue", "sprint"]) {
            return Ok(None);
        }
        let named =
            |file: &OpsFile| filer_block(&file.path, &file.text).filter(|block| block.vision.as_ref() == Some(order.subject));
        if let Some((file, block)) = read.files.iter().find_map(|file| Some((file, named(file)?))) {
            return Ok(Some(found(file, block, None)));
        }
        let Some(pull) = self.asking(order).await? else { return Ok(None) };
        let Ops { repo, branch } = self.ops()?;
        let pull = self.ports.forge.pull(repo, pull).await.map_err(forge)?;
        let tips = self.ports.repos.sync(repo, &[branch.clone(), pull.head.clone()], &run.id).await.map_err(repos)?;
        let Some(head) = tips.0.into_iter().nth(1).flatten() else { return Ok(None) };
        let files = self.ops_files(repo, &head, &formula.reads_ops).await?;
        // It asks for one file; where somebody took the block out of that, so it is said.
        let asked = files.iter().find(|file| !read.files.contains(file));
        Ok(asked.map(|file| {
            let none = || Block { wrong: vec![format!("{}: there is no filer block in it", file.path)], ..Block::default() };
            let block = filer_block(&file.path, &file.text).unwrap_or_else(none);
            found(file, block, Some(AskedBy { pull: pull.number, branch: pull.head.clone(), head }))
        }))
    }

    /// The newest open pull request of ours there that was opened for the run's issue.
    async fn asking(&self, order: &Order<'_>) -> Result<Option<PullNumber>, Failure> {
        let Ops { repo, .. } = self.ops()?;
        let filter = IssueFilter { open_only: true, ..IssueFilter::default() };
        let open = self.ports.forge.issues(repo, &filter).await.map_err(forge)?.items;
        let ours = open.iter().filter(|pull| pull.pull.is_some() && order.facts.is_ours(&pull.author));
        let about = |body: &str| text::find_marker(body).is_some_and(|key| key.parts(order.subject).is_some());
        Ok(ours.filter(|pull| about(&pull.body)).map(|pull| PullNumber(pull.number.0)).max())
    }
}

fn found(file: &OpsFile, block: Block, asked: Option<AskedBy>) -> Found {
    let Block { issues, wrong, .. } = block;
    (Sprint { path: file.path.clone(), asked, issues, wrong }, file.text.clone())
}
