//! What a stack file says: the types as they are written.
//!
//! The comments on the fields are the reference: the JSON schema in `stacks/schema.json` is made
//! from them, and editors show them. Nothing is checked here beyond the shape.

mod audit_trail;
mod backup;
mod chat;
mod knowledge_graph;
mod langgraph;
mod load_test;
mod mcp;
mod migration;
mod monitoring;
mod redis;
mod snowflake;
mod sync;
mod tiers;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::shape::Filling;
use super::{NAMESPACE, OrPlaceholder, Problems, secret, shape};

pub use audit_trail::RawAuditTrail;
pub use backup::{
    RawBackup, RawBackupRoles, RawBackupSchedule, RawDay, RawDrill, RawObjectStore, RawRetention,
};
pub use chat::{RawChat, RawMem0Use, RawSearchLimits};
pub use knowledge_graph::RawGraphStore;
pub use langgraph::RawLanggraph;
pub use load_test::RawLoadTest;
pub use mcp::{RawHost, RawMcp, RawServer, RawServers};
pub use migration::{RawMigration, RawPhase};
pub use monitoring::RawMonitoring;
pub use redis::{RawEviction, RawExporter, RawRedis};
pub use snowflake::{RawSnowflake, RawSnowflakeHost};
pub use sync::RawSync;
pub use tiers::{
    RawExternal, RawKnowledgeGraph, RawLanggraphWorkflow, RawMem0Persistent, RawSessionCache,
    RawSnowflakeCortex, RawTiers,
};

/// The configuration of one stack: everything below `phoenix:` in its stack file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawConfig {
    /// What the stack is for. `prod` demands images by digest.
    pub environment: RawEnvironment,
    /// The cluster that the stack belongs to.
    pub cluster: RawCluster,
    /// The platform's namespace and its neighbours.
    pub namespace: RawNamespace,
    /// The OpenMemory MCP server: persistent memory, tier L3.
    pub openmemory: RawOpenMemory,
    /// The Qdrant vector database.
    pub qdrant: RawQdrant,
    /// The session cache, tier L1. Without it, the tier is where `tiers.sessionCache.external` says, or nowhere.
    #[serde(default)]
    pub redis: Option<RawRedis>,
    /// The knowledge graph, tier L4. Without it, the tier is where `tiers.knowledgeGraph.external` says, or nowhere.
    #[serde(default)]
    pub knowledge_graph: Option<RawGraphStore>,
    /// The LangGraph server, tier L5. Without it, the tier is where `tiers.langgraphWorkflow.external` says, or nowhere.
    #[serde(default)]
    pub langgraph: Option<RawLanggraph>,
    /// The account of Snowflake, tier L2. Without it, the tier is where `tiers.snowflakeCortex.external` says, or nowhere.
    #[serde(default)]
    pub snowflake: Option<RawSnowflake>,
    /// The unified chat in the namespace `sophia-ai`. Without it, that namespace is somebody else's business.
    #[serde(default)]
    pub chat: Option<RawChat>,
    /// Keeps Snowflake and Mem0 in step. Without it, nothing does.
    #[serde(default)]
    pub sync: Option<RawSync>,
    /// The Postgres server outside the cluster that OpenMemory keeps its records in.
    pub postgres: RawPostgres,
    /// The five tiers of the memory: their limits, and how soon each shall answer.
    #[serde(default)]
    pub tiers: RawTiers,
    /// The MCP servers of the platform, for the configuration that their clients read.
    #[serde(default)]
    pub mcp: RawMcp,
    /// Who is told what of the platform's state: scraping, alerts and dashboards.
    #[serde(default)]
    pub monitoring: RawMonitoring,
    /// Where the values of secrets come from.
    pub secrets: RawSecrets,
    /// How requests reach the platform.
    #[serde(default)]
    pub mesh: RawRouting,
    /// What callers must prove besides the identity of their pods.
    #[serde(default)]
    pub trust: RawTrust,
    /// The audit trail: who asked whom for what, when and from where. Production has one.
    #[serde(default)]
    pub audit_trail: Option<RawAuditTrail>,
    /// A load test that only a person starts.
    #[serde(default)]
    pub load_test: Option<RawLoadTest>,
    /// Copies of the stores in an object store, and how they are put back. Production has them.
    #[serde(default)]
    pub backup: Option<RawBackup>,
    /// How far the migration to the platform is. Without it, the migration is over: everything is as this file says.
    #[serde(default)]
    pub migration: Option<RawMigration>,
    /// Whether the engine refuses to delete namespaces, stores and their volumes. Without it: in production only.
    #[serde(default)]
    pub protect: Option<bool>,
    /// Objects that exist already and are taken over, as `Kind/namespace/name` or `Kind/name`. Where somebody else has set
    /// a field otherwise, the API server refuses to overwrite it for an object that is not named here.
    #[serde(default)]
    pub adopt: Vec<String>,
    /// How the stack is judged by the policy pack: how rules are enforced, what is assumed of the cluster, and waivers. The
    /// pack reads it (`policies/README.md`); the platform does not.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// Accepts placeholders, in a sandbox's cluster only. `phoenix sandbox` sets it in its own copy of the stack file.
    #[serde(default)]
    pub sandbox: bool,
}

