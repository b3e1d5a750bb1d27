//! Where credentials stand. No message of these rules ever repeats a value.

use serde_json::Value;

use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, Boundary, ConfidentialKept, DataInMotion,
    EncryptionAtRest, PasswordManagement,
};
use crate::judging::Judging;
use crate::pod::WORKLOADS;
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::containers;
use crate::selector::Answer;
use crate::settings::{Default, Setting};

/// Literal credentials in variables.
pub static NO_CREDENTIALS_IN_ENV: Rule = Rule {
    id: "no-credentials-in-env",
    title: "No manifest holds a credential in a variable",
    meaning: "Fails where a variable of any container has a literal `value` that has the form of a known credential (a private key, a token of a known maker, an address with a password in it), or whose name says that it is one (a password, token, secret, key) and whose value is not a path, an address, a reference, a flag or a number.",
    why: "A value in a manifest is in version control, in the state, in every copy of them, and in the hands of all who may read pods.",
    remedy: "Put the value into a Secret and refer to it with `valueFrom.secretKeyRef`; then change it, since it was seen.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        AccessControl,
        Authentication,
        PasswordManagement,
    ],
    limits: &["a credential that looks like an ordinary word, under an ordinary name, is not seen"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    env:\n    - name: DB_PASSWORD\n      valueFrom: {secretKeyRef: {name: db, key: password}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    env:\n    - name: DB_PASSWORD\n      value: correct-horse\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            for variable in judging.items(container.node(), "env") {
                if variable.node().field("value").is_absent() {
                    continue;
                }
                // A name alone can be one of the two things that are wrong, so an unknown one leaves the question open.
                let name = judging.text(variable.node(), "name").unwrap_or("?");
                match variable.node().field("value") {
                    Read::Known(Value::String(value)) => {
                        if let Some(what) = credential(name, value) {
                            let place = variable.node().at("value");
                            judging.fail(
                                place,
                                format!("the variable {name} of {} holds {what}", container.words()),
                            );
                        }
                    }
                    Read::Known(Value::Number(_) | Value::Bool(_)) | Read::Absent => {}
                    Read::Known(_) | Read::Unknown => judging.unknown(variable.node().at("value")),
                }
            }
        }
    },
};

/// Credentials in `ConfigMap`s.
pub static NO_CREDENTIALS_IN_CONFIGMAP: Rule = Rule {
    id: "no-credentials-in-configmap",
    title: "No ConfigMap holds a credential",
    meaning: "Fails where a value of `data` has, or a line of it holds, what has the form of a known credential, or where a key, or a line such as `password: …`, is named like a credential and given one. The same words as for variables are looked for.",
    why: "ConfigMaps are read by everybody who may read anything, are not encrypted in etcd, and stand in every diff.",
    remedy: "Move the value into a Secret, and let the program read it from there; then change it, since it was seen.",
    kinds: &[Kind::core("ConfigMap")],
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, DataInMotion, AccessControl, Authentication],
    limits: &[
        "`binaryData` is not read",
        "a credential that looks like an ordinary word, under an ordinary name, is not seen",
    ],
    good: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  log_level: debug\n",
    bad: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  db_password: correct-horse\n",
    check: |subject, judging| {
        let Some(data) = judging.note(subject.body.map("data"), subject.body, "data") else {
            return;
        };
        for (key, value) in data {
            let place = format!("data[{key}]");
            let Read::Known(text) = crate::read::text(value) else {
                judging.unknown(place);
                continue;
            };
            if let Some(what) = credential(key, text) {
                judging.fail(place, format!("the key {key} holds {what}"));
                continue;
            }
            if let Some((number, what)) = text
                .lines()
                .enumerate()
                .find_map(|(number, line)| Some((number + 1, line_credential(line)?)))
            {
                judging.fail(place, format!("line {number} of the key {key} holds {what}"));
            }
        }
    },
};

