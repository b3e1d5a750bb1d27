//! The kubeconfig: whether it can be read, and has the context of a stack.

use std::collections::BTreeSet;
use std::path::PathBuf;

use phoenix::config::NAMESPACE;
use phoenix_terminal::checklist::Check;
use serde_json::Value;

use phoenix_manifests::yaml;

/// Checks the kubeconfig where no stack requires one.
pub fn optional() -> Vec<Check> {
    match contexts() {
        Ok(contexts) => vec![listed(&contexts)],
        Err(reason) => vec![Check::warn("kubeconfig", reason, HINT)],
    }
}

/// Checks that there is a kubeconfig and that it has the context, which it also returns if so.
pub fn required(context: Option<&str>) -> (Vec<Check>, Option<String>) {
    let contexts = match contexts() {
        Ok(contexts) => contexts,
        Err(reason) => return (vec![Check::fail("kubeconfig", reason, HINT)], None),
    };
    let mut checks = vec![listed(&contexts)];
    let Some(context) = context else {
        return (checks, None);
    };
    if contexts.contains(context) {
        checks.push(Check::good("context", context));
        return (checks, Some(context.to_owned()));
    }
    let known = names(&contexts);
    checks.push(Check::fail(
        "context",
        format!("{context} is not in the kubeconfig"),
        format!("use one of {known} as {NAMESPACE}:cluster.context, or add it to the kubeconfig"),
    ));
    (checks, None)
}

const HINT: &str =
    "set KUBECONFIG to one, or start a cluster on this machine with `cargo phoenix sandbox up`";

fn listed(contexts: &BTreeSet<String>) -> Check {
    let found = format!("has {}", names(contexts));
    if contexts.is_empty() {
        let hint = "set KUBECONFIG to one with the context of the stack's cluster";
        Check::fail("kubeconfig", found, hint)
    } else {
        Check::good("kubeconfig", found)
    }
}

fn names(contexts: &BTreeSet<String>) -> String {
    if contexts.is_empty() {
        return "no contexts".to_owned();
    }
    contexts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The names of all contexts, or the reason why there is no usable kubeconfig.
fn contexts() -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let mut is_there = false;
    for path in paths() {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        is_there = true;
        let documents =
            yaml::read(&text).map_err(|error| format!("cannot be read: {}, {error}", path.display()))?;
        found.extend(documents.iter().flat_map(|document| contexts_of(&document.value)));
    }
    if is_there {
        Ok(found)
    } else {
        Err("there is none that can be read".to_owned())
    }
}

/// The files that make up the kubeconfig, in the same way as for kubectl.
fn paths() -> Vec<PathBuf> {
    match std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty()) {
        Some(paths) => std::env::split_paths(&paths)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => std::env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    }
}

fn contexts_of(kubeconfig: &Value) -> Vec<String> {
    let contexts = kubeconfig.get("contexts").and_then(Value::as_array);
    let names = contexts
        .into_iter()
        .flatten()
        .filter_map(|context| context.get("name")?.as_str());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contexts_are_found_by_their_names() {
        let kubeconfig = json!({"contexts": [{"name": "prod", "context": {}}, {"context": {}}]});
        assert_eq!(contexts_of(&kubeconfig), ["prod"]);
        assert!(contexts_of(&json!({"contexts": null})).is_empty());
    }

    #[test]
    fn a_kubeconfig_without_contexts_fails() {
        assert_eq!(listed(&BTreeSet::new()).found, "has no contexts");
        assert_eq!(
            listed(&BTreeSet::from(["a".to_owned(), "b".to_owned()])).found,
            "has a, b"
        );
    }
}
