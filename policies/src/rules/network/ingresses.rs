//! Configuration that Ingresses pass to their controller.

use crate::control::Control::{AccessControl, Boundary, LeastPrivilege};
use crate::enforcement::Enforcement;
use crate::field::{Field, text};
use crate::kind::{CONFIG_MAP, Kind, SERVICE};
use crate::rule::{Check, Rule, Severity};
use crate::rules::network::services::TRUE;
use crate::text::rule_text;

/// Snippets.
pub static INGRESS_NO_SNIPPETS: Rule = Rule {
    id: "ingress-no-snippets",
    text: rule_text!("ingress-no-snippets"),
    kinds: &[
        Kind::new(&["networking.k8s.io", "extensions"], "Ingress"),
        SERVICE,
        CONFIG_MAP,
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, Boundary, AccessControl],
    check: Check::Resource(|subject, context| {
        if CONFIG_MAP.is(&subject.object.id.group, subject.kind()) {
            let allows = |key, values: &[&str]| match subject.body.entry("data", key) {
                Field::Known(given) => Some(
                    values
                        .iter()
                        .any(|value| given.trim().eq_ignore_ascii_case(value)),
                ),
                Field::Absent => None,
                Field::Unknown => Some(true),
            };
            let settings: [(_, &[&str], _); 2] = [
                (
                    "allow-snippet-annotations",
                    TRUE,
                    "the ingress controller accepts configuration snippets",
                ),
                (
                    "annotations-risk-level",
                    &["critical"],
                    "the ingress controller accepts annotations of every risk level",
                ),
            ];
            let mut is_configuration = false;
            for (key, values, message) in settings {
                let place = format!("data[{key}]");
                match allows(key, values) {
                    None => continue,
                    Some(_) if subject.body.entry("data", key).is_unknown() => context.unknown(place),
                    Some(true) => context.fail(place, message),
                    Some(false) => {}
                }
                is_configuration = true;
            }
            if !is_configuration {
                context.not_applicable("it does not configure an ingress controller");
            }
            return;
        }
        let Some(annotations) = context.known(
            subject.body.map("metadata.annotations"),
            subject.body,
            "metadata.annotations",
        ) else {
            return;
        };
        for (key, value) in annotations {
            // The prefix of the annotations can be configured.
            let is_snippet = key
                .rsplit('/')
                .next()
                .is_some_and(|name| name.contains("snippet"));
            let place = format!("metadata.annotations[{key}]");
            match text(value) {
                _ if !is_snippet => {}
                Field::Known("") => {}
                Field::Known(_) => context.fail(
                    place,
                    "the annotation is inserted into the configuration of the ingress controller, which has access to every Secret it serves",
                ),
                _ => context.unknown(place),
            }
        }
    }),
    ..Rule::DEFAULTS
};
