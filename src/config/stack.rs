//! What a configuration means: the types that the systems are built from.
//!
//! Every value here has been checked. Nothing is optional that a builder would have to refuse.

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

use crate::names::{
    BACKUP_NEO4J, BACKUP_OPENMEMORY, BACKUP_PRUNE, BACKUP_QDRANT, CHAT, CORE, KNOWLEDGE_GRAPH, LANGGRAPH,
    LOAD_TEST, REDIS, RESTORE_DRILL, RESTORE_NEO4J, RESTORE_OPENMEMORY, RESTORE_QDRANT, SYNC, Workload,
};

use super::secret::{self, SecretRow, Target};
use super::{DnsName, EscEnvironment, HostName, Image, ObjectName, Quantity, RoleArn};

pub use audit_trail::AuditTrail;
pub use backup::{
    Backup, BackupRoles, BackupSchedule, Day, ObjectStore, Retention, StoreCredentials, TimeOfDay,
};
pub use chat::{Chat, Mem0Use};
pub use knowledge_graph::GraphStore;
pub use langgraph::Langgraph;
pub use load_test::LoadTest;
pub use mcp::{Mcp, Servers};
pub use migration::Phase;
pub use monitoring::Monitoring;
pub use redis::{Eviction, Redis};
pub use snowflake::{Snowflake, SnowflakeHost, SnowflakeWay};
pub use sync::Sync;
pub use tiers::{
    External, KnowledgeGraph, LanggraphWorkflow, Mem0Persistent, SessionCache, SnowflakeCortex, Tiers,
};

/// The configuration of one stack, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackConfig {
    /// What the stack is for.
    pub environment: Environment,
    /// The cluster it belongs to.
    pub cluster: Cluster,
    /// The platform's namespace and its neighbours.
    pub namespace: Namespace,
    /// The OpenMemory MCP server.
    pub openmemory: OpenMemory,
    /// The Qdrant vector database.
    pub qdrant: Qdrant,
    /// The session cache, where the stack has one.
    pub redis: Option<Redis>,
    /// The knowledge graph, where the stack has one.
    pub knowledge_graph: Option<GraphStore>,
    /// The LangGraph server, where the stack has one.
    pub langgraph: Option<Langgraph>,
    /// The account of Snowflake, where the stack has one; it has one if it has the chat, or the synchronization.
    pub snowflake: Option<Snowflake>,
    /// The unified chat, where the stack has it.
    pub chat: Option<Chat>,
    /// What keeps Snowflake and Mem0 in step, where the stack has it.
    pub sync: Option<Sync>,
    /// The Postgres server outside the cluster.
    pub postgres: Postgres,
    /// The five tiers of the memory.
    pub tiers: Tiers,
    /// The MCP servers of the platform.
    pub mcp: Mcp,
    /// Scraping, alerts and dashboards.
    pub monitoring: Monitoring,
    /// Where the values of secrets come from.
    pub secrets: SecretsMode,
    /// How requests reach the platform.
    pub mesh: Routing,
    /// What callers must prove besides the identity of their pods.
    pub trust: Trust,
    /// What is written down of who asked whom for what; `None` writes down what the mesh does by itself.
    pub audit_trail: Option<AuditTrail>,
    /// A load test that only a person starts; `None` has none.
    pub load_test: Option<LoadTest>,
    /// Copies of the stores, and how they are put back; `None` makes none.
    pub backup: Option<Backup>,
    /// How far the migration is; `None` once it is over. What the phase switches is in the other fields as it is then.
    pub migration: Option<Phase>,
    /// Whether the engine refuses to delete what holds data.
    pub protect: bool,
    /// The objects that are taken over from whoever made them.
    pub adopt: Vec<ObjectName>,
    /// Whether this is the sandbox's own copy, in which placeholders are accepted.
    pub sandbox: bool,
    /// The keys whose values nobody knows yet, with what is missing.
    pub placeholders: Vec<(String, String)>,
}

impl StackConfig {
    /// The workloads that this stack has, in the order of the platform's table of contents.
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

