//! Registrations that go well: order, references, secrets, and the end.

use std::num::NonZeroUsize;
use std::time::Duration;

use pulumi_wire::fake::{Call, FakeEngine, Reaction};
use pulumi_wire::proto::RegisterResourceRequest;
use pulumi_wire::proto::alias::{self, spec};
use pulumi_wire::wire::UNKNOWN_STRING;
use pulumi_wire::{Alias, AliasParent, Plan, Registration, Timeouts, Value, from_wire, register};

use super::{flat, properties, run, secrets, shop, story};

const STORE: &str = "urn:pulumi:stack::project::shop:index:Store::store";
const PROVIDER: &str = "urn:pulumi:stack::project::shop:index:Store$pulumi:providers:disk::provider";
const DATA: &str = "urn:pulumi:stack::project::shop:index:Store$disk:index:Disk::data";
const ROOT: &str = "urn:pulumi:stack::project::pulumi:pulumi:Stack::project-stack";

async fn requests(fake: FakeEngine, plan: &Plan) -> Vec<RegisterResourceRequest> {
    run(&fake, plan).await.expect("nothing goes wrong");
    fake.registrations()
}

#[tokio::test]
async fn the_calls_are_stack_resources_outputs_end() {
    let fake = FakeEngine::up().start().await;
    let registered = run(&fake, &shop()).await.expect("nothing goes wrong");
    let expected = [
        "info",
        "register project-stack",
        "register store",
        "register provider",
        "register data",
        "register backup",
        "outputs store",
        "outputs project-stack",
        "end",
    ];
    assert_eq!(story(&fake), expected);
    assert_eq!(registered.stack_urn, ROOT);
    assert_eq!(registered.urns[..3], [STORE, PROVIDER, DATA]);
}

#[tokio::test]
async fn an_empty_plan_registers_the_stack_and_its_outputs() {
    let fake = FakeEngine::up().start().await;
    run(&fake, &Plan::default()).await.expect("nothing goes wrong");
    assert_eq!(
        story(&fake),
        ["info", "register project-stack", "outputs project-stack", "end"]
    );
}

#[tokio::test]
async fn every_request_has_a_parent_and_declares_its_capabilities() {
    let requests = requests(FakeEngine::up().start().await, &shop()).await;
    let parents: Vec<_> = requests.iter().map(|request| request.parent.as_str()).collect();
    assert_eq!(parents, ["", ROOT, STORE, STORE, STORE]);
    let custom: Vec<_> = requests.iter().map(|request| request.custom).collect();
    assert_eq!(custom, [false, false, true, true, true]);
    for request in &requests {
        let understands = request.accept_secrets
            && request.accept_resources
            && request.supports_partial_values
            && request.supports_result_reporting
            && request.alias_specs;
        assert!(understands, "{request:?}");
    }
}

#[tokio::test]
async fn a_provider_is_referred_to_by_its_id() {
    let requests = requests(FakeEngine::up().start().await, &shop()).await;
    assert_eq!(requests[3].provider, format!("{PROVIDER}::id-of-provider"));
}

#[tokio::test]
async fn a_provider_that_a_preview_would_create_is_referred_to_as_unknown() {
    let requests = requests(FakeEngine::preview().start().await, &shop()).await;
    assert_eq!(requests[3].provider, format!("{PROVIDER}::{UNKNOWN_STRING}"));
}

#[tokio::test]
async fn a_secret_reaches_the_engine_as_a_secret() {
    let mut requests = requests(FakeEngine::up().start().await, &shop()).await;
    let inputs = from_wire(requests.remove(3).object.expect("it has inputs")).expect("well-formed");
    assert_eq!(inputs["key"], Value::secret(Value::from("hunter2")));
    assert_eq!(inputs["size"], Value::from(3));
}

#[tokio::test]
async fn dependencies_and_property_dependencies_are_sent() {
    let mut plan = shop();
    plan.resources[3]
        .property_dependencies
        .insert("size".to_owned(), vec![1]);
    let requests = requests(FakeEngine::up().start().await, &plan).await;
    let backup = &requests[4];
    assert_eq!(backup.dependencies, [PROVIDER, DATA]);
    assert_eq!(backup.property_dependencies["size"].urns, [PROVIDER]);
    assert!(
        backup.property_dependencies["key"].urns.is_empty(),
        "an order is no reason to replace"
    );
}

