//! Kubernetes objects from manifests, with the place of every field.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use phoenix_graph::{Graph, Id, Object};
use serde_json::{Map, Value};

use crate::lenient::{self, Reading};
use crate::reader::{Lines, SyntaxError};

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

/// Objects read from manifests.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects.
    pub graph: Graph,
    /// The number of documents that are not Kubernetes objects, by the field that they lack.
    pub skipped: BTreeMap<String, usize>,
    /// Syntax errors, each with the name of its file.
    pub errors: Vec<(String, SyntaxError)>,
    files: Vec<Rc<File>>,
    origins: BTreeMap<Id, Origin>,
    /// How many objects have the same identity.
    duplicates: BTreeMap<Id, usize>,
}

/// A file that was read.
#[derive(Debug)]
struct File {
    name: String,
    text: String,
    /// The start of each document: its first line, and the byte offset of that line.
    starts: Vec<(usize, usize)>,
}

/// Where an object was declared.
#[derive(Clone, Debug)]
struct Origin {
    file: usize,
    document: usize,
    /// The path of the object within the document: `items[2]` in a list.
    within: String,
}

impl Manifests {
    /// Without any objects.
    pub fn new() -> Self {
        Self {
            graph: Graph::of("manifests"),
            ..Self::default()
        }
    }

    /// Reads the content of a file. Content that is not UTF-8 text, or too long, is an error in [`Self::errors`].
    pub fn read_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        let fault = if bytes.len() > MAX_BYTES {
            let limit = MAX_BYTES >> 20;
            (
                (1, 1),
                format!("longer than {limit} MiB"),
                "split it, and pass each part with --file",
            )
        } else if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            (
                position(&bytes, at),
                "not a text file: it contains a zero byte".to_owned(),
                "save it as UTF-8",
            )
        } else {
            match String::from_utf8(bytes) {
                Ok(text) => return self.read(name, text),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let place = position(error.as_bytes(), at);
                    (place, "not valid UTF-8".to_owned(), "save it as UTF-8")
                }
            }
        };
        let ((line, column), message, hint) = fault;
        let error = SyntaxError {
            message,
            hint: Some(hint),
            line,
            column,
        };
        self.errors.push((name.to_owned(), error));
    }

    /// Reads the text of the file `name`. Documents with a syntax error are listed in [`Self::errors`]; the others are read.
    pub fn read(&mut self, name: &str, text: String) {
        let file = self.files.len();
        let Reading {
            documents,
            errors,
            lines,
        } = lenient::read(&text);
        for (document, value) in documents {
            self.add(
                value,
                &Origin {
                    file,
                    document,
                    within: String::new(),
                },
            );
        }
        for error in errors {
            self.errors.push((name.to_owned(), error));
        }
        self.files.push(Rc::new(File::new(name, text, &lines)));
    }

    fn add(&mut self, mut value: Value, origin: &Origin) {
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
            self.add(object.unwrap_or_default(), &within("request.object"));
            return;
        }
        if kind.ends_with("List") && value.get("items").is_some_and(Value::is_array) {
            let items = value.get_mut("items").map(Value::take).unwrap_or_default();
            if let Value::Array(items) = items {
                for (index, item) in items.into_iter().enumerate() {
                    // Lists within lists are not used in practice; the limit bounds the recursion.
                    if origin.within.matches("items[").count() < 4 {
                        self.add(item, &within(&format!("items[{index}]")));
                    }
                }
            }
            return;
        }
        if value.is_null() {
            return;
        }
        ensure_name(&mut value);
        match Object::from_json("manifests", value) {
            Ok(mut object) => {
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
            Err(not_an_object) => {
                *self.skipped.entry(not_an_object.missing.to_owned()).or_default() += 1;
            }
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
                .entry((origin.file, origin.document))
                .or_insert_with(|| file.lines(origin.document));
            Some(Place {
                file: file.name.clone(),
                line: line_of(lines, &origin.within, path),
            })
        }
    }
}

impl File {
    fn new(name: &str, text: String, documents: &[Lines]) -> Self {
        let mut starts = Vec::with_capacity(documents.len());
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut line_starts = std::iter::once(0).chain(breaks).enumerate().peekable();
        for document in documents {
            // A document with an error may have no first line; its places are not needed.
            let before = document.first.saturating_sub(1);
            while line_starts.next_if(|(line, _)| *line < before).is_some() {}
            let begin = line_starts.peek().map_or(text.len(), |(_, byte)| *byte);
            starts.push((document.first, begin));
        }
        Self {
            name: name.to_owned(),
            text,
            starts,
        }
    }

    /// The lines of one document, parsed again.
    fn lines(&self, document: usize) -> Lines {
        let (first, begin) = self.starts.get(document).copied().unwrap_or_default();
        let end = self.starts.iter().skip(document + 1).map(|(_, byte)| *byte);
        let end = end
            .into_iter()
            .find(|end| *end > begin)
            .unwrap_or(self.text.len());
        let again = lenient::read_with_lines(&self.text[begin..end])
            .lines
            .into_iter()
            .next();
        let mut lines = again.unwrap_or_default();
        let before = first.saturating_sub(1);
        lines.lines.values_mut().for_each(|line| *line += before);
        Lines { first, ..lines }
    }
}

/// Gives an object without a name one, so that it can be identified. The API server makes one from `generateName`.
fn ensure_name(value: &mut Value) {
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
        assert_eq!(manifests.skipped, BTreeMap::from([("apiVersion".to_owned(), 1)]));
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
