//! What has to be so before anything is done.

use std::collections::BTreeMap;

use pulumi_wire::fake::{FakeEngine, Script};
use pulumi_wire::{Error, Fact, Plan, Premise, Registration, Value};

use super::{properties, run, story};

/// A provider and a disk, for one machine only.
fn plan() -> Plan {
    let disk = Registration {
        provider: Some(0),
        ..Registration::custom("disk:index:Disk", "data")
    };
    Plan {
        premises: vec![Premise {
            token: "disk:index:Machine".to_owned(),
            name: "machine".to_owned(),
            id: "here".to_owned(),
            provider: 0,
            version: None,
            facts: vec![
                fact(&["kind"], "disk machine", "this is a toaster"),
                fact(&["metadata", "serial"], "17", "this is another machine"),
            ],
            if_unreadable: "switch it on".to_owned(),
        }],
        resources: vec![Registration::custom("pulumi:providers:disk", "provider"), disk],
        ..Plan::default()
    }
}

fn fact(property: &[&str], value: &str, if_different: &str) -> Fact {
    Fact {
        property: property.iter().map(|&key| key.to_owned()).collect(),
        value: value.to_owned(),
        if_different: if_different.to_owned(),
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
async fn it_is_looked_at_after_its_provider_and_before_everything_else() {
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
async fn where_it_is_not_so_nothing_else_is_registered() {
    for found in [Value::from("18"), Value::from(17), Value::Null] {
        let fake = machine(FakeEngine::up(), found).start().await;
        let error = run(&fake, &plan()).await.expect_err("it is another machine");
        assert!(error.already_shown());
        let Error::Shown(error) = error else {
            panic!("{error}")
        };
        assert!(matches!(*error, Error::Premise { .. }), "{error:?}");
        assert!(fake.logs()[0].1.starts_with("this is another machine (found: "));
        assert!(!story(&fake).contains(&"register data".to_owned()));
        assert!(!story(&fake).contains(&"end".to_owned()));
    }
}

#[tokio::test]
async fn the_first_fact_that_is_not_so_is_told() {
    let other = properties(&[("kind", Value::from("toaster"))]);
    let fake = FakeEngine::up().existing("here", &other).start().await;
    run(&fake, &plan()).await.expect_err("it is no machine");
    assert_eq!(fake.logs()[0].1, "this is a toaster (found: toaster)");
}

#[tokio::test]
async fn what_cannot_be_read_comes_with_the_way_out() {
    let fake = FakeEngine::up().start().await;
    run(&fake, &plan()).await.expect_err("there is no machine");
    let told = &fake.logs()[0].1;
    let expected = "disk:index:Machine \"here\" has to be known before anything is changed, and cannot be read: \
                    resource 'here' does not exist\n  hint: switch it on";
    assert_eq!(told, expected);
    assert!(!story(&fake).contains(&"register data".to_owned()));
}

#[test]
#[should_panic(expected = "which is no provider that can come first")]
fn a_premise_needs_a_provider_that_waits_for_nothing() {
    let mut plan = plan();
    plan.premises[0].provider = 1;
    plan.check();
}
