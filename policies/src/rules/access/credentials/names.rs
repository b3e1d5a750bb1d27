//! Decides from a name alone whether a value under this name is a credential.
//!
//! A name is split into words (`DB_PASSWORD`, `dbPassword`, `db-password`, `DBPassword`). Its head is the last word, or pair
//! of words, that denotes a credential. The words after the head decide: `TOKEN_SIGNING_ALG` is about a token and does not
//! hold one, `TOKEN_STAGING` holds one, and for `TOKEN_ORCHARD` only the value can decide.

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The value is a password, which may also be a number.
    Password,
    /// The value is a token, key or another secret.
    Secret,
    /// The value can be a credential; it is one if it looks generated.
    Possible,
    /// The value can be a user name and a password.
    Login,
    /// The value is something else.
    Other,
}

/// Decides about a name.
pub(super) fn classify(name: &str) -> Name {
    if name.len() > 200 || !has_stem(name) {
        return Name::Other;
    }
    let words = words(name);
    let found = (0..words.len())
        .rev()
        .find_map(|index| Some((index, head(&words, index)?)));
    let Some((index, kind)) = found else {
        return Name::Other;
    };
    let is_one_of = |list: &[&str], word: &String| list.contains(&word.as_str());
    let (before, after) = (&words[..index], &words[index + 1..]);
    if before.iter().any(|word| is_one_of(&BEFORE, word))
        || (kind != Name::Password && before.iter().any(|word| is_one_of(&PUBLIC, word)))
        || before.last().is_some_and(|word| is_one_of(&JUST_BEFORE, word))
        || after.iter().any(|word| is_one_of(ABOUT, word))
    {
        return Name::Other;
    }
    let is_neutral =
        |word: &String| is_one_of(NEUTRAL, word) || word.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        kind if after.iter().all(is_neutral) => kind,
        Name::Login | Name::Other => Name::Other,
        _ => Name::Possible,
    }
}

/// Whether the head of a name is a word for a Kubernetes Secret, so that the value can also be the name of one.
pub(super) fn can_name_an_object(name: &str) -> bool {
    let words = words(name);
    words.last().is_some_and(|word| {
        ["secret", "secrets", "credential", "credentials", "creds", "cred"].contains(&word.as_str())
            || word.ends_with("secret")
    })
}

/// Whether a Secret of this name is usually a reference: `TLS_SECRET`, `imagePullSecret`.
pub(super) fn is_usually_an_object(name: &str) -> bool {
    let words = words(name);
    can_name_an_object(name) && words.len() > 1 && OBJECTS.contains(&words[words.len() - 2].as_str())
}

/// Whether a Secret of this name is usually a value: `clientSecret`, `JWT_SECRET`.
pub(super) fn is_usually_a_value(name: &str) -> bool {
    const VALUES: [&str; 15] = [
        "client", "shared", "app", "api", "jwt", "cookie", "session", "signing", "webhook", "hmac", "oauth",
        "consumer", "token", "access", "auth",
    ];
    let words = words(name);
    let qualifier = words.len().checked_sub(2).map(|index| words[index].as_str());
    qualifier.is_some_and(|word| VALUES.contains(&word) && word != "auth")
        || words
            .last()
            .is_some_and(|word| VALUES.iter().any(|of| word.strip_suffix("secret") == Some(of)))
}

/// Qualifiers of a Secret that is given by its name.
#[rustfmt::skip]
const OBJECTS: [&str; 17] = [
    "tls", "ssl", "pull", "existing", "cert", "certificate", "ca", "registry", "docker", "image", "ingress",
    "serving", "credential", "credentials", "creds", "target", "backup",
];

/// Words that make everything after them a description: `checksum/secret`.
const BEFORE: [&str; 3] = ["checksum", "sha", "digest"];

/// Words that say the same about a key or a token, but not about a password: `PUBLIC_API_KEY`, `public-site.db.password`.
const PUBLIC: [&str; 2] = ["public", "publishable"];

/// Words directly before the head that give it another meaning: `NEXT_TOKEN`, `EOS_TOKEN`, `MAX_TOKEN`.
#[rustfmt::skip]
const JUST_BEFORE: [&str; 21] = [
    "next", "page", "continuation", "continue", "pagination", "cursor", "cancellation", "stop", "eos", "bos",
    "pad", "unk", "mask", "sep", "cls", "special", "per", "max", "min", "num", "total",
];

