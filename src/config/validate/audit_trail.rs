//! Checks of the audit trail. The range of the retention is part of the schema.

use super::{Check, key};
use crate::config::AuditTrail;
use crate::config::raw::{RawAuditTrail, RawConfig};

impl Check {
    pub(super) fn audit_trail(&mut self, raw: &RawAuditTrail) -> Option<AuditTrail> {
        let provider = self.parse("auditTrail.provider", &raw.provider, provider);
        let archive = self.known("auditTrail.archive", &raw.archive).cloned();
        if let Some(archive) = &archive {
            self.not_empty("auditTrail.archive", archive);
        }
        Some(AuditTrail {
            provider: provider?,
            retention_days: raw.retention_days,
            archive,
        })
    }

    /// An audit trail must be complete: production requires one, and Qdrant must keep its part.
    pub(super) fn check_audit_trail(&mut self, raw: &RawConfig) {
        if raw.audit_trail.is_none() {
            if self.is_prod {
                self.problems.add_with_hint(
                    key("auditTrail"),
                    "is missing, but production requires an audit trail of access to memories",
                    "name the archive that retains the log for six years: phoenix:auditTrail: {provider: …, archive: …}",
                );
            }
            return;
        }
        if raw.qdrant.audit_days == 0 {
            self.problems.add_with_hint(
                key("qdrant.auditDays"),
                "is 0, but phoenix:auditTrail also requires Qdrant's audit log",
                "use at least 7, so that a failed log collector can be repaired within a week",
            );
        }
    }
}

/// The name of a provider is free text in the mesh configuration; here it also becomes part of annotations and
/// messages.
fn provider(text: &str) -> Result<String, &'static str> {
    let legal = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    legal
        .then(|| text.to_owned())
        .ok_or("is not a provider name such as phoenix-audit")
}
