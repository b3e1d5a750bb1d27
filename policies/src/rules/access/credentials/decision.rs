//! Combines the decision about a name with the decision about its value.

use super::names::{self, Name, classify};
use super::{tokens, values};

/// Where a pair of a name and a value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// A variable, an option or a line of a file: the value is used as it is.
    #[default]
    Value,
    /// A field or an annotation of an object, which often refers to a Secret by its name.
    Field,
}

/// What a text is searched for, depending on its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A configuration file, or an unknown one.
    Configuration,
    /// A shell script, or the arguments of a command.
    Shell,
    /// A program, in which only quoted values are literals.
    Program,
}

/// What a value is because of its name, if it is a credential.
pub(super) fn by_name(name: &str, value: &str, place: Place) -> Option<&'static str> {
    let is_credential = match classify(name) {
        Name::Other => false,
        Name::Possible => values::is_generated(value) && values::is_literal_secret(value),
        Name::Login => is_authorization(value),
        Name::Password => values::is_literal_password(value),
        Name::Secret => values::is_literal_secret(value) && !is_name_of_secret(name, value, place),
    };
    (is_credential && !is_label(name, value))
        .then_some("a plain-text value, although its name indicates a credential")
}

/// Whether a value is the name as a form shows it: `password: Password`.
fn is_label(name: &str, value: &str) -> bool {
    value.starts_with(|letter: char| letter.is_ascii_uppercase())
        && value[1..]
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b' ')
        && name
            .rsplit('.')
            .next()
            .unwrap_or(name)
            .replace(['_', '-', ' '], "")
            .eq_ignore_ascii_case(&value.replace(' ', ""))
}

/// A user name and a password, a token, or an authorization scheme with one.
fn is_authorization(value: &str) -> bool {
    let value = value.trim();
    let token = ["Bearer ", "Token ", "ApiKey ", "Api-Key "]
        .iter()
        .find_map(|scheme| {
            value
                .get(..scheme.len())?
                .eq_ignore_ascii_case(scheme)
                .then(|| &value[scheme.len()..])
        });
    match token {
        Some(token) => token.len() >= 6 && !token.contains([' ', '=']) && values::is_literal_secret(token),
        None => tokens::is_login(value) || values::is_generated(value),
    }
}

/// Whether a value is the name of a Kubernetes Secret.
fn is_name_of_secret(name: &str, value: &str, place: Place) -> bool {
    if !names::can_name_an_object(name) {
        return false;
    }
    match place {
        Place::Field if !names::is_usually_a_value(name) => values::is_object_name(value),
        Place::Value if names::is_usually_an_object(name) => values::is_object_name(value),
        _ => values::is_named_like_a_secret(value),
    }
}