/// What a stack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawEnvironment {
    /// One of everything, on a laptop or in the sandbox.
    Dev,
    /// As production in shape, smaller in number.
    Staging,
    /// The real thing.
    Prod,
}

/// The cluster that the stack belongs to, and what we assume of it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawCluster {
    /// The kubeconfig context that the provider is pinned to.
    pub context: OrPlaceholder<String>,
    /// The UID of the cluster's Namespace `kube-system`, which no other cluster has. Nothing is changed in a cluster
    /// with another one. `cargo phoenix doctor STACK` shows it.
    pub uid: OrPlaceholder<String>,
    /// A name that stays when kubeconfig or address change; the provider replaces everything if it changes.
    pub identifier: String,
    /// The service mesh.
    #[serde(default)]
    pub mesh: RawMesh,
    /// Who scrapes metrics.
    #[serde(default)]
    pub monitoring: RawPrometheus,
    /// Networks that count as inside: egress to a host outside the cluster may not go there. Link-local and
    /// carrier-grade addresses always count as inside.
    #[serde(default = "private_networks")]
    pub private_networks: Vec<String>,
    /// Whose pods go first where nodes are short: each a `PriorityClass` that the cluster has.
    #[serde(default)]
    pub priority_classes: RawPriorityClasses,
    /// Secrets with credentials for the registries that the images come from, of the type `kubernetes.io/dockerconfigjson`.
    /// Whoever runs the cluster makes them in `sophia-memory`, and in `sophia-ai` where the chat is in the stack. Without
    /// any, the nodes have the credentials, or the images are public.
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
}

/// Each names a `PriorityClass` that the cluster has. Without one, pods get the cluster's default, which is 0 mostly.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawPriorityClasses {
    /// Of the stores, Qdrant, the session cache and the knowledge graph: the highest, because servers can do nothing
    /// without them.
    #[serde(default)]
    pub stores: Option<String>,
    /// Of the servers, OpenMemory, LangGraph and the chat.
    #[serde(default)]
    pub servers: Option<String>,
    /// Of Jobs, such as the synchronization and the load test: the lowest, because they can wait.
    #[serde(default)]
    pub jobs: Option<String>,
}

/// The service mesh of the cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMesh {
    /// The namespace of istiod, which is the mesh's root namespace too.
    pub namespace: String,
    /// The revision whose injector labels our namespaces; without it, `istio-injection: enabled`.
    pub revision: Option<String>,
    /// The trust domain, the first part of every identity.
    pub trust_domain: String,
    /// Whether the mesh sets up its redirection by istio-cni. Without it, its pods would need privileges that our
    /// namespace refuses.
    pub cni: bool,
    /// Whether sidecars answer the names that only the mesh knows, such as `sophia-memory.local` (DNS capture). Without
    /// it, callers inside the mesh use the name of the Service.
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
    /// The namespace it runs in.
    pub namespace: String,
    /// The service account it runs as.
    pub service_account: String,
}

