//! Reads single Secrets. Their values are not repeated in errors.

use anyhow::{Result, anyhow};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use phoenix_terminal::user_error::user_error;

use crate::connection::error_chain;

/// A Secret; `None` if it does not exist. An answer that cannot be parsed is not quoted, because it may contain a value.
pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>> {
    let found = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    found.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => user_error(
            format!("you are not permitted to read the Secret {namespace}/{name}"),
            "use an account with this permission, or omit --cluster",
        ),
        kube::Error::SerdeError(_) => user_error(
            format!("the API server's answer for the Secret {namespace}/{name} could not be parsed"),
            "check the Secret with kubectl; its data must map keys to base64 strings",
        ),
        error => anyhow!(error_chain(&error)).context(format!("reading the Secret {namespace}/{name}")),
    })
}
