//! What a container may do to its node: privilege, escalation, capabilities, the host's namespaces and ports.

use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, FacilityAccess, RiskManagement, TransmissionSecurity,
    UnauthorisedSoftware,
};
use crate::judging::{Judging, Subject};
use crate::pod::{Role, WORKLOADS};
use crate::read::Read;
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::rules::{containers, pod};
use crate::settings::{Default, Setting};

/// `privileged`.
pub static NO_PRIVILEGED_CONTAINERS: Rule = Rule {
    id: "no-privileged-containers",
    title: "No container runs privileged",
    meaning: "Fails where `securityContext.privileged` is true in any container, init and ephemeral ones included. Absent or false passes.",
    why: "A privileged container has every right on its node: whoever breaks into it owns all pods and secrets there.",
    remedy: "Remove `privileged`, and give the container the one capability or device that it needs.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        UnauthorisedSoftware,
        AccessControl,
        RiskManagement,
    ],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {privileged: false}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {privileged: true}}\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            if judging.flag(container.node(), "securityContext.privileged") == Some(true) {
                judging.fail(
                    container.node().at("securityContext.privileged"),
                    format!("{} runs privileged", container.words()),
                );
            }
        }
    },
};

/// `allowPrivilegeEscalation`.
pub static NO_PRIVILEGE_ESCALATION: Rule = Rule {
    id: "no-privilege-escalation",
    title: "No process in a container can gain more rights than it was started with",
    meaning: "Fails where `securityContext.allowPrivilegeEscalation` is not false in any container. Pods that say `os.name: windows` are not judged.",
    why: "Without it a program with the setuid bit in an image makes root of any user, whatever the pod was told to run as.",
    remedy: "Set `securityContext.allowPrivilegeEscalation: false` in each container.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        UnauthorisedSoftware,
        AccessControl,
        RiskManagement,
    ],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {allowPrivilegeEscalation: false}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {allowPrivilegeEscalation: true}}\n",
    check: |subject, judging| {
        if is_windows(subject, judging) {
            return;
        }
        for container in containers(subject, judging) {
            let field = "securityContext.allowPrivilegeEscalation";
            let message = match container.node().flag(field) {
                Read::Known(false) => continue,
                Read::Known(true) => format!(
                    "{} may gain rights that it was not started with",
                    container.words()
                ),
                Read::Absent => format!(
                    "{} does not say that it may not gain rights, and the default is that it may",
                    container.words()
                ),
                Read::Unknown => {
                    judging.unknown(container.node().at(field));
                    continue;
                }
            };
            judging.fail(container.node().at(field), message);
        }
    },
};

/// `capabilities.drop`.
pub static DROP_ALL_CAPABILITIES: Rule = Rule {
    id: "drop-all-capabilities",
    title: "Every container gives up all of Linux' capabilities",
    meaning: "Fails where `securityContext.capabilities.drop` does not hold `ALL` in any container. Pods that say `os.name: windows` are not judged.",
    why: "A runtime leaves a container some fourteen capabilities by default, among them raw sockets and changing owners of files.",
    remedy: "Set `securityContext.capabilities.drop: [ALL]`, and add back only what is needed.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, UnauthorisedSoftware, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {capabilities: {drop: [ALL]}}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {capabilities: {drop: [NET_RAW]}}}\n",
    check: |subject, judging| {
        if is_windows(subject, judging) {
            return;
        }
        for container in containers(subject, judging) {
            let field = "securityContext.capabilities.drop";
            let is_all = |item: &serde_json::Value| item.as_str() == Some("ALL");
            match container.node().list(field) {
                Read::Known(items) if items.iter().any(is_all) => {}
                Read::Known(items) if items.iter().any(crate::read::is_unknown) => {
                    judging.unknown(container.node().at(field));
                }
                Read::Unknown => judging.unknown(container.node().at(field)),
                Read::Known(_) | Read::Absent => judging.fail(
                    container.node().at(field),
                    format!("{} does not drop ALL capabilities", container.words()),
                ),
            }
        }
    },
};

static ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "capabilities that a container may add",
    default: Default::Texts(&["NET_BIND_SERVICE"]),
};

static MESH_INIT: Setting = Setting {
    name: "meshInitContainer",
    meaning: "the name of the init container that a mesh without a CNI plugin puts into pods; it may add NET_ADMIN and NET_RAW",
    default: Default::Texts(&[]),
};

