//! Names, ports, labels and addresses that several systems share.
//!
//! They come from the platform's source document, and other teams address them. Changing a name replaces an object or
//! disconnects a client.

/// The platform's own namespace.
pub const MEMORY: &str = "sophia-memory";
/// The namespace of the unified chat, which another team may manage.
pub const AI: &str = "sophia-ai";
/// The namespace of the MCP gateway, which another team may manage.
pub const MCP: &str = "sophia-mcp";

/// The Secret with the platform's shared credentials.
pub const SHARED_SECRET: &str = "sophia-secrets";
/// The Secret with Qdrant's keys.
pub const QDRANT_SECRET: &str = "qdrant-keys";

/// The Secret with the passwords of the session cache's users.
pub const REDIS_SECRET: &str = "redis-passwords";
/// The user of the session cache that reads and writes entries.
pub const REDIS_USER: &str = "phoenix";
/// The user of the session cache for the LangGraph server, limited to [`LANGGRAPH_KEYS`].
pub const LANGGRAPH_REDIS_USER: &str = "langgraph";
/// The prefix of the keys and channels of the LangGraph server in the session cache.
pub const LANGGRAPH_KEYS: &str = "langgraph:";

/// The Secret with the password of the knowledge graph.
pub const NEO4J_SECRET: &str = "neo4j-password";
/// The Secret with the user token for the load test. The operator who runs the test creates it and deletes it
/// afterwards.
pub const LOAD_TEST_TOKEN: &str = "memory-load-test-token";
/// The Secret with the license key of the LangGraph server.
pub const LANGGRAPH_SECRET: &str = "langgraph-license";
/// The Secret with the connection string of the LangGraph server's database.
pub const LANGGRAPH_POSTGRES_SECRET: &str = "langgraph-postgres";
/// The Secret with the private key for Snowflake.
pub const SNOWFLAKE_SECRET: &str = "snowflake-key";
/// The Secret with the credentials of the object store for backups.
pub const BACKUP_SECRET: &str = "backup-store";
/// The Secret with the keys that authenticate the manifests of backups, one for each store.
pub const BACKUP_MAC_SECRET: &str = "backup-mac-keys";

/// The label, with the value `true`, of pods in `sophia-ai` that may call the chat.
pub const CHAT_CLIENT: &str = "phoenix.ai/chat-client";

/// The ConfigMap in the chat's namespace with the MCP configuration.
pub const MCP_CONFIG: &str = "phoenix-mem0-config";
/// The file in that ConfigMap.
pub const MCP_FILE: &str = "phoenix_mem0_mcp_config.json";

/// The host that callers address, inside the mesh and through the gateway.
pub const MEMORY_HOST: &str = "sophia-memory.local";
/// The path prefix under which OpenMemory serves requests.
pub const OPENMEMORY_PATH: &str = "/memory/openmemory";
/// The request header that identifies the user. Only the mesh sets it; a value sent by a client never reaches a
/// server.
pub const USER_HEADER: &str = "x-phoenix-user";
/// Spellings that the mesh treats as other headers, but that servers which map `-` to `_` (CGI, WSGI) treat as the
/// same one.
pub const USER_HEADER_LOOKALIKES: [&str; 3] = ["x_phoenix_user", "x_phoenix-user", "x-phoenix_user"];
/// The pattern for every path below that prefix. It is separate because `/memory/openmemory*` would also match
/// `/memory/openmemoryX`.
pub const OPENMEMORY_BELOW: &str = "/memory/openmemory/*";
/// The bulk endpoint at which OpenMemory exchanges the memories of all users. Only the synchronization may call it.
pub const SYNC_PATH: &str = "/memory/openmemory/sync";
/// The bulk endpoint at which OpenMemory exports all memories. Only the backup may call it.
pub const EXPORT_PATH: &str = "/memory/openmemory/export";
/// The bulk endpoint at which OpenMemory imports all memories. Only a restore may call it.
pub const IMPORT_PATH: &str = "/memory/openmemory/import";
/// Every path below the endpoint of the synchronization.
pub const SYNC_BELOW: &str = "/memory/openmemory/sync/*";
/// Bulk endpoints across all users. A grant on `/memory/*` never covers them; each needs a row of its own.
pub const BULK_PATHS: [&str; 6] = [
    SYNC_PATH,
    SYNC_BELOW,
    EXPORT_PATH,
    "/memory/openmemory/export/*",
    IMPORT_PATH,
    "/memory/openmemory/import/*",
];
/// The path at which the mesh exposes OpenMemory's health.
pub const HEALTH_PATH: &str = "/memory/health";
/// The path at which the mesh exposes OpenMemory's metrics.
pub const METRICS_PATH: &str = "/memory/metrics";

/// The label with the classification of the data that an object holds.
pub const DATA_CLASSIFICATION: &str = "phoenix.ai/data-classification";

/// The annotation with which a `CronJob` declares the claims of its namespace that it backs up. The policy pack reads
/// it.
pub const BACKS_UP: &str = "phoenix.ai/backs-up";

/// The annotation with which a `CronJob` declares the claims whose backups it restores as a test. The policy pack
/// reads it.
pub const TRIES_RESTORE_OF: &str = "phoenix.ai/tries-restore-of";

/// The label that the Namespace `kube-system` has in the cluster of a sandbox, and in no other.
pub const SANDBOX_LABEL: &str = "phoenix.ai/sandbox";

/// The annotation of the platform's namespace with the current migration phase.
pub const MIGRATION_PHASE: &str = "phoenix.ai/migration-phase";

