//! A progress bar on a terminal, a plain line elsewhere. It is gone when it is dropped.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar, or a line.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar over `total` steps of `task`, which says what is being done.
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

    /// Says what is being done now.
    pub fn rename(&self, task: &str) {
        self.0.set_message(task.to_owned());
        self.0.tick();
    }

    /// Goes to this many steps.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Goes on by this many steps.
    pub fn add(&self, steps: u64) {
        self.0.inc(steps);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
