//! Decides from a value alone whether it can be a literal credential.
//!
//! A value is a literal unless it has the form of something else: a reference that a program or a tool resolves, an
//! encrypted value, a place, a setting, or a mark that the value was removed. Ordinary words such as `changeme` are literals:
//! if the manifest is applied, that is the password.

/// Whether a value under the name of a password can be one.
pub(super) fn is_literal_password(value: &str) -> bool {
    let value = value.trim();
    let is_short_number = value.len() < 4 && value.bytes().all(|byte| byte.is_ascii_digit());
    !(value.is_empty()
        || is_short_number
        || is_constant(value)
        || is_reference(value)
        || is_encrypted(value)
        || is_place(value)
        || is_removed(value)
        || is_quantity(value))
}

/// Whether a value under the name of a token, a key or another secret can be one.
pub(super) fn is_literal_secret(value: &str) -> bool {
    let value = value.trim();
    let is_number = value.len() < 12 && value.parse::<f64>().is_ok();
    is_literal_password(value) && !is_number && !is_choice(value)
}

/// Whether a value looks generated: long, without words, with characters of several classes in an irregular order.
pub(super) fn is_generated(value: &str) -> bool {
    let value = value.trim().trim_start_matches("base64:");
    let is_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(&byte);
    if value.len() < 16 || value.len() > 4096 || !value.bytes().all(is_alphabet) || is_uuid(value) {
        return false;
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let mut seen = [0_usize; 4];
    let (mut before, mut changes) = (0, 0);
    for byte in value.bytes() {
        let class = class(byte);
        seen[class] += 1;
        if class != 0 && before != 0 && class != before {
            changes += 1;
        }
        before = class;
    }
    let letters_and_digits = value.len() - seen[0];
    // Versions, dates and names have many separators.
    if letters_and_digits < 16 || seen[0] * 6 > value.len() || is_place(value) {
        return false;
    }
    match (seen[1] > 0, seen[2] > 0, seen[3] > 0) {
        (true, true, true) => changes * 10 >= letters_and_digits * 3,
        (true, false, true) | (false, true, true) => {
            letters_and_digits >= 20 && changes * 5 >= letters_and_digits
        }
        (true, true, false) => letters_and_digits >= 20 && changes * 10 >= letters_and_digits * 4,
        _ => false,
    }
}

/// Whether a value is encrypted and useless without a key that is elsewhere.
pub(super) fn is_encrypted(value: &str) -> bool {
    let value = value.trim();
    is_sops(value)
        || (["ENC[PKCS7,", "ENC[GPG,", "ENC["]
            .iter()
            .any(|start| value.starts_with(start))
            && value.ends_with(']'))
        || (value.starts_with("ENC(") && value.ends_with(')'))
        || value.starts_with("$ANSIBLE_VAULT;")
        || value.starts_with("{cipher}")
        || value.starts_with("vault:v1:")
        || value.starts_with("-----BEGIN PGP MESSAGE-----")
        || value.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Whether a value was encrypted by SOPS.
pub(super) fn is_sops(value: &str) -> bool {
    value.strip_prefix("ENC[AES256_GCM,").is_some_and(|rest| {
        rest.ends_with(']')
            && ["data:", "iv:", "tag:", "type:"]
                .iter()
                .all(|part| rest.contains(part))
    })
}

/// Whether a value is resolved later, by the kubelet, a template or a secret store.
fn is_reference(value: &str) -> bool {
    is_expansion(value) || is_template(value) || is_store_reference(value)
}

/// `$(NAME)`, `${NAME}`, `$NAME`, `%NAME%`, `%(name)s` and similar. A default (`${NAME:-value}`) is a literal.
fn is_expansion(value: &str) -> bool {
    if let Some(position) = value.find("$(") {
        return value[position..].contains(')');
    }
    if let Some((_, rest)) = value.split_once("${") {
        return rest
            .split_once('}')
            .is_some_and(|(inner, _)| !has_literal_default(inner));
    }
    let is_name = |name: &str| {
        name.len() > 1
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    if let Some(name) = value.strip_prefix('$') {
        // Grafana's `$__file{path}`.
        return is_name(name) || (name.starts_with("__") && name.ends_with('}'));
    }
    if let Some(rest) = value.strip_prefix('%') {
        let is_python = rest.starts_with('(') && (rest.ends_with(")s") || rest.ends_with(')'));
        let is_log_field =
            (rest.starts_with('{') && rest.contains('}')) || (rest.starts_with('[') && rest.ends_with(']'));
        return is_python
            || is_log_field
            || rest
                .strip_suffix('%')
                .is_some_and(|name| is_name(name) || (name.contains('(') && name.ends_with(')')))
            || ["s", "v", "d", "q", "w"].contains(&rest);
    }
    value.starts_with('`') && value.ends_with('`') && value.len() > 1
}

/// Whether `NAME:-default` or Spring's `name:default` has a default that is a literal.
fn has_literal_default(inner: &str) -> bool {
    /// Providers of values, whose argument follows the colon: `${env:NAME}`.
    #[rustfmt::skip]
    const PROVIDERS: [&str; 18] = [
        "env", "file", "sys", "secret", "secrets", "directory", "dir", "vault", "configmaps", "strimzisecrets",
        "strimziconfigmaps", "aws", "azure", "gcp", "sm", "ssm", "base64", "lookup",
    ];
    let Some((name, default)) = inner.split_once(':').or_else(|| inner.split_once('-')) else {
        return false;
    };
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let default = match default.as_bytes().first() {
        // `:?message` and `:+alternative` are not defaults.
        Some(b'?' | b'+') => return false,
        Some(b'-' | b'=') => &default[1..],
        _ => default,
    };
    is_name && !PROVIDERS.contains(&name) && is_literal_password(default)
}

/// Placeholders of templates: `{{ … }}`, `<% … %>`, `#{…}`, `@NAME@`, `__NAME__`, `{name}`, `((name))`, `<name>`, `[[ … ]]`.
fn is_template(value: &str) -> bool {
    let between = |start: &str, end: &str| {
        value.len() > start.len() + end.len() && value.starts_with(start) && value.ends_with(end)
    };
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-. :".contains(&byte))
    };
    let inner =
        |start: &str, end: &str| between(start, end) && is_word(&value[start.len()..value.len() - end.len()]);
    (value.contains("{{") && value.contains("}}"))
        || (value.contains("<%") && value.contains("%>"))
        || (value.contains("#{") && (value.ends_with('}') || value.ends_with("}#")))
        || between("[[", "]]")
        || between("<", ">")
        || inner("((", "))")
        || inner("{", "}")
        || inner("@", "@")
        || inner("__", "__")
        || value.starts_with("!vault")
        || value.starts_with("!Ref")
        || value.starts_with("!Sub")
        || value.starts_with("!GetAtt")
        || value.starts_with("!ImportValue")
        || value.starts_with("!secret ")
        || value.starts_with("!env")
        || value.starts_with("!reference")
}

/// The address of a value in a secret store: `vault:path#key`, `ref+…`, `op://…`, an ARN, and similar.
fn is_store_reference(value: &str) -> bool {
    #[rustfmt::skip]
    const STORES: &[&str] = &[
        "vault", "bao", "openbao", "ssm", "sm", "aws", "awssm", "awsssm", "awssecrets", "aws-sm", "aws-ssm",
        "gcp", "gcpsm", "gsm", "gcp-sm", "azure", "akv", "azkv", "azurekeyvault", "keyvault", "secretsmanager",
        "secretmanager", "secret", "secrets", "env", "file", "k8s", "kubernetes", "configmap", "doppler",
        "infisical", "sops", "op", "1password", "bitwarden", "keyring", "kms", "esc", "projected",
    ];
    if value.contains(char::is_whitespace) {
        return false;
    }
    let has_place = |rest: &str| {
        rest.contains(['/', '#', '-', '_', '.', ':'])
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_-.#:?=&@,[]".contains(&byte))
    };
    if let Some((store, rest)) = value.split_once(':')
        && STORES.iter().any(|known| store.eq_ignore_ascii_case(known))
    {
        return has_place(rest);
    }
    let is_call = value.ends_with(')')
        && ["env(", "file(", "vault(", "secret(", "env.", "lookup("]
            .iter()
            .any(|start| value.starts_with(start));
    is_call
        || [
            "ref+",
            "secretref+",
            "secretref:",
            "arn:",
            "@Microsoft.KeyVault(",
            "env.",
        ]
        .iter()
        .any(|start| value.starts_with(start))
        || (value.starts_with("projects/") && value.contains("/secrets/"))
}

/// A path, a file or a URL.
fn is_place(value: &str) -> bool {
    #[rustfmt::skip]
    const FILES: [&str; 20] = [
        ".pem", ".key", ".crt", ".cer", ".txt", ".json", ".yaml", ".yml", ".jks", ".p12", ".pfx", ".token",
        ".conf", ".cfg", ".ini", ".properties", ".env", ".pub", ".kdbx", ".keytab",
    ];
    if value.contains(char::is_whitespace) {
        return false;
    }
    // Base64 can start with a slash as well.
    let is_path = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start))
        && !value.contains(['+', '='])
        && value.len() > 1;
    let is_windows = value.as_bytes().get(1..3) == Some(b":\\");
    let is_file = FILES.iter().any(|end| value.ends_with(end));
    let is_url = value.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let is_word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte))
    };
    let is_key_of_store = value.split('/').count() > 2 && value.split('/').all(is_word);
    is_path || is_windows || is_file || is_url || is_key_of_store
}

