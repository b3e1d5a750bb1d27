//! Determines the effect of a key by test rendering: sets other values, builds the graph again and compares. Effects that
//! cannot be tested are left out.

use std::collections::BTreeMap;

use phoenix::config::{NAMESPACE, Problem, Quantity, check};
use phoenix::platform;
use phoenix::provider::compare;
use phoenix_graph::Change;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{LoadedStack, Subjects};

/// What another value of a key would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The stack of the test.
    pub stack: String,
    /// The current value; `None` if the stack does not set the key.
    pub before: Option<Value>,
    /// The tested value; `None` if the key was removed.
    pub tried: Option<Value>,
    /// The changed objects.
    pub objects: Vec<Changed>,
    /// The number of all objects.
    pub of: usize,
}

/// An object that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// `create`, `update`, `replace` or `delete`.
    pub operation: &'static str,
    /// The object, as in headings.
    pub object: String,
    /// The paths of the changed fields; empty if the whole object is created or deleted.
    pub fields: Vec<String>,
}

/// A rejected value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The error message.
    pub message: String,
    /// The hint.
    pub hint: Option<String>,
}

/// The value at a path below the keys of a stack file.
pub fn value_at<'a>(keys: &'a BTreeMap<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.').flat_map(|part| {
        let mut pieces = part.split('[');
        let name = pieces.next().unwrap_or_default();
        std::iter::once(name.to_owned()).chain(pieces.map(|item| item.trim_end_matches(']').to_owned()))
    });
    let first = format!("{NAMESPACE}:{}", parts.next()?);
    parts.try_fold(keys.get(&first)?, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        value => value.get(&part),
    })
}

/// The effect of another value in the stack where it changes most; `None` if no other value could be tested.
pub fn effect(path: &str, subjects: &Subjects) -> Option<Effect> {
    // `max_by_key` returns the last of several; reversed, the first.
    let effects = effects(path, subjects).into_iter().rev();
    effects.max_by_key(|effect| effect.objects.len())
}

/// The effect of another value, in each stack where one could be tested.
pub fn effects(path: &str, subjects: &Subjects) -> Vec<Effect> {
    subjects
        .stacks
        .iter()
        .filter_map(|loaded| effect_in(path, loaded))
        .collect()
}

fn effect_in(path: &str, loaded: &LoadedStack) -> Option<Effect> {
    loaded.stack.as_ref()?;
    let keys = roomy(&loaded.file.keys, path);
    let graph = platform::build(&check(&keys).ok()?);
    let before = value_at(&keys, path);
    let mut without_effect = None;
    for tried in candidates(path, before) {
        let Some(keys) = with(&keys, path, tried.as_ref()) else {
            continue;
        };
        let Ok(config) = check(&keys) else { continue };
        let changes = compare(&graph, &platform::build(&config)).changes;
        let effect = Effect {
            stack: loaded.name.clone(),
            before: before.cloned(),
            tried,
            objects: changes.iter().map(changed).collect(),
            of: graph.len(),
        };
        if !effect.objects.is_empty() {
            return Some(effect);
        }
        without_effect.get_or_insert(effect);
    }
    without_effect
}

/// The keys with a large quota, so that tested values fit, unless the quota itself is tested.
fn roomy(keys: &BTreeMap<String, Value>, path: &str) -> BTreeMap<String, Value> {
    let mut keys = keys.clone();
    let quota = keys
        .get_mut(&format!("{NAMESPACE}:namespace"))
        .and_then(|namespace| namespace.get_mut("quota"));
    if let Some(quota) = quota.filter(|_| !path.starts_with("namespace")) {
        *quota = json!({
            "requestsCpu": "10000", "requestsMemory": "100Ti", "limitsCpu": "10000", "limitsMemory": "100Ti",
            "pods": 10_000, "requestsStorage": "10Pi",
        });
    }
    keys
}

fn changed(change: &Change) -> Changed {
    Changed {
        operation: phoenix_report::changes::operation(change).as_str(),
        object: change.object().id.to_string(),
        fields: match change {
            Change::Updated { fields, .. } => fields.iter().map(|field| field.path.clone()).collect(),
            Change::Created(_) | Change::Deleted(_) => Vec::new(),
        },
    }
}

/// The errors that typical wrong values of this key produce, each once.
pub fn refused(path: &str, subjects: &Subjects) -> Vec<Refusal> {
    let key = format!("{NAMESPACE}:{path}");
    let mut refused: Vec<Refusal> = Vec::new();
    for loaded in &subjects.stacks {
        let keys = roomy(&loaded.file.keys, path);
        let before = value_at(&keys, path);
        let words: Vec<_> = super::schema::words(path).into_iter().map(Value::from).collect();
        let other_words = words.iter().filter(|word| Some(*word) != before).cloned();
        for tried in wrong(path, before).into_iter().chain(other_words) {
            let Some(keys) = with(&keys, path, Some(&tried)) else {
                continue;
            };
            let problems = check(&keys).err().unwrap_or_default();
            let is_relevant = |problem: &&Problem| problem.key == key || words.contains(&tried);
            for problem in problems.iter().filter(is_relevant) {
                let message = format!("{} {}", problem.key, problem.message);
                let refusal = Refusal {
                    // A valid value can conflict with another key.
                    message: if problem.key == key {
                        message
                    } else {
                        format!("with {tried} in {}: {message}", loaded.name)
                    },
                    hint: problem.hint.clone(),
                };
                // Each hint once, however many values produce it.
                if !refused.iter().any(|known| known.hint == refusal.hint) {
                    refused.push(refusal);
                }
            }
        }
    }
    refused.truncate(6);
    refused
}

