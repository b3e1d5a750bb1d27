//! Objects that the stack references but does not create: `PriorityClasses`, and image pull secrets.
//!
//! Only the metadata of a Secret is read, never its content.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix_terminal::checklist::Check;

use super::{Stack, could_not_check};

/// Runs all of these checks; none if the stack references no such object.
pub async fn run(client: &Client, stack: &Stack<'_>) -> Vec<Check> {
    let (classes, secrets) = tokio::join!(classes(client, stack), pull_secrets(client, stack));
    classes.into_iter().chain(secrets).collect()
}

async fn classes(client: &Client, stack: &Stack<'_>) -> Option<Check> {
    let subject = "priorities";
    let named = &stack.config.cluster.priority_classes;
    let wanted: BTreeSet<&str> = [&named.stores, &named.servers, &named.jobs]
        .into_iter()
        .flatten()
        .map(phoenix::config::DnsName::as_str)
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let known = match Api::<PriorityClass>::all(client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(known) => known.items,
        Err(error) => return Some(could_not_check(subject, "the PriorityClasses", &error)),
    };
    let value = |name: &str| {
        known
            .iter()
            .find(|class| class.metadata.name.as_deref() == Some(name))
            .map(|class| class.value)
    };
    let missing: Vec<_> = wanted
        .iter()
        .copied()
        .filter(|name| value(name).is_none())
        .collect();
    if !missing.is_empty() {
        return Some(Check::fail(
            subject,
            format!(
                "the cluster has no PriorityClass {}: the pods would be rejected",
                missing.join(", ")
            ),
            "have the class created, or correct phoenix:cluster.priorityClasses; `kubectl get priorityclasses` lists the existing ones",
        ));
    }
    // A role without a class has the cluster's default priority.
    let default = known
        .iter()
        .find(|class| class.global_default == Some(true))
        .map_or(0, |class| class.value);
    let rank = |class: &Option<phoenix::config::DnsName>| {
        class
            .as_ref()
            .and_then(|name| value(name.as_str()))
            .unwrap_or(default)
    };
    let ranks = [&named.stores, &named.servers, &named.jobs].map(rank);
    let shown = format!(
        "stores have {}, servers {}, Jobs {}",
        ranks[0], ranks[1], ranks[2]
    );
    Some(if ranks.is_sorted_by(|higher, lower| higher >= lower) {
        Check::good(subject, shown)
    } else {
        Check::warn(
            subject,
            format!("{shown}: when nodes are short of resources, stores are evicted before their clients"),
            "in phoenix:cluster.priorityClasses, give stores the highest priority and Jobs the lowest",
        )
    })
}

async fn pull_secrets(client: &Client, stack: &Stack<'_>) -> Option<Check> {
    let subject = "registry";
    let names = &stack.config.cluster.image_pull_secrets;
    if names.is_empty() {
        return None;
    }
    let namespaces: BTreeSet<_> = stack
        .config
        .workloads()
        .iter()
        .map(|workload| workload.namespace)
        .collect();
    let mut missing = Vec::new();
    for namespace in namespaces {
        for name in names {
            let api = Api::<Secret>::namespaced(client.clone(), namespace);
            match api.get_metadata_opt(name.as_str()).await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(format!("{namespace}/{name}")),
                Err(error) => return Some(could_not_check(subject, "the image pull secrets", &error)),
            }
        }
    }
    Some(if missing.is_empty() {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Check::good(
            subject,
            format!("every namespace has the image pull secret {}", names.join(", ")),
        )
    } else {
        Check::warn(
            subject,
            format!(
                "there is no Secret {}: images are pulled without credentials",
                missing.join(", ")
            ),
            "have it created in each namespace (`kubectl create secret docker-registry`), or correct phoenix:cluster.imagePullSecrets; before the first deployment the namespace itself may be missing",
        )
    })
}
