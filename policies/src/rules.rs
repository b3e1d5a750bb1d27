//! The rules: one table, and the families that they stand in.
//!
//! To add a rule, write it into the file of its family, or a file of its own, and add a row here. The tests ask it for a good
//! example that passes, a bad one that fails, and that no value that is not known makes it pass
//! (`docs/how-to/add-a-rule.md`).

pub mod access;
pub mod data;
pub mod mesh;
pub mod namespaces;
pub mod network;
pub mod observability;
pub mod pod_security;
pub mod waivers;
pub mod workloads;

use serde_json::Value;

use crate::context::{CheckContext, Subject};
use crate::field::{Field, Node};
use crate::pod::{Container, Pod};
use crate::rule::{Enforcement, Kind, Rule};
use crate::settings::Settings;

/// Every rule, in the order of the catalogue.
pub const RULES: &[&Rule] = &[
    // What a pod may do to its node.
    &pod_security::privileges::NO_PRIVILEGED_CONTAINERS,
    &pod_security::privileges::NO_PRIVILEGE_ESCALATION,
    &pod_security::hardening::RUN_AS_NON_ROOT,
    &pod_security::hardening::NO_ROOT_GROUP,
    &pod_security::hardening::READ_ONLY_ROOT_FILESYSTEM,
    &pod_security::privileges::DROP_ALL_CAPABILITIES,
    &pod_security::privileges::NO_ADDED_CAPABILITIES,
    &pod_security::hardening::SECCOMP_RUNTIME_DEFAULT,
    &pod_security::hardening::MAC_PROFILE_NOT_WEAKENED,
    &pod_security::privileges::NO_HOST_NAMESPACES,
    &pod_security::privileges::NO_HOST_PORTS,
    &pod_security::volumes::NO_HOST_PATH_VOLUMES,
    &pod_security::volumes::NO_RUNTIME_SOCKET_MOUNT,
    &pod_security::volumes::RESTRICTED_VOLUME_TYPES,
    &pod_security::hardening::SAFE_SYSCTLS,
    &pod_security::hardening::DEFAULT_PROC_MOUNT,
    &pod_security::hardening::NO_PROBE_HOST_OVERRIDE,
    // What runs, and how it is kept well.
    &workloads::resources::RESOURCE_LIMITS_SET,
    &workloads::resources::RESOURCE_REQUESTS_SET,
    &workloads::resources::HEALTH_PROBES_SET,
    &workloads::images::NO_MUTABLE_IMAGE_TAG,
    &workloads::images::IMAGE_DIGEST_PINNED,
    &workloads::images::IMAGE_REGISTRY_ALLOWED,
    &workloads::provenance::IMAGE_PROVENANCE_ENFORCED,
    &namespaces::NO_REMOVED_API,
    // Credentials and identities.
    &access::credentials::NO_CREDENTIALS_IN_ENV,
    &access::credentials::NO_CREDENTIALS_IN_CONFIGMAP,
    &access::credentials::SECRETS_MOUNTED_AS_FILES,
    &access::credentials::SECRET_VALUES_ARE_REFERENCES,
    &access::credentials::EXTERNAL_SECRET_STORE_USED,
    &access::credentials::NO_STATIC_SERVICE_ACCOUNT_TOKEN,
    &access::accounts::DEDICATED_SERVICE_ACCOUNT,
    &access::accounts::NO_TOKEN_AUTOMOUNT,
    &access::accounts::CLOUD_IDENTITY_WELL_FORMED,
    // Roles.
    &access::rbac::RBAC_NO_CLUSTER_ADMIN,
    &access::rbac::RBAC_NO_WILDCARDS,
    &access::rbac::RBAC_NO_SECRET_READ,
    &access::rbac::RBAC_NO_ESCALATION_VERBS,
    &access::rbac::RBAC_NO_POD_EXEC,
    &access::rbac::RBAC_NO_POD_CREATE,
    &access::rbac::RBAC_NO_CONTROL_PLANE_VERBS,
    &access::rbac::RBAC_NO_BROAD_SUBJECTS,
    // The network.
    &network::policies::NAMESPACE_DEFAULT_DENY,
    &network::policies::WORKLOAD_HAS_NETWORK_POLICY,
    &network::policies::NETWORK_POLICY_NOT_ALLOW_ALL,
    &network::policies::EGRESS_DESTINATIONS_RESTRICTED,
    &network::services::SERVICE_EXPOSURE_RESTRICTED,
    &network::services::LOAD_BALANCER_RESTRICTED,
    &network::services::INGRESS_TLS_REQUIRED,
    &network::services::EXTERNAL_HOST_EXPLICIT,
    &network::services::SERVICE_PORT_PROTOCOL_DECLARED,
    &network::services::SELECTORS_MATCH,
    &network::references::REFERENCES_RESOLVE,
    // The mesh.
    &mesh::identity::MESH_MTLS_STRICT,
    &mesh::identity::PEER_AUTHENTICATION_NO_DOWNGRADE,
    &mesh::traffic::DESTINATION_RULE_TLS_NOT_DISABLED,
    &mesh::traffic::DESTINATION_RULE_VERIFIES_SERVER,
    &mesh::authorization::MESH_AUTHZ_DEFAULT_DENY,
    &mesh::authorization::AUTHZ_NO_ALLOW_ALL,
    &mesh::authorization::AUTHZ_NO_WILDCARD_SOURCE,
    &mesh::authorization::AUTHZ_SOURCE_AND_OPERATION_TOGETHER,
    &mesh::authorization::AUTHZ_SAFE_MATCH_PATTERN,
    &mesh::requests::AUTHZ_REQUESTS_WHERE_REQUESTS_ARE,
    &mesh::authorization::EXTERNAL_API_AUTHENTICATED,
    &mesh::identity::MESH_INJECTION_ENFORCED,
    &mesh::identity::NO_MESH_BYPASS,
    &mesh::identity::ISTIO_POLICY_TAKES_EFFECT,
    &mesh::traffic::GATEWAY_TLS_ENFORCED,
    &mesh::traffic::VIRTUAL_SERVICE_REFERENCES_RESOLVE,
    &mesh::traffic::MESH_EGRESS_REGISTRY_ONLY,
    // Data.
    &data::storage::STORAGE_CLASS_ENCRYPTED,
    &data::storage::DATA_VOLUMES_ON_ENCRYPTED_CLASS,
    &data::storage::DATA_NOT_ON_EPHEMERAL_VOLUME,
    &data::storage::NO_SHARED_SINGLE_WRITER_VOLUME,
    &data::storage::DATA_DELETION_GUARDED,
    &data::storage::BACKUP_COVERS_DATA,
    &data::backups::BACKUP_ENCRYPTED_AND_REMOTE,
    &data::backups::RESTORE_TEST_SCHEDULED,
    &data::backups::RETENTION_DECLARED,
    &namespaces::DATA_CLASSIFICATION_LABELLED,
    &observability::tracing::TRACE_CONTENT_REDACTED,
    // Whether anybody would see.
    &observability::monitoring::MESH_ACCESS_LOGGING_ON,
    &observability::monitoring::AUDIT_TRAIL_RETAINED,
    &observability::monitoring::WORKLOADS_MONITORED,
    &observability::monitoring::ALERTS_LEAD_TO_ACTION,
    &observability::monitoring::SECURITY_ALERTS_DEFINED,
    // What is left when something is gone.
    &workloads::availability::REPLICAS_MINIMUM,
    &workloads::availability::DISRUPTION_BUDGET_SET,
    &workloads::availability::SPREAD_ACROSS_FAILURE_DOMAINS,
    &workloads::availability::NO_NAKED_PODS,
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
    data::backups::SCHEDULE,
    observability::monitoring::SERVICE_MONITOR,
    observability::monitoring::POD_MONITOR,
    workloads::provenance::IMAGE_POLICIES[0],
    workloads::provenance::IMAGE_POLICIES[1],
    workloads::provenance::IMAGE_POLICIES[2],
    workloads::provenance::IMAGE_POLICIES[3],
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
fn pod<'a>(subject: &Subject<'a>, context: &mut CheckContext<'_>) -> Option<&'a Pod<'a>> {
    let pod = subject.pod?;
    for path in &pod.unreadable {
        context.unknown(path.clone());
    }
    Some(pod)
}

