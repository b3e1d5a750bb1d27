//! The command `phoenix`. Everything it does is in the library, where tests reach it.

fn main() -> std::process::ExitCode {
    phoenix_cli::run(std::env::args_os())
}
