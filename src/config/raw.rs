//! The types of a stack file, as written.
//!
//! The field comments are the reference documentation: the JSON schema in `stacks/schema.json` is generated from
//! them, and editors show them. Only the schema is checked here.

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

use super::OrPlaceholder;
use super::stack::Environment;

pub use audit_trail::RawAuditTrail;
pub use backup::{
    RawBackup, RawBackupRoles, RawBackupSchedule, RawDay, RawDrill, RawObjectStore, RawRetention,
};
pub use chat::{RawChat, RawSearchLimits};
pub use knowledge_graph::RawGraphStore;
pub use langgraph::RawLanggraph;
pub use load_test::RawLoadTest;
pub use mcp::{RawHost, RawMcp, RawServer, RawServers};
pub use migration::RawMigration;
pub use monitoring::RawMonitoring;
pub use redis::{RawExporter, RawRedis};
pub use snowflake::{RawSnowflake, RawSnowflakeHost};
pub use sync::RawSync;
pub use tiers::{
    RawExternal, RawKnowledgeGraph, RawLanggraphWorkflow, RawMem0Persistent, RawSessionCache,
    RawSnowflakeCortex, RawTiers,
};

/// The configuration of one stack: everything under `phoenix:` in its stack file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawConfig {
    /// The purpose of the stack. `prod` requires images with a digest.
    pub environment: Environment,
    /// The cluster of the stack.
    pub cluster: RawCluster,
    /// The platform's namespace and the namespaces of its clients.
    pub namespace: RawNamespace,
    /// The OpenMemory MCP server: persistent memory, tier L3.
    pub openmemory: RawOpenMemory,
    /// The Qdrant vector database.
    pub qdrant: RawQdrant,
    /// The session cache, tier L1. Without it, the tier is at `tiers.sessionCache.external`, or does not exist.
    #[serde(default)]
    pub redis: Option<RawRedis>,
    /// The knowledge graph, tier L4. Without it, the tier is at `tiers.knowledgeGraph.external`, or does not exist.
    #[serde(default)]
    pub knowledge_graph: Option<RawGraphStore>,
    /// The LangGraph server, tier L5. Without it, the tier is at `tiers.langgraphWorkflow.external`, or does not
    /// exist.
    #[serde(default)]
    pub langgraph: Option<RawLanggraph>,
    /// The Snowflake account, tier L2. Without it, the tier is at `tiers.snowflakeCortex.external`, or does not
    /// exist.
    #[serde(default)]
    pub snowflake: Option<RawSnowflake>,
    /// The unified chat in the namespace `sophia-ai`. Without it, the stack deploys no chat.
    #[serde(default)]
    pub chat: Option<RawChat>,
    /// The synchronization of Snowflake and Mem0. Without it, they are not synchronized.
    #[serde(default)]
    pub sync: Option<RawSync>,
    /// The external Postgres server with OpenMemory's records.
    pub postgres: RawPostgres,
    /// The five memory tiers: their limits and target response times.
    #[serde(default)]
    pub tiers: RawTiers,
    /// The MCP servers of the platform, for the configuration that their clients read.
    #[serde(default)]
    pub mcp: RawMcp,
    /// Scraping, alerts and dashboards.
    #[serde(default)]
    pub monitoring: RawMonitoring,
    /// The source of secret values.
    pub secrets: RawSecrets,
    /// Routing into the platform.
    #[serde(default)]
    pub mesh: RawRouting,
    /// The authentication of users, in addition to the identity of pods.
    #[serde(default)]
    pub trust: RawTrust,
    /// The audit trail: the caller, target, time and source of each request. Required in production.
    #[serde(default)]
    pub audit_trail: Option<RawAuditTrail>,
    /// A load test that only an operator starts.
    #[serde(default)]
    pub load_test: Option<RawLoadTest>,
    /// Backups of the stores in an object store, and their restores. Required in production.
    #[serde(default)]
    pub backup: Option<RawBackup>,
    /// The phase of the migration to the platform. Without it, the migration is complete and this file applies
    /// unchanged.
    #[serde(default)]
    pub migration: Option<RawMigration>,
    /// Whether the engine refuses to delete namespaces, stores and their volumes. By default only in production.
    #[serde(default)]
    pub protect: Option<bool>,
    /// Existing objects to adopt, as `Kind/namespace/name` or `Kind/name`. For other objects, the API server rejects
    /// changes to fields that another manager owns.
    #[serde(default)]
    pub adopt: Vec<String>,
    /// The settings of the policy pack for this stack: enforcement of rules, assumptions about the cluster, and
    /// waivers. The pack reads them (`policies/README.md`); the platform does not.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// Accepts placeholders, only in the cluster of a sandbox. `phoenix sandbox` sets it in its own copy of the stack
    /// file.
    #[serde(default)]
    pub sandbox: bool,
}

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
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
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

