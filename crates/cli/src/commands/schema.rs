//! `phoenix schema`: prints the JSON schema of stack files, or of an output format.

use std::path::PathBuf;

use anyhow::Result;
use phoenix::config::{NAMESPACE, schema};

use crate::formats::{self, FORMATS};
use phoenix_terminal::atomic;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output;

/// Print the JSON schema of stack files, or of a JSON output format.
///
/// The schema is generated from the types that parse the file. It is committed as stacks/schema.json, and the first line
/// of each stack file refers to it, so that editors complete and check keys.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix schema -o stacks/schema.json\n  cargo phoenix schema --of preview"
)]
pub struct Arguments {
    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the schema of this output format instead. docs/json.md describes the formats.
    #[arg(long, value_name = "FORMAT", value_parser = FORMATS.map(|(name, _)| name))]
    of: Option<String>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<Exit> {
    let schema = match arguments.of.as_deref().and_then(formats::schema) {
        Some(schema) => schema.to_owned(),
        None => text(),
    };
    match &arguments.output {
        Some(file) => atomic::replace(file, schema.as_bytes())?,
        None => output::data(&schema)?,
    }
    Ok(Exit::Clean)
}

/// The content of `stacks/schema.json`: the keys of the platform, with the policy settings.
pub fn text() -> String {
    let mut schema = schema::stack_file_schema();
    // The platform does not interpret this key; its schema comes from the policies.
    schema["properties"]["config"]["properties"][format!("{NAMESPACE}:policies")] =
        phoenix_policies::schema::schema();
    format!("{schema:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_accepts_the_usual_notation_of_keys() {
        let schema: serde_json::Value = serde_json::from_str(&text()).unwrap();
        assert!(
            schema["properties"]["config"]["properties"]
                .get("phoenix:qdrant")
                .is_some()
        );
        let policies = &schema["properties"]["config"]["properties"]["phoenix:policies"];
        assert!(
            policies["properties"]["rules"]["properties"]
                .get("no-host-ports")
                .is_some()
        );
    }
}
