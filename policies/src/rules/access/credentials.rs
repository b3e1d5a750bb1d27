//! Credentials in manifests. The messages of these rules never contain a value.

use serde_json::Value;

use crate::context::CheckContext;
use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, Boundary, ConfidentialKept, DataInMotion,
    EncryptionAtRest, PasswordManagement,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{Kind, WORKLOADS};
use crate::rule::{Check, Rule, Severity};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

/// Literal credentials in environment variables.
pub static NO_CREDENTIALS_IN_ENV: Rule = Rule {
    id: "no-credentials-in-env",
    text: rule_text!("no-credentials-in-env"),
    kinds: WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        AccessControl,
        Authentication,
        PasswordManagement,
    ],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            for variable in context.items(container.node(), "env") {
                if variable.node().field("value").is_absent() {
                    continue;
                }
                // The name is part of the decision, so that an unknown one makes the verdict unknown.
                let name = context.text(variable.node(), "name").unwrap_or("?");
                match variable.node().field("value") {
                    Field::Known(Value::String(value)) => {
                        if let Some(what) = credential(name, value) {
                            let place = variable.node().at("value");
                            context.fail(
                                place,
                                format!("the variable {name} of {} contains {what}", container.words()),
                            );
                        }
                    }
                    Field::Known(Value::Number(_) | Value::Bool(_)) | Field::Absent => {}
                    Field::Known(_) | Field::Unknown => context.unknown(variable.node().at("value")),
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Credentials in `ConfigMap`s.
pub static NO_CREDENTIALS_IN_CONFIGMAP: Rule = Rule {
    id: "no-credentials-in-configmap",
    text: rule_text!("no-credentials-in-configmap"),
    kinds: &[Kind::core("ConfigMap")],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, DataInMotion, AccessControl, Authentication],
    check: Check::Resource(|subject, context| {
        let Some(data) = context.known(subject.body.map("data"), subject.body, "data") else {
            return;
        };
        for (key, value) in data {
            let place = format!("data[{key}]");
            let Field::Known(text) = crate::field::text(value) else {
                context.unknown(place);
                continue;
            };
            if let Some(what) = credential(key, text) {
                context.fail(place, format!("the key {key} contains {what}"));
                continue;
            }
            if let Some((number, what)) = text
                .lines()
                .enumerate()
                .find_map(|(number, line)| Some((number + 1, line_credential(line)?)))
            {
                context.fail(place, format!("line {number} of the key {key} contains {what}"));
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// `secretKeyRef`.
pub static SECRETS_MOUNTED_AS_FILES: Rule = Rule {
    id: "secrets-mounted-as-files",
    text: rule_text!("secrets-mounted-as-files"),
    kinds: WORKLOADS,
    severity: Severity::Low,
    enforcement: Enforcement::Disabled,
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        for container in context.containers(subject) {
            for (list, field) in [("env", "valueFrom.secretKeyRef"), ("envFrom", "secretRef")] {
                for item in context.items(container.node(), list) {
                    if context
                        .known(item.node().field(field), item.node(), field)
                        .is_some()
                    {
                        context.fail(
                            item.node().at(field),
                            format!(
                                "{} reads a Secret into an environment variable",
                                container.words()
                            ),
                        );
                    }
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Values of `Secret`s.
pub static SECRET_VALUES_ARE_REFERENCES: Rule = Rule {
    id: "secret-values-are-references",
    text: rule_text!("secret-values-are-references"),
    kinds: &[Kind::core("Secret")],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        ConfidentialKept,
        EncryptionAtRest,
        AccessControl,
    ],
    check: Check::Resource(|subject, context| {
        let mut values = 0;
        let marked = subject.object.secrets();
        for field in ["data", "stringData"] {
            if marked.contains_key(&format!("/{field}")) {
                values += 1;
                continue;
            }
            let Some(data) = context.known(subject.body.map(field), subject.body, field) else {
                continue;
            };
            values += data.len();
            for (key, value) in data {
                let pointer = format!("/{field}/{}", key.replace('~', "~0").replace('/', "~1"));
                if marked.contains_key(&pointer) {
                    continue;
                }
                match crate::field::text(value) {
                    Field::Known("") => {}
                    Field::Known(_) => context.fail(
                        format!("{field}[{key}]"),
                        format!("the value of {key} is in plain text"),
                    ),
                    _ => context.unknown(format!("{field}[{key}]")),
                }
            }
        }
        if values == 0 {
            context.not_applicable("the Secret has no values");
        }
    }),
    ..Rule::DEFAULTS
};

/// Service account tokens without an expiry.
pub static NO_STATIC_SERVICE_ACCOUNT_TOKEN: Rule = Rule {
    id: "no-static-service-account-token",
    text: rule_text!("no-static-service-account-token"),
    kinds: &[Kind::core("Secret")],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, Authentication],
    check: Check::Resource(|subject, context| {
        if context.text(subject.body, "type") == Some("kubernetes.io/service-account-token") {
            context.fail("type", "the Secret is a service account token without an expiry");
        }
    }),
    ..Rule::DEFAULTS
};

/// The kind of credential that a value with this name is, without the value.
pub(crate) fn credential(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim();
    if let Some(form) = known_form(value) {
        return Some(form);
    }
    if has_password_within(value) {
        return Some("a URL with a password");
    }
    (is_named_like_one(name) && could_be_one(value))
        .then_some("a plain-text value, although its name indicates a credential")
}

fn line_credential(line: &str) -> Option<&'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("//") {
        return None;
    }
    if let Some(form) = line
        .split(is_between_words)
        .flat_map(|word| [Some(word), word.split_once('=').map(|(_, value)| value)])
        .flatten()
        .find_map(known_form)
    {
        return Some(form);
    }
    if line.contains("-BEGIN ") && line.contains("PRIVATE KEY-") {
        return Some("a private key");
    }
    let end = line.find(['=', ':'])?;
    let name = line[..end].trim().trim_matches(['"', '\'', '-', ' ']);
    let is_word = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let value = line[end + 1..]
        .trim()
        .trim_end_matches(',')
        .trim_matches(['"', '\'']);
    (is_word && is_named_like_one(name) && could_be_one(value))
        .then_some("a plain-text value, although its name indicates a credential")
}

fn is_between_words(character: char) -> bool {
    let is_quote = matches!(character, '"' | '\'' | '`');
    let is_bracket = matches!(character, '(' | ')' | '<' | '>' | '{' | '}' | '[' | ']');
    is_quote || is_bracket || matches!(character, ',' | ';') || character.is_whitespace()
}

/// Whether a connection string (`Server=db;User=a;Password=b`, `host=db password=b`, `jdbc:…?password=b`) has a password.
fn has_password_within(value: &str) -> bool {
    let parts = || value.split([';', ' ', '&', '?', ','].as_slice());
    // A single setting is not a connection string.
    let is_one = parts().filter(|part| part.contains('=')).count() > 1;
    is_one
        && parts()
            .filter_map(|part| part.split_once('='))
            .any(|(name, value)| is_named_like_one(name.trim()) && could_be_one(value))
}

/// Formats that are credentials under any name.
fn known_form(value: &str) -> Option<&'static str> {
    const TOKENS: [(&str, usize); 16] = [
        ("ghp_", 36),
        ("gho_", 36),
        ("ghs_", 36),
        ("github_pat_", 40),
        ("glpat-", 20),
        ("xoxb-", 20),
        ("xoxp-", 20),
        ("xoxa-", 20),
        ("sk-", 20),
        ("sk_live_", 16),
        ("rk_live_", 16),
        ("pul-", 36),
        ("hvs.", 20),
        ("npm_", 30),
        ("dop_v1_", 40),
        ("SG.", 40),
    ];
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    // The shortest is a URL such as `a://:b@`; most words of a text are shorter.
    if value.len() < "a://:b@".len() {
        return None;
    }
    if value.contains("-BEGIN ") && value.contains("PRIVATE KEY-") {
        return Some("a private key");
    }
    let token = |(prefix, length): &(&str, usize)| {
        value
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= *length && plain(rest))
    };
    if TOKENS.iter().any(token) {
        return Some("a token in a known format");
    }
    let upper = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if value.len() == 20 && (value.starts_with("AKIA") || value.starts_with("ASIA")) && upper(value) {
        return Some("an AWS access key");
    }
    if value.len() == 39 && value.starts_with("AIza") && plain(value) {
        return Some("a Google API key");
    }
    let mut parts = value.split('.');
    if let (Some(head), Some(body), Some(seal), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
        && head.starts_with("eyJ")
        && body.starts_with("eyJ")
        && seal.len() >= 16
        && plain(value)
    {
        return Some("a signed token");
    }
    // scheme://user:password@host
    let (scheme, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    let is_scheme = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (is_scheme && could_be_one(password)).then_some("a URL with a password")
}

/// Whether a name indicates a credential. Whole words are compared, so that `tokenizer` does not.
fn is_named_like_one(name: &str) -> bool {
    const CERTAIN: [&str; 12] = [
        "password",
        "passwd",
        "pwd",
        "pass",
        "secret",
        "token",
        "bearer",
        "creds",
        "credential",
        "credentials",
        "privatekey",
        "encryptionkey",
    ];
    // Words that occur at the end of longer ones: `PGPASSWORD`, `clientsecret`.
    const ENDS: [&str; 9] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "secretkey",
        "credentials",
    ];
    // What such a key gives access to.
    const KEYS: [&str; 14] = [
        "api",
        "private",
        "access",
        "encryption",
        "signing",
        "auth",
        "account",
        "storage",
        "master",
        "shared",
        "subscription",
        "batch",
        "cli",
        "ssh",
    ];
    // A word after one of these describes a credential and does not hold it.
    const ABOUT: [&str; 34] = [
        "file",
        "path",
        "name",
        "ref",
        "url",
        "uri",
        "ttl",
        "expiry",
        "expiration",
        "expires",
        "length",
        "size",
        "header",
        "type",
        "enabled",
        "policy",
        "min",
        "max",
        "id",
        "dir",
        "issuer",
        "audience",
        "endpoint",
        "limit",
        "limits",
        "count",
        "age",
        "rotation",
        "store",
        "provider",
        "algorithm",
        "field",
        "claim",
        "mode",
    ];
    let words = words(name);
    let Some(last) = words.last() else { return false };
    if ABOUT.contains(&last.as_str()) {
        return false;
    }
    let pair = |first: &str, second: &str| words.windows(2).any(|pair| pair[0] == first && pair[1] == second);
    let is_one =
        |word: &String| CERTAIN.contains(&word.as_str()) || ENDS.iter().any(|end| word.ends_with(end));
    words.iter().any(is_one) || KEYS.iter().any(|of| pair(of, "key"))
}

/// The words of `DB_PASSWORD`, `dbPassword` and `db-password` in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in name.chars().take(200) {
        if !character.is_alphanumeric() {
            words.push(String::new());
            was_small = false;
            continue;
        }
        if character.is_uppercase() && was_small {
            words.push(String::new());
        }
        was_small = character.is_lowercase() || character.is_numeric();
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value can be a credential: it is not empty, a reference, a path, an address, a flag or a number.
fn could_be_one(value: &str) -> bool {
    let value = value.trim();
    let reference =
        value.contains("$(") || value.contains("${") || value.contains("{{") || value.starts_with('$');
    let place =
        value.starts_with(['/', '.', '<', '[', '{', '|', '>', '&', '*', '%']) || value.contains("://");
    // Configuration values, and type names in schemas.
    let plain = [
        "true", "false", "null", "none", "nil", "yes", "no", "on", "off", "string", "str",
    ]
    .iter()
    .any(|word| value.eq_ignore_ascii_case(word));
    let masked = value.bytes().all(|byte| b"*.-".contains(&byte));
    let sentence = value.split_whitespace().count() > 2;
    let call = value.ends_with(')') || value.ends_with('{') || value.ends_with('(');
    let small_number = value.len() < 5 && value.parse::<f64>().is_ok();
    !(value.is_empty() || reference || place || plain || masked || sentence || call || small_number)
}

static SOURCE: Setting = Setting {
    name: "annotation",
    meaning: "the annotation of a Secret that names the source of its values; only the first entry is used",
    default: DefaultValue::Texts(&["phoenix.ai/secret-source"]),
};

static SECRET_STORES: Setting = Setting {
    name: "stores",
    meaning: "accepted values of the annotation: secret stores that hold the values and audit access to them",
    default: DefaultValue::Texts(&["pulumi-esc", "external-secrets"]),
};

static REFRESHED: Setting = Setting {
    name: "maxRefreshHours",
    meaning: "the longest time, in hours, until a changed value of a store reaches the Secret",
    default: DefaultValue::Number(24),
};

/// Kinds whose controllers write Secrets from a store or from encrypted values.
const WRITERS: [&str; 6] = [
    "ExternalSecret",
    "ClusterExternalSecret",
    "SealedSecret",
    "VaultStaticSecret",
    "VaultDynamicSecret",
    "OnePasswordItem",
];

/// Types of Secrets that the cluster or a tool generates.
const MADE: [&str; 3] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
];

/// Secret stores.
pub static EXTERNAL_SECRET_STORE_USED: Rule = Rule {
    id: "external-secret-store-used",
    text: rule_text!("external-secret-store-used"),
    kinds: &[
        Kind::core("Secret"),
        Kind::new(&["external-secrets.io"], "ExternalSecret"),
    ],
    severity: Severity::High,
    enforcement: Enforcement::Advisory,
    options: &[&SOURCE, &SECRET_STORES, &REFRESHED],
    evidence: &[AccessArchitecture, PasswordManagement, EncryptionAtRest],
    check: Check::Resource(|subject, context| {
        if subject.kind() == "Secret" {
            from_store(subject.body, context);
        } else {
            follows(subject.body, context);
        }
    }),
    ..Rule::DEFAULTS
};

fn from_store(body: Node<'_>, context: &mut CheckContext<'_>) {
    let fields = ["data", "stringData"].map(|field| body.map(field));
    let has_values = Answer::any(fields.map(|field| match field {
        Field::Known(values) => Answer::from_bool(!values.is_empty()),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }));
    if has_values == Answer::No {
        context.not_applicable("the Secret has no values");
        return;
    }
    if context
        .text(body, "type")
        .is_some_and(|kind| MADE.contains(&kind))
    {
        context.not_applicable("the cluster or a tool generates the Secret");
        return;
    }
    let owners = context.items(body, "metadata.ownerReferences");
    let mut owned = false;
    for owner in &owners {
        let kind = context.text(owner.node(), "kind");
        owned |= kind.is_some_and(|kind| WRITERS.contains(&kind));
    }
    if owned {
        return;
    }
    let annotation = context.option_text(&SOURCE).unwrap_or_default().to_owned();
    let place = format!("metadata.annotations[{annotation}]");
    match body.entry("metadata.annotations", &annotation) {
        Field::Known(store) if context.option_texts(&SECRET_STORES).contains(&store) => {}
        Field::Known(_) => context.fail(
            place,
            "the source of its values is not a secret store in the settings",
        ),
        Field::Absent => context.fail(place, "it does not declare the secret store of its values"),
        Field::Unknown => context.unknown(place),
    }
}

fn follows(body: Node<'_>, context: &mut CheckContext<'_>) {
    if context.text(body, "spec.refreshPolicy") == Some("CreatedOnce") {
        context.fail("spec.refreshPolicy", "it reads its store only once");
        return;
    }
    let place = "spec.refreshInterval";
    let most = context.option_number(&REFRESHED);
    match body.field(place) {
        Field::Absent => {}
        Field::Known(interval) => match interval
            .as_str()
            .map_or(interval.as_i64().filter(|zero| *zero == 0), seconds)
        {
            Some(0) => context.fail(place, "it reads its store only once"),
            Some(seconds) if seconds > most.saturating_mul(3600) => context.fail(
                place,
                format!("a changed value takes longer than {most} hours to reach the Secret"),
            ),
            Some(_) => {}
            None => context.unknown(place),
        },
        Field::Unknown => context.unknown(place),
    }
}

/// A duration such as `1h30m` in seconds, rounded up.
fn seconds(duration: &str) -> Option<i64> {
    if duration == "0" {
        return Some(0);
    }
    let mut rest = duration.trim();
    let mut nanoseconds: f64 = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))?;
        let unit = rest[number..]
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .map_or(rest.len(), |length| number + length);
        let of_one = match &rest[number..unit] {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" | "μs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        nanoseconds += rest[..number].parse::<f64>().ok()? * of_one;
        rest = &rest[unit..];
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the largest number"
    )]
    Some((nanoseconds / 1e9).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_distinguished_from_their_metadata() {
        for (name, value, expected) in [
            ("DB_PASSWORD", "correct-horse", true),
            ("dbPassword", "correct-horse", true),
            ("DB_PASSWORD", "$(OTHER)", false),
            ("DB_PASSWORD_FILE", "/run/secrets/db", false),
            ("TOKENIZER", "bert-base", false),
            ("TOKEN_TTL", "3600", false),
            ("MAX_TOKENS", "4096", false),
            ("DATABASE_URL", "postgres://db/app", false),
            ("DATABASE_URL", "postgres://app:correct-horse@db/app", true),
            ("DATABASE_URL", "postgres://app:$(PASSWORD)@db/app", false),
            ("ANY", "AKIAABCDEFGHIJKLMNOP", true),
            ("ANY", "sk-abcdefghijklmnopqrstuvwxyz", true),
            ("QDRANT_URL", "http://qdrant-service:6333", false),
            ("MEM0_TELEMETRY", "false", false),
            ("PGPASSWORD", "correct-horse", true),
            ("clientsecret", "correct-horse", true),
            ("DB", "Server=db;User Id=app;Password=correct-horse", true),
            ("DB", "host=db user=app password=correct-horse", true),
            ("DB", "jdbc:mysql://db/app?user=app&password=correct-horse", true),
            ("DB", "host=db user=app password=$(PASSWORD)", false),
            ("JAVA_OPTS", "-Xmx1g -Dtoken.path=/run/token", false),
        ] {
            assert_eq!(credential(name, value).is_some(), expected, "{name}={value}");
        }
    }

    #[test]
    fn lines_of_files_are_read_and_comments_are_not() {
        for (line, expected) in [
            ("  password: correct-horse", true),
            ("password = \"correct-horse\"", true),
            ("# password: correct-horse", false),
            ("password: ${DB_PASSWORD}", false),
            ("url: amqp://app:correct-horse@queue/", true),
            ("the token: it is read from a file", false),
            ("-----BEGIN RSA PRIVATE KEY-----", true),
            ("  \"capabilities\": [", false),
        ] {
            assert_eq!(line_credential(line).is_some(), expected, "{line}");
        }
    }

    #[test]
    fn durations_are_read_as_the_operator_reads_them() {
        for (text, expected) in [
            ("1h", Some(3600)),
            ("1h0m0s", Some(3600)),
            ("1.5h", Some(5400)),
            ("90m", Some(5400)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("10ms", Some(1)),
            ("", None),
            ("1", None),
            ("1d", None),
            ("h", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
