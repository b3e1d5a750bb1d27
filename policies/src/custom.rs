//! Custom resources: which of them have pod templates, which of them become pods without one, and which never become pods.

use phoenix_graph::Object;
use serde_json::Value;

use crate::field::is_unknown;
use crate::kind::Kind;

/// What is known about the pods of an object that is not a workload of Kubernetes itself.
#[derive(Debug)]
pub(crate) enum Custom<'a> {
    /// Its pod templates with their paths.
    Templates(Vec<(String, &'a Value)>),
    /// A controller creates pods from it, but it has no pod template.
    Unreadable,
    /// Nothing is known about its controller.
    MayCreatePods,
    /// No controller creates pods from it.
    CreatesNone,
}

/// The pods of an object that is not a workload of Kubernetes itself.
pub(crate) fn pods_of(object: &Object) -> Custom<'_> {
    let (group, kind) = (object.id.group.as_str(), object.id.kind.as_str());
    if is_built_in(group) || is_listed(CONFIGURATION, group, kind) {
        return Custom::CreatesNone;
    }
    let mut found = Vec::new();
    find(object.body(), &mut String::new(), 0, &mut found);
    let is_server = SERVERS.iter().any(|server| server.is(group, kind));
    if !found.is_empty() {
        Custom::Templates(found)
    } else if is_listed(WITHOUT_PODS, group, kind) {
        Custom::CreatesNone
    } else if is_server || is_listed(OPERATED, group, kind) {
        Custom::Unreadable
    } else {
        Custom::MayCreatePods
    }
}

/// Whether the controller of an object merges its pod templates with fields of its own.
pub(crate) fn merges_templates(object: &Object) -> bool {
    let (group, kind) = (object.id.group.as_str(), object.id.kind.as_str());
    !is_built_in(group) && !SERVERS.iter().any(|server| server.is(group, kind))
}

/// Custom resources that run a number of equal pods from `spec.template` until they are stopped, as a Deployment does.
pub(crate) const SERVERS: &[Kind] = &[
    Kind::new(&["argoproj.io"], "Rollout"),
    Kind::new(&["apps.openshift.io"], "DeploymentConfig"),
    Kind::new(&["apps.kruise.io"], "CloneSet"),
    Kind::new(&["apps.kruise.io"], "StatefulSet"),
];

/// The nesting up to which pod templates are searched for.
const DEPTH: usize = 32;

