//! One delivery.

use std::ffi::OsStr;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{By, Hook, Letter};

/// The variables that a program is given.
const ENVIRONMENT: [&str; 8] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"];
/// The longest message that Discord takes, in characters.
const DISCORD: usize = 2000;

/// Sends a letter. The error never holds an address.
pub(super) async fn send(by: &By, letter: &Letter) -> Result<(), String> {
    match by {
        By::Command(words) => {
            let (program, arguments) = words.split_first().ok_or("there is no program")?;
            let input = serde_json::to_vec(letter).map_err(|e| e.to_string())?;
            run(program.as_ref(), arguments, &input).await
        }
        By::Webhook(hook) => post(hook, letter).await,
        By::Mail { to, sendmail } => {
            run(sendmail.as_os_str(), &["-i".to_owned(), "--".to_owned(), to.clone()], mail(to, letter).as_bytes()).await
        }
    }
}

/// Runs a program with this on its stdin. It is killed when nobody waits for it any more.
async fn run(program: &OsStr, arguments: &[String], input: &[u8]) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "this adapter owns the programs that tell people")]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let mut child = command.spawn().map_err(|e| format!("{} cannot be started: {e}", program.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read what it is told may still do its part: its exit status tells.
        let _unread = stdin.write_all(input).await;
    }
    let status = child.wait().await.map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", program.display())) }
}

async fn post(hook: &Hook, letter: &Letter) -> Result<(), String> {
    // An error says that somebody else installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if is_near(&hook.address) {
        client = client.no_proxy();
    }
    if hook.address.scheme() == "http" {
        client = client.tls_certs_only([]);
    }
    let client = client.build().map_err(|e| e.without_url().to_string())?;
    let body = if hook.discord { discord(letter) } else { serde_json::to_value(letter).map_err(|e| e.to_string())? };
    let answer = client.post(hook.address.clone()).json(&body).send().await.map_err(|e| e.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the webhook answered {}", answer.status().as_u16())) }
}

/// Whether an address leads to this machine.
pub(super) fn is_near(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// As Discord wants it; nobody is called, whatever a title says.
fn discord(letter: &Letter) -> serde_json::Value {
    let link = letter.url.as_ref().map_or_else(String::new, |url| format!("\n<{url}>"));
    let content: String = format!("**{}**\n{}", defused(&letter.title), defused(&letter.text));
    let room = DISCORD.saturating_sub(link.chars().count());
    let content: String = content.chars().take(room).collect();
    json!({ "content": format!("{content}{link}"), "allowed_mentions": { "parse": [] } })
}

/// Without what Discord would read as Markdown, links included.
fn defused(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '*' | '_' | '`' | '~' | '|' | '[' | ']' | '<' | '>' | '\\' | '#') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// A mail with its headers. Titles come from outside: in a header they stand encoded.
fn mail(to: &str, letter: &Letter) -> String {
    let link = letter.url.as_ref().map_or_else(String::new, |url| format!("\n{url}\n"));
    format!(
        "To: {to}\nSubject: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{}\n",
        subject(&format!("[forgehand] {}", letter.title)),
        folded(&STANDARD.encode(format!("{}\n\n{}\n{link}", letter.title, letter.text)))
    )
}

/// As an encoded word each, short enough for a line (RFC 2047).
fn subject(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.len() < 900;
    if plain {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().take(200).collect();
    let words = chars.chunks(10).map(|part| format!("=?utf-8?B?{}?=", STANDARD.encode(part.iter().collect::<String>())));
    words.collect::<Vec<_>>().join("\n ")
}

fn folded(text: &str) -> String {
    text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Occasion;

    fn letter(title: &str) -> Letter {
        Letter {
            on: Occasion::Failed,
            at: "2026-11-21T12:00:00Z".into(),
            repo: Some("o/r".into()),
            issue: Some(7),
            url: Some("https://f.example/o/r/issues/7".into()),
            title: title.into(),
            text: "It failed.".into(),
        }
    }

    #[test]
    fn a_title_ends_no_header() {
        let mail = mail("me@example.org", &letter("x\r\nBcc: all@example.org\n\ntext é"));
        let (head, _) = mail.split_once("\n\n").expect("a head and a body");
        assert!(!mail.contains("Bcc"), "{mail}");
        assert!(
            head.lines().all(|line| line.starts_with(' ') || line.contains(": ")) && head.lines().all(|line| line.len() < 80),
            "{head}"
        );
    }

    #[test]
    fn discord_calls_nobody_and_takes_two_thousand_characters() {
        let sent = discord(&letter(&format!("@everyone [x](https://evil.example) {}", "y".repeat(3000))));
        let content = sent["content"].as_str().expect("a text");
        assert_eq!(sent["allowed_mentions"]["parse"], json!([]));
        assert!(content.chars().count() <= DISCORD && content.ends_with("<https://f.example/o/r/issues/7>"), "{content}");
        assert!(content.contains("\\[x\\](https://evil.example)"), "no link with a text of its own: {content}");
    }
}
