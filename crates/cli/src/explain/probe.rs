//! What a key does, found by trying: other values are put in its place, the configuration is checked and built again,
//! and what differs is told. What cannot be tried is not told.

use std::collections::BTreeMap;

use phoenix::config::{NAMESPACE, Problem, Quantity, check};
use phoenix::platform;
use phoenix::provider::compare;
use phoenix_graph::Change;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Seen, Subjects};

/// What another value of a key would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The stack in which it was tried.
    pub stack: String,
    /// The value that the stack has; `None` where it leaves the key out.
    pub before: Option<Value>,
    /// The value that was tried; `None` where the key was left out.
    pub tried: Option<Value>,
    /// What differs; empty where no object does.
    pub objects: Vec<Changed>,
    /// Of how many objects.
    pub of: usize,
}

/// An object that would differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// `create`, `update`, `replace` or `delete`.
    pub operation: &'static str,
    /// The object, as headings have it.
    pub object: String,
    /// The paths of the fields that differ; empty where the whole object does.
    pub fields: Vec<String>,
}

/// A value that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What is wrong, as a person would be told.
    pub message: String,
    /// The way out.
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

/// What another value changes, in the stack where it changes most; `None` where no other value could be tried.
pub fn effect(path: &str, subjects: &Subjects) -> Option<Effect> {
    // Of several, the first.
    let effects = effects(path, subjects).into_iter().rev();
    effects.max_by_key(|effect| effect.objects.len())
}

/// What another value changes, in each stack where one could be tried.
pub fn effects(path: &str, subjects: &Subjects) -> Vec<Effect> {
    subjects
        .stacks
        .iter()
        .filter_map(|seen| effect_in(path, seen))
        .collect()
}

fn effect_in(path: &str, seen: &Seen) -> Option<Effect> {
    seen.stack.as_ref()?;
    let keys = roomy(&seen.file.keys, path);
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
            stack: seen.name.clone(),
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

/// The keys with a quota that leaves room for whatever is tried, except where the quota itself is.
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

/// What is refused about this key, each problem once: values that people try are tried, in every stack.
pub fn refused(path: &str, subjects: &Subjects) -> Vec<Refusal> {
    let key = format!("{NAMESPACE}:{path}");
    let mut refused: Vec<Refusal> = Vec::new();
    for seen in &subjects.stacks {
        let keys = roomy(&seen.file.keys, path);
        let before = value_at(&keys, path);
        let words: Vec<_> = super::key::words(path).into_iter().map(Value::from).collect();
        let other_words = words.iter().filter(|word| Some(*word) != before).cloned();
        for tried in wrong(path, before).into_iter().chain(other_words) {
            let Some(keys) = with(&keys, path, Some(&tried)) else {
                continue;
            };
            let problems = check(&keys).err().unwrap_or_default();
            let telling = |problem: &&Problem| problem.key == key || words.contains(&tried);
            for problem in problems.iter().filter(telling) {
                let message = format!("{} {}", problem.key, problem.message);
                let refusal = Refusal {
                    // A value that is good by itself may not go with another key.
                    message: if problem.key == key {
                        message
                    } else {
                        format!("with {tried} in {}: {message}", seen.name)
                    },
                    hint: problem.hint.clone(),
                };
                // One way out is told once, however many values lead there.
                if !refused.iter().any(|known| known.hint == refusal.hint) {
                    refused.push(refusal);
                }
            }
        }
    }
    refused.truncate(6);
    refused
}

/// Values to try in a key's place, the likeliest first.
fn candidates(path: &str, before: Option<&Value>) -> Vec<Option<Value>> {
    let choices = super::key::words(path);
    let mut tried: Vec<Option<Value>> = choices.into_iter().map(|word| Some(Value::from(word))).collect();
    match before {
        Some(Value::Bool(value)) => tried.push(Some(json!(!value))),
        Some(Value::Number(number)) => {
            let number = number.as_u64().unwrap_or_default();
            // An odd number stays odd, as a quorum wants it.
            tried
                .extend([number + 1, number + 2, number.saturating_sub(1)].map(|number| Some(json!(number))));
        }
        Some(Value::String(text)) => tried.extend(texts(Some(text)).into_iter().map(Some)),
        Some(Value::Array(_)) => {
            tried.extend([json!([])].into_iter().chain(lists()).map(Some));
        }
        // A placeholder is replaced by what it may stand for; another mapping can only be left out.
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

/// Lists of every form that the configuration knows.
fn lists() -> impl Iterator<Item = Value> {
    let object = format!("Namespace/{}", phoenix::names::MEMORY);
    [json!(["192.0.2.0/24"]), json!(["192.0.2.10"]), json!([object])].into_iter()
}

/// Texts of every form that the configuration knows. Names end in `example`, which nobody owns.
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

/// Values that people write and that may be refused.
fn wrong(path: &str, before: Option<&Value>) -> Vec<Value> {
    if !super::key::words(path).is_empty() {
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

/// The keys with another value at a path, or without it; `None` where there is no place for it.
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
