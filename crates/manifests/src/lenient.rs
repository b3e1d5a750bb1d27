//! Reads manifests that anybody wrote, as `kubectl` does: several documents, lists, anchors, YAML 1.1.
//!
//! The reader of [`crate::yaml`] is strict, because stack files are ours. This one takes what the API server would be
//! sent: `yes` is true, `010` is eight, an alias is what its anchor says, the second of two equal keys is refused. Only
//! `y` and `n`, which YAML 1.1 takes for yes and no, are texts, as those who write them mean them. It
//! promises to end soon on any input: no more than [`MOST_BYTES`] of a text, [`DEEPEST`] levels, and no more from aliases
//! than [`MOST_ALIASED`]. A document that cannot be read is told, and the next one is read all the same. The parts of a
//! long text are read side by side. Lines are only worked out for the documents that something was found in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use phoenix_graph::{Graph, Id, Object};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};

use super::Place;
use crate::yaml::{Broken, DEEPEST};

/// The most values that aliases may add to a text, or to each part of a long one: a bomb has millions, a manifest some
/// dozens. 64 bytes of a text count as one more.
pub const MOST_ALIASED: usize = 100_000;

/// The longest text that is read: tens of thousands of objects. What reads it takes some twelve times its length.
pub const MOST_BYTES: usize = 48 << 20;

/// How many faults of one text are told; after so many it is something else than manifests.
const MOST_FAULTS: usize = 20;

/// A part of a text that is worth a thread of its own, in bytes.
const PART: usize = 1 << 19;

/// The most parts of one text. Not as many as there are processors: what is read must not depend on the machine, and each
/// part may have [`MOST_ALIASED`].
const MOST_PARTS: usize = 4;

/// What was made of some texts.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects.
    pub graph: Graph,
    /// Documents that are no Kubernetes objects, by what they lack.
    pub passed_over: BTreeMap<String, usize>,
    /// Texts that cannot be read, and where.
    pub broken: Vec<(String, Broken)>,
    files: Vec<Rc<File>>,
    origins: BTreeMap<Id, Origin>,
    /// How many objects had this identity before.
    namesakes: BTreeMap<Id, usize>,
}

/// A text that was read.
#[derive(Debug)]
struct File {
    name: String,
    text: String,
    /// Where each document begins: its first line, and the byte at which that line begins.
    begins: Vec<(usize, usize)>,
}

/// Where an object came from.
#[derive(Clone, Debug)]
struct Origin {
    file: usize,
    document: usize,
    /// What stands before a path within the object: `items[2]` of a list.
    within: String,
}

impl Manifests {
    /// No texts yet.
    pub fn new() -> Self {
        Self {
            graph: Graph::of("manifests"),
            ..Self::default()
        }
    }

