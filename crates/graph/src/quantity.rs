//! Quantities of Kubernetes, such as `200m`, `1.5Gi` or `2e9`, in thousandths of their unit.

use serde_json::Value;

/// The thousandths of a quantity, rounded up; `None` if it is not one, is negative or too large.
pub fn thousandths(value: &Value) -> Option<u128> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

/// The suffixes, each with the powers of 2 and of 10 by which a number is multiplied.
const SUFFIXES: [(&str, u32, i32); 16] = [
    ("Ki", 10, 0),
    ("Mi", 20, 0),
    ("Gi", 30, 0),
    ("Ti", 40, 0),
    ("Pi", 50, 0),
    ("Ei", 60, 0),
    ("n", 0, -9),
    ("u", 0, -6),
    ("m", 0, -3),
    ("k", 0, 3),
    ("M", 0, 6),
    ("G", 0, 9),
    ("T", 0, 12),
    ("P", 0, 15),
    ("E", 0, 18),
    ("", 0, 0),
];

/// Parses a quantity.
pub(crate) fn parse(text: &str) -> Option<u128> {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = || suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok();
    let (binary, decimal) = match SUFFIXES.iter().find(|(known, ..)| *known == suffix) {
        Some((_, binary, decimal)) => (*binary, *decimal),
        None => (0, exponent()?),
    };
    let power = decimal + 3 - i32::try_from(fraction.len()).ok()?;
    let digits = digits.checked_mul(1_u128 << binary)?;
    let ten = 10_u128.checked_pow(power.unsigned_abs());
    match (power >= 0, ten) {
        (true, Some(factor)) => digits.checked_mul(factor),
        (false, Some(divisor)) => Some(digits.div_ceil(divisor)),
        (true, None) => (digits == 0).then_some(0),
        (false, None) => Some(u128::from(digits > 0)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("2", 2_000),
            ("200m", 200),
            ("0.1", 100),
            (".5", 500),
            ("1.", 1_000),
            ("1.5Gi", 1_610_612_736_000),
            ("2e9", 2_000_000_000_000),
            ("2E3", 2_000_000),
            ("1e-1", 100),
            ("100u", 1),
            ("1n", 1),
            ("0", 0),
            ("1E", 1_000_000_000_000_000_000_000),
            ("0.0001", 1),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "Gi", "-1", "1.2.3", "1 Gi", "1gi", "1e", "1ee2", "9e40", "x"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(thousandths(&json!(2)), Some(2_000));
        assert_eq!(thousandths(&json!(0.5)), Some(500));
        assert_eq!(thousandths(&json!(null)), None);
    }
}
