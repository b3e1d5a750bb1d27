//! Searches every string of an object.

use serde_json::{Map, Value};

use super::arguments::{self, Word};
use super::decision::{Place, Source, by_name};
use super::{text, tokens, values};
use crate::field::is_unknown;

/// A finding: the path of a value, the line in it if it has several, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub path: String,
    pub line: Option<usize>,
    pub what: &'static str,
}

/// The result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hits {
    pub found: Vec<Hit>,
    /// The paths of values that are not known yet.
    pub unknown: Vec<String>,
}

/// What a value under a name is, and its line, if it is a credential or contains one.
pub(super) fn named(
    name: &str,
    value: &str,
    place: Place,
    source: Source,
) -> Option<(Option<usize>, &'static str)> {
    let is_multiline = value.trim_end().contains('\n');
    if let Some((line, what)) = text::find(value, name, source, first) {
        return Some((is_multiline.then_some(line), what));
    }
    if !is_multiline && let Some(what) = by_name(name, value, place) {
        return Some((None, what));
    }
    if value.len() >= 20
        && let Some(decoded) = tokens::decoded(value)
        && tokens::find(&decoded).is_some()
    {
        return Some((None, "an encoded credential"));
    }
    None
}

/// What the first credential in a JSON value is.
fn first(value: &Value) -> Option<&'static str> {
    let mut search = Search::default();
    search.value("", value);
    search.hits.found.first().map(|hit| hit.what)
}

/// Every credential below a path; `skip` selects the paths that another rule searches.
pub(super) fn all(value: &Value, path: &str, skip: &dyn Fn(&str) -> bool) -> Hits {
    let mut search = Search {
        path: path.to_owned(),
        place: Place::Field,
        skip: Some(skip),
        ..Search::default()
    };
    search.value("", value);
    search.hits
}

#[derive(Default)]
struct Search<'s> {
    path: String,
    place: Place,
    hits: Hits,
    skip: Option<&'s dyn Fn(&str) -> bool>,
}