/// The kind of the word at `index`, if it is a head.
fn head(words: &[String], index: usize) -> Option<Name> {
    let word = words[index].as_str();
    let previous = index.checked_sub(1).map(|index| words[index].as_str());
    match word {
        "password" | "passwd" | "passphrase" | "passcode" | "pwd" | "pw" | "pass" => Some(Name::Password),
        "secret" | "token" | "creds" | "cred" | "credential" | "credentials" | "psk" | "pepper"
        | "mnemonic" | "masterauth" => Some(Name::Secret),
        "cookie" if previous == Some("erlang") => Some(Name::Secret),
        "pat" if previous.is_some() && index + 1 == words.len() => Some(Name::Secret),
        "key" => Some(match previous {
            Some(of) if KEYS.contains(&of) => Name::Secret,
            Some(of) if OTHER_KEYS.contains(&of) => Name::Other,
            _ => Name::Possible,
        }),
        "tokens" | "secrets" | "passwords" | "keys" | "salt" | "pin" | "otp" | "seed" | "bearer" | "jwt"
        | "license" | "cookie" | "hmac" | "pat" => Some(Name::Possible),
        "auth" | "authorization" | "login" => Some(Name::Login),
        _ if ENDS_OF_PASSWORDS.iter().any(|end| word.ends_with(end)) => {
            (!NO_PASSWORDS.contains(&word)).then_some(Name::Password)
        }
        _ if ENDS_OF_SECRETS.iter().any(|end| word.ends_with(end)) => Some(Name::Secret),
        _ => None,
    }
}

/// Ends of words that are written without a separator: `PGPASSWORD`, `PGPASS`, `bindpw`.
const ENDS_OF_PASSWORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "kennwort",
    "pass",
    "pwd",
    "pw",
];
#[rustfmt::skip]
const NO_PASSWORDS: [&str; 9] = [
    "bypass", "compass", "encompass", "trespass", "overpass", "underpass", "surpass", "multipass", "oldpwd",
];
#[rustfmt::skip]
const ENDS_OF_SECRETS: [&str; 13] = [
    "secret", "token", "apikey", "accesskey", "secretkey", "privatekey", "encryptionkey", "signingkey",
    "authkey", "accountkey", "masterkey", "credentials", "authtok",
];

/// What a key that is a secret is for.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "api", "private", "access", "secret", "encryption", "encrypt", "decryption", "cipher", "crypto", "aes",
    "rsa", "ecdsa", "ssh", "hmac", "signing", "sign", "signature", "jwt", "jwe", "session",
    "cookie", "csrf", "auth", "authentication", "account", "storage", "master", "shared", "subscription",
    "batch", "cli", "client", "tls", "fernet", "unseal", "recovery", "admin", "deploy", "webhook", "psk",
];

/// What a key that is not a secret is for; `PASSWORD_KEY` is the key of a password in a Secret.
#[rustfmt::skip]
const OTHER_KEYS: &[&str] = &[
    "public", "cache", "partition", "sort", "row", "column", "foreign", "config", "label", "annotation",
    "topology", "map", "object", "group", "index", "lookup", "dict", "translation", "message", "event",
    "metric", "header", "property", "field", "registry", "shard", "dedup", "idempotency", "site", "publishable",
    "kms", "password", "passwd", "username", "user", "credentials", "trusted", "known", "rate", "sorting",
    "gpg", "pgp",
];

/// Words after the head that describe a credential and do not hold it.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "file", "files", "filename", "path", "paths", "dir", "directory", "folder", "location", "mount", "volume",
    "name", "names", "ref", "refs", "reference", "url", "uri", "urls", "endpoint", "endpoints", "host",
    "hostname", "address", "addr", "port", "server", "service", "ttl", "expiry", "expiration", "expires",
    "expire", "exp", "lifetime", "lifespan", "duration", "timeout", "interval", "period", "days", "hours",
    "minutes", "seconds", "secs", "ms", "age", "length", "len", "size", "bits", "bytes", "min", "max", "limit",
    "limits", "limiter", "count", "num", "number", "quota", "rate", "threshold", "percentage", "header",
    "headers", "prefix", "suffix", "separator", "delimiter", "pattern", "regex", "regexp", "format", "encoding",
    "charset", "alphabet", "type", "types", "kind", "class", "mode", "method", "methods", "strategy", "scheme",
    "schema", "algorithm", "algo", "alg", "algs", "algorithms", "cipher", "hash", "hasher", "hashers",
    "hashing", "hashed", "digest", "checksum", "fingerprint", "thumbprint", "sha", "enabled", "enable",
    "disabled", "required", "require", "optional", "allowed", "supported", "policy", "policies", "rule",
    "rules", "rotation", "rotate", "rotator", "renew", "renewal", "refresh", "validation", "validate",
    "validator", "verify", "verification", "verifier", "check", "checker", "strength", "complexity", "history",
    "reset", "change", "changed", "updated", "created", "issued", "provider", "providers", "backend",
    "backends", "store", "stores", "storage", "vault", "manager", "engine", "source", "sources", "driver",
    "plugin", "issuer", "issuers", "iss", "audience", "aud", "subject", "realm", "scope", "scopes", "claim",
    "claims", "role", "roles", "group", "groups", "id", "ids", "uid", "uuid", "index", "field", "fields",
    "column", "table", "property", "attribute", "param", "parameter", "params", "label", "labels", "annotation",
    "annotations", "description", "desc", "hint", "help", "message", "placeholder", "prompt", "title",
    "template", "usage", "version", "versions", "revision", "generation", "namespace", "namespaces", "region",
    "zone", "loader", "reader", "resolver", "handler", "generator", "factory", "converter", "encoder",
    "encoders", "decoder", "parser", "processor", "introspection", "exchange", "revocation", "binding",
    "bucket", "buckets", "budget", "window", "leeway", "skew", "tolerance", "grace", "delay", "retries",
    "attempts", "cache", "caching", "sync", "controller", "operator", "agent", "injector", "reloader", "csi",
    "status", "state", "event", "events", "metrics", "log", "logging", "audit", "owner", "username", "email",
    "through", "via", "public", "authentication", "authenticator", "grant", "flow", "request", "response",
    "action", "protection", "security", "encryption", "compression", "cookie", "query", "transport", "delivery",
    "usernames", "length", "words", "tokens", "chars", "digits", "algorithm", "curve", "order", "selector",
    "sharing",
];

