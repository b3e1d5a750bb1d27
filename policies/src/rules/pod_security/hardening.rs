//! Hardening of containers: users, groups, root file system, security profiles, sysctls.

use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, ConfigurationStandards, Integrity, MaliciousSoftware,
    RiskManagement, UnauthorizedSoftware,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::WORKLOADS;
use crate::rule::{Check, Rule, Severity};
use crate::rules::pod_security::privileges::is_windows;
use crate::rules::pod_security::remediation;
use crate::text::rule_text;

/// `runAsNonRoot`, `runAsUser`.
pub static RUN_AS_NON_ROOT: Rule = Rule {
    id: "run-as-non-root",
    text: rule_text!("run-as-non-root"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        UnauthorizedSoftware,
        AccessControl,
        RiskManagement,
    ],
    remediation: Some(remediation::RUN_AS_NON_ROOT),
    check: Check::Resource(|subject, context| {
        let Some(pod) = context.pod(subject) else { return };
        if context.flag(pod.spec(), "hostUsers") == Some(false) {
            context.not_applicable(
                "the pod runs in a user namespace, in which root is an unprivileged user of the node",
            );
            return;
        }
        if context.number(pod.spec(), "securityContext.runAsUser") == Some(0) {
            context.fail(
                pod.spec().at("securityContext.runAsUser"),
                "the pod runs as user 0, which is root",
            );
        }
        for container in context.containers(subject) {
            if context.number(container.node(), "securityContext.runAsUser") == Some(0) {
                context.fail(
                    container.node().at("securityContext.runAsUser"),
                    format!("{} runs as user 0, which is root", container.words()),
                );
            }
        }
        let field = "securityContext.runAsNonRoot";
        if pod.spec().flag(field) == Field::Known(false) {
            context.fail(pod.spec().at(field), "the pod may run as root");
        }
        for container in context.containers(subject) {
            let is_own = !container.node().flag(field).is_absent();
            context.check_inherited(container, pod, field, Node::flag, |value| match value {
                Some(false) if is_own => Some(format!("{} may run as root", container.words())),
                // A field of the pod that is false is reported above.
                Some(_) => None,
                None => Some(format!(
                    "neither {} nor its pod sets runAsNonRoot: true",
                    container.words()
                )),
            });
        }
    }),
    ..Rule::DEFAULTS
};

/// `runAsGroup`, `fsGroup`, `supplementalGroups`.
pub static NO_ROOT_GROUP: Rule = Rule {
    id: "no-root-group",
    text: rule_text!("no-root-group"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        if is_windows(subject, context) {
            return;
        }
        let Some(pod) = context.pod(subject) else { return };
        if context.number(pod.spec(), "securityContext.fsGroup") == Some(0) {
            context.fail(
                pod.spec().at("securityContext.fsGroup"),
                "the volumes of the pod belong to group 0, the root group",
            );
        }
        for group in context.items(pod.spec(), "securityContext.supplementalGroups") {
            if group.value.as_i64() == Some(0) {
                context.fail(group.path, "the pod belongs to group 0, the root group");
            }
        }
        for container in context.containers(subject) {
            let field = "securityContext.runAsGroup";
            context.check_inherited(container, pod, field, Node::number, |value| match value {
                Some(0) => Some(format!("{} runs as group 0, the root group", container.words())),
                Some(_) => None,
                None => Some(format!(
                    "neither {} nor its pod sets runAsGroup",
                    container.words()
                )),
            });
        }
    }),
    ..Rule::DEFAULTS
};

