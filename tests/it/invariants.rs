//! Properties of every graph: of the shipped stacks, and of randomly generated configurations.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PodTemplateSpec, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use phoenix::config::{check, secret};
use phoenix::names::WORKLOADS;
use phoenix::platform;
use phoenix_graph::{Graph, Id, Object, references};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generators::good;
use crate::support::{STACKS, stack};

/// Namespaces of other teams.
const NEIGHBOURS: [&str; 2] = ["sophia-ai", "sophia-mcp"];

/// Everything that is wrong with a graph, as sentences. Empty for every graph that we build.
pub fn findings(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for object in graph.objects() {
        names_are_legal(object, &mut found);
        labels_are_there(object, &mut found);
        references_resolve(graph, object, &mut found);
        containers_are_safe(object, &mut found);
        selectors_match(graph, object, &mut found);
    }
    hosts_of_ours_are_there(graph, &mut found);
    neighbours_are_left_alone(graph, &mut found);
    services_reach_pods(graph, &mut found);
    stores_are_not_shared(graph, &mut found);
    found
}

fn names_are_legal(object: &Object, found: &mut Vec<String>) {
    let legal = |name: &str, longest: usize| {
        (1..=longest).contains(&name.len())
            && name.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            })
    };
    // Services are labels of a host name; what a pod's name is made from leaves room for its suffix.
    let longest = match object.id.kind.as_str() {
        "Service" => 63,
        "StatefulSet" | "Deployment" => 52,
        _ => 253,
    };
    if !legal(&object.id.name, longest) {
        found.push(format!("{} has an illegal name", object.id));
    }
}

fn labels_are_there(object: &Object, found: &mut Vec<String>) {
    for key in [
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/managed-by",
    ] {
        let label = object
            .body()
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(key));
        if label.is_none() {
            found.push(format!("{} has no label {key}", object.id));
        }
    }
    let manager = object
        .body()
        .pointer("/metadata/annotations")
        .and_then(|all| all.get("pulumi.com/patchFieldManager"));
    if manager.is_none() {
        found.push(format!("{} has no fixed field manager", object.id));
    }
    let holds_data = [
        "Namespace",
        "Secret",
        "ExternalSecret",
        "StatefulSet",
        "PersistentVolumeClaim",
    ]
    .contains(&object.id.kind.as_str());
    let is_ours = !NEIGHBOURS.contains(&object.id.name.as_str());
    let classified = object
        .body()
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get("phoenix.ai/data-classification"));
    if holds_data && is_ours && classified.is_none() {
        found.push(format!("{} has no data classification", object.id));
    }
}

fn references_resolve(graph: &Graph, object: &Object, found: &mut Vec<String>) {
    for reference in references(object) {
        // A neighbour's namespace is there already where we do not make it.
        let is_neighbour =
            reference.target.kind == "Namespace" && NEIGHBOURS.contains(&reference.target.name.as_str());
        // A Postgres server in the mesh is in a namespace of its own operator.
        let is_postgres = reference.target.kind == "Service"
            && reference.target.namespace.as_deref() == Some("databases")
            && reference.target.name == "postgres";
        let is_elsewhere = is_neighbour || is_postgres;
        let is_made = graph
            .objects()
            .any(|object| references::made_by(object).as_ref() == Some(&reference.target));
        if graph.object(&reference.target).is_none() && !is_elsewhere && !is_made && !reference.optional {
            found.push(format!(
                "{} names {}, which is not there",
                object.id, reference.target
            ));
        }
    }
    // Keys of Secrets and ConfigMaps are references too.
    for container in containers(object) {
        for variable in list(container, "env") {
            for (kind, field, data) in [
                ("Secret", "secretKeyRef", "stringData"),
                ("ConfigMap", "configMapKeyRef", "data"),
            ] {
                let Some(reference) = variable.pointer(&format!("/valueFrom/{field}")) else {
                    continue;
                };
                // The pod does without it.
                if reference["optional"] == json!(true) {
                    continue;
                }
                let (name, key) = (
                    reference["name"].as_str().unwrap(),
                    reference["key"].as_str().unwrap(),
                );
                let id = Id::namespaced("", kind, object.id.namespace.as_deref().unwrap(), name);
                // What the cluster makes has the keys of the inventory, as its environment promises.
                let is_made = graph
                    .objects()
                    .any(|object| references::made_by(object).as_ref() == Some(&id))
                    && secret::INVENTORY
                        .iter()
                        .any(|row| (row.secret, row.data_key) == (name, key));
                let has_key = is_made
                    || graph
                        .object(&id)
                        .is_some_and(|target| target.body()[data].get(key).is_some());
                if !has_key {
                    found.push(format!(
                        "{} reads the key {key} of {id}, which is not there",
                        object.id
                    ));
                }
            }
        }
    }
}

