//! Reads YAML into JSON values, and remembers the line of every key.
//!
//! Made for files that people write and for what our own writer renders, so it is strict where others guess: aliases,
//! repeated keys and keys that are no texts are refused. It promises to end soon on any input: it holds no more than the
//! text, never calls itself, and gives up at [`DEEPEST`] levels. It knows nothing of stacks or Kubernetes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Number, Value};

/// The most levels of nesting that are read; the deepest Kubernetes object has about thirty.
pub const DEEPEST: usize = 64;

/// Lines are not remembered for paths longer than this; no key of ours comes near.
const LONGEST_PATH: usize = 256;

/// One document of a YAML stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// The line, counted from 1, of every key (`config.phoenix:qdrant.replicas`) and item (`networks[0]`).
    pub lines: BTreeMap<String, usize>,
}

/// A text that cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )?;
        match self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Broken {}

/// Reads all documents of a text.
pub fn read(text: &str) -> Result<Vec<Document>, Broken> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scanned(&error))?;
        reader.take(event, span)?;
    }
    Ok(reader.documents)
}

#[derive(Default)]
struct Reader {
    documents: Vec<Document>,
    lines: BTreeMap<String, usize>,
    path: String,
    open: Vec<Open>,
    root: Option<Value>,
}

/// A collection that has begun and not ended.
struct Open {
    collected: Collected,
    /// How long the path was before the collection's own name was added.
    outside: usize,
}