/// `readOnlyRootFilesystem`.
pub static READ_ONLY_ROOT_FILESYSTEM: Rule = Rule {
    id: "read-only-root-filesystem",
    text: rule_text!("read-only-root-filesystem"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        UnauthorizedSoftware,
        ConfigurationStandards,
        MaliciousSoftware,
        Integrity,
    ],
    check: Check::Resource(|subject, context| {
        if is_windows(subject, context) {
            return;
        }
        for container in context.containers(subject) {
            let field = "securityContext.readOnlyRootFilesystem";
            match container.node().flag(field) {
                Field::Known(true) => {}
                Field::Unknown => context.unknown(container.node().at(field)),
                Field::Known(false) | Field::Absent => context.fail(
                    container.node().at(field),
                    format!("{} can write to its root filesystem", container.words()),
                ),
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `seccompProfile`.
pub static SECCOMP_RUNTIME_DEFAULT: Rule = Rule {
    id: "seccomp-runtime-default",
    text: rule_text!("seccomp-runtime-default"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[UnauthorizedSoftware, RiskManagement],
    check: Check::Resource(|subject, context| {
        if is_windows(subject, context) {
            return;
        }
        let Some(pod) = context.pod(subject) else { return };
        let field = "securityContext.seccompProfile.type";
        if pod.spec().text(field) == Field::Known("Unconfined") {
            context.fail(
                pod.spec().at(field),
                "the seccomp profile of the pod is Unconfined",
            );
            return;
        }
        for container in context.containers(subject) {
            context.check_inherited(container, pod, field, Node::text, |value| match value {
                Some("RuntimeDefault" | "Localhost") => None,
                Some(_) => Some(format!(
                    "the seccomp profile of {} is neither RuntimeDefault nor Localhost",
                    container.words()
                )),
                None => Some(format!(
                    "neither {} nor its pod sets a seccomp profile",
                    container.words()
                )),
            });
        }
    }),
    ..Rule::DEFAULTS
};

/// `appArmorProfile`, `seLinuxOptions`.
pub static MAC_PROFILE_NOT_WEAKENED: Rule = Rule {
    id: "mac-profile-not-weakened",
    text: rule_text!("mac-profile-not-weakened"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    evidence: &[UnauthorizedSoftware, RiskManagement],
    check: Check::Resource(|subject, context| {
        const TYPES: [&str; 5] = [
            "",
            "container_t",
            "container_init_t",
            "container_kvm_t",
            "container_engine_t",
        ];
        let Some(pod) = context.pod(subject) else { return };
        let mut contexts = vec![(pod.spec(), "the pod".to_owned())];
        let of_pod = context.containers(subject);
        contexts.extend(
            of_pod
                .iter()
                .map(|container| (container.node(), container.words())),
        );
        for (node, who) in contexts {
            let field = "securityContext.appArmorProfile.type";
            if context
                .text(node, field)
                .is_some_and(|kind| !["RuntimeDefault", "Localhost"].contains(&kind))
            {
                context.fail(node.at(field), format!("{who} disables AppArmor"));
            }
            let field = "securityContext.seLinuxOptions.type";
            if context
                .text(node, field)
                .is_some_and(|kind| !TYPES.contains(&kind))
            {
                context.fail(
                    node.at(field),
                    format!("{who} sets an SELinux type that is not one of the container types"),
                );
            }
            for field in [
                "securityContext.seLinuxOptions.user",
                "securityContext.seLinuxOptions.role",
            ] {
                if context.text(node, field).is_some_and(|text| !text.is_empty()) {
                    context.fail(node.at(field), format!("{who} sets the SELinux user or role"));
                }
            }
        }
        let metadata = pod.metadata();
        if let Some(annotations) = context.known(metadata.map("annotations"), metadata, "annotations") {
            for (key, value) in annotations {
                let Some(container) = key.strip_prefix("container.apparmor.security.beta.kubernetes.io/")
                else {
                    continue;
                };
                match crate::field::text(value) {
                    Field::Known(profile) => {
                        if !(profile.is_empty()
                            || profile == "runtime/default"
                            || profile.starts_with("localhost/"))
                        {
                            let place = metadata.at(&format!("annotations[{key}]"));
                            context.fail(place, format!("container {container} disables AppArmor"));
                        }
                    }
                    _ => context.unknown(metadata.at(&format!("annotations[{key}]"))),
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `sysctls`.
pub static SAFE_SYSCTLS: Rule = Rule {
    id: "safe-sysctls",
    text: rule_text!("safe-sysctls"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[UnauthorizedSoftware, RiskManagement],
    check: Check::Resource(|subject, context| {
        // https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/#safe-and-unsafe-sysctls
        const SAFE: [&str; 14] = [
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ping_group_range",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_keepalive_time",
            // This and the next one are safe since 1.37.
            "net.ipv4.tcp_notsent_lowat",
            "net.ipv4.tcp_slow_start_after_idle",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.tcp_wmem",
        ];
        let Some(pod) = context.pod(subject) else { return };
        for sysctl in context.items(pod.spec(), "securityContext.sysctls") {
            // Kubernetes treats a slash as a dot.
            if let Some(name) = context.text(sysctl.node(), "name")
                && !SAFE.contains(&name.replace('/', ".").as_str())
            {
                context.fail(
                    sysctl.node().at("name"),
                    format!("the pod sets the unsafe sysctl {name}"),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `procMount`.
pub static DEFAULT_PROC_MOUNT: Rule = Rule {
    id: "default-proc-mount",
    text: rule_text!("default-proc-mount"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[UnauthorizedSoftware, RiskManagement],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            let field = "securityContext.procMount";
            if context
                .text(container.node(), field)
                .is_some_and(|mount| mount != "Default")
            {
                context.fail(
                    container.node().at(field),
                    format!("{} has an unmasked /proc", container.words()),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `host` of probes and hooks.
pub static NO_PROBE_HOST_OVERRIDE: Rule = Rule {
    id: "no-probe-host-override",
    text: rule_text!("no-probe-host-override"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, AccessControl],
    check: Check::Resource(|subject, context| {
        const PLACES: [&str; 5] = [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle.postStart",
            "lifecycle.preStop",
        ];
        for container in context.containers(subject) {
            for place in PLACES {
                for action in ["httpGet", "tcpSocket"] {
                    let field = format!("{place}.{action}.host");
                    if context
                        .text(container.node(), &field)
                        .is_some_and(|host| !host.is_empty())
                    {
                        context.fail(
                            container.node().at(&field),
                            format!("the probe is sent to a host other than {}", container.words()),
                        );
                    }
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};
