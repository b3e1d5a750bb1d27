//! Checks of the chat.

use super::{Check, key};
use crate::config::Chat;
use crate::config::placeholder::OrPlaceholder;
use crate::config::raw::{RawChat, RawConfig, RawTiers};

impl Check {
    pub(super) fn chat(&mut self, raw: &RawChat, stack: &RawConfig) -> Option<Chat> {
        let image = self.image("chat.image", &raw.image, "chat");
        let scale = self.scale("chat", raw.replicas, raw.autoscaling.as_ref());
        let resources = self.resources("chat.resources", &raw.resources);
        self.chat_has_its_tiers(stack);
        self.chat_keeps_its_promise(raw, &stack.tiers);
        Some(Chat {
            image: image?,
            scale: scale?,
            resources: resources?,
            mem0: raw.mem0,
            snowflake_limit: raw.search_limits.snowflake,
            mem0_limit: raw.search_limits.mem0,
            latency_ms: raw.latency_ms,
        })
    }

    fn chat_has_its_tiers(&mut self, stack: &RawConfig) {
        if stack.snowflake.is_none() {
            self.problems.add_with_hint(
                key("chat"),
                "requires a Snowflake account, which is its primary source",
                "add phoenix:snowflake, or remove phoenix:chat",
            );
        }
        let tiers = &stack.tiers;
        for (tier, external) in [
            ("sessionCache", &tiers.session_cache.external),
            ("knowledgeGraph", &tiers.knowledge_graph.external),
            ("langgraphWorkflow", &tiers.langgraph_workflow.external),
        ] {
            let Some(external) = external else { continue };
            let OrPlaceholder::Value(host) = &external.host else {
                continue;
            };
            // A row of the table for another team's pods requires their labels, which a name does not provide.
            let labels: Vec<_> = host.split('.').collect();
            if labels.last() == Some(&"local") || labels.get(2) == Some(&"svc") {
                self.problems.add_with_hint(
                    key(&format!("tiers.{tier}.external.host")),
                    "is a name inside the cluster, but the chat may only connect to external hosts",
                    "name an external host, add the tier to this stack, or remove phoenix:chat",
                );
            }
        }
    }

    /// The chat queries the tiers one after the other, so its target cannot be less than the sum of theirs.
    fn chat_keeps_its_promise(&mut self, raw: &RawChat, tiers: &RawTiers) {
        let together = [
            tiers.session_cache.latency_ms,
            tiers.snowflake_cortex.latency_ms,
            tiers.mem0_persistent.latency_ms,
            tiers.knowledge_graph.latency_ms,
            tiers.langgraph_workflow.latency_ms,
        ]
        .into_iter()
        .map(u64::from)
        .sum::<u64>();
        if u64::from(raw.latency_ms) < together {
            self.problems.add_with_hint(
                key("chat.latencyMs"),
                format!(
                    "is {}, less than the {together} ms that its five tiers may take one after the other",
                    raw.latency_ms
                ),
                format!("use at least {together}, or reduce a latencyMs in phoenix:tiers"),
            );
        }
    }
}
