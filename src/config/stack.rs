//! The validated configuration, from which the systems are built.
//!
//! Every value has been checked. No builder needs to reject an optional value.

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

use schemars::JsonSchema;
use serde::Deserialize;

use std::collections::BTreeMap;

use crate::names::{
    BACKUP_NEO4J, BACKUP_OPENMEMORY, BACKUP_PRUNE, BACKUP_QDRANT, CHAT, CORE, KNOWLEDGE_GRAPH, LANGGRAPH,
    LOAD_TEST, REDIS, RESTORE_DRILL, RESTORE_NEO4J, RESTORE_OPENMEMORY, RESTORE_QDRANT, SYNC, Workload,
};

use super::secret::{self, SecretRow, Target};
use super::{DnsName, EscEnvironment, HostName, Image, ObjectName, Quantity, RoleArn};

pub use audit_trail::AuditTrail;
pub use backup::{
    Backup, BackupRoles, BackupSchedule, Day, ObjectStore, Retention, StoreCredentials, StoreRoles, TimeOfDay,
};
pub use chat::{Chat, Mem0Use};
pub use knowledge_graph::GraphStore;
pub use langgraph::Langgraph;
pub use load_test::LoadTest;
pub use mcp::{Mcp, Servers};
pub use migration::Phase;
pub use monitoring::Monitoring;
pub use redis::{Eviction, Redis};
pub use snowflake::{Snowflake, SnowflakeHost, SnowflakeProtocol};
pub use sync::Sync;
pub use tiers::{
    External, KnowledgeGraph, LanggraphWorkflow, Mem0Persistent, SessionCache, SnowflakeCortex, Tiers,
};

/// The validated configuration of one stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackConfig {
    /// The purpose of the stack.
    pub environment: Environment,
    /// The cluster of the stack.
    pub cluster: Cluster,
    /// The platform's namespace and the namespaces of its clients.
    pub namespace: Namespace,
    /// The OpenMemory MCP server.
    pub openmemory: OpenMemory,
    /// The Qdrant vector database.
    pub qdrant: Qdrant,
    /// The session cache, if the stack has one.
    pub redis: Option<Redis>,
    /// The knowledge graph, if the stack has one.
    pub knowledge_graph: Option<GraphStore>,
    /// The LangGraph server, if the stack has one.
    pub langgraph: Option<Langgraph>,
    /// The Snowflake account, if the stack has one; always present with the chat or the synchronization.
    pub snowflake: Option<Snowflake>,
    /// The unified chat, if the stack has it.
    pub chat: Option<Chat>,
    /// The synchronization of Snowflake and Mem0, if the stack has it.
    pub sync: Option<Sync>,
    /// The external Postgres server.
    pub postgres: Postgres,
    /// The five memory tiers.
    pub tiers: Tiers,
    /// The MCP servers of the platform.
    pub mcp: Mcp,
    /// Scraping, alerts and dashboards.
    pub monitoring: Monitoring,
    /// The source of secret values.
    pub secrets: SecretsMode,
    /// Routing into the platform.
    pub mesh: Routing,
    /// The authentication of users, in addition to the identity of pods.
    pub trust: Trust,
    /// The audit trail; `None` keeps the defaults of the mesh.
    pub audit_trail: Option<AuditTrail>,
    /// A load test that only an operator starts.
    pub load_test: Option<LoadTest>,
    /// Backups and restores of the stores.
    pub backup: Option<Backup>,
    /// The migration phase; `None` once the migration is complete. The other fields already contain the effects of
    /// the phase.
    pub migration: Option<Phase>,
    /// Whether the engine refuses to delete objects that hold data.
    pub protect: bool,
    /// The existing objects to adopt.
    pub adopt: Vec<ObjectName>,
    /// Whether this is the sandbox's own copy, in which placeholders are accepted.
    pub sandbox: bool,
    /// The keys whose values are placeholders, with the missing value.
    pub placeholders: Vec<(String, String)>,
}

