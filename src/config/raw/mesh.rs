//! Routing into the platform, as written in a stack file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// Routing into the platform.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawRouting {
    /// Admits users outside the mesh over TLS. Without it, only pods of the mesh have access. During a migration
    /// (`phoenix:migration`), it takes effect in the phase `active`.
    pub gateway: Option<RawGateway>,
}

/// The gateway for users outside the mesh. The cluster provides its pods; the stack only opens a port on them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawGateway {
    /// The public host name, in addition to `sophia-memory.local`.
    pub host: Option<OrPlaceholder<String>>,
    /// The namespace of the gateway's pods.
    pub namespace: String,
    /// The service account of the gateway's pods.
    pub service_account: String,
    /// The labels that identify the gateway's pods.
    pub selector: BTreeMap<String, String>,
    /// The TLS Secret with the certificate for the hosts, in the gateway's namespace. The cluster operator provides
    /// it.
    pub credential: String,
}

impl Default for RawGateway {
    /// The gateway as the `gateway` Helm chart installs it under the name used in Istio's documentation.
    fn default() -> Self {
        Self {
            host: None,
            namespace: "istio-ingress".to_owned(),
            service_account: "istio-ingress".to_owned(),
            selector: BTreeMap::from([("istio".to_owned(), "ingress".to_owned())]),
            credential: "sophia-memory-tls".to_owned(),
        }
    }
}
