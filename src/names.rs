//! Every name, port, label and address that two systems share.
//!
//! They come from the platform's source document, and other teams address them: changing one is
//! replacing an object, or cutting somebody off.

use crate::config::StackConfig;

/// The platform's own namespace.
pub const MEMORY: &str = "sophia-memory";
/// The namespace of the unified chat, a neighbour.
pub const AI: &str = "sophia-ai";
/// The namespace of the MCP gateway, a neighbour.
pub const MCP: &str = "sophia-mcp";

/// The Secret with the platform's shared credentials.
pub const SHARED_SECRET: &str = "sophia-secrets";
/// The Secret with Qdrant's keys.
pub const QDRANT_SECRET: &str = "qdrant-keys";

/// The Secret with the passwords of the session cache.
pub const REDIS_SECRET: &str = "redis-passwords";
/// The user of the session cache that reads and writes entries.
pub const REDIS_USER: &str = "phoenix";

/// The Secret with the password of the knowledge graph.
pub const NEO4J_SECRET: &str = "neo4j-password";
/// The Secret with the token of the person for whom a load test speaks. That person makes it, and takes it away.
pub const LOAD_TEST_TOKEN: &str = "memory-load-test-token";
/// The Secret with the licence of the LangGraph server.
pub const LANGGRAPH_SECRET: &str = "langgraph-license";
/// The Secret with the private key for Snowflake.
pub const SNOWFLAKE_SECRET: &str = "snowflake-key";
/// The Secret with the key of the object store that backups are kept in.
pub const BACKUP_SECRET: &str = "backup-store";

/// The label, with the value `true`, that pods of `sophia-ai` wear to be let in to the chat.
pub const CHAT_CLIENT: &str = "phoenix.ai/chat-client";

/// The ConfigMap in the chat's namespace with the MCP configuration.
pub const MCP_CONFIG: &str = "phoenix-mem0-config";
/// The file in it.
pub const MCP_FILE: &str = "phoenix_mem0_mcp_config.json";

/// The host that callers address, inside the mesh and through the gateway.
pub const MEMORY_HOST: &str = "sophia-memory.local";
/// The path that OpenMemory answers under, and with it everything below.
pub const OPENMEMORY_PATH: &str = "/memory/openmemory";
/// The header in which a server reads whose request it is. Only the mesh sets it; what a client sends under this name
/// never reaches a server.
pub const USER_HEADER: &str = "x-phoenix-user";
/// Other headers to the mesh, but the same one to servers that write `_` for `-`, as CGI and WSGI do.
pub const USER_HEADER_LOOKALIKES: [&str; 3] = ["x_phoenix_user", "x_phoenix-user", "x-phoenix_user"];
/// Everything below that path. A pattern of its own, because `/memory/openmemory*` would let `/memory/openmemoryX` through
/// as well.
pub const OPENMEMORY_BELOW: &str = "/memory/openmemory/*";
/// The path at which OpenMemory gives and takes memories of all people at once. Only the synchronization gets there.
pub const SYNC_PATH: &str = "/memory/openmemory/sync";
/// The path at which OpenMemory gives all memories to a backup. Only the backup gets there.
pub const EXPORT_PATH: &str = "/memory/openmemory/export";
/// The path at which OpenMemory takes all memories back. Only a restore gets there.
pub const IMPORT_PATH: &str = "/memory/openmemory/import";
/// Everything below the path of the synchronization.
pub const SYNC_BELOW: &str = "/memory/openmemory/sync/*";
/// Where OpenMemory gives and takes memories of all people at once. Nobody gets there because he may ask below
/// `/memory/`: only who is let in by name.
pub const OF_ALL_PEOPLE: [&str; 6] = [
    SYNC_PATH,
    SYNC_BELOW,
    EXPORT_PATH,
    "/memory/openmemory/export/*",
    IMPORT_PATH,
    "/memory/openmemory/import/*",
];
/// The path at which the mesh answers with OpenMemory's health.
pub const HEALTH_PATH: &str = "/memory/health";
/// The path at which the mesh answers with OpenMemory's metrics.
pub const METRICS_PATH: &str = "/memory/metrics";

/// Which data an object holds, for those who must treat it accordingly.
pub const DATA_CLASSIFICATION: &str = "phoenix.ai/data-classification";

/// The annotation by which a `CronJob` says which claims of its namespace it backs up; the policy pack reads it.
pub const BACKS_UP: &str = "phoenix.ai/backs-up";

/// The annotation by which a `CronJob` says which claims' backups it tries to restore; the policy pack reads it.
pub const TRIES_RESTORE_OF: &str = "phoenix.ai/tries-restore-of";

/// The annotation of the platform's namespace that says how far the migration is there.
pub const MIGRATION_PHASE: &str = "phoenix.ai/migration-phase";

/// A set of pods of ours that others address as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The system that declares it; the word in the stack file.
    pub system: &'static str,
    /// The namespace that its pods run in.
    pub namespace: &'static str,
    /// The value of the label `app` on its pods.
    pub app: &'static str,
    /// The service account its pods run as.
    pub service_account: &'static str,
    /// The name of its Deployment, `StatefulSet` or `CronJob`.
    pub name: &'static str,
    /// The Service that clients address; `None` where nobody calls.
    pub service: Option<&'static str>,
}

