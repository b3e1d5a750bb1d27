//! What follows the secrets where no value passes through Pulumi: Stakater's Reloader.
//!
//! It is found by the labels of its own chart and manifests. Whoever installs it otherwise, or has another controller
//! that reads its annotation, is warned without need.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix::config::SecretsMode;

use super::check::{Check, could_not_check};
use crate::stack::Stack;

/// The labels of its Deployment.
const LABELS: &str = "group=com.stakater.platform,provider=stakater";

/// Whether it is there; `None` where the stack does without it.
pub async fn run(client: &Client, stack: &Stack) -> Option<Check> {
    let subject = "Reloader";
    if !matches!(stack.config.secrets, SecretsMode::ExternalSecrets(_)) {
        return None;
    }
    // Nobody knows in which namespace it is.
    let api = Api::<Deployment>::all(client.clone());
    let found = match api.list(&ListParams::default().labels(LABELS)).await {
        Ok(found) => found.items,
        Err(error) => return Some(could_not_check(subject, "the Deployments of the cluster", &error)),
    };
    let place = |deployment: &Deployment| {
        let metadata = &deployment.metadata;
        let namespace = metadata.namespace.clone().unwrap_or_default();
        (namespace, metadata.name.clone().unwrap_or_default())
    };
    let is_ready = |deployment: &&Deployment| {
        let status = deployment.status.as_ref();
        status
            .and_then(|status| status.ready_replicas)
            .unwrap_or_default()
            > 0
    };
    Some(if let Some(ready) = found.iter().find(is_ready) {
        let (namespace, name) = place(ready);
        let found = format!("{namespace}/{name} restarts pods whose Secrets change");
        Check::good(subject, found)
    } else if let Some(idle) = found.first() {
        let (namespace, name) = place(idle);
        Check::warn(
            subject,
            format!(
                "no pod of {namespace}/{name} is ready; a changed secret reaches a pod only when it starts"
            ),
            format!("kubectl --namespace {namespace} describe deployment {name}"),
        )
    } else {
        Check::warn(
            subject,
            format!("no Deployment {LABELS} is there; a changed secret reaches a pod only when it starts"),
            "install Stakater's chart `reloader`, or restart the readers by hand, as docs/runbooks/rotate-a-secret.md says",
        )
    })
}
