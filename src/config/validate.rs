//! Validates a raw configuration and turns it into a checked one. All errors are reported in one run, and nothing
//! after this step can fail.

mod audit_trail;
mod backup;
mod chat;
mod knowledge_graph;
mod langgraph;
mod load_test;
mod mcp;
mod mesh;
mod monitoring;
mod quota;
mod redis;
mod secrets;
mod snowflake;
mod sync;

use ipnet::Ipv4Net;
use quota::Demand;

use super::key::full_key as key;
use super::placeholder::{OrPlaceholder, Placeholder};
use super::raw::{
    RawAccelerator, RawAcceleratorLabels, RawAmounts, RawAutoscaling, RawCluster, RawConfig, RawNamespace,
    RawOpenMemory, RawPostgres, RawPriorityClasses, RawQdrant, RawQdrantMode, RawResources, RawStorageMode,
};
use super::schema_check::shown_text;
use super::secret::INVENTORY;
use super::stack::{
    Accelerator, Amounts, Cluster, Environment, MemoryStorage, Mesh, Namespace, OpenMemory, Phase, Postgres,
    PostgresTransport, PriorityClasses, Prometheus, Qdrant, Quota, Resources, Scale, StackConfig, Volume,
};
use super::{DnsName, HostName, Image, ObjectName, Problems, Quantity, RoleArn};

/// The name prefix of the `PriorityClass`es that Kubernetes reserves for itself.
const SYSTEM_CLASSES: &str = "system-";

/// The context prefix of sandboxes.
const SANDBOX: &str = "phoenix-sandbox-";

/// Addresses that providers assign to pods.
const SHARED: &str = "100.64.0.0/10";

/// Addresses of services of a node or a cloud, which are always private.
const RESERVED: [(&str, &str); 3] = [
    ("168.63.129.16/32", "the services of Azure's platform"),
    (
        "169.254.0.0/16",
        "link-local addresses such as the metadata of the cloud",
    ),
    (
        "192.0.0.0/24",
        "protocol assignments, which include the metadata of Oracle Cloud",
    ),
];

/// Further addresses that no network of an external host may contain.
const NEVER_EXTERNAL: [(&str, &str); 5] = [
    ("0.0.0.0/8", "addresses of no host"),
    ("127.0.0.0/8", "the loopback addresses of the pod itself"),
    ("100.100.100.200/32", "the metadata of Alibaba Cloud"),
    ("224.0.0.0/4", "multicast addresses"),
    ("240.0.0.0/4", "reserved addresses"),
];

/// Upper bounds that catch typing errors.
const MOST_REPLICAS: u32 = 100;

/// Checks a configuration and returns the validated one.
pub fn validate(raw: &RawConfig) -> Result<StackConfig, Problems> {
    let mut check = Check {
        problems: Problems::default(),
        placeholders: Vec::new(),
        is_prod: raw.environment == Environment::Prod,
    };
    let config = check.stack(raw);
    match config {
        Some(config) if check.problems.is_empty() => {
            // The phase is applied last, so that values that a later phase enables are valid and fit into the quota.
            let phase = config.migration.unwrap_or(Phase::Optimized);
            Ok(config.in_phase(phase))
        }
        _ => Err(check.problems),
    }
}

struct Check {
    problems: Problems,
    placeholders: Vec<(String, String)>,
    is_prod: bool,
}

