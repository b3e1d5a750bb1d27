//! Checks of the cluster that a stack names. Without a kubeconfig nothing is queried, and no timeout is long.
//!
//! Each subject has a module. What the user may not read is reported as such, and is not a failure.

use std::path::Path;

use kube::Client;
use kube::config::Kubeconfig;

use super::api_versions::Resources;
use super::check::Check;
use super::{
    api_versions, identity, mesh, migration, nodes, ownership_conflicts, permissions, prerequisites, reloader,
};
use crate::cluster::{ANSWER_TIMEOUT, connect, error_chain};
use crate::stack::Stack;

/// What the cluster is checked for.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// No stack was named.
    None,
    /// The file of the named stack is invalid.
    Invalid,
    /// The deployment of this stack.
    Stack(&'a Stack),
}

/// Checks the kubeconfig and, where a good stack is asked about, everything that its deployment needs of its cluster.
/// A stack whose context is a placeholder names no cluster yet.
pub async fn run(root: &Path, target: Target<'_>) -> Vec<Check> {
    let kubeconfig = match Kubeconfig::read() {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let found = format!("none that can be read: {}", error_chain(&error));
            let hint = "point KUBECONFIG at one, or start a cluster here with `cargo phoenix sandbox up`";
            return vec![match target {
                Target::None => Check::warn("kubeconfig", found, hint),
                Target::Invalid | Target::Stack(_) => Check::fail("kubeconfig", found, hint),
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
    let Target::Stack(stack) = target else {
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
    let answers = tokio::time::timeout(ANSWER_TIMEOUT, asked).await;
    let (answers, resources) = answers.unwrap_or_else(|_| {
        let why = format!("not every answer came within {} s", ANSWER_TIMEOUT.as_secs());
        (vec![unreachable_server(context, &why)], None)
    });
    checks.extend(answers);
    if let Some(resources) = resources {
        // The engine's own program may take longer than an API server.
        checks.extend(ownership_conflicts::run(&client, root, stack, &resources).await);
    }
    checks
}

/// All answers, and what the kinds of the stack are called in paths; `None` where this is not the stack's own cluster, of
/// which nothing more is asked.
async fn ask(client: &Client, context: &str, stack: &Stack) -> (Vec<Check>, Option<Resources>) {
    let mut checks = vec![match client.apiserver_version().await {
        Ok(version) => api_versions::version(&version, &stack.graph),
        Err(error) => return (vec![unreachable_server(context, &error_chain(&error))], None),
    }];
    let identity = identity::run(client, context, stack).await;
    let is_right = !identity.is_another_cluster;
    checks.push(identity.check);
    if !is_right {
        return (checks, None);
    }
    let (kinds, resources) = api_versions::kinds(client, &stack.graph).await;
    checks.push(kinds);
    let (mesh, nodes, prerequisites, reloader, migration, permissions) = tokio::join!(
        mesh::run(client, stack),
        nodes::run(client, &stack.graph),
        prerequisites::run(client, stack),
        reloader::run(client, stack),
        migration::run(client, stack),
        permissions::run(client, &stack.graph, &resources)
    );
    checks.extend(mesh);
    checks.extend(nodes);
    checks.extend(prerequisites);
    checks.extend(reloader);
    checks.extend(migration);
    checks.push(permissions);
    (checks, Some(resources))
}

fn unreachable_server(context: &str, why: &str) -> Check {
    let hint =
        format!("try `kubectl --context {context} version`; a private cluster needs its VPN or tunnel");
    Check::fail("API server", format!("does not answer: {why}"), hint)
}
