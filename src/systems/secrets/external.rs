//! Objects of the External Secrets Operator: one store in each namespace and an `ExternalSecret` for each Secret.
//!
//! The types here cover only the few fields in use. The operator's own types are a crate of more than a megabyte,
//! mostly for other providers.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::{Graph, Object};
use serde::Serialize;

use super::SYSTEM;
use crate::config::{EscEnvironment, ExternalSecrets, StackOptions, StoreAuth, secret};
use crate::names::DATA_CLASSIFICATION;
use crate::parts::metadata::{self, annotate, label};

const API_VERSION: &str = "external-secrets.io/v1";

/// The name of the store.
const STORE: &str = "pulumi-esc";

/// How long a Secret may take to appear. It normally takes seconds; after that, the configuration must be fixed.
const PATIENCE: Duration = Duration::from_mins(2);

/// The placeholder for each part of an environment that is not configured yet.
const PLACEHOLDER: &str = "placeholder";

/// For each namespace with pods that read secrets: the store, the service account that opens the environment, and an
/// `ExternalSecret` for each Secret.
pub fn add(
    graph: &mut Graph,
    config: &ExternalSecrets,
    targets: BTreeSet<secret::Target>,
    options: StackOptions<'_>,
) {
    let namespaces: BTreeSet<_> = targets.iter().map(|target| target.namespace).collect();
    for namespace in namespaces {
        if let StoreAuth::Oidc(account) = &config.auth {
            graph.insert(ServiceAccount {
                metadata: metadata::in_namespace(SYSTEM, namespace, account.as_str()),
                automount_service_account_token: Some(false),
                ..Default::default()
            });
        }
        graph.add(object(&store(namespace, config)));
    }
    for target in targets {
        graph
            .add(object(&external_secret(target, config, options)))
            .ready_within(PATIENCE);
    }
}

fn object(resource: &impl Serialize) -> Object {
    let body = serde_json::to_value(resource).expect("a typed resource is always JSON");
    Object::from_json(SYSTEM, body).expect("a typed resource has apiVersion, kind and a name")
}

fn store(namespace: &str, config: &ExternalSecrets) -> Resource<StoreSpec> {
    let (organization, project, environment) = match &config.environment {
        Some(EscEnvironment {
            organization,
            project,
            name,
            ..
        }) => (organization.as_str(), project.as_str(), name.as_str()),
        None => (PLACEHOLDER, PLACEHOLDER, PLACEHOLDER),
    };
    Resource {
        api_version: API_VERSION,
        kind: "SecretStore",
        metadata: metadata::in_namespace(SYSTEM, namespace, STORE),
        spec: StoreSpec {
            provider: Provider {
                pulumi: Pulumi {
                    api_url: config
                        .url
                        .as_ref()
                        .map(|url| format!("{}/api/esc", url.trim_end_matches('/'))),
                    organization: organization.to_owned(),
                    project: project.to_owned(),
                    environment: environment.to_owned(),
                    auth: auth(&config.auth, organization),
                },
            },
        },
    }
}

fn auth(auth: &StoreAuth, organization: &str) -> Auth {
    match auth {
        StoreAuth::Oidc(account) => Auth::OidcConfig(OidcConfig {
            organization: organization.to_owned(),
            service_account_ref: ServiceAccountRef {
                name: account.to_string(),
                // The claim that the policies of Pulumi Cloud require.
                audiences: vec![format!("urn:pulumi:org:{organization}")],
            },
            // The shortest lifetime that the operator accepts; it requests another token when it needs one.
            expiration_seconds: 600,
        }),
        StoreAuth::AccessToken { secret, key } => Auth::AccessToken(AccessToken {
            secret_ref: SecretRef {
                name: secret.to_string(),
                key: key.clone(),
            },
        }),
    }
}

fn external_secret(
    target: secret::Target,
    config: &ExternalSecrets,
    options: StackOptions<'_>,
) -> Resource<ExternalSecretSpec> {
    // The operator copies the labels to the Secret.
    let mut metadata = metadata::in_namespace(SYSTEM, target.namespace, target.name);
    label(&mut metadata, DATA_CLASSIFICATION, "secret");
    annotate(&mut metadata, "phoenix.ai/secret-source", "external-secrets");
    // The store reports Ready regardless of what it can open; only this condition shows that the Secret exists.
    annotate(&mut metadata, "pulumi.com/waitFor", "condition=Ready");
    Resource {
        api_version: API_VERSION,
        kind: "ExternalSecret",
        metadata,
        spec: ExternalSecretSpec {
            refresh_interval: config.refresh_interval.clone(),
            secret_store_ref: StoreRef {
                kind: "SecretStore",
                name: STORE,
            },
            target: Target {
                name: target.name.to_owned(),
                // Deleting the `ExternalSecret` deletes its Secret, even if another mode manages the same Secret from
                // then on.
                creation_policy: if options.retain { "Orphan" } else { "Owner" },
                // An environment that lost its values by mistake must not remove them from running pods.
                deletion_policy: "Retain",
            },
            // Every item opens the environment again, so one item extracts a whole Secret: a flat map of strings.
            data_from: vec![DataFrom {
                extract: Extract {
                    key: target.property(),
                },
            }],
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<Spec> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Serialize)]
struct StoreSpec {
    provider: Provider,
}

#[derive(Serialize)]
struct Provider {
    pulumi: Pulumi,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pulumi {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<String>,
    organization: String,
    project: String,
    environment: String,
    auth: Auth,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Auth {
    AccessToken(AccessToken),
    OidcConfig(OidcConfig),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessToken {
    secret_ref: SecretRef,
}

#[derive(Serialize)]
struct SecretRef {
    name: String,
    key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OidcConfig {
    organization: String,
    service_account_ref: ServiceAccountRef,
    expiration_seconds: u32,
}

#[derive(Serialize)]
struct ServiceAccountRef {
    name: String,
    audiences: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSecretSpec {
    refresh_interval: String,
    secret_store_ref: StoreRef,
    target: Target,
    data_from: Vec<DataFrom>,
}

#[derive(Serialize)]
struct StoreRef {
    kind: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    name: String,
    creation_policy: &'static str,
    deletion_policy: &'static str,
}

#[derive(Serialize)]
struct DataFrom {
    extract: Extract,
}

#[derive(Serialize)]
struct Extract {
    key: String,
}
