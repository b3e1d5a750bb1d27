//! Administration of a cluster by its kubeconfig file, as the sandbox needs it: applying, listing, creating, deleting.
//!
//! Uses the server in that kubeconfig only. Applying is idempotent. The calls block, so they are for commands and not for
//! asynchronous code.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Config};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

/// The field manager of applied objects.
const MANAGER: &str = "phoenix-sandbox";

/// A connection to an API server.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
}

/// The number of pods, and how many of them are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pods {
    /// Ready, or succeeded.
    pub ready: usize,
    /// All pods.
    pub total: usize,
}

impl Cluster {
    /// The cluster of the kubeconfig's current context. Nothing is queried yet.
    pub fn connect(kubeconfig: &Path) -> Result<Self> {
        let runtime = crate::connection::runtime()?;
        let client = runtime.block_on(client(kubeconfig))?;
        Ok(Self { runtime, client })
    }

    /// Whether the API server reports that it is ready.
    pub fn ready(&self) -> bool {
        let request = http::Request::get("/readyz")
            .body(Vec::new())
            .expect("a constant request is well formed");
        self.runtime
            .block_on(self.client.request_text(request))
            .is_ok_and(|answer| answer == "ok")
    }

    /// The UID of the Namespace `kube-system`, which identifies the cluster.
    pub fn uid(&self) -> Result<String> {
        self.runtime.block_on(async {
            let api: Api<Namespace> = Api::all(self.client.clone());
            // A new API server creates the namespace shortly after it is ready.
            for _ in 0..300 {
                let found = api.get_opt("kube-system").await;
                let found = found.context("reading the Namespace kube-system")?;
                if let Some(uid) = found.and_then(|namespace| namespace.metadata.uid) {
                    return Ok(uid);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(anyhow!("the Namespace kube-system does not exist after 30 s"))
        })
    }

    /// Applies these objects, with force.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        self.runtime.block_on(async {
            for object in objects {
                apply(&self.client, object).await?;
            }
            Ok(())
        })
    }

    /// Applies custom resource definitions and waits until the server serves all of them.
    pub fn define(&self, definitions: &[Value]) -> Result<()> {
        self.apply(definitions)?;
        self.runtime.block_on(async {
            let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
            for definition in definitions {
                let name = definition["metadata"]["name"].as_str().unwrap_or_default();
                established(&api, name).await?;
            }
            Ok(())
        })
    }

    /// The number of nodes that are ready.
    pub fn ready_nodes(&self) -> Result<usize> {
        self.runtime.block_on(async {
            let nodes = Api::<Node>::all(self.client.clone())
                .list(&ListParams::default())
                .await;
            let nodes = nodes.context("listing the nodes")?;
            Ok(nodes.iter().filter(|node| node_is_ready(node)).count())
        })
    }

    /// The number of pods in all namespaces.
    pub fn pods(&self) -> Result<Pods> {
        self.runtime.block_on(async {
            let pods = Api::<Pod>::all(self.client.clone())
                .list(&ListParams::default())
                .await;
            let pods = pods.context("listing the pods")?;
            Ok(Pods {
                ready: pods.iter().filter(|pod| pod_is_ready(pod)).count(),
                total: pods.items.len(),
            })
        })
    }

    /// All objects of a kind.
    pub fn list<K: Kind>(&self) -> Result<Vec<K>> {
        self.runtime.block_on(async {
            let found = Api::<K>::all(self.client.clone())
                .list(&ListParams::default())
                .await;
            Ok(found.with_context(|| format!("listing {}", K::KIND))?.items)
        })
    }

    /// Creates a cluster-scoped object.
    pub fn create<K: Kind>(&self, object: &K) -> Result<()> {
        self.runtime.block_on(async {
            let created = Api::<K>::all(self.client.clone())
                .create(&PostParams::default(), object)
                .await;
            created
                .map(drop)
                .with_context(|| format!("creating a {}", K::KIND))
        })
    }

    /// Deletes a cluster-scoped object.
    pub fn delete<K: Kind>(&self, name: &str) -> Result<()> {
        self.runtime.block_on(async {
            let deleted = Api::<K>::all(self.client.clone())
                .delete(name, &DeleteParams::default())
                .await;
            deleted
                .map(drop)
                .with_context(|| format!("deleting the {} {name}", K::KIND))
        })
    }

    /// Merges a patch into a cluster-scoped object.
    pub fn patch<K: Kind>(&self, name: &str, patch: &Value) -> Result<()> {
        self.runtime.block_on(async {
            let patched = Api::<K>::all(self.client.clone())
                .patch(name, &PatchParams::default(), &Patch::Merge(patch))
                .await;
            patched
                .map(drop)
                .with_context(|| format!("changing the {} {name}", K::KIND))
        })
    }

    /// Merges a patch into the status of an object in a namespace.
    pub fn patch_status<K: Kind<Scope = NamespaceResourceScope>>(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<()> {
        self.runtime.block_on(async {
            let patched = Api::<K>::namespaced(self.client.clone(), namespace)
                .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
                .await;
            patched
                .map(drop)
                .with_context(|| format!("changing the status of the {} {namespace}/{name}", K::KIND))
        })
    }
}

/// A kind of object with a type of `k8s-openapi`.
pub trait Kind:
    k8s_openapi::Metadata<Ty = ObjectMeta> + Clone + Debug + DeserializeOwned + Serialize
{
}

impl<K> Kind for K where
    K: k8s_openapi::Metadata<Ty = ObjectMeta> + Clone + Debug + DeserializeOwned + Serialize
{
}

/// A client for the kubeconfig's current context, with time limits.
async fn client(kubeconfig: &Path) -> Result<Client> {
    let read =
        Kubeconfig::read_from(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("parsing {}", kubeconfig.display()))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(30));
    // The server is on loopback; a proxy of the user's shell does not apply.
    config.proxy_url = None;
    Client::try_from(config).context("creating a Kubernetes client")
}

async fn apply(client: &Client, object: &Value) -> Result<()> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match text("/metadata/namespace") {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let parameters = PatchParams::apply(MANAGER).force();
    let what = || format!("applying {kind} {name}");
    api.patch(name, &parameters, &Patch::Apply(object))
        .await
        .with_context(what)?;
    // The main endpoint ignores the status, so a node's capacity is written to the status endpoint.
    if kind == "Node" {
        api.patch_status(name, &parameters, &Patch::Apply(object))
            .await
            .with_context(what)?;
    }
    Ok(())
}

async fn established(api: &Api<CustomResourceDefinition>, name: &str) -> Result<()> {
    for _ in 0..300 {
        let definition = api
            .get_status(name)
            .await
            .with_context(|| format!("reading {name}"))?;
        let conditions = definition
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        if conditions
            .iter()
            .any(|condition| condition.type_ == "Established" && condition.status == "True")
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(anyhow!("the API server does not serve {name} after 30 s"))
}

fn node_is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn pod_is_ready(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let conditions = status.conditions.as_ref().into_iter().flatten();
    status.phase.as_deref() == Some("Succeeded")
        || conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
