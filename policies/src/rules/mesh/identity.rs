//! Mutual TLS by its effective mode, and enrollment in the mesh.

use phoenix_graph::Object;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, Boundary, ConfigurationStandards, DataInMotion,
    TransmissionEncryption, TransmissionIntegrity, TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of};
use crate::inventory::{Workload, mesh_labels};
use crate::kind::{Kind, RUNNING_WORKLOADS, WORKLOADS};
use crate::rule::{Check, Rule, Severity};
use crate::selector::{Answer, has_all};
use crate::settings::{DefaultValue, Setting, assume};
use crate::text::rule_text;

const SECURITY: &[&str] = &["security.istio.io"];
pub(crate) const PEER_AUTHENTICATION: Kind = Kind::new(SECURITY, "PeerAuthentication");

/// The workload of a subject.
pub(crate) fn workload<'a>(subject: &Subject<'a>) -> Option<Workload<'a>> {
    subject.pod.map(|pod| Workload::new(subject.object, pod))
}

/// The workload, if it is in the mesh; otherwise the reason is recorded.
pub(crate) fn in_mesh<'a>(subject: &Subject<'a>, context: &mut CheckContext<'_>) -> Option<Workload<'a>> {
    let workload = workload(subject)?;
    match context.inventory.is_in_mesh(workload) {
        Answer::Yes => Some(workload),
        Answer::No => {
            context.not_applicable("the workload is not in a mesh");
            None
        }
        Answer::Unknown => {
            context.unknown("whether the workload is in the mesh");
            None
        }
    }
}

/// The scope of an Istio policy; a narrower one takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PolicyScope {
    Mesh,
    Namespace,
    Workload,
}

/// Whether a policy applies to a workload, by its namespace and selector, and with which scope.
pub(crate) fn applies(
    policy: &Object,
    workload: Workload<'_>,
    root: &str,
    selector: &str,
) -> (Answer, PolicyScope) {
    let own = namespace_of(policy) == workload.namespace();
    let everywhere = namespace_of(policy) == root;
    if !own && !everywhere {
        return (Answer::No, PolicyScope::Mesh);
    }
    let body = Node::new(policy.body(), "");
    match is_bound(body) {
        Answer::Yes => return (Answer::No, PolicyScope::Workload),
        Answer::Unknown => return (Answer::Unknown, PolicyScope::Workload),
        Answer::No => {}
    }
    let whole = if everywhere {
        PolicyScope::Mesh
    } else {
        PolicyScope::Namespace
    };
    match body.map(selector) {
        Field::Known(labels) if !labels.is_empty() => {
            (has_all(labels, workload.labels()), PolicyScope::Workload)
        }
        Field::Unknown => (Answer::Unknown, PolicyScope::Workload),
        _ => (Answer::Yes, whole),
    }
}

/// Whether a policy is attached to a gateway or a waypoint by `targetRefs` and therefore does not apply to sidecars.
fn is_bound(policy: Node<'_>) -> Answer {
    Answer::any(
        ["spec.targetRefs", "spec.targetRef"].map(|targets| match policy.field(targets) {
            Field::Known(_) => Answer::Yes,
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        }),
    )
}

/// The effective mutual TLS mode.
pub static MESH_MTLS_STRICT: Rule = Rule {
    id: "mesh-mtls-strict",
    text: rule_text!("mesh-mtls-strict"),
    kinds: RUNNING_WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        TransmissionSecurity,
        TransmissionIntegrity,
        TransmissionEncryption,
        Authentication,
    ],
    check: Check::Stack(mtls),
    ..Rule::DEFAULTS
};

