//! Backups and restores: for each store, a `CronJob` that copies it to the object store, and a permanently suspended
//! one as the template of restores (`kubectl create job --from`).
//!
//! `docs/backup-image.md` describes the program in the Jobs, and `docs/runbooks/restore-from-backup.md` how an
//! operator restores.

use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, JobSpec, JobTemplateSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::secret::{
    BACKUP_ACCESS_KEY_ID, BACKUP_NEO4J_MAC_KEY, BACKUP_OPENMEMORY_MAC_KEY, BACKUP_QDRANT_MAC_KEY,
    BACKUP_SECRET_ACCESS_KEY, NEO4J_PASSWORD, QDRANT_API_KEY,
};
use crate::config::{self, BackupRoles, Day, Retention, RoleArn, StoreCredentials, StoreRoles, TimeOfDay};
use crate::names::{
    self, BACKUP_NEO4J, BACKUP_OPENMEMORY, BACKUP_PRUNE, BACKUP_QDRANT, GRAPH_HTTP, KNOWLEDGE_GRAPH,
    MCP_PORT, MEMORY_CLAIM, OPENMEMORY, QDRANT_HTTP, RESTORE_DRILL, RESTORE_NEO4J, RESTORE_OPENMEMORY,
    RESTORE_QDRANT, Workload,
};
use crate::parts::container::{secret_variable, variable};
use crate::parts::metadata::{self, annotate};
use crate::parts::{container, identity};

/// The user and group of the image.
const USER: i64 = 65_532;

/// Qdrant's claims. The second holds only snapshots of the first.
const QDRANT_CLAIMS: [&str; 2] = ["qdrant-storage", "qdrant-snapshots"];

/// The time limit of a restore. An operator watches it and can stop it.
const RESTORE_SECONDS: i64 = 12 * 3600;

/// The stores besides OpenMemory, which every stack has.
#[derive(Clone, Copy, Debug)]
pub struct Stores {
    /// The number of Qdrant peers.
    pub qdrant_peers: u32,
    /// Whether the stack has a knowledge graph.
    pub knowledge_graph: bool,
}

/// The Jobs and their service accounts.
pub fn build(config: &config::Backup, stores: Stores) -> Graph {
    let mut graph = Graph::of(BACKUP_QDRANT.system);
    for job in jobs(config, stores) {
        graph.insert(service_account(&job, &config.store.credentials));
        graph.insert(cron_job(config, job));
    }
    graph
}

/// One of the Jobs.
struct Job {
    workload: Workload,
    duty: Duty,
    /// The arguments of the program.
    verb: &'static [&'static str],
    /// Its environment variables besides those of the object store.
    env: Vec<EnvVar>,
}

/// How a Job accesses the object store, and what starts it.
enum Duty {
    /// Writes daily. The claims are those whose data it copies.
    Backup(Store, TimeOfDay, Vec<&'static str>),
    /// Reads weekly.
    Drill(Day, TimeOfDay),
    /// Deletes daily, from these stores.
    Prune(TimeOfDay, Vec<Store>),
    /// Reads when an operator starts it.
    Restore(Store),
}

impl Duty {
    /// The stores whose backups the Job reads or writes.
    fn stores(&self) -> &[Store] {
        match self {
            Self::Backup(store, ..) | Self::Restore(store) => std::slice::from_ref(store),
            Self::Drill(..) => &[Store::Qdrant],
            Self::Prune(_, stores) => stores,
        }
    }
}

/// A store with backups.
#[derive(Clone, Copy)]
enum Store {
    Qdrant,
    Neo4j,
    OpenMemory,
}

impl Store {
    fn roles(self, roles: &BackupRoles) -> &StoreRoles {
        match self {
            Self::Qdrant => &roles.qdrant,
            Self::Neo4j => &roles.neo4j,
            Self::OpenMemory => &roles.openmemory,
        }
    }

