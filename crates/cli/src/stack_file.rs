//! Reads a stack file: the keys under `config:`, the line of each, and which secrets have values.
//!
//! This is the verb *read* for the command; Pulumi reads the same file for the program. Encrypted secret values in the file are
//! dropped here; only their names are kept. This module does not interpret keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, anyhow};
use phoenix::config::{NAMESPACE, Origin, Origins, Problems, StackConfig, check, secret, value_from_text};
use serde_json::{Map, Value};

use crate::checkout::Checkout;
use phoenix_manifests::yaml;
use phoenix_terminal::user_error::{WithHint as _, user_error};

/// Maximum size of a stack file, which usually has a page or two.
const LARGEST: u64 = 256 * 1024;

/// The contents of a stack file.
#[derive(Clone, Debug)]
pub struct StackFile {
    /// Its path, for messages.
    pub path: String,
    /// Its text, to show the lines of problems.
    pub text: String,
    /// The keys under `config:` with their values, except secrets.
    pub keys: BTreeMap<String, Value>,
    /// The line of each key.
    pub origins: Origins,
    /// The keys of secrets with a value, for example `phoenix:openaiApiKey`.
    pub secrets: BTreeSet<String>,
    /// The Pulumi ESC environments that it imports; `None` without `environment:`.
    pub imports: Option<Vec<String>>,
    /// Problems of the keys themselves.
    pub problems: Problems,
    /// Keys outside `config:` that have no effect.
    pub warnings: Vec<String>,
}

/// The keys of a stack file, all of Pulumi.
const ROOT_KEYS: [&str; 5] = [
    "config",
    "encryptedkey",
    "encryptionsalt",
    "environment",
    "secretsprovider",
];

impl StackFile {
    /// Reads the file of a stack of the checkout.
    pub fn read(checkout: &Checkout, stack: &str) -> Result<Self> {
        let file = checkout.stack_file(&checkout.stack(stack)?);
        let shown = checkout.shown(&file);
        let reading = || format!("cannot read the stack file {shown}");
        let size = fs::metadata(&file).with_context(reading)?;
        if !size.is_file() {
            return Err(anyhow!("not a regular file").context(reading()));
        }
        if size.len() > LARGEST {
            return Err(
                anyhow!("the file has {} bytes; the maximum is {LARGEST}", size.len()).context(reading()),
            );
        }
        let bytes = fs::read(&file).with_context(reading)?;
        let text = String::from_utf8(bytes).or_hint(reading(), "save it as UTF-8")?;
        Self::parse(&shown, text).with_context(reading)
    }

    /// Parses the text of a stack file.
    pub fn parse(path: &str, text: String) -> Result<Self> {
        let documents = yaml::read(&text)?;
        let [document] = documents.as_slice() else {
            return Err(match documents.len() {
                0 => user_error("the file is empty", "write keys under `config:`"),
                several => user_error(
                    format!("the file contains {several} documents"),
                    "a stack file is a single document; remove the `---` lines",
                ),
            });
        };
        let config = config(&document.value)?;
        let mut file = Self {
            path: path.to_owned(),
            text: String::new(),
            keys: BTreeMap::new(),
            origins: origins(path, &document.lines),
            secrets: BTreeSet::new(),
            imports: document.value.get("environment").and_then(imported),
            problems: Problems::default(),
            warnings: warnings(path, document),
        };
        for (key, value) in config {
            file.take(key, value);
        }
        file.text = text;
        Ok(file)
    }

    /// The validated configuration, or all problems.
    pub fn checked(&self) -> std::result::Result<StackConfig, Problems> {
        match check(&self.keys) {
            Ok(config) if self.problems.is_empty() => Ok(config),
            checked => {
                let mut problems = self.problems.clone();
                problems.append(checked.err().unwrap_or_default());
                Err(problems)
            }
        }
    }

