//! The same fault in every form that the Kubernetes API allows, and configurations that only resemble a fault.
//!
//! A fault can be in a place that a rule does not expect: in an init container of a `CronJob` of a removed API version, as the
//! two halves of the address space, in an aggregated role. Each row is such a manifest with the correct verdict.

use phoenix_graph::Object;
use phoenix_policies::kind::WORKLOADS;
use phoenix_policies::{Rule, Scope, Verdict};
use serde_json::{Value, json};

use crate::support::{documents, verdicts};

/// Every form of a pod: the API version, the kind, and the pointer of the pod template.
const SHAPES: [(&str, &str, &str); 20] = [
    ("v1", "Pod", ""),
    ("v1", "PodTemplate", "/template"),
    ("v1", "ReplicationController", "/spec/template"),
    ("apps/v1", "Deployment", "/spec/template"),
    ("apps/v1", "StatefulSet", "/spec/template"),
    ("apps/v1", "DaemonSet", "/spec/template"),
    ("apps/v1", "ReplicaSet", "/spec/template"),
    ("apps/v1beta1", "Deployment", "/spec/template"),
    ("apps/v1beta1", "StatefulSet", "/spec/template"),
    ("apps/v1beta2", "Deployment", "/spec/template"),
    ("apps/v1beta2", "StatefulSet", "/spec/template"),
    ("apps/v1beta2", "DaemonSet", "/spec/template"),
    ("apps/v1beta2", "ReplicaSet", "/spec/template"),
    ("extensions/v1beta1", "Deployment", "/spec/template"),
    ("extensions/v1beta1", "DaemonSet", "/spec/template"),
    ("extensions/v1beta1", "ReplicaSet", "/spec/template"),
    ("batch/v1", "Job", "/spec/template"),
    ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
    ("batch/v1beta1", "CronJob", "/spec/jobTemplate/spec/template"),
    ("batch/v2alpha1", "CronJob", "/spec/jobTemplate/spec/template"),
];

/// A pod in another form.
fn shaped(pod: &Value, (version, kind, place): (&str, &str, &str)) -> Value {
    if place.is_empty() {
        return pod.clone();
    }
    let template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
    let inner = place
        .trim_start_matches('/')
        .rsplit('/')
        .fold(template, |below, key| json!({key: below}));
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
    object
        .as_object_mut()
        .unwrap()
        .extend(inner.as_object().unwrap().clone());
    object
}

/// The rules about single pods, with the pods of their examples.
fn about_pods() -> Vec<(&'static Rule, Value, Value)> {
    let of_pods = phoenix_policies::RULES.iter().filter(|rule| {
        rule.scope() == Scope::Resource
            && WORKLOADS.iter().all(|kind| {
                rule.applies_to(if kind.name == "Pod" { "" } else { "apps" }, kind.name) || {
                    ["", "batch"]
                        .iter()
                        .any(|group| rule.applies_to(group, kind.name))
                }
            })
    });
    of_pods
        .filter_map(|rule| {
            let (good, bad) = (
                documents(rule.text.good).remove(0),
                documents(rule.text.bad).remove(0),
            );
            (good["kind"] == "Pod" && bad["kind"] == "Pod").then_some((*rule, good, bad))
        })
        .collect()
}

fn one(rule: &Rule, document: &Value) -> Verdict {
    verdicts(rule, std::slice::from_ref(document)).remove(0).1
}

#[test]
fn a_pod_is_evaluated_alike_in_every_workload_kind() {
    let rules = about_pods();
    assert!(rules.len() > 20, "{} rules are about pods", rules.len());
    for (rule, good, bad) in rules {
        for shape in SHAPES {
            let (good, bad) = (shaped(&good, shape), shaped(&bad, shape));
            assert_eq!(one(rule, &good), Verdict::Pass, "{} of {shape:?}", rule.id);
            assert!(
                matches!(one(rule, &bad), Verdict::Fail(_)),
                "{} of {shape:?}",
                rule.id
            );
        }
    }
}

#[test]
fn init_and_ephemeral_containers_are_evaluated_like_others() {
    // Ephemeral containers can have neither limits nor probes; an init container is not asked whether it is alive.
    let excepted = |rule: &str, list: &str| {
        rule == "health-probes-set" || (rule.starts_with("resource-") && list == "ephemeralContainers")
    };
    for (rule, good, bad) in about_pods() {
        for list in ["initContainers", "ephemeralContainers"] {
            let moved = |pod: &Value| {
                let mut pod = pod.clone();
                let spec = pod["spec"].as_object_mut().unwrap();
                let containers = spec.remove("containers").unwrap();
                spec.insert(list.to_owned(), containers);
                pod
            };
            if excepted(rule.id, list) {
                continue;
            }
            assert_eq!(one(rule, &moved(&good)), Verdict::Pass, "{} in {list}", rule.id);
            assert!(
                matches!(one(rule, &moved(&bad)), Verdict::Fail(_)),
                "{} in {list}",
                rule.id
            );
        }
    }
}

/// The verdict of a rule on the first document of a text.
fn word(rule: &str, text: &str) -> &'static str {
    let rule = phoenix_policies::rules::find(rule).unwrap_or_else(|| panic!("there is no rule {rule}"));
    let documents = documents(text);
    let first = Object::from_json("tests", documents[0].clone())
        .unwrap()
        .id
        .to_string();
    let verdicts = verdicts(rule, &documents);
    let of_first = verdicts.iter().find(|(subject, _)| *subject == first);
    match &of_first.expect("the rule checks the object").1 {
        Verdict::Pass => "pass",
        Verdict::AssumedPass(_) => "assumed",
        Verdict::Fail(_) => "fail",
        Verdict::NotApplicable(_) => "aside",
        Verdict::Unknown(_) => "unknown",
    }
}