/// The OpenMemory MCP server.
pub const OPENMEMORY: Workload = Workload {
    system: "openmemory",
    namespace: MEMORY,
    app: "openmemory-mcp",
    service_account: "sophia-memory-sa",
    name: "openmemory-mcp-server",
    service: Some("openmemory-mcp-service"),
};

/// The Qdrant vector database.
pub const QDRANT: Workload = Workload {
    system: "qdrant",
    namespace: MEMORY,
    app: "qdrant",
    service_account: "qdrant",
    name: "qdrant",
    service: Some("qdrant-service"),
};

/// The session cache.
pub const REDIS: Workload = Workload {
    system: "redis",
    namespace: MEMORY,
    app: "redis",
    service_account: "redis",
    name: "redis",
    service: Some("redis-service"),
};

/// The knowledge graph.
pub const KNOWLEDGE_GRAPH: Workload = Workload {
    system: "knowledge_graph",
    namespace: MEMORY,
    app: "knowledge-graph",
    service_account: "knowledge-graph",
    name: "knowledge-graph",
    service: Some("knowledge-graph-service"),
};

/// The load test, which only a person starts.
pub const LOAD_TEST: Workload = Workload {
    system: "load_test",
    namespace: MEMORY,
    app: "memory-load-test",
    service_account: "memory-load-test",
    name: "memory-load-test",
    service: None,
};

/// The LangGraph server.
pub const LANGGRAPH: Workload = Workload {
    system: "langgraph",
    namespace: MEMORY,
    app: "langgraph",
    service_account: "langgraph",
    name: "langgraph",
    service: Some("langgraph-service"),
};

/// The unified chat, in a neighbour's namespace.
pub const CHAT: Workload = Workload {
    system: "chat",
    namespace: AI,
    app: "sophia-unified-chat",
    service_account: "sophia-unified-chat",
    name: "sophia-unified-chat",
    service: Some("sophia-unified-chat"),
};

/// What keeps Snowflake and Mem0 in step.
pub const SYNC: Workload = Workload {
    system: "sync",
    namespace: MEMORY,
    app: "memory-sync",
    service_account: "memory-sync",
    name: "memory-sync",
    service: None,
};

/// What copies the vectors to the object store.
pub const BACKUP_QDRANT: Workload = backup_job("backup-qdrant");

/// What copies the knowledge graph to the object store.
pub const BACKUP_NEO4J: Workload = backup_job("backup-neo4j");

/// What copies what OpenMemory knows of its memories to the object store.
pub const BACKUP_OPENMEMORY: Workload = backup_job("backup-openmemory");

/// What deletes backups that are kept no longer.
pub const BACKUP_PRUNE: Workload = backup_job("backup-prune");

/// What restores a backup beside the data, looks at it and takes it away again.
pub const RESTORE_DRILL: Workload = backup_job("restore-drill");

/// What puts the vectors back; only a person starts it.
pub const RESTORE_QDRANT: Workload = backup_job("restore-qdrant");

/// What puts the knowledge graph back; only a person starts it.
pub const RESTORE_NEO4J: Workload = backup_job("restore-neo4j");

/// What gives OpenMemory its memories back; only a person starts it.
pub const RESTORE_OPENMEMORY: Workload = backup_job("restore-openmemory");

/// A Job of the backup. Each is a workload of its own, so that each reaches only what it needs.
const fn backup_job(name: &'static str) -> Workload {
    Workload {
        system: "backup",
        namespace: MEMORY,
        app: name,
        service_account: name,
        name,
        service: None,
    }
}

/// The workloads that every stack has.
pub const CORE: [Workload; 2] = [OPENMEMORY, QDRANT];

/// Every workload that a stack can have; `StackConfig::workloads` knows which one has.
pub const WORKLOADS: [Workload; 16] = [
    OPENMEMORY,
    QDRANT,
    REDIS,
    KNOWLEDGE_GRAPH,
    LANGGRAPH,
    CHAT,
    SYNC,
    LOAD_TEST,
    BACKUP_QDRANT,
    BACKUP_NEO4J,
    BACKUP_OPENMEMORY,
    BACKUP_PRUNE,
    RESTORE_DRILL,
    RESTORE_QDRANT,
    RESTORE_NEO4J,
    RESTORE_OPENMEMORY,
];

/// Who addresses Qdrant's peers one by one, because a snapshot holds what its peer holds and no more.
const PEER_BY_PEER: [Workload; 3] = [BACKUP_QDRANT, RESTORE_QDRANT, RESTORE_DRILL];

