//! Whether the kubeconfig context leads to the stack's cluster. A context's name can be reused; a UID cannot.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use phoenix_terminal::checklist::Check;

use super::{Stack, could_not_check};
use crate::connection::IDENTITY_NAMESPACE;

/// The result, and whether the cluster is certainly another one.
pub struct Identity {
    /// The result.
    pub check: Check,
    /// Whether the UID in the stack file is that of another cluster.
    pub is_another_cluster: bool,
}

/// Compares the cluster's UID with the one in the stack file.
pub async fn run(client: &Client, context: &str, stack: &Stack<'_>) -> Identity {
    let subject = "cluster";
    let found = Api::<Namespace>::all(client.clone())
        .get(IDENTITY_NAMESPACE)
        .await;
    let uid = match found.map(|namespace| namespace.metadata.uid) {
        Ok(uid) => uid.unwrap_or_default(),
        Err(error) => {
            return Identity {
                check: could_not_check(subject, &format!("the Namespace {IDENTITY_NAMESPACE}"), &error),
                is_another_cluster: false,
            };
        }
    };
    let (file, key) = (&stack.file, format!("{}:cluster", phoenix::config::NAMESPACE));
    let (check, is_another_cluster) = match stack.config.cluster.uid.as_deref() {
        Some(known) if known == uid => (
            Check::good(subject, format!("is the stack's cluster, with UID {uid}")),
            false,
        ),
        Some(known) => {
            let found = format!(
                "the context {context} leads to another cluster: its UID is {uid}, but {key}.uid is {known}; its other checks were skipped"
            );
            let hint = format!(
                "correct the context in the kubeconfig, or {key}.context in {file}; only if the stack moves to a new cluster, set \
                 `uid: {uid}`"
            );
            (Check::fail(subject, found, hint), true)
        }
        None => {
            let found = format!("its UID is {uid}, and {key}.uid is not set yet");
            let hint = format!("if this is the stack's cluster, set `uid: {uid}` below {key} in {file}");
            (Check::fail(subject, found, hint), false)
        }
    };
    Identity {
        check,
        is_another_cluster,
    }
}
