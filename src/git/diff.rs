//! What `diff-tree` says of two trees, and what of it matters to whom.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::model::{ChangedFile, FileMark};
use crate::ports::RepoError;
use crate::tier;

use super::fault::failed;

const ABSENT: &str = "000000";
const FILE: &str = "100644";
const PROGRAM: &str = "100755";
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// Lines added and removed, by path.
pub(super) type Counts = BTreeMap<String, Count>;

/// Lines added and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) added: u64,
    pub(super) removed: u64,
    /// git counts no lines of it.
    pub(super) binary: bool,
}

/// One changed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Mode and blob on each side that it comes from: one, or one for each parent of a merge.
    pub(super) old: Vec<Side>,
    /// Mode and blob that it became.
    pub(super) new: Side,
    /// Where it is now; where it was, if it was deleted.
    pub(super) path: String,
    /// Where it was, if it was renamed.
    pub(super) from: Option<String>,
}

/// A path on one side of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    mode: String,
    pub(super) blob: String,
}

impl Side {
    fn is(&self, mode: &str) -> bool {
        self.mode == mode
    }

    /// The blob of a regular file, or that nothing is there; none where it is something else.
    fn file(&self) -> Option<Option<&str>> {
        match self.mode.as_str() {
            ABSENT => Some(None),
            FILE | PROGRAM => Some(Some(&self.blob)),
            _ => None,
        }
    }

    /// It is there, and its content is a blob of this repository.
    pub(super) fn has_blob(&self) -> bool {
        !self.is(ABSENT) && !self.is(SUBMODULE)
    }
}

impl Entry {
    /// A link came, went, or points elsewhere.
    pub(super) fn touches_link(&self) -> bool {
        self.new.is(LINK) || self.old.iter().any(|side| side.is(LINK))
    }

    /// The blobs before and after where both sides are regular files under one path; a side that is not there has none.
    pub(super) fn blobs(&self) -> Option<(Option<&str>, Option<&str>)> {
        if self.from.is_some() { None } else { self.texts() }
    }

    /// The blobs before and after of a regular file, a renamed one too.
    pub(super) fn texts(&self) -> Option<(Option<&str>, Option<&str>)> {
        let [old] = &self.old[..] else { return None };
        Some((old.file()?, self.new.file()?))
    }

    /// What is to be known of it beside its lines.
    fn marks(&self, count: Count) -> BTreeSet<FileMark> {
        let sides = || self.old.iter().chain([&self.new]);
        let was = |mode| self.old.iter().any(|side| side.is(mode));
        let mode = |side: &Side| !side.is(ABSENT) && !self.new.is(ABSENT) && side.mode != self.new.mode;
        let odd = sides().any(|side| ![ABSENT, FILE, PROGRAM, LINK, SUBMODULE].contains(&side.mode.as_str()));
        let all = [
            (self.new.is(ABSENT), FileMark::Deleted),
            (count.binary, FileMark::Binary),
            (odd || self.old.iter().any(mode), FileMark::Mode),
            (was(ABSENT) && self.new.is(PROGRAM), FileMark::Executable),
            (self.touches_link(), FileMark::Symlink),
            (sides().any(|side| side.is(SUBMODULE)), FileMark::Submodule),
        ];
        all.into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect()
    }

    /// A submodule that was not there.
    pub(super) fn adds_submodule(&self) -> bool {
        self.new.is(SUBMODULE) && !self.old.iter().any(|side| side.is(SUBMODULE))
    }
}

