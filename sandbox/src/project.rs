//! The copies of the project file and the stack file in a sandbox.
//!
//! Pulumi writes into the stack file and rejects `environment:` without Pulumi Cloud, so it does not run in the checkout. Pure: a
//! copy refers to the program in the checkout by absolute paths, keeps the stack's configuration except for the keys named here,
//! and keeps what Pulumi wrote into an earlier copy.

use std::path::{Path, PathBuf};

use phoenix::config::NAMESPACE;
use serde_json::{Map, Value, json};

use super::objects::{BLOCK_CLASS, SHARED_CLASS};

type Fields = Map<String, Value>;

/// The keys with the encryption settings of a stack file. Those of the checkout do not apply to a sandbox.
const ENCRYPTION_KEYS: [&str; 3] = ["encryptionsalt", "encryptedkey", "secretsprovider"];

/// The copy of the project file, for Pulumi in another directory than the checkout.
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
    // The copy of the stack file is in the same directory, and the state in the sandbox.
    for key in ["stackConfigDir", "backend"] {
        project.remove(key);
    }
    project
}

/// The path of a stack file in the checkout.
pub fn stack_file(project: &Fields, checkout: &Path, stack: &str) -> PathBuf {
    let folder = project
        .get("stackConfigDir")
        .and_then(Value::as_str)
        .unwrap_or_default();
    checkout.join(folder).join(format!("Pulumi.{stack}.yaml"))
}

/// The copy of the stack file: without environment and without values encrypted elsewhere, with the sandbox's cluster and
/// secrets, and with the key that makes the program accept placeholders. Placeholders for storage classes are replaced by the
/// sandbox's classes. Encrypted values of an `earlier` copy are kept.
pub fn stack(mut stack: Fields, context: &str, uid: Option<&str>, earlier: Option<&Fields>) -> Fields {
    stack.remove("environment");
    for key in ENCRYPTION_KEYS {
        stack.remove(key);
        if let Some(setting) = earlier.and_then(|earlier| earlier.get(key)) {
            stack.insert(key.to_owned(), setting.clone());
        }
    }
    let mut config = match stack.remove("config") {
        Some(Value::Object(config)) => config,
        _ => Fields::new(),
    };
    config.retain(|_, value| !is_encrypted(value));
    let kept = earlier
        .and_then(|earlier| earlier.get("config"))
        .and_then(Value::as_object);
    for (key, value) in kept
        .into_iter()
        .flatten()
        .filter(|(_, value)| is_encrypted(value))
    {
        config.insert(key.clone(), value.clone());
    }
    config.insert(key("sandbox"), Value::Bool(true));
    // The sandbox generates its own secrets; real ones are not needed on this machine.
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

/// Replaces placeholders for storage classes by the sandbox's classes. A volume that is shared by several pods gets the class
/// that supports it.
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

/// Those of the keys for which the stack has no encrypted value.
pub fn without_value<'a>(stack: &Fields, keys: &[&'a str]) -> Vec<&'a str> {
    let config = stack.get("config").and_then(Value::as_object);
    let has_value = |name: &str| {
        config
            .and_then(|config| config.get(&key(name)))
            .is_some_and(is_encrypted)
    };
    keys.iter().copied().filter(|name| !has_value(name)).collect()
}

/// A configuration key of the program, as in the stack file.
pub fn key(name: &str) -> String {
    format!("{NAMESPACE}:{name}")
}

/// Whether a value contains an encrypted value.
fn is_encrypted(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key("secure") || fields.values().any(is_encrypted),
        Value::Array(items) => items.iter().any(is_encrypted),
        _ => false,
    }
}

fn path(path: &Path) -> Value {
    // A path that is not UTF-8 cannot be written to a YAML file exactly.
    Value::String(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn the_project_copy_uses_the_program_and_host_of_the_checkout() {
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
    fn the_stack_copy_has_the_cluster_and_secrets_of_the_sandbox() {
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
    fn placeholders_for_storage_classes_are_replaced() {
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
            "other placeholders are kept"
        );
    }

    #[test]
    fn encrypted_values_of_an_earlier_copy_are_kept() {
        let earlier = fields(&json!({
            "encryptionsalt": "v1:sandbox",
            "config": { "phoenix:qdrantApiKey": { "secure": "v1:here" }, "phoenix:old": 1 },
        }));
        let copy = stack(Fields::new(), "c", None, Some(&earlier));
        assert_eq!(copy["encryptionsalt"], "v1:sandbox");
        assert_eq!(copy["config"]["phoenix:qdrantApiKey"]["secure"], "v1:here");
        assert_eq!(copy["config"].get("phoenix:old"), None);
        assert_eq!(
            without_value(&copy, &["qdrantApiKey", "openaiApiKey"]),
            ["openaiApiKey"]
        );
    }

    #[test]
    fn copying_is_idempotent() {
        let original = fields(&json!({ "config": { "phoenix:stack": "dev" } }));
        let once = stack(original.clone(), "c", None, None);
        assert_eq!(stack(original, "c", None, Some(&once)), once);
    }
}
