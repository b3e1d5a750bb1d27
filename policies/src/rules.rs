//! The rules: one table, and the families that they stand in.
//!
//! To add a rule, write it into the file of its family, or a file of its own, and add a row here. The tests ask it for a good
//! example that passes, a bad one that fails, and that no value that is not known makes it pass
//! (`docs/how-to/add-a-rule.md`).

pub mod accounts;
pub mod availability;
pub mod backups;
pub mod credentials;
pub mod hardening;
pub mod images;
pub mod mesh_authorization;
pub mod mesh_identity;
pub mod mesh_requests;
pub mod mesh_traffic;
pub mod namespaces;
pub mod network;
pub mod observability;
pub mod privileges;
pub mod provenance;
pub mod rbac;
pub mod references;
pub mod resources;
pub mod services;
pub mod storage;
pub mod tracing;
pub mod volumes;
pub mod waivers;

use serde_json::Value;

use crate::judging::{Judging, Subject};
use crate::pod::{Container, Pod};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Rule};
use crate::settings::Settings;

/// Every rule, in the order of the catalogue.
pub const RULES: &[&Rule] = &[
    // What a pod may do to its node.
    &privileges::NO_PRIVILEGED_CONTAINERS,
    &privileges::NO_PRIVILEGE_ESCALATION,
    &hardening::RUN_AS_NON_ROOT,
    &hardening::NO_ROOT_GROUP,
    &hardening::READ_ONLY_ROOT_FILESYSTEM,
    &privileges::DROP_ALL_CAPABILITIES,
    &privileges::NO_ADDED_CAPABILITIES,
    &hardening::SECCOMP_RUNTIME_DEFAULT,
    &hardening::MAC_PROFILE_NOT_WEAKENED,
    &privileges::NO_HOST_NAMESPACES,
    &privileges::NO_HOST_PORTS,
    &volumes::NO_HOST_PATH_VOLUMES,
    &volumes::NO_RUNTIME_SOCKET_MOUNT,
    &volumes::RESTRICTED_VOLUME_TYPES,
    &hardening::SAFE_SYSCTLS,
    &hardening::DEFAULT_PROC_MOUNT,
    &hardening::NO_PROBE_HOST_OVERRIDE,
    // What runs, and how it is kept well.
    &resources::RESOURCE_LIMITS_SET,
    &resources::RESOURCE_REQUESTS_SET,
    &resources::HEALTH_PROBES_SET,
    &images::NO_MUTABLE_IMAGE_TAG,
    &images::IMAGE_DIGEST_PINNED,
    &images::IMAGE_REGISTRY_ALLOWED,
    &provenance::IMAGE_PROVENANCE_ENFORCED,
    &namespaces::NO_REMOVED_API,
    // Credentials and identities.
    &credentials::NO_CREDENTIALS_IN_ENV,
    &credentials::NO_CREDENTIALS_IN_CONFIGMAP,
    &credentials::SECRETS_MOUNTED_AS_FILES,
    &credentials::SECRET_VALUES_ARE_REFERENCES,
    &credentials::EXTERNAL_SECRET_STORE_USED,
    &credentials::NO_STATIC_SERVICE_ACCOUNT_TOKEN,
    &accounts::DEDICATED_SERVICE_ACCOUNT,
    &accounts::NO_TOKEN_AUTOMOUNT,
    &accounts::CLOUD_IDENTITY_WELL_FORMED,
    // Roles.
    &rbac::RBAC_NO_CLUSTER_ADMIN,
    &rbac::RBAC_NO_WILDCARDS,
    &rbac::RBAC_NO_SECRET_READ,
    &rbac::RBAC_NO_ESCALATION_VERBS,
    &rbac::RBAC_NO_POD_EXEC,
    &rbac::RBAC_NO_POD_CREATE,
    &rbac::RBAC_NO_CONTROL_PLANE_VERBS,
    &rbac::RBAC_NO_BROAD_SUBJECTS,
    // The network.
    &network::NAMESPACE_DEFAULT_DENY,
    &network::WORKLOAD_HAS_NETWORK_POLICY,
    &network::NETWORK_POLICY_NOT_ALLOW_ALL,
    &network::EGRESS_DESTINATIONS_RESTRICTED,
    &services::SERVICE_EXPOSURE_RESTRICTED,
    &services::LOAD_BALANCER_RESTRICTED,
    &services::INGRESS_TLS_REQUIRED,
    &services::EXTERNAL_HOST_EXPLICIT,
    &services::SERVICE_PORT_PROTOCOL_DECLARED,
    &services::SELECTORS_MATCH,
    &references::REFERENCES_RESOLVE,
    // The mesh.
    &mesh_identity::MESH_MTLS_STRICT,
    &mesh_identity::PEER_AUTHENTICATION_NO_DOWNGRADE,
    &mesh_traffic::DESTINATION_RULE_TLS_NOT_DISABLED,
    &mesh_traffic::DESTINATION_RULE_VERIFIES_SERVER,
    &mesh_authorization::MESH_AUTHZ_DEFAULT_DENY,
    &mesh_authorization::AUTHZ_NO_ALLOW_ALL,
    &mesh_authorization::AUTHZ_NO_WILDCARD_SOURCE,
    &mesh_authorization::AUTHZ_SOURCE_AND_OPERATION_TOGETHER,
    &mesh_authorization::AUTHZ_SAFE_MATCH_PATTERN,
    &mesh_requests::AUTHZ_REQUESTS_WHERE_REQUESTS_ARE,
    &mesh_authorization::EXTERNAL_API_AUTHENTICATED,
    &mesh_identity::MESH_INJECTION_ENFORCED,
    &mesh_identity::NO_MESH_BYPASS,
    &mesh_identity::ISTIO_POLICY_TAKES_EFFECT,
    &mesh_traffic::GATEWAY_TLS_ENFORCED,
    &mesh_traffic::VIRTUAL_SERVICE_REFERENCES_RESOLVE,
    &mesh_traffic::MESH_EGRESS_REGISTRY_ONLY,
    // Data.
    &storage::STORAGE_CLASS_ENCRYPTED,
    &storage::DATA_VOLUMES_ON_ENCRYPTED_CLASS,
    &storage::DATA_NOT_ON_EPHEMERAL_VOLUME,
    &storage::NO_SHARED_SINGLE_WRITER_VOLUME,
    &storage::DATA_DELETION_GUARDED,
    &storage::BACKUP_COVERS_DATA,
    &backups::BACKUP_ENCRYPTED_AND_REMOTE,
    &backups::RESTORE_TEST_SCHEDULED,
    &backups::RETENTION_DECLARED,
    &namespaces::DATA_CLASSIFICATION_LABELLED,
    &tracing::TRACE_CONTENT_REDACTED,
    // Whether anybody would see.
    &observability::MESH_ACCESS_LOGGING_ON,
    &observability::AUDIT_TRAIL_RETAINED,
    &observability::WORKLOADS_MONITORED,
    &observability::ALERTS_LEAD_TO_ACTION,
    &observability::SECURITY_ALERTS_DEFINED,
    // What is left when something is gone.
    &availability::REPLICAS_MINIMUM,
    &availability::DISRUPTION_BUDGET_SET,
    &availability::SPREAD_ACROSS_FAILURE_DOMAINS,
    &availability::NO_NAKED_PODS,
    // Namespaces and labels.
    &namespaces::NAMESPACE_POD_SECURITY_RESTRICTED,
    &namespaces::NO_DEFAULT_NAMESPACE,
    &namespaces::REQUIRED_LABELS,
    &namespaces::CHANGE_TRACEABLE,
    &namespaces::NAMESPACE_QUOTA_SET,
    // Exceptions.
    &waivers::WAIVERS_ARE_VALID,
];

