//! Resources that several systems have, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

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

/// A volume of a store.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawVolume {
    /// The size, such as `50Gi`.
    pub size: String,
    /// The storage class; by default that of the cluster.
    #[serde(default)]
    pub storage_class: Option<OrPlaceholder<String>>,
}
