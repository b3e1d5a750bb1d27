//! Credentials in manifests. The messages of these rules never contain a value.
//!
//! Three rules search all strings of all objects, each in its own place: environment variables, `ConfigMap`s, and everything
//! else. They share one method: `names` decides about a name and `values` about a value, independently of each other;
//! `decision` combines them; `tokens` recognizes credentials by their form; `text`, `arguments` and `xml` find names and
//! values in texts of any format, and `search` walks through objects.

mod arguments;
mod decision;
mod names;
mod search;
mod text;
mod tokens;
mod values;
mod xml;

use serde_json::Value;

use self::decision::{Place, Source};
use crate::context::Subject;
use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, Boundary, ConfidentialKept, DataInMotion,
    EncryptionAtRest, PasswordManagement,
};
use crate::enforcement::Enforcement;
use crate::field::Field;
use crate::kind::{ANY, CONFIG_MAP, Kind, WORKLOADS};
use crate::pod::Pod;
use crate::rule::{Check, Rule, Severity};
use crate::text::rule_text;

/// Literal credentials in environment variables.
pub static NO_CREDENTIALS_IN_ENV: Rule = Rule {
    id: "no-credentials-in-env",
    text: rule_text!("no-credentials-in-env"),
    kinds: WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        AccessControl,
        Authentication,
        PasswordManagement,
    ],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            for variable in context.items(container.node(), "env") {
                if variable.node().field("value").is_absent() {
                    continue;
                }
                // The name is part of the decision, so that an unknown one makes the verdict unknown.
                let name = context.text(variable.node(), "name").unwrap_or("?");
                match variable.node().field("value") {
                    Field::Known(Value::String(value)) => {
                        if let Some((line, what)) =
                            search::named(name, value, Place::Value, Source::Configuration)
                        {
                            let of = container.words();
                            context.fail(
                                variable.node().at("value"),
                                format!("{}the variable {name} of {of} contains {what}", of_line(line)),
                            );
                        }
                    }
                    Field::Known(Value::Number(_) | Value::Bool(_)) | Field::Absent => {}
                    Field::Known(_) | Field::Unknown => context.unknown(variable.node().at("value")),
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Credentials in `ConfigMap`s.
pub static NO_CREDENTIALS_IN_CONFIGMAP: Rule = Rule {
    id: "no-credentials-in-configmap",
    text: rule_text!("no-credentials-in-configmap"),
    kinds: &[CONFIG_MAP],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, DataInMotion, AccessControl, Authentication],
    check: Check::Resource(|subject, context| {
        for field in ["data", "binaryData"] {
            let Some(data) = context.known(subject.body.map(field), subject.body, field) else {
                continue;
            };
            for (key, value) in data {
                let place = format!("{field}[{key}]");
                let Field::Known(text) = crate::field::text(value) else {
                    context.unknown(place);
                    continue;
                };
                // Binary data that is not text has no format that can be searched.
                let decoded = (field == "binaryData").then(|| tokens::decoded(text));
                let text = match &decoded {
                    Some(Some(decoded)) => decoded,
                    Some(None) => continue,
                    None => text,
                };
                if let Some((line, what)) = search::named(key, text, Place::Value, text::source_of(key, text))
                {
                    context.fail(place, format!("{}the key {key} contains {what}", of_line(line)));
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Credentials in all other fields.
pub static NO_CREDENTIALS_IN_FIELDS: Rule = Rule {
    id: "no-credentials-in-fields",
    text: rule_text!("no-credentials-in-fields"),
    kinds: &[ANY],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, DataInMotion, AccessControl, Authentication],
    check: Check::Resource(|subject, context| {
        let containers = paths_of_containers(subject);
        let hits = search::all(subject.body.value, "", &|path| {
            is_skipped(path, subject, &containers)
        });
        for path in hits.unknown {
            context.unknown(path);
        }
        context.containers(subject);
        for hit in hits.found {
            context.fail(
                hit.path,
                format!("{}the field contains {}", of_line(hit.line), hit.what),
            );
        }
    }),
    ..Rule::DEFAULTS
};

/// Whether a field is one that other rules search, or that the cluster sets.
fn is_skipped(path: &str, subject: &Subject<'_>, containers: &[String]) -> bool {
    if matches!(path, "status" | "sops" | "metadata.managedFields") {
        return true;
    }
    match (subject.object.id.group.as_str(), subject.kind()) {
        ("", "ConfigMap" | "Secret") => matches!(path, "data" | "binaryData" | "stringData"),
        // Schemas, with examples and descriptions.
        ("apiextensions.k8s.io", "CustomResourceDefinition") => path == "spec",
        ("bitnami.com", "SealedSecret") => path == "spec.encryptedData",
        _ => path
            .strip_suffix(".env")
            .is_some_and(|container| containers.iter().any(|path| path == container)),
    }
}

/// The paths of all containers of an object, whose variables another rule searches.
fn paths_of_containers(subject: &Subject<'_>) -> Vec<String> {
    let paths = |pod: &Pod<'_>| -> Vec<String> {
        let containers = pod.containers.iter();
        containers.map(|container| container.node().at("")).collect()
    };
    match subject.pod {
        None => Vec::new(),
        Some(pod)
            if WORKLOADS
                .iter()
                .any(|kind| kind.is(&subject.object.id.group, subject.kind())) =>
        {
            paths(pod)
        }
        // A custom resource may have several pods, and this check runs for each of them.
        Some(_) => Pod::all_of(subject.object).iter().flat_map(paths).collect(),
    }
}

/// The line of a finding, as the start of its message.
fn of_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line} of "))
}

/// `secretKeyRef`.
pub static SECRETS_MOUNTED_AS_FILES: Rule = Rule {
    id: "secrets-mounted-as-files",
    text: rule_text!("secrets-mounted-as-files"),
    kinds: WORKLOADS,
    severity: Severity::Low,
    enforcement: Enforcement::Disabled,
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            for (list, field) in [("env", "valueFrom.secretKeyRef"), ("envFrom", "secretRef")] {
                for item in context.items(container.node(), list) {
                    if context
                        .known(item.node().field(field), item.node(), field)
                        .is_some()
                    {
                        context.fail(
                            item.node().at(field),
                            format!(
                                "{} reads a Secret into an environment variable",
                                container.words()
                            ),
                        );
                    }
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Values of `Secret`s.
pub static SECRET_VALUES_ARE_REFERENCES: Rule = Rule {
    id: "secret-values-are-references",
    text: rule_text!("secret-values-are-references"),
    kinds: &[Kind::core("Secret")],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        ConfidentialKept,
        EncryptionAtRest,
        AccessControl,
    ],
    check: Check::Resource(|subject, context| {
        let mut count = 0;
        // A value counts as encrypted only together with the authentication code of the file.
        let is_sops_file = subject.body.text("sops.mac").known().is_some_and(values::is_sops);
        let marked = subject.object.secrets();
        for field in ["data", "stringData"] {
            if marked.contains_key(&format!("/{field}")) {
                count += 1;
                continue;
            }
            let Some(data) = context.known(subject.body.map(field), subject.body, field) else {
                continue;
            };
            count += data.len();
            for (key, value) in data {
                let pointer = format!("/{field}/{}", key.replace('~', "~0").replace('/', "~1"));
                if marked.contains_key(&pointer) {
                    continue;
                }
                match crate::field::text(value) {
                    Field::Known("") => {}
                    Field::Known(value) if is_sops_file && values::is_sops(value) => {}
                    Field::Known(_) => context.fail(
                        format!("{field}[{key}]"),
                        format!("the value of {key} is in plain text"),
                    ),
                    _ => context.unknown(format!("{field}[{key}]")),
                }
            }
        }
        if count == 0 {
            context.not_applicable("the Secret has no values");
        }
    }),
    ..Rule::DEFAULTS
};

/// Service account tokens without an expiry.
pub static NO_STATIC_SERVICE_ACCOUNT_TOKEN: Rule = Rule {
    id: "no-static-service-account-token",
    text: rule_text!("no-static-service-account-token"),
    kinds: &[Kind::core("Secret")],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, Authentication],
    check: Check::Resource(|subject, context| {
        if context.text(subject.body, "type") == Some("kubernetes.io/service-account-token") {
            context.fail("type", "the Secret is a service account token without an expiry");
        }
    }),
    ..Rule::DEFAULTS
};

#[cfg(test)]
mod tests;
