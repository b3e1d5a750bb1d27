//! Connections of the backup Jobs. They have no clients.

use super::{Connection, ExternalHost, Peer, Traffic, row};
use crate::config::{ObjectStore, StackConfig, StoreCredentials};
use crate::names::{
    BACKUP_NEO4J, BACKUP_OPENMEMORY, BACKUP_QDRANT, EXPORT_PATH, GRAPH_HTTP, IMPORT_PATH, KNOWLEDGE_GRAPH,
    MCP_PORT, OPENMEMORY, QDRANT, QDRANT_HTTP, RESTORE_DRILL, RESTORE_NEO4J, RESTORE_OPENMEMORY,
    RESTORE_QDRANT, Workload,
};

/// Neo4j's query endpoint. The program needs no transaction that spans several requests.
const QUERIES: &[&str] = &["/db/neo4j/query/v2"];

/// Connections to the stores.
pub fn rows(config: &StackConfig) -> Vec<Connection> {
    if config.backup.is_none() {
        return Vec::new();
    }
    let mut rows = qdrant();
    if config.knowledge_graph.is_some() {
        rows.extend(knowledge_graph());
    }
    rows.extend(openmemory());
    rows
}

/// Connections to hosts outside the cluster.
pub fn external_rows(config: &StackConfig) -> Vec<Connection> {
    let Some(backup) = &config.backup else {
        return Vec::new();
    };
    let jobs = config.workloads();
    jobs.into_iter()
        .filter(|job| job.system == BACKUP_QDRANT.system)
        .flat_map(|job| object_store(job, &backup.store))
        .collect()
}

/// The requests to each peer. A snapshot is created, downloaded and deleted. No allowed path reaches a point, and
/// none that a backup may use reaches a collection that could be deleted.
fn qdrant() -> Vec<Connection> {
    let way = |from, methods, paths, why| ask(from, QDRANT, QDRANT_HTTP, methods, paths, why);
    vec![
        way(
            BACKUP_QDRANT,
            &["GET"],
            &[
                "/",
                "/cluster",
                "/aliases",
                "/collections",
                "/collections/{*}/snapshots",
                "/collections/{*}/snapshots/{*}",
            ],
            "lists collections and downloads the snapshot of each collection from each peer",
        ),
        way(
            BACKUP_QDRANT,
            &["POST"],
            &["/collections/{*}/snapshots", "/collections/{*}/points/count"],
            "creates snapshots and counts their points",
        ),
        way(
            BACKUP_QDRANT,
            &["DELETE"],
            &["/collections/{*}/snapshots/{*}"],
            "deletes the snapshots from the peers",
        ),
        way(
            RESTORE_DRILL,
            &["GET"],
            &["/", "/cluster", "/collections"],
            "checks that the backup matches the peers",
        ),
        way(
            RESTORE_DRILL,
            &["GET", "POST", "DELETE"],
            // It can only modify the collections that it creates.
            &["/collections/phoenix-drill-*"],
            "restores a backup under another name, counts its points and deletes it",
        ),
        way(
            RESTORE_QDRANT,
            &["GET"],
            &["/", "/cluster", "/aliases", "/collections"],
            "checks that the backup matches the peers",
        ),
        way(
            RESTORE_QDRANT,
            &["POST"],
            &[
                "/collections/{*}/snapshots/upload",
                "/collections/{*}/points/count",
                "/collections/aliases",
            ],
            "restores the collections on each peer, started by an operator",
        ),
    ]
}

fn knowledge_graph() -> [Connection; 2] {
    let way = |from, why| ask(from, KNOWLEDGE_GRAPH, GRAPH_HTTP, &["POST"], QUERIES, why);
    [
        // The Community edition has one user, which may also write. The program asks the server to reject its own writes.
        way(
            BACKUP_NEO4J,
            "reads all entities and relationships; the server cannot prevent its user from writing",
        ),
        way(
            RESTORE_NEO4J,
            "restores entities and relationships, started by an operator",
        ),
    ]
}

fn openmemory() -> [Connection; 2] {
    [
        ask(
            BACKUP_OPENMEMORY,
            OPENMEMORY,
            MCP_PORT,
            &["GET"],
            &[EXPORT_PATH],
            "reads the memories of all users",
        ),
        ask(
            RESTORE_OPENMEMORY,
            OPENMEMORY,
            MCP_PORT,
            &["POST"],
            &[IMPORT_PATH],
            "restores the memories of all users, started by an operator",
        ),
    ]
}

fn ask(
    from: Workload,
    to: Workload,
    port: crate::names::Port,
    methods: &'static [&'static str],
    paths: &'static [&'static str],
    why: &'static str,
) -> Connection {
    let traffic = Traffic::Http {
        methods,
        paths,
        // These requests are not on behalf of a user.
        token: false,
    };
    row(Peer::Workload(from), to, port, traffic, why)
}

/// The bucket, and the service that exchanges a service account token for cloud credentials.
fn object_store(job: Workload, store: &ObjectStore) -> Vec<Connection> {
    let way = |name, host: String, networks, port, why| Connection {
        from: Peer::Workload(job),
        to: Peer::External(ExternalHost { name, host, networks }),
        port,
        traffic: Traffic::Tls,
        why,
    };
    let mut rows = vec![way(
        "object-store",
        store.host.to_string(),
        store.networks.clone(),
        store.port,
        "accesses backups in the object store",
    )];
    if let StoreCredentials::Roles(_) = store.credentials {
        let host = match &store.region {
            Some(region) => format!("sts.{region}.amazonaws.com"),
            None => "sts.placeholder.invalid".to_owned(),
        };
        rows.push(way(
            "sts",
            host,
            Vec::new(),
            443,
            "exchanges the service account token for its cloud role",
        ));
    }
    rows
}
