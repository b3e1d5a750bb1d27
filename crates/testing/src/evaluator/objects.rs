//! A rendered stack, parsed from its YAML into the types that decide which connections are allowed.
//!
//! The policies are read strictly: a field that is not known here is an error, so that nothing can change what a policy
//! means without being understood. Pods and Services are read for what matters to policies.
#![expect(
    clippy::pub_underscore_fields,
    reason = "fields that are parsed so that unknown ones are errors, and have no meaning for the evaluation"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::addresses::Block;

/// Labels of a pod or a namespace.
pub type Labels = BTreeMap<String, String>;

/// Everything in a rendered stack that decides which connections are allowed.
#[derive(Debug, Default)]
pub struct Manifest {
    /// The namespaces that the stack declares, with their labels.
    pub namespaces: BTreeMap<String, Labels>,
    /// What runs, as pod templates.
    pub workloads: Vec<Named<PodTemplate>>,
    /// What clients address.
    pub services: Vec<Named<Service>>,
    pub network_policies: Vec<Named<NetworkPolicy>>,
    pub authorization_policies: Vec<Named<AuthorizationPolicy>>,
    pub peer_authentications: Vec<Named<PeerAuthentication>>,
    pub request_authentications: Vec<Named<RequestAuthentication>>,
    pub sidecars: Vec<Named<Sidecar>>,
    pub service_entries: Vec<Named<ServiceEntry>>,
    pub virtual_services: Vec<Named<VirtualService>>,
}

/// An object with its name.
#[derive(Debug)]
pub struct Named<T> {
    /// How a message names it: kind, namespace and name.
    pub title: String,
    pub namespace: String,
    pub name: String,
    pub annotations: BTreeMap<String, String>,
    pub spec: T,
}

/// The documents of a YAML stream as JSON values.
pub fn documents(yaml: &str) -> Result<Vec<Value>, String> {
    Yaml::load_from_str(yaml)
        .map_err(|error| format!("the rendering is no YAML: {error}"))?
        .iter()
        .map(json)
        .collect()
}

fn json(node: &Yaml<'_>) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::Number(Number::from(*value)),
        Yaml::Value(Scalar::FloatingPoint(value)) => {
            Value::Number(Number::from_f64(value.into_inner()).ok_or("a number is not finite")?)
        }
        Yaml::Value(Scalar::String(value)) => Value::String(value.to_string()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let mut map = Map::new();
            for (key, value) in fields {
                let key = key.as_str().ok_or("a key is no text")?;
                map.insert(key.to_owned(), json(value)?);
            }
            Value::Object(map)
        }
        other => return Err(format!("{other:?} is not read here")),
    })
}

impl Manifest {
    /// Reads the documents of a stack.
    pub fn read(documents: &[Value]) -> Result<Self, String> {
        let mut manifest = Self::default();
        for document in documents {
            manifest.take(document)?;
        }
        Ok(manifest)
    }

