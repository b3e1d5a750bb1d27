//! Kubernetes objects from manifests, with the place of every field.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use phoenix_graph::{Graph, Id, Object};
use serde_json::{Map, Value};

use crate::stream::{self, Source};
use crate::syntax::{Lines, SyntaxError};

/// The longest text that is read: tens of thousands of objects. Reading takes some twelve times its length in memory.
pub const MAX_BYTES: usize = 48 << 20;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path of the file, as the user wrote it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// A document, or an item of a list, that is not a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it begins.
    pub place: Place,
    /// Why it is none.
    pub reason: &'static str,
}

/// Objects read from manifests.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects.
    pub graph: Graph,
    /// What is not a Kubernetes object: the first ones of each file.
    pub skipped: Vec<Skipped>,
    /// The number of documents and items that are not Kubernetes objects.
    pub skipped_count: usize,
    /// What could not be read, each with the name of its file: the first errors of each file.
    pub errors: Vec<(String, SyntaxError)>,
    /// The number of documents and files that could not be read.
    pub error_count: usize,
    files: Vec<Rc<File>>,
    origins: BTreeMap<Id, Origin>,
    /// How many objects have the same identity.
    duplicates: BTreeMap<Id, usize>,
    /// The lines of the document that had the latest error: its file and its position, and the lines.
    latest: Option<((usize, usize), Lines)>,
}

/// A file that was read.
#[derive(Debug)]
struct File {
    name: String,
    text: String,
}

/// Where an object was declared.
#[derive(Clone, Debug)]
struct Origin {
    file: usize,
    document: Rc<Source>,
    /// The path of the object within the document: `items[2]` in a list.
    within: String,
}

/// What an item of a list takes from the list if it has neither.
#[derive(Clone, Copy)]
struct Inherited<'a> {
    api_version: &'a str,
    kind: &'a str,
}

/// The most documents of one file that are listed in [`Manifests::skipped`].
const MAX_SKIPPED: usize = 20;

/// The most errors of objects, of all files.
const MAX_REJECTED: usize = 100;

impl Manifests {
    /// Without any objects.
    pub fn new() -> Self {
        Self {
            graph: Graph::of("manifests"),
            ..Self::default()
        }
    }