/// Words after the head that only distinguish one credential from another.
#[rustfmt::skip]
const NEUTRAL: &[&str] = &[
    "prod", "production", "staging", "stage", "stg", "dev", "development", "test", "testing", "qa", "uat",
    "sandbox", "live", "local", "primary", "secondary", "main", "default", "old", "new", "current", "previous",
    "prev", "value", "val", "plain", "plaintext", "clear", "cleartext", "raw", "literal", "string", "str",
    "base", "encoded", "data", "content", "contents", "txt", "admin", "root", "superuser", "db", "database",
    "postgres", "postgresql", "pg", "mysql", "mariadb", "mongo", "mongodb", "redis", "valkey", "rabbitmq",
    "kafka", "elastic", "elasticsearch", "opensearch", "neo4j", "neo", "cassandra", "clickhouse", "minio",
    "smtp", "mail", "imap", "ldap", "ftp", "sftp", "ssh", "api", "github", "gitlab", "bitbucket", "slack",
    "discord", "telegram", "aws", "gcp", "google", "azure", "openai", "anthropic", "stripe", "twilio",
    "sendgrid", "datadog", "sentry", "grafana", "consul", "nexus", "artifactory", "docker", "npm", "pypi", "a",
    "b", "v", "ro", "rw", "read", "write", "readonly", "replica", "replication", "master", "app", "web",
    "internal", "external", "eu", "us", "key",
];

/// Whether a name contains a part of any head. Most names do not, and are not split.
fn has_stem(name: &str) -> bool {
    const STEMS: [&[u8]; 22] = [
        b"pass",
        b"pwd",
        b"pw",
        b"pat",
        b"pin",
        b"psk",
        b"pepper",
        b"secret",
        b"salt",
        b"seed",
        b"token",
        b"key",
        b"wort",
        b"cred",
        b"cookie",
        b"auth",
        b"otp",
        b"bearer",
        b"mnemonic",
        b"jwt",
        b"licen",
        b"hmac",
    ];
    /// One bit for each letter that a stem begins with.
    const FIRST: u32 = {
        let mut letters = 0;
        let mut index = 0;
        while index < STEMS.len() {
            letters |= 1 << (STEMS[index][0] - b'a');
            index += 1;
        }
        letters
    };
    let name = name.as_bytes();
    (0..name.len()).any(|start| {
        let first = name[start] | 0x20;
        if !first.is_ascii_lowercase() || FIRST >> (first - b'a') & 1 == 0 {
            return false;
        }
        STEMS.iter().any(|stem| {
            stem[0] == first
                && name
                    .get(start..start + stem.len())
                    .is_some_and(|part| part.eq_ignore_ascii_case(stem))
        })
    }) || contains_login(name)
}

fn contains_login(name: &[u8]) -> bool {
    name.len() >= 5 && name[name.len() - 5..].eq_ignore_ascii_case(b"login")
}

/// The words of a name in lower case, without digits at their ends.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = index.checked_sub(1).map(|index| letters[index]);
        let after = letters.get(index + 1);
        let starts_a_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if starts_a_word {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    for word in &mut words {
        let trimmed = word
            .trim_end_matches(|letter: char| letter.is_ascii_digit())
            .len();
        if trimmed > 0 {
            word.truncate(trimmed);
        }
    }
    words
}