    /// Reads bytes that should be a text, as they come from a file.
    pub fn read_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        let fault = if bytes.len() > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            (
                (1, 1),
                format!("this is longer than {most} MiB"),
                "split it, and name each part with --file",
            )
        } else if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            (
                position(&bytes, at),
                "this is no text: it has a zero byte here".to_owned(),
                "save it as UTF-8",
            )
        } else {
            match String::from_utf8(bytes) {
                Ok(text) => return self.read(name, text),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let place = position(error.as_bytes(), at);
                    (place, "this is no text in UTF-8".to_owned(), "save it as UTF-8")
                }
            }
        };
        let ((line, column), message, hint) = fault;
        let broken = Broken {
            message,
            hint: Some(hint),
            line,
            column,
        };
        self.broken.push((name.to_owned(), broken));
    }

    /// Reads a text, which is called `name`. Documents that cannot be read are noted, and the others count.
    pub fn read(&mut self, name: &str, text: String) {
        let file = self.files.len();
        let Reading {
            documents,
            faults,
            lines,
        } = read_in_parts(&parts(&text, MOST_PARTS.min(text.len() / PART)));
        for (document, value) in documents {
            self.take(
                value,
                &Origin {
                    file,
                    document,
                    within: String::new(),
                },
            );
        }
        for fault in faults {
            self.broken.push((name.to_owned(), fault));
        }
        self.files.push(Rc::new(File::new(name, text, &lines)));
    }

    fn take(&mut self, mut value: Value, origin: &Origin) {
        let within = |more: &str| Origin {
            within: if origin.within.is_empty() {
                more.to_owned()
            } else {
                format!("{}.{more}", origin.within)
            },
            ..origin.clone()
        };
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
        if kind == "AdmissionReview" && value.pointer("/request/object").is_some() {
            let object = value.pointer_mut("/request/object").map(Value::take);
            self.take(object.unwrap_or_default(), &within("request.object"));
            return;
        }
        if kind.ends_with("List") && value.get("items").is_some_and(Value::is_array) {
            let items = value.get_mut("items").map(Value::take).unwrap_or_default();
            if let Value::Array(items) = items {
                for (index, item) in items.into_iter().enumerate() {
                    // A list within a list has no end; nobody writes one.
                    if origin.within.matches("items[").count() < 4 {
                        self.take(item, &within(&format!("items[{index}]")));
                    }
                }
            }
            return;
        }
        if value.is_null() {
            return;
        }
        name_it(&mut value);
        match Object::from_json("manifests", value) {
            Ok(mut object) => {
                if self.graph.object(&object.id).is_some() {
                    let name = object.id.name.clone();
                    let number = self.namesakes.entry(object.id.clone()).or_insert(1);
                    while self.graph.object(&object.id).is_some() {
                        *number += 1;
                        object.id.name = format!("{name} ({number})");
                    }
                }
                self.origins.insert(object.id.clone(), origin.clone());
                self.graph.add(object);
            }
            Err(not_an_object) => {
                *self
                    .passed_over
                    .entry(not_an_object.missing.to_owned())
                    .or_default() += 1;
            }
        }
    }

    /// What tells the place of a path within an object. It keeps the texts, and reads a document again where it is asked.
    pub fn places(&self) -> impl Fn(&Id, &str) -> Option<Place> + 'static {
        let (files, origins) = (self.files.clone(), self.origins.clone());
        let known: RefCell<BTreeMap<(usize, usize), Lines>> = RefCell::default();
        move |id, path| {
            let origin = origins.get(id)?;
            let file = files.get(origin.file)?;
            let mut known = known.borrow_mut();
            let lines = known
                .entry((origin.file, origin.document))
                .or_insert_with(|| file.lines(origin.document));
            Some(Place {
                file: file.name.clone(),
                line: nearest(lines, &origin.within, path),
            })
        }
    }
}

impl File {
    fn new(name: &str, text: String, documents: &[Lines]) -> Self {
        let mut begins = Vec::with_capacity(documents.len());
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut line_starts = std::iter::once(0).chain(breaks).enumerate().peekable();
        for document in documents {
            // What has a fault may have no first line; nobody asks for its places.
            let before = document.first.saturating_sub(1);
            while line_starts.next_if(|(line, _)| *line < before).is_some() {}
            let begin = line_starts.peek().map_or(text.len(), |(_, byte)| *byte);
            begins.push((document.first, begin));
        }
        Self {
            name: name.to_owned(),
            text,
            begins,
        }
    }

    /// The lines of one document, read again from its first to the next one's.
    fn lines(&self, document: usize) -> Lines {
        let (first, begin) = self.begins.get(document).copied().unwrap_or_default();
        let end = self.begins.iter().skip(document + 1).map(|(_, byte)| *byte);
        let end = end
            .into_iter()
            .find(|end| *end > begin)
            .unwrap_or(self.text.len());
        let again = read(&self.text[begin..end], true).lines.into_iter().next();
        let mut lines = again.unwrap_or_default();
        let before = first.saturating_sub(1);
        lines.lines.values_mut().for_each(|line| *line += before);
        Lines { first, ..lines }
    }
}

