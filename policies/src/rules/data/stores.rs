//! Where the images of databases keep their data, and which directories they declare as volumes.

use crate::field::{Field, Node};
use crate::image::Image;
use crate::pod::Container;
use crate::rules::pod_security::volumes::{contains, normalized};
use crate::selector::Answer;

/// A data store as its image configures it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store {
    /// The last parts of the repositories of its images.
    names: &'static [&'static str],
    /// The first and the last major version.
    versions: (u32, u32),
    /// The directory with the data.
    data: &'static str,
    /// The directories that the image declares as volumes. The runtime mounts an empty one there unless the pod mounts
    /// something at the same path, so that they hide a volume that is mounted above them.
    volumes: &'static [&'static str],
    /// Environment variables that set the directory.
    variables: &'static [&'static str],
    /// Arguments that set the directory.
    arguments: &'static [&'static str],
    /// Whether it is often used without keeping data.
    pub(super) is_cache: bool,
}

const ANY: (u32, u32) = (0, u32::MAX);

const NONE: Store = Store {
    names: &[],
    versions: ANY,
    data: "",
    volumes: &[],
    variables: &[],
    arguments: &[],
    is_cache: false,
};

const POSTGRES: Store = Store {
    names: &["postgres", "pgvector", "postgis", "timescaledb"],
    variables: &["PGDATA"],
    arguments: &["-D"],
    ..NONE
};

const INFLUXDB: Store = Store {
    names: &["influxdb"],
    ..NONE
};

/// The images of Docker Hub, unless the name is of another registry; taken from their Dockerfiles.
const STORES: &[Store] = &[
    Store {
        versions: (0, 17),
        data: "/var/lib/postgresql/data",
        volumes: &["/var/lib/postgresql/data"],
        ..POSTGRES
    },
    Store {
        versions: (18, u32::MAX),
        data: "/var/lib/postgresql/MAJOR/docker",
        volumes: &["/var/lib/postgresql"],
        ..POSTGRES
    },
    Store {
        names: &[
            "mysql",
            "mariadb",
            "percona",
            "percona-server",
            "percona-xtradb-cluster",
        ],
        data: "/var/lib/mysql",
        volumes: &["/var/lib/mysql"],
        arguments: &["--datadir"],
        ..NONE
    },
    Store {
        names: &["mongo", "percona-server-mongodb"],
        data: "/data/db",
        volumes: &["/data/db", "/data/configdb"],
        arguments: &["--dbpath"],
        ..NONE
    },
    Store {
        names: &["mongodb-community-server", "mongodb-enterprise-server"],
        data: "/data/db",
        arguments: &["--dbpath"],
        ..NONE
    },
    Store {
        names: &["redis", "redis-stack-server", "valkey", "keydb"],
        data: "/data",
        volumes: &["/data"],
        arguments: &["--dir"],
        is_cache: true,
        ..NONE
    },
    Store {
        names: &["neo4j"],
        data: "/data",
        volumes: &["/data", "/logs"],
        variables: &["NEO4J_server_directories_data", "NEO4J_dbms_directories_data"],
        ..NONE
    },
    Store {
        names: &["qdrant"],
        data: "/qdrant/storage",
        variables: &["QDRANT__STORAGE__STORAGE_PATH"],
        ..NONE
    },
    Store {
        names: &["weaviate"],
        data: "/var/lib/weaviate",
        variables: &["PERSISTENCE_DATA_PATH"],
        ..NONE
    },
    Store {
        names: &["elasticsearch"],
        data: "/usr/share/elasticsearch/data",
        variables: &["path.data"],
        ..NONE
    },
    Store {
        names: &["opensearch"],
        data: "/usr/share/opensearch/data",
        variables: &["path.data"],
        ..NONE
    },
    Store {
        names: &["cassandra"],
        data: "/var/lib/cassandra/data",
        volumes: &["/var/lib/cassandra"],
        ..NONE
    },
    Store {
        names: &["scylla"],
        data: "/var/lib/scylla",
        volumes: &["/var/lib/scylla"],
        ..NONE
    },
    Store {
        versions: (0, 1),
        data: "/var/lib/influxdb",
        volumes: &["/var/lib/influxdb"],
        variables: &["INFLUXDB_DATA_DIR"],
        ..INFLUXDB
    },
    Store {
        versions: (2, 2),
        data: "/var/lib/influxdb2",
        volumes: &["/var/lib/influxdb2", "/etc/influxdb2"],
        variables: &["INFLUXD_ENGINE_PATH"],
        arguments: &["--engine-path"],
        ..INFLUXDB
    },
    Store {
        versions: (3, u32::MAX),
        data: "/var/lib/influxdb3",
        volumes: &["/var/lib/influxdb3"],
        variables: &["INFLUXDB3_DB_DIR"],
        arguments: &["--data-dir"],
        ..INFLUXDB
    },
    Store {
        names: &["rabbitmq"],
        data: "/var/lib/rabbitmq/mnesia",
        volumes: &["/var/lib/rabbitmq"],
        variables: &["RABBITMQ_MNESIA_DIR", "RABBITMQ_MNESIA_BASE"],
        ..NONE
    },
    Store {
        names: &["etcd"],
        data: "/var/lib/etcd",
        variables: &["ETCD_DATA_DIR"],
        arguments: &["--data-dir"],
        ..NONE
    },
    Store {
        names: &["clickhouse-server", "clickhouse"],
        data: "/var/lib/clickhouse",
        volumes: &["/var/lib/clickhouse"],
        ..NONE
    },
    Store {
        names: &["couchdb"],
        data: "/opt/couchdb/data",
        volumes: &["/opt/couchdb/data"],
        ..NONE
    },
    Store {
        names: &["arangodb"],
        data: "/var/lib/arangodb3",
        volumes: &["/var/lib/arangodb3", "/var/lib/arangodb3-apps"],
        ..NONE
    },
];

