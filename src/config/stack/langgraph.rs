//! The LangGraph server.

use super::{Resources, Scale};
use crate::config::Image;

/// The LangGraph server, tier L5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Langgraph {
    /// The image with the workflows.
    pub image: Image,
    /// The number of pods.
    pub scale: Scale,
    /// The resource requests and limits of a pod.
    pub resources: Resources,
    /// Whether it receives a license key.
    pub license: bool,
}
