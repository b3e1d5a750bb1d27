//! What went wrong, in words for the person who reads the log of a Job, and the exit code that goes with it.

use reqwest::StatusCode;

/// Why a copy was not made or not put back. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments or the environment do not fit together.
    #[error("{0}")]
    Settings(String),
    /// The object store failed.
    #[error(
        "cannot {doing}: {source}\n  hint: look at the bucket's name, the endpoint, and what the credentials of the backup may do"
    )]
    ObjectStore {
        /// What we were doing.
        doing: String,
        /// What it said.
        source: object_store::Error,
    },
    /// A server cannot be reached, or does not answer in time, or stops in the middle.
    #[error(
        "cannot {doing}: {cause}\n  hint: see whether its pods are ready, and whether this pod may reach them"
    )]
    Unreachable {
        /// What we were doing.
        doing: String,
        /// What happened.
        cause: String,
    },
    /// 401 or 403.
    #[error("cannot {doing}: the server answers {status}\n  hint: {hint}")]
    Unauthorized {
        /// What we were doing.
        doing: String,
        /// 401 or 403.
        status: StatusCode,
        /// Which credential it is about.
        hint: &'static str,
    },
    /// The server answers with an error.
    #[error("cannot {doing}: the server answers {status}{said}")]
    Refused {
        /// What we were doing.
        doing: String,
        /// The status.
        status: StatusCode,
        /// What it says, shortened; empty or beginning with a colon.
        said: String,
    },
    /// The run was ended from outside, or took too long.
    #[error("{0}")]
    Interrupted(&'static str),
    /// What was read is not what was written, or not all of it.
    #[error("{0}")]
    Damaged(String),
    /// There is no complete backup to work with.
    #[error("{0}")]
    NothingGood(String),
    /// The place to restore to holds something.
    #[error("{0}")]
    NotEmpty(String),
}

impl Error {
    /// The exit code: 1 failed, and trying again may help · 2 wrong use or configuration · 3 what was found is not good:
    /// a backup is damaged, there is none, or data would be overwritten.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ObjectStore { .. }
            | Self::Interrupted(_)
            | Self::Unreachable { .. }
            | Self::Unauthorized { .. }
            | Self::Refused { .. } => 1,
            Self::Settings(_) => 2,
            Self::Damaged(_) | Self::NothingGood(_) | Self::NotEmpty(_) => 3,
        }
    }

    /// Whether what was sent cannot be taken because something is there already.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::CONFLICT)
    }

    /// Whether the server says that what was asked for does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}
