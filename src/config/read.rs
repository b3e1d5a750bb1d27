//! Reads and validates a configuration: from its keys, or from the engine for a deployment.
//!
//! Reading for a deployment is stricter than for rendering: every secret must have a value, and placeholders are rejected
//! except in the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::Value;

use super::key::{NAMESPACE, own_key};
use super::raw::{RawConfig, RawSecrets, RawSecretsMode};
use super::schema_check::{self, Fill};
use super::secret::{SecretOrigin, Unusable};
use super::validate::validate;
use super::{Problems, StackConfig, secret};
use crate::names::CORE;

/// Reads and validates a configuration. All errors are reported together, both of the schema and of the meaning.
pub fn check(keys: &BTreeMap<String, Value>) -> Result<StackConfig, Problems> {
    let (readings, mut problems) = from_keys(keys);
    let mut meanings = readings.iter().map(validate);
    let Some(first) = meanings.next() else {
        return Err(problems);
    };
    let found = match first {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => Problems::default(),
        Err(others) => others,
    };
    // Errors that occur with every substitute value are independent of the schema errors.
    let others = meanings.fold(found, |others, meaning| {
        others.shared_with(&meaning.err().unwrap_or_default())
    });
    problems.append_unknown(others);
    Err(problems)
}

/// Reads the configuration of a deployment: the plain keys with their values, and for each secret with a value, why
/// that value is unusable, if it is.
pub fn read_deployment(
    plain: &BTreeMap<String, String>,
    secrets: &BTreeMap<&str, Option<Unusable>>,
) -> Result<StackConfig, Problems> {
    if !plain.keys().any(|key| own_key(key).is_some()) {
        let mut nothing = Problems::default();
        nothing.add_with_hint(
            NAMESPACE,
            "has no keys: the stack has no configuration",
            "create stacks/Pulumi.<stack>.yaml; stacks/README.md describes the existing stacks",
        );
        return Err(nothing);
    }
    let mut keys: BTreeMap<String, Value> = plain
        .iter()
        .map(|(key, text)| (key.clone(), value_from_text(key, text)))
        .collect();
    let secret_keys: BTreeSet<_> = secrets.keys().copied().collect();
    let mut problems = encrypted(&secret_keys);
    let mode = mode(&keys);
    let origin = match mode {
        Some(RawSecretsMode::PulumiEsc) => SecretOrigin::EscImport,
        _ => SecretOrigin::StackConfig,
    };
    if origin == SecretOrigin::EscImport {
        problems.append(without_secrecy(&mut keys));
    }
    let checked = check(&keys);
    if matches!(
        mode,
        Some(RawSecretsMode::EscDirect | RawSecretsMode::ExternalSecrets)
    ) {
        problems.append(in_two_places(&secret_keys));
    } else {
        problems.append(unusable(secrets, origin));
        // The enabled systems are known only if the configuration is valid; some are always enabled.
        let needed = match &checked {
            Ok(config) => config.secrets_needed(),
            Err(_) => secret::needed(&CORE),
        };
        // A secret in plain text is reported as such.
        let present = secret_keys
            .iter()
            .copied()
            .chain(plain.keys().map(String::as_str));
        problems.append(secret::missing(&needed, present, origin));
    }
    match checked {
        Ok(config) => {
            problems.append(placeholders(&config));
            if problems.is_empty() {
                Ok(config)
            } else {
                Err(problems)
            }
        }
        Err(others) => {
            problems.append(others);
            Err(problems)
        }
    }
}

/// Reads the configuration from its keys, each with or without the prefix `phoenix:`, and reports schema errors.
/// If there are any, it returns two readings with different substitutes for invalid values.
///
/// Keys of other namespaces are ignored. Keys of secrets must be absent: callers remove them first (see
/// [`secret`]).
fn from_keys(keys: &BTreeMap<String, Value>) -> (Vec<RawConfig>, Problems) {
    let ours = keys
        .iter()
        .filter_map(|(key, value)| Some((own_key(key)?.to_owned(), value.clone())))
        .collect();
    let mut problems = schema_check::check(&ours);
    let fills = if problems.is_empty() {
        &[Fill::Min][..]
    } else {
        &[Fill::Min, Fill::Max]
    };
    let readings = fills
        .iter()
        .map(|&fill| serde_json::from_value(schema_check::coerce(&ours, fill)))
        .collect::<Result<_, _>>();
    let readings = readings.unwrap_or_else(|error| {
        if problems.is_empty() {
            problems.add(NAMESPACE, format!("cannot be read: {error}"));
        }
        Vec::new()
    });
    (readings, problems)
}

