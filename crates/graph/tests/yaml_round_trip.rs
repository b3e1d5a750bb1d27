//! Whatever canonical JSON goes through the writer comes back the same from an independent reader.

use phoenix_graph::yaml;
use proptest::prelude::*;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::Value;

fn from_yaml(node: &Yaml) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        Yaml::Sequence(items) => items.iter().map(from_yaml).collect(),
        Yaml::Mapping(fields) => fields
            .iter()
            .map(|(key, value)| {
                (
                    key.as_str().expect("every key is a text").to_owned(),
                    from_yaml(value),
                )
            })
            .collect(),
        other => panic!("the writer made {other:?}"),
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\n\t]{0,40}",
        "[a-zA-Z0-9 :#\\-\n]{0,30}",
        prop::sample::select(vec![
            "on",
            "1_000",
            "0o7",
            "~",
            "- a",
            "a: b",
            "a\n",
            "\na",
            " a\nb",
            "a\n\n",
            "a\n \nb",
            "|",
            ">-",
            "%a",
            "@a",
            "a #b",
            "---",
            "...",
            "a\n---\nb"
        ])
        .prop_map(str::to_owned),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read_back_unchanged(value in json()) {
        let written = yaml::to_string(&value);
        let read = Yaml::load_from_str(&written).map_err(|error| TestCaseError::fail(format!("{error}\n{written}")))?;
        prop_assert_eq!(read.len(), 1, "one document:\n{}", &written);
        prop_assert_eq!(from_yaml(&read[0]), value, "{}", &written);
    }
}