/// An object without a name still can be judged; the API server makes one from `generateName`.
fn name_it(value: &mut Value) {
    let generated = value
        .pointer("/metadata/generateName")
        .and_then(Value::as_str)
        .map(|name| format!("{name}…"));
    let is_object = value.get("apiVersion").is_some_and(Value::is_string)
        && value.get("kind").is_some_and(Value::is_string);
    let named = value.pointer("/metadata/name").is_some_and(Value::is_string);
    if !is_object || named {
        return;
    }
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        let name = generated.unwrap_or_else(|| "(without a name)".to_owned());
        metadata.insert("name".to_owned(), Value::from(name));
    }
}

/// The lines of a document: where it begins, and where each of its keys and items stands.
#[derive(Debug, Default)]
struct Lines {
    first: usize,
    lines: BTreeMap<String, usize>,
}

/// The line of a path, or of what is nearest above it.
fn nearest(lines: &Lines, within: &str, path: &str) -> usize {
    // Keys of labels and annotations are told in brackets, and stand as they are in the text.
    let mut path = match (within, path) {
        ("", path) => path.to_owned(),
        (within, "") => within.to_owned(),
        (within, path) => format!("{within}.{path}"),
    };
    loop {
        if let Some(line) = lines.lines.get(&path) {
            return *line;
        }
        match path.rfind(['.', '[']) {
            Some(end) => path.truncate(end),
            None => return lines.lines.get(path.as_str()).copied().unwrap_or(lines.first),
        }
    }
}

/// The line and the column of a byte, as people count them.
fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.split(|byte| *byte == b'\n').count();
    let begin = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    (line, at - begin + 1)
}

/// What was made of one text.
#[derive(Default)]
struct Reading {
    /// The documents that can be read, each with its number.
    documents: Vec<(usize, Value)>,
    /// What is wrong with the others.
    faults: Vec<Broken>,
    /// The lines of every document; of those that were not wanted, the first only.
    lines: Vec<Lines>,
}

/// Reads a text, with the lines of all its keys and items where they are wanted.
fn read(text: &str, wants_lines: bool) -> Reading {
    let mut reader = Reader {
        wants_lines,
        ..Reader::default()
    };
    let mut faults = Vec::new();
    // A byte order mark is no part of the text.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines_before = 0;
    while let Some(mut fault) = reader.read(rest) {
        let line_of_rest = fault.line;
        fault.line += lines_before;
        faults.push(fault);
        reader.give_up_document();
        let Some((skipped, next)) = next_document(rest, line_of_rest).filter(|_| faults.len() < MOST_FAULTS)
        else {
            break;
        };
        lines_before += skipped;
        reader.lines_before = lines_before;
        rest = next;
    }
    Reading {
        documents: reader.documents,
        faults,
        lines: reader.lines_of_documents,
    }
}