impl Search<'_> {
    fn value(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(_) if is_unknown(value) => self.hits.unknown.push(self.path.clone()),
            Value::String(text) => self.check(name, text),
            // A password can be written as a number.
            Value::Number(number) if number.as_u64().is_some_and(|number| number > 9999) => {
                self.check(name, &number.to_string());
            }
            Value::Array(items) => self.items(name, items),
            Value::Object(fields) => self.fields(name, fields),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn check(&mut self, name: &str, text: &str) {
        if let Some((line, what)) = named(name, text, self.place, Source::Configuration) {
            self.report(line, what);
        }
    }

    fn report(&mut self, line: Option<usize>, what: &'static str) {
        self.hits.found.push(Hit {
            path: self.path.clone(),
            line,
            what,
        });
    }

    /// Searches a part, with its path for the time of the search.
    fn part(&mut self, step: &str, search: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        if !self.skip.is_some_and(|skip| skip(&self.path)) {
            search(self);
        }
        self.path.truncate(length);
    }

    fn items(&mut self, name: &str, items: &[Value]) {
        let is_command = ["args", "command", "arguments", "entrypoint"].contains(&name);
        let source = source_of(items);
        for (index, item) in items.iter().enumerate() {
            self.part(&format!("[{index}]"), |search| match item {
                Value::String(text) if is_command && !is_unknown(item) => search.argument(text, source),
                // The names of Secrets, permissions and the like are in lists with such names.
                Value::String(text) if !values::is_generated(text) => search.value("", item),
                Value::String(_) => search.value(name, item),
                _ if is_command => search.hits.unknown.push(search.path.clone()),
                _ => search.value(name, item),
            });
        }
        let is_option = |item: &Value| item.as_str().is_some_and(|text| text.starts_with('-'));
        if !is_command && !items.iter().any(is_option) {
            return;
        }
        if let Some(what) = command(items) {
            self.report(None, what);
        }
    }

    fn argument(&mut self, text: &str, source: Source) {
        // Arguments with several words are scripts, whichever program runs them.
        let source = if text.trim().contains(char::is_whitespace) {
            Source::Shell
        } else {
            source
        };
        if let Some((line, what)) = named("", text, Place::Value, source) {
            self.report(line, what);
        }
    }

    fn fields(&mut self, name: &str, fields: &Map<String, Value>) {
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        // A JSON Web Key with the private part.
        if fields.contains_key("kty") && (text("d").is_some() || text("k").is_some()) {
            self.report(None, "a private key");
        }
        // The keys under which an operator finds or writes values.
        let is_reference = is_reference(fields) || ["keys", "secretKeys", "keyNames"].contains(&name);
        let is_secret = text("kind") == Some("Secret") && text("apiVersion") == Some("v1");
        // `{name: X, value: Y}`, as in `env`, headers and parameters.
        let named_by = text("name").or_else(|| text("key"));
        for (key, value) in fields {
            let is_value = matches!(
                key.as_str(),
                "value"
                    | "defaultValue"
                    | "default"
                    | "plainText"
                    | "inline"
                    | "inlineString"
                    | "stringValue"
                    | "literal"
            );
            let own = match named_by {
                Some(named_by) if is_value => named_by,
                None if is_value => name,
                _ => key.as_str(),
            };
            let is_data = is_secret && (key == "data" || key == "stringData");
            self.part(&step(key, self.path.is_empty()), |search| match value {
                Value::Object(values) if is_data => search.values_of_secret(values),
                Value::String(_) if is_unknown(value) => search.value(own, value),
                // The value is the name or the key of a Secret.
                Value::String(text) if key == "image" || (is_reference && values::is_key(text)) => {
                    if let Some((_, what)) = tokens::find(text) {
                        search.report(None, what);
                    }
                }
                Value::String(text) if is_value && named_by.is_some() => {
                    if let Some((line, what)) = named(own, text, Place::Value, Source::Configuration) {
                        search.report(line, what);
                    }
                }
                _ => search.value(own, value),
            });
        }
        self.command_with_arguments(fields);
    }

    /// The options of a program that another list names.
    fn command_with_arguments(&mut self, fields: &Map<String, Value>) {
        let list = |key: &str| fields.get(key).and_then(Value::as_array);
        if let (Some(program), Some(arguments)) = (list("command"), list("args"))
            && command(program).or_else(|| command(arguments)).is_none()
            && let Some(what) = command(&[program.as_slice(), arguments].concat())
        {
            self.part(&step("args", false), |search| search.report(None, what));
        }
    }

    /// The values of a Secret that is in a text, such as the last applied configuration.
    fn values_of_secret(&mut self, values: &Map<String, Value>) {
        for (key, value) in values {
            let is_plain = value.as_str().is_some_and(|text| {
                !text.is_empty() && !super::values::is_encrypted(text) && !is_unknown(value)
            });
            if is_plain {
                self.part(&step(key, false), |search| {
                    search.report(None, "a value of a Secret");
                });
            }
        }
    }
}

/// What the first credential among the words of a command is.
fn command(words: &[Value]) -> Option<&'static str> {
    let word = |item: &Value| {
        Some(Word {
            text: item.as_str()?.to_owned(),
            is_quoted: false,
        })
    };
    let source = source_of(words);
    let words: Option<Vec<Word>> = words.iter().map(word).collect();
    arguments::find(&words?, source)
}

/// Whether a shell reads the words of a command. Otherwise only `$(NAME)` is a variable.
fn source_of(words: &[Value]) -> Source {
    const SHELLS: [&str; 11] = [
        "sh", "ash", "bash", "dash", "rbash", "ksh", "mksh", "zsh", "csh", "tcsh", "fish",
    ];
    let is_shell = |word: &Value| {
        let program = word.as_str().and_then(|word| word.rsplit('/').next());
        program.is_some_and(|program| SHELLS.contains(&program))
    };
    if words.iter().any(is_shell) {
        Source::Shell
    } else {
        Source::Configuration
    }
}

/// Whether the fields are a reference to a value that is in a Secret or a store.
fn is_reference(fields: &Map<String, Value>) -> bool {
    let has = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
    [
        "secretName",
        "secretRef",
        "remoteRef",
        "sourceRef",
        "secretKeyRef",
        "objectName",
    ]
    .iter()
    .any(|key| has(key))
        || (has("name") && has("key") && !has("value"))
}

/// The step of a path to a field.
fn step(key: &str, is_start: bool) -> String {
    let is_plain = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match (is_plain, is_start) {
        (true, true) => key.to_owned(),
        (true, false) => format!(".{key}"),
        (false, _) => format!("[{key}]"),
    }
}
