//! Defaults of every container: no privileges, a read-only root filesystem, bounded resources.

use k8s_openapi::api::core::v1::{
    Capabilities, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ExecAction, HTTPGetAction,
    Lifecycle, LifecycleHandler, PodSecurityContext, Probe, ResourceRequirements, SeccompProfile,
    SecretKeySelector, SecurityContext, SleepAction, TCPSocketAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::config::Resources;
use crate::config::secret::SecretRow;
use crate::names::Port;

/// The security context that Pod Security `restricted` requires, with a read-only root filesystem.
pub fn security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Default::default()
        }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        ..Default::default()
    }
}

/// The security context of the pod: everything runs as `user` in `group`, and the group owns the volumes.
pub fn pod_security(user: i64, group: i64) -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(group),
        // Changing the ownership of a large volume at every start would take minutes.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        run_as_group: Some(group),
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Requests and limits. `accelerators` are whole devices, so they appear only in the limits.
pub fn resources(resources: &Resources, accelerators: u32) -> ResourceRequirements {
    let amounts = |amounts: &crate::config::Amounts| {
        std::collections::BTreeMap::from([
            ("cpu".to_owned(), amounts.cpu.to_kubernetes()),
            ("memory".to_owned(), amounts.memory.to_kubernetes()),
        ])
    };
    let mut limits = amounts(&resources.limits);
    if accelerators > 0 {
        limits.insert("nvidia.com/gpu".to_owned(), Quantity(accelerators.to_string()));
    }
    ResourceRequirements {
        requests: Some(amounts(&resources.requests)),
        limits: Some(limits),
        ..Default::default()
    }
}

/// A port of a container.
pub fn port(port: Port) -> ContainerPort {
    ContainerPort {
        name: Some(port.name.to_owned()),
        container_port: port.number(),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}

/// An environment variable with a value that is not confidential. The program in the container sees exactly this value:
/// Kubernetes would replace `$(NAME)` with the value of another variable, which can be a secret, and `$$` with `$`.
pub fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    expanded_variable(name, value.into().replace('$', "$$"))
}

/// An environment variable in whose value Kubernetes replaces `$(NAME)` with the value of an earlier variable. The value must
/// not contain text from the configuration that can have a `$`.
pub fn expanded_variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        ..Default::default()
    }
}

/// An environment variable whose value is a secret of the inventory.
pub fn secret_variable(name: &str, row: &SecretRow) -> EnvVar {
    let reference = SecretKeySelector {
        name: row.secret.to_owned(),
        key: row.data_key.to_owned(),
        ..Default::default()
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(reference),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// An HTTP probe on `path` every `period` seconds; it fails after `failures` consecutive failures.
pub fn http_probe(path: &str, port: Port, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(port.number()),
            scheme: Some("HTTP".to_owned()),
            ..Default::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(3),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

/// A TCP probe every `period` seconds; it fails after `failures` consecutive failures.
pub fn tcp_probe(port: Port, period: i32, failures: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(port.number()),
            ..Default::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(3),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

/// An exec probe every `period` seconds; it fails after `failures` consecutive failures. Every user on the node can
/// read the command's arguments, so they must not contain secrets.
pub fn command_probe(command: &[&str], period: i32, failures: i32) -> Probe {
    Probe {
        exec: Some(ExecAction {
            command: Some(command.iter().map(|&word| word.to_owned()).collect()),
        }),
        period_seconds: Some(period),
        // Unlike a request, it has to start a process first.
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

/// Waits before the process receives SIGTERM, until the pod has been removed from all endpoints.
pub fn stop_after(seconds: i64) -> Lifecycle {
    Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A writable directory that exists as long as its pod.
pub fn scratch(name: &str, limit: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(limit.to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A writable directory in memory. Its contents count towards the container's memory.
pub fn memory_scratch(name: &str, limit: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Default::default()
    }
}

/// Mounts a volume read-only.
pub fn read_only_mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(volume, path)
    }
}

/// Mounts a volume.
pub fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_sign_reaches_the_program_unchanged() {
        let value = |text: &str| variable("MODEL", text).value.unwrap();
        assert_eq!(value("$(REDIS_PASSWORD) and $$"), "$$(REDIS_PASSWORD) and $$$$");
        assert_eq!(value("no reference"), "no reference");
        let expanded = expanded_variable("URL", "redis://$(REDIS_PASSWORD)@host");
        assert_eq!(expanded.value.as_deref(), Some("redis://$(REDIS_PASSWORD)@host"));
    }
}
