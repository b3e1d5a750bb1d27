//! A fake API server of a cluster with everything that the stack `prod` requires, which a test can change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use phoenix::platform;
use phoenix_cli::stack_file::StackFile;
use phoenix_testing::http::{HttpStub, Request, Response};
use serde_json::{Value, json};

use crate::support::repository;

/// The UID of the cluster's Namespace `kube-system`.
pub const UID: &str = "7f4a2c1e-5b0d-4e8a-9c36-1d2e3f405162";

pub const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";
pub const DAEMON_SETS: &str = "/apis/apps/v1/daemonsets";
pub const ISTIOD: &str = "/apis/apps/v1/namespaces/istio-system/deployments";
pub const MESH: &str = "/api/v1/namespaces/istio-system/configmaps/istio";
pub const NODES: &str = "/api/v1/nodes";
pub const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// The response for each path; other paths are not found.
pub struct FakeCluster {
    answers: BTreeMap<String, (u16, Value)>,
    /// Resources and verbs that the user has no permission for.
    refused: BTreeSet<(String, String)>,
    /// How many of the next requests are answered with 429.
    throttled: AtomicUsize,
}

impl FakeCluster {
    /// A cluster that passes every check.
    pub fn good() -> Self {
        let mut cluster = Self {
            answers: BTreeMap::new(),
            refused: BTreeSet::new(),
            throttled: AtomicUsize::new(0),
        };
        cluster.version("37");
        cluster.set(
            "/api/v1/namespaces/kube-system",
            json!({"metadata": {"name": "kube-system", "uid": UID}}),
        );
        cluster.set(
            "/apis",
            json!({"kind": "APIGroupList", "groups": [{
                "name": "security.istio.io",
                "versions": [
                    {"groupVersion": "security.istio.io/v1", "version": "v1"},
                    {"groupVersion": "security.istio.io/v1beta1", "version": "v1beta1"},
                ],
            }]}),
        );
        cluster.set(
            "/apis/metrics.k8s.io/v1beta1",
            resources("metrics.k8s.io/v1beta1", &[]),
        );
        for (api_version, kinds) in kinds() {
            let root = if api_version.contains('/') { "apis" } else { "api" };
            let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
            cluster.set(&format!("/{root}/{api_version}"), resources(&api_version, &kinds));
        }
        cluster.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &[]);
        cluster.list(ISTIOD, &[istiod("1.30.3", 1)]);
        cluster.list(WEBHOOKS, &[webhook("default")]);
        cluster.list(
            DAEMON_SETS,
            &[daemon_set("istio-cni-node", 3, 3), daemon_set("cilium", 3, 3)],
        );
        let mesh = "pathNormalization:\n  normalization: DECODE_AND_MERGE_SLASHES\ndefaultConfig:\n  proxyMetadata:\n    ISTIO_META_DNS_CAPTURE: \"true\"\nextensionProviders:\n- name: phoenix-audit\n  envoyFileAccessLog:\n    path: /dev/stdout\n    logFormat:\n      labels:\n        who: \"%DOWNSTREAM_PEER_URI_SAN%\"\n        user: \"%REQ(X-PHOENIX-USER)%\"\n";
        cluster.set(
            MESH,
            json!({"metadata": {"name": "istio"}, "data": {"mesh": mesh}}),
        );
        cluster.list(CLASSES, &[class("standard", true)]);
        cluster.list(NODES, &["a", "b", "c"].map(|name| node(name, name)));
        for list in [
            "/apis/apps/v1/namespaces/sophia-memory/daemonsets",
            "/apis/apps/v1/namespaces/sophia-memory/deployments",
            "/apis/apps/v1/namespaces/sophia-memory/statefulsets",
            "/apis/networking.k8s.io/v1/namespaces/sophia-memory/networkpolicies",
            "/apis/security.istio.io/v1/namespaces/sophia-memory/authorizationpolicies",
            "/apis/security.istio.io/v1/namespaces/sophia-memory/peerauthentications",
            "/api/v1/namespaces/sophia-memory/persistentvolumeclaims",
        ] {
            cluster.list(list, &[]);
        }
        cluster
    }

    pub fn set(&mut self, path: &str, answer: Value) {
        self.answers.insert(path.to_owned(), (200, answer));
    }

    pub fn list(&mut self, path: &str, items: &[Value]) {
        self.set(path, json!({"kind": "List", "metadata": {}, "items": items}));
    }

    pub fn forget(&mut self, path: &str) {
        assert!(self.answers.remove(path).is_some(), "{path} was never known");
    }

    pub fn forbid(&mut self, path: &str) {
        assert!(self.answers.contains_key(path), "{path} is not asked for");
        self.answers
            .insert(path.to_owned(), (403, status(403, "Forbidden")));
    }

    /// Serves these kinds, each with its plural name and whether it is namespaced.
    pub fn serve_kinds(&mut self, api_version: &str, kinds: &[(&str, &str, bool)]) {
        let root = if api_version.contains('/') { "apis" } else { "api" };
        let resources: Vec<_> = kinds
            .iter()
            .map(|(kind, plural, namespaced)| {
                json!({"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]})
            })
            .collect();
        let list = json!({"kind": "APIResourceList", "groupVersion": api_version, "resources": resources});
        self.set(&format!("/{root}/{api_version}"), list);
    }

    /// The minor version of the API server.
    pub fn version(&mut self, minor: &str) {
        let version = json!({
            "major": "1", "minor": minor, "gitVersion": format!("v1.{}.2", minor.trim_end_matches('+')), "gitCommit": "",
            "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        });
        self.set("/version", version);
    }

    pub fn refuse(&mut self, resource: &str, verb: &str) {
        self.refused.insert((resource.to_owned(), verb.to_owned()));
    }

    /// Answers the first requests as an API server that is starting.
    pub fn throttle(&mut self, requests: usize) {
        self.throttled = AtomicUsize::new(requests);
    }

    /// Starts an API server with these answers.
    pub fn serve(self) -> Arc<HttpStub> {
        Arc::new(HttpStub::start(move |request| self.answer(request)))
    }

    fn answer(&self, request: &Request) -> Response {
        let throttled = |left: usize| left.checked_sub(1);
        if self.throttled.fetch_update(SeqCst, SeqCst, throttled).is_ok() {
            return Response::json(429, &status(429, "TooManyRequests"));
        }
        let path = request.path().trim_end_matches('/');
        // A list of Secrets contains their values; only their metadata may be requested.
        let metadata_only = request
            .header("accept")
            .to_lowercase()
            .contains("as=partialobjectmetadatalist");
        assert!(
            metadata_only || !path.ends_with("/secrets"),
            "values of Secrets are requested"
        );
        let page = request
            .query()
            .split('&')
            .find(|part| part.starts_with("continue=") || part.starts_with("fieldSelector="));
        let page = page
            .map(|page| format!("{path}?{page}"))
            .filter(|page| self.answers.contains_key(page));
        let path = page.as_deref().unwrap_or(path);
        let (code, answer) = if path.ends_with("/selfsubjectaccessreviews") {
            (201, self.review(&request.json()))
        } else {
            let nothing = || (404, status(404, "NotFound"));
            self.answers.get(path).cloned().unwrap_or_else(nothing)
        };
        Response::json(code, &answer)
    }

    fn review(&self, asked: &Value) -> Value {
        let text = |field: &str| {
            asked["spec"]["resourceAttributes"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let allowed = !self.refused.contains(&(text("resource"), text("verb")));
        let mut answer = asked.clone();
        answer["status"] = json!({"allowed": allowed});
        answer
    }
}

/// The kinds that the stack `prod` uses, by API version.
fn kinds() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(repository().join("stacks/Pulumi.prod.yaml")).unwrap();
    let config = StackFile::parse("prod", text).unwrap().checked().unwrap();
    let mut kinds = BTreeMap::<_, BTreeSet<_>>::new();
    for object in platform::build(&config).objects() {
        kinds
            .entry(object.api_version.clone())
            .or_default()
            .insert(object.id.kind.clone());
    }
    kinds
}

fn resources(api_version: &str, kinds: &[&str]) -> Value {
    let resources: Vec<_> = kinds
        .iter()
        .map(|kind| {
            let name = kind.to_lowercase();
            let plural = match name.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{name}s"),
            };
            json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]})
        })
        .collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources})
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}