/// Finds pod templates: mappings with `spec.containers` below a key such as `template` or `podTemplate`, and whole Pods.
fn find<'a>(value: &'a Value, path: &mut String, depth: usize, found: &mut Vec<(String, &'a Value)>) {
    if depth > DEPTH {
        return;
    }
    let length = path.len();
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                if depth == 0 && ["metadata", "status"].contains(&key.as_str()) {
                    continue;
                }
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                if is_pod(key, child) {
                    found.push((path.clone(), child));
                } else {
                    find(child, path, depth + 1, found);
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                path.extend(["[", &index.to_string(), "]"]);
                if is_pod("", child) {
                    found.push((path.clone(), child));
                } else {
                    find(child, path, depth + 1, found);
                }
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn is_pod(key: &str, value: &Value) -> bool {
    let is_template = key.ends_with("emplate");
    let containers = value.pointer("/spec/containers");
    let is_readable = containers.is_some_and(|list| list.is_array() || is_unknown(list))
        && (is_template || value["kind"] == "Pod");
    let is_mark = is_unknown(value) || value.get("spec").is_some_and(is_unknown);
    is_readable || (is_mark && ["template", "podTemplate"].contains(&key))
}

/// Whether an API group belongs to Kubernetes, or to a project of it without pod templates.
fn is_built_in(group: &str) -> bool {
    const PLAIN: [&str; 6] = ["", "apps", "autoscaling", "batch", "extensions", "policy"];
    const BELOW: [&str; 20] = [
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "autoscaling",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "gateway.networking",
        "metrics",
        "networking",
        "node",
        "policy.networking",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
    ];
    let is_below = |group: &str| {
        let group = group.strip_prefix("snapshot.").unwrap_or(group);
        BELOW.contains(&group)
    };
    PLAIN.contains(&group) || group.strip_suffix(".k8s.io").is_some_and(is_below)
}

/// API groups, or those below them if they begin with a dot, and their kinds; no kinds are all kinds.
type Listed = [(&'static str, &'static [&'static str])];

fn is_listed(listed: &Listed, group: &str, kind: &str) -> bool {
    listed.iter().any(|(of, kinds)| {
        let is_group = *of == group || (of.starts_with('.') && (group.ends_with(of) || group == &of[1..]));
        is_group && (kinds.is_empty() || kinds.contains(&kind))
    })
}

/// Groups whose resources configure something and never become pods; patterns of policies in them look like templates.
const CONFIGURATION: &Listed = &[
    (".istio.io", &[]),
    (".cert-manager.io", &[]),
    (".external-secrets.io", &[]),
    (".kyverno.io", &[]),
    (".gatekeeper.sh", &[]),
    (".sigstore.dev", &[]),
    (".cilium.io", &[]),
    (".projectcalico.org", &[]),
    (".linkerd.io", &[]),
    (".velero.io", &[]),
    (".traefik.io", &[]),
    (".traefik.containo.us", &[]),
    (".projectcontour.io", &[]),
    (".konghq.com", &[]),
    (".metallb.io", &[]),
    (".gke.io", &[]),
    (".cloud.google.com", &[]),
    (".k8s.aws", &[]),
    (".karpenter.sh", &[]),
    (".wgpolicyk8s.io", &[]),
    ("externaldns.k8s.io", &[]),
    ("secrets-store.csi.x-k8s.io", &[]),
    ("source.toolkit.fluxcd.io", &[]),
    ("notification.toolkit.fluxcd.io", &[]),
    ("security.openshift.io", &[]),
    ("route.openshift.io", &[]),
    ("authorization.openshift.io", &[]),
];

/// Custom resources that become pods only if they contain a template.
const WITHOUT_PODS: &Listed = &[
    ("bitnami.com", &["SealedSecret"]),
    (
        "keda.sh",
        &[
            "ScaledObject",
            "TriggerAuthentication",
            "ClusterTriggerAuthentication",
        ],
    ),
    (
        "argoproj.io",
        &["AppProject", "AnalysisTemplate", "ClusterAnalysisTemplate"],
    ),
    (
        "monitoring.coreos.com",
        &[
            "AlertmanagerConfig",
            "PodMonitor",
            "Probe",
            "PrometheusRule",
            "ScrapeConfig",
            "ServiceMonitor",
        ],
    ),
    (
        "grafana.integreatly.org",
        &["GrafanaDashboard", "GrafanaDatasource", "GrafanaFolder"],
    ),
    ("longhorn.io", &["Setting", "RecurringJob"]),
];

/// Custom resources from which a controller creates pods without a template.
const OPERATED: &Listed = &[
    (
        "monitoring.coreos.com",
        &["Alertmanager", "Prometheus", "PrometheusAgent", "ThanosRuler"],
    ),
    (
        "serving.kserve.io",
        &["InferenceGraph", "InferenceService", "LLMInferenceService"],
    ),
    ("serving.knative.dev", &["Configuration", "Revision", "Service"]),
    (
        "argoproj.io",
        &[
            "ArgoCD",
            "CronWorkflow",
            "EventBus",
            "EventSource",
            "Sensor",
            "Workflow",
        ],
    ),
    ("tekton.dev", &["PipelineRun", "TaskRun"]),
    ("postgresql.cnpg.io", &["Cluster", "Pooler"]),
    ("acid.zalan.do", &["postgresql"]),
    (
        "postgres-operator.crunchydata.com",
        &["PostgresCluster", "PGAdmin"],
    ),
    ("mysql.oracle.com", &["InnoDBCluster"]),
    ("k8s.mariadb.com", &["MariaDB", "MaxScale"]),
    (
        ".percona.com",
        &[
            "PerconaPGCluster",
            "PerconaServerMongoDB",
            "PerconaServerMySQL",
            "PerconaXtraDBCluster",
        ],
    ),
    ("mongodbcommunity.mongodb.com", &["MongoDBCommunity"]),
    ("mongodb.com", &["MongoDB", "MongoDBOpsManager"]),
    ("neo4j.com", &[]),
    ("scylla.scylladb.com", &["ScyllaCluster"]),
    ("cassandra.datastax.com", &["CassandraDatacenter"]),
    ("k8ssandra.io", &["K8ssandraCluster"]),
    ("clickhouse.altinity.com", &["ClickHouseInstallation"]),
    (
        "clickhouse-keeper.altinity.com",
        &["ClickHouseKeeperInstallation"],
    ),
    ("databases.spotahome.com", &["RedisFailover"]),
    (
        ".opstreelabs.in",
        &["Redis", "RedisCluster", "RedisReplication", "RedisSentinel"],
    ),
    ("rabbitmq.com", &["RabbitmqCluster"]),
    (
        "kafka.strimzi.io",
        &[
            "Kafka",
            "KafkaBridge",
            "KafkaConnect",
            "KafkaMirrorMaker2",
            "KafkaNodePool",
        ],
    ),
    (".k8s.elastic.co", &[]),
    ("opensearch.opster.io", &["OpenSearchCluster"]),
    ("milvus.io", &["Milvus"]),
    ("minio.min.io", &["Tenant"]),
    ("opentelemetry.io", &["OpenTelemetryCollector"]),
    ("jaegertracing.io", &["Jaeger"]),
    ("grafana.integreatly.org", &["Grafana"]),
    ("loki.grafana.com", &["LokiStack"]),
    ("tempo.grafana.com", &["TempoMonolithic", "TempoStack"]),
    (
        "operator.victoriametrics.com",
        &[
            "VLogs",
            "VMAgent",
            "VMAlert",
            "VMAlertmanager",
            "VMAuth",
            "VMCluster",
            "VMSingle",
        ],
    ),
    ("k8s.keycloak.org", &["Keycloak"]),
    ("ray.io", &["RayCluster", "RayJob", "RayService"]),
    ("kubeflow.org", &[]),
    (
        "sparkoperator.k8s.io",
        &["ScheduledSparkApplication", "SparkApplication"],
    ),
    ("flink.apache.org", &["FlinkDeployment", "FlinkSessionJob"]),
    ("solr.apache.org", &["SolrCloud"]),
    (
        "longhorn.io",
        &["Engine", "InstanceManager", "Replica", "ShareManager"],
    ),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_found_at_any_place_but_not_in_configuration() {
        let containers = json!({"spec": {"containers": [{"name": "a"}]}});
        let paths = |group: &str, kind: &str, spec: Value| {
            let body = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "a"}, "spec": spec});
            let object = Object::from_json("tests", body).unwrap();
            match pods_of(&object) {
                Custom::Templates(found) => found.into_iter().map(|(path, _)| path).collect(),
                other => vec![format!("{other:?}")],
            }
        };
        for (group, kind, spec, expected) in [
            (
                "argoproj.io",
                "Rollout",
                json!({"template": containers}),
                vec!["spec.template"],
            ),
            ("argoproj.io", "Rollout", json!({}), vec!["Unreadable"]),
            (
                "batch.volcano.sh",
                "Job",
                json!({"tasks": [{"template": containers}, {"template": containers}]}),
                vec!["spec.tasks[0].template", "spec.tasks[1].template"],
            ),
            (
                "keda.sh",
                "ScaledJob",
                json!({"jobTargetRef": {"template": containers}}),
                vec!["spec.jobTargetRef.template"],
            ),
            (
                "work.open-cluster-management.io",
                "ManifestWork",
                json!({"manifests": [{"kind": "Pod", "spec": containers["spec"]}, {"kind": "Deployment", "spec": {"template": containers}}]}),
                vec!["spec.manifests[0]", "spec.manifests[1].spec.template"],
            ),
            (
                "argoproj.io",
                "AnalysisTemplate",
                json!({"metrics": [{"provider": {"job": {"spec": {"template": containers}}}}]}),
                vec!["spec.metrics[0].provider.job.spec.template"],
            ),
            ("argoproj.io", "AnalysisTemplate", json!({}), vec!["CreatesNone"]),
            (
                "kyverno.io",
                "ClusterPolicy",
                json!({"template": containers}),
                vec!["CreatesNone"],
            ),
            (
                "monitoring.coreos.com",
                "Prometheus",
                json!({"containers": []}),
                vec!["Unreadable"],
            ),
            (
                "monitoring.coreos.com",
                "PrometheusRule",
                json!({}),
                vec!["CreatesNone"],
            ),
            (
                "security.istio.io",
                "PeerAuthentication",
                json!({}),
                vec!["CreatesNone"],
            ),
            ("storage.k8s.io", "StorageClass", json!({}), vec!["CreatesNone"]),
            ("example.org", "Database", json!({}), vec!["MayCreatePods"]),
        ] {
            assert_eq!(
                paths(group, kind, spec.clone()),
                expected,
                "{group} {kind} {spec}"
            );
        }
    }
}
