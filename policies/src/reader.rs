//! Reads [`Settings`] from a mapping with the keys `all`, `rules`, `assume` and `waivers`.
//!
//! All problems are reported together, each with its key and, where one is known, a hint.

use std::fmt;

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::enforcement::Enforcement;
use crate::rule::Rule;
use crate::rules::{self, RULES};
use crate::settings::{ASSUME, Setting, Settings, assume};
use crate::waiver::{Waiver, parse_day};

/// A problem with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `rules.no-host-ports.enforcement`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.key, self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(formatter, "\nhint: {hint}"))
    }
}

/// Keys that were renamed: the rule, or [`ASSUME`], then the old name and the new one.
const RENAMED: &[(&str, &str, &str)] = &[
    (ASSUME, "foreignNamespaces", "externallyManagedNamespaces"),
    (ASSUME, "claimsBackedUpElsewhere", "externallyBackedUpClaims"),
    (ASSUME, "claimsWithoutData", "ephemeralClaims"),
    (ASSUME, "restoresTriedByPeople", "manuallyTestedRestores"),
    ("audit-trail-retained", "days", "minimumDays"),
    ("backup-encrypted-and-remote", "endpoints", "endpointVariables"),
    ("backup-encrypted-and-remote", "stores", "storeVariables"),
    ("cloud-identity-well-formed", "accounts", "allowedAccounts"),
    ("external-secret-store-used", "hours", "maxRefreshHours"),
    ("image-provenance-enforced", "demanded", "required"),
    (
        "no-default-namespace",
        "unnamedIsDefault",
        "missingNamespaceIsDefault",
    ),
    ("no-token-automount", "neededBy", "tokenRequiredBy"),
    ("references-resolve", "madeByCluster", "clusterManagedNames"),
    ("restore-test-scheduled", "drill", "restoreTestAnnotation"),
    ("retention-declared", "keeps", "retentionVariables"),
    ("retention-declared", "stores", "storeVariables"),
    ("waivers-are-valid", "daysTold", "expiryNoticeDays"),
];

impl Settings {
    /// Reads settings, or reports every problem with them.
    pub fn read(value: &Value, today: Date) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader {
            settings: Self::on(today),
            problems: Vec::new(),
        };
        for (key, value) in reader.mapping(value, "") {
            match key.as_str() {
                "all" => reader.settings.all = reader.enforcement("all", value),
                "rules" => reader.rules(value),
                ASSUME => reader.assumptions(value),
                "waivers" => reader.waivers(value),
                _ => reader.unknown_key(
                    key,
                    key,
                    "a key of the policy settings",
                    ["all", "rules", ASSUME, "waivers"],
                ),
            }
        }
        if reader.problems.is_empty() {
            Ok(reader.settings)
        } else {
            Err(reader.problems)
        }
    }
}