impl StackConfig {
    /// The limits of the largest container in the platform's namespace, CPU and memory separately.
    pub fn largest_container(&self) -> Amounts {
        let optional = [
            self.redis.as_ref().map(|redis| &redis.resources),
            self.redis.as_ref().map(|redis| &redis.exporter_resources),
            self.knowledge_graph.as_ref().map(|store| &store.resources),
            self.langgraph.as_ref().map(|server| &server.resources),
            self.sync.as_ref().map(|sync| &sync.resources),
            self.backup.as_ref().map(|backup| &backup.resources),
            self.load_test.as_ref().map(|test| &test.resources),
        ];
        let mut largest = self.openmemory.resources.limits.clone();
        for resources in optional.into_iter().flatten().chain([&self.qdrant.resources]) {
            largest.cpu = largest.cpu.max(resources.limits.cpu.clone());
            largest.memory = largest.memory.max(resources.limits.memory.clone());
        }
        largest
    }

    /// The workloads of this stack, in the order of the platform's table of contents.
    pub fn workloads(&self) -> Vec<Workload> {
        let mut workloads = CORE.to_vec();
        if self.redis.is_some() {
            workloads.push(REDIS);
        }
        if self.knowledge_graph.is_some() {
            workloads.push(KNOWLEDGE_GRAPH);
        }
        if self.load_test.is_some() {
            workloads.push(LOAD_TEST);
        }
        if self.langgraph.is_some() {
            workloads.push(LANGGRAPH);
        }
        if self.chat.is_some() {
            workloads.push(CHAT);
        }
        if self.sync.is_some() {
            workloads.push(SYNC);
        }
        if self.backup.is_some() {
            let graph = self.knowledge_graph.is_some();
            workloads.push(BACKUP_QDRANT);
            workloads.extend(graph.then_some(BACKUP_NEO4J));
            workloads.extend([BACKUP_OPENMEMORY, BACKUP_PRUNE, RESTORE_DRILL, RESTORE_QDRANT]);
            workloads.extend(graph.then_some(RESTORE_NEO4J));
            workloads.push(RESTORE_OPENMEMORY);
        }
        workloads
    }

    /// Whether the migration has reached this phase.
    pub fn has_reached(&self, phase: Phase) -> bool {
        self.migration.is_none_or(|own| own >= phase)
    }

