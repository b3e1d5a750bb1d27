//! `phoenix doctor STACK`: the checks of the stack's cluster, and the state of Pulumi that they compare it with.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use phoenix_cli::checkout::Checkout;
use phoenix_cli::doctor::tools::output_within;
use phoenix_cli::stack::Stack;
use phoenix_cluster::doctor;
use phoenix_cluster::doctor::ownership_conflicts::EngineState;
use phoenix_terminal::checklist::Check;
use serde::Deserialize;

/// How long Pulumi may take to export a state, including the login to a remote backend.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Checks the cluster that the context leads to.
pub async fn run(checkout: &Checkout, stack: &Stack, context: &str) -> Vec<Check> {
    let target = doctor::Stack {
        name: &stack.name,
        file: &stack.file.path,
        config: &stack.config,
        graph: &stack.graph,
    };
    doctor::run(context, &target, || read_state(checkout.root(), &stack.name)).await
}

/// A state as `pulumi stack export` prints it, as far as it is needed.
#[derive(Deserialize)]
struct Export {
    deployment: Resources,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    token: String,
    #[serde(default)]
    id: String,
    /// Whether it is only read, and not managed by the stack.
    #[serde(default)]
    external: bool,
}

fn read_state(root: &Path, stack: &str) -> EngineState {
    let mut command = Command::new("pulumi");
    command
        .args(["stack", "export", "--non-interactive", "--stack", stack])
        .current_dir(root)
        .env("PULUMI_SKIP_UPDATE_CHECK", "1");
    let output = match output_within(&mut command, TIMEOUT) {
        Ok(None) => {
            return EngineState::Unknown(format!("pulumi does not answer within {} s", TIMEOUT.as_secs()));
        }
        Err(error) => return EngineState::Unknown(format!("pulumi cannot be run: {error}")),
        Ok(Some(output)) => output,
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        // A stack that was never deployed has no objects.
        if stderr.contains("no stack named") {
            return EngineState::Known(BTreeSet::new());
        }
        let line = stderr
            .trim()
            .lines()
            .next()
            .unwrap_or("pulumi printed no error message");
        return EngineState::Unknown(line.trim_start_matches("error: ").to_owned());
    }
    match serde_json::from_slice::<Export>(&output.stdout) {
        Ok(export) => EngineState::Known(export.deployment.resources.iter().filter_map(known).collect()),
        Err(error) => EngineState::Unknown(format!("the output of pulumi is not a state: {error}")),
    }
}

/// Group, kind and name of `kubernetes:apps/v1:StatefulSet` with its id; `None` for other resources, and for those that are
/// only read.
fn known(resource: &Resource) -> Option<(String, String, String)> {
    let (api_version, kind) = resource.token.strip_prefix("kubernetes:")?.rsplit_once(':')?;
    let group = api_version.split('/').next()?;
    let group = if group == "core" { "" } else { group };
    (!resource.external).then(|| (group.to_owned(), kind.to_owned(), resource.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(token: &str, id: &str, external: bool) -> Resource {
        Resource {
            token: token.to_owned(),
            id: id.to_owned(),
            external,
        }
    }

    #[test]
    fn a_state_is_read_as_groups_kinds_and_names() {
        let text = |group: &str, kind: &str, path: &str| (group.to_owned(), kind.to_owned(), path.to_owned());
        assert_eq!(
            known(&resource(
                "kubernetes:apps/v1:StatefulSet",
                "memory/qdrant",
                false
            )),
            Some(text("apps", "StatefulSet", "memory/qdrant"))
        );
        assert_eq!(
            known(&resource("kubernetes:core/v1:Namespace", "memory", false)),
            Some(text("", "Namespace", "memory"))
        );
        assert_eq!(
            known(&resource("kubernetes:core/v1:Namespace", "kube-system", true)),
            None
        );
        assert_eq!(known(&resource("phoenix:index:System", "", false)), None);
    }
}
