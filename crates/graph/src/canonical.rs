//! The canonical JSON form of all objects, independent of their origin.
//!
//! Keys are sorted, nulls and `status` are removed, and doubles without a fraction are integers: the engine sends every
//! number as a double, and serde rejects `6333.0` as a port.

use serde_json::{Number, Value};

/// Doubles beyond this no longer represent every integer.
const LARGEST_EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Converts an object to canonical form.
///
/// Fields that only an API server writes are removed: `status`, `metadata.managedFields` and similar metadata.
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

/// Converts a value to canonical form.
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
            // Has an effect only if a crate in the build enables the feature `preserve_order` of serde_json.
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
    fn doubles_without_a_fraction_become_integers() {
        assert_eq!(
            canonical(json!({"port": 6333.0, "ratio": 0.5})).to_string(),
            r#"{"port":6333,"ratio":0.5}"#
        );
        assert_eq!(canonical(json!(1e300)), json!(1e300));
    }

    #[test]
    fn keys_are_sorted_and_nulls_are_removed() {
        assert_eq!(
            canonical(json!({"b": null, "z": {"y": 1, "x": [null, 2]}, "a": 1})).to_string(),
            r#"{"a":1,"z":{"x":[null,2],"y":1}}"#
        );
    }

    #[test]
    fn fields_that_only_a_server_writes_are_removed() {
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
