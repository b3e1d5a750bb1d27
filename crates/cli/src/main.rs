//! The command `phoenix`. Everything it does is in the library, where tests reach it.

use mimalloc::MiMalloc;
use phoenix_cli::live::Delegate;

/// Reading and evaluating manifests allocates many small values; with the system's allocator it takes a quarter longer.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let delegate = arguments.clone();
    phoenix_cli::run(arguments, |root| Box::new(Delegate::new(delegate, root)))
}
