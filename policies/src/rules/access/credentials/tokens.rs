//! Credentials that are recognized by their form, under any name and anywhere in a text.
//!
//! The formats are those that the providers document: a prefix, an alphabet and a length. Every search is linear in the
//! length of the text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::values;

/// The characters of a token after its prefix.
#[derive(Clone, Copy)]
enum Alphabet {
    /// `0-9a-f`.
    Hex,
    /// `A-Z0-9`.
    Upper,
    /// `A-Za-z0-9`.
    Alnum,
    /// `A-Za-z0-9_-`.
    Url,
    /// `A-Za-z0-9_-.`.
    Dotted,
}

use Alphabet::{Alnum, Dotted, Hex, Upper, Url};

/// The prefix, the alphabet and the shortest length of the rest.
const TOKENS: [(&str, Alphabet, usize); 76] = [
    ("ghp_", Alnum, 36),
    ("gho_", Alnum, 36),
    ("ghu_", Alnum, 36),
    ("ghs_", Alnum, 36),
    ("ghr_", Alnum, 36),
    ("github_pat_", Url, 40),
    ("glpat-", Dotted, 20),
    ("gldt-", Url, 20),
    ("glrt-", Dotted, 20),
    ("glptt-", Url, 20),
    ("glcbt-", Url, 20),
    ("glsoat-", Url, 20),
    ("glagent-", Url, 20),
    ("GR1348941", Url, 20),
    ("xoxb-", Url, 20),
    ("xoxp-", Url, 20),
    ("xoxa-", Url, 20),
    ("xoxr-", Url, 20),
    ("xoxs-", Url, 20),
    ("xapp-", Url, 20),
    ("sk_live_", Alnum, 16),
    ("sk_test_", Alnum, 16),
    ("rk_live_", Alnum, 16),
    ("rk_test_", Alnum, 16),
    ("whsec_", Alnum, 24),
    ("sk-", Alnum, 20),
    ("sk-proj-", Url, 32),
    ("sk-svcacct-", Url, 32),
    ("sk-admin-", Url, 32),
    ("sk-ant-", Url, 32),
    ("sk-or-v1-", Hex, 32),
    ("sk-lf-", Url, 32),
    ("gsk_", Alnum, 32),
    ("xai-", Alnum, 40),
    ("pplx-", Alnum, 40),
    ("nvapi-", Url, 40),
    ("hf_", Alnum, 30),
    ("r8_", Alnum, 30),
    ("pul-", Hex, 36),
    ("hvs.", Url, 20),
    ("hvb.", Url, 20),
    ("hvr.", Url, 20),
    ("npm_", Alnum, 30),
    ("pypi-AgE", Url, 40),
    ("rubygems_", Hex, 48),
    ("dckr_pat_", Url, 20),
    ("dckr_oat_", Url, 20),
    ("dop_v1_", Hex, 40),
    ("doo_v1_", Hex, 40),
    ("dor_v1_", Hex, 40),
    ("SG.", Dotted, 40),
    ("shpat_", Hex, 32),
    ("shpca_", Hex, 32),
    ("shppa_", Hex, 32),
    ("shpss_", Hex, 32),
    ("AGE-SECRET-KEY-1", Upper, 40),
    ("GOCSPX-", Url, 24),
    ("ya29.", Url, 40),
    ("glsa_", Url, 32),
    ("glc_", Alnum, 40),
    ("dapi", Hex, 32),
    ("lin_api_", Alnum, 32),
    ("ntn_", Alnum, 40),
    ("figd_", Url, 32),
    ("PMAK-", Url, 40),
    ("ATATT3", Dotted, 60),
    ("ATBB", Alnum, 28),
    ("sntrys_", Dotted, 40),
    ("sntryu_", Hex, 40),
    ("sq0atp-", Url, 22),
    ("sq0csp-", Url, 40),
    ("nfp_", Alnum, 32),
    ("fm2_", Dotted, 40),
    ("tskey-auth-", Url, 16),
    ("phx_", Alnum, 32),
    ("key-", Hex, 32),
];

/// The length of the shortest token of a known format.
pub(super) const SHORTEST: usize = 19;

