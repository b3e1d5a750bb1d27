//! Why an environment could not be opened, in words for the person who has to do something about it.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// Why an environment could not be opened. No variant holds the token or a value of the environment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the service cannot be used. It is not repeated: a login may be in it.
    #[error("the address of ESC {0}")]
    Address(&'static str),
    /// The access token cannot be sent. It is not repeated.
    #[error("the access token for ESC {0}")]
    Token(&'static str),
    /// The name leads nowhere.
    #[error(
        "{0} is not the name of an environment: organization, project, environment and version are letters, digits, `-`, \
         `_` and `.`"
    )]
    Name(String),
    /// Nothing here can prove who the service is.
    #[error(
        "cannot connect to ESC safely: {0}\n  hint: install the certificates of the authorities (package \
         ca-certificates), or name their file in SSL_CERT_FILE"
    )]
    Certificates(String),
    /// The environment itself is wrong: its definition, or a provider that it asks.
    #[error("ESC cannot open {environment}:{}", list(diagnostics))]
    Diagnostics {
        /// The environment that was to be opened.
        environment: String,
        /// What the service says is wrong; never empty.
        diagnostics: Vec<Diagnostic>,
    },
    /// 401.
    #[error(
        "ESC does not accept the access token for {environment}{said}\n  hint: it is mistyped, revoked or expired; make a new one at \
         Pulumi Cloud, for the organization or for a team that may open the environment"
    )]
    Unauthorized {
        /// The environment that was to be opened.
        environment: String,
        /// What the service says.
        said: Said,
    },
    /// 403.
    #[error(
        "the access token may not open {environment}{said}\n  hint: give its owner or team the permission to open the \
         environment, or use a token of somebody who has it"
    )]
    Forbidden {
        /// The environment that was to be opened.
        environment: String,
        /// What the service says.
        said: Said,
    },
    /// 404.
    #[error(
        "ESC has no {environment} for this access token{said}\n  hint: look at organization, project, environment and version, \
         letter by letter; an environment that the token may not see is not found either"
    )]
    NotFound {
        /// The environment that was to be opened.
        environment: String,
        /// What the service says.
        said: Said,
    },
    /// 409.
    #[error(
        "ESC does not open {environment} at the moment{said}\n  hint: somebody is changing it, or opening it needs an approval; wait \
         for that, and run this again"
    )]
    Conflict {
        /// The environment that was to be opened.
        environment: String,
        /// What the service says.
        said: Said,
    },
    /// Another answer that does not get better by asking again.
    #[error("ESC refuses to open {environment}: it answers {status}{said}")]
    Refused {
        /// The environment that was to be opened.
        environment: String,
        /// The status, as a number and in words.
        status: String,
        /// What the service says.
        said: Said,
    },
    /// The answer leads elsewhere, and the token goes nowhere else.
    #[error(
        "ESC answers {status} for {environment}, which leads to another address, and the access token is sent to no other\n  \
         hint: give the address that the service has now"
    )]
    Redirected {
        /// The environment that was to be opened.
        environment: String,
        /// The status, as a number and in words.
        status: String,
    },
    /// Nothing useful came in as many attempts as we make.
    #[error(
        "ESC at {address} could not be asked for {environment}: {why} (attempt {attempts})\n  hint: {hint}"
    )]
    Unavailable {
        /// The address of the service.
        address: String,
        /// The environment that was to be opened.
        environment: String,
        /// How the last attempt ended.
        why: String,
        /// How often it was asked.
        attempts: u32,
        /// The way out.
        hint: &'static str,
    },
    /// The answer is larger than any environment.
    #[error("ESC answers with more than {limit} bytes for {environment}, which no environment should hold")]
    TooLarge {
        /// The environment that was to be opened.
        environment: String,
        /// The most that is read.
        limit: usize,
    },
    /// The answer is not what ESC answers. It is not repeated: values may be in it.
    #[error(
        "what answers at {address} for {environment} does not speak as ESC does: {what}\n  hint: look at the address, and for a proxy \
         that answers in its place"
    )]
    Malformed {
        /// The address of the service.
        address: String,
        /// The environment that was to be opened.
        environment: String,
        /// What is wrong with it.
        what: String,
    },
}

/// One thing that is wrong with an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The environment that it is in, which may be an imported one, with line and column where the service says them.
    pub place: String,
    /// What is wrong.
    pub summary: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.summary)
    }
}

/// What the service says besides the status, if anything: cut to a readable length and without the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(pub(crate) String);

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(formatter, " (it says: {})", self.0)
        }
    }
}

/// The most diagnostics that are told; nobody reads more at once.
const TOLD: usize = 20;

fn list(diagnostics: &[Diagnostic]) -> String {
    let mut text = diagnostics
        .iter()
        .take(TOLD)
        .fold(String::new(), |mut text, diagnostic| {
            let _ = write!(text, "\n  - {diagnostic}");
            text
        });
    if diagnostics.len() > TOLD {
        let _ = write!(text, "\n  - and {} more", diagnostics.len() - TOLD);
    }
    text
}

/// A time that a person reads.
pub(crate) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
