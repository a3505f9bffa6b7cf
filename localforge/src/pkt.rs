//! The few lines of git's protocol that the forge reads itself: the ref updates at the start of a push, and the refusal.

use bytes::{Buf, BytesMut};

use super::state::RefUpdate;

/// What the start of a push says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commands {
    pub updates: Vec<RefUpdate>,
    /// Whether the pusher reads the report on a side band.
    pub side_band: bool,
    /// Where the pack begins.
    pub pack: usize,
}

/// What there is of the start of a push so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// All of it.
    Whole(Commands),
    /// More has to come.
    More,
    /// It is no push.
    Nonsense,
}

const NONE: &str = "0000000000000000000000000000000000000000";

/// Reads the ref updates at the start of a `git-receive-pack` request, up to the flush packet.
pub(super) fn commands(start: &BytesMut) -> Start {
    let mut rest = start.as_ref();
    let mut commands = Commands { updates: Vec::new(), side_band: false, pack: 0 };
    loop {
        let Some(length) = rest.get(..4) else { return Start::More };
        let length = std::str::from_utf8(length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        match length {
            Some(0) => {
                commands.pack = start.len() - rest.len() + 4;
                return Start::Whole(commands);
            }
            Some(length) if length >= 4 => {
                let Some(line) = rest.get(4..length) else { return Start::More };
                let line = String::from_utf8_lossy(line);
                let (command, capabilities) = line.split_once('\0').unwrap_or((&line, ""));
                commands.side_band |= capabilities.split(' ').any(|capability| capability.trim() == "side-band-64k");
                let mut words = command.trim_end().splitn(3, ' ');
                if let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) {
                    let object = |sha: &str| (sha != NONE).then(|| sha.to_owned());
                    commands.updates.push(RefUpdate { name: name.to_owned(), old: object(old), new: object(new) });
                } else if !command.starts_with("shallow ") {
                    return Start::Nonsense;
                }
                rest.advance(length);
            }
            _ => return Start::Nonsense,
        }
    }
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", payload.len() + 4).into_bytes();
    packet.extend(payload);
    packet
}

/// The longest payload of a packet of the side band.
const BAND: usize = 65_000;

/// The report that takes none of the updates, and says why.
pub(super) fn refusal(commands: &Commands, why: &str) -> Vec<u8> {
    let mut report = packet(b"unpack ok\n");
    for update in &commands.updates {
        report.extend(packet(format!("ng {} pre-receive hook declined\n", update.name).as_bytes()));
    }
    report.extend(b"0000");
    if !commands.side_band {
        return report;
    }
    let mut body = packet(format!("\u{2}\n{why}\n\n").as_bytes());
    for part in report.chunks(BAND) {
        body.extend(packet(&[&[1], part].concat()));
    }
    body.extend(b"0000");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn updates_are_read_up_to_the_flush_however_they_are_cut() {
        let line = format!("{NONE} {A} refs/forgehand/claims/1\0report-status side-band-64k agent=git\n");
        let mut whole = BytesMut::from(packet(line.as_bytes()).as_slice());
        whole.extend(packet(format!("{A} {NONE} refs/heads/old").as_bytes()));
        whole.extend(b"0000PACK...");
        for cut in 0..whole.len() - "PACK...".len() {
            assert_eq!(commands(&BytesMut::from(&whole[..cut])), Start::More, "cut at {cut}");
        }
        let Start::Whole(found) = commands(&whole) else { panic!("not read") };
        assert!(found.side_band);
        assert_eq!(found.updates[0].name, "refs/forgehand/claims/1");
        assert_eq!((found.updates[0].old.as_deref(), found.updates[0].new.as_deref()), (None, Some(A)));
        assert_eq!(found.updates[1].new, None);
        assert_eq!(&whole[found.pack..], b"PACK...");
        assert_eq!(commands(&BytesMut::from("zzzz")), Start::Nonsense);
    }
}