    /// The secrets that this stack needs.
    pub fn secrets_needed(&self) -> Vec<&'static SecretRow> {
        let mut needed = secret::needed(&self.workloads());
        if self.qdrant.alt_api_key {
            needed.push(&secret::QDRANT_ALT_API_KEY);
        }
        if self.langgraph.as_ref().is_some_and(|langgraph| langgraph.license) {
            needed.push(&secret::LANGGRAPH_LICENSE_KEY);
        }
        if self.langgraph.is_some() {
            needed.push(&secret::LANGGRAPH_REDIS_PASSWORD);
        }
        let is_read = self.chat.is_some() || self.sync.is_some();
        if is_read
            && self
                .snowflake
                .as_ref()
                .is_some_and(|account| account.encrypted_key)
        {
            needed.push(&secret::SNOWFLAKE_PASSPHRASE);
        }
        if self
            .backup
            .as_ref()
            .is_some_and(|backup| backup.store.credentials == StoreCredentials::Key)
        {
            needed.extend([&secret::BACKUP_ACCESS_KEY_ID, &secret::BACKUP_SECRET_ACCESS_KEY]);
        }
        if self.backup.is_some() && self.knowledge_graph.is_some() {
            needed.push(&secret::BACKUP_NEO4J_MAC_KEY);
        }
        if let SecretsMode::ExternalSecrets(_) = self.secrets {
            // The program has no values from which to compute checksums.
            needed.retain(|row| !row.readers.is_empty());
        }
        needed
    }

    /// Whether connection strings of Postgres must demand TLS with a verified server.
    pub fn requires_postgres_tls(&self) -> bool {
        self.environment != Environment::Dev && self.postgres.transport == PostgresTransport::VerifyFull
    }

    /// Why a value is weak or invalid in this stack, as the rest of a sentence that begins with its key.
    pub fn weakness(&self, row: &SecretRow, value: &str) -> Option<String> {
        row.form.weakness(value).or_else(|| {
            let is_checked = row.form == secret::Form::PostgresUrl && self.requires_postgres_tls();
            is_checked
                .then(|| secret::strength::unverified_tls(value))
                .flatten()
        })
    }

    /// Errors in values that are valid individually: contradictions between them, and Postgres connections without
    /// verified TLS. `value` returns the value of a full key; errors never repeat a value.
    pub fn secret_problems<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> super::Problems {
        let needed = self.secrets_needed();
        let mut problems = secret::contradictions(&needed, &value);
        let urls = needed.iter().filter(|row| row.form == secret::Form::PostgresUrl);
        for row in urls.filter(|_| self.requires_postgres_tls()) {
            let key = row.full_key();
            if let Some(wrong) = value(&key).and_then(secret::strength::unverified_tls) {
                problems.add_with_hint(
                    key,
                    wrong,
                    "add the parameter sslmode=verify-full after `?`, or after `&` if there are others, and sslrootcert as described in docs/openmemory-image.md; for a server in the mesh, set phoenix:postgres.transport to mesh",
                );
            }
        }
        problems
    }

    /// The Kubernetes Secrets that this stack needs, with their rows.
    pub fn secret_targets(&self) -> BTreeMap<Target, Vec<&'static SecretRow>> {
        secret::targets(&self.secrets_needed(), &self.workloads())
    }
}

/// The purpose of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// One replica of everything, on a laptop or in the sandbox.
    Dev,
    /// Like production, with fewer replicas.
    Staging,
    /// Production.
    Prod,
}

impl Environment {
    /// Its name in the stack file and in `ENVIRONMENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

/// The cluster of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The kubeconfig context that the provider uses; `None` while it is a placeholder.
    pub context: Option<String>,
    /// The UID of its `kube-system` Namespace; `None` while it is a placeholder.
    pub uid: Option<String>,
    /// A name that remains the same when the kubeconfig changes.
    pub identifier: String,
    /// The service mesh.
    pub mesh: Mesh,
    /// The Prometheus that scrapes the platform.
    pub monitoring: Prometheus,
    /// Networks that count as internal.
    pub private_networks: Vec<String>,
    /// The priority of pods when nodes run out of resources.
    pub priority_classes: PriorityClasses,
    /// Existing Secrets with registry credentials.
    pub image_pull_secrets: Vec<DnsName>,
}

/// The priority classes of pods; `None` uses the default of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityClasses {
    /// The class of the stores.
    pub stores: Option<DnsName>,
    /// The class of the servers.
    pub servers: Option<DnsName>,
    /// The class of the Jobs.
    pub jobs: Option<DnsName>,
}

/// The service mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// The namespace of istiod.
    pub namespace: DnsName,
    /// The revision that injects sidecars into the platform's namespaces; `None` for the default one.
    pub revision: Option<DnsName>,
    /// The trust domain, the first part of every identity.
    pub trust_domain: DnsName,
    /// Whether it sets up traffic redirection with istio-cni.
    pub cni: bool,
    /// Whether sidecars resolve names that only the mesh knows.
    pub dns_capture: bool,
}

/// The Prometheus of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// Its namespace.
    pub namespace: DnsName,
    /// Its service account.
    pub service_account: DnsName,
    /// The labels of its pods; at least one.
    pub pod_labels: BTreeMap<String, String>,
}

