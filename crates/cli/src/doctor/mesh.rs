//! What the stack assumes of the service mesh: istiod, its injector, istio-cni, sidecars that answer names, and who writes the
//! audit trail.
//!
//! The labels are those of Istio's own charts (`istio-discovery`, `istio-cni`); another distribution may use others, so
//! what is found by a label alone is a warning where it is missing.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use super::check::{Check, Status, could_not_check};
use super::version::numbers;
use crate::stack::Stack;
use crate::yaml;

/// The first Istio that serves the `v1` APIs that the stack writes.
const OLDEST_ISTIO: &str = "1.22";

/// All of it. A sandbox has no mesh but its kinds, so there nothing of this is a failure.
pub async fn run(client: &Client, stack: &Stack) -> Vec<Check> {
    let (istiod, injector, cni, dns, audit) = tokio::join!(
        istiod(client, stack),
        injector(client, stack),
        cni(client, stack),
        dns_capture(client, stack),
        audit_trail(client, stack)
    );
    let mut checks: Vec<_> = [Some(istiod), Some(injector), cni, dns, audit]
        .into_iter()
        .flatten()
        .collect();
    if stack.config.sandbox {
        for check in checks.iter_mut().filter(|check| check.status == Status::Fail) {
            check.status = Status::Warn;
            check.hint = Some("a sandbox runs no mesh; a real cluster needs it".to_owned());
        }
    }
    checks
}

/// The revision that injects into our namespaces.
fn revision(stack: &Stack) -> &str {
    let revision = stack.config.cluster.mesh.revision.as_ref();
    revision.map_or("default", |revision| revision.as_str())
}

async fn istiod(client: &Client, stack: &Stack) -> Check {
    let subject = "istiod";
    let namespace = stack.config.cluster.mesh.namespace.as_str();
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let found = match api.list(&ListParams::default().labels("app=istiod")).await {
        Ok(found) => found.items,
        Err(error) => return could_not_check(subject, &format!("the namespace {namespace}"), &error),
    };
    if found.is_empty() {
        let words = format!("there is none in the namespace {namespace}: no sidecar would get a certificate");
        return Check::fail(
            subject,
            words,
            "install Istio, or correct phoenix:cluster.mesh.namespace",
        );
    }
    let ready = found
        .iter()
        .filter_map(|deployment| deployment.status.as_ref()?.ready_replicas)
        .sum::<i32>();
    let versions: Vec<String> = found.iter().filter_map(version_of).collect();
    let words = format!("{} in {namespace}", versions.join(", "));
    if let Some(old) = versions
        .iter()
        .find(|version| numbers(version) < numbers(OLDEST_ISTIO))
    {
        let words = format!("{old} in {namespace}, but at least {OLDEST_ISTIO} is needed");
        return Check::fail(
            subject,
            words,
            "upgrade Istio; older ones do not serve security.istio.io/v1",
        );
    }
    if ready == 0 {
        let hint = format!("kubectl --namespace {namespace} describe pods --selector app=istiod");
        return Check::fail(subject, format!("{words}, but no pod of it is ready"), hint);
    }
    Check::good(subject, words)
}

/// The version in an image's tag; `None` where the image is named by its digest alone.
fn version_of(deployment: &Deployment) -> Option<String> {
    let image = deployment
        .spec
        .as_ref()?
        .template
        .spec
        .as_ref()?
        .containers
        .first()?
        .image
        .as_ref()?;
    let tag = image.split('@').next()?.rsplit_once(':')?.1;
    tag.starts_with(|first: char| first.is_ascii_digit())
        .then(|| tag.to_owned())
}

async fn injector(client: &Client, stack: &Stack) -> Check {
    let subject = "injector";
    let revision = revision(stack);
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let found = match api
        .list(&ListParams::default().labels("app=sidecar-injector"))
        .await
    {
        Ok(found) => found.items,
        Err(error) => return could_not_check(subject, "the webhooks of the cluster", &error),
    };
    let label = |webhook: &MutatingWebhookConfiguration, name: &str| {
        webhook
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(name).cloned())
    };
    let known: Vec<String> = found
        .iter()
        .filter_map(|webhook| label(webhook, "istio.io/tag").or_else(|| label(webhook, "istio.io/rev")))
        .collect();
    if known.iter().any(|known| known == revision) {
        return Check::good(subject, format!("the revision {revision} injects"));
    }
    let hint = if known.is_empty() {
        "install Istio with its injector".to_owned()
    } else {
        format!("set phoenix:cluster.mesh.revision to one of {}", known.join(", "))
    };
    let words = format!("nothing injects for the revision {revision}: pods would start without a sidecar");
    Check::fail(subject, words, hint)
}

