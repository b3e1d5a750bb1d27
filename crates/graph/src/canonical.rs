//! The one JSON form that every object takes, wherever it came from.
//!
//! Keys are sorted, nulls and `status` are gone, and integral doubles are integers, because the
//! engine sends every number as a double and `6333.0` is no port to serde.

use serde_json::{Number, Value};

/// Doubles beyond this no longer represent every integer.
const LARGEST_EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Brings a whole object into canonical form.
///
/// What only a server writes is left out: `status`, `metadata.managedFields`, and the other
/// metadata that a server adds.
pub fn object(mut value: Value) -> Value {
    make_canonical(&mut value);
    if let Value::Object(fields) = &mut value {
        fields.remove("status");
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            for written_by_server in [
                "creationTimestamp",
                "generation",
                "managedFields",
                "resourceVersion",
                "selfLink",
                "uid",
            ] {
                metadata.remove(written_by_server);
            }
        }
    }
    value
}

/// Brings any value into canonical form.
pub fn canonical(mut value: Value) -> Value {
    make_canonical(&mut value);
    value
}

/// In place, because most of an object is canonical already, and checking it costs less than rebuilding it.
fn make_canonical(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(make_canonical);
            // Does nothing, until any crate in the build asks serde_json to keep the order of insertion.
            fields.sort_keys();
        }
        Value::Array(items) => items.iter_mut().for_each(make_canonical),
        Value::Number(number) => {
            if let Some(integer) = integral(number) {
                *number = integer;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => (),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "only doubles that are exact integers are cast"
)]
fn integral(number: &Number) -> Option<Number> {
    let double = number.as_f64().filter(|_| number.is_f64())?;
    let exact = double.fract() == 0.0 && double.abs() <= LARGEST_EXACT_DOUBLE;
    exact.then_some(Number::from(double as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integral_doubles_become_integers_and_others_stay() {
        assert_eq!(
            canonical(json!({"port": 6333.0, "ratio": 0.5})).to_string(),
            r#"{"port":6333,"ratio":0.5}"#
        );
        assert_eq!(canonical(json!(1e300)), json!(1e300));
    }

    #[test]
    fn keys_are_sorted_and_nulls_are_gone() {
        assert_eq!(
            canonical(json!({"b": null, "z": {"y": 1, "x": [null, 2]}, "a": 1})).to_string(),
            r#"{"a":1,"z":{"x":[null,2],"y":1}}"#
        );
    }

    #[test]
    fn what_only_a_server_writes_is_left_out() {
        let from_cluster = json!({
            "kind": "Namespace",
            "metadata": {"name": "a", "uid": "1", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Active"},
        });
        assert_eq!(
            object(from_cluster),
            json!({"kind": "Namespace", "metadata": {"name": "a"}})
        );
    }
}