impl Default for RawPrometheus {
    fn default() -> Self {
        Self {
            namespace: "monitoring".to_owned(),
            service_account: "prometheus".to_owned(),
        }
    }
}

/// The platform's namespace and its neighbours.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawNamespace {
    /// Creates the namespace `sophia-ai`. Off where somebody else owns it, as in most real clusters.
    #[serde(default)]
    pub manage_ai: bool,
    /// Creates the namespace `sophia-mcp`. Off where somebody else owns it.
    #[serde(default)]
    pub manage_mcp: bool,
    /// The most that all pods of the platform may ask for together; it must leave room for sidecars, a rollout and a Job.
    pub quota: RawQuota,
}

/// An upper bound for all pods of a namespace together.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawQuota {
    /// Processor time that may be requested, such as `16`.
    pub requests_cpu: String,
    /// Memory that may be requested, such as `64Gi`.
    pub requests_memory: String,
    /// Processor time that may be used at most.
    pub limits_cpu: String,
    /// Memory that may be used at most.
    pub limits_memory: String,
    /// The number of pods, from 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub pods: u32,
    /// The number of Jobs, those included that have ended and are kept to be looked at, from 1 to 1000.
    #[serde(default = "jobs")]
    #[schemars(range(min = 1, max = 1_000))]
    pub jobs: u32,
    /// Storage that claims may ask for.
    pub requests_storage: String,
}

/// The OpenMemory MCP server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawOpenMemory {
    /// The image; upstream publishes none any more, so every team builds its own (`docs/openmemory-image.md`).
    pub image: OrPlaceholder<String>,
    /// How many pods serve, from 1 to 100; at least two in production.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// Lets the number of pods follow the load, from `replicas` upwards; needs a metrics server. It can be switched on and off
    /// on a running stack. In a migration (`phoenix:migration`), it counts from the phase `optimized` on.
    #[serde(default)]
    pub autoscaling: Option<RawAutoscaling>,
    /// What a pod asks for and may use.
    pub resources: RawResources,
    /// The volume at `/app/memory`.
    pub storage: RawMemoryStorage,
    /// The nodes with accelerators that the pods are placed on; without it they run anywhere.
    #[serde(default)]
    pub accelerator: Option<RawAccelerator>,
    /// The ARN of the service account's role, for clusters that map service accounts to roles (EKS).
    #[serde(default)]
    pub cloud_role: Option<OrPlaceholder<String>>,
}

/// Lets the number of pods follow the load.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAutoscaling {
    /// The most pods, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: u32,
    /// Scales up above this share of the requested processor time, in percent from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub cpu_percent: u32,
}

/// What a container asks for and may use.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawResources {
    /// What the scheduler sets aside.
    pub requests: RawAmounts,
    /// What it may use at most.
    pub limits: RawAmounts,
}

/// Processor time and memory.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAmounts {
    /// Processor time as a text, such as `200m` or `"2"`.
    pub cpu: String,
    /// Memory, such as `512Mi`.
    pub memory: String,
}

/// The volume at `/app/memory`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawMemoryStorage {
    /// `shared` by all pods (ReadWriteMany), or `exclusive` to one (ReadWriteOnce, one replica only).
    pub mode: RawStorageMode,
    /// Its size, such as `20Gi`.
    pub size: String,
    /// The storage class; without it, the cluster's default class.
    #[serde(default)]
    pub storage_class: Option<OrPlaceholder<String>>,
}

/// Who may mount a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawStorageMode {
    /// One pod (ReadWriteOnce).
    Exclusive,
    /// All pods (ReadWriteMany).
    Shared,
}