/// The platform's namespace and the namespaces of its clients.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawNamespace {
    /// Whether the stack creates the namespace `sophia-ai`. False if another team manages it, as in most clusters.
    #[serde(default)]
    pub manage_ai: bool,
    /// Whether the stack creates the namespace `sophia-mcp`. False if another team manages it.
    #[serde(default)]
    pub manage_mcp: bool,
    /// The quota for all pods of the platform. It must leave room for sidecars, a rollout and a Job.
    pub quota: RawQuota,
}

/// The quota of a namespace.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawQuota {
    /// The sum of CPU requests, such as `16`.
    pub requests_cpu: String,
    /// The sum of memory requests, such as `64Gi`.
    pub requests_memory: String,
    /// The sum of CPU limits.
    pub limits_cpu: String,
    /// The sum of memory limits.
    pub limits_memory: String,
    /// The number of pods, from 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub pods: u32,
    /// The number of Jobs, including finished Jobs that are kept for inspection, from 1 to 1000.
    #[serde(default = "jobs")]
    #[schemars(range(min = 1, max = 1_000))]
    pub jobs: u32,
    /// The sum of storage requests of claims.
    pub requests_storage: String,
}

/// The OpenMemory MCP server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawOpenMemory {
    /// The image. Upstream no longer publishes one, so every team builds its own (`docs/openmemory-image.md`).
    pub image: OrPlaceholder<String>,
    /// The number of pods, from 1 to 100; at least two in production.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// Scales the number of pods with the load, from `replicas` upwards; requires a metrics server. It can be enabled
    /// and disabled on a running stack. During a migration (`phoenix:migration`), it takes effect in the phase
    /// `optimized`.
    #[serde(default)]
    pub autoscaling: Option<RawAutoscaling>,
    /// The resource requests and limits of a pod.
    pub resources: RawResources,
    /// The volume at `/app/memory`.
    pub storage: RawMemoryStorage,
    /// The accelerator nodes for the pods; by default they run on any node.
    #[serde(default)]
    pub accelerator: Option<RawAccelerator>,
    /// The ARN of the service account's role, for clusters that map service accounts to roles (EKS).
    #[serde(default)]
    pub cloud_role: Option<OrPlaceholder<String>>,
}

/// Scales the number of pods with the load.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAutoscaling {
    /// The maximum number of pods, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: u32,
    /// The target CPU utilization, in percent of the request from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub cpu_percent: u32,
}

/// The resource requests and limits of a container.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawResources {
    /// The amounts that the scheduler reserves.
    pub requests: RawAmounts,
    /// The maximum amounts.
    pub limits: RawAmounts,
}

/// CPU and memory.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAmounts {
    /// CPU as a string, such as `200m` or `"2"`.
    pub cpu: String,
    /// Memory, such as `512Mi`.
    pub memory: String,
}

