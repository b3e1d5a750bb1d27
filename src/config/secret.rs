//! The inventory of secrets: one row for each confidential value that the platform needs.
//!
//! It contains only names. The values stay with the code that read them until they are sent to the engine. Manifests,
//! the schema of the stack files, `phoenix secrets` and `docs/secrets.md` are derived from these rows.

pub mod strength;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::{
    BACKUP_MAC_SECRET, BACKUP_NEO4J, BACKUP_OPENMEMORY, BACKUP_PRUNE, BACKUP_QDRANT, BACKUP_SECRET, CHAT,
    KNOWLEDGE_GRAPH, LANGGRAPH, LANGGRAPH_POSTGRES_SECRET, LANGGRAPH_SECRET, MEMORY, NEO4J_SECRET,
    OPENMEMORY, QDRANT, QDRANT_SECRET, REDIS, REDIS_SECRET, RESTORE_DRILL, RESTORE_NEO4J, RESTORE_OPENMEMORY,
    RESTORE_QDRANT, SHARED_SECRET, SNOWFLAKE_SECRET, SYNC, Workload,
};

pub use strength::{Form, Unusable};

/// One secret of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its key in the configuration, after `phoenix:`.
    pub key: &'static str,
    /// The Kubernetes Secret that contains it in the namespaces of its readers; empty if it has none.
    pub secret: &'static str,
    /// Its key in that Secret; empty if it has no readers.
    pub data_key: &'static str,
    /// What it gives access to, as a sentence.
    pub purpose: &'static str,
    /// The team that creates it and is responsible for it.
    pub owner: &'static str,
    /// All containers that read it. Exactly these workloads restart when it changes. Empty for a secret of the
    /// program itself, which no Secret contains.
    pub readers: &'static [Reader],
    /// The form of a valid value.
    pub form: Form,
    /// How to change it without an outage, as a sentence.
    pub rotation: &'static str,
}

/// A container that reads a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The workload of the container.
    pub workload: Workload,
    /// The container's name.
    pub container: &'static str,
    /// The environment variable with the value.
    pub variable: &'static str,
}

const fn openmemory(variable: &'static str) -> Reader {
    Reader {
        workload: OPENMEMORY,
        container: "openmemory-api",
        variable,
    }
}

const fn qdrant(variable: &'static str) -> Reader {
    Reader {
        workload: QDRANT,
        container: "qdrant",
        variable,
    }
}

const fn redis(container: &'static str, variable: &'static str) -> Reader {
    Reader {
        workload: REDIS,
        container,
        variable,
    }
}

const fn langgraph(variable: &'static str) -> Reader {
    Reader {
        workload: LANGGRAPH,
        container: "langgraph",
        variable,
    }
}

const fn chat(variable: &'static str) -> Reader {
    Reader {
        workload: CHAT,
        container: "chat",
        variable,
    }
}

const fn sync(variable: &'static str) -> Reader {
    Reader {
        workload: SYNC,
        container: "sync",
        variable,
    }
}

const fn backup(workload: Workload, variable: &'static str) -> Reader {
    Reader {
        workload,
        container: "backup",
        variable,
    }
}

/// Every Job that accesses the object store.
const fn object_store_readers(variable: &'static str) -> [Reader; 8] {
    [
        backup(BACKUP_QDRANT, variable),
        backup(BACKUP_NEO4J, variable),
        backup(BACKUP_OPENMEMORY, variable),
        backup(BACKUP_PRUNE, variable),
        backup(RESTORE_DRILL, variable),
        backup(RESTORE_QDRANT, variable),
        backup(RESTORE_NEO4J, variable),
        backup(RESTORE_OPENMEMORY, variable),
    ]
}

