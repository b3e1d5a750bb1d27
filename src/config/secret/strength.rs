//! Checks the value of a secret without revealing it.
//!
//! The checks find mistakes, not attacks: an empty value, a line break from the clipboard, a placeholder word. They
//! use no external data, and the message is the same for every value with the same mistake.

/// The form of a valid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Random text.
    Key {
        /// The minimum number of characters.
        least: usize,
    },
    /// One random text, or the new and the previous one, separated by a comma.
    Keys {
        /// The minimum number of characters of each.
        least: usize,
    },
    /// Random text that needs no escaping in a URL.
    Password {
        /// The minimum number of characters.
        least: usize,
    },
    /// `postgresql://USER:PASSWORD@HOST…`.
    PostgresUrl,
    /// A private key in PEM: PKCS #8, RSA with at least 2048 bits, with or without a passphrase.
    PrivateKey,
}

/// The minimum number of characters of a strong password.
const LEAST_PASSWORD: usize = 12;

/// The minimum number of different characters of a random value. Sixteen or more random hexadecimal digits
/// practically never have fewer.
const LEAST_VARIETY: usize = 6;

/// Placeholder words. Values are compared without case, `-`, `_` and spaces.
const STAND_INS: [&str; 12] = [
    "changeme",
    "changeit",
    "placeholder",
    "replaceme",
    "todo",
    "example",
    "yourapikey",
    "yourkey",
    "password",
    "secret",
    "dummy",
    "xxxx",
];

/// Why a value is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The rest of a sentence that begins with the key.
    pub wrong: &'static str,
    /// How to fix it, if it needs more than a new value.
    pub hint: Option<&'static str>,
}

impl Form {
    /// Why no client can use a value, regardless of its strength. A deployment rejects it, because a client would
    /// send the line break and fail far from the cause.
    pub fn unusable(self, value: &str) -> Option<Unusable> {
        // Line breaks are part of a PEM key, and the last line may end with one.
        let breaks: &[char] = if self == Self::PrivateKey {
            &['\r', '\n']
        } else {
            &[]
        };
        let inside = value.trim_end_matches(breaks);
        let (wrong, hint) = if value.trim().is_empty() {
            ("is empty", None)
        } else if inside.trim() != inside {
            (
                "begins or ends with a line break or a space",
                Some("quote it, or use a block scalar that begins with |- instead of |"),
            )
        } else if inside
            .chars()
            .any(|letter| letter.is_control() && !breaks.contains(&letter))
        {
            (
                "contains a line break or another control character",
                Some("put it on one line"),
            )
        } else {
            return None;
        };
        Some(Unusable { wrong, hint })
    }

    /// Why a value is weak or invalid, as the rest of a sentence that begins with its key; `None` if it is valid.
    pub fn weakness(self, value: &str) -> Option<String> {
        // The PEM check is more specific, for example about lost line breaks.
        if self == Self::PrivateKey && !value.trim().is_empty() {
            return private_key(value);
        }
        if let Some(unusable) = self.unusable(value) {
            return Some(unusable.wrong.to_owned());
        }
        match self {
            Self::Key { least } => guessable(value, least, "").or_else(|| not_sendable(value)),
            Self::Keys { least } => value
                .split(',')
                .find_map(|key| guessable(key, least, "has a part that ").or_else(|| not_sendable(key))),
            Self::Password { least } => address_part(value).or_else(|| guessable(value, least, "")),
            Self::PostgresUrl => postgres_url(value),
            Self::PrivateKey => private_key(value),
        }
    }
}

/// Clients send an API key in a header, which restricts its characters.
fn not_sendable(value: &str) -> Option<String> {
    let is_sendable = value.bytes().all(|byte| byte.is_ascii_graphic());
    (!is_sendable).then(|| {
        "contains a space, or a non-ASCII character that may be invisible, which no client can send"
            .to_owned()
    })
}

/// Clients insert a password into a URL, such as `redis://user:password@host`, without escaping.
fn address_part(value: &str) -> Option<String> {
    let stays = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
    (!value.chars().all(stays)).then(|| {
        "contains characters other than letters, digits, `-`, `.`, `_` and `~`, which would change its meaning in a URL"
            .to_owned()
    })
}