/// A credential in a text: where it starts, and what it is.
pub(super) type Found = (usize, &'static str);

/// The first credential in a text that has a known form.
pub(super) fn find(text: &str) -> Option<Found> {
    // The shortest is a URL such as `a://:b@`; most words of an object are shorter.
    if text.len() < "a://:b@".len() {
        return None;
    }
    // Most texts lack a character that a form requires.
    let mut has = [false; 256];
    for byte in text.bytes() {
        has[usize::from(byte)] = true;
    }
    SEARCHES
        .iter()
        .filter(|(required, _)| required.bytes().all(|byte| has[usize::from(byte)]))
        .find_map(|(_, search)| search(text))
}

/// Finds the first credential of one form.
type Search = fn(&str) -> Option<Found>;

/// The characters that each form requires, and its search.
const SEARCHES: [(&str, Search); 10] = [
    ("", token),
    ("Ky", putty_key),
    ("K-", private_key),
    ("LS0t", encoded_private_key),
    ("@:/", url_with_password),
    ("@:(", data_source),
    ("/.", webhook),
    ("=", signed_url),
    (" ", authorization),
    ("", password_hash),
];

/// Whether a value is base64 of a text, and the text.
pub(super) fn decoded(value: &str) -> Option<String> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let compact: String;
    let mut value = value.trim();
    if value.bytes().any(|byte| byte.is_ascii_whitespace()) {
        compact = value.split_ascii_whitespace().collect();
        value = &compact;
    }
    if value.len() < 4 || !value.bytes().all(is_base64) {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
    let is_text = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
    text.chars().all(is_text).then_some(text)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn token(text: &str) -> Option<Found> {
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let mut start = 0;
    while start < bytes.len() {
        let end = bytes[start..]
            .iter()
            .position(|byte| !is_part(byte))
            .map_or(bytes.len(), |length| start + length);
        if end - start >= SHORTEST
            && let Some(what) = known_token(text[start..end].trim_end_matches('.'), &text[..start])
        {
            return Some((start, what));
        }
        start = end + 1;
    }
    None
}

/// The format of a single word. `before` is the text before it.
fn known_token(word: &str, before: &str) -> Option<&'static str> {
    let is_real = |body: &str| has_variety(body) && !contains_ignoring_case(word, "example");
    let has_format = |(prefix, alphabet, length): &(&str, Alphabet, usize)| {
        word.as_bytes().first() == prefix.as_bytes().first()
            && word
                .strip_prefix(prefix)
                .is_some_and(|body| body.len() >= *length && alphabet.contains(body) && is_real(body))
    };
    if TOKENS.iter().any(has_format) {
        return Some("a token in a known format");
    }
    let is_aws = word.len() == 20 && ["AKIA", "ASIA"].iter().any(|prefix| word.starts_with(prefix));
    if is_aws && Upper.contains(word) && is_real(&word[4..]) {
        return Some("an AWS access key");
    }
    if word.len() == 39 && word.starts_with("AIza") && Url.contains(word) && is_real(&word[4..]) {
        return Some("a Google API key");
    }
    if let Some((head, body)) = word.split_once(".atlasv1.")
        && head.len() >= 14
        && body.len() >= 40
    {
        return Some("a token in a known format");
    }
    let mut parts = word.split('.');
    if let (Some(head), Some(body), Some(seal), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
        && head.starts_with("eyJ")
        && body.starts_with("eyJ")
        && seal.len() >= 16
    {
        return Some("a signed token");
    }
    // The token of a Telegram bot is `number:AA…`.
    let is_after_number = || {
        before.strip_suffix(':').is_some_and(|before| {
            let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
            (8..=12).contains(&digits)
        })
    };
    if word.len() == 35 && word.starts_with("AA") && Url.contains(word) && is_after_number() {
        return Some("a token in a known format");
    }
    None
}

impl Alphabet {
    fn contains(self, text: &str) -> bool {
        text.bytes().all(|byte| match self {
            Self::Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'='),
        })
    }
}

/// Whether a token consists of more than a few different characters, unlike `xxxx` or `0000-0000`.
fn has_variety(body: &str) -> bool {
    let mut seen = [false; 256];
    for byte in body.bytes() {
        seen[usize::from(byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count() >= 6
}

fn contains_ignoring_case(text: &str, word: &str) -> bool {
    text.as_bytes()
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

fn putty_key(text: &str) -> Option<Found> {
    text.find("PuTTY-User-Key-File-")
        .map(|start| (start, "a private key"))
}

fn private_key(text: &str) -> Option<Found> {
    for (position, words) in text.match_indices("PRIVATE KEY") {
        let start = floor(text, position.saturating_sub(40));
        let Some(begin) = text[start..position].rfind("-BEGIN ") else {
            continue;
        };
        let rest = text[position + words.len()..].trim_start_matches(" BLOCK");
        let Some(rest) = rest.strip_prefix('-') else {
            continue;
        };
        // A pattern that finds keys, or a sentence about them, has something else after the first line.
        let rest = rest.trim_start_matches('-').trim_start();
        let escaped = ["\\n", "\\r\\n", "\\\\n"]
            .iter()
            .find_map(|end| rest.strip_prefix(end));
        if escaped.unwrap_or(rest).bytes().next().is_none_or(is_base64) {
            return Some((start + begin, "a private key"));
        }
    }
    None
}

/// Base64 of a PEM file, as in `client-key-data` of a kubeconfig.
fn encoded_private_key(text: &str) -> Option<Found> {
    // `-----BEGIN `
    for (start, _) in text.match_indices("LS0tLS1CRUdJTi") {
        let head: String = text[start..]
            .bytes()
            .take_while(|byte| is_base64(*byte) || byte.is_ascii_whitespace())
            .filter(|byte| !byte.is_ascii_whitespace())
            .take(64)
            .map(char::from)
            .collect();
        let whole = head.len() / 4 * 4;
        if decoded(&head[..whole]).is_some_and(|pem| pem.contains("PRIVATE KEY")) {
            return Some((start, "an encoded private key"));
        }
    }
    None
}

/// `scheme://user:password@host`.
fn url_with_password(text: &str) -> Option<Found> {
    for (position, _) in text.match_indices("://") {
        let scheme = text.as_bytes()[..position]
            .iter()
            .rev()
            .take(32)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let rest = candidate(text, position + 3);
        let end = rest
            .find(|letter: char| {
                letter.is_whitespace()
                    || matches!(letter, '/' | '?' | '"' | '\'' | '`' | '<' | '>' | '\\' | '|')
            })
            .unwrap_or(rest.len());
        let Some((user, host)) = rest[..end].rsplit_once('@') else {
            continue;
        };
        let Some((_, password)) = user.split_once(':') else {
            continue;
        };
        if scheme > 0 && !host.is_empty() && values::is_literal_password(password) && !is_example(password) {
            return Some((position - scheme, "a URL with a password"));
        }
    }
    // Oracle's `jdbc:oracle:thin:user/password@host`.
    let start = text.find("jdbc:oracle:thin:")?;
    let (user, _) = text[start + "jdbc:oracle:thin:".len()..].split_once('@')?;
    let (_, password) = user.split_once('/')?;
    values::is_literal_password(password).then_some((start, "a URL with a password"))
}

/// Whether a password in a URL is only the word for it.
fn is_example(password: &str) -> bool {
    ["PASSWORD", "PASSWD", "PASS", "PWD", "TOKEN", "SECRET"].contains(&password)
}

/// A data source name of Go's driver for `MySQL`: `user:password@tcp(host:3306)/db`.
fn data_source(text: &str) -> Option<Found> {
    let at = ["@tcp(", "@unix("].iter().find_map(|form| text.find(form))?;
    let start = text[..at]
        .rfind(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '=' | '`'))
        .map_or(0, |position| position + 1);
    let (_, password) = text[start..at].split_once(':')?;
    values::is_literal_password(password).then_some((start, "a connection string with a password"))
}

fn webhook(text: &str) -> Option<Found> {
    const HOOKS: [&str; 6] = [
        "hooks.slack.com/services/",
        "hooks.slack.com/workflows/",
        "hooks.slack.com/triggers/",
        "discord.com/api/webhooks/",
        "discordapp.com/api/webhooks/",
        "webhook.office.com/webhookb2/",
    ];
    if !text.contains("hook") {
        return None;
    }
    HOOKS.iter().find_map(|hook| {
        text.match_indices(hook).find_map(|(start, _)| {
            let rest = candidate(text, start + hook.len());
            let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "/_-@".contains(letter)));
            let path = &rest[..end.unwrap_or(rest.len())];
            let secret = path.split('/').next_back().unwrap_or_default();
            (path.split('/').count() >= 2 && secret.len() >= 16 && has_variety(secret))
                .then_some((start, "the URL of a webhook"))
        })
    })
}

/// A shared access signature, or a URL that is signed with a key.
fn signed_url(text: &str) -> Option<Found> {
    if !text.contains("sig=") && !text.contains("X-Amz-Signature=") {
        return None;
    }
    let is_signature = |rest: &str, length: usize| {
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "%+/=_-".contains(letter)));
        let value = &rest[..end.unwrap_or(rest.len())];
        value.len() >= length && has_variety(value)
    };
    // Tables of metrics and logs have `sig=` as well, without a time or a version.
    let is_azure = ["se=", "sv=", "skn=", "sr="]
        .iter()
        .any(|part| text.contains(part));
    let azure = text
        .match_indices("sig=")
        .find(|(start, form)| is_azure && is_signature(candidate(text, start + form.len()), 40));
    let aws = || {
        text.match_indices("X-Amz-Signature=")
            .find(|(start, form)| is_signature(candidate(text, start + form.len()), 64))
    };
    azure
        .map(|(start, _)| (start, "a shared access signature"))
        .or_else(|| aws().map(|(start, _)| (start, "a signed URL")))
}

