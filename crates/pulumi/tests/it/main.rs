//! The protocol between a program and the engine, tested with the fake engine.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests start processes and measure delays"
)]

mod analyzing;
mod connecting;
mod generated;
mod plan;
mod plugins;
mod preconditions;
mod registering;
mod trouble;
mod values;

use std::collections::BTreeMap;

use pulumi_wire::fake::{Call, FakeEngine};
use pulumi_wire::{DEFAULT_IN_FLIGHT, Error, Plan, Registered, Registration, SecretString, Value, register};

/// A component with a provider and two disks of that provider; the second disk depends on the first.
fn shop() -> Plan {
    let provider = Registration {
        parent: Some(0),
        ..Registration::custom("pulumi:providers:disk", "provider")
    };
    let disk = |name: &str, dependencies: Vec<usize>| Registration {
        parent: Some(0),
        provider: Some(1),
        dependencies,
        inputs: properties(&[
            ("size", Value::from(3)),
            ("key", Value::SecretRef("disk-key".to_owned())),
        ]),
        ..Registration::custom("disk:index:Disk", name)
    };
    Plan {
        resources: vec![
            Registration::component("shop:index:Store", "store"),
            provider,
            disk("data", Vec::new()),
            disk("backup", vec![2]),
        ],
        outputs: properties(&[("address", Value::from("shop.example"))]),
        ..Plan::default()
    }
}

/// A plan of independent resources.
fn flat(names: &[&str]) -> Plan {
    let resources = names
        .iter()
        .map(|name| Registration::custom("disk:index:Disk", *name))
        .collect();
    Plan {
        resources,
        ..Plan::default()
    }
}

fn properties(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

fn secrets() -> BTreeMap<String, SecretString> {
    BTreeMap::from([("disk-key".to_owned(), SecretString::from("hunter2"))])
}

/// Registers a plan as a program does.
async fn run(fake: &FakeEngine, plan: &Plan) -> Result<Registered, Error> {
    let engine = fake.connect().await;
    let deployment = engine.deployment().await?;
    register(&engine, &deployment, plan, &secrets(), DEFAULT_IN_FLIGHT).await
}

/// The recorded calls, one line each.
fn story(fake: &FakeEngine) -> Vec<String> {
    fake.calls()
        .into_iter()
        .map(|call| match call {
            Call::GetDeploymentInfo => "info".to_owned(),
            Call::ReadResource(request) => format!("read {}", request.id),
            Call::RegisterResource(request) => format!("register {}", request.name),
            Call::RegisterResourceOutputs(request) => {
                format!("outputs {}", request.urn.rsplit("::").next().unwrap_or_default())
            }
            Call::SignalAndWaitForShutdown => "end".to_owned(),
            Call::Log(log) => format!("log {}", log.message),
        })
        .collect()
}
