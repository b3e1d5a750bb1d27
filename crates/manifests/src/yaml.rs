//! Strict YAML 1.2, for stack files and for files that this project writes.
//!
//! Rejects what other readers interpret differently: aliases, duplicate keys, keys that are not strings, numbers with
//! leading zeros or underscores, dates. Knows nothing of stacks or Kubernetes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr::Scalar;
use saphyr_parser::{ScalarStyle, Span, Tag};
use serde_json::{Number, Value};

pub use crate::reader::SyntaxError;
use crate::reader::{Dialect, Reader};

/// One document of a YAML stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its content.
    pub value: Value,
    /// The line, counted from 1, of every key (`config.phoenix:qdrant.replicas`) and item (`networks[0]`).
    pub lines: BTreeMap<String, usize>,
}

/// Reads all documents of a text.
pub fn read(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let mut reader = Reader::<Strict>::new(true);
    reader.read(text)?;
    let lines = reader.lines_of_documents.into_iter();
    Ok(reader
        .documents
        .into_iter()
        .zip(lines)
        .map(|((_, value), lines)| Document {
            value,
            lines: lines.lines,
        })
        .collect())
}

/// The core schema of YAML 1.2, without what Pulumi's own reader interprets differently.
struct Strict;

impl Dialect for Strict {
    const EXPANDS_ALIASES: bool = false;
    const BRACKETS_KEYS: bool = false;

    fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, SyntaxError> {
        if style == ScalarStyle::Plain && is_ambiguous(text) {
            return Err(SyntaxError::at(
                span,
                format!("YAML readers disagree about the meaning of {text:?}"),
                Some("quote it if it is a string, or write it as a plain number"),
            ));
        }
        let tag = tag.cloned().map(Cow::Owned);
        match Scalar::parse_from_cow_and_metadata(text.into(), style, tag.as_ref()) {
            Some(Scalar::Null) => Ok(Value::Null),
            Some(Scalar::Boolean(value)) => Ok(Value::Bool(value)),
            Some(Scalar::Integer(value)) => Ok(Value::from(value)),
            Some(Scalar::FloatingPoint(value)) => {
                Ok(Number::from_f64(value.into_inner()).map_or_else(|| Value::from(text), Value::Number))
            }
            Some(Scalar::String(value)) => Ok(Value::from(value.into_owned())),
            None => Err(SyntaxError::at(
                span,
                "the value does not have the type of its tag",
                Some("remove the tag"),
            )),
        }
    }
}

/// Whether Pulumi reads a plain scalar differently from YAML 1.2: numbers with leading zeros, which it reads as octal,
/// numbers with underscores or in base 2, and dates.
fn is_ambiguous(text: &str) -> bool {
    let number = text.trim_start_matches(['+', '-']);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_octal = number.len() > 1 && number.starts_with('0') && digits(number);
    let is_grouped = number.contains('_')
        && number.starts_with(|first: char| first.is_ascii_digit())
        && number
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b"_.xXoO".contains(&byte));
    let is_binary = ["0b", "0B"]
        .iter()
        .any(|base| number.strip_prefix(base).is_some_and(digits));
    let day = text.split(['T', 't', ' ', '\t']).next().unwrap_or_default();
    let mut parts = day.split('-');
    let lengths = parts.clone().map(str::len).collect::<Vec<_>>();
    let is_date = matches!(lengths[..], [4, 1 | 2, 1 | 2]) && parts.all(digits);
    is_octal || is_grouped || is_binary || is_date
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Document {
        let mut documents = read(text).expect("the text is good");
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    #[test]
    fn values_and_the_lines_of_their_keys_are_read() {
        let document = one("# a comment\nconfig:\n  phoenix:a:\n    list: [x, {y: 1}]\n  phoenix:b: true\n");
        assert_eq!(
            document.value,
            json!({"config": {"phoenix:a": {"list": ["x", {"y": 1}]}, "phoenix:b": true}})
        );
        assert_eq!(document.lines["config.phoenix:a"], 3);
        assert_eq!(document.lines["config.phoenix:a.list[1].y"], 4);
        assert_eq!(document.lines["config.phoenix:b"], 5);
    }

    #[test]
    fn a_duplicate_key_is_rejected_at_its_second_line() {
        let error = read("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!((error.line, error.column), (3, 1));
        assert_eq!(error.message, "duplicate key \"a\"");
    }

    #[test]
    fn values_that_pulumi_reads_differently_are_rejected() {
        for text in [
            "012",
            "-07",
            "1_0",
            "0b101",
            "0x_1f",
            "2026-01-01",
            "2026-1-2T03:04:05Z",
            "2026-01-01 00:00:00",
        ] {
            let error = read(&format!("a: b\nkey: {text}\n")).unwrap_err();
            assert_eq!((error.line, error.hint.is_some()), (2, true), "{text}");
            let quoted = one(&format!("key: \"{text}\"\n"));
            assert_eq!(quoted.value, json!({"key": text}));
        }
        for text in [
            "0",
            "10",
            "0x1f",
            "1.5",
            "2026",
            "2026-01",
            "10.0.0.0/8",
            "a_b",
            "0a",
            "1-2-3",
            "v2026-01-01",
        ] {
            assert!(read(&format!("key: {text}\n")).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_alias_bomb_is_rejected_at_its_first_alias() {
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for level in 1..60 {
            let _ = writeln!(bomb, "a{level}: &a{level} [*a{0}, *a{0}]", level - 1);
        }
        assert_eq!(read(&bomb).unwrap_err().line, 2);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test measures time")]
    fn endless_nesting_is_rejected_quickly() {
        for piece in ["[", "{a: ", "- ", "? ", "a:\n ", "[{", "&a [", "!!str ["] {
            let started = Instant::now();
            let result = read(&piece.repeat(200_000));
            assert!(result.is_err(), "{piece:?}");
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{piece:?} took {:?}",
                started.elapsed()
            );
        }
    }

    #[test]
    fn numbers_that_json_cannot_represent_are_strings() {
        assert_eq!(
            one("a: .inf\nb: .nan\nc: 1.5\nd: 99999999999999999999\n").value["a"],
            json!(".inf")
        );
    }

    #[test]
    fn documents_keep_their_order() {
        let documents = read("---\na: 1\n---\nb: 2\n").unwrap();
        let values: Vec<_> = documents.into_iter().map(|document| document.value).collect();
        assert_eq!(values, [json!({"a": 1}), json!({"b": 2})]);
    }

    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "a",
            ":",
            " ",
            "\n",
            "- ",
            "? ",
            ": ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a ",
            "*a",
            "!!int ",
            "!x ",
            "'",
            "\"",
            "|",
            ">",
            "\t",
            "#",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\\",
            "\u{feff}",
            "\u{0}",
            "é",
            "<<: ",
            "~",
            "1e999",
            "0x",
            "\r",
        ]);
        prop_oneof![
            any::<String>(),
            prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6000))]

        #[test]
        fn no_text_makes_the_reader_panic(text in hostile()) {
            if let Err(error) = read(&text) {
                prop_assert!(!error.message.is_empty());
            }
        }
    }
}
