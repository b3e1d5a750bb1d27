//! The checks of the cluster that a stack is deployed to.
//!
//! Each subject has a module. What the user is not permitted to read is reported as a warning. The checks change nothing.

use kube::Client;
use phoenix::config::StackConfig;
use phoenix_graph::Graph;
use phoenix_terminal::checklist::Check;

use crate::connection::{ANSWER_TIMEOUT, connect, error_chain};

mod api_versions;
mod identity;
mod mesh;
mod migration;
mod nodes;
pub mod ownership_conflicts;
mod permissions;
mod prerequisites;
mod reloader;

use api_versions::Resources;
use ownership_conflicts::EngineState;

/// The stack to deploy.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a> {
    /// The stack's name.
    pub name: &'a str,
    /// The path of its stack file, as shown to users.
    pub file: &'a str,
    /// Its configuration.
    pub config: &'a StackConfig,
    /// The objects that it declares.
    pub graph: &'a Graph,
}

/// Checks the cluster that a context of the kubeconfig leads to. The state of Pulumi is read only if it is the stack's cluster.
pub async fn run(context: &str, stack: &Stack<'_>, read_state: impl FnOnce() -> EngineState) -> Vec<Check> {
    let client = match connect(Some(context)).await {
        Ok((client, _)) => client,
        Err(error) => return vec![unreachable_server(context, &format!("{error:#}"))],
    };
    // The future of all checks is too large for the stack.
    let checks = Box::pin(check_cluster(&client, context, stack));
    let (mut checks, resources) = if let Ok(checks) = tokio::time::timeout(ANSWER_TIMEOUT, checks).await {
        checks
    } else {
        let reason = format!("some answers took longer than {} s", ANSWER_TIMEOUT.as_secs());
        (vec![unreachable_server(context, &reason)], None)
    };
    if let Some(resources) = resources {
        // Outside the time limit, because Pulumi may take longer than an API server.
        let state = read_state();
        checks.extend(ownership_conflicts::run(&client, &state, stack, &resources).await);
    }
    checks
}

/// The checks, and the plural names of the stack's kinds; no names if this is not the stack's cluster, which is not queried
/// further.
async fn check_cluster(client: &Client, context: &str, stack: &Stack<'_>) -> (Vec<Check>, Option<Resources>) {
    let mut checks = vec![match client.apiserver_version().await {
        Ok(version) => api_versions::version(&version, stack.graph),
        Err(error) => return (vec![unreachable_server(context, &error_chain(&error))], None),
    }];
    let identity = identity::run(client, context, stack).await;
    let is_right = !identity.is_another_cluster;
    checks.push(identity.check);
    if !is_right {
        return (checks, None);
    }
    let (kinds, resources) = api_versions::kinds(client, stack.graph).await;
    checks.push(kinds);
    let (mesh, nodes, prerequisites, reloader, migration, permissions) = tokio::join!(
        mesh::run(client, stack),
        nodes::run(client, stack.graph),
        prerequisites::run(client, stack),
        reloader::run(client, stack),
        migration::run(client, stack),
        permissions::run(client, stack.graph, &resources)
    );
    checks.extend(mesh);
    checks.extend(nodes);
    checks.extend(prerequisites);
    checks.extend(reloader);
    checks.extend(migration);
    checks.push(permissions);
    (checks, Some(resources))
}

fn unreachable_server(context: &str, reason: &str) -> Check {
    let hint =
        format!("try `kubectl --context {context} version`; a private cluster may require a VPN or tunnel");
    Check::fail("API server", format!("does not answer: {reason}"), hint)
}

/// A check that could not be completed because the API server denied the request or did not answer. This is a warning: it
/// says nothing about the cluster itself.
fn could_not_check(name: &str, what: &str, error: &kube::Error) -> Check {
    let reason = match error {
        kube::Error::Api(status) if status.code == 403 => "permission denied".to_owned(),
        error => error_chain(error),
    };
    Check::warn(
        name,
        format!("{what} could not be checked: {reason}"),
        "run doctor again with more permissions, or ask the operators of the cluster",
    )
}
