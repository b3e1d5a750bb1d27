//! For every rule a change that breaks the production stack: that rule fails, and no other does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use phoenix_cli::commands::check::settings_of;
use phoenix_graph::{Graph, Object};
use phoenix_manifests::Manifests;
use phoenix_policies::{Enforcement, RULES, Settings, evaluate};
use serde_json::{Value, json};

use super::stacks::today;
use crate::support::stack;

/// A change to the stack.
enum Do {
    /// Sets the value at a pointer of an object; missing parents are created.
    Set(&'static str, &'static str, Value),
    /// Removes the value at a pointer of an object.
    Remove(&'static str, &'static str),
    /// Removes an object.
    Delete(&'static str),
    /// Adds manifests.
    Add(&'static str),
}

use Do::{Add, Delete, Remove, Set};

const DEPLOYMENT: &str = "Deployment sophia-memory/openmemory-mcp-server";
const STORE: &str = "StatefulSet sophia-memory/qdrant";
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// A breakage: the rule that must fail, the rules that necessarily fail too, a description, and the changes.
struct Breakage {
    rule: &'static str,
    also: &'static [&'static str],
    what: &'static str,
    how: Vec<Do>,
}

fn container(field: &str) -> &'static str {
    // The texts are few and live as long as the test program.
    Box::leak(format!("{CONTAINER}{field}").into_boxed_str())
}

fn add(all: &mut Vec<Breakage>, rule: &'static str, what: &'static str, how: Vec<Do>) {
    all.push(Breakage {
        rule,
        also: &[],
        what,
        how,
    });
}

