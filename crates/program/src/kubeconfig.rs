//! Whether the kubeconfig has the stack's context, asked before anything is registered.
//!
//! This is an edge: it reads the environment and files. The provider would ask the same later, when the state holds
//! entries already, and tells it in words that lead elsewhere. What is found to be wrong here is wrong for it as well.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};

/// What is wrong with the kubeconfig for a stack with this context, and the way out; `None` when nothing is.
#[expect(
    clippy::disallowed_methods,
    reason = "the kubeconfig is part of the world that the program is started in"
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

/// The files that make the kubeconfig up, as kubectl finds them.
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
            "there is no kubeconfig that could be read ({shown})\n  hint: point KUBECONFIG at one with the context \
             {context}, which phoenix:cluster.context names"
        ));
    }
    let mut known = BTreeSet::new();
    for text in texts {
        let Some(contexts) = contexts(text) else {
            return Some(format!(
                "the kubeconfig ({shown}) is no YAML\n  hint: point KUBECONFIG at one with the context {context}, which \
                 phoenix:cluster.context names"
            ));
        };
        known.extend(contexts);
    }
    if known.contains(context) {
        return None;
    }
    let known = if known.is_empty() {
        "none at all".to_owned()
    } else {
        known.into_iter().collect::<Vec<_>>().join(", ")
    };
    Some(format!(
        "the kubeconfig ({shown}) has no context {context}, which phoenix:cluster.context names; it has {known}\n  \
         hint: add the context, point KUBECONFIG at a file that has it, or repair phoenix:cluster.context"
    ))
}

/// The names of the contexts in a kubeconfig; `None` where it is no YAML.
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
    use super::*;

    const TWO: &str = "apiVersion: v1\ncontexts:\n- {name: a, context: {}}\n- name: b\n";

    fn asked(context: &str, texts: &[&str]) -> Option<String> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        missing(context, &[PathBuf::from("/home/me/config")], &texts)
    }

    #[test]
    fn a_context_of_any_file_is_found() {
        assert_eq!(asked("b", &[TWO]), None);
        assert_eq!(asked("b", &["contexts: []", TWO]), None);
        assert_eq!(
            asked("b", &[r#"{"contexts":[{"name":"b"}]}"#]),
            None,
            "JSON is YAML"
        );
    }

    #[test]
    fn a_context_that_is_in_no_file_is_told_with_those_that_are() {
        let told = asked("c", &[TWO]).unwrap();
        assert!(told.contains("(/home/me/config) has no context c"), "{told}");
        assert!(told.contains("it has a, b\n"), "{told}");
        for empty in ["", "{}", "contexts: null", "contexts: [1, {}]", "- a list"] {
            assert!(
                asked("c", &[empty]).unwrap().contains("it has none at all"),
                "{empty}"
            );
        }
    }

    #[test]
    fn no_file_is_told_with_the_place_that_was_looked_at() {
        assert!(
            asked("c", &[])
                .unwrap()
                .contains("could be read (/home/me/config)")
        );
        let told = missing("c", &[], &[]).unwrap();
        assert!(told.contains("neither KUBECONFIG nor HOME is set"), "{told}");
    }

    #[test]
    fn what_is_no_yaml_is_told() {
        for text in ["a: [", "# A page\n\n- x\n\ty: : {"] {
            let told = asked("b", &[text, TWO]).unwrap();
            assert!(
                told.starts_with("the kubeconfig (/home/me/config) is no YAML\n  hint: "),
                "{told}"
            );
        }
    }

    #[test]
    fn the_files_are_those_of_kubectl() {
        let home = Path::new("/home/me");
        let files = |named: &str| paths(Some(OsStr::new(named)), Some(home));
        assert_eq!(files("/a:/b"), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(files("/a::"), [PathBuf::from("/a")]);
        assert_eq!(files(""), [PathBuf::from("/home/me/.kube/config")]);
        assert_eq!(paths(None, None), Vec::<PathBuf>::new());
    }
}