/// Kinds that no rule judges, and that some look at.
const CONTEXT: [Kind; 9] = [
    Kind::core("ResourceQuota"),
    Kind::core("LimitRange"),
    backups::SCHEDULE,
    observability::SERVICE_MONITOR,
    observability::POD_MONITOR,
    provenance::IMAGE_POLICIES[0],
    provenance::IMAGE_POLICIES[1],
    provenance::IMAGE_POLICIES[2],
    provenance::IMAGE_POLICIES[3],
];

/// Every kind that the rules look at as they are enforced.
pub fn looked_at(settings: &Settings) -> Vec<Kind> {
    let enforced = RULES
        .iter()
        .filter(|rule| settings.enforcement(rule) != Enforcement::Disabled);
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in enforced.flat_map(|rule| rule.kinds).chain(&CONTEXT) {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    kinds
}

/// The pod of the subject; what of it cannot be read is noted.
fn pod<'a>(subject: &Subject<'a>, judging: &mut Judging<'_>) -> Option<&'a Pod<'a>> {
    let pod = subject.pod?;
    for path in &pod.unreadable {
        judging.unknown(path.clone());
    }
    Some(pod)
}

/// The containers of the subject's pod; what of them cannot be read is noted.
fn containers<'a>(subject: &Subject<'a>, judging: &mut Judging<'_>) -> &'a [Container<'a>] {
    pod(subject, judging).map_or(&[], |pod| pod.containers.as_slice())
}

/// Where a container's variable stands; its list of them, where it has none of this name.
fn place_of_variable(container: &Container<'_>, name: &str) -> String {
    let variables = container.env().known().unwrap_or_default();
    let is_it = |variable: &Value| Node::new(variable, "").text("name") == Read::Known(name);
    match variables.iter().rposition(is_it) {
        Some(index) => container.node().at(&format!("env[{index}].value")),
        None => container.node().at("env"),
    }
}

/// The literal value of a container's variable. The last of two with one name counts, as it does in the container.
fn variable<'a>(container: &Container<'a>, name: &str) -> Read<&'a str> {
    container.env().and_then(|variables| {
        let mut found = Read::Absent;
        for variable in variables {
            let variable = Node::new(variable, "");
            match variable.text("name") {
                Read::Known(known) if known == name => {
                    found = match (variable.text("value"), variable.field("valueFrom")) {
                        (Read::Absent, Read::Absent) => Read::Known(""),
                        (value, Read::Absent) => value,
                        _ => Read::Unknown,
                    };
                }
                Read::Known(_) | Read::Absent => {}
                Read::Unknown => found = Read::Unknown,
            }
        }
        found
    })
}
