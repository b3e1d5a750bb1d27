//! The values of scalars in YAML 1.1, as `kubectl` resolves them: `y` is true, `010` is eight, `08` is eight too, and a
//! value in quotes with a tag has the type of its tag.

use serde_json::{Number, Value};

const CORE: &str = "tag:yaml.org,2002:";

/// The value of a scalar. The error says why `kubectl` rejects it, or why it is not supported.
pub(crate) fn resolve(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    if tag.is_none() && !is_plain {
        return Ok(Value::from(text));
    }
    if matches!(
        text.trim_start_matches(['+', '-']),
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) {
        return Err(format!("{text} is not a number in JSON"));
    }
    let Some(tag) = tag else {
        return Ok(untagged(text));
    };
    let value = match tag.strip_prefix(CORE) {
        // Dates are strings without a tag.
        Some("binary" | "timestamp") => {
            return Err(format!("the tag !!{} is not supported", &tag[CORE.len()..]));
        }
        Some("bool" | "int" | "float" | "null") => untagged(text),
        _ => return Ok(Value::from(text)),
    };
    match (&tag[CORE.len()..], &value) {
        ("bool", Value::Bool(_)) | ("null", Value::Null) => Ok(value),
        ("int", Value::Number(number)) if !number.is_f64() => Ok(value),
        ("float", Value::Number(number)) if !number.is_u64() || number.is_i64() => Ok(value),
        (name, _) => Err(format!("{text:?} is not a value of the type !!{name}")),
    }
}

/// The key of a resolved scalar. Numbers and booleans are written out.
pub(crate) fn key(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(integer.to_string()),
            (None, Some(float)) if number.is_f64() => float_key(float),
            _ => Err("a number as a key must fit into 64 bits"),
        },
        Value::Null => Err("a key is empty"),
        Value::Array(_) | Value::Object(_) => Err("a key must be a string, not a list or a mapping"),
    }
}

/// A float as a key, in single precision; `kubectl` writes large and small ones with an exponent.
#[expect(
    clippy::cast_possible_truncation,
    reason = "kubectl writes keys in single precision"
)]
fn float_key(float: f64) -> Result<String, &'static str> {
    let single = float as f32;
    if single != 0.0 && !(1e-4..1e5).contains(&single.abs()) {
        return Err("a number as a key must be quoted");
    }
    Ok(single.to_string())
}

/// The value of a plain scalar.
fn untagged(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' if has_digits_around_underscores(text) => float(&text.replace('_', "")),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    number.map_or_else(|| Value::from(text), Value::Number)
}

/// A number in base 10, 16 (`0x`), 8 (`0` or `0o`) or 2 (`0b`). Beyond 64 bits with a sign, it becomes a float.
fn integer(text: &str) -> Option<Number> {
    let (is_negative, unsigned) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let bytes = unsigned.as_bytes();
    let (radix, digits) = match bytes {
        [b'0', b'x' | b'X', _, ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if is_negative {
        let signed = 0_i64.checked_sub_unsigned(magnitude)?;
        return Some(Number::from(signed));
    }
    if text.starts_with('+') && i64::try_from(magnitude).is_err() {
        return None;
    }
    Some(Number::from(magnitude))
}

fn has_digits_around_underscores(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (1..bytes.len()).all(|at| bytes[at] != b'_' || (is_digit(at - 1) && is_digit(at + 1)))
}

/// A decimal number with a fraction or an exponent. One that is too large is a string.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_float = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let number = is_float.then(|| text.parse().ok()).flatten()?;
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What `kubectl` 1.37 makes of these.
    #[test]
    fn plain_scalars_have_the_types_that_kubectl_gives_them() {
        for (text, value) in [
            ("y", json!(true)),
            ("N", json!(false)),
            ("Yes", json!(true)),
            ("oN", json!("oN")),
            ("off", json!(false)),
            ("tRue", json!("tRue")),
            ("Null", json!(null)),
            ("~", json!(null)),
            ("010", json!(8)),
            ("08", json!(8.0)),
            ("0o17", json!(15)),
            ("0O17", json!(15)),
            ("0x1F", json!(31)),
            ("0X1f", json!(31)),
            ("-0x1F", json!(-31)),
            ("0b101", json!(5)),
            ("-0b101", json!(-5)),
            ("0x", json!("0x")),
            ("0b", json!("0b")),
            ("1_000", json!(1000)),
            ("1__0_", json!(10)),
            ("_1", json!("_1")),
            ("+5", json!(5)),
            ("-0", json!(0)),
            ("--1", json!("--1")),
            ("1:30", json!("1:30")),
            ("190:20:30", json!("190:20:30")),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("1e3", json!(1000.0)),
            ("1_0.5", json!(10.5)),
            ("1e999", json!("1e999")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("+", json!("+")),
            (".", json!(".")),
            ("1e", json!("1e")),
            ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
            ("-9223372036854775808", json!(-9_223_372_036_854_775_808_i64)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("2026-01-01", json!("2026-01-01")),
            ("2026-01-01T00:00:00Z", json!("2026-01-01T00:00:00Z")),
            ("<<", json!("<<")),
            ("0.0.0.0/0", json!("0.0.0.0/0")),
        ] {
            assert_eq!(resolve(text, true, None), Ok(value), "{text}");
            assert_eq!(resolve(text, false, None), Ok(json!(text)), "{text}");
        }
    }

    #[test]
    fn a_tag_decides_the_type_in_quotes_too() {
        let tagged = |tag: &str, text: &str| resolve(text, false, Some(&format!("{CORE}{tag}")));
        assert_eq!(tagged("bool", "true"), Ok(json!(true)));
        assert_eq!(tagged("bool", "y"), Ok(json!(true)));
        assert_eq!(tagged("int", "0"), Ok(json!(0)));
        assert_eq!(tagged("int", "0x10"), Ok(json!(16)));
        assert_eq!(tagged("float", "1"), Ok(json!(1)));
        assert_eq!(tagged("null", ""), Ok(json!(null)));
        assert_eq!(tagged("str", "true"), Ok(json!("true")));
        assert_eq!(tagged("merge", "<<"), Ok(json!("<<")));
        assert_eq!(resolve("true", true, Some("!")), Ok(json!("true")));
        assert_eq!(resolve("true", true, Some("!custom")), Ok(json!("true")));
        assert!(resolve("-.inf", true, None).is_err());
        for (tag, text) in [
            ("int", "true"),
            ("int", "1.5"),
            ("bool", "0"),
            ("bool", ""),
            ("null", "x"),
            ("float", "x"),
            ("binary", "aGk="),
            ("timestamp", "2026-01-01"),
        ] {
            assert!(tagged(tag, text).is_err(), "!!{tag} {text}");
        }
    }

    #[test]
    fn keys_are_strings() {
        assert_eq!(key(json!(true)), Ok("true".to_owned()));
        assert_eq!(key(json!(8)), Ok("8".to_owned()));
        assert_eq!(key(json!(1.10)), Ok("1.1".to_owned()));
        assert_eq!(key(json!(1000.0)), Ok("1000".to_owned()));
        for value in [json!(null), json!([]), json!(1e21), json!(u64::MAX)] {
            assert!(key(value.clone()).is_err(), "{value}");
        }
    }
}
