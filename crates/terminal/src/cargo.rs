//! Running cargo from a program that cargo itself may have started.

use std::process::Command;

/// Variables that `cargo run` sets for the program it runs. Build scripts watch them.
const OF_CARGO_RUN: [&str; 5] = [
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
];

/// Whether `cargo run` sets this variable to describe the package that it runs.
pub fn is_of_cargo_run(variable: &str) -> bool {
    OF_CARGO_RUN.iter().any(|prefix| variable.starts_with(prefix))
}

/// A cargo command without these variables. With them, packages would be rebuilt depending on how this program was started.
pub fn command() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}
