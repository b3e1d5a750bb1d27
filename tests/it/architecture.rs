//! Allowed dependencies: the table of ARCHITECTURE.md, checked against the manifests, the resolved trees and the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::lexer;
use crate::support::{cargo_tree, root};

mod imports;

/// A package, its dependencies on our own packages, and the crates that a build of it must not compile.
///
/// The first ones build a graph or evaluate one, the next ones are the command, then come Pulumi's side, the services, and
/// what is used in development only. `phoenix-testing` knows the platform behind a feature; without it, it does not.
pub const TABLE: [(&str, &[&str], &[&str]); 28] = [
    ("phoenix-style", &[], &["tokio", "serde", "anyhow"]),
    ("phoenix-suggest", &[], &["tokio", "serde"]),
    (
        "phoenix-graph",
        &[],
        &[
            "tokio",
            "tonic",
            "kube",
            "kube-client",
            "kube-core",
            "reqwest",
            "clap",
            "anyhow",
        ],
    ),
    (
        "phoenix-crds",
        &[],
        &["tokio", "kube", "kube-client", "kube-core", "clap", "anyhow"],
    ),
    (
        "phoenix",
        &["phoenix-crds", "phoenix-graph", "phoenix-suggest"],
        &[
            "tokio",
            "tonic",
            "kube",
            "kube-client",
            "kube-core",
            "reqwest",
            "hyper",
            "saphyr",
            "clap",
            "anyhow",
        ],
    ),
    (
        "phoenix-policies",
        &["phoenix-graph", "phoenix-suggest"],
        &[
            "tokio",
            "tonic",
            "kube",
            "kube-client",
            "reqwest",
            "hyper",
            "clap",
            "anyhow",
            "phoenix",
        ],
    ),
    (
        "phoenix-manifests",
        &["phoenix-graph"],
        &[
            "tokio",
            "kube",
            "kube-client",
            "reqwest",
            "hyper",
            "clap",
            "anyhow",
        ],
    ),
    (
        "phoenix-report",
        &[
            "phoenix-graph",
            "phoenix-manifests",
            "phoenix-policies",
            "phoenix-style",
        ],
        &[
            "tokio",
            "kube",
            "kube-client",
            "reqwest",
            "hyper",
            "clap",
            "anyhow",
            "tempfile",
        ],
    ),
    (
        "phoenix-terminal",
        &["phoenix-style"],
        &["tokio", "kube", "reqwest", "hyper", "clap"],
    ),
    (
        "phoenix-cli",
        &[
            "phoenix",
            "phoenix-features",
            "phoenix-forge",
            "phoenix-git",
            "phoenix-graph",
            "phoenix-manifests",
            "phoenix-policies",
            "phoenix-report",
            "phoenix-suggest",
            "phoenix-terminal",
        ],
        &["tokio", "tonic", "kube", "kube-client", "reqwest", "hyper"],
    ),
    (
        "phoenix-cluster",
        &[
            "phoenix",
            "phoenix-graph",
            "phoenix-manifests",
            "phoenix-policies",
            "phoenix-suggest",
            "phoenix-terminal",
        ],
        &["tonic", "clap"],
    ),
    (
        "phoenix-sandbox",
        &[
            "phoenix",
            "phoenix-cluster",
            "phoenix-graph",
            "phoenix-manifests",
            "phoenix-terminal",
        ],
        &["tonic", "clap"],
    ),
    (
        "phoenix-live",
        &[
            "phoenix",
            "phoenix-cli",
            "phoenix-cluster",
            "phoenix-features",
            "phoenix-features-http",
            "phoenix-features-network",
            "phoenix-forge",
            "phoenix-graph",
            "phoenix-http",
            "phoenix-policies",
            "phoenix-program",
            "phoenix-report",
            "phoenix-sandbox",
            "phoenix-terminal",
        ],
        &[],
    ),
    (
        "pulumi-wire",
        &[],
        &["k8s-openapi", "kube", "kube-core", "reqwest", "clap"],
    ),
    (
        "pulumi-language-rust",
        &[
            "phoenix-features",
            "phoenix-features-network",
            "phoenix-terminal",
            "pulumi-wire",
        ],
        &[
            "k8s-openapi",
            "kube",
            "kube-core",
            "phoenix",
            "phoenix-graph",
            "phoenix-crds",
        ],
    ),
    (
        "phoenix-forge",
        &["phoenix-report", "phoenix-terminal"],
        &["tokio", "kube", "reqwest", "hyper"],
    ),
    (
        "phoenix-git",
        &["phoenix-terminal"],
        &["tokio", "kube", "reqwest", "hyper", "clap"],
    ),
    (
        "phoenix-http",
        &[],
        &["k8s-openapi", "kube", "tonic", "clap", "anyhow"],
    ),
    (
        "phoenix-esc",
        &["phoenix-http"],
        &["k8s-openapi", "kube", "tonic", "clap", "anyhow"],
    ),
    (
        "phoenix-program",
        &[
            "phoenix",
            "phoenix-esc",
            "phoenix-features",
            "phoenix-features-http",
            "phoenix-features-network",
            "phoenix-graph",
            "pulumi-wire",
        ],
        &["kube", "kube-client", "kube-core", "clap"],
    ),
    (
        "phoenix-features",
        &[],
        &["tokio", "tonic", "kube", "kube-core", "reqwest", "clap"],
    ),
    (
        "phoenix-features-http",
        &[],
        &["tonic", "kube", "kube-core", "clap"],
    ),
    (
        "phoenix-features-network",
        &[],
        &["tonic", "kube", "kube-core", "reqwest", "clap"],
    ),
    (
        "phoenix-analyzer",
        &[
            "phoenix-features",
            "phoenix-features-network",
            "phoenix-graph",
            "phoenix-manifests",
            "phoenix-policies",
            "pulumi-wire",
        ],
        &["kube", "kube-client", "reqwest", "clap", "phoenix"],
    ),
    (
        "phoenix-backup",
        &[],
        &["k8s-openapi", "kube", "tonic", "anyhow", "phoenix"],
    ),
    (
        "phoenix-testing",
        &["phoenix", "phoenix-crds", "phoenix-graph", "phoenix-manifests"],
        &["tonic", "kube", "kube-client", "reqwest", "phoenix"],
    ),
    (
        "phoenix-policies-fuzz",
        &["phoenix-manifests", "phoenix-policies", "phoenix-report"],
        &["tokio", "kube"],
    ),
    (
        "phoenix-benchmarks",
        &[
            "phoenix",
            "phoenix-cli",
            "phoenix-graph",
            "phoenix-manifests",
            "phoenix-sandbox",
            "phoenix-terminal",
        ],
        &[],
    ),
];