impl Check {
    fn stack(&mut self, raw: &RawConfig) -> Option<StackConfig> {
        // Each part is checked before the first `?`, so that all errors are found.
        let cluster = self.cluster(&raw.cluster);
        let namespace = self.namespace(&raw.namespace);
        let openmemory = self.openmemory(&raw.openmemory);
        let qdrant = self.qdrant(&raw.qdrant);
        let redis = match &raw.redis {
            Some(redis) => self.redis(redis, &raw.tiers.session_cache).map(Some),
            None => Some(None),
        };
        let knowledge_graph = match &raw.knowledge_graph {
            Some(store) => self.knowledge_graph(store, &raw.tiers.knowledge_graph).map(Some),
            None => Some(None),
        };
        let langgraph = match &raw.langgraph {
            Some(langgraph) => self.langgraph(langgraph, raw).map(Some),
            None => Some(None),
        };
        let snowflake = match &raw.snowflake {
            Some(snowflake) => self.snowflake(snowflake, &raw.tiers).map(Some),
            None => Some(None),
        };
        let chat = match &raw.chat {
            Some(chat) => self.chat(chat, raw).map(Some),
            None => Some(None),
        };
        let sync = match &raw.sync {
            Some(sync) => self.sync(sync, raw).map(Some),
            None => Some(None),
        };
        let postgres = self.postgres(&raw.postgres);
        let mesh = self.routing(&raw.mesh);
        let trust = self.trust(&raw.trust);
        self.check_gateway(raw);
        let tiers = self.tiers(&raw.tiers);
        let mcp = self.mcp(&raw.mcp);
        let audit_trail = raw.audit_trail.as_ref().map(|raw| self.audit_trail(raw));
        self.check_audit_trail(raw);
        let load_test = raw.load_test.as_ref().map(|raw| self.load_test(raw));
        let backup = raw.backup.as_ref().map(|backup| self.backup(backup, raw));
        self.check_backup(raw);
        let monitoring = self.monitoring(&raw.monitoring);
        let adopt = self.adopt(&raw.adopt);
        let secrets = self.secrets(&raw.secrets);
        self.sandbox(raw);
        if let (Some(namespace), Some(openmemory), Some(qdrant)) = (&namespace, &openmemory, &qdrant) {
            let mut demands = vec![
                Demand {
                    resources: &openmemory.resources,
                    // One additional pod during a rollout.
                    pods: openmemory.scale.most() + 1,
                    claims: openmemory.storage.volume.size.thousandths(),
                },
                Demand {
                    resources: &qdrant.resources,
                    // A StatefulSet replaces its pods in place.
                    pods: qdrant.replicas,
                    claims: u128::from(qdrant.replicas)
                        * (qdrant.storage.size.thousandths() + qdrant.snapshots.size.thousandths()),
                },
            ];
            let together;
            if let Some(Some(redis)) = &redis {
                together = redis.resources.and(&redis.exporter_resources);
                demands.push(Demand {
                    resources: &together,
                    pods: 1,
                    claims: redis
                        .persistence
                        .as_ref()
                        .map_or(0, |volume| volume.size.thousandths()),
                });
            }
            if let Some(Some(store)) = &knowledge_graph {
                demands.push(Demand {
                    resources: &store.resources,
                    pods: 1,
                    claims: store.storage.size.thousandths() + store.logs.size.thousandths(),
                });
            }
            if let Some(Some(load_test)) = &load_test {
                demands.push(Demand {
                    resources: &load_test.resources,
                    pods: 1,
                    claims: 0,
                });
            }
            if let Some(Some(langgraph)) = &langgraph {
                demands.push(Demand {
                    resources: &langgraph.resources,
                    // One additional pod during a rollout.
                    pods: langgraph.scale.most() + 1,
                    claims: 0,
                });
            }
            if let Some(Some(sync)) = &sync {
                demands.push(Demand {
                    resources: &sync.resources,
                    // A run starts only after the previous one has finished.
                    pods: 1,
                    claims: 0,
                });
            }
            if let Some(Some(backup)) = &backup {
                demands.push(Demand {
                    resources: &backup.resources,
                    // The scheduled Jobs, in case one run overlaps the next, and a restore.
                    pods: 5 + u32::from(raw.knowledge_graph.is_some()),
                    claims: 0,
                });
            }
            self.check_quota(&namespace.quota, &demands);
        }
        Some(StackConfig {
            environment: raw.environment,
            cluster: cluster?,
            namespace: namespace?,
            openmemory: openmemory?,
            qdrant: qdrant?,
            redis: redis?,
            knowledge_graph: knowledge_graph?,
            langgraph: langgraph?,
            snowflake: snowflake?,
            chat: chat?,
            sync: sync?,
            postgres: postgres?,
            tiers: tiers?,
            mcp: mcp?,
            monitoring: monitoring?,
            secrets: secrets?,
            mesh: mesh?,
            trust: trust?,
            audit_trail: match audit_trail {
                Some(audit_trail) => Some(audit_trail?),
                None => None,
            },
            load_test: match load_test {
                Some(load_test) => Some(load_test?),
                None => None,
            },
            backup: match backup {
                Some(backup) => Some(backup?),
                None => None,
            },
            migration: raw.migration.as_ref().map(|migration| migration.phase),
            protect: raw.protect.unwrap_or(self.is_prod),
            adopt: adopt?,
            sandbox: raw.sandbox,
            placeholders: std::mem::take(&mut self.placeholders),
        })
    }