/// A Kubernetes Secret that the inventory requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// The API key of `OpenAI`.
pub const OPENAI_API_KEY: SecretRow = SecretRow {
    key: "openaiApiKey",
    secret: SHARED_SECRET,
    data_key: "openai_api_key",
    purpose: "The API key with which OpenMemory calls OpenAI models.",
    owner: "the owner of the OpenAI account",
    readers: &[openmemory("OPENAI_API_KEY")],
    form: Form::Key { least: 20 },
    rotation: "Create a second key at OpenAI, set it, wait for the rollout, and revoke the first.",
};

/// The connection string of OpenMemory's database, including credentials.
pub const POSTGRES_CONNECTION_STRING: SecretRow = SecretRow {
    key: "postgresConnectionString",
    secret: SHARED_SECRET,
    data_key: "postgres_connection_string",
    purpose: "The connection string of OpenMemory's database, including user and password. Outside of `dev`, it must contain `sslmode=verify-full`, unless `phoenix:postgres.transport` is `mesh`.",
    owner: "the operator of the Postgres server",
    readers: &[openmemory("DATABASE_URL")],
    form: Form::PostgresUrl,
    rotation: "Create a second user with the same permissions, set its connection string, wait for the rollout, and drop the first user.",
};

/// The connection string of the LangGraph server's database, including credentials.
pub const LANGGRAPH_POSTGRES_CONNECTION_STRING: SecretRow = SecretRow {
    key: "langgraphPostgresConnectionString",
    secret: LANGGRAPH_POSTGRES_SECRET,
    data_key: "connection-string",
    purpose: "The connection string of LangGraph's database, including the user and password of a user that cannot read OpenMemory's tables. Outside of `dev`, it must contain `sslmode=verify-full`, unless `phoenix:postgres.transport` is `mesh`.",
    owner: "the operator of the Postgres server",
    readers: &[langgraph("POSTGRES_URI")],
    form: Form::PostgresUrl,
    rotation: "Create a second user with the same permissions, set its connection string, wait for the rollout, and drop the first user.",
};

/// The encryption key of the memories.
pub const MEM0_ENCRYPTION_KEY: SecretRow = SecretRow {
    key: "mem0EncryptionKey",
    secret: SHARED_SECRET,
    data_key: "mem0_encryption_key",
    purpose: "The key with which OpenMemory encrypts memories at rest.",
    owner: "the platform team",
    readers: &[openmemory("MEM0_ENCRYPTION_KEY")],
    form: Form::Key { least: 32 },
    rotation: "Changing the value alone is not enough, because existing data stays encrypted with the old key. Re-encrypt the memories first.",
};

/// The read-write API key of Qdrant.
pub const QDRANT_API_KEY: SecretRow = SecretRow {
    key: "qdrantApiKey",
    secret: QDRANT_SECRET,
    data_key: "api-key",
    purpose: "The API key with read and write access to Qdrant.",
    owner: "the platform team",
    readers: &[
        qdrant("QDRANT__SERVICE__API_KEY"),
        openmemory("QDRANT_API_KEY"),
        backup(BACKUP_QDRANT, "QDRANT_API_KEY"),
        backup(RESTORE_DRILL, "QDRANT_API_KEY"),
        backup(RESTORE_QDRANT, "QDRANT_API_KEY"),
    ],
    form: Form::Key { least: 32 },
    rotation: "In three steps, without interruption: set the new key as `phoenix:qdrantAltApiKey`, exchange the two, and remove the old one.",
};

/// The read-only API key of Qdrant.
pub const QDRANT_READ_ONLY_API_KEY: SecretRow = SecretRow {
    key: "qdrantReadOnlyApiKey",
    secret: QDRANT_SECRET,
    data_key: "read-only-api-key",
    purpose: "The API key with read-only access to Qdrant, for metrics.",
    owner: "the platform team",
    readers: &[qdrant("QDRANT__SERVICE__READ_ONLY_API_KEY")],
    form: Form::Key { least: 32 },
    rotation: "Set a new value and update its clients. The peers restart one by one.",
};