pub fn all_are(rows: &[(&str, &str, &str)], whole: impl Fn(&str) -> String) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|(rule, text, expected)| {
            let verdict = word(rule, &whole(text));
            (verdict != *expected).then(|| format!("{rule}: {verdict} instead of {expected} for {text}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pods_are_checked_as_kubernetes_interprets_them() {
    let rows = [
        // https://kubernetes.io/docs/concepts/security/pod-security-standards/
        (
            "run-as-non-root",
            "securityContext: {runAsNonRoot: false}\n  containers: [{name: a, securityContext: {runAsNonRoot: true}}]",
            "fail",
        ),
        (
            "run-as-non-root",
            "containers: [{name: a, securityContext: {runAsNonRoot: true}}]",
            "pass",
        ),
        (
            "run-as-non-root",
            "securityContext: {runAsNonRoot: true}\n  containers: [{name: a}, {name: b, securityContext: {runAsNonRoot: false}}]",
            "fail",
        ),
        (
            "run-as-non-root",
            "securityContext: {runAsNonRoot: true}\n  containers: [{name: a, securityContext: {runAsUser: 0}}]",
            "fail",
        ),
        (
            "run-as-non-root",
            "hostUsers: false\n  containers: [{name: a, securityContext: {runAsUser: 0}}]",
            "aside",
        ),
        (
            "run-as-non-root",
            "hostUsers: true\n  containers: [{name: a, securityContext: {runAsUser: 0}}]",
            "fail",
        ),
        (
            "run-as-non-root",
            "os: {name: windows}\n  containers: [{name: a}]",
            "fail",
        ),
        (
            "no-privilege-escalation",
            "os: {name: windows}\n  containers: [{name: a}]",
            "aside",
        ),
        (
            "drop-all-capabilities",
            "os: {name: windows}\n  containers: [{name: a}]",
            "aside",
        ),
        (
            "seccomp-runtime-default",
            "os: {name: windows}\n  containers: [{name: a}]",
            "aside",
        ),
        (
            "seccomp-runtime-default",
            "securityContext: {seccompProfile: {type: Unconfined}}\n  containers: [{name: a, securityContext: {seccompProfile: {type: RuntimeDefault}}}]",
            "fail",
        ),
        (
            "seccomp-runtime-default",
            "containers: [{name: a, securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}}]",
            "pass",
        ),
        (
            "seccomp-runtime-default",
            "securityContext: {seccompProfile: {type: RuntimeDefault}}\n  initContainers: [{name: b, securityContext: {seccompProfile: {type: Unconfined}}}]\n  containers: [{name: a}]",
            "fail",
        ),
        (
            "drop-all-capabilities",
            "containers: [{name: a, securityContext: {capabilities: {drop: [NET_RAW, ALL]}}}]",
            "pass",
        ),
        (
            "drop-all-capabilities",
            "containers: [{name: a, securityContext: {capabilities: {drop: [all]}}}]",
            "fail",
        ),
        (
            "no-added-capabilities",
            "containers: [{name: a, securityContext: {capabilities: {add: [NET_BIND_SERVICE, CHOWN]}}}]",
            "fail",
        ),
        (
            "no-added-capabilities",
            "containers: [{name: a, securityContext: {capabilities: {add: [], drop: [ALL]}}}]",
            "pass",
        ),
        (
            "no-host-namespaces",
            "os: {name: windows}\n  securityContext: {windowsOptions: {hostProcess: true}}\n  containers: [{name: a}]",
            "fail",
        ),
        (
            "no-host-namespaces",
            "containers: [{name: a, securityContext: {windowsOptions: {hostProcess: true}}}]",
            "fail",
        ),
        (
            "no-host-ports",
            "containers: [{name: a, ports: [{containerPort: 80, hostPort: 0}]}]",
            "pass",
        ),
        (
            "no-host-path-volumes",
            "containers: [{name: a}]\n  volumes: [{name: v, hostPath: {}}]",
            "fail",
        ),
        (
            "no-host-path-volumes",
            "containers: [{name: a}]\n  volumes: [{name: v, hostPath: null, emptyDir: {}}]",
            "pass",
        ),
        (
            "no-host-path-volumes",
            "containers: [{name: a}]\n  volumes: [{name: v, hostPath: /var/run}]",
            "unknown",
        ),
        (
            "no-runtime-socket-mount",
            "containers: [{name: a}]\n  volumes: [{name: v, hostPath: {path: /var/run/}}]",
            "fail",
        ),
        (
            "no-runtime-socket-mount",
            "containers: [{name: a}]\n  volumes: [{name: v, hostPath: {path: /}}]",
            "fail",
        ),
        (
            "restricted-volume-types",
            "containers: [{name: a}]\n  volumes: [{name: v, image: {reference: a}}]",
            "pass",
        ),
        (
            "restricted-volume-types",
            "containers: [{name: a}]\n  volumes: [{name: v, nfs: null, emptyDir: {}}]",
            "pass",
        ),
        (
            "restricted-volume-types",
            "containers: [{name: a}]\n  volumes: [{name: v}]",
            "pass",
        ),
        (
            "restricted-volume-types",
            "containers: [{name: a}]\n  volumes: [{name: v, flexVolume: {driver: a}}]",
            "fail",
        ),
        (
            "safe-sysctls",
            "securityContext: {sysctls: [{name: net.ipv4.tcp_slow_start_after_idle, value: \"0\"}]}\n  containers: [{name: a}]",
            "pass",
        ),
        (
            "safe-sysctls",
            "securityContext: {sysctls: [{name: net/ipv4/tcp_syncookies, value: \"0\"}, {name: kernel/msgmax, value: \"1\"}]}\n  containers: [{name: a}]",
            "fail",
        ),
        (
            "mac-profile-not-weakened",
            "securityContext: {seLinuxOptions: {type: container_engine_t, level: \"s0:c1\"}}\n  containers: [{name: a}]",
            "pass",
        ),
        (
            "mac-profile-not-weakened",
            "containers: [{name: a, securityContext: {seLinuxOptions: {role: admin}}}]",
            "fail",
        ),
        (
            "no-probe-host-override",
            "containers: [{name: a, livenessProbe: {httpGet: {path: /, port: 80, host: \"\"}}}]",
            "pass",
        ),
        (
            "no-probe-host-override",
            "initContainers: [{name: b, restartPolicy: Always, startupProbe: {tcpSocket: {port: 80, host: 127.0.0.1}}}]\n  containers: [{name: a}]",
            "fail",
        ),
        (
            "no-probe-host-override",
            "containers: [{name: a, lifecycle: {preStop: {httpGet: {port: 80, host: db}}}}]",
            "fail",
        ),
        (
            "resource-limits-set",
            "containers: [{name: a, resources: {limits: {memory: 0}}}]",
            "fail",
        ),
        (
            "resource-limits-set",
            "containers: [{name: a, resources: {limits: {memory: 0Mi}}}]",
            "fail",
        ),
        (
            "resource-limits-set",
            "containers: [{name: a, resources: {limits: {memory: 134217728}}}]",
            "pass",
        ),
        (
            "resource-limits-set",
            "resources: {limits: {memory: 1Gi}}\n  containers: [{name: a}, {name: b}]",
            "pass",
        ),
        (
            "resource-limits-set",
            "initContainers: [{name: b}]\n  containers: [{name: a, resources: {limits: {memory: 1Gi}}}]",
            "fail",
        ),
        (
            "resource-requests-set",
            "containers: [{name: a, resources: {limits: {memory: 1Gi, cpu: 100m}}}]",
            "pass",
        ),
        (
            "no-mutable-image-tag",
            "containers: [{name: a, image: \"localhost:5000/a\"}]",
            "fail",
        ),
        (
            "no-mutable-image-tag",
            "containers: [{name: a, image: \"localhost:5000/a:1\"}]",
            "pass",
        ),
        (
            "no-mutable-image-tag",
            "containers: [{name: a, image: \"a:\"}]",
            "fail",
        ),
        (
            "no-mutable-image-tag",
            "containers: [{name: a, image: \"a:latest@sha256:0\"}]",
            "pass",
        ),
        (
            "no-mutable-image-tag",
            "initContainers: [{name: b, image: b}]\n  containers: [{name: a, image: \"a:1\"}]",
            "fail",
        ),
        (
            "image-digest-pinned",
            "containers: [{name: a, image: \"a:1@sha256:0\"}]",
            "fail",
        ),
        (
            "dedicated-service-account",
            "serviceAccount: app\n  containers: [{name: a}]",
            "pass",
        ),
        (
            "dedicated-service-account",
            "serviceAccountName: \"\"\n  containers: [{name: a}]",
            "fail",
        ),
        (
            "no-credentials-in-env",
            "containers: [{name: a, env: [{name: PGPASSWORD, value: correct-horse}]}]",
            "fail",
        ),
        (
            "no-credentials-in-env",
            "containers: [{name: a, env: [{name: DB, value: \"Server=db;Uid=app;Pwd=correct-horse\"}]}]",
            "fail",
        ),
        (
            "no-credentials-in-env",
            "containers: [{name: a, env: [{name: DB_PASSWORD, value: \"\"}, {name: TOKEN_URL, value: \"https://a/token\"}]}]",
            "pass",
        ),
    ];
    all_are(&rows, |spec| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  {spec}\n")
    });
}

#[test]
fn network_policies_are_checked_by_the_traffic_they_allow() {
    let rows = [
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{ports: [{port: 80}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: []",
            "pass",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{podSelector: {}}]}]",
            "pass",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{namespaceSelector: {}}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{namespaceSelector: {matchLabels: {}}, podSelector: {matchExpressions: []}}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: Exists}]}}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]}]",
            "pass",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: \"::/0\"}}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/1}}, {ipBlock: {cidr: 128.0.0.0/1}}]}]",
            "fail",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
            "pass",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: everywhere}}]}]",
            "unknown",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  policyTypes: [Ingress]\n  egress: [{}]",
            "pass",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  policyTypes: [Egress]\n  ingress: [{}]\n  egress: [{to: [{podSelector: {}}]}]",
            "pass",
        ),
        (
            "network-policy-not-allow-all",
            "podSelector: {}\n  egress: [{to: []}]",
            "fail",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
            "fail",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{ports: [{protocol: TCP}], to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
            "fail",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{ports: [{port: 1, endPort: 65535}], to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
            "fail",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{ports: [{port: 8000, endPort: 9000}], to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
            "pass",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{ports: [{port: https}], to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
            "pass",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{ports: [{port: 443}], to: [{ipBlock: {cidr: 169.254.169.254/32}}]}]",
            "fail",
        ),
        (
            "egress-destinations-restricted",
            "podSelector: {}\n  egress: [{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16, 168.63.129.16/32, 100.64.0.0/10, 192.0.0.0/24]}}]}]",
            "pass",
        ),
    ];
    for version in ["networking.k8s.io/v1", "extensions/v1beta1"] {
        all_are(&rows, |spec| {
            format!("apiVersion: {version}\nkind: NetworkPolicy\nmetadata: {{name: a}}\nspec:\n  {spec}\n")
        });
    }
    let rows = [
        (
            "namespace-default-deny",
            "podSelector: {}\n  policyTypes: [Ingress, Egress]\n  ingress: [{ports: [{port: 80}]}]",
            "pass",
        ),
        (
            "namespace-default-deny",
            "podSelector: {}\n  policyTypes: [Ingress, Egress]\n  ingress: [{ports: [{protocol: TCP}]}]",
            "fail",
        ),
        (
            "namespace-default-deny",
            "podSelector: {}\n  policyTypes: [Ingress, Egress]\n  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]",
            "fail",
        ),
        (
            "namespace-default-deny",
            "podSelector: {}\n  policyTypes: [Ingress, Egress]\n  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]",
            "pass",
        ),
        (
            "namespace-default-deny",
            "podSelector: {}\n  policyTypes: [Ingress, Egress]\n  egress: [{to: [{namespaceSelector: {}}]}]",
            "fail",
        ),
        (
            "namespace-default-deny",
            "podSelector: {matchLabels: {}}\n  policyTypes: [Ingress, Egress]",
            "pass",
        ),
        ("namespace-default-deny", "podSelector: {}", "fail"),
        ("namespace-default-deny", "policyTypes: [Egress, Ingress]", "pass"),
    ];
    all_are(&rows, |spec| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a, namespace: a}}\nspec:\n  {spec}\n"
        )
    });
}

