//! Looking up what an effect may have left behind before it was cut.

use crate::model::{Comment, EffectKey, Failure, Intent, Outcome, Saying, Subject, Timestamp};
use crate::text;

use super::super::core::Facts;
use super::{Worker, forge, say};

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
            Intent::Say { what, replaces, .. } => {
                let issue = say::named(what).unwrap_or(subject.issue);
                let comments = self.ports.forge.issue_comments(&subject.repo, issue).await.map_err(forge)?;
                let by_key = |c: &&Comment| facts.is_ours(&c.author) && text::find_marker(&c.body).as_ref() == Some(key);
                let Some(comment) = comments.iter().filter(by_key).map(|c| c.id).min() else { return Ok(None) };
                if let Saying::Note { .. } = what {
                    return Ok(Some(Outcome::Said { comment, left: None }));
                }
                // Of each kind one stands: neither a double nor what another life of this daemon left.
                for double in say::ours(&comments, facts, subject, say::word(what)) {
                    if double != comment {
                        self.ports.forge.delete_comment(&subject.repo, double).await.map_err(forge)?;
                    }
                }
                self.drop_older(&subject.repo, *replaces).await?;
                let left = say::ours(&comments, facts, subject, say::other(what)).pop();
                Ok(Some(Outcome::Said { comment, left }))
            }
            Intent::OpenPull { head, base, .. } => {
                let since = self.by_forge_clock(since) - SLACK;
                let pulls = self.ports.forge.pulls(&subject.repo, head, base, Some(since)).await.map_err(forge)?;
                let ours = pulls.iter().filter(|p| facts.is_ours(&p.author) && p.created >= since);
                let closed = ours.map(|p| p.number).min();
                let open = self.the_one(&subject.repo, facts, pulls).await?;
                Ok(open.or(closed).map(|pull| Outcome::PullOpened { pull }))
            }
            Intent::Review { pull, verdict, .. } => self.find_review(key, subject, (*pull, *verdict), facts).await,
            Intent::Reply { pull, reply, .. } => self.find_reply(key, subject, (*pull, reply), facts).await,
            Intent::Merge { pull, .. } => self.find_merge(subject, *pull).await,
            Intent::Rerun { head, .. } => self.find_rerun(subject, head).await,
            Intent::File { blocks, .. } => {
                let since = self.by_forge_clock(since) - SLACK;
                self.find_filed(key, subject, *blocks, since, facts).await
            }
            Intent::Mend { probe, .. } => self.find_mended(probe).await,
            _ => Ok(None),
        }
    }

    fn by_forge_clock(&self, at: Timestamp) -> Timestamp {
        let skew = self.forge_now().0.saturating_sub(self.ports.clock.now().0);
        Timestamp(at.0.saturating_add(skew))
    }
}