    /// Whether the migration has come this far.
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
        if let SecretsMode::ExternalSecrets(_) = self.secrets {
            // The program has no values to make checksums of.
            needed.retain(|row| !row.readers.is_empty());
        }
        needed
    }

    /// The Kubernetes Secrets that this stack needs, with the rows of each.
    pub fn secret_targets(&self) -> BTreeMap<Target, Vec<&'static SecretRow>> {
        secret::targets(&self.secrets_needed(), &self.workloads())
    }
}

/// What a stack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// One of everything.
    Dev,
    /// As production in shape.
    Staging,
    /// The real thing.
    Prod,
}

impl Environment {
    /// The word for it in the stack file and in `ENVIRONMENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

/// The cluster a stack belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The kubeconfig context the provider is pinned to; `None` while it is a placeholder.
    pub context: Option<String>,
    /// The UID of its Namespace `kube-system`; `None` while it is a placeholder.
    pub uid: Option<String>,
    /// A name that stays when the kubeconfig changes.
    pub identifier: String,
    /// The service mesh.
    pub mesh: Mesh,
    /// Who scrapes metrics.
    pub monitoring: Prometheus,
    /// Networks that count as inside.
    pub private_networks: Vec<String>,
    /// Whose pods go first where nodes are short.
    pub priority_classes: PriorityClasses,
    /// Secrets with credentials for registries, which somebody else makes.
    pub image_pull_secrets: Vec<DnsName>,
}

/// Whose pods go first where nodes are short; `None` is the cluster's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityClasses {
    /// Of the stores.
    pub stores: Option<DnsName>,
    /// Of the servers.
    pub servers: Option<DnsName>,
    /// Of the Jobs.
    pub jobs: Option<DnsName>,
}

/// The service mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// The namespace of istiod.
    pub namespace: DnsName,
    /// The revision that injects into our namespaces; `None` for the default one.
    pub revision: Option<DnsName>,
    /// The first part of every identity.
    pub trust_domain: DnsName,
    /// Whether it sets up its redirection by istio-cni.
    pub cni: bool,
    /// Whether sidecars answer the names that only the mesh knows.
    pub dns_capture: bool,
}

/// The Prometheus of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// The namespace it runs in.
    pub namespace: DnsName,
    /// The service account it runs as.
    pub service_account: DnsName,
}

/// The platform's namespace and its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whether we create `sophia-ai`.
    pub manage_ai: bool,
    /// Whether we create `sophia-mcp`.
    pub manage_mcp: bool,
    /// The bound for all pods together.
    pub quota: Quota,
}

/// An upper bound for all pods of a namespace together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Processor time and memory that may be requested.
    pub requests: Amounts,
    /// Processor time and memory that may be used.
    pub limits: Amounts,
    /// The number of pods.
    pub pods: u32,
    /// The number of Jobs, those included that have ended and are kept to be looked at.
    pub jobs: u32,
    /// Storage that claims may ask for.
    pub storage: Quantity,
}

/// The OpenMemory MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMemory {
    /// The image.
    pub image: Image,
    /// How many pods serve.
    pub scale: Scale,
    /// What a pod asks for and may use.
    pub resources: Resources,
    /// The volume at `/app/memory`.
    pub storage: MemoryStorage,
    /// The nodes the pods are placed on.
    pub accelerator: Option<Accelerator>,
    /// The cloud role of the service account.
    pub cloud_role: Option<RoleArn>,
}

/// How many pods serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Always this many.
    Fixed(u32),
    /// As many as the load asks for.
    Auto {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
        /// Scales up above this share of the requested processor time, in percent.
        cpu_percent: u32,
    },
}

impl Scale {
    /// The fewest pods that serve.
    pub fn least(self) -> u32 {
        match self {
            Self::Fixed(replicas) | Self::Auto { min: replicas, .. } => replicas,
        }
    }

    /// The most pods that serve.
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed(replicas) | Self::Auto { max: replicas, .. } => replicas,
        }
    }
}

/// What a container asks for and may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// What the scheduler sets aside.
    pub requests: Amounts,
    /// What it may use at most; never less than it asks for.
    pub limits: Amounts,
}

impl Resources {
    /// What two containers of a pod ask for and may use together.
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

/// Processor time and memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// Processor time.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
}

/// The volume at `/app/memory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryStorage {
    /// Whether several pods share it. Never false where there are several pods.
    pub shared: bool,
    /// Size and class.
    pub volume: Volume,
}

