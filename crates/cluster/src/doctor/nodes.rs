//! What the stack requires of nodes, storage, the metrics API and the network plugin.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix_graph::references::pod_spec;
use phoenix_graph::{Graph, Object};
use phoenix_terminal::checklist::Check;
use phoenix_terminal::output::count;
use serde_json::Value;

use super::could_not_check;

/// The annotation of the default storage class.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Names of the `DaemonSet`s of network plugins that enforce NetworkPolicies.
const ENFORCERS: [&str; 6] = [
    "antrea-agent",
    "calico-node",
    "canal",
    "cilium",
    "kube-router",
    "ovnkube-node",
];

/// Runs all of these checks.
pub async fn run(client: &Client, graph: &Graph) -> Vec<Check> {
    let (storage, nodes, metrics, policies) = tokio::join!(
        storage_classes(client, graph),
        nodes(client, graph),
        metrics(client, graph),
        policies(client, graph)
    );
    let mut checks = vec![storage];
    checks.extend(nodes);
    checks.extend(metrics);
    checks.extend(policies);
    checks
}

/// The storage classes that claims reference; `None` is the default class.
fn classes(graph: &Graph) -> BTreeSet<Option<String>> {
    let class = |spec: Option<&Value>| {
        spec.and_then(|spec| spec.get("storageClassName"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let mut classes = BTreeSet::new();
    for object in graph.objects() {
        if object.id.kind == "PersistentVolumeClaim" {
            classes.insert(class(object.body().get("spec")));
        }
        let templates = object
            .body()
            .pointer("/spec/volumeClaimTemplates")
            .and_then(Value::as_array);
        classes.extend(
            templates
                .into_iter()
                .flatten()
                .map(|claim| class(claim.get("spec"))),
        );
    }
    classes
}

fn named(classes: &BTreeSet<Option<String>>) -> String {
    let names: Vec<_> = classes
        .iter()
        .map(|class| class.as_deref().unwrap_or("the default class"))
        .collect();
    names.join(", ")
}

async fn storage_classes(client: &Client, graph: &Graph) -> Check {
    let subject = "storage";
    let known = match Api::<StorageClass>::all(client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(known) => known.items,
        Err(error) => return could_not_check(subject, "the storage classes", &error),
    };
    let names: Vec<String> = known
        .iter()
        .filter_map(|class| class.metadata.name.clone())
        .collect();
    let default = known.iter().find(|class| {
        let annotations = class.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get(DEFAULT_CLASS))
            .map(String::as_str)
            == Some("true")
    });
    let wanted = classes(graph);
    let missing: Vec<String> = wanted
        .iter()
        .filter_map(|class| match class {
            Some(class) => (!names.contains(class)).then(|| format!("the class {class}")),
            None => default.is_none().then(|| "a default class".to_owned()),
        })
        .collect();
    if missing.is_empty() {
        return Check::good(
            subject,
            format!(
                "the cluster has every class that the volumes use: {}",
                named(&wanted)
            ),
        );
    }
    let there = if names.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    };
    Check::fail(
        subject,
        format!("the cluster does not have {}; {there}", missing.join(", ")),
        "correct storageClass of that volume in the stack file, or create the class",
    )
}

async fn nodes(client: &Client, graph: &Graph) -> Vec<Check> {
    let nodes = match Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(nodes) => nodes.items,
        Err(error) => return vec![could_not_check("nodes", "the nodes", &error)],
    };
    let usable: Vec<&Node> = nodes.iter().filter(|node| is_usable(node)).collect();
    let mut checks = vec![spread(graph, &usable)];
    checks.extend(
        graph
            .objects()
            .filter_map(|object| Some((object, pod_spec(object)?)))
            .filter_map(|(object, pod)| selected(object, pod, &usable)),
    );
    checks
}

/// Whether pods can be scheduled on a node: it is ready and not cordoned.
fn is_usable(node: &Node) -> bool {
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && !cordoned
}

fn label<'a>(node: &'a Node, name: &str) -> Option<&'a String> {
    node.metadata.labels.as_ref().and_then(|labels| labels.get(name))
}

/// Checks that there are as many zones and nodes as the pods of a quorum are spread over; with fewer, pods stay pending.
fn spread(graph: &Graph, nodes: &[&Node]) -> Check {
    let subject = "nodes";
    let mut needed = BTreeMap::<&str, u64>::new();
    for constraint in graph
        .objects()
        .filter_map(pod_spec)
        .filter_map(|pod| pod.get("topologySpreadConstraints").and_then(Value::as_array))
        .flatten()
    {
        let text = |field: &str| constraint.get(field).and_then(Value::as_str);
        if text("whenUnsatisfiable") != Some("DoNotSchedule") {
            continue;
        }
        let domains = constraint.get("minDomains").and_then(Value::as_u64).unwrap_or(1);
        let least = needed.entry(text("topologyKey").unwrap_or_default()).or_default();
        *least = domains.max(*least);
    }
    let found = |key: &str| {
        let values: BTreeSet<_> = nodes.iter().filter_map(|node| label(node, key)).collect();
        u64::try_from(values.len()).unwrap_or(u64::MAX)
    };
    let missing: Vec<_> = needed
        .iter()
        .filter(|(key, least)| found(key) < **least)
        .map(|(key, least)| format!("{} of {least} different values of {key}", found(key)))
        .collect();
    let ready = count(nodes.len(), "node");
    if nodes.is_empty() {
        return Check::fail(
            subject,
            "no node is ready and schedulable",
            "see `kubectl get nodes`",
        );
    }
    if missing.is_empty() {
        let zones = found("topology.kubernetes.io/zone");
        return Check::good(
            subject,
            format!(
                "{ready} ready in {}",
                count(usize::try_from(zones).unwrap_or_default(), "zone")
            ),
        );
    }
    Check::fail(
        subject,
        format!(
            "{ready} ready, with {}: pods of a quorum would stay pending",
            missing.join(", and ")
        ),
        "add nodes, or label them with their zones",
    )
}

