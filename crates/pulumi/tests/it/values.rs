//! Values travel unchanged, or not at all, and secrets are not seen.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pulumi_wire::{Checksum, EncodeError, JsonError, SecretString, UnknownKind, Value};
use serde_json::json;

/// Anything that can be sent and comes back the same: no secrets by name, which become plain secrets.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::num::f64::NORMAL.prop_map(Value::Number),
        (-9_007_199_254_740_992_i64..=9_007_199_254_740_992).prop_map(integer),
        ".*".prop_map(Value::String),
        prop::sample::select(UnknownKind::ALL.to_vec()).prop_map(Value::Unknown),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(".*", inner.clone(), 0..6).prop_map(Value::Object),
            inner.prop_map(Value::secret),
        ]
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only integers that doubles can tell apart are made"
)]
fn integer(integer: i64) -> Value {
    Value::Number(integer as f64)
}

fn no_secrets() -> BTreeMap<String, SecretString> {
    BTreeMap::new()
}

proptest! {
    #[test]
    fn a_value_survives_encoding_and_decoding(value in any_value()) {
        let sent = value.to_wire(&no_secrets()).expect("nothing in it needs a secret");
        prop_assert_eq!(Value::from_wire(sent), Ok(value));
    }

    #[test]
    fn no_secret_is_shown(text in "[a-z]{8}[0-9]{8}", wrapped in any::<bool>()) {
        let mut value = Value::from(text.as_str());
        if wrapped {
            value = Value::Object(BTreeMap::from([("key".to_owned(), Value::Array(vec![value]))]));
        }
        let secret = Value::Array(vec![Value::secret(value)]);
        let shown = format!("{secret:?} {secret:#?} {}", serde_json::to_string(&secret).expect("serializable"));
        prop_assert!(!shown.contains(&text), "{}", shown);
    }

    #[test]
    fn every_integer_with_an_exact_double_is_serialized_as_an_integer(number in -9_007_199_254_740_992_i64..=9_007_199_254_740_992) {
        let value = Value::from_json(&json!(number)).expect("small enough");
        prop_assert_eq!(serde_json::to_value(&value).expect("serializable"), json!(number));
    }

    #[test]
    fn an_integer_without_an_exact_double_is_rejected(number in 9_007_199_254_740_993_u64..) {
        let path = "limits[1]".to_owned();
        prop_assert_eq!(
            Value::from_json(&json!({ "limits": [1, number] })),
            Err(JsonError::IntegerTooLarge { path })
        );
    }
}

#[test]
fn json_with_reserved_keys_or_texts_is_rejected() {
    let signature = json!({ "spec": { (pulumi_wire::wire::SIGNATURE_KEY): "anything" } });
    assert_eq!(
        Value::from_json(&signature),
        Err(JsonError::Reserved {
            path: "spec".to_owned()
        })
    );
    let sentinel = json!(["a", pulumi_wire::wire::UNKNOWN_STRING]);
    assert_eq!(
        Value::from_json(&sentinel),
        Err(JsonError::Reserved {
            path: "[1]".to_owned()
        })
    );
}

#[test]
fn a_number_that_is_not_finite_is_rejected() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let value = Value::Object(BTreeMap::from([(
            "size".to_owned(),
            Value::Array(vec![Value::Number(number)]),
        )]));
        let refused = Err(EncodeError::NotFinite {
            path: "size[0]".to_owned(),
        });
        assert_eq!(value.to_wire(&no_secrets()), refused);
    }
}

#[test]
fn a_reference_to_a_secret_is_resolved_when_it_is_sent() {
    let secrets = BTreeMap::from([("key".to_owned(), SecretString::from("hunter2"))]);
    let sent = Value::SecretRef("key".to_owned())
        .to_wire(&secrets)
        .expect("its value is there");
    assert_eq!(Value::from_wire(sent), Ok(Value::secret(Value::from("hunter2"))));
    let missing = EncodeError::MissingSecret {
        name: "other".to_owned(),
        path: "the root".to_owned(),
    };
    assert_eq!(
        Value::SecretRef("other".to_owned()).to_wire(&secrets),
        Err(missing)
    );
}

