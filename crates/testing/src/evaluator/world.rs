//! Who lives in the cluster: the pods that the rendered stack declares, and the others that a test makes up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::objects::{Labels, Manifest, NameOrNumber, Named, PodTemplate, SidecarSelector};

/// Ports of the sidecar itself. The redirection leaves them alone, so no policy of the mesh guards them:
/// merged metrics, health, Envoy's own metrics. <https://istio.io/latest/docs/ops/deployment/application-requirements>
pub const BESIDE_THE_MESH: [u16; 3] = [15_020, 15_021, 15_090];

/// A pod, as policies see it.
#[derive(Clone, Debug)]
pub struct Pod {
    /// How messages call it.
    pub title: String,
    pub namespace: String,
    pub namespace_labels: Labels,
    pub labels: Labels,
    pub service_account: String,
    pub address: IpAddr,
    /// Its named ports.
    pub named_ports: BTreeMap<String, u16>,
    /// All ports that its containers declare.
    pub ports: BTreeSet<u16>,
    /// Whether it has a sidecar.
    pub sidecar: bool,
    /// Ports that an annotation takes away from the sidecar.
    pub excluded: BTreeSet<u16>,
    /// What the Services before it say is spoken on a port.
    pub spoken: BTreeMap<u16, Spoken>,
}

/// What the mesh takes the bytes on a port for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP: rules for methods and paths apply.
    Http,
    /// TCP: only rules for callers and ports apply.
    Bytes,
    /// Undeclared: the sidecar inspects the first bytes.
    Unknown,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// A pod of the cluster.
    Pod(&'a Pod),
    /// A machine outside.
    Address(IpAddr),
}

impl End<'_> {
    pub fn address(self) -> IpAddr {
        match self {
            Self::Pod(pod) => pod.address,
            Self::Address(address) => address,
        }
    }
}

impl fmt::Display for End<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(pod) => formatter.write_str(&pod.title),
            Self::Address(address) => write!(formatter, "the address {address}"),
        }
    }
}

impl Pod {
    /// What is spoken on a port, as far as the mesh can know.
    pub fn spoken(&self, port: u16) -> Spoken {
        self.spoken.get(&port).copied().unwrap_or(Spoken::Unknown)
    }

    /// Whether what arrives at a port comes through the sidecar.
    pub fn guarded(&self, port: u16) -> bool {
        self.sidecar && !self.excluded.contains(&port) && !BESIDE_THE_MESH.contains(&port)
    }

    /// A pod that the stack does not declare.
    pub fn stranger(
        namespace: &str,
        namespace_labels: &Labels,
        labels: &Labels,
        service_account: &str,
        sidecar: bool,
    ) -> Self {
        let pairs: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let pairs = if pairs.is_empty() {
            String::new()
        } else {
            format!(" with {}", pairs.join(", "))
        };
        let bare = if sidecar { "" } else { " without a sidecar" };
        let title = format!("{namespace}/a pod{pairs} as {service_account}{bare}");
        Self {
            title,
            namespace: namespace.to_owned(),
            namespace_labels: namespace_labels.clone(),
            labels: labels.clone(),
            service_account: service_account.to_owned(),
            // A usual pod network; no policy of the stack may depend on it.
            address: IpAddr::V4(Ipv4Addr::new(10, 244, 7, 7)),
            named_ports: BTreeMap::new(),
            ports: BTreeSet::new(),
            sidecar,
            excluded: BTreeSet::new(),
            spoken: BTreeMap::new(),
        }
    }
}

/// The pods that the stack declares.
pub fn declared(manifest: &Manifest) -> Result<Vec<Pod>, String> {
    manifest
        .workloads
        .iter()
        .map(|workload| declared_pod(manifest, workload))
        .collect()
}

fn declared_pod(manifest: &Manifest, workload: &Named<PodTemplate>) -> Result<Pod, String> {
    let template = &workload.spec;
    let namespace_labels = namespace_labels(manifest, &workload.namespace);
    let containers = || {
        template
            .spec
            .containers
            .iter()
            .chain(&template.spec.init_containers)
    };
    let mut pod = Pod {
        title: format!("{}/{}", workload.namespace, workload.name),
        namespace: workload.namespace.clone(),
        labels: template.metadata.labels.clone(),
        service_account: template
            .spec
            .service_account_name
            .clone()
            .unwrap_or_else(|| "default".to_owned()),
        address: IpAddr::V4(Ipv4Addr::new(10, 244, 1, 1)),
        named_ports: containers()
            .flat_map(|container| &container.ports)
            .filter_map(|port| Some((port.name.clone()?, port.container_port)))
            .collect(),
        ports: containers()
            .flat_map(|container| &container.ports)
            .map(|port| port.container_port)
            .collect(),
        sidecar: is_injected(&namespace_labels, template),
        namespace_labels,
        excluded: BTreeSet::new(),
        spoken: BTreeMap::new(),
    };
    if template.spec.host_network {
        return Err(format!(
            "{} uses the network of its node, where no policy is kept",
            pod.title
        ));
    }
    for (key, value) in &template.metadata.annotations {
        match key.strip_prefix("traffic.sidecar.istio.io/") {
            Some("excludeInboundPorts") => {
                for port in value.split(',') {
                    let port = port.trim().parse();
                    pod.excluded
                        .insert(port.map_err(|_| format!("{} excludes {value}", pod.title))?);
                }
            }
            Some(_) => return Err(format!("{} has {key}, which is not understood", pod.title)),
            None => {}
        }
    }
    speak(manifest, &mut pod)?;
    Ok(pod)
}