    /// The value of a key, such as `phoenix:qdrant.replicas`.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        let (name, rest) = match key.find(['.', '[']) {
            Some(end) => (&key[..end], &key[end..]),
            None => (key, ""),
        };
        let mut value = self.keys.get(name)?;
        for step in rest.split(['.', '[']).filter(|step| !step.is_empty()) {
            value = match step.strip_suffix(']') {
                Some(index) => value.get(index.parse::<usize>().ok()?)?,
                None => value.get(step)?,
            };
        }
        Some(value)
    }

    /// The text of the number that follows a key on its line.
    pub(crate) fn number_as_written(&self, key: &str, line: usize) -> Option<&str> {
        let line = self.text.lines().nth(line.checked_sub(1)?)?;
        let name = &key[key.rfind('.').map_or(0, |dot| dot + 1)..];
        let after = match line.find(&format!("{name}:")) {
            Some(start) => &line[start + name.len() + 1..],
            None => line.trim_start().strip_prefix("- ")?,
        };
        let end = after.trim_start().find([',', '}', ']', ' ', '\t']);
        let number = after.trim_start();
        let number = end.map_or(number, |end| &number[..end]);
        let number = number.trim_matches(['"', '\'']);
        // Only what is certainly a number: anything else could be a secret.
        let is_number = !number.is_empty()
            && number
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.eExX_".contains(&byte));
        is_number.then_some(number)
    }

    fn take(&mut self, key: &str, value: &Value) {
        if !key.contains(':') {
            let hint = format!("write {NAMESPACE}:{key}");
            self.problems
                .add_with_hint(shortened(key), "has no namespace", hint);
        } else if is_encrypted(value) && secret::row(key).is_some() {
            self.secrets.insert(key.to_owned());
        } else {
            // Pulumi passes scalars as strings, so the program reads a quoted `"true"` as a boolean too.
            let value = match value {
                Value::String(text) => value_from_text(key, text),
                other => other.clone(),
            };
            self.keys.insert(key.to_owned(), value);
        }
    }
}

/// A warning for each key outside `config:` that Pulumi ignores.
fn warnings(path: &str, document: &yaml::Document) -> Vec<String> {
    let keys = document.value.as_object().into_iter().flat_map(Map::keys);
    keys.filter(|key| !ROOT_KEYS.contains(&key.as_str()))
        .map(|key| {
            let line = document.lines.get(key.as_str());
            let place = line.map_or(path.to_owned(), |line| format!("{path}:{line}"));
            let hint = match phoenix_suggest::nearest(key, ROOT_KEYS) {
                Some(name) => format!("did you mean `{name}:`?"),
                None => format!("the keys of a stack file are {}", ROOT_KEYS.join(", ")),
            };
            format!(
                "warning: {place}: `{}:` is not a key of a stack file and is ignored\nhint: {hint}",
                shortened(key)
            )
        })
        .collect()
}

/// The names in `environment:`, which is a list, or an inline environment with `imports`.
fn imported(environment: &Value) -> Option<Vec<String>> {
    match environment {
        Value::Null => None,
        Value::Object(inline) => Some(inline.get("imports").map(import_names).unwrap_or_default()),
        list => Some(import_names(list)),
    }
}

/// The names in a list of imports. An import with options is a mapping with its name as the only key.
pub(crate) fn import_names(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| match item {
            Value::String(name) => Some(name.clone()),
            Value::Object(fields) => fields.keys().next().cloned(),
            _ => None,
        })
        .collect()
}

/// The mapping under `config:`.
fn config(document: &Value) -> Result<&Map<String, Value>> {
    let Some(fields) = document.as_object() else {
        return Err(user_error(
            "the file is not a mapping",
            "write keys under `config:`",
        ));
    };
    match fields.get("config") {
        Some(Value::Object(config)) => Ok(config),
        Some(_) => Err(user_error(
            "`config:` is not a mapping",
            format!("write keys below it, for example {NAMESPACE}:qdrant"),
        )),
        None => {
            let meant = fields.keys().find(|key| {
                key.starts_with(&format!("{NAMESPACE}:")) || phoenix_suggest::is_similar(key, "config")
            });
            let hint = match meant {
                Some(key) if key.contains(':') => "indent the keys below `config:`".to_owned(),
                Some(key) => format!("did you mean `config:` instead of `{key}:`?"),
                None => "write keys under `config:`".to_owned(),
            };
            Err(user_error("`config:` is missing", hint))
        }
    }
}

/// Removes the prefix `config.` from the paths of keys: `config.phoenix:qdrant.replicas` becomes `phoenix:qdrant.replicas`.
fn origins(path: &str, lines: &BTreeMap<String, usize>) -> Origins {
    let mut origins = Origins::default();
    if let Some(line) = lines.get("config") {
        // The position of missing keys is `config:`.
        origins.insert(
            NAMESPACE.to_owned(),
            Origin {
                file: path.to_owned(),
                line: *line,
            },
        );
    }
    for (key, line) in lines {
        if let Some(key) = key.strip_prefix("config.") {
            origins.insert(
                key.to_owned(),
                Origin {
                    file: path.to_owned(),
                    line: *line,
                },
            );
        }
    }
    origins
}

/// Whether a value is `{secure: …}`, as Pulumi writes encrypted values.
pub(crate) fn is_encrypted(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|fields| fields.len() == 1 && fields.get("secure").is_some_and(Value::is_string))
}

