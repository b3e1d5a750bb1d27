//! Opens the environment of Pulumi ESC that holds a stack's secrets, and judges what is in it.
//!
//! This is an edge: it reads the environment and talks to the service, when the program registers a stack in mode
//! `esc-direct` and when a person asks `phoenix secrets check --esc`. A secret stands in the environment under
//! `pulumiConfig` by its full key, for the program and for Pulumi's engine, and under `kubernetes` by Secret and key, for
//! the External Secrets Operator; the same environment serves all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::time::Duration;

use phoenix_esc::{
    Client, Environment, Error, ExposeSecret as _, SERVICE, SecretString, Unfit, Value as Found, Values,
};

use crate::config::secret::SecretRow;
use crate::config::{EscEnvironment, NAMESPACE, Problems};

/// The variable with the access token. Pulumi's own, `PULUMI_ACCESS_TOKEN`, opens the state as well, so it is not used.
pub const TOKEN: &str = "PHOENIX_ESC_TOKEN";

/// The key of the stack file with the address of the service.
pub const ADDRESS_KEY: &str = "phoenix:secrets.url";

/// The map of the environment that becomes a stack's configuration.
pub const PULUMI_CONFIG: &str = "pulumiConfig";

/// How long what is made for us stays valid. The values are read at once; this is the shortest that every provider allows.
const LIFETIME: Duration = Duration::from_mins(15);

/// An environment that was opened. `Debug` shows no secret; secrets are wiped when it is dropped.
#[derive(Debug)]
pub struct Opened {
    name: String,
    values: Values,
}

/// Why a value will not do, never with the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The word for it.
    pub kind: FaultKind,
    /// The rest of a sentence that begins with its name.
    pub wrong: String,
    /// The way out.
    pub hint: String,
}

/// The word for what is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// Everybody who may read the environment's definition can see it.
    InClear,
    /// It is there, and cannot be used.
    Unusable,
    /// It can be used, and should not.
    Weak,
}

/// Where the service is, and what says so.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// Its address; `None` is Pulumi's own.
    pub url: Option<&'a str>,
    /// What a person changes to change the address.
    pub named_by: &'a str,
}

/// Opens an environment at the service. The error names the environment and the way out.
#[expect(
    clippy::disallowed_methods,
    reason = "the token is part of the world that the program is started in"
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
        // What it is instead is not repeated: it may be a token in a wrong encoding.
        Err(VarError::NotUnicode(_)) => {
            return Err(format!(
                "{TOKEN} is not a text\n  hint: it holds bytes that no token has; copy the token once more"
            ));
        }
        _ => {
            return Err(format!(
                "{environment} of Pulumi ESC holds them, and there is no access token for it\n  hint: set {TOKEN} to \
                 an access token of Pulumi Cloud that may open the environment"
            ));
        }
    };
    let client = Client::new(service.url.unwrap_or(SERVICE), token).map_err(|error| match error {
        Error::Address(_) => format!("{error}\n  hint: look at {}", service.named_by),
        Error::Token(_) => format!("{error}\n  hint: look at {TOKEN}"),
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
    /// The environment's name, as the stack file writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the service warns of.
    pub fn warnings(&self) -> &[String] {
        self.values.warnings()
    }

    /// The value of every row by its full key, or what is wrong with any of them.
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
            Err(format!("as {} of Pulumi ESC holds them:\n{problems}", self.name))
        }
    }

    /// The number of bytes of a good value at this path, or what is wrong with it, its strength included.
    pub fn judge(&self, path: &[&str], row: &SecretRow) -> Result<usize, Fault> {
        let value = self.usable(path, row)?.expose_secret();
        match row.form.weakness(value) {
            None => Ok(value.len()),
            Some(weakness) => Err(Fault {
                kind: FaultKind::Weak,
                wrong: weakness,
                hint: row.rotation.to_owned(),
            }),
        }
    }

    /// The names in the map at this path; none where there is no map.
    pub fn names(&self, path: &[&str]) -> BTreeSet<&str> {
        match self.values.get(path) {
            Some(Found::Map(fields)) => fields.keys().map(String::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// A value that can be used as it is.
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
                hint: match unusable.way {
                    Some(way) => way.to_owned(),
                    None => format!("give it a value. {}", row.purpose),
                },
            }),
        }
    }

    fn unfit(&self, unfit: &Unfit, path: &[&str], row: &SecretRow) -> Fault {
        let (name, map) = path
            .split_last()
            .map_or(("", String::new()), |(name, map)| (*name, map.join(".")));
        let hint = match unfit {
            Unfit::Missing
                if map == PULUMI_CONFIG && self.values.get(&[PULUMI_CONFIG, row.key]).is_some() =>
            {
                format!(
                    "it is there as {}; write the key with {NAMESPACE}: before it",
                    row.key
                )
            }
            Unfit::NotText(_) => "write it as a text, in quotation marks".to_owned(),
            Unfit::Unknown => {
                "open the environment with the command esc, and repair what it is made from".to_owned()
            }
            Unfit::Missing | Unfit::NoMap(_) | Unfit::NotSecret => {
                format!("write it as {name}: {{fn::secret: …}} below {map}")
            }
        };
        let (kind, purpose) = match unfit {
            Unfit::Missing | Unfit::NoMap(_) => (FaultKind::Missing, format!(". {}", row.purpose)),
            Unfit::NotSecret => (FaultKind::InClear, String::new()),
            Unfit::Unknown | Unfit::NotText(_) => (FaultKind::Unusable, String::new()),
        };
        Fault {
            kind,
            wrong: format!("{unfit}{purpose}"),
            hint,
        }
    }
}
