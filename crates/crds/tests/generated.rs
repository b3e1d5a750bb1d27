//! The generated modules are what the generator wrote.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

#[test]
fn the_generated_modules_were_not_edited() {
    let mut hash = Sha256::new();
    for module in [
        include_str!("../src/monitoring.rs"),
        include_str!("../src/networking.rs"),
        include_str!("../src/security.rs"),
        include_str!("../src/telemetry.rs"),
    ] {
        hash.update(module);
    }
    let hash = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
        text
    });
    let committed = include_str!("../src/generated.sha256").trim_end();
    assert_eq!(
        hash, committed,
        "run `cargo run -p phoenix-crds --example generate` instead of editing the modules"
    );
}
