//! The data plane of the mesh: which proxy handles the traffic of a workload, and what bypasses it.
//!
//! Follows Istio's injection webhook (labels of the pod and its namespace; the label of the pod takes precedence over its
//! annotation), and istio-cni for ambient mode. Settings of the injector, such as `neverInjectSelector` and
//! `enableNamespacesByDefault`, are not known here.

use crate::field::{Field, Node};
use crate::inventory::{Inventory, Workload, injects, mesh_labels};
use crate::kind::{Kind, NAMESPACE};
use crate::pod::Container;
use crate::selector::Answer;
use crate::settings::assume;

/// The proxy that handles the traffic of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// None: the workload is not in the mesh.
    Outside,
    /// A sidecar.
    Sidecar,
    /// The workload is itself a proxy: a gateway or a waypoint.
    Gateway,
    /// The proxy of the node (ztunnel), in ambient mode. It handles connections, not requests.
    Ambient,
    /// It depends on an unknown value.
    Unknown,
}

/// Namespaces that Istio's webhook always ignores.
const NEVER_INJECTED: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// Kinds that indicate that their namespace is in the mesh.
const MESH_KINDS: [Kind; 8] = [
    Kind::new(&["security.istio.io"], "PeerAuthentication"),
    Kind::new(&["security.istio.io"], "AuthorizationPolicy"),
    Kind::new(&["security.istio.io"], "RequestAuthentication"),
    Kind::new(&["networking.istio.io"], "Sidecar"),
    Kind::new(&["networking.istio.io"], "EnvoyFilter"),
    Kind::new(&["extensions.istio.io"], "WasmPlugin"),
    Kind::new(&["extensions.istio.io"], "TrafficExtension"),
    Kind::new(&["telemetry.istio.io"], "Telemetry"),
];

/// The label of pods that belong to a Gateway of the Gateway API.
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The `GatewayClass` of waypoints, and the value of the label with the class on their pods.
pub const WAYPOINT_CLASS: &str = "istio-waypoint";

impl Inventory<'_> {
    /// Whether the pods of a workload are in the data plane of the mesh.
    pub fn is_in_mesh(&self, workload: Workload<'_>) -> Answer {
        match self.data_plane(workload) {
            DataPlane::Outside => Answer::No,
            DataPlane::Unknown => Answer::Unknown,
            DataPlane::Sidecar | DataPlane::Gateway | DataPlane::Ambient => Answer::Yes,
        }
    }

    /// The proxy that handles the traffic of a workload.
    pub fn data_plane(&self, workload: Workload<'_>) -> DataPlane {
        let namespace = workload.namespace();
        if !self.has_mesh() || NEVER_INJECTED.contains(&namespace) {
            return DataPlane::Outside;
        }
        match workload.pod.spec().flag("hostNetwork") {
            Field::Known(true) => return DataPlane::Outside,
            Field::Unknown => return DataPlane::Unknown,
            _ => {}
        }
        let gateway = is_gateway(workload);
        let injected = if contains_proxy(workload) {
            Answer::Yes
        } else {
            self.is_injected(workload)
        };
        match (injected, gateway) {
            (Answer::Yes, true) => DataPlane::Gateway,
            (Answer::Yes, false) => DataPlane::Sidecar,
            (Answer::Unknown, _) => DataPlane::Unknown,
            (Answer::No, _) => match self.is_captured_by_node(workload) {
                Answer::Yes => DataPlane::Ambient,
                Answer::No => DataPlane::Outside,
                Answer::Unknown => DataPlane::Unknown,
            },
        }
    }

    /// Whether the pods of a namespace are in the mesh unless they opt out.
    pub fn is_enrolled(&self, namespace: &str) -> Answer {
        if !self.has_mesh() || NEVER_INJECTED.contains(&namespace) {
            return Answer::No;
        }
        match self.cluster_scoped(NAMESPACE, namespace) {
            Some(found) => mesh_labels(Node::new(found.body(), "")),
            None => self.is_presumably_enrolled(namespace),
        }
    }

    /// Without the Namespace object, objects of Istio in the namespace indicate that it is in the mesh. Those in the root
    /// namespace concern the whole mesh.
    fn is_presumably_enrolled(&self, namespace: &str) -> Answer {
        let root = self.settings.assumed_text(&assume::MESH_ROOT);
        Answer::from_bool(
            namespace != root
                && (self.settings.assumed_text(&assume::MESH) == "always"
                    || MESH_KINDS
                        .iter()
                        .any(|kind| self.within(*kind, namespace).next().is_some())),
        )
    }

    /// Whether the webhook adds a sidecar to the pods of a workload.
    fn is_injected(&self, workload: Workload<'_>) -> Answer {
        let metadata = workload.pod.metadata();
        let label = metadata.entry("labels", "sidecar.istio.io/inject");
        if label == Field::Known("false") {
            return Answer::No;
        }
        if label.is_unknown() || metadata.map("labels").is_unknown() {
            return Answer::Unknown;
        }
        let revision = metadata.entry("labels", "istio.io/rev");
        let opted_in = label == Field::Known("true") || matches!(revision, Field::Known(_));
        let by_namespace = match self.cluster_scoped(NAMESPACE, workload.namespace()) {
            Some(namespace) => {
                let body = Node::new(namespace.body(), "");
                let has_no_label = body.entry("metadata.labels", "istio-injection").is_absent()
                    && body.entry("metadata.labels", "istio.io/rev").is_absent();
                if opted_in && has_no_label && !body.map("metadata.labels").is_unknown() {
                    Answer::Yes
                } else {
                    injects(body)
                }
            }
            None if opted_in => Answer::Yes,
            None => self.is_presumably_enrolled(workload.namespace()),
        };
        // The annotation counts only if there is no label, and only pods that reach the webhook are affected by it.
        let annotation = match metadata.entry("annotations", "sidecar.istio.io/inject") {
            _ if !label.is_absent() => Answer::Yes,
            Field::Known("false") => Answer::No,
            Field::Unknown => Answer::Unknown,
            Field::Known(_) | Field::Absent => Answer::Yes,
        };
        by_namespace.and(annotation)
    }

    /// Whether the proxy of the node captures the traffic of a workload without a sidecar.
    fn is_captured_by_node(&self, workload: Workload<'_>) -> Answer {
        let mode = |node: Node<'_>, path: &str| match node.entry(path, "istio.io/dataplane-mode") {
            Field::Known(mode) => Field::Known(mode == "ambient"),
            Field::Absent => Field::Absent,
            Field::Unknown => Field::Unknown,
        };
        let own = mode(workload.pod.metadata(), "labels");
        let found = own.or(|| {
            self.cluster_scoped(NAMESPACE, workload.namespace())
                .map_or(Field::Absent, |namespace| {
                    mode(Node::new(namespace.body(), ""), "metadata.labels")
                })
        });
        match found {
            Field::Known(ambient) => Answer::from_bool(ambient),
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        }
    }
}

