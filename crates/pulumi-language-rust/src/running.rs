//! Runs a program for one operation: what it is told, what it may see, and what its end means.

use crate::building::{Build, Occasion};
use crate::environment::{self, Environment};
use crate::mistake::mistake;
use crate::process::{Ending, Job, Output, Supervisor};
use crate::program::{Program, Source, check_binary};
use anyhow::{Context as _, Result};
use pulumi_wire::proto::resource_monitor_client::ResourceMonitorClient;
use pulumi_wire::proto::{FullSize as _, RunRequest, RunResponse};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tonic::Code;

/// The code of a program that has failed and has already told the engine why. The contract is that of Pulumi's own
/// hosts: `sdk/go/common/constant/exec_kind.go`.
const ALREADY_LOGGED: i32 = 32;

/// Builds the program if need be, runs it, and says how it ended.
pub async fn run(
    supervisor: &Supervisor,
    engine: &str,
    request: RunRequest,
    abandoned: impl Future<Output = ()>,
) -> Result<RunResponse> {
    let program = Program::find(request.info.as_ref(), &request.pwd)?;
    let executable = executable(supervisor, &program, &Output::Inherit).await?;
    let directory = if request.pwd.is_empty() {
        program.directory.clone()
    } else {
        PathBuf::from(&request.pwd)
    };
    let mut environment = environment::for_program(std::env::vars_os(), &program.options.forward);
    tell_operation(&mut environment, engine, &request);
    if !engine_gives_configuration(&request.monitor_address).await {
        tell_configuration(&mut environment, &request)?;
    }
    let name = name(&executable);
    let arguments = request.args.into_iter().map(OsString::from).collect();
    let job = Job {
        program: executable,
        arguments,
        environment,
        directory,
    };
    let ending = supervisor
        .run(job, Output::Inherit, Output::Inherit, abandoned)
        .await?;
    Ok(answer(&name, ending))
}

/// The file to start: a given binary, or what the package in the folder is built into.
pub async fn executable(supervisor: &Supervisor, program: &Program, talk: &Output) -> Result<PathBuf> {
    match program.source()? {
        Source::Binary(binary) => {
            check_binary(&binary)?;
            Ok(binary)
        }
        Source::Package(manifest) => {
            Build::new(&manifest, &program.options.profile)?
                .executable(supervisor, Occasion::Run, talk)
                .await
        }
    }
}

/// What the end of a program means to the engine.
fn answer(name: &str, ending: Ending) -> RunResponse {
    let error = match ending {
        Ending::Exited(0) => String::new(),
        Ending::Exited(ALREADY_LOGGED) => {
            return RunResponse {
                bail: true,
                ..RunResponse::default()
            };
        }
        Ending::Exited(101) => {
            format!("{name} exited with code 101, as after a panic; what it printed says where")
        }
        Ending::Exited(126) => {
            format!("{name} exited with code 126, as when a file cannot be started; what is printed says why")
        }
        Ending::Exited(code) => format!("{name} exited with code {code}"),
        Ending::Killed(signal) => format!("{name} was killed by signal {signal}{}", known_signal(signal)),
        Ending::Stopped => format!("{name} was stopped, because the operation was cancelled"),
    };
    RunResponse { error, bail: false }
}

fn known_signal(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction: was it built for another processor?)",
        6 => " (it aborted itself)",
        9 => " (from outside; perhaps the memory ran out)",
        11 => " (a memory fault)",
        _ => "",
    }
}

fn tell_operation(environment: &mut Environment, engine: &str, request: &RunRequest) {
    let root = request.info.as_ref().map_or("", |info| &info.root_directory);
    let told = [
        ("PULUMI_ENGINE", engine.to_owned()),
        ("PULUMI_MONITOR", request.monitor_address.clone()),
        ("PULUMI_ORGANIZATION", request.organization.clone()),
        ("PULUMI_PROJECT", request.project.clone()),
        ("PULUMI_STACK", request.stack.clone()),
        ("PULUMI_ROOT_DIRECTORY", root.to_owned()),
        ("PULUMI_DRY_RUN", request.dry_run.to_string()),
        ("PULUMI_PARALLEL", request.parallel.to_string()),
    ];
    environment.extend(told.map(|(name, value)| (name.into(), value.into())));
}

/// Configuration holds secrets in the clear, and an environment can be read from outside and is small. So it is put
/// there only for an engine that cannot be asked for it.
fn tell_configuration(environment: &mut Environment, request: &RunRequest) -> Result<()> {
    let config = serde_json::to_string(&request.config).context("writing down the configuration")?;
    let secret_keys =
        serde_json::to_string(&request.config_secret_keys).context("writing down the secret keys")?;
    environment.insert("PULUMI_CONFIG".into(), config.into());
    environment.insert("PULUMI_CONFIG_SECRET_KEYS".into(), secret_keys.into());
    Ok(())
}

/// Whether the program can ask the engine for its configuration, found out by asking: engines do not tell their
/// version, and the call came with 3.231. Only a clear "no such method" counts as no.
async fn engine_gives_configuration(monitor: &str) -> bool {
    let Ok(client) = ResourceMonitorClient::connect(format!("http://{monitor}")).await else {
        return true;
    };
    let answer = client.full_size().get_deployment_info(()).await;
    !answer.is_err_and(|status| status.code() == Code::Unimplemented)
}

fn name(executable: &Path) -> String {
    executable
        .file_name()
        .unwrap_or(executable.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Where the engine wants a plugin to run, and refuses a folder it did not name.
pub fn folder(requested: &str, program: &Program) -> Result<PathBuf> {
    let directory = if requested.is_empty() {
        program.directory.clone()
    } else {
        PathBuf::from(requested)
    };
    if directory.is_dir() {
        return Ok(directory);
    }
    Err(mistake(
        format!("the folder {} does not exist", directory.display()),
        "correct the path of the plugin",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(ending: Ending) -> String {
        let answer = answer("program", ending);
        assert!(!answer.bail);
        answer.error
    }

    #[test]
    fn a_program_that_succeeds_leaves_nothing_to_say() {
        assert_eq!(answer("program", Ending::Exited(0)), RunResponse::default());
    }

    #[test]
    fn a_program_that_has_told_the_engine_why_is_not_told_of_again() {
        assert_eq!(
            answer("program", Ending::Exited(32)),
            RunResponse {
                error: String::new(),
                bail: true
            }
        );
    }

    #[test]
    fn every_other_end_is_told_with_its_code_or_signal() {
        assert_eq!(error(Ending::Exited(7)), "program exited with code 7");
        assert_eq!(
            error(Ending::Killed(11)),
            "program was killed by signal 11 (a memory fault)"
        );
        assert_eq!(error(Ending::Killed(15)), "program was killed by signal 15");
        assert!(error(Ending::Exited(101)).contains("as after a panic"));
        assert!(error(Ending::Stopped).contains("the operation was cancelled"));
    }
}
