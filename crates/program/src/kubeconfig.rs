//! Checks that the kubeconfig has the stack's context before anything is registered.
//!
//! This is an edge: it reads environment variables and files. Without this check the provider would fail later, when the
//! state already has entries, with a message that does not name the cause.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};

/// The problem with the kubeconfig for a stack with this context, with a hint; `None` if there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "this is an edge: the kubeconfig is a file named by an environment variable"
)]
pub fn problem(context: &str) -> Option<String> {
    let named = std::env::var_os("KUBECONFIG");
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let paths = paths(named.as_deref(), home.as_deref());
    let texts = paths
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect::<Vec<_>>();
    missing(context, &paths, &texts)
}

/// The files of the kubeconfig, found as kubectl finds them.
fn paths(named: Option<&OsStr>, home: Option<&Path>) -> Vec<PathBuf> {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => std::env::split_paths(named)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => home.map(|home| home.join(".kube/config")).into_iter().collect(),
    }
}

fn missing(context: &str, paths: &[PathBuf], texts: &[String]) -> Option<String> {
    let shown: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let shown = if shown.is_empty() {
        "neither KUBECONFIG nor HOME is set".to_owned()
    } else {
        shown.join(" and ")
    };
    if texts.is_empty() {
        return Some(format!(
            "no kubeconfig could be read ({shown})\n  hint: set KUBECONFIG to a file with the context \
             {context} (phoenix:cluster.context)"
        ));
    }
    let mut known = BTreeSet::new();
    for text in texts {
        let Some(contexts) = contexts(text) else {
            return Some(format!(
                "the kubeconfig ({shown}) is not valid YAML\n  hint: set KUBECONFIG to a file with the context {context} \
                 (phoenix:cluster.context)"
            ));
        };
        known.extend(contexts);
    }
    if known.contains(context) {
        return None;
    }
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.into_iter().collect::<Vec<_>>().join(", ")
    };
    Some(format!(
        "the kubeconfig ({shown}) has no context {context} (phoenix:cluster.context); its contexts: {known}\n  \
         hint: add the context, set KUBECONFIG to a file that has it, or correct phoenix:cluster.context"
    ))
}

/// The names of the contexts in a kubeconfig; `None` if it is not valid YAML.
fn contexts(text: &str) -> Option<Vec<String>> {
    let documents = Yaml::load_from_str(text).ok()?;
    let Some(document) = documents.first() else {
        return Some(Vec::new());
    };
    let contexts = document.as_mapping_get("contexts").and_then(Yaml::as_sequence);
    let names = contexts
        .into_iter()
        .flatten()
        .filter_map(|context| Some(context.as_mapping_get("name")?.as_str()?.to_owned()));
    Some(names.collect())
}

#[cfg(test)]
mod tests {
    use super::{OsStr, Path, PathBuf, missing, paths};

    const TWO: &str = "apiVersion: v1\ncontexts:\n- {name: a, context: {}}\n- name: b\n";

    fn problem(context: &str, texts: &[&str]) -> Option<String> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        missing(context, &[PathBuf::from("/home/me/config")], &texts)
    }

    #[test]
    fn a_context_of_any_file_is_found() {
        assert_eq!(problem("b", &[TWO]), None);
        assert_eq!(problem("b", &["contexts: []", TWO]), None);
        assert_eq!(
            problem("b", &[r#"{"contexts":[{"name":"b"}]}"#]),
            None,
            "JSON is YAML"
        );
    }

    #[test]
    fn a_missing_context_is_reported_with_the_existing_ones() {
        let message = problem("c", &[TWO]).unwrap();
        assert!(
            message.contains("(/home/me/config) has no context c"),
            "{message}"
        );
        assert!(message.contains("its contexts: a, b\n"), "{message}");
        for empty in ["", "{}", "contexts: null", "contexts: [1, {}]", "- a list"] {
            assert!(
                problem("c", &[empty]).unwrap().contains("its contexts: none"),
                "{empty}"
            );
        }
    }

    #[test]
    fn a_missing_kubeconfig_is_reported_with_its_path() {
        assert!(
            problem("c", &[])
                .unwrap()
                .contains("could be read (/home/me/config)")
        );
        let message = missing("c", &[], &[]).unwrap();
        assert!(
            message.contains("neither KUBECONFIG nor HOME is set"),
            "{message}"
        );
    }

    #[test]
    fn invalid_yaml_is_reported() {
        for text in ["a: [", "# A page\n\n- x\n\ty: : {"] {
            let message = problem("b", &[text, TWO]).unwrap();
            assert!(
                message.starts_with("the kubeconfig (/home/me/config) is not valid YAML\n  hint: "),
                "{message}"
            );
        }
    }

    #[test]
    fn the_files_are_found_as_kubectl_finds_them() {
        let home = Path::new("/home/me");
        let files = |named: &str| paths(Some(OsStr::new(named)), Some(home));
        assert_eq!(files("/a:/b"), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(files("/a::"), [PathBuf::from("/a")]);
        assert_eq!(files(""), [PathBuf::from("/home/me/.kube/config")]);
        assert_eq!(paths(None, None), Vec::<PathBuf>::new());
    }
}
