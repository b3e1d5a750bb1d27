//! Volumes that give access to the node.

use serde_json::Value;

use crate::context::CheckContext;
use crate::control::Control::{AccessArchitecture, AccessControl, UnauthorizedSoftware};
use crate::enforcement::Enforcement;
use crate::field::Field;
use crate::kind::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, Kind, POD, POD_TEMPLATE, REPLICA_SET, REPLICATION_CONTROLLER,
    STATEFUL_SET, WORKLOADS,
};
use crate::rule::{Check, Rule, Severity};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "host paths that pods may mount; each must match exactly",
    default: DefaultValue::Texts(&[]),
};

/// `hostPath`.
pub static NO_HOST_PATH_VOLUMES: Rule = Rule {
    id: "no-host-path-volumes",
    text: rule_text!("no-host-path-volumes"),
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        POD_TEMPLATE,
        Kind::core("PersistentVolume"),
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&ALLOWED],
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        if subject.kind() == "PersistentVolume" {
            let place = "spec.hostPath.path";
            match host_path(
                subject.body.field("spec.hostPath"),
                subject.body.text(place),
                context,
            ) {
                Field::Known(path) => {
                    context.fail("spec.hostPath", format!("the volume is {path} of a node"));
                }
                Field::Absent => {}
                Field::Unknown => context.unknown(place),
            }
            return;
        }
        let Some(pod) = context.pod(subject) else { return };
        for volume in context.items(pod.spec(), "volumes") {
            let name = volume.node().text("name").known().unwrap_or("?");
            let place = volume.node().at("hostPath.path");
            let node = volume.node();
            match host_path(node.field("hostPath"), node.text("hostPath.path"), context) {
                Field::Known(path) => context.fail(place, format!("the volume {name} is {path} of the node")),
                Field::Absent => {}
                Field::Unknown => context.unknown(place),
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// A description of the host path of a volume, unless it has none or the path is allowed.
fn host_path(volume: Field<&Value>, path: Field<&str>, context: &CheckContext<'_>) -> Field<String> {
    match (volume, path) {
        (Field::Absent, _) => Field::Absent,
        (Field::Unknown, _) | (_, Field::Unknown) => Field::Unknown,
        (_, Field::Known(path)) if is_allowed(path, context) => Field::Absent,
        (_, Field::Known(path)) => Field::Known(format!("the directory {path}")),
        (_, Field::Absent) => Field::Known("a directory".to_owned()),
    }
}

fn is_allowed(path: &str, context: &CheckContext<'_>) -> bool {
    let path = normalized(path);
    let allowed = context.option_texts(&ALLOWED);
    allowed.iter().any(|allowed| normalized(allowed) == path)
}

/// A path without empty parts, `.` and `..`.
pub(crate) fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether a path is a directory that contains another path, or is that path. Both are normalized.
pub(crate) fn contains(directory: &str, path: &str) -> bool {
    directory == "/"
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Sockets of container runtimes.
pub static NO_RUNTIME_SOCKET_MOUNT: Rule = Rule {
    id: "no-runtime-socket-mount",
    text: rule_text!("no-runtime-socket-mount"),
    kinds: WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, UnauthorizedSoftware, AccessControl],
    check: Check::Resource(|subject, context| {
        const SOCKETS: [&str; 18] = [
            "/run/docker.sock",
            "/run/docker/containerd/containerd.sock",
            "/run/containerd/containerd.sock",
            "/run/containerd/containerd.sock.ttrpc",
            "/run/host-containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/run/cri-dockerd.sock",
            "/run/dockershim.sock",
            "/run/frakti.sock",
            "/run/balena-engine.sock",
            "/run/buildkit/buildkitd.sock",
            "/run/podman/podman.sock",
            "/run/user/0/docker.sock",
            "/run/user/0/podman/podman.sock",
            "/run/user/0/containerd/containerd.sock",
            "/run/k3s/containerd/containerd.sock",
            "/run/k0s/containerd.sock",
            "/var/snap/microk8s/common/run/containerd.sock",
        ];
        // Windows has named pipes.
        const PIPES: [&str; 3] = ["docker_engine", "containerd-containerd", "cri-dockerd"];
        let Some(pod) = context.pod(subject) else { return };
        for volume in context.items(pod.spec(), "volumes") {
            if volume.node().field("hostPath").is_absent() {
                continue;
            }
            let Some(path) = context.text(volume.node(), "hostPath.path") else {
                continue;
            };
            // On current systems /var/run is a link to /run.
            let normal = normalized(path);
            let normal = match normal.strip_prefix("/var/run") {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
                _ => normal,
            };
            let normal = of_first_user(&normal);
            let is_pipe = |name: &&str| path.contains("pipe") && path.contains(*name);
            if SOCKETS.iter().any(|socket| contains(&normal, socket)) || PIPES.iter().any(is_pipe) {
                context.fail(
                    volume.node().at("hostPath.path"),
                    "the pod has access to the container runtime of its node",
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Types of volumes.
pub static RESTRICTED_VOLUME_TYPES: Rule = Rule {
    id: "restricted-volume-types",
    text: rule_text!("restricted-volume-types"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        const TYPES: [&str; 10] = [
            "name",
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        let Some(pod) = context.pod(subject) else { return };
        for volume in context.items(pod.spec(), "volumes") {
            let Some(fields) = context.known(volume.node().map(""), volume.node(), "") else {
                continue;
            };
            let others = fields
                .iter()
                .filter(|(key, value)| !value.is_null() && !TYPES.contains(&key.as_str()));
            for (kind, _) in others {
                let name = volume.node().text("name").known().unwrap_or("?");
                context.fail(
                    volume.node().at(kind),
                    format!("the volume {name} has the type {kind}"),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// The same path in the folder of user 0, if it is in the folder of a user.
fn of_first_user(path: &str) -> String {
    let rest = path.strip_prefix("/run/user/").unwrap_or_default();
    let (user, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if user.parse::<u32>().is_ok() {
        format!("/run/user/0{rest}")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        for (path, normal) in [
            ("/var//run/./docker.sock", "/var/run/docker.sock"),
            ("/run/../run/docker.sock/", "/run/docker.sock"),
            ("/../..", "/"),
            ("run", "/run"),
            ("/", "/"),
            ("/a/..b", "/a/..b"),
        ] {
            assert_eq!(normalized(path), normal);
        }
        assert!(contains("/", "/run") && contains("/run", "/run") && contains("/run", "/run/a"));
        assert!(!contains("/run", "/running") && !contains("/run/a", "/run"));
    }
}
