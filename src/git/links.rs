//! Where symbolic links of a tree lead, told without touching a disk: whatever later reads a checkout must stay inside it.

use std::collections::BTreeMap;

/// The links of a tree: path to target.
pub(super) type Links = BTreeMap<String, String>;

/// As many links in a row as a kernel follows.
const HOPS: usize = 40;

/// Whether following the link at `path` leaves the tree, or enters its `.git`. Links met on the way are followed too, as a kernel would:
/// `l -> a/..` is the parent of whatever `a` points to.
pub(super) fn leads_out(links: &Links, path: &str) -> bool {
    let mut at: Vec<String> = path.split('/').map(str::to_owned).collect();
    at.pop();
    let Some(target) = links.get(path) else { return false };
    let Some(mut ahead) = steps(target) else { return true };
    let mut hops = 0;
    while let Some(step) = ahead.pop() {
        match step.as_str() {
            "" | "." => continue,
            ".." if at.pop().is_none() => return true,
            ".." => continue,
            name if name.eq_ignore_ascii_case(".git") => return true,
            _ => at.push(step),
        }
        if let Some(target) = links.get(&at.join("/")) {
            hops += 1;
            if hops > HOPS {
                // A loop leads nowhere.
                return false;
            }
            let Some(more) = steps(target) else { return true };
            at.pop();
            ahead.extend(more);
        }
    }
    false
}

/// The components of a target, last one first; none if it is absolute.
fn steps(target: &str) -> Option<Vec<String>> {
    if target.starts_with('/') { None } else { Some(target.split('/').rev().map(str::to_owned).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(&str, &str)]) -> Links {
        pairs.iter().map(|(path, target)| ((*path).to_owned(), (*target).to_owned())).collect()
    }

    #[test]
    fn inside_is_inside() {
        let all = links(&[("a/b/l", "../../c"), ("m", "a/./b//l"), ("n", "missing"), ("x", "y"), ("y", "x")]);
        for path in all.keys() {
            assert!(!leads_out(&all, path), "{path}");
        }
    }

    #[test]
    fn outside_is_found_in_each_disguise() {
        let all = links(&[
            ("absolute", "/etc/passwd"),
            ("a/up", "../../x"),
            ("s/t/a", "../.."),
            ("through", "s/t/a/.."),
            ("chain", "absolute"),
            ("git", ".git/config"),
            ("shout", "a/../.GIT/hooks"),
        ]);
        for path in ["absolute", "a/up", "through", "chain", "git", "shout"] {
            assert!(leads_out(&all, path), "{path}");
        }
        assert!(!leads_out(&all, "s/t/a"));
    }
}
