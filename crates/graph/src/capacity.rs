//! The resources that the objects of a graph request, and the quotas that limit them.
//!
//! Counted are the requests of pods, as the scheduler counts them, and the sizes of claims. Containers that a webhook adds, such
//! as sidecars of the mesh, are not in the graph. A value that cannot be read counts as nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pod_template::pod_template;
use crate::quantity::thousandths;
use crate::{Graph, Object};

/// Requested resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// The pods of workloads that run all the time.
    pub workloads: Resources,
    /// What autoscalers can add to them.
    pub autoscaling: Resources,
    /// The pods of `DaemonSet`s on each node.
    pub per_node: Resources,
    /// The pods of Jobs and `CronJob`s, if all of them run at the same time.
    pub jobs: Resources,
    /// The bytes of claims by storage class. The default class is empty.
    pub storage: BTreeMap<String, u128>,
}

/// Resources of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The number of pods.
    pub pods: u64,
    /// Thousandths of cores, of bytes of memory and of devices, by the name of the resource.
    pub requests: BTreeMap<String, u128>,
}

/// A limit of a quota, and what the objects in its namespace can request at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// The namespace.
    pub namespace: String,
    /// The resource, as the quota calls it.
    pub resource: String,
    /// Thousandths of what the workloads, with all autoscalers and Jobs, request.
    pub used: u128,
    /// Thousandths of the limit.
    pub hard: u128,
}

impl Resources {
    /// The thousandths of a resource.
    pub fn get(&self, resource: &str) -> u128 {
        self.requests.get(resource).copied().unwrap_or_default()
    }

    /// Whether nothing is requested.
    pub fn is_empty(&self) -> bool {
        self.pods == 0
    }

    fn add(&mut self, pod: &BTreeMap<String, u128>, pods: u64) {
        if pods == 0 {
            return;
        }
        self.pods = self.pods.saturating_add(pods);
        for (resource, amount) in pod {
            let sum = self.requests.entry(resource.clone()).or_default();
            *sum = sum.saturating_add(amount.saturating_mul(pods.into()));
        }
    }
}

impl Capacity {
    /// What all objects request.
    pub fn of(graph: &Graph) -> Self {
        Self::of_objects(graph, |_| true)
    }

    /// What the objects of a namespace request.
    pub fn in_namespace(graph: &Graph, namespace: &str) -> Self {
        Self::of_objects(graph, |object| object.id.namespace.as_deref() == Some(namespace))
    }

    fn of_objects(graph: &Graph, is_counted: impl Fn(&Object) -> bool) -> Self {
        let mut capacity = Self::default();
        for object in graph.objects().filter(|object| is_counted(object)) {
            let body = object.body();
            if object.id.kind == "PersistentVolumeClaim" && object.id.group.is_empty() {
                capacity.claim(body, 1);
            }
            let Some(spec) =
                pod_template(&object.id.kind).and_then(|template| body.pointer(&format!("{template}/spec")))
            else {
                continue;
            };
            let pod = pod_requests(spec);
            let count = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64);
            let pods = match object.id.kind.as_str() {
                "DaemonSet" => {
                    capacity.per_node.add(&pod, 1);
                    continue;
                }
                "Job" | "CronJob" => {
                    let parallelism =
                        count("/spec/parallelism").or(count("/spec/jobTemplate/spec/parallelism"));
                    if body.pointer("/spec/suspend") != Some(&Value::Bool(true)) {
                        capacity.jobs.add(&pod, parallelism.unwrap_or(1));
                    }
                    continue;
                }
                "Pod" => 1,
                _ => count("/spec/replicas").unwrap_or(1),
            };
            let (pods, more) = match autoscaler(graph, object) {
                Some((least, most)) => (least, most.saturating_sub(least)),
                None => (pods, 0),
            };
            capacity.workloads.add(&pod, pods);
            capacity.autoscaling.add(&pod, more);
            let templates = body
                .pointer("/spec/volumeClaimTemplates")
                .and_then(Value::as_array);
            for template in templates.into_iter().flatten() {
                capacity.claim(template, pods);
            }
        }
        capacity
    }

    fn claim(&mut self, claim: &Value, number: u64) {
        let size = claim
            .pointer("/spec/resources/requests/storage")
            .and_then(thousandths);
        let class = claim.pointer("/spec/storageClassName").and_then(Value::as_str);
        let bytes = size.unwrap_or_default() / 1_000;
        let sum = self
            .storage
            .entry(class.unwrap_or_default().to_owned())
            .or_default();
        *sum = sum.saturating_add(bytes.saturating_mul(number.into()));
    }

    /// The bytes of all claims.
    pub fn storage(&self) -> u128 {
        self.storage.values().sum()
    }

    /// The largest use of a resource of pods: with all autoscalers, and all Jobs at the same time.
    fn at_most(&self, resource: &str) -> u128 {
        [&self.workloads, &self.autoscaling, &self.jobs]
            .iter()
            .map(|resources| resources.get(resource))
            .sum()
    }
}