#[test]
fn roles_are_checked_by_the_permissions_they_grant() {
    let rows = [
        (
            "rbac-no-secret-read",
            "[{apiGroups: [\"\"], resources: [secrets], verbs: [list]}]",
            "fail",
        ),
        (
            "rbac-no-secret-read",
            "[{apiGroups: [\"*\"], resources: [\"*\"], verbs: [get]}]",
            "fail",
        ),
        (
            "rbac-no-secret-read",
            "[{apiGroups: [\"\"], resources: [secrets], verbs: [create]}]",
            "pass",
        ),
        (
            "rbac-no-secret-read",
            "[{apiGroups: [apps], resources: [secrets], verbs: [get]}]",
            "pass",
        ),
        (
            "rbac-no-secret-read",
            "[{apiGroups: [\"\"], resources: [secrets], resourceNames: [], verbs: [get]}]",
            "fail",
        ),
        (
            "rbac-no-secret-read",
            "[{apiGroups: [\"\"], resources: [configmaps]}, {apiGroups: [\"\"], resources: [secrets], verbs: [watch]}]",
            "fail",
        ),
        (
            "rbac-no-pod-exec",
            "[{apiGroups: [\"\"], resources: [\"pods/*\"], verbs: [create]}]",
            "pass",
        ),
        (
            "rbac-no-pod-exec",
            "[{apiGroups: [\"\"], resources: [\"*/exec\"], verbs: [create]}]",
            "fail",
        ),
        (
            "rbac-no-pod-exec",
            "[{apiGroups: [\"\"], resources: [pods/attach], resourceNames: [a], verbs: [\"*\"]}]",
            "fail",
        ),
        (
            "rbac-no-escalation-verbs",
            "[{apiGroups: [\"*\"], resources: [clusterroles], verbs: [bind]}]",
            "fail",
        ),
        (
            "rbac-no-escalation-verbs",
            "[{apiGroups: [\"\"], resources: [users], verbs: [impersonate]}]",
            "fail",
        ),
        (
            "rbac-no-escalation-verbs",
            "[{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [patch]}]",
            "fail",
        ),
        (
            "rbac-no-pod-create",
            "[{apiGroups: [batch], resources: [cronjobs], verbs: [create]}]",
            "fail",
        ),
        (
            "rbac-no-pod-create",
            "[{apiGroups: [\"\"], resources: [pods], verbs: [get, delete]}]",
            "pass",
        ),
        (
            "rbac-no-control-plane-verbs",
            "[{apiGroups: [\"\"], resources: [serviceaccounts/token], verbs: [create]}]",
            "fail",
        ),
        (
            "rbac-no-control-plane-verbs",
            "[{apiGroups: [\"\"], resources: [events], verbs: [create, patch]}]",
            "pass",
        ),
        (
            "rbac-no-wildcards",
            "[{nonResourceURLs: [\"/*\"], verbs: [get]}]",
            "fail",
        ),
        (
            "rbac-no-wildcards",
            "[{nonResourceURLs: [\"/healthz*\"], verbs: [get]}]",
            "pass",
        ),
        ("rbac-no-wildcards", "null", "pass"),
    ];
    for (version, kind) in [
        ("v1", "Role"),
        ("v1", "ClusterRole"),
        ("v1beta1", "ClusterRole"),
        ("v1alpha1", "Role"),
    ] {
        all_are(&rows, |rules| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/{version}\nkind: {kind}\nmetadata: {{name: a}}\nrules: {rules}\n"
            )
        });
    }
}

