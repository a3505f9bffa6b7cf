//! Which hosts may be reached, and which addresses a name may stand for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports of a host that is listed without one.
const USUAL_PORTS: [u16; 2] = [443, 80];

/// The hosts of a list, `name` or `name:port`, compared exactly: no patterns, no other spelling.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(BTreeSet<(Host, u16)>);

/// A host as it was listed or asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    /// To be resolved; only public addresses are then in order.
    Name(String),
    /// An address in so many words.
    Address(IpAddr),
}

impl Hosts {
    /// Reads a list. The error is the entry that cannot be used.
    pub(super) fn read(list: &[String]) -> Result<Self, String> {
        let mut hosts = BTreeSet::new();
        for entry in list {
            let (host, port) = split(entry).ok_or_else(|| entry.clone())?;
            match port {
                Some(port) => {
                    hosts.insert((host, port));
                }
                None => hosts.extend(USUAL_PORTS.map(|port| (host.clone(), port))),
            }
        }
        Ok(Self(hosts))
    }

    /// The host that an authority names, if it is listed with that port.
    pub(super) fn find(&self, authority: &str, usual_port: Option<u16>) -> Option<(Host, u16)> {
        let (host, port) = split(authority)?;
        let asked = (host, port.or(usual_port)?);
        self.0.contains(&asked).then_some(asked)
    }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`; none if it is anything else: user names, control characters, upper case, a dot at
/// the end, numbers that some resolvers take for addresses.
fn split(text: &str) -> Option<(Host, Option<u16>)> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if plain { text.parse::<u16>().ok().filter(|port| *port != 0) } else { None }
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(number(rest.strip_prefix(':')?)?) };
        return Some((Host::Address(IpAddr::V6(address.parse().ok()?)), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(number(port)?)),
        None => (text, None),
    };
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some((Host::Address(IpAddr::V4(address)), port));
    }
    is_name(host).then(|| (Host::Name(host.to_owned()), port))
}

fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
            && !label.starts_with('-')
    };
    // A last label of digits, or `0x..`, makes an address of it in `inet_aton`: 127.1, 0x7f000001.
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(label) && !last.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether an address is one of the public internet: no name may lead to this machine, its networks, or a cloud's metadata.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved =
        matches!((a, b, c), (0 | 127 | 10 | 240.., _, _) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _) | (192, 88, 99));
    !(reserved || address.is_private() || address.is_link_local() || address.is_multicast() || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, c, d, ..] = segments;
    let [.., high, low] = segments;
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    match a {
        0x64 if (b, c, d) == (0xff9b, 0, 0) => embedded(high, low),
        0x2002 => embedded(b, c),
        0x2001 => b > 0x1ff && b != 0xdb8,
        // What is assigned to the internet; loopback, local, link-local and multicast addresses lie outside.
        0x2000..=0x3fff => a != 0x3fff,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spelling_of_the_list_is_found() {
        let hosts =
            Hosts::read(&["crates.io".into(), "mirror.example:8443".into(), "10.0.0.5:80".into(), "[::1]:90".into()]).unwrap();
        for (authority, usual, found) in [
            ("crates.io:443", None, true),
            ("crates.io", Some(80), true),
            ("crates.io:8080", None, false),
            ("crates.io", None, false),
            ("mirror.example:8443", None, true),
            ("mirror.example:443", None, false),
            ("10.0.0.5:80", None, true),
            ("[::1]:90", None, true),
            ("::1:90", None, false),
            ("Crates.io:443", None, false),
            ("crates.io.:443", None, false),
            ("crates.io\0.evil.example:443", None, false),
            ("crates.io%00:443", None, false),
            ("crates.io:443@evil.example:443", None, false),
            ("user@crates.io:443", None, false),
            ("sub.crates.io:443", None, false),
            ("crates.io:+443", None, false),
            ("crates.io:00443", None, true),
            ("crates.io: 443", None, false),
            ("crates.io:", Some(80), false),
            ("", Some(80), false),
        ] {
            assert_eq!(hosts.find(authority, usual).is_some(), found, "{authority:?}");
        }
    }

    #[test]
    fn a_list_says_which_entry_is_wrong() {
        for entry in [
            "*.example",
            "Example.com",
            "example.com.",
            "http://example.com",
            "a b",
            "",
            "127.1",
            "0x7f000001",
            "example.com:0",
            "[::1",
        ] {
            assert_eq!(Hosts::read(&[entry.to_owned()]).unwrap_err(), entry);
        }
    }

    #[test]
    fn no_name_leads_to_a_local_address() {
        for local in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
            "2001::1",
        ] {
            assert!(!is_public(local.parse().unwrap()), "{local}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2001:4860::8888",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
