//! The effect of settings and waivers, and the errors of invalid ones.

use std::fmt::Write as _;

use phoenix_policies::settings::assume;
use phoenix_policies::{Authority, Enforcement, Rule, Settings, Source, Verdict, evaluate};
use serde_json::{Value, json};

use crate::support::{documents, findings, graph, of_rule, today};

fn read(value: &Value) -> Settings {
    Settings::read(value, today()).unwrap()
}

fn read_as(authority: Authority, value: &Value) -> Result<Settings, Vec<String>> {
    let source = Source::new("the file", authority);
    Settings::read_from(value, &source, today())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn problems(value: &Value) -> Vec<String> {
    read_as(Authority::Caller, value).unwrap_err()
}

/// The settings of a stack on top of those of a profile.
fn stack(profile: &Value, stack: &Value) -> Settings {
    let mut settings = read_as(Authority::Profile, profile).unwrap();
    settings.tighten(&read_as(Authority::Stack, stack).unwrap(), "dev");
    settings
}

/// The findings of a rule about settings, with no objects.
fn about(id: &str, settings: &Settings) -> Vec<String> {
    let verdicts = of_rule(rule(id), &evaluate(&graph(&[]), settings));
    let found = findings(&verdicts).into_iter();
    found
        .map(|(subject, finding)| format!("{subject} at {}: {}", finding.path, finding.message))
        .collect()
}

fn assumption(value: &Value) -> Value {
    json!({"value": value, "owner": "storage", "evidence": "the review STO-7", "reviewBy": "2027-03-31"})
}

fn rule(id: &str) -> &'static Rule {
    phoenix_policies::rules::find(id).unwrap()
}

const BAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ns}\nspec:\n  containers:\n  - {name: app, securityContext: {privileged: true}}\n";

#[test]
fn all_settings_errors_are_reported_with_the_closest_name() {
    insta::assert_snapshot!(
        problems(&json!({
            "rule": {},
            "all": "strict",
            "rules": {
                "no-privileged-container": "mandatory",
                "no-host-ports": "sometimes",
                "image-registry-allowed": {"registry": [], "registries": "ghcr.io"},
            },
            "assume": {"meshRoot": "istio", "complete": "yes"},
            "waivers": [{"rule": "no-host-ports", "because": "we must"}],
        }))
        .join("\n\n")
    );
}

#[test]
fn the_example_of_the_catalog_is_accepted_as_written() {
    let example = documents(phoenix_policies::SETTINGS_EXAMPLE).remove(0);
    let settings = read(&example["phoenix:policies"]);
    assert_eq!(settings.waivers.len(), 1);
    assert!(settings.waivers[0].is_valid_on(today()));
}

#[test]
fn an_old_key_is_an_error_that_names_the_new_one() {
    assert_eq!(
        problems(&json!({
            "assume": {"foreignNamespaces": ["mesh"]},
            "rules": {"waivers-are-valid": {"daysTold": 14}},
        })),
        [
            "assume.foreignNamespaces was renamed to externallyManagedNamespaces\nhint: use externallyManagedNamespaces; its values are the same",
            "rules.waivers-are-valid.daysTold was renamed to expiryNoticeDays\nhint: use expiryNoticeDays; its values are the same",
        ]
    );
}

#[test]
fn every_missing_field_of_a_waiver_is_reported() {
    let problems =
        problems(&json!({"waivers": [{"rule": "no-host-ports", "lastDay": "tomorrow"}, "all of them"]}));
    let fields = ["objects", "reason", "owner", "approver", "approved", "ticket"];
    for field in fields {
        let message = format!("waivers[0].{field} is missing: a waiver requires it");
        assert!(problems.contains(&message), "{message} is not in {problems:#?}");
    }
    for message in [
        "waivers[0].lastDay must be a day in the form \"2026-11-22\"",
        "waivers[1] must be a mapping",
    ] {
        assert!(problems.contains(&message.to_owned()), "{problems:#?}");
    }
    assert_eq!(problems.len(), fields.len() + 2);
}

