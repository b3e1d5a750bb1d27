//! Mutual TLS by its effective mode, and enrollment in the mesh.

use phoenix_graph::Object;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, Authentication, Boundary, DataInMotion, TransmissionEncryption,
    TransmissionIntegrity, TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::inventory::{Workload, injects, mesh_labels};
use crate::kind::{Kind, RUNNING_WORKLOADS, WORKLOADS};
use crate::mesh::{
    Capture, DataPlane, INBOUND, INTERCEPTION, OUTBOUND, PROXY_CONFIG, inbound_bypass, is_replaced,
    proxy_config,
};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::effect::{PEER_AUTHENTICATION, PolicyScope, in_force};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting, assume};
use crate::text::rule_text;

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
    if inventory.data_plane(own) == DataPlane::Gateway {
        context.not_applicable("the workload is a gateway, whose ports Gateway objects configure");
        return;
    }
    if is_bypassed(own, "plain text is accepted", context) {
        return;
    }
    let mut modes: Vec<(PolicyScope, &str, &Object)> = Vec::new();
    let mut ports: Vec<(String, &str, &Object)> = Vec::new();
    let mut may_apply = false;
    for policy in inventory.all(PEER_AUTHENTICATION) {
        let (answer, scope) = in_force(policy, own, inventory);
        match answer {
            Answer::No => {}
            Answer::Unknown => {
                context.unknown(format!("whether {} applies", policy.id));
                may_apply = true;
            }
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
        [] if may_apply => {}
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

/// Reports that connections to a workload do not all pass through its proxy, which therefore enforces no policy on them.
pub(crate) fn is_bypassed(workload: Workload<'_>, effect: &str, context: &mut CheckContext<'_>) -> bool {
    let bypass = inbound_bypass(workload);
    match bypass {
        Field::Known(key) => context.fail(
            "",
            format!("{key} lets connections bypass the proxy, so {effect}"),
        ),
        Field::Unknown => context.unknown("whether connections bypass the proxy"),
        Field::Absent => {}
    }
    matches!(bypass, Field::Known(_))
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
        } else if context.inventory.is_of_the_cluster(name)
            || name == root
            || context.inventory.is_externally_managed(name)
        {
            context.not_applicable(
                "the namespace belongs to the cluster or the mesh, or the settings list it as externally managed",
            );
        } else {
            enrollment(subject, context);
        }
    }),
    ..Rule::DEFAULTS
};

fn enrollment(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let name = subject.object.id.name.as_str();
    let label = |key| subject.body.entry("metadata.labels", key).known();
    if label("istio-injection") == Some("enabled") && label("istio.io/rev").is_some() {
        context.fail(
            "metadata.labels",
            "two labels enroll the namespace in the mesh; istio-injection takes precedence over istio.io/rev",
        );
    }
    if label("istio.io/dataplane-mode") == Some("ambient") && injects(subject.body) == Answer::Yes {
        context.fail(
            "metadata.labels",
            "the labels are contradictory: one adds a sidecar to each pod, and istio.io/dataplane-mode requests ambient mode",
        );
    }
    if context.inventory.workloads_in(name).next().is_none() {
        context.not_applicable("the input has no workload in the namespace");
        return;
    }
    match mesh_labels(subject.body) {
        Answer::Yes => {}
        Answer::No => context.fail(
            "metadata.labels",
            format!("the namespace {name} has workloads but is not in the mesh"),
        ),
        Answer::Unknown => context.unknown("metadata.labels"),
    }
}

static BYPASS_ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "keys of annotations and labels that a workload may set although they bypass the mesh",
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
    /// Other keys, and the values that do not bypass the proxy.
    const OTHERS: [Capture; 5] = [
        INTERCEPTION,
        ("sidecar.istio.io/proxyImage", &[]),
        ("sidecar.istio.io/bootstrapOverride", &[]),
        ("inject.istio.io/templates", &["sidecar", "gateway"]),
        ("ambient.istio.io/redirection", &["enabled"]),
    ];
    /// Keys with which a workload opts out. They have no effect on a pod that is in the mesh nevertheless.
    const OPT_OUT: [Capture; 2] = [
        ("sidecar.istio.io/inject", &["false"]),
        ("istio.io/dataplane-mode", &["none"]),
    ];
    let inventory = context.inventory;
    if !inventory.has_mesh() {
        context.not_applicable("the cluster has no mesh");
        return;
    }
    let Some(own) = workload(subject) else { return };
    let data_plane = inventory.data_plane(own);
    if data_plane == DataPlane::Outside && inventory.is_enrolled(own.namespace()) == Answer::No {
        context.not_applicable("neither the namespace nor the workload is in the mesh");
        return;
    }
    let Some(pod) = context.pod(subject) else { return };
    let metadata = pod.metadata();
    let allowed = context.option_texts(&BYPASS_ALLOWED);
    for map in ["annotations", "labels"] {
        let outbound = OUTBOUND.iter().filter(|capture| !INBOUND.contains(capture));
        let keys = INBOUND.iter().chain(outbound).chain(&OTHERS);
        let keys = keys.map(|(key, harmless)| (*key, *harmless, true));
        let opt_out = OPT_OUT.iter().map(|(key, values)| (*key, *values, false));
        for (key, values, are_harmless) in keys
            .chain(opt_out)
            .filter(|(key, ..)| !allowed.iter().any(|allowed| allowed == key))
        {
            let place = metadata.at(&format!("{map}[{key}]"));
            match metadata.entry(map, key) {
                Field::Known(value)
                    if values.contains(&value.trim()) != are_harmless
                        && (are_harmless || data_plane == DataPlane::Outside) =>
                {
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
    proxy_changes(own, &allowed, context);
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

/// Reports settings that replace the proxy, its configuration or its volumes.
fn proxy_changes(workload: Workload<'_>, allowed: &[&str], context: &mut CheckContext<'_>) {
    const VOLUME: &str = "sidecar.istio.io/userVolume";
    let metadata = workload.pod.metadata();
    let place = |key: &str| metadata.at(&format!("annotations[{key}]"));
    if !allowed.contains(&PROXY_CONFIG) {
        match proxy_config(workload) {
            Field::Unknown => context.unknown(place(PROXY_CONFIG)),
            Field::Absent => {}
            Field::Known(config) => {
                if config.disables_interception() {
                    context.fail(
                        place(PROXY_CONFIG),
                        "interceptionMode NONE excludes the traffic of the pod from the mesh",
                    );
                }
                for key in [
                    "binaryPath",
                    "customConfigFile",
                    "proxyBootstrapTemplatePath",
                    "discoveryAddress",
                ] {
                    if config.sets(key) {
                        context.fail(
                            place(PROXY_CONFIG),
                            format!("{key} replaces the proxy or its configuration"),
                        );
                    }
                }
            }
        }
    }
    if !allowed.contains(&VOLUME) {
        match metadata.entry("annotations", VOLUME) {
            Field::Known(volumes) if volumes.contains("hostPath") => {
                context.fail(place(VOLUME), "the proxy mounts a path of the node");
            }
            Field::Unknown => context.unknown(place(VOLUME)),
            _ => {}
        }
    }
    for container in &workload.pod.containers {
        match is_replaced(container) {
            Answer::Yes => context.fail(
                container.node().at(""),
                "the container named istio-proxy has an image or a command of its own and replaces the proxy",
            ),
            Answer::Unknown => context.unknown(container.node().at("image")),
            Answer::No => {}
        }
    }
}
