//! The objects that an object refers to by name.
//!
//! Registration orders by these references, tests demand that they resolve, and rules follow
//! them. A reference is only what the API server itself would look up; selectors are not names.

use serde_json::Value;

use crate::pod_template::pod_template;
use crate::{Id, Object};

/// A reference from one object to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The object that is referred to.
    pub target: Id,
    /// The top-level field with the reference, such as `spec`.
    pub field: &'static str,
    /// Whether the target may be missing.
    pub optional: bool,
}

/// All references of `object`, including its namespace, in a fixed order and without duplicates.
pub fn references(object: &Object) -> Vec<Reference> {
    let mut found = Found {
        namespace: object.id.namespace.as_deref(),
        references: Vec::new(),
    };
    if let Some(namespace) = &object.id.namespace {
        found.push(Id::cluster("", "Namespace", namespace), "metadata", false);
    }
    let body = object.body();
    match object.id.kind.as_str() {
        "StatefulSet" => found.named("", "Service", body.pointer("/spec/serviceName"), "spec", false),
        "HorizontalPodAutoscaler" => found.scale_target(body.pointer("/spec/scaleTargetRef")),
        "RoleBinding" | "ClusterRoleBinding" => found.role(body),
        "VirtualService" => found.routes(body),
        "DestinationRule" => found.host(body.pointer("/spec/host")),
        "Sidecar" => found.egress(body),
        "SecretStore" => found.store_login(body),
        "ExternalSecret" => found.store(body),
        _ => {}
    }
    if let Some(pod) = pod_spec(object) {
        found.pod(pod);
    }
    found.references
}

/// The pod spec of a workload of any kind; `None` for objects without pods.
pub fn pod_spec(object: &Object) -> Option<&Value> {
    let pod = object.body().pointer(pod_template(&object.id.kind)?)?;
    pod.get("spec")
}

/// The object that the cluster creates from `object` and that others may refer to: the Secret of an `ExternalSecret`.
pub fn made_by(object: &Object) -> Option<Id> {
    let body = object.body();
    let name = (object.id.kind == "ExternalSecret").then(|| body.pointer("/spec/target/name"))??;
    let namespace = object.id.namespace.as_deref()?;
    Some(Id::namespaced("", "Secret", namespace, name.as_str()?))
}

struct Found<'a> {
    namespace: Option<&'a str>,
    references: Vec<Reference>,
}

