//! Who speaks to whom in the mesh, and whether that is proven: mTLS by its effective mode, and who is in the mesh at all.

use phoenix_graph::Object;

use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, Boundary, ConfigurationStandards, DataInMotion,
    TransmissionEncryption, TransmissionIntegrity, TransmissionSecurity,
};
use crate::judging::{Judging, Subject, namespace};
use crate::pod::WORKLOADS;
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::network::{RUNNING, finds_a_workload};
use crate::rules::{containers, pod};
use crate::selector::{Answer, has_all};
use crate::settings::{Default, Setting, assume};
use crate::world::{Workload, mesh_labels};

const SECURITY: &[&str] = &["security.istio.io"];
pub(super) const PEER_AUTHENTICATION: Kind = Kind::new(SECURITY, "PeerAuthentication");

/// The workload that a subject is.
pub(super) fn workload<'a>(subject: &Subject<'a>) -> Option<Workload<'a>> {
    subject.pod.map(|pod| Workload {
        object: subject.object,
        pod,
    })
}

/// The workload, if it is in the mesh; otherwise the judging says why it is not judged.
pub(super) fn in_mesh<'a>(subject: &Subject<'a>, judging: &mut Judging<'_>) -> Option<Workload<'a>> {
    let workload = workload(subject)?;
    match judging.world.is_in_mesh(workload) {
        Answer::Yes => Some(workload),
        Answer::No => {
            judging.not_applicable("the workload is not in a mesh");
            None
        }
        Answer::Unknown => {
            judging.unknown("whether the workload is in the mesh");
            None
        }
    }
}

/// How closely a policy of Istio applies to a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Mesh,
    Namespace,
    Workload,
}

/// Whether and how closely a policy applies to a workload, by its namespace and selector.
pub(super) fn applies(
    policy: &Object,
    workload: Workload<'_>,
    root: &str,
    selector: &str,
) -> (Answer, Scope) {
    let own = namespace(policy) == workload.namespace();
    let everywhere = namespace(policy) == root;
    if !own && !everywhere {
        return (Answer::No, Scope::Mesh);
    }
    let body = Node::new(policy.body(), "");
    match is_bound(body) {
        Answer::Yes => return (Answer::No, Scope::Workload),
        Answer::Unknown => return (Answer::Unknown, Scope::Workload),
        Answer::No => {}
    }
    let whole = if everywhere { Scope::Mesh } else { Scope::Namespace };
    match body.map(selector) {
        Read::Known(labels) if !labels.is_empty() => (has_all(labels, workload.labels()), Scope::Workload),
        Read::Unknown => (Answer::Unknown, Scope::Workload),
        _ => (Answer::Yes, whole),
    }
}

/// Whether a policy is bound to a gateway or a waypoint by reference, and so holds for no sidecar.
fn is_bound(policy: Node<'_>) -> Answer {
    Answer::any(
        ["spec.targetRefs", "spec.targetRef"].map(|targets| match policy.field(targets) {
            Read::Known(_) => Answer::Yes,
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
        }),
    )
}

/// Effective mTLS.
pub static MESH_MTLS_STRICT: Rule = Rule {
    id: "mesh-mtls-strict",
    title: "Every workload in the mesh takes mutual TLS only, on every port",
    meaning: "Judges workloads in the mesh by the mode that really holds for them: that of the PeerAuthentication that selects them, or else of the namespace's, or else of the mesh's (in its root namespace), where UNSET stands for what is above it and nothing at all for PERMISSIVE; then each port of `portLevelMtls`. Fails where one of these is not STRICT, or where two policies of the same closeness say different things. Pods are in the mesh by the labels of their namespace and their own.",
    why: "In PERMISSIVE mode anybody without an identity is let in, unencrypted, and nobody notices.",
    remedy: "Set `mtls.mode: STRICT` in the namespace's PeerAuthentication, and remove what weakens it below.",
    kinds: RUNNING,
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        TransmissionSecurity,
        TransmissionIntegrity,
        TransmissionEncryption,
        Authentication,
    ],
    limits: &[
        "policies in the mesh's root namespace count only where they were given; without them the mesh's default is taken for PERMISSIVE",
    ],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: a}\nspec: {mtls: {mode: STRICT}}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: a}\nspec: {mtls: {mode: UNSET}}\n",
    check: mtls,
};

