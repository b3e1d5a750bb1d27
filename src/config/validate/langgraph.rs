//! Checks of the LangGraph server.

use super::{Check, key};
use crate::config::Langgraph;
use crate::config::raw::{RawConfig, RawLanggraph};

impl Check {
    pub(super) fn langgraph(&mut self, raw: &RawLanggraph, stack: &RawConfig) -> Option<Langgraph> {
        let image = self.image("langgraph.image", &raw.image, "langgraph");
        let scale = self.scale("langgraph", raw.replicas, raw.autoscaling.as_ref());
        let resources = self.resources("langgraph.resources", &raw.resources);
        let external = stack.tiers.langgraph_workflow.external.is_some();
        self.tier_is_once("langgraphWorkflow", external, "langgraph");
        if stack.redis.is_none() {
            self.problems.add_with_hint(
                key("langgraph"),
                "requires the session cache of this stack, through which its workers share the progress of a run",
                "add phoenix:redis, or remove phoenix:langgraph",
            );
        }
        Some(Langgraph {
            image: image?,
            scale: scale?,
            resources: resources?,
            license: raw.license,
        })
    }
}
