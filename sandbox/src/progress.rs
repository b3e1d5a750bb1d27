//! What a sandbox says while it works: to stderr, a spinner on a terminal, one line a state change elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Something that takes time and is being talked about. Dropped without [`Step::done`], it says nothing
/// more: the error that ended it will.
#[derive(Debug)]
pub struct Step {
    spinner: Option<ProgressBar>,
    began: Instant,
}

impl Step {
    /// Says what is about to happen.
    pub fn begin(message: &str) -> Self {
        let began = Instant::now();
        if !std::io::stderr().is_terminal() {
            say(message);
            return Self { spinner: None, began };
        }
        let spinner = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        spinner.set_style(style.expect("the template is a constant and has been tried"));
        spinner.set_message(message.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        Self {
            spinner: Some(spinner),
            began,
        }
    }

    /// Says how it ended, and after how long if that was worth noticing.
    pub fn done(self, message: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        let seconds = self.began.elapsed().as_secs();
        let duration = if seconds > 0 {
            format!(" ({seconds} s)")
        } else {
            String::new()
        };
        say(&format!("{message}{duration}"));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// One line of talk.
pub fn say(message: &str) {
    eprintln!("{message}");
}
