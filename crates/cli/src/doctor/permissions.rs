//! Whether the person may do what a deployment does, asked of the API server itself.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use phoenix_graph::Graph;
use tokio::task::JoinSet;

use super::api_versions::Resources;
use super::check::{Check, could_not_check};
use crate::output::count;

/// What the provider does with objects over their life. It applies by `patch`, which creates what is not there.
const VERBS: [&str; 4] = ["get", "create", "patch", "delete"];

/// Asks for each kind in each namespace of the stack.
pub async fn run(client: &Client, graph: &Graph, resources: &Resources) -> Check {
    let subject = "rights";
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
        match answer.expect("asking does not panic") {
            Ok(answer) => refused.extend(answer),
            Err(error) => return could_not_check(subject, "your rights", &error),
        }
    }
    if refused.is_empty() {
        return Check::good(
            subject,
            format!(
                "you may do everything that a deployment does ({})",
                count(asked, "question")
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
            "you may not do {}:{}",
            count(refused.len(), "thing"),
            lines.concat()
        ),
        "ask those who run the cluster for a role with these rights, or use another context",
    )
}
