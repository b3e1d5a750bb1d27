//! Connections to hosts outside the cluster.

use super::{ANY_HTTP, Connection, ExternalHost, Peer, Traffic};
use crate::config::{External, PostgresTransport, Snowflake, SnowflakeProtocol, StackConfig};
use crate::names::{CHAT, LANGGRAPH, OPENMEMORY, SYNC, Workload};

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    let postgres = |from, [verified, in_mesh, any]: [&'static str; 3]| Connection {
        from: Peer::Workload(from),
        to: Peer::External(ExternalHost {
            name: ExternalHost::POSTGRES,
            host: config.postgres.host.to_string(),
            networks: config.postgres.networks.clone(),
        }),
        port: config.postgres.port,
        traffic: Traffic::Tcp,
        why: match config.postgres.transport {
            PostgresTransport::Mesh => in_mesh,
            PostgresTransport::VerifyFull if config.requires_postgres_tls() => verified,
            PostgresTransport::VerifyFull => any,
        },
    };
    let mut rows = vec![
        Connection {
            from: Peer::Workload(OPENMEMORY),
            to: Peer::External(ExternalHost {
                name: "openai",
                host: "api.openai.com".to_owned(),
                networks: Vec::new(),
            }),
            port: 443,
            traffic: Traffic::Tls,
            why: "embeds and categorizes memories with OpenAI models",
        },
        postgres(
            OPENMEMORY,
            [
                "stores records and their history in Postgres, over TLS with a verified server (`sslmode=verify-full`)",
                "stores records and their history in Postgres, over mutual TLS of the mesh",
                "stores records and their history in Postgres",
            ],
        ),
    ];
    if config.langgraph.is_some() {
        rows.push(postgres(
            LANGGRAPH,
            [
                "stores workflows and their steps in Postgres, over TLS with a verified server (`sslmode=verify-full`)",
                "stores workflows and their steps in Postgres, over mutual TLS of the mesh",
                "stores workflows and their steps in Postgres",
            ],
        ));
    }
    if config.chat.is_some() {
        rows.extend(tiers(config));
    }
    if let Some(account) = &config.snowflake {
        if config.chat.is_some() {
            rows.extend(snowflake(
                CHAT,
                account,
                "searches and stores memories in Snowflake, the primary source",
            ));
        }
        if config.sync.is_some() {
            rows.extend(snowflake(SYNC, account, "synchronizes memories with Snowflake"));
        }
    }
    rows
}

/// The tiers that run outside the cluster. Their protocols are opaque to the mesh.
fn tiers(config: &StackConfig) -> Vec<Connection> {
    let tiers = &config.tiers;
    let ways: [(&'static str, Option<&External>, &'static str); 3] = [
        (
            "session-cache",
            tiers.session_cache.external.as_ref(),
            "reads and writes memories of the current session",
        ),
        (
            "knowledge-graph",
            tiers.knowledge_graph.external.as_ref(),
            "reads and writes entities and relationships in the knowledge graph",
        ),
        (
            "langgraph",
            tiers.langgraph_workflow.external.as_ref(),
            "looks up behavioral memory in LangGraph",
        ),
    ];
    let ways = ways.into_iter().filter_map(|(name, external, why)| {
        external.map(|external| Connection {
            from: Peer::Workload(CHAT),
            to: Peer::External(ExternalHost {
                name,
                host: external.host.to_string(),
                networks: Vec::new(),
            }),
            port: external.port,
            traffic: Traffic::Tcp,
            why,
        })
    });
    ways.collect()
}

/// Each host on the allow-list of the account.
fn snowflake(from: Workload, account: &Snowflake, why: &'static str) -> Vec<Connection> {
    let ways = account.hosts.iter().map(|entry| Connection {
        from: Peer::Workload(from),
        to: Peer::External(ExternalHost {
            name: ExternalHost::SNOWFLAKE,
            host: entry.host.to_string(),
            networks: account.networks.clone(),
        }),
        port: entry.protocol.port(),
        traffic: match entry.protocol {
            SnowflakeProtocol::Tls => Traffic::Tls,
            SnowflakeProtocol::Http => ANY_HTTP,
        },
        why: match entry.protocol {
            SnowflakeProtocol::Tls => why,
            SnowflakeProtocol::Http => "checks the revocation of Snowflake's certificates over plain HTTP",
        },
    });
    ways.collect()
}
