//! `phoenix check --cluster`: evaluates the policies over a live cluster.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use phoenix_cli::live::ClusterCheck;
use phoenix_cli::policies::evaluate_in_parallel;
use phoenix_cli::stack::Stack;
use phoenix_cluster::connection::{connect, require_cluster};
use phoenix_cluster::inventory::{self, ClusterSnapshot, Unlisted};
use phoenix_graph::Id;
use phoenix_policies::CLUSTER_NAMESPACES;
use phoenix_policies::rules::access::credentials;
use phoenix_policies::settings::assume;
use phoenix_report::{NotEvaluated, PolicyRun};
use phoenix_terminal::output::{count, message};
use phoenix_terminal::user_error::user_error;
use serde_json::json;

/// Evaluates the objects of a cluster.
pub async fn run(request: ClusterCheck<'_>) -> Result<PolicyRun> {
    let ClusterCheck {
        stack,
        context,
        namespaces,
        mut settings,
    } = request;
    inventory::prepare(&mut settings);
    let scope = Scope::of(namespaces, stack);
    let context = match (context, stack) {
        (Some(context), _) => Some(context),
        (None, Some(stack)) => Some(stack.config.cluster.context.as_deref().ok_or_else(|| {
            user_error(
                "phoenix:cluster.context is a placeholder, so the stack has no cluster yet",
                format!("set the context in {}, or use --context", stack.file.path),
            )
        })?),
        (None, None) => None,
    };
    let (client, context) = connect(context).await?;
    let uid = stack.and_then(|stack| stack.config.cluster.uid.as_deref());
    let snapshot = async {
        require_cluster(&client, uid).await?;
        inventory::list(&client, &settings, &scope.namespaces()).await
    };
    let snapshot = snapshot
        .await
        .with_context(|| format!("cannot list the objects of the cluster {context}"))?;
    report_exclusions(&snapshot, &scope);
    if !snapshot.unlisted.is_empty() {
        settings.assume(&assume::COMPLETE, json!(false));
    }
    let mut report = evaluate_in_parallel(&snapshot.graph, &settings);
    report.retain(|id| id.group == "phoenix.ai" || scope.includes(id));
    for unlisted in &snapshot.unlisted {
        report.add_unlisted(
            &unlisted.group,
            &unlisted.kind,
            unlisted.namespace.as_deref(),
            "you are not permitted to list them",
        );
    }
    let objects = snapshot.graph.objects();
    Ok(PolicyRun {
        name: format!("the cluster {context}"),
        objects: objects.filter(|object| scope.includes(&object.id)).count(),
        report,
        settings,
        not_evaluated: NotEvaluated::default(),
        places: Box::new(|_, _| None),
    })
}

/// The objects that are reported. More are listed, because rules relate objects to each other.
enum Scope<'a> {
    /// Everything except the namespaces of Kubernetes itself.
    Everything,
    /// The objects in these namespaces.
    Namespaces(BTreeSet<String>),
    /// The objects that a stack declares, and all others in the namespaces that it creates.
    Stack(&'a Stack),
}

impl<'a> Scope<'a> {
    fn of(namespaces: &[String], stack: Option<&'a Stack>) -> Self {
        match stack {
            _ if !namespaces.is_empty() => Self::Namespaces(namespaces.iter().cloned().collect()),
            Some(stack) => Self::Stack(stack),
            None => Self::Everything,
        }
    }

    /// The namespaces to list; none means all.
    fn namespaces(&self) -> BTreeSet<String> {
        match self {
            Self::Everything => BTreeSet::new(),
            Self::Namespaces(namespaces) => namespaces.clone(),
            Self::Stack(stack) => stack
                .graph
                .objects()
                .filter_map(|object| object.id.namespace.clone())
                .collect(),
        }
    }

    /// Whether an object is reported.
    fn includes(&self, id: &Id) -> bool {
        let namespace = match &id.namespace {
            Some(namespace) => Some(namespace),
            None if id.kind == "Namespace" => Some(&id.name),
            None => None,
        };
        match (self, namespace) {
            (Self::Everything, namespace) => {
                namespace.is_none_or(|namespace| !CLUSTER_NAMESPACES.contains(&namespace.as_str()))
            }
            (Self::Namespaces(asked), namespace) => {
                namespace.is_some_and(|namespace| asked.contains(namespace))
            }
            (Self::Stack(stack), namespace) => {
                let creates = |namespace: &String| {
                    let id = Id::cluster("", "Namespace", namespace);
                    stack.graph.object(&id).is_some()
                };
                stack.graph.object(id).is_some() || namespace.is_some_and(creates)
            }
        }
    }
}

/// Reports what was left out of the evaluation, and why.
fn report_exclusions(snapshot: &ClusterSnapshot, scope: &Scope<'_>) {
    for rule in inventory::EXCLUDED_RULES {
        let reason = if rule.id == credentials::SECRET_VALUES_ARE_REFERENCES.id {
            "values of Secrets are not read"
        } else {
            "an API server does not return the version in which an object was written"
        };
        message(&format!("skipped {}: {reason}", rule.id));
    }
    if snapshot.generated > 0 {
        message(&format!(
            "skipped {} that controllers created for workloads; the workloads themselves are evaluated",
            count(snapshot.generated, "object")
        ));
    }
    if matches!(scope, Scope::Everything) {
        message(
            "skipped the namespaces of Kubernetes itself (kube-system, kube-public and kube-node-lease); use --namespace to evaluate one",
        );
    }
    if !snapshot.unlisted.is_empty() {
        let kinds: BTreeSet<_> = snapshot.unlisted.iter().map(Unlisted::description).collect();
        let kinds: Vec<_> = kinds.into_iter().collect();
        let hint = if matches!(scope, Scope::Everything) {
            "use an account with this permission, or select the namespaces that you may list with --namespace"
        } else {
            "use an account with this permission"
        };
        message(&format!(
            "warning: you are not permitted to list {}; rules about them have the result \"unknown\"\nhint: {hint}",
            kinds.join(", ")
        ));
    }
}
