//! YAML as `kubectl` reads it: YAML 1.1 scalars (`yes` is true, `010` is eight), anchors, aliases and merge keys.
//!
//! Duplicate keys are an error, as in the API server. `y` and `n`, which YAML 1.1 reads as booleans, are strings: that is
//! what authors mean. A document with a syntax error is reported, and the next one is read.

use saphyr_parser::{ScalarStyle, Span, Tag};
use serde_json::{Number, Value};

use crate::reader::{Dialect, Lines, Reader, SyntaxError};

/// Reading stops after this many syntax errors in one text.
const MAX_ERRORS: usize = 20;

/// The size of a part that is worth a thread of its own, in bytes.
const PART_BYTES: usize = 1 << 19;

/// The most parts of one text. Independent of the number of processors, so that the result does not depend on the
/// machine: each part has its own limit for aliases.
const MAX_PARTS: usize = 4;

/// YAML 1.1 as `kubectl` reads it.
struct Kubectl;

impl Dialect for Kubectl {
    const EXPANDS_ALIASES: bool = true;
    const BRACKETS_KEYS: bool = true;

    fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, _: Span) -> Result<Value, SyntaxError> {
        Ok(resolve(text, style, tag))
    }
}

/// The result of reading one text.
#[derive(Default)]
pub(crate) struct Reading {
    /// The documents without an error, each with its number.
    pub(crate) documents: Vec<(usize, Value)>,
    /// The errors of the others.
    pub(crate) errors: Vec<SyntaxError>,
    /// The lines of every document; from [`read`], the first line only.
    pub(crate) lines: Vec<Lines>,
}

/// Reads a text. Long texts are read in parallel; the result does not depend on the number of processors.
pub(crate) fn read(text: &str) -> Reading {
    read_in_parts(&parts(text, MAX_PARTS.min(text.len() / PART_BYTES)))
}

/// Reads a text, and records the line of every key and item.
pub(crate) fn read_with_lines(text: &str) -> Reading {
    read_part(text, true)
}

fn read_part(text: &str, wants_lines: bool) -> Reading {
    let mut reader = Reader::<Kubectl>::new(wants_lines);
    let mut errors = Vec::new();
    // A byte order mark is not part of the text.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line_offset = 0;
    while let Err(mut error) = reader.read(rest) {
        let line_of_rest = error.line;
        error.line += line_offset;
        errors.push(error);
        reader.skip_document();
        let Some((skipped, next)) = next_document(rest, line_of_rest).filter(|_| errors.len() < MAX_ERRORS)
        else {
            break;
        };
        line_offset += skipped;
        reader.line_offset = line_offset;
        rest = next;
    }
    Reading {
        documents: reader.documents,
        errors,
        lines: reader.lines_of_documents,
    }
}

/// Splits a text into about the wanted number of parts. Each part starts with a document marker and can be read alone.
fn parts(text: &str, wanted: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    for left in (2..=wanted).rev() {
        let enough = rest.len() / left;
        let begins = |at: &usize| {
            let (before, from) = rest.split_at(*at);
            let is_mark = from["---".len()..].starts_with(|after: char| after.is_ascii_whitespace());
            // A directive belongs to the next document.
            let line_before = before.trim_end().rsplit('\n').next().unwrap_or_default();
            is_mark && !line_before.starts_with('%')
        };
        let marks = rest.match_indices("\n---").map(|(at, _)| at + 1);
        let Some(end) = marks.skip_while(|at| *at < enough).find(begins) else {
            break;
        };
        let (part, more) = rest.split_at(end);
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

/// Reads the parts of one text in parallel.
fn read_in_parts(parts: &[&str]) -> Reading {
    if let [one] = parts {
        return read_part(one, false);
    }
    let read_one = |part: &&str| (read_part(part, false), part.matches('\n').count());
    let readings: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts
            .iter()
            .map(|part| scope.spawn(move || read_one(part)))
            .collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|reading| reading.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut whole = Reading::default();
    let mut line_offset = 0;
    for (mut part, its_lines) in readings {
        let documents_before = whole.lines.len();
        part.documents
            .iter_mut()
            .for_each(|(document, _)| *document += documents_before);
        part.errors.iter_mut().for_each(|error| error.line += line_offset);
        part.lines.iter_mut().for_each(|lines| lines.first += line_offset);
        whole.documents.append(&mut part.documents);
        whole.errors.append(&mut part.errors);
        whole.lines.append(&mut part.lines);
        line_offset += its_lines;
    }
    whole.errors.truncate(MAX_ERRORS);
    whole
}

/// The text from the next document marker at or after a line, and the number of lines before it.
fn next_document(text: &str, after: usize) -> Option<(usize, &str)> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        // Lines are counted from 1. The error may be reported on the marker itself.
        if index > 0 && index + 1 >= after && (line.trim_end() == "---" || line.starts_with("--- ")) {
            return Some((index, &text[start..]));
        }
        start += line.len();
    }
    None
}