/// A connection string in the form of a URL.
struct Url<'a> {
    user: &'a str,
    password: &'a str,
    /// Everything after the credentials.
    address: &'a str,
    /// The hosts with their ports.
    hosts: &'a str,
    /// What follows the first `?`.
    parameters: &'a str,
}

impl<'a> Url<'a> {
    /// Reads a URL as libpq does: the first `@` before a `/` ends the credentials.
    fn parse(value: &'a str) -> Option<Self> {
        let (_, rest) = value.split_once("://")?;
        let (login, address) = rest.split_once('@').filter(|(login, _)| !login.contains('/'))?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (location, parameters) = address.split_once('?').unwrap_or((address, ""));
        Some(Self {
            user,
            password,
            address,
            hosts: location.split('/').next().unwrap_or(location),
            parameters,
        })
    }
}

fn postgres_url(value: &str) -> Option<String> {
    const FORM: &str = "is not postgresql://USER:PASSWORD@HOST/DATABASE";
    let is_postgres = ["postgresql://", "postgres://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let url = Url::parse(value).filter(|url| is_postgres && !url.user.is_empty() && !url.hosts.is_empty());
    let Some(url) = url.filter(|url| !url.password.is_empty()) else {
        return Some(FORM.to_owned());
    };
    if url.hosts.contains('@') {
        return Some(
            "has an `@` in its password or host, where clients disagree about the host: write %40".to_owned(),
        );
    }
    if url.password.contains(['?', '#']) {
        return Some(
            "has a `?` or `#` in its password, where clients disagree about the host: write %3F or %23"
                .to_owned(),
        );
    }
    guessable(url.password, LEAST_PASSWORD, "has a password that ")
}

/// The user in a connection string; the text itself if it has none.
pub fn user_of_url(value: &str) -> &str {
    Url::parse(value).map_or(value, |url| url.user)
}

/// Why a connection string does not demand TLS with a verified server.
///
/// Exactly one parameter `sslmode` with the value `verify-full` is accepted. Clients disagree about which of two
/// parameters applies and where the parameters end, `ssl` sets `sslmode` to `require` in libpq, and a name can be
/// percent-encoded.
pub fn unverified_tls(value: &str) -> Option<String> {
    let url = Url::parse(value);
    let (address, parameters) = url.map_or(("", ""), |url| (url.address, url.parameters));
    if parameters.contains('?') || address.contains('#') {
        return Some("has a second `?` or a `#`, where clients disagree about the parameters, so `sslmode=verify-full` may not apply".to_owned());
    }
    let mut modes = Vec::new();
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.contains('%') || name.eq_ignore_ascii_case("ssl") {
            modes.push("");
        } else if name.eq_ignore_ascii_case("sslmode") {
            modes.push(if name == "sslmode" { value } else { "" });
        }
    }
    match modes[..] {
        ["verify-full"] => None,
        [] => Some("does not contain `sslmode=verify-full`, so the server is not verified and the connection may not be encrypted".to_owned()),
        _ => Some("does not have `sslmode=verify-full` as its only parameter about TLS, so the server may not be verified".to_owned()),
    }
}

/// The minimum number of base64 characters: those of a 2048-bit RSA key without its labels.
const LEAST_KEY: usize = 1_500;

fn private_key(value: &str) -> Option<String> {
    let error = |message: &str| Some(message.to_owned());
    let inside = ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]
        .into_iter()
        .find_map(|label| {
            value
                .trim_end()
                .strip_prefix(&format!("-----BEGIN {label}-----"))?
                .strip_suffix(&format!("-----END {label}-----"))
        });
    let Some(inside) = inside else {
        return error(
            "is not a PKCS #8 private key in PEM, which begins with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----",
        );
    };
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    if !inside.starts_with(['\n', '\r'])
        || !inside
            .chars()
            .all(|letter| is_base64(letter) || "\r\n".contains(letter))
    {
        return error(
            "is in PEM, but does not consist of base64 lines between its labels; its line breaks may be lost",
        );
    }
    if inside.chars().filter(|letter| is_base64(*letter)).count() < LEAST_KEY {
        return error("is shorter than a 2048-bit RSA key, the minimum that Snowflake accepts");
    }
    guessable(inside, LEAST_KEY, "")
}

