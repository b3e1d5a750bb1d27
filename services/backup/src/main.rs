//! `phoenix-backup`, the program that the Jobs of the system `backup` run.

use std::process::ExitCode;

fn main() -> ExitCode {
    phoenix_backup::command::main()
}
