//! Opens the environment of Pulumi ESC that holds the secrets (mode `esc-direct`), before anything is registered.
//!
//! This is an edge: it reads the environment and talks to the service. A secret stands in the environment under
//! `pulumiConfig` by its full key, where mode `pulumi-esc` finds it too, so the same environment serves both.

use std::collections::BTreeMap;
use std::time::Duration;

use phoenix::config::secret::SecretRow;
use phoenix::config::{EscDirect, NAMESPACE, Problems};
use phoenix_esc::{Client, Environment, ExposeSecret as _, SERVICE, SecretString, Unfit, Values};

/// The variable with the access token. Pulumi's own, `PULUMI_ACCESS_TOKEN`, opens the state as well, so it is not used.
const TOKEN: &str = "PHOENIX_ESC_TOKEN";

/// The map of the environment that becomes a stack's configuration.
const MAP: &str = "pulumiConfig";

/// How long what is made for us stays valid. The values are read at once; this is the shortest that every provider allows.
const LIFETIME: Duration = Duration::from_mins(15);

/// What was found in the environment.
pub struct Opened {
    /// The secrets by their full keys.
    pub secrets: BTreeMap<String, SecretString>,
    /// What the service warns of.
    pub warnings: Vec<String>,
}

/// The secrets of these rows from the stack's environment. The error names the environment, each key, and the way out.
#[expect(
    clippy::disallowed_methods,
    reason = "the token is part of the world that the program is started in"
)]
pub async fn open(source: &EscDirect, needed: &[&SecretRow]) -> Result<Opened, String> {
    let Some(named) = &source.environment else {
        return Err(format!("{NAMESPACE}:secrets.environment is a placeholder"));
    };
    let environment = Environment {
        organization: named.organization.clone(),
        project: named.project.clone(),
        name: named.name.clone(),
        version: named.version.clone(),
    };
    let token = match std::env::var(TOKEN) {
        Ok(token) if !token.is_empty() => SecretString::from(token),
        // Its text, which may be a token in a wrong encoding, is not repeated.
        _ => {
            return Err(format!(
                "{environment} of Pulumi ESC holds them, and there is no access token for it\n  hint: set {TOKEN} to \
                 an access token of Pulumi Cloud that may open the environment"
            ));
        }
    };
    let client = Client::new(source.url.as_deref().unwrap_or(SERVICE), token)
        .map_err(|error| format!("{error}\n  hint: look at {TOKEN} and {NAMESPACE}:secrets.url"))?;
    let values = client
        .open(&environment, LIFETIME)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Opened {
        secrets: taken(&values, needed, &environment)?,
        warnings: values.warnings().to_vec(),
    })
}

/// The value of every row, or what is wrong with any of them.
fn taken(
    values: &Values,
    needed: &[&SecretRow],
    environment: &Environment,
) -> Result<BTreeMap<String, SecretString>, String> {
    let mut secrets = BTreeMap::new();
    let mut problems = Problems::default();
    for row in needed {
        let key = format!("{NAMESPACE}:{}", row.key);
        match value(values, &key, row) {
            Ok(secret) => {
                secrets.insert(key, secret);
            }
            Err((wrong, hint)) => problems.add_with_hint(format!("{MAP}[{key:?}]"), wrong, hint),
        }
    }
    if problems.is_empty() {
        Ok(secrets)
    } else {
        Err(format!("as {environment} of Pulumi ESC holds them:\n{problems}"))
    }
}

/// A value that can be used as it is; otherwise what is wrong with it, and the way out.
fn value(values: &Values, key: &str, row: &SecretRow) -> Result<SecretString, (String, String)> {
    let seal = format!("write it as {key}: {{fn::secret: …}} below {MAP}");
    let secret = values.secret_text(&[MAP, key]).map_err(|unfit| {
        let hint = match &unfit {
            Unfit::Missing if values.get(&[MAP, row.key]).is_some() => {
                format!(
                    "it is there as {}; write the key with {NAMESPACE}: before it",
                    row.key
                )
            }
            Unfit::NotText(_) => "write it as a text, in quotation marks".to_owned(),
            Unfit::Unknown => {
                "open the environment with the command esc, and repair what it is made from".to_owned()
            }
            Unfit::Missing | Unfit::NoMap(_) | Unfit::NotSecret => seal,
        };
        let purpose = match &unfit {
            Unfit::Missing | Unfit::NoMap(_) => format!(". {}", row.purpose),
            _ => String::new(),
        };
        (format!("{unfit}{purpose}"), hint)
    })?;
    let text = secret.expose_secret();
    if text.trim().is_empty() {
        return Err(("is empty".to_owned(), format!("give it a value. {}", row.purpose)));
    }
    if text.trim() != text {
        // A client would send the line break along, and be refused far from here.
        return Err((
            "begins or ends with a line break or a space".to_owned(),
            "write it in quotation marks, or in a block that begins with |- instead of |".to_owned(),
        ));
    }
    Ok(secret.clone())
}