#[tokio::test]
async fn every_option_reaches_the_engine() {
    let mut plan = flat(&["other", "disk"]);
    plan.resources[1] = Registration {
        protect: Some(true),
        retain_on_delete: Some(false),
        delete_before_replace: Some(false),
        ignore_changes: vec!["status".to_owned()],
        replace_on_changes: vec!["class".to_owned()],
        additional_secret_outputs: vec!["token".to_owned()],
        aliases: vec![
            Alias::Urn("urn:old".to_owned()),
            Alias::Spec {
                name: Some("was".to_owned()),
                token: None,
                parent: AliasParent::Stack,
            },
            Alias::Spec {
                name: None,
                token: Some("a:b:C".to_owned()),
                parent: AliasParent::Urn("urn:p".to_owned()),
            },
        ],
        import_id: Some("vol-1".to_owned()),
        timeouts: Timeouts {
            create: Some("10m".to_owned()),
            ..Timeouts::default()
        },
        version: Some("4.25.0".to_owned()),
        deleted_with: Some(0),
        ..Registration::custom("disk:index:Disk", "disk")
    };
    let requests = requests(FakeEngine::up().start().await, &plan).await;
    let disk = &requests[2];
    assert_eq!((disk.protect, disk.retain_on_delete), (Some(true), Some(false)));
    assert_eq!(
        (disk.delete_before_replace, disk.delete_before_replace_defined),
        (false, true)
    );
    assert_eq!(
        (&disk.ignore_changes[..], &disk.replace_on_changes[..]),
        (&["status".into()][..], &["class".into()][..])
    );
    assert_eq!(
        (disk.import_id.as_str(), disk.version.as_str()),
        ("vol-1", "4.25.0")
    );
    assert_eq!(disk.additional_secret_outputs, ["token"]);
    assert_eq!(
        disk.deleted_with,
        "urn:pulumi:stack::project::disk:index:Disk::other"
    );
    let timeouts = disk.custom_timeouts.as_ref().expect("one was set");
    assert_eq!((timeouts.create.as_str(), timeouts.update.as_str()), ("10m", ""));
    let aliases: Vec<_> = disk
        .aliases
        .iter()
        .filter_map(|alias| alias.alias.clone())
        .collect();
    let name = |name: &str, token: &str, parent| {
        alias::Alias::Spec(alias::Spec {
            name: name.into(),
            r#type: token.into(),
            parent,
            ..Default::default()
        })
    };
    let expected = [
        alias::Alias::Urn("urn:old".into()),
        name("was", "", Some(spec::Parent::NoParent(true))),
        name("", "a:b:C", Some(spec::Parent::ParentUrn("urn:p".into()))),
    ];
    assert_eq!(aliases, expected);
    // What was not set is not there, so that parents and providers can decide.
    let other = &requests[1];
    assert_eq!(
        (
            other.protect,
            other.retain_on_delete,
            other.delete_before_replace_defined
        ),
        (None, None, false)
    );
    assert_eq!(other.custom_timeouts, None);
}

