//! `phoenix snapshots`: writes what the stacks render to the committed snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use phoenix::platform;
use phoenix_terminal::atomic;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message};

use crate::base::{SNAPSHOTS, content_of_snapshot};
use crate::checkout::Checkout;
use crate::stack::Stack;

/// Update the committed snapshots of the rendered stacks.
///
/// The snapshots in tests/snapshots are the base of `phoenix diff` and `phoenix preview`, and the tests compare each stack with
/// them. Files that are up to date are not touched. Files of systems and stacks that no longer exist are removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo phoenix snapshots\n  cargo phoenix snapshots dev --check")]
pub struct Arguments {
    /// The stacks. Default: all.
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Write nothing, and exit with 2 if a snapshot is out of date.
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let names = if arguments.stacks.is_empty() {
        checkout.stacks()?
    } else {
        arguments.stacks.clone()
    };
    let root = checkout.root().join(SNAPSHOTS);
    let mut changed = Vec::new();
    for stack in Stack::load_all(checkout, &names)? {
        let folder = root.join(&stack.name);
        let mut written = BTreeSet::new();
        for system in platform::SYSTEMS {
            let file = folder.join(format!("{system}.yaml.snap"));
            let yaml = stack.graph.component(system).yaml();
            let before = fs::read_to_string(&file).unwrap_or_default();
            let content = content_of_snapshot(&before);
            if before.is_empty() || content.trim_end() != yaml.trim_end() {
                let header = before.strip_suffix(content).filter(|header| !header.is_empty());
                changed.push((file.clone(), Some(format!("{}{yaml}", header.unwrap_or(HEADER)))));
            }
            written.insert(file);
        }
        changed.extend(
            snapshots_in(&folder)
                .difference(&written)
                .map(|file| (file.clone(), None)),
        );
    }
    if arguments.stacks.is_empty() {
        for folder in folders_in(&root) {
            let stack = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !names.contains(&stack) {
                changed.extend(snapshots_in(&folder).into_iter().map(|file| (file, None)));
            }
        }
    }
    for (file, content) in &changed {
        let word = if content.is_some() { "update" } else { "remove" };
        output::print(&format!("{word} {}\n", checkout.shown(file)))?;
    }
    if arguments.check {
        message(&match changed.len() {
            0 => "all snapshots are up to date".to_owned(),
            out_of_date => format!(
                "{} out of date\nhint: run `cargo phoenix snapshots`, and review the difference",
                count(out_of_date, "snapshot")
            ),
        });
        return Ok(if changed.is_empty() {
            Exit::Clean
        } else {
            Exit::Changed
        });
    }
    apply(
        &changed
            .iter()
            .map(|(file, content)| (file.as_path(), content.as_deref()))
            .collect(),
    )?;
    message(&format!("{} changed", count(changed.len(), "snapshot")));
    Ok(Exit::Clean)
}

/// The header of a new snapshot, as the tests write it.
const HEADER: &str = "---\nsource: crates/testing/../../tests/it/stacks.rs\n---\n";

/// Writes files, and removes those without content and the directories that become empty.
fn apply(files: &BTreeMap<&Path, Option<&str>>) -> Result<()> {
    for (file, content) in files {
        let folder = file.parent().unwrap_or(Path::new("."));
        if let Some(content) = content {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            atomic::replace(file, content.as_bytes())?;
        } else {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
            // Fails, as intended, while the directory contains other files.
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(())
}

fn snapshots_in(folder: &Path) -> BTreeSet<PathBuf> {
    entries(folder)
        .filter(|path| path.to_string_lossy().ends_with(".yaml.snap"))
        .collect()
}

fn folders_in(root: &Path) -> BTreeSet<PathBuf> {
    entries(root)
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}
