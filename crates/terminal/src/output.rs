//! The two standard streams: data goes to stdout, messages go to stderr.
//!
//! A reader that closes the pipe early (`| head`) is not an error. Colors follow [`style::set_color`](crate::style::set_color).

use std::io::{self, Write};

use anyhow::Context as _;

/// Writes styled text to stdout; styles are removed where color is off.
pub fn print(text: &str) -> anyhow::Result<()> {
    write(anstream::stdout().lock(), text)
}

/// Writes data to stdout, byte for byte.
pub fn data(text: &str) -> anyhow::Result<()> {
    write(io::stdout().lock(), text)
}

/// Writes a JSON document to stdout.
pub fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    data(&format!("{value:#}\n"))
}

/// Writes a message to stderr. Failure to write is ignored: a message is not a result.
pub fn message(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

fn write(mut out: impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}

/// Rows as a table: each column is as wide as its widest cell, with two spaces between columns and no trailing spaces.
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
    fn the_columns_of_a_table_are_aligned_without_trailing_spaces() {
        let rows = [
            vec!["stack".to_owned(), "create".to_owned()],
            vec!["staging".to_owned(), "3".to_owned()],
        ];
        assert_eq!(table(&rows), "stack    create\nstaging  3\n");
    }
}
