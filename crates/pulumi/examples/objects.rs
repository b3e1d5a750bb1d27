//! Registers the Kubernetes objects in a JSON list, each after its namespace.
//!
//! `OBJECTS` is the path of the file, `IN_FLIGHT` the number of concurrent registrations. The provider does not wait
//! until the objects are ready. The benchmarks run this program with the real engine.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use pulumi_wire::{DEFAULT_IN_FLIGHT, Engine, Plan, Registration, SecretString, Value, register};
use serde_json::Value as Json;

/// The version of the provider that the objects are registered with.
const PROVIDER_VERSION: &str = "4.25.0";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an example program reads its environment and its file"
)]
async fn run() -> Result<(), Box<dyn Error>> {
    let in_flight = match std::env::var("IN_FLIGHT") {
        Ok(number) => number.parse()?,
        Err(_) => DEFAULT_IN_FLIGHT,
    };
    let objects: Vec<Json> = serde_json::from_slice(&std::fs::read(std::env::var("OBJECTS")?)?)?;
    let engine = Engine::connect().await?;
    let deployment = engine.deployment().await?;
    let (plan, secrets) = plan(&objects)?;
    register(&engine, &deployment, &plan, &secrets, in_flight).await?;
    Ok(())
}

/// A component with all objects, and the values of the Secrets among them.
fn plan(objects: &[Json]) -> Result<(Plan, BTreeMap<String, SecretString>), Box<dyn Error>> {
    let mut resources = vec![Registration::component("bench:index:Platform", "platform")];
    let mut secrets = BTreeMap::new();
    let mut namespaces: BTreeMap<&str, usize> = BTreeMap::new();
    let (first, rest): (Vec<_>, Vec<_>) = objects
        .iter()
        .partition(|object| text(object, "/kind") == "Namespace");
    for object in first.into_iter().chain(rest) {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let namespace = text(object, "/metadata/namespace");
        let path = if namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{namespace}/{name}")
        };
        let Value::Object(mut inputs) = Value::from_json(object)? else {
            return Err(format!("{path} is no object").into());
        };
        skip_await(&mut inputs);
        if kind == "Secret" {
            hide(&mut inputs, &path, &mut secrets);
        }
        if kind == "Namespace" {
            namespaces.insert(name, resources.len());
        }
        resources.push(Registration {
            parent: Some(0),
            dependencies: namespaces.get(namespace).copied().into_iter().collect(),
            inputs,
            version: Some(PROVIDER_VERSION.to_owned()),
            ..Registration::custom(token(text(object, "/apiVersion"), kind), path)
        });
    }
    let plan = Plan {
        resources,
        ..Plan::default()
    };
    Ok((plan, secrets))
}

/// The string at a JSON pointer; empty if there is none.
fn text<'a>(object: &'a Json, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

/// `kubernetes:apps/v1:Deployment`, `kubernetes:core/v1:Secret`.
fn token(api_version: &str, kind: &str) -> String {
    let group = if api_version.contains('/') { "" } else { "core/" };
    format!("kubernetes:{group}{api_version}:{kind}")
}

fn skip_await(inputs: &mut BTreeMap<String, Value>) {
    if let Some(Value::Object(metadata)) = inputs.get_mut("metadata") {
        let annotations = metadata
            .entry("annotations".to_owned())
            .or_insert_with(|| Value::Object(BTreeMap::new()));
        if let Value::Object(annotations) = annotations {
            annotations.insert("pulumi.com/skipAwait".to_owned(), Value::from("true"));
        }
    }
}

/// Replaces the values of a Secret by references.
fn hide(inputs: &mut BTreeMap<String, Value>, path: &str, secrets: &mut BTreeMap<String, SecretString>) {
    if let Some(Value::Object(data)) = inputs.get_mut("data") {
        for (key, value) in data {
            let name = format!("{path}/{key}");
            if let Value::String(content) = std::mem::replace(value, Value::SecretRef(name.clone())) {
                secrets.insert(name, SecretString::from(content));
            }
        }
    }
}