/// `secretKeyRef`.
pub static SECRETS_MOUNTED_AS_FILES: Rule = Rule {
    id: "secrets-mounted-as-files",
    title: "Secrets reach a program as files",
    meaning: "Fails where a variable of any container comes from a Secret, by `secretKeyRef` or by `envFrom`. Off by default, because much software takes its credentials from variables only.",
    why: "Variables are inherited by every child process, are shown by crash reports, and stay old when the Secret changes.",
    remedy: "Mount the Secret as a volume, where the program can read its credentials from a file.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Low,
    enforcement: Enforcement::Disabled,
    options: &[],
    evidence: &[AccessArchitecture, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    env:\n    - {name: DB_HOST, value: db}\n  volumes: [{name: db, secret: {secretName: db}}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    env:\n    - name: DB_PASSWORD\n      valueFrom: {secretKeyRef: {name: db, key: password}}\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            for (list, field) in [("env", "valueFrom.secretKeyRef"), ("envFrom", "secretRef")] {
                for item in judging.items(container.node(), list) {
                    if judging
                        .note(item.node().field(field), item.node(), field)
                        .is_some()
                    {
                        judging.fail(
                            item.node().at(field),
                            format!("{} takes a secret from a variable", container.words()),
                        );
                    }
                }
            }
        }
    },
};

/// Values of `Secret`s.
pub static SECRET_VALUES_ARE_REFERENCES: Rule = Rule {
    id: "secret-values-are-references",
    title: "No Secret's value stands in what declares it",
    meaning: "Fails where a value of `data` or `stringData` of a Secret is in clear: in a manifest, or as an input of a program that did not mark it as a secret, so that it would lie unencrypted in the state. A value that is marked as a secret, or is empty, passes. Encoding with base64 is no encryption. A Secret without values is not judged.",
    why: "What is in a manifest or in the state is known to all who can read those, for as long as copies of them exist.",
    remedy: "Mark the value as a secret (`pulumi config set --secret`), or let it come from an ExternalSecret or a SealedSecret; then change it.",
    kinds: &[Kind::core("Secret")],
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        ConfidentialKept,
        EncryptionAtRest,
        AccessControl,
    ],
    limits: &[
        "credentials in inputs of other kinds are found by their form only, by the rules about variables and ConfigMaps",
    ],
    good: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: \"\"}\n",
    bad: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: correct-horse}\n",
    check: |subject, judging| {
        let mut values = 0;
        let marked = subject.object.secrets();
        for field in ["data", "stringData"] {
            if marked.contains_key(&format!("/{field}")) {
                values += 1;
                continue;
            }
            let Some(data) = judging.note(subject.body.map(field), subject.body, field) else {
                continue;
            };
            values += data.len();
            for (key, value) in data {
                let pointer = format!("/{field}/{}", key.replace('~', "~0").replace('/', "~1"));
                if marked.contains_key(&pointer) {
                    continue;
                }
                match crate::read::text(value) {
                    Read::Known("") => {}
                    Read::Known(_) => judging.fail(
                        format!("{field}[{key}]"),
                        format!("the value of {key} is in clear"),
                    ),
                    _ => judging.unknown(format!("{field}[{key}]")),
                }
            }
        }
        if values == 0 {
            judging.not_applicable("the Secret declares no values");
        }
    },
};

/// Tokens that never end.
pub static NO_STATIC_SERVICE_ACCOUNT_TOKEN: Rule = Rule {
    id: "no-static-service-account-token",
    title: "No service account has a token that never ends",
    meaning: "Fails where a Secret is of the type `kubernetes.io/service-account-token`.",
    why: "Such a token holds until somebody deletes it, wherever it was copied to; those that pods get live for an hour.",
    remedy: "Remove the Secret. Ask for a token with `kubectl create token`, or let the pod mount a projected one.",
    kinds: &[Kind::core("Secret")],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, Authentication],
    limits: &[],
    good: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\n",
    bad: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/service-account-token\n",
    check: |subject, judging| {
        if judging.text(subject.body, "type") == Some("kubernetes.io/service-account-token") {
            judging.fail(
                "type",
                "the Secret is a token of a service account that never ends",
            );
        }
    },
};

