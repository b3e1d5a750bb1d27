//! Errors between a program and the engine, and the program's exit codes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::process::ExitCode;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use crate::value::EncodeError;
use crate::wire::EXIT_ALREADY_SHOWN;

/// An error while declaring a deployment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program was not started by Pulumi.
    #[error(
        "the environment variable {variable} is not set (hint: this program must be started by Pulumi; run \
         `pulumi preview` or `pulumi up` in the project's folder)"
    )]
    NotStartedByPulumi {
        /// The missing variable.
        variable: &'static str,
    },
    /// A variable has an invalid value.
    #[error("cannot read the environment variable {variable}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// The cause. It does not contain the value of the variable, which may be the configuration.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine does not accept connections at its address.
    #[error(
        "cannot reach Pulumi's engine at {address} (hint: is the `pulumi` that started this program still running?)"
    )]
    Connect {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: tonic::transport::Error,
    },
    /// A call to the engine that is not about a single resource failed.
    #[error("Pulumi's engine failed while {doing}")]
    Call {
        /// The attempted operation.
        doing: String,
        /// The engine's response.
        #[source]
        answer: Answer,
    },
    /// Some inputs cannot be sent. No resource was registered.
    #[error("{} cannot be sent to Pulumi:{}", count(.0.len(), "value"), list(.0))]
    Inputs(Vec<InputProblem>),
    /// The engine rejected a resource.
    #[error("cannot register {resource}")]
    Registration {
        /// The resource's type and name.
        resource: String,
        /// The engine's response.
        #[source]
        answer: Answer,
    },
    /// The resource of a precondition cannot be read. Only its provider was registered.
    #[error("cannot read {resource}, which must be checked before any change: {answer}\n  hint: {hint}")]
    Unreadable {
        /// The type and id of the resource.
        resource: String,
        /// The response of the engine or the provider.
        answer: Answer,
        /// The suggested fix.
        hint: String,
    },
    /// A precondition of the plan is not met. Only its provider was registered.
    #[error("{message} (found: {found})")]
    Precondition {
        /// The value that was found.
        found: String,
        /// What the difference means, and how to fix it.
        message: String,
    },
    /// The engine's version is not in the required range.
    #[error("{found}; this program requires {range} (hint: install a matching version of `pulumi`)")]
    Version {
        /// The required range.
        range: String,
        /// The engine's message about its version.
        found: String,
    },
    /// Some resources failed, which the engine has reported one by one. Resources that depend on them were skipped.
    #[error("{}", incomplete(failed, *skipped))]
    Incomplete {
        /// The resources that failed, by type and name.
        failed: Vec<String>,
        /// The number of resources that were skipped because they depend on a failed one.
        skipped: usize,
    },
    /// The engine is shutting down, because the user interrupted it or another error occurred.
    #[error("Pulumi stopped the update")]
    Cancelled,
    /// An error that was already shown to the user.
    #[error(transparent)]
    Shown(Box<Error>),
}

/// A value that cannot be sent, with its resource.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{resource}: {problem}")]
pub struct InputProblem {
    /// The resource's type and name, or `the stack's outputs`.
    pub resource: String,
    /// The problem.
    #[source]
    pub problem: EncodeError,
}

impl Error {
    /// Whether the user has already seen the error, so that it must not be repeated.
    pub fn already_shown(&self) -> bool {
        matches!(self, Error::Shown(_) | Error::Cancelled)
    }

    /// The program's exit code: 32 if the user has already seen the error, otherwise 1.
    pub fn exit_code(&self) -> ExitCode {
        if self.already_shown() {
            ExitCode::from(EXIT_ALREADY_SHOWN)
        } else {
            ExitCode::FAILURE
        }
    }

    /// Converts a status. `Unavailable` and `Cancelled` mean that the engine is shutting down.
    pub(crate) fn of_status(status: tonic::Status, otherwise: impl FnOnce(Answer) -> Self) -> Self {
        match status.code() {
            tonic::Code::Unavailable | tonic::Code::Cancelled => Error::Cancelled,
            _ => otherwise(Answer::from(status)),
        }
    }

    /// Replaces each of these values by `[secret]` in the engine's response.
    pub(crate) fn redact(mut self, secrets: &BTreeMap<String, SecretString>) -> Self {
        match &mut self {
            Error::Call { answer, .. }
            | Error::Registration { answer, .. }
            | Error::Unreadable { answer, .. } => {
                answer.redact(secrets);
            }
            _ => (),
        }
        self
    }

    /// The message of the error and of all its causes.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

/// The engine's response to a failed call.
#[derive(Debug)]
pub struct Answer(Box<tonic::Status>);

impl Answer {
    fn redact(&mut self, secrets: &BTreeMap<String, SecretString>) {
        let mut message = self.0.message().to_owned();
        for secret in secrets.values() {
            let value = secret.expose_secret();
            if value.is_empty() {
                continue;
            }
            // Verbatim, and as quoted by Go and Rust.
            let quoted = Zeroizing::new(value.replace('\\', "\\\\").replace('"', "\\\""));
            for form in [value, quoted.as_str()] {
                message = message.replace(form, "[secret]");
            }
        }
        if message != self.0.message() {
            *self.0 = tonic::Status::new(self.0.code(), message);
        }
    }

    /// The gRPC status code.
    pub fn code(&self) -> tonic::Code {
        self.0.code()
    }
}

impl From<tonic::Status> for Answer {
    fn from(status: tonic::Status) -> Self {
        Self(Box::new(status))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.message().is_empty() {
            self.code().description()
        } else {
            self.0.message()
        })
    }
}

impl std::error::Error for Answer {}

fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

fn list(problems: &[InputProblem]) -> String {
    problems.iter().fold(String::new(), |mut text, problem| {
        let _ = write!(text, "\n  - {problem}");
        text
    })
}

fn incomplete(failed: &[String], skipped: usize) -> String {
    let mut text = format!(
        "{} failed: {}",
        count(failed.len(), "resource"),
        failed.join(", ")
    );
    if skipped > 0 {
        let _ = write!(
            text,
            "; {} skipped because of that",
            count(skipped, "dependent resource")
        );
    }
    text
}
