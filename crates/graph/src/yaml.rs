//! Writes canonical JSON as YAML that YAML 1.1 and 1.2 parsers read alike.
//!
//! Kubernetes tools read YAML 1.1, others 1.2, and these differ for `on`, `1_000`, `0o7` or `2026-01-01`. A string is
//! written plain only if every parser reads it as a string, as a block scalar if it has several lines, and in double quotes
//! otherwise. Libraries quote for one of the two versions, which is why this writer exists.

use std::fmt::Write as _;

use serde_json::Value;

/// Appends `value` as one YAML document, without a leading `---`.
pub fn write(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(text, value, 0, false),
        Value::Array(items) if !items.is_empty() => sequence(text, value, 0),
        // A block scalar without indentation could contain a line that ends the document, such as `---`.
        Value::String(value) => {
            string(text, value, None);
            text.push('\n');
        }
        scalar => {
            leaf(text, scalar, 0);
            text.push('\n');
        }
    }
}

/// Returns `value` as one YAML document.
pub fn to_string(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn mapping(text: &mut String, value: &Value, indent: usize, after_dash: bool) {
    let fields = value.as_object().into_iter().flatten();
    for (position, (key, value)) in fields.enumerate() {
        if position > 0 || !after_dash {
            pad(text, indent);
        }
        string(text, key, None);
        text.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                mapping(text, value, indent + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, value, indent);
            }
            scalar => {
                text.push(' ');
                leaf(text, scalar, indent + 2);
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, value: &Value, indent: usize) {
    for item in value.as_array().into_iter().flatten() {
        pad(text, indent);
        text.push('-');
        match item {
            Value::Object(fields) if !fields.is_empty() => {
                text.push(' ');
                mapping(text, item, indent + 2, true);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, item, indent + 2);
            }
            scalar => {
                text.push(' ');
                leaf(text, scalar, indent + 2);
                text.push('\n');
            }
        }
    }
}

fn leaf(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(value) => string(text, value, Some(indent)),
        Value::Object(_) => text.push_str("{}"),
        Value::Array(_) => text.push_str("[]"),
        scalar => write!(text, "{scalar}").expect("writing to a string never fails"),
    }
}

/// Writes a string; as a block scalar only if an indent is given.
fn string(text: &mut String, value: &str, block_indent: Option<usize>) {
    if is_plain(value) {
        text.push_str(value);
    } else if let Some(indent) = block_indent.filter(|_| is_block(value)) {
        // `|` keeps exactly one final newline, `|-` none.
        text.push_str(if value.ends_with('\n') { "|" } else { "|-" });
        for line in value.strip_suffix('\n').unwrap_or(value).split('\n') {
            text.push('\n');
            if !line.is_empty() {
                pad(text, indent);
                text.push_str(line);
            }
        }
    } else {
        quoted(text, value);
    }
}

/// Words that some parser reads as a boolean, a null or a number.
const RESERVED: [&str; 13] = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "inf", "nan", "infinity", "none",
];

fn is_plain(value: &str) -> bool {
    value.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '_')
        && value.bytes().all(may_be_plain)
        && !value.as_bytes().windows(2).any(|pair| pair == b": ")
        && !value.ends_with([':', ' '])
        && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(value))
}

fn may_be_plain(byte: u8) -> bool {
    // The compiler turns a match into a table; this runs for every character of every string.
    #[rustfmt::skip]
    let plain = matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'_' | b'.' | b'-' | b':' | b'@' | b'+' | b'=' | b'*'
        | b'{' | b'}' | b'(' | b')' | b'<' | b'>' | b',' | b';' | b'$' | b' ');
    plain
}

/// Whether a block scalar preserves a string: it has several lines, and none begins or ends with whitespace that
/// indentation or an editor would change.
fn is_block(value: &str) -> bool {
    let body = value.strip_suffix('\n').unwrap_or(value);
    body.contains('\n')
        && !body.starts_with(['\n', ' ', '\t'])
        && !body.ends_with('\n')
        && value.chars().all(|character| {
            character == '\n'
                || (' '..='~').contains(&character)
                || ('\u{a1}'..='\u{d7ff}').contains(&character)
                    && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{ad}')
        })
        && body.split('\n').all(|line| !line.ends_with(' '))
}

fn quoted(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' => text.push(character),
            other if (other as u32) <= 0xff => {
                write!(text, "\\x{:02x}", other as u32).expect("writing to a string never fails");
            }
            other if (other as u32) <= 0xffff => {
                write!(text, "\\u{:04x}", other as u32).expect("writing to a string never fails");
            }
            other => write!(text, "\\U{:08x}", other as u32).expect("writing to a string never fails"),
        }
    }
    text.push('"');
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_displayed_as_kind_namespace_and_name() {
        let deployment = json!({
            "kind": "Deployment",
            "spec": {
                "containers": [{"args": ["--uri", "http://qdrant-0:6335"], "env": [], "name": "qdrant"}],
                "script": "set -e\nexec ./qdrant\n",
                "volumes": [{"emptyDir": {}, "name": "tmp"}],
            },
        });
        assert_eq!(
            to_string(&deployment),
            "\
kind: Deployment
spec:
  containers:
  - args:
    - \"--uri\"
    - http://qdrant-0:6335
    env: []
    name: qdrant
  script: |
    set -e
    exec ./qdrant
  volumes:
  - emptyDir: {}
    name: tmp
"
        );
    }

    #[test]
    fn a_text_alone_cannot_end_its_document() {
        assert_eq!(to_string(&json!("a\n---\nb")), "\"a\\n---\\nb\"\n");
        assert_eq!(
            to_string(&json!({"key": "a\n---\nb"})),
            "key: |-\n  a\n  ---\n  b\n"
        );
    }

    #[test]
    fn what_readers_disagree_on_is_quoted() {
        for text in [
            "",
            "on",
            "Yes",
            "n",
            "null",
            "~",
            "1_000",
            "0o7",
            "012",
            "1e3",
            ".inf",
            "2026-01-01",
            "1:30",
            "<<",
            "=",
            "- a",
            "a: b",
            "a #b",
            "*a",
            "NaN",
            "512Mi",
        ] {
            assert!(to_string(&json!(text)).starts_with('"'), "{text} must be quoted");
        }
        for text in [
            "qdrant",
            "sophia-memory.local",
            "/memory/*",
            "a-512Mi",
            "http://a:6333",
        ] {
            assert_eq!(to_string(&json!(text)), format!("{text}\n"));
        }
    }
}
