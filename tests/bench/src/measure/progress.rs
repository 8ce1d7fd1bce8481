//! How far a benchmark has come.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on the terminal; nothing where there is none.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of work in `steps`.
    pub fn new(bench: &'static str, steps: usize) -> Self {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
        let bar = ProgressBar::new(steps as u64).with_prefix(bench);
        Self(bar.with_style(style.expect("the template is right")))
    }

    /// Says what is done now.
    pub fn now(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// A step is done.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
