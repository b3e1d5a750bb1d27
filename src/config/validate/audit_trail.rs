//! Checks of the audit trail. The range of the retention is part of the schema.

use super::{Check, key};
use crate::config::AuditTrail;
use crate::config::raw::{RawAuditTrail, RawConfig};

impl Check {
    pub(super) fn audit_trail(&mut self, raw: &RawAuditTrail) -> Option<AuditTrail> {
        let provider = self.parse("auditTrail.provider", &raw.provider, provider);
        let archive = match self.known("auditTrail.archive", &raw.archive) {
            Some(archive) => Some(self.parse("auditTrail.archive", archive, description)?),
            None => None,
        };
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

/// The description becomes the value of an annotation, which appears in terminals and reports.
fn description(text: &str) -> Result<String, &'static str> {
    let legal =
        (1..=253).contains(&text.chars().count()) && !text.trim().is_empty() && text.chars().all(is_plain);
    legal.then(|| text.to_owned()).ok_or(
        "is not one line of at most 253 letters, digits, spaces and ASCII punctuation characters without `$`",
    )
}

/// Whether a character is visible in a terminal and has no meaning for Kubernetes. The fillers of Hangul are letters, but are
/// not visible.
fn is_plain(character: char) -> bool {
    let is_filler = matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    character == ' '
        || (character.is_alphanumeric() && !is_filler)
        || (character.is_ascii_punctuation() && character != '$')
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
