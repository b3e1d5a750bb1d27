//! Markdown as GitHub and GitLab render it.
//!
//! Text from outside, such as the name of an object, must not change the document: no mention of a user, no link, no image, no
//! HTML, and no end of a table or a code block. It is therefore only written through the functions of this module.

use std::fmt::Write as _;

use phoenix_style::escape_line;

/// The longest text from outside in characters that is shown as a whole.
const LONGEST: usize = 300;

/// Text from outside on one line, as code. It can also be used in a table and in a `<summary>`.
///
/// Every character that has a meaning in Markdown is a character reference, so that nothing in the text is interpreted. Services
/// do not link users, issues, revisions and addresses inside of code.
pub fn code(text: &str) -> String {
    let text = clipped(text, LONGEST);
    let text = escape_line(&text);
    let mut code = String::from("<code>");
    for character in text.chars() {
        if character.is_alphanumeric() || matches!(character, ' ' | '-' | '/' | ',') {
            code.push(character);
        } else {
            let _ = write!(code, "&#{};", u32::from(character));
        }
    }
    code.push_str("</code>");
    code
}

/// A text, or as many characters of its beginning.
pub fn clipped(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Our own text in a cell of a table. It may contain Markdown, but no line break and no bar.
pub fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// The longest run of backticks in a code block. A longer one is shortened, because the fence has to be longer.
const LONGEST_RUN: usize = 60;

/// Text in a code block that nothing in it ends early.
pub fn code_block(language: &str, text: &str) -> String {
    let mut content = String::with_capacity(text.len());
    let (mut run, mut longest) = (0, 2);
    for character in text.trim_end_matches('\n').chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run.min(LONGEST_RUN));
        if run <= LONGEST_RUN {
            content.push(character);
        }
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}{language}\n{content}\n{fence}\n")
}

/// A part that is folded until the reader opens it. The summary is Markdown of this module.
pub fn fold(summary: &str, content: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{content}\n</details>\n")
}

/// The first lines that fit into a number of characters, and the number of the others.
pub fn first_lines(lines: &[String], limit: usize) -> (String, usize) {
    let mut text = String::new();
    let mut characters = 0;
    for (index, line) in lines.iter().enumerate() {
        characters += line.chars().count() + 1;
        if characters > limit {
            return (text, lines.len() - index);
        }
        text.push_str(line);
        text.push('\n');
    }
    (text, 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    /// Texts that mean something in Markdown or to a service that renders it.
    fn hostile() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "@maintainer",
            "#1",
            "GH-1",
            "octo/repo#2",
            "0123456789abcdef0123456789abcdef01234567",
            "https://evil.example",
            "www.evil.example",
            "a@evil.example",
            "<img src=x onerror=y>",
            "</details>",
            "</code>",
            "<!-- phoenix:comment",
            "-->",
            "`",
            "```",
            "``````",
            "|",
            "\\|",
            "\\",
            "\n",
            "\r\n\r\n",
            "\t",
            " ",
            "    ",
            "# a",
            "- a",
            "1. a",
            "> a",
            "[a](https://evil.example)",
            "![a](https://evil.example/a.png)",
            "[a]: https://evil.example",
            "**",
            "__",
            "~~",
            "$x$",
            ":tada:",
            "&lt;",
            "&#64;maintainer",
            "\u{202e}",
            "\u{200b}",
            "\u{1b}[31m",
            "::error::x",
            "##[error]x",
            "é",
            "name",
        ]);
        prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
    }

    /// The extensions of GitHub and GitLab.
    fn options() -> Options {
        Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_MATH
            | Options::ENABLE_GFM
    }

    /// What a document contains besides plain text and our own elements.
    fn foreign(document: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut in_code = false;
        for event in Parser::new_ext(document, options()) {
            match event {
                Event::InlineHtml(html) if *html == *"<code>" => in_code = true,
                Event::InlineHtml(html) if *html == *"</code>" => in_code = false,
                Event::Text(text) if !in_code && text.contains("name") => {
                    found.push(format!("text outside of code: {text}"));
                }
                Event::Start(
                    Tag::Link { .. }
                    | Tag::Image { .. }
                    | Tag::Heading { .. }
                    | Tag::CodeBlock(_)
                    | Tag::Emphasis
                    | Tag::Strong,
                )
                | Event::InlineHtml(_)
                | Event::Html(_)
                | Event::InlineMath(_)
                | Event::DisplayMath(_)
                | Event::Code(_)
                | Event::HardBreak => found.push(format!("{event:?}")),
                _ => {}
            }
        }
        found
    }

    proptest! {
        #[test]
        fn text_from_outside_is_only_text(text in hostile()) {
            let code = code(&text);
            prop_assert_eq!(foreign(&format!("- a: {code}, {code}")), Vec::<String>::new());
            // A table keeps its rows and cells.
            let table = format!("| a | b |\n|---|---|\n| {code} | {code} |\n| c | d |\n");
            prop_assert_eq!(foreign(&table), Vec::<String>::new());
            let cells = Parser::new_ext(&table, options())
                .filter(|event| matches!(event, Event::Start(Tag::TableCell)))
                .count();
            prop_assert_eq!(cells, 6);
            // The rendered text is the original one, with invisible characters escaped.
            let shown: String = Parser::new_ext(&code, options())
                .filter_map(|event| match event {
                    Event::Text(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            let expected = escape_line(&text);
            prop_assert_eq!(shown.trim(), expected.trim());
        }

        #[test]
        fn nothing_ends_a_code_block_early(text in hostile()) {
            let block = code_block("text", &text);
            let blocks = Parser::new_ext(&block, options())
                .filter(|event| !matches!(event, Event::Text(_)))
                .count();
            prop_assert_eq!(blocks, 2, "{}", block);
        }
    }

    #[test]
    fn a_fence_is_longer_than_every_run_of_backticks_and_not_much_longer() {
        assert_eq!(code_block("text", "a\n"), "```text\na\n```\n");
        let block = code_block("text", "a\n```\n`````x\n");
        assert!(
            block.starts_with("``````text\n") && block.ends_with("\n``````\n"),
            "{block}"
        );
        let block = code_block("text", &"`".repeat(100_000));
        assert_eq!(block.len(), 61 + "text\n".len() + 60 + 1 + 61 + 1);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let code = code(&"é".repeat(400));
        assert_eq!(code.matches('é').count(), LONGEST);
        assert!(code.contains("&#8230;"), "{code}");
    }

    #[test]
    fn lines_are_taken_until_the_limit() {
        let lines: Vec<String> = ["ab", "cd", "ef"].map(str::to_owned).to_vec();
        assert_eq!(first_lines(&lines, 6), ("ab\ncd\n".to_owned(), 1));
        assert_eq!(first_lines(&lines, 9), ("ab\ncd\nef\n".to_owned(), 0));
        assert_eq!(first_lines(&lines, 1), (String::new(), 3));
    }
}
