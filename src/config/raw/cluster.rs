//! The cluster of a stack, as written in a stack file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The cluster of the stack, and assumptions about it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawCluster {
    /// The kubeconfig context that the provider uses.
    pub context: OrPlaceholder<String>,
    /// The UID of the cluster's `kube-system` Namespace, which identifies the cluster. Nothing is changed in a
    /// cluster with another UID. `cargo phoenix doctor STACK` prints it.
    pub uid: OrPlaceholder<String>,
    /// A name that remains the same when the kubeconfig or the address changes. If it changes, the provider replaces
    /// every object.
    pub identifier: String,
    /// The service mesh.
    #[serde(default)]
    pub mesh: RawMesh,
    /// The Prometheus that scrapes the platform.
    #[serde(default)]
    pub monitoring: RawPrometheus,
    /// Networks that count as internal: egress to an external host must not reach them. Link-local and carrier-grade
    /// NAT addresses always count as internal.
    #[serde(default = "private_networks")]
    pub private_networks: Vec<String>,
    /// The priority of pods when nodes run out of resources: each value is a `PriorityClass` of the cluster.
    #[serde(default)]
    pub priority_classes: RawPriorityClasses,
    /// Secrets of the type `kubernetes.io/dockerconfigjson` with registry credentials. The cluster operator creates
    /// them in `sophia-memory`, and in `sophia-ai` if the chat is part of the stack. Without any, the nodes have the
    /// credentials or the images are public.
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
}

/// `PriorityClass`es of the cluster. Without one, pods have the default priority of the cluster, usually 0.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawPriorityClasses {
    /// The class of the stores: Qdrant, the session cache and the knowledge graph. The highest, because the servers
    /// depend on them.
    #[serde(default)]
    pub stores: Option<String>,
    /// The class of the servers: OpenMemory, LangGraph and the chat.
    #[serde(default)]
    pub servers: Option<String>,
    /// The class of Jobs, such as the synchronization and the load test. The lowest, because they can wait.
    #[serde(default)]
    pub jobs: Option<String>,
}

/// The service mesh of the cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMesh {
    /// The namespace of istiod, which is also the root namespace of the mesh.
    pub namespace: String,
    /// The revision label of the platform's namespaces; by default `istio-injection: enabled`.
    pub revision: Option<String>,
    /// The trust domain, the first part of every identity.
    pub trust_domain: String,
    /// Whether the mesh sets up traffic redirection with istio-cni. Otherwise its pods would need privileges that the
    /// platform's namespace does not allow.
    pub cni: bool,
    /// Whether sidecars resolve names that only the mesh knows, such as `sophia-memory.local` (DNS capture).
    /// Otherwise, clients in the mesh use the name of the Service.
    pub dns_capture: bool,
}

impl Default for RawMesh {
    fn default() -> Self {
        Self {
            namespace: "istio-system".to_owned(),
            revision: None,
            trust_domain: "cluster.local".to_owned(),
            cni: true,
            dns_capture: true,
        }
    }
}

/// The Prometheus of the cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawPrometheus {
    /// The namespace of Prometheus.
    pub namespace: String,
    /// The service account of Prometheus.
    pub service_account: String,
    /// The labels of its pods. Only they can connect to the ports with metrics.
    pub pod_labels: BTreeMap<String, String>,
}

impl Default for RawPrometheus {
    fn default() -> Self {
        Self {
            namespace: "monitoring".to_owned(),
            service_account: "prometheus".to_owned(),
            pod_labels: BTreeMap::from([("app.kubernetes.io/name".to_owned(), "prometheus".to_owned())]),
        }
    }
}

fn private_networks() -> Vec<String> {
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
        .map(str::to_owned)
        .to_vec()
}
