//! The LangGraph server, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawAutoscaling, RawResources};
use crate::config::OrPlaceholder;

/// The LangGraph server, tier L5: workflows, and how people work. It keeps them in Postgres, and needs `phoenix:redis`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawLanggraph {
    /// The image, which holds the workflows; every team builds its own (`docs/langgraph-image.md`).
    pub image: OrPlaceholder<String>,
    /// How many pods serve, from 1 to 100; at least two in production.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// Lets the number of pods follow the load, from `replicas` upwards; needs a metrics server.
    #[serde(default)]
    pub autoscaling: Option<RawAutoscaling>,
    /// What a pod asks for and may use.
    pub resources: RawResources,
    /// Whether the server is given a licence, the secret `langgraphLicenseKey`. An image with LangGraph's own server asks
    /// for one.
    #[serde(default)]
    pub license: bool,
}
