//! The migration to the platform.

use super::{Mem0Use, Routing, Scale};

/// A phase of the migration. Each adds to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The platform runs beside what is there.
    Parallel,
    /// The chat reads and writes memories.
    Enhanced,
    /// All people are let in.
    Active,
    /// The number of pods follows the load.
    Optimized,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Parallel, Self::Enhanced, Self::Active, Self::Optimized];

    /// The word for it in the stack file and on the Namespace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::Enhanced => "enhanced",
            Self::Active => "active",
            Self::Optimized => "optimized",
        }
    }

    /// The phase of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }

    /// Whether a stack may go from here to `next` in one deployment: by one step, forth or back.
    pub fn is_next_to(self, next: Self) -> bool {
        (self as u8).abs_diff(next as u8) <= 1
    }

    /// How requests reach the platform in this phase: people from outside do once all may.
    pub fn routing(self, routing: Routing) -> Routing {
        Routing {
            gateway: routing.gateway.filter(|_| self >= Self::Active),
        }
    }

    /// How much the chat makes use of Mem0 in this phase at most.
    pub fn mem0(self) -> Mem0Use {
        match self {
            Self::Parallel => Mem0Use::Off,
            Self::Enhanced => Mem0Use::Enhanced,
            Self::Active => Mem0Use::Active,
            Self::Optimized => Mem0Use::Optimized,
        }
    }

    /// How many pods serve in this phase: before it is optimized, always the declared number.
    pub fn scale(self, scale: Scale) -> Scale {
        if self >= Self::Optimized {
            scale
        } else {
            Scale::Fixed(scale.least())
        }
    }
}
