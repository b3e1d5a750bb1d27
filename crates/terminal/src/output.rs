//! The two standard streams: data goes to stdout, messages go to stderr.
//!
//! Text can contain names and values from files and clusters. [`print()`] and [`message`] therefore write only the styles of this
//! program and visible characters, and [`json`] only visible characters; [`data`] writes bytes as they are.
//!
//! A reader that closes the pipe early (`| head`) is not an error. Colors follow [`style::set_color`](crate::style::set_color).

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::Context as _;

/// Writes styled text to stdout; styles are removed where color is off.
pub fn print(text: &str) -> anyhow::Result<()> {
    write(anstream::stdout().lock(), &phoenix_style::sanitize(text))
}

/// Writes data to stdout, byte for byte.
pub fn data(text: &str) -> anyhow::Result<()> {
    write(io::stdout().lock(), text)
}

/// Writes a JSON document to stdout.
pub fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    data(&json_text(value))
}

/// Writes a JSON document of a documented format: an object that begins with the name of its format and its version.
pub fn document(format: &str, fields: serde_json::Value) -> anyhow::Result<()> {
    json(&with_format(format, fields))
}

/// The object that [`document`] writes.
pub fn with_format(format: &str, fields: serde_json::Value) -> serde_json::Value {
    let mut document = serde_json::json!({"format": format, "formatVersion": FORMAT_VERSION});
    if let (Some(document), serde_json::Value::Object(fields)) = (document.as_object_mut(), fields) {
        document.extend(fields);
    }
    document
}

/// The version of all JSON formats. It changes only if a field is removed or changes its meaning.
pub const FORMAT_VERSION: u32 = 1;

/// Writes a message to stderr. Failure to write is ignored: a message is not a result.
pub fn message(text: &str) {
    // Messages have no styles, so that any escape sequence is foreign.
    let text = phoenix_style::sanitize(&phoenix_style::escape_control(text));
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Pretty-printed JSON in which invisible characters and `##` are escaped inside of strings, which does not change its
/// values.
pub fn json_text(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for character in format!("{value:#}\n").chars() {
        if character != '\n' && phoenix_style::is_unsafe(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text.replace("##", "#\\u0023")
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

/// Text in lines of at most `width` characters, broken between words. Lines after the first begin with `indent`, which does not
/// count. A longer word has a line of its own.
pub fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(indent);
            wrapped.push_str(word);
            used = length;
        } else {
            if used > 0 {
                wrapped.push(' ');
                used += 1;
            }
            wrapped.push_str(word);
            used += length;
        }
    }
    wrapped
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

    #[test]
    fn invisible_characters_in_json_are_escaped_without_a_change_of_its_values() {
        let value =
            serde_json::json!({"a\u{202e}": "\u{1b}[31m\u{9b}\u{e0041}\n##[error]##", "b": ["ü", "日本"]});
        let text = json_text(&value);
        assert!(
            !text.contains(|character| character != '\n' && phoenix_style::is_unsafe(character)),
            "{text}"
        );
        assert!(!text.contains("##"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn text_is_broken_between_words() {
        let long = "one two three four five six seven eight nine ten eleven twelve".to_owned();
        assert_eq!(
            wrapped(&long, 30, "  "),
            "one two three four five six\n  seven eight nine ten eleven\n  twelve"
        );
        assert_eq!(
            wrapped("unbreakable-word-that-is-longer-than-the-width", 10, ""),
            "unbreakable-word-that-is-longer-than-the-width"
        );
    }
}