/// `Basic …` and `Bearer …`, the values of an `Authorization` header.
fn authorization(text: &str) -> Option<Found> {
    for (position, scheme) in schemes(text) {
        let rest = text[position + scheme.len()..].trim_start_matches(' ');
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "+/=_-.~".contains(letter)));
        let value = &rest[..end.unwrap_or(rest.len())];
        if scheme.eq_ignore_ascii_case("basic ") {
            if is_encoded_login(value) {
                return Some((position, "a user name and a password"));
            }
        } else if values::is_generated(value) {
            return Some((position, "a bearer token"));
        }
    }
    None
}

/// Whether a value is base64 of `user:password`.
pub(super) fn is_encoded_login(value: &str) -> bool {
    value.len() >= 8
        && decoded(value).is_some_and(|login| {
            login
                .split_once(':')
                .is_some_and(|(_, password)| !login.contains('\n') && values::is_literal_password(password))
        })
}

/// Whether a value is a user name and a password: `user:password`, `neo4j/password`, or base64 of the first.
pub(super) fn is_login(value: &str) -> bool {
    let value = value.trim();
    if value.contains(char::is_whitespace) || value.contains("://") {
        return false;
    }
    let Some((user, password)) = value.split_once(':').or_else(|| value.split_once('/')) else {
        return is_encoded_login(value);
    };
    let is_user = !user.is_empty()
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte))
        // Resources such as `vault:path#key` and images have more parts.
        && !password.contains(['/', ':', '#', ',']);
    let is_neo4j = value.starts_with("neo4j/");
    (is_user
        && (value.contains(':') || is_neo4j)
        && password.parse::<f64>().is_err()
        && values::is_literal_password(password))
        || (!value.contains(':') && is_encoded_login(value))
}

