//! Who may depend on whom: the table of ARCHITECTURE.md, held against the manifests and the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::support::root;

/// Package, which of ours it may depend on, and which crates it must not depend on, directly.
const TABLE: [(&str, &[&str], &[&str]); 11] = [
    (
        "phoenix-crds",
        &[],
        &["kube", "kube-core", "tokio", "clap", "anyhow"],
    ),
    (
        "phoenix-graph",
        &[],
        &["tokio", "tonic", "kube", "kube-core", "clap", "anyhow"],
    ),
    (
        "phoenix-esc",
        &[],
        &["k8s-openapi", "kube", "tonic", "clap", "anyhow"],
    ),
    ("phoenix-backup", &[], &["k8s-openapi", "kube", "tonic", "anyhow"]),
    ("pulumi-wire", &[], &["k8s-openapi", "kube", "kube-core", "clap"]),
    (
        "phoenix",
        &["phoenix-crds", "phoenix-esc", "phoenix-graph", "pulumi-wire"],
        &["clap", "kube", "tonic", "reqwest"],
    ),
    (
        "pulumi-language-rust",
        &["pulumi-wire"],
        &["k8s-openapi", "kube", "kube-core", "phoenix-crds"],
    ),
    (
        "phoenix-policies",
        &["phoenix-graph", "pulumi-wire"],
        &["tonic", "kube", "clap", "anyhow"],
    ),
    (
        "phoenix-cli",
        &["phoenix", "phoenix-graph", "phoenix-policies"],
        &["tonic"],
    ),
    ("phoenix-testing", &["phoenix", "phoenix-cli", "phoenix-crds", "phoenix-graph"], &["kube", "tonic", "reqwest"]),
    ("phoenix-policies-fuzz", &["phoenix-cli", "phoenix-policies"], &[]),
];

/// Crates that only these files of a package may name.
const ONLY_IN: [(&str, &str, &[&str]); 7] = [
    ("src", "pulumi_wire", &["main.rs", "registration.rs"]),
    ("src", "phoenix_esc", &["esc.rs"]),
    ("src", "tokio", &["main.rs"]),
    ("src", "saphyr", &["kubeconfig.rs"]),
    ("src", "kubeconfig::problem", &["main.rs"]),
    (
        "policies/src",
        "pulumi_wire",
        &["analyzer.rs", "main.rs", "resource.rs"],
    ),
    ("policies/src", "tokio", &["main.rs"]),
];

/// Files beside the pure ones that may touch the world. They say so at their top.
const EDGES_AMONG_THE_PURE: [&str; 3] = ["policies/src/main.rs", "src/esc.rs", "src/kubeconfig.rs"];

#[test]
fn every_package_depends_only_on_what_the_table_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let edges: BTreeMap<String, BTreeSet<String>> = metadata
        .packages
        .iter()
        .map(|package| {
            let dependencies = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal);
            (
                package.name.to_string(),
                dependencies.map(|dependency| dependency.name.clone()).collect(),
            )
        })
        .collect();
    let listed: BTreeSet<_> = TABLE.iter().map(|(package, ..)| (*package).to_owned()).collect();
    assert_eq!(
        listed,
        edges.keys().cloned().collect(),
        "the table lists every package"
    );
    for (package, allowed, forbidden) in TABLE {
        let ours: BTreeSet<_> = edges[package]
            .iter()
            .filter(|name| edges.contains_key(*name))
            .map(String::as_str)
            .collect();
        let allowed: BTreeSet<_> = allowed.iter().copied().collect();
        assert_eq!(ours, allowed, "edges of {package} to our own packages");
        for name in forbidden {
            assert!(
                !edges[package].contains(*name),
                "{package} must not depend on {name}"
            );
        }
    }
}

#[test]
fn the_edges_of_the_program_stay_in_their_files() {
    for (folder, name, files) in ONLY_IN {
        let mut found = BTreeSet::new();
        for (path, text) in sources(&root().join(folder)) {
            if text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && mentions(line, name))
            {
                found.insert(path);
            }
        }
        let allowed: BTreeSet<_> = files.iter().map(|file| (*file).to_owned()).collect();
        assert_eq!(found, allowed, "files of {folder} that name {name}");
    }
}

#[test]
fn the_evaluator_shares_nothing_with_what_it_judges_but_the_table() {
    // What made the policies must not also say what they mean. Names are what the table's rows are made of.
    for (file, text) in sources(&root().join("tests/it/evaluator")) {
        for line in text.lines().map(str::trim) {
            let own = line.starts_with("use phoenix::connections") || line.starts_with("use phoenix::names");
            let shared = ["phoenix", "phoenix_graph", "phoenix_cli"];
            let foreign = shared.iter().any(|name| line.contains(&format!("{name}::")));
            let aside = line.starts_with("use crate::") && !line.starts_with("use crate::evaluator::");
            assert!(own || !(foreign || aside), "{file}: {line}");
        }
    }
}

#[test]
fn packages_that_touch_the_world_say_so_at_their_top() {
    let edges = [
        "crates/cli/src/lib.rs",
        "crates/esc/src/lib.rs",
        "crates/pulumi/src/lib.rs",
        "crates/pulumi-language-rust/src/main.rs",
        "src/main.rs",
        "src/esc.rs",
        "src/kubeconfig.rs",
        "policies/src/main.rs",
    ];
    for path in edges {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        assert!(
            text.contains("is an edge"),
            "{path} says at its top that it is an edge"
        );
    }
    for path in ["src", "crates/graph/src", "policies/src"] {
        for (file, text) in sources(&root().join(path)) {
            assert!(
                !text.contains("disallowed_")
                    || EDGES_AMONG_THE_PURE.contains(&format!("{path}/{file}").as_str()),
                "{path}/{file} is pure and excuses itself from nothing"
            );
        }
    }
}

fn mentions(line: &str, name: &str) -> bool {
    let boundary = |character: Option<char>| {
        character.is_none_or(|character| !character.is_alphanumeric() && character != '_' && character != '-')
    };
    line.match_indices(name).any(|(start, _)| {
        boundary(line[..start].chars().next_back()) && boundary(line[start + name.len()..].chars().next())
    })
}

/// All sources below a folder: their paths within it, and their texts.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{} has no sources", folder.display());
    found
}
