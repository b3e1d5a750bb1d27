//! What each stack renders.

use std::collections::BTreeSet;

use phoenix::platform::SYSTEMS;

use crate::support::{STACKS, root, stack};

fn snapshot_folder(name: &str) -> std::path::PathBuf {
    root().join("tests/snapshots").join(name)
}

#[test]
fn every_stack_renders_as_its_snapshots_say() {
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
                panic!("{name} has no snapshots yet: run this with INSTA_UPDATE=always, and read them")
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

#[test]
fn rendering_twice_gives_the_same_bytes() {
    assert_eq!(stack("prod").graph.yaml(), stack("prod").graph.yaml());
}