/// The value of a scalar in YAML 1.1, as `kubectl` reads it.
fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    if style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str") {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return Value::from(text);
    }
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)));
    let (digits, radix) = match radix {
        Some(found) => found,
        None if digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (&digits[1..], 8)
        }
        None => (digits, 10),
    };
    if !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && let Ok(number) = i64::from_str_radix(digits, radix)
    {
        return Value::from(sign * number);
    }
    let is_float = radix == 10
        && plain
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && plain.bytes().any(|byte| byte.is_ascii_digit());
    let number = is_float.then(|| plain.parse::<f64>().ok()).flatten();
    match number.and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Value {
        let Reading {
            mut documents,
            errors,
            ..
        } = read(text);
        assert_eq!(errors, []);
        documents.remove(0).1
    }

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        assert_eq!(
            one("[yes, No, on, 010, 0x1F, 1_000, -3, 1.5, 1e3, ~, 1.2.3, 0.0.0.0/0, \"yes\", 08, .inf, -x]"),
            json!([
                true,
                false,
                true,
                8,
                31,
                1000,
                -3,
                1.5,
                1000.0,
                null,
                "1.2.3",
                "0.0.0.0/0",
                "yes",
                "08",
                ".inf",
                "-x"
            ])
        );
    }

    #[test]
    fn anchors_and_merge_keys_are_expanded() {
        assert_eq!(
            one("base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nagain: *base\n"),
            json!({"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2}})
        );
    }

    #[test]
    fn parts_begin_with_documents() {
        let text = "a: 1\n---\nb: |\n  ---\n  text\n%YAML 1.2\n---\nc: 1\n--- # the last\nd: ---\n";
        assert_eq!(parts(text, 1), [text]);
        for wanted in 2..20 {
            let parts = parts(text, wanted);
            assert_eq!(parts.concat(), text);
            assert!(parts.len() > 1, "{parts:?}");
            for part in &parts[1..] {
                let directive = part.starts_with("---\nc");
                assert!(part.starts_with("---") && !directive, "{parts:?}");
            }
        }
    }

    #[test]
    fn a_template_is_distinguished_from_a_typing_error() {
        let hint = |text: &str| read(text).errors[0].hint.unwrap_or_default();
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
        let Reading { errors, .. } = read(&bomb);
        assert!(
            errors[0].message.contains("aliases") || errors[0].message.contains("anchors"),
            "{errors:?}"
        );
    }

    #[test]
    fn aliases_of_a_long_string_are_limited_too() {
        let long = "x".repeat(1 << 20);
        let bomb = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        let Reading {
            documents, errors, ..
        } = read(&bomb);
        assert!(
            documents.is_empty() && errors[0].message.contains("aliases"),
            "{errors:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn a_text_reads_the_same_in_parts(pieces in prop::collection::vec(prop::sample::select(vec![
            "a: 1\n", "b: [1, 2]\n", "c: |\n  text\n\n  ---\n", "- a\n", "---\n", "---\n", "--- # more\n", "...\n", "# no\n", "d: &d {e: 1}\n", "f: *d\n",
            "g: \"a\n", "[\n", "---- no mark\n", "\r\n",
        ]), 0..40), wanted in 2_usize..6) {
            let text = pieces.concat();
            let (whole, again) = (read(&text), read_in_parts(&parts(&text, wanted)));
            if whole.errors.is_empty() {
                prop_assert_eq!(&again.errors, &[]);
                prop_assert_eq!(again.documents, whole.documents);
                let firsts = |lines: &[Lines]| lines.iter().map(|lines| lines.first).collect::<Vec<_>>();
                prop_assert_eq!(firsts(&again.lines), firsts(&whole.lines));
            } else {
                prop_assert!(!again.errors.is_empty());
            }
        }
    }
}