#[tokio::test]
async fn independent_resources_are_registered_concurrently() {
    let names: Vec<String> = (0..40).map(|number| format!("disk-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fake = FakeEngine::up().delay(Duration::from_millis(20)).start().await;
    run(&fake, &flat(&names)).await.expect("nothing goes wrong");
    assert_eq!(fake.high_water_mark(), 16);
}

#[tokio::test]
async fn with_one_call_at_a_time_the_order_is_that_of_the_plan() {
    let fake = FakeEngine::up().delay(Duration::from_millis(1)).start().await;
    let names = ["d", "b", "a", "c"];
    let engine = fake.connect().await;
    let deployment = engine.deployment().await.expect("the engine answers");
    register(&engine, &deployment, &flat(&names), &secrets(), NonZeroUsize::MIN)
        .await
        .expect("nothing goes wrong");
    let order: Vec<_> = fake
        .registrations()
        .into_iter()
        .skip(1)
        .map(|request| request.name)
        .collect();
    assert_eq!(order, names);
    assert_eq!(fake.high_water_mark(), 1);
}

#[tokio::test]
async fn a_slow_resource_delays_only_its_dependents() {
    let mut plan = flat(&["slow", "after-slow", "quick", "after-quick"]);
    plan.resources[1].dependencies = vec![0];
    plan.resources[3].dependencies = vec![2];
    let fake = FakeEngine::up()
        .react("slow", Reaction::Delay(Duration::from_millis(150)))
        .start()
        .await;
    run(&fake, &plan).await.expect("nothing goes wrong");
    let order: Vec<_> = fake
        .registrations()
        .into_iter()
        .skip(1)
        .map(|request| request.name)
        .collect();
    assert_eq!(order[2..], ["after-quick", "after-slow"]);
}

#[tokio::test]
async fn a_component_is_closed_once_after_all_its_descendants() {
    let mut plan = shop();
    plan.resources.push(Registration {
        parent: Some(0),
        ..Registration::component("shop:index:Shelf", "shelf")
    });
    // Below a custom resource below the shelf: the shelf has to wait for it all the same.
    plan.resources.push(Registration {
        parent: Some(4),
        ..Registration::custom("disk:index:Disk", "box")
    });
    plan.resources.push(Registration {
        parent: Some(5),
        ..Registration::custom("disk:index:Disk", "thing")
    });
    let fake = FakeEngine::up()
        .react("thing", Reaction::Delay(Duration::from_millis(50)))
        .start()
        .await;
    run(&fake, &plan).await.expect("nothing goes wrong");
    let story = story(&fake);
    let tail: Vec<_> = story
        .iter()
        .skip_while(|line| *line != "register thing")
        .skip(1)
        .collect();
    assert_eq!(
        tail,
        ["outputs shelf", "outputs store", "outputs project-stack", "end"]
    );
}

#[tokio::test]
async fn outputs_reach_the_stack_with_their_secrets_marked() {
    let outputs = properties(&[
        ("key", Value::SecretRef("disk-key".to_owned())),
        ("size", Value::from(3)),
    ]);
    let plan = Plan {
        outputs,
        ..Plan::default()
    };
    let fake = FakeEngine::up().start().await;
    run(&fake, &plan).await.expect("nothing goes wrong");
    let outputs = fake.calls().into_iter().find_map(|call| match call {
        Call::RegisterResourceOutputs(request) => request.outputs,
        _ => None,
    });
    let outputs = from_wire(outputs.expect("the stack has outputs")).expect("well-formed");
    assert_eq!(outputs["key"], Value::secret(Value::from("hunter2")));
    assert_eq!(outputs["size"], Value::from(3));
}

#[tokio::test]
async fn an_engine_without_the_shutdown_signal_is_supported() {
    let fake = FakeEngine::up().without_shutdown_signal().start().await;
    run(&fake, &shop()).await.expect("an old engine is no error");
    assert_eq!(
        story(&fake).last().map(String::as_str),
        Some("outputs project-stack")
    );
}

#[tokio::test]
async fn messages_above_the_default_limit_of_the_library_are_accepted() {
    let mut plan = flat(&["large"]);
    // The library's own limit is 4 MiB, for what is sent and for what is received.
    plan.resources[0].inputs = properties(&[("text", Value::String("x".repeat(9 * 1024 * 1024)))]);
    let fake = FakeEngine::up().start().await;
    run(&fake, &plan)
        .await
        .expect("the limit was lifted on both sides");
    assert_eq!(fake.registrations().len(), 2);
}

#[tokio::test]
async fn the_root_resource_is_named_after_project_and_stack() {
    let fake = FakeEngine::up().deploying("shop", "dev").start().await;
    let registered = run(&fake, &shop()).await.expect("nothing goes wrong");
    assert_eq!(
        registered.stack_urn,
        "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
    );
    assert_eq!(
        registered.urns[0],
        "urn:pulumi:dev::shop::shop:index:Store::store"
    );
}