/// The volume at `/app/memory`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawMemoryStorage {
    /// `shared` by all pods (ReadWriteMany), or `exclusive` to one (ReadWriteOnce, only one replica).
    pub mode: RawStorageMode,
    /// Its size, such as `20Gi`.
    pub size: String,
    /// The storage class; by default that of the cluster.
    #[serde(default)]
    pub storage_class: Option<OrPlaceholder<String>>,
}

/// The access mode of a volume.
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
    /// The component that labels and taints the nodes.
    #[serde(default)]
    pub labels: RawAcceleratorLabels,
    /// The value of the accelerator label, such as `NVIDIA-A100-SXM4-40GB`; by default `rtx-4090` with Lambda's
    /// labels.
    #[serde(default)]
    pub product: Option<String>,
    /// The number of accelerators that a pod reserves. OpenMemory needs none; it only runs on these nodes.
    #[serde(default)]
    #[schemars(range(min = 0, max = 16))]
    pub count: u32,
}

/// The component that labels and taints accelerator nodes.
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
    /// The image, in its unprivileged variant.
    pub image: OrPlaceholder<String>,
    /// `single`, or a `cluster` with a quorum.
    pub mode: RawQdrantMode,
    /// The number of peers; odd, and at least 3 in a cluster.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// The number of peers that store each shard of a new collection. At least 2 in a cluster, so that losing a peer
    /// loses no data.
    #[schemars(range(min = 1, max = 100))]
    pub replication_factor: u32,
    /// The number of peers that must confirm a write. Less than `replicationFactor` in a cluster, so that losing a
    /// peer does not stop all writes.
    #[schemars(range(min = 1, max = 100))]
    pub write_consistency_factor: u32,
    /// The resource requests and limits of a peer.
    pub resources: RawResources,
    /// The volume of each peer at `/qdrant/storage`.
    pub storage: RawVolume,
    /// The volume of each peer at `/qdrant/snapshots`; as large as `storage`, so that a snapshot fits.
    pub snapshots: RawVolume,
    /// The number of days of audit log that a peer keeps, up to 3650; 0 disables the audit log.
    #[serde(default = "audit_days")]
    #[schemars(range(min = 0, max = 3650))]
    pub audit_days: u32,
    /// Whether the peers accept a second key, the secret `qdrantAltApiKey`, with the same permissions. Only during a
    /// rotation of the first key: `docs/runbooks/rotate-a-secret.md`.
    #[serde(default)]
    pub alt_api_key: bool,
}

/// Whether Qdrant runs as a single peer or as a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawQdrantMode {
    /// One peer without consensus.
    Single,
    /// Several peers with consensus.
    Cluster,
}

/// A volume of a store.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawVolume {
    /// Its size, such as `50Gi`.
    pub size: String,
    /// The storage class; by default that of the cluster.
    #[serde(default)]
    pub storage_class: Option<OrPlaceholder<String>>,
}

/// The external Postgres server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawPostgres {
    /// Its host name. The password is in the secret `postgresConnectionString`, not here.
    pub host: OrPlaceholder<String>,
    /// Its port, from 1 to 65535.
    #[serde(default = "postgres_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The networks of its addresses, such as `10.20.0.0/24`; by default every public address.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// The source of secret values.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSecrets {
    /// `local`: the stack's own encrypted configuration (`pulumi config set --secret`). `pulumi-esc`: the Pulumi ESC
    /// environments that the stack file imports with `environment:`, which requires state on Pulumi Cloud.
    /// `esc-direct`: a Pulumi ESC environment that the program opens itself, for stacks whose state is not on Pulumi
    /// Cloud. `external-secrets`: a Pulumi ESC environment that the External Secrets Operator opens in the cluster,
    /// so that no value passes through Pulumi.
    pub mode: RawSecretsMode,
    /// The Pulumi ESC environment for the modes `esc-direct` and `external-secrets`:
    /// `organization/project/environment`; `esc-direct` also accepts a version number or tag, such as `@stable`. For
    /// `esc-direct`, it contains the secrets under `pulumiConfig`, each by its full key, such as
    /// `phoenix:openaiApiKey`, and the access token is in the variable `PHOENIX_ESC_TOKEN`. For `external-secrets`,
    /// it contains them under `kubernetes`, by Secret and key, such as `qdrant-keys: {api-key: …}`.
    #[serde(default)]
    pub environment: Option<OrPlaceholder<String>>,
    /// The URL of Pulumi ESC for the modes `esc-direct` and `external-secrets`; by default `https://api.pulumi.com`.
    #[serde(default)]
    pub url: Option<String>,
    /// The authentication of the External Secrets Operator, for the mode `external-secrets`.
    #[serde(default)]
    pub auth: Option<RawStoreAuth>,
    /// How often the External Secrets Operator opens the environment, in minutes (`30m`) or hours; by default `1h`.
    /// It opens the environment once for each Secret.
    #[serde(default)]
    pub refresh_interval: Option<String>,
}

