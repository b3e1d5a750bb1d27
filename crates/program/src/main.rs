//! The program that Pulumi runs: read, validate, build, lower, register.
//!
//! This is an edge. It asks the engine for the configuration and hands it the plan; everything
//! between is the library, which knows neither.

mod kubeconfig;

use std::collections::BTreeMap;
use std::process::ExitCode;

use phoenix::config::secret;
use phoenix::config::{EscDirect, SecretsMode, StackConfig};
use phoenix::{config, esc, platform, registration};
use pulumi_wire::proto::LogSeverity;
use pulumi_wire::{DEFAULT_IN_FLIGHT, Deployment, Engine, Error, ExposeSecret, SecretString, register, wire};

#[tokio::main]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        if !error.already_shown() {
            eprintln!("error: {}", error.with_causes());
        }
        error.exit_code()
    })
}

async fn run() -> Result<ExitCode, Error> {
    let engine = Engine::connect().await?;
    if let Err(error) = engine.require_version(registration::PULUMI_VERSIONS).await {
        return Err(engine.show(error, None).await);
    }
    let mut deployment = engine.deployment().await?;
    let config = match read(&deployment) {
        Ok(config) => config,
        Err(problems) => {
            let why = format!("as it is configured:\n{problems}");
            return refuse(&engine, &deployment, &why).await;
        }
    };
    if let Some(problem) = config.cluster.context.as_deref().and_then(kubeconfig::problem) {
        return refuse(&engine, &deployment, &format!("from here: {problem}")).await;
    }
    if let SecretsMode::EscDirect(source) = &config.secrets {
        match open(source, &config).await {
            Ok((secrets, warnings)) => {
                for warning in warnings {
                    engine.log(LogSeverity::Warning, &warning, None).await?;
                }
                deployment.secrets.extend(secrets);
            }
            Err(problem) => {
                return refuse(&engine, &deployment, &format!("with its secrets: {problem}")).await;
            }
        }
    }
    let wrong = config::secret::contradictions(&config.secrets_needed(), |key| {
        deployment.secrets.get(key).map(ExposeSecret::expose_secret)
    });
    if !wrong.is_empty() {
        return refuse(&engine, &deployment, &format!("with its secrets:\n{wrong}")).await;
    }
    let plan = registration::lower(&platform::build(&config), &config);
    register(
        &engine,
        &deployment,
        &plan,
        &deployment.secrets,
        DEFAULT_IN_FLIGHT,
    )
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// The secrets of the stack from its environment of Pulumi ESC, and what the service warns of.
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
    let opened = esc::open(
        environment,
        esc::Service {
            url: source.url.as_deref(),
            named_by: esc::ADDRESS_KEY,
        },
    )
    .await?;
    Ok((
        opened.secrets(&config.secrets_needed())?,
        opened.warnings().to_vec(),
    ))
}

/// Tells through the engine why nothing is registered.
async fn refuse(engine: &Engine, deployment: &Deployment, why: &str) -> Result<ExitCode, Error> {
    let message = format!("stack {} cannot be deployed {why}", deployment.stack);
    engine.log(LogSeverity::Error, &message, None).await?;
    Ok(ExitCode::from(wire::EXIT_ALREADY_SHOWN))
}

/// An empty secret is a missing one. Of the others, only what is wrong with them goes on.
fn read(deployment: &Deployment) -> Result<StackConfig, config::Problems> {
    let with_values = deployment
        .secrets
        .iter()
        .filter(|(_, value)| !value.expose_secret().trim().is_empty());
    let secrets: BTreeMap<_, _> = with_values
        .map(|(key, value)| {
            let row = secret::row(key);
            (
                key.as_str(),
                row.and_then(|row| row.form.unusable(value.expose_secret())),
            )
        })
        .collect();
    config::read_deployment(&deployment.config, &secrets)
}
