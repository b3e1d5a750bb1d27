//! The objects in a sandbox's cluster before a deployment: nodes, storage classes, the namespaces that exist in a real cluster
//! and that the stack does not create, and the label by which the program recognizes a sandbox.
//!
//! Pure: always the same objects. The capacities are large on purpose, because a sandbox does not show whether a cluster is
//! large enough.

use std::collections::BTreeSet;

use phoenix::names::SANDBOX_LABEL;
use serde_json::{Value, json};

/// The zones, each with the same nodes.
pub const ZONES: [&str; 3] = ["sandbox-a", "sandbox-b", "sandbox-c"];

/// The provisioner of the storage classes, which is part of the sandbox.
pub const PROVISIONER: &str = "volumes.phoenix.invalid";

/// The default storage class, whose volumes can be mounted by one node.
pub const BLOCK_CLASS: &str = "standard";

/// The storage class whose volumes can be mounted by many nodes.
pub const SHARED_CLASS: &str = "shared";

/// The parameter of a storage class that states whether its volumes can be mounted by many nodes.
pub const SHARING: &str = "sharing";

/// The value of [`SHARING`] for volumes that only one node can mount.
pub const NEVER: &str = "never";

/// Namespaces that other teams manage.
pub const EXTERNAL_NAMESPACES: [&str; 4] = ["sophia-ai", "sophia-mcp", "istio-system", "monitoring"];

/// All objects, in an order in which they can be applied.
pub fn all() -> Vec<Value> {
    let namespaces = EXTERNAL_NAMESPACES.iter().map(
        |name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { "name": name } } }),
    );
    let all = nodes().into_iter().chain(storage()).chain(namespaces);
    all.chain([sandbox_label()]).collect()
}

/// The label by which the program recognizes the cluster of a sandbox.
fn sandbox_label() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": "kube-system", "labels": { SANDBOX_LABEL: "true" } },
    })
}

/// The simulated nodes: in each zone two with accelerators and two without.
pub fn nodes() -> Vec<Value> {
    let mut nodes = Vec::new();
    for zone in ZONES {
        for number in 1..=2 {
            nodes.push(node(zone, "gpu", number, nodes.len()));
            nodes.push(node(zone, "cpu", number, nodes.len()));
        }
    }
    nodes
}

fn node(zone: &str, kind: &str, number: usize, index: usize) -> Value {
    let name = format!("{zone}-{kind}-{number}");
    let mut labels = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": format!("sandbox.{kind}"),
        "topology.kubernetes.io/region": "sandbox",
        "topology.kubernetes.io/zone": zone,
    });
    let mut capacity = json!({ "cpu": "64", "memory": "512Gi", "ephemeral-storage": "2Ti", "pods": "250" });
    let mut taints = json!([]);
    if kind == "gpu" {
        // Both sets of labels: the cloud provider's, which stacks select by default, and those of NVIDIA's operator.
        labels["lambdalabs.com/gpu-type"] = json!("rtx-4090");
        labels["nvidia.com/gpu.present"] = json!("true");
        labels["nvidia.com/gpu.product"] = json!("NVIDIA-GeForce-RTX-4090");
        labels["nvidia.com/gpu.count"] = json!("8");
        labels["nvidia.com/gpu.memory"] = json!("24564");
        capacity["nvidia.com/gpu"] = json!("8");
        taints = json!([{ "key": "lambdalabs.com/gpu", "value": "true", "effect": "NoSchedule" }]);
    }
    // Each node has its own range, so that pods do not share addresses.
    let addresses = format!("10.244.{index}.0/24");
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "podCIDR": addresses,
            "podCIDRs": [addresses],
            "providerID": format!("sandbox://{name}"),
            "taints": taints,
        },
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [
                { "type": "InternalIP", "address": format!("172.30.0.{}", index + 1) },
                { "type": "Hostname", "address": name },
            ],
        },
    })
}

fn storage() -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": { "name": PROVISIONER },
            // There is nothing to attach, so pods do not have to wait for it.
            "spec": { "attachRequired": false, "podInfoOnMount": false },
        }),
        class(BLOCK_CLASS, true, "WaitForFirstConsumer", Sharing::Never),
        class(SHARED_CLASS, false, "Immediate", Sharing::Allowed),
    ]
}

/// Whether the volumes of a class can be mounted by many nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Allowed,
    Never,
}

