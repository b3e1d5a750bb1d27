//! `docs/metrics.md`: the metrics that rules and dashboards use, generated from their table.

use std::fmt::Write as _;

use phoenix::platform::metrics::{METRICS, Source};

/// The page as it is committed.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         <!-- Generated from src/systems/monitoring/metrics.rs by a test; change the table there, not this file. -->\n\n\
         Rules and dashboards use only the metrics on this page. [monitoring.md](monitoring.md) describes how they are scraped.\n\
         A server that exposes a metric must use the meaning and the unit given here. The source document names OpenMemory's four metrics but not their units.\n\
         A panel without data means that its metric is not exposed.\n",
    );
    for source in Source::ALL {
        let _ = write!(text, "\n## From {}\n\n", source.as_str());
        text.push_str(origin(source));
        text.push_str("\n\n| metric | type | labels in use | meaning |\n|---|---|---|---|\n");
        for metric in METRICS.iter().filter(|metric| metric.source == source) {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                metric.name,
                metric.kind.as_str(),
                labels.join(", "),
                metric.meaning
            );
        }
    }
    text
}

/// The origin of the metrics of a source, and where they are exposed.
fn origin(source: Source) -> &'static str {
    match source {
        Source::OpenMemory => {
            "Your build of the server must expose these metrics at `/metrics` ([contract](openmemory-image.md))."
        }
        Source::Qdrant => {
            "Each peer exposes its own metrics at `/metrics` on port 6333 to clients with the read-only key."
        }
        Source::Redis => {
            "The exporter in the pod of the session cache exposes them at `/metrics` on port 9121. It can read the server status but no entries."
        }
        Source::Sidecars => {
            "Each Phoenix pod has a sidecar, whose agent exposes them at `/stats/prometheus` on port 15020, without encryption."
        }
        Source::Istiod => "Not part of Phoenix: the operator of the mesh configures Prometheus to scrape it.",
        Source::KubeStateMetrics => {
            "Not part of Phoenix: most Prometheus charts include it. It must be scraped with `honorLabels`, so that `namespace` is the namespace of the object."
        }
        Source::Kubelet => "Not part of Phoenix: most Prometheus charts include it.",
        Source::Prometheus => "Prometheus adds this metric for each target.",
        Source::Rules => {
            "Recorded by the stack's rules. `slo` is `tier-latency` or `persistence`, `tier` is `L1` to `L5`."
        }
    }
}
