//! A plan that is none is found before the engine hears of it.

use std::panic::catch_unwind;

use pulumi_wire::{Plan, Registration};

use super::{flat, shop};

fn complaint(plan: Plan) -> String {
    let panic = catch_unwind(move || plan.check()).expect_err("the plan is wrong");
    panic.downcast_ref::<String>().cloned().expect("a message")
}

/// The good plan, with one thing about its last resource changed.
fn broken(change: impl FnOnce(&mut Registration)) -> String {
    let mut plan = shop();
    change(plan.resources.last_mut().expect("the plan is not empty"));
    complaint(plan)
}

#[test]
fn a_valid_plan_passes() {
    shop().check();
}

#[test]
fn a_reference_to_a_later_resource_is_a_bug() {
    assert!(broken(|backup| backup.dependencies = vec![3]).contains("which is not before it"));
    assert!(broken(|backup| backup.parent = Some(9)).contains("which is not before it"));
    assert!(broken(|backup| backup.deleted_with = Some(3)).contains("which is not before it"));
}

#[test]
fn a_provider_reference_to_another_kind_of_resource_is_a_bug() {
    assert!(broken(|backup| backup.provider = Some(0)).contains("shop:index:Store as its provider"));
}

#[test]
fn a_type_without_three_parts_is_a_bug() {
    assert!(broken(|backup| backup.token = "Disk".to_owned()).contains("three parts"));
}

#[test]
fn dependencies_of_a_missing_property_are_a_bug() {
    let change = |backup: &mut Registration| {
        backup.property_dependencies.insert("colour".to_owned(), vec![2]);
    };
    assert!(broken(change).contains("lists dependencies of \"colour\""));
}

#[test]
fn an_option_that_has_no_effect_on_components_is_a_bug() {
    let mut plan = flat(&["a"]);
    plan.resources[0] = Registration {
        retain_on_delete: Some(true),
        ..Registration::component("shop:index:Store", "store")
    };
    assert!(complaint(plan).contains("retain_on_delete"));
}

#[test]
fn a_plan_serializes_only_fields_that_are_set() {
    let disk = &shop().resources[3];
    let expected = serde_json::json!({
        "token": "disk:index:Disk",
        "name": "backup",
        "kind": "Custom",
        "parent": 0,
        "provider": 1,
        "dependencies": [2],
        "inputs": { "size": 3, "key": { "$secretRef": "disk-key" } },
    });
    assert_eq!(serde_json::to_value(disk).expect("serializable"), expected);
}

#[test]
fn two_resources_with_the_same_urn_are_a_bug() {
    assert!(
        broken(|backup| backup.name = "data".to_owned()).contains("the same type, name and parent types")
    );
}

#[test]
fn the_same_name_below_a_parent_of_another_type_is_another_resource() {
    let mut plan = shop();
    plan.resources
        .push(Registration::custom("disk:index:Disk", "data"));
    plan.check();
}