/// Parses a value from the engine: a string, or JSON if the key has another type.
pub fn value_from_text(key: &str, text: &str) -> Value {
    let is_string = own_key(key).is_some_and(schema_check::is_string);
    let parsed = if is_string {
        None
    } else {
        serde_json::from_str(text).ok()
    };
    parsed.unwrap_or_else(|| Value::from(text))
}

/// The source of the secrets. It is determined before the configuration is known to be valid, so that an error
/// elsewhere does not lead to requests for secrets that are not needed.
fn mode(keys: &BTreeMap<String, Value>) -> Option<RawSecretsMode> {
    keys.iter()
        .find(|(key, _)| own_key(key) == Some("secrets"))
        .and_then(|(_, value)| RawSecrets::deserialize(value).ok())
        .map(|raw| raw.mode)
}

/// Removes secrets that an imported environment provides unencrypted: in plain text, or as numbers and booleans,
/// which Pulumi ESC always provides in plain text.
fn without_secrecy(keys: &mut BTreeMap<String, Value>) -> Problems {
    let mut problems = Problems::default();
    keys.retain(|key, _| {
        let row = secret::row(key);
        if let Some(row) = row {
            let hint = format!("{}, and quote it so that it is a string", SecretOrigin::EscImport.how_to_set(row));
            problems.add_with_hint(
                row.full_key(),
                "is not marked as a secret, or is not a string: Pulumi ESC provides numbers and booleans in plain text",
                hint,
            );
        }
        row.is_none()
    });
    problems
}

/// Secrets with unusable values.
fn unusable(secrets: &BTreeMap<&str, Option<Unusable>>, origin: SecretOrigin) -> Problems {
    let mut problems = Problems::default();
    for (key, unusable) in secrets {
        if let (Some(row), Some(unusable)) = (secret::row(key), unusable) {
            let hint = match (origin, unusable.hint) {
                (SecretOrigin::EscImport, Some(hint)) => {
                    format!("{hint}, in the environment that the stack file imports with `environment:`")
                }
                (SecretOrigin::StackConfig, Some(_)) => {
                    format!(
                        "{} and pass it on one line, without surrounding spaces",
                        origin.how_to_set(row)
                    )
                }
                (_, None) => origin.how_to_set(row),
            };
            problems.add_with_hint(row.full_key(), unusable.wrong, hint);
        }
    }
    problems
}

/// Secrets that the stack contains although they come from ESC, so that it is ambiguous which value applies.
fn in_two_places(secret_keys: &BTreeSet<&str>) -> Problems {
    let mut problems = Problems::default();
    for row in secret_keys.iter().filter_map(|key| secret::row(key)) {
        let key = format!("{NAMESPACE}:{}", row.key);
        let hint = format!("pulumi config rm {key}, or set {NAMESPACE}:secrets.mode to local");
        problems.add_with_hint(
            key,
            "has a value in the stack's configuration, but secrets come from a Pulumi ESC environment",
            hint,
        );
    }
    problems
}

/// Encrypted keys that are not secrets: names and sizes appear in manifests.
fn encrypted(secret_keys: &BTreeSet<&str>) -> Problems {
    let mut problems = Problems::default();
    for key in secret_keys.iter().filter_map(|key| own_key(key)) {
        if secret::row(key).is_none() {
            let known: Vec<_> = secret::INVENTORY.iter().map(|row| row.key).collect();
            let hint = match phoenix_suggest::nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean {NAMESPACE}:{meant}?"),
                None => format!(
                    "set it without --secret, or remove it; secrets are {}",
                    known.join(", ")
                ),
            };
            problems.add_with_hint(
                format!("{NAMESPACE}:{key}"),
                "is encrypted, but is not one of the platform's secrets",
                hint,
            );
        }
    }
    problems
}

/// Placeholders are accepted for rendering and in the sandbox, but never for a cluster.
fn placeholders(config: &StackConfig) -> Problems {
    let mut problems = Problems::default();
    if !config.sandbox {
        for (key, missing) in &config.placeholders {
            problems.add_with_hint(
                key.as_str(),
                format!("is a placeholder for {missing}"),
                "set the value in the stack file",
            );
        }
    }
    problems
}