fn breakages() -> Vec<Breakage> {
    let mut all = Vec::new();
    let context = |field: &str| container(&format!("/securityContext/{field}"));
    add(
        &mut all,
        "no-privileged-containers",
        "the server runs privileged",
        vec![Set(DEPLOYMENT, context("privileged"), json!(true))],
    );
    add(
        &mut all,
        "no-privilege-escalation",
        "the server may gain rights",
        vec![Remove(DEPLOYMENT, context("allowPrivilegeEscalation"))],
    );
    add(
        &mut all,
        "run-as-non-root",
        "the store may run as root",
        vec![Set(STORE, context("runAsNonRoot"), json!(false))],
    );
    add(
        &mut all,
        "no-root-group",
        "the server belongs to group 0",
        vec![Set(DEPLOYMENT, context("runAsGroup"), json!(0))],
    );
    add(
        &mut all,
        "read-only-root-filesystem",
        "the server can write its programs",
        vec![Set(DEPLOYMENT, context("readOnlyRootFilesystem"), json!(false))],
    );
    add(
        &mut all,
        "drop-all-capabilities",
        "the server keeps capabilities",
        vec![Set(DEPLOYMENT, context("capabilities/drop"), json!(["NET_RAW"]))],
    );
    add(
        &mut all,
        "no-added-capabilities",
        "the server gets SYS_PTRACE",
        vec![Set(
            DEPLOYMENT,
            context("capabilities/add"),
            json!(["SYS_PTRACE"]),
        )],
    );
    add(
        &mut all,
        "seccomp-runtime-default",
        "the server's system calls are not filtered",
        vec![Remove(
            DEPLOYMENT,
            "/spec/template/spec/securityContext/seccompProfile",
        )],
    );
    add(
        &mut all,
        "mac-profile-not-weakened",
        "AppArmor is off",
        vec![Set(
            DEPLOYMENT,
            context("appArmorProfile"),
            json!({"type": "Unconfined"}),
        )],
    );
    add(
        &mut all,
        "no-host-namespaces",
        "the store sees the processes of its node",
        vec![Set(STORE, "/spec/template/spec/hostPID", json!(true))],
    );
    add(
        &mut all,
        "no-host-ports",
        "the server takes a port of its node",
        vec![Set(DEPLOYMENT, container("/ports/0/hostPort"), json!(9010))],
    );
    add(
        &mut all,
        "no-host-path-volumes",
        "a volume of a directory of a node",
        vec![Add(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: local}\nspec: {persistentVolumeReclaimPolicy: Retain, hostPath: {path: /data}}\n",
        )],
    );
    all.push(Breakage {
        rule: "no-runtime-socket-mount",
        also: &["no-host-path-volumes", "restricted-volume-types"],
        what: "the server can talk to containerd",
        how: vec![Set(
            DEPLOYMENT,
            "/spec/template/spec/volumes/9",
            json!({"name": "s", "hostPath": {"path": "/run/containerd"}}),
        )],
    });
    add(
        &mut all,
        "restricted-volume-types",
        "the server mounts NFS",
        vec![Set(
            DEPLOYMENT,
            "/spec/template/spec/volumes/9",
            json!({"name": "n", "nfs": {"server": "s", "path": "/"}}),
        )],
    );
    add(
        &mut all,
        "safe-sysctls",
        "the store changes its node's kernel",
        vec![Set(
            STORE,
            "/spec/template/spec/securityContext/sysctls",
            json!([{"name": "vm.max_map_count", "value": "1"}]),
        )],
    );
    add(
        &mut all,
        "default-proc-mount",
        "the server sees /proc unmasked",
        vec![Set(DEPLOYMENT, context("procMount"), json!("Unmasked"))],
    );
    add(
        &mut all,
        "no-probe-host-override",
        "the kubelet asks the cloud's metadata",
        vec![Set(
            DEPLOYMENT,
            container("/livenessProbe/httpGet/host"),
            json!("169.254.169.254"),
        )],
    );
    add(
        &mut all,
        "resource-limits-set",
        "the store may take all memory",
        vec![Remove(STORE, container("/resources/limits/memory"))],
    );
    add(
        &mut all,
        "resource-requests-set",
        "the store does not say what it needs",
        vec![
            Remove(STORE, container("/resources/requests/cpu")),
            Remove(STORE, container("/resources/limits/cpu")),
        ],
    );
    add(
        &mut all,
        "health-probes-set",
        "the server cannot say that it is alive",
        vec![Remove(DEPLOYMENT, container("/livenessProbe"))],
    );
    all.push(Breakage {
        rule: "no-mutable-image-tag",
        also: &["image-digest-pinned"],
        what: "the server's image has no version",
        how: vec![Set(
            DEPLOYMENT,
            container("/image"),
            json!("placeholder.invalid/openmemory:latest"),
        )],
    });
    add(
        &mut all,
        "image-digest-pinned",
        "the server's image has no digest",
        vec![Set(
            DEPLOYMENT,
            container("/image"),
            json!("placeholder.invalid/openmemory:1.4"),
        )],
    );
    add(
        &mut all,
        "image-registry-allowed",
        "the server's image comes from elsewhere",
        vec![Set(
            DEPLOYMENT,
            container("/image"),
            json!(
                "placeholder.invalid.evil/openmemory@sha256:0000000000000000000000000000000000000000000000000000000000000000"
            ),
        )],
    );
    all.push(Breakage {
        rule: "image-provenance-enforced",
        also: &[],
        what: "a policy verifies the store's image, and no other",
        how: vec![Add(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: a}\nspec:\n  validationFailureAction: Enforce\n  rules:\n  - name: a\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    verifyImages: [{imageReferences: [\"placeholder.invalid/qdrant*\"]}]\n",
        )],
    });
    add(
        &mut all,
        "no-removed-api",
        "a role of an API that is gone",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: []\n",
        )],
    );
    add(
        &mut all,
        "no-credentials-in-env",
        "a password in a variable",
        vec![Set(
            DEPLOYMENT,
            container("/env/99"),
            json!({"name": "DB_PASSWORD", "value": "correct-horse"}),
        )],
    );
    add(
        &mut all,
        "no-credentials-in-configmap",
        "a password in a file",
        vec![Set(
            "ConfigMap sophia-memory/qdrant-config",
            "/data/more",
            json!("user: app\npassword: correct-horse\n"),
        )],
    );
    add(
        &mut all,
        "no-credentials-in-fields",
        "a password in the arguments",
        vec![Set(
            DEPLOYMENT,
            container("/args"),
            json!(["--db-password", "correct-horse"]),
        )],
    );
    add(
        &mut all,
        "secrets-mounted-as-files",
        "one more variable from a Secret",
        vec![Set(
            STORE,
            container("/envFrom"),
            json!([{"secretRef": {"name": "qdrant-keys"}}]),
        )],
    );
    add(
        &mut all,
        "secret-values-are-references",
        "a value that is not marked as a secret",
        vec![Set(
            "Secret sophia-memory/qdrant-keys",
            "/stringData/more",
            json!("correct-horse"),
        )],
    );
    add(
        &mut all,
        "external-secret-store-used",
        "the keys of the store come from a file on somebody's machine",
        vec![Set(
            "Secret sophia-memory/qdrant-keys",
            "/metadata/annotations/phoenix.ai~1secret-source",
            json!("local"),
        )],
    );
    add(
        &mut all,
        "cloud-identity-well-formed",
        "the role of the store is not filled in",
        vec![Set(
            "ServiceAccount sophia-memory/qdrant",
            "/metadata/annotations/eks.amazonaws.com~1role-arn",
            json!("arn:aws:iam::ACCOUNT:role/qdrant"),
        )],
    );
    add(
        &mut all,
        "no-static-service-account-token",
        "a token that never ends",
        vec![Set(
            "Secret sophia-memory/qdrant-keys",
            "/type",
            json!("kubernetes.io/service-account-token"),
        )],
    );
    add(
        &mut all,
        "dedicated-service-account",
        "the store has the default identity",
        vec![Set(
            STORE,
            "/spec/template/spec/serviceAccountName",
            json!("default"),
        )],
    );
    add(
        &mut all,
        "no-token-automount",
        "the store holds a token",
        vec![Set(
            STORE,
            "/spec/template/spec/automountServiceAccountToken",
            json!(true),
        )],
    );
    all.push(Breakage {
        rule: "rbac-no-cluster-admin",
        // Full access includes each of these permissions.
        also: &[
            "rbac-no-secret-read",
            "rbac-no-escalation-verbs",
            "rbac-no-pod-exec",
            "rbac-no-pod-create",
            "rbac-no-control-plane-verbs",
        ],
        what: "the store's account may do everything",
        how: vec![Add("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: qdrant, namespace: sophia-memory}]\n")],
    });
    add(
        &mut all,
        "rbac-no-wildcards",
        "a role with every verb",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [\"*\"]}]\n",
        )],
    );
    add(
        &mut all,
        "rbac-no-secret-read",
        "a role that reads Secrets",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: [{apiGroups: [\"\"], resources: [secrets], verbs: [list]}]\n",
        )],
    );
    add(
        &mut all,
        "rbac-no-escalation-verbs",
        "a role that acts as others",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: [{apiGroups: [\"\"], resources: [users], verbs: [impersonate]}]\n",
        )],
    );
    add(
        &mut all,
        "rbac-no-pod-exec",
        "a role that runs commands in pods",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: [{apiGroups: [\"\"], resources: [pods/exec], verbs: [create]}]\n",
        )],
    );
    add(
        &mut all,
        "rbac-no-pod-create",
        "a role that starts Jobs",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: [{apiGroups: [batch], resources: [jobs], verbs: [create]}]\n",
        )],
    );
    add(
        &mut all,
        "rbac-no-control-plane-verbs",
        "a role that changes the mesh's policies",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a, namespace: sophia-memory}\nrules: [{apiGroups: [security.istio.io], resources: [authorizationpolicies], verbs: [patch]}]\n",
        )],
    );
    add(
        &mut all,
        "rbac-no-broad-subjects",
        "a role for all users",
        vec![Add(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a, namespace: sophia-memory}\nroleRef: {kind: ClusterRole, name: view}\nsubjects: [{kind: Group, name: \"system:authenticated\"}]\n",
        )],
    );
    add(
        &mut all,
        "api-extension-verifies-server",
        "an API from a server that is not verified",
        vec![Add(
            "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.a.example}\nspec: {service: {name: qdrant, namespace: sophia-memory}, insecureSkipTLSVerify: true}\n",
        )],
    );
    add(
        &mut all,
        "ingress-no-snippets",
        "a Service with configuration for an ingress controller",
        vec![Set(
            "Service sophia-memory/qdrant-service",
            "/metadata/annotations/haproxy.org~1backend-config-snippet",
            json!("http-request deny"),
        )],
    );
    add(
        &mut all,
        "namespace-default-deny",
        "nothing refuses by default",
        vec![Delete("NetworkPolicy sophia-memory/deny-all")],
    );
    all.push(Breakage {
        rule: "workload-has-network-policy",
        also: &["namespace-default-deny"],
        what: "nothing guards what comes out of pods",
        how: vec![
            Set(
                "NetworkPolicy sophia-memory/deny-all",
                "/spec/policyTypes",
                json!(["Ingress"]),
            ),
            Set(
                "NetworkPolicy sophia-memory/qdrant",
                "/spec/policyTypes",
                json!(["Ingress"]),
            ),
        ],
    });
    add(
        &mut all,
        "network-policy-not-allow-all",
        "all pods may reach the store",
        vec![Set(
            "NetworkPolicy sophia-memory/qdrant",
            "/spec/ingress/0/from",
            json!([]),
        )],
    );
    add(
        &mut all,
        "egress-destinations-restricted",
        "the server may reach the cloud's metadata",
        vec![Set(
            "NetworkPolicy sophia-memory/openmemory-mcp-server",
            "/spec/egress/1/to/0/ipBlock/except",
            json!(["10.0.0.0/8"]),
        )],
    );
    add(
        &mut all,
        "service-exposure-restricted",
        "the store has a port on every node",
        vec![Set(
            "Service sophia-memory/qdrant-service",
            "/spec/type",
            json!("NodePort"),
        )],
    );
    add(
        &mut all,
        "load-balancer-restricted",
        "the store has an address on the internet",
        vec![Set(
            "Service sophia-memory/qdrant-service",
            "/spec/type",
            json!("LoadBalancer"),
        )],
    );
    add(
        &mut all,
        "ingress-tls-required",
        "a way in without TLS",
        vec![Add(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: sophia-memory}\nspec: {rules: [{host: a.example}]}\n",
        )],
    );
    add(
        &mut all,
        "external-host-explicit",
        "the gateway answers to every name",
        vec![Set(
            "Gateway sophia-memory/sophia-memory-gateway",
            "/spec/servers/0/hosts",
            json!(["sophia-memory/*"]),
        )],
    );
    add(
        &mut all,
        "service-port-protocol-declared",
        "the mesh has to guess what the store speaks",
        vec![
            Remove(
                "Service sophia-memory/qdrant-service",
                "/spec/ports/0/appProtocol",
            ),
            Set(
                "Service sophia-memory/qdrant-service",
                "/spec/ports/0/name",
                json!("api"),
            ),
        ],
    );
    add(
        &mut all,
        "selectors-match",
        "the store's Service finds no pods",
        vec![Set(
            "Service sophia-memory/qdrant-service",
            "/spec/selector",
            json!({"app": "qdrand"}),
        )],
    );
    add(
        &mut all,
        "mesh-mtls-strict",
        "mutual TLS is not required",
        vec![Delete("PeerAuthentication sophia-memory/sophia-memory-mtls")],
    );
    all.push(Breakage {
        rule: "peer-authentication-no-downgrade",
        also: &["mesh-mtls-strict"],
        what: "a port of the store takes plain text",
        how: vec![Add("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: sophia-memory}\nspec: {selector: {matchLabels: {app: qdrant}}, portLevelMtls: {6333: {mode: PERMISSIVE}}}\n")],
    });
    add(
        &mut all,
        "destination-rule-tls-not-disabled",
        "callers of the store speak plain text",
        vec![Set(
            "DestinationRule sophia-memory/qdrant-destination",
            "/spec/trafficPolicy/tls/mode",
            json!("DISABLE"),
        )],
    );
    add(
        &mut all,
        "destination-rule-verifies-server",
        "the server's certificate is not verified",
        vec![Add(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, namespace: sophia-memory}\nspec: {host: api.openai.com, trafficPolicy: {tls: {mode: SIMPLE}}}\n",
        )],
    );
    add(
        &mut all,
        "mesh-authz-default-deny",
        "every workload in the mesh may do anything to the store",
        vec![
            Delete("AuthorizationPolicy sophia-memory/deny-all"),
            Delete("AuthorizationPolicy sophia-memory/qdrant-authz"),
        ],
    );
    all.push(Breakage {
        rule: "authz-no-allow-all",
        // An empty rule has no source either.
        also: &["authz-no-wildcard-source"],
        what: "a rule allows all callers everything",
        how: vec![Set(
            "AuthorizationPolicy sophia-memory/qdrant-authz",
            "/spec/rules/9",
            json!({}),
        )],
    });
    add(
        &mut all,
        "authz-no-wildcard-source",
        "any identity may reach the store",
        vec![Set(
            "AuthorizationPolicy sophia-memory/qdrant-authz",
            "/spec/rules/0/from/0/source/principals",
            json!(["*"]),
        )],
    );
    all.push(Breakage {
        rule: "authz-source-and-operation-together",
        also: &["authz-no-wildcard-source"],
        what: "who and what stand in two rules",
        how: vec![
            Set(
                "AuthorizationPolicy sophia-memory/qdrant-authz",
                "/spec/rules/9",
                json!({"from": [{"source": {"namespaces": ["sophia-ai"]}}]}),
            ),
            Remove(
                "AuthorizationPolicy sophia-memory/qdrant-authz",
                "/spec/rules/0/from",
            ),
        ],
    });
    add(
        &mut all,
        "authz-operations-listed",
        "a neighbor may do anything in the namespace",
        vec![Add(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: sophia-memory}\nspec: {rules: [{from: [{source: {namespaces: [batch]}}]}]}\n",
        )],
    );
    add(
        &mut all,
        "jwt-validation-strict",
        "tokens for other services are accepted",
        vec![Remove(
            "RequestAuthentication sophia-memory/sophia-memory-jwt",
            "/spec/jwtRules/0/audiences",
        )],
    );
    add(
        &mut all,
        "no-proxy-extension",
        "the proxy of the store runs a script",
        vec![Add(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a, namespace: sophia-memory}\nspec: {workloadSelector: {labels: {app: qdrant}}, configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND}}]}\n",
        )],
    );
    add(
        &mut all,
        "mesh-route-host-explicit",
        "a route takes over every Service of the namespace",
        vec![Add(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: sophia-memory}\nspec: {hosts: [\"*.sophia-memory.svc.cluster.local\"], http: [{fault: {abort: {httpStatus: 503, percentage: {value: 100}}}}]}\n",
        )],
    );
    add(
        &mut all,
        "authz-safe-match-pattern",
        "a path is allowed by exclusion",
        vec![Set(
            "AuthorizationPolicy sophia-memory/qdrant-authz",
            "/spec/rules/0/to/0/operation/notPaths",
            json!(["/admin"]),
        )],
    );
    add(
        &mut all,
        "authz-requests-where-requests-are",
        "a rule about methods is for a port of bytes",
        vec![Set(
            "AuthorizationPolicy sophia-memory/redis-authz",
            "/spec/rules/0/to/0/operation/methods",
            json!(["GET"]),
        )],
    );
    add(
        &mut all,
        "external-api-authenticated",
        "tokens are not verified",
        vec![Delete("RequestAuthentication sophia-memory/sophia-memory-jwt")],
    );
    all.push(Breakage {
        rule: "mesh-injection-enforced",
        also: &[],
        what: "the namespace names the mesh twice",
        how: vec![Set(
            "Namespace sophia-memory",
            "/metadata/labels/istio.io~1rev",
            json!("stable"),
        )],
    });
    all.push(Breakage {
        rule: "no-mesh-bypass",
        also: &["mesh-mtls-strict", "mesh-authz-default-deny"],
        what: "the store's port is kept from the mesh",
        how: vec![Set(
            STORE,
            "/spec/template/metadata/annotations/traffic.sidecar.istio.io~1excludeInboundPorts",
            json!("6333"),
        )],
    });
    all.push(Breakage {
        rule: "istio-policy-takes-effect",
        also: &[],
        what: "a policy selects nothing",
        how: vec![Set(
            "AuthorizationPolicy sophia-memory/qdrant-authz",
            "/spec/selector/matchLabels/app",
            json!("qdrand"),
        )],
    });
    add(
        &mut all,
        "gateway-tls-enforced",
        "the gateway takes TLS 1.0",
        vec![Set(
            "Gateway sophia-memory/sophia-memory-gateway",
            "/spec/servers/0/tls/minProtocolVersion",
            json!("TLSV1_0"),
        )],
    );
    add(
        &mut all,
        "virtual-service-references-resolve",
        "a route leads to a port that is not there",
        vec![Set(
            "VirtualService sophia-memory/sophia-memory-service-routing",
            "/spec/http/1/route/0/destination/port/number",
            json!(9011),
        )],
    );
    add(
        &mut all,
        "mesh-egress-registry-only",
        "the store may reach any host",
        vec![Set(
            "Sidecar sophia-memory/qdrant",
            "/spec/outboundTrafficPolicy/mode",
            json!("ALLOW_ANY"),
        )],
    );
    add(
        &mut all,
        "storage-class-encrypted",
        "a class that does not encrypt",
        vec![Add(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: plain}\nprovisioner: ebs.csi.aws.com\n",
        )],
    );
    all.push(Breakage {
        rule: "data-volumes-on-encrypted-class",
        also: &["storage-class-encrypted"],
        what: "the store uses such a class",
        how: vec![
            Add("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: plain}\nprovisioner: ebs.csi.aws.com\n"),
            Set(STORE, "/spec/volumeClaimTemplates/0/spec/storageClassName", json!("plain")),
        ],
    });
    add(
        &mut all,
        "data-not-on-ephemeral-volume",
        "the store keeps its data on scratch space",
        vec![Set(STORE, container("/volumeMounts/0/name"), json!("tmp"))],
    );
    add(
        &mut all,
        "no-shared-single-writer-volume",
        "three servers on one disk",
        vec![Set(
            "PersistentVolumeClaim sophia-memory/memory-pvc",
            "/spec/accessModes",
            json!(["ReadWriteOnce"]),
        )],
    );
    add(
        &mut all,
        "data-deletion-guarded",
        "the data goes with the store",
        vec![Set(
            STORE,
            "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted",
            json!("Delete"),
        )],
    );
    add(
        &mut all,
        "backup-covers-data",
        "a claim that nothing backs up",
        vec![Add(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: new, namespace: sophia-memory, labels: {phoenix.ai/data-classification: restricted}}\n",
        )],
    );
    add(
        &mut all,
        "backup-encrypted-and-remote",
        "the backups of the store go to a server beside it",
        vec![Set(
            "CronJob sophia-memory/backup-qdrant",
            "/spec/jobTemplate/spec/template/spec/containers/0/env/3/value",
            json!("https://minio.storage.svc:9000"),
        )],
    );
    add(
        &mut all,
        "restore-test-scheduled",
        "the drill is suspended",
        vec![Set(
            "CronJob sophia-memory/restore-drill",
            "/spec/suspend",
            json!(true),
        )],
    );
    add(
        &mut all,
        "retention-declared",
        "nothing removes old backups",
        vec![Set(
            "CronJob sophia-memory/backup-prune",
            "/spec/suspend",
            json!(true),
        )],
    );
    add(
        &mut all,
        "trace-content-redacted",
        "workflows are sent to a tracing service in full",
        vec![Set(
            "Deployment sophia-memory/langgraph",
            container("/env/99"),
            json!({"name": "LANGSMITH_TRACING", "value": "true"}),
        )],
    );
    add(
        &mut all,
        "references-resolve",
        "the store's configuration is not there",
        vec![Delete("ConfigMap sophia-memory/qdrant-config")],
    );
    add(
        &mut all,
        "mesh-access-logging-on",
        "requests to the memory server are not logged",
        vec![Set(
            "Telemetry sophia-memory/memory-audit-trail",
            "/spec/accessLogging/0/disabled",
            json!(true),
        )],
    );
    add(
        &mut all,
        "audit-trail-retained",
        "the audit trail is kept for two weeks",
        vec![Set(
            "Telemetry sophia-memory/memory-audit-trail",
            "/metadata/annotations/phoenix.ai~1audit-retention-days",
            json!("14"),
        )],
    );
    add(
        &mut all,
        "workloads-monitored",
        "nothing collects the metrics of the sidecars, and so none of the stores without metrics of their own",
        vec![Delete("PodMonitor sophia-memory/phoenix-memory-sidecars")],
    );
    add(
        &mut all,
        "alerts-lead-to-action",
        "an alert has no runbook",
        vec![Set(
            "PrometheusRule sophia-memory/phoenix-memory-rules",
            "/spec/groups/99",
            json!({"name": "a", "rules": [{"alert": "Down", "expr": "up == 0", "labels": {"severity": "critical"}, "annotations": {"summary": "it is down"}}]}),
        )],
    );
    add(
        &mut all,
        "security-alerts-defined",
        "no alerts on denials, plain text, certificates and backups",
        vec![Set(
            "PrometheusRule sophia-memory/phoenix-memory-rules",
            "/spec/groups",
            json!([{"name": "a", "rules": [{"alert": "Down", "expr": "up == 0", "labels": {"severity": "critical"}, "annotations": {"summary": "it is down", "runbook_url": "down.md"}}]}]),
        )],
    );
    add(
        &mut all,
        "data-classification-labelled",
        "the store does not say how sensitive it is",
        vec![Remove(STORE, "/metadata/labels/phoenix.ai~1data-classification")],
    );
    add(
        &mut all,
        "replicas-minimum",
        "one server",
        vec![Set(
            "HorizontalPodAutoscaler sophia-memory/openmemory-mcp-server",
            "/spec/minReplicas",
            json!(1),
        )],
    );
    add(
        &mut all,
        "disruption-budget-set",
        "no node can be emptied",
        vec![Set(
            "PodDisruptionBudget sophia-memory/qdrant",
            "/spec/maxUnavailable",
            json!(0),
        )],
    );
    add(
        &mut all,
        "spread-across-failure-domains",
        "the stores may share a node",
        vec![Remove(STORE, "/spec/template/spec/topologySpreadConstraints")],
    );
    all.push(Breakage {
        rule: "no-naked-pods",
        also: &[],
        what: "a pod by hand",
        how: vec![Add(NAKED)],
    });
    add(
        &mut all,
        "namespace-pod-security-restricted",
        "the namespace lets in any pod",
        vec![Remove(
            "Namespace sophia-memory",
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
        )],
    );
    add(
        &mut all,
        "no-default-namespace",
        "an object is in a shared namespace",
        vec![Add(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n",
        )],
    );
    add(
        &mut all,
        "required-labels",
        "the store does not say what it is",
        vec![Remove(STORE, "/metadata/labels/app.kubernetes.io~1part-of")],
    );
    add(
        &mut all,
        "change-traceable",
        "the store does not say who looks after its fields",
        vec![Remove(
            STORE,
            "/metadata/annotations/pulumi.com~1patchFieldManager",
        )],
    );
    add(
        &mut all,
        "namespace-quota-set",
        "nothing bounds the namespace",
        vec![Delete("ResourceQuota sophia-memory/memory-quota")],
    );
    all
}

