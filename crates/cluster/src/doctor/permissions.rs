//! Whether the user has the permissions that a deployment requires, according to the API server.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use phoenix_graph::Graph;
use phoenix_terminal::checklist::Check;
use phoenix_terminal::output::count;
use tokio::task::JoinSet;

use super::api_versions::Resources;
use super::could_not_check;

/// The verbs that the provider uses. It applies with `patch`, which also creates an object.
const VERBS: [&str; 4] = ["get", "create", "patch", "delete"];

/// Checks every verb for each kind in each namespace of the stack.
pub async fn run(client: &Client, graph: &Graph, resources: &Resources) -> Check {
    let subject = "permissions";
    let mut questions = BTreeSet::new();
    for object in graph.objects() {
        let key = (object.api_version.clone(), object.id.kind.clone());
        if let Some(resource) = resources.get(&key) {
            for verb in VERBS {
                questions.insert((
                    object.id.group.clone(),
                    resource.clone(),
                    object.id.namespace.clone(),
                    verb,
                ));
            }
        }
    }
    let asked = questions.len();
    let mut answers = JoinSet::new();
    for (group, resource, namespace, verb) in questions {
        let api = Api::<SelfSubjectAccessReview>::all(client.clone());
        answers.spawn(async move {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(group.clone()),
                        resource: Some(resource.clone()),
                        namespace: namespace.clone(),
                        verb: Some(verb.to_owned()),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                ..Default::default()
            };
            let answer = api.create(&PostParams::default(), &review).await?;
            let allowed = answer.status.is_some_and(|status| status.allowed);
            let place = namespace.map_or("the whole cluster".to_owned(), |namespace| {
                format!("the namespace {namespace}")
            });
            let name = if group.is_empty() {
                resource
            } else {
                format!("{resource}.{group}")
            };
            Ok::<_, kube::Error>((!allowed).then_some((place, name, verb)))
        });
    }
    let mut refused = BTreeSet::new();
    while let Some(answer) = answers.join_next().await {
        match answer.expect("a query does not panic") {
            Ok(answer) => refused.extend(answer),
            Err(error) => return could_not_check(subject, "your permissions", &error),
        }
    }
    if refused.is_empty() {
        return Check::good(
            subject,
            format!(
                "you have every permission that a deployment requires ({})",
                count(asked, "permission")
            ),
        );
    }
    let lines: Vec<_> = refused
        .iter()
        .map(|(place, name, verb)| format!("\n{verb} {name} in {place}"))
        .collect();
    Check::fail(
        subject,
        format!(
            "you lack {}:{}",
            count(refused.len(), "permission"),
            lines.concat()
        ),
        "ask the operators of the cluster for a role with these permissions, or use another context",
    )
}
