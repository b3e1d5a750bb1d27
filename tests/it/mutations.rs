//! All small mutations of the policies of a rendered stack: each object, field and item removed, each text, number and word
//! widened, narrowed or replaced, each list extended, each rule split in two.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A changed rendering.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The kind of the object that was changed.
    pub kind: String,
    /// The object, the JSON pointer in it, and the mutation.
    pub title: String,
    /// The labels of the pods that a policy selects, before the change as after it; none where it selects all, or others
    /// than before.
    pub selected: BTreeMap<String, String>,
    /// Which document was changed.
    place: usize,
    /// The mutated document; `None` if it was removed.
    changed: Option<Value>,
}

impl Mutation {
    /// The documents with the change.
    pub fn apply(&self, documents: &[Value]) -> Vec<Value> {
        let mut changed = documents.to_vec();
        match &self.changed {
            Some(document) => changed[self.place] = document.clone(),
            None => {
                changed.remove(self.place);
            }
        }
        changed
    }
}

/// All mutations of the documents of these kinds, at or below these places of theirs.
pub fn mutations(documents: &[Value], kinds: &BTreeMap<&str, &[&str]>) -> Vec<Mutation> {
    let mut found = Vec::new();
    for (place, document) in documents.iter().enumerate() {
        let text = |pointer: &str| {
            document
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let kind = text("/kind");
        let Some(roots) = kinds.get(kind) else { continue };
        let title = format!("{kind} {}", text("/metadata/name"));
        if roots.contains(&"/spec") {
            found.push(Mutation {
                kind: kind.to_owned(),
                title: format!("{title}: the object left out"),
                selected: selected(document),
                place,
                changed: None,
            });
        }
        for root in *roots {
            let Some(value) = document.pointer(root) else {
                continue;
            };
            let mut changes = Vec::new();
            if !value.is_object() {
                change(value, &key_of(root), &mut |what, changed| {
                    changes.push(((*root).to_owned(), what, changed));
                });
            }
            descend(value, root, &mut changes);
            for (pointer, what, changed) in changes {
                let mut all = document.clone();
                *all.pointer_mut(&pointer).expect("the place was just seen") = changed;
                found.push(Mutation {
                    kind: kind.to_owned(),
                    title: format!("{title} {pointer}: {what}"),
                    selected: if reach(document) == reach(&all) {
                        selected(document)
                    } else {
                        BTreeMap::new()
                    },
                    place,
                    changed: Some(all),
                });
            }
        }
    }
    found
}

/// Where the kinds that select pods say which.
const SELECTORS: [&str; 4] = [
    "/spec/podSelector",
    "/spec/selector",
    "/spec/workloadSelector",
    "/metadata/namespace",
];

/// Everything that decides which pods an object is about.
fn reach(document: &Value) -> [Option<&Value>; 4] {
    SELECTORS.map(|pointer| document.pointer(pointer))
}

/// The labels that a policy asks of the pods that it is about; a workload is met by the pods of others too.
fn selected(document: &Value) -> BTreeMap<String, String> {
    if document.pointer("/spec/template").is_some() {
        return BTreeMap::new();
    }
    let labels = [
        "/spec/podSelector/matchLabels",
        "/spec/selector/matchLabels",
        "/spec/workloadSelector/labels",
    ];
    let labels = labels
        .iter()
        .find_map(|pointer| document.pointer(pointer)?.as_object());
    let pairs = labels.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

type Change = (String, String, Value);

/// The changes at a place and below it.
fn descend(value: &Value, pointer: &str, changes: &mut Vec<Change>) {
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                let mut without = fields.clone();
                without.remove(key);
                changes.push((pointer.to_owned(), format!("{key} left out"), without.into()));
                let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                change(child, key, &mut |what, changed| {
                    changes.push((below.clone(), what, changed));
                });
                descend(child, &below, changes);
            }
            if let Some(Value::Number(port)) = fields.get("port") {
                let mut range = fields.clone();
                let end = port.as_u64().unwrap_or_default() + 1;
                range.insert("endPort".to_owned(), json!(end));
                changes.push((
                    pointer.to_owned(),
                    "a range made of the port".to_owned(),
                    range.into(),
                ));
            }
        }
        Value::Array(items) => {
            let key = key_of(pointer);
            for (place, child) in items.iter().enumerate() {
                let mut without = items.clone();
                without.remove(place);
                changes.push((
                    pointer.to_owned(),
                    format!("item {place} left out"),
                    without.into(),
                ));
                change(child, &key, &mut |what, changed| {
                    changes.push((format!("{pointer}/{place}"), what, changed));
                });
                descend(child, &format!("{pointer}/{place}"), changes);
                if let Some(split) = split(child) {
                    let mut items = items.clone();
                    items.splice(place..=place, split);
                    changes.push((
                        pointer.to_owned(),
                        format!("item {place} split in two"),
                        items.into(),
                    ));
                }
            }
            let added = if items.iter().all(Value::is_string) {
                json!("*")
            } else {
                json!({})
            };
            let mut more = items.clone();
            more.push(added.clone());
            changes.push((pointer.to_owned(), format!("{added} added"), more.into()));
        }
        _ => {}
    }
}

