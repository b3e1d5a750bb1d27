//! The few things a sandbox does with its own API server.
//!
//! Promises: talks to the server in the sandbox's kubeconfig and to no other; applying is repeatable.
//! The calls wait: they are for commands, not for other asynchronous code.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The name under which the sandbox's own objects are applied.
const MANAGER: &str = "phoenix-sandbox";

/// A connection to a sandbox's API server.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
}

/// How many pods there are, and how many of them do what they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pods {
    /// Ready, or finished well.
    pub ready: usize,
    /// All.
    pub total: usize,
}

impl Cluster {
    /// The cluster that the kubeconfig's current context names. Nothing is asked yet.
    pub fn connect(kubeconfig: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting a runtime for the Kubernetes client")?;
        let client = runtime.block_on(client(kubeconfig))?;
        Ok(Self { runtime, client })
    }

    /// Whether the API server says that it is ready.
    pub fn ready(&self) -> bool {
        let request = http::Request::get("/readyz")
            .body(Vec::new())
            .expect("a constant request is well formed");
        self.runtime
            .block_on(self.client.request_text(request))
            .is_ok_and(|answer| answer == "ok")
    }

    /// The UID of the Namespace `kube-system`, which tells this cluster from every other.
    pub fn uid(&self) -> Result<String> {
        self.runtime.block_on(async {
            let api: Api<Namespace> = Api::all(self.client.clone());
            // A new API server makes the namespace some moments after it says that it is ready.
            for _ in 0..300 {
                let found = api.get_opt("kube-system").await;
                let found = found.context("looking at the Namespace kube-system of the sandbox")?;
                if let Some(uid) = found.and_then(|namespace| namespace.metadata.uid) {
                    return Ok(uid);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(anyhow!("there is no Namespace kube-system after half a minute"))
        })
    }

    /// Makes these objects exist and be so.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        self.runtime.block_on(async {
            for object in objects {
                apply(&self.client, object).await?;
            }
            Ok(())
        })
    }

    /// Applies definitions of resources and waits until the server serves them all.
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

    /// How many nodes are Ready.
    pub fn ready_nodes(&self) -> Result<usize> {
        self.runtime.block_on(async {
            let nodes = Api::<Node>::all(self.client.clone())
                .list(&ListParams::default())
                .await;
            let nodes = nodes.context("listing the nodes of the sandbox")?;
            Ok(nodes.iter().filter(|node| node_is_ready(node)).count())
        })
    }

    /// The pods of all namespaces, counted.
    pub fn pods(&self) -> Result<Pods> {
        self.runtime.block_on(async {
            let pods = Api::<Pod>::all(self.client.clone())
                .list(&ListParams::default())
                .await;
            let pods = pods.context("listing the pods of the sandbox")?;
            Ok(Pods {
                ready: pods.iter().filter(|pod| pod_is_ready(pod)).count(),
                total: pods.items.len(),
            })
        })
    }
}

/// A client for the kubeconfig's current context that does not wait for ever.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let read =
        Kubeconfig::read_from(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("understanding {}", kubeconfig.display()))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(30));
    // The server is on loopback: a proxy of the person's shell has no business in between.
    config.proxy_url = None;
    Client::try_from(config).context("making a Kubernetes client")
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
    // The main endpoint drops a status, so a node's capacity goes to the status endpoint.
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
            .with_context(|| format!("looking at {name}"))?;
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
    Err(anyhow!(
        "the API server does not serve {name} after half a minute"
    ))
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