/// Nodes with accelerators.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAccelerator {
    /// Who labels and taints the nodes.
    #[serde(default)]
    pub labels: RawAcceleratorLabels,
    /// The accelerator as the label has it, such as `NVIDIA-A100-SXM4-40GB`; without it, `rtx-4090` where the labels are Lambda's.
    #[serde(default)]
    pub product: Option<String>,
    /// How many accelerators a pod takes for itself. OpenMemory needs none: it only runs beside them.
    #[serde(default)]
    #[schemars(range(min = 0, max = 16))]
    pub count: u32,
}

/// Who labels and taints the nodes with accelerators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawAcceleratorLabels {
    /// `lambdalabs.com/gpu-type` and the taint `lambdalabs.com/gpu=true:NoSchedule`.
    #[default]
    Lambda,
    /// NVIDIA's operator: `nvidia.com/gpu.product` and the taint `nvidia.com/gpu=true:NoSchedule`.
    Nvidia,
}

/// The Qdrant vector database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawQdrant {
    /// The image, in its unprivileged form.
    pub image: OrPlaceholder<String>,
    /// `single`, or a `cluster` with a quorum.
    pub mode: RawQdrantMode,
    /// How many peers; odd, and at least 3 in a cluster.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// How many peers keep each shard of a new collection. At least 2 in a cluster, or losing a peer loses data.
    #[schemars(range(min = 1, max = 100))]
    pub replication_factor: u32,
    /// How many of them must confirm a write. Fewer than keep it in a cluster, or losing a peer stops all writes.
    #[schemars(range(min = 1, max = 100))]
    pub write_consistency_factor: u32,
    /// What a peer asks for and may use.
    pub resources: RawResources,
    /// The volume of each peer at `/qdrant/storage`.
    pub storage: RawVolume,
    /// The volume of each peer at `/qdrant/snapshots`; as large as the other, or a snapshot may not fit.
    pub snapshots: RawVolume,
    /// How many days of audit log a peer keeps, up to 3650; 0 turns the audit log off.
    #[serde(default = "audit_days")]
    #[schemars(range(min = 0, max = 3650))]
    pub audit_days: u32,
    /// Whether the peers accept a second key, the secret `qdrantAltApiKey`, which can do what the first can. Only while the
    /// first is exchanged for another: `docs/runbooks/rotate-a-secret.md`.
    #[serde(default)]
    pub alt_api_key: bool,
}

/// Whether Qdrant runs alone or as a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawQdrantMode {
    /// One peer, no consensus.
    Single,
    /// Peers with a consensus.
    Cluster,
}

/// A volume of a store.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawVolume {
    /// Its size, such as `50Gi`.
    pub size: String,
    /// The storage class; without it, the cluster's default class.
    #[serde(default)]
    pub storage_class: Option<OrPlaceholder<String>>,
}

/// The Postgres server outside the cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawPostgres {
    /// Its host name. The password is in the secret `postgresConnectionString`, not here.
    pub host: OrPlaceholder<String>,
    /// Its port, from 1 to 65535.
    #[serde(default = "postgres_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The networks that its addresses are in, such as `10.20.0.0/24`; without them, every public address.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// Where the values of secrets come from.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSecrets {
    /// `local`: from the stack's own encrypted configuration (`pulumi config set --secret`). `pulumi-esc`: from the
    /// environments of Pulumi ESC that the stack file imports with `environment:`, which only a state on Pulumi Cloud allows. `esc-direct`: from an
    /// environment of Pulumi ESC that the program opens itself, for stacks whose state is not on Pulumi Cloud.
    /// `external-secrets`: from such an environment, which the External Secrets Operator opens in the cluster; no value passes
    /// through Pulumi.
    pub mode: RawSecretsMode,
    /// The environment of Pulumi ESC that modes `esc-direct` and `external-secrets` open: `organization/project/environment`, or,
    /// in the first of them, with the number or tag of a version behind it, `@stable`. For `esc-direct`, the secrets are in it
    /// under `pulumiConfig`, each by its full key, such as `phoenix:openaiApiKey`, and the access token comes in the variable
    /// `PHOENIX_ESC_TOKEN`. For `external-secrets`, they are in it under `kubernetes`, by Secret and key, such as
    /// `qdrant-keys: {api-key: …}`.
    #[serde(default)]
    pub environment: Option<OrPlaceholder<String>>,
    /// The address of Pulumi ESC for modes `esc-direct` and `external-secrets`, where it is not `https://api.pulumi.com`.
    #[serde(default)]
    pub url: Option<String>,
    /// How the External Secrets Operator proves who it is, in mode `external-secrets`.
    #[serde(default)]
    pub auth: Option<RawStoreAuth>,
    /// How often the External Secrets Operator opens the environment anew, in minutes (`30m`) or hours; `1h` without it. Each
    /// time, it opens it once for each Secret.
    #[serde(default)]
    pub refresh_interval: Option<String>,
}