/// The limits of all quotas without scopes, with their use.
pub fn quotas(graph: &Graph) -> Vec<QuotaUse> {
    let mut found = Vec::new();
    for quota in graph.objects().filter(|object| object.id.kind == "ResourceQuota") {
        let body = quota.body();
        let is_scoped = ["/spec/scopes", "/spec/scopeSelector"]
            .iter()
            .any(|field| body.pointer(field).is_some_and(|value| !value.is_null()));
        let Some(namespace) = quota.id.namespace.as_deref().filter(|_| !is_scoped) else {
            continue;
        };
        let capacity = Capacity::in_namespace(graph, namespace);
        let pods = [&capacity.workloads, &capacity.autoscaling, &capacity.jobs]
            .iter()
            .map(|resources| u128::from(resources.pods))
            .sum::<u128>();
        let hard = body.pointer("/spec/hard").and_then(Value::as_object);
        for (resource, hard) in hard.into_iter().flatten() {
            let used = match resource.as_str() {
                "cpu" | "requests.cpu" => capacity.at_most("cpu"),
                "memory" | "requests.memory" => capacity.at_most("memory"),
                "requests.storage" => capacity.storage().saturating_mul(1_000),
                "pods" | "count/pods" => pods.saturating_mul(1_000),
                _ => continue,
            };
            if let Some(hard) = thousandths(hard) {
                found.push(QuotaUse {
                    namespace: namespace.to_owned(),
                    resource: resource.clone(),
                    used,
                    hard,
                });
            }
        }
    }
    found
}

/// The least and the largest number of pods that an autoscaler sets.
fn autoscaler(graph: &Graph, workload: &Object) -> Option<(u64, u64)> {
    let scaler = graph.objects().find(|object| {
        let target = |field: &str| {
            let pointer = format!("/spec/scaleTargetRef/{field}");
            object.body().pointer(&pointer).and_then(Value::as_str)
        };
        object.id.kind == "HorizontalPodAutoscaler"
            && object.id.namespace == workload.id.namespace
            && target("kind") == Some(&workload.id.kind)
            && target("name") == Some(&workload.id.name)
    })?;
    let count = |pointer: &str| scaler.body().pointer(pointer).and_then(Value::as_u64);
    Some((
        count("/spec/minReplicas").unwrap_or(1),
        count("/spec/maxReplicas")?,
    ))
}

/// The requests of a pod, as the scheduler counts them: of all containers together, or of an init container that runs before
/// them if it requests more.
fn pod_requests(spec: &Value) -> BTreeMap<String, u128> {
    let containers = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
    let mut running = BTreeMap::new();
    let mut starting: BTreeMap<String, u128> = BTreeMap::new();
    for container in containers("initContainers") {
        let requests = requests(container);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            add_all(&mut running, &requests);
            largest(&mut starting, &running);
        } else {
            let mut together = running.clone();
            add_all(&mut together, &requests);
            largest(&mut starting, &together);
        }
    }
    for container in containers("containers") {
        add_all(&mut running, &requests(container));
    }
    largest(&mut running, &starting);
    if let Some(overhead) = spec.get("overhead") {
        add_all(&mut running, &amounts(overhead));
    }
    running
}

/// The requests of a container; without a request, the limit counts.
fn requests(container: &Value) -> BTreeMap<String, u128> {
    let of = |field: &str| container.pointer(field).map(amounts).unwrap_or_default();
    let mut requests = of("/resources/limits");
    requests.extend(of("/resources/requests"));
    requests
}

fn amounts(resources: &Value) -> BTreeMap<String, u128> {
    let entries = resources.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.clone(), thousandths(value)?)))
        .collect()
}

