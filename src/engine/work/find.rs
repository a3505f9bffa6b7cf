//! Looking up what an effect may have left behind before it was cut.

use crate::model::{EffectKey, Failure, Intent, Outcome, Subject, Timestamp};
use crate::text;

use super::super::core::Facts;
use super::{Worker, forge};

/// How far our clock and the forge's may be apart when closed pull requests are looked through.
const SLACK: std::time::Duration = std::time::Duration::from_secs(300);

impl Worker {
    /// None if nothing was found.
    pub(super) async fn find(
        &self,
        key: &EffectKey,
        subject: &Subject,
        intent: &Intent,
        since: Timestamp,
        facts: &Facts,
    ) -> Result<Option<Outcome>, Failure> {
        match intent {
            Intent::Say { replaces, .. } => {
                let comments = self.ports.forge.issue_comments(&subject.repo, subject.issue).await.map_err(forge)?;
                let mut ours: Vec<_> = comments
                    .into_iter()
                    .filter(|c| facts.is_ours(&c.author) && text::find_marker(&c.body).as_ref() == Some(key))
                    .map(|c| c.id)
                    .collect();
                ours.sort();
                let mut ours = ours.into_iter();
                let Some(comment) = ours.next() else { return Ok(None) };
                for double in ours {
                    self.ports.forge.delete_comment(&subject.repo, double).await.map_err(forge)?;
                }
                self.drop_older(&subject.repo, *replaces).await?;
                Ok(Some(Outcome::Said { comment }))
            }
            Intent::OpenPull { head, base, .. } => {
                let since = self.by_forge_clock(since) - SLACK;
                let pulls = self.ports.forge.pulls(&subject.repo, head, base, Some(since)).await.map_err(forge)?;
                let ours: Vec<_> = pulls.into_iter().filter(|p| facts.is_ours(&p.author) && p.created >= since).collect();
                let closed = ours.iter().map(|p| p.number).min();
                let open = self.keep_lowest(&subject.repo, facts, ours).await?.map(|p| p.number);
                Ok(open.or(closed).map(|pull| Outcome::PullOpened { pull }))
            }
            _ => Ok(None),
        }
    }

    fn by_forge_clock(&self, at: Timestamp) -> Timestamp {
        let skew = self.forge_now().0.saturating_sub(self.ports.clock.now().0);
        Timestamp(at.0.saturating_add(skew))
    }
}