fn class(name: &str, default: bool, mode: &str, sharing: Sharing) -> Value {
    let sharing = if sharing == Sharing::Never {
        NEVER
    } else {
        "allowed"
    };
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": { "storageclass.kubernetes.io/is-default-class": default.to_string() },
        },
        "provisioner": PROVISIONER,
        "parameters": { SHARING: sharing },
        "reclaimPolicy": "Delete",
        "volumeBindingMode": mode,
        "allowVolumeExpansion": true,
    })
}

/// The storage classes in a stack's configuration that the sandbox does not have. A real cluster has classes with these names;
/// what they allow is not known, so these allow everything.
pub fn named_classes(config: &Value) -> Vec<Value> {
    let mut names = BTreeSet::new();
    collect_class_names(config, &mut names);
    names.retain(|name| name != BLOCK_CLASS && name != SHARED_CLASS);
    names
        .iter()
        .map(|name| class(name, false, "WaitForFirstConsumer", Sharing::Allowed))
        .collect()
}

fn collect_class_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field.as_str() {
                    Some(name) if key == "storageClass" || key == "storageClassName" => {
                        names.insert(name.to_owned());
                    }
                    _ => collect_class_names(field, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_class_names(item, names)),
        _ => {}
    }
}

/// The stage that keeps a simulated node ready by updating its conditions every ten seconds.
///
/// kwok's two heartbeat stages alternate in a way that leaves nodes not ready after some minutes.
pub fn heartbeat() -> Value {
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": { "name": "sandbox-heartbeat" },
        "spec": {
            "resourceRef": { "apiGroup": "v1", "kind": "Node" },
            "selector": { "matchExpressions": [
                { "key": ".status.phase", "operator": "In", "values": ["Running"] },
                {
                    "key": ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
                    "operator": "In",
                    "values": ["True"],
                },
            ]},
            "delay": { "durationMilliseconds": 10000, "jitterDurationMilliseconds": 11000 },
            "next": { "statusTemplate": HEARTBEAT },
            "immediateNextStage": true,
        },
    })
}

/// The template of the status, with functions of kwok.
const HEARTBEAT: &str = "\
{{ $now := Now }}
{{ $since := or .metadata.creationTimestamp $now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $since | Quote }}
{{ end }}
";

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;

    use super::*;

    fn typed() -> Vec<Node> {
        nodes()
            .into_iter()
            .map(|node| serde_json::from_value(node).expect("nodes are nodes"))
            .collect()
    }

    #[test]
    fn every_zone_has_nodes_with_and_without_accelerators() {
        let seen: BTreeSet<(String, bool)> = typed()
            .iter()
            .map(|node| {
                let labels = node.metadata.labels.as_ref().expect("labelled");
                let zone = labels["topology.kubernetes.io/zone"].clone();
                (zone, labels.contains_key("lambdalabs.com/gpu-type"))
            })
            .collect();
        assert_eq!(seen.len(), ZONES.len() * 2);
    }

    #[test]
    fn only_nodes_with_accelerators_are_tainted_and_have_capacity_for_them() {
        for node in typed() {
            let spec = node.spec.expect("specified");
            let capacity = node
                .status
                .expect("with a status")
                .capacity
                .expect("with a capacity");
            let tainted = spec.taints.is_some_and(|taints| !taints.is_empty());
            assert_eq!(tainted, capacity.contains_key("nvidia.com/gpu"));
        }
    }

    #[test]
    fn no_two_nodes_share_a_name_or_addresses() {
        let nodes = typed();
        let names: BTreeSet<_> = nodes.iter().map(|node| node.metadata.name.clone()).collect();
        let ranges: BTreeSet<_> = nodes
            .iter()
            .map(|node| node.spec.as_ref().and_then(|spec| spec.pod_cidr.clone()))
            .collect();
        assert_eq!((names.len(), ranges.len()), (nodes.len(), nodes.len()));
    }

    #[test]
    fn exactly_one_storage_class_is_the_default() {
        let objects = all();
        let default = |object: &&Value| {
            object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
        };
        let defaults: Vec<_> = objects.iter().filter(default).collect();
        assert_eq!(defaults.len(), 1);
        assert_eq!(defaults[0]["metadata"]["name"], BLOCK_CLASS);
    }

    #[test]
    fn storage_classes_in_the_configuration_exist_in_the_sandbox() {
        let config = json!({
            "phoenix:qdrant": { "storage": { "storageClass": "fast-nvme" } },
            "phoenix:openmemory": { "storageClass": SHARED_CLASS },
        });
        let classes = named_classes(&config);
        let names: Vec<_> = classes
            .iter()
            .map(|class| class["metadata"]["name"].clone())
            .collect();
        assert_eq!(names, ["fast-nvme"]);
    }
}
