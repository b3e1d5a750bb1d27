//! A number in a stack file belongs to one system: a slightly larger or smaller value changes objects of that system, and of
//! other systems only where the table below gives the reason.

use std::collections::{BTreeMap, BTreeSet};

use phoenix::config::{check, schema};
use phoenix::platform;
use phoenix::provider::compare;
use phoenix_graph::Graph;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generators::good;
use crate::support::{STACKS, keys};

/// Why monitoring depends on replicas.
const FIRST_BUDGET: &str = "a second pod may add the first disruption budget, and with it the alert on budgets that allow no eviction";

/// Why the namespace depends on limits.
const LARGEST: &str = "the largest container of the platform is also the largest that the namespace allows";

/// Numbers that several systems read: the key or its prefix, the systems, and the reason.
const SHARED: &[(&str, &[&str], &str)] = &[
    (
        "openmemory.resources.limits",
        &["namespace", "openmemory"],
        LARGEST,
    ),
    ("qdrant.resources.limits", &["namespace", "qdrant"], LARGEST),
    ("redis.resources.limits", &["namespace", "redis"], LARGEST),
    (
        "knowledgeGraph.resources.limits",
        &["knowledge_graph", "namespace"],
        LARGEST,
    ),
    ("langgraph.resources.limits", &["langgraph", "namespace"], LARGEST),
    ("sync.resources.limits", &["namespace", "sync"], LARGEST),
    ("backup.resources.limits", &["backup", "namespace"], LARGEST),
    ("loadTest.resources.limits", &["load_test", "namespace"], LARGEST),
    (
        "openmemory.autoscaling",
        &["openmemory"],
        "nothing before the phase `optimized` of the migration",
    ),
    ("openmemory.replicas", &["monitoring", "openmemory"], FIRST_BUDGET),
    ("langgraph.replicas", &["langgraph", "monitoring"], FIRST_BUDGET),
    ("chat.replicas", &["chat", "monitoring"], FIRST_BUDGET),
    (
        "qdrant.replicas",
        &["backup", "monitoring", "qdrant"],
        "each peer is copied for itself, and a second one may bring the first budget",
    ),
    (
        "langgraph.autoscaling",
        &["langgraph"],
        "nothing before the phase `optimized` of the migration",
    ),
    (
        "chat.autoscaling",
        &["chat"],
        "nothing before the phase `optimized` of the migration",
    ),
    (
        "chat.searchLimits.mem0",
        &["chat"],
        "nothing before the phase in which the chat asks Mem0",
    ),
    (
        "postgres.port",
        &["mesh", "trust"],
        "it is external: the stack contains only the connection to it",
    ),
    (
        "backup.objectStore.port",
        &["backup", "mesh", "trust"],
        "the Jobs get its address, and the stack contains the connection to it",
    ),
    (
        "snowflake.hosts",
        &["mesh", "trust"],
        "they are external: the stack contains only the connections to them",
    ),
    (
        "tiers.sessionCache.ttlSeconds",
        &["chat", "mcp"],
        "the chat sets the lifetime of entries, and client settings list the tiers",
    ),
    (
        "tiers.sessionCache.maxSizeMb",
        &["mcp", "redis"],
        "the server enforces it, and client settings list the tiers",
    ),
    (
        "tiers.snowflakeCortex.vectorDimension",
        &["chat", "mcp", "sync"],
        "all clients that read and write vectors there",
    ),
    (
        "tiers.mem0Persistent.syncIntervalMinutes",
        &["mcp", "monitoring", "sync"],
        "the schedule, and the alert when it is not kept",
    ),
    (
        "tiers.mem0Persistent.latencyMs",
        &["chat", "load_test", "mcp", "monitoring"],
        "the chat's timeout, alerts and the thresholds of the load test use it",
    ),
    (
        "tiers.knowledgeGraph.maxRelationships",
        &["chat", "mcp"],
        "the chat follows as many, and client settings list the tiers",
    ),
    (
        "tiers.langgraphWorkflow.maxWorkflowHistory",
        &["chat", "langgraph", "mcp"],
        "the server and the chat look back as far",
    ),
    (
        "tiers.langgraphWorkflow.latencyMs",
        &["chat", "langgraph", "mcp", "monitoring"],
        "the server and the chat keep to it, and rules watch it",
    ),
    (
        "tiers.sessionCache.latencyMs",
        &["chat", "mcp", "monitoring"],
        "the chat waits as long, and rules watch it",
    ),
    (
        "tiers.snowflakeCortex.latencyMs",
        &["chat", "mcp", "monitoring"],
        "the chat waits as long, and rules watch it",
    ),
    (
        "tiers.knowledgeGraph.latencyMs",
        &["chat", "mcp", "monitoring"],
        "the chat waits as long, and rules watch it",
    ),
    (
        "tiers.sessionCache.external.port",
        &["chat", "mcp", "mesh", "trust"],
        "clients of the tier get its address, and the stack contains the connection to it",
    ),
    (
        "tiers.snowflakeCortex.external.port",
        &["chat", "mcp", "mesh", "trust"],
        "clients of the tier get its address, and the stack contains the connection to it",
    ),
    (
        "tiers.knowledgeGraph.external.port",
        &["chat", "mcp", "mesh", "trust"],
        "clients of the tier get its address, and the stack contains the connection to it",
    ),
    (
        "tiers.langgraphWorkflow.external.port",
        &["chat", "mcp", "mesh", "trust"],
        "clients of the tier get its address, and the stack contains the connection to it",
    ),
];

