//! Progress on stderr: a spinner on a terminal, otherwise a line for each change of state.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use phoenix_terminal::output;

/// A step that takes time. Dropped without [`Step::done`], it prints nothing more, because an error is reported instead.
#[derive(Debug)]
pub struct Step {
    spinner: Option<ProgressBar>,
    began: Instant,
}

impl Step {
    /// Starts a step and prints its message.
    pub fn begin(message: &str) -> Self {
        let began = Instant::now();
        if !std::io::stderr().is_terminal() {
            output::message(message);
            return Self { spinner: None, began };
        }
        let spinner = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        spinner.set_style(style.expect("the template is a constant and valid"));
        spinner.set_message(message.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        Self {
            spinner: Some(spinner),
            began,
        }
    }

    /// Ends the step with a message, and the duration if it took at least a second.
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
        output::message(&format!("{message}{duration}"));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
