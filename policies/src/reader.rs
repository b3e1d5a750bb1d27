//! Reads [`Settings`] from a mapping with the keys `all`, `rules`, `assume` and `waivers`.
//!
//! All problems are reported together, each with its key and, where one is known, a hint. If there are any, the faults of
//! waivers that the rule `waivers-are-valid` would report later are among them.

use std::fmt;

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::enforcement::Enforcement;
use crate::review::Review;
use crate::rule::Rule;
use crate::rules::{self, RULES};
use crate::settings::{ASSUME, Assumption, Authority, Setting, Settings, Source, assume};
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
    /// Reads settings of the caller, or reports every problem with them.
    pub fn read(value: &Value, today: Date) -> Result<Self, Vec<Problem>> {
        let source = Source::new("the settings", Authority::Caller);
        Self::read_from(value, &source, today)
    }

    /// Reads settings from a source, or reports every problem with them.
    pub fn read_from(value: &Value, source: &Source, today: Date) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader {
            settings: Self::on(today),
            source,
            problems: Vec::new(),
        };
        for (key, value) in reader.mapping(value, "") {
            match key.as_str() {
                "all" => {
                    reader.settings.all = reader.enforcement("all", value);
                    reader.record_source("all");
                }
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
        if source.authority == Authority::Profile && reader.settings.all.is_some() {
            // `all` of a profile does not apply to the rules about settings, which it cannot weaken.
            for rule in RULES.iter().filter(|rule| rule.is_about_settings()) {
                let own = reader.settings.enforcement.entry(rule.id);
                own.or_insert(rule.enforcement);
            }
        }
        if reader.problems.is_empty() {
            Ok(reader.settings)
        } else {
            Err(reader.problems)
        }
    }
}