struct Reader {
    settings: Settings,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, key: &str, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            message: message.into(),
            hint,
        });
    }

    fn mapping<'v>(&mut self, value: &'v Value, key: &str) -> Vec<(&'v String, &'v Value)> {
        match value {
            Value::Object(fields) => fields.iter().collect(),
            Value::Null => Vec::new(),
            _ => {
                let shown = if key.is_empty() { "policies" } else { key };
                self.problem(shown, "must be a mapping", None);
                Vec::new()
            }
        }
    }

    fn unknown_key<'n>(
        &mut self,
        key: &str,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let hint = phoenix_suggest::nearest(name, known).map(|name| format!("did you mean {name}?"));
        self.problem(key, format!("is not {what}"), hint);
    }

    /// Reports a key that is not a setting of this section: a rule, or the assumptions.
    fn unknown_setting<'n>(
        &mut self,
        section: &str,
        key: &str,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let renamed = RENAMED.iter().find(|(of, old, _)| *of == section && *old == name);
        match renamed {
            Some((.., new)) => self.problem(
                key,
                format!("was renamed to {new}"),
                Some(format!("use {new}; its values are the same")),
            ),
            None => self.unknown_key(key, name, what, known),
        }
    }

    fn enforcement(&mut self, key: &str, value: &Value) -> Option<Enforcement> {
        let word = value.as_str().unwrap_or_default();
        let known = Enforcement::ALL
            .into_iter()
            .find(|enforcement| enforcement.word() == word);
        if known.is_none() {
            self.problem(key, "must be disabled, advisory, mandatory or remediate", None);
        }
        known
    }

    fn enforce(&mut self, rule: &'static Rule, key: &str, value: &Value) {
        let Some(enforcement) = self.enforcement(key, value) else {
            return;
        };
        if enforcement == Enforcement::Remediate && rule.remediation.is_none() {
            let with_remediation: Vec<_> = RULES
                .iter()
                .filter(|rule| rule.remediation.is_some())
                .map(|rule| rule.id)
                .collect();
            self.problem(
                key,
                "cannot be remediate: the rule has no automatic remediation",
                Some(format!(
                    "use mandatory; the rules with an automatic remediation are {}",
                    with_remediation.join(", ")
                )),
            );
            return;
        }
        self.settings.enforce(rule, enforcement);
    }

    fn rules(&mut self, value: &Value) {
        for (id, value) in self.mapping(value, "rules") {
            let key = format!("rules.{id}");
            let Some(rule) = rules::find(id) else {
                self.unknown_key(&key, id, "a rule", RULES.iter().map(|rule| rule.id));
                continue;
            };
            if value.is_string() {
                self.enforce(rule, &key, value);
                continue;
            }
            for (name, value) in self.mapping(value, &key) {
                let key = format!("{key}.{name}");
                if name == "enforcement" || name == "enforcementLevel" {
                    self.enforce(rule, &key, value);
                    continue;
                }
                if let Some(option) = rule.options.iter().find(|option| option.name == name) {
                    self.set(rule.id, option, value, &key);
                } else {
                    let known = rule.options.iter().map(|option| option.name);
                    let known = known.chain(["enforcement"]);
                    self.unknown_setting(rule.id, &key, name, "an option of the rule", known);
                }
            }
        }
    }

    fn assumptions(&mut self, value: &Value) {
        for (name, value) in self.mapping(value, ASSUME) {
            let key = format!("{ASSUME}.{name}");
            if let Some(setting) = assume::ALL.iter().find(|setting| setting.name == name) {
                self.set(ASSUME, setting, value, &key);
            } else {
                let known = assume::ALL.iter().map(|setting| setting.name);
                self.unknown_setting(ASSUME, &key, name, "an assumption", known);
            }
        }
    }

    fn set(&mut self, rule: &'static str, setting: &'static Setting, value: &Value, key: &str) {
        if setting.default.accepts(value) {
            self.settings.values.insert((rule, setting.name), value.clone());
        } else {
            let message = format!("must be {}", setting.default.type_words());
            self.problem(key, message, None);
        }
    }

    fn waivers(&mut self, value: &Value) {
        let Some(items) = value.as_array() else {
            self.problem("waivers", "must be a list", None);
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let key = format!("waivers[{index}]");
            let Some(fields) = item.as_object() else {
                self.problem(&key, "must be a mapping", None);
                continue;
            };
            if let Some(waiver) = self.waiver(fields, &key) {
                self.settings.waivers.push(waiver);
            }
        }
    }

    /// Reads a waiver; every field that is missing, unknown or of a wrong type is a problem of its own.
    fn waiver(&mut self, fields: &Map<String, Value>, key: &str) -> Option<Waiver> {
        for name in fields
            .keys()
            .filter(|name| !WAIVER_FIELDS.contains(&name.as_str()))
        {
            self.unknown_key(
                &format!("{key}.{name}"),
                name,
                "a field of a waiver",
                WAIVER_FIELDS,
            );
        }
        let rule = self.waiver_text(fields, key, "rule");
        if let Some(id) = rule.as_deref().filter(|id| rules::find(id).is_none()) {
            self.unknown_key(
                &format!("{key}.rule"),
                id,
                "a rule",
                RULES.iter().map(|rule| rule.id),
            );
        }
        let objects = self.waiver_objects(fields, key);
        let reason = self.waiver_text(fields, key, "reason");
        let compensating_measure = match fields.get("compensatingMeasure") {
            None | Some(Value::Null) => None,
            Some(_) => self.waiver_text(fields, key, "compensatingMeasure"),
        };
        let owner = self.waiver_text(fields, key, "owner");
        let approver = self.waiver_text(fields, key, "approver");
        let approval_day = self.waiver_day(fields, key, "approved");
        let last_day = self.waiver_day(fields, key, "lastDay");
        let ticket = self.waiver_text(fields, key, "ticket");
        Some(Waiver {
            rule: rule?,
            objects: objects?,
            reason: reason?,
            compensating_measure,
            owner: owner?,
            approver: approver?,
            approved: approval_day?,
            last_day: last_day?,
            ticket: ticket?,
        })
    }

    /// The value of a required field; a missing one is a problem.
    fn waiver_field<'v>(
        &mut self,
        fields: &'v Map<String, Value>,
        key: &str,
        name: &str,
    ) -> Option<&'v Value> {
        let value = fields.get(name).filter(|value| !value.is_null());
        if value.is_none() {
            self.problem(&format!("{key}.{name}"), "is missing: a waiver requires it", None);
        }
        value
    }

    fn waiver_text(&mut self, fields: &Map<String, Value>, key: &str, name: &str) -> Option<String> {
        let value = self.waiver_field(fields, key, name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.problem(&format!("{key}.{name}"), "must be a string", None);
        }
        text
    }

    fn waiver_day(&mut self, fields: &Map<String, Value>, key: &str, name: &str) -> Option<Date> {
        let value = self.waiver_field(fields, key, name)?;
        let day = value.as_str().and_then(parse_day);
        if day.is_none() {
            self.problem(
                &format!("{key}.{name}"),
                "must be a day in the form \"2026-11-22\"",
                None,
            );
        }
        day
    }

    fn waiver_objects(&mut self, fields: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
        let value = self.waiver_field(fields, key, "objects")?;
        let objects: Option<Vec<_>> = value.as_array().and_then(|items| {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect()
        });
        if objects.is_none() {
            self.problem(&format!("{key}.objects"), "must be a list of strings", None);
        }
        objects
    }
}

const WAIVER_FIELDS: [&str; 9] = [
    "rule",
    "objects",
    "reason",
    "compensatingMeasure",
    "owner",
    "approver",
    "approved",
    "lastDay",
    "ticket",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_renamed_key_has_a_successor_and_is_free() {
        for (section, old, new) in RENAMED {
            let settings: Vec<_> = match *section {
                ASSUME => assume::ALL.iter().map(|setting| setting.name).collect(),
                id => {
                    let options = rules::find(id).expect("a rule").options;
                    options.iter().map(|option| option.name).collect()
                }
            };
            assert!(settings.contains(new), "{section}.{new}");
            assert!(!settings.contains(old), "{section}.{old}");
        }
    }
}