    /// The key that authenticates its backups. No Job of another store has it, except the one that prunes all.
    fn mac_key(self) -> EnvVar {
        match self {
            Self::Qdrant => secret_variable("BACKUP_MAC_KEY_QDRANT", &BACKUP_QDRANT_MAC_KEY),
            Self::Neo4j => secret_variable("BACKUP_MAC_KEY_NEO4J", &BACKUP_NEO4J_MAC_KEY),
            Self::OpenMemory => secret_variable("BACKUP_MAC_KEY_OPENMEMORY", &BACKUP_OPENMEMORY_MAC_KEY),
        }
    }
}

fn jobs(config: &config::Backup, stores: Stores) -> Vec<Job> {
    let schedule = config.schedule;
    let peers = || qdrant(stores.qdrant_peers);
    let mut pruned = vec![Store::Qdrant, Store::OpenMemory];
    pruned.extend(stores.knowledge_graph.then_some(Store::Neo4j));
    let mut jobs = vec![
        Job {
            workload: BACKUP_QDRANT,
            duty: Duty::Backup(Store::Qdrant, schedule.qdrant, QDRANT_CLAIMS.to_vec()),
            verb: &["qdrant", "backup"],
            env: peers(),
        },
        Job {
            workload: RESTORE_QDRANT,
            duty: Duty::Restore(Store::Qdrant),
            verb: &["qdrant", "restore"],
            env: peers(),
        },
        Job {
            workload: RESTORE_DRILL,
            duty: Duty::Drill(schedule.drill.0, schedule.drill.1),
            verb: &["drill"],
            env: peers(),
        },
        Job {
            workload: BACKUP_OPENMEMORY,
            duty: Duty::Backup(Store::OpenMemory, schedule.openmemory, vec![MEMORY_CLAIM]),
            verb: &["openmemory", "backup"],
            env: openmemory(),
        },
        Job {
            workload: RESTORE_OPENMEMORY,
            duty: Duty::Restore(Store::OpenMemory),
            verb: &["openmemory", "restore"],
            env: openmemory(),
        },
        Job {
            workload: BACKUP_PRUNE,
            duty: Duty::Prune(schedule.prune, pruned),
            verb: &["prune"],
            env: kept(config.retention),
        },
    ];
    if stores.knowledge_graph {
        jobs.push(Job {
            workload: BACKUP_NEO4J,
            duty: Duty::Backup(Store::Neo4j, schedule.neo4j, vec!["data"]),
            verb: &["neo4j", "backup"],
            env: neo4j(),
        });
        jobs.push(Job {
            workload: RESTORE_NEO4J,
            duty: Duty::Restore(Store::Neo4j),
            verb: &["neo4j", "restore"],
            env: neo4j(),
        });
    }
    jobs
}

/// Each peer by its own name, because a snapshot contains only the data of its peer.
fn qdrant(peers: u32) -> Vec<EnvVar> {
    let service = names::service_host(names::MEMORY, names::QDRANT_HEADLESS);
    let peers: Vec<_> = (0..peers)
        .map(|peer| format!("http://qdrant-{peer}.{service}:{}", QDRANT_HTTP.number))
        .collect();
    vec![
        variable("QDRANT_PEERS", peers.join(",")),
        secret_variable("QDRANT_API_KEY", &QDRANT_API_KEY),
    ]
}

fn neo4j() -> Vec<EnvVar> {
    vec![
        variable(
            "NEO4J_URL",
            format!("http://{}:{}", KNOWLEDGE_GRAPH.host(), GRAPH_HTTP.number),
        ),
        variable("NEO4J_USER", "neo4j"),
        secret_variable("NEO4J_PASSWORD", &NEO4J_PASSWORD),
    ]
}

fn openmemory() -> Vec<EnvVar> {
    vec![variable(
        "OPENMEMORY_URL",
        format!("http://{}:{}", OPENMEMORY.host(), MCP_PORT.number),
    )]
}

fn kept(retention: Retention) -> Vec<EnvVar> {
    [
        ("BACKUP_KEEP_LAST", retention.last),
        ("BACKUP_KEEP_DAILY", retention.daily),
        ("BACKUP_KEEP_WEEKLY", retention.weekly),
        ("BACKUP_KEEP_MONTHLY", retention.monthly),
    ]
    .map(|(name, number)| variable(name, number.to_string()))
    .to_vec()
}

fn object_store(store: &config::ObjectStore) -> Vec<EnvVar> {
    let mut variables = vec![
        variable("BACKUP_STORE", format!("s3://{}/{}", store.bucket, store.prefix)),
        variable(
            "BACKUP_STORE_ENDPOINT",
            match store.port {
                443 => format!("https://{}", store.host),
                port => format!("https://{}:{port}", store.host),
            },
        ),
        variable(
            "BACKUP_STORE_REGION",
            store.region.as_deref().unwrap_or("placeholder"),
        ),
    ];
    if store.credentials == StoreCredentials::Key {
        variables.extend([
            secret_variable("AWS_ACCESS_KEY_ID", &BACKUP_ACCESS_KEY_ID),
            secret_variable("AWS_SECRET_ACCESS_KEY", &BACKUP_SECRET_ACCESS_KEY),
        ]);
    }
    variables
}

impl Job {
    /// The cloud role of the Job, if the cloud uses roles and this one is configured.
    fn role<'a>(&self, credentials: &'a StoreCredentials) -> Option<&'a RoleArn> {
        let StoreCredentials::Roles(roles) = credentials else {
            return None;
        };
        match self.duty {
            Duty::Backup(store, ..) => store.roles(roles).backup.as_ref(),
            Duty::Restore(store) => store.roles(roles).restore.as_ref(),
            Duty::Drill(..) => roles.qdrant.restore.as_ref(),
            Duty::Prune(..) => roles.prune.as_ref(),
        }
    }
}

fn service_account(job: &Job, credentials: &StoreCredentials) -> ServiceAccount {
    let mut account = identity::service_account(job.workload);
    if let Some(role) = job.role(credentials) {
        annotate(&mut account.metadata, "eks.amazonaws.com/role-arn", role.as_str());
    }
    account
}

