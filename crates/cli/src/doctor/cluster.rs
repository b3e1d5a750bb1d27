//! Questions to the cluster that a stack names. Without a kubeconfig none is asked, and none is waited for long.
//!
//! Each question has a module: `identity`, `served`, `mesh`, `migration`, `nodes`, `reloader`, `rights`, `existing`. What the asker may not see is
//! told as such, and is no failure.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::served::Resources;
use super::{Check, elsewhere, existing, identity, mesh, migration, nodes, reloader, rights, served};
use crate::stack::Stack;

/// How long an API server may take to let us in.
const CONNECT: Duration = Duration::from_secs(3);

/// How long all answers together may take.
const ANSWERS: Duration = Duration::from_secs(30);

/// What the cluster is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// No stack was named.
    Nothing,
    /// A stack was named, whose file has problems.
    Unreadable,
    /// This stack's deployment.
    Stack(&'a Stack),
}

/// Checks the kubeconfig and, where a good stack is asked about, everything that its deployment needs of its cluster.
/// A stack whose context is a placeholder names no cluster yet.
pub async fn examine(root: &Path, asked: Asked<'_>) -> Vec<Check> {
    let kubeconfig = match Kubeconfig::read() {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let found = format!("none that can be read: {}", chain(&error));
            let hint = "point KUBECONFIG at one, or start a cluster here with `cargo phoenix sandbox up`";
            return vec![match asked {
                Asked::Nothing => Check::warn("kubeconfig", found, hint),
                Asked::Unreadable | Asked::Stack(_) => Check::fail("kubeconfig", found, hint),
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
    let Asked::Stack(stack) = asked else {
        return checks;
    };
    let Some(context) = stack.config.cluster.context.as_deref() else {
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
    let client = match connect(kubeconfig, context).await {
        Ok(client) => client,
        Err(why) => {
            checks.push(unreachable_server(context, &why));
            return checks;
        }
    };
    // All questions at once are more than a stack should hold.
    let asked = Box::pin(ask(&client, context, stack));
    let answers = tokio::time::timeout(ANSWERS, asked).await;
    let (answers, resources) = answers.unwrap_or_else(|_| {
        let why = format!("not every answer came within {} s", ANSWERS.as_secs());
        (vec![unreachable_server(context, &why)], None)
    });
    checks.extend(answers);
    if let Some(resources) = resources {
        // The engine's own program may take longer than an API server.
        checks.extend(existing::examine(&client, root, stack, &resources).await);
    }
    checks
}

/// All answers, and what the kinds of the stack are called in paths; `None` where this is not the stack's own cluster, of
/// which nothing more is asked.
async fn ask(client: &Client, context: &str, stack: &Stack) -> (Vec<Check>, Option<Resources>) {
    let mut checks = vec![match client.apiserver_version().await {
        Ok(version) => served::version(&version, &stack.graph),
        Err(error) => return (vec![unreachable_server(context, &chain(&error))], None),
    }];
    let identity = identity::examine(client, context, stack).await;
    let is_right = !identity.is_another_cluster;
    checks.push(identity.check);
    if !is_right {
        return (checks, None);
    }
    let (kinds, resources) = served::kinds(client, &stack.graph).await;
    checks.push(kinds);
    let (mesh, nodes, elsewhere, reloader, migration, rights) = tokio::join!(
        mesh::examine(client, stack),
        nodes::examine(client, &stack.graph),
        elsewhere::examine(client, stack),
        reloader::examine(client, stack),
        migration::examine(client, stack),
        rights::examine(client, &stack.graph, &resources)
    );
    checks.extend(mesh);
    checks.extend(nodes);
    checks.extend(elsewhere);
    checks.extend(reloader);
    checks.extend(migration);
    checks.push(rights);
    (checks, Some(resources))
}

pub(crate) async fn connect(kubeconfig: Kubeconfig, context: &str) -> Result<Client, String> {
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

/// A check that could not be made, because the answer was refused or did not come. It is no failure of the cluster.
pub(super) fn unseen(name: &str, what: &str, error: &kube::Error) -> Check {
    let why = match error {
        kube::Error::Api(status) if status.code == 403 => "you may not look at it".to_owned(),
        error => chain(error),
    };
    Check::warn(
        name,
        format!("{what} could not be looked at: {why}"),
        "ask again as somebody with more rights, or ask those who run the cluster",
    )
}

/// An error with its causes, each told once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