#[test]
fn enforcement_comes_from_the_rule_setting_then_all_then_the_default() {
    let settings = read(
        &json!({"all": "advisory", "rules": {"no-host-ports": "mandatory", "no-root-group": {"enforcement": "disabled"}}}),
    );
    assert_eq!(
        settings.enforcement(rule("no-host-ports")),
        Enforcement::Mandatory
    );
    assert_eq!(settings.enforcement(rule("no-root-group")), Enforcement::Disabled);
    assert_eq!(
        settings.enforcement(rule("no-host-namespaces")),
        Enforcement::Advisory
    );
    // `all` does not enable a rule that is disabled by default.
    assert_eq!(
        settings.enforcement(rule("secrets-mounted-as-files")),
        Enforcement::Disabled
    );
    assert_eq!(
        read(&json!({})).enforcement(rule("no-host-ports")),
        Enforcement::Mandatory
    );
}

#[test]
fn a_disabled_rule_is_not_evaluated() {
    let report = evaluate(
        &graph(&documents(BAD)),
        &read(&json!({"rules": {"no-privileged-containers": "disabled"}})),
    );
    assert_eq!(
        report.of(rule("no-privileged-containers")).unwrap().population(),
        0
    );
}

#[test]
fn only_an_unwaived_mandatory_failure_blocks() {
    let off: serde_json::Map<String, Value> = phoenix_policies::RULES
        .iter()
        .filter(|rule| rule.id != "no-privileged-containers")
        .map(|rule| (rule.id.to_owned(), json!("disabled")))
        .collect();
    let graph = graph(&documents(BAD));
    let blocks = |more: Value| {
        let mut rules = off.clone();
        rules.extend(more.as_object().unwrap().clone());
        evaluate(&graph, &read(&json!({"rules": rules}))).blocks()
    };
    assert!(blocks(json!({})));
    assert!(!blocks(json!({"no-privileged-containers": "advisory"})));
}

#[test]
fn a_missing_object_is_unknown_if_the_input_is_incomplete() {
    let bad = rule("workload-has-network-policy").text.bad;
    let verdicts = |complete: bool| {
        let mut settings = read(&json!({}));
        settings.assume(&assume::COMPLETE, json!(complete));
        of_rule(
            rule("workload-has-network-policy"),
            &evaluate(&graph(&documents(bad)), &settings),
        )
    };
    assert!(matches!(verdicts(true)[0].1, Verdict::Fail(_)));
    assert!(matches!(verdicts(false)[0].1, Verdict::Unknown(_)));
}

fn waiver(change: &Value) -> Value {
    let mut waiver = json!({
        "rule": "no-privileged-containers", "objects": ["Pod ns/a"], "reason": "reads the node's disks",
        "compensatingMeasure": "runs on a node of its own", "owner": "storage", "approver": "security",
        "approved": "2026-06-01", "lastDay": "2027-03-31", "ticket": "SEC-1",
    });
    waiver
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    waiver
}

/// The findings about a waiver, and whether it waives the failure of the pod.
fn waived(change: &Value) -> (Vec<String>, bool) {
    let settings = read(&json!({"waivers": [waiver(change)]}));
    let report = evaluate(&graph(&documents(BAD)), &settings);
    let found = findings(&of_rule(rule("waivers-are-valid"), &report));
    let failure = &report.of(rule("no-privileged-containers")).unwrap().failed[0];
    let found = found
        .into_iter()
        .map(|(subject, finding)| format!("{subject} at {}: {}", finding.path, finding.message));
    (found.collect(), failure.waived.is_some())
}

#[test]
fn a_valid_waiver_waives_a_failure_that_stays_in_the_report() {
    assert_eq!(waived(&json!({})), (vec![], true));
}