/// A text as about so many parts, each of which begins with the mark of a document and so can be read by itself.
fn parts(text: &str, wanted: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    for left in (2..=wanted).rev() {
        let enough = rest.len() / left;
        let begins = |at: &usize| {
            let (before, from) = rest.split_at(*at);
            let is_mark = from["---".len()..].starts_with(|after: char| after.is_ascii_whitespace());
            // A directive belongs to the document after it.
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

/// Reads the parts of one text side by side, without the lines of their keys.
fn read_in_parts(parts: &[&str]) -> Reading {
    if let [one] = parts {
        return read(one, false);
    }
    let read_one = |part: &&str| (read(part, false), part.matches('\n').count());
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
    let mut lines_before = 0;
    for (mut part, its_lines) in readings {
        let documents_before = whole.lines.len();
        part.documents
            .iter_mut()
            .for_each(|(document, _)| *document += documents_before);
        part.faults
            .iter_mut()
            .for_each(|fault| fault.line += lines_before);
        part.lines
            .iter_mut()
            .for_each(|lines| lines.first += lines_before);
        whole.documents.append(&mut part.documents);
        whole.faults.append(&mut part.faults);
        whole.lines.append(&mut part.lines);
        lines_before += its_lines;
    }
    whole.faults.truncate(MOST_FAULTS);
    whole
}

/// What begins with the mark of the next document at or after a line, and how many lines come before it.
fn next_document(text: &str, after: usize) -> Option<(usize, &str)> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        // Lines are counted from 1. The mark itself may be where the fault was told.
        if index > 0 && index + 1 >= after && (line.trim_end() == "---" || line.starts_with("--- ")) {
            return Some((index, &text[start..]));
        }
        start += line.len();
    }
    None
}

#[derive(Default)]
struct Reader {
    wants_lines: bool,
    /// How many lines of the text come before what is read now.
    lines_before: usize,
    documents: Vec<(usize, Value)>,
    lines_of_documents: Vec<Lines>,
    lines: Lines,
    path: String,
    open: Vec<Open>,
    root: Option<Value>,
    anchors: BTreeMap<usize, Value>,
    aliased: usize,
}

/// A collection that has begun and not ended.
struct Open {
    collected: Collected,
    anchor: usize,
    /// How long the path was before the collection's own name was added.
    outside: usize,
}

enum Collected {
    Items(Vec<Value>),
    Fields {
        fields: Map<String, Value>,
        key: Option<String>,
        merged: Vec<Value>,
    },
}

/// What helps where a line, or one before it, is no YAML.
fn way_out(text: &str, line: usize) -> &'static str {
    if text.lines().take(line).any(|line| line.contains("{{")) {
        "this looks like a template: judge what is rendered from it, such as `helm template CHART | phoenix check --file -`"
    } else {
        "look at the indentation and the quotes of this line and the one before"
    }
}

/// The key by which YAML 1.1 merges one mapping into another.
const MERGE: &str = "<<";

impl Reader {
    /// Reads to the end, or to the first fault.
    fn read(&mut self, text: &str) -> Option<Broken> {
        for event in Parser::new_from_str(text) {
            let taken = match event {
                Ok((event, span)) => self.take(event, span),
                // The parser has a limit of its own, above ours, and comes to it first where brackets stand in one row.
                Err(error) if error.info().contains("recursion limit") => Err(Broken {
                    message: format!("this is nested more than {DEEPEST} levels deep"),
                    hint: None,
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                }),
                Err(error) => Err(Broken {
                    message: format!("this is no YAML: {}", error.info()),
                    hint: Some(way_out(text, error.marker().line())),
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                }),
            };
            if let Err(fault) = taken {
                return Some(fault);
            }
        }
        None
    }

