//! The binaries resolve to equal features of the packages they share, so that each package is compiled once.
//!
//! The first command builds the command, the first `pulumi up` the language host and the program, and a test builds the
//! whole workspace. Cargo resolves features for each of these builds separately, and compiles a package again for each set
//! of features, together with everything that depends on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::cargo_tree;

/// The separate builds, as arguments of `cargo tree`.
const BUILDS: [&[&str]; 6] = [
    &["--package", "phoenix-cli"],
    &["--package", "phoenix-live"],
    &["--package", "pulumi-language-rust"],
    &["--package", "phoenix-program"],
    &["--package", "phoenix-analyzer"],
    &["--workspace"],
];

/// The sets of features with which a build compiles each package.
type Variants = BTreeMap<String, BTreeSet<String>>;

#[test]
fn shared_packages_have_equal_features_in_every_build() {
    let mut for_target: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let mut for_host = for_target.clone();
    for build in BUILDS {
        // Without procedural macros and build scripts, the tree contains only what is compiled for the target.
        let target = variants(build, "normal,no-proc-macro");
        for (package, mut all) in variants(build, "normal,build") {
            for features in target.get(&package).into_iter().flatten() {
                all.remove(features);
                record(&mut for_target, &package, features, build);
            }
            // The rest is compiled for procedural macros and build scripts only.
            for features in &all {
                record(&mut for_host, &package, features, build);
            }
        }
    }
    for (kind, found) in [("target", for_target), ("host", for_host)] {
        let different: Vec<_> = found.iter().filter(|(_, variants)| variants.len() > 1).collect();
        assert!(
            different.is_empty(),
            "packages that are compiled several times for the {kind}; add the missing features to crates/features: \
             {different:#?}"
        );
    }
}

fn record(
    found: &mut BTreeMap<String, BTreeMap<String, Vec<String>>>,
    package: &str,
    features: &str,
    build: &[&str],
) {
    let variants = found.entry(package.to_owned()).or_default();
    variants
        .entry(features.to_owned())
        .or_default()
        .push(build.last().copied().unwrap_or_default().to_owned());
}

fn variants(build: &[&str], edges: &str) -> Variants {
    let text = cargo_tree(&[&["--format", "{p}|{f}", "--edges", edges], build].concat());
    let mut variants = Variants::new();
    for line in text.lines() {
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        // `name v1.2.3 (path or kind)|feature,feature (*)`
        let package: Vec<_> = package.split(' ').take(2).collect();
        let features = features.trim_end_matches(" (*)");
        variants
            .entry(package.join(" "))
            .or_default()
            .insert(features.to_owned());
    }
    assert!(variants.len() > 20, "cargo tree lists the packages of {build:?}");
    variants
}
