//! What workloads reach outside the cluster.

use super::{Connection, Outside, Peer, Traffic};
use crate::config::StackConfig;
use crate::names::OPENMEMORY;

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    vec![
        Connection {
            from: Peer::Workload(OPENMEMORY),
            to: Peer::Outside(Outside {
                name: "openai",
                host: "api.openai.com".to_owned(),
                networks: Vec::new(),
            }),
            port: 443,
            traffic: Traffic::Tls,
            why: "memories are embedded and categorised by models of OpenAI",
        },
        Connection {
            from: Peer::Workload(OPENMEMORY),
            to: Peer::Outside(Outside {
                name: "postgres",
                host: config.postgres.host.to_string(),
                networks: config.postgres.networks.clone(),
            }),
            port: config.postgres.port,
            traffic: Traffic::Tcp,
            why: "records and their history are in Postgres",
        },
    ]
}