struct Reader<'a> {
    settings: Settings,
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn record_source(&mut self, key: &str) {
        self.settings
            .sources
            .insert(key.to_owned(), self.source.name.clone());
    }

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
        let is_weaker = enforcement.is_weaker_than(rule.enforcement);
        if is_weaker && rule.is_about_settings() && self.source.authority == Authority::Profile {
            self.problem(
                key,
                format!(
                    "cannot be {}: a profile cannot weaken the rules about settings",
                    enforcement.word()
                ),
                Some(format!(
                    "remove it; the rule is {} by default",
                    rule.enforcement.word()
                )),
            );
            return;
        }
        self.settings.enforce(rule, enforcement);
        self.record_source(&format!("rules.{}", rule.id));
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
                self.assumption(setting, value, &key);
            } else {
                let known = assume::ALL.iter().map(|setting| setting.name);
                self.unknown_setting(ASSUME, &key, name, "an assumption", known);
            }
        }
    }

    /// Reads an assumption: a mapping with its value and its review, or, from the caller, only the value.
    fn assumption(&mut self, setting: &'static Setting, value: &Value, key: &str) {
        let authority = self.source.authority;
        if authority == Authority::Stack && assume::CALLERS_ONLY.contains(&setting.name) {
            self.problem(
                key,
                "is not accepted in a stack file, because a stack cannot limit its own evaluation",
                Some(format!(
                    "remove it; for manifests, the caller can set {} in a file for --settings",
                    setting.name
                )),
            );
            return;
        }
        let (value, review) = match value.as_object() {
            Some(fields) => {
                let review = self.review(fields, key);
                match (self.required(fields, key, "value", ASSUMPTION), review) {
                    (Some(value), Some(review)) => (value, Some(review)),
                    _ => return,
                }
            }
            None if authority == Authority::Caller => (value, None),
            None => {
                self.problem(
                    key,
                    "must be a mapping with value, owner, evidence and reviewBy",
                    Some(format!(
                        "write {{value: {value}, owner: TEAM, evidence: DOCUMENT, reviewBy: \"YYYY-MM-DD\"}}"
                    )),
                );
                return;
            }
        };
        if !setting.default.accepts(value) {
            let message = format!("must be {}", setting.default.type_words());
            self.problem(key, message, None);
            return;
        }
        let assumption = Assumption {
            setting,
            value: value.clone(),
            review,
            source: self.source.name.clone(),
        };
        if assumption.takes_effect_on(self.settings.today) {
            self.settings.values.insert((ASSUME, setting.name), value.clone());
        }
        self.settings.assumptions.insert(setting.name, assumption);
    }

    /// Reads the owner, the evidence and the review date of an assumption.
    fn review(&mut self, fields: &Map<String, Value>, key: &str) -> Option<Review> {
        self.known_fields(fields, key, &REVIEW_FIELDS, "a field of an assumption");
        let owner = self.text(fields, key, "owner", ASSUMPTION);
        let evidence = self.text(fields, key, "evidence", ASSUMPTION);
        let review_by = self.day(fields, key, "reviewBy", ASSUMPTION);
        Some(Review {
            owner: owner?,
            evidence: evidence?,
            review_by: review_by?,
        })
    }

    fn set(&mut self, rule: &'static str, setting: &'static Setting, value: &Value, key: &str) {
        if setting.default.accepts(value) {
            self.settings.values.insert((rule, setting.name), value.clone());
            self.record_source(key);
        } else {
            let message = format!("must be {}", setting.default.type_words());
            self.problem(key, message, None);
        }
    }

    fn known_fields(&mut self, fields: &Map<String, Value>, key: &str, known: &[&str], what: &str) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            self.unknown_key(&format!("{key}.{name}"), name, what, known.iter().copied());
        }
    }

    fn waivers(&mut self, value: &Value) {
        if self.source.authority == Authority::Profile {
            self.problem(
                "waivers",
                "are not accepted in a profile: a waiver is for named objects of one stack",
                Some("move them to the stack file".to_owned()),
            );
            return;
        }
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
        let problems = self.problems.len();
        self.known_fields(fields, key, &WAIVER_FIELDS, "a field of a waiver");
        let rule = self.waived_rule(fields, key);
        let objects = self.waiver_objects(fields, key);
        let reason = self.text(fields, key, "reason", WAIVER);
        let compensating_measure = match fields.get("compensatingMeasure") {
            None | Some(Value::Null) => None,
            Some(_) => self.text(fields, key, "compensatingMeasure", WAIVER),
        };
        let owner = self.text(fields, key, "owner", WAIVER);
        let approver = self.text(fields, key, "approver", WAIVER);
        let approval_day = self.day(fields, key, "approved", WAIVER);
        let last_day = self.day(fields, key, "lastDay", WAIVER);
        let ticket = self.text(fields, key, "ticket", WAIVER);
        if self.problems.len() > problems {
            // The faults that do not depend on a field with a problem are reported with it.
            let partial = Waiver {
                rule: rule.unwrap_or_default(),
                objects: objects.unwrap_or_default(),
                reason: reason.unwrap_or_default(),
                compensating_measure,
                owner: owner.unwrap_or_default(),
                approver: approver.unwrap_or_default(),
                approved: approval_day.or(last_day).unwrap_or(self.settings.today),
                last_day: last_day.or(approval_day).unwrap_or(self.settings.today),
                ticket: ticket.unwrap_or_default(),
            };
            for fault in partial.faults(self.settings.today) {
                let key = format!("{key}.{}", fault.path);
                if !self.problems.iter().any(|problem| problem.key == key) {
                    self.problem(&key, format!("is not acceptable: {}", fault.message), None);
                }
            }
            return None;
        }
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

    /// The id of the waived rule, which is a rule about objects.
    fn waived_rule(&mut self, fields: &Map<String, Value>, key: &str) -> Option<String> {
        let id = self.text(fields, key, "rule", WAIVER)?;
        let key = format!("{key}.rule");
        match rules::find(&id) {
            Some(rule) if rule.is_about_settings() => {
                self.problem(
                    &key,
                    format!("is {id}, which checks the settings and cannot be waived"),
                    Some("fix the settings that fail the rule".to_owned()),
                );
                None
            }
            Some(_) => Some(id),
            None => {
                let known = RULES.iter().filter(|rule| !rule.is_about_settings());
                let nearest = phoenix_suggest::nearest(&id, known.map(|rule| rule.id));
                let shown: String = id.chars().take(100).collect();
                self.problem(
                    &key,
                    format!("is {shown:?}, which is not a rule"),
                    nearest.map(|name| format!("did you mean {name}?")),
                );
                None
            }
        }
    }

    /// The value of a required field; a missing one is a problem. `of` names what requires it.
    fn required<'v>(
        &mut self,
        fields: &'v Map<String, Value>,
        key: &str,
        name: &str,
        of: &str,
    ) -> Option<&'v Value> {
        let value = fields.get(name).filter(|value| !value.is_null());
        if value.is_none() {
            self.problem(
                &format!("{key}.{name}"),
                format!("is missing: {of} requires it"),
                None,
            );
        }
        value
    }

    fn text(&mut self, fields: &Map<String, Value>, key: &str, name: &str, of: &str) -> Option<String> {
        let value = self.required(fields, key, name, of)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.problem(&format!("{key}.{name}"), "must be a string", None);
        }
        text
    }

    fn day(&mut self, fields: &Map<String, Value>, key: &str, name: &str, of: &str) -> Option<Date> {
        let value = self.required(fields, key, name, of)?;
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
        let value = self.required(fields, key, "objects", WAIVER)?;
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

/// What requires the fields of a waiver and of an assumption, in messages.
const WAIVER: &str = "a waiver";
const ASSUMPTION: &str = "an assumption";

const REVIEW_FIELDS: [&str; 4] = ["value", "owner", "evidence", "reviewBy"];

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