fn mtls(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(own) = in_mesh(subject, judging) else {
        return;
    };
    let world = judging.world;
    let root = world.settings.assumed_text(&assume::MESH_ROOT);
    let mut modes: Vec<(Scope, &str, &Object)> = Vec::new();
    let mut ports: Vec<(String, &str, &Object)> = Vec::new();
    for policy in world.all(PEER_AUTHENTICATION) {
        let (answer, scope) = applies(policy, own, root, "spec.selector.matchLabels");
        match answer {
            Answer::No => {}
            Answer::Unknown => judging.unknown(format!("whether {} applies", policy.id)),
            Answer::Yes => {
                let body = Node::new(policy.body(), "");
                match body.text("spec.mtls.mode") {
                    Read::Known("UNSET") | Read::Absent => {}
                    Read::Known(mode) => modes.push((scope, mode, policy)),
                    Read::Unknown => judging.unknown(format!("spec.mtls.mode of {}", policy.id)),
                }
                // Without a selector the modes of ports are not read.
                if scope != Scope::Workload {
                    continue;
                }
                if body.map("spec.portLevelMtls").is_unknown() {
                    judging.unknown(format!("spec.portLevelMtls of {}", policy.id));
                }
                for (port, mode) in body.map("spec.portLevelMtls").known().into_iter().flatten() {
                    match Node::new(mode, "").text("mode") {
                        Read::Known("UNSET") | Read::Absent => {}
                        Read::Known(mode) => ports.push((port.clone(), mode, policy)),
                        Read::Unknown => {
                            judging.unknown(format!("spec.portLevelMtls.{port} of {}", policy.id));
                        }
                    }
                }
            }
        }
    }
    let closest = modes.iter().map(|(scope, ..)| *scope).max();
    let holding: Vec<_> = modes
        .iter()
        .filter(|(scope, ..)| Some(*scope) == closest)
        .collect();
    match holding.as_slice() {
        [] => judging.fail(
            "",
            "no PeerAuthentication says its mode, so it takes plain text too (PERMISSIVE)",
        ),
        holding => {
            for (_, mode, policy) in holding.iter().filter(|(_, mode, _)| *mode != "STRICT") {
                judging.fail(
                    "",
                    format!(
                        "{policy} sets its mode to {mode}, so it takes plain text too",
                        policy = policy.id
                    ),
                );
            }
        }
    }
    for (port, mode, policy) in ports.iter().filter(|(_, mode, _)| *mode != "STRICT") {
        judging.fail(
            "",
            format!(
                "{} sets the mode of its port {port} to {mode}, so that port takes plain text",
                policy.id
            ),
        );
    }
}

/// Modes as written.
pub static PEER_AUTHENTICATION_NO_DOWNGRADE: Rule = Rule {
    id: "peer-authentication-no-downgrade",
    title: "No PeerAuthentication asks for less than mutual TLS",
    meaning: "Judges PeerAuthentications. Fails where `mtls.mode` or a mode of `portLevelMtls` is PERMISSIVE or DISABLE. UNSET, or no mode, takes what is above and passes.",
    why: "One such object, in any namespace, opens what it selects to whoever has no identity.",
    remedy: "Set the mode to STRICT. What cannot speak mutual TLS belongs outside the mesh, with a waiver.",
    kinds: &[PEER_AUTHENTICATION],
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[DataInMotion, TransmissionSecurity, TransmissionEncryption],
    limits: &[],
    good: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: STRICT}}\n",
    bad: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: PERMISSIVE}}\n",
    check: |subject, judging| {
        let weak = |mode: &str| ["PERMISSIVE", "DISABLE"].contains(&mode);
        if let Some(mode) = judging
            .text(subject.body, "spec.mtls.mode")
            .filter(|mode| weak(mode))
        {
            judging.fail("spec.mtls.mode", format!("the mode {mode} lets plain text in"));
        }
        let ports = judging.note(
            subject.body.map("spec.portLevelMtls"),
            subject.body,
            "spec.portLevelMtls",
        );
        for (port, mode) in ports.into_iter().flatten() {
            let path = format!("spec.portLevelMtls[{port}]");
            let node = Node::new(mode, &path);
            if let Some(mode) = judging.text(node, "mode").filter(|mode| weak(mode)) {
                judging.fail(
                    node.at("mode"),
                    format!("the mode {mode} lets plain text in at the port {port}"),
                );
            }
        }
    },
};