    /// Leaves the document that has a fault. It keeps its number, so that those of the others stay.
    fn give_up_document(&mut self) {
        self.root = None;
        self.open.clear();
        self.path.clear();
        self.anchors.clear();
        self.aliased = 0;
        self.lines_of_documents.push(std::mem::take(&mut self.lines));
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(_) => {
                self.root = None;
                self.anchors.clear();
                self.lines = Lines {
                    first: self.lines_before + span.start.line(),
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
                    // The parser's own text has room for more, and there are many of them.
                    return self.key(text.as_ref().to_owned(), span);
                }
                let outside = self.enter(span);
                let value = resolve(&text, style, tag.as_deref());
                self.keep(anchor, &value, span)?;
                self.put(value);
                self.path.truncate(outside);
            }
            Event::Alias(anchor) => {
                if self.wants_key() {
                    return Err(broken(span, "an alias cannot stand for a key here"));
                }
                let Some(value) = self.anchors.get(&anchor) else {
                    return Err(broken(span, "this alias stands for nothing"));
                };
                self.aliased += size(value, MOST_ALIASED);
                if self.aliased > MOST_ALIASED {
                    return Err(broken(
                        span,
                        format!("the aliases of this text stand for more than {MOST_ALIASED} values"),
                    ));
                }
                let value = value.clone();
                let outside = self.enter(span);
                self.put(value);
                self.path.truncate(outside);
            }
            Event::SequenceStart(anchor, _) => self.begin(Collected::Items(Vec::new()), anchor, span)?,
            Event::MappingStart(anchor, _) => {
                let fields = Collected::Fields {
                    fields: Map::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(fields, anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(ended) = self.open.pop() {
                    let value = finished(ended.collected);
                    self.keep(ended.anchor, &value, span)?;
                    self.put(value);
                    self.path.truncate(ended.outside);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
        Ok(())
    }

    /// Keeps what an anchor names for its aliases. It counts as well: an anchor on every level is a bomb of its own.
    fn keep(&mut self, anchor: usize, value: &Value, span: Span) -> Result<(), Broken> {
        if anchor == 0 {
            return Ok(());
        }
        self.aliased += size(value, MOST_ALIASED);
        if self.aliased > MOST_ALIASED {
            return Err(broken(span, "this text has too much under its anchors"));
        }
        self.anchors.insert(anchor, value.clone());
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
        if let Some(Open {
            collected: Collected::Fields { fields, key, .. },
            ..
        }) = self.open.last_mut()
        {
            if fields.contains_key(&text) {
                return Err(broken(span, "this key stands here a second time"));
            }
            *key = Some(text);
        }
        let outside = self.enter(span);
        self.note(span);
        self.path.truncate(outside);
        Ok(())
    }

    fn begin(&mut self, collected: Collected, anchor: usize, span: Span) -> Result<(), Broken> {
        if self.wants_key() {
            return Err(broken(span, "a key must be a text, not a list or a mapping"));
        }
        if self.open.len() == DEEPEST {
            return Err(broken(
                span,
                format!("this is nested more than {DEEPEST} levels deep"),
            ));
        }
        let outside = self.enter(span);
        self.open.push(Open {
            collected,
            anchor,
            outside,
        });
        Ok(())
    }

    /// Extends the path by the place of the value that comes now, and gives back how long it was before.
    fn enter(&mut self, span: Span) -> usize {
        let outside = self.path.len();
        if !self.wants_lines {
            return outside;
        }
        match self.open.last().map(|open| &open.collected) {
            Some(Collected::Items(items)) => {
                let _ = write!(self.path, "[{}]", items.len());
                self.note(span);
            }
            Some(Collected::Fields { key: Some(key), .. }) => {
                if key.contains(['.', '/']) {
                    // As findings tell such keys.
                    let _ = write!(self.path, "[{key}]");
                } else {
                    if outside > 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(key);
                }
            }
            _ => {}
        }
        outside
    }

    fn note(&mut self, span: Span) {
        if self.wants_lines && self.path.len() <= 512 {
            let line = self.lines_before + span.start.line();
            self.lines.lines.insert(self.path.clone(), line);
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.collected) {
            Some(Collected::Items(items)) => items.push(value),
            Some(Collected::Fields { fields, key, merged }) => {
                let key = key.take().unwrap_or_default();
                if key == MERGE {
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

/// A collection with what was merged into it: its own keys win, and earlier mappings over later ones.
fn finished(collected: Collected) -> Value {
    match collected {
        Collected::Items(items) => Value::Array(items),
        Collected::Fields {
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

/// How much there is in a value, up to a bound: each value counts one, and long texts more.
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

/// What a scalar means to `kubectl`, which reads YAML 1.1.
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

fn broken(span: Span, message: impl Into<String>) -> Broken {
    Broken {
        message: message.into(),
        hint: None,
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Value {
        let Reading {
            mut documents,
            faults,
            ..
        } = read(text, false);
        assert_eq!(faults, []);
        documents.remove(0).1
    }

    #[test]
    fn scalars_mean_what_kubectl_takes_them_for() {
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
    fn anchors_and_merges_are_written_out() {
        assert_eq!(
            one("base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nagain: *base\n"),
            json!({"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2}})
        );
    }

    #[test]
    fn each_document_is_read_again_by_itself() {
        let mut manifests = Manifests::new();
        let pod =
            |name: &str, more: &str| format!("kind: Pod\napiVersion: v1\nmetadata:\n  name: {name}\n{more}");
        let text = [
            "\u{feff}# a comment\n",
            &pod("a", ""),
            "...\n--- # the next\n",
            &pod("b", "spec: &s {hostPID: true}\n"),
            "---\nkind: {\n---\n",
            &pod("c", "spec: *s\n"),
            "---\n",
            &pod("d", "spec:\n  hostIPC: true\n"),
        ]
        .concat();
        manifests.read("a.yaml", text);
        let places = manifests.places();
        let line = |name: &str, path: &str| places(&Id::cluster("", "Pod", name), path).unwrap().line;
        assert_eq!(line("a", "metadata.name"), 5);
        assert_eq!(line("b", "spec.hostPID"), 12);
        // A document that cannot be read is between them, and one whose alias is of another document.
        assert_eq!(manifests.broken.len(), 2, "{:?}", manifests.broken);
        assert_eq!(line("d", "spec.hostIPC"), 27);
        assert_eq!(line("d", "spec.hostPID"), 26);
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
    fn a_template_is_told_from_a_slip_of_the_hand() {
        let hint = |text: &str| read(text, false).faults[0].hint.unwrap_or_default();
        assert!(hint("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n").contains("helm template"));
        assert!(hint("kind: Pod\nspec:\n  a: b: c\n").contains("indentation"));
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for level in 1..40 {
            let below = level - 1;
            let _ = writeln!(
                bomb,
                "a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]"
            );
        }
        let Reading { faults, .. } = read(&bomb, false);
        assert!(
            faults[0].message.contains("aliases") || faults[0].message.contains("anchors"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_long_text_under_an_anchor_is_a_bomb_too() {
        let long = "x".repeat(1 << 20);
        let bomb = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        let Reading {
            documents, faults, ..
        } = read(&bomb, false);
        assert!(
            documents.is_empty() && faults[0].message.contains("aliases"),
            "{faults:?}"
        );
    }

    #[test]
    fn lists_and_reviews_are_unwrapped_and_lines_are_those_of_the_file() {
        let text = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n---\napiVersion: v1\nkind: List\nitems:\n- \
                    apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p\n    annotations:\n      a.b/c: d\n  spec:\n    \
                    containers:\n    - name: x\n      image: i\n---\nkind: AdmissionReview\napiVersion: \
                    admission.k8s.io/v1\nrequest:\n  object:\n    apiVersion: v1\n    kind: Pod\n    metadata: {name: p}\n---\n\
                    just: text\n";
        let mut manifests = Manifests::new();
        manifests.read("a.yaml", text.to_owned());
        let names: Vec<_> = manifests
            .graph
            .objects()
            .map(|object| object.id.to_string())
            .collect();
        assert_eq!(names, ["ConfigMap a", "Pod p", "Pod p (2)"]);
        assert_eq!(
            manifests.passed_over,
            BTreeMap::from([("apiVersion".to_owned(), 1)])
        );
        let places = manifests.places();
        let line = |path: &str| places(&Id::cluster("", "Pod", "p"), path).unwrap().to_string();
        assert_eq!(line("spec.containers[0].image"), "a.yaml:17");
        assert_eq!(line("spec.containers[0].securityContext.privileged"), "a.yaml:16");
        assert_eq!(line("metadata.annotations[a.b/c]"), "a.yaml:13");
        assert_eq!(line(""), "a.yaml:8");
    }

    #[test]
    fn a_document_with_a_fault_hides_no_other() {
        let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n");
        let text = format!(
            "{}---\na: [\n---\n{}---\na: 1\na: 2\n---\n{}---\n{{{{ template }}}}\n",
            pod("a"),
            pod("b"),
            pod("c")
        );
        let mut manifests = Manifests::new();
        manifests.read("a.yaml", text);
        let names: Vec<_> = manifests
            .graph
            .objects()
            .map(|object| object.id.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
        let lines: Vec<_> = manifests.broken.iter().map(|(_, broken)| broken.line).collect();
        assert_eq!(lines, [6, 12, 18], "{:?}", manifests.broken);
        let places = manifests.places();
        let line = |name: &str| {
            places(&Id::cluster("", "Pod", name), "metadata.name")
                .unwrap()
                .line
        };
        assert_eq!(["a", "b", "c"].map(line), [3, 9, 16]);
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let faults = |bytes: &[u8]| {
            let mut manifests = Manifests::new();
            manifests.read_bytes("a.yaml", bytes.to_vec());
            let told: Vec<_> = manifests
                .broken
                .iter()
                .map(|(_, broken)| broken.to_string())
                .collect();
            told.join("; ")
        };
        assert_eq!(
            faults(b"a: 1\nb: \0\n"),
            "line 2, column 4: this is no text: it has a zero byte here\nhint: save it as UTF-8"
        );
        assert_eq!(
            faults(b"a: \xff\n"),
            "line 1, column 4: this is no text in UTF-8\nhint: save it as UTF-8"
        );
        assert!(faults(&vec![b'#'; MOST_BYTES + 1]).contains("longer than 48 MiB"));
        assert_eq!(faults(&vec![b'#'; 1000]), "");
        assert_eq!(faults("\u{feff}a: 1".as_bytes()), "");
    }

    #[test]
    fn objects_of_one_name_are_all_judged() {
        let mut manifests = Manifests::new();
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n".repeat(5_000);
        manifests.read("a.yaml", text);
        assert_eq!(manifests.graph.len(), 5_000);
    }

    #[test]
    fn what_stands_before_a_fault_is_read() {
        let mut manifests = Manifests::new();
        manifests.read(
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\na: 1\na: 2\n".to_owned(),
        );
        assert_eq!(manifests.graph.len(), 1);
        assert_eq!(manifests.broken[0].1.line, 6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn a_text_says_the_same_in_parts(pieces in prop::collection::vec(prop::sample::select(vec![
            "a: 1\n", "b: [1, 2]\n", "c: |\n  text\n\n  ---\n", "- a\n", "---\n", "---\n", "--- # more\n", "...\n", "# no\n", "d: &d {e: 1}\n", "f: *d\n",
            "g: \"a\n", "[\n", "---- no mark\n", "\r\n",
        ]), 0..40), wanted in 2_usize..6) {
            let text = pieces.concat();
            let (whole, again) = (read(&text, false), read_in_parts(&parts(&text, wanted)));
            if whole.faults.is_empty() {
                prop_assert_eq!(&again.faults, &[]);
                prop_assert_eq!(again.documents, whole.documents);
                let firsts = |lines: &[Lines]| lines.iter().map(|lines| lines.first).collect::<Vec<_>>();
                prop_assert_eq!(firsts(&again.lines), firsts(&whole.lines));
            } else {
                prop_assert!(!again.faults.is_empty());
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "a", ":", " ", "\n", "- ", "? ", ": ", "[", "]", "{", "}", ",", "&a ", "*a", "<<: ", "!!str ", "!!int ", "'", "\"", "|", ">",
            "\t", "#", "---\n", "...\n", "0x", "1e999", "-9223372036854775808", "kind: List\n", "items: ", "é", "\u{0}", "~", "yes",
        ]), 0..60)) {
            let mut manifests = Manifests::new();
            manifests.read("a.yaml", pieces.concat());
            let places = manifests.places();
            let objects: Vec<_> = manifests.graph.objects().collect();
            for object in objects {
                prop_assert!(places(&object.id, "spec.containers[0]").is_some());
            }
        }
    }
}
