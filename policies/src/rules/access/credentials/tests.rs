//! Tables of names, values and texts with the right decision.

use super::decision::{Place, Source};
use super::names::{Name, classify};
use super::{search, text, values};

fn is_found(name: &str, value: &str) -> bool {
    search::named(name, value, Place::Value, Source::Configuration).is_some()
}

#[test]
fn a_name_alone_decides_whether_it_denotes_a_credential() {
    for (name, expected) in [
        ("DB_PASSWORD", Name::Password),
        ("dbPassword", Name::Password),
        ("DBPassword", Name::Password),
        ("db-password", Name::Password),
        ("spring.datasource.password", Name::Password),
        ("PGPASSWORD", Name::Password),
        ("PGPASS", Name::Password),
        ("DB_PW", Name::Password),
        ("PASSWORD_1", Name::Password),
        ("PASSWORD_STAGING", Name::Password),
        ("GITHUB_PAT", Name::Secret),
        ("HMAC_KEY", Name::Secret),
        ("apiKey", Name::Secret),
        ("APIKey", Name::Secret),
        ("X-Api-Key", Name::Secret),
        ("clientsecret", Name::Secret),
        ("client-key-data", Name::Secret),
        ("SECRET_KEY_BASE", Name::Secret),
        ("KEY", Name::Possible),
        ("UPSTREAM_KEY", Name::Possible),
        ("TOKEN_ORCHARD", Name::Possible),
        ("NEO4J_AUTH", Name::Login),
        ("PASS_THROUGH", Name::Other),
        ("TOKEN_SIGNING_ALG", Name::Other),
        ("SECRET_BACKEND", Name::Other),
        ("PASSWORD_HASHER", Name::Other),
        ("TOKEN_FORMAT", Name::Other),
        ("PASSWORD_FILE", Name::Other),
        ("API_KEY_HEADER", Name::Other),
        ("TOKENIZER", Name::Other),
        ("MAX_TOKEN", Name::Other),
        ("EOS_TOKEN", Name::Other),
        ("PUBLIC_KEY", Name::Other),
        ("PUBLIC_API_KEY", Name::Other),
        ("NEXT_PUBLIC_MAPS_TOKEN", Name::Other),
        ("PUBLIC_API_DB_PASSWORD", Name::Password),
        ("public-site.db.password", Name::Password),
        ("PARTITION_KEY", Name::Other),
        ("checksum/secret", Name::Other),
        ("BYPASS", Name::Other),
        ("KEYBOARD", Name::Other),
        ("PATH", Name::Other),
    ] {
        assert_eq!(classify(name), expected, "{name}");
    }
}

#[test]
fn a_value_alone_decides_whether_it_is_a_literal() {
    for (value, expected) in [
        ("correct-horse", true),
        ("correct horse battery", true),
        ("$ecret-horse", true),
        ("%horse", true),
        ("&horse", true),
        ("{horse", true),
        ("horse)", true),
        ("changeme", true),
        ("123456", true),
        ("${PASSWORD:-horse}", true),
        ("${db.password:horse}", true),
        ("vault:horse", true),
        ("", false),
        ("true", false),
        ("30s", false),
        ("1h30m", false),
        ("$(PASSWORD)", false),
        ("${PASSWORD}", false),
        ("${PASSWORD:-}", false),
        ("${PASSWORD:?is not set}", false),
        ("${file:/run/db.properties:password}", false),
        ("$PASSWORD", false),
        ("{{ .Values.password }}", false),
        ("vault:secret/db#password", false),
        ("ref+awsssm://db", false),
        ("op://vault/item/field", false),
        ("ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]", false),
        ("/run/secrets/db", false),
        ("certs/server.key", false),
        ("https://example.org/token", false),
        ("********", false),
        ("<password>", false),
        ("YOUR_PASSWORD_HERE", false),
    ] {
        assert_eq!(values::is_literal_password(value), expected, "{value}");
    }
}

#[test]
fn names_and_values_are_combined() {
    for (name, value, expected) in [
        ("DATABASE_URL", "postgres://db/app", false),
        ("DATABASE_URL", "postgres://app:correct-horse@db/app", true),
        ("DATABASE_URL", "postgres://app:$(PASSWORD)@db/app", false),
        ("ANY", "AKIAABCDEFGHIJKLMNOP", true),
        ("ANY", "sk-abcdefghijklmnopqrstuvwxyz", true),
        ("ANY", "sk-learn-a-long-name-of-a-model", false),
        ("QDRANT_URL", "http://qdrant-service:6333", false),
        ("DB", "Server=db;User Id=app;Password=correct-horse", true),
        ("DB", "host=db user=app password=correct-horse", true),
        ("DB", "jdbc:mysql://db/app?user=app&password=correct-horse", true),
        ("DB", "host=db user=app password=$(PASSWORD)", false),
        ("JAVA_OPTS", "-Xmx1g -Dtoken.path=/run/token", false),
        ("JAVA_OPTS", "-Xmx1g -Dapp.Password=correct-horse", true),
        ("NEO4J_AUTH", "neo4j/correct-horse", true),
        ("NEO4J_AUTH", "none", false),
        ("TLS_SECRET", "web-tls", false),
        ("CLIENT_SECRET", "correct-horse", true),
        ("TOKEN_TTL", "3600", false),
    ] {
        assert_eq!(is_found(name, value), expected, "{name}={value}");
    }
}

#[test]
fn lines_of_files_are_read_and_comments_are_not() {
    for (line, expected) in [
        ("  password: correct-horse", true),
        ("password = \"correct-horse\"", true),
        ("password: &anchor correct-horse", true),
        ("password: *anchor", false),
        ("# password: correct-horse", false),
        ("password: ${DB_PASSWORD}", false),
        ("url: amqp://app:correct-horse@queue/", true),
        ("the token: it is read from a file", false),
        ("-----BEGIN RSA PRIVATE KEY-----", true),
        ("- \"-----BEGIN RSA PRIVATE KEY-----\"", false),
        ("  \"capabilities\": [", false),
        ("requirepass correct-horse", true),
        ("db:5432:app:app:correct-horse", true),
        ("machine a login b password correct-horse", true),
        ("user app on >correct-horse ~* +@all", true),
        ("expr: rate(requests_total{token=\"refresh\"}[5m])", false),
        ("<password>correct-horse</password>", true),
        ("<property name=\"password\" value=\"correct-horse\"/>", true),
        ("password = get_password()", false),
        ("image: registry/vault-token:latest", false),
    ] {
        let found = text::find(line, "file", Source::Configuration, |_| None);
        assert_eq!(found.is_some(), expected, "{line}: {found:?}");
    }
}

#[test]
fn a_long_text_is_searched_in_linear_time() {
    // A quadratic search of these texts would take much longer than the test suite.
    for part in [
        "password: ",
        "a=b;",
        "\"token\" = ",
        "://a:",
        "'",
        "{token=",
        "-----BEGIN ",
        "Basic ",
        "<name>",
        "$1$",
        "$argon2i",
        "se=&sig=",
        "X-Amz-Signature=",
        "hooks.slack.com/services/",
        "bearer ",
        "jdbc:oracle:thin:",
        "a@tcp(",
        "echo a;",
        "printf a|",
        "PRIVATE KEY",
        "LS0tLS1CRUdJTi",
        "f('",
        "{SSHA}",
    ] {
        let text = part.repeat(150_000);
        assert!(
            text::find(&text, "file", Source::Configuration, |_| None).is_none_or(|(line, _)| line == 1),
            "{part}"
        );
    }
}
