//! The sandbox's own copy of the project and its stack file.
//!
//! The engine writes into the stack file and refuses an `environment:` without its cloud, so it never
//! works in the checkout. Promises: pure; the copy runs the checkout's own program by absolute paths, keeps
//! the stack's configuration but for the few keys named here, and keeps what the engine has written into
//! an earlier copy.

use std::path::{Path, PathBuf};

use phoenix::config::NAMESPACE;
use serde_json::{Map, Value, json};

use super::objects::{BLOCK_CLASS, SHARED_CLASS};

type Fields = Map<String, Value>;

/// What the engine seals secrets with, in the checkout for other places than a sandbox.
const SEALS: [&str; 3] = ["encryptionsalt", "encryptedkey", "secretsprovider"];

/// The project file's copy, for an engine that works in another folder than the checkout.
pub fn project(mut project: Fields, checkout: &Path) -> Fields {
    let main = match project.get("main").and_then(Value::as_str) {
        Some(main) => checkout.join(main),
        None => checkout.to_path_buf(),
    };
    project.insert("main".to_owned(), path(&main));
    let plugins = project.get_mut("plugins").and_then(Value::as_object_mut);
    for entry in plugins
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_array_mut)
        .flatten()
    {
        if let Some(relative) = entry.get("path").and_then(Value::as_str) {
            entry["path"] = path(&checkout.join(relative));
        }
    }
    // The stack file's copy lies beside the project's, and the state in the sandbox.
    for key in ["stackConfigDir", "backend"] {
        project.remove(key);
    }
    project
}

/// Where the checkout keeps the file of a stack.
pub fn stack_file(project: &Fields, checkout: &Path, stack: &str) -> PathBuf {
    let folder = project
        .get("stackConfigDir")
        .and_then(Value::as_str)
        .unwrap_or_default();
    checkout.join(folder).join(format!("Pulumi.{stack}.yaml"))
}

/// The stack file's copy: no environment, nothing sealed elsewhere, this cluster, secrets of its own, and the mark
/// by which the program accepts placeholders. Storage classes that are not known yet are the sandbox's. Sealed values of an `earlier` copy stay.
pub fn stack(mut stack: Fields, context: &str, uid: Option<&str>, earlier: Option<&Fields>) -> Fields {
    stack.remove("environment");
    for key in SEALS {
        stack.remove(key);
        if let Some(seal) = earlier.and_then(|earlier| earlier.get(key)) {
            stack.insert(key.to_owned(), seal.clone());
        }
    }
    let mut config = match stack.remove("config") {
        Some(Value::Object(config)) => config,
        _ => Fields::new(),
    };
    config.retain(|_, value| !is_sealed(value));
    let kept = earlier
        .and_then(|earlier| earlier.get("config"))
        .and_then(Value::as_object);
    for (key, value) in kept.into_iter().flatten().filter(|(_, value)| is_sealed(value)) {
        config.insert(key.clone(), value.clone());
    }
    config.insert(key("sandbox"), Value::Bool(true));
    // The sandbox makes up its own secrets; real ones have no business on this machine.
    config.insert(key("secrets"), json!({ "mode": "local" }));
    let cluster = config.entry(key("cluster")).or_insert_with(|| json!({}));
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert("context".to_owned(), Value::from(context));
        if let Some(uid) = uid {
            cluster.insert("uid".to_owned(), Value::from(uid));
        }
    }
    let mut config = Value::Object(config);
    fill_storage_classes(&mut config);
    stack.insert("config".to_owned(), config);
    stack
}

/// Puts the sandbox's own storage classes where a stack does not know its cluster's yet. A volume that
/// several pods share gets the class that can do so.
fn fill_storage_classes(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let shared = fields.get("mode").is_some_and(|mode| mode == "shared");
            let class = fields
                .get_mut("storageClass")
                .filter(|class| class.get("placeholder").is_some());
            if let Some(class) = class {
                *class = Value::from(if shared { SHARED_CLASS } else { BLOCK_CLASS });
            }
            fields.values_mut().for_each(fill_storage_classes);
        }
        Value::Array(items) => items.iter_mut().for_each(fill_storage_classes),
        _ => {}
    }
}

/// The keys among these for which the stack holds no sealed value yet.
pub fn unsealed<'a>(stack: &Fields, keys: &[&'a str]) -> Vec<&'a str> {
    let config = stack.get("config").and_then(Value::as_object);
    let sealed = |name: &str| {
        config
            .and_then(|config| config.get(&key(name)))
            .is_some_and(is_sealed)
    };
    keys.iter().copied().filter(|name| !sealed(name)).collect()
}

