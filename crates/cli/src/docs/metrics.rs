//! `docs/metrics.md`: the metrics that rules and dashboards ask for, made from their table.

use std::fmt::Write as _;

use phoenix::platform::metrics::{METRICS, Source};

/// The page as it is committed.
pub fn markdown() -> String {
    let mut text = String::from(
        "# The metrics\n\n\
         <!-- Generated from src/systems/monitoring/metrics.rs by a test; change the table there, not this file. -->\n\n\
         Rules and dashboards ask for these and for no others; [monitoring.md](monitoring.md) says how they are scraped.\n\
         What exposes a metric has to keep to its meaning and its unit: the source document names the four of OpenMemory and says nothing of their units.\n\
         A panel without data is a metric that nobody exposes.\n",
    );
    for source in Source::ALL {
        let _ = write!(text, "\n## From {}\n\n", source.as_str());
        text.push_str(whose(source));
        text.push_str("\n\n| metric | type | labels that are asked by | meaning |\n|---|---|---|---|\n");
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

/// Whose it is, and where it answers.
fn whose(source: Source) -> &'static str {
    match source {
        Source::OpenMemory => {
            "Your own build of the server has to expose them at `/metrics` (`openmemory-image.md`)."
        }
        Source::Qdrant => {
            "Each peer tells of itself, at `/metrics` of port 6333, to whom shows the read-only key."
        }
        Source::Redis => {
            "The exporter in the pod of the session cache answers at `/metrics` of port 9121; it sees how the server is, and no entry."
        }
        Source::Sidecars => {
            "Each pod of ours has one; its agent answers at `/stats/prometheus` of port 15020, in plain text."
        }
        Source::Istiod => "Not ours: whoever runs the mesh has Prometheus scrape it.",
        Source::KubeStateMetrics => {
            "Not ours: it comes with most charts of Prometheus. It has to be scraped with `honorLabels`, so that `namespace` is the one of the object."
        }
        Source::Kubelet => "Not ours: it comes with most charts of Prometheus.",
        Source::Prometheus => "It writes this itself for each target.",
        Source::Rules => {
            "Recorded by the rules of the stack. `slo` is `tier-latency` or `persistence`, `tier` is `L1` to `L5`."
        }
    }
}
