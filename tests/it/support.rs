//! The repository and its stacks, as the tests need them.

use std::collections::BTreeMap;
use std::path::Path;

use phoenix_cli::checkout::Checkout;
use phoenix_cli::stack::Stack;
use serde_json::Value;

/// The stacks that are shipped.
pub const STACKS: [&str; 3] = ["dev", "staging", "prod"];

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .expect("crates/cli lies two folders below the root")
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