/// A key of the program, as the stack file writes it.
pub fn key(name: &str) -> String {
    format!("{NAMESPACE}:{name}")
}

/// Whether any leaf of a value is sealed with a key that only another place has.
fn is_sealed(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key("secure") || fields.values().any(is_sealed),
        Value::Array(items) => items.iter().any(is_sealed),
        _ => false,
    }
}

fn path(path: &Path) -> Value {
    // A path that is not text cannot stand in a YAML file; it is shown as well as it can be.
    Value::String(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn the_copied_project_runs_the_program_and_host_of_the_checkout() {
        let original = fields(&json!({
            "name": "phoenix",
            "runtime": "rust",
            "stackConfigDir": "stacks",
            "backend": { "url": "s3://elsewhere" },
            "plugins": { "languages": [{ "name": "rust", "path": "bin" }] },
        }));
        let copy = project(original.clone(), Path::new("/src/phoenix"));
        let expected = json!({
            "name": "phoenix",
            "runtime": "rust",
            "main": "/src/phoenix",
            "plugins": { "languages": [{ "name": "rust", "path": "/src/phoenix/bin" }] },
        });
        assert_eq!(Value::Object(copy), expected);
        let file = stack_file(&original, Path::new("/src/phoenix"), "dev");
        assert_eq!(file, Path::new("/src/phoenix/stacks/Pulumi.dev.yaml"));
    }

    #[test]
    fn the_copied_stack_has_no_environment_its_own_secrets_and_this_cluster() {
        let original = fields(&json!({
            "environment": ["phoenix/prod"],
            "encryptionsalt": "v1:elsewhere",
            "config": {
                "phoenix:cluster": { "context": { "placeholder": "the context" }, "server": "x" },
                "phoenix:qdrant": { "replicas": 3 },
                "phoenix:openaiApiKey": { "secure": "v1:sealed elsewhere" },
                "phoenix:secrets": { "mode": "esc-direct", "environment": "acme/phoenix/prod" },
            },
        }));
        let copy = stack(original, "phoenix-sandbox-prod", Some("its-uid"), None);
        let expected = json!({
            "config": {
                "phoenix:cluster": { "context": "phoenix-sandbox-prod", "uid": "its-uid", "server": "x" },
                "phoenix:qdrant": { "replicas": 3 },
                "phoenix:sandbox": true,
                "phoenix:secrets": { "mode": "local" },
            },
        });
        assert_eq!(Value::Object(copy), expected);
    }

    #[test]
    fn storage_classes_that_nobody_knows_yet_are_the_sandboxes_own() {
        let unknown = || json!({ "placeholder": "a class of your cluster" });
        let original = fields(&json!({ "config": {
            "phoenix:openmemory": { "storage": { "mode": "shared", "storageClass": unknown() } },
            "phoenix:qdrant": {
                "image": unknown(),
                "storage": { "storageClass": unknown() },
                "snapshots": { "storageClass": "bulk" },
            },
        }}));
        let copy = stack(original, "c", None, None);
        let config = &copy["config"];
        assert_eq!(
            config["phoenix:openmemory"]["storage"]["storageClass"],
            SHARED_CLASS
        );
        assert_eq!(config["phoenix:qdrant"]["storage"]["storageClass"], BLOCK_CLASS);
        assert_eq!(config["phoenix:qdrant"]["snapshots"]["storageClass"], "bulk");
        assert_eq!(
            config["phoenix:qdrant"]["image"],
            unknown(),
            "only the cluster's own facts are filled in"
        );
    }

    #[test]
    fn what_the_engine_sealed_into_an_earlier_copy_stays() {
        let earlier = fields(&json!({
            "encryptionsalt": "v1:sandbox",
            "config": { "phoenix:qdrantApiKey": { "secure": "v1:here" }, "phoenix:old": 1 },
        }));
        let copy = stack(Fields::new(), "c", None, Some(&earlier));
        assert_eq!(copy["encryptionsalt"], "v1:sandbox");
        assert_eq!(copy["config"]["phoenix:qdrantApiKey"]["secure"], "v1:here");
        assert_eq!(copy["config"].get("phoenix:old"), None);
        assert_eq!(
            unsealed(&copy, &["qdrantApiKey", "openaiApiKey"]),
            ["openaiApiKey"]
        );
    }

    #[test]
    fn copying_twice_changes_nothing_more() {
        let original = fields(&json!({ "config": { "phoenix:stack": "dev" } }));
        let once = stack(original.clone(), "c", None, None);
        assert_eq!(stack(original, "c", None, Some(&once)), once);
    }
}