/// Packages that may have more than ten thousand lines: the platform and its rules, which are mostly tables.
const LARGE: [&str; 2] = ["phoenix", "phoenix-policies"];

/// Crates that only these files of a package may name.
const ONLY_IN: [(&str, &str, &[&str]); 5] = [
    ("crates/program/src", "pulumi_wire", &["lower.rs", "run.rs"]),
    ("crates/program/src", "phoenix_esc", &["esc.rs"]),
    ("crates/program/src", "saphyr", &["kubeconfig.rs"]),
    ("crates/program/src", "kubeconfig::problem", &["run.rs"]),
    ("policies/analyzer/src", "tokio", &["main.rs"]),
];

/// Packages whose results depend on their arguments only.
const PURE: [&str; 8] = [
    "phoenix",
    "phoenix-crds",
    "phoenix-graph",
    "phoenix-manifests",
    "phoenix-policies",
    "phoenix-report",
    "phoenix-style",
    "phoenix-suggest",
];

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
                .filter(|dependency| dependency.kind != DependencyKind::Development);
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
    for (package, allowed, _) in TABLE {
        let ours: BTreeSet<_> = edges[package]
            .iter()
            .filter(|name| edges.contains_key(*name))
            .map(String::as_str)
            .collect();
        let allowed: BTreeSet<_> = allowed.iter().copied().collect();
        assert_eq!(ours, allowed, "dependencies of {package} on our own packages");
    }
}