/// Pods with a sidecar pass Pod Security `restricted` only where istio-cni sets up the redirection for them.
async fn cni(client: &Client, stack: &Stack) -> Option<Check> {
    let subject = "istio-cni";
    if !stack.config.cluster.mesh.cni {
        return None;
    }
    let api = Api::<DaemonSet>::all(client.clone());
    let found = api
        .list(&ListParams::default().labels("k8s-app=istio-cni-node"))
        .await;
    let found = match found {
        Ok(found) => found.items,
        Err(error) => return Some(could_not_check(subject, "istio-cni", &error)),
    };
    let ready = |set: &DaemonSet| {
        set.status.as_ref().is_some_and(|status| {
            status.desired_number_scheduled > 0 && status.number_ready == status.desired_number_scheduled
        })
    };
    Some(match found.iter().find(|set| ready(set)).or(found.first()) {
        Some(set) if ready(set) => Check::good(subject, "runs on every node"),
        Some(set) => Check::warn(
            subject,
            "does not run on every node yet",
            format!(
                "kubectl --namespace {} get daemonset {}",
                set.metadata.namespace.as_deref().unwrap_or_default(),
                set.metadata.name.as_deref().unwrap_or_default()
            ),
        ),
        None => Check::warn(
            subject,
            "no DaemonSet k8s-app=istio-cni-node is there; without it, Pod Security `restricted` refuses every pod with a sidecar",
            "install Istio's chart `cni`, unless your distribution sets up the redirection by other means",
        ),
    })
}

/// `sophia-memory.local` is a name that only sidecars can answer. Our own pods ask for sidecars that do; those of callers
/// do as their namespace or the mesh says.
async fn dns_capture(client: &Client, stack: &Stack) -> Option<Check> {
    let subject = "DNS capture";
    if !stack.config.cluster.mesh.dns_capture {
        return None;
    }
    let (place, settings) = match settings(client, stack, subject).await {
        Ok(found) => found,
        Err(unseen) => return Some(unseen),
    };
    let value = settings.pointer("/defaultConfig/proxyMetadata/ISTIO_META_DNS_CAPTURE");
    let captures = value.is_some_and(|value| *value == Value::Bool(true) || value == "true");
    Some(if captures {
        Check::good(subject, "sidecars answer the names of the mesh")
    } else {
        Check::warn(
            subject,
            format!(
                "is not on for all of the mesh ({place}); callers of other namespaces may not resolve sophia-memory.local (our own pods do not depend on it)"
            ),
            "set ISTIO_META_DNS_CAPTURE to \"true\" in meshConfig.defaultConfig.proxyMetadata or on the pods of callers, or let callers use the Service's name",
        )
    })
}

/// What a line of the audit trail must be made from, for it to say who asked, and for whom.
const WHO: [&str; 2] = ["DOWNSTREAM_PEER_URI_SAN", "X-PHOENIX-USER"];

/// The mesh drops an audit trail whose writer it does not know, without a word.
async fn audit_trail(client: &Client, stack: &Stack) -> Option<Check> {
    let subject = "audit trail";
    let trail = stack.config.audit_trail.as_ref()?;
    let (place, settings) = match settings(client, stack, subject).await {
        Ok(found) => found,
        Err(unseen) => return Some(unseen),
    };
    let provider = trail.provider.as_str();
    let named = settings
        .get("extensionProviders")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|known| known["name"] == provider);
    let format = match named {
        Some(named) => named.to_string(),
        // Every mesh has it, and writes what the mesh says of all access logs.
        None if provider == "envoy" => settings["accessLogFormat"].to_string(),
        None => {
            return Some(Check::fail(
                subject,
                format!("{place} has no provider {provider}, so that nothing would be written down"),
                "add it to meshConfig.extensionProviders: docs/audit-trail.md has it",
            ));
        }
    };
    let missing: Vec<_> = WHO
        .into_iter()
        .filter(|field| !format.to_ascii_uppercase().contains(field))
        .collect();
    Some(if missing.is_empty() {
        Check::good(subject, format!("{provider} writes down who asked"))
    } else {
        Check::warn(
            subject,
            format!(
                "{provider} does not say who asked: its lines have no {}",
                missing.join(", ")
            ),
            "give the provider the fields of docs/audit-trail.md",
        )
    })
}

/// What the mesh says of itself, and where; a [`Check`] where that cannot be seen.
async fn settings(client: &Client, stack: &Stack, subject: &'static str) -> Result<(String, Value), Check> {
    let namespace = stack.config.cluster.mesh.namespace.as_str();
    let name = match revision(stack) {
        "default" => "istio".to_owned(),
        revision => format!("istio-{revision}"),
    };
    let place = format!("{namespace}/{name}");
    let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let settings = api
        .get_opt(&name)
        .await
        .map_err(|error| could_not_check(subject, &place, &error))?;
    let mesh = settings
        .and_then(|settings| settings.data)
        .and_then(|mut data| data.remove("mesh"));
    let documents = mesh.and_then(|mesh| yaml::read(&mesh).ok()).unwrap_or_default();
    let first = documents.into_iter().next();
    Ok((place, first.map_or(Value::Null, |document| document.value)))
}
