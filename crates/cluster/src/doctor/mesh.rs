//! What the stack requires of the service mesh: istiod, the sidecar injector, istio-cni, DNS capture, path
//! normalization, and the provider of the
//! audit trail.
//!
//! Components are found by the labels of Istio's own charts (`istio-discovery`, `istio-cni`). Other distributions may use
//! other labels, so a component that can only be found by its label is reported as a warning if it is missing.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix_manifests::yaml;
use phoenix_terminal::checklist::{Check, Status};
use phoenix_terminal::version::numbers;
use serde_json::Value;

use super::{Stack, could_not_check};

/// The first Istio version that serves the `v1` APIs that the stack uses.
const OLDEST_ISTIO: &str = "1.22";

/// Runs all checks of the mesh. A sandbox only has the custom resource definitions, so its failures are warnings.
pub async fn run(client: &Client, stack: &Stack<'_>) -> Vec<Check> {
    let (istiod, injector, cni, dns, paths, audit) = tokio::join!(
        istiod(client, stack),
        injector(client, stack),
        cni(client, stack),
        dns_capture(client, stack),
        path_normalization(client, stack),
        audit_trail(client, stack)
    );
    let mut checks: Vec<_> = [Some(istiod), Some(injector), cni, dns, Some(paths), audit]
        .into_iter()
        .flatten()
        .collect();
    if stack.config.sandbox {
        for check in checks.iter_mut().filter(|check| check.status == Status::Fail) {
            check.status = Status::Warn;
            check.hint = Some("a sandbox runs no mesh; a real cluster requires it".to_owned());
        }
    }
    checks
}

/// The Istio revision that injects sidecars into the stack's namespaces.
fn revision<'a>(stack: &Stack<'a>) -> &'a str {
    let revision = stack.config.cluster.mesh.revision.as_ref();
    revision.map_or("default", |revision| revision.as_str())
}

async fn istiod(client: &Client, stack: &Stack<'_>) -> Check {
    let subject = "istiod";
    let namespace = stack.config.cluster.mesh.namespace.as_str();
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let found = match api.list(&ListParams::default().labels("app=istiod")).await {
        Ok(found) => found.items,
        Err(error) => return could_not_check(subject, &format!("the namespace {namespace}"), &error),
    };
    if found.is_empty() {
        let words = format!("not found in namespace {namespace}: sidecars would not get a certificate");
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
        let words = format!("{old} in {namespace}, but at least {OLDEST_ISTIO} is required");
        return Check::fail(
            subject,
            words,
            "upgrade Istio; older versions do not serve security.istio.io/v1",
        );
    }
    if ready == 0 {
        let hint = format!("kubectl --namespace {namespace} describe pods --selector app=istiod");
        return Check::fail(subject, format!("{words}, but no pod is ready"), hint);
    }
    Check::good(subject, words)
}

/// The version in an image's tag; `None` if the image is referenced by digest only.
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

async fn injector(client: &Client, stack: &Stack<'_>) -> Check {
    let subject = "injector";
    let revision = revision(stack);
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let found = match api
        .list(&ListParams::default().labels("app=sidecar-injector"))
        .await
    {
        Ok(found) => found.items,
        Err(error) => return could_not_check(subject, "the cluster's webhooks", &error),
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
        return Check::good(subject, format!("the revision {revision} injects sidecars"));
    }
    let hint = if known.is_empty() {
        "install Istio with its sidecar injector".to_owned()
    } else {
        format!("set phoenix:cluster.mesh.revision to one of {}", known.join(", "))
    };
    let words =
        format!("no webhook injects sidecars for the revision {revision}: pods would start without one");
    Check::fail(subject, words, hint)
}

/// Checks istio-cni. Pods with a sidecar satisfy the Pod Security level `restricted` only if istio-cni sets up the redirection.
async fn cni(client: &Client, stack: &Stack<'_>) -> Option<Check> {
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
            "there is no DaemonSet with the label k8s-app=istio-cni-node; without istio-cni, the Pod Security level `restricted` rejects every pod with a sidecar",
            "install Istio's chart `cni`, unless your distribution sets up the redirection in another way",
        ),
    })
}