/// The second read-write API key of Qdrant, during a rotation.
pub const QDRANT_ALT_API_KEY: SecretRow = SecretRow {
    key: "qdrantAltApiKey",
    secret: QDRANT_SECRET,
    data_key: "alt-api-key",
    purpose: "The second API key with read and write access to Qdrant, while `phoenix:qdrant.altApiKey` is true.",
    owner: "the platform team",
    readers: &[qdrant("QDRANT__SERVICE__ALT_API_KEY")],
    form: Form::Key { least: 32 },
    rotation: "It exists only during a rotation of `phoenix:qdrantApiKey`.",
};

/// The key for the checksums of secrets, which restart pods after a change.
pub const CHECKSUM_KEY: SecretRow = SecretRow {
    key: "checksumKey",
    // Only the program uses it: with a checksum and this key, an attacker could test guesses of a secret.
    secret: "",
    data_key: "",
    purpose: "The key of the checksums that restart pods when one of their secrets changes. Create it once for each stack: `openssl rand -hex 32`.",
    owner: "the platform team",
    readers: &[],
    form: Form::Key { least: 32 },
    rotation: "Set a new value. All checksums change, so every workload that reads a secret restarts once.",
};

/// The password of the session cache's main user.
pub const REDIS_PASSWORD: SecretRow = SecretRow {
    key: "redisPassword",
    secret: REDIS_SECRET,
    data_key: "password",
    purpose: "The password of the user `phoenix`, which reads and writes entries of the session cache.",
    owner: "the platform team",
    readers: &[redis("redis", "REDIS_PASSWORD"), chat("REDIS_PASSWORD")],
    form: Form::Password { least: 32 },
    rotation: "Set a new value. The server and its clients restart and sessions are lost. A client with the old password is rejected until it has restarted.",
};

/// The password of the LangGraph server's user of the session cache.
pub const LANGGRAPH_REDIS_PASSWORD: SecretRow = SecretRow {
    key: "langgraphRedisPassword",
    secret: REDIS_SECRET,
    data_key: "langgraph-password",
    purpose: "The password of the user `langgraph`, which can use only the keys and channels of LangGraph in the session cache, while the stack has `phoenix:langgraph`.",
    owner: "the platform team",
    readers: &[redis("redis", "LANGGRAPH_PASSWORD"), langgraph("REDIS_PASSWORD")],
    form: Form::Password { least: 32 },
    rotation: "Set a new value. The session cache and LangGraph restart and sessions are lost. A pod with the old password is rejected until it has restarted.",
};

/// The password of the session cache's monitoring user.
pub const REDIS_METRICS_PASSWORD: SecretRow = SecretRow {
    key: "redisMetricsPassword",
    secret: REDIS_SECRET,
    data_key: "metrics-password",
    purpose: "The password of the user `metrics`, which reads the status of the session cache but no entries.",
    owner: "the platform team",
    readers: &[
        redis("redis", "REDISCLI_AUTH"),
        redis("exporter", "REDIS_PASSWORD"),
    ],
    form: Form::Password { least: 32 },
    rotation: "Set a new value. The server and its exporter restart together and sessions are lost.",
};

/// The password of the knowledge graph.
pub const NEO4J_PASSWORD: SecretRow = SecretRow {
    key: "neo4jPassword",
    secret: NEO4J_SECRET,
    data_key: "password",
    purpose: "The password of the user `neo4j`, which has full access to the knowledge graph.",
    owner: "the platform team",
    readers: &[
        Reader {
            workload: KNOWLEDGE_GRAPH,
            container: "neo4j",
            variable: "GRAPH_PASSWORD",
        },
        chat("NEO4J_PASSWORD"),
        backup(BACKUP_NEO4J, "NEO4J_PASSWORD"),
        backup(RESTORE_NEO4J, "NEO4J_PASSWORD"),
    ],
    form: Form::Password { least: 32 },
    rotation: "Change it in the server first, with `ALTER CURRENT USER SET PASSWORD FROM … TO …`, because the server reads this value only at its first start. Then set the new value; clients with the old password are rejected until they have restarted.",
};

