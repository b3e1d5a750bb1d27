//! What each stack renders.

use std::collections::BTreeSet;
use std::process::Command;

use phoenix::platform::SYSTEMS;
use sha2::{Digest as _, Sha256};

use crate::support::{STACKS, root, stack};

fn snapshot_folder(name: &str) -> std::path::PathBuf {
    root().join("tests/snapshots").join(name)
}

#[test]
fn every_stack_matches_its_snapshots() {
    for name in STACKS {
        let stack = stack(name);
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(snapshot_folder(name));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            for system in SYSTEMS {
                insta::assert_snapshot!(format!("{system}.yaml"), stack.graph.component(system).yaml());
            }
        });
    }
}

#[test]
fn every_snapshot_belongs_to_a_system() {
    // A snapshot that nobody makes any more would still be read as the base of a comparison.
    for name in STACKS {
        let files: BTreeSet<_> = std::fs::read_dir(snapshot_folder(name))
            .unwrap_or_else(|_| {
                panic!("{name} has no snapshots yet: run `cargo phoenix snapshots {name}`, and review them")
            })
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|file| !file.contains(".snap.new"))
            .collect();
        let systems: BTreeSet<_> = SYSTEMS
            .iter()
            .map(|system| format!("{system}.yaml.snap"))
            .collect();
        assert_eq!(files, systems, "snapshots of {name}");
    }
}

#[test]
fn the_systems_declare_everything_that_a_stack_has() {
    for name in STACKS {
        let stack = stack(name);
        let declared: usize = SYSTEMS
            .iter()
            .map(|system| stack.graph.component(system).len())
            .sum();
        assert_eq!(declared, stack.graph.len());
    }
}

/// Processes differ in what a pure function must not depend on: hash seeds, addresses, environment, working directory.
#[test]
fn every_process_renders_the_same_bytes() {
    let own = digests();
    let elsewhere = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stacks::print_digests", "--ignored", "--nocapture"])
        .current_dir(elsewhere.path())
        .env_clear()
        .envs([
            ("TZ", "Pacific/Auckland"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("HOME", "/nonexistent"),
        ])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let theirs: Vec<_> = printed
        .lines()
        .filter_map(|line| line.strip_prefix(DIGEST))
        .collect();
    assert_eq!(theirs, own);
}

const DIGEST: &str = "digest of ";

#[test]
#[ignore = "every_process_renders_the_same_bytes runs it in a process of its own"]
fn print_digests() {
    println!();
    for digest in digests() {
        println!("{DIGEST}{digest}");
    }
}

/// The name of each stack with the SHA-256 of its YAML.
fn digests() -> Vec<String> {
    let digest = |name: &str| {
        let bytes = Sha256::digest(stack(name).graph.yaml());
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name}: {}", digits.concat())
    };
    STACKS.into_iter().map(digest).collect()
}
