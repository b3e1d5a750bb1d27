//! The LangGraph server, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawAutoscaling, RawResources};
use crate::config::OrPlaceholder;

/// The LangGraph server, tier L5: workflows and behavioral memory. It stores them in Postgres and requires
/// `phoenix:redis`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawLanggraph {
    /// The image with the workflows; every team builds its own (`docs/langgraph-image.md`).
    pub image: OrPlaceholder<String>,
    /// The number of pods, from 1 to 100; at least two in production.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// Scales the number of pods with the load, from `replicas` upwards; requires a metrics server.
    #[serde(default)]
    pub autoscaling: Option<RawAutoscaling>,
    /// The resource requests and limits of a pod.
    pub resources: RawResources,
    /// Whether the server receives a license key, the secret `langgraphLicenseKey`. Images with LangGraph's own
    /// server require one.
    #[serde(default)]
    pub license: bool,
}