enum Collected {
    Items(Vec<Value>),
    Fields {
        fields: Map<String, Value>,
        key: Option<String>,
    },
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(_) => {
                self.lines.clear();
                self.root = None;
            }
            Event::DocumentEnd => self.documents.push(Document {
                value: self.root.take().unwrap_or(Value::Null),
                lines: std::mem::take(&mut self.lines),
            }),
            Event::Alias(_) => {
                return Err(broken(
                    span,
                    "an alias (`*name`) is not read here",
                    Some("write the value out"),
                ));
            }
            Event::Scalar(text, style, _, tag) => {
                if self.wants_key() {
                    return self.key(text.into_owned(), span);
                }
                let outside = self.enter(span);
                let value = resolve(text.as_ref(), style, tag.as_deref(), span)?;
                self.put(value);
                self.path.truncate(outside);
            }
            Event::SequenceStart(..) => self.begin(Collected::Items(Vec::new()), span)?,
            Event::MappingStart(..) => self.begin(
                Collected::Fields {
                    fields: Map::new(),
                    key: None,
                },
                span,
            )?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(ended) = self.open.pop() {
                    self.put(match ended.collected {
                        Collected::Items(items) => Value::Array(items),
                        Collected::Fields { fields, .. } => Value::Object(fields),
                    });
                    self.path.truncate(ended.outside);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                collected: Collected::Fields { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, text: String, span: Span) -> Result<(), Broken> {
        let Some(Open {
            collected: Collected::Fields { fields, key },
            ..
        }) = self.open.last_mut()
        else {
            unreachable!("only a mapping wants a key");
        };
        if fields.contains_key(&text) {
            let message = format!("the key {} stands here more than once", shown(&text));
            return Err(broken(span, message, Some("remove one of the two")));
        }
        *key = Some(text);
        let outside = self.enter(span);
        self.note(span);
        self.path.truncate(outside);
        Ok(())
    }

    fn begin(&mut self, collected: Collected, span: Span) -> Result<(), Broken> {
        if self.wants_key() {
            return Err(broken(
                span,
                "a key must be a text, not a list or a mapping",
                None,
            ));
        }
        if self.open.len() == DEEPEST {
            return Err(broken(
                span,
                format!("this is nested more than {DEEPEST} levels deep"),
                None,
            ));
        }
        let outside = self.enter(span);
        self.open.push(Open { collected, outside });
        Ok(())
    }

    /// Extends the path by the place of the value that comes now, and gives back how long it was before.
    fn enter(&mut self, span: Span) -> usize {
        let outside = self.path.len();
        match self.open.last().map(|open| &open.collected) {
            Some(Collected::Items(items)) => {
                let _ = write!(self.path, "[{}]", items.len());
                self.note(span);
            }
            Some(Collected::Fields { key: Some(key), .. }) => {
                if outside > 0 {
                    self.path.push('.');
                }
                self.path.push_str(key);
            }
            _ => {}
        }
        outside
    }

    fn note(&mut self, span: Span) {
        if self.path.len() <= LONGEST_PATH {
            self.lines.insert(self.path.clone(), span.start.line());
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.collected) {
            Some(Collected::Items(items)) => items.push(value),
            Some(Collected::Fields { fields, key }) => {
                let key = key.take().expect("a value of a mapping comes after its key");
                fields.insert(key, value);
            }
            None => self.root = Some(value),
        }
    }
}

/// What a scalar means in the core schema of YAML 1.2. What the engine's own reader makes something else of is refused.
fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, Broken> {
    if style == ScalarStyle::Plain && is_read_differently(text) {
        let message = format!(
            "{} means different things to different readers of YAML",
            shown(text)
        );
        let hint = "quote it if it is a text, or write it as a plain number";
        return Err(broken(span, message, Some(hint)));
    }
    let tag = tag.cloned().map(std::borrow::Cow::Owned);
    match Scalar::parse_from_cow_and_metadata(text.into(), style, tag.as_ref()) {
        Some(Scalar::Null) => Ok(Value::Null),
        Some(Scalar::Boolean(value)) => Ok(Value::Bool(value)),
        Some(Scalar::Integer(value)) => Ok(Value::from(value)),
        Some(Scalar::FloatingPoint(value)) => {
            Ok(Number::from_f64(value.into_inner()).map_or_else(|| Value::from(text), Value::Number))
        }
        Some(Scalar::String(value)) => Ok(Value::from(value.into_owned())),
        None => Err(broken(
            span,
            "this value is not of the type that its tag says",
            Some("leave the tag out"),
        )),
    }
}

/// Whether a plain scalar is another value to the engine than in YAML 1.2: a number with leading zeros, which it takes
/// for octal, a number with underscores or in base 2, and a date.
fn is_read_differently(text: &str) -> bool {
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

fn scanned(error: &ScanError) -> Broken {
    let place = error.marker();
    Broken {
        message: format!("this is no YAML: {}", error.info()),
        hint: Some("look at the indentation and the quotes of this line and the one before"),
        line: place.line(),
        column: place.col() + 1,
    }
}

fn broken(span: Span, message: impl Into<String>, hint: Option<&'static str>) -> Broken {
    Broken {
        message: message.into(),
        hint,
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

fn shown(key: &str) -> String {
    if key.chars().count() > 60 {
        "with a very long name".to_owned()
    } else {
        format!("{key:?}")
    }
}

#[cfg(test)]
mod tests {
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
    fn a_key_that_stands_twice_is_refused_where_it_stands_again() {
        let broken = read("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!((broken.line, broken.column), (3, 1));
        assert_eq!(broken.message, "the key \"a\" stands here a second time");
    }

    #[test]
    fn what_the_engine_reads_as_something_else_is_refused() {
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
            let broken = read(&format!("a: b\nkey: {text}\n")).unwrap_err();
            assert_eq!((broken.line, broken.hint.is_some()), (2, true), "{text}");
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
    fn a_bomb_of_aliases_is_refused_at_its_first_alias() {
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for level in 1..60 {
            let _ = writeln!(bomb, "a{level}: &a{level} [*a{0}, *a{0}]", level - 1);
        }
        assert_eq!(read(&bomb).unwrap_err().line, 2);
    }

    #[test]
    fn nesting_without_end_is_refused_soon() {
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
    fn what_is_no_number_to_json_stays_a_text() {
        assert_eq!(
            one("a: .inf\nb: .nan\nc: 1.5\nd: 99999999999999999999\n").value["a"],
            json!(".inf")
        );
    }

    #[test]
    fn several_documents_come_in_their_order() {
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
            if let Err(broken) = read(&text) {
                prop_assert!(!broken.message.is_empty());
            }
        }
    }
}
