//! The source of secret values, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The source of secret values.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSecrets {
    /// `local`: the stack's own encrypted configuration (`pulumi config set --secret`). `pulumi-esc`: the Pulumi ESC
    /// environments that the stack file imports with `environment:`, which requires state on Pulumi Cloud.
    /// `esc-direct`: a Pulumi ESC environment that the program opens itself, for stacks whose state is not on Pulumi
    /// Cloud. `external-secrets`: a Pulumi ESC environment that the External Secrets Operator opens in the cluster,
    /// so that no value passes through Pulumi.
    pub mode: RawSecretsMode,
    /// The Pulumi ESC environment for the modes `esc-direct` and `external-secrets`:
    /// `organization/project/environment`; `esc-direct` also accepts a version number or tag, such as `@stable`. For
    /// `esc-direct`, it contains the secrets under `pulumiConfig`, each by its full key, such as
    /// `phoenix:openaiApiKey`, and the access token is in the variable `PHOENIX_ESC_TOKEN`. For `external-secrets`,
    /// it contains them under `kubernetes`, by Secret and key, such as `qdrant-keys: {api-key: …}`.
    #[serde(default)]
    pub environment: Option<OrPlaceholder<String>>,
    /// The URL of Pulumi ESC for the modes `esc-direct` and `external-secrets`; by default `https://api.pulumi.com`.
    #[serde(default)]
    pub url: Option<String>,
    /// The authentication of the External Secrets Operator, for the mode `external-secrets`.
    #[serde(default)]
    pub auth: Option<RawStoreAuth>,
    /// How often the External Secrets Operator opens the environment, in minutes (`30m`) or hours; by default `1h`.
    /// It opens the environment once for each Secret.
    #[serde(default)]
    pub refresh_interval: Option<String>,
}

/// The authentication of the External Secrets Operator at Pulumi ESC. Exactly one method is required.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawStoreAuth {
    /// A service account token that Pulumi Cloud exchanges. No secret needs to be stored.
    pub oidc: Option<RawStoreOidc>,
    /// An access token of Pulumi Cloud, in an existing Secret of the platform's namespace.
    pub access_token: Option<RawStoreToken>,
}

/// The service account that Pulumi Cloud trusts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawStoreOidc {
    /// The name of the service account. The stack creates it, and no pod uses it.
    pub service_account: String,
}

impl Default for RawStoreOidc {
    fn default() -> Self {
        Self {
            service_account: "external-secrets".to_owned(),
        }
    }
}

/// The location of the access token.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawStoreToken {
    /// The Secret in the platform's namespace.
    pub secret: String,
    /// The key in that Secret.
    pub key: String,
}

/// The source of secret values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawSecretsMode {
    /// The stack's own encrypted configuration.
    Local,
    /// The Pulumi ESC environments that the stack file imports and Pulumi's engine opens.
    PulumiEsc,
    /// A Pulumi ESC environment that the program opens itself.
    EscDirect,
    /// A Pulumi ESC environment that the External Secrets Operator opens in the cluster.
    ExternalSecrets,
}