/// How the External Secrets Operator proves to Pulumi ESC who it is. Give one of the two.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawStoreAuth {
    /// By a token of a service account, which Pulumi Cloud exchanges. No secret is kept for it.
    pub oidc: Option<RawStoreOidc>,
    /// By an access token of Pulumi Cloud, in a Secret that somebody else puts into the platform's namespace.
    pub access_token: Option<RawStoreToken>,
}

/// The service account that Pulumi Cloud trusts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawStoreOidc {
    /// Its name. We make it, and no pod runs as it.
    pub service_account: String,
}

impl Default for RawStoreOidc {
    fn default() -> Self {
        Self {
            service_account: "external-secrets".to_owned(),
        }
    }
}

/// Where the access token is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawStoreToken {
    /// The Secret in the platform's namespace.
    pub secret: String,
    /// The key in that Secret.
    pub key: String,
}

/// Where the values of secrets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawSecretsMode {
    /// From the stack's own encrypted configuration.
    Local,
    /// From the environments of Pulumi ESC that the stack file imports, which Pulumi's engine opens.
    PulumiEsc,
    /// From an environment of Pulumi ESC that the program opens itself.
    EscDirect,
    /// From an environment of Pulumi ESC that the External Secrets Operator opens in the cluster.
    ExternalSecrets,
}

/// How requests reach the platform.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawRouting {
    /// Lets people outside the mesh in, over TLS. Without it, only pods of the mesh can call. In a migration
    /// (`phoenix:migration`), nobody is let in before the phase `active`.
    pub gateway: Option<RawGateway>,
}

/// The gateway that lets people outside the mesh in. Its pods are the cluster's; we only open a port on them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawGateway {
    /// The host name that clients use, besides `sophia-memory.local`.
    pub host: Option<OrPlaceholder<String>>,
    /// The namespace that the gateway's pods run in.
    pub namespace: String,
    /// The service account that the gateway's pods run as.
    pub service_account: String,
    /// The labels that only the gateway's pods carry.
    pub selector: BTreeMap<String, String>,
    /// The TLS Secret with the certificate of the hosts, in the gateway's namespace. Somebody else provides it.
    pub credential: String,
}

impl Default for RawGateway {
    /// As the gateway's own chart installs it under the name that Istio's manual gives it.
    fn default() -> Self {
        Self {
            host: None,
            namespace: "istio-ingress".to_owned(),
            service_account: "istio-ingress".to_owned(),
            selector: BTreeMap::from([("istio".to_owned(), "ingress".to_owned())]),
            credential: "sophia-memory-tls".to_owned(),
        }
    }
}

/// What callers must prove besides the identity of their pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawTrust {
    /// Demands a token of a person for everything below `/memory`. Production's gateway is not opened without it.
    pub jwt: Option<RawJwt>,
}

/// Which tokens (JWT) are valid. Give either `jwksUri` or `jwks`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawJwt {
    /// Who issues them: the claim `iss`, letter by letter.
    pub issuer: OrPlaceholder<String>,
    /// Whom they are for: one of these must be in the claim `aud`. A token for another application does not count.
    pub audiences: Vec<OrPlaceholder<String>>,
    /// The address of the issuer's public keys; istiod fetches them.
    #[serde(default)]
    pub jwks_uri: Option<OrPlaceholder<String>>,
    /// The issuer's public keys themselves, as JSON, where istiod cannot reach the issuer.
    #[serde(default)]
    pub jwks: Option<String>,
}

