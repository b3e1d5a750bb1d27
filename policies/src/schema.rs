//! The settings as a JSON schema, from which editors complete and check `phoenix:policies`.
//!
//! It is made of the rules, the assumptions and the fields of a waiver that [`Settings::read`](crate::Settings::read)
//! reads, and says nothing that it does not.

use serde_json::{Map, Value, json};

use crate::remediation;
use crate::rule::{Enforcement, Rule};
use crate::rules::RULES;
use crate::settings::{Default, Setting, assume};

/// The schema of the settings, with everything in place: it refers to nothing outside.
pub fn schema() -> Value {
    json!({
        "description": "How the stack is judged by the policies: policies/README.md",
        "type": "object",
        "properties": {
            "all": {
                "description": "How every rule is enforced that is not off by itself.",
                "enum": words(&Enforcement::ALL),
            },
            "rules": {
                "description": "Single rules: how each is enforced, and its options.",
                "type": "object",
                "properties": RULES.iter().map(|rule| (rule.id.to_owned(), of_rule(rule))).collect::<Map<_, _>>(),
                "additionalProperties": false,
            },
            "assume": {
                "description": "What is assumed of the world outside.",
                "type": "object",
                "properties": properties(&assume::ALL),
                "additionalProperties": false,
            },
            "waivers": {
                "description": "What may fail, until when and why.",
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
        .filter(|enforcement| *enforcement != Enforcement::Remediate || remediation::of(rule).is_some())
        .collect();
    let mut fields = properties(rule.options);
    fields.insert("enforcement".to_owned(), json!({"enum": words(&allowed)}));
    json!({
        "description": format!("{}. By default: {}.", rule.text.title, rule.enforcement.word()),
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

/// The schema of one setting, as the engine and editors take it.
pub fn of_setting(setting: &Setting) -> Value {
    let mut schema = match setting.default {
        Default::Flag(_) => json!({"type": "boolean"}),
        Default::Number(_) => json!({"type": "integer", "minimum": 0}),
        Default::Text(_) => json!({"type": "string"}),
        Default::Texts(_) => json!({"type": "array", "items": {"type": "string"}}),
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
            "rule": {"description": "The rule.", "enum": RULES.iter().map(|rule| rule.id).collect::<Vec<_>>()},
            "objects": {
                "description": "The objects, each exactly, as `Kind namespace/name`.",
                "type": "array",
                "items": {"type": "string", "pattern": "^[^* ]+ [^* ]+$"},
                "minItems": 1,
                "maxItems": crate::waiver::MOST_OBJECTS,
            },
            "reason": text("Why they fail."),
            "compensatingMeasure": text("What protects in the meantime; needed where HIPAA requires a control of the rule."),
            "owner": text("Who will repair it."),
            "approver": text("Who allowed it: somebody else than the owner."),
            "approved": day("When that was, as a text: \"2026-06-01\"."),
            "lastDay": day("The last day on which it holds, at most a year later."),
            "ticket": text("Where it is tracked."),
        },
        "required": ["rule", "objects", "reason", "owner", "approver", "approved", "lastDay", "ticket"],
        "additionalProperties": false,
    })
}