fn add_all(sum: &mut BTreeMap<String, u128>, more: &BTreeMap<String, u128>) {
    for (resource, amount) in more {
        let sum = sum.entry(resource.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}

fn largest(so_far: &mut BTreeMap<String, u128>, other: &BTreeMap<String, u128>) {
    for (resource, amount) in other {
        let largest = so_far.entry(resource.clone()).or_default();
        *largest = (*largest).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph(objects: &[Value]) -> Graph {
        let mut graph = Graph::of("tests");
        for object in objects {
            graph.add(Object::from_json("tests", object.clone()).unwrap());
        }
        graph
    }

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"name": "a", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    fn workload(kind: &str, replicas: u64, spec: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a", "namespace": "n"},
            "spec": {"replicas": replicas, "template": {"spec": spec}},
        })
    }

    fn claim(size: &str) -> Value {
        json!({"metadata": {"name": "data"}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": size}}}})
    }

    #[test]
    fn pods_are_counted_as_the_scheduler_counts_them() {
        let limits_only = json!({"name": "b", "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "2"}}});
        let sidecar =
            json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}});
        let spec = json!({
            "containers": [container("500m", "1Gi"), limits_only],
            "initContainers": [sidecar, container("2", "512Mi")],
            "overhead": {"cpu": "10m"},
        });
        let capacity = Capacity::of(&graph(&[workload("Deployment", 3, &spec)]));
        assert_eq!(capacity.workloads.pods, 3);
        // 2 cores of the init container beside the sidecar are more than 1.6 cores afterwards.
        assert_eq!(capacity.workloads.get("cpu"), 3 * 2_110);
        assert_eq!(capacity.workloads.get("memory"), 3 * 1_073_741_824_000);
        assert_eq!(capacity.workloads.get("nvidia.com/gpu"), 3 * 2_000);
        assert!(capacity.jobs.is_empty() && capacity.per_node.is_empty());
    }

    #[test]
    fn autoscalers_jobs_nodes_and_claims_are_counted_apart() {
        let spec = json!({"containers": [container("1", "1Gi")]});
        let mut set = workload("StatefulSet", 2, &spec);
        set["spec"]["volumeClaimTemplates"] = json!([claim("10Gi"), claim("1Gi")]);
        let scaler = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a", "namespace": "n"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "minReplicas": 2, "maxReplicas": 5},
        });
        let cron_job = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "n"},
            "spec": {"jobTemplate": {"spec": {"parallelism": 2, "template": {"spec": spec}}}},
        });
        let mut suspended = cron_job.clone();
        suspended["metadata"]["name"] = "d".into();
        suspended["spec"]["suspend"] = true.into();
        let mut alone = claim("5Gi");
        alone["apiVersion"] = "v1".into();
        alone["kind"] = "PersistentVolumeClaim".into();
        alone["metadata"]["namespace"] = "n".into();
        alone["spec"]["storageClassName"] = Value::Null;
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "n"},
            "spec": {"hard": {"requests.cpu": "8", "pods": "20", "services": "5", "requests.storage": "27Gi"}},
        });
        let graph = graph(&[
            workload("Deployment", 9, &spec),
            set,
            workload("DaemonSet", 1, &spec),
            scaler,
            cron_job,
            suspended,
            alone,
            quota,
        ]);
        let capacity = Capacity::of(&graph);
        assert_eq!((capacity.workloads.pods, capacity.autoscaling.pods), (4, 3));
        assert_eq!((capacity.jobs.pods, capacity.per_node.pods), (2, 1));
        let gib = 1_u128 << 30;
        let expected = [(String::new(), 5 * gib), ("fast".to_owned(), 22 * gib)];
        assert_eq!(capacity.storage, BTreeMap::from(expected));
        let quotas: Vec<_> = quotas(&graph)
            .into_iter()
            .map(|quota| (quota.resource, quota.used, quota.hard))
            .collect();
        assert_eq!(
            quotas,
            [
                ("pods".to_owned(), 9_000, 20_000),
                ("requests.cpu".to_owned(), 9_000, 8_000),
                ("requests.storage".to_owned(), 27 * gib * 1_000, 27 * gib * 1_000),
            ]
        );
        assert_eq!(Capacity::in_namespace(&graph, "other"), Capacity::default());
    }
}
