//! The state of a stack's secrets: each row of the inventory, and unexpected keys. Never a value.
//!
//! A readable value is checked where it is read, and only the result is passed on. Encrypted values are not decrypted; only
//! their presence is known. [`crate::commands::secrets`] prints.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use phoenix::config::secret::{INVENTORY, SecretRow};
use phoenix::config::{SecretsMode, StackConfig, own_key, secret};
use phoenix::platform;
use phoenix_graph::{Graph, references};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::stack::Invalid;
use crate::stack_file::{self, StackFile};

/// The stack whose secrets are checked.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The stack's name.
    pub name: String,
    /// Its file, without secrets in plain text.
    pub file: StackFile,
    /// Its configuration.
    pub config: StackConfig,
    /// Its objects.
    pub graph: Graph,
    /// Secrets in plain text in the file, each with a further problem if there is one.
    in_clear: BTreeMap<&'static str, Option<String>>,
    /// Encrypted keys of this project that are not in the inventory.
    unused: BTreeSet<String>,
}

/// The state of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, or where it is in the cluster.
    pub key: String,
    /// Its state.
    pub state: State,
    /// What was found, as text.
    pub found: String,
    /// A suggested fix, if one is needed.
    pub hint: Option<String>,
}

/// The state of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is set.
    Present,
    /// It comes from a source that was not checked.
    Elsewhere,
    /// It is not set.
    Missing,
    /// It is set, but weak.
    Weak,
    /// It is in plain text in a file.
    InClear,
    /// It is set, but not used.
    Unused,
    /// It is set in two places.
    Twice,
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
    /// Its name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Elsewhere => "elsewhere",
            Self::Missing => "missing",
            Self::Weak => "weak",
            Self::InClear => "exposed",
            Self::Unused => "unused",
            Self::Twice => "twice",
        }
    }

    /// Whether nothing has to be done.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Present | Self::Elsewhere)
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

impl Subject {
    /// Reads a stack. What is wrong with its secrets does not stop it; anything else does.
    pub fn load(checkout: &Checkout, name: &str) -> Result<Self> {
        let mut file = StackFile::read(checkout, name)?;
        let mut in_clear = BTreeMap::new();
        let mut unused = BTreeSet::new();
        file.keys.retain(|key, value| match secret::row(key) {
            Some(row) => {
                in_clear.insert(row.key, weakness(row, value));
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
                in_clear,
                unused,
            }),
            Err(problems) => Err(Invalid::new(name, &file, problems).into()),
        }
    }

    /// How the secrets stand in the stack's own configuration.
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
            let found = "is sealed, but is not a secret of the platform, and a deployment refuses it";
            Entry::new(key, State::Unused, found)
                .hint(format!("pulumi config rm {key} --stack {}", self.name))
        }));
        entries
    }

    fn entry(&self, row: &SecretRow) -> Entry {
        let key = row.full_key();
        let stack = &self.name;
        if let Some(weakness) = self.in_clear.get(row.key) {
            let weakness = weakness
                .as_ref()
                .map(|weakness| format!("; it also {weakness}"))
                .unwrap_or_default();
            let found = format!("is in {} in plain text{weakness}", self.file.path);
            let hint = format!(
                "create a new value, because every reader of the file knows this one, and set it with \
                 `pulumi config set --secret {key} --stack {stack}`"
            );
            return Entry::new(key, State::InClear, found).hint(hint);
        }
        let is_sealed = self.file.secrets.contains(&key);
        match (source(&self.config.secrets), is_sealed) {
            (Some(source), true) => {
                let found = format!("has a value in the stack, but secrets come from {source}");
                let hint = format!("pulumi config rm {key} --stack {stack}");
                Entry::new(key, State::Twice, found).hint(hint)
            }
            (Some(source), false) => Entry::new(key, State::Elsewhere, format!("comes from {source}")),
            (None, true) if !row.readers.is_empty() && !is_read(&self.graph, row) => {
                Entry::new(key, State::Unused, "is set, but no pod of the stack reads it")
                    .hint("remove its row from the inventory, or let the system that needs it read it")
            }
            (None, true) => Entry::new(
                key,
                State::Present,
                "is set and encrypted; its value was not checked",
            ),
            (None, false) => {
                let hint =
                    format!("pulumi config set --secret {key} --stack {stack}; it prompts for the value");
                Entry::new(key, State::Missing, format!("has no value. {}", row.purpose)).hint(hint)
            }
        }
    }
}

/// The source of secrets other than the stack's own configuration.
pub fn source(mode: &SecretsMode) -> Option<String> {
    let (who, environment) = match mode {
        SecretsMode::Local => return None,
        SecretsMode::PulumiEsc => {
            return Some(
                "the ESC environments that the stack file imports, which Pulumi's engine opens".to_owned(),
            );
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
    Some(format!("{environment}, which {who} opens"))
}

/// What is wrong with a value that can be seen. A value that is no text is one that YAML has misread.
fn weakness(row: &SecretRow, value: &Value) -> Option<String> {
    match value {
        Value::String(value) => row.form.weakness(value),
        _ => Some("is not a text".to_owned()),
    }
}

/// Whether a pod of the graph gets the secret in a variable.
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

/// Every row of the inventory with its state in the stack's own configuration.
pub fn rows(subject: &Subject) -> Vec<(&'static SecretRow, State)> {
    let needed = subject.config.secrets_needed();
    needed
        .into_iter()
        .map(|row| (row, subject.entry(row).state))
        .collect()
}