/// What is wrong with a value under this name, in words that do not repeat it.
pub(super) fn credential(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim();
    if let Some(form) = known_form(value) {
        return Some(form);
    }
    if has_password_within(value) {
        return Some("an address with a password in it");
    }
    (is_named_like_one(name) && could_be_one(value))
        .then_some("a value in clear, and its name says that it is a credential")
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
        .then_some("a value in clear, and its name says that it is a credential")
}

fn is_between_words(character: char) -> bool {
    let is_quote = matches!(character, '"' | '\'' | '`');
    let is_bracket = matches!(character, '(' | ')' | '<' | '>' | '{' | '}' | '[' | ']');
    is_quote || is_bracket || matches!(character, ',' | ';') || character.is_whitespace()
}

/// Whether a connection string (`Server=db;User=a;Password=b`, `host=db password=b`, `jdbc:…?password=b`) has a password.
fn has_password_within(value: &str) -> bool {
    let parts = || value.split([';', ' ', '&', '?', ','].as_slice());
    // One setting is no connection string.
    let is_one = parts().filter(|part| part.contains('=')).count() > 1;
    is_one
        && parts()
            .filter_map(|part| part.split_once('='))
            .any(|(name, value)| is_named_like_one(name.trim()) && could_be_one(value))
}

/// Forms that are credentials under any name.
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
    // The shortest is an address such as `a://:b@`; most words of a text are shorter.
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
        return Some("a token of a known form");
    }
    let upper = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if value.len() == 20 && (value.starts_with("AKIA") || value.starts_with("ASIA")) && upper(value) {
        return Some("an access key of AWS");
    }
    if value.len() == 39 && value.starts_with("AIza") && plain(value) {
        return Some("an API key of Google");
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
    (is_scheme && could_be_one(password)).then_some("an address with a password in it")
}

/// Whether a name says that its value is a credential: its words, not its letters, so that `tokenizer` is none.
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
    // Words that stand at the end of longer ones: `PGPASSWORD`, `clientsecret`.
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
    // What such a key opens.
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
    // What stands behind such a word makes of it something about a credential.
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

/// The words of `DB_PASSWORD`, `dbPassword` and `db-password`, in small letters.
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

/// Whether a value can be a credential at all: not empty, a reference, a path, an address, a flag or a number.
fn could_be_one(value: &str) -> bool {
    let value = value.trim();
    let reference =
        value.contains("$(") || value.contains("${") || value.contains("{{") || value.starts_with('$');
    let place =
        value.starts_with(['/', '.', '<', '[', '{', '|', '>', '&', '*', '%']) || value.contains("://");
    // Words of configuration, and types that stand where a schema is described.
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

/// Whether any label of a map names a class; used by the rules about data.
pub(super) fn entry_is<'n>(
    judging: &mut Judging<'_>,
    node: Node<'n>,
    path: &str,
    key: &str,
) -> Option<&'n str> {
    judging.note(node.entry(path, key), node, &format!("{path}[{key}]"))
}

static SOURCE: Setting = Setting {
    name: "annotation",
    meaning: "the annotation by which a Secret says where its values come from; the first is looked at",
    default: Default::Texts(&["phoenix.ai/secret-source"]),
};

static SECRET_STORES: Setting = Setting {
    name: "stores",
    meaning: "what the annotation may say: stores that keep the values, and write down who reads them",
    default: Default::Texts(&["pulumi-esc", "external-secrets"]),
};

static REFRESHED: Setting = Setting {
    name: "hours",
    meaning: "the most hours until a changed value of a store reaches the Secret",
    default: Default::Number(24),
};

/// Kinds whose controllers write Secrets from a store or from what was sealed for them.
const WRITERS: [&str; 6] = [
    "ExternalSecret",
    "ClusterExternalSecret",
    "SealedSecret",
    "VaultStaticSecret",
    "VaultDynamicSecret",
    "OnePasswordItem",
];

/// Types of Secrets that the cluster or a tool makes for itself.
const MADE: [&str; 3] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
];

