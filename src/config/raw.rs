//! The types of a stack file, as written.
//!
//! The field comments are the reference documentation: the JSON schema in `stacks/schema.json` is generated from
//! them, and editors show them. Only the schema is checked here.

mod audit_trail;
mod backup;
mod chat;
mod cluster;
mod knowledge_graph;
mod langgraph;
mod load_test;
mod mcp;
mod mesh;
mod migration;
mod monitoring;
mod namespace;
mod openmemory;
mod postgres;
mod qdrant;
mod redis;
mod resources;
mod secrets;
mod snowflake;
mod sync;
mod tiers;
mod trust;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::stack::Environment;

pub use audit_trail::RawAuditTrail;
pub use backup::{
    RawBackup, RawBackupRoles, RawBackupSchedule, RawDay, RawDrill, RawObjectStore, RawRetention,
    RawStoreRoles,
};
pub use chat::{RawChat, RawSearchLimits};
pub use cluster::{RawCluster, RawMesh, RawPriorityClasses, RawPrometheus};
pub use knowledge_graph::RawGraphStore;
pub use langgraph::RawLanggraph;
pub use load_test::RawLoadTest;
pub use mcp::{RawHost, RawMcp, RawServer, RawServers};
pub use mesh::{RawGateway, RawRouting};
pub use migration::RawMigration;
pub use monitoring::RawMonitoring;
pub use namespace::{RawNamespace, RawQuota};
pub use openmemory::{RawAccelerator, RawAcceleratorLabels, RawMemoryStorage, RawOpenMemory, RawStorageMode};
pub use postgres::RawPostgres;
pub use qdrant::{RawQdrant, RawQdrantMode};
pub use redis::{RawExporter, RawRedis};
pub use resources::{RawAmounts, RawAutoscaling, RawResources, RawVolume};
pub use secrets::{RawSecrets, RawSecretsMode, RawStoreAuth, RawStoreOidc, RawStoreToken};
pub use snowflake::{RawSnowflake, RawSnowflakeHost};
pub use sync::RawSync;
pub use tiers::{
    RawExternal, RawKnowledgeGraph, RawLanggraphWorkflow, RawMem0Persistent, RawSessionCache,
    RawSnowflakeCortex, RawTiers,
};
pub use trust::{RawJwt, RawTrust};

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
    /// The session cache, tier L1. If unset, the tier is provided by `tiers.sessionCache.external`, or is absent.
    #[serde(default)]
    pub redis: Option<RawRedis>,
    /// The knowledge graph, tier L4. If unset, the tier is provided by `tiers.knowledgeGraph.external`, or is absent.
    #[serde(default)]
    pub knowledge_graph: Option<RawGraphStore>,
    /// The LangGraph server, tier L5. If unset, the tier is provided by `tiers.langgraphWorkflow.external`, or is
    /// absent.
    #[serde(default)]
    pub langgraph: Option<RawLanggraph>,
    /// The Snowflake account, tier L2. If unset, the tier is provided by `tiers.snowflakeCortex.external`, or is
    /// absent.
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
    /// A load test that runs only when an operator starts it.
    #[serde(default)]
    pub load_test: Option<RawLoadTest>,
    /// Backups of the stores in an object store, and their restores. Required in production.
    #[serde(default)]
    pub backup: Option<RawBackup>,
    /// The phase of the migration to the platform. Without it, the migration is complete and this file applies
    /// unchanged.
    #[serde(default)]
    pub migration: Option<RawMigration>,
    /// Whether the engine refuses to delete namespaces, stores and their volumes. By default, true only in production.
    #[serde(default)]
    pub protect: Option<bool>,
    /// Existing objects to adopt, as `Kind/namespace/name` or `Kind/name`. For other objects, the API server rejects
    /// changes to fields that another manager owns.
    #[serde(default)]
    pub adopt: Vec<String>,
    /// The settings of the policies for this stack: stricter enforcement of rules, assumptions about the cluster, and
    /// waivers. The policies read them (`policies/README.md`); the platform does not.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// Accepts placeholders, only in the cluster of a sandbox. `phoenix sandbox` sets it in its own copy of the stack
    /// file.
    #[serde(default)]
    pub sandbox: bool,
}
