//! Exit codes.
//!
//! Pipelines branch on these numbers, so they are a stable interface. They are the same for every verb, and
//! `docs/cli.md` lists them.

use std::process::ExitCode;

/// The outcome of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: success, nothing to report.
    Clean,
    /// 1: the tool or its input failed; usage errors too.
    Failed,
    /// 2: changes or drift were found, where `--exit-code` requested it, or a check did not pass.
    Changed,
    /// 3: a mandatory policy failed.
    Policy,
    /// 4: a destructive change without consent.
    Destructive,
}

impl Exit {
    /// All outcomes, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Clean,
        Self::Failed,
        Self::Changed,
        Self::Policy,
        Self::Destructive,
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Changed => 2,
            Self::Policy => 3,
            Self::Destructive => 4,
        }
    }

    /// The meaning of the code, as the documentation states it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "clean: success, nothing to report",
            Self::Failed => "failed: the tool or its input failed, including usage errors",
            Self::Changed => "changed: differences were found (with --exit-code), or a check did not pass",
            Self::Policy => "policy: a mandatory policy failed",
            Self::Destructive => {
                "destructive: a change loses objects, data or protection without --allow-destructive"
            }
        }
    }

    /// The outcome to report where two apply. Precedence: failed, policy, destructive, changed.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Clean => 0,
            Self::Changed => 1,
            Self::Destructive => 2,
            Self::Policy => 3,
            Self::Failed => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit::{Changed, Clean, Destructive, Failed, Policy};
    use super::*;

    #[test]
    fn policy_takes_precedence_over_destructive_and_destructive_over_changed() {
        assert_eq!(Changed.or(Destructive).or(Policy), Policy);
        assert_eq!(Destructive.or(Changed), Destructive);
        assert_eq!(Clean.or(Changed).or(Clean), Changed);
        assert_eq!(Policy.or(Failed), Failed);
    }

    #[test]
    fn the_codes_are_distinct_and_in_order() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4]);
    }
}
