//! Volumes that are filling up.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use crate::names::MEMORY;

pub(super) fn alerts(_: &Platform<'_>) -> Vec<Alert> {
    // Every node reports a volume that several nodes mount.
    let of = |metric: &str| {
        format!("min by (namespace, persistentvolumeclaim) ({metric}{{namespace=\"{MEMORY}\"}})")
    };
    let free = format!(
        "{}\n/ {}",
        of("kubelet_volume_stats_available_bytes"),
        of("kubelet_volume_stats_capacity_bytes")
    );
    vec![
        Alert {
            name: "MemoryVolumeAlmostFull",
            severity: Severity::Critical,
            expression: format!("{free}\n< 0.05"),
            lasting: Some("5m"),
            labels: &[],
            summary: "The volume {{ $labels.persistentvolumeclaim }} has less than 5 % free",
            description: "A full volume stops writes. A full Qdrant volume can prevent its peer from starting.",
        },
        Alert {
            name: "MemoryVolumeFillingUp",
            severity: Severity::Warning,
            expression: format!(
                "{free}\n< 0.25\nand predict_linear({}[6h:5m], 4 * 24 * 3600) < 0",
                of("kubelet_volume_stats_available_bytes")
            ),
            lasting: Some("1h"),
            labels: &[],
            summary: "The volume {{ $labels.persistentvolumeclaim }} will be full in four days",
            description: "Less than a quarter is free, and usage keeps growing as in the last six hours.",
        },
    ]
}
