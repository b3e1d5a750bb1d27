//! What can go wrong between a program and the engine, and what the program's exit code has to be then.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::process::ExitCode;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use crate::value::EncodeError;
use crate::wire::EXIT_ALREADY_SHOWN;

/// Why a deployment could not be declared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program was started by hand.
    #[error(
        "the environment variable {variable} is not set (hint: this program is started by Pulumi; run \
         `pulumi preview` or `pulumi up` in the project's folder)"
    )]
    NotStartedByPulumi {
        /// The variable that is missing.
        variable: &'static str,
    },
    /// A variable does not say what it should.
    #[error("cannot read the environment variable {variable}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it. The text of the variable is not repeated: it may be the configuration.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine is not where it said it would be.
    #[error(
        "cannot reach Pulumi's engine at {address} (hint: is the `pulumi` that started this program still running?)"
    )]
    Connect {
        /// Where we looked.
        address: String,
        /// What happened there.
        #[source]
        source: tonic::transport::Error,
    },
    /// The engine was asked something general and would not answer.
    #[error("Pulumi's engine failed while {doing}")]
    Call {
        /// What we were doing.
        doing: String,
        /// What it said.
        #[source]
        answer: Answer,
    },
    /// Some inputs cannot be sent. Nothing was registered.
    #[error("{} cannot be sent to Pulumi:{}", count(.0.len(), "value"), list(.0))]
    Inputs(Vec<InputProblem>),
    /// The engine refused a resource.
    #[error("cannot register {resource}")]
    Registration {
        /// Its type and name.
        resource: String,
        /// What the engine said.
        #[source]
        answer: Answer,
    },
    /// What has to be looked at first cannot be read. Nothing but its provider was registered.
    #[error(
        "{what} has to be known before anything is changed, and cannot be read: {answer}\n  hint: {way_out}"
    )]
    Unreadable {
        /// Its type and id.
        what: String,
        /// What the engine, or the provider behind it, said.
        answer: Answer,
        /// What a person can do.
        way_out: String,
    },
    /// What exists is not what the plan is made for. Nothing but a provider was registered.
    #[error("{meaning} (found: {found})")]
    Premise {
        /// What is there.
        found: String,
        /// What that means, and the way out.
        meaning: String,
    },
    /// The engine is older than this program needs, or newer than it allows.
    #[error(
        "{found}, and this program needs one that is {range} (hint: install such a `pulumi` and run it again)"
    )]
    Version {
        /// The versions that would do.
        range: String,
        /// What the engine said of itself.
        found: String,
    },
    /// Resources failed, which the engine has reported one by one; others depend on them and were left out.
    #[error("{}", incomplete(failed, *left_out))]
    Incomplete {
        /// The resources that failed, by type and name.
        failed: Vec<String>,
        /// How many were not tried because of that.
        left_out: usize,
    },
    /// The engine is going away: the person interrupted it, or it has found an error of its own.
    #[error("Pulumi stopped the update")]
    Cancelled,
    /// One of the others, which the person has seen already.
    #[error(transparent)]
    Shown(Box<Error>),
}

/// A value that cannot be sent, and whose it is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{resource}: {problem}")]
pub struct InputProblem {
    /// The resource's type and name, or the stack's outputs.
    pub resource: String,
    /// What is wrong.
    #[source]
    pub problem: EncodeError,
}

impl Error {
    /// Whether the person knows already, so that repeating it would only be noise.
    pub fn already_shown(&self) -> bool {
        matches!(self, Error::Shown(_) | Error::Cancelled)
    }

    /// What the program shall end with: 32 tells its host to add nothing, 1 that nobody has been told yet.
    pub fn exit_code(&self) -> ExitCode {
        if self.already_shown() {
            ExitCode::from(EXIT_ALREADY_SHOWN)
        } else {
            ExitCode::FAILURE
        }
    }

    /// Takes an answer of the engine for what it is: it says "unavailable" or "cancelled" when it goes away.
    pub(crate) fn of_status(status: tonic::Status, otherwise: impl FnOnce(Answer) -> Self) -> Self {
        match status.code() {
            tonic::Code::Unavailable | tonic::Code::Cancelled => Error::Cancelled,
            _ => otherwise(Answer::from(status)),
        }
    }

    /// The same error, with `[secret]` in the place of each of these values in what the engine said.
    pub(crate) fn without(mut self, secrets: &BTreeMap<String, SecretString>) -> Self {
        match &mut self {
            Error::Call { answer, .. }
            | Error::Registration { answer, .. }
            | Error::Unreadable { answer, .. } => {
                answer.remove(secrets);
            }
            _ => (),
        }
        self
    }

    /// The error and all its causes in one text.
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

/// What the engine said instead of doing what it was asked.
#[derive(Debug)]
pub struct Answer(Box<tonic::Status>);

impl Answer {
    fn remove(&mut self, secrets: &BTreeMap<String, SecretString>) {
        let mut message = self.0.message().to_owned();
        for secret in secrets.values() {
            let value = secret.expose_secret();
            if value.is_empty() {
                continue;
            }
            // As it is, and as Go and Rust quote it.
            let quoted = Zeroizing::new(value.replace('\\', "\\\\").replace('"', "\\\""));
            for form in [value, quoted.as_str()] {
                message = message.replace(form, "[secret]");
            }
        }
        if message != self.0.message() {
            *self.0 = tonic::Status::new(self.0.code(), message);
        }
    }

    /// The kind of refusal.
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

fn incomplete(failed: &[String], left_out: usize) -> String {
    let mut text = format!(
        "{} failed: {}",
        count(failed.len(), "resource"),
        failed.join(", ")
    );
    if left_out > 0 {
        let _ = write!(
            text,
            "; {} not tried, because of that",
            count(left_out, "resource")
        );
    }
    text
}
