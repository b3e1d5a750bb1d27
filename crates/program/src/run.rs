//! The program, verb by verb. An invalid stack is reported through the engine, and nothing is registered.

use std::collections::BTreeMap;
use std::process::ExitCode;

use phoenix::config::{self, EscDirect, SecretsMode, StackConfig, secret};
use phoenix::platform;
use pulumi_wire::proto::LogSeverity;
use pulumi_wire::{DEFAULT_IN_FLIGHT, Deployment, Engine, Error, ExposeSecret, SecretString, register, wire};

use crate::{PULUMI_VERSIONS, esc, kubeconfig, lower};

/// Runs the program for the stack of the engine's operation, and returns the exit code for the language host.
pub async fn run() -> ExitCode {
    // Engine required.
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(error) => return exit(&error),
    };
    match deploy(&engine).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Engine(error)) => exit(&error),
        Err(Failure::Stack { stack, reason }) => {
            let message = format!("stack {stack} cannot be deployed {reason}");
            match engine.log(LogSeverity::Error, &message, None).await {
                Ok(()) => ExitCode::from(wire::EXIT_ALREADY_SHOWN),
                Err(error) => exit(&error),
            }
        }
    }
}

/// Why a stack was not deployed.
enum Failure {
    /// The engine or the connection to it failed.
    Engine(Error),
    /// The stack cannot be deployed as it is; the reason completes the sentence "stack … cannot be deployed".
    Stack { stack: String, reason: String },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

async fn deploy(engine: &Engine) -> Result<(), Failure> {
    // Engine required.
    if let Err(error) = engine.require_version(PULUMI_VERSIONS).await {
        return Err(engine.show(error, None).await.into());
    }
    let mut deployment = engine.deployment().await?;
    let stack = deployment.stack.clone();
    let rejected = |reason: String| Failure::Stack {
        stack: stack.clone(),
        reason,
    };

    // Pure: read and validate.
    let config =
        validate(&deployment).map_err(|problems| rejected(format!("as it is configured:\n{problems}")))?;

    // Reads the kubeconfig.
    if let Some(problem) = config.cluster.context.as_deref().and_then(kubeconfig::problem) {
        return Err(rejected(format!("from here: {problem}")));
    }

    // Calls Pulumi ESC in mode `esc-direct`, otherwise nothing.
    if let SecretsMode::EscDirect(source) = &config.secrets {
        let opened = open(source, &config).await;
        let (secrets, warnings) =
            opened.map_err(|problem| rejected(format!("with its secrets: {problem}")))?;
        for warning in warnings {
            engine.log(LogSeverity::Warning, &warning, None).await?;
        }
        deployment.secrets.extend(secrets);
    }

    // Pure.
    let problems = config.secret_problems(|key| deployment.secrets.get(key).map(ExposeSecret::expose_secret));
    if !problems.is_empty() {
        return Err(rejected(format!("with its secrets:\n{problems}")));
    }

    // Pure and infallible: build and lower.
    let plan = lower(&platform::build(&config), &config);

    // Engine required.
    register(engine, &deployment, &plan, &deployment.secrets, DEFAULT_IN_FLIGHT).await?;
    Ok(())
}

/// The exit code for an error of the engine, which is printed where the engine did not show it.
fn exit(error: &Error) -> ExitCode {
    if !error.already_shown() {
        eprintln!("error: {}", error.with_causes());
    }
    error.exit_code()
}

/// Reads and validates the configuration. An empty secret counts as missing; of the others, only defects are passed on.
fn validate(deployment: &Deployment) -> Result<StackConfig, config::Problems> {
    let with_values = deployment
        .secrets
        .iter()
        .filter(|(_, value)| !value.expose_secret().trim().is_empty());
    let secrets: BTreeMap<_, _> = with_values
        .map(|(key, value)| {
            let row = secret::row(key);
            let defect = row.and_then(|row| row.form.unusable(value.expose_secret()));
            (key.as_str(), defect)
        })
        .collect();
    config::read_deployment(&deployment.config, &secrets)
}

/// The stack's secrets from its Pulumi ESC environment, and the warnings of the service.
async fn open(
    source: &EscDirect,
    config: &StackConfig,
) -> Result<(BTreeMap<String, SecretString>, Vec<String>), String> {
    let Some(environment) = &source.environment else {
        return Err(format!(
            "{}:secrets.environment is a placeholder",
            config::NAMESPACE
        ));
    };
    let service = esc::Service {
        url: source.url.as_deref(),
        named_by: esc::ADDRESS_KEY,
    };
    let opened = esc::open(environment, service).await?;
    Ok((
        opened.secrets(&config.secrets_needed())?,
        opened.warnings().to_vec(),
    ))
}
