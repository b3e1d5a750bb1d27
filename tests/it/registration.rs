//! What the engine is asked for, as a plan and against an engine in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use phoenix::config::secret::INVENTORY;
use phoenix_graph::Graph;
use phoenix_program::lower;
use pulumi_wire::fake::{Call, FakeEngine};
use pulumi_wire::{DEFAULT_IN_FLIGHT, Kind, Plan, SecretString, Value, register};

use crate::support::{STACKS, stack};

fn plan(name: &str) -> Plan {
    let stack = stack(name);
    lower(&stack.graph, &stack.config)
}

fn secrets() -> BTreeMap<String, SecretString> {
    INVENTORY
        .iter()
        .map(|row| {
            (
                format!("phoenix:{}", row.key),
                SecretString::from(canary(row.key)),
            )
        })
        .collect()
}

fn canary(key: &str) -> String {
    format!("canary-{key}-value")
}

/// Registers a stack with an engine in this process.
async fn registered(name: &str, fake: &FakeEngine) -> Vec<String> {
    let engine = fake.connect().await;
    let deployment = engine.deployment().await.unwrap();
    register(&engine, &deployment, &plan(name), &secrets(), DEFAULT_IN_FLIGHT)
        .await
        .unwrap()
        .urns
}

#[tokio::test]
async fn the_engine_knows_every_object_by_these_names() {
    // A changed line here is a replaced object in every cluster.
    for name in STACKS {
        let fake = FakeEngine::up().start().await;
        let mut urns = registered(name, &fake).await;
        urns.sort();
        insta::assert_snapshot!(format!("urns-of-{name}"), urns.join("\n"));
    }
}