fn shortened(key: &str) -> String {
    if key.chars().count() > 60 {
        key.chars().take(60).chain(['…']).collect()
    } else {
        key.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use phoenix_terminal::user_error::render;

    fn parse(text: &str) -> StackFile {
        StackFile::parse("stacks/Pulumi.dev.yaml", text.to_owned()).expect("the text is a stack file")
    }

    fn refused(text: &str) -> String {
        render(
            &StackFile::parse("stacks/Pulumi.dev.yaml", text.to_owned())
                .expect_err("the text is not a stack file"),
        )
    }

    #[test]
    fn names_of_secrets_are_kept_and_ciphertext_is_dropped() {
        let file =
            parse("config:\n  phoenix:openaiApiKey:\n    secure: v1:abc\n  phoenix:environment: dev\n");
        assert_eq!(file.secrets, BTreeSet::from(["phoenix:openaiApiKey".to_owned()]));
        assert_eq!(
            file.keys,
            BTreeMap::from([("phoenix:environment".to_owned(), json!("dev"))])
        );
    }

    #[test]
    fn a_secret_in_plain_text_is_left_to_the_schema_check() {
        assert!(
            parse("config:\n  phoenix:openaiApiKey: sk-1\n")
                .keys
                .contains_key("phoenix:openaiApiKey")
        );
    }

    #[test]
    fn imported_environments_are_read_in_each_notation() {
        let imports = |text: &str| parse(&format!("{text}config: {{}}\n")).imports;
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(imports(""), None);
        assert_eq!(imports("environment:\n"), None);
        assert_eq!(
            imports("environment: [shop/a, shop/b@2]\n"),
            names(&["shop/a", "shop/b@2"])
        );
        assert_eq!(
            imports("environment:\n  imports:\n  - shop/a\n  - shop/b: {merge: false}\n  values: {}\n"),
            names(&["shop/a", "shop/b"])
        );
        assert_eq!(imports("environment: {values: {}}\n"), names(&[]));
    }

    #[test]
    fn each_key_has_its_line() {
        let file = parse("config:\n  phoenix:postgres:\n    networks:\n    - 10.0.0.0/8\n    - x\n");
        assert_eq!(file.origins.of("phoenix:postgres.networks[1]").unwrap().line, 5);
        assert_eq!(file.origins.of("phoenix:postgres.host").unwrap().line, 2);
    }

    #[test]
    fn an_unknown_root_key_is_a_warning_with_the_nearest_key() {
        let warnings = |text: &str| parse(text).warnings;
        assert_eq!(warnings("config: {}\nencryptionsalt: v1\n"), Vec::<String>::new());
        assert_eq!(
            warnings("config: {}\nconfg:\n  phoenix:protect: true\n"),
            [
                "warning: stacks/Pulumi.dev.yaml:2: `confg:` is not a key of a stack file and is ignored\nhint: did you mean `config:`?"
            ]
        );
        assert!(warnings("secretProvider: x\nconfig: {}\n")[0].ends_with("did you mean `secretsprovider:`?"));
        assert!(
            warnings("phoenix:qdrant: {}\nconfig: {}\n")[0].contains("the keys of a stack file are config, ")
        );
    }

    #[test]
    fn a_quoted_boolean_is_a_boolean() {
        assert_eq!(
            parse("config:\n  phoenix:protect: \"true\"\n").keys["phoenix:protect"],
            json!(true)
        );
        assert_eq!(
            parse("config:\n  phoenix:environment: \"dev\"\n").keys["phoenix:environment"],
            json!("dev")
        );
    }

    #[test]
    fn a_key_without_a_namespace_is_reported_with_a_hint() {
        let problems = parse("config:\n  qdrant: {}\n").problems.to_string();
        assert_eq!(problems, "qdrant has no namespace\n  hint: write phoenix:qdrant");
    }

    #[test]
    fn an_invalid_stack_file_is_rejected_with_a_hint() {
        assert_eq!(
            refused("\n"),
            "error: the file is empty\nhint: write keys under `config:`"
        );
        assert!(refused("conifg:\n  a: 1\n").ends_with("hint: did you mean `config:` instead of `conifg:`?"));
        assert!(refused("phoenix:qdrant: {}\n").ends_with("hint: indent the keys below `config:`"));
        assert!(refused("config: 3\n").starts_with("error: `config:` is not a mapping"));
        assert!(refused("config: {}\n---\nconfig: {}\n").starts_with("error: the file contains 2 documents"));
        assert!(
            refused("config: [\n").starts_with("error: line 2, column 1: "),
            "{}",
            refused("config: [\n")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn no_text_makes_reading_panic(text in "(config:\n)?([ a-z:\\-\\[\\]{}&*!|>'\"#\n]|phoenix:|secure: |placeholder: |qdrant|\\PC){0,40}") {
            if let Ok(file) = StackFile::parse("x", text) {
                let _ = file.checked().map_err(|problems| problems.located(&file.origins).to_string());
            }
        }
    }
}