/// The license key of the LangGraph server.
pub const LANGGRAPH_LICENSE_KEY: SecretRow = SecretRow {
    key: "langgraphLicenseKey",
    secret: LANGGRAPH_SECRET,
    data_key: "license-key",
    purpose: "The license key of the LangGraph server, while `phoenix:langgraph.license` is true.",
    owner: "the owner of the LangChain contract",
    readers: &[langgraph("LANGGRAPH_CLOUD_LICENSE_KEY")],
    form: Form::Key { least: 20 },
    rotation: "Set the new license before the old one expires. The pods restart one by one.",
};

/// The private key for Snowflake.
pub const SNOWFLAKE_PRIVATE_KEY: SecretRow = SecretRow {
    key: "snowflakePrivateKey",
    secret: SNOWFLAKE_SECRET,
    data_key: "private-key",
    purpose: "The private key with which the chat and the synchronization log in to Snowflake.",
    owner: "the administrator of the Snowflake account",
    readers: &[chat("SNOWFLAKE_PRIVATE_KEY"), sync("SNOWFLAKE_PRIVATE_KEY")],
    form: Form::PrivateKey,
    rotation: "A Snowflake user has two public keys. Set the second one (`ALTER USER … SET RSA_PUBLIC_KEY_2`), set its private key here, wait for the rollout, and unset the first.",
};

/// The passphrase of the private key for Snowflake.
pub const SNOWFLAKE_PASSPHRASE: SecretRow = SecretRow {
    key: "snowflakePrivateKeyPassphrase",
    secret: SNOWFLAKE_SECRET,
    data_key: "private-key-passphrase",
    purpose: "The passphrase of `phoenix:snowflakePrivateKey`, while `phoenix:snowflake.encryptedKey` is true.",
    owner: "the administrator of the Snowflake account",
    readers: &[
        chat("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"),
        sync("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"),
    ],
    form: Form::Key { least: 16 },
    rotation: "Set it together with a new `phoenix:snowflakePrivateKey`.",
};

/// The access key ID of the backup's bucket.
pub const BACKUP_ACCESS_KEY_ID: SecretRow = SecretRow {
    key: "backupAccessKeyId",
    secret: BACKUP_SECRET,
    data_key: "access-key-id",
    purpose: "The access key ID for the backup bucket, if `phoenix:backup.objectStore.cloudRoles` is not set.",
    owner: "the administrator of the object store",
    readers: &object_store_readers("AWS_ACCESS_KEY_ID"),
    form: Form::Key { least: 16 },
    rotation: "Set it together with `phoenix:backupSecretAccessKey`, from a second key of the same user.",
};

/// The secret access key of the backup's bucket.
pub const BACKUP_SECRET_ACCESS_KEY: SecretRow = SecretRow {
    key: "backupSecretAccessKey",
    secret: BACKUP_SECRET,
    data_key: "secret-access-key",
    purpose: "The secret access key for the backup bucket, if `phoenix:backup.objectStore.cloudRoles` is not set.",
    owner: "the administrator of the object store",
    readers: &object_store_readers("AWS_SECRET_ACCESS_KEY"),
    form: Form::Key { least: 32 },
    rotation: "Create a second key for the same user, set both parts, wait for a successful backup, and delete the first. No pod restarts, because each Job reads the value when it starts.",
};

/// The rotation of the keys of manifests.
const MAC_KEY_ROTATION: &str = "Set the new key, a comma and the previous key. New backups use the new key, and those of the previous key remain valid. When they have expired, remove the comma and the previous key. No pod restarts, because each Job reads the value when it starts.";