    fn take(&mut self, document: &Value) -> Result<(), String> {
        let text = |pointer: &str| {
            document
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (group, kind) = (
            text("/apiVersion").split_once('/').map_or("", |(group, _)| group),
            text("/kind"),
        );
        match (group, kind) {
            ("", "Namespace") => {
                let mut labels: Labels = optional(document, "/metadata/labels")?;
                // The API server sets it, and it cannot be removed.
                labels.insert(
                    "kubernetes.io/metadata.name".to_owned(),
                    text("/metadata/name").to_owned(),
                );
                self.namespaces.insert(text("/metadata/name").to_owned(), labels);
            }
            ("", "Pod") => self.workloads.push(named(document, "")?),
            ("apps", _) | ("batch", "Job") => self.workloads.push(named(document, "/spec/template")?),
            ("batch", "CronJob") => self
                .workloads
                .push(named(document, "/spec/jobTemplate/spec/template")?),
            ("", "Service") => self.services.push(named(document, "/spec")?),
            ("networking.k8s.io", "NetworkPolicy") => self.network_policies.push(named(document, "/spec")?),
            ("security.istio.io", "AuthorizationPolicy") => {
                self.authorization_policies.push(named(document, "/spec")?);
            }
            ("security.istio.io", "PeerAuthentication") => {
                self.peer_authentications.push(named(document, "/spec")?);
            }
            ("security.istio.io", "RequestAuthentication") => {
                self.request_authentications.push(named(document, "/spec")?);
            }
            ("networking.istio.io", "Sidecar") => self.sidecars.push(named(document, "/spec")?),
            ("networking.istio.io", "ServiceEntry") => self.service_entries.push(named(document, "/spec")?),
            ("networking.istio.io", "VirtualService") => {
                self.virtual_services.push(named(document, "/spec")?);
            }
            // They say how a connection is made or which gateway it uses, not whether it may be.
            ("networking.istio.io", "DestinationRule" | "Gateway") | ("telemetry.istio.io", "Telemetry") => {}
            // An EnvoyFilter or an Ingress could let anything in.
            (group, _) if group.ends_with("istio.io") || group.ends_with("networking.k8s.io") => {
                return Err(format!("{kind} of {group} is not understood by the evaluator"));
            }
            _ => {}
        }
        Ok(())
    }
}

fn named<T: DeserializeOwned>(document: &Value, pointer: &str) -> Result<Named<T>, String> {
    let text = |pointer: &str| {
        let text = document.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    let spec = document
        .pointer(pointer)
        .ok_or_else(|| format!("{kind} {namespace}/{name} has no {pointer}"))?;
    Ok(Named {
        title: format!("{kind} {namespace}/{name}"),
        annotations: optional(document, "/metadata/annotations")?,
        spec: serde_json::from_value(spec.clone())
            .map_err(|error| format!("{kind} {namespace}/{name} is not understood: {error}"))?,
        namespace,
        name,
    })
}

fn optional<T: DeserializeOwned + Default>(document: &Value, pointer: &str) -> Result<T, String> {
    match document.pointer(pointer) {
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|error| format!("{pointer} is not understood: {error}")),
        None => Ok(T::default()),
    }
}

/// The part of a pod template that policies look at.
#[derive(Debug, Default, Deserialize)]
pub struct PodTemplate {
    #[serde(default)]
    pub metadata: PodMetadata,
    pub spec: PodSpec,
}

#[derive(Debug, Default, Deserialize)]
pub struct PodMetadata {
    #[serde(default)]
    pub labels: Labels,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    pub service_account_name: Option<String>,
    #[serde(default)]
    pub host_network: bool,
    #[serde(default)]
    pub containers: Vec<Container>,
    #[serde(default)]
    pub init_containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
pub struct Container {
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    pub name: Option<String>,
    pub container_port: u16,
}

/// The part of a Service that says which ports are which.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    #[serde(default)]
    pub selector: Labels,
    #[serde(default)]
    pub ports: Vec<ServicePort>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    #[serde(default)]
    pub name: String,
    pub port: u16,
    pub target_port: Option<NameOrNumber>,
    pub app_protocol: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum NameOrNumber {
    Number(u16),
    Name(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    #[serde(default)]
    pub match_labels: Labels,
    #[serde(default)]
    pub match_expressions: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    #[serde(default)]
    pub values: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicy {
    #[serde(default)]
    pub pod_selector: LabelSelector,
    pub policy_types: Option<Vec<Direction>>,
    #[serde(default)]
    pub ingress: Vec<IngressRule>,
    #[serde(default)]
    pub egress: Vec<EgressRule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Direction {
    Ingress,
    Egress,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngressRule {
    #[serde(default)]
    pub from: Vec<NetworkPeer>,
    #[serde(default)]
    pub ports: Vec<NetworkPort>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressRule {
    #[serde(default)]
    pub to: Vec<NetworkPeer>,
    #[serde(default)]
    pub ports: Vec<NetworkPort>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPeer {
    pub ip_block: Option<IpBlock>,
    pub namespace_selector: Option<LabelSelector>,
    pub pod_selector: Option<LabelSelector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpBlock {
    pub cidr: String,
    #[serde(default)]
    pub except: Vec<String>,
    /// Both, read once: packets are compared with them hundreds of thousands of times.
    #[serde(skip)]
    blocks: OnceLock<(Option<Block>, Vec<Block>)>,
}

impl IpBlock {
    /// Whether the block contains an address. A block that cannot be read contains none.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (whole, except) = self.blocks.get_or_init(|| {
            let except = self.except.iter().filter_map(|block| Block::read(block).ok());
            (Block::read(&self.cidr).ok(), except.collect())
        });
        whole.is_some_and(|whole| whole.contains(address))
            && !except.iter().any(|block| block.contains(address))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPort {
    #[serde(default)]
    pub protocol: Protocol,
    pub port: Option<NameOrNumber>,
    pub end_port: Option<u16>,
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

/// Chooses workloads of the mesh; an empty one chooses all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSelector {
    #[serde(default)]
    pub match_labels: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizationPolicy {
    pub selector: Option<WorkloadSelector>,
    pub target_ref: Option<TargetRef>,
    #[serde(default)]
    pub target_refs: Vec<TargetRef>,
    #[serde(default)]
    pub action: Action,
    pub provider: Option<Provider>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// A policy with one is for waypoints and gateways; no sidecar ever sees it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRef {
    #[serde(default, rename = "group")]
    pub _group: String,
    #[serde(rename = "kind")]
    pub _kind: String,
    #[serde(rename = "name")]
    pub _name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    #[serde(rename = "name")]
    pub _name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    #[default]
    Allow,
    Deny,
    Audit,
    Custom,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub from: Option<Vec<From>>,
    pub to: Option<Vec<To>>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    pub source: Source,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct To {
    pub operation: Operation,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Source {
    pub principals: Vec<String>,
    pub not_principals: Vec<String>,
    pub request_principals: Vec<String>,
    pub not_request_principals: Vec<String>,
    pub namespaces: Vec<String>,
    pub not_namespaces: Vec<String>,
    pub service_accounts: Vec<String>,
    pub not_service_accounts: Vec<String>,
    pub ip_blocks: Vec<String>,
    pub not_ip_blocks: Vec<String>,
    pub remote_ip_blocks: Vec<String>,
    pub not_remote_ip_blocks: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operation {
    pub hosts: Vec<String>,
    pub not_hosts: Vec<String>,
    pub ports: Vec<String>,
    pub not_ports: Vec<String>,
    pub methods: Vec<String>,
    pub not_methods: Vec<String>,
    pub paths: Vec<String>,
    pub not_paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    pub key: String,
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub not_values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerAuthentication {
    pub selector: Option<WorkloadSelector>,
    pub mtls: Option<MutualTls>,
    #[serde(default)]
    pub port_level_mtls: BTreeMap<String, MutualTls>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutualTls {
    #[serde(default)]
    pub mode: Mode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    #[default]
    Unset,
    Disable,
    Permissive,
    Strict,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestAuthentication {
    pub selector: Option<WorkloadSelector>,
    pub target_ref: Option<TargetRef>,
    #[serde(default)]
    pub target_refs: Vec<TargetRef>,
    #[serde(default)]
    pub jwt_rules: Vec<JwtRule>,
}

/// Where a token is read from, how it is validated, and which claims are forwarded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtRule {
    pub issuer: String,
    pub jwks_uri: Option<String>,
    pub jwks: Option<String>,
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub from_headers: Vec<JwtHeader>,
    #[serde(default)]
    pub from_params: Vec<String>,
    #[serde(default)]
    pub from_cookies: Vec<String>,
    #[serde(default)]
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// Whether the server sees the token too, which decides nothing here.
    #[serde(default, rename = "forwardOriginalToken")]
    pub _forward_original_token: bool,
}

/// A header that brings a token, behind a prefix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtHeader {
    pub name: String,
    #[serde(default)]
    pub prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimToHeader {
    pub header: String,
    pub claim: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sidecar {
    pub workload_selector: Option<SidecarSelector>,
    pub egress: Option<Vec<EgressListener>>,
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

/// A Sidecar chooses by `labels`, where the security policies say `matchLabels`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidecarSelector {
    #[serde(default)]
    pub labels: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressListener {
    pub port: Option<SidecarPort>,
    pub hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidecarPort {
    pub number: u16,
    #[serde(rename = "name")]
    pub _name: Option<String>,
    #[serde(rename = "protocol")]
    pub _protocol: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundTrafficPolicy {
    #[serde(default)]
    pub mode: OutboundMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum OutboundMode {
    #[default]
    #[serde(rename = "REGISTRY_ONLY")]
    RegistryOnly,
    #[serde(rename = "ALLOW_ANY")]
    AllowAny,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceEntry {
    pub hosts: Vec<String>,
    #[serde(default, rename = "addresses")]
    pub _addresses: Vec<String>,
    #[serde(default)]
    pub ports: Vec<EntryPort>,
    #[serde(rename = "location")]
    pub _location: Option<String>,
    #[serde(default)]
    pub resolution: Resolution,
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    pub workload_selector: Option<SidecarSelector>,
    #[serde(default)]
    pub export_to: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryPort {
    pub number: u16,
    pub name: String,
    pub protocol: Option<String>,
    pub target_port: Option<u16>,
}

/// How a sidecar finds the machines behind an entry: those that the client found, those listed, or those of the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Resolution {
    #[default]
    None,
    Static,
    Dns,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub address: String,
}

/// How requests are routed. Omitted fields (timeouts, retries, weights) do not affect the destinations.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualService {
    pub hosts: Vec<String>,
    #[serde(default)]
    pub export_to: Vec<String>,
    #[serde(default)]
    pub http: Vec<HttpRoute>,
    #[serde(default)]
    pub tcp: Vec<PlainRoute>,
    #[serde(default)]
    pub tls: Vec<PlainRoute>,
}

#[derive(Debug, Deserialize)]
pub struct HttpRoute {
    #[serde(default)]
    pub route: Vec<RouteDestination>,
}

#[derive(Debug, Deserialize)]
pub struct PlainRoute {
    #[serde(default)]
    pub route: Vec<RouteDestination>,
}

#[derive(Debug, Deserialize)]
pub struct RouteDestination {
    pub destination: Destination,
}

#[derive(Debug, Deserialize)]
pub struct Destination {
    pub host: String,
}
