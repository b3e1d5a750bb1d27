//! Compiles the protocol's description without `protoc`: protox reads it, tonic writes clients and servers.

/// Messages that carry configuration, inputs or an environment, and so may carry secrets in the clear.
/// Their `Debug` is written by hand in `src/proto.rs`: a logged request must not become a leak.
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files =
        ["analyzer", "engine", "language", "resource"].map(|name| format!("proto/pulumi/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let mut config = tonic_prost_build::Config::new();
    // Ordered maps: the same request is the same bytes, and the same text in a test.
    config.btree_map(["."]).skip_debug(CARRY_SECRETS);
    // Skipping reaches the messages inside, too, but these carry nothing secret.
    for inside in ["CustomTimeouts", "PropertyDependencies"] {
        config.type_attribute(
            format!(".pulumirpc.RegisterResourceRequest.{inside}"),
            "#[derive(Debug)]",
        );
    }
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
