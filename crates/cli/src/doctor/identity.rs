//! Whether the context leads to the stack's own cluster. Names of contexts are given anew; a UID is not.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use super::check::{Check, could_not_check};
use crate::cluster::IDENTITY_NAMESPACE;
use crate::stack::Stack;

/// The answer, and whether it is another cluster for sure.
pub struct Identity {
    /// The answer.
    pub check: Check,
    /// Whether the stack names another cluster.
    pub is_another_cluster: bool,
}

/// Compares the cluster's UID with the one that the stack names.
pub async fn run(client: &Client, context: &str, stack: &Stack) -> Identity {
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
    let (file, key) = (
        &stack.file.path,
        format!("{}:cluster", phoenix::config::NAMESPACE),
    );
    let (check, is_another_cluster) = match stack.config.cluster.uid.as_deref() {
        Some(known) if known == uid => (Check::good(subject, format!("is the stack's own, {uid}")), false),
        Some(known) => {
            let found = format!(
                "{context} leads to another cluster: its UID is {uid}, and {key}.uid is {known}; nothing more was asked of it"
            );
            let hint = format!(
                "repair the context in the kubeconfig, or {key}.context in {file}; only if the stack is to have a new cluster, \
                 write `uid: {uid}`"
            );
            (Check::fail(subject, found, hint), true)
        }
        None => {
            let found = format!("its UID is {uid}, and the stack does not name it yet");
            let hint = format!("write `uid: {uid}` below {key} in {file}, if this is the stack's cluster");
            (Check::fail(subject, found, hint), false)
        }
    };
    Identity {
        check,
        is_another_cluster,
    }
}
