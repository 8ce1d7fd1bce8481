//! Shows the progress of a benchmark.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on the terminal. It shows nothing if there is no terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar for `steps` steps.
    pub fn new(bench: &'static str, steps: usize) -> Self {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
        let bar = ProgressBar::new(steps as u64).with_prefix(bench);
        Self(bar.with_style(style.expect("the template is valid")))
    }

    /// Shows which work is done now.
    pub fn now(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// Counts a finished step.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