/// The containers of the subject's pod; what of them cannot be read is noted.
fn containers<'a>(subject: &Subject<'a>, context: &mut CheckContext<'_>) -> &'a [Container<'a>] {
    pod(subject, context).map_or(&[], |pod| pod.containers.as_slice())
}

/// Where a container's variable stands; its list of them, where it has none of this name.
fn place_of_variable(container: &Container<'_>, name: &str) -> String {
    let variables = container.env().known().unwrap_or_default();
    let is_it = |variable: &Value| Node::new(variable, "").text("name") == Field::Known(name);
    match variables.iter().rposition(is_it) {
        Some(index) => container.node().at(&format!("env[{index}].value")),
        None => container.node().at("env"),
    }
}

/// The literal value of a container's variable. The last of two with one name counts, as it does in the container.
fn variable<'a>(container: &Container<'a>, name: &str) -> Field<&'a str> {
    container.env().and_then(|variables| {
        let mut found = Field::Absent;
        for variable in variables {
            let variable = Node::new(variable, "");
            match variable.text("name") {
                Field::Known(known) if known == name => {
                    found = match (variable.text("value"), variable.field("valueFrom")) {
                        (Field::Absent, Field::Absent) => Field::Known(""),
                        (value, Field::Absent) => value,
                        _ => Field::Unknown,
                    };
                }
                Field::Known(_) | Field::Absent => {}
                Field::Unknown => found = Field::Unknown,
            }
        }
        found
    })
}
