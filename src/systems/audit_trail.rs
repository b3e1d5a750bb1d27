//! The audit trail: sidecars log each request with its caller, target, time and result.
//!
//! Istio allows one namespace-wide Telemetry object in each namespace. The platform's own namespace has one; in a
//! shared namespace, each of the platform's workloads has its own, with a selector. The log format belongs to the
//! mesh provider: `docs/audit-trail.md` states the requirements, and `phoenix doctor` checks them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_crds::telemetry::{
    Telemetry, TelemetryAccessLogging, TelemetryAccessLoggingFilter, TelemetryAccessLoggingMatch,
    TelemetryAccessLoggingMatchMode, TelemetryAccessLoggingProviders, TelemetrySelector, TelemetrySpec,
};
use phoenix_graph::Graph;

use crate::config::AuditTrail;
use crate::names::{self, Workload};
use crate::parts::metadata::{self, annotate, label, string_map};

/// The system's name.
const SYSTEM: &str = "audit_trail";

/// Logs everything except successful health and metrics requests, which would dominate the log. Connections without a
/// path, such as those to a database, are always logged: testing an absent path would drop the entry.
const ALL_BUT_MONITORING: &str = "!has(request.url_path) || request.method != 'GET' || !(request.url_path in ['/health', '/metrics', '/readyz']) || response.code >= 400";

/// Enables access logging for the sidecars of these workloads.
pub fn build(config: Option<&AuditTrail>, workloads: &[Workload]) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    let Some(config) = config else { return graph };
    graph.insert(Telemetry {
        metadata: kept(metadata::memory_meta(SYSTEM, "memory-audit-trail"), config),
        spec: spec(config, None),
    });
    for workload in workloads
        .iter()
        .filter(|workload| workload.namespace != names::MEMORY)
    {
        let name = format!("{}-audit-trail", workload.name);
        let metadata = metadata::in_namespace(SYSTEM, workload.namespace, &name);
        graph.insert(Telemetry {
            metadata: kept(metadata, config),
            spec: spec(config, Some(*workload)),
        });
    }
    graph
}

/// Annotates the object with the retention period and the storage requirement of its log, for log collectors and
/// auditors.
fn kept(mut metadata: ObjectMeta, config: &AuditTrail) -> ObjectMeta {
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    annotate(
        &mut metadata,
        "phoenix.ai/audit-retention-days",
        &config.retention_days.to_string(),
    );
    let archive = config.archive.as_deref().unwrap_or("not yet known");
    annotate(&mut metadata, "phoenix.ai/audit-archive", archive);
    metadata
}

fn spec(config: &AuditTrail, workload: Option<Workload>) -> TelemetrySpec {
    TelemetrySpec {
        access_logging: Some(vec![TelemetryAccessLogging {
            // Both directions: if a sidecar is bypassed, the other end still logs the request.
            r#match: Some(TelemetryAccessLoggingMatch {
                mode: Some(TelemetryAccessLoggingMatchMode::ClientAndServer),
            }),
            filter: Some(TelemetryAccessLoggingFilter {
                expression: Some(ALL_BUT_MONITORING.to_owned()),
            }),
            providers: Some(vec![TelemetryAccessLoggingProviders {
                name: config.provider.clone(),
            }]),
            ..Default::default()
        }]),
        selector: workload.map(|workload| TelemetrySelector {
            match_labels: Some(string_map([("app", workload.app)])),
        }),
        ..Default::default()
    }
}
