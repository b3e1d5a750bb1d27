//! Errors with hints for the log of a Job, and exit codes.

use reqwest::StatusCode;

/// A failure of a backup or a restore. No variant contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments or the environment are invalid.
    #[error("{0}")]
    Settings(String),
    /// The object store returned an error.
    #[error(
        "cannot {doing}: {source}\n  hint: check the name of the bucket, the endpoint, and the permissions of the credentials"
    )]
    ObjectStore {
        /// The attempted operation.
        doing: String,
        /// The error of the object store.
        source: object_store::Error,
    },
    /// An object with this name exists in the object store.
    #[error("{0}")]
    AlreadyExists(String),
    /// A server is unreachable, does not respond in time, or closes the connection during a response.
    #[error(
        "cannot {doing}: {cause}\n  hint: check that its pods are ready, and that network policies allow this pod to connect"
    )]
    Unreachable {
        /// The attempted operation.
        doing: String,
        /// The cause.
        cause: String,
    },
    /// 401 or 403.
    #[error("cannot {doing}: the response is {status}\n  hint: {hint}")]
    Unauthorized {
        /// The attempted operation.
        doing: String,
        /// 401 or 403.
        status: StatusCode,
        /// The credential to check.
        hint: &'static str,
    },
    /// The server returned an error.
    #[error("cannot {doing}: the response is {status}{message}")]
    Rejected {
        /// The attempted operation.
        doing: String,
        /// The status.
        status: StatusCode,
        /// The message of the server, truncated. Either empty or with a leading colon.
        message: String,
    },
    /// The run was interrupted or exceeded its time limit.
    #[error("{0}")]
    Interrupted(&'static str),
    /// Data is missing or differs from what was written.
    #[error("{0}")]
    Damaged(String),
    /// There is no complete backup.
    #[error("{0}")]
    NoBackup(String),
    /// Backups differ from what is expected, so nothing was deleted.
    #[error("{0}")]
    Refused(String),
    /// The target of a restore contains data.
    #[error("{0}")]
    NotEmpty(String),
}

impl Error {
    /// The exit code: 1 if a retry can succeed, 2 for invalid arguments or configuration, 3 if a backup is damaged, missing or
    /// unexpected, or data would be overwritten.
    pub fn exit_code(&self) -> u8 {
        match self {
            // A retry writes to another folder.
            Self::AlreadyExists(_)
            | Self::ObjectStore { .. }
            | Self::Interrupted(_)
            | Self::Unreachable { .. }
            | Self::Unauthorized { .. }
            | Self::Rejected { .. } => 1,
            Self::Settings(_) => 2,
            Self::Damaged(_) | Self::NoBackup(_) | Self::Refused(_) | Self::NotEmpty(_) => 3,
        }
    }

    /// Whether the server reports a conflict with existing data.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Rejected { status, .. } if *status == StatusCode::CONFLICT)
    }

    /// Whether the server reports that the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}
