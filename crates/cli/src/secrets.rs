//! The state of a stack's secrets: of each row of the inventory, and of other encrypted values. Never a value.
//!
//! A readable value is checked where it is read, and only the result is passed on. Encrypted values are not decrypted: it is only
//! known that they exist. [`crate::commands::secrets`] prints the results.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use phoenix::config::secret::{INVENTORY, SecretRow};
use phoenix::config::{Problem, SecretsMode, StackConfig, own_key, secret};
use phoenix::platform;
use phoenix_graph::{Graph, references};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::stack::Invalid;
use crate::stack_file::{self, StackFile};

/// A stack whose secrets are checked.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The stack's name.
    pub name: String,
    /// Its file, without plaintext secrets.
    pub file: StackFile,
    /// Its configuration.
    pub config: StackConfig,
    /// Its objects.
    pub graph: Graph,
    /// Plaintext secrets in the file, each with a further weakness if it has one.
    plaintext: BTreeMap<&'static str, Option<String>>,
    /// Encrypted keys that are not secrets of the platform.
    unused: BTreeSet<String>,
}

/// The state of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, or its place in the cluster.
    pub key: String,
    /// The state.
    pub state: State,
    /// What was found, as a sentence for the user.
    pub found: String,
    /// How to fix it, if something has to be fixed.
    pub hint: Option<String>,
}

/// The state of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is set.
    Present,
    /// It comes from a source that was not checked.
    External,
    /// It is not set.
    Missing,
    /// It is set, but unusable or weak.
    Weak,
    /// It is stored in plaintext.
    Plaintext,
    /// It is set, but not used.
    Unused,
    /// It is set in two places.
    Duplicate,
}

/// The state of the secrets in Pulumi ESC.
#[derive(Clone, Debug)]
pub struct EscReport {
    /// The state of each secret, and of what else was found.
    pub entries: Vec<Entry>,
    /// Warnings of the service.
    pub warnings: Vec<String>,
}

impl State {
    /// The state as one word, as the JSON output has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::External => "external",
            Self::Missing => "missing",
            Self::Weak => "weak",
            Self::Plaintext => "plaintext",
            Self::Unused => "unused",
            Self::Duplicate => "duplicate",
        }
    }

    /// Whether nothing has to be fixed.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Present | Self::External)
    }
}

impl Entry {
    /// An entry without a hint.
    pub fn new(key: impl Into<String>, state: State, found: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            state,
            found: found.into(),
            hint: None,
        }
    }

    /// The entry with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// The contradictions between values that are valid individually: entries for the keys with the wrong values. `value` returns
/// the value of a full key.
pub fn contradictions<'a>(config: &StackConfig, value: impl Fn(&str) -> Option<&'a str>) -> Vec<Entry> {
    let problems = secret::contradictions(&config.secrets_needed(), value);
    let entry = |problem: &Problem| {
        let entry = Entry::new(&problem.key, State::Weak, &problem.message);
        match &problem.hint {
            Some(hint) => entry.hint(hint),
            None => entry,
        }
    };
    problems.iter().map(entry).collect()
}

impl Subject {
    /// Reads a stack. Fails if its file is invalid, except for errors of its secrets.
    pub fn load(checkout: &Checkout, name: &str) -> Result<Self> {
        let mut file = StackFile::read(checkout, name)?;
        let mut plaintext = BTreeMap::new();
        let mut unused = BTreeSet::new();
        file.keys.retain(|key, value| match secret::row(key) {
            Some(row) => {
                plaintext.insert(row.key, weakness(row, value));
                false
            }
            None if own_key(key).is_some() && stack_file::is_encrypted(value) => {
                unused.insert(key.clone());
                false
            }
            None => true,
        });
        match file.checked() {
            Ok(config) => Ok(Self {
                name: checkout.stack(name)?,
                graph: platform::build(&config),
                file,
                config,
                plaintext,
                unused,
            }),
            Err(problems) => Err(Invalid::new(name, &file, problems).into()),
        }
    }

