//! A minimal program with one component. Pulumi and the tests start it.

use std::process::ExitCode;

use pulumi_wire::{DEFAULT_IN_FLIGHT, Engine, Error, Plan, Registration, register};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.already_shown() {
                eprintln!("{}", error.with_causes());
            }
            error.exit_code()
        }
    }
}

async fn run() -> Result<(), Error> {
    let engine = Engine::connect().await?;
    let deployment = engine.deployment().await?;
    let plan = Plan {
        resources: vec![Registration::component("shop:index:Store", "store")],
        ..Plan::default()
    };
    register(
        &engine,
        &deployment,
        &plan,
        &deployment.secrets,
        DEFAULT_IN_FLIGHT,
    )
    .await?;
    Ok(())
}
