//! The Qdrant vector database, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawResources, RawVolume};
use crate::config::OrPlaceholder;

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

fn audit_days() -> u32 {
    30
}