    fn cluster(&mut self, raw: &RawCluster) -> Option<Cluster> {
        let context = self.known("cluster.context", &raw.context).map(|context| {
            self.not_empty("cluster.context", context);
            context.clone()
        });
        let uid = self
            .known("cluster.uid", &raw.uid)
            .and_then(|uid| self.parse("cluster.uid", uid, uid_of_cluster));
        let identifier = self.parse("cluster.identifier", &raw.identifier, identifier);
        let mesh_namespace = self.dns_name("cluster.mesh.namespace", &raw.mesh.namespace);
        let revision = raw
            .mesh
            .revision
            .as_ref()
            .map(|revision| self.dns_name("cluster.mesh.revision", revision));
        let trust_domain = self.dns_name("cluster.mesh.trustDomain", &raw.mesh.trust_domain);
        let monitoring_namespace = self.dns_name("cluster.monitoring.namespace", &raw.monitoring.namespace);
        let service_account = self.dns_name(
            "cluster.monitoring.serviceAccount",
            &raw.monitoring.service_account,
        );
        let pod_labels = self.prometheus_labels(&raw.monitoring.pod_labels);
        self.networks("cluster.privateNetworks", &raw.private_networks, false);
        let priority_classes = self.priority_classes(&raw.priority_classes);
        let image_pull_secrets = self.image_pull_secrets(&raw.image_pull_secrets);
        Some(Cluster {
            context,
            uid,
            identifier: identifier?,
            mesh: Mesh {
                namespace: mesh_namespace?,
                revision: match revision {
                    Some(revision) => Some(revision?),
                    None => None,
                },
                trust_domain: trust_domain?,
                cni: raw.mesh.cni,
                dns_capture: raw.mesh.dns_capture,
            },
            monitoring: Prometheus {
                namespace: monitoring_namespace?,
                service_account: service_account?,
                pod_labels: pod_labels?,
            },
            private_networks: std::iter::once(SHARED)
                .chain(RESERVED.map(|(network, _)| network))
                .map(str::to_owned)
                .chain(raw.private_networks.iter().cloned())
                .collect(),
            priority_classes: priority_classes?,
            image_pull_secrets: image_pull_secrets?,
        })
    }

    fn priority_classes(&mut self, raw: &RawPriorityClasses) -> Option<PriorityClasses> {
        let mut class = |name: &str, class: Option<&String>| {
            let Some(class) = class else { return Some(None) };
            let path = format!("cluster.priorityClasses.{name}");
            if class.starts_with(SYSTEM_CLASSES) {
                self.problems.add_with_hint(
                    key(&path),
                    format!(
                        "is {}, a class for components of the cluster: such pods would preempt them",
                        shown_text(class)
                    ),
                    "create a PriorityClass for the platform, with a value of your own",
                );
                return None;
            }
            self.dns_name(&path, class).map(Some)
        };
        // Every entry is checked before an error ends the function.
        let stores = class("stores", raw.stores.as_ref());
        let servers = class("servers", raw.servers.as_ref());
        let jobs = class("jobs", raw.jobs.as_ref());
        Some(PriorityClasses {
            stores: stores?,
            servers: servers?,
            jobs: jobs?,
        })
    }

