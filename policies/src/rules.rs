//! The catalog: the table of all rules, and their families.
//!
//! A new rule needs a function in the file of its family, a folder with its texts and a row in [`RULES`]. The tests check that
//! its good example passes, that its bad one fails, and that no unknown value makes it pass (`docs/how-to/add-a-rule.md`).

pub mod access;
pub mod data;
pub mod evaluation;
pub mod mesh;
pub mod namespaces;
pub mod network;
pub mod observability;
pub mod pod_security;
pub mod waivers;
pub mod workloads;

use crate::enforcement::Enforcement;
use crate::kind::{ANY, Kind};
use crate::rule::Rule;
use crate::settings::Settings;

/// Every rule, in the order of the catalog.
pub const RULES: &[&Rule] = &[
    // Pod security.
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
    // Images, resources and API versions.
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
    &access::credentials::NO_CREDENTIALS_IN_FIELDS,
    &access::credentials::SECRETS_MOUNTED_AS_FILES,
    &access::credentials::SECRET_VALUES_ARE_REFERENCES,
    &access::stores::EXTERNAL_SECRET_STORE_USED,
    &access::credentials::NO_STATIC_SERVICE_ACCOUNT_TOKEN,
    &access::accounts::DEDICATED_SERVICE_ACCOUNT,
    &access::accounts::NO_TOKEN_AUTOMOUNT,
    &access::accounts::CLOUD_IDENTITY_WELL_FORMED,
    // RBAC.
    &access::rbac::RBAC_NO_CLUSTER_ADMIN,
    &access::rbac::RBAC_NO_WILDCARDS,
    &access::rbac::RBAC_NO_SECRET_READ,
    &access::rbac::RBAC_NO_ESCALATION_VERBS,
    &access::rbac::RBAC_NO_POD_EXEC,
    &access::rbac::RBAC_NO_POD_CREATE,
    &access::rbac::RBAC_NO_CONTROL_PLANE_VERBS,
    &access::rbac::RBAC_NO_BROAD_SUBJECTS,
    &access::extensions::API_EXTENSION_VERIFIES_SERVER,
    // Network.
    &network::policies::NAMESPACE_DEFAULT_DENY,
    &network::policies::WORKLOAD_HAS_NETWORK_POLICY,
    &network::policies::NETWORK_POLICY_NOT_ALLOW_ALL,
    &network::policies::EGRESS_DESTINATIONS_RESTRICTED,
    &network::services::SERVICE_EXPOSURE_RESTRICTED,
    &network::services::LOAD_BALANCER_RESTRICTED,
    &network::services::INGRESS_TLS_REQUIRED,
    &network::ingresses::INGRESS_NO_SNIPPETS,
    &network::services::EXTERNAL_HOST_EXPLICIT,
    &network::services::SERVICE_PORT_PROTOCOL_DECLARED,
    &network::services::SELECTORS_MATCH,
    &network::references::REFERENCES_RESOLVE,
    // Mesh.
    &mesh::identity::MESH_MTLS_STRICT,
    &mesh::identity::PEER_AUTHENTICATION_NO_DOWNGRADE,
    &mesh::traffic::DESTINATION_RULE_TLS_NOT_DISABLED,
    &mesh::traffic::DESTINATION_RULE_VERIFIES_SERVER,
    &mesh::authorization::MESH_AUTHZ_DEFAULT_DENY,
    &mesh::authorization::AUTHZ_NO_ALLOW_ALL,
    &mesh::authorization::AUTHZ_NO_WILDCARD_SOURCE,
    &mesh::authorization::AUTHZ_OPERATIONS_LISTED,
    &mesh::authorization::AUTHZ_SOURCE_AND_OPERATION_TOGETHER,
    &mesh::authorization::AUTHZ_SAFE_MATCH_PATTERN,
    &mesh::requests::AUTHZ_REQUESTS_WHERE_REQUESTS_ARE,
    &mesh::tokens::EXTERNAL_API_AUTHENTICATED,
    &mesh::tokens::JWT_VALIDATION_STRICT,
    &mesh::identity::MESH_INJECTION_ENFORCED,
    &mesh::identity::NO_MESH_BYPASS,
    &mesh::takes_effect::ISTIO_POLICY_TAKES_EFFECT,
    &mesh::extensions::NO_PROXY_EXTENSION,
    &mesh::traffic::GATEWAY_TLS_ENFORCED,
    &mesh::routes::VIRTUAL_SERVICE_REFERENCES_RESOLVE,
    &mesh::routes::MESH_ROUTE_HOST_EXPLICIT,
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
    // Monitoring and audit.
    &observability::monitoring::MESH_ACCESS_LOGGING_ON,
    &observability::monitoring::AUDIT_TRAIL_RETAINED,
    &observability::monitoring::WORKLOADS_MONITORED,
    &observability::monitoring::ALERTS_LEAD_TO_ACTION,
    &observability::monitoring::SECURITY_ALERTS_DEFINED,
    // Availability.
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
    // Settings.
    &evaluation::EVALUATION_NOT_WEAKENED,
    &evaluation::ASSUMPTIONS_ARE_REVIEWED,
    &waivers::WAIVERS_ARE_VALID,
];

/// Kinds that no rule checks and that rules look at when they check others.
const CONTEXT: &[Kind] = &[
    Kind::core("ResourceQuota"),
    Kind::core("LimitRange"),
    Kind::new(&["networking.istio.io"], "WorkloadEntry"),
    data::VELERO_SCHEDULE,
    observability::monitoring::SERVICE_MONITOR,
    observability::monitoring::POD_MONITOR,
    workloads::provenance::IMAGE_POLICIES[0],
    workloads::provenance::IMAGE_POLICIES[1],
    workloads::provenance::IMAGE_POLICIES[2],
    workloads::provenance::IMAGE_POLICIES[3],
    network::traffic::OTHER_POLICIES[0],
    network::traffic::OTHER_POLICIES[1],
    network::traffic::OTHER_POLICIES[2],
    network::traffic::OTHER_POLICIES[3],
    network::traffic::OTHER_POLICIES[4],
    network::traffic::OTHER_POLICIES[5],
    network::traffic::OTHER_POLICIES[6],
    network::traffic::OTHER_POLICIES[7],
];

/// The rule with this id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

/// Every kind that the enabled rules look at, except those that are only searched for credentials.
pub fn inspected_kinds(settings: &Settings) -> Vec<Kind> {
    let enabled = RULES
        .iter()
        .filter(|rule| settings.enforcement(rule) != Enforcement::Disabled);
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in enabled.flat_map(|rule| rule.kinds).chain(CONTEXT) {
        // A rule about any kind does not need objects that no other rule inspects.
        if *kind != ANY && !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    kinds
}