/// Checks that a workload with a node selector has a node that matches and whose taints it tolerates.
fn selected(object: &Object, pod: &Value, nodes: &[&Node]) -> Option<Check> {
    let subject = "accelerator";
    let selector = pod
        .get("nodeSelector")?
        .as_object()
        .filter(|selector| !selector.is_empty())?;
    let words: Vec<_> = selector
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    let words = words.join(", ");
    let matching: Vec<_> = nodes
        .iter()
        .filter(|node| {
            selector
                .iter()
                .all(|(name, value)| label(node, name).map(String::as_str) == value.as_str())
        })
        .collect();
    if matching.is_empty() {
        let known: BTreeSet<_> = nodes
            .iter()
            .flat_map(|node| selector.keys().filter_map(|name| label(node, name)))
            .collect();
        let hint = if known.is_empty() {
            "label the nodes, or correct phoenix:openmemory.accelerator; `kubectl get nodes --show-labels` lists the labels"
                .to_owned()
        } else {
            let known: Vec<_> = known.into_iter().map(String::as_str).collect();
            format!(
                "set phoenix:openmemory.accelerator.product to one of {}",
                known.join(", ")
            )
        };
        let found = format!(
            "no node has {words}: the pods of {} would stay pending",
            object.id
        );
        return Some(Check::fail(subject, found, hint));
    }
    let tolerated = |taint: &&k8s_openapi::api::core::v1::Taint| {
        pod.get("tolerations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|toleration| tolerates(toleration, taint))
    };
    let open = matching.iter().any(|node| {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
        taints
            .into_iter()
            .flatten()
            .filter(|taint| taint.effect != "PreferNoSchedule")
            .all(|taint| tolerated(&taint))
    });
    Some(if open {
        Check::good(subject, format!("{} with {words}", count(matching.len(), "node")))
    } else {
        Check::fail(
            subject,
            format!(
                "every node with {words} has a taint that {} does not tolerate",
                object.id
            ),
            "set phoenix:openmemory.accelerator.labels to the vendor of these taints; `kubectl describe nodes` lists them",
        )
    })
}

fn tolerates(toleration: &Value, taint: &k8s_openapi::api::core::v1::Taint) -> bool {
    let text = |field: &str| toleration.get(field).and_then(Value::as_str);
    let effect = text("effect").is_none_or(|effect| effect == taint.effect);
    let key = text("key").is_none_or(|key| key == taint.key);
    let value = text("operator") == Some("Exists") || text("value") == taint.value.as_deref();
    effect && key && value
}

/// Checks the metrics API, which autoscalers read. An autoscaler with equal bounds does not need it.
async fn metrics(client: &Client, graph: &Graph) -> Option<Check> {
    let subject = "metrics API";
    let autoscaler = graph.objects().find(|object| {
        let bound = |name: &str| object.body().pointer(&format!("/spec/{name}"));
        object.id.kind == "HorizontalPodAutoscaler" && bound("minReplicas") != bound("maxReplicas")
    })?;
    let served = client.list_api_group_resources("metrics.k8s.io/v1beta1").await;
    Some(match served {
        Ok(_) => Check::good(subject, "is served"),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 503) => Check::warn(
            subject,
            format!("is not served: {} would not scale", autoscaler.id),
            "install metrics-server; until then the number of pods does not change",
        ),
        Err(error) => could_not_check(subject, "the API metrics.k8s.io", &error),
    })
}

/// Checks the network plugin by name, because no API reports whether NetworkPolicies are enforced.
async fn policies(client: &Client, graph: &Graph) -> Option<Check> {
    let subject = "network";
    let number = graph
        .objects()
        .filter(|object| object.id.kind == "NetworkPolicy")
        .count();
    if number == 0 {
        return None;
    }
    let sets = Api::<DaemonSet>::all(client.clone())
        .list(&ListParams::default())
        .await;
    let names: Vec<String> = sets
        .map(|sets| sets.into_iter().filter_map(|set| set.metadata.name).collect())
        .unwrap_or_default();
    let enforcer = names.iter().find(|name| ENFORCERS.contains(&name.as_str()));
    Some(match enforcer {
        Some(name) => Check::good(subject, format!("{name} enforces NetworkPolicies")),
        None => Check::warn(
            subject,
            format!(
                "it is not known whether the network plugin enforces the stack's {number} NetworkPolicies; the stack assumes that it does"
            ),
            "ask the operators of the cluster; Calico, Cilium and Antrea enforce them, flannel alone does not",
        ),
    })
}
