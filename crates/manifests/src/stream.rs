//! Splits a text into documents as `kubectl` does, and reads each of them.
//!
//! A text that begins with `{` is a stream of JSON values. If its first or second value is not JSON, the rest is YAML.
//! YAML is split into documents at lines that begin with `---`, before any of it is parsed.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::json;
use crate::parser::{self, Aliased};
use crate::syntax::{Lines, SyntaxError};

/// Reading stops after this many syntax errors in one text.
const MAX_ERRORS: usize = 20;

/// The size of a part that is worth a thread of its own, in bytes.
const PART_BYTES: usize = 1 << 19;

/// The most parts of one text. Independent of the number of processors, so that the result does not depend on the
/// machine: each part has its own limit for aliases.
const MAX_PARTS: usize = 4;

/// How far `kubectl` looks for the first character that is not a space, in bytes.
const FIRST_BYTES: usize = 4096;

/// `kubectl` reads this many bytes to skip a space between JSON and YAML, and fails if there are fewer.
const BYTES_AFTER_JSON: usize = 4;

/// Where a document is in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    bytes: Range<usize>,
    /// The number of lines before it.
    lines_before: usize,
}

/// The documents of a text.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The values of the readable documents, without empty ones.
    pub(crate) documents: Vec<(Source, Value)>,
    /// What is wrong with the others: the first errors.
    pub(crate) errors: Vec<SyntaxError>,
    /// The number of errors.
    pub(crate) unreadable: usize,
}

impl Reading {
    fn add(&mut self, source: Source, value: Result<Value, SyntaxError>) {
        match value {
            Ok(Value::Null) => {}
            Ok(value) => self.documents.push((source, value)),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: SyntaxError) {
        self.unreadable += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    fn append(&mut self, mut more: Self) {
        self.documents.append(&mut more.documents);
        self.errors.append(&mut more.errors);
        self.errors.truncate(MAX_ERRORS);
        self.unreadable += more.unreadable;
    }
}

/// Reads a text. Long texts are read in parallel; the result does not depend on the number of processors.
pub(crate) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    // A byte order mark is not part of the text.
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    if begins_like_json(&text[at..]) {
        match read_json(text, at, &mut reading) {
            Some(rest) => at = rest,
            None => return reading,
        }
    }
    let parts = MAX_PARTS.min(text.len() / PART_BYTES);
    reading.append(read_in_parts(text, split(text, at), parts));
    reading
}

/// The lines of a document, which is parsed again.
pub(crate) fn lines(text: &str, source: &Source) -> Lines {
    let mut lines = Lines::default();
    // JSON that is not YAML too, because of an escape, has a first line only.
    let _ = parser::read(
        &normalized(&text[source.bytes.clone()]),
        &mut Aliased::default(),
        Some(&mut lines),
    );
    lines.first = lines.first.max(1) + source.lines_before;
    lines
        .lines
        .values_mut()
        .for_each(|line| *line += source.lines_before);
    lines
}

fn begins_like_json(text: &str) -> bool {
    let first = text
        .char_indices()
        .find(|(_, character)| !character.is_whitespace());
    first.is_some_and(|(at, character)| character == '{' && at < FIRST_BYTES)
}

/// Reads JSON values. Returns where YAML begins; `None` if the text ends before, or cannot be read any further.
fn read_json(text: &str, begin: usize, reading: &mut Reading) -> Option<usize> {
    let mut at = begin;
    let mut lines_before = 0;
    let mut values = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<IgnoredAny>();
    for number in 0.. {
        match values.next()? {
            Ok(IgnoredAny) => {
                let end = begin + values.byte_offset();
                let start = end - text[at..end].trim_start().len();
                lines_before += text[at..start].matches('\n').count();
                let source = Source {
                    bytes: start..end,
                    lines_before,
                };
                lines_before += text[start..end].matches('\n').count();
                at = end;
                let value = json::read(&text[start..end]).map_err(|error| source.place(error));
                reading.add(source, value);
            }
            Err(error) => {
                // After two values, it is certain that the text is JSON.
                let rest = if number > 1 { None } else { after_spaces(text, at) };
                if rest.is_none() {
                    reading.fail(SyntaxError {
                        message: format!("invalid JSON: {}", json::message(&error)),
                        hint: Some(
                            "write one JSON value after the other, or YAML documents with `---` between them",
                        ),
                        line: lines_before + 1,
                        column: 1,
                    });
                }
                return rest;
            }
        }
    }
    None
}

/// The position after the spaces of this line; `None` if the text is too short for `kubectl` to find it.
fn after_spaces(text: &str, mut at: usize) -> Option<usize> {
    loop {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        if rest.len() < BYTES_AFTER_JSON {
            return None;
        }
        if !first.is_whitespace() {
            return Some(at);
        }
        at += first.len_utf8();
        if first == '\n' {
            return Some(at);
        }
    }
}

impl Source {
    /// The position of its first byte.
    pub(crate) fn begin(&self) -> usize {
        self.bytes.start
    }

