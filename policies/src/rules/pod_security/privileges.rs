//! Privileges on the node: privileged mode, escalation, capabilities, host namespaces and host ports.

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, FacilityAccess, RiskManagement, TransmissionSecurity,
    UnauthorizedSoftware,
};
use crate::enforcement::Enforcement;
use crate::field::Field;
use crate::kind::WORKLOADS;
use crate::pod::Role;
use crate::rule::{Check, Rule, Severity};
use crate::rules::pod_security::remediation;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

/// `privileged`.
pub static NO_PRIVILEGED_CONTAINERS: Rule = Rule {
    id: "no-privileged-containers",
    text: rule_text!("no-privileged-containers"),
    kinds: WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        UnauthorizedSoftware,
        AccessControl,
        RiskManagement,
    ],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            if context.flag(container.node(), "securityContext.privileged") == Some(true) {
                context.fail(
                    container.node().at("securityContext.privileged"),
                    format!("{} is privileged", container.words()),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `allowPrivilegeEscalation`.
pub static NO_PRIVILEGE_ESCALATION: Rule = Rule {
    id: "no-privilege-escalation",
    text: rule_text!("no-privilege-escalation"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        UnauthorizedSoftware,
        AccessControl,
        RiskManagement,
    ],
    check: Check::Resource(|subject, context| {
        if is_windows(subject, context) {
            return;
        }
        for container in context.containers(subject) {
            let field = "securityContext.allowPrivilegeEscalation";
            let message = match container.node().flag(field) {
                Field::Known(false) => continue,
                Field::Known(true) => format!("{} allows privilege escalation", container.words()),
                Field::Absent => format!(
                    "{} does not set allowPrivilegeEscalation: false, and the default is true",
                    container.words()
                ),
                Field::Unknown => {
                    context.unknown(container.node().at(field));
                    continue;
                }
            };
            context.fail(container.node().at(field), message);
        }
    }),
    ..Rule::DEFAULTS
};

/// `capabilities.drop`.
pub static DROP_ALL_CAPABILITIES: Rule = Rule {
    id: "drop-all-capabilities",
    text: rule_text!("drop-all-capabilities"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, UnauthorizedSoftware, AccessControl],
    remediation: Some(remediation::DROP_ALL_CAPABILITIES),
    check: Check::Resource(|subject, context| {
        if is_windows(subject, context) {
            return;
        }
        for container in context.containers(subject) {
            let field = "securityContext.capabilities.drop";
            let is_all = |item: &serde_json::Value| item.as_str() == Some("ALL");
            match container.node().list(field) {
                Field::Known(items) if items.iter().any(is_all) => {}
                Field::Known(items) if items.iter().any(crate::field::is_unknown) => {
                    context.unknown(container.node().at(field));
                }
                Field::Unknown => context.unknown(container.node().at(field)),
                Field::Known(_) | Field::Absent => context.fail(
                    container.node().at(field),
                    format!("{} does not drop ALL capabilities", container.words()),
                ),
            }
        }
    }),
    ..Rule::DEFAULTS
};

static ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "capabilities that a container may add",
    default: DefaultValue::Texts(&["NET_BIND_SERVICE"]),
};

static MESH_INIT: Setting = Setting {
    name: "meshInitContainer",
    meaning: "the name of the init container that a mesh without a CNI plugin injects; it may add NET_ADMIN and NET_RAW",
    default: DefaultValue::Texts(&[]),
};

/// `capabilities.add`.
pub static NO_ADDED_CAPABILITIES: Rule = Rule {
    id: "no-added-capabilities",
    text: rule_text!("no-added-capabilities"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&ALLOWED, &MESH_INIT],
    evidence: &[AccessArchitecture, UnauthorizedSoftware, AccessControl],
    check: Check::Resource(|subject, context| {
        if is_windows(subject, context) {
            return;
        }
        for container in context.containers(subject) {
            let added = context.texts(container.node(), "securityContext.capabilities.add");
            let is_mesh = container.role == Role::Init
                && context.option_texts(&MESH_INIT).contains(&container.name)
                && added.iter().all(|name| ["NET_ADMIN", "NET_RAW"].contains(name));
            let allowed = context.option_texts(&ALLOWED);
            let wrong: Vec<_> = added
                .into_iter()
                .filter(|name| !is_mesh && !allowed.contains(name))
                .collect();
            if !wrong.is_empty() {
                context.fail(
                    container.node().at("securityContext.capabilities.add"),
                    format!("{} adds {}", container.words(), wrong.join(", ")),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `hostNetwork`, `hostPID`, `hostIPC`, `hostProcess`.
pub static NO_HOST_NAMESPACES: Rule = Rule {
    id: "no-host-namespaces",
    text: rule_text!("no-host-namespaces"),
    kinds: WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, Boundary, AccessControl, FacilityAccess],
    check: Check::Resource(|subject, context| {
        let Some(pod) = context.pod(subject) else { return };
        for (field, shared) in [
            ("hostNetwork", "network"),
            ("hostPID", "processes"),
            ("hostIPC", "shared memory"),
        ] {
            if context.flag(pod.spec(), field) == Some(true) {
                context.fail(
                    pod.spec().at(field),
                    format!("the pod shares the {shared} of its node"),
                );
            }
        }
        let field = "securityContext.windowsOptions.hostProcess";
        if context.flag(pod.spec(), field) == Some(true) {
            context.fail(
                pod.spec().at(field),
                "the pod runs as HostProcess containers on its Windows node",
            );
        }
        for container in context.containers(subject) {
            if context.flag(container.node(), field) == Some(true) {
                context.fail(
                    container.node().at(field),
                    format!(
                        "{} runs as a HostProcess container on its Windows node",
                        container.words()
                    ),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `hostPort`.
pub static NO_HOST_PORTS: Rule = Rule {
    id: "no-host-ports",
    text: rule_text!("no-host-ports"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, TransmissionSecurity],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            for port in context.items(container.node(), "ports") {
                if let Some(number) = context
                    .number(port.node(), "hostPort")
                    .filter(|number| *number != 0)
                {
                    context.fail(
                        port.node().at("hostPort"),
                        format!("{} uses port {number} of its node", container.words()),
                    );
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Whether the pod declares Windows as its operating system, to which the rule does not apply; an unknown value is recorded.
pub(crate) fn is_windows(subject: &Subject<'_>, context: &mut CheckContext<'_>) -> bool {
    let Some(pod) = subject.pod else { return false };
    if pod.spec().text("os.name").is_unknown() {
        context.unknown(pod.spec().at("os.name"));
    }
    if pod.is_windows() {
        context.not_applicable("the field does not apply to Windows pods");
    }
    pod.is_windows()
}
