//! When a project is surveyed, looked at, or left alone.

use crate::ledger::{InTrouble, Ledger};
use crate::model::{Event, RepoName, Timestamp, Trouble, Wait};

use super::{Action, Context, Plan, Policy, View};

/// A wake asks for a look. A project that start-up knows nothing of is surveyed first; one in trouble is left alone for a while.
pub(super) fn plan(context: &Context<'_>, repo: &RepoName, plan: &mut Plan) {
    let view = context.view;
    if view.looking.contains(repo) || !view.look_wanted.contains(repo) {
        return;
    }
    let project = context.ledger.projects.get(repo);
    if let Some(trouble) = project.and_then(|p| p.trouble.as_ref())
        && context.now < context.left_alone_until(trouble)
        && !view.look_forced.contains(repo)
    {
        return;
    }
    // An agent that came with an identity of its own: its login must be known as ours before it does anything.
    let identities = || context.policy.crew.members().filter(|m| m.identity);
    let known = project
        .and_then(|p| p.facts.as_ref())
        .is_some_and(|f| f.forge == context.policy.forge && identities().all(|m| f.others.contains_key(&m.name)));
    let healthy = project.is_none_or(|p| p.trouble.as_ref().is_none_or(|t| passes(&t.trouble)));
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

/// The event of a trouble that was just seen: the pause grows with each in a row, and chance spreads it by a quarter to both sides.
pub fn troubled(ledger: &Ledger, view: &View, policy: &Policy, now: Timestamp, repo: RepoName, trouble: Trouble) -> Event {
    let before = ledger.projects.get(&repo).and_then(|p| p.trouble.as_ref());
    let same = before.filter(|b| std::mem::discriminant(&b.trouble) == std::mem::discriminant(&trouble));
    let pause = policy.pause_of(&trouble, same.map_or(0, |b| b.failures).saturating_add(1));
    let until = now + pause.mul_f64(0.75 + f64::from(view.chance.min(1_000)) / 2_000.0);
    Event::Troubled { repo, trouble, until: Some(until) }
}

impl Context<'_> {
    /// Why nothing of a project is started now.
    pub(super) fn project_wait(&self, repo: &RepoName) -> Option<Wait> {
        let trouble = self.ledger.projects.get(repo)?.trouble.as_ref()?;
        Some(Wait::Project { trouble: trouble.trouble.clone(), until: self.left_alone_until(trouble) })
    }

    fn left_alone_until(&self, trouble: &InTrouble) -> Timestamp {
        trouble.until.unwrap_or(trouble.last + self.policy.pause_of(&trouble.trouble, trouble.failures))
    }
}