/// Values to test for a key, the most plausible first.
fn candidates(path: &str, before: Option<&Value>) -> Vec<Option<Value>> {
    let choices = super::schema::words(path);
    let mut tried: Vec<Option<Value>> = choices.into_iter().map(|word| Some(Value::from(word))).collect();
    match before {
        Some(Value::Bool(value)) => tried.push(Some(json!(!value))),
        Some(Value::Number(number)) => {
            let number = number.as_u64().unwrap_or_default();
            // Adding two keeps an odd number odd, which quorums require.
            tried
                .extend([number + 1, number + 2, number.saturating_sub(1)].map(|number| Some(json!(number))));
        }
        Some(Value::String(text)) => tried.extend(texts(Some(text)).into_iter().map(Some)),
        Some(Value::Array(_)) => {
            tried.extend([json!([])].into_iter().chain(lists()).map(Some));
        }
        // A placeholder is replaced by a value; another mapping can only be removed.
        Some(Value::Object(fields)) if fields.contains_key("placeholder") => {
            tried.extend(texts(None).into_iter().map(Some));
        }
        Some(_) => {}
        None => {
            tried.extend([json!(true), json!(1), json!(2), json!(false)].map(Some));
            tried.extend(lists().map(Some));
            tried.extend(texts(None).into_iter().map(Some));
        }
    }
    if before.is_some() {
        tried.push(None);
    }
    tried.retain(|value| value.as_ref() != before);
    tried
}

/// Lists of every kind in the configuration.
fn lists() -> impl Iterator<Item = Value> {
    let object = format!("Namespace/{}", phoenix::names::MEMORY);
    [json!(["192.0.2.0/24"]), json!(["192.0.2.10"]), json!([object])].into_iter()
}

/// Strings of every kind in the configuration. Names end in `example`, which is reserved.
fn texts(before: Option<&str>) -> Vec<Value> {
    let doubled = before
        .and_then(|text| Quantity::parse(text).ok().map(|_| text))
        .and_then(|text| {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            let number: u64 = digits.parse().ok()?;
            Some(format!("{}{}", number * 2, &text[digits.len()..]))
        });
    let more = before
        .and_then(|text| Quantity::parse(text).ok().map(|_| text))
        .and_then(|text| {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            let number: u64 = digits.parse().ok()?;
            Some(format!("{}{}", number + 1, &text[digits.len()..]))
        });
    let digest = format!("registry.example/image@sha256:{}", "0".repeat(64));
    doubled
        .into_iter()
        .chain(more)
        .chain([
            "other-example".to_owned(),
            "other.example.com".to_owned(),
            digest,
            "1Gi".to_owned(),
            "00000000-0000-4000-8000-000000000000".to_owned(),
        ])
        .map(Value::from)
        .collect()
}

/// Values that users write and that may be rejected.
fn wrong(path: &str, before: Option<&Value>) -> Vec<Value> {
    if !super::schema::words(path).is_empty() {
        return vec![json!("other")];
    }
    match before {
        Some(Value::Number(number)) => {
            let number = number.as_u64().unwrap_or_default();
            vec![
                json!(0),
                json!(number + 1),
                json!(number.saturating_sub(1)),
                json!(1_000_000),
            ]
        }
        Some(Value::String(_)) => vec![json!(""), json!("Not A Name"), json!("image:latest"), json!("1")],
        Some(Value::Object(fields)) if fields.contains_key("placeholder") => {
            vec![json!(""), json!("Not A Name"), json!("image:latest")]
        }
        Some(Value::Array(_)) => vec![json!(["not a network"])],
        _ => Vec::new(),
    }
}

/// The keys with another value at a path, or without the path; `None` if its parent is missing.
fn with(
    keys: &BTreeMap<String, Value>,
    path: &str,
    value: Option<&Value>,
) -> Option<BTreeMap<String, Value>> {
    let mut keys = keys.clone();
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let first = format!("{NAMESPACE}:{first}");
    let Some(rest) = rest else {
        match value {
            Some(value) => keys.insert(first, value.clone()),
            None => keys.remove(&first),
        };
        return Some(keys);
    };
    let mut fields: &mut Map<String, Value> = keys.get_mut(&first)?.as_object_mut()?;
    let mut parts: Vec<&str> = rest.split('.').collect();
    let last = parts.pop()?;
    for part in parts {
        fields = fields.get_mut(part)?.as_object_mut()?;
    }
    match value {
        Some(value) => fields.insert(last.to_owned(), value.clone()),
        None => fields.remove(last),
    };
    Some(keys)
}
