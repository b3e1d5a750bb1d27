//! The binary that Pulumi's language host runs.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    phoenix_program::run().await
}
