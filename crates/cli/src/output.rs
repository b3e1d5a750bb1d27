//! The two streams of a terminal: data goes to stdout, talk goes to stderr.
//!
//! Promises that a reader who has seen enough (`| head`) is no error, and that colour only ever repeats what the words
//! say. Knows nothing of what is printed.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::ValueEnum;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Where stdout is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always, even into a file.
    Always,
    /// Never.
    Never,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON document.
    Json,
}

/// Colours texts, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    colored: bool,
}

impl Paint {
    /// Leaves every text as it is.
    pub const PLAIN: Self = Self { colored: false };

    /// What the person asked for.
    pub fn asked(color: Color) -> Self {
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !no_color && io::stdout().is_terminal()
            }
        };
        Self { colored }
    }

    /// For what is new.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what goes away.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// For what changes.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what may be overlooked.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colored {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Prints data to stdout. A reader who went away has seen enough, which is success.
pub fn data(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}

/// Prints a JSON document to stdout.
pub fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    data(&format!("{value:#}\n"))
}

/// Says something on stderr. Nobody listening is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Rows as a table: each column as wide as its widest cell, two spaces between columns, nothing behind the last.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1 stack`, `3 stacks`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_table_are_aligned_and_lines_have_no_tail() {
        let rows = [
            vec!["stack".to_owned(), "create".to_owned()],
            vec!["staging".to_owned(), "3".to_owned()],
        ];
        assert_eq!(table(&rows), "stack    create\nstaging  3\n");
    }

    #[test]
    fn paint_that_was_not_asked_for_leaves_texts_alone() {
        assert_eq!(Paint::PLAIN.red("a"), "a");
        assert_eq!(Paint::asked(Color::Always).red("a"), "\u{1b}[31ma\u{1b}[0m");
    }
}
