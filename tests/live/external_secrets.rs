//! The objects for the External Secrets Operator, validated by a real API server with the operator's own definitions. They
//! are of 1.3, the last version that is a Go module which can be had; `auth` of the store is newer, and `tests/it` holds it
//! against the newer types.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use phoenix::config::check;
use phoenix::platform;
use phoenix_cli::checkout::Checkout;
use phoenix_cli::stack_file::StackFile;
use phoenix_graph::{Graph, Object};
use phoenix_manifests::yaml;
use phoenix_sandbox::tools::{EXTERNAL_SECRETS_DEFINITIONS, ToolCache};
use serde_json::{Value, json};

use crate::live::{Live, root};

/// Makes the server serve the operator's resources.
fn define(live: &Live) {
    let files = ToolCache::of(&root())
        .unwrap()
        .files(&EXTERNAL_SECRETS_DEFINITIONS)
        .unwrap();
    for file in files {
        let documents = yaml::read(&std::fs::read_to_string(file).unwrap()).unwrap();
        let definition = documents
            .into_iter()
            .map(|document| document.value)
            .find(Value::is_object);
        let definition = definition.unwrap();
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        live.ask(|client| async move {
            let api: Api<CustomResourceDefinition> = Api::all(client);
            let force = PatchParams::apply("tests").force();
            api.patch(&name, &force, &Patch::Apply(definition)).await.unwrap();
            for _ in 0..600 {
                let status = api.get(&name).await.unwrap().status.unwrap_or_default();
                let conditions = status.conditions.unwrap_or_default();
                if conditions
                    .iter()
                    .any(|one| one.type_ == "Established" && one.status == "True")
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("{name} is not served after a minute");
        });
    }
}

/// A stack whose secrets the cluster fetches.
fn graph(stack: &str, auth: &Value) -> Graph {
    let checkout = Checkout::find(Some(&root())).unwrap();
    let mut file = StackFile::read(&checkout, stack).unwrap();
    let secrets = json!({"mode": "external-secrets", "environment": "acme/phoenix/dev", "auth": auth});
    file.keys.insert("phoenix:secrets".to_owned(), secrets);
    platform::build(&check(&file.keys).unwrap())
}

fn of_kind<'a>(graph: &'a Graph, kind: &str) -> Vec<&'a Object> {
    graph.objects().filter(|object| object.id.kind == kind).collect()
}

/// The object with another value in one place; `None` where there was nothing.
fn changed(object: &Object, pointer: &str, change: impl FnOnce(&mut Value)) -> Object {
    let mut body = object.body().clone();
    change(body.pointer_mut(pointer).unwrap());
    Object::from_json("tests", body).unwrap()
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn a_server_with_the_operators_definitions_accepts_what_it_is_asked_for() {
    let live = Live::up("dev");
    define(&live);
    let oidc = graph("dev", &json!({"oidc": {}}));
    let token = graph(
        "dev",
        &json!({"accessToken": {"secret": "pulumi-access-token", "key": "token"}}),
    );

    let secrets = of_kind(&oidc, "ExternalSecret");
    assert!(secrets.len() >= 2);
    for object in &secrets {
        assert_eq!(live.validate(object), Ok(()), "{}", object.id);
    }
    for account in of_kind(&oidc, "ServiceAccount") {
        assert_eq!(live.validate(account), Ok(()), "{}", account.id);
    }
    // A server that takes anything would prove nothing.
    for (change, reported) in [
        (
            changed(secrets[0], "/spec", |spec| spec["refreshEvery"] = json!("1h")),
            ".spec.refreshEvery: field not declared in schema",
        ),
        (
            changed(secrets[0], "/spec/target", |target| {
                target["deletionPolicy"] = json!("Keep");
            }),
            "spec.target.deletionPolicy",
        ),
        (
            changed(secrets[0], "/spec/dataFrom/0/extract", |extract| {
                *extract = json!({});
            }),
            "spec.dataFrom[0].extract.key",
        ),
    ] {
        let refused = live.validate(&change).unwrap_err();
        assert!(refused.contains(reported), "{refused}");
    }

    // What this version does not know of the store is `auth`, and nothing else.
    for graph in [&oidc, &token] {
        let store = of_kind(graph, "SecretStore")[0];
        let refused = live.validate(store).unwrap_err();
        let unknown = refused.matches("not declared").count();
        let auth = refused.matches(".spec.provider.pulumi.auth: field not declared in schema");
        assert!(unknown > 0 && auth.count() == unknown, "{refused}");
        let older = changed(store, "/spec/provider/pulumi", |pulumi| {
            pulumi.as_object_mut().unwrap().remove("auth");
            pulumi["accessToken"] = json!({"secretRef": {"name": "pulumi-access-token", "key": "token"}});
        });
        assert_eq!(live.validate(&older), Ok(()));
    }
}