#[test]
fn a_waiver_is_checked() {
    let mut text = String::new();
    for (what, change, excuses) in [
        ("ended", json!({"lastDay": "2026-11-21"}), false),
        ("not begun", json!({"approved": "2026-11-23"}), false),
        ("too long", json!({"lastDay": "2027-06-03"}), true),
        ("its last day", json!({"lastDay": "2026-11-22"}), true),
        ("unneeded", json!({"objects": ["Pod ns/a", "Pod n/b"]}), true),
        ("too wide", json!({"objects": ["Pod n/*"]}), false),
        (
            "without owner and ticket",
            json!({"owner": " ", "ticket": ""}),
            false,
        ),
        ("approved by its owner", json!({"approver": "storage"}), false),
        (
            "approved by its owner in another spelling",
            json!({"approver": " STORAGE "}),
            false,
        ),
        ("approver -", json!({"approver": "-"}), false),
        ("approver TBD", json!({"approver": "TBD"}), false),
        (
            "owner n/a, reason ?",
            json!({"owner": "n/a", "reason": "?"}),
            false,
        ),
        ("measure none", json!({"compensatingMeasure": "none"}), true),
        ("only a reason", json!({"compensatingMeasure": ""}), true),
    ] {
        let (found, does) = waived(&change);
        assert_eq!(does, excuses, "{what}: {found:?}");
        let _ = writeln!(text, "{what}:");
        for line in found {
            let _ = writeln!(text, "  {line}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_expiring_waiver_is_reported() {
    let ending = |last_day: &str| {
        let settings = read(&json!({"waivers": [waiver(&json!({"lastDay": last_day}))]}));
        let report = evaluate(&graph(&documents(BAD)), &settings);
        report
            .expiring_waivers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(ending("2026-12-23"), Vec::<String>::new());
    assert_eq!(
        ending("2026-12-22"),
        [
            "waiver SEC-1 for no-privileged-containers expires on 2026-12-22: owner storage must fix the failure by then or request an extension from security"
        ]
    );
}

#[test]
fn the_expiry_notice_of_waivers_is_configurable() {
    let ending = |days: u32| {
        let settings = read(&json!({
            "waivers": [waiver(&json!({"lastDay": "2026-12-22"}))],
            "rules": {"waivers-are-valid": {"expiryNoticeDays": days}},
        }));
        evaluate(&graph(&documents(BAD)), &settings)
            .expiring_waivers
            .len()
    };
    assert_eq!((ending(29), ending(30), ending(60)), (0, 1, 1));
}

#[test]
fn only_rules_with_a_remediation_are_remediated() {
    let settings = read(&json!({"rules": {"run-as-non-root": "remediate"}}));
    assert_eq!(
        settings.enforcement(rule("run-as-non-root")),
        Enforcement::Remediate
    );
    assert!(settings.enforcement(rule("run-as-non-root")).stops());
    let errors = problems(&json!({"rules": {"no-host-ports": "remediate"}}));
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains(
            "use mandatory; the rules with an automatic remediation are run-as-non-root, drop-all-capabilities"
        ),
        "{errors:?}"
    );
    // `all: remediate` is accepted although most rules have no remediation.
    let settings = read(&json!({"all": "remediate"}));
    assert_eq!(
        settings.enforcement(rule("no-host-ports")),
        Enforcement::Mandatory
    );
    assert_eq!(
        settings.enforcement(rule("drop-all-capabilities")),
        Enforcement::Remediate
    );
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let schema = phoenix_policies::schema::schema();
    let fields = |schema: &Value| -> Vec<String> {
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    // Every field of the schema is accepted with a value of the schema's type.
    let example = |field: &Value| match field["type"].as_str() {
        Some("boolean") => json!(true),
        Some("integer") => json!(1),
        Some("array") => json!(["a"]),
        Some("string") => json!("a"),
        _ => field["enum"][0].clone(),
    };
    for id in fields(&schema["properties"]["rules"]) {
        let of_rule = &schema["properties"]["rules"]["properties"][&id]["anyOf"];
        for word in of_rule[0]["enum"].as_array().unwrap() {
            read(&json!({"rules": {&id: word}}));
        }
        for field in fields(&of_rule[1]) {
            let value = example(&of_rule[1]["properties"][&field]);
            read(&json!({"rules": {&id: {&field: value}}}));
        }
    }
    for field in fields(&schema["properties"]["assume"]) {
        let of_field = &schema["properties"]["assume"]["properties"][&field];
        let record: serde_json::Map<String, Value> = fields(of_field)
            .into_iter()
            .map(|name| {
                let value = match name.as_str() {
                    "reviewBy" => json!("2027-01-31"),
                    _ => example(&of_field["properties"][&name]),
                };
                (name, value)
            })
            .collect();
        assert_eq!(
            of_field["required"],
            json!(record.keys().collect::<Vec<_>>()),
            "every field is required"
        );
        read_as(Authority::Stack, &json!({"assume": {&field: record}})).unwrap();
    }
    // A waiver has exactly these fields, and the required ones are mandatory.
    let of_waiver = &schema["properties"]["waivers"]["items"];
    let whole = waiver(&json!({}));
    let mut written: Vec<_> = whole.as_object().unwrap().keys().cloned().collect();
    written.sort();
    assert_eq!(fields(of_waiver), written);
    for field in fields(of_waiver) {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(&field);
        let refused = Settings::read(&json!({"waivers": [without]}), today()).is_err();
        let required = of_waiver["required"].as_array().unwrap().contains(&json!(field));
        assert_eq!(refused, required, "{field}");
    }
}

#[test]
fn a_day_that_does_not_exist_is_an_error() {
    let errors = problems(&json!({"waivers": [waiver(&json!({"lastDay": "2026-02-30"}))]}));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("must be a day in the form"), "{errors:?}");
}

#[test]
fn a_stack_can_only_tighten_its_evaluation() {
    let privileged = rule("no-privileged-containers");
    for (own, path) in [
        (json!({"all": "disabled"}), "all"),
        (json!({"all": "advisory"}), "all"),
        (
            json!({"rules": {"no-privileged-containers": "disabled"}}),
            "rules.no-privileged-containers",
        ),
        (
            json!({"rules": {"no-privileged-containers": {"enforcement": "advisory"}}}),
            "rules.no-privileged-containers",
        ),
        (
            json!({"rules": {"evaluation-not-weakened": "disabled"}}),
            "rules.evaluation-not-weakened",
        ),
        (
            json!({"rules": {"replicas-minimum": {"minimum": 0}}}),
            "rules.replicas-minimum.minimum",
        ),
        (
            json!({"rules": {"no-host-path-volumes": {"allowed": ["/"]}}}),
            "rules.no-host-path-volumes.allowed",
        ),
        (
            json!({"rules": {"backup-covers-data": {"annotation": ["app.kubernetes.io/name"]}}}),
            "rules.backup-covers-data.annotation",
        ),
    ] {
        let settings = stack(&json!({}), &own);
        assert_eq!(settings.enforcement(privileged), Enforcement::Mandatory, "{own}");
        let found = about("evaluation-not-weakened", &settings);
        assert_eq!(found.len(), 1, "{own}: {found:?}");
        assert!(
            found[0].starts_with(&format!("Stack dev at {path}: the stack cannot ")),
            "{found:?}"
        );
        assert!(evaluate(&graph(&[]), &settings).blocks(), "{own}");
        assert!(settings.relaxations().is_empty(), "{own}");
    }
    let tightened = stack(
        &json!({"rules": {"replicas-minimum": "disabled", "no-host-ports": "advisory"}}),
        &json!({
            "all": "mandatory",
            "rules": {"no-root-group": "mandatory", "replicas-minimum": {"minimum": 3}},
        }),
    );
    assert_eq!(about("evaluation-not-weakened", &tightened), Vec::<String>::new());
    for id in ["no-root-group", "replicas-minimum", "no-host-ports"] {
        assert_eq!(tightened.enforcement(rule(id)), Enforcement::Mandatory, "{id}");
    }
    // `all` does not enable a rule that is disabled by default.
    assert_eq!(
        tightened.enforcement(rule("secrets-mounted-as-files")),
        Enforcement::Disabled
    );
}

#[test]
fn a_profile_relaxes_and_the_relaxation_is_listed() {
    let profile = json!({"rules": {
        "image-digest-pinned": "disabled",
        "replicas-minimum": {"minimum": 1},
        "no-root-group": "mandatory",
    }});
    let settings = stack(&profile, &json!({"rules": {"image-digest-pinned": "advisory"}}));
    assert_eq!(
        settings.enforcement(rule("image-digest-pinned")),
        Enforcement::Advisory
    );
    let listed: Vec<_> = settings.relaxations().iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        [
            "image-digest-pinned is advisory instead of mandatory, set by the file",
            "replicas-minimum.minimum is 1 instead of 2, set by the file",
        ]
    );
    let refused = read_as(
        Authority::Profile,
        &json!({"rules": {"waivers-are-valid": "advisory", "evaluation-not-weakened": "disabled"}}),
    )
    .unwrap_err();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(read_as(Authority::Profile, &json!({"waivers": [waiver(&json!({}))]})).is_err());
    // `all` of a profile does not apply to the rules about settings.
    let profile = json!({"all": "disabled"});
    let settings = stack(
        &profile,
        &json!({"rules": {"no-host-ports": {"enforcement": "advisory"}}}),
    );
    for (id, expected) in [
        ("no-privileged-containers", Enforcement::Disabled),
        ("no-host-ports", Enforcement::Advisory),
        ("waivers-are-valid", Enforcement::Mandatory),
        ("evaluation-not-weakened", Enforcement::Mandatory),
        ("assumptions-are-reviewed", Enforcement::Mandatory),
    ] {
        assert_eq!(settings.enforcement(rule(id)), expected, "{id}");
    }
    // The caller is outside the stack.
    assert_eq!(read(&json!({"all": "disabled"})).relaxations().len(), {
        let enabled = phoenix_policies::RULES.iter();
        enabled
            .filter(|rule| rule.enforcement != Enforcement::Disabled)
            .count()
    });
}

#[test]
fn an_assumption_of_a_stack_has_an_owner_evidence_and_a_review_date() {
    for (assume, problem) in [
        (
            json!({"complete": assumption(&json!(false))}),
            "assume.complete is not accepted in a stack file",
        ),
        (
            json!({"complete": true}),
            "assume.complete is not accepted in a stack file",
        ),
        (
            json!({"mesh": "never"}),
            "assume.mesh is not accepted in a stack file",
        ),
        (
            json!({"backupStoresEncrypted": true}),
            "assume.backupStoresEncrypted must be a mapping with value",
        ),
        (
            json!({"backupStoresEncrypted": {"value": true, "owner": "a", "reviewBy": "2027-01-01"}}),
            "assume.backupStoresEncrypted.evidence is missing",
        ),
        (
            json!({"backupStoresEncrypted": assumption(&json!("yes"))}),
            "assume.backupStoresEncrypted must be true or false",
        ),
    ] {
        let refused = read_as(Authority::Stack, &json!({"assume": assume})).unwrap_err();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with(problem), "{refused:?}");
    }
    for (change, fault) in [
        (json!({}), None),
        (json!({"reviewBy": "2026-11-22"}), None),
        (
            json!({"reviewBy": "2026-11-21"}),
            Some("reviewBy: the review was due on 2026-11-21"),
        ),
        (
            json!({"reviewBy": "9999-12-31"}),
            Some("reviewBy: the next review is more than one year from now"),
        ),
        (
            json!({"owner": "TBD"}),
            Some("owner: the owner is only a placeholder: TBD"),
        ),
        (json!({"evidence": " "}), Some("evidence: the evidence is empty")),
    ] {
        let mut made = assumption(&json!(true));
        made.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let settings = stack(&json!({}), &json!({"assume": {"backupStoresEncrypted": made}}));
        let found = about("assumptions-are-reviewed", &settings);
        let expected = fault
            .map(|fault| format!("Assumption backupStoresEncrypted at assume.backupStoresEncrypted.{fault}"));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        // A faulty assumption has no effect.
        let setting = &assume::BACKUP_STORES_ENCRYPTED;
        let has_effect = settings.assumptions().contains(&(setting, json!(true)));
        assert_eq!(has_effect, fault.is_none());
    }
}

#[test]
fn a_pass_that_depends_on_an_assumption_is_counted_apart() {
    let claims = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a, namespace: n}\n---\napiVersion: v1\nkind: \
                  PersistentVolumeClaim\nmetadata: {name: b, namespace: n}\n";
    let covered = rule("backup-covers-data");
    let assumed = |assume: Value| {
        let settings = stack(&json!({}), &json!({"assume": assume}));
        let report = evaluate(&graph(&documents(claims)), &settings);
        of_rule(covered, &report)
            .into_iter()
            .map(|(_, verdict)| match verdict {
                Verdict::AssumedPass(assumptions) => assumptions.join(", "),
                Verdict::Fail(_) => "fail".to_owned(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(assumed(json!({})), ["fail", "fail"]);
    let one = assumption(&json!(["n/a"]));
    assert_eq!(
        assumed(json!({"ephemeralClaims": one})),
        ["ephemeralClaims", "fail"]
    );
    // Two assumptions, each of which is sufficient.
    let both = assumed(
        json!({"ephemeralClaims": one, "externallyBackedUpClaims": assumption(&json!(["n/a", "n/b"]))}),
    );
    assert_eq!(
        both,
        [
            "externallyBackedUpClaims, ephemeralClaims",
            "externallyBackedUpClaims"
        ]
        .map(|names| {
            let mut names: Vec<_> = names.split(", ").collect();
            names.sort_unstable();
            names.join(", ")
        })
    );
    // An assumption that changes nothing leaves a pass as it is.
    let unrelated = stack(
        &json!({}),
        &json!({"assume": {"backupStoresEncrypted": assumption(&json!(true))}}),
    );
    let report = evaluate(&graph(&documents(covered.text.good)), &unrelated);
    assert!(report.of(covered).unwrap().assumed.is_empty());
}

#[test]
fn what_is_exempt_by_assumption_is_not_silently_exempt() {
    let settings = read(&json!({"assume": {"mesh": "never"}}));
    let strict = rule("mesh-mtls-strict");
    let report = evaluate(&graph(&documents(strict.text.bad)), &settings);
    let of_rule = report.of(strict).unwrap();
    assert!(!of_rule.assumed.is_empty());
    assert!(of_rule.assumed.iter().all(|pass| pass.assumptions == ["mesh"]));
}

#[test]
fn a_rule_about_settings_cannot_be_waived() {
    let value = json!({"waivers": [
        waiver(&json!({"approver": "-"})),
        waiver(&json!({"rule": "waivers-are-valid", "objects": ["Waiver SEC-1 (no-privileged-containers)"]})),
    ]});
    let refused = problems(&value);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].starts_with(
            "waivers[1].rule is waivers-are-valid, which checks the settings and cannot be waived"
        ),
        "{refused:?}"
    );
}

#[test]
fn all_mistakes_in_waivers_are_reported_together() {
    assert_eq!(
        problems(&json!({"waivers": [waiver(&json!({
            "rule": "no-priviledged-containers", "approver": "Storage", "lastDay": "2026-13-01", "ticket": "TBD",
        }))]})),
        [
            "waivers[0].rule is \"no-priviledged-containers\", which is not a rule\nhint: did you mean no-privileged-containers?",
            "waivers[0].lastDay must be a day in the form \"2026-11-22\"",
            "waivers[0].ticket is not acceptable: the ticket is only a placeholder: TBD",
            "waivers[0].approver is not acceptable: the owner approved the waiver; the approver must be a different person or team",
        ]
    );
}
