//! The deployment: project, stack, and configuration, with secrets separated.
//!
//! A secret is stored in a [`SecretString`] as soon as it is recognized. This module does not interpret keys.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use crate::error::Error;
use crate::proto;

/// The engine's description of the current deployment.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// The project's name.
    pub project: String,
    /// The stack's name.
    pub stack: String,
    /// The organization; `organization` if the backend has none.
    pub organization: String,
    /// Configuration values by full key, `namespace:name`. Objects are JSON text.
    pub config: BTreeMap<String, String>,
    /// Secret configuration values by full key.
    pub secrets: BTreeMap<String, SecretString>,
    /// Whether this is a preview.
    pub preview: bool,
    /// The number of resources that the engine processes in parallel; zero if unknown.
    pub parallel: u32,
}

impl Deployment {
    /// The name of the stack's root resource.
    pub fn root_name(&self) -> String {
        format!("{}-{}", self.project, self.stack)
    }

    /// Converts the engine's response.
    pub(crate) fn from_answer(answer: proto::DeploymentInfo) -> Self {
        let (config, secrets) = split(answer.config, &answer.config_secret_keys);
        Self {
            project: answer.project,
            stack: answer.stack,
            organization: answer.organization,
            config,
            secrets,
            preview: answer.dry_run,
            parallel: u32::try_from(answer.parallel).unwrap_or(0),
        }
    }

    /// Reads the environment variables that language hosts set for engines without `GetDeploymentInfo`.
    pub(crate) fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let required = |variable| lookup(variable).ok_or(Error::NotStartedByPulumi { variable });
        let config: BTreeMap<String, String> = json(lookup, "PULUMI_CONFIG")?;
        let secret_keys: Vec<String> = json(lookup, "PULUMI_CONFIG_SECRET_KEYS")?;
        let (config, secrets) = split(config, &secret_keys);
        Ok(Self {
            project: required("PULUMI_PROJECT")?,
            stack: required("PULUMI_STACK")?,
            organization: lookup("PULUMI_ORGANIZATION").unwrap_or_default(),
            config,
            secrets,
            preview: lookup("PULUMI_DRY_RUN").is_some_and(|text| text.eq_ignore_ascii_case("true")),
            parallel: lookup("PULUMI_PARALLEL")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        })
    }
}

/// Separates secrets from other values. A secret is moved, so that no unprotected copy remains.
fn split(
    all: BTreeMap<String, String>,
    secret_keys: &[String],
) -> (BTreeMap<String, String>, BTreeMap<String, SecretString>) {
    let secret_keys: BTreeSet<&str> = secret_keys.iter().map(String::as_str).collect();
    let mut config = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for (key, value) in all {
        if secret_keys.contains(key.as_str()) {
            secrets.insert(key, SecretString::from(value));
        } else {
            config.insert(key, value);
        }
    }
    (config, secrets)
}

/// Reads a variable that contains JSON; the default if it is unset or empty.
fn json<T: Default + serde::de::DeserializeOwned>(
    lookup: &dyn Fn(&str) -> Option<String>,
    variable: &'static str,
) -> Result<T, Error> {
    let Some(text) = lookup(variable).filter(|text| !text.is_empty()) else {
        return Ok(T::default());
    };
    serde_json::from_str(&text).map_err(|error| {
        // The message of serde quotes the unexpected value, which may be a secret. Only the position is reported.
        let place = format!("invalid JSON at line {} column {}", error.line(), error.column());
        Error::Variable {
            variable,
            source: place.into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Deployment, Error> {
        let variables: BTreeMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Deployment::from_environment(&|name| variables.get(name).cloned())
    }

    #[test]
    fn the_environment_of_an_older_engine_is_understood() {
        let deployment = from(&[
            ("PULUMI_PROJECT", "shop"),
            ("PULUMI_STACK", "dev"),
            ("PULUMI_ORGANIZATION", "acme"),
            ("PULUMI_CONFIG", r#"{"shop:size":"3","shop:key":"hunter2"}"#),
            ("PULUMI_CONFIG_SECRET_KEYS", r#"["shop:key"]"#),
            ("PULUMI_DRY_RUN", "true"),
            ("PULUMI_PARALLEL", "8"),
        ])
        .expect("complete");
        assert_eq!(deployment.root_name(), "shop-dev");
        assert_eq!(
            deployment.config,
            BTreeMap::from([("shop:size".to_owned(), "3".to_owned())])
        );
        assert_eq!(deployment.secrets["shop:key"].expose_secret(), "hunter2");
        assert!(deployment.preview);
        assert_eq!(deployment.parallel, 8);
        assert!(!format!("{deployment:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_project_is_named() {
        let error = from(&[("PULUMI_STACK", "dev")]).expect_err("no project");
        assert!(
            matches!(
                error,
                Error::NotStartedByPulumi {
                    variable: "PULUMI_PROJECT"
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn broken_configuration_is_reported_without_repeating_it() {
        let error = from(&[
            ("PULUMI_PROJECT", "p"),
            ("PULUMI_STACK", "s"),
            ("PULUMI_CONFIG", r#"{"a": "hunter2" "#),
        ])
        .expect_err("not JSON");
        let message = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(
            message.contains("PULUMI_CONFIG") && !message.contains("hunter2"),
            "{message}"
        );
    }
}