/// The images of Bitnami have one place for all stores.
const BITNAMI: &[(&str, &str)] = &[
    ("cassandra", "/bitnami/cassandra/data"),
    ("clickhouse", "/bitnami/clickhouse/data"),
    ("elasticsearch", "/bitnami/elasticsearch/data"),
    ("etcd", "/bitnami/etcd/data"),
    ("influxdb", "/bitnami/influxdb"),
    ("mariadb", "/bitnami/mariadb/data"),
    ("mongodb", "/bitnami/mongodb/data"),
    ("mysql", "/bitnami/mysql/data"),
    ("neo4j", "/bitnami/neo4j/data"),
    ("opensearch", "/bitnami/opensearch/data"),
    ("postgresql", "/bitnami/postgresql/data"),
    ("postgresql-repmgr", "/bitnami/postgresql/data"),
    ("rabbitmq", "/opt/bitnami/rabbitmq/.rabbitmq/mnesia"),
    ("redis", "/bitnami/redis/data"),
    ("redis-cluster", "/bitnami/redis/data"),
    ("valkey", "/bitnami/valkey/data"),
];

/// Other images of the same stores, by their names alone.
const OTHERS: &[(&str, &str)] = &[
    ("mongodb", "/bitnami/mongodb/data"),
    ("postgresql", "/bitnami/postgresql/data"),
];

/// The stores that an image may be: several if its version is not known, and none if it is not a known store.
pub(super) fn of_image(image: &Image<'_>) -> Vec<Store> {
    let repository = image.repository;
    let last = repository.rsplit('/').next().unwrap_or(repository);
    let is_bitnami = repository.contains("bitnami");
    let by_name = |table: &'static [(&str, &str)]| {
        let found = table.iter().find(|(name, _)| *name == last);
        found.map(|(name, data)| Store {
            data,
            variables: &["PGDATA", "POSTGRESQL_DATA_DIR", "ETCD_DATA_DIR"],
            arguments: &["--data-dir", "--datadir", "--dbpath", "--dir"],
            is_cache: name.starts_with("redis") || *name == "valkey",
            ..NONE
        })
    };
    if let Some(store) = by_name(if is_bitnami { BITNAMI } else { OTHERS }) {
        return vec![store];
    }
    let version = image.tag.and_then(major);
    let is_it = |store: &&Store| {
        let (first, last_version) = store.versions;
        let is_version = version.is_none_or(|version| (first..=last_version).contains(&version));
        store.names.contains(&last) && is_version
    };
    STORES.iter().filter(is_it).copied().collect()
}

/// The major version that a tag names: `17.2-alpine`, `v2`, or the one of Postgres in `0.8.0-pg17`.
fn major(tag: &str) -> Option<u32> {
    let digits = |text: &str| {
        let end = text.bytes().take_while(u8::is_ascii_digit).count();
        text[..end].parse().ok()
    };
    let of_postgres = tag.find("pg").and_then(|at| digits(&tag[at + 2..]));
    of_postgres.or_else(|| digits(tag.trim_start_matches('v')))
}

