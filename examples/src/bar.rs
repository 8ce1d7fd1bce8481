//! A progress bar on a terminal, a plain line elsewhere. Dropping the bar removes it.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar; a plain line if stderr is not a terminal.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// Creates a bar over `total` steps, labelled `task`.
    ///
    /// # Panics
    ///
    /// Never: the template of the bar is well-formed.
    #[must_use]
    pub fn new(total: u64, task: &str) -> Self {
        if !stderr().is_terminal() {
            eprintln!("  ... {task}");
        }
        let style = ProgressStyle::with_template("  {msg} {bar:24} {percent:>3} %, {eta} left");
        let bar = ProgressBar::new(total).with_message(task.to_owned());
        bar.set_style(
            style
                .expect("the template is well-formed")
                .progress_chars("█▌·"),
        );
        bar.tick();
        Self(bar)
    }

    /// Changes the label.
    pub fn rename(&self, task: &str) {
        self.0.set_message(task.to_owned());
        self.0.tick();
    }

    /// Sets the number of finished steps.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Adds to the number of finished steps.
    pub fn add(&self, steps: u64) {
        self.0.inc(steps);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
