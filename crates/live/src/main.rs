//! The program `phoenix-live`, which `phoenix` runs.

use mimalloc::MiMalloc;

/// The allocator of `phoenix`, for the same reason.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    phoenix_live::run(std::env::args_os())
}
