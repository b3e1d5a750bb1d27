//! Colors and weights for terminal text, and escaping of text from outside.
//!
//! Styles always add escape sequences; the code that prints the text removes them where they are not wanted. Color only repeats
//! what the words say.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};

/// For additions and success.
pub fn green(text: &str) -> String {
    styled(AnsiColor::Green.on_default(), text)
}

/// For removals and failures.
pub fn red(text: &str) -> String {
    styled(AnsiColor::Red.on_default(), text)
}

/// For changes and warnings.
pub fn yellow(text: &str) -> String {
    styled(AnsiColor::Yellow.on_default(), text)
}

/// For headings.
pub fn bold(text: &str) -> String {
    styled(Style::new().bold(), text)
}

/// For secondary information.
pub fn dim(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

/// Text from outside, safe to show: control characters other than line breaks and tabs are written as `\u{…}`, so that
/// a name in a manifest cannot move the cursor or recolor the terminal.
pub fn escape_control(text: &str) -> Cow<'_, str> {
    let is_unsafe = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_surrounds_its_text() {
        assert_eq!(red("a"), "\u{1b}[31ma\u{1b}[0m");
    }

    #[test]
    fn control_characters_are_escaped_and_line_breaks_are_kept() {
        assert_eq!(escape_control("a\n\tb"), "a\n\tb");
        assert_eq!(escape_control("\u{1b}[31m\u{9b}"), "\\u{1b}[31m\\u{9b}");
    }
}
