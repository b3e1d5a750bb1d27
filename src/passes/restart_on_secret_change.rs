//! Restarts pods when a secret that they read changes.
//!
//! The inventory lists the readers of each secret, so the systems need not handle rotation themselves.

use phoenix_graph::Object;

use crate::config::SecretsMode;
use crate::config::secret::SecretRow;

/// The pod annotation with the checksum of all secrets that the pod reads.
const CHECKSUM: &str = "phoenix.ai/secrets-checksum";

/// The annotation with the Secrets that Stakater's Reloader watches.
const RELOADER: &str = "secret.reloader.stakater.com/reload";

/// Kinds with long-running pods. Jobs read their secrets on each run.
const LONG_RUNNING_KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// Makes an object restart its pods when one of the secrets that they read changes.
pub fn apply(object: &mut Object, needed: &[&SecretRow], mode: &SecretsMode) {
    if !LONG_RUNNING_KINDS.contains(&object.id.kind.as_str()) {
        return;
    }
    let (namespace, name) = (object.id.namespace.as_deref(), object.id.name.as_str());
    let reads = |row: &&&SecretRow| {
        row.readers
            .iter()
            .any(|reader| Some(reader.workload.namespace) == namespace && reader.workload.name == name)
    };
    let rows: Vec<_> = needed.iter().filter(reads).collect();
    if rows.is_empty() {
        return;
    }
    match mode {
        SecretsMode::Local | SecretsMode::PulumiEsc | SecretsMode::EscDirect(_) => {
            let keys: Vec<_> = rows.iter().map(|row| row.full_key()).collect();
            object.restart_on_change(CHECKSUM, keys.iter().map(String::as_str));
        }
        // The values are not known here; a controller in the cluster observes the change.
        SecretsMode::ExternalSecrets(_) => {
            let mut secrets: Vec<_> = rows.iter().map(|row| row.secret).collect();
            secrets.sort_unstable();
            secrets.dedup();
            object.annotate(RELOADER, &secrets.join(","));
        }
    }
}
