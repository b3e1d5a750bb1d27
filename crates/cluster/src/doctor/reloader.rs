//! Stakater's Reloader, which restarts pods after a secret changed if no value passes through Pulumi.
//!
//! It is found by the labels of its own chart and manifests. An installation with other labels, or another controller that
//! reads the same annotation, is not recognized and leads to an unnecessary warning.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix::config::SecretsMode;
use phoenix_terminal::checklist::Check;

use super::{Stack, could_not_check};

/// The labels of Reloader's Deployment.
const LABELS: &str = "group=com.stakater.platform,provider=stakater";

/// Checks that Reloader is running; `None` if the stack does not need it.
pub async fn run(client: &Client, stack: &Stack<'_>) -> Option<Check> {
    let subject = "Reloader";
    if !matches!(stack.config.secrets, SecretsMode::ExternalSecrets(_)) {
        return None;
    }
    // Its namespace is not known.
    let api = Api::<Deployment>::all(client.clone());
    let found = match api.list(&ListParams::default().labels(LABELS)).await {
        Ok(found) => found.items,
        Err(error) => return Some(could_not_check(subject, "the cluster's Deployments", &error)),
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
                "no pod of {namespace}/{name} is ready; a changed secret takes effect only when a pod restarts"
            ),
            format!("kubectl --namespace {namespace} describe deployment {name}"),
        )
    } else {
        Check::warn(
            subject,
            format!(
                "there is no Deployment with the labels {LABELS}; a changed secret takes effect only when a pod restarts"
            ),
            "install Stakater's chart `reloader`, or restart the pods that read the secret, as described in docs/runbooks/rotate-a-secret.md",
        )
    })
}
