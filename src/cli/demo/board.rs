//! The live board: a line for each issue that moves in place on a terminal, and a new line for each change elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where the board is shown.
pub(super) struct Screen {
    rows: BTreeMap<u64, Shown>,
    bars: Option<MultiProgress>,
}

#[derive(Default)]
struct Shown {
    place: String,
    wait: String,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// On standard output, as that is.
    pub(super) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { rows: BTreeMap::new(), bars: terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout())) }
    }

    /// Says a line, above the board.
    pub(super) fn say(&self, line: &str) {
        match &self.bars {
            // A terminal that is gone has no reader.
            Some(bars) => drop(bars.println(line)),
            None => anstream::println!("{line}"),
        }
    }

    /// Shows where an issue is. Why it waited there before is forgotten when that changes.
    pub(super) fn place(&mut self, issue: u64, place: String) {
        let row = self.rows.entry(issue).or_default();
        if row.place != place {
            row.place = place;
            row.wait.clear();
            self.draw(issue);
        }
    }

    /// Shows why it does not go on from there. Nothing said is no news, so it gets no line of its own.
    pub(super) fn wait(&mut self, issue: u64, wait: String) {
        let row = self.rows.entry(issue).or_default();
        let news = row.wait != wait && (self.bars.is_some() || !wait.is_empty());
        row.wait = wait;
        if news {
            self.draw(issue);
        }
    }

    /// Takes the board away; what was said stays.
    pub(super) fn clear(&mut self) {
        for row in self.rows.values_mut() {
            if let Some(bar) = row.bar.take() {
                bar.finish_and_clear();
            }
        }
    }

    fn draw(&mut self, issue: u64) {
        let bars = self.bars.as_ref();
        let Some(row) = self.rows.get_mut(&issue) else { return };
        let wait = if row.wait.is_empty() { String::new() } else { format!("  ({})", row.wait) };
        let line = format!("#{issue}  {}{wait}", row.place);
        match bars {
            None => anstream::println!("{line}"),
            Some(bars) => {
                let bar = row.bar.get_or_insert_with(|| spinner(bars));
                bar.set_message(line);
            }
        }
    }
}

fn spinner(bars: &MultiProgress) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
