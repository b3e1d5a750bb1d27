//! Who a container runs as, and what the kernel lets it do: users, groups, its root file system, profiles, sysctls.

use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, ConfigurationStandards, Integrity, MaliciousSoftware,
    RiskManagement, UnauthorisedSoftware,
};
use crate::pod::WORKLOADS;
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::rules::privileges::is_windows;
use crate::rules::{containers, pod};

/// `runAsNonRoot`, `runAsUser`.
pub static RUN_AS_NON_ROOT: Rule = Rule {
    id: "run-as-non-root",
    title: "No container runs as root",
    meaning: "As the Pod Security Standard `restricted` says it: passes where every container, ephemeral ones included, has `runAsNonRoot: true` of its own or of its pod, neither a container nor the pod names user 0, and the pod does not say `runAsNonRoot: false`, whatever its containers say. A user other than 0 without `runAsNonRoot` fails. Pods in a user namespace of their own (`hostUsers: false`), whose root is nobody on the node, are not judged.",
    why: "Root in a container is root on the node as soon as anything between them gives way.",
    remedy: "Set `runAsNonRoot: true` and a `runAsUser` of 1 or more in the pod's `securityContext`.",
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
    limits: &["the user that the image itself names is not seen"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {runAsNonRoot: true, runAsUser: 1000}\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {runAsNonRoot: true, runAsUser: 0}\n  containers: [{name: app}]\n",
    check: |subject, judging| {
        let Some(pod) = pod(subject, judging) else { return };
        if judging.flag(pod.spec(), "hostUsers") == Some(false) {
            judging.not_applicable("the pod has users of its own: its root is nobody on the node");
            return;
        }
        if judging.number(pod.spec(), "securityContext.runAsUser") == Some(0) {
            judging.fail(
                pod.spec().at("securityContext.runAsUser"),
                "the pod runs as user 0, which is root",
            );
        }
        for container in containers(subject, judging) {
            if judging.number(container.node(), "securityContext.runAsUser") == Some(0) {
                judging.fail(
                    container.node().at("securityContext.runAsUser"),
                    format!("{} runs as user 0, which is root", container.words()),
                );
            }
        }
        let field = "securityContext.runAsNonRoot";
        if pod.spec().flag(field) == Read::Known(false) {
            judging.fail(pod.spec().at(field), "the pod may run as root");
        }
        for container in containers(subject, judging) {
            let message = match container.or_pod(|node, field| node.flag(field), field, pod) {
                Read::Known(true) => continue,
                // That the pod says so was told already.
                Read::Known(false) if container.node().flag(field).is_absent() => continue,
                Read::Known(false) => format!("{} may run as root", container.words()),
                Read::Absent => format!(
                    "neither {} nor its pod says that it must not run as root",
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

/// `runAsGroup`, `fsGroup`, `supplementalGroups`.
pub static NO_ROOT_GROUP: Rule = Rule {
    id: "no-root-group",
    title: "No container belongs to root's group",
    meaning: "Fails where the group that a container runs as (`runAsGroup` of its own or of its pod) is 0 or not said, or where `fsGroup` or `supplementalGroups` of the pod hold 0. Pods that say `os.name: windows` are not judged.",
    why: "Where no group is said it is the image's, mostly 0, and many files of a node are open to that group.",
    remedy: "Set `runAsGroup` to 1 or more in the pod's `securityContext`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[],
    evidence: &[AccessArchitecture, AccessControl],
    limits: &["the group that the image itself names is not seen"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {runAsGroup: 1000}\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {runAsGroup: 0}\n  containers: [{name: app}]\n",
    check: |subject, judging| {
        if is_windows(subject, judging) {
            return;
        }
        let Some(pod) = pod(subject, judging) else { return };
        if judging.number(pod.spec(), "securityContext.fsGroup") == Some(0) {
            judging.fail(
                pod.spec().at("securityContext.fsGroup"),
                "the pod's volumes belong to group 0, which is root's",
            );
        }
        for group in judging.items(pod.spec(), "securityContext.supplementalGroups") {
            if group.value.as_i64() == Some(0) {
                judging.fail(group.path, "the pod belongs to group 0, which is root's");
            }
        }
        for container in containers(subject, judging) {
            let field = "securityContext.runAsGroup";
            let message = match container.or_pod(|node, field| node.number(field), field, pod) {
                Read::Known(0) => format!("{} runs as group 0, which is root's", container.words()),
                Read::Known(_) => continue,
                Read::Absent => format!(
                    "neither {} nor its pod says which group it runs as",
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

/// `readOnlyRootFilesystem`.
pub static READ_ONLY_ROOT_FILESYSTEM: Rule = Rule {
    id: "read-only-root-filesystem",
    title: "No container can change its own programs",
    meaning: "Fails where `securityContext.readOnlyRootFilesystem` is not true in any container. Pods that say `os.name: windows` are not judged.",
    why: "Who breaks into a container that can be written leaves tools behind, or changes the program that runs in it.",
    remedy: "Set `readOnlyRootFilesystem: true`, and mount an emptyDir where the program has to write, such as `/tmp`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        UnauthorisedSoftware,
        ConfigurationStandards,
        MaliciousSoftware,
        Integrity,
    ],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {readOnlyRootFilesystem: true}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {readOnlyRootFilesystem: false}}\n",
    check: |subject, judging| {
        if is_windows(subject, judging) {
            return;
        }
        for container in containers(subject, judging) {
            let field = "securityContext.readOnlyRootFilesystem";
            match container.node().flag(field) {
                Read::Known(true) => {}
                Read::Unknown => judging.unknown(container.node().at(field)),
                Read::Known(false) | Read::Absent => judging.fail(
                    container.node().at(field),
                    format!("{} can write to its own root file system", container.words()),
                ),
            }
        }
    },
};

/// `seccompProfile`.
pub static SECCOMP_RUNTIME_DEFAULT: Rule = Rule {
    id: "seccomp-runtime-default",
    title: "Every container's system calls are filtered",
    meaning: "Fails where the seccomp profile of a container (`seccompProfile.type` of its own or of its pod) is not RuntimeDefault or Localhost, or where the pod's is Unconfined. Annotations, which Kubernetes reads no more since 1.27, count for nothing. Pods that say `os.name: windows` are not judged.",
    why: "Most ways out of a container begin with a system call that no ordinary program makes.",
    remedy: "Set `seccompProfile: {type: RuntimeDefault}` in the pod's `securityContext`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[UnauthorisedSoftware, RiskManagement],
    limits: &["a node's own default (`seccompDefault` of the kubelet) is not seen"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {seccompProfile: {type: RuntimeDefault}}\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {seccompProfile: {type: Unconfined}}\n  containers: [{name: app}]\n",
    check: |subject, judging| {
        if is_windows(subject, judging) {
            return;
        }
        let Some(pod) = pod(subject, judging) else { return };
        let field = "securityContext.seccompProfile.type";
        if pod.spec().text(field) == Read::Known("Unconfined") {
            judging.fail(pod.spec().at(field), "the pod's system calls are not filtered");
            return;
        }
        for container in containers(subject, judging) {
            let message = match container.or_pod(|node, field| node.text(field), field, pod) {
                Read::Known("RuntimeDefault" | "Localhost") => continue,
                Read::Known(_) => format!("the system calls of {} are not filtered", container.words()),
                Read::Absent => format!(
                    "neither {} nor its pod names a seccomp profile",
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

/// `appArmorProfile`, `seLinuxOptions`.
pub static MAC_PROFILE_NOT_WEAKENED: Rule = Rule {
    id: "mac-profile-not-weakened",
    title: "No container weakens AppArmor or SELinux",
    meaning: "As the Pod Security Standard `baseline` says it: fails where an AppArmor profile, by field or by the older annotation, is neither the runtime's nor a local one, or where SELinux' type is none of the container types, or its user or role is set.",
    why: "These profiles still hold when a container's process has become root.",
    remedy: "Remove the field or the annotation: the runtime's own profile holds then.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[],
    evidence: &[UnauthorisedSoftware, RiskManagement],
    limits: &["whether the node has AppArmor or SELinux at all is not seen"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {appArmorProfile: {type: RuntimeDefault}}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {appArmorProfile: {type: Unconfined}}}\n",
    check: |subject, judging| {
        const TYPES: [&str; 5] = [
            "",
            "container_t",
            "container_init_t",
            "container_kvm_t",
            "container_engine_t",
        ];
        let Some(pod) = pod(subject, judging) else { return };
        let mut contexts = vec![(pod.spec(), "the pod".to_owned())];
        let of_pod = containers(subject, judging);
        contexts.extend(
            of_pod
                .iter()
                .map(|container| (container.node(), container.words())),
        );
        for (node, who) in contexts {
            let field = "securityContext.appArmorProfile.type";
            if judging
                .text(node, field)
                .is_some_and(|kind| !["RuntimeDefault", "Localhost"].contains(&kind))
            {
                judging.fail(node.at(field), format!("{who} switches AppArmor off"));
            }
            let field = "securityContext.seLinuxOptions.type";
            if judging
                .text(node, field)
                .is_some_and(|kind| !TYPES.contains(&kind))
            {
                judging.fail(
                    node.at(field),
                    format!("{who} runs under an SELinux type that is not a container's"),
                );
            }
            for field in [
                "securityContext.seLinuxOptions.user",
                "securityContext.seLinuxOptions.role",
            ] {
                if judging.text(node, field).is_some_and(|text| !text.is_empty()) {
                    judging.fail(
                        node.at(field),
                        format!("{who} sets the user or the role of SELinux"),
                    );
                }
            }
        }
        let metadata = pod.metadata();
        if let Some(annotations) = judging.note(metadata.map("annotations"), metadata, "annotations") {
            for (key, value) in annotations {
                let Some(container) = key.strip_prefix("container.apparmor.security.beta.kubernetes.io/")
                else {
                    continue;
                };
                match crate::read::text(value) {
                    Read::Known(profile) => {
                        if !(profile.is_empty()
                            || profile == "runtime/default"
                            || profile.starts_with("localhost/"))
                        {
                            let place = metadata.at(&format!("annotations[{key}]"));
                            judging.fail(place, format!("container {container} switches AppArmor off"));
                        }
                    }
                    _ => judging.unknown(metadata.at(&format!("annotations[{key}]"))),
                }
            }
        }
    },
};

/// `sysctls`.
pub static SAFE_SYSCTLS: Rule = Rule {
    id: "safe-sysctls",
    title: "No pod changes a kernel parameter that others share",
    meaning: "Fails where `securityContext.sysctls` of the pod names a parameter outside the list that Kubernetes holds for safe.",
    why: "Other parameters are the node's own: a pod that sets them sets them for its neighbours.",
    remedy: "Remove the parameter, or set it where the node is made.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[UnauthorisedSoftware, RiskManagement],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}]}\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext: {sysctls: [{name: kernel.msgmax, value: \"1\"}]}\n  containers: [{name: app}]\n",
    check: |subject, judging| {
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
            // Safe since 1.37, as the one after it.
            "net.ipv4.tcp_notsent_lowat",
            "net.ipv4.tcp_slow_start_after_idle",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.tcp_wmem",
        ];
        let Some(pod) = pod(subject, judging) else { return };
        for sysctl in judging.items(pod.spec(), "securityContext.sysctls") {
            // Kubernetes takes a slash for a dot.
            if let Some(name) = judging.text(sysctl.node(), "name")
                && !SAFE.contains(&name.replace('/', ".").as_str())
            {
                judging.fail(
                    sysctl.node().at("name"),
                    format!("the pod sets {name} of its node's kernel"),
                );
            }
        }
    },
};

/// `procMount`.
pub static DEFAULT_PROC_MOUNT: Rule = Rule {
    id: "default-proc-mount",
    title: "Every container sees the kernel's files masked as usual",
    meaning: "Fails where `securityContext.procMount` of any container is anything but Default.",
    why: "An unmasked /proc shows and lets change what belongs to the node.",
    remedy: "Remove `procMount`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[UnauthorisedSoftware, RiskManagement],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {procMount: Default}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, securityContext: {procMount: Unmasked}}\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            let field = "securityContext.procMount";
            if judging
                .text(container.node(), field)
                .is_some_and(|mount| mount != "Default")
            {
                judging.fail(
                    container.node().at(field),
                    format!("{} sees /proc unmasked", container.words()),
                );
            }
        }
    },
};

/// `host` of probes and hooks.
pub static NO_PROBE_HOST_OVERRIDE: Rule = Rule {
    id: "no-probe-host-override",
    title: "Probes and hooks ask the pod itself, and nobody else",
    meaning: "As the Pod Security Standard `baseline` says it since 1.34: fails where a probe or a lifecycle hook of any container names a `host`.",
    why: "The kubelet makes the request, from the node: a host of one's choice lets a pod's author reach what only nodes reach.",
    remedy: "Remove `host`. For a host header, use `httpHeaders`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, livenessProbe: {httpGet: {path: /, port: 80}}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, livenessProbe: {httpGet: {path: /, port: 80, host: 169.254.169.254}}}\n",
    check: |subject, judging| {
        const PLACES: [&str; 5] = [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle.postStart",
            "lifecycle.preStop",
        ];
        for container in containers(subject, judging) {
            for place in PLACES {
                for action in ["httpGet", "tcpSocket"] {
                    let field = format!("{place}.{action}.host");
                    if judging
                        .text(container.node(), &field)
                        .is_some_and(|host| !host.is_empty())
                    {
                        judging.fail(
                            container.node().at(&field),
                            format!("the node asks another host than {} itself", container.words()),
                        );
                    }
                }
            }
        }
    },
};

/// What a container or its pod says of resources, one of `limits` and `requests`.
pub(super) fn resource(container: Node<'_>, pod: Node<'_>, what: &str, name: &str) -> Read<()> {
    let of = |node: Node<'_>| match node.map(&format!("resources.{what}")) {
        Read::Known(map) => match map.get(name) {
            None | Some(serde_json::Value::Null) => Read::Absent,
            Some(value) if crate::read::is_unknown(value) => Read::Unknown,
            // Nothing is asked for, or nothing is bounded, by a quantity of zero.
            Some(value) if is_zero(value) => Read::Absent,
            Some(serde_json::Value::String(_) | serde_json::Value::Number(_)) => Read::Known(()),
            Some(_) => Read::Unknown,
        },
        Read::Absent => Read::Absent,
        Read::Unknown => Read::Unknown,
    };
    of(container).or(|| of(pod))
}

fn is_zero(quantity: &serde_json::Value) -> bool {
    match quantity {
        serde_json::Value::Number(number) => number.as_f64() == Some(0.0),
        serde_json::Value::String(text) => {
            let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
            digits.parse::<f64>().is_ok_and(|number| number == 0.0)
        }
        _ => false,
    }
}
