//! Canaries: secret values for tests, and the search for them in outputs and files, in every encoding in which a program
//! could leak them.
//!
//! Every test that searches for a secret uses this module, so that a new encoding is covered in all of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Minimum length of a part that is searched for; shorter parts occur in unrelated text.
const LEAST: usize = 8;

/// Returns a value for the secret of a key: strong, in the format that the key requires, and with many characters that
/// quoting, escaping and encoding change.
pub fn value(key: &str) -> String {
    match key {
        "postgresConnectionString" | "langgraphPostgresConnectionString" => {
            format!(
                "postgresql://{key}-user-7vLx03:cAnArY%2F9fK2mQ%40{key}@db.example.com:5432/memory?sslmode=verify-full"
            )
        }
        // Clients put these into URLs without escaping.
        "redisPassword" | "redisMetricsPassword" | "langgraphRedisPassword" | "neo4jPassword" => {
            // The word `password` itself would be taken for a placeholder.
            let key = key.replace("Password", "");
            format!("cAnArY-{key}-9fK2~mQ7_vLx.03-bTzR8")
        }
        "snowflakePrivateKey" => {
            let line: String = "cAnArY/9fK2mQ7+vLx03bTzR8".chars().cycle().take(1_624).collect();
            let label = "PRIVATE KEY";
            format!("-----BEGIN {label}-----\n{line}\n-----END {label}-----")
        }
        _ => format!("cAnArY-{key}-\"9fK2<&>mQ7\\vLx/03+bT='zR8"),
    }
}

/// Secrets in every encoding.
pub struct Canaries(BTreeSet<String>);

impl Canaries {
    /// The encodings of these values.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(values.into_iter().flat_map(forms).collect())
    }

    /// The encodings of the values that [`value`] returns for these keys.
    pub fn for_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().flat_map(|key| forms(&value(key))).collect())
    }

    /// Whether a text contains any of them.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|form| text.contains(form.as_str()))
    }

    /// Panics if a text contains any of them. The message names the text but does not show it, because test logs may be
    /// public.
    #[track_caller]
    pub fn are_not_in(&self, text: &str, what: &str) {
        if let Some(form) = self.0.iter().find(|form| text.contains(form.as_str())) {
            let at = text.find(form.as_str()).unwrap_or_default();
            let before: String = text[..at].chars().rev().take(80).collect();
            let before: String = before.chars().rev().collect();
            panic!(
                "a secret is in {what}, as {} characters behind {before:?}",
                form.chars().count()
            );
        }
    }
}

/// Every encoding of a value and of its parts.
fn forms(value: &str) -> Vec<String> {
    assert!(
        value.len() >= LEAST,
        "a canary that is too short would be found everywhere"
    );
    let mut forms = Vec::new();
    for part in parts(value) {
        forms.extend([
            json(&part),
            // Go's encoder escapes these three for HTML.
            json(&part)
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026"),
            json(&json(&part)),
            part.replace('\'', "''"),
            part.replace('\'', "'\\''"),
            percent(&part, |digits| format!("%{digits:02X}")),
            percent(&part, |digits| format!("%{digits:02x}")),
            part.bytes()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
            part.bytes()
                .map(|byte| byte.to_string())
                .collect::<Vec<_>>()
                .join(", "),
            part.bytes()
                .map(|byte| byte.to_string())
                .collect::<Vec<_>>()
                .join(","),
            part.bytes()
                .map(|byte| byte.to_string())
                .collect::<Vec<_>>()
                .join(" "),
        ]);
        for shift in 0..3 {
            let encoded = base64(part.as_bytes(), shift);
            forms.push(encoded.replace('+', "-").replace('/', "_"));
            forms.push(encoded);
        }
        forms.push(part);
    }
    forms
}

/// A value, its lines, and the user and password of a URL, both encoded and decoded.
fn parts(value: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::from([value.to_owned()]);
    let login = value
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if let Some((login, _)) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        for part in [login, user, password] {
            parts.extend([part.to_owned(), decoded(part)]);
        }
    }
    // One line of a private key is already a leak.
    let lines = value.lines().filter(|line| !line.starts_with("-----"));
    parts.extend(lines.map(str::to_owned));
    parts.retain(|part| part.len() >= LEAST);
    parts
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str, digits: impl Fn(u8) -> String) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                digits(byte)
            }
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(&piece[2..]);
            }
            None => {
                let _infallible = write!(decoded, "%{piece}");
            }
        }
    }
    decoded
}

/// The base64 groups that depend on these bytes only when `shift` other bytes precede them; the first and the last group
/// depend on their neighbors.
fn base64(bytes: &[u8], shift: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = &bytes[(3 - shift) % 3..];
    whole
        .chunks_exact(3)
        .flat_map(|group| {
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift) as usize & 63]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form() {
        let canaries = Canaries::for_keys(["anyKey", "postgresConnectionString"]);
        let key = value("anyKey");
        let quoted = serde_json::to_string(&key).unwrap();
        for text in [
            key.clone(),
            format!("{key:?}"),
            format!("{:?}", key.as_bytes()),
            quoted.clone(),
            quoted
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026"),
            serde_json::to_string(&quoted).unwrap(),
            "cAnArY-anyKey-%229fK2%3C%26%3EmQ7%5CvLx%2F03%2BbT%3D%27zR8".to_owned(),
            // `printf %s VALUE | base64`, and the same behind one and two other characters.
            "Y0FuQXJZLWFueUtleS0iOWZLMjwmPm1RN1x2THgvMDMrYlQ9J3pSOA==".to_owned(),
            "eGNBbkFyWS1hbnlLZXktIjlmSzI8Jj5tUTdcdkx4LzAzK2JUPSd6Ujg=".to_owned(),
            "eHhjQW5BclktYW55S2V5LSI5ZksyPCY+bVE3XHZMeC8wMytiVD0nelI4".to_owned(),
            "postgresConnectionString-user-7vLx03".to_owned(),
            "cAnArY%2F9fK2mQ%40postgresConnectionString".to_owned(),
            "cAnArY/9fK2mQ@postgresConnectionString".to_owned(),
            "Y0FuQXJZLzlmSzJtUUBwb3N0Z3Jlc0Nvbm5lY3Rpb25TdHJpbmc=".to_owned(),
        ] {
            assert!(canaries.are_in(&format!("before {text} behind")), "{text}");
        }
        for harmless in [
            "anyKey",
            "postgresql://db.example.com:5432/memory",
            "postgresConnectionString",
            "cAnArY",
        ] {
            assert!(!canaries.are_in(harmless), "{harmless}");
        }
        assert!(std::panic::catch_unwind(|| canaries.are_not_in(&key, "this")).is_err());
    }
}
