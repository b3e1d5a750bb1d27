//! Turns the events of a YAML 1.2 parser into JSON values, with the line of every key and item.
//!
//! Does not recurse, and limits nesting ([`MAX_DEPTH`]).

use std::borrow::Cow;
use std::fmt::Write as _;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Number, Value};

use crate::syntax::{Lines, MAX_DEPTH, MAX_PATH, SyntaxError, hint_for, shown, too_deep};

/// A syntax error at a place of the parser.
fn error_at(span: Span, message: impl Into<String>, hint: Option<&'static str>) -> SyntaxError {
    SyntaxError {
        message: message.into(),
        hint,
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// An error of the parser. `text` is what was parsed.
fn parser_error(error: &ScanError, text: &str) -> SyntaxError {
    let place = error.marker();
    // The parser has a nesting limit of its own, above ours, and reaches it first for brackets in a row.
    let (message, hint) = if error.info().contains("recursion limit") {
        (too_deep(), None)
    } else {
        (
            format!("invalid YAML: {}", error.info()),
            Some(hint_for(text, place.line())),
        )
    };
    SyntaxError {
        message,
        hint,
        line: place.line(),
        column: place.col() + 1,
    }
}

/// Collects values from the events of one text.
#[derive(Default)]
pub(crate) struct Reader {
    /// The documents read so far, with their lines.
    pub(crate) documents: Vec<(Value, Lines)>,
    lines: Lines,
    path: String,
    open: Vec<Open>,
    root: Option<Value>,
}

/// A list or mapping that has started and not ended.
struct Open {
    collection: Collection,
    /// The length of the path without the collection's own name.
    outer_length: usize,
}

enum Collection {
    Items(Vec<Value>),
    Fields {
        fields: Map<String, Value>,
        key: Option<String>,
    },
}

impl Reader {
    /// Reads to the end of the text, or to the first error.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), SyntaxError> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| parser_error(&error, text))?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(_) => {
                self.root = None;
                self.lines = Lines {
                    first: span.start.line(),
                    ..Lines::default()
                };
            }
            Event::DocumentEnd => {
                let value = self.root.take().unwrap_or_default();
                self.documents.push((value, std::mem::take(&mut self.lines)));
            }
            Event::Scalar(text, style, _, tag) => {
                if self.wants_key() {
                    // A copy has no spare capacity, unlike the parser's own string, and there are many keys.
                    return self.key(text.as_ref().to_owned(), span);
                }
                let outer = self.enter(span);
                self.put(scalar(&text, style, tag.as_deref(), span)?);
                self.path.truncate(outer);
            }
            Event::Alias(_) => {
                let message = "aliases (`*name`) are not supported here";
                return Err(error_at(span, message, Some("write the value out")));
            }
            Event::SequenceStart(..) => self.begin(Collection::Items(Vec::new()), span)?,
            Event::MappingStart(..) => {
                let fields = Collection::Fields {
                    fields: Map::new(),
                    key: None,
                };
                self.begin(fields, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(ended) = self.open.pop() {
                    self.put(match ended.collection {
                        Collection::Items(items) => Value::Array(items),
                        Collection::Fields { fields, .. } => Value::Object(fields),
                    });
                    self.path.truncate(ended.outer_length);
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
                collection: Collection::Fields { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, text: String, span: Span) -> Result<(), SyntaxError> {
        if let Some(Open {
            collection: Collection::Fields { fields, key, .. },
            ..
        }) = self.open.last_mut()
        {
            if fields.contains_key(&text) {
                let message = format!("duplicate key {}", shown(&text));
                return Err(error_at(span, message, Some("remove one of the two")));
            }
            *key = Some(text);
        }
        let outer = self.enter(span);
        self.note(span);
        self.path.truncate(outer);
        Ok(())
    }

    fn begin(&mut self, collection: Collection, span: Span) -> Result<(), SyntaxError> {
        if self.wants_key() {
            let message = "a key must be a string, not a list or a mapping";
            return Err(error_at(span, message, None));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(error_at(span, too_deep(), None));
        }
        let outer = self.enter(span);
        self.open.push(Open {
            collection,
            outer_length: outer,
        });
        Ok(())
    }

    /// Appends the position of the next value to the path. Returns the length of the path before.
    fn enter(&mut self, span: Span) -> usize {
        let outer = self.path.len();
        match self.open.last().map(|open| &open.collection) {
            Some(Collection::Items(items)) => {
                let _ = write!(self.path, "[{}]", items.len());
                self.note(span);
            }
            Some(Collection::Fields { key: Some(key), .. }) => {
                if outer > 0 {
                    self.path.push('.');
                }
                self.path.push_str(key);
            }
            _ => {}
        }
        outer
    }

    fn note(&mut self, span: Span) {
        if self.path.len() <= MAX_PATH {
            self.lines.lines.insert(self.path.clone(), span.start.line());
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.collection) {
            Some(Collection::Items(items)) => items.push(value),
            Some(Collection::Fields { fields, key }) => {
                fields.insert(key.take().unwrap_or_default(), value);
            }
            None => self.root = Some(value),
        }
    }
}

/// The value of a scalar in the core schema of YAML 1.2, without what Pulumi's own reader interprets differently.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, SyntaxError> {
    if style == ScalarStyle::Plain && is_ambiguous(text) {
        return Err(error_at(
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
        None => Err(error_at(
            span,
            "the value does not have the type of its tag",
            Some("remove the tag"),
        )),
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