/// A volume's size and class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its size.
    pub size: Quantity,
    /// Its storage class; `None` for the cluster's default class, and while it is a placeholder.
    pub storage_class: Option<DnsName>,
}

/// Nodes with accelerators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerator {
    /// The label that such nodes carry, and its value.
    pub label: (&'static str, String),
    /// The taint that such nodes carry, as key and value, with the effect `NoSchedule`.
    pub taint: (&'static str, &'static str),
    /// How many accelerators a pod takes for itself.
    pub count: u32,
}

/// The Qdrant vector database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdrant {
    /// The image.
    pub image: Image,
    /// How many peers; 1 alone, an odd number from 3 upwards as a cluster.
    pub replicas: u32,
    /// How many peers keep each shard.
    pub replication_factor: u32,
    /// How many peers must confirm a write.
    pub write_consistency_factor: u32,
    /// What a peer asks for and may use.
    pub resources: Resources,
    /// The volume at `/qdrant/storage`.
    pub storage: Volume,
    /// The volume at `/qdrant/snapshots`.
    pub snapshots: Volume,
    /// How many days of audit log a peer keeps; `None` keeps none.
    pub audit_days: Option<u32>,
    /// Whether a second key is accepted, while the first is exchanged for another.
    pub alt_api_key: bool,
}

impl Qdrant {
    /// Whether the peers form a cluster with a consensus.
    pub fn is_cluster(&self) -> bool {
        self.replicas > 1
    }
}

/// The Postgres server outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Its host name.
    pub host: HostName,
    /// Its port.
    pub port: u16,
    /// The networks its addresses are in; empty for every public address.
    pub networks: Vec<String>,
}

/// Where the values of secrets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretsMode {
    /// From the stack's own encrypted configuration.
    Local,
    /// From the environments of Pulumi ESC that the stack file imports, which Pulumi's engine opens.
    PulumiEsc,
    /// From an environment of Pulumi ESC that the program opens itself.
    EscDirect(EscDirect),
    /// From an environment of Pulumi ESC that the External Secrets Operator opens in the cluster.
    ExternalSecrets(ExternalSecrets),
}

/// What the program opens in Pulumi ESC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscDirect {
    /// The environment; `None` while it is a placeholder.
    pub environment: Option<EscEnvironment>,
    /// The address of the service; `None` is Pulumi's own.
    pub url: Option<String>,
}

/// What the External Secrets Operator opens in Pulumi ESC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSecrets {
    /// The environment, without a version; `None` while it is a placeholder.
    pub environment: Option<EscEnvironment>,
    /// The address of the service; `None` is Pulumi's own.
    pub url: Option<String>,
    /// How the operator proves who it is.
    pub auth: StoreAuth,
    /// How often it opens the environment anew, such as `1h`.
    pub refresh_interval: String,
}

/// How the External Secrets Operator proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAuth {
    /// By a token of this service account, which we make.
    Oidc(DnsName),
    /// By an access token in a Secret of somebody else.
    AccessToken {
        /// The Secret.
        secret: DnsName,
        /// The key in it.
        key: String,
    },
}

/// How requests reach the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Lets people outside the mesh in; `None` lets nobody in.
    pub gateway: Option<Gateway>,
}

/// The gateway that lets people outside the mesh in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The host name that clients use besides the platform's own; `None` while it is a placeholder.
    pub host: Option<HostName>,
    /// The namespace that its pods run in.
    pub namespace: DnsName,
    /// The service account that its pods run as.
    pub service_account: DnsName,
    /// The labels that only its pods carry; never empty.
    pub selector: BTreeMap<String, String>,
    /// The TLS Secret in its namespace.
    pub credential: DnsName,
}

/// What callers must prove besides the identity of their pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The tokens of people; `None` demands none.
    pub jwt: Option<Jwt>,
}

/// Which tokens are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Who issues them.
    pub issuer: String,
    /// Whom they are for; never empty.
    pub audiences: Vec<String>,
    /// What proves that the issuer signed them.
    pub keys: JwtKeys,
}

/// The public keys of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtKeys {
    /// Where istiod fetches them.
    Uri(String),
    /// The keys themselves, as JSON.
    Inline(String),
}
