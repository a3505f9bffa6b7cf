//! When a project is surveyed, looked at, or left alone.

use crate::model::{RepoName, Trouble, Wait};

use super::{Action, Context, Plan};

/// A wake asks for a look. A project that start-up knows nothing of is surveyed first; one in trouble is left alone for a while.
pub(super) fn plan(context: &Context<'_>, repo: &RepoName, plan: &mut Plan) {
    let view = context.view;
    if view.looking.contains(repo) || !view.look_wanted.contains(repo) {
        return;
    }
    let project = context.ledger.projects.get(repo);
    if let Some((trouble, since)) = project.and_then(|p| p.trouble.as_ref())
        && context.now < *since + context.policy.pause_of(trouble)
        && !view.look_forced.contains(repo)
    {
        return;
    }
    // An agent that came with an identity of its own: its login must be known as ours before it does anything.
    let identities = || context.policy.crew.members().filter(|m| m.identity);
    let known = project
        .and_then(|p| p.facts.as_ref())
        .is_some_and(|f| f.forge == context.policy.forge && identities().all(|m| f.others.contains_key(&m.name)));
    let healthy = project.is_none_or(|p| p.trouble.as_ref().is_none_or(|(trouble, _)| passes(trouble)));
    plan.actions.push(if known && healthy { Action::Look(repo.clone()) } else { Action::Survey(repo.clone()) });
}

/// Trouble after which what start-up learned still holds.
fn passes(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Unreachable { .. } => true,
        Trouble::Unauthorized
        | Trouble::Denied { .. }
        | Trouble::Missing
        | Trouble::Moved { .. }
        | Trouble::Archived
        | Trouble::Empty
        | Trouble::NotAForge { .. } => false,
    }
}

impl Context<'_> {
    /// Why nothing of a project is started now.
    pub(super) fn project_wait(&self, repo: &RepoName) -> Option<Wait> {
        let (trouble, since) = self.ledger.projects.get(repo)?.trouble.as_ref()?;
        Some(Wait::Project { trouble: trouble.clone(), until: *since + self.policy.pause_of(trouble) })
    }
}
