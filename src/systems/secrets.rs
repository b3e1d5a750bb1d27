//! The Kubernetes Secrets of the platform, derived from the inventory. They contain only the names of secrets; the
//! values are inserted when the objects are registered, or in the cluster by the External Secrets Operator.

mod external;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use phoenix_graph::Graph;

use crate::config::secret::{SecretRow, Target};
use crate::config::{SecretsMode, StackOptions};
use crate::names::{self};
use crate::parts::metadata::{self, annotate, label};

/// The system's name.
const SYSTEM: &str = "secrets";

/// Builds one Secret for each in the inventory, or the objects from which the External Secrets Operator creates them.
pub fn build(
    mode: &SecretsMode,
    targets: BTreeMap<Target, Vec<&'static SecretRow>>,
    options: StackOptions<'_>,
) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    let source = match mode {
        SecretsMode::Local => "pulumi-config",
        SecretsMode::PulumiEsc | SecretsMode::EscDirect(_) => "pulumi-esc",
        SecretsMode::ExternalSecrets(config) => {
            external::add(&mut graph, config, targets.into_keys().collect(), options);
            return graph;
        }
    };
    for (target, rows) in targets {
        let object = graph.insert(build_secret(target, &rows, source));
        // In another mode, another controller manages the same Secret, which must not disappear in between.
        object.retain_on_delete(options.retain);
        for row in rows {
            object.secret(&format!("/stringData/{}", row.data_key), &row.full_key());
        }
    }
    graph
}

fn build_secret(target: Target, rows: &[&SecretRow], source: &str) -> Secret {
    let mut metadata = metadata::in_namespace(SYSTEM, target.namespace, target.name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "secret");
    // Explains in the manifest why it contains no values.
    annotate(&mut metadata, "phoenix.ai/secret-source", source);
    Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        // References are not possible in `data`, where the server expects base64.
        string_data: Some(
            rows.iter()
                .map(|row| (row.data_key.to_owned(), String::new()))
                .collect(),
        ),
        ..Default::default()
    }
}
