//! Clients of the LangGraph server.

use super::{ANY_HTTP, Connection, METRICS, Peer, prometheus, row};
use crate::config::StackConfig;
use crate::names::{CHAT, LANGGRAPH, LANGGRAPH_PORT};

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    if config.langgraph.is_none() {
        return Vec::new();
    }
    let mut rows = vec![row(
        prometheus(config),
        LANGGRAPH,
        LANGGRAPH_PORT,
        METRICS,
        "scrapes the metrics of the LangGraph server",
    )];
    if config.chat.is_some() {
        rows.push(row(
            Peer::Workload(CHAT),
            LANGGRAPH,
            LANGGRAPH_PORT,
            ANY_HTTP,
            "looks up behavioral memory in LangGraph",
        ));
    }
    rows
}