    /// Reads the content of a file: UTF-8, or UTF-16 with a byte order mark. Content that is not text, or too long, is an
    /// error in [`Self::errors`].
    pub fn read_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        let (place, message, hint) = match text_of(bytes) {
            Ok(text) => return self.read(name, text),
            Err(fault) => fault,
        };
        let (line, column) = place;
        self.unreadable(
            name,
            SyntaxError {
                message,
                hint: Some(hint),
                line,
                column,
            },
        );
    }

    /// Adds an error of a file that could not be read.
    pub fn unreadable(&mut self, name: &str, error: SyntaxError) {
        self.error_count += 1;
        self.errors.push((name.to_owned(), error));
    }

    /// Reads the text of the file `name`. Documents with a syntax error are listed in [`Self::errors`]; the others are read.
    pub fn read(&mut self, name: &str, text: String) {
        let file = self.files.len();
        let reading = stream::read(&text);
        self.error_count += reading.unreadable;
        let errors = reading.errors.into_iter();
        self.errors.extend(errors.map(|error| (name.to_owned(), error)));
        self.files.push(Rc::new(File {
            name: name.to_owned(),
            text,
        }));
        let listed = self.skipped.len();
        for (document, value) in reading.documents {
            let origin = Origin {
                file,
                document: Rc::new(document),
                within: String::new(),
            };
            self.add(value, &origin, None, listed + MAX_SKIPPED);
        }
    }

    /// Adds an object or the items of a list, as `kubectl` does: every object with `items` is a list.
    fn add(&mut self, mut value: Value, origin: &Origin, inherited: Option<Inherited<'_>>, most: usize) {
        let within = |more: &str| Origin {
            within: if origin.within.is_empty() {
                more.to_owned()
            } else {
                format!("{}.{more}", origin.within)
            },
            ..origin.clone()
        };
        let Some(fields) = value.as_object_mut() else {
            return self.skip(origin, "not a mapping", most);
        };
        let text = |fields: &Map<String, Value>, field: &str| {
            let text = fields.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        if let Some(inherited) = inherited
            && text(fields, "kind").is_empty()
            && text(fields, "apiVersion").is_empty()
        {
            fields.insert("kind".to_owned(), Value::from(inherited.kind));
            fields.insert("apiVersion".to_owned(), Value::from(inherited.api_version));
        }
        let (kind, api_version) = (text(fields, "kind"), text(fields, "apiVersion"));
        if fields
            .get("apiVersion")
            .is_some_and(|version| !version.is_string() && !version.is_null())
        {
            return self.skip(origin, "`apiVersion` is not a string", most);
        }
        if api_version.matches('/').count() > 1 {
            return self.skip(origin, "`apiVersion` has more than one `/`", most);
        }
        if kind.is_empty() {
            return self.skip(origin, "`kind` is missing", most);
        }
        let fault = metadata_fault(&value);
        if let Some((path, expected)) = &fault {
            self.reject(origin, path, expected);
        }
        let is_outermost = origin.within.is_empty();
        let items = match value.get_mut("items") {
            Some(Value::Array(items)) => Some(std::mem::take(items)),
            Some(Value::Null) if is_outermost => Some(Vec::new()),
            Some(_) if is_outermost => return self.skip(origin, "`items` is not a list", most),
            _ => None,
        };
        if let Some(items) = items {
            if !is_outermost {
                self.skip(origin, "a list within a list, which kubectl rejects", most);
            }
            // It passes nothing on.
            let inherited = is_outermost.then(|| Inherited {
                api_version: &api_version,
                kind: kind.strip_suffix("List").unwrap_or(&kind),
            });
            for (index, item) in items.into_iter().enumerate() {
                self.add(item, &within(&format!("items[{index}]")), inherited, most);
            }
            return;
        }
        // Input of an admission webhook, which kubectl does not apply.
        if kind == "AdmissionReview"
            && let Some(object) = value.pointer_mut("/request/object").map(Value::take)
        {
            return self.add(object, &within("request.object"), None, most);
        }
        if api_version.starts_with("kustomize.config.k8s.io/") {
            return self.skip(
                origin,
                "a kustomization; check its output: `kubectl kustomize FOLDER | phoenix check --file -`",
                most,
            );
        }
        ensure_name(&mut value);
        let Ok(mut object) = Object::from_json("manifests", value) else {
            let reason = match fault {
                Some(_) => "`metadata` is not as kubectl requires it",
                None if api_version.is_empty() => "`apiVersion` is missing",
                None => "`metadata.name` is missing",
            };
            return self.skip(origin, reason, most);
        };
        if self.graph.object(&object.id).is_some() {
            let name = object.id.name.clone();
            let number = self.duplicates.entry(object.id.clone()).or_insert(1);
            while self.graph.object(&object.id).is_some() {
                *number += 1;
                object.id.name = format!("{name} ({number})");
            }
        }
        self.origins.insert(object.id.clone(), origin.clone());
        self.graph.add(object);
    }

    /// Adds the error of an object that `kubectl` does not apply because a field of its metadata has another type. It is
    /// evaluated all the same.
    fn reject(&mut self, origin: &Origin, path: &str, expected: &str) {
        self.error_count += 1;
        if self.errors.len() < MAX_REJECTED {
            let Place { file, line } = self.place(origin, path);
            let error = SyntaxError {
                message: format!(
                    "kubectl rejects the object, because {} is not {expected}",
                    path.escape_debug()
                ),
                hint: (expected == "a string").then_some("quote the value"),
                line,
                column: 1,
            };
            self.errors.push((file, error));
        }
    }

    fn skip(&mut self, origin: &Origin, reason: &'static str, most: usize) {
        self.skipped_count += 1;
        if self.skipped.len() < most {
            let place = self.place(origin, "");
            self.skipped.push(Skipped { place, reason });
        }
    }

    /// The place of a field, while documents are read. The lines of the latest document are kept for its other objects.
    fn place(&mut self, origin: &Origin, path: &str) -> Place {
        let file = &self.files[origin.file];
        let document = (origin.file, origin.document.begin());
        if !matches!(&self.latest, Some((latest, _)) if *latest == document) {
            self.latest = Some((document, stream::lines(&file.text, &origin.document)));
        }
        let line = self
            .latest
            .as_ref()
            .map_or(1, |(_, lines)| line_of(lines, &origin.within, path));
        Place {
            file: file.name.clone(),
            line,
        }
    }

    /// A function from an object and a path to the place of that field. It keeps the texts, and parses a document again
    /// when one of its places is needed.
    pub fn places(&self) -> impl Fn(&Id, &str) -> Option<Place> + 'static {
        let (files, origins) = (self.files.clone(), self.origins.clone());
        let known: RefCell<BTreeMap<(usize, usize), Lines>> = RefCell::default();
        move |id, path| {
            let origin = origins.get(id)?;
            let file = files.get(origin.file)?;
            let mut known = known.borrow_mut();
            let lines = known
                .entry((origin.file, origin.document.begin()))
                .or_insert_with(|| stream::lines(&file.text, &origin.document));
            Some(Place {
                file: file.name.clone(),
                line: line_of(lines, &origin.within, path),
            })
        }
    }
}

