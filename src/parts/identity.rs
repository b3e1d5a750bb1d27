//! The identity of a pod.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::names::Workload;
use crate::parts::metadata;

/// The service account of a workload. Its token is not mounted, because no pod of the platform calls the API server.
pub fn service_account(workload: Workload) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata::workload_meta(workload, workload.service_account),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}
