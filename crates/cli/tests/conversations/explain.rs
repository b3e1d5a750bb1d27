//! `phoenix explain`: keys and their effects, objects and their references, and unknown names.

use serde_json::{Value, json};

use crate::support::{Answer, Checkout};

fn explained(subject: &[&str]) -> Answer {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&[&["explain"], subject].concat());
    assert_eq!(answer.code, 0, "{answer}");
    answer
}

fn json(subject: &str) -> Value {
    let answer = explained(&[subject, "--format", "json"]).json();
    answer["subjects"][0].clone()
}

#[test]
fn a_number_is_explained_with_bounds_stacks_and_effects() {
    let answer = json("phoenix:qdrant.replicas");
    let key = &answer["key"];
    assert_eq!(key["type"], "an integer from 1 to 100");
    assert_eq!(key["required"], true);
    let prod = &key["stacks"][1];
    assert_eq!((&prod["stack"], &prod["value"]), (&"prod".into(), &3.into()));
    assert!(
        prod["place"]
            .as_str()
            .unwrap()
            .starts_with("stacks/Pulumi.prod.yaml:")
    );
    let changed = key["effect"]["objects"].as_array().unwrap();
    let of_the_set = changed
        .iter()
        .find(|object| object["object"] == "StatefulSet sophia-memory/qdrant")
        .unwrap();
    assert!(
        of_the_set["fields"]
            .as_array()
            .unwrap()
            .contains(&"spec.replicas".into())
    );
    let refused = key["refused"].to_string();
    assert!(refused.contains("but a cluster needs an odd number"), "{refused}");
}

#[test]
fn a_choice_is_explained_with_alternatives_and_conflicts() {
    let answer = explained(&["qdrant.mode"]);
    assert!(
        answer.out.contains("single   One peer without consensus."),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("with \"cluster\" in dev: phoenix:qdrant.replicas is 1"),
        "{answer}"
    );
}

#[test]
fn the_effect_of_a_key_is_what_diff_shows() {
    let key = &json("qdrant.auditDays")["key"];
    let effect = &key["effect"];
    let stack = effect["stack"].as_str().unwrap();
    let checkout = Checkout::new();
    let (before, tried) = (&effect["before"], &effect["tried"]);
    let file = format!("stacks/Pulumi.{stack}.yaml");
    let text = std::fs::read_to_string(checkout.path(&file)).unwrap();
    let changed = if before.is_null() {
        text.replace(
            "  phoenix:qdrant:\n",
            &format!("  phoenix:qdrant:\n    auditDays: {tried}\n"),
        )
    } else {
        text.replace(&format!("auditDays: {before}"), &format!("auditDays: {tried}"))
    };
    assert_ne!(text, changed);
    checkout.write(&file, &changed);
    let diff = checkout.phoenix(&["diff", stack, "--format", "json"]);
    let diff: Value = serde_json::from_str(&diff.out).unwrap();
    let names: Vec<_> = diff["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            format!(
                "{} {}/{}",
                object["kind"].as_str().unwrap(),
                object["namespace"].as_str().unwrap(),
                object["name"].as_str().unwrap()
            )
        })
        .collect();
    let announced: Vec<_> = effect["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["object"].as_str().unwrap())
        .collect();
    assert!(!announced.is_empty());
    assert_eq!(announced, names);
}