fn mtls(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(own) = in_mesh(subject, context) else {
        return;
    };
    let inventory = context.inventory;
    let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
    let mut modes: Vec<(PolicyScope, &str, &Object)> = Vec::new();
    let mut ports: Vec<(String, &str, &Object)> = Vec::new();
    for policy in inventory.all(PEER_AUTHENTICATION) {
        let (answer, scope) = applies(policy, own, root, "spec.selector.matchLabels");
        match answer {
            Answer::No => {}
            Answer::Unknown => context.unknown(format!("whether {} applies", policy.id)),
            Answer::Yes => {
                let body = Node::new(policy.body(), "");
                match body.text("spec.mtls.mode") {
                    Field::Known("UNSET") | Field::Absent => {}
                    Field::Known(mode) => modes.push((scope, mode, policy)),
                    Field::Unknown => context.unknown(format!("spec.mtls.mode of {}", policy.id)),
                }
                // `portLevelMtls` has no effect without a selector.
                if scope != PolicyScope::Workload {
                    continue;
                }
                if body.map("spec.portLevelMtls").is_unknown() {
                    context.unknown(format!("spec.portLevelMtls of {}", policy.id));
                }
                for (port, mode) in body.map("spec.portLevelMtls").known().into_iter().flatten() {
                    match Node::new(mode, "").text("mode") {
                        Field::Known("UNSET") | Field::Absent => {}
                        Field::Known(mode) => ports.push((port.clone(), mode, policy)),
                        Field::Unknown => {
                            context.unknown(format!("spec.portLevelMtls.{port} of {}", policy.id));
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
        [] => context.fail(
            "",
            "no PeerAuthentication sets the mode, so plain text is accepted (PERMISSIVE)",
        ),
        holding => {
            for (_, mode, policy) in holding.iter().filter(|(_, mode, _)| *mode != "STRICT") {
                context.fail(
                    "",
                    format!(
                        "{policy} sets the mode to {mode}, so plain text is accepted",
                        policy = policy.id
                    ),
                );
            }
        }
    }
    for (port, mode, policy) in ports.iter().filter(|(_, mode, _)| *mode != "STRICT") {
        context.fail(
            "",
            format!(
                "{} sets the mode of port {port} to {mode}, so the port accepts plain text",
                policy.id
            ),
        );
    }
}

/// The configured modes.
pub static PEER_AUTHENTICATION_NO_DOWNGRADE: Rule = Rule {
    id: "peer-authentication-no-downgrade",
    text: rule_text!("peer-authentication-no-downgrade"),
    kinds: &[PEER_AUTHENTICATION],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[DataInMotion, TransmissionSecurity, TransmissionEncryption],
    check: Check::Resource(|subject, context| {
        let weak = |mode: &str| ["PERMISSIVE", "DISABLE"].contains(&mode);
        if let Some(mode) = context
            .text(subject.body, "spec.mtls.mode")
            .filter(|mode| weak(mode))
        {
            context.fail("spec.mtls.mode", format!("the mode {mode} accepts plain text"));
        }
        let ports = context.known(
            subject.body.map("spec.portLevelMtls"),
            subject.body,
            "spec.portLevelMtls",
        );
        for (port, mode) in ports.into_iter().flatten() {
            let path = format!("spec.portLevelMtls[{port}]");
            let node = Node::new(mode, &path);
            if let Some(mode) = context.text(node, "mode").filter(|mode| weak(mode)) {
                context.fail(
                    node.at("mode"),
                    format!("the mode {mode} accepts plain text on port {port}"),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Injection by namespace labels.
pub static MESH_INJECTION_ENFORCED: Rule = Rule {
    id: "mesh-injection-enforced",
    text: rule_text!("mesh-injection-enforced"),
    kinds: &[Kind::core("Namespace")],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, DataInMotion, TransmissionSecurity],
    check: Check::Stack(|subject, context| {
        let name = subject.object.id.name.as_str();
        let root = context.inventory.settings.assumed_text(&assume::MESH_ROOT);
        if !context.inventory.has_mesh() {
            context.not_applicable("the cluster has no mesh");
        } else if name.starts_with("kube-") || name == root || context.inventory.is_externally_managed(name) {
            context.not_applicable(
                "the namespace belongs to the cluster or the mesh, or the settings list it as externally managed",
            );
        } else if context.inventory.workloads_in(name).next().is_none() {
            context.not_applicable("the input has no workload in the namespace");
        } else {
            match mesh_labels(subject.body) {
                Answer::Yes => {}
                Answer::No => context.fail(
                    "metadata.labels",
                    format!("the namespace {name} has workloads but is not in the mesh"),
                ),
                Answer::Unknown => context.unknown("metadata.labels"),
            }
            let label = |key| subject.body.entry("metadata.labels", key).known();
            if label("istio-injection").is_some() && label("istio.io/rev").is_some() {
                context.fail(
                    "metadata.labels",
                    "two labels enroll the namespace in the mesh; istio-injection takes precedence over istio.io/rev",
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

static BYPASS_ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "keys of annotations and labels that a workload may set nevertheless",
    default: DefaultValue::Texts(&[]),
};

/// Annotations, labels and users that bypass the proxy.
pub static NO_MESH_BYPASS: Rule = Rule {
    id: "no-mesh-bypass",
    text: rule_text!("no-mesh-bypass"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&BYPASS_ALLOWED],
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: Check::Stack(bypass),
    ..Rule::DEFAULTS
};

fn bypass(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    /// Keys, and the values that do not bypass the proxy.
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
    if !context.inventory.has_mesh() {
        context.not_applicable("the cluster has no mesh");
        return;
    }
    let Some(pod) = context.pod(subject) else { return };
    let metadata = pod.metadata();
    let allowed = context.option_texts(&BYPASS_ALLOWED);
    for map in ["annotations", "labels"] {
        for (key, harmless) in KEYS
            .iter()
            .filter(|(key, _)| !allowed.iter().any(|allowed| allowed == key))
        {
            let place = metadata.at(&format!("{map}[{key}]"));
            match metadata.entry(map, key) {
                Field::Known(value) if !harmless.contains(&value) => {
                    context.fail(
                        place,
                        format!("{key} excludes the pod or a part of its traffic from the mesh"),
                    );
                }
                Field::Unknown => context.unknown(place),
                Field::Known(_) | Field::Absent => {}
            }
        }
    }
    for field in ["securityContext.runAsUser", "securityContext.runAsGroup"] {
        for container in context.containers(subject) {
            if container.name == "istio-proxy" {
                continue;
            }
            let own = container.or_pod(crate::field::Node::number, field, pod);
            match own {
                Field::Known(1337) => context.fail(
                    container.node().at(field),
                    format!(
                        "{} runs as user 1337, whose traffic bypasses the sidecar",
                        container.words()
                    ),
                ),
                Field::Unknown => context.unknown(container.node().at(field)),
                _ => {}
            }
        }
    }
}

/// Selectors of Istio's policies.
pub static ISTIO_POLICY_TAKES_EFFECT: Rule = Rule {
    id: "istio-policy-takes-effect",
    text: rule_text!("istio-policy-takes-effect"),
    kinds: &[
        PEER_AUTHENTICATION,
        Kind::new(SECURITY, "AuthorizationPolicy"),
        Kind::new(SECURITY, "RequestAuthentication"),
        Kind::new(&["networking.istio.io"], "Sidecar"),
        Kind::new(&["telemetry.istio.io"], "Telemetry"),
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, ConfigurationStandards, AccessControl],
    check: Check::Stack(|subject, context| {
        let path = if subject.kind() == "Sidecar" {
            "spec.workloadSelector.labels"
        } else {
            "spec.selector.matchLabels"
        };
        let bound = is_bound(subject.body);
        if bound == Answer::Unknown {
            context.unknown("spec.targetRefs");
        } else if bound == Answer::Yes {
            context.not_applicable("it is attached to a gateway or a waypoint by targetRefs");
            return;
        }
        match subject.body.map(path) {
            Field::Known(labels) if !labels.is_empty() => {
                let root = context.inventory.settings.assumed_text(&assume::MESH_ROOT);
                let found = if subject.namespace() == root {
                    let workloads = context.inventory.workloads.iter();
                    Answer::any(workloads.map(|workload| has_all(labels, workload.labels())))
                } else {
                    context
                        .inventory
                        .any_workload(subject.namespace(), |workload| has_all(labels, workload.labels()))
                };
                match found {
                    Answer::Yes => {}
                    Answer::No if context.inventory.is_complete() => {
                        context.fail(
                            path,
                            "its selector matches no workload, so the policy has no effect",
                        );
                    }
                    Answer::No | Answer::Unknown => context.unknown(path),
                }
            }
            Field::Unknown => context.unknown(path),
            _ => {
                if !subject.body.field("spec.portLevelMtls").is_absent() {
                    context.fail(
                        "spec.portLevelMtls",
                        "portLevelMtls has no effect in a policy without a selector",
                    );
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};
