//! `phoenix-backup`, the program inside the Jobs of the system `backup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    phoenix_backup::command::main()
}
