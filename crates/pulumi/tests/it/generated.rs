//! `src/proto/pulumirpc.rs` is what the protobuf descriptions in `proto/` generate.
//!
//! Write it with `PHOENIX_WRITE_GENERATED=1 cargo test -p pulumi-wire --test it generated`.

use std::fs;
use std::path::Path;

/// Messages that contain configuration, inputs or an environment, and can therefore contain secrets in the clear.
/// Their `Debug` is implemented in `src/proto.rs` and omits the values, so that a logged request is not a leak.
const CARRY_SECRETS: &[&str] = &[
    ".pulumirpc.AnalyzeRequest",
    ".pulumirpc.AnalyzeStackRequest",
    ".pulumirpc.AnalyzerProviderResource",
    ".pulumirpc.AnalyzerResource",
    ".pulumirpc.AnalyzerStackConfigureRequest",
    ".pulumirpc.DeploymentInfo",
    ".pulumirpc.RegisterResourceOutputsRequest",
    ".pulumirpc.RegisterResourceRequest",
    ".pulumirpc.RegisterResourceResponse",
    ".pulumirpc.ReadResourceRequest",
    ".pulumirpc.ReadResourceResponse",
    ".pulumirpc.Remediation",
    ".pulumirpc.RunPluginRequest",
    ".pulumirpc.RunRequest",
];

#[test]
fn the_committed_types_are_generated_from_the_descriptions() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = package.join("src/proto/pulumirpc.rs");
    let generated = generate(&package.join("proto"));
    if std::env::var_os("PHOENIX_WRITE_GENERATED").is_some_and(|value| value == "1") {
        fs::write(&committed, &generated).unwrap();
    }
    let current = fs::read_to_string(&committed).unwrap();
    assert!(
        current == generated,
        "{} is out of date; run `PHOENIX_WRITE_GENERATED=1 cargo test -p pulumi-wire --test it generated`",
        committed.display()
    );
}

fn generate(descriptions: &Path) -> String {
    let files = ["analyzer", "engine", "language", "resource"].map(|name| format!("pulumi/{name}.proto"));
    let descriptors = protox::compile(files, [descriptions]).unwrap();
    let mut config = tonic_prost_build::Config::new();
    // Ordered maps: equal requests are equal bytes, and equal text in a test.
    config.btree_map(["."]).skip_debug(CARRY_SECRETS);
    // `skip_debug` includes nested messages, but these contain no secrets.
    for nested in ["CustomTimeouts", "PropertyDependencies"] {
        config.type_attribute(
            format!(".pulumirpc.RegisterResourceRequest.{nested}"),
            "#[derive(Debug)]",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .out_dir(folder.path())
        .compile_fds_with_config(descriptors, config)
        .unwrap();
    fs::read_to_string(folder.path().join("pulumirpc.rs")).unwrap()
}
