//! The result of one check, and how to construct it.

use crate::cluster::error_chain;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The subject of the check, such as `pulumi`.
    pub name: String,
    /// The outcome.
    pub status: Status,
    /// What was found, as a sentence for the user.
    pub found: String,
    /// How to fix it, if something has to be fixed.
    pub hint: Option<String>,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The requirement is met.
    Good,
    /// Worth knowing, but a deployment does not fail because of it.
    Warn,
    /// A deployment would fail.
    Fail,
}

impl Status {
    /// The outcome as one word, as the JSON output has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Check {
    /// A check that passed.
    pub fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Good,
            found: found.into(),
            hint: None,
        }
    }

    /// A check that found something worth knowing.
    pub fn warn(name: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Warn,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }

    /// A check that failed.
    pub fn fail(name: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Fail,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }
}

/// A check that could not be completed because the API server denied the request or did not answer. This is a warning: it
/// says nothing about the cluster itself.
pub fn could_not_check(name: &str, what: &str, error: &kube::Error) -> Check {
    let reason = match error {
        kube::Error::Api(status) if status.code == 403 => "permission denied".to_owned(),
        error => error_chain(error),
    };
    Check::warn(
        name,
        format!("{what} could not be checked: {reason}"),
        "run doctor again with more permissions, or ask the operators of the cluster",
    )
}