#[test]
fn bindings_are_checked_by_the_permissions_of_their_role() {
    const OWN: &str = "metadata: {name: \"system:a\", labels: {kubernetes.io/bootstrapping: rbac-defaults}}";
    let to = |name: &str| {
        format!(
            "metadata: {{name: b}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}\nsubjects: [{{kind: User, name: u}}]"
        )
    };
    let collecting = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: c}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {part: of-c}}]}\nrules: []\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: p, labels: {part: of-c}}\nrules: [{apiGroups: [\"\"], resources: [secrets], verbs: [get]}]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: d}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {rbac.authorization.k8s.io/aggregate-to-edit: \"true\"}}]}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: e}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {part: of-nothing}}]}\n";
    let rows: Vec<(&str, String, &str)> = vec![
        ("rbac-no-cluster-admin", to("cluster-admin"), "fail"),
        ("rbac-no-cluster-admin", to("admin"), "pass"),
        ("rbac-no-cluster-admin", to("unheard-of"), "unknown"),
        ("rbac-no-secret-read", to("edit"), "fail"),
        ("rbac-no-secret-read", to("view"), "pass"),
        ("rbac-no-escalation-verbs", to("edit"), "fail"),
        ("rbac-no-control-plane-verbs", to("view"), "pass"),
        ("rbac-no-secret-read", to("c"), "fail"),
        ("rbac-no-pod-exec", to("c"), "pass"),
        ("rbac-no-pod-exec", to("d"), "fail"),
        ("rbac-no-pod-exec", to("e"), "unknown"),
        (
            "rbac-no-cluster-admin",
            to("cluster-admin").replace("[{kind: User, name: u}]", "[]"),
            "aside",
        ),
        (
            "rbac-no-cluster-admin",
            to("cluster-admin").replace("metadata: {name: b}", OWN),
            "fail",
        ),
        (
            "rbac-no-cluster-admin",
            to("cluster-admin").replace("{name: b}", "{name: \"system:b\"}"),
            "fail",
        ),
        (
            "rbac-no-broad-subjects",
            to("view").replace(
                "kind: User, name: u",
                "kind: Group, name: \"system:unauthenticated\"",
            ),
            "fail",
        ),
        (
            "rbac-no-broad-subjects",
            to("view").replace(
                "kind: User, name: u",
                "kind: Group, name: \"system:serviceaccounts\"",
            ),
            "fail",
        ),
        (
            "rbac-no-broad-subjects",
            to("view").replace(
                "kind: User, name: u",
                "kind: Group, name: \"system:serviceaccounts:a\"",
            ),
            "pass",
        ),
        (
            "rbac-no-broad-subjects",
            to("view").replace("kind: User, name: u", "kind: Group, name: \"system:masters\""),
            "fail",
        ),
    ];
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        let rows: Vec<_> = rows
            .iter()
            .map(|(rule, text, expected)| (*rule, text.as_str(), *expected))
            .collect();
        all_are(&rows, |text| {
            format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\n{text}\n{collecting}")
        });
    }
}

#[test]
fn services_budgets_and_ingresses_are_checked_as_the_cluster_interprets_them() {
    let service =
        |spec: &str| format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {spec}\n");
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 3, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a}]}}}\n---\n";
    let budget = |version: &str, spec: &str| {
        format!(
            "{deployment}apiVersion: policy/{version}\nkind: PodDisruptionBudget\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let rows = [
        ("load-balancer-restricted", service("{type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/1, 128.0.0.0/1]}"), "fail"),
        ("load-balancer-restricted", service("{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 192.0.2.0/24]}"), "pass"),
        ("load-balancer-restricted", service("{type: LoadBalancer}").replace("{name: a}", "{name: a, annotations: {service.beta.kubernetes.io/load-balancer-source-ranges: \"10.0.0.0/8, 192.0.2.0/24\"}}"), "pass"),
        ("load-balancer-restricted", service("{type: LoadBalancer}").replace("{name: a}", "{name: a, annotations: {cloud.google.com/load-balancer-type: internal}}"), "pass"),
        ("load-balancer-restricted", service("{type: ClusterIP}"), "aside"),
        ("service-exposure-restricted", service("{ports: [{port: 80}]}"), "pass"),
        ("service-exposure-restricted", service("{externalIPs: [192.0.2.1]}"), "fail"),
        ("disruption-budget-set", budget("v1", "{maxUnavailable: 1, selector: {}}"), "pass"),
        ("disruption-budget-set", budget("v1beta1", "{maxUnavailable: 1, selector: {}}"), "fail"),
        ("disruption-budget-set", budget("v1", "{minAvailable: 70%, selector: {matchLabels: {app: a}}}"), "fail"),
        ("disruption-budget-set", budget("v1", "{minAvailable: 66%, selector: {matchLabels: {app: a}}}"), "pass"),
        ("disruption-budget-set", budget("v1", "{minAvailable: 3, selector: {matchExpressions: [{key: app, operator: Exists}]}}"), "fail"),
        ("disruption-budget-set", budget("v1", "{maxUnavailable: 1}"), "fail"),
        ("external-host-explicit", "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: a}\nspec: {backend: {serviceName: a}}\n".to_owned(), "fail"),
        ("ingress-tls-required", "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\nspec: {backend: {serviceName: a}}\n".to_owned(), "fail"),
        ("ingress-tls-required", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {tls: [{hosts: [\"*.a.example\"], secretName: a}], rules: [{host: b.a.example}]}\n".to_owned(), "pass"),
        ("ingress-tls-required", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {tls: [{hosts: [\"*.a.example\"], secretName: a}], rules: [{host: c.b.a.example}]}\n".to_owned(), "fail"),
        ("no-removed-api", "apiVersion: batch/v2alpha1\nkind: CronJob\nmetadata: {name: a}\n".to_owned(), "fail"),
        ("no-removed-api", "apiVersion: settings.k8s.io/v1alpha1\nkind: PodPreset\nmetadata: {name: a}\n".to_owned(), "fail"),
        ("no-removed-api", "apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: RoleBinding\nmetadata: {name: a}\n".to_owned(), "fail"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, expected)| (*rule, text.as_str(), *expected))
        .collect();
    all_are(&rows, str::to_owned);
}

#[test]
fn a_request_rule_is_evaluated_by_port_protocols() {
    const RULE: &str = "authz-requests-where-requests-are";
    let of = |ports: &str, spec: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: a}}\nspec: {spec}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: a, labels: {{app: a}}}}\nspec: {{containers: [{{name: a, ports: [{{name: peers, containerPort: 7000}}]}}]}}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: a}}\nspec: {{selector: {{app: a}}, ports: [{ports}]}}\n"
        )
    };
    let http = "{name: http, port: 80, targetPort: 8080}";
    let bytes = "{name: tcp-peers, port: 7, targetPort: peers}";
    let both = format!("{http}, {bytes}");
    let get = |ports: &str| format!("to: [{{operation: {{methods: [GET]{ports}}}}}]");
    let from = "from: [{source: {namespaces: [b]}}]";
    let allow = |rule: &str| format!("{{rules: [{{{from}, {rule}}}]}}");
    let deny = |rule: &str| format!("{{action: DENY, rules: [{{{rule}}}]}}");
    let token = "from: [{source: {requestPrincipals: [\"*\"]}}]";
    let header = "when: [{key: \"request.headers[x]\", values: [\"*\"]}]";
    let rows = [
        // Istio ignores the rule on TCP ports, which is intended as long as the workload also has HTTP ports.
        (of(&both, &allow(&get(""))), "pass"),
        (of(bytes, &allow(&get(""))), "fail"),
        (of(&both, &allow(&get(", ports: [\"8080\"]"))), "pass"),
        (of(&both, &allow(&get(", ports: [\"7000\"]"))), "fail"),
        // The Service port differs from the target port.
        (of(&both, &allow(&get(", ports: [\"7\"]"))), "pass"),
        (of(bytes, &format!("{{rules: [{{{token}}}]}}")), "fail"),
        (of(bytes, &allow(header)), "fail"),
        // Sources and ports can be matched without HTTP.
        (of(bytes, &format!("{{rules: [{{{from}}}]}}")), "aside"),
        (
            of(bytes, &allow("to: [{operation: {ports: [\"7000\"]}}]")),
            "aside",
        ),
        // A DENY rule without its HTTP attributes matches more traffic.
        (of(&both, &deny(&get(""))), "fail"),
        (of(&both, &deny(&get(", ports: [\"8080\"]"))), "pass"),
        (of(http, &deny(&get(""))), "pass"),
        (of(&both, &deny(header)), "fail"),
        (
            of(
                &both,
                &deny("to: [{operation: {paths: [/a], ports: [\"8080\"]}}, {operation: {paths: [/b]}}]"),
            ),
            "fail",
        ),
        (
            of(bytes, &format!("{{action: AUDIT, rules: [{{{}}}]}}", get(""))),
            "aside",
        ),
        // The ways to declare the protocol.
        (
            of("{name: http, appProtocol: redis, port: 80}", &allow(&get(""))),
            "fail",
        ),
        (
            of(
                "{name: redis, appProtocol: kubernetes.io/h2c, port: 80}",
                &allow(&get("")),
            ),
            "pass",
        ),
        (of("{name: web, port: 80}", &allow(&get(""))), "pass"),
        (of("{name: https, port: 443}", &allow(&get(""))), "fail"),
        // The policy does not apply to the workload.
        (
            of(
                bytes,
                &format!(
                    "{{selector: {{matchLabels: {{app: b}}}}, rules: [{{{}}}]}}",
                    get("")
                ),
            ),
            "pass",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(text, expected)| (RULE, text.as_str(), *expected))
        .collect();
    all_are(&rows, str::to_owned);
}

#[test]
fn backups_are_checked_for_destination_retention_and_restore_tests() {
    let job = |annotations: &str, spec: &str, env: &str| {
        format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: a{}, namespace: a, annotations: {{{annotations}}}}}\nspec: {{{spec}, jobTemplate: {{spec: {{template: {{spec: {{containers: [{{name: a, env: [{env}]}}]}}}}}}}}}}\n",
            annotations.len()
        )
    };
    let daily = "schedule: \"0 1 * * *\"";
    let to = |store: &str, more: &str| {
        let env = format!("{{name: BACKUP_STORE, value: \"{store}\"}}{more}");
        job("phoenix.ai/backs-up: data", daily, &env)
    };
    let at = |endpoint: &str| {
        to(
            "s3://b/a",
            &format!(", {{name: AWS_ENDPOINT_URL, value: \"{endpoint}\"}}"),
        )
    };
    let location = |spec: &str| {
        format!(
            "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: a, namespace: velero}}\nspec: {spec}\n"
        )
    };
    let remote = "backup-encrypted-and-remote";
    let kept = "retention-declared";
    let tried = "restore-test-scheduled";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: minio, namespace: store}\n";
    let backup = to("s3://b/a", "");
    let drill = |spec: &str| job("phoenix.ai/tries-restore-of: \"other, data\"", spec, "");
    let prune = |spec: &str, store: &str, keep: &str| {
        let env = format!(
            "{{name: BACKUP_STORE, value: \"{store}\"}}, {{name: BACKUP_KEEP_LAST, value: \"{keep}\"}}"
        );
        job("x: \"\"", spec, &env)
    };
    let rows = [
        (remote, backup.clone(), "pass"),
        (remote, to("gs://b/a", ""), "pass"),
        (remote, to("https://a.blob.core.windows.net/b", ""), "pass"),
        (remote, to("file:///backups", ""), "fail"),
        (remote, to("/backups", ""), "fail"),
        (remote, at("https://s3.eu-central-1.amazonaws.com"), "pass"),
        (remote, at("http://s3.eu-central-1.amazonaws.com"), "fail"),
        (remote, at("https://objects.example"), "unknown"),
        (remote, at("https://minio:9000"), "fail"),
        (remote, at("https://minio.store.svc.cluster.local.:9000/"), "fail"),
        (remote, at("https://amazonaws.com.store.svc"), "fail"),
        (remote, at("https://127.0.0.1:9000"), "fail"),
        (remote, at("https://[::1]:9000"), "fail"),
        (remote, at("https://10.0.0.7"), "unknown"),
        (
            remote,
            format!("{}---\n{service}", at("https://minio.store")),
            "fail",
        ),
        (remote, at("https://minio.store"), "unknown"),
        (remote, job("phoenix.ai/backs-up: data", daily, ""), "unknown"),
        (remote, job("phoenix.ai/backs-up: \"\"", daily, ""), "aside"),
        (remote, job("x: y", daily, ""), "aside"),
        (remote, location("{provider: aws}"), "pass"),
        (remote, location("{provider: velero.io/gcp}"), "pass"),
        (
            remote,
            location("{provider: aws, config: {s3Url: \"https://objects.example\"}}"),
            "unknown",
        ),
        (
            remote,
            location(
                "{provider: aws, config: {s3Url: \"https://objects.example\", serverSideEncryption: AES256}}",
            ),
            "pass",
        ),
        (
            remote,
            location(
                "{provider: aws, config: {s3Url: \"https://minio.velero.svc:9000\", serverSideEncryption: AES256}}",
            ),
            "fail",
        ),
        (
            remote,
            location("{provider: aws, config: {insecureSkipTLSVerify: \"true\"}}"),
            "fail",
        ),
        (tried, backup.clone(), "fail"),
        (
            tried,
            format!("{backup}---\n{}", drill("schedule: \"0 5 * * 0\"")),
            "pass",
        ),
        (
            tried,
            format!("{backup}---\n{}", drill("schedule: \"0 0 31 2 *\"")),
            "fail",
        ),
        (
            tried,
            format!("{backup}---\n{}", drill("suspend: true, schedule: \"0 5 * * 0\"")),
            "fail",
        ),
        (
            tried,
            format!("{backup}---\n{}", drill(daily)).replace("\"other, data\"", "data2"),
            "fail",
        ),
        (kept, backup.clone(), "fail"),
        (
            kept,
            format!("{backup}---\n{}", prune(daily, "s3://b/a", "3")),
            "pass",
        ),
        (
            kept,
            format!("{backup}---\n{}", prune(daily, "s3://b/a", "0")),
            "fail",
        ),
        (
            kept,
            format!("{backup}---\n{}", prune(daily, "s3://b/other", "3")),
            "fail",
        ),
        (
            kept,
            format!(
                "{backup}---\n{}",
                prune("suspend: true, schedule: \"0 5 * * 0\"", "s3://b/a", "3")
            ),
            "fail",
        ),
        (
            kept,
            to("s3://b/a", ", {name: BACKUP_KEEP_DAILY, value: \"7\"}"),
            "pass",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, expected)| (*rule, text.as_str(), *expected))
        .collect();
    all_are(&rows, str::to_owned);
}

