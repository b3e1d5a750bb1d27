//! Opens the Pulumi ESC environment that holds a stack's secrets, and checks its values.
//!
//! This is an edge: it reads an environment variable and calls the service, when the program registers a stack in mode
//! `esc-direct` and for `phoenix secrets check --esc`. The environment holds each secret twice: under `pulumiConfig` by its
//! full key, for the program and Pulumi's engine, and under `kubernetes` by Secret and key, for the External Secrets
//! Operator.

use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::time::Duration;

use phoenix_esc::{
    Client, Environment, Error, ExposeSecret, SERVICE, SecretString, Value as Found, ValueError, Values,
};

use phoenix::config::secret::SecretRow;
use phoenix::config::{EscEnvironment, NAMESPACE, Problems, StackConfig};

/// The environment variable with the access token. `PULUMI_ACCESS_TOKEN` is not used because it also opens the state.
pub const TOKEN: &str = "PHOENIX_ESC_TOKEN";

/// The key of the stack file with the address of the service.
pub const ADDRESS_KEY: &str = "phoenix:secrets.url";

/// The map in the environment that becomes a stack's configuration.
pub const PULUMI_CONFIG: &str = "pulumiConfig";

/// The lifetime of credentials that the environment creates. The values are read at once; this is the shortest lifetime that
/// every provider allows.
const LIFETIME: Duration = Duration::from_mins(15);

/// An open environment. `Debug` shows no secret; secrets are wiped when it is dropped.
#[derive(Debug)]
pub struct Opened {
    name: String,
    values: Values,
}

/// A problem with a value. It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of problem.
    pub kind: FaultKind,
    /// The description, which continues a sentence that begins with the value's name.
    pub wrong: String,
    /// A suggested fix.
    pub hint: String,
}

/// The kind of a problem with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The value is missing.
    Missing,
    /// The value is plain text: everyone who can read the environment's definition can read it.
    InClear,
    /// The value cannot be used.
    Unusable,
    /// The value can be used, but is weak.
    Weak,
}

/// The address of the service and its source.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// The address; `None` is Pulumi Cloud.
    pub url: Option<&'a str>,
    /// The setting that the address comes from, for hints.
    pub named_by: &'a str,
}

/// Opens an environment. The error names the environment and suggests a fix.
#[expect(
    clippy::disallowed_methods,
    reason = "this is an edge: the access token comes from an environment variable"
)]
pub async fn open(environment: &EscEnvironment, service: Service<'_>) -> Result<Opened, String> {
    let environment = Environment {
        organization: environment.organization.clone(),
        project: environment.project.clone(),
        name: environment.name.clone(),
        version: environment.version.clone(),
    };
    let token = match std::env::var(TOKEN) {
        Ok(token) if !token.is_empty() => SecretString::from(token),
        // The value is not quoted: it may be a token in a wrong encoding.
        Err(VarError::NotUnicode(_)) => {
            return Err(format!(
                "{TOKEN} is not valid UTF-8\n  hint: copy the token again"
            ));
        }
        _ => {
            return Err(format!(
                "{environment} of Pulumi ESC holds them, but {TOKEN} is not set\n  hint: set {TOKEN} to a Pulumi \
                 Cloud access token that is allowed to open the environment"
            ));
        }
    };
    let client = Client::new(service.url.unwrap_or(SERVICE), token).map_err(|error| match error {
        Error::Address(_) => format!("{error}\n  hint: check {}", service.named_by),
        Error::Token(_) => format!("{error}\n  hint: check {TOKEN}"),
        other => other.to_string(),
    })?;
    let values = client
        .open(&environment, LIFETIME)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Opened {
        name: environment.to_string(),
        values,
    })
}

impl Opened {
    /// The environment's name, as written in the stack file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The warnings of the service.
    pub fn warnings(&self) -> &[String] {
        self.values.warnings()
    }

    /// The values of all rows by full key, or all problems with them.
    pub fn secrets(&self, needed: &[&SecretRow]) -> Result<BTreeMap<String, SecretString>, String> {
        let mut secrets = BTreeMap::new();
        let mut problems = Problems::default();
        for row in needed {
            let key = row.full_key();
            match self.usable(&[PULUMI_CONFIG, &key], row) {
                Ok(secret) => {
                    secrets.insert(key, secret.clone());
                }
                Err(fault) => {
                    problems.add_with_hint(format!("{PULUMI_CONFIG}[{key:?}]"), fault.wrong, fault.hint);
                }
            }
        }
        if problems.is_empty() {
            Ok(secrets)
        } else {
            Err(format!("as defined in {} of Pulumi ESC:\n{problems}", self.name))
        }
    }

    /// Checks the value at a path, including its strength, and returns its length in bytes.
    pub fn check(&self, path: &[&str], row: &SecretRow, config: &StackConfig) -> Result<usize, Fault> {
        let value = self.usable(path, row)?.expose_secret();
        match config.weakness(row, value) {
            None => Ok(value.len()),
            Some(weakness) => Err(Fault {
                kind: FaultKind::Weak,
                wrong: weakness,
                hint: row.rotation.to_owned(),
            }),
        }
    }

    /// The value at a path, if it can be used.
    pub fn text(&self, path: &[&str], row: &SecretRow) -> Option<&str> {
        self.usable(path, row).ok().map(ExposeSecret::expose_secret)
    }

    /// The names in the map at a path; none if there is no map.
    pub fn names(&self, path: &[&str]) -> BTreeSet<&str> {
        match self.values.get(path) {
            Some(Found::Map(fields)) => fields.keys().map(String::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The value at a path, if it can be used.
    fn usable(&self, path: &[&str], row: &SecretRow) -> Result<&SecretString, Fault> {
        let secret = self
            .values
            .secret_text(path)
            .map_err(|unfit| self.unfit(&unfit, path, row))?;
        match row.form.unusable(secret.expose_secret()) {
            None => Ok(secret),
            Some(unusable) => Err(Fault {
                kind: FaultKind::Unusable,
                wrong: unusable.wrong.to_owned(),
                hint: match unusable.hint {
                    Some(hint) => hint.to_owned(),
                    None => format!("give it a value. {}", row.purpose),
                },
            }),
        }
    }

    fn unfit(&self, unfit: &ValueError, path: &[&str], row: &SecretRow) -> Fault {
        let (name, map) = path
            .split_last()
            .map_or(("", String::new()), |(name, map)| (*name, map.join(".")));
        let hint = match unfit {
            ValueError::Missing
                if map == PULUMI_CONFIG && self.values.get(&[PULUMI_CONFIG, row.key]).is_some() =>
            {
                format!("it is defined as {}; prefix the key with {NAMESPACE}:", row.key)
            }
            ValueError::NotText(_) => "write it as a string, in quotation marks".to_owned(),
            ValueError::Unknown => {
                "open the environment with the esc command and correct its inputs".to_owned()
            }
            ValueError::Missing | ValueError::NoMap(_) | ValueError::NotSecret => {
                format!("write it as {name}: {{fn::secret: …}} below {map}")
            }
        };
        let (kind, purpose) = match unfit {
            ValueError::Missing | ValueError::NoMap(_) => (FaultKind::Missing, format!(". {}", row.purpose)),
            ValueError::NotSecret => (FaultKind::InClear, String::new()),
            ValueError::Unknown | ValueError::NotText(_) => (FaultKind::Unusable, String::new()),
        };
        Fault {
            kind,
            wrong: format!("{unfit}{purpose}"),
            hint,
        }
    }
}