/// Whether a container runs Istio's proxy: one that is written in the manifest, or that the webhook completes.
fn contains_proxy(workload: Workload<'_>) -> bool {
    workload.pod.containers.iter().any(|container| {
        container.name == "istio-proxy"
            && !is_replaced(container)
            && matches!(container.node().text("image"), Field::Known(image) if image != "auto")
    })
}

/// Whether a container with the name of the proxy runs something else: an image or a command of its own.
pub fn is_replaced(container: &Container<'_>) -> bool {
    let node = container.node();
    let is_istio = |image: &str| {
        let name = image.rsplit('/').next().unwrap_or(image);
        image == "auto" || name.contains("proxyv2")
    };
    let image = node.text("image");
    let own_command = !node.field("command").is_absent();
    container.name == "istio-proxy"
        && (own_command || matches!(image, Field::Known(image) if !is_istio(image)))
}

/// Whether the pods of a workload are a gateway or a waypoint.
fn is_gateway(workload: Workload<'_>) -> bool {
    let metadata = workload.pod.metadata();
    let by_template = matches!(
        metadata.entry("annotations", "inject.istio.io/templates"),
        Field::Known(templates) if templates.split(',').any(|template| template.trim().ends_with("gateway"))
    );
    let routes = |container: &Container<'_>| {
        container.name == "istio-proxy"
            && container.node().list("args").known().is_some_and(|args| {
                args.iter()
                    .any(|arg| ["router", "waypoint"].iter().any(|mode| arg == mode))
            })
    };
    by_template
        || !metadata.entry("labels", GATEWAY_NAME).is_absent()
        || workload.pod.containers.iter().any(routes)
}

/// Why connections to a workload do not all pass through its proxy: the key of the setting.
pub fn inbound_bypass(workload: Workload<'_>) -> Option<&'static str> {
    bypass(workload, &INBOUND)
}

/// Why connections from a workload do not all pass through its proxy: the key of the setting.
pub fn outbound_bypass(workload: Workload<'_>) -> Option<&'static str> {
    bypass(workload, &OUTBOUND)
}

/// A key of an annotation or label, and the values with which all traffic is captured.
pub type Capture = (&'static str, &'static [&'static str]);

/// Ports of the proxy itself, which the webhook excludes anyway.
const INBOUND: [Capture; 4] = [
    (
        "traffic.sidecar.istio.io/excludeInboundPorts",
        &["", "15020", "15021", "15090"],
    ),
    ("traffic.sidecar.istio.io/excludeInterfaces", &[""]),
    ("traffic.sidecar.istio.io/includeInboundPorts", &["*"]),
    ("ambient.istio.io/bypass-inbound-capture", &["false"]),
];
const OUTBOUND: [Capture; 3] = [
    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", &[""]),
    ("traffic.sidecar.istio.io/excludeOutboundPorts", &[""]),
    ("traffic.sidecar.istio.io/includeOutboundIPRanges", &["*"]),
];

fn bypass(workload: Workload<'_>, keys: &[Capture]) -> Option<&'static str> {
    let metadata = workload.pod.metadata();
    let set = keys.iter().find(|(key, captured)| {
        ["annotations", "labels"].iter().any(|map| {
            matches!(metadata.entry(map, key), Field::Known(value) if !captured.contains(&value.trim()))
        })
    });
    let none = || {
        let key = "sidecar.istio.io/interceptionMode";
        let own = metadata.entry("annotations", key) == Field::Known("NONE");
        (own || proxy_config(workload, "interceptionMode") == Some("NONE")).then_some(key)
    };
    let replaced = || {
        let is = workload.pod.containers.iter().any(is_replaced);
        is.then_some("a container of its own named istio-proxy")
    };
    set.map(|(key, _)| *key).or_else(none).or_else(replaced)
}

/// The value of a key in the annotation `proxy.istio.io/config`, which is YAML or JSON.
pub fn proxy_config<'p>(workload: Workload<'p>, key: &str) -> Option<&'p str> {
    let text = workload
        .pod
        .metadata()
        .entry("annotations", "proxy.istio.io/config")
        .known()?;
    let rest = &text[text.find(key)? + key.len()..];
    let is_mark = |character: char| matches!(character, ' ' | '"' | '\'' | ':' | '\n' | '\t');
    let value = rest.trim_start_matches(is_mark);
    let end = value
        .find(|character: char| is_mark(character) && character != ':' || matches!(character, ',' | '}'))
        .unwrap_or(value.len());
    Some(&value[..end])
}