/// Checks DNS capture: `sophia-memory.local` is resolved by sidecars only. The stack's own pods enable DNS capture; for
/// callers, their namespace or the mesh decides.
async fn dns_capture(client: &Client, stack: &Stack<'_>) -> Option<Check> {
    let subject = "DNS capture";
    if !stack.config.cluster.mesh.dns_capture {
        return None;
    }
    let (place, settings) = match settings(client, stack, subject).await {
        Ok(found) => found,
        Err(check) => return Some(check),
    };
    let value = settings.pointer("/defaultConfig/proxyMetadata/ISTIO_META_DNS_CAPTURE");
    let captures = value.is_some_and(|value| *value == Value::Bool(true) || value == "true");
    Some(if captures {
        Check::good(subject, "sidecars resolve the hosts of the mesh")
    } else {
        Check::warn(
            subject,
            format!(
                "is not enabled for the whole mesh ({place}); callers in other namespaces may not be able to resolve sophia-memory.local (the stack's own pods do not depend on it)"
            ),
            "set ISTIO_META_DNS_CAPTURE to \"true\" in meshConfig.defaultConfig.proxyMetadata or on the callers' pods, or have callers use the name of the Service",
        )
    })
}

/// Checks that sidecars decode `%2F` and `%5C` before they evaluate policies. Otherwise a path such as `/a/..%2fb` is allowed
/// as a path below `/a/`, and a server that decodes it serves `/b`. No policy can match it.
async fn path_normalization(client: &Client, stack: &Stack<'_>) -> Check {
    const STRICTEST: &str = "DECODE_AND_MERGE_SLASHES";
    let subject = "path normalization";
    let (place, settings) = match settings(client, stack, subject).await {
        Ok(found) => found,
        Err(check) => return check,
    };
    match settings
        .pointer("/pathNormalization/normalization")
        .and_then(Value::as_str)
    {
        Some(STRICTEST) => Check::good(
            subject,
            "sidecars decode slashes in paths before they evaluate policies",
        ),
        other => Check::warn(
            subject,
            format!(
                "is {} in {place}, so a path such as /a/..%2fb reaches the servers as it is",
                other.unwrap_or("the default")
            ),
            format!("set meshConfig.pathNormalization.normalization to {STRICTEST}"),
        ),
    }
}

/// What a line of the audit trail has to contain to identify the caller and the user.
const CALLER_FIELDS: [&str; 2] = ["DOWNSTREAM_PEER_URI_SAN", "X-PHOENIX-USER"];

/// Checks the provider of the audit trail. The mesh silently drops access logs for a provider that is not defined.
async fn audit_trail(client: &Client, stack: &Stack<'_>) -> Option<Check> {
    let subject = "audit trail";
    let trail = stack.config.audit_trail.as_ref()?;
    let (place, settings) = match settings(client, stack, subject).await {
        Ok(found) => found,
        Err(check) => return Some(check),
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
        // Built into every mesh; its format is that of all access logs.
        None if provider == "envoy" => settings["accessLogFormat"].to_string(),
        None => {
            return Some(Check::fail(
                subject,
                format!("{place} does not define the provider {provider}, so nothing would be logged"),
                "add it to meshConfig.extensionProviders, as shown in docs/audit-trail.md",
            ));
        }
    };
    let missing: Vec<_> = CALLER_FIELDS
        .into_iter()
        .filter(|field| !format.to_ascii_uppercase().contains(field))
        .collect();
    Some(if missing.is_empty() {
        Check::good(subject, format!("{provider} logs the caller and the user"))
    } else {
        Check::warn(
            subject,
            format!(
                "{provider} does not log the caller: its lines have no {}",
                missing.join(", ")
            ),
            "add the fields listed in docs/audit-trail.md to the provider",
        )
    })
}

/// The mesh configuration and where it is; a [`Check`] if it could not be read.
async fn settings(
    client: &Client,
    stack: &Stack<'_>,
    subject: &'static str,
) -> Result<(String, Value), Check> {
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