/// A value that was removed or has to be replaced, and does not work as it is.
fn is_removed(value: &str) -> bool {
    #[rustfmt::skip]
    const FIRST: [&str; 10] = [
        "your", "replace", "replaceme", "insert", "todo", "tbd", "redacted", "masked", "placeholder", "fill",
    ];
    let mut words = value
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = words.next();
    let is_mask = first.is_none() && value.bytes().all(|byte| b"*.-#_?".contains(&byte))
        || (value.chars().all(|letter| letter == '•'));
    is_mask
        || first.is_some_and(|first| FIRST.iter().any(|word| first.eq_ignore_ascii_case(word)))
        || words
            .next_back()
            .is_some_and(|last| last.eq_ignore_ascii_case("here"))
}

/// A switch or the absence of a value.
fn is_constant(value: &str) -> bool {
    #[rustfmt::skip]
    const CONSTANTS: [&str; 19] = [
        "true", "false", "null", "none", "nil", "yes", "no", "on", "off", "enabled", "disabled", "undefined",
        "string", "str", "boolean", "required", "optional", "auto", "~",
    ];
    // A type can be marked as required or optional: `String!`.
    let value = value.trim_end_matches(['!', '?']);
    CONSTANTS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A choice among ways to authenticate, which is not a token.
fn is_choice(value: &str) -> bool {
    #[rustfmt::skip]
    const CHOICES: [&str; 16] = [
        "jwt", "opaque", "bearer", "basic", "header", "headers", "cookie", "query", "body", "kubernetes",
        "vault", "file", "env", "oauth2", "oidc", "default",
    ];
    CHOICES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A duration or a size: `30s`, `1h30m`, `64Mi`.
fn is_quantity(value: &str) -> bool {
    const UNITS: [&str; 22] = [
        "ns", "us", "ms", "s", "m", "h", "d", "w", "sec", "min", "hours", "days", "minutes", "seconds", "k",
        "Ki", "Mi", "Gi", "KB", "MB", "GB", "bit",
    ];
    let mut rest = value;
    if !rest.starts_with(|letter: char| letter.is_ascii_digit()) || rest.len() > 12 {
        return false;
    }
    while !rest.is_empty() {
        let number = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = rest[number..]
            .find(|letter: char| letter.is_ascii_digit())
            .map_or(rest.len(), |length| number + length);
        if number == 0 || !UNITS.contains(&&rest[number..unit]) {
            return false;
        }
        rest = &rest[unit..];
    }
    true
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a value is a name that Kubernetes allows for an object, possibly with its namespace.
pub(super) fn is_object_name(value: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 253
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
            && !name.starts_with(['-', '.'])
            && !name.ends_with(['-', '.'])
    };
    !is_generated(value)
        && match value.split_once('/') {
            Some((namespace, name)) => is_name(namespace) && is_name(name),
            None => is_name(value),
        }
}

/// Whether the name of an object ends in a word for what Secrets contain: `db-credentials`, `web-tls`.
pub(super) fn is_named_like_a_secret(value: &str) -> bool {
    #[rustfmt::skip]
    const NOUNS: [&str; 16] = [
        "secret", "secrets", "credential", "credentials", "creds", "tls", "cert", "certs", "token", "tokens",
        "auth", "key", "keys", "config", "regcred", "htpasswd",
    ];
    is_object_name(value)
        && (value == "regcred"
            || value
                .rsplit_once('-')
                .is_some_and(|(_, last)| NOUNS.contains(&last)))
}

/// Whether a value can be the key of an entry of a Secret.
pub(super) fn is_key(value: &str) -> bool {
    !is_generated(value)
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Code and structure: a call, a field of an object, a list, an alias.
pub(super) fn is_expression(value: &str) -> bool {
    const OBJECTS: [&str; 24] = [
        "os", "process", "env", "self", "this", "config", "cfg", "settings", "args", "opts", "options",
        "params", "request", "req", "ctx", "context", "secrets", "vars", "var", "local", "data", "module",
        "values", "inputs",
    ];
    let is_name = |text: &str| {
        text.bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
    };
    let is_call = value
        .split_once('(')
        .is_some_and(|(name, rest)| is_name(name) && rest.trim_end_matches([';', ',']).ends_with(')'));
    let is_field = value.split_once('.').is_some_and(|(object, field)| {
        OBJECTS.contains(&object) && is_name(field.split(['[', '(']).next().unwrap_or(field))
    });
    let is_structure = matches!(value, "[" | "{" | "(" | "[]" | "{}" | "|" | ">" | "-")
        || (value.starts_with('{') && value.ends_with(['}', ',', '{']))
        || (value.starts_with('[') && value.ends_with([']', ',', '[']))
        || value.ends_with(" {");
    let is_alias = value.strip_prefix('*').is_some_and(is_name);
    is_call || is_field || is_structure || is_alias
}
