//! Checks of scraping and alerts.

use std::collections::BTreeMap;

use super::super::raw::RawMonitoring;
use super::super::schema_check::shown_text;
use super::super::stack::Monitoring;
use super::mesh::{is_label_key, is_label_value};
use super::{Check, key};

/// The directory of the runbooks in the repository.
const RUNBOOKS: &str = "docs/runbooks";

impl Check {
    /// The labels of Prometheus' pods. Without any, every pod of its namespace would be a client.
    pub(super) fn prometheus_labels(
        &mut self,
        labels: &BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        let path = "cluster.monitoring.podLabels";
        let invalid = labels
            .iter()
            .find(|(name, value)| !is_label_key(name) || !is_label_value(value));
        if let Some((name, value)) = invalid {
            let shown = shown_text(&format!("{name}: {value}"));
            self.problems
                .add(key(path), format!("has {shown}, which is not a valid label"));
            return None;
        }
        if labels.is_empty() {
            self.problems.add_with_hint(
                key(path),
                "is empty, so every pod of the namespace could read the metrics",
                "set the labels of Prometheus' pods, such as app.kubernetes.io/name: prometheus",
            );
            return None;
        }
        Some(labels.clone())
    }

    pub(super) fn monitoring(&mut self, raw: &RawMonitoring) -> Option<Monitoring> {
        let before = self.problems.iter().count();
        if !raw.prometheus_operator && !raw.labels.is_empty() {
            self.problems.add_with_hint(
                key("monitoring.labels"),
                "applies only to the Prometheus Operator, which this stack does not use",
                "remove it, or set phoenix:monitoring.prometheusOperator to true",
            );
        }
        for (name, value) in &raw.labels {
            let shown = shown_text(&format!("{name}: {value}"));
            if !is_label_key(name) || !is_label_value(value) {
                self.problems.add_with_hint(
                    key("monitoring.labels"),
                    format!("has {shown}, which is not a valid label"),
                    "look them up with: kubectl get prometheus --all-namespaces -o yaml, below ruleSelector and serviceMonitorSelector",
                );
            } else if name.starts_with("app.kubernetes.io/") {
                self.problems.add_with_hint(
                    key("monitoring.labels"),
                    format!("has {shown}, a label that the platform sets itself"),
                    "let the operator select by another label",
                );
            }
        }
        let certificates = raw.certificates.as_deref().map(|folder| {
            if !folder.starts_with('/') || folder.chars().any(char::is_whitespace) {
                self.problems.add_with_hint(
                    key("monitoring.certificates"),
                    format!("is {}, which is not an absolute path", shown_text(folder)),
                    "use the directory that OUTPUT_CERTS names in Prometheus' sidecar, such as /etc/prom-certs",
                );
            }
            folder.trim_end_matches('/').to_owned()
        });
        let runbooks = raw.runbooks.as_deref().unwrap_or(RUNBOOKS);
        let is_address = ["https://", "http://"].iter().any(|scheme| {
            runbooks.strip_prefix(scheme).is_some_and(|rest| {
                !rest.is_empty()
                    && !rest.contains(|character: char| character.is_whitespace() || "{}".contains(character))
            })
        });
        if runbooks != RUNBOOKS && !is_address {
            self.problems.add_with_hint(
                key("monitoring.runbooks"),
                format!("is {}, which is not a URL", shown_text(runbooks)),
                "use an https:// URL, or remove the key",
            );
        }
        (self.problems.iter().count() == before).then(|| Monitoring {
            operator: raw.prometheus_operator.then(|| raw.labels.clone()),
            certificates,
            runbooks: runbooks.trim_end_matches('/').to_owned(),
        })
    }
}