/// The positions of `Basic ` and `Bearer ` in any case.
fn schemes(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).filter_map(move |start| {
        if !matches!(bytes[start], b'B' | b'b') || (start > 0 && bytes[start - 1].is_ascii_alphanumeric()) {
            return None;
        }
        ["basic ", "bearer "].iter().find_map(|scheme| {
            let part = bytes.get(start..start + scheme.len())?;
            part.eq_ignore_ascii_case(scheme.as_bytes())
                .then(|| (start, &text[start..start + scheme.len()]))
        })
    })
}

/// The hash of a password, which can be attacked offline.
fn password_hash(text: &str) -> Option<Found> {
    const HASHES: [(&str, usize); 12] = [
        ("$2a$", 56),
        ("$2b$", 56),
        ("$2y$", 56),
        ("$apr1$", 28),
        ("$1$", 24),
        ("$5$", 40),
        ("$6$", 80),
        ("$y$", 40),
        ("$argon2i", 40),
        ("$argon2d", 40),
        ("{SSHA}", 30),
        ("SCRAM-SHA-256$", 60),
    ];
    if !text.contains(['$', '{']) {
        return None;
    }
    HASHES.iter().find_map(|(prefix, length)| {
        text.match_indices(prefix).find_map(|(start, _)| {
            let rest = candidate(text, start);
            let end =
                rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "$./+=,:{}_-".contains(letter)));
            let hash = &rest[..end.unwrap_or(rest.len())];
            (hash.len() >= *length && has_variety(hash)).then_some((start, "the hash of a password"))
        })
    })
}

/// The longest part of a text that is read for one credential after its prefix. The formats that are searched have less, and
/// a long text of prefixes is read in linear time.
const LONGEST: usize = 512;

/// The part of a text after a position in which a credential ends.
fn candidate(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    &rest[..floor(rest, LONGEST)]
}

/// The largest character boundary of a text that is not after a position.
pub(super) fn floor(text: &str, position: usize) -> usize {
    let mut position = position.min(text.len());
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    position
}