/// The key that authenticates the backups of Qdrant.
pub const BACKUP_QDRANT_MAC_KEY: SecretRow = SecretRow {
    key: "backupQdrantMacKey",
    secret: BACKUP_MAC_SECRET,
    data_key: "qdrant",
    purpose: "The key that authenticates the backups of Qdrant. Without it, no backup can be restored: keep a copy outside the cluster.",
    owner: "the platform team",
    readers: &[
        backup(BACKUP_QDRANT, QDRANT_MAC_KEY),
        backup(RESTORE_QDRANT, QDRANT_MAC_KEY),
        backup(RESTORE_DRILL, QDRANT_MAC_KEY),
        backup(BACKUP_PRUNE, QDRANT_MAC_KEY),
    ],
    form: Form::Keys { least: 32 },
    rotation: MAC_KEY_ROTATION,
};
const QDRANT_MAC_KEY: &str = "BACKUP_MAC_KEY_QDRANT";

/// The key that authenticates the backups of the knowledge graph.
pub const BACKUP_NEO4J_MAC_KEY: SecretRow = SecretRow {
    key: "backupNeo4jMacKey",
    secret: BACKUP_MAC_SECRET,
    data_key: "neo4j",
    purpose: "The key that authenticates the backups of the knowledge graph. Without it, no backup can be restored: keep a copy outside the cluster.",
    owner: "the platform team",
    readers: &[
        backup(BACKUP_NEO4J, NEO4J_MAC_KEY),
        backup(RESTORE_NEO4J, NEO4J_MAC_KEY),
        backup(BACKUP_PRUNE, NEO4J_MAC_KEY),
    ],
    form: Form::Keys { least: 32 },
    rotation: MAC_KEY_ROTATION,
};
const NEO4J_MAC_KEY: &str = "BACKUP_MAC_KEY_NEO4J";

/// The key that authenticates the backups of OpenMemory.
pub const BACKUP_OPENMEMORY_MAC_KEY: SecretRow = SecretRow {
    key: "backupOpenmemoryMacKey",
    secret: BACKUP_MAC_SECRET,
    data_key: "openmemory",
    purpose: "The key that authenticates the backups of OpenMemory. Without it, no backup can be restored: keep a copy outside the cluster.",
    owner: "the platform team",
    readers: &[
        backup(BACKUP_OPENMEMORY, OPENMEMORY_MAC_KEY),
        backup(RESTORE_OPENMEMORY, OPENMEMORY_MAC_KEY),
        backup(BACKUP_PRUNE, OPENMEMORY_MAC_KEY),
    ],
    form: Form::Keys { least: 32 },
    rotation: MAC_KEY_ROTATION,
};
const OPENMEMORY_MAC_KEY: &str = "BACKUP_MAC_KEY_OPENMEMORY";

/// Every secret of the platform.
pub const INVENTORY: &[SecretRow] = &[
    OPENAI_API_KEY,
    POSTGRES_CONNECTION_STRING,
    LANGGRAPH_POSTGRES_CONNECTION_STRING,
    MEM0_ENCRYPTION_KEY,
    QDRANT_API_KEY,
    QDRANT_ALT_API_KEY,
    QDRANT_READ_ONLY_API_KEY,
    CHECKSUM_KEY,
    REDIS_PASSWORD,
    REDIS_METRICS_PASSWORD,
    LANGGRAPH_REDIS_PASSWORD,
    NEO4J_PASSWORD,
    LANGGRAPH_LICENSE_KEY,
    SNOWFLAKE_PRIVATE_KEY,
    SNOWFLAKE_PASSPHRASE,
    BACKUP_ACCESS_KEY_ID,
    BACKUP_SECRET_ACCESS_KEY,
    BACKUP_QDRANT_MAC_KEY,
    BACKUP_NEO4J_MAC_KEY,
    BACKUP_OPENMEMORY_MAC_KEY,
];

