//! The command `phoenix`. Everything it does is in the library, where tests reach it.

use mimalloc::MiMalloc;

/// Reading manifests and judging them makes and drops many small values: with the system's allocator it takes a quarter
/// longer.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    phoenix_cli::run(std::env::args_os())
}