const NAKED: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: sophia-memory}\nspec:\n  serviceAccountName: qdrant\n  \
                     automountServiceAccountToken: false\n  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, \
                     seccompProfile: {type: RuntimeDefault}}\n  containers:\n  - name: a\n    image: \
                     placeholder.invalid/a@sha256:0000000000000000000000000000000000000000000000000000000000000000\n    resources: \
                     {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}\n    livenessProbe: {tcpSocket: {port: 1}}\n    \
                     readinessProbe: {tcpSocket: {port: 1}}\n    securityContext: {allowPrivilegeEscalation: false, \
                     readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}\n";

/// The production stack with the changes of a breakage.
fn broken(good: &Graph, how: &[Do]) -> Graph {
    let mut objects: Vec<(Object, Value)> = good
        .objects()
        .map(|object| (object.clone(), object.body().clone()))
        .collect();
    let mut added = Manifests::new();
    for step in how {
        let (Set(name, ..) | Remove(name, _) | Delete(name)) = step else {
            if let Add(text) = step {
                added.read("added", (*text).to_owned());
                assert!(added.errors.is_empty() && added.skipped.is_empty(), "{text}");
            }
            continue;
        };
        let place = objects
            .iter()
            .position(|(object, _)| object.id.to_string() == *name)
            .unwrap_or_else(|| panic!("the stack has no {name}"));
        match step {
            Set(_, pointer, value) => set(&mut objects[place].1, pointer, value.clone()),
            Remove(_, pointer) => {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                let parent = objects[place]
                    .1
                    .pointer_mut(parent)
                    .and_then(Value::as_object_mut)
                    .unwrap();
                let gone = parent.remove(&key.replace("~1", "/"));
                assert!(gone.is_some(), "{name} has no {pointer}");
            }
            Delete(_) => {
                objects.remove(place);
            }
            Add(_) => {}
        }
    }
    let mut graph = Graph::of("broken");
    for (object, body) in objects {
        let mut changed = Object::from_json(&object.component, body).unwrap();
        for (pointer, name) in object.secrets() {
            changed.secret(pointer, name);
        }
        changed.options = object.options;
        graph.add(changed);
    }
    graph.merge(added.graph);
    graph
}