impl SecretRow {
    /// Its full key, such as `phoenix:openaiApiKey`.
    pub fn full_key(&self) -> String {
        format!("{}:{}", super::NAMESPACE, self.key)
    }

    /// The paths at which the External Secrets Operator finds it in the Pulumi ESC environment: one for each
    /// namespace with readers.
    pub fn properties(&self) -> BTreeSet<String> {
        let targets = self.readers.iter().map(|reader| self.target(reader.workload));
        targets
            .map(|target| format!("{}.{}", target.property(), self.data_key))
            .collect()
    }

    /// The Secret of a workload's own namespace that contains it.
    pub fn target(&self, reader: Workload) -> Target {
        Target {
            namespace: reader.namespace,
            name: self.secret,
        }
    }

    /// Whether it is needed only if a key of the stack file enables it, even if the stack has its readers.
    pub fn is_optional(&self) -> bool {
        [
            QDRANT_ALT_API_KEY,
            LANGGRAPH_LICENSE_KEY,
            // The session cache reads it, but only if there is a LangGraph server.
            LANGGRAPH_REDIS_PASSWORD,
            SNOWFLAKE_PASSPHRASE,
            BACKUP_ACCESS_KEY_ID,
            BACKUP_SECRET_ACCESS_KEY,
            // Pruning reads it, but only if there is a knowledge graph.
            BACKUP_NEO4J_MAC_KEY,
        ]
        .contains(self)
    }

    /// Whether one of these workloads reads it.
    pub fn is_read_by(&self, workloads: &[Workload]) -> bool {
        self.readers
            .iter()
            .any(|reader| workloads.contains(&reader.workload))
    }

    /// Its readers without duplicates: workloads by name, and Jobs by their system, which may have several.
    pub fn read_by(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .readers
            .iter()
            .map(|reader| {
                if reader.workload.is_job() {
                    reader.workload.system
                } else {
                    reader.workload.name
                }
            })
            .collect();
        names.dedup();
        names
    }

    /// The names of the workloads that restart when it changes, without duplicates.
    pub fn restarts(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .readers
            .iter()
            // Jobs read their secrets on each run.
            .filter(|reader| !reader.workload.is_job())
            .map(|reader| reader.workload.name)
            .collect();
        names.dedup();
        names
    }
}

/// The row of a key, with or without the prefix `phoenix:`.
pub fn row(key: &str) -> Option<&'static SecretRow> {
    let key = super::key::own_key(key)?;
    INVENTORY.iter().find(|row| row.key == key)
}

/// The rows that every stack with these workloads needs, and those that the program itself needs.
pub fn needed(workloads: &[Workload]) -> Vec<&'static SecretRow> {
    INVENTORY
        .iter()
        .filter(|row| !row.is_optional() && (row.readers.is_empty() || row.is_read_by(workloads)))
        .collect()
}

