//! Runs a program for one operation: its environment, and the meaning of its exit code.

use crate::build::{Build, Trigger};
use crate::environment::{self, Environment};
use crate::process::{Ending, Job, Output, Supervisor};
use crate::program::{Program, Source, check_binary};
use anyhow::{Context as _, Result};
use phoenix_terminal::user_error::user_error;
use pulumi_wire::proto::resource_monitor_client::ResourceMonitorClient;
use pulumi_wire::proto::{FullSize as _, RunRequest, RunResponse};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tonic::Code;

/// The exit code of a program that failed and has already reported the reason to the engine, as in Pulumi's own hosts:
/// `sdk/go/common/constant/exec_kind.go`.
const ALREADY_LOGGED: i32 = 32;

/// Builds the program if necessary, runs it, and returns the result.
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
    set_operation(&mut environment, engine, &request);
    if !engine_provides_configuration(&request.monitor_address).await {
        set_configuration(&mut environment, &request)?;
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
    Ok(response(&name, ending))
}

/// The executable: a prebuilt binary, or the result of building the package.
pub async fn executable(supervisor: &Supervisor, program: &Program, messages: &Output) -> Result<PathBuf> {
    match program.source()? {
        Source::Binary(binary) => {
            check_binary(&binary)?;
            Ok(binary)
        }
        Source::Package(manifest) => {
            Build::new(&manifest, &program.options.profile)?
                .executable(supervisor, Trigger::Run, messages)
                .await
        }
    }
}

/// The response to the engine for the end of a program.
fn response(name: &str, ending: Ending) -> RunResponse {
    let error = match ending {
        Ending::Exited(0) => String::new(),
        Ending::Exited(ALREADY_LOGGED) => {
            return RunResponse {
                bail: true,
                ..RunResponse::default()
            };
        }
        Ending::Exited(101) => {
            format!("{name} exited with code 101, which indicates a panic; see its output above")
        }
        Ending::Exited(126) => {
            format!(
                "{name} exited with code 126, which indicates that it cannot be executed; see the output above"
            )
        }
        Ending::Exited(code) => format!("{name} exited with code {code}"),
        Ending::Killed(signal) => format!("{name} was killed by signal {signal}{}", known_signal(signal)),
        Ending::Stopped => format!("{name} was stopped because the operation was canceled"),
    };
    RunResponse { error, bail: false }
}

fn known_signal(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction: it may be built for another processor)",
        6 => " (aborted)",
        9 => " (killed by another process, possibly because memory ran out)",
        11 => " (segmentation fault)",
        _ => "",
    }
}

fn set_operation(environment: &mut Environment, engine: &str, request: &RunRequest) {
    let root = request.info.as_ref().map_or("", |info| &info.root_directory);
    let variables = [
        ("PULUMI_ENGINE", engine.to_owned()),
        ("PULUMI_MONITOR", request.monitor_address.clone()),
        ("PULUMI_ORGANIZATION", request.organization.clone()),
        ("PULUMI_PROJECT", request.project.clone()),
        ("PULUMI_STACK", request.stack.clone()),
        ("PULUMI_ROOT_DIRECTORY", root.to_owned()),
        ("PULUMI_DRY_RUN", request.dry_run.to_string()),
        ("PULUMI_PARALLEL", request.parallel.to_string()),
    ];
    environment.extend(variables.map(|(name, value)| (name.into(), value.into())));
}

/// Passes the configuration in the environment. The configuration contains secrets in plain text, other processes can read
/// the environment, and its size is limited, so this is used only for engines without `GetDeploymentInfo`.
fn set_configuration(environment: &mut Environment, request: &RunRequest) -> Result<()> {
    let config = serde_json::to_string(&request.config).context("encoding the configuration")?;
    let secret_keys =
        serde_json::to_string(&request.config_secret_keys).context("encoding the secret keys")?;
    environment.insert("PULUMI_CONFIG".into(), config.into());
    environment.insert("PULUMI_CONFIG_SECRET_KEYS".into(), secret_keys.into());
    Ok(())
}

/// Whether the engine implements `GetDeploymentInfo` (since 3.231). The host calls the method, because engines do not report
/// their version. Only the status `Unimplemented` counts as no.
async fn engine_provides_configuration(monitor: &str) -> bool {
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

/// The working directory of a plugin. Fails if it does not exist.
pub fn folder(requested: &str, program: &Program) -> Result<PathBuf> {
    let directory = if requested.is_empty() {
        program.directory.clone()
    } else {
        PathBuf::from(requested)
    };
    if directory.is_dir() {
        return Ok(directory);
    }
    Err(user_error(
        format!("the folder {} does not exist", directory.display()),
        "correct the path of the plugin",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(ending: Ending) -> String {
        let response = response("program", ending);
        assert!(!response.bail);
        response.error
    }

    #[test]
    fn a_successful_program_has_an_empty_response() {
        assert_eq!(response("program", Ending::Exited(0)), RunResponse::default());
    }

    #[test]
    fn a_failure_that_the_program_has_reported_is_not_reported_again() {
        assert_eq!(
            response("program", Ending::Exited(32)),
            RunResponse {
                error: String::new(),
                bail: true
            }
        );
    }

    #[test]
    fn every_other_end_is_reported_with_its_code_or_signal() {
        assert_eq!(error(Ending::Exited(7)), "program exited with code 7");
        assert_eq!(
            error(Ending::Killed(11)),
            "program was killed by signal 11 (segmentation fault)"
        );
        assert_eq!(error(Ending::Killed(15)), "program was killed by signal 15");
        assert!(error(Ending::Exited(101)).contains("indicates a panic"));
        assert!(error(Ending::Stopped).contains("the operation was canceled"));
    }
}