#[test]
fn lists_items_and_optional_parts_are_keys_too() {
    assert_eq!(json("postgres.networks")["key"]["type"], "a list of: a string");
    assert_eq!(json("postgres.networks[0]")["key"]["type"], "a string");
    let adopted = json("adopt")["key"]["effect"].to_string();
    assert!(adopted.contains("pulumi.com/patchForce"), "{adopted}");
    let labels = explained(&["mesh.gateway.selector"]);
    assert!(labels.out.contains(r#"default: {"istio":"ingress"}"#), "{labels}");
    assert_eq!(json("mesh.gateway.selector.anything")["key"]["type"], "a string");
    let trail = json("auditTrail.archive");
    let changed = trail["key"]["effect"]["objects"].to_string();
    assert!(changed.contains("Telemetry"), "{changed}");
    let test = json("loadTest");
    assert_eq!(test["key"]["required"], false);
    let deleted = test["key"]["effect"]["objects"].to_string();
    assert!(deleted.contains("CronJob"), "{deleted}");
}

#[test]
fn a_secret_is_named_and_a_pasted_value_is_not_shown() {
    let answer = explained(&["openaiApiKey"]);
    assert!(answer.out.contains("openai_api_key of the Secret"), "{answer}");
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "      placeholder: the host name of your development Postgres server",
        "      postgres://user:hunter2-hunter2@db",
    );
    let answer = checkout.phoenix(&["explain", "postgres.host"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("(not shown)"), "{answer}");
    assert!(!answer.out.contains("hunter2"), "{answer}");
}

#[test]
fn an_object_is_explained_with_references_connections_and_keys() {
    let answer = json("StatefulSet/sophia-memory/qdrant");
    let object = &answer["object"];
    assert_eq!(object["system"], "qdrant");
    let text = object.to_string();
    for part in [
        "urn:pulumi:prod::phoenix::phoenix:index:System$kubernetes:apps/v1:StatefulSet::sophia-memory/qdrant",
        "Secret/sophia-memory/qdrant-keys",
        "stores and searches memories as vectors in Qdrant",
        "denied while phoenix:protect is true",
    ] {
        assert!(text.contains(part), "{part} in {object:#}");
    }
    assert_eq!(
        object["restartsWith"],
        json!(["phoenix:qdrantApiKey", "phoenix:qdrantReadOnlyApiKey"])
    );
    let words = explained(&["StatefulSet/sophia-memory/qdrant"]).out;
    assert!(
        words.contains("restarts when one of these secrets changes"),
        "{words}"
    );
    let keys = object["keys"].as_array().unwrap();
    assert!(keys.contains(&"qdrant.replicas".into()), "{keys:?}");
    assert!(!keys.contains(&"openmemory.replicas".into()), "{keys:?}");
}

#[test]
fn an_object_can_be_named_in_every_common_notation() {
    let expected = explained(&["Service/sophia-memory/qdrant-service"]).out;
    for subject in [
        vec!["service/qdrant-service"],
        vec!["svc/qdrant-service"],
        vec!["sophia-memory/qdrant-service"],
        vec!["Service", "sophia-memory/qdrant-service"],
        vec!["Service sophia-memory/qdrant-service"],
        vec!["qdrant-service"],
    ] {
        assert_eq!(explained(&subject).out, expected, "{subject:?}");
    }
}

#[test]
fn an_ambiguous_name_is_an_error_with_the_choices() {
    let answer = Checkout::bare().phoenix(&["explain", "sophia-memory/deny-all"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.contains("NetworkPolicy/sophia-memory/deny-all")
            && answer.err.contains("AuthorizationPolicy/sophia-memory/deny-all"),
        "{answer}"
    );
}

#[test]
fn an_unknown_name_is_an_error_with_the_most_similar_name() {
    for (asked, meant) in [
        ("qdrant.replica", "qdrant.replicas"),
        (
            "phoenix:openmemory.storage.storageClas",
            "openmemory.storage.storageClass",
        ),
        (
            "StatefulSet/sophia-memory/qdrnt",
            "StatefulSet/sophia-memory/qdrant",
        ),
        ("qdrant-servic", "Service/sophia-memory/qdrant-service"),
    ] {
        let answer = Checkout::bare().phoenix(&["explain", asked]);
        assert_eq!(answer.code, 1, "{answer}");
        assert!(answer.err.contains(&format!("did you mean {meant}?")), "{answer}");
    }
    let answer = Checkout::bare().phoenix(&["explain", &"x".repeat(5000)]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.len() < 600, "{answer}");
}

#[test]
fn a_stack_file_with_errors_does_not_affect_the_others() {
    let checkout = Checkout::bare();
    checkout.edit("stacks/Pulumi.dev.yaml", "mode: single", "mode: cluster");
    let answer = checkout.phoenix(&["explain", "StatefulSet/qdrant"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("the stack file has errors"), "{answer}");
    let answer = checkout.phoenix(&["explain", "qdrant.mode"]);
    assert!(
        answer.out.contains("cluster  stacks/Pulumi.dev.yaml:"),
        "{answer}"
    );
}

#[test]
fn several_subjects_are_explained_in_their_order() {
    let answer = explained(&[
        "CC6.1",
        "qdrant",
        "StatefulSet",
        "sophia-memory/redis",
        "--format",
        "json",
    ])
    .json();
    let kinds: Vec<_> = answer["subjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|subject| {
            ["control", "key", "object"]
                .into_iter()
                .find(|kind| subject.get(kind).is_some())
                .unwrap()
        })
        .collect();
    assert_eq!(kinds, ["control", "key", "object"]);
    let text = explained(&["SOC", "2", "CC6.1", "HIPAA", "164.312(b)"]).out;
    assert!(
        text.starts_with("SOC 2 CC6.1\n") && text.contains("\nHIPAA 164.312(b)"),
        "{text}"
    );
    for (words, wrong) in [
        (&["CC6.1", "qdrnt"][..], "\"qdrnt\""),
        (&["Service", "qdrnt"], "\"Service qdrnt\""),
    ] {
        let answer = Checkout::bare().phoenix(&[&["explain"], words].concat());
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        assert!(answer.err.contains(wrong), "{answer}");
    }
}

#[test]
fn without_a_subject_everything_that_can_be_explained_is_listed() {
    let text = explained(&[]).out;
    for part in [
        "qdrant ",
        "StatefulSet ",
        "mesh-mtls-strict",
        "SOC 2 CC6.1",
        "PI1.1 to PI1.4",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let list = explained(&["--format", "json"]).json();
    assert_eq!(list["format"], "explain-list");
    assert!(
        list["keys"]
            .as_array()
            .unwrap()
            .contains(&"qdrant.replicas".into())
    );
    assert!(
        list["objects"]
            .as_array()
            .unwrap()
            .contains(&"StatefulSet/sophia-memory/qdrant".into())
    );
}

#[test]
fn an_out_of_scope_control_is_explained_with_the_reason() {
    for id in [
        "CC1.4",
        "SOC 2 CC7.3",
        "164.308(a)(2)",
        "hipaa 164.312(a)(2)(iii)",
    ] {
        let text = explained(&[id]).out;
        assert!(text.contains("Out of scope: "), "{id}: {text}");
    }
    let json = json("CC9.1");
    assert_eq!(
        json["outOfScope"]["reason"],
        "organizational processes are not visible in manifests"
    );
}

#[test]
fn every_kind_of_subject_has_a_documented_format() {
    for subject in [
        "qdrant.replicas",
        "openaiApiKey",
        "Namespace/sophia-memory",
        "mesh-mtls-strict",
        "CC6.1",
        "CC1",
        "tiers",
    ] {
        assert_eq!(
            explained(&[subject, "--format", "json"]).json()["format"],
            "explain"
        );
    }
}
