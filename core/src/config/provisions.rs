//! What a `[[project]]` gives its runs beside their clone: `setup`, `network`, `caches`, `env_file`, `services`, `ports`.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::values;
use crate::document::{Table, Value};
use crate::model::{EnvFile, OWN_PORTS, PortRange, Provisions};

/// Services of a project at most: each takes a socket of a run.
const SERVICES: usize = 16;
/// Ports below are nobody's in a sandbox: its user has no privileges.
const FIRST_PORT: u16 = 1024;

/// Reads the keys of a `[[project]]` that are about its provisions.
pub(super) fn read(table: &Table<'_>) -> Provisions {
    let setup = table.optional("setup", |v| v.list(values::command));
    // One with a mistake was told of already.
    let none_sets_up = setup.as_ref().map_or(!table.has("setup"), Vec::is_empty);
    let network = table.or("network", Vec::new(), |v| v.list(values::host));
    let services = table.or("services", Vec::new(), services);
    let ports = table.optional("ports", port_range);
    let caches = table.or("caches", Vec::new(), caches);
    for (key, unused) in [("network", !network.is_empty()), ("caches", !caches.is_empty())] {
        if let Some(given) = table.value(key).filter(|_| unused && none_sets_up) {
            let help = format!("write `setup = [\"npm ci\"]` or the like beside it, or take `{key}` out");
            given.wrong::<()>(format!("`{key}` is for `setup` alone, and this project has none"), help);
        }
    }
    if let (Some(range), Some(given)) = (ports, table.value("ports"))
        && let Some(service) = services.iter().find(|service| range.contains(service.port()))
    {
        let message = format!("the service {service} lies within `ports`");
        given.wrong::<()>(message, "keep them apart: a run would be handed the port of the service");
    }
    Provisions { setup: setup.unwrap_or_default(), network, env_file: env_file(table), caches, services, ports }
}

/// Folders below HOME, none within another.
fn caches(value: &Value<'_>) -> Option<Vec<String>> {
    let caches = value.list(cache)?;
    let within = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
    for (nth, one) in caches.iter().enumerate() {
        let other = caches.iter().enumerate().find(|(other, path)| *other != nth && within(one, path));
        if let Some((_, other)) = other {
            return value.wrong(format!("the caches ~/{one} and ~/{other} lie within each other"), "name the outer one alone");
        }
    }
    Some(caches)
}

fn cache(value: &Value<'_>) -> Option<String> {
    const HELP: &str = "write it as \"~/.cache/pnpm\"";
    let text = value.filled()?;
    let Some(path) = text.strip_prefix("~/") else {
        return value.wrong(format!("`{}` is not below HOME", text.escape_debug()), HELP);
    };
    let path = path.trim_end_matches('/');
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.split('/').any(odd) || path.contains(char::is_control) || path.len() > 512 {
        return value.wrong(format!("`{}` cannot be a cache", text.escape_debug()), HELP);
    }
    Some(path.to_owned())
}

fn services(value: &Value<'_>) -> Option<Vec<SocketAddrV4>> {
    let services = value.list(service)?;
    if services.len() > SERVICES {
        return value.wrong(format!("more than {SERVICES} services"), "name those that the verification needs");
    }
    for (nth, service) in services.iter().enumerate() {
        if services.iter().take(nth).any(|other| other == service) {
            return value.wrong(format!("the service {service} is named twice"), "keep one of the two");
        }
    }
    Some(services)
}

/// An address of this machine's loopback.
fn service(value: &Value<'_>) -> Option<SocketAddrV4> {
    const HELP: &str = "write it as \"127.0.0.1:5432\"";
    let text = value.filled()?;
    let Some((host, port)) = text.rsplit_once(':') else {
        return value.wrong(format!("`{text}` has no port"), HELP);
    };
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
        return value.wrong(format!("`{text}` is not an address with a port"), HELP);
    };
    let host = match host.parse::<Ipv4Addr>() {
        Ok(ip) if ip.is_loopback() => ip,
        _ if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST,
        _ if host.starts_with('[') => return value.wrong("a service by IPv6 is not carried into a sandbox", HELP),
        _ => {
            let help = "a service is on this machine's loopback, such as \"127.0.0.1:5432\"; hosts elsewhere belong to `verify_network`, or to `network` of [sandbox]";
            return value.wrong(format!("`{text}` is not on this machine's loopback"), help);
        }
    };
    usable(value, port)?;
    Some(SocketAddrV4::new(host, port))
}

fn port_range(value: &Value<'_>) -> Option<PortRange> {
    let text = value.filled()?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let number = |part: &str| part.trim().parse::<u16>().ok();
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        return value.wrong(format!("`{text}` is not a range of ports"), "write it as \"3100-3109\"");
    };
    if last < first {
        return value.wrong(format!("`{text}` ends before it begins"), format!("write \"{last}-{first}\""));
    }
    let range = PortRange { first, last };
    usable(value, first)?;
    if let Some(own) = OWN_PORTS.iter().find(|own| range.contains(**own)) {
        return value.wrong(format!("port {own} is forgehand's own inside a sandbox"), "choose a range without it");
    }
    Some(range)
}

fn usable(value: &Value<'_>, port: u16) -> Option<()> {
    if port < FIRST_PORT {
        let message = format!("port {port} cannot be opened inside a sandbox, whose user has no privileges");
        return value.wrong(message, format!("have it on a port from {FIRST_PORT} on"));
    }
    if OWN_PORTS.contains(&port) {
        return value.wrong(format!("port {port} is forgehand's own inside a sandbox"), "choose another one");
    }
    Some(())
}

fn env_file(table: &Table<'_>) -> Option<EnvFile> {
    const EXAMPLE: &str = "env_file = { from = \"/etc/app.env\", to = \".env\" }";
    let file = table.table("env_file");
    // Asked for also where nobody gave it: what is asked for is what is known.
    let _asked = (file.has("from"), file.has("to"));
    if !file.is_given() {
        return None;
    }
    let from = file.required("from", EXAMPLE, values::path);
    let to = file.required("to", EXAMPLE, place);
    Some(EnvFile { from: from?, to: to? })
}

/// A path within the clone, as git writes it.
fn place(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let help = "write it from the root of the repository, such as \"App/.env\"";
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return value.wrong(format!("`{}` leads out of the repository", text.escape_debug()), help);
    }
    let odd = |part: &str| part.is_empty() || part == "." || part.trim() != part;
    if text.split('/').any(odd) || text.contains(|c: char| c.is_control() || c == '\\') || text.len() > 512 {
        return value.wrong(format!("`{}` cannot name a file of the repository", text.escape_debug()), help);
    }
    if text.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        return value.wrong("git's own folder is no place for it", help);
    }
    Some(text)
}
