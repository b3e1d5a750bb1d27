//! A Pulumi language host for programs written in Rust.
//!
//! The engine starts it, reads a port from its stdout, and then asks: what does the program need, run it, stop it. The
//! host builds the program once, and afterwards gets out of the way. It knows nothing of what a
//! program deploys.
//!
//! - [`host`]: what the engine asks, and who answers it
//! - [`program`], [`options`], [`manifest`]: which program, and what its project and its manifest say of it
//! - [`building`], [`stamp`]: built once, and again only when something has changed
//! - [`running`], [`environment`], [`process`]: run with little in its environment, and ended in time
//! - [`about`]: the compiler and the crates, for `pulumi about`
//! - [`mistake`]: errors with a way out
#![expect(
    clippy::disallowed_methods,
    reason = "a language host is an edge: it reads manifests and its environment, and remembers builds in files"
)]

mod about;
mod building;
mod environment;
mod host;
mod manifest;
mod mistake;
mod options;
mod process;
mod program;
mod running;
mod stamp;

use crate::host::Host;
use crate::process::Supervisor;
use pulumi_wire::proto::language_runtime_server::LanguageRuntimeServer;
use pulumi_wire::serve::{Stop, serve};
use std::error::Error;
use std::ffi::OsString;
use std::process::exit;
use std::time::Duration;

/// How long our last children may take to end after the engine has gone.
const LAST: Duration = Duration::from_secs(1);

fn main() {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == process::BECOME).is_some() {
        eprintln!("{}", process::become_program(arguments));
        // As a shell says that a program could not be started.
        exit(126);
    }
    // One thread: children are tied to the life of the thread that starts them, and this one lives as long as we do.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => fail(&error),
    };
    let served = runtime.block_on(answer_engine(engine_address(arguments)));
    match served {
        // Without waiting for anything that is still under way.
        Ok(()) => exit(0),
        Err(error) => fail(&error),
    }
}

async fn answer_engine(engine: String) -> Result<(), pulumi_wire::serve::ServeError> {
    let stop = Stop::new();
    let supervisor = Supervisor::new(stop.clone());
    let host = Host::new(engine, supervisor.clone(), stop.clone());
    serve(LanguageRuntimeServer::new(host), stop.clone()).await?;
    // Also when the server ends by itself.
    stop.request();
    let _ = tokio::time::timeout(LAST, supervisor.idle()).await;
    Ok(())
}

/// The engine's address is the last argument; the flags before it belong to other hosts or to later engines.
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
        eprintln!("  because {error}");
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
