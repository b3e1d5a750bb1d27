//! The generated modules are what the generator wrote.

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
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let committed = include_str!("../src/generated.sha256").trim_end();
    assert_eq!(
        hash, committed,
        "run `cargo run -p phoenix-crds --example generate` instead of editing the modules"
    );
}
