//! The LangGraph server.

use super::{Resources, Scale};
use crate::config::Image;

/// The LangGraph server, tier L5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Langgraph {
    /// The image with the workflows.
    pub image: Image,
    /// How many pods serve.
    pub scale: Scale,
    /// What a pod asks for and may use.
    pub resources: Resources,
    /// Whether it is given a licence.
    pub license: bool,
}