    /// The state of the secrets in the stack file.
    pub fn entries(&self) -> Vec<Entry> {
        let needed = self.config.secrets_needed();
        let mut entries: Vec<_> = needed.iter().map(|row| self.entry(row)).collect();
        let is_left = |row: &&SecretRow| !needed.contains(row) && self.file.secrets.contains(&row.full_key());
        entries.extend(INVENTORY.iter().filter(is_left).map(|row| {
            let key = row.full_key();
            let hint = format!("pulumi config rm {key} --stack {}", self.name);
            Entry::new(key, State::Unused, "is set, but nothing in this stack reads it").hint(hint)
        }));
        entries.extend(self.unused.iter().map(|key| {
            let found = "is encrypted, but is not a secret of the platform, so a deployment is rejected";
            Entry::new(key, State::Unused, found)
                .hint(format!("pulumi config rm {key} --stack {}", self.name))
        }));
        entries
    }

    fn entry(&self, row: &SecretRow) -> Entry {
        let key = row.full_key();
        let stack = &self.name;
        if let Some(weakness) = self.plaintext.get(row.key) {
            let weakness = weakness
                .as_ref()
                .map(|weakness| format!("; it also {weakness}"))
                .unwrap_or_default();
            let found = format!("is stored in plaintext in {}{weakness}", self.file.path);
            let hint = format!(
                "generate a new value, because this one is known to everyone who can read the file, and set it with \
                 `pulumi config set --secret {key} --stack {stack}`"
            );
            return Entry::new(key, State::Plaintext, found).hint(hint);
        }
        let is_encrypted_here = self.file.secrets.contains(&key);
        match (source(&self.config.secrets), is_encrypted_here) {
            (Some(source), true) => {
                let found = format!("has a value in the stack file, but secrets come from {source}");
                let hint = format!("pulumi config rm {key} --stack {stack}");
                Entry::new(key, State::Duplicate, found).hint(hint)
            }
            (Some(source), false) => Entry::new(key, State::External, format!("comes from {source}")),
            (None, true) if !row.readers.is_empty() && !is_read(&self.graph, row) => {
                Entry::new(key, State::Unused, "is set, but no pod of the stack reads it")
                    .hint("remove its row from the inventory, or reference it in the system that needs it")
            }
            (None, true) => Entry::new(
                key,
                State::Present,
                "is set and encrypted; its value was not checked",
            ),
            (None, false) => {
                let hint =
                    format!("pulumi config set --secret {key} --stack {stack}, which prompts for the value");
                Entry::new(key, State::Missing, format!("has no value. {}", row.purpose)).hint(hint)
            }
        }
    }
}

/// The source of the secrets; `None` if they are in the stack file.
pub fn source(mode: &SecretsMode) -> Option<String> {
    let (reader, environment) = match mode {
        SecretsMode::Local => return None,
        SecretsMode::PulumiEsc => {
            return Some("the ESC environments that the stack file imports, which Pulumi opens".to_owned());
        }
        SecretsMode::EscDirect(direct) => ("the program", &direct.environment),
        SecretsMode::ExternalSecrets(external) => (
            "the External Secrets Operator in the cluster",
            &external.environment,
        ),
    };
    let environment = match environment {
        Some(environment) => format!("the ESC environment {environment}"),
        None => "an ESC environment that is a placeholder".to_owned(),
    };
    Some(format!("{environment}, which {reader} opens"))
}

/// The weakness of a plaintext value. A value that is not a string was misinterpreted by YAML.
fn weakness(row: &SecretRow, value: &Value) -> Option<String> {
    match value {
        Value::String(value) => row.form.weakness(value),
        _ => Some("is not a string".to_owned()),
    }
}

/// Whether a pod of the graph references the secret in an environment variable.
fn is_read(graph: &Graph, row: &SecretRow) -> bool {
    graph.objects().filter_map(references::pod_spec).any(|pod| {
        let containers = ["containers", "initContainers"]
            .into_iter()
            .filter_map(|field| pod.get(field)?.as_array())
            .flatten();
        containers
            .filter_map(|container| container.get("env")?.as_array())
            .flatten()
            .filter_map(|variable| variable.pointer("/valueFrom/secretKeyRef"))
            .any(|reference| reference["name"] == row.secret && reference["key"] == row.data_key)
    })
}

/// Every row of the inventory that the stack needs, with its state in the stack file.
pub fn rows(subject: &Subject) -> Vec<(&'static SecretRow, State)> {
    let needed = subject.config.secrets_needed();
    needed
        .into_iter()
        .map(|row| (row, subject.entry(row).state))
        .collect()
}