/// The text of a file; or the place of what is wrong with it, a message and a hint.
fn text_of(bytes: Vec<u8>) -> Result<String, ((usize, usize), String, &'static str)> {
    if bytes.len() > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        let message = format!("longer than {limit} MiB");
        return Err(((1, 1), message, "split it, and pass each part with --file"));
    }
    let text = match bytes.get(..2) {
        Some(mark @ ([0xff, 0xfe] | [0xfe, 0xff])) => {
            let unit = match mark[0] {
                0xff => |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]),
                _ => |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]),
            };
            let units: Vec<_> = bytes[2..].chunks_exact(2).map(unit).collect();
            let is_whole = bytes.len().is_multiple_of(2);
            String::from_utf16(&units).ok().filter(|_| is_whole).ok_or((
                (1, 1),
                "not valid UTF-16".to_owned(),
                "save it as UTF-8",
            ))?
        }
        _ => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let place = position(error.as_bytes(), at);
            (place, "not valid UTF-8".to_owned(), "save it as UTF-8")
        })?,
    };
    if let Some(at) = text.find('\0') {
        let message = "not a text file: it contains a zero byte".to_owned();
        return Err((position(text.as_bytes(), at), message, "save it as UTF-8"));
    }
    Ok(text)
}

/// The path of the first field of the metadata that does not have the type that `kubectl` requires, and the type.
fn metadata_fault(value: &Value) -> Option<(String, &'static str)> {
    let metadata = match value.get("metadata")? {
        Value::Null => return None,
        Value::Object(metadata) => metadata,
        _ => return Some(("metadata".to_owned(), "a mapping")),
    };
    metadata.iter().find_map(|(field, value)| {
        let (has_type, expected): (fn(&Value) -> bool, _) = match field.as_str() {
            "name" | "generateName" | "namespace" | "selfLink" | "uid" | "resourceVersion" => {
                (Value::is_string, "a string")
            }
            "creationTimestamp" | "deletionTimestamp" => (is_time, "a time"),
            "generation" | "deletionGracePeriodSeconds" => (Value::is_i64, "an integer"),
            "labels" | "annotations" => (Value::is_object, "a mapping"),
            "finalizers" | "ownerReferences" | "managedFields" => (Value::is_array, "a list"),
            _ => return None,
        };
        if !value.is_null() && !has_type(value) {
            return Some((format!("metadata.{field}"), expected));
        }
        let is_string = |value: &Value| value.is_string() || value.is_null();
        match value {
            Value::Object(pairs) => {
                let (key, _) = pairs.iter().find(|(_, value)| !is_string(value))?;
                let key = if key.contains(['.', '/']) {
                    format!("[{key}]")
                } else {
                    format!(".{key}")
                };
                Some((format!("metadata.{field}{key}"), "a string"))
            }
            Value::Array(items) if field == "finalizers" => {
                let at = items.iter().position(|item| !is_string(item))?;
                Some((format!("metadata.{field}[{at}]"), "a string"))
            }
            Value::Array(items) => {
                let at = items.iter().position(|item| !item.is_object())?;
                Some((format!("metadata.{field}[{at}]"), "a mapping"))
            }
            _ => None,
        }
    })
}

/// Whether a value has the form of a time: `2026-11-29T12:00:00Z`.
fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default().as_bytes();
    let form = b"0000-00-00T00:00:00";
    text.len() > form.len()
        && text.iter().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

