//! The connection to a cluster: from a kubeconfig's context to a client, and the check that it is the stack's cluster.
//!
//! An edge: it reads the kubeconfig and queries the API server. It does not know what a client is used for.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::api::core::v1::Namespace;
use kube::client::ClientBuilder;
use kube::client::retry::RetryPolicy;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use phoenix_terminal::user_error::user_error;

/// How long an API server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an API server may take to answer, and how long all answers to one command may take together.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many requests may wait to be sent.
const REQUESTS: usize = 64;

/// The Namespace whose UID identifies a cluster.
pub const IDENTITY_NAMESPACE: &str = "kube-system";

/// A runtime for commands, which wait for each answer.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime for the Kubernetes client")
}

/// The client for a context of the kubeconfig, or else for its current context, and the context's name.
pub async fn connect(context: Option<&str>) -> Result<(Client, String)> {
    let kubeconfig = Kubeconfig::read()
        .map_err(|error| anyhow!(error_chain(&error)))
        .context("cannot read the kubeconfig")?;
    let Some(context) = context
        .map(str::to_owned)
        .or_else(|| kubeconfig.current_context.clone())
    else {
        return Err(user_error(
            "the kubeconfig has no current context",
            "select one with --context",
        ));
    };
    let client = client(kubeconfig, &context)
        .await
        .map_err(|reason| anyhow!(reason))
        .with_context(|| format!("cannot connect to the cluster {context}"))?;
    Ok((client, context))
}

async fn client(kubeconfig: Kubeconfig, context: &str) -> Result<Client, String> {
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| error_chain(&error))?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(ANSWER_TIMEOUT);
    retrying(config).map_err(|error| error_chain(&error))
}

/// A client that repeats a request up to three times, after 0.5 to 5 seconds each, when the API server is overloaded or starting.
///
/// These are the statuses 429, 503 and 504: an API server that has just started answers a list with 429 until it has read the
/// objects. Must be called within a runtime.
pub fn retrying(config: Config) -> kube::Result<Client> {
    let client = ClientBuilder::try_from(config)?
        .with_layer(&BufferLayer::new(REQUESTS))
        .with_layer(&RetryLayer::new(RetryPolicy::default()));
    Ok(client.build())
}

/// Fails if the cluster's UID is known and this is another cluster.
pub async fn require_cluster(client: &Client, uid: Option<&str>) -> Result<()> {
    let Some(expected) = uid else {
        return Ok(());
    };
    let namespace = Api::<Namespace>::all(client.clone())
        .get(IDENTITY_NAMESPACE)
        .await;
    let uid = namespace
        .map_err(|error| anyhow!(error_chain(&error)))?
        .metadata
        .uid
        .unwrap_or_default();
    if uid == expected {
        return Ok(());
    }
    Err(user_error(
        format!("it is another cluster: its UID is {uid}, but phoenix:cluster.uid is {expected}"),
        "correct the context in the kubeconfig; nothing else was read from this cluster",
    ))
}

/// An error followed by its causes, each mentioned once.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}