fn private_networks() -> Vec<String> {
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
        .map(str::to_owned)
        .to_vec()
}

fn jobs() -> u32 {
    50
}

fn audit_days() -> u32 {
    30
}

fn postgres_port() -> u16 {
    5432
}

impl RawConfig {
    /// Reads the configuration from its keys, each with or without `phoenix:` before it, and says what is wrong with
    /// its shape. Where something is, there are two readings, with different values in the place of what does not fit.
    ///
    /// Keys of other namespaces belong to somebody else and are passed over. Keys of secrets must be absent: whoever
    /// reads a configuration takes them out first (see [`secret`]).
    pub fn from_keys(keys: &BTreeMap<String, Value>) -> (Vec<Self>, Problems) {
        let ours = keys
            .iter()
            .filter_map(|(key, value)| Some((own_key(key)?.to_owned(), value.clone())))
            .collect();
        let mut problems = shape::check(&ours);
        let fillings = if problems.is_empty() {
            &[Filling::Least][..]
        } else {
            &[Filling::Least, Filling::Most]
        };
        let readings = fillings
            .iter()
            .map(|&filling| serde_json::from_value(shape::fitting(&ours, filling)))
            .collect::<Result<_, _>>();
        let readings = readings.unwrap_or_else(|error| {
            if problems.is_empty() {
                problems.add(NAMESPACE, format!("cannot be read: {error}"));
            }
            Vec::new()
        });
        (readings, problems)
    }

    /// The value of a key as the engine hands it over: a text, or JSON where the key wants more than a text.
    pub fn value_from_text(key: &str, text: &str) -> Value {
        let wants_text = own_key(key).is_some_and(shape::is_text);
        let parsed = if wants_text {
            None
        } else {
            serde_json::from_str(text).ok()
        };
        parsed.unwrap_or_else(|| Value::from(text))
    }
}

/// The part of a key behind `phoenix:`; `None` for keys of other namespaces.
pub fn own_key(key: &str) -> Option<&str> {
    match key.split_once(':') {
        Some((NAMESPACE, name)) => Some(name),
        Some(_) => None,
        None => Some(key),
    }
}

/// The JSON schema of the configuration: what may stand below `phoenix:`, without the secrets.
pub fn schema() -> Value {
    serde_json::to_value(schemars::schema_for!(RawConfig)).expect("a schema is always JSON")
}

/// The JSON schema of a whole stack file, as editors use it: every key with `phoenix:` before it.
pub fn stack_file_schema() -> Value {
    let Value::Object(mut schema) = schema() else {
        unreachable!("the schema of a struct is an object")
    };
    let prefixed = |key: &str| format!("{NAMESPACE}:{key}");
    let mut properties = serde_json::Map::new();
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own.into_iter().map(|(key, value)| (prefixed(&key), value)));
    }
    for row in secret::INVENTORY {
        properties.insert(
            prefixed(row.key),
            serde_json::json!({
                "description": format!("{} Set it with `pulumi config set --secret {}`.", row.purpose, prefixed(row.key)),
                "type": "object",
                "properties": {"secure": {"type": "string"}},
                "required": ["secure"],
                "additionalProperties": false,
            }),
        );
    }
    let required: Vec<Value> = schema
        .remove("required")
        .and_then(|required| required.as_array().cloned())
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(|key| Value::from(prefixed(key))))
        .collect();
    let definitions = schema.remove("$defs").unwrap_or_default();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of the Phoenix memory platform",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "description": "The configuration of the stack.",
                "properties": properties,
                "required": required,
                // Other namespaces belong to other packages; an unknown key of ours is a mistake.
                "patternProperties": {"^(?!phoenix:)[^:]+:": {}},
                "additionalProperties": false,
            },
        },
        "required": ["config"],
        "$defs": definitions,
    })
}
