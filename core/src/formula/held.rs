//! How long the steps of a base branch's formula take, how often they are done again, and for how many items: no more than those of the
//! configured one.
//!
//! Promises: a step is held to the one of the same name and kind; one that has none there to those of its kind, the most generous of them. What
//! the configured formula does not bound, or does of no step of that kind, the configuration's own limits still do.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use crate::model::{Formula, Proposal, Retry, Step, StepKind};

/// Holds the steps of a formula to those of the configured one.
pub(super) fn hold(over: &mut Formula, configured: &Formula) {
    for step in &mut over.steps {
        let known = Known::of(step, configured);
        step.timeout = known.time(step.timeout);
        step.retry = known.retry(step.retry);
        let rounds = known.most(|own| Some(own.kind.on_failure().map_or(0, |back| back.at_most)));
        let items = known.most(|own| own.for_each.as_ref().map(|each| each.at_most));
        if let (Some(each), Some(items)) = (&mut step.for_each, items) {
            each.at_most = each.at_most.min(items);
        }
        let filed = known.most(|own| filed(&own.kind));
        match &mut step.kind {
            StepKind::Verify { on_failure } | StepKind::Run { on_failure, .. } => {
                // What runs commands where none do in the configured formula sends nobody back.
                let rounds = rounds.unwrap_or_default();
                *on_failure = on_failure.take().map(|mut back| {
                    back.at_most = back.at_most.min(rounds);
                    back
                });
                on_failure.take_if(|back| back.at_most == 0);
            }
            StepKind::Propose(Proposal::SubIssues { at_most, .. }) => {
                *at_most = filed.map_or(*at_most, |most| most.min(*at_most))
            }
            _ => {}
        }
    }
}

fn filed(kind: &StepKind) -> Option<u32> {
    match kind {
        StepKind::Propose(Proposal::SubIssues { at_most, .. }) => Some(*at_most),
        _ => None,
    }
}

/// What a step is: commands are commands, the project's verification or others.
fn alike(kind: &StepKind) -> (Discriminant<StepKind>, Option<Discriminant<Proposal>>) {
    let proposal = match kind {
        StepKind::Propose(proposal) => Some(discriminant(proposal)),
        _ => None,
    };
    (discriminant(kind), proposal)
}

/// The steps of the configured formula that a step is held to.
struct Known<'c>(Vec<&'c Step>);

impl<'c> Known<'c> {
    fn of(step: &Step, configured: &'c Formula) -> Self {
        let kind: Vec<&Step> = configured.steps.iter().filter(|own| alike(&own.kind) == alike(&step.kind)).collect();
        let same: Vec<&Step> = kind.iter().filter(|own| own.id == step.id).copied().collect();
        Self(if same.is_empty() { kind } else { same })
    }

    /// The most that one of them may; none where one is not bounded, or there is none.
    fn most<T: Ord>(&self, of: impl Fn(&Step) -> Option<T>) -> Option<T> {
        let all: Option<Vec<T>> = self.0.iter().map(|own| of(own)).collect();
        all?.into_iter().max()
    }

    fn time(&self, own: Option<Duration>) -> Option<Duration> {
        let most = self.most(|step| step.timeout);
        own.into_iter().chain(most).min()
    }

    fn retry(&self, own: Option<Retry>) -> Option<Retry> {
        let own = own?;
        let at_most = self.most(|step| Some(step.retry.map_or(0, |retry| retry.at_most))).unwrap_or_default().min(own.at_most);
        let wait = self.0.iter().filter_map(|step| Some(step.retry?.wait)).min().map_or(own.wait, |least| least.max(own.wait));
        (at_most > 0).then_some(Retry { at_most, wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{laid_over, shipped_prompt, shipped_text};

    fn fix(change: impl FnOnce(String) -> String) -> Formula {
        let text = change(shipped_text("fix").expect("shipped").to_owned());
        let prompt = |name: &str| shipped_prompt(name).map(str::to_owned);
        crate::formula::load("fix.toml", &text, &prompt).unwrap_or_else(|faults| panic!("{:?}", faults.lines()))
    }

    fn step<'f>(formula: &'f Formula, id: &str) -> &'f Step {
        formula.steps.iter().find(|step| step.id.as_str() == id).expect("a step")
    }

    fn rounds(formula: &Formula, id: &str) -> u32 {
        step(formula, id).kind.on_failure().map_or(0, |back| back.at_most)
    }

    fn timed(text: String, timeout: &str) -> String {
        text.replace("run = \"project.verify\"", &format!("run = \"project.verify\"\n{timeout}"))
    }

    #[test]
    fn it_goes_back_no_more_often() {
        let configured = fix(|text| text);
        let most = rounds(&configured, "verify");
        assert!(most > 0, "the shipped formula goes back");
        let at_most = |number: u32| fix(|text| text.replace(&format!("at_most = {most}"), &format!("at_most = {number}")));
        let laid = |number| rounds(&laid_over(at_most(number), &configured).expect("no more"), "verify");
        assert_eq!((laid(most + 3), laid(1)), (most, 1));
        let none = fix(|text| text.lines().filter(|line| !line.starts_with("on_failure")).collect::<Vec<_>>().join("\n"));
        assert_eq!(
            rounds(&laid_over(fix(|text| text), &none).expect("no more"), "verify"),
            0,
            "the configured one never goes back"
        );
    }

    #[test]
    fn a_step_of_another_name_goes_back_no_more_often_than_those_of_its_kind() {
        let configured = fix(|text| text);
        let most = rounds(&configured, "verify");
        let other = fix(|text| {
            text.replace("id = \"verify\"", "id = \"check\"")
                .replace("steps.verify", "steps.check")
                .replace(&format!("at_most = {most}"), "at_most = 9")
        });
        assert_eq!(rounds(&laid_over(other, &configured).expect("no more"), "check"), most);
    }

    #[test]
    fn a_step_takes_no_longer() {
        let configured = fix(|text| timed(text, "timeout = \"10m\""));
        let laid = |timeout: &str| {
            let both = laid_over(fix(|text| timed(text, timeout)), &configured).expect("no more");
            step(&both, "verify").timeout.map(|timeout| timeout.as_secs() / 60)
        };
        assert_eq!(laid("timeout = \"2h\""), Some(10));
        assert_eq!(laid("timeout = \"5m\""), Some(5));
        assert_eq!(laid(""), Some(10), "what it does not say is the configured one's");
        let free = laid_over(fix(|text| timed(text, "timeout = \"5m\"")), &fix(|text| text)).expect("no more");
        assert_eq!(step(&free, "verify").timeout, Some(Duration::from_mins(5)));
    }

    #[test]
    fn a_step_is_done_again_no_more_often_and_no_sooner() {
        let with = |retry: &str| fix(|text| timed(text, retry));
        let laid = |own: &str, configured: &str| {
            let both = laid_over(with(own), &with(configured)).expect("no more");
            step(&both, "verify").retry.map(|retry| (retry.at_most, retry.wait.as_secs()))
        };
        let retry = |at_most: u32, wait: &str| format!("retry = {{ at_most = {at_most}, wait = \"{wait}\" }}");
        assert_eq!(laid(&retry(9, "1s"), &retry(2, "1m")), Some((2, 60)));
        assert_eq!(laid(&retry(1, "5m"), &retry(2, "1m")), Some((1, 300)));
        assert_eq!(laid(&retry(9, "1s"), ""), None, "the configured one is not done again");
    }
}
