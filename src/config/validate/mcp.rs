//! Checks of the tiers and the MCP servers. Number ranges are part of the schema.

use super::{Check, key};
use crate::config::raw::{RawExternal, RawMcp, RawServer, RawTiers};
use crate::config::schema_check::shown_text;
use crate::config::{
    External, HostName, KnowledgeGraph, LanggraphWorkflow, Mcp, Mem0Persistent, OrPlaceholder, Servers,
    SessionCache, SnowflakeCortex, Tiers,
};
use crate::names;

/// The embedding model of the source document and the number of its dimensions.
const E5: (&str, u32) = ("e5-base-v2", 768);

impl Check {
    pub(super) fn tiers(&mut self, raw: &RawTiers) -> Option<Tiers> {
        let (cache, snowflake, mem0) = (&raw.session_cache, &raw.snowflake_cortex, &raw.mem0_persistent);
        let (knowledge, workflow) = (&raw.knowledge_graph, &raw.langgraph_workflow);
        let mut external = |tier: &str, raw: Option<&RawExternal>, software, port| match raw {
            Some(raw) => self.external(tier, raw, software, port).map(Some),
            None => Some(None),
        };
        // The default ports of the software.
        let cache_at = external("sessionCache", cache.external.as_ref(), "redis", 6379);
        let snowflake_at = external("snowflakeCortex", snowflake.external.as_ref(), "snowflake", 443);
        let knowledge_at = external("knowledgeGraph", knowledge.external.as_ref(), "neo4j", 7687);
        let workflow_at = external("langgraphWorkflow", workflow.external.as_ref(), "langgraph", 8000);
        let embedding_model = self.parse(
            "tiers.snowflakeCortex.embeddingModel",
            &snowflake.embedding_model,
            model_name,
        );
        if snowflake.embedding_model == E5.0 && snowflake.vector_dimension != E5.1 {
            self.problems.add_with_hint(
                key("tiers.snowflakeCortex.vectorDimension"),
                format!(
                    "is {}, but the vectors of {} have {} dimensions",
                    snowflake.vector_dimension, E5.0, E5.1
                ),
                format!("use {}, or name a model with that many dimensions", E5.1),
            );
        }
        Some(Tiers {
            session_cache: SessionCache {
                ttl_seconds: cache.ttl_seconds,
                max_size_mb: cache.max_size_mb,
                latency_ms: cache.latency_ms,
                external: cache_at?,
            },
            snowflake_cortex: SnowflakeCortex {
                embedding_model: embedding_model?,
                vector_dimension: snowflake.vector_dimension,
                latency_ms: snowflake.latency_ms,
                external: snowflake_at?,
            },
            mem0_persistent: Mem0Persistent {
                sync_interval_minutes: mem0.sync_interval_minutes,
                latency_ms: mem0.latency_ms,
            },
            knowledge_graph: KnowledgeGraph {
                max_relationships: knowledge.max_relationships,
                latency_ms: knowledge.latency_ms,
                external: knowledge_at?,
            },
            langgraph_workflow: LanggraphWorkflow {
                max_workflow_history: workflow.max_workflow_history,
                latency_ms: workflow.latency_ms,
                external: workflow_at?,
            },
        })
    }

    pub(super) fn mcp(&mut self, raw: &RawMcp) -> Option<Mcp> {
        let mut host = |name: &str, server: Option<&RawServer>| match server {
            Some(server) => {
                let path = format!("mcp.servers.{name}.external.host");
                self.foreign_host(&path, &server.external.host, name).map(Some)
            }
            None => Some(None),
        };
        let servers = &raw.servers;
        let ai_memory = host("ai_memory", servers.ai_memory.as_ref());
        let sophia_intelligence_unified = host(
            "sophia_intelligence_unified",
            servers.sophia_intelligence_unified.as_ref(),
        );
        let snowflake_unified = host("snowflake_unified", servers.snowflake_unified.as_ref());
        let codacy = host("codacy", servers.codacy.as_ref());
        let github = host("github", servers.github.as_ref());
        let linear = host("linear", servers.linear.as_ref());
        let asana = host("asana", servers.asana.as_ref());
        Some(Mcp {
            servers: Servers {
                ai_memory: ai_memory?,
                sophia_intelligence_unified: sophia_intelligence_unified?,
                snowflake_unified: snowflake_unified?,
                codacy: codacy?,
                github: github?,
                linear: linear?,
                asana: asana?,
            },
        })
    }

    fn external(
        &mut self,
        tier: &str,
        raw: &RawExternal,
        software: &str,
        default_port: u16,
    ) -> Option<External> {
        let path = format!("tiers.{tier}.external.host");
        Some(External {
            host: self.foreign_host(&path, &raw.host, software)?,
            port: raw.port.unwrap_or(default_port),
        })
    }

    /// An external host. In the platform's own namespace, only hosts that the platform declares exist.
    fn foreign_host(&mut self, path: &str, raw: &OrPlaceholder<String>, name: &str) -> Option<HostName> {
        let Some(text) = self.known(path, raw) else {
            return HostName::parse(&format!("{}.placeholder.invalid", name.replace('_', "-"))).ok();
        };
        let host = self.parse(path, text, HostName::parse)?;
        let mut labels = host.as_str().split('.').skip(1);
        let is_ours = labels.next() == Some(names::MEMORY) && matches!(labels.next(), None | Some("svc"));
        if is_ours {
            let message = format!(
                "is {}, but this stack declares every host in {}",
                shown_text(text),
                names::MEMORY
            );
            let hint = "name an external host, or remove the key";
            self.problems.add_with_hint(key(path), message, hint);
        }
        (!is_ours).then_some(host)
    }
}

/// The name becomes the value of an environment variable and part of the MCP configuration.
fn model_name(text: &str) -> Result<String, &'static str> {
    super::is_identifier(text)
        .then(|| text.to_owned())
        .ok_or("is not the name of an embedding model such as e5-base-v2")
}
