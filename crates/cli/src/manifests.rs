//! A directory of manifests for `kubectl apply -f`.
//!
//! The alphabetical order of the file names is an order that a cluster accepts. A list of the written files is in the same
//! folder; a later run replaces only these files and never changes others. After a failure, the previous files are unchanged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use phoenix_graph::{Graph, Object, yaml};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use phoenix_terminal::atomic;
use phoenix_terminal::user_error::user_error;

/// The list of written files. `kubectl apply -f` ignores a file of this name.
const LIST: &str = ".phoenix-manifests";

/// The files of the last run.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Written {
    stack: String,
    /// The name of each file, with the digest of its content.
    files: BTreeMap<String, String>,
}

/// The files of a graph by name: one per system and phase.
pub fn files_of(graph: &Graph) -> BTreeMap<String, String> {
    let mut files = BTreeMap::<String, String>::new();
    for object in graph.in_apply_order() {
        let file = files
            .entry(format!("{}-{}.yaml", phase(object), object.component))
            .or_default();
        file.push_str("---\n");
        yaml::write(file, object.body());
    }
    files
}

/// The phase of `kubectl apply` in which an object is applied.
fn phase(object: &Object) -> &'static str {
    match object.id.kind.as_str() {
        "Namespace" => "00",
        "DaemonSet" | "Deployment" | "StatefulSet" | "Job" | "CronJob" => "20",
        "PodDisruptionBudget" | "HorizontalPodAutoscaler" => "30",
        _ => "10",
    }
}

/// Writes the files of a stack to a directory that is new, empty, or contains earlier files of the same stack.
pub fn write(folder: &Path, stack: &str, files: &BTreeMap<String, String>) -> Result<()> {
    let shown = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("cannot create the directory {shown}"))?;
    let earlier = earlier(folder, stack)?;
    for name in files.keys().chain(earlier.files.keys()) {
        refuse_what_is_not_ours(&folder.join(name), earlier.files.get(name))?;
    }

    // All new files are on disk before the first old file is removed.
    let staged: Vec<_> = files
        .iter()
        .map(|(name, text)| Ok((name, atomic::stage(&folder.join(name), text.as_bytes())?)))
        .collect::<Result<_>>()?;
    let written = Written {
        stack: stack.to_owned(),
        files: files
            .iter()
            .map(|(name, text)| (name.clone(), sha256(text.as_bytes())))
            .collect(),
    };
    let list = serde_json::to_vec_pretty(&written).expect("names and digests are always JSON");
    let list = atomic::stage(&folder.join(LIST), &list)?;

    for (name, file) in staged {
        atomic::persist(file, &folder.join(name))?;
    }
    for gone in earlier.files.keys().filter(|name| !files.contains_key(*name)) {
        match fs::remove_file(folder.join(gone)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot remove {shown}/{gone}, which the stack no longer has"));
            }
            _ => {}
        }
    }
    atomic::persist(list, &folder.join(LIST))
}

/// The files of an earlier run; an error if the directory contains other files.
fn earlier(folder: &Path, stack: &str) -> Result<Written> {
    let shown = folder.display();
    let hint = "pass a new or empty directory with --output";
    match fs::read(folder.join(LIST)) {
        Ok(list) => {
            let earlier: Written =
                serde_json::from_slice(&list).with_context(|| format!("cannot read {shown}/{LIST}"))?;
            if earlier
                .files
                .keys()
                .any(|name| name.contains(['/', '\\']) || name == "..")
            {
                return Err(anyhow!("{shown}/{LIST} names a file outside its directory"));
            }
            if earlier.stack == stack {
                return Ok(earlier);
            }
            Err(user_error(
                format!("{shown} contains the manifests of the stack {}", earlier.stack),
                hint,
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut entries = fs::read_dir(folder).with_context(|| format!("cannot list {shown}"))?;
            match entries.next() {
                None => Ok(Written::default()),
                Some(_) => Err(user_error(
                    format!("{shown} is not empty, and its files were not rendered by phoenix"),
                    hint,
                )),
            }
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {shown}/{LIST}")),
    }
}

/// A file may be replaced if its content is unchanged since it was written. A new file must not exist yet.
fn refuse_what_is_not_ours(file: &Path, written: Option<&String>) -> Result<()> {
    let there = match fs::read(file) {
        Ok(content) => sha256(&content),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    if written == Some(&there) {
        return Ok(());
    }
    let how = if written.is_some() {
        "was changed since it was rendered"
    } else {
        "was not rendered by phoenix"
    };
    Err(user_error(
        format!("{} {how}", file.display()),
        "move it, or pass another directory with --output",
    ))
}

/// The SHA-256 digest in hexadecimal.
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .fold(String::new(), |mut digest, byte| {
            let _ = write!(digest, "{byte:02x}");
            digest
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(names: &[&str]) -> BTreeMap<String, String> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), format!("---\nkind: {name}\n")))
            .collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn namespaces_come_before_workloads_in_the_order_of_the_names() {
        let mut graph = Graph::default();
        for (api_version, kind, component) in [
            ("apps/v1", "Deployment", "a"),
            ("v1", "Secret", "secrets"),
            ("v1", "Namespace", "namespace"),
            ("v1", "Service", "a"),
        ] {
            let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
            graph.add(Object::from_json(component, body).unwrap());
        }
        let files = files_of(&graph);
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["00-namespace.yaml", "10-a.yaml", "10-secrets.yaml", "20-a.yaml"]
        );
        assert!(files["10-a.yaml"].starts_with("---\napiVersion: v1\nkind: Service\n"));
    }

    #[test]
    fn a_second_run_replaces_its_files_and_removes_obsolete_ones() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "dev", &files(&["00-a.yaml", "10-b.yaml"])).unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        write(folder.path(), "dev", &files(&["10-b.yaml", "20-c.yaml"])).unwrap();
        assert_eq!(
            names(folder.path()),
            [LIST, "10-b.yaml", "20-c.yaml", "notes.txt"]
        );
    }

    #[test]
    fn a_foreign_folder_is_rejected_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let error = write(folder.path(), "dev", &files(&["00-a.yaml"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert_eq!(names(folder.path()), ["notes.txt"]);
    }

    #[test]
    fn a_file_that_was_edited_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "dev", &files(&["00-a.yaml", "10-b.yaml"])).unwrap();
        fs::write(folder.path().join("10-b.yaml"), "edited").unwrap();
        let error = write(folder.path(), "dev", &files(&["00-a.yaml"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("was changed since"), "{error}");
        assert_eq!(
            fs::read_to_string(folder.path().join("10-b.yaml")).unwrap(),
            "edited"
        );
    }

    #[test]
    fn a_new_file_does_not_overwrite_an_unrelated_one() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "dev", &files(&["00-a.yaml"])).unwrap();
        fs::write(folder.path().join("10-b.yaml"), "mine").unwrap();
        let error = write(folder.path(), "dev", &files(&["00-a.yaml", "10-b.yaml"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("was not rendered by phoenix"), "{error}");
    }

    #[test]
    fn the_directory_of_another_stack_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "dev", &files(&["00-a.yaml"])).unwrap();
        let error = write(folder.path(), "prod", &files(&["00-a.yaml"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("contains the manifests of the stack dev"),
            "{error}"
        );
    }

    #[test]
    fn a_list_with_paths_outside_its_directory_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join(LIST),
            r#"{"stack": "dev", "files": {"../victim.yaml": ""}}"#,
        )
        .unwrap();
        let error = write(folder.path(), "dev", &files(&["00-a.yaml"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("outside its directory"), "{error}");
    }
}