fn containers_are_safe(object: &Object, found: &mut Vec<String>) {
    let Some(pod) = references::pod_spec(object) else {
        return;
    };
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{} {what}", object.id));
        }
    };
    demand(
        pod["automountServiceAccountToken"] == json!(false),
        "mounts a token",
    );
    demand(
        pod["securityContext"]["runAsNonRoot"] == json!(true),
        "may run as root",
    );
    demand(
        pod["securityContext"]["seccompProfile"]["type"] == json!("RuntimeDefault"),
        "filters no system calls",
    );
    for container in containers(object) {
        let security = &container["securityContext"];
        demand(
            security["capabilities"]["drop"] == json!(["ALL"]),
            "keeps capabilities",
        );
        demand(
            security["allowPrivilegeEscalation"] == json!(false),
            "may gain privileges",
        );
        demand(
            security["readOnlyRootFilesystem"] == json!(true),
            "has a writable root",
        );
        // What runs before the others is done when it has ended, and the API server refuses probes of it; whoever runs once is
        // done when he ends, and nobody waits for him to answer.
        let ends = list(pod, "initContainers").any(|first| first["name"] == container["name"])
            || ["CronJob", "Job"].contains(&object.id.kind.as_str());
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            demand(ends || container.get(probe).is_some(), &format!("has no {probe}"));
        }
        for amount in [
            "/requests/cpu",
            "/requests/memory",
            "/limits/cpu",
            "/limits/memory",
        ] {
            demand(
                container["resources"].pointer(amount).is_some(),
                &format!("does not say {amount}"),
            );
        }
        let volumes: BTreeSet<_> = list(pod, "volumes")
            .map(|volume| volume["name"].as_str().unwrap().to_owned())
            .chain(
                list(&object.body()["spec"], "volumeClaimTemplates")
                    .map(|claim| claim["metadata"]["name"].as_str().unwrap().to_owned()),
            )
            .collect();
        for mount in list(container, "volumeMounts") {
            demand(
                volumes.contains(mount["name"].as_str().unwrap()),
                &format!("mounts {}, which is no volume", mount["name"]),
            );
        }
    }
}

/// A selector that selects nothing is a mistake, in a policy even a dangerous one.
fn selectors_match(graph: &Graph, object: &Object, found: &mut Vec<String>) {
    let selector = match object.id.kind.as_str() {
        "NetworkPolicy" => object.body().pointer("/spec/podSelector"),
        "PodDisruptionBudget"
        | "AuthorizationPolicy"
        | "PeerAuthentication"
        | "RequestAuthentication"
        | "Deployment"
        | "StatefulSet" => object.body().pointer("/spec/selector"),
        // Istio's own way to write a selector.
        "Sidecar" | "ServiceEntry" => object.body().pointer("/spec/workloadSelector/labels"),
        _ => None,
    };
    let Some(selector) = selector else { return };
    let wanted = match selector.get("matchLabels") {
        Some(_) => serde_json::from_value::<LabelSelector>(selector.clone())
            .unwrap()
            .match_labels
            .unwrap_or_default(),
        None => serde_json::from_value(selector.clone()).unwrap(),
    };
    let own_only = ["Deployment", "StatefulSet"].contains(&object.id.kind.as_str());
    let matched = pods(graph)
        .into_iter()
        .any(|(owner, labels)| (!own_only || owner == object.id) && contains(&labels, &wanted));
    if !matched {
        found.push(format!("{} selects no pod", object.id));
    }
}

/// Whether a stateful set of the platform's namespace has this pod behind this Service.
fn is_pod_behind(graph: &Graph, pod: &str, service: &str) -> bool {
    let Some((set, number)) = pod.rsplit_once('-') else {
        return false;
    };
    let id = Id::namespaced("apps", "StatefulSet", "sophia-memory", set);
    graph.object(&id).is_some_and(|set| {
        let spec = &set.body()["spec"];
        spec["serviceName"] == service
            && number
                .parse::<u64>()
                .is_ok_and(|number| Some(number) < spec["replicas"].as_u64())
    })
}

