//! How a command ended, in one number with a name.
//!
//! The numbers are an interface: pipelines branch on them. `docs/cli.md` lists them; they are the same for every verb.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what was asked, and there is nothing to report.
    Clean,
    /// 1: the tool or its input failed; usage errors too.
    Failed,
    /// 2: something differs, where that was asked with `--exit-code`, or is not as it should be.
    Changed,
    /// 3: a mandatory policy failed.
    Policy,
    /// 4: a destructive change that nobody consented to.
    Destructive,
}

impl Exit {
    /// Every way a command can end, in the order of its numbers.
    pub const ALL: [Self; 5] = [
        Self::Clean,
        Self::Failed,
        Self::Changed,
        Self::Policy,
        Self::Destructive,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Changed => 2,
            Self::Policy => 3,
            Self::Destructive => 4,
        }
    }

    /// What the number means, as the documentation says it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "clean: it did what was asked, and there is nothing to report",
            Self::Failed => "failed: the tool or its input is wrong, usage errors included",
            Self::Changed => {
                "changed: something differs (where asked with --exit-code), or is not as it should be"
            }
            Self::Policy => "policy: a mandatory policy failed",
            Self::Destructive => {
                "destructive: something would be deleted or replaced without --allow-destructive"
            }
        }
    }

    /// The one that is told where several hold: failed, then policy, then destructive, then changed.
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
    fn policy_is_told_before_destruction_and_destruction_before_a_change() {
        assert_eq!(Changed.or(Destructive).or(Policy), Policy);
        assert_eq!(Destructive.or(Changed), Destructive);
        assert_eq!(Clean.or(Changed).or(Clean), Changed);
        assert_eq!(Policy.or(Failed), Failed);
    }

    #[test]
    fn the_numbers_are_distinct_and_in_order() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4]);
    }
}
