//! The Kubernetes Secrets of the platform, made from the inventory. Only names are here; the values
//! take their places when the objects are registered, or, with the External Secrets Operator, in the cluster.

mod external;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use phoenix_graph::Graph;

use crate::config::SecretsMode;
use crate::config::secret::{SecretRow, Target};
use crate::names::{self, Shared};
use crate::parts::metadata::{self, annotate, label};

/// The system's name.
const SYSTEM: &str = "secrets";

/// One Secret for each that the inventory names, or what the External Secrets Operator makes them from.
pub fn build(
    mode: &SecretsMode,
    targets: BTreeMap<Target, Vec<&'static SecretRow>>,
    shared: Shared<'_>,
) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    let source = match mode {
        SecretsMode::Local => "pulumi-config",
        SecretsMode::PulumiEsc | SecretsMode::EscDirect(_) => "pulumi-esc",
        SecretsMode::ExternalSecrets(config) => {
            external::add(&mut graph, config, targets.into_keys().collect(), shared);
            return graph;
        }
    };
    for (target, rows) in targets {
        let object = graph.insert(build_secret(target, &rows, source));
        // In another mode somebody else writes the same Secret, which must not be gone for a moment in between.
        object.retain_on_delete(shared.retain);
        for row in rows {
            object.secret(&format!("/stringData/{}", row.data_key), &row.full_key());
        }
    }
    graph
}

fn build_secret(target: Target, rows: &[&SecretRow], source: &str) -> Secret {
    let mut metadata = metadata::in_namespace(SYSTEM, target.namespace, target.name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "secret");
    // Says to whoever reads a manifest why there are no values in it.
    annotate(&mut metadata, "phoenix.ai/secret-source", source);
    Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        // References cannot stand in `data`, where the server expects base64.
        string_data: Some(
            rows.iter()
                .map(|row| (row.data_key.to_owned(), String::new()))
                .collect(),
        ),
        ..Default::default()
    }
}
