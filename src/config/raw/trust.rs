//! The authentication of users, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The authentication of users, in addition to the identity of pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawTrust {
    /// Requires a user token for everything under `/memory`. In production, the gateway requires it.
    pub jwt: Option<RawJwt>,
}

/// The valid tokens (JWT). Exactly one of `jwksUri` and `jwks` is required.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawJwt {
    /// The issuer: the exact value of the claim `iss`.
    pub issuer: OrPlaceholder<String>,
    /// The audiences, one of which must be in the claim `aud`. Tokens for another application are rejected.
    pub audiences: Vec<OrPlaceholder<String>>,
    /// The URL of the issuer's public keys; istiod fetches them.
    #[serde(default)]
    pub jwks_uri: Option<OrPlaceholder<String>>,
    /// The issuer's public keys as JSON, if istiod cannot reach the issuer.
    #[serde(default)]
    pub jwks: Option<String>,
}
