//! What the External Secrets Operator is asked for, held against its own interface of June 2026: every field that we write is one
//! of its fields, of its type and in its words. Its types are generated from its definitions by a third party.

use std::collections::BTreeMap;

use kcr_external_secrets_io::v1::externalsecrets::ExternalSecret;
use kcr_external_secrets_io::v1::secretstores::SecretStore;
use phoenix::config::check;
use phoenix::platform;
use phoenix_graph::{Graph, Object};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::keys;

/// The ways in which the operator may prove who it is.
fn ways() -> [Value; 2] {
    [
        json!({"oidc": {"serviceAccount": "external-secrets"}}),
        json!({"accessToken": {"secret": "pulumi-access-token", "key": "token"}}),
    ]
}

/// The stack `prod`, whose secrets the cluster fetches.
fn graph(auth: &Value) -> Graph {
    let mut keys: BTreeMap<String, Value> = keys("prod");
    let secrets = json!({
        "mode": "external-secrets", "environment": "acme/phoenix/prod", "url": "https://pulumi.example.com", "refreshInterval": "30m", "auth": auth,
    });
    keys.insert("phoenix:secrets".to_owned(), secrets);
    platform::build(&check(&keys).unwrap())
}

/// What is left of an object that was read as one of the operator's.
fn read_as<T: DeserializeOwned + Serialize>(body: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(body.clone())?)
}

fn of_kind<'a>(graph: &'a Graph, kind: &str) -> Vec<&'a Object> {
    graph.objects().filter(|object| object.id.kind == kind).collect()
}

#[test]
fn every_written_field_exists_in_the_operators_types() {
    for auth in ways() {
        let graph = graph(&auth);
        let stores = of_kind(&graph, "SecretStore");
        let secrets = of_kind(&graph, "ExternalSecret");
        assert!(!stores.is_empty() && secrets.len() >= 2, "{auth}");
        for object in stores {
            assert_eq!(&read_as::<SecretStore>(object.body()).unwrap(), object.body());
        }
        for object in secrets {
            assert_eq!(&read_as::<ExternalSecret>(object.body()).unwrap(), object.body());
        }
    }
}

#[test]
fn an_unknown_field_or_value_would_be_found() {
    let graph = graph(&ways()[0]);
    let store = of_kind(&graph, "SecretStore")[0].body();
    let secret = of_kind(&graph, "ExternalSecret")[0].body();
    let changed = |body: &Value, pointer: &str, value: Value| {
        let mut body = body.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let misspelled = changed(store, "/spec/provider/pulumi/auth", json!({"odicConfig": {}}));
    assert_ne!(read_as::<SecretStore>(&misspelled).unwrap(), misspelled);
    for wrong in [
        changed(store, "/spec/provider/pulumi/organization", json!(null)),
        changed(
            store,
            "/spec/provider/pulumi/auth/oidcConfig/expirationSeconds",
            json!("600"),
        ),
    ] {
        assert!(read_as::<SecretStore>(&wrong).is_err(), "{wrong}");
    }
    for wrong in [
        changed(secret, "/spec/target/deletionPolicy", json!("Keep")),
        changed(secret, "/spec/target/creationPolicy", json!("owner")),
        changed(secret, "/spec/dataFrom/0/extract", json!({})),
    ] {
        assert!(read_as::<ExternalSecret>(&wrong).is_err(), "{wrong}");
    }
}