/// Sets the value at a pointer; an index after the end of a list appends.
fn set(body: &mut Value, pointer: &str, value: Value) {
    let mut current = body;
    for key in pointer.split('/').skip(1).map(|key| key.replace("~1", "/")) {
        current = match current {
            Value::Array(items) => {
                let index: usize = key.parse().unwrap();
                if index >= items.len() {
                    items.push(Value::Null);
                }
                let last = items.len() - 1;
                &mut items[index.min(last)]
            }
            other => {
                if other.is_null() {
                    *other = json!({});
                }
                other.as_object_mut().unwrap().entry(key).or_insert(Value::Null)
            }
        };
    }
    *current = value;
}

fn strict_settings() -> Settings {
    let mut settings = settings_of(&stack("prod"), today()).unwrap();
    let named = json!({
        "rules": {
            "image-registry-allowed": {"registries": ["placeholder.invalid"]},
            // No pipeline writes a commit here; the annotation that every object has identifies the manager of its fields.
            "change-traceable": {"annotations": ["pulumi.com/patchFieldManager"]},
        },
        "assume": {"defaultStorageClassEncrypted": true},
    });
    settings.overlay(&Settings::read(&named, today()).unwrap());
    for rule in RULES {
        settings.enforce(rule, Enforcement::Mandatory);
    }
    settings
}