fn cron_job(config: &config::Backup, job: Job) -> CronJob {
    let mut metadata = metadata::workload_meta(job.workload, job.workload.name);
    let schedule = match &job.duty {
        Duty::Backup(_, at, claims) => {
            annotate(&mut metadata, names::BACKS_UP, &claims.join(","));
            every_day(*at)
        }
        Duty::Prune(at, _) => every_day(*at),
        Duty::Drill(day, at) => {
            annotate(&mut metadata, names::TRIES_RESTORE_OF, &QDRANT_CLAIMS.join(","));
            format!("{} {} * * {}", at.minute, at.hour, day.0)
        }
        Duty::Restore(_) => {
            annotate(
                &mut metadata,
                "phoenix.ai/run",
                &format!(
                    "kubectl create job --from=cronjob/{}, by an operator: docs/runbooks/restore-from-backup.md",
                    job.workload.name
                ),
            );
            // The schedule is required by the API. This date does not exist.
            "0 0 31 2 *".to_owned()
        }
    };
    let by_hand = matches!(job.duty, Duty::Restore(_));
    CronJob {
        metadata,
        spec: Some(CronJobSpec {
            schedule,
            // Days begin at the same time in every cluster.
            time_zone: Some("Etc/UTC".to_owned()),
            suspend: Some(by_hand),
            // Two runs at a time would create two sets of snapshots on the same volumes.
            concurrency_policy: Some("Forbid".to_owned()),
            // The controller may start it up to an hour late. Without a deadline, a controller that finds a hundred
            // missed runs never starts another.
            starting_deadline_seconds: (!by_hand).then_some(3600),
            successful_jobs_history_limit: Some(3),
            failed_jobs_history_limit: Some(3),
            job_template: JobTemplateSpec {
                metadata: Some(labels(job.workload)),
                spec: Some(job_of(config, job, by_hand)),
            },
        }),
        ..Default::default()
    }
}

fn every_day(at: TimeOfDay) -> String {
    format!("{} {} * * *", at.minute, at.hour)
}

fn labels(workload: Workload) -> ObjectMeta {
    ObjectMeta {
        labels: Some(metadata::pod_labels(workload)),
        ..Default::default()
    }
}

fn job_of(config: &config::Backup, job: Job, by_hand: bool) -> JobSpec {
    let workload = job.workload;
    JobSpec {
        active_deadline_seconds: Some(if by_hand {
            RESTORE_SECONDS
        } else {
            i64::from(config.deadline_minutes) * 60
        }),
        // A transient network failure is retried. The operator decides whether to repeat a restore.
        backoff_limit: Some(if by_hand { 0 } else { 2 }),
        pod_failure_policy: Some(fail_fast_on_config_error()),
        // A week to read the logs. A failed drill is investigated on the next working day.
        ttl_seconds_after_finished: Some(7 * 24 * 3600),
        template: PodTemplateSpec {
            metadata: Some(labels(workload)),
            spec: Some(pod(config, job, by_hand)),
        },
        ..Default::default()
    }
}

/// When a retry cannot help, and when a failure does not count. The exit codes are part of the contract of the image.
fn fail_fast_on_config_error() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some(CONTAINER.to_owned()),
                    operator: "In".to_owned(),
                    // It was started with wrong arguments, or the backup that it checked is invalid.
                    values: vec![2, 3],
                }),
                on_pod_conditions: None,
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: None,
                // Its node was drained, which is not a failure of the Job.
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
            },
        ],
    }
}

/// The name of the container, which the failure policy also uses.
const CONTAINER: &str = "backup";

fn pod(config: &config::Backup, job: Job, by_hand: bool) -> PodSpec {
    let mut env = job.env;
    env.extend(object_store(&config.store));
    env.extend(job.duty.stores().iter().map(|store| store.mac_key()));
    if by_hand {
        // Operators override these for a single Job with `kubectl set env`; see the runbook.
        env.extend([
            variable("RESTORE_FROM", "latest"),
            variable("RESTORE_OVERWRITE", "false"),
        ]);
    }
    env.push(variable("TMPDIR", "/tmp"));
    PodSpec {
        service_account_name: Some(job.workload.service_account.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(container::pod_security(USER, USER)),
        containers: vec![Container {
            name: CONTAINER.to_owned(),
            image: Some(config.image.to_string()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            args: Some(job.verb.iter().map(|&word| word.to_owned()).collect()),
            env: Some(env),
            resources: Some(container::resources(&config.resources, 0)),
            volume_mounts: Some(vec![container::mount("tmp", "/tmp")]),
            security_context: Some(container::security()),
            ..Default::default()
        }],
        // The program streams, so its local files are small.
        volumes: Some(vec![container::scratch("tmp", "256Mi")]),
        // Time to delete a snapshot from its peer before the pod stops.
        termination_grace_period_seconds: Some(60),
        ..Default::default()
    }
}
