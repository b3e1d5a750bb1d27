//! How the secrets stand in the stack's cluster. It reads the Secrets that the inventory names, and changes nothing.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::config::Kubeconfig;
use kube::{Api, Client};
use phoenix::config::secret::{SecretRow, Target};
use phoenix::config::{SecretsMode, StoreAuth};

use super::{Entry, State, Subject};
use crate::cluster::{ANSWER_TIMEOUT, connect, error_chain, require_cluster};
use phoenix_terminal::user_error::user_error;

/// Repairs what was changed in the cluster: `pulumi up` alone compares with the state, which knows nothing of it.
const DEPLOY: &str = "`pulumi refresh --run-program` and `pulumi up` make the Secret what the stack says";

/// How the secrets stand in the cluster that the stack's context leads to.
pub async fn run(subject: &Subject) -> Result<Vec<Entry>> {
    let Some(context) = subject.config.cluster.context.as_deref() else {
        return Err(user_error(
            "phoenix:cluster.context is a placeholder, so the stack names no cluster yet",
            format!("write the context into {}", subject.file.path),
        ));
    };
    let looking = || format!("cannot look at the secrets of the cluster {context}");
    let kubeconfig = Kubeconfig::read()
        .map_err(|error| anyhow!(error_chain(&error)))
        .with_context(looking)?;
    let client = connect(kubeconfig, context)
        .await
        .map_err(|why| anyhow!(why))
        .with_context(looking)?;
    let answers = tokio::time::timeout(ANSWER_TIMEOUT, ask(&client, subject)).await;
    answers
        .map_err(|_| anyhow!("not every answer came within {} s", ANSWER_TIMEOUT.as_secs()))
        .flatten()
        .with_context(looking)
}

async fn ask(client: &Client, subject: &Subject) -> Result<Vec<Entry>> {
    require_cluster(client, subject.config.cluster.uid.as_deref()).await?;
    let mut entries = Vec::new();
    let targets = subject.config.secret_targets();
    let namespaces: BTreeSet<_> = targets.keys().map(|target| target.namespace).collect();
    for (place, rows) in targets {
        let found = read(client, place.namespace, place.name).await?;
        entries.extend(target(&rows, place, found.as_ref(), &subject.config.secrets));
    }
    if let SecretsMode::ExternalSecrets(external) = &subject.config.secrets
        && let StoreAuth::AccessToken { secret, key } = &external.auth
    {
        for namespace in namespaces {
            let place = format!("{namespace}/{secret} {key}");
            let found = read(client, namespace, secret.as_str()).await?;
            let is_there = found
                .as_ref()
                .and_then(|found| bytes(found, key))
                .is_some_and(|bytes| !bytes.0.is_empty());
            entries.push(if is_there {
                Entry::new(place, State::Present, "is there, the access token of the store")
            } else {
                Entry::new(place, State::Missing, "is not there, and without the access token the store opens nothing")
                    .hint("make the Secret with a token of Pulumi Cloud that may open the environment, or use phoenix:secrets.auth.oidc")
            });
        }
    }
    Ok(entries)
}

/// A Secret; `None` where there is none. What cannot be understood is not repeated: a value
/// may be what it is about.
async fn read(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>> {
    let found = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    found.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => user_error(
            format!("you may not read the Secret {namespace}/{name}"),
            "ask again as somebody who may, or leave --cluster out",
        ),
        kube::Error::SerdeError(_) => user_error(
            format!("the API server's answer about the Secret {namespace}/{name} cannot be understood"),
            "look at the Secret with kubectl; its data must be a mapping of texts in base64",
        ),
        error => anyhow!(error_chain(&error)).context(format!("asking for the Secret {namespace}/{name}")),
    })
}

fn bytes<'a>(secret: &'a Secret, key: &str) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(key)
}

fn target(rows: &[&SecretRow], place: Target, found: Option<&Secret>, mode: &SecretsMode) -> Vec<Entry> {
    let mut entries: Vec<_> = rows.iter().map(|row| entry(row, place, found, mode)).collect();
    let keys = found
        .and_then(|secret| secret.data.as_ref())
        .into_iter()
        .flatten();
    for (key, _) in keys.filter(|(key, _)| rows.iter().all(|row| row.data_key != *key)) {
        let found = "is there, but no pod of the platform reads it";
        entries.push(
            Entry::new(format!("{place} {key}"), State::Unused, found).hint(match mode {
                SecretsMode::ExternalSecrets(_) => {
                    format!("remove it from {} of the environment", place.property())
                }
                _ => format!("somebody put it there by hand; {DEPLOY}"),
            }),
        );
    }
    entries
}

fn entry(row: &SecretRow, target: Target, secret: Option<&Secret>, mode: &SecretsMode) -> Entry {
    let place = format!("{target} {}", row.data_key);
    let way = match mode {
        SecretsMode::ExternalSecrets(_) => format!(
            "look at `kubectl -n {} describe externalsecret {}`; the value belongs at {}.{} of the environment",
            target.namespace,
            target.name,
            target.property(),
            row.data_key
        ),
        SecretsMode::Local => format!("see that {} is set; {DEPLOY}", row.full_key()),
        SecretsMode::PulumiEsc | SecretsMode::EscDirect(_) => format!(
            "see that {} stands below pulumiConfig of the environment; {DEPLOY}",
            row.full_key()
        ),
    };
    let Some(secret) = secret else {
        return Entry::new(
            place,
            State::Missing,
            format!("is not there: the cluster has no Secret {}", row.secret),
        )
        .hint(way);
    };
    let Some(bytes) = bytes(secret, row.data_key) else {
        return Entry::new(place, State::Missing, "is not there: the Secret has no such key").hint(way);
    };
    let (weakness, hint) = match std::str::from_utf8(&bytes.0) {
        Ok(value) if row.form.unusable(value).is_some() => (row.form.weakness(value), way),
        Ok(value) => (row.form.weakness(value), row.rotation.to_owned()),
        Err(_) => (Some("is not a text".to_owned()), way),
    };
    match weakness {
        Some(weakness) => Entry::new(place, State::Weak, weakness).hint(hint),
        None => Entry::new(
            place,
            State::Present,
            format!("is there, {} bytes", bytes.0.len()),
        ),
    }
}
