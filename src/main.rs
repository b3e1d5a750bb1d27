//! The program that Pulumi runs: read, validate, build, lower, register.
//!
//! This is an edge. It asks the engine for the configuration and hands it the plan; everything
//! between is the library, which knows neither.

mod esc;
mod kubeconfig;

use std::collections::BTreeSet;
use std::process::ExitCode;

use phoenix::config::SecretsMode;
use phoenix::{config, platform, registration};
use pulumi_wire::proto::LogSeverity;
use pulumi_wire::{DEFAULT_IN_FLIGHT, Deployment, Engine, Error, ExposeSecret, register, wire};

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
        match esc::open(source, &config.secrets_needed()).await {
            Ok(opened) => {
                for warning in opened.warnings {
                    engine.log(LogSeverity::Warning, &warning, None).await?;
                }
                deployment.secrets.extend(opened.secrets);
            }
            Err(problem) => {
                return refuse(&engine, &deployment, &format!("with its secrets: {problem}")).await;
            }
        }
    }
    let wrong = config::secret::contradictions(&config.secrets_needed(), |key| {
        deployment.secrets.get(key).map(|value| value.expose_secret())
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

/// Tells through the engine why nothing is registered.
async fn refuse(engine: &Engine, deployment: &Deployment, why: &str) -> Result<ExitCode, Error> {
    let message = format!("stack {} cannot be deployed {why}", deployment.stack);
    engine.log(LogSeverity::Error, &message, None).await?;
    Ok(ExitCode::from(wire::EXIT_ALREADY_SHOWN))
}

/// An empty secret is a missing one.
fn read(deployment: &Deployment) -> Result<config::StackConfig, config::Problems> {
    let with_values = deployment
        .secrets
        .iter()
        .filter(|(_, value)| !value.expose_secret().trim().is_empty());
    let secret_keys: BTreeSet<_> = with_values.map(|(key, _)| key.as_str()).collect();
    config::read_deployment(&deployment.config, &secret_keys)
}
