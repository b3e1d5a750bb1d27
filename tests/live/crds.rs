//! The generated types of `phoenix-crds`, against the pinned `CustomResourceDefinitions`.

use std::process::Command;

use crate::live::{root, said};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_generated_types_match_the_pinned_definitions() {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "run",
            "--quiet",
            "--locked",
            "-p",
            "phoenix-crds",
            "--example",
            "generate",
            "--",
            "--check",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
