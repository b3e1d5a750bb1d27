//! Prod with one random change: every change that breaks a guarantee is found by a rule, or there is a reason why not.
//!
//! What a promise is, [`findings`] of the invariants says, which knows nothing of the pack: safe containers, labels, names,
//! references and selectors that find something. The policies between callers and called are changed in `evaluated`, one by
//! one, and held against the connection table.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use phoenix_cli::commands::check::settings_of;
use phoenix_graph::{Graph, Object};
use phoenix_policies::evaluate;
use serde_json::{Value, json};

use super::stacks::{open, today};
use crate::invariants::findings;
use crate::support::stack;

/// How many fields are changed; objects are all left out once.
const CHANGES: usize = 100;

/// Broken promises that no rule is about: a part of the sentence, and why.
const NOT_OF_THE_PACK: &[(&str, &str)] = &[
    (
        "has no fixed field manager",
        "who owns a field is a matter of the provider that applies it",
    ),
    (
        "has no label app.kubernetes.io/",
        "an inventory is made of workloads, Services and namespaces, whose labels are checked; other objects may have any",
    ),
    (
        "of a neighbour",
        "whose pods and hosts are whose is this stack's own agreement with its neighbours",
    ),
    ("names Namespace", "a namespace may be created by another team"),
    (
        "reads the key",
        "keys of Secrets are often added manually or by operators, and are not checked",
    ),
    (
        "that no container serves",
        "the ports that a container lists are notes for readers: it may serve others",
    ),
    (
        "does not say what is spoken on",
        "the port's name says it, which Istio takes as well",
    ),
    (
        "maxReplicas left out",
        "the API server refuses an autoscaler without its most replicas",
    ),
];

/// Numbers that look like chance and are the same in every run.
pub struct Chance(pub u64);

impl Chance {
    /// The next number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }
}

/// The pointers of all fields and items of a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |key: &str, value: &Value| {
        let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(value, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| below(&index.to_string(), value)),
        _ => {}
    }
}

/// The object with one thing changed, and what that was.
fn changed(object: &Object, chance: &mut Chance) -> Option<(Object, String)> {
    let mut body = object.body().clone();
    let mut places = Vec::new();
    pointers(&body, "", &mut places);
    places.retain(|place| !["/apiVersion", "/kind", "/metadata", "/metadata/name"].contains(&place.as_str()));
    let place = places.get(chance.below(places.len()))?;
    let (above, key) = place.rsplit_once('/')?;
    let what = if chance.below(2) == 0 {
        match body.pointer_mut(above)? {
            Value::Object(fields) => drop(fields.remove(&key.replace("~1", "/").replace("~0", "~"))),
            Value::Array(items) => drop(items.remove(key.parse().ok()?)),
            _ => return None,
        }
        "left out"
    } else {
        let value = body.pointer_mut(place)?;
        *value = match &*value {
            Value::Bool(flag) => json!(!flag),
            Value::Number(_) => json!(0),
            Value::String(_) => json!("other"),
            Value::Array(_) => json!([]),
            Value::Object(_) => json!({}),
            Value::Null => return None,
        };
        "made another"
    };
    let title = format!("{}: {place} {what}", object.id);
    let object = Object::from_json(&object.component, body).ok()?;
    Some((object, title))
}

#[test]
fn what_breaks_a_promise_is_found_by_a_rule() {
    let stack = stack("prod");
    let settings = settings_of(&stack, today()).unwrap();
    let good: BTreeSet<String> = open(&evaluate(&stack.graph, &settings)).into_iter().collect();
    let objects: Vec<&Object> = stack.graph.objects().collect();
    let mut chance = Chance(7);
    let changes = (0..objects.len())
        .map(|gone| (gone, None))
        .chain((0..CHANGES).filter_map(|_| {
            let place = chance.below(objects.len());
            let (object, title) = changed(objects[place], &mut chance)?;
            Some((place, Some((object, title))))
        }));
    let (mut tried, mut broke, mut missed) = (0, 0, Vec::new());
    for (place, change) in changes {
        let mut graph = Graph::of(&stack.name);
        for (index, object) in objects.iter().enumerate() {
            match &change {
                Some((object, _)) if index == place => drop(graph.add(object.clone())),
                None if index == place => {}
                _ => drop(graph.add((*object).clone())),
            }
        }
        tried += 1;
        // An object that is none of its type any more is refused by the API server, and breaks nothing.
        let Ok(broken) = catch_unwind(|| findings(&graph)) else {
            continue;
        };
        if broken.is_empty() {
            continue;
        }
        broke += 1;
        let found = open(&evaluate(&graph, &settings));
        if found.iter().any(|finding| !good.contains(finding)) {
            continue;
        }
        let title = change.map_or_else(|| format!("{}: left out", objects[place].id), |(_, title)| title);
        missed.push(format!("{title}: {}", broken.join("; ")));
    }
    assert!(
        tried > 150 && broke > 60,
        "{broke} of {tried} changes broke a promise"
    );
    missed.retain(|title| !NOT_OF_THE_PACK.iter().any(|(part, _)| title.contains(part)));
    assert_eq!(missed, Vec::<String>::new());
}