/// Reads `diff-tree -r -z --raw --numstat`; none where it is not of that form. Combined records of merges (`-c`) are read too.
pub(super) fn parse(out: &[u8]) -> Option<(Vec<Entry>, Counts)> {
    let text = String::from_utf8_lossy(out);
    let mut fields = text.split('\0').peekable();
    let mut entries = Vec::new();
    while let Some(head) = fields.next_if(|field| field.starts_with(':')) {
        let before = head.bytes().take_while(|b| *b == b':').count();
        let words: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let (modes, rest) = words.split_at_checked(before + 1)?;
        let (blobs, rest) = rest.split_at_checked(before + 1)?;
        let mut sides: Vec<Side> =
            modes.iter().zip(blobs).map(|(mode, blob)| Side { mode: (*mode).to_owned(), blob: (*blob).to_owned() }).collect();
        let new = sides.pop()?;
        let renamed = before == 1 && rest.first()?.starts_with(['R', 'C']);
        let first = fields.next()?.to_owned();
        let (path, from) = if renamed { (fields.next()?.to_owned(), Some(first)) } else { (first, None) };
        entries.push(Entry { old: sides, new, path, from });
    }
    let mut counts = Counts::new();
    while let Some(head) = fields.next() {
        if head.is_empty() {
            continue;
        }
        let mut parts = head.splitn(3, '\t');
        let (added, removed, path) = (parts.next()?, parts.next()?, parts.next()?);
        // A binary has `-`. A rename has an empty path here, then both in fields of their own.
        let number = |text: &str| if text == "-" { Some(0) } else { text.parse::<u64>().ok() };
        let path = if path.is_empty() { fields.nth(1)? } else { path };
        let count = counts.entry(path.to_owned()).or_default();
        let binary = count.binary || added == "-";
        *count = Count { added: count.added + number(added)?, removed: count.removed + number(removed)?, binary };
    }
    Some((entries, counts))
}

/// The changed files, in git's order.
pub(super) fn files(entries: &[Entry], counts: &Counts) -> Vec<ChangedFile> {
    let file = |entry: &Entry| {
        let count = counts.get(&entry.path).copied().unwrap_or_default();
        let (added, removed) = (count.added, count.removed);
        ChangedFile { path: entry.path.clone(), from: entry.from.clone(), added, removed, marks: entry.marks(count) }
    };
    entries.iter().map(file).collect()
}

/// All lines that were added, and removed.
pub(super) fn sum(counts: &Counts) -> (u64, u64) {
    counts.values().fold((0, 0), |sum, count| (sum.0 + count.added, sum.1 + count.removed))
}

/// Both ends of every change, each once.
fn touched(files: &[ChangedFile]) -> Vec<&str> {
    let mut paths: Vec<&str> = files.iter().flat_map(|file| [Some(file.path.as_str()), file.from.as_deref()]).flatten().collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The touched paths that a pattern names. A pattern names a file or a folder with all that is in it, at any depth, in whatever form the
/// path may be taken: what a person must see is rather one path too many.
pub(super) fn matching(files: &[ChangedFile], patterns: &[String]) -> Result<Vec<String>, RepoError> {
    let set = globs(patterns).map_err(|e| failed("reading person_paths", e))?;
    Ok(touched(files)
        .into_iter()
        .filter(|path| tier::forms(path).iter().any(|form| set.is_match(form)))
        .map(str::to_owned)
        .collect())
}

fn globs(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let plain = pattern.trim_matches('/').to_lowercase();
        if plain.is_empty() {
            continue;
        }
        for glob in [plain.clone(), format!("{plain}/**"), format!("**/{plain}"), format!("**/{plain}/**")] {
            set.add(GlobBuilder::new(&glob).literal_separator(true).case_insensitive(true).build()?);
        }
    }
    set.build()
}

/// Folders that are tests by what they are called: what a command names of others is rather what is tried than what tries it.
const TESTS: [&str; 8] = ["test", "tests", "spec", "specs", "__tests__", "e2e", "testing", "testdata"];