    /// Moves an error within the document to its place in the text.
    fn place(&self, error: SyntaxError) -> SyntaxError {
        SyntaxError {
            line: error.line + self.lines_before,
            ..error
        }
    }

    fn read(&self, text: &str, aliased: &mut Aliased) -> Result<Value, SyntaxError> {
        let document = &text[self.bytes.clone()];
        if let Some(column) = bad_separator(document) {
            return Err(self.place(SyntaxError {
                message: "kubectl accepts only a comment after `---`".to_owned(),
                hint: Some("begin the document in the next line"),
                line: 1,
                column,
            }));
        }
        parser::read(&normalized(document), aliased, None).map_err(|error| self.place(error))
    }
}

/// The column of the text after a `---` that is not a comment.
fn bad_separator(document: &str) -> Option<usize> {
    let line = document.strip_prefix("---")?.split('\n').next()?.trim();
    (!line.is_empty() && !line.starts_with('#')).then_some(4)
}

/// A document as `kubectl` passes it to its parser: CR LF is LF, the last line ends, and a byte order mark is not part of
/// it.
fn normalized(document: &str) -> Cow<'_, str> {
    let document = document.strip_prefix('\u{feff}').unwrap_or(document);
    let is_terminated = document.ends_with('\n');
    if is_terminated && !document.contains('\r') {
        return Cow::Borrowed(document);
    }
    let mut text = document.replace("\r\n", "\n");
    if !is_terminated {
        text.push('\n');
    }
    Cow::Owned(text)
}

/// Splits YAML into documents. A line that begins with `---` ends a document, and begins one if nothing is before it. If
/// it has text that is not a comment, it is a document of its own, which cannot be read.
fn split(text: &str, begin: usize) -> Vec<Source> {
    let mut sources = Vec::new();
    let lines_above = text[..begin].matches('\n').count();
    let (mut first, mut first_line) = (begin, lines_above);
    let mut at = begin;
    let mut add = |bytes: Range<usize>, lines_before: usize| {
        if !bytes.is_empty() {
            sources.push(Source { bytes, lines_before });
        }
    };
    for (lines_before, line) in (lines_above..).zip(text[begin..].split_inclusive('\n')) {
        let end = at + line.len();
        if line.starts_with("---") {
            if bad_separator(line).is_some() {
                add(first..at, first_line);
                add(at..end, lines_before);
                (first, first_line) = (end, lines_before + 1);
            } else if at > first {
                add(first..at, first_line);
                (first, first_line) = (end, lines_before + 1);
            }
        }
        at = end;
    }
    add(first..text.len(), first_line);
    sources
}

