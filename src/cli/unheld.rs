//! Roles of formulas that are on which no agent has: what `doctor` and the log of a start say of them.

use std::collections::BTreeSet;

use super::CliError;
use super::setup::Setup;
use crate::formula;

/// What is to be said of each, and what to do.
pub(super) fn told(setup: &Setup) -> Result<Vec<(String, String)>, CliError> {
    let (formulas, crew) = (setup.formulas()?, setup.crew());
    let on: BTreeSet<_> = setup.config.projects.iter().flat_map(|project| &project.formulas).collect();
    let on: Vec<_> = on.into_iter().filter_map(|name| formulas.get(name)).collect();
    let asked = formula::asked_for(on.iter().copied());
    let of = |formula| formula::unheld(formula, &crew, Some(&asked)).into_iter().map(move |found| (formula, found));
    let line = |(formula, found): (&crate::model::Formula, formula::Unheld)| {
        (format!("formula {}, step {}: {}", formula.name, found.step, found.what), found.help)
    };
    Ok(on.iter().flat_map(|formula| of(*formula)).map(line).collect())
}

/// The same in the log, where what they are about was taken up.
pub(super) fn log(setup: &Setup) {
    // What is wrong with the formulas themselves was told before.
    for (what, help) in told(setup).unwrap_or_default() {
        tracing::warn!("{what} ({help})");
    }
}