/// The touched paths that a verify command names: a word of it is the path, or the end of the path where the word looks like a file's
/// (`cd sub && sh ./test.sh`), or a folder of tests that it is in (`pytest tests/unit`).
pub(super) fn named_by(files: &[ChangedFile], commands: &[String]) -> Vec<String> {
    let splits = |c: char| c.is_whitespace() || ";|&()<>\"'`=$,:{}".contains(c);
    let words: Vec<String> = commands
        .iter()
        .flat_map(|command| command.split(splits))
        .map(|word| word.trim_start_matches("./").trim_end_matches('/').to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let of_tests = |word: &str| word.split('/').any(|part| TESTS.contains(&part));
    let names = |path: &str, word: &str| {
        let within = of_tests(word) && path.strip_prefix(word).is_some_and(|rest| rest.starts_with('/'));
        within
            || path == word
            || (word.contains(['.', '/']) && path.strip_suffix(word).is_some_and(|before| before.ends_with('/')))
    };
    let named = |path: &&str| {
        let forms = tier::forms(path);
        words.iter().any(|word| forms.iter().any(|form| names(form, word)))
    };
    touched(files).into_iter().filter(named).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &str, from: Option<&str>, added: u64) -> ChangedFile {
        ChangedFile { path: path.to_owned(), from: from.map(str::to_owned), added, removed: 0, marks: BTreeSet::new() }
    }

    fn changed(paths: &[&str]) -> Vec<ChangedFile> {
        paths.iter().map(|path| plain(path, None, 1)).collect()
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_rename_and_a_binary_are_read() {
        let out =
            b":100644 100644 aa bb R090\0old.txt\0new.txt\0:000000 100644 00 cc A\0pic\x001\t2\t\0old.txt\0new.txt\0-\t-\tpic\0";
        let (entries, counts) = parse(out).expect("well-formed");
        let files = files(&entries, &counts);
        assert_eq!(files[0], ChangedFile { removed: 2, ..plain("new.txt", Some("old.txt"), 1) });
        assert_eq!((files[1].added, files[1].removed, &files[1].marks), (0, 0, &[FileMark::Binary].into()));
    }

    #[test]
    fn modes_say_what_a_change_is() {
        let cases: [(&str, &[FileMark]); 9] = [
            ("100644 100644 M", &[]),
            ("000000 100644 A", &[]),
            ("000000 100755 A", &[FileMark::Executable]),
            ("100644 000000 D", &[FileMark::Deleted]),
            ("100644 100755 M", &[FileMark::Mode]),
            ("100644 120000 T", &[FileMark::Mode, FileMark::Symlink]),
            ("120000 000000 D", &[FileMark::Deleted, FileMark::Symlink]),
            ("160000 160000 M", &[FileMark::Submodule]),
            ("000000 100664 A", &[FileMark::Mode]),
        ];
        for (modes, wanted) in cases {
            let [old, new, status] = modes.split(' ').collect::<Vec<_>>()[..] else { panic!("{modes}") };
            let (entries, counts) = parse(format!(":{old} {new} aa bb {status}\0f\0").as_bytes()).expect("well-formed");
            assert_eq!(files(&entries, &counts)[0].marks, wanted.iter().copied().collect(), "{modes}");
        }
    }

    #[test]
    fn a_merge_has_a_side_for_each_parent() {
        let (entries, _) = parse(b"::100644 100644 100644 aa bb cc MM\0f\0").expect("well-formed");
        assert_eq!((entries[0].old.len(), entries[0].new.blob.as_str()), (2, "cc"));
        assert_eq!(parse(b":100644 aa\0"), None);
    }

    #[test]
    fn patterns_find_folders_at_any_depth_and_in_any_case() {
        let files =
            changed(&["DB/Migrations/1.sql", "src/migrations.rs", "prisma/schema.prisma", "a/schema.sql", "schema.sql.md"]);
        let found = matching(&files, &words(&["migrations", "prisma/schema*", "schema.sql"])).expect("good globs");
        assert_eq!(found, ["DB/Migrations/1.sql", "a/schema.sql", "prisma/schema.prisma"]);
        assert!(matching(&files, &words(&["a{b"])).is_err());
    }

    #[test]
    fn both_ends_of_a_rename_count() {
        let files = [plain("x.txt", Some("schema.sql"), 0)];
        assert_eq!(matching(&files, &words(&["schema.sql"])).expect("good globs"), ["schema.sql"]);
    }

    #[test]
    fn a_verify_command_names_its_files() {
        let files = changed(&["test.sh", "sub/run.sh", "cargo", "src/cargo", "other.sh"]);
        let found = named_by(&files, &words(&["sh ./test.sh", "cd sub && sh 'run.sh' --x", "cargo test"]));
        assert_eq!(found, ["cargo", "sub/run.sh", "test.sh"]);
        // Of folders those that are tests: with `eslint src` every change would be one of its own check.
        let files = changed(&["tests/unit/a.py", "Tests/b.py", "tests.py", "src/a.py", "web/__tests__/c.js"]);
        let found = named_by(&files, &words(&["ruff check src ./tests/", "jest web/__tests__"]));
        assert_eq!(found, ["Tests/b.py", "tests/unit/a.py", "web/__tests__/c.js"]);
    }
}