/// The labels of a namespace; an undeclared namespace has at least its name.
pub fn namespace_labels(manifest: &Manifest, namespace: &str) -> Labels {
    manifest
        .namespaces
        .get(namespace)
        .cloned()
        .unwrap_or_else(|| Labels::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]))
}

/// Whether the mesh's webhook puts a sidecar into a pod: the namespace says so, and the pod does not object; or the
/// pod says so, and the namespace does not object.
fn is_injected(namespace: &Labels, template: &PodTemplate) -> bool {
    let wish = template
        .metadata
        .labels
        .get("sidecar.istio.io/inject")
        .or_else(|| template.metadata.annotations.get("sidecar.istio.io/inject"))
        .map(String::as_str);
    let offer = match namespace.get("istio-injection").map(String::as_str) {
        Some("enabled") => Some(true),
        Some("disabled") => Some(false),
        _ => namespace.contains_key("istio.io/rev").then_some(true),
    };
    match (offer, wish) {
        (Some(false), _) | (_, Some("false")) => false,
        (Some(true), _) | (None, Some("true")) => true,
        (None, _) => false,
    }
}

/// Learns from the Services before a pod what is spoken on its ports.
fn speak(manifest: &Manifest, pod: &mut Pod) -> Result<(), String> {
    let mut say = |number: u16, spoken: Spoken| match pod.spoken.insert(number, spoken) {
        Some(other) if other != spoken => Err(format!(
            "two Services disagree about what {} speaks on {number}",
            pod.title
        )),
        _ => Ok(()),
    };
    for service in &manifest.services {
        if service.namespace != pod.namespace
            || service.spec.selector.is_empty()
            || !contains(&pod.labels, &service.spec.selector)
        {
            continue;
        }
        for port in &service.spec.ports {
            let number = match &port.target_port {
                None => Some(port.port),
                Some(NameOrNumber::Number(number)) => Some(*number),
                Some(NameOrNumber::Name(name)) => pod.named_ports.get(name).copied(),
            };
            let Some(number) = number else { continue };
            say(number, protocol(&port.name, port.app_protocol.as_deref()))?;
        }
    }
    // An entry of the registry before our own pods speaks for them as a Service does.
    for entry in &manifest.service_entries {
        let selects = |selector: &SidecarSelector| contains(&pod.labels, &selector.labels);
        if entry.namespace == pod.namespace && entry.spec.workload_selector.as_ref().is_some_and(selects) {
            for port in &entry.spec.ports {
                let number = port.target_port.unwrap_or(port.number);
                say(number, protocol(&port.name, port.protocol.as_deref()))?;
            }
        }
    }
    Ok(())
}

/// What a Service's port is taken for: `appProtocol` decides, then the name's first part.
/// <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection>
fn protocol(name: &str, app_protocol: Option<&str>) -> Spoken {
    let word = if let Some(protocol) = app_protocol {
        // The forms of Kubernetes itself, such as `kubernetes.io/h2c`.
        protocol.rsplit('/').next().unwrap_or(protocol)
    } else if name == "grpc-web" || name.starts_with("grpc-web-") {
        "grpc-web"
    } else {
        name.split('-').next().unwrap_or(name)
    };
    match word.to_ascii_lowercase().as_str() {
        "http" | "http2" | "h2c" | "grpc" | "grpc-web" | "ws" => Spoken::Http,
        "tcp" | "tls" | "https" | "wss" | "mongo" | "mysql" | "redis" => Spoken::Bytes,
        _ => Spoken::Unknown,
    }
}

/// Whether labels have all that is wanted.
pub fn contains(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[test]
fn the_protocol_comes_from_app_protocol_or_the_port_name() {
    assert_eq!(protocol("tcp-x", Some("http")), Spoken::Http);
    assert_eq!(protocol("web", Some("kubernetes.io/h2c")), Spoken::Http);
    assert_eq!(protocol("http-metrics", None), Spoken::Http);
    assert_eq!(protocol("grpc-web-x", None), Spoken::Http);
    assert_eq!(protocol("https", None), Spoken::Bytes);
    assert_eq!(protocol("tcp-p2p", None), Spoken::Bytes);
    assert_eq!(protocol("httpx", None), Spoken::Unknown);
    assert_eq!(protocol("", None), Spoken::Unknown);
}

#[test]
fn a_sidecar_is_injected_where_namespace_and_pod_agree() {
    let namespace = |pairs: &[(&str, &str)]| -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let pod = |wish: Option<&str>| {
        let mut template = PodTemplate::default();
        if let Some(wish) = wish {
            let key = "sidecar.istio.io/inject".to_owned();
            template.metadata.labels.insert(key, wish.to_owned());
        }
        template
    };
    let (enabled, disabled) = (
        [("istio-injection", "enabled")],
        [("istio-injection", "disabled")],
    );
    assert!(is_injected(&namespace(&enabled), &pod(None)));
    assert!(is_injected(&namespace(&[("istio.io/rev", "1-31")]), &pod(None)));
    assert!(is_injected(&namespace(&[]), &pod(Some("true"))));
    assert!(!is_injected(&namespace(&enabled), &pod(Some("false"))));
    assert!(!is_injected(&namespace(&disabled), &pod(Some("true"))));
    assert!(!is_injected(&namespace(&[]), &pod(None)));
}
