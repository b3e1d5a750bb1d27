//! `phoenix schema`: the JSON schema of a stack file, from which editors complete and check.

use std::path::PathBuf;

use anyhow::Result;
use phoenix::config::{NAMESPACE, schema};

use phoenix_terminal::atomic;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output;

/// Print the JSON schema of a stack file.
///
/// The schema is made from the types that read the file, so the two cannot disagree. It is committed as
/// stacks/schema.json, and the first line of each stack file points editors to it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cargo phoenix schema -o stacks/schema.json")]
pub struct Arguments {
    /// Write it into this file instead of to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<Exit> {
    match &arguments.output {
        Some(file) => atomic::replace(file, text().as_bytes())?,
        None => output::data(&text())?,
    }
    Ok(Exit::Clean)
}

/// The schema as it is committed in `stacks/schema.json`: the platform's keys, and within them those of the policies.
pub fn text() -> String {
    let mut schema = schema::stack_file_schema();
    // The platform passes this key through unread; what may stand in it, the policies know.
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
