//! Pods that follow their secrets: a changed value makes new pods of exactly the workloads that read it.
//!
//! The inventory says who reads what, so no system has to think of it, and none can forget it.

use phoenix_graph::Object;

use crate::config::SecretsMode;
use crate::config::secret::SecretRow;

/// The annotation on the pods with the checksum of all secrets that they read.
const CHECKSUM: &str = "phoenix.ai/secrets-checksum";

/// The annotation by which Stakater's Reloader is told whose changes it is to follow.
pub const RELOADER: &str = "secret.reloader.stakater.com/reload";

/// Kinds whose pods stay. What runs once reads its secrets anew each time.
const STAYING: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// Makes an object restart its pods whenever one of these secrets changes that they read.
pub fn follow(object: &mut Object, needed: &[&SecretRow], mode: &SecretsMode) {
    if !STAYING.contains(&object.id.kind.as_str()) {
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
        // The values never come by here; a controller in the cluster sees them change.
        SecretsMode::ExternalSecrets(_) => {
            let mut secrets: Vec<_> = rows.iter().map(|row| row.secret).collect();
            secrets.sort_unstable();
            secrets.dedup();
            object.annotate(RELOADER, &secrets.join(","));
        }
    }
}
