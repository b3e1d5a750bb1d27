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

/// Text from outside, safe to show: characters that move the cursor, recolor the terminal, reorder the text or are invisible
/// are written as `\u{…}`. Line breaks and tabs are kept.
pub fn escape_control(text: &str) -> Cow<'_, str> {
    escape(text, |character| {
        is_unsafe(character) && !matches!(character, '\n' | '\t')
    })
}

/// The same for text that belongs on one line, such as a name: line breaks and tabs are escaped, too.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape(text, is_unsafe)
}

/// Styled text, safe to write to a terminal or to the log of a CI service. The last step of every output: only the styles of
/// this package and visible characters remain. Workflow commands of GitHub Actions and Azure
/// Pipelines (`::set-output`, `##[group]`, `##vso[…]`), which those services would run, lose their meaning.
pub fn sanitize(text: &str) -> String {
    let mut sanitized = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\u{1b}') {
        sanitized.push_str(&escape_control(&rest[..position]));
        rest = &rest[position..];
        let style = STYLES.into_iter().find(|style| rest.starts_with(style));
        let taken = style.unwrap_or("\u{1b}");
        match style {
            Some(style) => sanitized.push_str(style),
            None => sanitized.push_str(&escape_control(taken)),
        }
        rest = &rest[taken.len()..];
    }
    sanitized.push_str(&escape_control(rest));
    without_workflow_commands(&sanitized)
}

/// Every escape sequence of this package.
const STYLES: [&str; 6] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[31m",
    "\u{1b}[32m",
    "\u{1b}[33m",
];

/// Whether a character can change how the rest of a text is shown: control characters, line and paragraph separators,
/// bidirectional marks, and invisible format characters.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// CI services run a line that begins with `::`, after spaces, and `##[` and `##vso[` anywhere. What counts is the text that
/// remains when the styles are removed.
fn without_workflow_commands(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(without_workflow_command).collect();
    lines.join("\n")
}

fn without_workflow_command(line: &str) -> Cow<'_, str> {
    let plain = STYLES
        .iter()
        .fold(line.to_owned(), |line, style| line.replace(style, ""));
    let start = plain.len() - plain.trim_start().len();
    let is_command = plain[start..].starts_with("::");
    if !is_command && !plain.contains("##[") && !plain.contains("##vso[") {
        return Cow::Borrowed(line);
    }
    let plain = if is_command {
        format!("{}\\u{{3a}}:{}", &plain[..start], &plain[start + 2..])
    } else {
        plain
    };
    Cow::Owned(
        plain
            .replace("##[", "#\\u{23}[")
            .replace("##vso[", "#\\u{23}vso["),
    )
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
        assert_eq!(escape_line("a\nb"), "a\\u{a}b");
    }

    #[test]
    fn bidirectional_and_invisible_characters_are_escaped() {
        for character in [
            '\u{202e}',
            '\u{2066}',
            '\u{200f}',
            '\u{61c}',
            '\u{200b}',
            '\u{feff}',
            '\u{2028}',
            '\u{e0041}',
        ] {
            let escaped = escape_control(&character.to_string()).into_owned();
            assert_eq!(escaped, character.escape_unicode().to_string());
        }
        for text in ["naïve — “quoted” …", "日本語", "עברית"] {
            assert_eq!(escape_control(text), text);
        }
    }

    #[test]
    fn only_own_styles_remain_in_the_output() {
        let own = [green("a"), red("b"), yellow("c"), bold("d"), dim("e")].concat();
        assert_eq!(sanitize(&own), own);
        assert_eq!(
            sanitize("a\u{1b}]0;title\u{7}\u{1b}[2Jb\r\u{202e}c"),
            "a\\u{1b}]0;title\\u{7}\\u{1b}[2Jb\\u{d}\\u{202e}c"
        );
    }

    #[test]
    fn workflow_commands_are_not_run() {
        for command in [
            "::set-output name=a::b",
            "  ::error::x",
            "\t::add-mask::x",
            "a ##[error]b",
            "##vso[task.setvariable]x",
            // A style within the command, which is removed where styles are not wanted.
            ":\u{1b}[0m:error::x",
            "#\u{1b}[1m#[error]b",
            "\u{1b}[31m:\u{1b}[0m:stop-commands::x",
        ] {
            for text in [
                command.to_owned(),
                format!("line\n{command}\nline"),
                bold(command),
            ] {
                let sanitized = sanitize(&text);
                assert!(!sanitized.contains("##"), "{sanitized}");
                let plain = STYLES
                    .iter()
                    .fold(sanitized, |text, style| text.replace(style, ""));
                assert!(
                    plain.lines().all(|line| !line.trim().starts_with("::")),
                    "{plain}"
                );
            }
        }
        // In the middle of a line it is text, such as a path in Rust or a URN.
        assert_eq!(sanitize("urn:pulumi:dev::phoenix"), "urn:pulumi:dev::phoenix");
    }
}
