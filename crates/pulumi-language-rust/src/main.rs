//! A Pulumi language host for programs written in Rust.
//!
//! The engine starts the host, reads a port from its stdout, and calls it: which packages does the program require, run
//! the program, cancel it. The host builds the program with cargo when its sources have changed. It does not depend on
//! what the program deploys.
//!
//! - [`host`]: the service that the engine calls
//! - [`program`], [`options`], [`manifest`]: the program, the options of its project, and its Cargo manifest
//! - [`build`], [`fingerprint`]: builds, and the detection of changes since the last build
//! - [`run`], [`environment`], [`process`]: running a program with a minimal environment, and terminating it
//! - [`about`]: the compiler and the crates, for `pulumi about`
#![expect(
    clippy::disallowed_methods,
    reason = "a language host is an edge: it reads manifests and its environment, and stores fingerprints of builds"
)]

mod about;
mod build;
mod environment;
mod fingerprint;
mod host;
mod manifest;
mod options;
mod process;
mod program;
mod run;

use crate::host::Host;
use crate::process::Supervisor;
use pulumi_wire::proto::language_runtime_server::LanguageRuntimeServer;
use pulumi_wire::serve::{Stop, serve};
use std::error::Error;
use std::ffi::OsString;
use std::process::exit;
use std::time::Duration;

/// The time that running children have to exit after the server has stopped.
const EXIT_GRACE: Duration = Duration::from_secs(1);

fn main() {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == process::BECOME).is_some() {
        eprintln!("{}", process::become_program(arguments));
        // The exit code of a shell if a program cannot be executed.
        exit(126);
    }
    // One thread: children are tied to the lifetime of the thread that starts them, and this one runs until the host exits.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => fail(&error),
    };
    let served = runtime.block_on(serve_engine(engine_address(arguments)));
    match served {
        // Does not wait for tasks that are still running.
        Ok(()) => exit(0),
        Err(error) => fail(&error),
    }
}

async fn serve_engine(engine: String) -> Result<(), pulumi_wire::serve::ServeError> {
    let stop = Stop::new();
    let supervisor = Supervisor::new(stop.clone());
    let host = Host::new(engine, supervisor.clone(), stop.clone());
    serve(LanguageRuntimeServer::new(host), stop.clone()).await?;
    // Also if the server stops by itself.
    stop.request();
    let _ = tokio::time::timeout(EXIT_GRACE, supervisor.idle()).await;
    Ok(())
}

/// The engine's address: the last argument. The flags before it are for other hosts or later engines.
fn engine_address(arguments: impl Iterator<Item = OsString>) -> String {
    let words = arguments.filter_map(|word| word.into_string().ok());
    words
        .filter(|word| !word.starts_with('-'))
        .last()
        .unwrap_or_default()
}

fn fail(error: &dyn Error) -> ! {
    eprintln!("pulumi-language-rust: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_last_argument_and_unknown_flags_are_ignored() {
        let address = |words: &[&str]| engine_address(words.iter().map(OsString::from));
        assert_eq!(address(&["127.0.0.1:1"]), "127.0.0.1:1");
        assert_eq!(
            address(&[
                "--logtostderr",
                "-v=9",
                "--tracing",
                "http://a",
                "--new=1",
                "127.0.0.1:2"
            ]),
            "127.0.0.1:2"
        );
        assert_eq!(address(&[]), "");
    }
}
