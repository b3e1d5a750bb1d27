//! Questions to the cluster that a stack names. Without a kubeconfig none is asked, and none is waited for long.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use phoenix_graph::Graph;

use super::{Check, kinds};

/// How long an API server may take to let us in.
const CONNECT: Duration = Duration::from_secs(3);

/// How long all answers together may take.
const ANSWERS: Duration = Duration::from_secs(15);

/// Checks the kubeconfig and, where a good stack is asked about, its context, its API server and its kinds.
///
/// A stack comes with its context, which is `None` while it is a placeholder, and its graph.
pub async fn examine(stack: Option<(Option<&str>, &Graph)>) -> Vec<Check> {
    let kubeconfig = match Kubeconfig::read() {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let found = format!("none that can be read: {}", chain(&error));
            let hint = "point KUBECONFIG at one, or start a cluster here with `cargo phoenix sandbox up`";
            return vec![match stack {
                Some(_) => Check::fail("kubeconfig", found, hint),
                None => Check::warn("kubeconfig", found, hint),
            }];
        }
    };
    let mut contexts: Vec<_> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    contexts.sort();
    let all = if contexts.is_empty() {
        "no contexts".to_owned()
    } else {
        contexts.join(", ")
    };
    let found = format!("has {all}");
    let mut checks = vec![if contexts.is_empty() {
        Check::fail(
            "kubeconfig",
            found,
            "point KUBECONFIG at one with the context of the stack's cluster",
        )
    } else {
        Check::good("kubeconfig", found)
    }];
    let Some((Some(context), graph)) = stack else {
        return checks;
    };
    if !contexts.iter().any(|known| known == context) {
        checks.push(Check::fail(
            "context",
            format!("{context} is not in the kubeconfig"),
            format!(
                "use one of {all} as {}:cluster.context, or add it to the kubeconfig",
                phoenix::config::NAMESPACE
            ),
        ));
        return checks;
    }
    checks.push(Check::good("context", context));
    let asked = tokio::time::timeout(ANSWERS, ask(kubeconfig, context, graph)).await;
    checks.extend(asked.unwrap_or_else(|_| {
        vec![unreachable_server(
            context,
            &format!("no answer within {} s", ANSWERS.as_secs()),
        )]
    }));
    checks
}

async fn ask(kubeconfig: Kubeconfig, context: &str, graph: &Graph) -> Vec<Check> {
    let client = match connect(kubeconfig, context).await {
        Ok(client) => client,
        Err(why) => return vec![unreachable_server(context, &why)],
    };
    let mut checks = Vec::new();
    match client.apiserver_version().await {
        Ok(version) => checks.push(Check::good(
            "API server",
            format!("{} answers", version.git_version),
        )),
        Err(error) => return vec![unreachable_server(context, &chain(&error))],
    }
    let mut missing = Vec::new();
    for (api_version, kinds) in kinds(graph) {
        let served: Vec<String> = match client.list_api_group_resources(&api_version).await {
            Ok(list) => list.resources.into_iter().map(|resource| resource.kind).collect(),
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => {
                checks.push(Check::fail(
                    "kinds",
                    format!("{api_version} cannot be asked for: {}", chain(&error)),
                    "try again with more rights",
                ));
                return checks;
            }
        };
        missing.extend(
            kinds
                .into_iter()
                .filter(|kind| !served.contains(kind))
                .map(|kind| format!("{kind} ({api_version})")),
        );
    }
    checks.push(if missing.is_empty() {
        Check::good("kinds", "the cluster knows every kind that the stack uses")
    } else {
        let found = format!("the cluster does not know {}", missing.join(", "));
        Check::fail(
            "kinds",
            found,
            "install what defines them first; for kinds of istio.io that is Istio's base chart",
        )
    });
    checks
}

async fn connect(kubeconfig: Kubeconfig, context: &str) -> Result<Client, String> {
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| chain(&error))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWERS);
    Client::try_from(config).map_err(|error| chain(&error))
}

fn unreachable_server(context: &str, why: &str) -> Check {
    let hint =
        format!("try `kubectl --context {context} version`; a private cluster needs its VPN or tunnel");
    Check::fail("API server", format!("does not answer: {why}"), hint)
}

/// An error with its causes, each told once.
fn chain(error: &dyn std::error::Error) -> String {
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
