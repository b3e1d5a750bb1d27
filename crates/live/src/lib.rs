//! The verbs and options of `phoenix` that use a network, a cluster or the sandbox.
//!
//! The command line is that of `phoenix-cli`; this package implements its trait [`Live`]. `phoenix` replaces itself with the
//! program `phoenix-live` for these verbs, with the same arguments. Run directly, the program accepts every verb.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use phoenix_cli::checkout::Checkout;
use phoenix_cli::live::{self, ClusterCheck, Live};
use phoenix_cli::secrets::{Entry, EscReport, Subject};
use phoenix_cli::stack::Stack;
use phoenix_cli::{commands, failure};
use phoenix_cluster::connection::runtime;
use phoenix_forge::{Post, Posted};
use phoenix_report::PolicyRun;
use phoenix_terminal::checklist::Check;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::{output, user_error};

mod check;
mod doctor;
mod forge;
mod sandbox;
mod secrets;

/// Runs a command line, the program's name included. Fails if `phoenix` started it and has another version.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = failure::is_json_requested(&arguments);
    match live::accept(arguments) {
        Ok(arguments) => {
            // Messages about the usage name the program that the user has typed.
            let program = OsString::from("phoenix");
            phoenix_cli::run([program].into_iter().chain(arguments), |_| Box::new(Verbs))
        }
        Err(error) => {
            output::message(&user_error::render(&error));
            if is_json {
                failure::write(&error);
            }
            Exit::Failed.into()
        }
    }
}

/// The verbs, run in this process.
#[derive(Clone, Copy, Debug)]
struct Verbs;

impl Live for Verbs {
    fn doctor(&self, checkout: &Checkout, stack: &Stack, context: &str) -> Result<Vec<Check>> {
        runtime()?.block_on(async { Ok(doctor::run(checkout, stack, context).await) })
    }

    fn check_cluster(&self, request: ClusterCheck<'_>) -> Result<PolicyRun> {
        runtime()?.block_on(check::run(request))
    }

    fn secrets_in_cluster(&self, subject: &Subject) -> Result<Vec<Entry>> {
        runtime()?.block_on(secrets::cluster::run(subject))
    }

    fn secrets_in_esc(&self, subject: &Subject, organization: Option<&str>) -> Result<EscReport> {
        runtime()?.block_on(secrets::esc::run(subject, organization))
    }

    fn post_comment(&self, post: &Post) -> Result<Posted> {
        runtime()?.block_on(forge::post(post))
    }

    fn sandbox(&self, command: commands::sandbox::Command, directory: &Path) -> Result<Exit> {
        sandbox::run(command, directory)
    }
}
