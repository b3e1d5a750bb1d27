//! Prod with one random change: every change that breaks a guarantee is found by a rule, or there is a reason why not.
//!
//! The guarantees are those of [`findings`] of the invariants, which do not use the policies: safe containers, labels, names,
//! references and selectors that match. `evaluated` changes the policies between clients and servers one by one and compares
//! them with the connection table.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use phoenix_cli::commands::check::settings_of;
use phoenix_graph::{Graph, Object};
use phoenix_policies::evaluate;
use serde_json::{Value, json};

use super::stacks::{open, today};
use crate::invariants::findings;
use crate::support::stack;

/// The number of changed fields; in addition, each object is left out once.
const CHANGES: usize = 100;

/// Broken guarantees without a rule: a part of the message, and the reason.
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
    (
        "-service: /spec made another",
        "the API server refuses a Service without ports",
    ),
    (
        ": /spec/ports made another",
        "the API server refuses a Service without ports",
    ),
    (
        "/resources/requests left out",
        "Kubernetes uses the limits of a container as its requests",
    ),
];

/// Pseudo-random numbers, the same in every run.
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

/// The object with one change, and a description of the change.
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
fn a_broken_guarantee_is_found_by_a_rule() {
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
        // The API server rejects an object that no longer has its type, so that it breaks nothing.
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