/// Every host of the platform's namespace in a setting or a file is a Service with that port.
fn hosts_of_ours_are_there(graph: &Graph, found: &mut Vec<String>) {
    const OURS: &str = ".sophia-memory.svc.cluster.local";
    let in_name = |character: char| character.is_ascii_alphanumeric() || "-.".contains(character);
    for object in graph.objects() {
        for text in texts(object.body()) {
            for (at, _) in text.match_indices(OURS) {
                let name = text[..at].rsplit(|character| !in_name(character)).next().unwrap();
                let port = text[at + OURS.len()..].strip_prefix(':').map(|rest| {
                    let end = rest.find(|character: char| !character.is_ascii_digit());
                    rest[..end.unwrap_or(rest.len())]
                        .parse::<u16>()
                        .unwrap_or_default()
                });
                // A pod of a stateful set has a name of its own behind the Service.
                let service = match name.split_once('.') {
                    Some((pod, service)) if is_pod_behind(graph, pod, service) => service,
                    _ => name,
                };
                let id = Id::namespaced("", "Service", "sophia-memory", service);
                let ports: Vec<_> = graph
                    .object(&id)
                    .into_iter()
                    .flat_map(|service| list(&service.body()["spec"], "ports"))
                    .collect();
                if ports.is_empty() {
                    found.push(format!("{} names the host {name}, which is not there", object.id));
                } else if port.is_some_and(|port| ports.iter().all(|served| served["port"] != json!(port))) {
                    found.push(format!(
                        "{} names a port of {name} that it does not have",
                        object.id
                    ));
                }
            }
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// In a namespace that the stack does not own, objects select only the stack's own workloads.
fn neighbours_are_left_alone(graph: &Graph, found: &mut Vec<String>) {
    let neighbours = graph.objects().filter(|object| {
        let namespace = object.id.namespace.as_deref();
        namespace.is_some_and(|namespace| NEIGHBOURS.contains(&namespace))
    });
    for object in neighbours {
        let selector = match object.id.kind.as_str() {
            // What selects nothing reaches nobody, and an autoscaler names whom it is about.
            "ConfigMap"
            | "Secret"
            | "ExternalSecret"
            | "SecretStore"
            | "ServiceAccount"
            | "HorizontalPodAutoscaler" => continue,
            "Service" => object.body().pointer("/spec/selector"),
            "DestinationRule" => {
                let host = object.body()["spec"]["host"].as_str().unwrap_or_default();
                let ours = WORKLOADS
                    .iter()
                    .any(|workload| workload.service.is_some() && workload.host() == host);
                if !ours {
                    found.push(format!("{} is about a host of a neighbour", object.id));
                }
                continue;
            }
            "NetworkPolicy" => object.body().pointer("/spec/podSelector/matchLabels"),
            "Sidecar" => object.body().pointer("/spec/workloadSelector/labels"),
            _ => object.body().pointer("/spec/selector/matchLabels"),
        };
        if selector
            .and_then(Value::as_object)
            .is_none_or(serde_json::Map::is_empty)
        {
            found.push(format!("{} is about pods of a neighbour", object.id));
        }
    }
}

fn services_reach_pods(graph: &Graph, found: &mut Vec<String>) {
    for (object, service) in graph.all::<Service>() {
        let spec = service.spec.unwrap();
        let wanted = spec.selector.unwrap_or_default();
        let targets: Vec<_> = graph
            .objects()
            .filter(|target| pod_labels(target).is_some_and(|labels| contains(&labels, &wanted)))
            .collect();
        if targets.is_empty() || wanted.is_empty() {
            found.push(format!("{} has no pods behind it", object.id));
        }
        for port in spec.ports.unwrap_or_default() {
            if port.app_protocol.is_none() {
                found.push(format!(
                    "{} does not say what is spoken on {}",
                    object.id, port.port
                ));
            }
            let number = json!(port.port);
            let served = targets.iter().all(|target| {
                containers(target)
                    .into_iter()
                    .any(|container| list(container, "ports").any(|port| port["containerPort"] == number))
            });
            if !served {
                found.push(format!(
                    "{} has a port {} that no container serves",
                    object.id, port.port
                ));
            }
        }
    }
}

/// The number of a deployment's pods is its autoscaler's alone, and a claim that one node may mount never serves a
/// workload that may have two pods.
fn stores_are_not_shared(graph: &Graph, found: &mut Vec<String>) {
    for object in graph.objects().filter(|object| object.id.kind == "Deployment") {
        let most = graph
            .objects()
            .find(|other| other.id.kind == "HorizontalPodAutoscaler" && other.id.name == object.id.name)
            .and_then(|autoscaler| autoscaler.body().pointer("/spec/maxReplicas"));
        if most.is_none() || object.body().pointer("/spec/replicas").is_some() {
            found.push(format!(
                "{} has its number of pods from two sides, or from none",
                object.id
            ));
        }
        for reference in references(object) {
            let Some(claim) = graph
                .object(&reference.target)
                .filter(|claim| claim.id.kind == "PersistentVolumeClaim")
            else {
                continue;
            };
            let exclusive = claim.body()["spec"]["accessModes"] == json!(["ReadWriteOnce"]);
            if exclusive && most != Some(&json!(1)) {
                found.push(format!("{} may have several pods on {}", object.id, claim.id));
            }
        }
    }
}

fn containers(object: &Object) -> Vec<&Value> {
    references::pod_spec(object)
        .map(|pod| {
            list(pod, "containers")
                .chain(list(pod, "initContainers"))
                .collect()
        })
        .unwrap_or_default()
}

fn pods(graph: &Graph) -> Vec<(Id, BTreeMap<String, String>)> {
    graph
        .objects()
        .filter_map(|object| Some((object.id.clone(), pod_labels(object)?)))
        .collect()
}

fn pod_labels(object: &Object) -> Option<BTreeMap<String, String>> {
    references::pod_spec(object)?;
    let pointers = ["/spec/template", "/spec/jobTemplate/spec/template"];
    let template: PodTemplateSpec = serde_json::from_value(
        pointers
            .into_iter()
            .find_map(|pointer| object.body().pointer(pointer))?
            .clone(),
    )
    .ok()?;
    template.metadata?.labels
}

fn contains(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[test]
fn the_shipped_stacks_satisfy_all_invariants() {
    for name in STACKS {
        assert_eq!(findings(&stack(name).graph), Vec::<String>::new(), "{name}");
    }
}

/// All reads of the stack's Secrets: the Secret, its key, the workload, the container, the variable.
fn readings(graph: &Graph) -> BTreeSet<[String; 5]> {
    let mut found = BTreeSet::new();
    for object in graph.objects() {
        for container in containers(object) {
            for variable in list(container, "env") {
                // What a person brings is of no inventory; `load_test` says which that may be.
                let reference = variable.pointer("/valueFrom/secretKeyRef");
                if let Some(reference) = reference.filter(|reference| reference["optional"] != json!(true)) {
                    found.insert(
                        [
                            &reference["name"],
                            &reference["key"],
                            &json!(object.id.name),
                            &container["name"],
                            &variable["name"],
                        ]
                        .map(|text| text.as_str().unwrap().to_owned()),
                    );
                }
            }
        }
    }
    found
}

#[test]
fn every_secret_that_a_pod_reads_is_a_row_and_every_reader_in_a_row_reads_it() {
    for name in STACKS {
        let stack = stack(name);
        let workloads = stack.config.workloads();
        let reported: BTreeSet<_> = stack
            .config
            .secrets_needed()
            .into_iter()
            .flat_map(|row| row.readers.iter().map(move |reader| (row, reader)))
            .filter(|(_, reader)| workloads.contains(&reader.workload))
            .map(|(row, reader)| {
                [
                    row.secret,
                    row.data_key,
                    reader.workload.name,
                    reader.container,
                    reader.variable,
                ]
                .map(str::to_owned)
            })
            .collect();
        assert_eq!(readings(&stack.graph), reported, "{name}");
    }
    for row in secret::INVENTORY {
        // The key of the checksums is for the program alone: beside a checksum, it would let somebody try out guesses.
        let is_of_the_program = *row == secret::CHECKSUM_KEY;
        assert_eq!(row.readers.is_empty(), is_of_the_program, "{}", row.key);
        assert_eq!(row.secret.is_empty(), is_of_the_program, "{}", row.key);
        assert_eq!(row.data_key.is_empty(), is_of_the_program, "{}", row.key);
    }
}

#[test]
fn secrets_reach_pods_as_variables_of_the_inventory_only() {
    for name in STACKS {
        for object in stack(name).graph.objects() {
            let text = references::pod_spec(object)
                .map(Value::to_string)
                .unwrap_or_default();
            for way in ["secretRef", "secretName", "\"secret\":"] {
                assert!(!text.contains(way), "{} of {name} uses {way}", object.id);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_valid_configuration_satisfies_all_invariants(keys in good()) {
        let graph = platform::build(&check(&keys).map_err(|problems| TestCaseError::fail(problems.to_string()))?);
        prop_assert_eq!(findings(&graph), Vec::<String>::new());
    }
}

/// Breaks one thing in prod and returns the violations.
fn broken(kind: &str, name: &str, pointer: &str, value: &Value) -> Vec<String> {
    let mut graph = Graph::default();
    let mut hit = false;
    for object in stack("prod").graph.objects() {
        let mut body = object.body().clone();
        if object.id.kind == kind && object.id.name == name {
            *body
                .pointer_mut(pointer)
                .unwrap_or_else(|| panic!("{} has {pointer}", object.id)) = value.clone();
            hit = true;
        }
        graph.add(Object::from_json(&object.component, body).unwrap());
    }
    assert!(hit, "prod has {kind} {name}");
    findings(&graph)
}

#[test]
fn each_kind_of_breakage_is_found() {
    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    let cases = [
        (
            "Service",
            "qdrant-service",
            "/spec/selector/app".to_owned(),
            json!("qdrnt"),
            "has no pods behind it",
        ),
        (
            "Service",
            "qdrant-service",
            "/spec/ports/0/appProtocol".to_owned(),
            Value::Null,
            "does not say what is spoken",
        ),
        (
            "Service",
            "qdrant-service",
            "/spec/ports/0/port".to_owned(),
            json!(6444),
            "no container serves",
        ),
        (
            "StatefulSet",
            "qdrant",
            "/spec/selector/matchLabels/app".to_owned(),
            json!("other"),
            "selects no pod",
        ),
        (
            "StatefulSet",
            "qdrant",
            "/spec/serviceName".to_owned(),
            json!("nowhere"),
            "which is not there",
        ),
        (
            "Deployment",
            "openmemory-mcp-server",
            format!("{container}/env/0/valueFrom/secretKeyRef/key"),
            json!("none"),
            "reads the key none",
        ),
        (
            "Deployment",
            "openmemory-mcp-server",
            format!("{pod}/serviceAccountName"),
            json!("nobody"),
            "which is not there",
        ),
        (
            "Deployment",
            "openmemory-mcp-server",
            format!("{container}/securityContext/capabilities/drop"),
            json!([]),
            "keeps capabilities",
        ),
        (
            "Deployment",
            "openmemory-mcp-server",
            format!("{container}/livenessProbe"),
            Value::Null,
            "has no livenessProbe",
        ),
        (
            "Deployment",
            "openmemory-mcp-server",
            format!("{container}/volumeMounts/0/name"),
            json!("nothing"),
            "is no volume",
        ),
        (
            "PersistentVolumeClaim",
            "memory-pvc",
            "/spec/accessModes".to_owned(),
            json!(["ReadWriteOnce"]),
            "may have several pods",
        ),
        (
            "HorizontalPodAutoscaler",
            "openmemory-mcp-server",
            "/metadata/name".to_owned(),
            json!("other"),
            "has its number of pods from two sides, or from none",
        ),
        (
            "NetworkPolicy",
            "qdrant",
            "/spec/podSelector/matchLabels/app".to_owned(),
            json!("qdrnt"),
            "selects no pod",
        ),
        (
            "Sidecar",
            "qdrant",
            "/spec/workloadSelector/labels/app".to_owned(),
            json!("qdrnt"),
            "selects no pod",
        ),
        (
            "Sidecar",
            "openmemory-mcp-server",
            "/spec/egress/0/hosts/0".to_owned(),
            json!("./qdrnt.sophia-memory.svc.cluster.local"),
            "which is not there",
        ),
        (
            "VirtualService",
            "sophia-memory-routing",
            "/spec/gateways/1".to_owned(),
            json!("sophia-memory/nowhere"),
            "which is not there",
        ),
        (
            "Namespace",
            "sophia-memory",
            "/metadata/labels/app.kubernetes.io~1name".to_owned(),
            Value::Null,
            "has no label",
        ),
        (
            "StatefulSet",
            "qdrant",
            "/spec/replicas".to_owned(),
            json!(0),
            "names the host qdrant-0.qdrant-headless, which is not there",
        ),
        (
            "Service",
            "openmemory-mcp-service",
            "/metadata/name".to_owned(),
            json!("other"),
            "names the host openmemory-mcp-service, which is not there",
        ),
        (
            "ConfigMap",
            "phoenix-mem0-config",
            "/data/phoenix_mem0_mcp_config.json".to_owned(),
            json!("http://qdrant-service.sophia-memory.svc.cluster.local:6335/"),
            "names a port of qdrant-service that it does not have",
        ),
        (
            "NetworkPolicy",
            "deny-all",
            "/metadata/namespace".to_owned(),
            json!("sophia-ai"),
            "is about pods of a neighbour",
        ),
        (
            "ConfigMap",
            "qdrant-config",
            "/metadata/name".to_owned(),
            json!("Qdrant_Config"),
            "illegal name",
        ),
    ];
    for (kind, name, pointer, value, expected) in cases {
        let found = broken(kind, name, &pointer, &value);
        assert!(
            found.iter().any(|finding| finding.contains(expected)),
            "{kind} {name} {pointer}: {found:?}"
        );
    }
}
