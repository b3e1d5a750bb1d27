//! What a pod mounts of its node.

use serde_json::Value;

use crate::context::CheckContext;
use crate::control::Control::{AccessArchitecture, AccessControl, UnauthorisedSoftware};
use crate::field::Field;
use crate::pod::WORKLOADS;
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::pod;
use crate::settings::{Default, Setting};
use crate::text::rule_text;

static ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "paths of nodes that pods may mount, each exactly",
    default: Default::Texts(&[]),
};

/// `hostPath`.
pub static NO_HOST_PATH_VOLUMES: Rule = Rule {
    id: "no-host-path-volumes",
    text: rule_text!("no-host-path-volumes"),
    kinds: &[
        crate::pod::POD,
        crate::pod::DEPLOYMENT,
        crate::pod::STATEFUL_SET,
        crate::pod::DAEMON_SET,
        crate::pod::REPLICA_SET,
        crate::pod::REPLICATION_CONTROLLER,
        crate::pod::JOB,
        crate::pod::CRON_JOB,
        crate::pod::POD_TEMPLATE,
        Kind::core("PersistentVolume"),
    ],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&ALLOWED],
    evidence: &[AccessArchitecture, AccessControl],
    check: |subject, context| {
        if subject.kind() == "PersistentVolume" {
            let place = "spec.hostPath.path";
            match host_path(
                subject.body.field("spec.hostPath"),
                subject.body.text(place),
                context,
            ) {
                Field::Known(path) => {
                    context.fail("spec.hostPath", format!("the volume is {path} of a node"))
                }
                Field::Absent => {}
                Field::Unknown => context.unknown(place),
            }
            return;
        }
        let Some(pod) = pod(subject, context) else { return };
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
    },
};

/// The directory of the node that a volume is, in words, unless it is none or an allowed one.
fn host_path(volume: Field<&Value>, path: Field<&str>, context: &CheckContext<'_>) -> Field<String> {
    match (volume, path) {
        (Field::Absent, _) => Field::Absent,
        (Field::Unknown, _) | (_, Field::Unknown) => Field::Unknown,
        (_, Field::Known(path)) if context.option_texts(&ALLOWED).contains(&path) => Field::Absent,
        (_, Field::Known(path)) => Field::Known(format!("the directory {path}")),
        (_, Field::Absent) => Field::Known("a directory".to_owned()),
    }
}

/// Sockets of container runtimes.
pub static NO_RUNTIME_SOCKET_MOUNT: Rule = Rule {
    id: "no-runtime-socket-mount",
    text: rule_text!("no-runtime-socket-mount"),
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, UnauthorisedSoftware, AccessControl],
    check: |subject, context| {
        const SOCKETS: [&str; 8] = [
            "/run/docker.sock",
            "/run/containerd/containerd.sock",
            "/run/containerd/containerd.sock.ttrpc",
            "/run/crio/crio.sock",
            "/run/cri-dockerd.sock",
            "/run/dockershim.sock",
            "/run/podman/podman.sock",
            "/run/k3s/containerd/containerd.sock",
        ];
        let Some(pod) = pod(subject, context) else { return };
        for volume in context.items(pod.spec(), "volumes") {
            if volume.node().field("hostPath").is_absent() {
                continue;
            }
            let Some(path) = context.text(volume.node(), "hostPath.path") else {
                continue;
            };
            // On every system of today /var/run is a link to /run.
            let path = path.trim_end_matches('/');
            let path = path
                .strip_prefix("/var/run")
                .map_or(path.to_owned(), |rest| format!("/run{rest}"));
            let holds = |socket: &&str| **socket == path || socket.starts_with(&format!("{path}/"));
            if SOCKETS.iter().any(holds) {
                context.fail(
                    volume.node().at("hostPath.path"),
                    "the pod can talk to the container runtime of its node",
                );
            }
        }
    },
};

/// Types of volumes.
pub static RESTRICTED_VOLUME_TYPES: Rule = Rule {
    id: "restricted-volume-types",
    text: rule_text!("restricted-volume-types"),
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, AccessControl],
    check: |subject, context| {
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
        let Some(pod) = pod(subject, context) else { return };
        for volume in context.items(pod.spec(), "volumes") {
            let Some(fields) = context.note(volume.node().map(""), volume.node(), "") else {
                continue;
            };
            let others = fields
                .iter()
                .filter(|(key, value)| !value.is_null() && !TYPES.contains(&key.as_str()));
            for (kind, _) in others {
                let name = volume.node().text("name").known().unwrap_or("?");
                context.fail(
                    volume.node().at(kind),
                    format!("the volume {name} is of the type {kind}"),
                );
            }
        }
    },
};
