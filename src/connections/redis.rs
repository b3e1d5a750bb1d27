//! Clients of the session cache.

use super::{Connection, METRICS, Peer, Traffic, prometheus, row};
use crate::config::StackConfig;
use crate::names::{REDIS, REDIS_METRICS, REDIS_PORT};

/// The systems that use it, independent of the stack, with the reason.
const CLIENTS: [(&str, &str); 2] = [
    ("chat", "reads and writes memories of the current session"),
    ("langgraph", "shares the progress of runs between workers"),
];

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    if config.redis.is_none() {
        return Vec::new();
    }
    let workloads = config.workloads();
    let clients = CLIENTS.iter().flat_map(|(system, why)| {
        let callers = workloads
            .iter()
            .filter(move |workload| workload.system == *system);
        callers.map(|caller| row(Peer::Workload(*caller), REDIS, REDIS_PORT, Traffic::Tcp, why))
    });
    let metrics = row(
        prometheus(config),
        REDIS,
        REDIS_METRICS,
        METRICS,
        "scrapes the metrics of the session cache",
    );
    clients.chain([metrics]).collect()
}
