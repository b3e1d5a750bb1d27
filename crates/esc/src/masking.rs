//! Removes a secret from a text, in plain and encoded forms.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::{Zeroize as _, Zeroizing};
use secrecy::{ExposeSecret as _, SecretString};

/// Replaces the secret by `[token]`: verbatim, percent-encoded, in hexadecimal, or in base64 of either alphabet, alone or as
/// part of a longer encoded text.
pub(crate) fn mask(text: &str, secret: &SecretString) -> String {
    let mut text = text.to_owned();
    for form in forms(secret.expose_secret()) {
        if text.contains(form.as_str()) {
            let masked = text.replace(form.as_str(), "[token]");
            text.zeroize();
            text = masked;
        }
    }
    text
}

/// The encoded forms of the secret, longest first.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![
        secret.to_owned(),
        encoded(secret, |byte| format!("%{byte:02X}")),
        encoded(secret, |byte| format!("%{byte:02x}")),
    ];
    let digits = secret.bytes().fold(String::new(), |mut digits, byte| {
        let _infallible = write!(digits, "{byte:02x}");
        digits
    });
    forms.extend([digits.to_uppercase(), digits]);
    for shift in 0..3 {
        let standard = in_base64(secret, shift);
        forms.extend([standard.replace('+', "-").replace('/', "_"), standard]);
    }
    // Shorter encodings can occur in unrelated text.
    forms.retain(|form| form.len() >= 4);
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.into_iter().map(Zeroizing::new).collect()
}

fn encoded(secret: &str, digits: impl Fn(u8) -> String) -> String {
    secret.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&digits(byte));
        }
        text
    })
}

/// The part of the secret's base64 encoding that does not depend on the surrounding bytes, if `shift` bytes precede the
/// secret in its group of three.
fn in_base64(secret: &str, shift: usize) -> String {
    let whole = Zeroizing::new([&vec![0; shift], secret.as_bytes()].concat());
    let text = Zeroizing::new(STANDARD.encode(&whole));
    // A letter encodes six bits. The first and last letters that depend only on the secret:
    let first = (shift * 8).div_ceil(6);
    let end = whole.len() * 8 / 6;
    text[first.min(end)..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let secret = SecretString::from("pul-canary/0+f3a");
        for form in [
            "pul-canary/0+f3a",
            "pul-canary%2F0%2Bf3a",
            "pul-canary%2f0%2bf3a",
            "70756c2d63616e6172792f302b663361",
            "70756C2D63616E6172792F302B663361",
            "cHVsLWNhbmFyeS8wK2YzYQ",
            // Preceded by `a` and by `ab`.
            "B1bC1jYW5hcnkvMCtmM2",
            "wdWwtY2FuYXJ5LzArZjNh",
        ] {
            let said = mask(&format!("no {form} here"), &secret);
            assert!(
                said.starts_with("no [token]") && said.ends_with(" here"),
                "{form}: {said}"
            );
        }
        let group = STANDARD.encode("a: pul-canary/0+f3a!").replace('/', "_");
        assert!(mask(&group, &secret).contains("[token]"), "{group}");
    }

    #[test]
    fn other_text_is_unchanged() {
        let text = "Unauthorized: request 70756c, cHVs";
        assert_eq!(mask(text, &SecretString::from("pul-canary")), text);
        assert_eq!(mask(text, &SecretString::from("U")), text);
    }
}
