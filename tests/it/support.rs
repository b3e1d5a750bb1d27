//! Access to the repository and its stacks.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use phoenix_cli::checkout::Checkout;
use phoenix_cli::stack::Stack;
use serde_json::Value;

/// Every stack that has a file, so that a new one is tested like the others.
#[derive(Clone, Copy)]
pub struct Stacks;

/// Every stack that has a file.
pub const STACKS: Stacks = Stacks;

impl IntoIterator for Stacks {
    type Item = &'static str;
    type IntoIter = std::iter::Copied<std::slice::Iter<'static, &'static str>>;

    fn into_iter(self) -> Self::IntoIter {
        static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
            let checkout = Checkout::find(Some(root())).expect("the tests run in the repository");
            let names = checkout.stacks().expect("the repository has stack files");
            names.into_iter().map(|name| &*name.leak()).collect()
        });
        assert!(NAMES.len() >= 3, "the shipped stacks are gone");
        NAMES.iter().copied()
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .expect("crates/testing is two folders below the root")
}

/// What `cargo tree` prints with these arguments, a line for each package: the resolved tree, without network access.
pub fn cargo_tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(
        output.status.success(),
        "cargo tree {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("package names are UTF-8")
}

/// One of the shipped stacks.
pub fn stack(name: &str) -> Stack {
    let checkout = Checkout::find(Some(root())).expect("the tests run in the repository");
    Stack::load(&checkout, name).expect("the shipped stacks are valid")
}

/// The keys of one of the shipped stacks, to be changed.
pub fn keys(name: &str) -> BTreeMap<String, Value> {
    stack(name).file.keys
}
