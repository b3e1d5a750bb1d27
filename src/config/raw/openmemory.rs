//! The OpenMemory MCP server, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawAutoscaling, RawResources};
use crate::config::OrPlaceholder;

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

/// The volume at `/app/memory`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawMemoryStorage {
    /// `shared` by all pods (ReadWriteMany), or `exclusive` to one (ReadWriteOnce, only one replica).
    pub mode: RawStorageMode,
    /// The size, such as `20Gi`.
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