#[test]
fn a_checksum_is_sent_in_plain_text_and_requires_all_its_secrets() {
    let mut secrets = BTreeMap::from([("key".to_owned(), SecretString::from("hunter2"))]);
    let value = Value::ChecksumOf(Checksum::of("key", ["password"]));
    let missing = EncodeError::MissingSecret {
        name: "password".to_owned(),
        path: "the root".to_owned(),
    };
    assert_eq!(value.to_wire(&secrets), Err(missing));
    secrets.insert("password".to_owned(), SecretString::from("swordfish"));
    let sent =
        Value::from_wire(value.to_wire(&secrets).expect("both are there")).expect("sent as it should be");
    let shown = format!("{sent:?}");
    assert!(matches!(sent, Value::String(_)), "{shown}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("swordfish"),
        "{shown}"
    );
}

#[test]
fn a_checksum_of_an_unknown_secret_is_unknown() {
    let secrets = BTreeMap::from([
        ("key".to_owned(), SecretString::from("hunter2")),
        (
            "password".to_owned(),
            SecretString::from(UnknownKind::String.sentinel()),
        ),
    ]);
    let sent = Value::ChecksumOf(Checksum::of("key", ["password"])).to_wire(&secrets);
    assert_eq!(
        Value::from_wire(sent.expect("both are there")),
        Ok(Value::Unknown(UnknownKind::String))
    );
}

#[test]
fn nested_references_to_secrets_are_found() {
    let value = Value::Array(vec![
        Value::secret(Value::Array(vec![Value::SecretRef("b".to_owned())])),
        Value::Object(BTreeMap::from([(
            "x".to_owned(),
            Value::SecretRef("a".to_owned()),
        )])),
        Value::SecretRef("b".to_owned()),
        Value::ChecksumOf(Checksum::of("d", ["c", "a"])),
    ]);
    assert_eq!(
        value.secret_names().into_iter().collect::<Vec<_>>(),
        ["a", "b", "c", "d"]
    );
}

#[test]
fn a_snapshot_shows_markers_instead_of_secrets() {
    let value = Value::Object(BTreeMap::from([
        ("password".to_owned(), Value::secret(Value::from("hunter2"))),
        ("key".to_owned(), Value::SecretRef("disk-key".to_owned())),
        (
            "changed".to_owned(),
            Value::ChecksumOf(Checksum::of("checksum-key", ["disk-key", "a"])),
        ),
        ("id".to_owned(), Value::Unknown(UnknownKind::String)),
        ("replicas".to_owned(), Value::from(3)),
        ("share".to_owned(), Value::Number(0.5)),
    ]));
    let expected = json!({
        "password": { "$secret": "[secret]" },
        "key": { "$secretRef": "disk-key" },
        "changed": { "$checksumOf": "a, disk-key" },
        "id": { "$unknown": "string" },
        "replicas": 3,
        "share": 0.5,
    });
    assert_eq!(serde_json::to_value(&value).expect("serializable"), expected);
}

#[test]
fn debug_of_requests_shows_no_values() {
    use pulumi_wire::proto::{DeploymentInfo, RegisterResourceRequest, RunPluginRequest, RunRequest};
    let config = BTreeMap::from([("shop:key".to_owned(), "hunter2".to_owned())]);
    let object = pulumi_wire::to_wire(
        &BTreeMap::from([("key".to_owned(), Value::from("hunter2"))]),
        &no_secrets(),
    );
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        DeploymentInfo {
            config: config.clone(),
            ..Default::default()
        },
        RunRequest {
            config,
            ..Default::default()
        },
        RunPluginRequest {
            env: vec!["TOKEN=hunter2".to_owned()],
            ..Default::default()
        },
        RegisterResourceRequest {
            object: object.ok(),
            ..Default::default()
        },
    );
    assert!(
        shown.contains("shop:key") && shown.contains("TOKEN") && !shown.contains("hunter2"),
        "{shown}"
    );
}