/// Numbers that nothing next to them can replace alone in some shipped stack, and why.
const BOUND: &[(&str, &str)] = &[
    (
        "openmemory.replicas",
        "`dev` has a volume that serves one pod only",
    ),
    ("qdrant.replicas", "`dev` runs one peer alone, without a cluster"),
    (
        "qdrant.replicationFactor",
        "it goes with the number of peers and with how many must confirm",
    ),
    (
        "qdrant.writeConsistencyFactor",
        "`dev` keeps a shard once, so that one peer confirms it",
    ),
    (
        "snowflake.hosts.1.port",
        "the port is 80 for plain HTTP and 443 for TLS",
    ),
    ("tiers.snowflakeCortex.vectorDimension", "the model has it"),
];

/// A place in the configuration, such as `qdrant.resources.limits.cpu`, and the value there.
type Place = (Vec<String>, Value);

/// Every number and every quantity below a value.
fn numbers(value: &Value, path: &mut Vec<String>, found: &mut Vec<Place>) {
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                path.push(key.clone());
                numbers(child, path, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (position, child) in items.iter().enumerate() {
                path.push(position.to_string());
                numbers(child, path, found);
                path.pop();
            }
        }
        Value::Number(_) => found.push((path.clone(), value.clone())),
        Value::String(text) if is_quantity(path, text) => found.push((path.clone(), value.clone())),
        _ => {}
    }
}

/// Quantities are texts in the stack file, `500m` and `4Gi`.
fn is_quantity(path: &[String], text: &str) -> bool {
    let (digits, _) = split(text);
    // Digests, versions and dates begin with digits too.
    let names = ["cpu", "memory", "size"];
    let is_amount = path.last().is_some_and(|key| names.contains(&key.as_str()));
    !digits.is_empty() && (is_amount || path.contains(&"quota".to_owned()))
}

fn split(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

/// What is next to a value. An odd number stays odd where it must, and an interval may have to divide an hour.
fn beside(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64().expect("stack files have whole numbers");
            let beside = [number + 1, number.saturating_sub(1), number + 2, number * 2];
            beside.into_iter().map(|number| json!(number)).collect()
        }
        Value::String(text) => {
            let (digits, unit) = split(text);
            let number: u64 = digits.parse().expect("quantities begin with digits");
            let beside = [number + 1, number.saturating_sub(1), number * 2];
            let mut beside: Vec<_> = beside
                .iter()
                .map(|number| json!(format!("{number}{unit}")))
                .collect();
            if unit == "Gi" {
                beside.push(json!(format!("{}Mi", number * 1024 - 1)));
            }
            // A quota may have no room for a whole core more, and a request none for one less.
            if unit.is_empty() {
                beside.push(json!(format!("{}m", number * 1000 - 1)));
            }
            beside
        }
        _ => Vec::new(),
    }
}

/// The configuration with another value in one place.
fn with(keys: &BTreeMap<String, Value>, path: &[String], value: Value) -> BTreeMap<String, Value> {
    let mut changed = keys.clone();
    let mut place = changed.get_mut(&path[0]).expect("the place was just seen");
    for key in &path[1..] {
        place = match place {
            Value::Object(fields) => &mut fields[key.as_str()],
            Value::Array(items) => &mut items[key.parse::<usize>().expect("a position")],
            _ => unreachable!("only these have something below them"),
        };
    }
    *place = value;
    changed
}

/// The systems that two graphs differ in.
fn differ(before: &Graph, after: &Graph) -> BTreeSet<String> {
    let changes = compare(before, after).changes;
    changes
        .iter()
        .map(|change| change.object().component.clone())
        .collect()
}