impl Found<'_> {
    fn push(&mut self, target: Id, field: &'static str, optional: bool) {
        let reference = Reference {
            target,
            field,
            optional,
        };
        if !self.references.contains(&reference) {
            self.references.push(reference);
        }
    }

    fn named(&mut self, group: &str, kind: &str, name: Option<&Value>, field: &'static str, optional: bool) {
        if let (Some(namespace), Some(name)) = (self.namespace, name.and_then(Value::as_str)) {
            self.push(Id::namespaced(group, kind, namespace, name), field, optional);
        }
    }

    fn pod(&mut self, pod: &Value) {
        self.named("", "ServiceAccount", pod.get("serviceAccountName"), "spec", false);
        for secret in items(pod, "/imagePullSecrets") {
            // The kubelet ignores a missing Secret and pulls the image without credentials.
            self.named("", "Secret", secret.get("name"), "spec", true);
        }
        for volume in items(pod, "/volumes") {
            self.volume(volume);
            for source in items(volume, "/projected/sources") {
                self.volume(source);
                self.named(
                    "",
                    "Secret",
                    source.pointer("/secret/name"),
                    "spec",
                    is_optional(source.get("secret")),
                );
            }
        }
        for container in ["/containers", "/initContainers"]
            .into_iter()
            .flat_map(|pointer| items(pod, pointer))
        {
            for variable in items(container, "/env") {
                self.source(variable.get("valueFrom"), "secretKeyRef", "configMapKeyRef");
            }
            for source in items(container, "/envFrom") {
                self.source(Some(source), "secretRef", "configMapRef");
            }
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.named(
            "",
            "PersistentVolumeClaim",
            volume.pointer("/persistentVolumeClaim/claimName"),
            "spec",
            false,
        );
        self.named(
            "",
            "Secret",
            volume.pointer("/secret/secretName"),
            "spec",
            is_optional(volume.get("secret")),
        );
        self.named(
            "",
            "ConfigMap",
            volume.pointer("/configMap/name"),
            "spec",
            is_optional(volume.get("configMap")),
        );
    }

    fn source(&mut self, source: Option<&Value>, secret: &str, config_map: &str) {
        for (kind, field) in [("Secret", secret), ("ConfigMap", config_map)] {
            let reference = source.and_then(|source| source.get(field));
            self.named(
                "",
                kind,
                reference.and_then(|reference| reference.get("name")),
                "spec",
                is_optional(reference),
            );
        }
    }

    fn scale_target(&mut self, target: Option<&Value>) {
        let kind = target
            .and_then(|target| target.get("kind"))
            .and_then(Value::as_str);
        let api_version = target
            .and_then(|target| target.get("apiVersion"))
            .and_then(Value::as_str);
        if let (Some(target), Some(kind), Some(api_version)) = (target, kind, api_version) {
            let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
            self.named(group, kind, target.get("name"), "spec", false);
        }
    }

    /// The store of an `ExternalSecret`, if it is in the same namespace.
    fn store(&mut self, body: &Value) {
        let reference = body.pointer("/spec/secretStoreRef");
        let kind = reference.and_then(|reference| reference.get("kind"));
        if kind.is_none_or(|kind| kind == "SecretStore") {
            let name = reference.and_then(|reference| reference.get("name"));
            self.named("external-secrets.io", "SecretStore", name, "spec", false);
        }
    }

    /// The credentials of a Pulumi ESC store. Its access token exists before any object of a graph, so its Secret is external.
    fn store_login(&mut self, body: &Value) {
        let account = body.pointer("/spec/provider/pulumi/auth/oidcConfig/serviceAccountRef/name");
        self.named("", "ServiceAccount", account, "spec", false);
        let token = body.pointer("/spec/provider/pulumi/auth/accessToken/secretRef/name");
        self.named("", "Secret", token, "spec", true);
    }

    fn role(&mut self, body: &Value) {
        const GROUP: &str = "rbac.authorization.k8s.io";
        match body.pointer("/roleRef/kind").and_then(Value::as_str) {
            Some("Role") => self.named(GROUP, "Role", body.pointer("/roleRef/name"), "roleRef", false),
            Some(kind) => {
                if let Some(name) = body.pointer("/roleRef/name").and_then(Value::as_str) {
                    self.push(Id::cluster(GROUP, kind, name), "roleRef", false);
                }
            }
            None => {}
        }
        for subject in items(body, "/subjects") {
            let text = |field: &str| subject.get(field).and_then(Value::as_str);
            if let (Some("ServiceAccount"), Some(name), Some(namespace)) =
                (text("kind"), text("name"), text("namespace").or(self.namespace))
            {
                self.push(
                    Id::namespaced("", "ServiceAccount", namespace, name),
                    "subjects",
                    false,
                );
            }
        }
    }

    fn routes(&mut self, body: &Value) {
        for gateway in items(body, "/spec/gateways").filter_map(Value::as_str) {
            // `mesh` is not an object: it means all sidecars.
            if gateway == "mesh" {
                continue;
            }
            let (namespace, name) = match gateway.split_once('/') {
                Some((namespace, name)) => (Some(namespace), name),
                None => (self.namespace, gateway),
            };
            if let Some(namespace) = namespace {
                let gateway = Id::namespaced("networking.istio.io", "Gateway", namespace, name);
                self.push(gateway, "spec", false);
            }
        }
        for kind in ["/spec/http", "/spec/tcp", "/spec/tls"] {
            for route in items(body, kind) {
                for destination in items(route, "/route") {
                    self.host(destination.pointer("/destination/host"));
                }
            }
        }
    }

    /// The hosts of a Sidecar, each prefixed with a namespace; `.` is its own namespace. Patterns are not references.
    fn egress(&mut self, body: &Value) {
        for listener in items(body, "/spec/egress") {
            for host in items(listener, "/hosts").filter_map(Value::as_str) {
                if let Some((_, host)) = host.split_once('/').filter(|(_, host)| !host.contains('*')) {
                    self.host(Some(&Value::from(host)));
                }
            }
        }
    }

    /// A host in the cluster refers to a Service; other hosts are not references.
    fn host(&mut self, host: Option<&Value>) {
        let Some(host) = host.and_then(Value::as_str) else {
            return;
        };
        let mut labels = host.split('.');
        let (Some(name), namespace, domain) = (labels.next(), labels.next(), labels.next()) else {
            return;
        };
        match (namespace, domain) {
            (None, None) => {
                if let Some(namespace) = self.namespace {
                    self.push(Id::namespaced("", "Service", namespace, name), "spec", false);
                }
            }
            (Some(namespace), Some("svc")) => {
                self.push(Id::namespaced("", "Service", namespace, name), "spec", false);
            }
            _ => {}
        }
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn is_optional(reference: Option<&Value>) -> bool {
    reference
        .and_then(|reference| reference.get("optional"))
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn targets(body: Value) -> Vec<String> {
        let object = Object::from_json("tests", body).unwrap();
        references(&object)
            .iter()
            .map(|reference| reference.target.to_string())
            .collect()
    }

    #[test]
    fn a_workload_names_all_that_its_pods_need() {
        let named = targets(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "qdrant", "namespace": "memory"},
            "spec": {"serviceName": "qdrant-headless", "template": {"spec": {
                "serviceAccountName": "qdrant",
                "volumes": [{"configMap": {"name": "config"}}, {"persistentVolumeClaim": {"claimName": "claim"}}],
                "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}]}],
            }}},
        }));
        assert_eq!(
            named,
            [
                "Namespace memory",
                "Service memory/qdrant-headless",
                "ServiceAccount memory/qdrant",
                "ConfigMap memory/config",
                "PersistentVolumeClaim memory/claim",
                "Secret memory/keys"
            ]
        );
    }

    #[test]
    fn a_route_names_its_gateways_and_services() {
        let named = targets(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "a", "namespace": "memory"},
            "spec": {
                "gateways": ["mesh", "own", "edge/front"],
                "http": [{"route": [{"destination": {"host": "server.memory.svc.cluster.local"}}]}],
            },
        }));
        assert_eq!(
            named,
            [
                "Namespace memory",
                "Gateway memory/own",
                "Gateway edge/front",
                "Service memory/server"
            ]
        );
    }

    #[test]
    fn an_external_secret_names_its_store_and_its_target_secret() {
        let store = targets(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "esc", "namespace": "memory"},
            "spec": {"provider": {"pulumi": {"auth": {"oidcConfig": {"serviceAccountRef": {"name": "reader"}}}}}},
        }));
        assert_eq!(store, ["Namespace memory", "ServiceAccount memory/reader"]);
        let body = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "keys", "namespace": "memory"},
            "spec": {"secretStoreRef": {"kind": "SecretStore", "name": "esc"}, "target": {"name": "made"}},
        });
        assert_eq!(
            targets(body.clone()),
            ["Namespace memory", "SecretStore memory/esc"]
        );
        let made = made_by(&Object::from_json("tests", body).unwrap()).unwrap();
        assert_eq!(made.to_string(), "Secret memory/made");
    }

    #[test]
    fn a_sidecar_names_the_services_that_it_knows() {
        let named = targets(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Sidecar",
            "metadata": {"name": "a", "namespace": "memory"},
            "spec": {"egress": [{"hosts": [
                "./qdrant.memory.svc.cluster.local", "./api.openai.com", "other/*", "~/*"
            ]}]},
        }));
        assert_eq!(named, ["Namespace memory", "Service memory/qdrant"]);
    }

    #[test]
    fn a_host_outside_the_cluster_names_nothing() {
        let rule = |host: &str| {
            json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                   "metadata": {"name": "a", "namespace": "memory"}, "spec": {"host": host}})
        };
        assert_eq!(targets(rule("api.openai.com")), ["Namespace memory"]);
        assert_eq!(
            targets(rule("qdrant.other.svc.cluster.local")),
            ["Namespace memory", "Service other/qdrant"]
        );
        assert_eq!(
            targets(rule("qdrant")),
            ["Namespace memory", "Service memory/qdrant"]
        );
    }
}
