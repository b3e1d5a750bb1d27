//! Errors while opening an environment, with hints.

use std::fmt::{self, Write as _};

/// A failure to open an environment. No variant contains the token or a value of the environment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the service is invalid. It is not included, because it may contain a password.
    #[error("the address of ESC {0}")]
    Address(&'static str),
    /// The access token is invalid. It is not included.
    #[error("the access token for ESC {0}")]
    Token(&'static str),
    /// The name of the environment is invalid.
    #[error(
        "{0} is not a valid environment name: organization, project, environment and version can contain letters, digits, `-`, \
         `_` and `.`"
    )]
    Name(String),
    /// The identity of the service cannot be verified.
    #[error(
        "cannot verify the identity of ESC: {0}\n  hint: install CA certificates (package ca-certificates), or set SSL_CERT_FILE \
         to the path of a CA bundle"
    )]
    Certificates(String),
    /// The definition of the environment, or a provider that it uses, reports errors.
    #[error("ESC cannot open {environment}:{}", list(diagnostics))]
    Diagnostics {
        /// The environment.
        environment: String,
        /// The errors; never empty.
        diagnostics: Vec<Diagnostic>,
    },
    /// 401.
    #[error(
        "ESC rejected the access token for {environment}{message}\n  hint: it is invalid, revoked or expired; create a new one in \
         Pulumi Cloud, for the organization or for a team that has permission to open the environment"
    )]
    Unauthorized {
        /// The environment.
        environment: String,
        /// The service's message.
        message: ServiceMessage,
    },
    /// 403.
    #[error(
        "the access token has no permission to open {environment}{message}\n  hint: grant its user or team permission to open \
         the environment, or use another token"
    )]
    Forbidden {
        /// The environment.
        environment: String,
        /// The service's message.
        message: ServiceMessage,
    },
    /// 404.
    #[error(
        "ESC found no environment {environment} for this access token{message}\n  hint: check the spelling of organization, project, \
         environment and version; the result is the same if the token has no permission to read the environment"
    )]
    NotFound {
        /// The environment.
        environment: String,
        /// The service's message.
        message: ServiceMessage,
    },
    /// 409.
    #[error(
        "ESC cannot open {environment} at the moment{message}\n  hint: the environment is being edited, or opening it requires an \
         approval; try again afterwards"
    )]
    Conflict {
        /// The environment.
        environment: String,
        /// The service's message.
        message: ServiceMessage,
    },
    /// Another response for which a retry would not help.
    #[error("ESC cannot open {environment}: the response is {status}{message}")]
    Rejected {
        /// The environment.
        environment: String,
        /// The status code and its text.
        status: String,
        /// The service's message.
        message: ServiceMessage,
    },
    /// The response is a redirect, which is not followed.
    #[error(
        "ESC redirects {environment} to another address ({status}); the access token is sent only to the configured address\n  \
         hint: set the current address of the service"
    )]
    Redirected {
        /// The environment.
        environment: String,
        /// The status code and its text.
        status: String,
    },
    /// No attempt succeeded.
    #[error(
        "ESC at {address} is not available for {environment}: {reason} (attempt {attempts})\n  hint: {hint}"
    )]
    Unavailable {
        /// The address of the service.
        address: String,
        /// The environment.
        environment: String,
        /// The reason of the last failure.
        reason: String,
        /// The number of attempts.
        attempts: u32,
        /// The suggested fix.
        hint: &'static str,
    },
    /// The response exceeds the maximum size.
    #[error("the response of ESC for {environment} exceeds the maximum of {limit} bytes")]
    TooLarge {
        /// The environment.
        environment: String,
        /// The maximum number of bytes.
        limit: usize,
    },
    /// The response is not in the format of ESC. It is not included, because it can contain values.
    #[error(
        "the response of {address} for {environment} is not in the format of ESC: {reason}\n  hint: check the address, and whether \
         a proxy sent the response"
    )]
    Malformed {
        /// The address of the service.
        address: String,
        /// The environment.
        environment: String,
        /// The problem.
        reason: String,
    },
}

/// An error in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The environment, which can be an imported one, with line and column if known.
    pub place: String,
    /// The message.
    pub summary: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.summary)
    }
}

/// The message in the service's response, if there is one: truncated, with the token masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceMessage(pub(crate) String);

impl fmt::Display for ServiceMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(formatter, " (message: {})", self.0)
        }
    }
}

/// The maximum number of diagnostics in a message.
const MAX_DIAGNOSTICS: usize = 20;

fn list(diagnostics: &[Diagnostic]) -> String {
    let mut text = diagnostics
        .iter()
        .take(MAX_DIAGNOSTICS)
        .fold(String::new(), |mut text, diagnostic| {
            let _ = write!(text, "\n  - {diagnostic}");
            text
        });
    if diagnostics.len() > MAX_DIAGNOSTICS {
        let _ = write!(text, "\n  - and {} more", diagnostics.len() - MAX_DIAGNOSTICS);
    }
    text
}