    fn image_pull_secrets(&mut self, names: &[String]) -> Option<Vec<DnsName>> {
        let mut legal = true;
        for (position, name) in names.iter().enumerate() {
            let path = format!("cluster.imagePullSecrets[{position}]");
            if names[..position].contains(name) {
                self.problems.add(
                    key(&path),
                    format!("is {}, which is already listed", shown_text(name)),
                );
                legal = false;
            }
            if INVENTORY.iter().any(|row| row.secret == name) {
                self.problems.add_with_hint(
                    key(&path),
                    format!(
                        "is {}, a Secret of the platform, which has no registry credentials",
                        shown_text(name)
                    ),
                    "name an existing Secret of the type kubernetes.io/dockerconfigjson",
                );
                legal = false;
            }
        }
        let names: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(position, name)| self.dns_name(&format!("cluster.imagePullSecrets[{position}]"), name))
            .collect();
        names.into_iter().collect::<Option<_>>().filter(|_| legal)
    }

    fn adopt(&mut self, names: &[String]) -> Option<Vec<ObjectName>> {
        // Every entry is checked before an error ends the function.
        let names: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(position, name)| self.parse(&format!("adopt[{position}]"), name, ObjectName::parse))
            .collect();
        names.into_iter().collect()
    }

    /// The sandbox setting accepts placeholders, so it counts only with a sandbox context.
    fn sandbox(&mut self, raw: &RawConfig) {
        let is_sandbox =
            matches!(&raw.cluster.context, OrPlaceholder::Value(context) if context.starts_with(SANDBOX));
        if raw.sandbox && !is_sandbox {
            let message = format!(
                "is true, but phoenix:cluster.context does not begin with {SANDBOX}, so this is not a sandbox"
            );
            self.problems.add_with_hint(
                key("sandbox"),
                message,
                "remove it; `phoenix sandbox` sets it in its own copy of the stack file",
            );
        }
    }

    fn namespace(&mut self, raw: &RawNamespace) -> Option<Namespace> {
        let quota = &raw.quota;
        let requests_cpu = self.cores("namespace.quota.requestsCpu", &quota.requests_cpu);
        let requests_memory = self.bytes("namespace.quota.requestsMemory", &quota.requests_memory);
        let limits_cpu = self.cores("namespace.quota.limitsCpu", &quota.limits_cpu);
        let limits_memory = self.bytes("namespace.quota.limitsMemory", &quota.limits_memory);
        let storage = self.bytes("namespace.quota.requestsStorage", &quota.requests_storage);
        Some(Namespace {
            manage_ai: raw.manage_ai,
            manage_mcp: raw.manage_mcp,
            quota: Quota {
                requests: Amounts {
                    cpu: requests_cpu?,
                    memory: requests_memory?,
                },
                limits: Amounts {
                    cpu: limits_cpu?,
                    memory: limits_memory?,
                },
                pods: quota.pods,
                jobs: quota.jobs,
                storage: storage?,
            },
        })
    }

    fn openmemory(&mut self, raw: &RawOpenMemory) -> Option<OpenMemory> {
        let image = self.image("openmemory.image", &raw.image, "openmemory");
        let scale = self.scale("openmemory", raw.replicas, raw.autoscaling.as_ref());
        let resources = self.resources("openmemory.resources", &raw.resources);
        let volume = self.volume(
            "openmemory.storage",
            &raw.storage.size,
            raw.storage.storage_class.as_ref(),
        );
        let shared = raw.storage.mode == RawStorageMode::Shared;
        if !shared && scale.is_some_and(|scale| scale.most() > 1) {
            self.problems.add_with_hint(
                key("openmemory.storage.mode"),
                format!("is exclusive, but openmemory can have {} pods, which cannot all mount an exclusive volume", scale.map_or(0, Scale::most)),
                "set it to shared with a ReadWriteMany class, or openmemory.replicas to 1 without autoscaling",
            );
        }
        let accelerator = raw
            .accelerator
            .as_ref()
            .map(|accelerator| self.accelerator(accelerator));
        let cloud_role = raw
            .cloud_role
            .as_ref()
            .and_then(|role| self.known("openmemory.cloudRole", role))
            .and_then(|role| self.parse("openmemory.cloudRole", role, RoleArn::parse));
        Some(OpenMemory {
            image: image?,
            scale: scale?,
            resources: resources?,
            storage: MemoryStorage {
                shared,
                volume: volume?,
            },
            accelerator: match accelerator {
                Some(accelerator) => Some(accelerator?),
                None => None,
            },
            cloud_role,
        })
    }

    fn scale(&mut self, system: &str, replicas: u32, autoscaling: Option<&RawAutoscaling>) -> Option<Scale> {
        let path = format!("{system}.replicas");
        let mut legal = self.replicas(&path, replicas);
        if self.is_prod && replicas == 1 {
            self.problems.add_with_hint(
                key(&path),
                "is 1, but production must survive the loss of a node",
                "use 2 or more",
            );
            legal = false;
        }
        let Some(autoscaling) = autoscaling else {
            return legal.then_some(Scale::Fixed(replicas));
        };
        let path = format!("{system}.autoscaling.maxReplicas");
        legal &= self.replicas(&path, autoscaling.max_replicas);
        if autoscaling.max_replicas < replicas {
            let message = format!(
                "is {}, which is less than the {replicas} pods of {system}.replicas",
                autoscaling.max_replicas
            );
            self.problems
                .add_with_hint(key(&path), message, "increase it, or remove autoscaling");
            legal = false;
        }
        if !(1..=100).contains(&autoscaling.cpu_percent) {
            let message = format!("is {}, but must be from 1 to 100", autoscaling.cpu_percent);
            self.problems
                .add(key(&format!("{system}.autoscaling.cpuPercent")), message);
            legal = false;
        }
        legal.then_some(Scale::Auto {
            min: replicas,
            max: autoscaling.max_replicas,
            cpu_percent: autoscaling.cpu_percent,
        })
    }

    fn accelerator(&mut self, raw: &RawAccelerator) -> Option<Accelerator> {
        let (label, taint) = match raw.labels {
            RawAcceleratorLabels::Lambda => ("lambdalabs.com/gpu-type", ("lambdalabs.com/gpu", "true")),
            RawAcceleratorLabels::Nvidia => ("nvidia.com/gpu.product", ("nvidia.com/gpu", "true")),
        };
        // The nodes that the source document uses.
        let product = match (&raw.product, raw.labels) {
            (Some(product), _) => product.as_str(),
            (None, RawAcceleratorLabels::Lambda) => "rtx-4090",
            (None, RawAcceleratorLabels::Nvidia) => {
                self.problems.add_with_hint(
                    key("openmemory.accelerator.product"),
                    "is missing, and only Lambda's label has a default product",
                    "look it up on a node with: kubectl get nodes --label-columns nvidia.com/gpu.product",
                );
                return None;
            }
        };
        let edges = |character: char| character.is_ascii_alphanumeric();
        let legal = (1..=63).contains(&product.len())
            && product.starts_with(edges)
            && product.ends_with(edges)
            && product
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !legal {
            self.problems.add_with_hint(
                key("openmemory.accelerator.product"),
                "is not a valid label value",
                "look it up on a node with: kubectl get nodes --show-labels",
            );
        }
        let few = raw.count <= 16;
        if !few {
            self.problems.add(
                key("openmemory.accelerator.count"),
                format!("is {}, but no node has more than 16", raw.count),
            );
        }
        (legal && few).then(|| Accelerator {
            label: (label, product.to_owned()),
            taint,
            count: raw.count,
        })
    }

    fn qdrant(&mut self, raw: &RawQdrant) -> Option<Qdrant> {
        let image = self.image("qdrant.image", &raw.image, "qdrant");
        if let Some(image) = &image {
            // The others start as root, which the namespace does not allow. An image without a tag does not say.
            let (name, tag) = image.name_and_tag();
            if tag.is_some_and(|tag| !tag.contains("unprivileged")) && !name.contains("unprivileged") {
                self.problems.add_with_hint(
                    key("qdrant.image"),
                    format!("is {image}, which is not the unprivileged variant and would not start in the namespace"),
                    "use the tag with the suffix -unprivileged, such as qdrant/qdrant:v1.19.0-unprivileged",
                );
            }
        }
        let resources = self.resources("qdrant.resources", &raw.resources);
        let storage = self.volume(
            "qdrant.storage",
            &raw.storage.size,
            raw.storage.storage_class.as_ref(),
        );
        let snapshots = self.volume(
            "qdrant.snapshots",
            &raw.snapshots.size,
            raw.snapshots.storage_class.as_ref(),
        );
        self.quorum(raw);
        self.replication(raw);
        if raw.audit_days > 3650 {
            self.problems.add(
                key("qdrant.auditDays"),
                format!("is {}, but must be from 0 to 3650", raw.audit_days),
            );
        }
        Some(Qdrant {
            image: image?,
            replicas: raw.replicas,
            replication_factor: raw.replication_factor,
            write_consistency_factor: raw.write_consistency_factor,
            resources: resources?,
            storage: storage?,
            snapshots: snapshots?,
            audit_days: (raw.audit_days > 0).then_some(raw.audit_days),
            alt_api_key: raw.alt_api_key,
        })
    }

    fn quorum(&mut self, raw: &RawQdrant) {
        if !self.replicas("qdrant.replicas", raw.replicas) {
            return;
        }
        let replicas = raw.replicas;
        match raw.mode {
            RawQdrantMode::Single if replicas != 1 => self.problems.add_with_hint(
                key("qdrant.replicas"),
                format!("is {replicas}, but qdrant.mode is single"),
                "set phoenix:qdrant.mode to cluster, or replicas to 1",
            ),
            RawQdrantMode::Cluster if replicas.is_multiple_of(2) => self.problems.add_with_hint(
                key("qdrant.replicas"),
                format!("is {replicas}, but a cluster needs an odd number: one more peer would not tolerate more failures"),
                format!("use {}, or set phoenix:qdrant.mode to single", replicas + 1),
            ),
            RawQdrantMode::Cluster if replicas < 3 => self.problems.add_with_hint(
                key("qdrant.replicas"),
                format!("is {replicas}, but a cluster needs at least 3 for its quorum to survive the loss of one"),
                "use 3, or set phoenix:qdrant.mode to single",
            ),
            _ => {}
        }
        if self.is_prod && raw.mode == RawQdrantMode::Single {
            self.problems.add_with_hint(
                key("qdrant.mode"),
                "is single, but production must survive the loss of a peer",
                "set it to cluster with 3 replicas",
            );
        }
    }

    fn replication(&mut self, raw: &RawQdrant) {
        let is_cluster = raw.mode == RawQdrantMode::Cluster;
        let (factor, confirmed) = (raw.replication_factor, raw.write_consistency_factor);
        let (least, most) = if is_cluster {
            (2, raw.replicas.max(3))
        } else {
            (1, 1)
        };
        if !(least..=most).contains(&factor) {
            let message = if is_cluster {
                format!(
                    "is {factor}, but must be from {least} to {most}: a peer stores at most one copy of a shard, and a cluster needs at least two copies"
                )
            } else {
                format!("is {factor}, but must be 1, because qdrant.mode is single")
            };
            self.problems.add_with_hint(
                key("qdrant.replicationFactor"),
                message,
                format!("use {}", most.min(3)),
            );
            return;
        }
        let most = if is_cluster { factor - 1 } else { 1 };
        if !(1..=most).contains(&confirmed) {
            self.problems.add_with_hint(
                key("qdrant.writeConsistencyFactor"),
                format!("is {confirmed}, but {factor} peers store a shard: with one of them unavailable, {confirmed} could not confirm a write"),
                format!("use {most}, or increase phoenix:qdrant.replicationFactor"),
            );
        }
    }

    fn postgres(&mut self, raw: &RawPostgres) -> Option<Postgres> {
        let host = match self.known("postgres.host", &raw.host) {
            Some(host) => self.parse("postgres.host", host, HostName::parse),
            None => HostName::parse("postgres.placeholder.invalid").ok(),
        };
        if raw.port == 0 {
            self.problems
                .add(key("postgres.port"), "is 0, which is not a valid port");
        }
        self.networks("postgres.networks", &raw.networks, true);
        if raw.transport == PostgresTransport::Mesh && raw.networks.is_empty() {
            self.problems.add_with_hint(
                key("postgres.transport"),
                "is mesh, but phoenix:postgres.networks is empty, so only public addresses can be reached",
                "set phoenix:postgres.networks to the networks of the server's pods",
            );
        }
        Some(Postgres {
            host: host?,
            port: raw.port,
            transport: raw.transport,
            networks: raw.networks.clone(),
        })
    }

    fn resources(&mut self, path: &str, raw: &RawResources) -> Option<Resources> {
        let mut amounts = |name: &str, raw: &RawAmounts| {
            let cpu = self.cores(&format!("{path}.{name}.cpu"), &raw.cpu);
            let memory = self.bytes(&format!("{path}.{name}.memory"), &raw.memory);
            Some(Amounts {
                cpu: cpu?,
                memory: memory?,
            })
        };
        let requests = amounts("requests", &raw.requests);
        let limits = amounts("limits", &raw.limits);
        let (requests, limits) = (requests?, limits?);
        for (name, request, limit) in [
            ("cpu", &requests.cpu, &limits.cpu),
            ("memory", &requests.memory, &limits.memory),
        ] {
            if request > limit {
                let message = format!("is {limit}, which is less than its request of {request}");
                let hint = format!("increase it, or reduce phoenix:{path}.requests.{name}");
                self.problems
                    .add_with_hint(key(&format!("{path}.limits.{name}")), message, hint);
            }
        }
        Some(Resources { requests, limits })
    }

    fn volume(&mut self, path: &str, size: &str, class: Option<&OrPlaceholder<String>>) -> Option<Volume> {
        let size = self.bytes(&format!("{path}.size"), size);
        let class_path = format!("{path}.storageClass");
        let class = match class.and_then(|class| self.known(&class_path, class)) {
            Some(class) => Some(self.parse(&class_path, class, DnsName::parse)?),
            None => None,
        };
        Some(Volume {
            size: size?,
            storage_class: class,
        })
    }

    fn image(&mut self, path: &str, raw: &OrPlaceholder<String>, name: &str) -> Option<Image> {
        let Some(reference) = self.known(path, raw) else {
            return Some(Image::placeholder(name));
        };
        let image = self.parse(path, reference, Image::parse)?;
        if self.is_prod && !image.is_pinned() {
            self.problems.add_with_hint(
                key(path),
                format!("is {image}, but production requires images with a digest"),
                format!("append @sha256:…, the digest of {image} in its registry"),
            );
        }
        Some(image)
    }

    fn replicas(&mut self, path: &str, replicas: u32) -> bool {
        let legal = (1..=MOST_REPLICAS).contains(&replicas);
        if !legal {
            self.problems.add(
                key(path),
                format!("is {replicas}, but must be from 1 to {MOST_REPLICAS}"),
            );
        }
        legal
    }

    fn bytes(&mut self, path: &str, text: &str) -> Option<Quantity> {
        let quantity = self.parse(path, text, Quantity::parse)?;
        if quantity.is_plausible_size() {
            return Some(quantity);
        }
        let hint = match text.strip_suffix('m') {
            Some(number) => format!("use {number}Mi for mebibytes; m is a thousandth of a byte"),
            None => "add a unit such as Mi or Gi".to_owned(),
        };
        self.problems
            .add_with_hint(key(path), format!("is {text}, which is less than 1Mi"), hint);
        None
    }

    fn cores(&mut self, path: &str, text: &str) -> Option<Quantity> {
        let quantity = self.parse(path, text, Quantity::parse)?;
        if quantity.is_plausible_cpu() {
            return Some(quantity);
        }
        let hint = "use a number of cores such as 2, or thousandths of a core such as 500m";
        self.problems.add_with_hint(
            key(path),
            format!("is {text}, which is more than 10,000 cores"),
            hint,
        );
        None
    }

    fn dns_name(&mut self, path: &str, text: &str) -> Option<DnsName> {
        self.parse(path, text, DnsName::parse)
    }

    /// Checks networks. Those of external hosts must not contain addresses that never belong to one.
    fn networks(&mut self, path: &str, networks: &[String], external: bool) {
        for (position, network) in networks.iter().enumerate() {
            let key = key(&format!("{path}[{position}]"));
            let Some(parsed) = parse_network(network) else {
                let hint = "use the form 10.20.0.0/24, with the network address";
                self.problems.add_with_hint(
                    key,
                    format!("is {}, which is not an IPv4 network", shown_text(network)),
                    hint,
                );
                continue;
            };
            let overlaps = |reserved: &str| {
                parse_network(reserved)
                    .is_some_and(|reserved| reserved.contains(&parsed) || parsed.contains(&reserved))
            };
            if external
                && let Some((reserved, what)) = RESERVED
                    .iter()
                    .chain(&NEVER_EXTERNAL)
                    .find(|(reserved, _)| overlaps(reserved))
            {
                self.problems.add_with_hint(
                    key,
                    format!("is {network}, which includes {reserved}: {what}"),
                    "list only the networks that the host's addresses are in",
                );
            }
        }
    }

    fn not_empty(&mut self, path: &str, text: &str) {
        if text.trim().is_empty() {
            self.problems.add(key(path), "is an empty string");
        }
    }

    fn parse<T>(
        &mut self,
        path: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.problems
                    .add(key(path), format!("is {}, which {wrong}", shown_text(text)));
                None
            }
        }
    }

    /// The value, unless it is a placeholder, which is recorded.
    fn known<'a, T>(&mut self, path: &str, value: &'a OrPlaceholder<T>) -> Option<&'a T> {
        match value {
            OrPlaceholder::Value(value) => Some(value),
            OrPlaceholder::Placeholder(Placeholder { placeholder }) => {
                self.not_empty(&format!("{path}.placeholder"), placeholder);
                self.placeholders.push((key(path), placeholder.clone()));
                None
            }
        }
    }
}

/// A UID in the form of Kubernetes: 32 hexadecimal digits in five groups.
fn uid_of_cluster(text: &str) -> Result<String, &'static str> {
    let groups: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    if lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(is_digit)) {
        Ok(text.to_owned())
    } else {
        Err("is not a UID; `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints it")
    }
}

/// An IPv4 network, written with its network address and a prefix of at least one bit.
fn parse_network(text: &str) -> Option<Ipv4Net> {
    text.parse::<Ipv4Net>()
        .ok()
        .filter(|network| network.prefix_len() > 0 && network.trunc() == *network)
}

/// The identifier becomes the value of an annotation and part of messages.
fn identifier(text: &str) -> Result<String, &'static str> {
    is_identifier(text)
        .then(|| text.to_owned())
        .ok_or("is not an identifier of letters, digits, `-`, `_`, `.`, `:` and `/`")
}

/// Whether a text has only characters without a meaning in shells, templates and environment variables.
fn is_identifier(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte))
}
