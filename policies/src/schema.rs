//! The settings of a stack as a JSON schema, with which editors complete and check `phoenix:policies`.
//!
//! The schema is derived from the rules, the assumptions and the fields of a waiver, and accepts what
//! [`Settings::read_from`](crate::Settings::read_from) accepts from a stack. Whether a value is stricter than the profile of
//! the environment is not part of it.

use serde_json::{Map, Value, json};

use crate::enforcement::Enforcement;
use crate::rule::Rule;
use crate::rules::RULES;
use crate::settings::{DefaultValue, Setting, assume};
use crate::waiver::MAX_OBJECTS;

/// The schema of the settings, without external references.
pub fn schema() -> Value {
    json!({
        "description": "Settings of the policies, described in policies/README.md. A stack can only tighten its evaluation.",
        "type": "object",
        "properties": {
            "all": {
                "description": "The enforcement of every rule that is not disabled by default.",
                "enum": words(&Enforcement::ALL),
            },
            "rules": {
                "description": "The enforcement and the options of single rules.",
                "type": "object",
                "properties": RULES.iter().map(|rule| (rule.id.to_owned(), of_rule(rule))).collect::<Map<_, _>>(),
                "additionalProperties": false,
            },
            "assume": {
                "description": "Assumptions about the deployment that manifests do not show.",
                "type": "object",
                "properties": assume::ALL
                    .iter()
                    .filter(|setting| !assume::CALLERS_ONLY.contains(&setting.name))
                    .map(|setting| (setting.name.to_owned(), assumption(setting)))
                    .collect::<Map<_, _>>(),
                "additionalProperties": false,
            },
            "waivers": {
                "description": "Time-limited, approved exceptions.",
                "type": "array",
                "items": waiver(),
            },
        },
        "additionalProperties": false,
    })
}

fn of_rule(rule: &Rule) -> Value {
    let allowed: Vec<_> = Enforcement::ALL
        .into_iter()
        .filter(|enforcement| *enforcement != Enforcement::Remediate || rule.remediation.is_some())
        .collect();
    let mut fields = properties(rule.options);
    fields.insert("enforcement".to_owned(), json!({"enum": words(&allowed)}));
    json!({
        "description": format!("{}. Default: {}.", rule.text.title, rule.enforcement.word()),
        "anyOf": [
            {"enum": words(&allowed)},
            {"type": "object", "properties": fields, "additionalProperties": false},
        ],
    })
}

fn words(enforcements: &[Enforcement]) -> Vec<&'static str> {
    enforcements
        .iter()
        .map(|enforcement| enforcement.word())
        .collect()
}

fn properties(settings: &[&Setting]) -> Map<String, Value> {
    settings
        .iter()
        .map(|setting| (setting.name.to_owned(), of_setting(setting)))
        .collect()
}

/// The schema of one setting.
pub fn of_setting(setting: &Setting) -> Value {
    let mut schema = match setting.default {
        DefaultValue::Flag(_) => json!({"type": "boolean"}),
        DefaultValue::Number(_) => json!({"type": "integer", "minimum": 0}),
        DefaultValue::Text(_) => json!({"type": "string"}),
        DefaultValue::Texts(_) => json!({"type": "array", "items": {"type": "string"}}),
    };
    schema["description"] = json!(setting.meaning);
    schema
}

fn text(meaning: &str) -> Value {
    json!({"description": meaning, "type": "string", "minLength": 1})
}

fn day(meaning: &str) -> Value {
    json!({"description": meaning, "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
}

fn assumption(setting: &Setting) -> Value {
    json!({
        "description": setting.meaning,
        "type": "object",
        "properties": {
            "value": of_setting(setting),
            "owner": text("Who is responsible for the assumption."),
            "evidence": text("What shows that the assumption is true, such as a document or a ticket."),
            "reviewBy": day("The day of the next review, at most one year from now, as a string: \"2027-05-31\". Afterwards, the assumption has no effect."),
        },
        "required": ["evidence", "owner", "reviewBy", "value"],
        "additionalProperties": false,
    })
}

fn waiver() -> Value {
    json!({
        "type": "object",
        "properties": {
            "rule": {"description": "The id of the rule.", "enum": RULES.iter().map(|rule| rule.id).collect::<Vec<_>>()},
            "objects": {
                "description": "The objects, each written out as `Kind namespace/name`.",
                "type": "array",
                "items": {"type": "string", "pattern": "^[^* ]+ [^* ]+$"},
                "minItems": 1,
                "maxItems": MAX_OBJECTS,
            },
            "reason": text("Why the objects fail."),
            "compensatingMeasure": text("The measure that protects the objects in the meantime; mandatory if the rule is evidence for a required HIPAA implementation specification."),
            "owner": text("Who is responsible for the fix."),
            "approver": text("Who approved the waiver; must differ from the owner, and must not be a placeholder."),
            "approved": day("The day of the approval, as a string: \"2026-06-01\"."),
            "lastDay": day("The last day on which the waiver is valid, at most one year after the approval."),
            "ticket": text("Where the fix is tracked."),
        },
        "required": ["rule", "objects", "reason", "owner", "approver", "approved", "lastDay", "ticket"],
        "additionalProperties": false,
    })
}