/// The authentication of the External Secrets Operator at Pulumi ESC. Exactly one method is required.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawStoreAuth {
    /// A service account token that Pulumi Cloud exchanges. No secret needs to be stored.
    pub oidc: Option<RawStoreOidc>,
    /// An access token of Pulumi Cloud, in an existing Secret of the platform's namespace.
    pub access_token: Option<RawStoreToken>,
}

/// The service account that Pulumi Cloud trusts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawStoreOidc {
    /// Its name. The stack creates it, and no pod uses it.
    pub service_account: String,
}

impl Default for RawStoreOidc {
    fn default() -> Self {
        Self {
            service_account: "external-secrets".to_owned(),
        }
    }
}

/// The location of the access token.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawStoreToken {
    /// The Secret in the platform's namespace.
    pub secret: String,
    /// The key in that Secret.
    pub key: String,
}

/// The source of secret values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawSecretsMode {
    /// The stack's own encrypted configuration.
    Local,
    /// The Pulumi ESC environments that the stack file imports and Pulumi's engine opens.
    PulumiEsc,
    /// A Pulumi ESC environment that the program opens itself.
    EscDirect,
    /// A Pulumi ESC environment that the External Secrets Operator opens in the cluster.
    ExternalSecrets,
}

/// Routing into the platform.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawRouting {
    /// Admits users outside the mesh over TLS. Without it, only pods of the mesh have access. During a migration
    /// (`phoenix:migration`), it takes effect in the phase `active`.
    pub gateway: Option<RawGateway>,
}

/// The gateway for users outside the mesh. The cluster provides its pods; the stack only opens a port on them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawGateway {
    /// The public host name, in addition to `sophia-memory.local`.
    pub host: Option<OrPlaceholder<String>>,
    /// The namespace of the gateway's pods.
    pub namespace: String,
    /// The service account of the gateway's pods.
    pub service_account: String,
    /// The labels that identify the gateway's pods.
    pub selector: BTreeMap<String, String>,
    /// The TLS Secret with the certificate for the hosts, in the gateway's namespace. The cluster operator provides
    /// it.
    pub credential: String,
}

impl Default for RawGateway {
    /// As installed by the gateway's own Helm chart under the name in Istio's documentation.
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

/// The authentication of users, in addition to the identity of pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawTrust {
    /// Requires a user token for everything under `/memory`. In production, the gateway requires it.
    pub jwt: Option<RawJwt>,
}

/// The valid tokens (JWT). Exactly one of `jwksUri` and `jwks` is required.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawJwt {
    /// The issuer: the exact value of the claim `iss`.
    pub issuer: OrPlaceholder<String>,
    /// The audiences, one of which must be in the claim `aud`. Tokens for another application are rejected.
    pub audiences: Vec<OrPlaceholder<String>>,
    /// The URL of the issuer's public keys; istiod fetches them.
    #[serde(default)]
    pub jwks_uri: Option<OrPlaceholder<String>>,
    /// The issuer's public keys as JSON, if istiod cannot reach the issuer.
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
