//! A bundle file that an agent could have made anything of: opened so that nothing is followed and nothing blocks, copied, its header read.
//!
//! `git fetch FILE` decides by looking at FILE what it is, and read another repository through a symlink and through a file with
//! `gitdir:` in it (`facts/security.md`). So git never gets to see the path: the header is read here, the pack goes to `index-pack`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::model::{Refusal, Sha};

/// First line of the only format that is accepted; version 3 brings filters and other hashes.
const SIGNATURE: &str = "# v2 git bundle\n";

/// Longest line of a header and most lines, so that reading it is bounded.
const LINE: u64 = 4096;
const LINES: usize = 10_000;

/// A bundle of ours: a copy, with its header read.
#[derive(Debug)]
pub(super) struct Bundle {
    /// The copy, standing at the beginning of the pack.
    pub(super) pack: File,
    /// What the header says.
    pub(super) header: Header,
}

/// The header of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Commits that the receiver must have.
    pub(super) needs: Vec<Sha>,
    /// What it carries: object name and full ref.
    pub(super) refs: Vec<(Sha, String)>,
}

/// Why there is no bundle: the file is not one, or our own disk failed.
#[derive(Debug)]
pub(super) enum NoBundle {
    Refused(Refusal),
    Disk(std::io::Error),
}

impl From<std::io::Error> for NoBundle {
    fn from(e: std::io::Error) -> Self {
        Self::Disk(e)
    }
}

fn not_a_bundle(why: impl Into<String>) -> NoBundle {
    NoBundle::Refused(Refusal::NotABundle { why: why.into() })
}

/// Opens what an agent could have put at `path`, copies at most `limit` bytes of it to `copy`, and reads the copy's header. Blocks on the
/// disk, never on what the file is.
pub(super) fn receive(path: &Path, copy: &Path, limit: u64) -> Result<Bundle, NoBundle> {
    let mut theirs = open_regular(path)?;
    let size = theirs.metadata()?.len();
    let too_large = || not_a_bundle(format!("a file of more than {limit} bytes"));
    if size > limit {
        return Err(too_large());
    }
    let mut ours = File::options().create_new(true).read(true).write(true).open(copy)?;
    // It may grow while it is copied.
    if std::io::copy(&mut (&mut theirs).take(limit.saturating_add(1)), &mut ours)? > limit {
        return Err(too_large());
    }
    ours.seek(SeekFrom::Start(0))?;
    let (header, length) = read_header(&mut BufReader::new(&ours))?;
    ours.seek(SeekFrom::Start(length))?;
    Ok(Bundle { pack: ours, header })
}

/// Opens a regular file: not through a symlink in its place or in its folder's, and without waiting for a writer of a pipe.
fn open_regular(path: &Path) -> Result<File, NoBundle> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(not_a_bundle("a path without a name"));
    };
    let refused = |e: Errno| match e {
        Errno::LOOP => not_a_bundle("a symbolic link"),
        Errno::NOTDIR => not_a_bundle("a file in a folder that is a link or no folder"),
        Errno::NOENT => not_a_bundle("nothing: the file is not there"),
        Errno::NXIO => not_a_bundle("a socket or a device"),
        Errno::ACCESS | Errno::PERM => not_a_bundle("a file that may not be read"),
        other => NoBundle::Disk(other.into()),
    };
    let inside = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let folder = rustix::fs::open(folder, inside, Mode::empty()).map_err(refused)?;
    let plain = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::RDONLY;
    let file = rustix::fs::openat(&folder, name, plain, Mode::empty()).map_err(refused)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(refused)?.st_mode);
    match kind {
        FileType::RegularFile => Ok(File::from(file)),
        FileType::Fifo => Err(not_a_bundle("a named pipe")),
        FileType::Directory => Err(not_a_bundle("a folder")),
        _ => Err(not_a_bundle("a device")),
    }
}

/// Reads a header; answers with it and its length in bytes.
fn read_header(from: &mut impl BufRead) -> Result<(Header, u64), NoBundle> {
    let mut header = Header::default();
    let mut length = 0;
    for number in 0..LINES {
        let mut line = Vec::new();
        from.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        length += u64::try_from(line.len()).unwrap_or(LINE);
        if number == 0 {
            if line != SIGNATURE.as_bytes() {
                return Err(not_a_bundle("a file that does not begin with `# v2 git bundle`"));
            }
            continue;
        }
        let line = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n'));
        match line.ok_or_else(|| not_a_bundle("a file with a broken header"))? {
            "" => return Ok((header, length)),
            line => read_line(line, &mut header).ok_or_else(|| not_a_bundle("a file with a broken header"))?,
        }
    }
    Err(not_a_bundle("a file with an endless header"))
}

/// `-<sha> comment` is a commit that is needed, `<sha> <ref>` one that is carried.
fn read_line(line: &str, header: &mut Header) -> Option<()> {
    let (needed, line) = line.strip_prefix('-').map_or((false, line), |rest| (true, rest));
    let (sha, rest) = line.split_once(' ').unwrap_or((line, ""));
    let sha: Sha = sha.parse().ok().filter(|sha: &Sha| sha.as_str().len() == 40)?;
    match (needed, rest) {
        (true, _) => header.needs.push(sha),
        (false, "") => return None,
        (false, name) => header.refs.push((sha, name.to_owned())),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    #[test]
    fn a_header_ends_where_the_pack_begins() {
        let text = format!("# v2 git bundle\n-{SHA} a comment\n{SHA} refs/heads/x\n\nPACKrest");
        let (header, length) = read_header(&mut text.as_bytes()).expect("well-formed");
        assert_eq!((header.needs.len(), header.refs.len()), (1, 1));
        assert_eq!(text.get(usize::try_from(length).expect("short")..), Some("PACKrest"));
    }

    #[test]
    fn other_versions_and_broken_lines_are_refused() {
        for text in
            ["", "# v3 git bundle\n@filter=blob:none\n\n", "# v2 git bundle\n", "# v2 git bundle\nnonsense\n\n", "gitdir: /x\n"]
        {
            assert!(matches!(read_header(&mut text.as_bytes()), Err(NoBundle::Refused(_))), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut text = SIGNATURE.as_bytes().to_vec();
            text.extend(bytes);
            if let Ok((_, length)) = read_header(&mut text.as_slice()) {
                prop_assert!(length <= text.len() as u64);
            }
        }
    }
}