/// Injection by namespace.
pub static MESH_INJECTION_ENFORCED: Rule = Rule {
    id: "mesh-injection-enforced",
    title: "Every namespace with workloads is in the mesh, and says so once",
    meaning: "Judges Namespaces that hold workloads, where there is a mesh. Passes where `istio-injection: enabled`, `istio.io/rev` or `istio.io/dataplane-mode: ambient` is set. Fails where none is, or where `istio-injection` and `istio.io/rev` are set together. The namespaces of the cluster itself (`kube-…`), the mesh's root and those that the settings call somebody else's are not judged.",
    why: "A pod outside the mesh has no identity, and no policy of the mesh holds for it.",
    remedy: "Label the namespace `istio-injection: enabled`, or with the revision of the mesh.",
    kinds: &[Kind::core("Namespace")],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, DataInMotion, TransmissionSecurity],
    limits: &["whether the revision exists is not seen"],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: b}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: disabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: b}\n",
    check: |subject, judging| {
        let name = subject.object.id.name.as_str();
        let root = judging.world.settings.assumed_text(&assume::MESH_ROOT);
        if !judging.world.has_mesh() {
            judging.not_applicable("no mesh was given");
        } else if name.starts_with("kube-") || name == root || judging.world.is_foreign(name) {
            judging.not_applicable(
                "the namespace is the cluster's or the mesh's own, or somebody else's as the settings say",
            );
        } else if judging.world.workloads_in(name).next().is_none() {
            judging.not_applicable("no workload was given that runs in it");
        } else {
            match mesh_labels(subject.body) {
                Answer::Yes => {}
                Answer::No => judging.fail(
                    "metadata.labels",
                    format!("the namespace {name} is not in the mesh, though workloads run in it"),
                ),
                Answer::Unknown => judging.unknown("metadata.labels"),
            }
            let label = |key| subject.body.entry("metadata.labels", key).known();
            if label("istio-injection").is_some() && label("istio.io/rev").is_some() {
                judging.fail(
                    "metadata.labels",
                    "two labels say whether the namespace is in the mesh, and the older one wins",
                );
            }
        }
    },
};

static BYPASS_ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "annotations and labels that may be set all the same, each by its key",
    default: Default::Texts(&[]),
};

/// Ways past the proxy.
pub static NO_MESH_BYPASS: Rule = Rule {
    id: "no-mesh-bypass",
    title: "No pod's traffic goes past the mesh",
    meaning: "Judges workloads where there is a mesh. Fails where a pod has an annotation or label that takes it or a part of its traffic out of the mesh (`sidecar.istio.io/inject: \"false\"`, `traffic.sidecar.istio.io/exclude…` and `include…`, `interceptionMode: NONE`, `ambient.istio.io/bypass-inbound-capture`, `istio.io/dataplane-mode: none`), puts another proxy in its place, or where a container runs as user or group 1337, whose traffic the mesh does not touch. An empty exclusion excludes nothing and passes.",
    why: "Traffic that the proxy does not see is neither encrypted nor judged, and nothing tells.",
    remedy: "Remove the annotation. For a host outside, declare a ServiceEntry.",
    kinds: WORKLOADS,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&BYPASS_ALLOWED],
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: \"5432\"}}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n",
    check: bypass,
};

