//! Turns the parser's events into JSON values, with the line of every key and item. Dialects decide what scalars,
//! aliases and merge keys mean.
//!
//! Does not recurse, and limits nesting ([`MAX_DEPTH`]) and the values that aliases may add ([`MAX_ALIASED`]).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

/// The deepest nesting that is read. The deepest Kubernetes object has about thirty levels.
pub const MAX_DEPTH: usize = 64;

/// The most values that the aliases of one text, or of each part of a long one, may add. A manifest adds dozens, an alias bomb millions. 64 bytes of
/// text count as one value.
pub(crate) const MAX_ALIASED: usize = 100_000;

/// Lines are not recorded for longer paths; no real key comes near.
const MAX_PATH: usize = 512;

/// The key by which YAML 1.1 merges one mapping into another.
const MERGE: &str = "<<";

/// What differs between the dialects of YAML.
pub(crate) trait Dialect {
    /// Whether anchors, aliases and merge keys are expanded. Otherwise an alias is an error.
    const EXPANDS_ALIASES: bool;
    /// Whether a key that contains `.` or `/` is written in brackets in paths, as findings write it.
    const BRACKETS_KEYS: bool;

    /// The value of a scalar.
    fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, SyntaxError>;
}

/// A syntax error, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub hint: Option<&'static str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
}

impl SyntaxError {
    pub(crate) fn at(span: Span, message: impl Into<String>, hint: Option<&'static str>) -> Self {
        Self {
            message: message.into(),
            hint,
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }

    /// An error of the parser. `text` is what was parsed.
    fn of_parser(error: &ScanError, text: &str) -> Self {
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
        Self {
            message,
            hint,
            line: place.line(),
            column: place.col() + 1,
        }
    }
}

impl fmt::Display for SyntaxError {
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

impl std::error::Error for SyntaxError {}

/// A hint for a line that is not valid YAML, or follows one that is not.
fn hint_for(text: &str, line: usize) -> &'static str {
    if text.lines().take(line).any(|line| line.contains("{{")) {
        "this looks like a template; check its rendered output, for example `helm template CHART | phoenix check --file -`"
    } else {
        "check the indentation and quotes of this line and the one before"
    }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

/// The lines of a document: its first, and that of each key and item.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) first: usize,
    pub(crate) lines: BTreeMap<String, usize>,
}

/// Collects values from the events of one text.
pub(crate) struct Reader<D> {
    dialect: std::marker::PhantomData<D>,
    wants_lines: bool,
    /// The number of lines before the text that is read now.
    pub(crate) line_offset: usize,
    /// The documents read so far, each with its number.
    pub(crate) documents: Vec<(usize, Value)>,
    /// The lines of every document, including those with a syntax error.
    pub(crate) lines_of_documents: Vec<Lines>,
    lines: Lines,
    path: String,
    open: Vec<Open>,
    root: Option<Value>,
    anchors: BTreeMap<usize, Value>,
    aliased: usize,
}

/// A list or mapping that has started and not ended.
struct Open {
    collection: Collection,
    anchor: usize,
    /// The length of the path without the collection's own name.
    outer_length: usize,
}

enum Collection {
    Items(Vec<Value>),
    Fields {
        fields: Map<String, Value>,
        key: Option<String>,
        merged: Vec<Value>,
    },
}

impl<D: Dialect> Reader<D> {
    /// A reader. Without `wants_lines` only the first line of each document is recorded.
    pub(crate) fn new(wants_lines: bool) -> Self {
        Self {
            dialect: std::marker::PhantomData,
            wants_lines,
            line_offset: 0,
            documents: Vec::new(),
            lines_of_documents: Vec::new(),
            lines: Lines::default(),
            path: String::new(),
            open: Vec::new(),
            root: None,
            anchors: BTreeMap::new(),
            aliased: 0,
        }
    }