/// The platform's namespace and the namespaces of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whether the stack creates `sophia-ai`.
    pub manage_ai: bool,
    /// Whether the stack creates `sophia-mcp`.
    pub manage_mcp: bool,
    /// The quota for all pods.
    pub quota: Quota,
}

/// The quota of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The sums of CPU and memory requests.
    pub requests: Amounts,
    /// The sums of CPU and memory limits.
    pub limits: Amounts,
    /// The number of pods.
    pub pods: u32,
    /// The number of Jobs, including finished Jobs that are kept for inspection.
    pub jobs: u32,
    /// The sum of storage requests of claims.
    pub storage: Quantity,
}

/// The OpenMemory MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMemory {
    /// The image.
    pub image: Image,
    /// The number of pods.
    pub scale: Scale,
    /// The resource requests and limits of a pod.
    pub resources: Resources,
    /// The volume at `/app/memory`.
    pub storage: MemoryStorage,
    /// The nodes for the pods.
    pub accelerator: Option<Accelerator>,
    /// The cloud role of the service account.
    pub cloud_role: Option<RoleArn>,
}

/// The number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A fixed number.
    Fixed(u32),
    /// A number that follows the load.
    Auto {
        /// The minimum.
        min: u32,
        /// The maximum.
        max: u32,
        /// The target CPU utilization, in percent of the request.
        cpu_percent: u32,
    },
}

impl Scale {
    /// The minimum number of pods.
    pub fn least(self) -> u32 {
        match self {
            Self::Fixed(replicas) | Self::Auto { min: replicas, .. } => replicas,
        }
    }

    /// The maximum number of pods.
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed(replicas) | Self::Auto { max: replicas, .. } => replicas,
        }
    }
}

/// The resource requests and limits of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The amounts that the scheduler reserves.
    pub requests: Amounts,
    /// The maximum amounts; never less than the requests.
    pub limits: Amounts,
}

impl Resources {
    /// The sum of two containers of a pod.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let sum = |one: &Amounts, other: &Amounts| Amounts {
            cpu: one.cpu.plus(&other.cpu),
            memory: one.memory.plus(&other.memory),
        };
        Self {
            requests: sum(&self.requests, &other.requests),
            limits: sum(&self.limits, &other.limits),
        }
    }
}

/// CPU and memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// CPU.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
}

/// The volume at `/app/memory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryStorage {
    /// Whether several pods share it. Always true if there are several pods.
    pub shared: bool,
    /// Size and class.
    pub volume: Volume,
}

/// The size and class of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its size.
    pub size: Quantity,
    /// Its storage class; `None` for the default class of the cluster, and while it is a placeholder.
    pub storage_class: Option<DnsName>,
}

/// Nodes with accelerators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerator {
    /// The node label and its value.
    pub label: (&'static str, String),
    /// The node taint as key and value, with the effect `NoSchedule`.
    pub taint: (&'static str, &'static str),
    /// The number of accelerators that a pod reserves.
    pub count: u32,
}

/// The Qdrant vector database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdrant {
    /// The image.
    pub image: Image,
    /// The number of peers: 1, or an odd number from 3 for a cluster.
    pub replicas: u32,
    /// The number of peers that store each shard.
    pub replication_factor: u32,
    /// The number of peers that must confirm a write.
    pub write_consistency_factor: u32,
    /// The resource requests and limits of a peer.
    pub resources: Resources,
    /// The volume at `/qdrant/storage`.
    pub storage: Volume,
    /// The volume at `/qdrant/snapshots`.
    pub snapshots: Volume,
    /// The number of days of audit log that a peer keeps; `None` disables it.
    pub audit_days: Option<u32>,
    /// Whether a second key is accepted during a rotation of the first.
    pub alt_api_key: bool,
}

impl Qdrant {
    /// Whether the peers form a cluster with consensus.
    pub fn is_cluster(&self) -> bool {
        self.replicas > 1
    }
}