/// Stores of secrets.
pub static EXTERNAL_SECRET_STORE_USED: Rule = Rule {
    id: "external-secret-store-used",
    title: "Values of Secrets come from a store of secrets, and follow it",
    meaning: "Judges Secrets that declare values, and ExternalSecrets. A Secret passes where it says by annotation that its values come from one of the stores of the settings, or where the controller of a store owns it. An ExternalSecret fails where it reads its store once only (`refreshPolicy: CreatedOnce`, a `refreshInterval` of 0), or less often than the settings ask for; without an interval it reads every hour. Secrets without values, and those that the cluster makes for itself, are not judged.",
    why: "A store knows who read a value, and changes it in one place; what is declared beside it stays as it is, for years, after the key was rotated.",
    remedy: "Keep the value in a store (Pulumi ESC, or one that the External Secrets Operator reads), and say so; `refreshInterval: 1h` follows it.",
    kinds: &[
        Kind::core("Secret"),
        Kind::new(&["external-secrets.io"], "ExternalSecret"),
    ],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Advisory,
    options: &[&SOURCE, &SECRET_STORES, &REFRESHED],
    evidence: &[AccessArchitecture, PasswordManagement, EncryptionAtRest],
    limits: &["an annotation is the word of whoever wrote it; the store itself is not asked"],
    good: "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: a}\nspec: {refreshInterval: 1h0m0s, secretStoreRef: {name: store}}\n",
    bad: "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: a}\nspec: {refreshInterval: 48h, secretStoreRef: {name: store}}\n",
    check: |subject, judging| {
        if subject.kind() == "Secret" {
            from_store(subject.body, judging);
        } else {
            follows(subject.body, judging);
        }
    },
};

fn from_store(body: Node<'_>, judging: &mut Judging<'_>) {
    let fields = ["data", "stringData"].map(|field| body.map(field));
    let has_values = Answer::any(fields.map(|field| match field {
        Read::Known(values) => Answer::from_bool(!values.is_empty()),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }));
    if has_values == Answer::No {
        judging.not_applicable("the Secret declares no values");
        return;
    }
    if judging
        .text(body, "type")
        .is_some_and(|kind| MADE.contains(&kind))
    {
        judging.not_applicable("the cluster or a tool makes it for itself");
        return;
    }
    let owners = judging.items(body, "metadata.ownerReferences");
    let mut owned = false;
    for owner in &owners {
        let kind = judging.text(owner.node(), "kind");
        owned |= kind.is_some_and(|kind| WRITERS.contains(&kind));
    }
    if owned {
        return;
    }
    let annotation = judging
        .option_texts(&SOURCE)
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    let place = format!("metadata.annotations[{annotation}]");
    match body.entry("metadata.annotations", &annotation) {
        Read::Known(store) if judging.option_texts(&SECRET_STORES).contains(&store) => {}
        Read::Known(_) => judging.fail(
            place,
            "its values come from something that the settings do not call a store of secrets",
        ),
        Read::Absent => judging.fail(
            place,
            "it does not say from which store of secrets its values come",
        ),
        Read::Unknown => judging.unknown(place),
    }
}

fn follows(body: Node<'_>, judging: &mut Judging<'_>) {
    if judging.text(body, "spec.refreshPolicy") == Some("CreatedOnce") {
        judging.fail("spec.refreshPolicy", "it reads its store once, and never again");
        return;
    }
    let place = "spec.refreshInterval";
    let most = judging.option_number(&REFRESHED);
    match body.field(place) {
        Read::Absent => {}
        Read::Known(interval) => match interval
            .as_str()
            .map_or(interval.as_i64().filter(|zero| *zero == 0), seconds)
        {
            Some(0) => judging.fail(place, "it reads its store once, and never again"),
            Some(seconds) if seconds > most.saturating_mul(3600) => judging.fail(
                place,
                format!("a changed value needs longer than {most} hours to get here"),
            ),
            Some(_) => {}
            None => judging.unknown(place),
        },
        Read::Unknown => judging.unknown(place),
    }
}

/// The seconds of a duration such as `1h30m`; what is shorter than one of them is rounded up.
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
    fn credentials_are_told_from_what_is_about_them() {
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
