//! The platform's namespace, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

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

fn jobs() -> u32 {
    50
}
