//! Logs: `state_dir/logs/forgehand-DATE.log` and, for a daemon, stderr; secrets removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::LogFormat;
use crate::ports::Clock;
use crate::scan::Scanner;

use super::CliError;
use super::setup::SystemClock;

/// Begins to log. `RUST_LOG` says what; by default `info` of ours.
pub(super) fn begin(state_dir: &Path, format: LogFormat, scanner: &Arc<Scanner>, to_stderr: bool) -> Result<(), CliError> {
    let folder = state_dir.join("logs");
    let failed = |e: io::Error| {
        CliError::environment(format!("nothing can be logged to {}", folder.display()), e, "check the state folder and the disk")
    };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    // A filter for each place: spans that are exported are finer than what is logged.
    let filter = asked(std::env::var("RUST_LOG").ok().as_deref());
    let file = Redacting::new(scanner, DailyFile { folder: folder.clone(), open: None });
    let stderr = to_stderr.then(|| Redacting::new(scanner, io::stderr()));
    // A list, because a place that is left out as `None` would switch the others off.
    let mut layers = vec![written(format, file, filter.clone())];
    layers.extend(stderr.map(|stderr| written(format, stderr, filter)));
    #[cfg(feature = "otlp")]
    layers.extend(super::otlp::layer()?);
    let begun = tracing_subscriber::registry().with(layers).try_init();
    // A second beginning in one process keeps the first one's places.
    let _already_begun = begun;
    Ok(())
}

/// What is logged: `forgehand::git=debug,warn` names parts and levels. By default, and where that cannot be read, `info` of ours.
fn asked(names: Option<&str>) -> Targets {
    let asked = names.map(str::trim).filter(|names| !names.is_empty()).and_then(|names| names.parse().ok());
    let usual =
        || Targets::new().with_targets([("forgehand", Level::INFO), ("localforge", Level::INFO)]).with_default(Level::WARN);
    asked.unwrap_or_else(usual)
}

/// Lines in this format to this place.
fn written<W: Write + Send + 'static>(format: LogFormat, place: Redacting<W>, filter: Targets) -> BoxedLayer {
    let layer = tracing_subscriber::fmt::layer();
    match format {
        LogFormat::Text => layer.with_ansi(false).with_writer(place).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().with_writer(place).with_filter(filter).boxed(),
    }
}

/// Lets what is exported go out, before the process ends.
pub(super) async fn end() {
    #[cfg(feature = "otlp")]
    super::otlp::end().await;
}

/// A place where what is traced goes.
pub(super) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// A file for each UTC day, `forgehand-2026-11-21.log`.
struct DailyFile {
    folder: PathBuf,
    open: Option<(String, File)>,
}

impl DailyFile {
    fn today(&mut self) -> io::Result<&mut File> {
        let day = SystemClock.now().day();
        if self.open.as_ref().is_none_or(|(open, _)| *open != day) {
            let path = self.folder.join(format!("forgehand-{day}.log"));
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            self.open = Some((day, file));
        }
        self.open.as_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Write for DailyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.today()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |(_, file)| file.flush())
    }
}

/// Removes secrets from each line before it is written.
struct Redacting<W> {
    scanner: Arc<Scanner>,
    inner: Arc<Mutex<W>>,
}

impl<W> Redacting<W> {
    fn new(scanner: &Arc<Scanner>, inner: W) -> Self {
        Self { scanner: scanner.clone(), inner: Arc::new(Mutex::new(inner)) }
    }
}

/// One line on its way.
struct Line<'a, W: Write> {
    outer: &'a Redacting<W>,
    text: Vec<u8>,
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Redacting<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { outer: self, text: Vec::new() }
    }
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Line<'_, W> {
    fn drop(&mut self) {
        let text = self.outer.scanner.redact(&String::from_utf8_lossy(&self.text));
        if let Ok(mut inner) = self.outer.inner.lock() {
            // A log that cannot be written (a full disk) must not stop the work.
            let _lost = inner.write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_named_by_part_and_level() {
        let git = asked(Some("forgehand::git=debug,error"));
        assert!(git.would_enable("forgehand::git::process", &Level::DEBUG) && !git.would_enable("forgehand::cli", &Level::WARN));
        assert!(asked(Some("trace")).would_enable("hyper", &Level::TRACE));
        for usual in [None, Some(" "), Some("forgehand=loud")] {
            let usual = asked(usual);
            assert!(usual.would_enable("forgehand::cli", &Level::INFO) && usual.would_enable("hyper", &Level::WARN));
            assert!(!usual.would_enable("forgehand::cli", &Level::DEBUG) && !usual.would_enable("hyper", &Level::INFO));
        }
    }
}
