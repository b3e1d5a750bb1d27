//! Files of the repository that are made from code are as the code makes them.
//!
//! `PHOENIX_WRITE_GENERATED=1 cargo test -p phoenix-testing --test it generated` regenerates them.

use phoenix::provider;
use phoenix_program::PULUMI_VERSIONS;

use crate::support::{STACKS, root, stack};

pub fn is_as_generated(path: &str, generated: &str) {
    let path = root().join(path);
    if std::env::var_os("PHOENIX_WRITE_GENERATED").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is out of date; regenerate it with PHOENIX_WRITE_GENERATED=1 cargo test -p phoenix-testing --test it generated",
        path.display()
    );
}

#[test]
fn the_schema_of_the_stack_files_is_as_generated() {
    is_as_generated("stacks/schema.json", &phoenix_cli::commands::schema::text());
}

#[test]
fn the_schema_of_the_mcp_configuration_is_as_generated() {
    let schema = serde_json::to_string_pretty(&phoenix::platform::mcp_schema()).unwrap();
    is_as_generated("docs/phoenix_mem0_mcp_config.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_page_of_the_command_is_as_generated() {
    is_as_generated("docs/cli.md", &phoenix_cli::docs::markdown());
}

#[test]
fn project_and_program_require_the_same_pulumi_versions() {
    let checkout = phoenix_cli::checkout::Checkout::find(Some(root())).unwrap();
    let asked = checkout.pulumi_version().unwrap();
    assert_eq!(PULUMI_VERSIONS, format!(">={asked}"));
}

#[test]
fn the_page_of_the_connections_is_as_generated() {
    // Production first: the others are described by their differences from it.
    let shipped = ["prod", "staging", "dev"];
    let others = STACKS.into_iter().filter(|name| !shipped.contains(name));
    let stacks: Vec<_> = shipped
        .into_iter()
        .chain(others)
        .map(|name| (name, stack(name).config))
        .collect();
    let stacks: Vec<_> = stacks.iter().map(|(name, config)| (*name, config)).collect();
    is_as_generated(
        "docs/connections.md",
        &phoenix_cli::docs::connections::markdown(&stacks),
    );
}

#[test]
fn the_catalogue_of_the_policies_is_as_generated() {
    is_as_generated("policies/README.md", &phoenix_cli::docs::policies::markdown());
}

#[test]
fn the_page_of_the_secrets_is_as_generated() {
    is_as_generated("docs/secrets.md", &phoenix_cli::docs::secrets::markdown());
}

#[test]
fn the_host_and_the_registrations_name_the_same_provider() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let program = metadata
        .packages
        .iter()
        .find(|package| package.name == "phoenix-program")
        .unwrap();
    assert_eq!(program.metadata["pulumi"]["packages"][0]["name"], "kubernetes");
    assert_eq!(
        program.metadata["pulumi"]["packages"][0]["version"],
        provider::VERSION
    );
}

#[test]
fn the_page_of_the_metrics_is_as_generated() {
    is_as_generated("docs/metrics.md", &phoenix_cli::docs::metrics::markdown());
}

#[test]
fn the_table_of_the_runbooks_is_as_generated() {
    let everything = phoenix_testing::alerts::with_everything(&stack("prod").config);
    let stacks = ["prod", "staging", "dev"].map(|name| (name, stack(name).graph));
    let mut stacks: Vec<_> = stacks.iter().map(|(name, graph)| (*name, graph)).collect();
    stacks.push((phoenix_cli::docs::alerts::OTHER_STACKS, &everything));
    is_as_generated(
        "docs/runbooks/README.md",
        &phoenix_cli::docs::alerts::markdown(&stacks),
    );
}
