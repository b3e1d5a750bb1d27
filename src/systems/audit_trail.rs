//! The audit trail: the sidecars write down who asked whom for what, when and from where, allowed or refused.
//!
//! One object speaks for the platform's namespace, because Istio heeds only one there; in a namespace of others each of our
//! workloads has its own, with a selector. What is written into a line is the provider's business, which belongs to the
//! mesh: `docs/audit-trail.md` says what it must be, and doctor looks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kcr_telemetry_istio_io::v1::telemetries::{
    Telemetry, TelemetryAccessLogging, TelemetryAccessLoggingFilter, TelemetryAccessLoggingMatch,
    TelemetryAccessLoggingMatchMode, TelemetryAccessLoggingProviders, TelemetrySelector, TelemetrySpec,
};
use phoenix_graph::Graph;

use crate::config::AuditTrail;
use crate::names::{self, Workload};
use crate::parts::metadata::{self, annotate, label, pairs};

/// The system's name.
const SYSTEM: &str = "audit_trail";

/// Everything but good answers to questions about health and metrics, which would drown the rest. What has no path, such as a
/// connection to a database, is written down always: asking a path that is not there would leave the line out.
const ALL_BUT_MONITORING: &str = "!has(request.url_path) || request.method != 'GET' || !(request.url_path in ['/health', '/metrics', '/readyz']) || response.code >= 400";

/// What the sidecars of these workloads write down.
pub fn build(config: Option<&AuditTrail>, workloads: &[Workload]) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    let Some(config) = config else { return graph };
    graph.insert(Telemetry {
        metadata: kept(metadata::in_memory(SYSTEM, "memory-audit-trail"), config),
        spec: spec(config, None),
        status: None,
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
            status: None,
        });
    }
    graph
}

/// Says on the object how long and where its log must be kept, for whoever collects logs and whoever asks after them.
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
            // Who asked us, and what we asked of others: a sidecar that was gone around is seen at the other end.
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
            match_labels: Some(pairs([("app", workload.app)])),
        }),
        ..Default::default()
    }
}