    /// Reads to the end of the text, or to the first error.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), SyntaxError> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| SyntaxError::of_parser(&error, text))?;
            self.event(event, span)?;
        }
        Ok(())
    }

    /// Skips the document that has an error. It keeps its number, so that the numbers of the others do not change.
    pub(crate) fn skip_document(&mut self) {
        self.root = None;
        self.open.clear();
        self.path.clear();
        self.anchors.clear();
        self.aliased = 0;
        self.lines_of_documents.push(std::mem::take(&mut self.lines));
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(_) => {
                self.root = None;
                self.anchors.clear();
                self.lines = Lines {
                    first: self.line_offset + span.start.line(),
                    lines: BTreeMap::new(),
                };
            }
            Event::DocumentEnd => {
                let number = self.lines_of_documents.len();
                self.documents
                    .push((number, self.root.take().unwrap_or_default()));
                self.lines_of_documents.push(std::mem::take(&mut self.lines));
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() {
                    // A copy has no spare capacity, unlike the parser's own string, and there are many keys.
                    return self.key(text.as_ref().to_owned(), span);
                }
                let outer = self.enter(span);
                let value = D::scalar(&text, style, tag.as_deref(), span)?;
                self.keep(anchor, &value, span)?;
                self.put(value);
                self.path.truncate(outer);
            }
            Event::Alias(anchor) => {
                if !D::EXPANDS_ALIASES {
                    let hint = Some("write the value out");
                    return Err(SyntaxError::at(
                        span,
                        "aliases (`*name`) are not supported here",
                        hint,
                    ));
                }
                if self.wants_key() {
                    return Err(SyntaxError::at(span, "an alias cannot be a key", None));
                }
                let Some(value) = self.anchors.get(&anchor) else {
                    return Err(SyntaxError::at(span, "the alias has no anchor", None));
                };
                self.aliased += size(value, MAX_ALIASED);
                if self.aliased > MAX_ALIASED {
                    let message =
                        format!("the aliases of this text expand to more than {MAX_ALIASED} values");
                    return Err(SyntaxError::at(span, message, None));
                }
                let value = value.clone();
                let outer = self.enter(span);
                self.put(value);
                self.path.truncate(outer);
            }
            Event::SequenceStart(anchor, _) => self.begin(Collection::Items(Vec::new()), anchor, span)?,
            Event::MappingStart(anchor, _) => {
                let fields = Collection::Fields {
                    fields: Map::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(fields, anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(ended) = self.open.pop() {
                    let value = merged(ended.collection);
                    self.keep(ended.anchor, &value, span)?;
                    self.put(value);
                    self.path.truncate(ended.outer_length);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(())
    }

    /// Stores the value of an anchor for its aliases. Stored values count too: an anchor on every level grows as fast.
    fn keep(&mut self, anchor: usize, value: &Value, span: Span) -> Result<(), SyntaxError> {
        if anchor == 0 || !D::EXPANDS_ALIASES {
            return Ok(());
        }
        self.aliased += size(value, MAX_ALIASED);
        if self.aliased > MAX_ALIASED {
            return Err(SyntaxError::at(
                span,
                format!("the anchors of this text hold more than {MAX_ALIASED} values"),
                None,
            ));
        }
        self.anchors.insert(anchor, value.clone());
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
                return Err(SyntaxError::at(span, message, Some("remove one of the two")));
            }
            *key = Some(text);
        }
        let outer = self.enter(span);
        self.note(span);
        self.path.truncate(outer);
        Ok(())
    }

    fn begin(&mut self, collection: Collection, anchor: usize, span: Span) -> Result<(), SyntaxError> {
        if self.wants_key() {
            return Err(SyntaxError::at(
                span,
                "a key must be a string, not a list or a mapping",
                None,
            ));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(SyntaxError::at(span, too_deep(), None));
        }
        let outer = self.enter(span);
        self.open.push(Open {
            collection,
            anchor,
            outer_length: outer,
        });
        Ok(())
    }

    /// Appends the position of the next value to the path. Returns the length of the path before.
    fn enter(&mut self, span: Span) -> usize {
        let outer = self.path.len();
        if !self.wants_lines {
            return outer;
        }
        match self.open.last().map(|open| &open.collection) {
            Some(Collection::Items(items)) => {
                let _ = write!(self.path, "[{}]", items.len());
                self.note(span);
            }
            Some(Collection::Fields { key: Some(key), .. }) => {
                if D::BRACKETS_KEYS && key.contains(['.', '/']) {
                    let _ = write!(self.path, "[{key}]");
                } else {
                    if outer > 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(key);
                }
            }
            _ => {}
        }
        outer
    }

    fn note(&mut self, span: Span) {
        if self.wants_lines && self.path.len() <= MAX_PATH {
            let line = self.line_offset + span.start.line();
            self.lines.lines.insert(self.path.clone(), line);
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.collection) {
            Some(Collection::Items(items)) => items.push(value),
            Some(Collection::Fields { fields, key, merged }) => {
                let key = key.take().unwrap_or_default();
                if D::EXPANDS_ALIASES && key == MERGE {
                    match value {
                        Value::Array(items) => merged.extend(items),
                        value => merged.push(value),
                    }
                } else {
                    fields.insert(key, value);
                }
            }
            None => self.root = Some(value),
        }
    }
}

/// A collection with its merge keys applied: its own keys win, and earlier mappings win over later ones.
fn merged(collection: Collection) -> Value {
    match collection {
        Collection::Items(items) => Value::Array(items),
        Collection::Fields {
            mut fields, merged, ..
        } => {
            for mapping in merged {
                if let Value::Object(more) = mapping {
                    for (key, value) in more {
                        fields.entry(key).or_insert(value);
                    }
                }
            }
            Value::Object(fields)
        }
    }
}

/// The size of a value, up to a bound: each value counts one, and long strings more.
fn size(value: &Value, most: usize) -> usize {
    let mut count = 0;
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        count += 1;
        if count > most {
            break;
        }
        match value {
            Value::String(text) => count += text.len() / 64,
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => {
                count += fields.keys().map(|key| key.len() / 64).sum::<usize>();
                waiting.extend(fields.values());
            }
            _ => {}
        }
    }
    count
}

/// A key as a message shows it.
fn shown(key: &str) -> String {
    if key.chars().count() > 60 {
        "with a very long name".to_owned()
    } else {
        format!("{key:?}")
    }
}
