//! The data plane of the mesh: which proxy handles the traffic of a workload, and what bypasses it.
//!
//! Follows Istio's injection webhook (labels of the pod and its namespace; the label of the pod takes precedence over its
//! annotation), and istio-cni for ambient mode. Settings of the injector, such as `neverInjectSelector` and
//! `enableNamespacesByDefault`, are not known here.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode as _, Yaml};

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
        is_replaced(container) == Answer::No
            && container.name == "istio-proxy"
            && matches!(container.node().text("image"), Field::Known(image) if image != "auto")
    })
}

/// Whether a container with the name of the proxy runs something else: an image or a command of its own.
pub fn is_replaced(container: &Container<'_>) -> Answer {
    if container.name != "istio-proxy" {
        return Answer::No;
    }
    let node = container.node();
    let other_image = match node.text("image") {
        Field::Known(image) => Answer::from_bool(image != "auto" && !is_image_of_istio(image)),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    let own_command = match node.field("command") {
        Field::Known(_) => Answer::Yes,
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    Answer::any([other_image, own_command])
}

/// Whether an image has the name of Istio's proxy, in any registry.
fn is_image_of_istio(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split([':', '@']).next() == Some("proxyv2")
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
pub fn inbound_bypass(workload: Workload<'_>) -> Field<&'static str> {
    bypass(workload, &INBOUND)
}

/// Why connections from a workload do not all pass through its proxy: the key of the setting.
pub fn outbound_bypass(workload: Workload<'_>) -> Field<&'static str> {
    bypass(workload, &OUTBOUND)
}

/// A key of an annotation or label, and the values with which all traffic is captured.
pub type Capture = (&'static str, &'static [&'static str]);

/// What excludes received connections. The ports are those of the proxy itself, which the webhook excludes anyway.
pub const INBOUND: [Capture; 4] = [
    (
        "traffic.sidecar.istio.io/excludeInboundPorts",
        &["", "15020", "15021", "15090"],
    ),
    ("traffic.sidecar.istio.io/excludeInterfaces", &[""]),
    ("traffic.sidecar.istio.io/includeInboundPorts", &["*"]),
    ("ambient.istio.io/bypass-inbound-capture", &["false"]),
];
/// What excludes opened connections.
pub const OUTBOUND: [Capture; 4] = [
    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", &[""]),
    ("traffic.sidecar.istio.io/excludeOutboundPorts", &[""]),
    ("traffic.sidecar.istio.io/includeOutboundIPRanges", &["*"]),
    ("traffic.sidecar.istio.io/excludeInterfaces", &[""]),
];

/// The mode of capturing connections, as an annotation and as a key of the proxy's configuration.
pub const INTERCEPTION: Capture = ("sidecar.istio.io/interceptionMode", &["REDIRECT", "TPROXY"]);

fn bypass(workload: Workload<'_>, keys: &[Capture]) -> Field<&'static str> {
    let metadata = workload.pod.metadata();
    let captures = |(key, captured): &Capture| {
        let in_maps = ["annotations", "labels"].map(|map| match metadata.entry(map, key) {
            Field::Known(value) => Answer::from_bool(!captured.contains(&value.trim())),
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        });
        (Answer::any(in_maps), *key)
    };
    let configured = match proxy_config(workload) {
        Field::Known(config) => Answer::from_bool(config.disables_interception()),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    let replaced = Answer::any(workload.pod.containers.iter().map(is_replaced));
    let mut maybe = None;
    let reasons = keys.iter().chain([&INTERCEPTION]).map(captures).chain([
        (configured, PROXY_CONFIG),
        (replaced, "a container of its own named istio-proxy"),
    ]);
    for (answer, key) in reasons {
        match answer {
            Answer::Yes => return Field::Known(key),
            Answer::Unknown => maybe = Some(key),
            Answer::No => {}
        }
    }
    if maybe.is_some() {
        Field::Unknown
    } else {
        Field::Absent
    }
}

/// The annotation with the configuration of a pod's proxy.
pub const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// The top-level keys of a proxy's configuration.
pub struct ProxyConfig(BTreeMap<String, String>);

impl ProxyConfig {
    /// Whether the configuration sets a key, which is written in camel case here.
    pub fn sets(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether no traffic passes through the proxy. The mode is a name or the number of the enumeration.
    pub fn disables_interception(&self) -> bool {
        let mode = self.0.get("interceptionMode");
        mode.is_some_and(|mode| ["NONE", "2"].contains(&mode.as_str()))
    }
}

/// The annotation `proxy.istio.io/config`: a mapping in YAML or JSON, whose keys are in camel case or in snake case.
pub fn proxy_config(workload: Workload<'_>) -> Field<ProxyConfig> {
    let text = workload.pod.metadata().entry("annotations", PROXY_CONFIG);
    text.and_then(|text| {
        let Ok(documents) = Yaml::load_from_str(text) else {
            return Field::Unknown;
        };
        let mapping = match documents.as_slice() {
            [] => return Field::Absent,
            [document] if document.is_null() => return Field::Absent,
            [document] => document.as_mapping(),
            _ => None,
        };
        let Some(mapping) = mapping else {
            return Field::Unknown;
        };
        let key = |key: &Yaml<'_>| key.as_str().map(camel_case);
        let value = |value: &Yaml<'_>| {
            let number = value.as_integer().map(|number| number.to_string());
            value.as_str().map(str::to_owned).or(number).unwrap_or_default()
        };
        let entries: Option<BTreeMap<_, _>> = mapping
            .iter()
            .filter(|(_, content)| !content.is_null())
            .map(|(name, content)| Some((key(name)?, value(content))))
            .collect();
        entries.map_or(Field::Unknown, |entries| Field::Known(ProxyConfig(entries)))
    })
}

/// `interceptionMode` for `interception_mode`.
fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
        camel
    })
}
