//! The nearest right name.

/// The candidate that a person most likely meant by `name`; none if nothing is near.
pub fn nearest<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let name = plain(name);
    let scored = candidates.into_iter().map(|c| (strsim::jaro_winkler(&name, &plain(c)), c));
    let best = scored.max_by(|(a, left), (b, right)| a.total_cmp(b).then(right.cmp(left)));
    best.filter(|(score, _)| *score >= 0.78).map(|(_, candidate)| candidate)
}