#[test]
fn an_image_is_verified_if_a_policy_denies_unverified_images() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: a, image: \"registry.example/team/app:1\"}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {policy.sigstore.dev/include: \"true\"}}\n---\n";
    let sigstore = |spec: &str| {
        format!(
            "{pod}apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let keyless = "authorities: [{keyless: {}}]";
    let kyverno = |spec: &str, rule: &str, images: &str| {
        format!(
            "{pod}apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: a}}\nspec: {{{spec} rules: [{{name: a, {rule}, verifyImages: [{images}]}}]}}\n"
        )
    };
    let pods = "match: {any: [{resources: {kinds: [Pod]}}]}";
    let enforce = "validationFailureAction: Enforce,";
    let all = "{imageReferences: [\"registry.example/*\"]}";
    let validating = |spec: &str| {
        format!(
            "{pod}apiVersion: policies.kyverno.io/v1\nkind: ImageValidatingPolicy\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let rows = [
        (pod.trim_end_matches("---\n").to_owned(), "aside"),
        (
            kyverno(enforce, pods, all).replace("verifyImages", "validate"),
            "aside",
        ),
        (
            sigstore(&format!(
                "{{images: [{{glob: \"registry.example/**\"}}], {keyless}}}"
            )),
            "pass",
        ),
        (
            sigstore(&format!(
                "{{images: [{{glob: \"registry.example/*\"}}], {keyless}}}"
            )),
            "fail",
        ),
        (
            sigstore(&format!("{{mode: warn, images: [{{glob: \"**\"}}], {keyless}}}")),
            "fail",
        ),
        (
            sigstore("{images: [{glob: \"**\"}], authorities: [{static: {action: pass}}]}"),
            "fail",
        ),
        (
            sigstore(&format!("{{images: [{{glob: \"**\"}}], {keyless}}}"))
                .replace("include: \"true\"", "exclude: \"true\""),
            "fail",
        ),
        (
            sigstore(&format!(
                "{{images: [{{glob: \"**\"}}], match: [{{resource: pods}}], {keyless}}}"
            )),
            "unknown",
        ),
        (kyverno(enforce, pods, all), "pass"),
        (kyverno("", pods, all), "fail"),
        (
            kyverno("", pods, "{failureAction: Enforce, imageReferences: [\"*\"]}"),
            "pass",
        ),
        (
            kyverno(enforce, pods, "{required: false, imageReferences: [\"*\"]}"),
            "fail",
        ),
        (
            kyverno(
                enforce,
                pods,
                "{imageReferences: [\"*\"], skipImageReferences: [\"*/team/*\"]}",
            ),
            "fail",
        ),
        (
            kyverno(
                enforce,
                "match: {resources: {kinds: [Pod]}}",
                "{image: \"registry.example/team/app:*\"}",
            ),
            "pass",
        ),
        (
            kyverno(
                enforce,
                "match: {any: [{resources: {kinds: [Pod], namespaces: [b]}}]}",
                all,
            ),
            "fail",
        ),
        (
            kyverno(
                enforce,
                &format!("{pods}, exclude: {{any: [{{resources: {{names: [x]}}}}]}}"),
                all,
            ),
            "unknown",
        ),
        (
            validating("{validationActions: [Deny], matchImageReferences: [{glob: \"registry.example/*\"}]}"),
            "pass",
        ),
        (
            validating(
                "{validationActions: [Audit], matchImageReferences: [{glob: \"registry.example/*\"}]}",
            ),
            "fail",
        ),
        (
            validating("{validationActions: [Deny], matchImageReferences: [{expression: \"true\"}]}"),
            "unknown",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(text, expected)| ("image-provenance-enforced", text.as_str(), *expected))
        .collect();
    all_are(&rows, str::to_owned);
}

#[test]
fn prompts_and_secret_sources_are_read_from_variables_and_annotations() {
    let pod = |env: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, env: [{env}]}}]}}\n"
        )
    };
    let secret = |metadata: &str, rest: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a{metadata}}}\n{rest}\n")
    };
    let external = |spec: &str| {
        format!(
            "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let traced = "trace-content-redacted";
    let stored = "external-secret-store-used";
    let rows = [
        (traced, pod(""), "aside"),
        (traced, pod("{name: LANGSMITH_TRACING, value: \"false\"}"), "pass"),
        (
            traced,
            pod("{name: LANGCHAIN_TRACING_V2, value: \"true\"}"),
            "fail",
        ),
        (
            traced,
            pod("{name: LANGSMITH_TRACING, value: \"true\"}, {name: LANGSMITH_TRACING, value: \"false\"}"),
            "pass",
        ),
        (
            traced,
            pod("{name: LANGSMITH_TRACING, valueFrom: {configMapKeyRef: {name: a, key: a}}}"),
            "unknown",
        ),
        (
            traced,
            pod("{name: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, value: \"true\"}"),
            "fail",
        ),
        (
            traced,
            pod("{name: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, value: NO_CONTENT}"),
            "pass",
        ),
        (
            traced,
            pod("{name: TRACELOOP_BASE_URL, value: \"https://a.example\"}"),
            "fail",
        ),
        (
            traced,
            pod(
                "{name: TRACELOOP_BASE_URL, value: \"https://a.example\"}, {name: TRACELOOP_TRACE_CONTENT, value: \"false\"}",
            ),
            "pass",
        ),
        (stored, secret("", "stringData: {a: b}"), "fail"),
        (stored, secret("", ""), "aside"),
        (
            stored,
            secret("", "type: helm.sh/release.v1\ndata: {release: YQ==}"),
            "aside",
        ),
        (
            stored,
            secret(
                ", annotations: {phoenix.ai/secret-source: pulumi-esc}",
                "stringData: {a: b}",
            ),
            "pass",
        ),
        (
            stored,
            secret(
                ", annotations: {phoenix.ai/secret-source: a-file}",
                "stringData: {a: b}",
            ),
            "fail",
        ),
        (
            stored,
            secret(
                ", ownerReferences: [{kind: SealedSecret, name: a}]",
                "data: {a: YQ==}",
            ),
            "pass",
        ),
        (stored, external("{}"), "pass"),
        (stored, external("{refreshInterval: 24h}"), "pass"),
        (stored, external("{refreshInterval: 25h}"), "fail"),
        (stored, external("{refreshInterval: \"0\"}"), "fail"),
        (stored, external("{refreshPolicy: CreatedOnce}"), "fail"),
        (stored, external("{refreshInterval: daily}"), "unknown"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, expected)| (*rule, text.as_str(), *expected))
        .collect();
    all_are(&rows, str::to_owned);
}