/// Rules about packages hold for everything that is compiled with them, not only for the lines of their manifest.
#[test]
fn no_package_compiles_what_the_table_forbids() {
    for (package, _, forbidden) in TABLE {
        let compiled = compiled_with(package);
        assert!(compiled.contains(package), "cargo tree lists {package} itself");
        let found: Vec<_> = forbidden
            .iter()
            .filter(|name| compiled.contains(**name))
            .collect();
        assert!(
            found.is_empty(),
            "{package} compiles {found:?}; `cargo tree -p {package} -i <name>` shows why"
        );
    }
}

/// The first command of a newcomer compiles the command from nothing.
#[test]
fn the_command_compiles_at_most_120_packages() {
    // Two versions of a package are compiled separately.
    let compiled: BTreeSet<_> = compiled("phoenix-cli").into_iter().collect();
    assert!(compiled.len() <= 120, "{} packages", compiled.len());
}

/// The names of all packages that a build of this package alone compiles.
fn compiled_with(package: &str) -> BTreeSet<String> {
    let names = compiled(package).into_iter().map(|(name, _)| name);
    names.collect()
}

/// The name and version of each package that a build of this package alone compiles.
fn compiled(package: &str) -> Vec<(String, String)> {
    let tree = cargo_tree(&["--format", "{p}", "--edges", "normal,build", "--package", package]);
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

#[test]
fn no_modules_import_each_other() {
    for (_, folder) in packages() {
        let found = imports::cycles(&sources(&folder));
        let name = folder.strip_prefix(root()).unwrap().display().to_string();
        assert!(found.is_empty(), "modules of {name} import each other: {found:?}");
    }
}

#[test]
fn only_the_two_large_packages_have_more_than_ten_thousand_lines() {
    for (package, folder) in packages() {
        let lines: usize = sources(&folder)
            .iter()
            .map(|(_, text)| text.lines().count())
            .sum();
        let is_large = lines > 10_000;
        assert!(
            !is_large || LARGE.contains(&&*package),
            "{package} has {lines} lines; split it"
        );
    }
}

/// Every package with the folder of its sources.
fn packages() -> Vec<(String, PathBuf)> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let mut packages: Vec<_> = metadata
        .packages
        .iter()
        .map(|package| {
            (
                package.name.to_string(),
                package.manifest_path.with_file_name("src").into_std_path_buf(),
            )
        })
        .filter(|(_, folder)| folder.exists())
        .collect();
    packages.sort();
    assert!(packages.len() > 8, "{} packages", packages.len());
    packages
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
fn the_evaluator_shares_only_the_table_with_the_evaluated_code() {
    // What made the policies must not also say what they mean. Names are what the table's rows are made of.
    for (file, text) in sources(&root().join("crates/testing/src/evaluator")) {
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
fn pure_packages_have_no_side_effects_and_other_modules_document_theirs() {
    // `clippy.toml` bans clocks, files and the environment; a module that needs them allows the lint, with a reason.
    let mut with_side_effects = 0;
    for (package, folder) in packages() {
        for (file, text) in sources(&folder) {
            if !lexer::code(&text).contains("clippy::disallowed_") {
                continue;
            }
            with_side_effects += 1;
            assert!(
                !PURE.contains(&&*package),
                "{package}: {file} has side effects, but the package is pure"
            );
            assert!(
                text.contains("is an edge"),
                "{package}: {file} has side effects, but does not say that it is an edge"
            );
        }
    }
    assert!(
        with_side_effects > 3,
        "only {with_side_effects} modules have side effects"
    );
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
