//! Preconditions are checked before resources are registered.

use std::collections::BTreeMap;

use pulumi_wire::fake::{FakeEngine, Script};
use pulumi_wire::{Error, Expectation, Plan, Precondition, Registration, Value};

use super::{properties, run, story};

/// A provider and a disk, with a precondition on the machine.
fn plan() -> Plan {
    let disk = Registration {
        provider: Some(0),
        ..Registration::custom("disk:index:Disk", "data")
    };
    Plan {
        preconditions: vec![Precondition {
            token: "disk:index:Machine".to_owned(),
            name: "machine".to_owned(),
            id: "here".to_owned(),
            provider: 0,
            version: None,
            expectations: vec![
                expectation(&["kind"], "disk machine", "this is a toaster"),
                expectation(&["metadata", "serial"], "17", "this is another machine"),
            ],
            on_unreadable: "switch it on".to_owned(),
        }],
        resources: vec![Registration::custom("pulumi:providers:disk", "provider"), disk],
        ..Plan::default()
    }
}

fn expectation(property: &[&str], value: &str, on_mismatch: &str) -> Expectation {
    Expectation {
        property: property.iter().map(|&key| key.to_owned()).collect(),
        value: value.to_owned(),
        on_mismatch: on_mismatch.to_owned(),
    }
}

fn machine(script: Script, serial: Value) -> Script {
    let metadata = BTreeMap::from([("serial".to_owned(), serial)]);
    let kind = Value::from("disk machine");
    script.existing(
        "here",
        &properties(&[("kind", kind), ("metadata", Value::Object(metadata))]),
    )
}

#[tokio::test]
async fn a_precondition_is_checked_after_its_provider_and_before_every_other_resource() {
    for script in [FakeEngine::up(), FakeEngine::preview()] {
        let fake = machine(script, Value::from("17")).start().await;
        let registered = run(&fake, &plan()).await.expect("it is the right machine");
        let expected = [
            "info",
            "register project-stack",
            "register provider",
            "read here",
            "register data",
            "outputs project-stack",
            "end",
        ];
        assert_eq!(story(&fake), expected);
        assert_eq!(registered.urns.len(), 2);
    }
}

#[tokio::test]
async fn nothing_else_is_registered_if_a_precondition_is_not_met() {
    for found in [Value::from("18"), Value::from(17), Value::Null] {
        let fake = machine(FakeEngine::up(), found).start().await;
        let error = run(&fake, &plan()).await.expect_err("it is another machine");
        assert!(error.already_shown());
        let Error::Shown(error) = error else {
            panic!("{error}")
        };
        assert!(matches!(*error, Error::Precondition { .. }), "{error:?}");
        assert!(fake.logs()[0].1.starts_with("this is another machine (found: "));
        assert!(!story(&fake).contains(&"register data".to_owned()));
        assert!(!story(&fake).contains(&"end".to_owned()));
    }
}

#[tokio::test]
async fn the_first_unmet_expectation_is_reported() {
    let other = properties(&[("kind", Value::from("toaster"))]);
    let fake = FakeEngine::up().existing("here", &other).start().await;
    run(&fake, &plan()).await.expect_err("it is no machine");
    assert_eq!(fake.logs()[0].1, "this is a toaster (found: toaster)");
}

#[tokio::test]
async fn an_unreadable_resource_is_reported_with_a_hint() {
    let fake = FakeEngine::up().start().await;
    run(&fake, &plan()).await.expect_err("there is no machine");
    let message = &fake.logs()[0].1;
    let expected = "cannot read disk:index:Machine \"here\", which must be checked before any change: \
                    resource 'here' does not exist\n  hint: switch it on";
    assert_eq!(message, expected);
    assert!(!story(&fake).contains(&"register data".to_owned()));
}

#[test]
#[should_panic(expected = "which is not a provider without prerequisites")]
fn the_provider_of_a_precondition_must_have_no_prerequisites() {
    let mut plan = plan();
    plan.preconditions[0].provider = 1;
    plan.check();
}
