//! Progress on standard error, on a terminal and for people only.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use super::Output;

/// Steps of something that takes long.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Progress over `steps` steps; invisible where nobody watches.
    pub(crate) fn new(output: Output, steps: u64) -> Self {
        let visible = output == Output::Table && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{pos}/{len}] {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// The next step begins.
    pub(crate) fn step(&self, what: &str) {
        self.0.inc(1);
        self.0.set_message(what.to_owned());
    }

    /// Something else is being done.
    pub(crate) fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// Progress of something whose steps nobody counts.
    pub(crate) fn uncounted(output: Output) -> Self {
        let progress = Self::new(output, 1);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            progress.0.set_style(style);
        }
        progress
    }

    /// All is done.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