/// istiod of a version, with this number of ready pods.
pub fn istiod(version: &str, ready: u32) -> Value {
    json!({
        "metadata": {"name": "istiod", "namespace": "istio-system"},
        "spec": {"selector": {}, "template": {"spec": {"containers": [
            {"name": "discovery", "image": format!("registry.example/pilot:{version}")},
        ]}}},
        "status": {"readyReplicas": ready},
    })
}

/// The injector of a revision.
pub fn webhook(revision: &str) -> Value {
    json!({"metadata": {"name": "istio-sidecar-injector", "labels": {"istio.io/rev": revision}}})
}

/// A `DaemonSet` with this name, desired on `wanted` nodes and ready on `ready`.
pub fn daemon_set(name: &str, wanted: u32, ready: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "kube-system"},
        "status": {"desiredNumberScheduled": wanted, "numberReady": ready, "currentNumberScheduled": wanted, "numberMisscheduled": 0},
    })
}

/// A storage class.
pub fn class(name: &str, is_default: bool) -> Value {
    json!({
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": is_default.to_string()}},
        "provisioner": "example",
    })
}

/// A ready node with accelerators in a zone.
pub fn node(name: &str, zone: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": zone,
            "lambdalabs.com/gpu-type": "rtx-4090",
        }},
        "spec": {"taints": [{"key": "lambdalabs.com/gpu", "value": "true", "effect": "NoSchedule"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}