/// `capabilities.add`.
pub static NO_ADDED_CAPABILITIES: Rule = Rule {
    id: "no-added-capabilities",
    title: "No container adds a capability but that of binding low ports",
    meaning: "Fails where `securityContext.capabilities.add` of any container holds anything but what is allowed (NET_BIND_SERVICE). Pods that say `os.name: windows` are not judged.",
    why: "One capability is often enough: SYS_ADMIN is root, SYS_PTRACE reads other processes, NET_ADMIN moves traffic past the mesh.",
    remedy: "Remove the capability. Where a container cannot do without, name it in a waiver with what protects the node instead.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&ALLOWED, &MESH_INIT],
    evidence: &[AccessArchitecture, UnauthorisedSoftware, AccessControl],
    limits: &[
        "a mesh's init container is excepted by its name only, which a person can give to any container",
    ],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {capabilities: {add: [NET_ADMIN]}}}\n",
    check: |subject, judging| {
        if is_windows(subject, judging) {
            return;
        }
        for container in containers(subject, judging) {
            let added = judging.texts(container.node(), "securityContext.capabilities.add");
            let is_mesh = container.role == Role::Init
                && judging.option_texts(&MESH_INIT).contains(&container.name)
                && added.iter().all(|name| ["NET_ADMIN", "NET_RAW"].contains(name));
            let allowed = judging.option_texts(&ALLOWED);
            let wrong: Vec<_> = added
                .into_iter()
                .filter(|name| !is_mesh && !allowed.contains(name))
                .collect();
            if !wrong.is_empty() {
                judging.fail(
                    container.node().at("securityContext.capabilities.add"),
                    format!("{} adds {}", container.words(), wrong.join(", ")),
                );
            }
        }
    },
};

/// `hostNetwork`, `hostPID`, `hostIPC`, `hostProcess`.
pub static NO_HOST_NAMESPACES: Rule = Rule {
    id: "no-host-namespaces",
    title: "No pod shares its node's network, processes or memory",
    meaning: "Fails where `hostNetwork`, `hostPID` or `hostIPC` of the pod is true, or `windowsOptions.hostProcess` of the pod or any container.",
    why: "Such a pod sees the traffic and the processes of all others on its node, and no network policy holds for it.",
    remedy: "Remove the field. What has to watch a node belongs into a namespace of its own, with a waiver.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, Boundary, AccessControl, FacilityAccess],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostNetwork: false\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostNetwork: true\n  containers: [{name: app}]\n",
    check: |subject, judging| {
        let Some(pod) = pod(subject, judging) else { return };
        for (field, shared) in [
            ("hostNetwork", "network"),
            ("hostPID", "processes"),
            ("hostIPC", "shared memory"),
        ] {
            if judging.flag(pod.spec(), field) == Some(true) {
                judging.fail(
                    pod.spec().at(field),
                    format!("the pod shares the {shared} of its node"),
                );
            }
        }
        let field = "securityContext.windowsOptions.hostProcess";
        if judging.flag(pod.spec(), field) == Some(true) {
            judging.fail(
                pod.spec().at(field),
                "the pod runs as processes of its Windows node",
            );
        }
        for container in containers(subject, judging) {
            if judging.flag(container.node(), field) == Some(true) {
                judging.fail(
                    container.node().at(field),
                    format!("{} runs as a process of its Windows node", container.words()),
                );
            }
        }
    },
};

/// `hostPort`.
pub static NO_HOST_PORTS: Rule = Rule {
    id: "no-host-ports",
    title: "No container takes a port of its node",
    meaning: "Fails where a port of any container has a `hostPort` other than 0.",
    why: "A port of the node is reachable past Services, past the gateway, and in most clusters past network policies.",
    remedy: "Remove `hostPort`, and reach the pod by a Service.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, TransmissionSecurity],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, ports: [{containerPort: 80}]}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, ports: [{containerPort: 80, hostPort: 80}]}\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            for port in judging.items(container.node(), "ports") {
                if let Some(number) = judging
                    .number(port.node(), "hostPort")
                    .filter(|number| *number != 0)
                {
                    judging.fail(
                        port.node().at("hostPort"),
                        format!("{} takes port {number} of its node", container.words()),
                    );
                }
            }
        }
    },
};

/// Whether the pod says that it runs on Windows, for which a rule does not hold; noted where that is not known.
pub(super) fn is_windows(subject: &Subject<'_>, judging: &mut Judging<'_>) -> bool {
    let Some(pod) = subject.pod else { return false };
    if pod.spec().text("os.name").is_unknown() {
        judging.unknown(pod.spec().at("os.name"));
    }
    if pod.is_windows() {
        judging.not_applicable("the pod runs on Windows, which has no such field");
    }
    pod.is_windows()
}