/// Reads the documents of a text in about as many parts, in parallel.
fn read_in_parts(text: &str, sources: Vec<Source>, parts: usize) -> Reading {
    let read_part = |sources: Vec<Source>| {
        let (mut reading, mut aliased) = (Reading::default(), Aliased::default());
        for source in sources {
            let value = source.read(text, &mut aliased);
            if value.is_err() {
                aliased = Aliased::default();
            }
            reading.add(source, value);
        }
        reading
    };
    if parts < 2 {
        return read_part(sources);
    }
    let mut groups: Vec<Vec<Source>> = vec![Vec::new(); parts];
    for source in sources {
        groups[source.bytes.start * parts / text.len()].push(source);
    }
    let mut whole = Reading::default();
    std::thread::scope(|scope| {
        let start = |group| scope.spawn(|| read_part(group));
        let threads: Vec<_> = groups.into_iter().map(start).collect();
        for thread in threads {
            match thread.join() {
                Ok(reading) => whole.append(reading),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    whole
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Value> {
        let reading = read(text);
        assert_eq!(reading.errors, [], "{text}");
        reading.documents.into_iter().map(|(_, value)| value).collect()
    }

    fn error(text: &str) -> SyntaxError {
        let mut reading = read(text);
        assert_eq!(reading.unreadable, 1, "{text}: {reading:?}");
        reading.errors.remove(0)
    }

    #[test]
    fn anchors_and_merge_keys_are_expanded_in_their_order() {
        for (text, value) in [
            (
                "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nagain: *base\n",
                json!({"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2}}),
            ),
            ("{a: 1, <<: {a: 2, b: 3}}", json!({"a": 2, "b": 3})),
            ("{<<: {a: 2}, a: 1}", json!({"a": 1})),
            ("{<<: [{a: 1}, {a: 2, b: 2}]}", json!({"a": 1, "b": 2})),
            ("{<<: {a: 1}, <<: {a: 2}}", json!({"a": 2})),
            ("{<<: {<<: {a: 1}, b: 2}, c: 3}", json!({"a": 1, "b": 2, "c": 3})),
            ("{\"<<\": {a: 1}}", json!({"<<": {"a": 1}})),
            ("{'<<': {a: 1}}", json!({"<<": {"a": 1}})),
            ("{!!merge <<: {a: 1}}", json!({"a": 1})),
            ("{!!str <<: {a: 1}}", json!({"<<": {"a": 1}})),
            ("{a: &x 1, b: &x 2, c: *x}", json!({"a": 1, "b": 2, "c": 2})),
            ("{a: &x {b: &x 1}, c: *x}", json!({"a": {"b": 1}, "c": 1})),
            ("{&k y: *k}", json!({"true": true})),
            ("[&k a, {*k : 1}]", json!(["a", {"a": 1}])),
        ] {
            assert_eq!(values(&format!("---\n{text}")), [value], "{text}");
        }
        for text in [
            "{<<: 1}",
            "{<<: }",
            "{<<: [1]}",
            "{a: &x [{b: 1}], <<: *x}",
            "{a: &x [{b: 1}], <<: [*x]}",
            "a: *x",
            "a: &x {b: *x}",
            "{a: &x 1, b: &x {c: *x}}",
            "{? [a] : b}",
            "{? {a: b} : c}",
            "{~: a}",
            "{a: 1, a: 2}",
            "{1: a, \"1\": b}",
            "{<<: {a: 1}, a: 2, a: 3}",
            "a: .inf",
        ] {
            error(&format!("---\n{text}\n"));
        }
    }

    #[test]
    fn collections_and_strings_may_continue_in_the_column_of_their_key() {
        for (text, value) in [
            ("args: [\n1,\n2\n]\nb: 1\n", json!({"args": [1, 2], "b": 1})),
            (
                "a:\n  b: {c: 1,\n  d: 2\n  }\n  e: 3\n",
                json!({"a": {"b": {"c": 1, "d": 2}, "e": 3}}),
            ),
            ("a: \"b\nc\"\nd: 1\n", json!({"a": "b c", "d": 1})),
            ("a: 'b\n\nc'\nd: 1\n", json!({"a": "b\nc", "d": 1})),
            ("a: \"b \\\n  c\"", json!({"a": "b c"})),
            ("a: b\n  c\n\n  d\n", json!({"a": "b c\nd"})),
            ("a:\n- b\n- c\nd: 1\n", json!({"a": ["b", "c"], "d": 1})),
            (
                "a:\n- - b\n  - c\n-\n- d: 1\n  e: 2\n",
                json!({"a": [["b", "c"], null, {"d": 1, "e": 2}]}),
            ),
            (
                "a: {b, c: , d: e}",
                json!({"a": {"b": null, "c": null, "d": "e"}}),
            ),
            ("a: [b: c, ? d, ]", json!({"a": [{"b": "c"}, {"d": null}]})),
            ("a: {\"b\":c}", json!({"a": {"b": "c"}})),
            ("a: {b:c}", json!({"a": {"b:c": null}})),
            ("? a\n: b\n? c\n", json!({"a": "b", "c": null})),
            ("a:\tb\t# c\n", json!({"a": "b"})),
            ("a: {\n\tb: 1\n}\n", json!({"a": {"b": 1}})),
            ("é: ü\nb: '''ö'''\n", json!({"é": "ü", "b": "'ö'"})),
            (
                "a: \"\\x41\\u00e9\\U0001F600\\e\\'\"\n",
                json!({"a": "Aé😀\u{1b}'"}),
            ),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
    }

    #[test]
    fn block_scalars_keep_or_fold_their_lines() {
        for (text, value) in [
            ("a: |\n  b\n   c\n\n  d\n\n", "b\n c\n\nd\n"),
            ("a: |-\n  b\n", "b"),
            ("a: |+\n  b\n\n", "b\n\n"),
            ("a: >\n  b\n  c\n\n  d\n   e\n  f\n", "b c\nd\n e\nf\n"),
            ("a: |2-\n   b\n  c\n", " b\nc"),
            ("a: |-1\n  b\n", " b"),
            ("a: | # b\n  c", "c\n"),
            ("a: |\n\n  b\n", "\nb\n"),
            ("a: |\r\n  b\r\n  c\r\n", "b\nc\n"),
            ("a: |\n", ""),
        ] {
            assert_eq!(values(text), [json!({"a": value})], "{text:?}");
        }
        for text in ["a: |0\n  b\n", "a: | b\n", "a: |\n\tb\n", "a: |12\n  b\n"] {
            error(text);
        }
    }

    #[test]
    fn documents_are_split_before_they_are_parsed() {
        for (text, number) in [
            ("a: 1\n---\nb: 2\n", 2),
            ("---\n---\na: 1\n--- # b\n\n---\n# c\n", 1),
            ("a: 1\n--- \nb: 2\n---\t\nc: 3", 3),
            ("a: 1\r\n---\r\nb: 2\r\n", 2),
            ("\u{feff}a: 1\n---\nb: 2\n", 2),
            ("a: 1\n---\n\u{feff}b: 2\n", 2),
            ("a: 1\n...\n---\nb: 2\n", 2),
            ("", 0),
            ("# only a comment\n", 0),
            ("---\n", 0),
            ("~\n", 0),
            ("a: |\n  x\n  ---\n  y\n", 1),
        ] {
            assert_eq!(values(text).len(), number, "{text:?}");
        }
        for (text, line) in [
            ("a: 1\n--- {b: 2}\n", 2),
            ("a: 1\n--- |\n  b\n", 2),
            ("a: 1\n----\n", 2),
            ("a: \"x\n---\ny: \"\n", 1),
            ("a: 1\n...\nb: 2\n", 3),
            ("[a] b\n", 1),
            ("{a: 1} {b: 2}\n", 1),
            ("a: 1\n---\n...\n", 3),
            ("a: 1\r---\rb: 2\n", 2),
            ("%YAML 1.1\n", 1),
            ("a: 1\nb: \u{feff}\n", 2),
            ("a: 1\nb: \u{7}\n", 2),
            ("a: !b!c d\n", 1),
            ("a: @b\n", 1),
            ("\ta: 1\n", 1),
            ("a:\n\tb: 1\n", 2),
            ("a: b: c\n", 1),
            ("a: - b\n", 1),
            ("a: [b\n", 2),
            ("a: 'b\n", 1),
            ("a: \"\\/\"\n", 1),
            ("a: \"\\ud83d\\ude00\"\n", 1),
            ("a: [b]]\n", 1),
            ("a\nb: 1\n", 2),
            ("a: {b\n: c}\n", 1),
        ] {
            let reading = read(text);
            assert_eq!(
                reading.errors.first().map(|error| error.line),
                Some(line),
                "{text:?}: {reading:?}"
            );
        }
    }

    #[test]
    fn json_is_a_stream_of_values_until_it_is_yaml() {
        let a = json!({"a": 1});
        let b = json!({"b": 2});
        for (text, expected) in [
            ("{\"a\":1}{\"b\":2}", vec![&a, &b]),
            (" {\"a\":1}\n\t{\"b\":2}\n", vec![&a, &b]),
            ("{\"a\":1}\n---\n{\"b\":2}\n", vec![&a, &b]),
            ("{\"a\":1}\n---\nb: 2\n", vec![&a, &b]),
            ("{\"a\":1} null {\"b\":2}", vec![&a, &b]),
            ("{a: 1}\n---\n{b: 2}\n", vec![&a, &b]),
            ("  {a: 1}\n", vec![&a]),
            ("\u{feff}{\"a\":1}", vec![&a]),
        ] {
            let values = values(text);
            assert_eq!(values.iter().collect::<Vec<_>>(), expected, "{text:?}");
        }
        assert_eq!(
            values(r#"{"a": "\/\ud83d\ude00", "b": 1.0, "c": "\u2028"}"#),
            [json!({"a": "/😀", "b": 1.0, "c": "\u{2028}"})]
        );
        // More than one value, and then no JSON; too short to switch; not a value that JSON or a float can hold.
        for text in [
            "{\"a\":1}{\"b\":2}\n---\nc: 3\n",
            "{\"a\":1}}",
            "{\"a\":1e999}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":\"\\ud83d\"}",
            "{\"a\":1",
        ] {
            error(text);
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        assert!(error(&deep).message.contains("levels deep"));
    }

    #[test]
    fn a_template_is_distinguished_from_a_typing_error() {
        let hint = |text: &str| error(text).hint.unwrap_or_default();
        assert!(hint("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n").contains("helm template"));
        assert!(hint("kind: Pod\nspec:\n  a: b: c\n").contains("indentation"));
    }

    #[test]
    fn an_alias_bomb_is_rejected() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for level in 1..40 {
            let below = level - 1;
            let _ = writeln!(
                bomb,
                "a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]"
            );
        }
        assert!(error(&bomb).message.contains("aliases"));
        let long = "x".repeat(1 << 20);
        let bomb = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        assert!(error(&bomb).message.contains("aliases"));
    }

    #[test]
    fn aliases_cannot_nest_deeper_than_brackets() {
        let mut text = String::from("a0: &a0 [x]\n");
        for level in 1..70 {
            let _ = writeln!(text, "a{level}: &a{level} [*a{}]", level - 1);
        }
        assert!(error(&text).message.contains("levels deep"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test measures time")]
    fn endless_nesting_is_rejected_quickly() {
        for piece in [
            "[", "{a: ", "- ", "? ", "a:\n ", "[{", "&a [", "!!str [", "[?", "\"", "<<: {",
        ] {
            let started = std::time::Instant::now();
            assert!(
                read(&format!("#\n{}", piece.repeat(200_000))).unreadable > 0,
                "{piece:?}"
            );
            let elapsed = started.elapsed();
            assert!(elapsed.as_secs() < 10, "{piece:?} took {elapsed:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn a_text_reads_the_same_in_parts(pieces in prop::collection::vec(prop::sample::select(vec![
            "a: 1\n", "b: [1, 2]\n", "c: |\n  text\n\n  ---\n", "- a\n", "---\n", "---\n", "--- # more\n", "...\n", "# no\n", "d: &d {e: 1}\n", "f: *d\n",
            "g: \"a\n", "[\n", "---- no mark\n", "\r\n",
        ]), 0..40), wanted in 2_usize..6) {
            let text = pieces.concat();
            let whole = read(&text);
            let again = read_in_parts(&text, split(&text, 0), wanted);
            prop_assert_eq!(again.documents, whole.documents);
            prop_assert_eq!(again.errors, whole.errors);
        }

        #[test]
        fn no_text_makes_the_reader_panic(pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "a", ":", " ", "\n", "- ", "? ", ": ", "[", "]", "{", "}", ",", "&a ", "*a", "!!int ", "!x ", "!", "'", "\"", "|", ">", "\t",
                "#", "---\n", "...\n", "%YAML 1.2\n", "\\", "\u{feff}", "é", "<<: ", "~", "1e999", "0x", "\r", "\u{85}", "\u{2028}", "|2-\n",
            ]).prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ], 0..60)) {
            let text = pieces.concat();
            for (source, _) in read(&text).documents {
                prop_assert!(lines(&text, &source).first > 0);
            }
        }
    }
}