fn bypass(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    /// Keys, and the values that are harmless.
    const KEYS: [(&str, &[&str]); 14] = [
        ("sidecar.istio.io/inject", &["true"]),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", &[""]),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", &[""]),
        ("traffic.sidecar.istio.io/excludeInboundPorts", &[""]),
        ("traffic.sidecar.istio.io/excludeInterfaces", &[""]),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", &["*"]),
        ("traffic.sidecar.istio.io/includeInboundPorts", &["*"]),
        ("sidecar.istio.io/interceptionMode", &["REDIRECT", "TPROXY"]),
        ("sidecar.istio.io/proxyImage", &[]),
        ("sidecar.istio.io/bootstrapOverride", &[]),
        ("inject.istio.io/templates", &["sidecar", "gateway"]),
        ("ambient.istio.io/bypass-inbound-capture", &["false"]),
        ("istio.io/dataplane-mode", &["ambient"]),
        ("ambient.istio.io/redirection", &["enabled"]),
    ];
    if !judging.world.has_mesh() {
        judging.not_applicable("no mesh was given");
        return;
    }
    let Some(pod) = pod(subject, judging) else { return };
    let metadata = pod.metadata();
    let allowed: Vec<String> = judging
        .option_texts(&BYPASS_ALLOWED)
        .into_iter()
        .map(str::to_owned)
        .collect();
    for map in ["annotations", "labels"] {
        for (key, harmless) in KEYS
            .iter()
            .filter(|(key, _)| !allowed.iter().any(|allowed| allowed == key))
        {
            let place = metadata.at(&format!("{map}[{key}]"));
            match metadata.entry(map, key) {
                Read::Known(value) if !harmless.contains(&value) => {
                    judging.fail(
                        place,
                        format!("{key} takes the pod or a part of its traffic out of the mesh"),
                    );
                }
                Read::Unknown => judging.unknown(place),
                Read::Known(_) | Read::Absent => {}
            }
        }
    }
    for field in ["securityContext.runAsUser", "securityContext.runAsGroup"] {
        for container in containers(subject, judging) {
            if container.name == "istio-proxy" {
                continue;
            }
            let own = container.or_pod(|node, field| node.number(field), field, pod);
            match own {
                Read::Known(1337) => judging.fail(
                    container.node().at(field),
                    format!(
                        "{} runs as 1337, whose traffic the mesh does not touch",
                        container.words()
                    ),
                ),
                Read::Unknown => judging.unknown(container.node().at(field)),
                _ => {}
            }
        }
    }
}

/// Selectors of Istio's policies.
pub static ISTIO_POLICY_TAKES_EFFECT: Rule = Rule {
    id: "istio-policy-takes-effect",
    title: "Every policy of the mesh holds for something",
    meaning: "Judges PeerAuthentications, AuthorizationPolicies, RequestAuthentications, Sidecars and Telemetries. Fails where a selector finds no workload that was given (in the mesh's root namespace, of any namespace), and where a PeerAuthentication without a selector sets modes of ports, which Istio does not read. Where the settings say that not everything was given, a selector that finds nothing is unknown. Policies that are bound to gateways by reference are not judged.",
    why: "A policy that selects nothing looks like a guard, and is none.",
    remedy: "Compare the selector with the labels of the pod template.",
    kinds: &[
        PEER_AUTHENTICATION,
        Kind::new(SECURITY, "AuthorizationPolicy"),
        Kind::new(SECURITY, "RequestAuthentication"),
        Kind::new(&["networking.istio.io"], "Sidecar"),
        Kind::new(&["telemetry.istio.io"], "Telemetry"),
    ],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, ConfigurationStandards, AccessControl],
    limits: &["rules about methods and paths of a port that speaks plain TCP are not told"],
    good: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: a}\nspec: {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n",
    bad: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: a}\nspec: {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: b}}\nspec: {containers: [{name: app}]}\n",
    check: |subject, judging| {
        let path = if subject.kind() == "Sidecar" {
            "spec.workloadSelector.labels"
        } else {
            "spec.selector.matchLabels"
        };
        let bound = is_bound(subject.body);
        if bound == Answer::Unknown {
            judging.unknown("spec.targetRefs");
        } else if bound == Answer::Yes {
            judging.not_applicable("it is bound to a gateway or a waypoint by reference");
            return;
        }
        match subject.body.map(path) {
            Read::Known(labels) if !labels.is_empty() => {
                let root = judging.world.settings.assumed_text(&assume::MESH_ROOT);
                let found = if subject.namespace() == root {
                    let workloads = judging.world.workloads.iter();
                    Answer::any(workloads.map(|workload| has_all(labels, workload.labels())))
                } else {
                    finds_a_workload(judging, subject.namespace(), |workload| {
                        has_all(labels, workload.labels())
                    })
                };
                match found {
                    Answer::Yes => {}
                    Answer::No if judging.world.is_complete() => {
                        judging.fail(path, "it selects no workload, so it holds for nothing");
                    }
                    Answer::No | Answer::Unknown => judging.unknown(path),
                }
            }
            Read::Unknown => judging.unknown(path),
            _ => {
                if !subject.body.field("spec.portLevelMtls").is_absent() {
                    judging.fail(
                        "spec.portLevelMtls",
                        "modes of ports are not read in a policy without a selector",
                    );
                }
            }
        }
    },
};