/// The word of the code for a word of the stack file: `knowledgeGraph` is `knowledge_graph`.
fn system(key: &str) -> String {
    let mut word = String::new();
    for letter in key.trim_start_matches("phoenix:").chars() {
        if letter.is_ascii_uppercase() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// Whether the table has a row for a key, and the systems that may change.
fn allowed(key: &str) -> (bool, BTreeSet<String>) {
    let row = SHARED
        .iter()
        .find(|(prefix, ..)| key == *prefix || key.starts_with(&format!("{prefix}.")));
    let own = system(key.split('.').next().unwrap_or_default());
    let (has_row, mut systems) = match row {
        Some((_, systems, _)) => (true, systems.iter().map(|&system| system.to_owned()).collect()),
        None => (false, BTreeSet::from([own])),
    };
    if key.contains("resources.limits.") {
        // The largest container of the namespace determines the maximum of its LimitRange.
        systems.insert("namespace".to_owned());
    }
    (has_row, systems)
}

/// Every number of a configuration.
fn places(keys: &BTreeMap<String, Value>) -> Vec<Place> {
    let mut found = Vec::new();
    for (key, value) in keys.iter().filter(|(key, _)| key.starts_with("phoenix:")) {
        // What the policies assume is no object of any system.
        if key != "phoenix:policies" {
            numbers(value, &mut vec![key.clone()], &mut found);
        }
    }
    found
}

/// The key of a number, and the systems that change with it; `None` where nothing next to it is legal.
fn effect(
    keys: &BTreeMap<String, Value>,
    before: &Graph,
    path: &[String],
    value: &Value,
) -> (String, Option<BTreeSet<String>>) {
    let key = path.join(".").trim_start_matches("phoenix:").to_owned();
    let legal = beside(value)
        .into_iter()
        .filter(|other| other != value)
        .find_map(|other| check(&with(keys, path, other)).ok());
    (key, legal.map(|config| differ(before, &platform::build(&config))))
}

#[test]
fn a_number_of_a_shipped_stack_changes_the_objects_of_its_system() {
    let mut bound = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for stack in STACKS {
        let keys = keys(stack);
        let before = platform::build(&check(&keys).expect("the shipped stacks are good"));
        for (path, value) in places(&keys) {
            let (key, systems) = effect(&keys, &before, &path, &value);
            seen += 1;
            let Some(systems) = systems else {
                bound.insert(key);
                continue;
            };
            let (has_row, allowed) = allowed(&key);
            // A row may name a system that a stack does not have, or has not yet; a number without a row changes something.
            if !systems.is_subset(&allowed) || (systems.is_empty() && !has_row) {
                wrong.push(format!(
                    "{stack}: {key} changes {systems:?}, and the table says {allowed:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} numbers were found");
    let known: BTreeSet<_> = BOUND.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(bound, known);
}

#[test]
fn the_table_names_existing_keys_and_systems() {
    let schema = schema::schema();
    for (key, systems, _) in SHARED {
        let mut at = &schema;
        for word in key.split('.') {
            at = property(&schema, at, word).unwrap_or_else(|| panic!("{key} is no key of a stack file"));
        }
        for system in *systems {
            assert!(platform::SYSTEMS.contains(system), "{key}: {system} is no system");
        }
    }
}

/// What the schema says of a key below another one; what may be left out is looked through.
fn property<'a>(schema: &'a Value, at: &'a Value, key: &str) -> Option<&'a Value> {
    if let Some(reference) = at["$ref"].as_str() {
        return property(schema, schema.pointer(reference.trim_start_matches('#'))?, key);
    }
    if let Some(found) = at["properties"].get(key) {
        return Some(found);
    }
    let mut ways = at["anyOf"].as_array().into_iter().flatten();
    ways.find_map(|way| property(schema, way, key))
}

proptest! {
    // Each case builds several platforms.
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_number_of_any_stack_changes_no_system_that_the_table_does_not_name(
        keys in good(),
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 4),
    ) {
        let before = platform::build(&check(&keys).expect("the configuration is good"));
        let all = places(&keys);
        for (path, value) in chosen.iter().map(|index| index.get(&all)) {
            let (key, Some(systems)) = effect(&keys, &before, path, value) else { continue };
            let (_, allowed) = allowed(&key);
            prop_assert!(
                systems.is_subset(&allowed),
                "{key} changes {systems:?}, and the table says {allowed:?}"
            );
        }
    }
}
