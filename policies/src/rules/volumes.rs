//! What a pod mounts of its node.

use serde_json::Value;

use crate::control::Control::{AccessArchitecture, AccessControl, UnauthorisedSoftware};
use crate::judging::Judging;
use crate::pod::WORKLOADS;
use crate::read::Read;
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::pod;
use crate::settings::{Default, Setting};

static ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "paths of nodes that pods may mount, each exactly",
    default: Default::Texts(&[]),
};

/// `hostPath`.
pub static NO_HOST_PATH_VOLUMES: Rule = Rule {
    id: "no-host-path-volumes",
    title: "No pod mounts a directory of its node",
    meaning: "Fails where a volume of a pod, or a PersistentVolume, is a `hostPath` that is not allowed by name. A PersistentVolume of type `local` passes: it is bound to its node by the scheduler.",
    why: "A directory of the node holds the kubelet's credentials, other pods' volumes and the runtime's socket.",
    remedy: "Use a claim, an emptyDir, a ConfigMap or a projected volume.",
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
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: data, emptyDir: {}}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: data, hostPath: {path: /var/lib/kubelet}}]\n",
    check: |subject, judging| {
        if subject.kind() == "PersistentVolume" {
            let place = "spec.hostPath.path";
            match host_path(
                subject.body.field("spec.hostPath"),
                subject.body.text(place),
                judging,
            ) {
                Read::Known(path) => judging.fail("spec.hostPath", format!("the volume is {path} of a node")),
                Read::Absent => {}
                Read::Unknown => judging.unknown(place),
            }
            return;
        }
        let Some(pod) = pod(subject, judging) else { return };
        for volume in judging.items(pod.spec(), "volumes") {
            let name = volume.node().text("name").known().unwrap_or("?");
            let place = volume.node().at("hostPath.path");
            let node = volume.node();
            match host_path(node.field("hostPath"), node.text("hostPath.path"), judging) {
                Read::Known(path) => judging.fail(place, format!("the volume {name} is {path} of the node")),
                Read::Absent => {}
                Read::Unknown => judging.unknown(place),
            }
        }
    },
};

/// The directory of the node that a volume is, in words, unless it is none or an allowed one.
fn host_path(volume: Read<&Value>, path: Read<&str>, judging: &Judging<'_>) -> Read<String> {
    match (volume, path) {
        (Read::Absent, _) => Read::Absent,
        (Read::Unknown, _) | (_, Read::Unknown) => Read::Unknown,
        (_, Read::Known(path)) if judging.option_texts(&ALLOWED).contains(&path) => Read::Absent,
        (_, Read::Known(path)) => Read::Known(format!("the directory {path}")),
        (_, Read::Absent) => Read::Known("a directory".to_owned()),
    }
}

/// Sockets of container runtimes.
pub static NO_RUNTIME_SOCKET_MOUNT: Rule = Rule {
    id: "no-runtime-socket-mount",
    title: "No pod can talk to its node's container runtime",
    meaning: "Fails where a `hostPath` volume is the socket of docker, containerd, CRI-O or another runtime, or a directory that holds one.",
    why: "Who can talk to the runtime starts privileged containers, whatever this pod is allowed.",
    remedy: "Remove the volume. Images can be built without a runtime's socket, and logs be read through the API.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, UnauthorisedSoftware, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: log, hostPath: {path: /var/log}}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: docker, hostPath: {path: /var/run/docker.sock}}]\n",
    check: |subject, judging| {
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
        let Some(pod) = pod(subject, judging) else { return };
        for volume in judging.items(pod.spec(), "volumes") {
            if volume.node().field("hostPath").is_absent() {
                continue;
            }
            let Some(path) = judging.text(volume.node(), "hostPath.path") else {
                continue;
            };
            // On every system of today /var/run is a link to /run.
            let path = path.trim_end_matches('/');
            let path = path
                .strip_prefix("/var/run")
                .map_or(path.to_owned(), |rest| format!("/run{rest}"));
            let holds = |socket: &&str| **socket == path || socket.starts_with(&format!("{path}/"));
            if SOCKETS.iter().any(holds) {
                judging.fail(
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
    title: "Pods mount only volumes that Kubernetes keeps apart from the node and from other tenants",
    meaning: "As the Pod Security Standard `restricted` says it: fails where a volume is of any type but configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected and secret. A volume that names no type is an emptyDir.",
    why: "The other types reach a node's disk or a storage network with the node's own rights.",
    remedy: "Put the storage behind a PersistentVolumeClaim.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: data, nfs: {server: files, path: /}}]\n",
    check: |subject, judging| {
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
        let Some(pod) = pod(subject, judging) else { return };
        for volume in judging.items(pod.spec(), "volumes") {
            let Some(fields) = judging.note(volume.node().map(""), volume.node(), "") else {
                continue;
            };
            let others = fields
                .iter()
                .filter(|(key, value)| !value.is_null() && !TYPES.contains(&key.as_str()));
            for (kind, _) in others {
                let name = volume.node().text("name").known().unwrap_or("?");
                judging.fail(
                    volume.node().at(kind),
                    format!("the volume {name} is of the type {kind}"),
                );
            }
        }
    },
};