#[test]
fn registrations_match_their_snapshot() {
    let mut text = String::new();
    for (place, resource) in plan("prod").resources.iter().enumerate() {
        writeln!(text, "{place} {} {}", resource.token, resource.name).unwrap();
        let mut line = |what: &str, value: String| writeln!(text, "    {what}: {value}").unwrap();
        if !resource.dependencies.is_empty() {
            line("after", format!("{:?}", resource.dependencies));
        }
        for (property, places) in &resource.property_dependencies {
            line(&format!("{property} from"), format!("{places:?}"));
        }
        for (what, flag) in [
            ("protect", resource.protect),
            ("retain on delete", resource.retain_on_delete),
        ] {
            if let Some(flag) = flag {
                line(what, flag.to_string());
            }
        }
        if let Some(create) = &resource.timeouts.create {
            line("ready within", create.clone());
        }
        if resource.token.starts_with("pulumi:providers:") {
            line("inputs", format!("{:?}", resource.inputs));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_object_is_registered_once_below_its_system() {
    for name in STACKS {
        let (plan, graph) = (plan(name), stack(name).graph);
        let objects: Vec<_> = plan
            .resources
            .iter()
            .filter(|resource| resource.token.starts_with("kubernetes:"))
            .collect();
        assert_eq!(objects.len(), graph.len());
        for object in objects {
            let parent = &plan.resources[object.parent.unwrap()];
            assert_eq!(
                (parent.kind, parent.token.as_str()),
                (Kind::Component, "phoenix:index:System")
            );
            assert_eq!(
                object.provider,
                Some(0),
                "{} uses the provider that is pinned to the cluster",
                object.name
            );
            let holds = graph
                .component(&parent.name)
                .objects()
                .any(|candidate| candidate.id.path() == object.name);
            assert!(holds, "{} is declared by {}", object.name, parent.name);
        }
    }
}

#[test]
fn no_pod_starts_before_the_policies_that_guard_it() {
    let plan = plan("prod");
    let places = |kind: &str| -> Vec<usize> {
        (0..plan.resources.len())
            .filter(|place| plan.resources[*place].token.ends_with(&format!(":{kind}")))
            .collect()
    };
    let guards: Vec<_> = [
        "NetworkPolicy",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "ResourceQuota",
        "LimitRange",
    ]
    .into_iter()
    .flat_map(places)
    .collect();
    assert!(guards.len() >= 7);
    let namespace =
        |resource: &pulumi_wire::Registration| resource.name.split('/').next().unwrap().to_owned();
    let mut waited = 0;
    for workload in places("Deployment")
        .into_iter()
        .chain(places("StatefulSet"))
        .chain(places("CronJob"))
    {
        for guard in &guards {
            let (pods, policy) = (&plan.resources[workload], &plan.resources[*guard]);
            // Guards of another namespace guard other pods.
            if namespace(pods) == namespace(policy) {
                assert!(
                    pods.dependencies.contains(guard),
                    "{} before {}",
                    pods.name,
                    policy.name
                );
                waited += 1;
            }
        }
    }
    assert!(waited >= 4 * guards.len() / 2, "{waited}");
}

#[test]
fn the_urn_of_an_object_is_the_one_that_its_registration_gets() {
    for name in STACKS {
        let stack = stack(name);
        let plan = lower(&stack.graph, &stack.config);
        let registered: Vec<_> = plan
            .resources
            .iter()
            .filter_map(|resource| {
                let parent = &plan.resources[resource.parent?].token;
                let (token, name) = (&resource.token, &resource.name);
                Some(format!(
                    "urn:pulumi:{}::phoenix::{parent}${token}::{name}",
                    stack.name
                ))
            })
            .collect();
        let mut computed: Vec<_> = stack
            .graph
            .objects()
            .map(|object| phoenix::provider::urn(object, &stack.name, "phoenix"))
            .collect();
        computed.sort();
        assert_eq!(
            computed,
            BTreeSet::from_iter(registered).into_iter().collect::<Vec<_>>()
        );
    }
}

/// The stack `prod` with its secrets from the External Secrets Operator.
fn with_external_secrets(auth: &serde_json::Value) -> (phoenix_graph::Graph, pulumi_wire::Plan) {
    let mut keys = crate::support::keys("prod");
    keys.insert(
        "phoenix:secrets".to_owned(),
        serde_json::json!({"mode": "external-secrets", "environment": "acme/phoenix/prod", "auth": auth}),
    );
    let config = phoenix::config::check(&keys).unwrap();
    let graph = phoenix::platform::build(&config);
    let plan = lower(&graph, &config);
    plan.check();
    (graph, plan)
}

#[test]
fn external_secrets_registrations_match_their_snapshot() {
    let (oidc, _) = with_external_secrets(&serde_json::json!({"oidc": {}}));
    let (token, _) = with_external_secrets(
        &serde_json::json!({"accessToken": {"secret": "pulumi-token", "key": "token"}}),
    );
    let store = token
        .objects()
        .find(|object| object.id.kind == "SecretStore")
        .unwrap();
    insta::assert_snapshot!(format!(
        "{}\n# With an access token, the store's way in is:\n{}\n",
        oidc.component("secrets").yaml(),
        store.body().pointer("/spec/provider/pulumi/auth").unwrap()
    ));
}

#[test]
fn with_external_secrets_none_is_registered_and_pods_wait_for_them() {
    let (graph, plan) = with_external_secrets(&serde_json::json!({"oidc": {}}));
    for object in graph.objects() {
        assert_ne!(object.id.kind, "Secret", "{}", object.id);
        assert!(object.secrets().is_empty(), "{}", object.id);
    }
    let place = |ending: &str| {
        plan.resources
            .iter()
            .position(|resource| format!("{} {}", resource.token, resource.name).ends_with(ending))
            .unwrap_or_else(|| panic!("no {ending}"))
    };
    let (shared, keys) = (
        place(":ExternalSecret sophia-memory/sophia-secrets"),
        place(":ExternalSecret sophia-memory/qdrant-keys"),
    );
    let store = place(":SecretStore sophia-memory/pulumi-esc");
    let account = place(":ServiceAccount sophia-memory/external-secrets");
    let waits_for = |who: usize, whom: usize| plan.resources[who].dependencies.contains(&whom);
    assert!(waits_for(store, account));
    assert!(waits_for(shared, store) && waits_for(keys, store));
    let (openmemory, qdrant) = (
        place(":Deployment sophia-memory/openmemory-mcp-server"),
        place(":StatefulSet sophia-memory/qdrant"),
    );
    assert!(waits_for(openmemory, shared) && waits_for(openmemory, keys));
    assert!(waits_for(qdrant, keys) && !waits_for(qdrant, shared));
}

#[tokio::test]
async fn secret_values_travel_only_as_secrets() {
    let fake = FakeEngine::up().start().await;
    registered("prod", &fake).await;
    let mut sealed = 0;
    for request in fake.registrations() {
        let inputs = pulumi_wire::from_wire(request.object.clone().unwrap_or_default()).unwrap();
        // `Debug` leaves out what is inside a secret; whatever it shows would be in the clear.
        let in_clear = format!("{inputs:?}");
        for row in INVENTORY {
            assert!(
                !in_clear.contains(&canary(row.key)),
                "{} shows {}",
                request.name,
                row.key
            );
        }
        if let Some(Value::Object(data)) = inputs.get("stringData") {
            sealed += data
                .values()
                .filter(|value| matches!(value, Value::Secret(_)))
                .count();
        }
    }
    let config = stack("prod").config;
    let expected: usize = config.secret_targets().values().map(Vec::len).sum();
    assert_eq!(sealed, expected);
}

#[tokio::test]
async fn a_missing_secret_is_reported_before_any_registration() {
    let fake = FakeEngine::up().start().await;
    let engine = fake.connect().await;
    let deployment = engine.deployment().await.unwrap();
    let mut secrets = secrets();
    secrets.remove("phoenix:qdrantApiKey");
    secrets.remove("phoenix:openaiApiKey");
    let error = register(&engine, &deployment, &plan("dev"), &secrets, DEFAULT_IN_FLIGHT)
        .await
        .unwrap_err();
    assert!(fake.registrations().is_empty());
    let reported = error.to_string();
    assert!(
        reported.contains("qdrantApiKey") && reported.contains("openaiApiKey"),
        "{reported}"
    );
}

#[tokio::test]
async fn at_least_eight_registrations_are_in_flight() {
    let fake = FakeEngine::up().delay(Duration::from_millis(20)).start().await;
    registered("prod", &fake).await;
    assert!(fake.high_water_mark() >= 8, "{}", fake.high_water_mark());
    assert!(fake.high_water_mark() <= DEFAULT_IN_FLIGHT.get());
}

#[tokio::test]
async fn one_at_a_time_the_order_of_requests_is_the_order_of_the_plan() {
    let fake = FakeEngine::up().start().await;
    let engine = fake.connect().await;
    let deployment = engine.deployment().await.unwrap();
    let plan = plan("prod");
    register(&engine, &deployment, &plan, &secrets(), NonZeroUsize::MIN)
        .await
        .unwrap();
    let asked: Vec<_> = fake
        .registrations()
        .into_iter()
        .map(|request| request.name)
        .skip(1)
        .collect();
    let planned: Vec<_> = plan.resources.into_iter().map(|resource| resource.name).collect();
    assert_eq!(asked, planned);
}

#[tokio::test]
async fn components_and_the_stack_close_with_their_outputs() {
    let fake = FakeEngine::up().start().await;
    registered("dev", &fake).await;
    let closed = fake
        .calls()
        .iter()
        .filter(|call| matches!(call, Call::RegisterResourceOutputs(_)))
        .count();
    assert_eq!(closed, phoenix::platform::SYSTEMS.len() + 1);
}

#[test]
fn a_renamed_object_keeps_its_place_in_the_state() {
    let stack = stack("dev");
    let mut graph: Graph = stack.graph.clone();
    let claim = phoenix_graph::Id::namespaced("", "PersistentVolumeClaim", "sophia-memory", "memory-pvc");
    graph
        .object_mut(&claim)
        .unwrap()
        .aliases("sophia-memory/old-claim")
        .import(true);
    let plan = lower(&graph, &stack.config);
    let registration = plan
        .resources
        .iter()
        .find(|resource| resource.name == "sophia-memory/memory-pvc")
        .unwrap();
    assert_eq!(
        registration.import_id.as_deref(),
        Some("sophia-memory/memory-pvc")
    );
    assert_eq!(
        registration.aliases,
        [pulumi_wire::Alias::Spec {
            name: Some("sophia-memory/old-claim".to_owned()),
            token: None,
            parent: pulumi_wire::AliasParent::Same
        }]
    );
}