/// The external Postgres server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Its host name.
    pub host: HostName,
    /// Its port.
    pub port: u16,
    /// The networks of its addresses; empty for every public address.
    pub networks: Vec<String>,
    /// What protects its connections.
    pub transport: PostgresTransport,
}

/// What protects connections to the Postgres server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PostgresTransport {
    /// TLS of Postgres itself, with a verified server. Outside of `dev`, each connection string must contain
    /// `sslmode=verify-full`.
    #[default]
    VerifyFull,
    /// Mutual TLS of the mesh, for a server in the cluster whose pods have sidecars and accept only mutual TLS
    /// (STRICT). Requires `networks`, the networks of these pods.
    Mesh,
}

impl PostgresTransport {
    /// Its name in the stack file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyFull => "verify-full",
            Self::Mesh => "mesh",
        }
    }
}

/// The source of secret values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretsMode {
    /// The stack's own encrypted configuration.
    Local,
    /// The Pulumi ESC environments that the stack file imports and Pulumi's engine opens.
    PulumiEsc,
    /// A Pulumi ESC environment that the program opens itself.
    EscDirect(EscDirect),
    /// A Pulumi ESC environment that the External Secrets Operator opens in the cluster.
    ExternalSecrets(ExternalSecrets),
}

/// The Pulumi ESC environment that the program opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscDirect {
    /// The environment; `None` while it is a placeholder.
    pub environment: Option<EscEnvironment>,
    /// The URL of the service; `None` for Pulumi Cloud.
    pub url: Option<String>,
}

/// The Pulumi ESC environment that the External Secrets Operator opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSecrets {
    /// The environment, without a version; `None` while it is a placeholder.
    pub environment: Option<EscEnvironment>,
    /// The URL of the service; `None` for Pulumi Cloud.
    pub url: Option<String>,
    /// The authentication of the operator.
    pub auth: StoreAuth,
    /// How often it opens the environment, such as `1h`.
    pub refresh_interval: String,
}

/// The authentication of the External Secrets Operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAuth {
    /// A token of this service account, which the stack creates.
    Oidc(DnsName),
    /// An access token in an existing Secret.
    AccessToken {
        /// The Secret.
        secret: DnsName,
        /// The key in it.
        key: String,
    },
}

/// Routing into the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// The gateway for users outside the mesh; `None` admits none.
    pub gateway: Option<Gateway>,
}

/// The gateway for users outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The public host name in addition to the platform's own; `None` while it is a placeholder.
    pub host: Option<HostName>,
    /// The namespace of its pods.
    pub namespace: DnsName,
    /// The service account of its pods.
    pub service_account: DnsName,
    /// The labels that identify its pods; never empty.
    pub selector: BTreeMap<String, String>,
    /// The TLS Secret in its namespace.
    pub credential: DnsName,
}

/// The authentication of users, in addition to the identity of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The user tokens; `None` requires none.
    pub jwt: Option<Jwt>,
}

/// The valid tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// The issuer.
    pub issuer: String,
    /// The audiences; never empty.
    pub audiences: Vec<String>,
    /// The keys that verify the issuer's signature.
    pub keys: JwtKeys,
}

/// The public keys of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtKeys {
    /// The URL from which istiod fetches them.
    Uri(String),
    /// The keys as JSON.
    Inline(String),
}

/// The options of a stack that all systems use.
#[derive(Clone, Copy, Debug)]
pub struct StackOptions<'a> {
    /// The environment: `dev`, `staging` or `prod`.
    pub environment: &'a str,
    /// Whether the engine refuses to delete objects that hold data.
    pub protect: bool,
    /// Whether data outlives the deletion of its object; true everywhere except in `dev`.
    pub retain: bool,
}

impl<'a> StackOptions<'a> {
    /// Collects the options that all systems of this stack use.
    pub fn of(config: &'a StackConfig) -> Self {
        Self {
            environment: config.environment.as_str(),
            protect: config.protect,
            retain: config.environment != Environment::Dev,
        }
    }
}
