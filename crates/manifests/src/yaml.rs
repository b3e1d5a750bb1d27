//! Strict YAML 1.2, for stack files and for files that this project writes.
//!
//! Rejects what other readers interpret differently: aliases, duplicate keys, keys that are not strings, numbers with
//! leading zeros or underscores, dates. Knows nothing of stacks or Kubernetes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::reader::Reader;
use crate::syntax::Lines;
pub use crate::syntax::SyntaxError;

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
    let mut reader = Reader::default();
    reader.read(text)?;
    let document = |(value, lines): (Value, Lines)| Document {
        value,
        lines: lines.lines,
    };
    Ok(reader.documents.into_iter().map(document).collect())
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