/// A rule with two parts as two rules with one part each.
fn split(item: &Value) -> Option<[Value; 2]> {
    let fields = item.as_object()?;
    let (mut one, mut other) = (fields.clone(), fields.clone());
    for (first, second) in [
        ("from", "to"),
        ("from", "ports"),
        ("to", "ports"),
        ("namespaceSelector", "podSelector"),
    ] {
        if fields.contains_key(first) && fields.contains_key(second) {
            one.remove(first);
            other.remove(second);
            return Some([one.into(), other.into()]);
        }
    }
    None
}

/// What else a single value could be.
fn change(value: &Value, key: &str, found: &mut dyn FnMut(String, Value)) {
    let mut offer = |changed: Value| {
        if changed != *value {
            found(format!("{value} made {changed}"), changed);
        }
    };
    match value {
        Value::String(text) => {
            for word in words(key) {
                offer(json!(word));
            }
            if key == "cidr" || key == "except" {
                let (address, length) = text.split_once('/').unwrap_or((text, "32"));
                let length: u32 = length.parse().unwrap_or_default();
                offer(json!(format!("{address}/{}", length.saturating_sub(1))));
                offer(json!(format!("{address}/{}", length + 1)));
            } else if words(key).is_empty() {
                offer(json!("*"));
                offer(json!(format!("{text}x")));
                let mut letters = text.chars();
                letters.next_back();
                offer(json!(format!("{}*", letters.as_str())));
                offer(json!(format!(
                    "*{}",
                    &text[text.chars().next().map_or(0, char::len_utf8)..]
                )));
            }
        }
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or_default();
            offer(json!(number + 1));
            offer(json!(number - 1));
        }
        Value::Object(fields) if !fields.is_empty() => offer(json!({})),
        Value::Array(items) if !items.is_empty() => offer(json!([])),
        _ => {}
    }
}

/// The words that a field knows, where it knows but a few.
fn words(key: &str) -> &'static [&'static str] {
    match key {
        "action" => &["ALLOW", "DENY", "AUDIT"],
        "mode" => &[
            "UNSET",
            "DISABLE",
            "PERMISSIVE",
            "STRICT",
            "REGISTRY_ONLY",
            "ALLOW_ANY",
        ],
        "protocol" => &["TCP", "UDP", "SCTP"],
        "policyTypes" => &["Ingress", "Egress"],
        "appProtocol" => &["tcp", "http", "grpc", "unheard-of"],
        _ => &[],
    }
}

/// The key that a place is about; items of a list are about the list's.
fn key_of(pointer: &str) -> String {
    let mut parts = pointer.rsplit('/').filter(|part| part.parse::<usize>().is_err());
    parts.next().unwrap_or_default().replace("~1", "/")
}

#[test]
fn each_part_of_an_object_is_changed_in_each_way() {
    let policy = json!({
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "c"}}, "rules": [{"from": [{"source": {"namespaces": ["b"]}}], "to": [{"operation": {"ports": ["80"]}}]}]},
    });
    let kinds: BTreeMap<&str, &[&str]> = BTreeMap::from([("AuthorizationPolicy", ["/spec"].as_slice())]);
    let mutations = mutations(&[policy], &kinds);
    let titles: Vec<_> = mutations.iter().map(|mutation| mutation.title.as_str()).collect();
    for expected in [
        "AuthorizationPolicy a: the object left out",
        "AuthorizationPolicy a /spec: rules left out",
        "AuthorizationPolicy a /spec/rules: item 0 split in two",
        "AuthorizationPolicy a /spec/rules: {} added",
        "AuthorizationPolicy a /spec/rules/0: from left out",
        "AuthorizationPolicy a /spec/rules/0/from/0/source/namespaces: \"*\" added",
        "AuthorizationPolicy a /spec/rules/0/from/0/source/namespaces/0: \"b\" made \"*\"",
        "AuthorizationPolicy a /spec/rules/0/to/0/operation/ports/0: \"80\" made \"80x\"",
    ] {
        assert!(titles.contains(&expected), "{expected} in {titles:#?}");
    }
    for mutation in mutations {
        let is_of_selector = mutation.title.contains("elector");
        assert_eq!(mutation.selected.is_empty(), is_of_selector, "{}", mutation.title);
    }
}