/// A set of the platform's pods that other workloads address as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The system that declares it; its key in the stack file.
    pub system: &'static str,
    /// The namespace that its pods run in.
    pub namespace: &'static str,
    /// The value of the label `app` on its pods.
    pub app: &'static str,
    /// The service account that its pods use.
    pub service_account: &'static str,
    /// The name of its Deployment, `StatefulSet` or `CronJob`.
    pub name: &'static str,
    /// The Service that clients address; `None` if the workload has no clients.
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

/// The load test, which only an operator starts.
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

/// The unified chat, which runs in another namespace.
pub const CHAT: Workload = Workload {
    system: "chat",
    namespace: AI,
    app: "sophia-unified-chat",
    service_account: "sophia-unified-chat",
    name: "sophia-unified-chat",
    service: Some("sophia-unified-chat"),
};

/// The synchronization between Snowflake and Mem0.
pub const SYNC: Workload = Workload {
    system: "sync",
    namespace: MEMORY,
    app: "memory-sync",
    service_account: "memory-sync",
    name: "memory-sync",
    service: None,
};

/// Backs up the vectors to the object store.
pub const BACKUP_QDRANT: Workload = backup_job("backup-qdrant");

/// Backs up the knowledge graph to the object store.
pub const BACKUP_NEO4J: Workload = backup_job("backup-neo4j");

/// Backs up OpenMemory's metadata about its memories to the object store.
pub const BACKUP_OPENMEMORY: Workload = backup_job("backup-openmemory");

/// Deletes expired backups.
pub const BACKUP_PRUNE: Workload = backup_job("backup-prune");

/// The restore drill: restores a backup beside the data, verifies it and deletes the copy.
pub const RESTORE_DRILL: Workload = backup_job("restore-drill");

/// Restores the vectors; only an operator starts it.
pub const RESTORE_QDRANT: Workload = backup_job("restore-qdrant");

/// Restores the knowledge graph; only an operator starts it.
pub const RESTORE_NEO4J: Workload = backup_job("restore-neo4j");

/// Restores OpenMemory's memories; only an operator starts it.
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

/// Every workload that a stack can have. `StackConfig::workloads` returns those that a stack does have.
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

/// The workloads that address Qdrant's peers individually, because a snapshot contains only the data of its peer.
const PEER_BY_PEER: [Workload; 3] = [BACKUP_QDRANT, RESTORE_QDRANT, RESTORE_DRILL];

impl Workload {
    /// The Service that clients address.
    ///
    /// # Panics
    /// Panics if the workload has no clients and so no Service.
    pub const fn service(self) -> &'static str {
        self.service.expect("only who is called has a Service")
    }

    /// Whether the workload runs to completion. Every other workload has clients.
    pub fn is_job(self) -> bool {
        self.service.is_none()
    }

    /// The fully qualified name of the Service that clients address.
    pub fn host(self) -> String {
        service_host(self.namespace, self.service())
    }

    /// The fully qualified name of the Service through which `caller` reaches the workload. Qdrant's peers and their
    /// backup address each peer individually.
    pub fn host_for(self, caller: Self) -> String {
        let one_by_one = caller == QDRANT || PEER_BY_PEER.contains(&caller);
        if self == QDRANT && one_by_one {
            service_host(self.namespace, QDRANT_HEADLESS)
        } else {
            self.host()
        }
    }
}

/// The fully qualified name of a Service in the mesh.
pub fn service_host(namespace: &str, service: &str) -> String {
    format!("{service}.{namespace}.svc.cluster.local")
}

/// A memory tier, numbered as in the source document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Memories of the current session.
    SessionCache,
    /// Snowflake Cortex, the primary data source.
    SnowflakeCortex,
    /// Memories across sessions.
    Mem0Persistent,
    /// Entities and their relationships.
    KnowledgeGraph,
    /// Behavioral memory: workflows of users.
    LanggraphWorkflow,
}

impl Tier {
    /// All tiers, in the order of the document.
    pub const ALL: [Self; 5] = [
        Self::SessionCache,
        Self::SnowflakeCortex,
        Self::Mem0Persistent,
        Self::KnowledgeGraph,
        Self::LanggraphWorkflow,
    ];

    /// The short name of the tier.
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

/// A port, with a name that declares its protocol to the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name of the port in pods and Services.
    pub name: &'static str,
    /// The port number, which is the same on pods and Services.
    pub number: u16,
    /// The protocol, as the value of `appProtocol`.
    pub protocol: &'static str,
}

impl Port {
    /// The number as the Kubernetes API represents it.
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
/// The protocol between Qdrant's peers; opaque to the mesh.
pub const QDRANT_PEERS: Port = Port {
    name: "tcp-p2p",
    number: 6335,
    protocol: "tcp",
};

/// The protocol of the session cache, which the mesh treats as plain TCP.
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

/// The Bolt protocol of the knowledge graph's clients; opaque to the mesh.
pub const BOLT: Port = Port {
    name: "tcp-bolt",
    number: 7687,
    protocol: "tcp",
};
/// The HTTP interface of the knowledge graph, which the probes use.
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

/// The headless Service that gives the knowledge graph's pod its DNS name.
pub const KNOWLEDGE_GRAPH_HEADLESS: &str = "knowledge-graph-headless";
/// The headless Service that gives the session cache's pod its DNS name.
pub const REDIS_HEADLESS: &str = "redis-headless";
/// The headless Service that gives each Qdrant peer its DNS name.
pub const QDRANT_HEADLESS: &str = "qdrant-headless";
/// The claim that OpenMemory's pods share.
pub const MEMORY_CLAIM: &str = "memory-pvc";
