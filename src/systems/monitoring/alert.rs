//! The type of an alert.

/// An alerting rule.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The name, which also determines the runbook.
    pub name: &'static str,
    /// How urgently an operator must respond.
    pub severity: Severity,
    /// `PromQL`; the alert is active while it returns samples.
    pub expression: String,
    /// How long it must be active before it fires; `None` fires immediately.
    pub lasting: Option<&'static str>,
    /// Labels besides the severity.
    pub labels: &'static [(&'static str, &'static str)],
    /// One line for a notification. It may only contain `{{ $labels.… }}` placeholders.
    pub summary: &'static str,
    /// The meaning, in one or two sentences.
    pub description: &'static str,
}

/// How urgently an operator must respond. The words match Alertmanager's usual inhibition rules: a critical alert
/// silences the warning of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Immediately: users are affected or data is at risk.
    Critical,
    /// During working hours.
    Warning,
}

impl Severity {
    /// The value of the label `severity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}