/// Whether a cache keeps its data: its arguments enable it, or a volume that outlives the pod is mounted somewhere.
pub(super) fn persists(container: &Container<'_>, mounts: &[(String, Answer)]) -> bool {
    let words = words(container);
    let follows =
        |first: &str, second: &str| words.windows(2).any(|pair| pair[0] == first && pair[1] == second);
    follows("--appendonly", "yes") || mounts.iter().any(|(_, kept)| *kept != Answer::No)
}

/// Whether the data of a container outlives its pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    /// It does not; the text begins with the directory.
    No(String),
    Unknown,
}

/// Whether a volume that outlives the pod holds the data of a store.
pub(super) fn kept(store: &Store, container: &Container<'_>, mounts: &[(String, Answer)]) -> Kept {
    // The configuration file of a cache often sets its directory.
    let has_file = || {
        words(container)
            .iter()
            .any(|word| word.contains(".conf") || word.contains(".sh"))
    };
    match in_directory(store, container, mounts) {
        Kept::No(_) if store.is_cache && has_file() => Kept::Unknown,
        kept => kept,
    }
}

fn in_directory(store: &Store, container: &Container<'_>, mounts: &[(String, Answer)]) -> Kept {
    let directory = match directory(store, container) {
        Field::Known(directory) => directory,
        Field::Absent => store.data.to_owned(),
        Field::Unknown => return Kept::Unknown,
    };
    // The data of Postgres 18 is in a directory with the version, which is at any depth above it.
    let directory = match directory.split_once("/MAJOR") {
        Some((above, _)) => {
            let inside = mounts.iter().map(|(path, _)| path).find(|path| {
                let rest = path
                    .strip_prefix(above)
                    .unwrap_or_default()
                    .trim_start_matches('/');
                rest.split('/')
                    .next()
                    .is_some_and(|part| part.parse::<u32>().is_ok())
            });
            inside.cloned().unwrap_or_else(|| format!("{above}/18/docker"))
        }
        None => directory,
    };
    let declared = store.volumes.iter().filter(|volume| contains(volume, &directory));
    let declared = declared.max_by_key(|volume| volume.len());
    let above = mounts.iter().filter(|(path, _)| contains(path, &directory));
    match (above.max_by_key(|(path, _)| path.len()), declared) {
        (Some((path, _)), Some(declared)) if path.len() < declared.len() => Kept::No(format!(
            "{directory}; its image declares the volume {declared}, which hides the one mounted at {path}"
        )),
        (Some((_, Answer::Yes)), _) => Kept::Yes,
        (Some((_, Answer::Unknown)), _) => Kept::Unknown,
        (Some((_, Answer::No)), _) => Kept::No(format!(
            "{directory}, on an ephemeral volume that is deleted with the pod"
        )),
        (None, _) => Kept::No(format!("{directory}, on which no volume is mounted")),
    }
}

/// The directory that a container sets for the data of its store.
fn directory(store: &Store, container: &Container<'_>) -> Field<String> {
    let words = words(container);
    for argument in store.arguments {
        for (index, word) in words.iter().enumerate() {
            let value = match word.strip_prefix(argument) {
                Some("") => words.get(index + 1).copied(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            match value {
                Some(path) if path.starts_with('/') => return Field::Known(normalized(path)),
                Some(_) => return Field::Unknown,
                None => {}
            }
        }
    }
    for variable in store.variables {
        match container.variable(variable) {
            Field::Known(path) if path.starts_with('/') => return Field::Known(normalized(path)),
            Field::Known("") | Field::Absent => {}
            Field::Known(_) | Field::Unknown => return Field::Unknown,
        }
    }
    Field::Absent
}

/// The command and the arguments of a container.
fn words<'c>(container: &'c Container<'_>) -> Vec<&'c str> {
    let node: Node<'c> = container.node();
    ["command", "args"]
        .into_iter()
        .flat_map(|list| node.list(list).known().unwrap_or_default())
        .filter_map(serde_json::Value::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_an_image_is_read_from_its_tag() {
        for (tag, version) in [
            ("17", Some(17)),
            ("17.2-alpine", Some(17)),
            ("18beta1", Some(18)),
            ("0.8.0-pg17", Some(17)),
            ("latest-pg18", Some(18)),
            ("v3.5.1", Some(3)),
            ("latest", None),
            ("alpine", None),
        ] {
            assert_eq!(major(tag), version, "{tag}");
        }
    }
}
