//! Reactions to issues and comments: 201 for a new one, 200 where it stands already. They move no `updated_at`.

use super::answer::{Halt, Handled, missing, says};
use super::records::*;
use super::{Answer, Call};
use crate::wire::asked;

/// The reactions that a real forge allows unless it is told otherwise.
const ALLOWED: [&str; 8] = ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"];

impl Call<'_> {
    fn new_reaction(&self, repo: RepoId) -> Result<Reaction, Halt> {
        let user = self.user()?;
        self.need_unarchived(repo)?;
        let new: asked::NewReaction = self.body()?;
        if !ALLOWED.contains(&new.content.as_str()) {
            return says(403, format!("'{}' is not an allowed reaction", new.content));
        }
        Ok(Reaction { user, content: new.content, created: self.request.now })
    }

    pub(super) fn list_reactions(&self, issue: IssueKey) -> Handled {
        Ok(Answer::json(200, &self.view().show_reactions(&self.found(issue)?.reactions)))
    }

    pub(super) fn react_to_issue(&mut self, key: IssueKey) -> Handled {
        let reaction = self.new_reaction(key.0)?;
        let shown = self.view().show_reaction(&reaction);
        let reactions = &mut self.state.issues.get_mut(&key).ok_or_else(missing)?.reactions;
        Ok(Answer::json(add(reactions, reaction), &shown))
    }

    pub(super) fn list_comment_reactions(&self, repo: RepoId, id: &str) -> Handled {
        match &self.comment(repo, id)?.0.what {
            What::Comment { reactions, .. } => Ok(Answer::json(200, &self.view().show_reactions(reactions))),
            _ => Err(missing()),
        }
    }

    pub(super) fn react_to_comment(&mut self, repo: RepoId, id: &str) -> Handled {
        let event = self.comment(repo, id)?.0;
        let key = (event.issue, event.id);
        let reaction = self.new_reaction(repo)?;
        let shown = self.view().show_reaction(&reaction);
        match self.state.events.get_mut(&key).map(|event| &mut event.what) {
            Some(What::Comment { reactions, .. }) => Ok(Answer::json(add(reactions, reaction), &shown)),
            _ => Err(missing()),
        }
    }
}

/// The status: 200 where this user reacted so before.
fn add(reactions: &mut Vec<Reaction>, new: Reaction) -> u16 {
    if reactions.iter().any(|old| old.user == new.user && old.content == new.content) {
        return 200;
    }
    reactions.push(new);
    201
}