fn guessable(value: &str, least: usize, subject: &str) -> Option<String> {
    let plain: String = value
        .chars()
        .filter(|letter| !matches!(letter, '-' | '_' | ' ' | '<' | '>' | '$' | '{' | '}'))
        .flat_map(char::to_lowercase)
        .collect();
    // A random value may contain a short word.
    let stands_in = |word: &&str| plain.starts_with(*word) || (word.len() > 6 && plain.contains(*word));
    if STAND_INS.iter().any(stands_in) {
        return Some(format!("{subject}looks like a placeholder"));
    }
    if value.chars().count() < least {
        return Some(format!("{subject}is shorter than {least} characters"));
    }
    let variety: std::collections::BTreeSet<_> = value.chars().collect();
    (variety.len() < LEAST_VARIETY)
        .then(|| format!("{subject}has fewer than {LEAST_VARIETY} different characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Form = Form::Key { least: 20 };
    const PASSWORD: Form = Form::Password { least: 20 };

    #[test]
    fn good_values_have_no_weakness() {
        assert_eq!(KEY.weakness("sk-proj-9fK2mQ7vLx03bTzR"), None);
        assert_eq!(KEY.weakness("00112233445566778899aabbccddeeff"), None);
        assert_eq!(PASSWORD.weakness("9fK2mQ7vLx0-3bTz.R_~x"), None);
        let url = "postgresql://memory:g5Kq82hX1mPz@db.example.com:5432/memory?sslmode=require";
        assert_eq!(Form::PostgresUrl.weakness(url), None);
    }

    #[test]
    fn a_connection_string_demands_a_verified_server() {
        let with = |parameters: &str| {
            format!("postgresql://memory:g5Kq82hX1mPz@db.example.com:5432/memory{parameters}")
        };
        for good in [
            "?sslmode=verify-full",
            "?application_name=a&sslmode=verify-full&sslrootcert=/etc/ssl/db.pem",
            "?sslrootcert=system&sslmode=verify-full",
        ] {
            assert_eq!(unverified_tls(&with(good)), None, "{good}");
        }
        assert_eq!(unverified_tls("postgresql://a:b@db?sslmode=verify-full"), None);
        for bad in [
            "",
            "?",
            "?sslmode=",
            "?sslmode",
            "?sslmode=disable",
            "?sslmode=allow",
            "?sslmode=prefer",
            "?sslmode=require",
            "?sslmode=verify-ca",
            "?sslmode=VERIFY-FULL",
            "?sslmode=verify-full%20",
            "?sslmode=verify-fully",
            "?SSLMODE=verify-full",
            "?xsslmode=verify-full",
            "?sslmode=verify-full&sslmode=disable",
            "?sslmode=disable&sslmode=verify-full",
            "?sslmode=verify-full&sslmode=verify-full",
            "?sslmode=verify-full&ssl=true",
            "?sslmode=verify-full&%73slmode=disable",
            "?ssl=true",
            "/sslmode=verify-full",
            "?application_name=a?sslmode=verify-full",
            "?application_name=a#sslmode=verify-full",
            "?sslmode=verify-full#",
            "#?sslmode=verify-full",
            "?sslmode=verify-full?sslmode=disable",
        ] {
            let wrong = unverified_tls(&with(bad)).unwrap_or_default();
            assert!(wrong.contains("sslmode=verify-full"), "{bad}");
        }
        let in_password = "postgresql://memory:?sslmode=verify-full@db.example.com/memory";
        assert!(unverified_tls(in_password).is_some());
    }

    #[test]
    fn each_of_two_keys_is_checked() {
        let keys = Form::Keys { least: 32 };
        let (new, old) = (
            "00112233445566778899aabbccddeeff",
            "ffeeddccbbaa99887766554433221100",
        );
        assert_eq!(keys.weakness(new), None);
        assert_eq!(keys.weakness(&format!("{new},{old}")), None);
        for weak in [
            format!("{new},"),
            format!(",{new}"),
            format!("{new},short"),
            format!("short,{new}"),
            format!("{new}, {old}"),
            format!("{},{}", &new[..16], &old[..16]),
        ] {
            assert!(keys.weakness(&weak).is_some(), "{weak}");
        }
    }

    #[test]
    fn every_mistake_has_its_own_message() {
        for (form, value, expected) in [
            (KEY, "", "is empty"),
            (KEY, " \n", "is empty"),
            (
                KEY,
                "sk-proj-9fK2mQ7vLx03bTzR\n",
                "ends with a line break or a space",
            ),
            (KEY, "sk-proj-9fK2m\nQ7vLx03bTzR", "control character"),
            (KEY, "sk-proj-9fK2", "is shorter than 20 characters"),
            (
                KEY,
                "abababababababababababab",
                "fewer than 6 different characters",
            ),
            (KEY, "CHANGE-ME-9fK2mQ7vLx03bTzR", "looks like a placeholder"),
            (KEY, "<your-api-key> 9fK2mQ7vLx0", "looks like a placeholder"),
            (
                PASSWORD,
                "9fK2mQ7vLx0/3bTzR9fK2",
                "would change its meaning in a URL",
            ),
            (KEY, "9fK2mQ7\u{200b}vLx03bTzR8sQ5wYd", "non-ASCII"),
            (PASSWORD, "9fK2mQ7vLx03bTzR", "is shorter than 20 characters"),
            (Form::PostgresUrl, "db.example.com", "is not postgresql://USER"),
            (
                Form::PostgresUrl,
                "postgresql://db.example.com/memory",
                "is not postgresql://USER",
            ),
            (
                Form::PostgresUrl,
                "postgresql://memory@db.example.com/memory",
                "is not postgresql://USER",
            ),
            (
                Form::PostgresUrl,
                "postgresql://memory:a1@db.example.com/memory",
                "password that is shorter than 12",
            ),
            (
                Form::PostgresUrl,
                "postgresql://memory:g5Kq82hX@mPz1q9@db.example.com/memory",
                "write %40",
            ),
            (
                Form::PostgresUrl,
                "postgresql://memory:g5Kq82hX?mPz1q9@db.example.com/memory",
                "write %3F or %23",
            ),
            (
                Form::PostgresUrl,
                "postgresql://memory:g5Kq82hX#mPz1q9@db.example.com/memory",
                "write %3F or %23",
            ),
        ] {
            let weakness = form.weakness(value).unwrap_or_default();
            assert!(weakness.contains(expected), "{expected}: {weakness}");
        }
    }

    /// A key of PEM with so many letters of base64.
    fn pem(label: &str, letters: usize) -> String {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        let inside: String = line.chars().cycle().take(letters).collect();
        format!("-----BEGIN {label}-----\n{inside}\n-----END {label}-----\n")
    }

    #[test]
    fn a_private_key_keeps_its_lines() {
        for label in ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let key = pem(label, 1_624);
            assert_eq!(Form::PrivateKey.weakness(&key), None);
            assert_eq!(
                Form::PrivateKey.unusable(&key),
                None,
                "a deployment takes it with its lines"
            );
            assert!(KEY.unusable(&key).is_some(), "and no other secret has lines");
        }
        for value in ["", "\n", " -----BEGIN", "-----BEGIN \u{0}"] {
            assert!(Form::PrivateKey.unusable(value).is_some(), "{value:?}");
        }
        for (value, expected) in [
            (String::new(), "is empty"),
            (pem("RSA PRIVATE KEY", 1_624), "is not a PKCS #8 private key"),
            (pem("PUBLIC KEY", 1_624), "is not a PKCS #8 private key"),
            (
                pem("PRIVATE KEY", 1_624).replace('\n', " "),
                "line breaks may be lost",
            ),
            (
                pem("PRIVATE KEY", 1_624).trim_end().replace('\n', "\\n"),
                "line breaks may be lost",
            ),
            (pem("PRIVATE KEY", 800), "shorter than a 2048-bit RSA key"),
            (
                format!(
                    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
                    "A".repeat(1_624)
                ),
                "different characters",
            ),
        ] {
            let weakness = Form::PrivateKey.weakness(&value).unwrap_or_default();
            assert!(weakness.contains(expected), "{expected}: {weakness}");
        }
    }

    #[test]
    fn a_weakness_never_holds_a_piece_of_the_value() {
        let piece = "q7vLx03";
        for form in [KEY, PASSWORD, Form::PostgresUrl, Form::PrivateKey] {
            for value in [format!("{piece}\n"), piece.to_owned(), format!("x://{piece}@db")] {
                let weakness = form.weakness(&value).expect("all of these are weak");
                assert!(!weakness.contains(piece), "{weakness}");
            }
        }
    }
}
