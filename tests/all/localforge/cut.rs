//! Whoever asked is gone in the middle of a request.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::site::Site;

/// Whether git serves a repository of this forge.
fn is_served(data: &Path) -> bool {
    let root = format!("GIT_PROJECT_ROOT={}", data.display());
    let processes = std::fs::read_dir("/proc").expect("the processes").flatten();
    let served = |environ: Vec<u8>| environ.split(|byte| *byte == 0).any(|entry| entry.starts_with(root.as_bytes()));
    processes.filter_map(|process| std::fs::read(process.path().join("environ")).ok()).any(served)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_does_not_go_on_for_somebody_who_is_gone() {
    let site = Site::start().await;
    let data = site.dir.path().join("data");
    let address = site.forge.url().replace("http://", "");
    let mut stream = TcpStream::connect(address.trim_end_matches('/')).await.expect("a connection");
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("bot:{}", site.bot));
    let head = format!(
        "POST /owner/app.git/git-receive-pack HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\r\n"
    );
    let line = format!("{} {} refs/heads/cut\0 report-status", "0".repeat(40), "1".repeat(40));
    // Of what it would push not much comes.
    let body = format!("{:04x}{line}0000PACK", line.len() + 4);
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
    until("git", || is_served(&data)).await;
    drop(stream);
    until("its end", || !is_served(&data)).await;
}