/// The Kubernetes Secrets that contain these rows for these workloads, each with its rows. A namespace receives only
/// the values that its own workloads read.
pub fn targets(
    needed: &[&'static SecretRow],
    workloads: &[Workload],
) -> BTreeMap<Target, Vec<&'static SecretRow>> {
    let mut targets = BTreeMap::<_, Vec<_>>::new();
    for &row in needed {
        for reader in row
            .readers
            .iter()
            .filter(|reader| workloads.contains(&reader.workload))
        {
            let rows = targets.entry(row.target(reader.workload)).or_default();
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    targets
}

impl Target {
    /// The path of all its values in the Pulumi ESC environment: a flat map of strings.
    pub fn property(self) -> String {
        if self.namespace == MEMORY {
            format!("kubernetes.{}", self.name)
        } else {
            // A subset of the Secret of the same name in the platform's own namespace.
            format!("kubernetes.{}.{}", self.namespace, self.name)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// The source of a stack's secret values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// An operator who sets each of them.
    StackConfig,
    /// The Pulumi ESC environments that the stack file imports.
    EscImport,
}

impl SecretOrigin {
    /// How to set the value of a secret.
    pub fn how_to_set(self, row: &SecretRow) -> String {
        let key = row.full_key();
        match self {
            Self::StackConfig => format!("pulumi config set --secret {key}"),
            Self::EscImport => format!(
                "write it as {key}: {{fn::secret: …}} below pulumiConfig of the environment that `environment:` of the \
                 stack file imports"
            ),
        }
    }
}

/// The errors for a stack that needs these secrets but has values only for some keys.
///
/// Rendering needs no values; a deployment checks this first.
pub fn missing<'a>(
    needed: &[&SecretRow],
    present: impl IntoIterator<Item = &'a str>,
    origin: SecretOrigin,
) -> super::Problems {
    let present: BTreeSet<_> = present.into_iter().filter_map(super::key::own_key).collect();
    let mut problems = super::Problems::default();
    for row in needed.iter().filter(|row| !present.contains(row.key)) {
        let key = row.full_key();
        problems.add_with_hint(
            &key,
            format!("has no value. {}", row.purpose),
            origin.how_to_set(row),
        );
    }
    problems
}

/// Errors in combinations of values that are valid individually. `value` returns the value of a full key; errors
/// never repeat a value.
pub fn contradictions<'a>(needed: &[&SecretRow], value: impl Fn(&str) -> Option<&'a str>) -> super::Problems {
    let mut problems = super::Problems::default();
    let (key, second) = (QDRANT_API_KEY.full_key(), QDRANT_ALT_API_KEY.full_key());
    let is_rotating = needed.contains(&&QDRANT_ALT_API_KEY);
    if is_rotating && value(&key).is_some() && value(&key) == value(&second) {
        problems.add_with_hint(
            &second,
            format!("is the same as {key}, so a peer that restarts would reject all clients that still use the other key"),
            "during a rotation, one of them is the old key and the other the new key: docs/runbooks/rotate-a-secret.md",
        );
    }
    // With the credentials of OpenMemory or the chat, LangGraph could read memories.
    for (shared, own) in [
        (POSTGRES_CONNECTION_STRING, LANGGRAPH_POSTGRES_CONNECTION_STRING),
        (REDIS_PASSWORD, LANGGRAPH_REDIS_PASSWORD),
    ] {
        let (shared_key, own_key) = (shared.full_key(), own.full_key());
        let credential = |key: &str| {
            value(key).map(|text| match own.form {
                Form::PostgresUrl => strength::user_of_url(text),
                _ => text,
            })
        };
        let is_used = needed.contains(&&shared) && needed.contains(&&own);
        if is_used && credential(&own_key).is_some() && credential(&own_key) == credential(&shared_key) {
            let same = if own.form == Form::PostgresUrl {
                "has the same user as"
            } else {
                "is the same as"
            };
            problems.add_with_hint(
                own_key,
                format!("{same} {shared_key}, so LangGraph could read memories"),
                "create a user of its own for LangGraph: docs/langgraph-image.md",
            );
        }
    }
    let mac_keys = [
        BACKUP_QDRANT_MAC_KEY,
        BACKUP_NEO4J_MAC_KEY,
        BACKUP_OPENMEMORY_MAC_KEY,
    ];
    let parts = |row: &SecretRow| -> BTreeSet<&str> {
        value(&row.full_key()).map_or_else(BTreeSet::new, |text| text.split(',').collect())
    };
    for (index, row) in mac_keys.iter().enumerate() {
        for other in &mac_keys[..index] {
            if needed.contains(&row) && needed.contains(&other) && !parts(row).is_disjoint(&parts(other)) {
                problems.add_with_hint(
                    row.full_key(),
                    format!(
                        "contains the same key as {}, so a backup Job of one store could forge backups of the other",
                        other.full_key()
                    ),
                    "create a key for each store: `openssl rand -hex 32`",
                );
            }
        }
    }
    problems
}