/// The failures, each with its rule.
fn failures(graph: &Graph, settings: &Settings) -> BTreeSet<(String, String)> {
    let report = evaluate(graph, settings);
    let mut lines = BTreeSet::new();
    for (rule, failure) in report.failures() {
        for finding in &failure.findings {
            let subject = &report.subjects[failure.subject];
            lines.insert((
                rule.rule.id.to_owned(),
                format!("{subject} {}: {}", finding.path, finding.message),
            ));
        }
    }
    lines
}

#[test]
fn every_rule_finds_its_breakage_and_no_other_does() {
    let good = stack("prod").graph;
    let settings = strict_settings();
    let before = failures(&good, &settings);
    let mut text = String::new();
    let mut wrong = Vec::new();
    let mut covered = BTreeSet::new();
    for breakage in breakages() {
        let after = failures(&broken(&good, &breakage.how), &settings);
        let new: Vec<_> = after.difference(&before).collect();
        let found: BTreeSet<&str> = new.iter().map(|(rule, _)| rule.as_str()).collect();
        let expected: BTreeSet<&str> = breakage.also.iter().copied().chain([breakage.rule]).collect();
        if found != expected {
            wrong.push(format!(
                "{}: {} is found by {found:?}",
                breakage.rule, breakage.what
            ));
        }
        covered.insert(breakage.rule);
        let _ = writeln!(text, "{}: {}", breakage.rule, breakage.what);
        for (rule, line) in new {
            let mark = if rule == breakage.rule { "" } else { rule.as_str() };
            let _ = writeln!(text, "  {mark}{}{line}", if mark.is_empty() { "" } else { ": " });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let without: Vec<_> = RULES
        .iter()
        .filter(|rule| !rule.kinds.is_empty() && !covered.contains(rule.id))
        .map(|rule| rule.id)
        .collect();
    assert!(without.is_empty(), "no breakage for {without:?}");
    insta::assert_snapshot!(text);
}