impl Workload {
    /// The Service that clients address.
    ///
    /// # Panics
    /// Where nobody calls the workload, so that it has none.
    pub const fn service(self) -> &'static str {
        self.service.expect("only who is called has a Service")
    }

    /// Whether it runs once and ends. Whoever does not is called by somebody.
    pub fn is_job(self) -> bool {
        self.service.is_none()
    }

    /// The name under which the whole mesh knows the Service that clients address.
    pub fn host(self) -> String {
        service_host(self.namespace, self.service())
    }

    /// The name under which the whole mesh knows the Service behind which `caller` reaches it: Qdrant's peers address each
    /// other one by one, and so do those who copy them.
    pub fn host_for(self, caller: Self) -> String {
        let one_by_one = caller == QDRANT || PEER_BY_PEER.contains(&caller);
        if self == QDRANT && one_by_one {
            service_host(self.namespace, QDRANT_HEADLESS)
        } else {
            self.host()
        }
    }
}

/// The name under which the whole mesh knows a Service.
pub fn service_host(namespace: &str, service: &str) -> String {
    format!("{service}.{namespace}.svc.cluster.local")
}

/// A tier of the memory, as the source document numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What is remembered during a session.
    SessionCache,
    /// The center: the primary intelligence.
    SnowflakeCortex,
    /// What is remembered across sessions.
    Mem0Persistent,
    /// Entities and how they relate.
    KnowledgeGraph,
    /// How people work.
    LanggraphWorkflow,
}

impl Tier {
    /// All of them, in the order of the document.
    pub const ALL: [Self; 5] = [
        Self::SessionCache,
        Self::SnowflakeCortex,
        Self::Mem0Persistent,
        Self::KnowledgeGraph,
        Self::LanggraphWorkflow,
    ];

    /// What everybody calls it in short.
    pub fn level(self) -> &'static str {
        match self {
            Self::SessionCache => "L1",
            Self::SnowflakeCortex => "L2",
            Self::Mem0Persistent => "L3",
            Self::KnowledgeGraph => "L4",
            Self::LanggraphWorkflow => "L5",
        }
    }
}

/// A port, with the name that tells the mesh what is spoken on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port's name in pods and Services.
    pub name: &'static str,
    /// The number, the same on pod and Service.
    pub number: u16,
    /// What is spoken, as Kubernetes and Istio have it in `appProtocol`.
    pub protocol: &'static str,
}

impl Port {
    /// The number as Kubernetes has it.
    pub fn number(self) -> i32 {
        i32::from(self.number)
    }
}

/// OpenMemory's only port.
pub const MCP_PORT: Port = Port {
    name: "mcp-port",
    number: 9010,
    protocol: "http",
};
/// Qdrant's REST interface, metrics included.
pub const QDRANT_HTTP: Port = Port {
    name: "http",
    number: 6333,
    protocol: "http",
};
/// Qdrant's gRPC interface.
pub const QDRANT_GRPC: Port = Port {
    name: "grpc",
    number: 6334,
    protocol: "grpc",
};
/// What Qdrant's peers speak among themselves; opaque to the mesh.
pub const QDRANT_PEERS: Port = Port {
    name: "tcp-p2p",
    number: 6335,
    protocol: "tcp",
};

/// The session cache's own protocol, which the mesh takes for bytes.
pub const REDIS_PORT: Port = Port {
    name: "tcp-redis",
    number: 6379,
    protocol: "tcp",
};
/// The metrics of the session cache.
pub const REDIS_METRICS: Port = Port {
    name: "http-metrics",
    number: 9121,
    protocol: "http",
};

/// What clients of the knowledge graph speak; opaque to the mesh.
pub const BOLT: Port = Port {
    name: "tcp-bolt",
    number: 7687,
    protocol: "tcp",
};
/// The knowledge graph's interface over HTTP, at which it says that it is there.
pub const GRAPH_HTTP: Port = Port {
    name: "http",
    number: 7474,
    protocol: "http",
};

/// The LangGraph server's only port.
pub const LANGGRAPH_PORT: Port = Port {
    name: "http",
    number: 8000,
    protocol: "http",
};
/// The chat's only port.
pub const CHAT_PORT: Port = Port {
    name: "http",
    number: 8000,
    protocol: "http",
};

/// The headless Service that gives the knowledge graph's pod its name.
pub const KNOWLEDGE_GRAPH_HEADLESS: &str = "knowledge-graph-headless";
/// The headless Service that gives the session cache's pod its name.
pub const REDIS_HEADLESS: &str = "redis-headless";
/// The headless Service that gives each Qdrant peer its name.
pub const QDRANT_HEADLESS: &str = "qdrant-headless";
/// The claim that OpenMemory's pods share.
pub const MEMORY_CLAIM: &str = "memory-pvc";

/// What all systems need to know of the stack besides their own configuration.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// The word for the environment: `dev`, `staging`, `prod`.
    pub environment: &'a str,
    /// Whether the engine refuses to delete what holds data.
    pub protect: bool,
    /// Whether what holds data outlives its deletion; everywhere but in `dev`.
    pub retain: bool,
}

impl<'a> Shared<'a> {
    /// What all systems of this stack need to know.
    pub fn of(config: &'a StackConfig) -> Self {
        Self {
            environment: config.environment.as_str(),
            protect: config.protect,
            retain: config.environment != crate::config::Environment::Dev,
        }
    }
}
