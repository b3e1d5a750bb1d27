//! What is being deployed: the project, the stack, and its configuration with the secrets apart.
//!
//! A secret is in [`SecretString`] from the moment it is recognised. Nothing here says what the keys mean.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use crate::error::Error;
use crate::proto;

/// What the engine says about the deployment at hand.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// The project's name.
    pub project: String,
    /// The stack's name.
    pub stack: String,
    /// The organization; `organization` where the backend has none.
    pub organization: String,
    /// Configuration by full key, `namespace:name`; objects are JSON text.
    pub config: BTreeMap<String, String>,
    /// The secret part of the configuration, by full key.
    pub secrets: BTreeMap<String, SecretString>,
    /// Whether this is a preview.
    pub preview: bool,
    /// How many resources the engine works on at once; zero when it does not say.
    pub parallel: u32,
}

impl Deployment {
    /// The name of the stack's own resource.
    pub fn root_name(&self) -> String {
        format!("{}-{}", self.project, self.stack)
    }

    /// From the engine's own answer.
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

    /// From the variables that hosts set for programs of older engines.
    pub(crate) fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let needed = |variable| lookup(variable).ok_or(Error::NotStartedByPulumi { variable });
        let config: BTreeMap<String, String> = json(lookup, "PULUMI_CONFIG")?;
        let secret_keys: Vec<String> = json(lookup, "PULUMI_CONFIG_SECRET_KEYS")?;
        let (config, secrets) = split(config, &secret_keys);
        Ok(Self {
            project: needed("PULUMI_PROJECT")?,
            stack: needed("PULUMI_STACK")?,
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

/// Puts every value into the map it belongs to. A secret is moved, so that no open copy stays behind.
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

/// A variable that holds JSON; one that is not set or empty holds nothing.
fn json<T: Default + serde::de::DeserializeOwned>(
    lookup: &dyn Fn(&str) -> Option<String>,
    variable: &'static str,
) -> Result<T, Error> {
    let Some(text) = lookup(variable).filter(|text| !text.is_empty()) else {
        return Ok(T::default());
    };
    serde_json::from_str(&text).map_err(|error| {
        // serde quotes what it did not expect, and that may be a secret: only the place is safe to tell.
        let place = format!(
            "it is not the JSON it should be, at line {} column {}",
            error.line(),
            error.column()
        );
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
        let told = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(
            told.contains("PULUMI_CONFIG") && !told.contains("hunter2"),
            "{told}"
        );
    }
}