/// Gives an object without a name one, so that it can be identified. The API server makes one from `generateName`.
fn ensure_name(value: &mut Value) {
    let generated = value
        .pointer("/metadata/generateName")
        .and_then(Value::as_str)
        .map(|name| format!("{name}…"));
    let is_object = value.get("apiVersion").is_some_and(Value::is_string)
        && value.get("kind").is_some_and(Value::is_string);
    let name = value.pointer("/metadata/name").and_then(Value::as_str);
    let named = name.is_some_and(|name| !name.is_empty());
    if !is_object || named {
        return;
    }
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    let metadata = fields.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    if let Some(metadata) = metadata.as_object_mut() {
        let name = generated.unwrap_or_else(|| "(without a name)".to_owned());
        metadata.insert("name".to_owned(), Value::from(name));
    }
}

/// The line of a path, or of its closest ancestor that has one.
fn line_of(lines: &Lines, within: &str, path: &str) -> usize {
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

/// The line and column of a byte offset, counted from 1.
fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.split(|byte| *byte == b'\n').count();
    let begin = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    (line, at - begin + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        // Between them are an invalid document, and one with an alias of another document.
        assert_eq!(manifests.errors.len(), 2, "{:?}", manifests.errors);
        assert_eq!(line("d", "spec.hostIPC"), 27);
        assert_eq!(line("d", "spec.hostPID"), 26);
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
        let skipped: Vec<_> = manifests
            .skipped
            .iter()
            .map(|skipped| (skipped.place.to_string(), skipped.reason))
            .collect();
        assert_eq!(skipped, [("a.yaml:27".to_owned(), "`kind` is missing")]);
        let places = manifests.places();
        let line = |path: &str| places(&Id::cluster("", "Pod", "p"), path).unwrap().to_string();
        assert_eq!(line("spec.containers[0].image"), "a.yaml:17");
        assert_eq!(line("spec.containers[0].securityContext.privileged"), "a.yaml:16");
        assert_eq!(line("metadata.annotations[a.b/c]"), "a.yaml:13");
        assert_eq!(line(""), "a.yaml:8");
    }

    #[test]
    fn an_invalid_document_does_not_hide_the_others() {
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
        let lines: Vec<_> = manifests.errors.iter().map(|(_, error)| error.line).collect();
        assert_eq!(lines, [6, 12, 18], "{:?}", manifests.errors);
        let places = manifests.places();
        let line = |name: &str| {
            places(&Id::cluster("", "Pod", name), "metadata.name")
                .unwrap()
                .line
        };
        assert_eq!(["a", "b", "c"].map(line), [3, 9, 16]);
    }

    #[test]
    fn a_non_string_is_reported_with_its_place() {
        let errors = |bytes: &[u8]| {
            let mut manifests = Manifests::new();
            manifests.read_bytes("a.yaml", bytes.to_vec());
            let messages: Vec<_> = manifests
                .errors
                .iter()
                .map(|(_, error)| error.to_string())
                .collect();
            messages.join("; ")
        };
        assert_eq!(
            errors(b"a: 1\nb: \0\n"),
            "line 2, column 4: not a text file: it contains a zero byte\nhint: save it as UTF-8"
        );
        assert_eq!(
            errors(b"a: \xff\n"),
            "line 1, column 4: not valid UTF-8\nhint: save it as UTF-8"
        );
        assert!(errors(&vec![b'#'; MAX_BYTES + 1]).contains("longer than 48 MiB"));
        assert_eq!(errors(&vec![b'#'; 1000]), "");
        assert_eq!(errors("\u{feff}a: 1".as_bytes()), "");
        assert!(errors(&[0xff, 0xfe, b'a', 0, b':']).contains("not valid UTF-16"));
    }

    #[test]
    fn utf_16_with_a_byte_order_mark_is_read() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: é😀}\n";
        let little: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<_> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            [&[0xff, 0xfe], &little[..]].concat(),
            [&[0xfe, 0xff], &big[..]].concat(),
        ] {
            let mut manifests = Manifests::new();
            manifests.read_bytes("a.yaml", bytes);
            assert!(
                manifests.graph.object(&Id::cluster("", "Pod", "é😀")).is_some(),
                "{manifests:?}"
            );
        }
    }

    #[test]
    fn an_object_without_a_name_is_evaluated() {
        for metadata in [
            "",
            "metadata:\n",
            "metadata: {name: \"\"}\n",
            "metadata: {name: , generateName: a-}\n",
        ] {
            let (found, skipped) = kinds(&format!("apiVersion: v1\nkind: Pod\n{metadata}"));
            assert_eq!((found, skipped), (vec!["v1/Pod".to_owned()], 0), "{metadata}");
        }
    }

    #[test]
    fn the_fields_of_json_have_lines_too() {
        let mut manifests = Manifests::new();
        let pod = |name: &str| {
            format!(
                "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\"metadata\": {{\"name\": \"{name}\"}},\n\t\"spec\": {{\n\"hostPID\": true}}}}\n"
            )
        };
        manifests.read("a.json", [pod("a"), pod("b"), pod("\\/")].concat());
        let places = manifests.places();
        let line = |name: &str| places(&Id::cluster("", "Pod", name), "spec.hostPID").map(|place| place.line);
        // The last one has an escape that only JSON has.
        assert_eq!(["a", "b", "/"].map(line), [Some(4), Some(8), Some(9)]);
    }

    fn kinds(text: &str) -> (Vec<String>, usize) {
        let mut manifests = Manifests::new();
        manifests.read("a.yaml", text.to_owned());
        assert_eq!(manifests.error_count, 0, "{text}: {:?}", manifests.errors);
        let kinds = manifests.graph.objects();
        let kinds = kinds.map(|object| format!("{}/{}", object.api_version, object.id.kind));
        (kinds.collect(), manifests.skipped_count)
    }

    /// What `kubectl` 1.37 makes of these.
    #[test]
    fn an_object_with_items_is_a_list() {
        let pod = "apiVersion: v1, kind: Pod, metadata: {name: p}";
        for (text, expected, skipped) in [
            (format!("{{apiVersion: v1, kind: List, items: [{{{pod}}}]}}"), vec!["v1/Pod"], 0),
            (format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c}}, items: [{{{pod}}}]}}"), vec!["v1/Pod"], 0),
            (format!("{{apiVersion: v1, kind: Namespace, items: [{{{pod}}}], data: {{}}}}"), vec!["v1/Pod"], 0),
            ("{apiVersion: apps/v1, kind: DeploymentList, items: [{metadata: {name: d}}]}".to_owned(), vec!["apps/v1/Deployment"], 0),
            // Both or none are inherited.
            ("{apiVersion: v1, kind: PodList, items: [{kind: Secret, metadata: {name: d}}]}".to_owned(), vec![], 1),
            ("{apiVersion: v1, kind: PodList, items: [{apiVersion: v1, metadata: {name: d}}]}".to_owned(), vec![], 1),
            ("{apiVersion: v1, kind: List, items: [{metadata: {name: d}}]}".to_owned(), vec![], 1),
            // An item that is a list passes nothing on.
            (format!("{{apiVersion: v1, kind: List, items: [{{kind: X, apiVersion: v1, items: [{{{pod}}}, {{{pod}}}]}}]}}"), vec!["v1/Pod", "v1/Pod"], 1),
            ("{apiVersion: v1, kind: List, items: [{kind: PodList, apiVersion: v1, items: [{metadata: {name: d}}]}]}".to_owned(), vec![], 2),
            ("{apiVersion: v1, kind: PodList, items: [{items: [{kind: Pod, apiVersion: v1, metadata: {name: d}}]}]}".to_owned(), vec!["v1/Pod"], 1),
            ("{apiVersion: v1, kind: List, items: [{kind: Pod, apiVersion: v1, metadata: {name: d}, items: x}]}".to_owned(), vec!["v1/Pod"], 0),
            // Without kind it is nothing, and items must be objects.
            (format!("{{apiVersion: v1, items: [{{{pod}}}]}}"), vec![], 1),
            (format!("{{apiVersion: v1, kind: List, items: [1, null, [], {{{pod}}}]}}"), vec!["v1/Pod"], 3),
            ("{apiVersion: v1, kind: List, items: x}".to_owned(), vec![], 1),
            ("{apiVersion: v1, kind: Pod, metadata: {name: p}, items: null}".to_owned(), vec![], 0),
            ("{apiVersion: v1, kind: List, items: []}".to_owned(), vec![], 0),
            // Not lists.
            ("{apiVersion: v1, kind: FooList, metadata: {name: p}}".to_owned(), vec!["v1/FooList"], 0),
            ("{apiVersion: v1, kind: Pod, metadata: {name: p}, Items: []}".to_owned(), vec!["v1/Pod"], 0),
            ("{apiVersion: v1, kind: pod, metadata: {name: p}}".to_owned(), vec!["v1/pod"], 0),
        ] {
            let (mut found, number) = kinds(&text);
            found.sort();
            assert_eq!((found, number), (expected.iter().map(ToString::to_string).collect(), skipped), "{text}");
        }
    }

    #[test]
    fn metadata_that_kubectl_rejects_is_an_error_and_evaluated() {
        let mut manifests = Manifests::new();
        for (at, metadata) in [
            "name: y",
            "name: a, namespace: 1",
            "name: a, labels: {b: c, version: 1}",
            "name: a, annotations: {example.org/a: true}",
            "name: a, labels: [b]",
            "name: a, creationTimestamp: 1",
            "name: a, generation: b",
            "name: a, finalizers: [a, 1]",
            "name: a, labels: {b: }, annotations: , creationTimestamp: null, finalizers: [b]",
        ]
        .iter()
        .enumerate()
        {
            manifests.read(
                &format!("{at}.yaml"),
                format!("apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\n"),
            );
        }
        let errors = manifests.errors.iter().map(|(file, error)| {
            let path = error.message.split_whitespace().nth(5).unwrap_or_default();
            format!("{file}:{} {path}", error.line)
        });
        assert_eq!(
            errors.collect::<Vec<_>>(),
            [
                "0.yaml:3 metadata.name",
                "1.yaml:3 metadata.namespace",
                "2.yaml:3 metadata.labels.version",
                "3.yaml:3 metadata.annotations[example.org/a]",
                "4.yaml:3 metadata.labels",
                "5.yaml:3 metadata.creationTimestamp",
                "6.yaml:3 metadata.generation",
                "7.yaml:3 metadata.finalizers[1]",
            ]
        );
        assert_eq!((manifests.error_count, manifests.graph.len()), (8, 9));
        manifests.read(
            "list.yaml",
            "apiVersion: v1\nkind: List\nmetadata: a\nitems: []\n".to_owned(),
        );
        manifests.read("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: a\n".to_owned());
        assert_eq!((manifests.error_count, manifests.graph.len()), (10, 9));
    }

    #[test]
    fn what_is_not_an_object_is_counted_with_its_place() {
        let mut manifests = Manifests::new();
        manifests.read(
            "a.yaml",
            "---\nreplicas: 2\n---\n- a\n---\n# nothing\n---\ntext\n---\nkind: Pod\n".to_owned(),
        );
        manifests.read(
            "b.yaml",
            "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n".to_owned(),
        );
        manifests.read(
            "c.yaml",
            "kind: Pod\napiVersion: 1\nmetadata: {name: a}\n".to_owned(),
        );
        manifests.read("d.yaml", "- a\n---\n".repeat(100));
        manifests.read(
            "e.yaml",
            "kind: Pod\napiVersion: a/b/v1\nmetadata: {name: a}\n".to_owned(),
        );
        let places = manifests.skipped.iter().map(|skipped| skipped.place.to_string());
        let places: Vec<_> = places.collect();
        assert_eq!(
            places[..6],
            [
                "a.yaml:2",
                "a.yaml:4",
                "a.yaml:8",
                "a.yaml:10",
                "b.yaml:1",
                "c.yaml:1"
            ]
        );
        assert_eq!((places.len(), manifests.skipped_count), (27, 107));
        assert_eq!(manifests.graph.len(), 0);
    }

    #[test]
    fn objects_with_equal_names_are_all_evaluated() {
        let mut manifests = Manifests::new();
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n".repeat(5_000);
        manifests.read("a.yaml", text);
        assert_eq!(manifests.graph.len(), 5_000);
    }

    #[test]
    fn content_before_a_syntax_error_is_read() {
        let mut manifests = Manifests::new();
        manifests.read(
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\na: 1\na: 2\n".to_owned(),
        );
        assert_eq!(manifests.graph.len(), 1);
        assert_eq!(manifests.errors[0].1.line, 6);
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
