//! How strictly a rule is enforced.

/// The effect of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Enforcement {
    /// The rule is not evaluated.
    Disabled,
    /// A failure is reported.
    Advisory,
    /// A failure stops the deployment.
    Mandatory,
    /// A failure is fixed where the fix cannot change the meaning of an object ([`crate::remediation`]); any other failure
    /// stops the deployment.
    Remediate,
}

impl Enforcement {
    /// All values, the weakest first.
    pub const ALL: [Self; 4] = [Self::Disabled, Self::Advisory, Self::Mandatory, Self::Remediate];

    /// Whether a failure stops the deployment.
    pub fn stops(self) -> bool {
        self >= Self::Mandatory
    }

    /// Whether this is weaker than another enforcement. `mandatory` and `remediate` are equally strong.
    pub fn is_weaker_than(self, other: Self) -> bool {
        self.min(Self::Mandatory) < other.min(Self::Mandatory)
    }

    /// The word for it in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Advisory => "advisory",
            Self::Mandatory => "mandatory",
            Self::Remediate => "remediate",
        }
    }
}
