//! The state of a stack's secrets in its cluster. Reads the Secrets of the inventory, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use phoenix::config::secret::{SecretRow, Target};
use phoenix::config::{SecretsMode, StackConfig, StoreAuth};
use phoenix_cli::secrets::{Entry, State, Subject, contradictions};
use phoenix_cluster::Client;
use phoenix_cluster::connection::{ANSWER_TIMEOUT, connect, require_cluster};
use phoenix_cluster::secrets::read;
use phoenix_terminal::user_error::user_error;
use secrecy::{ExposeSecret, SecretString};

/// How to restore a Secret that was changed in the cluster. `pulumi up` alone compares with the state only.
const DEPLOY: &str = "`pulumi refresh --run-program` and `pulumi up` restore the Secret";

/// The state of each secret in the cluster that the stack's context leads to.
pub async fn run(subject: &Subject) -> Result<Vec<Entry>> {
    let Some(context) = subject.config.cluster.context.as_deref() else {
        return Err(user_error(
            "phoenix:cluster.context is a placeholder, so the stack has no cluster yet",
            format!("set the context in {}", subject.file.path),
        ));
    };
    let reading = || format!("cannot read the secrets of the cluster {context}");
    let (client, _) = connect(Some(context)).await.with_context(reading)?;
    let entries = tokio::time::timeout(ANSWER_TIMEOUT, entries(&client, subject)).await;
    entries
        .map_err(|_| anyhow!("some answers took longer than {} s", ANSWER_TIMEOUT.as_secs()))
        .flatten()
        .with_context(reading)
}

async fn entries(client: &Client, subject: &Subject) -> Result<Vec<Entry>> {
    require_cluster(client, subject.config.cluster.uid.as_deref()).await?;
    let mut entries = Vec::new();
    let targets = subject.config.secret_targets();
    let namespaces: BTreeSet<_> = targets.keys().map(|target| target.namespace).collect();
    let mut values = BTreeMap::new();
    for (place, rows) in targets {
        let found = read(client, place.namespace, place.name).await?;
        entries.extend(target(&rows, place, found.as_ref(), &subject.config));
        for row in rows {
            let bytes = found.as_ref().and_then(|secret| bytes(secret, row.data_key));
            let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
            values.extend(text.map(|text| (row.full_key(), SecretString::from(text))));
        }
    }
    entries.extend(contradictions(&subject.config, |key| {
        values.get(key).map(ExposeSecret::expose_secret)
    }));
    if let SecretsMode::ExternalSecrets(external) = &subject.config.secrets
        && let StoreAuth::AccessToken { secret, key } = &external.auth
    {
        for namespace in namespaces {
            let place = format!("{namespace}/{secret} {key}");
            let found = read(client, namespace, secret.as_str()).await?;
            let is_set = found
                .as_ref()
                .and_then(|found| bytes(found, key))
                .is_some_and(|bytes| !bytes.0.is_empty());
            entries.push(if is_set {
                Entry::new(place, State::Present, "is set: the access token of the store")
            } else {
                Entry::new(place, State::Missing, "does not exist; without the access token the store cannot open the environment")
                    .hint("create the Secret with a token of Pulumi Cloud that may open the environment, or use phoenix:secrets.auth.oidc")
            });
        }
    }
    Ok(entries)
}

fn bytes<'a>(secret: &'a Secret, key: &str) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(key)
}

fn target(rows: &[&SecretRow], place: Target, found: Option<&Secret>, config: &StackConfig) -> Vec<Entry> {
    let mut entries: Vec<_> = rows.iter().map(|row| entry(row, place, found, config)).collect();
    let keys = found
        .and_then(|secret| secret.data.as_ref())
        .into_iter()
        .flatten();
    for (key, _) in keys.filter(|(key, _)| rows.iter().all(|row| row.data_key != *key)) {
        let found = "is set, but no pod of the platform reads it";
        entries.push(
            Entry::new(format!("{place} {key}"), State::Unused, found).hint(match config.secrets {
                SecretsMode::ExternalSecrets(_) => {
                    format!("remove it from {} of the environment", place.property())
                }
                _ => format!("it was added manually; {DEPLOY}"),
            }),
        );
    }
    entries
}

fn entry(row: &SecretRow, target: Target, secret: Option<&Secret>, config: &StackConfig) -> Entry {
    let place = format!("{target} {}", row.data_key);
    let fix = match config.secrets {
        SecretsMode::ExternalSecrets(_) => format!(
            "see `kubectl -n {} describe externalsecret {}`; the value belongs at {}.{} of the environment",
            target.namespace,
            target.name,
            target.property(),
            row.data_key
        ),
        SecretsMode::Local => format!("make sure that {} is set; {DEPLOY}", row.full_key()),
        SecretsMode::PulumiEsc | SecretsMode::EscDirect(_) => format!(
            "make sure that {} is below pulumiConfig in the environment; {DEPLOY}",
            row.full_key()
        ),
    };
    let Some(secret) = secret else {
        return Entry::new(
            place,
            State::Missing,
            format!("is missing: the cluster has no Secret {}", row.secret),
        )
        .hint(fix);
    };
    let Some(bytes) = bytes(secret, row.data_key) else {
        return Entry::new(place, State::Missing, "is missing: the Secret has no such key").hint(fix);
    };
    let (weakness, hint) = match std::str::from_utf8(&bytes.0) {
        Ok(value) if row.form.unusable(value).is_some() => (row.form.weakness(value), fix),
        Ok(value) => (config.weakness(row, value), row.rotation.to_owned()),
        Err(_) => (Some("is not UTF-8 text".to_owned()), fix),
    };
    match weakness {
        Some(weakness) => Entry::new(place, State::Weak, weakness).hint(hint),
        None => Entry::new(place, State::Present, format!("is set, {} bytes", bytes.0.len())),
    }
}
