//! Reads manifests that anybody wrote, as `kubectl` does: several documents, lists, anchors, YAML 1.1.
//!
//! The reader of [`crate::yaml`] is strict, because stack files are ours. This one takes what the API server would be
//! sent: `yes` is true, `010` is eight, an alias is what its anchor says, the second of two equal keys is refused. Only
//! `y` and `n`, which YAML 1.1 takes for yes and no, are texts, as those who write them mean them. It
//! promises to end soon on any input: no more than [`DEEPEST`] levels, and no more values than [`MOST_ALIASED`] from
//! aliases. Lines are only worked out for the files that something was found in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use phoenix_graph::{Graph, Id, Object};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};

use super::Place;
use crate::yaml::{Broken, DEEPEST};

/// The most values that aliases may add to a text: a bomb has millions, a manifest some dozens.
pub const MOST_ALIASED: usize = 100_000;

/// What was made of some texts.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects.
    pub graph: Graph,
    /// Documents that are no Kubernetes objects, by what they lack.
    pub passed_over: BTreeMap<String, usize>,
    /// Texts that cannot be read, and where.
    pub broken: Vec<(String, Broken)>,
    files: Vec<(String, String)>,
    origins: BTreeMap<Id, Origin>,
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

    /// Reads a text, which is called `name`. What stands in it before a fault counts.
    pub fn read(&mut self, name: &str, text: String) {
        let file = self.files.len();
        let (documents, broken) = read(&text, None);
        for (document, value) in documents.into_iter().enumerate() {
            self.take(
                value,
                &Origin {
                    file,
                    document,
                    within: String::new(),
                },
            );
        }
        if let Some(broken) = broken {
            self.broken.push((name.to_owned(), broken));
        }
        self.files.push((name.to_owned(), text));
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
                let name = object.id.name.clone();
                let mut number = 2;
                while self.graph.object(&object.id).is_some() {
                    object.id.name = format!("{name} ({number})");
                    number += 1;
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

    /// What tells the place of a path within an object. It keeps the texts, and reads one again where it is asked.
    pub fn places(&self) -> impl Fn(&Id, &str) -> Option<Place> + 'static {
        let (files, origins) = (self.files.clone(), self.origins.clone());
        let lines: RefCell<BTreeMap<usize, Rc<Vec<Lines>>>> = RefCell::default();
        move |id, path| {
            let origin = origins.get(id)?;
            let (name, text) = files.get(origin.file)?;
            let read_again = || {
                let mut lines = Vec::new();
                let _ = read(text, Some(&mut lines));
                Rc::new(lines)
            };
            let of_file = Rc::clone(lines.borrow_mut().entry(origin.file).or_insert_with(read_again));
            let of_document = of_file.get(origin.document)?;
            let line = nearest(of_document, &origin.within, path);
            Some(Place {
                file: name.clone(),
                line,
            })
        }
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

/// The documents of a text up to its end or its first fault, and that fault; with the lines, where they are wanted.
fn read(text: &str, lines: Option<&mut Vec<Lines>>) -> (Vec<Value>, Option<Broken>) {
    let mut reader = Reader {
        wants_lines: lines.is_some(),
        ..Reader::default()
    };
    let mut broken = None;
    for event in Parser::new_from_str(text) {
        let taken = match event {
            Ok((event, span)) => reader.take(event, span),
            Err(error) => Err(Broken {
                message: format!("this is no YAML: {}", error.info()),
                hint: Some("look at the indentation and the quotes of this line and the one before"),
                line: error.marker().line(),
                column: error.marker().col() + 1,
            }),
        };
        if let Err(fault) = taken {
            broken = Some(fault);
            break;
        }
    }
    if let Some(lines) = lines {
        *lines = reader.lines_of_documents;
    }
    (reader.documents, broken)
}

#[derive(Default)]
struct Reader {
    wants_lines: bool,
    documents: Vec<Value>,
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

/// The key by which YAML 1.1 merges one mapping into another.
const MERGE: &str = "<<";

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(_) => {
                self.root = None;
                self.anchors.clear();
                self.lines = Lines {
                    first: span.start.line(),
                    lines: BTreeMap::new(),
                };
            }
            Event::DocumentEnd => {
                self.documents.push(self.root.take().unwrap_or_default());
                self.lines_of_documents.push(std::mem::take(&mut self.lines));
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() {
                    return self.key(text.into_owned(), span);
                }
                let outside = self.enter(span);
                let value = resolve(&text, style, tag.as_deref());
                if anchor != 0 {
                    self.anchors.insert(anchor, value.clone());
                }
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
                    if ended.anchor != 0 {
                        // What is kept for aliases counts as well: an anchor on every level is a bomb of its own.
                        self.aliased += size(&value, MOST_ALIASED);
                        if self.aliased > MOST_ALIASED {
                            return Err(broken(span, "this text has too much under its anchors"));
                        }
                        self.anchors.insert(ended.anchor, value.clone());
                    }
                    self.put(value);
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
            self.lines.lines.insert(self.path.clone(), span.start.line());
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

/// How many values there are in a value, up to a bound.
fn size(value: &Value, most: usize) -> usize {
    let mut count = 0;
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        count += 1;
        if count > most {
            break;
        }
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => waiting.extend(fields.values()),
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
        let (mut documents, broken) = read(text, None);
        assert_eq!(broken, None);
        documents.remove(0)
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
    fn a_bomb_of_aliases_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for level in 1..40 {
            let below = level - 1;
            let _ = writeln!(
                bomb,
                "a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]"
            );
        }
        let (_, broken) = read(&bomb, None);
        assert!(
            broken.is_some_and(
                |broken| broken.message.contains("aliases") || broken.message.contains("anchors")
            )
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
