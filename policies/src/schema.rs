//! The settings as a JSON schema, with which editors complete and check `phoenix:policies`.
//!
//! The schema is derived from the rules, the assumptions and the fields of a waiver, and accepts what
//! [`Settings::read`](crate::Settings::read) accepts.

use serde_json::{Map, Value, json};

use crate::enforcement::Enforcement;
use crate::rule::Rule;
use crate::rules::RULES;
use crate::settings::{DefaultValue, Setting, assume};
use crate::waiver::MAX_OBJECTS;

/// The schema of the settings, without external references.
pub fn schema() -> Value {
    json!({
        "description": "Settings of the policies, described in policies/README.md.",
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
                "properties": properties(&assume::ALL),
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

fn waiver() -> Value {
    let text = |meaning: &str| json!({"description": meaning, "type": "string", "minLength": 1});
    let day = |meaning: &str| json!({"description": meaning, "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"});
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
            "compensatingMeasure": text("What protects in the meantime; mandatory if the rule gives evidence for a required specification of HIPAA."),
            "owner": text("Who is responsible for the fix."),
            "approver": text("Who approved the waiver; must differ from the owner."),
            "approved": day("The day of the approval, as a string: \"2026-06-01\"."),
            "lastDay": day("The last day on which the waiver is valid, at most one year after the approval."),
            "ticket": text("Where the fix is tracked."),
        },
        "required": ["rule", "objects", "reason", "owner", "approver", "approved", "lastDay", "ticket"],
        "additionalProperties": false,
    })
}
