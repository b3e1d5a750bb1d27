//! The migration to the platform.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Chat, Langgraph, Mem0Use, OpenMemory, Routing, Scale, StackConfig, Sync};

/// A phase of the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The platform runs beside the existing system. Only the MCP gateway and the load test can access memories.
    Parallel,
    /// In addition, the chat can read and write memories.
    Enhanced,
    /// In addition, the gateway admits all users.
    Active,
    /// In addition, the number of pods scales with the load.
    Optimized,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 4] = [Self::Parallel, Self::Enhanced, Self::Active, Self::Optimized];

    /// Its name in the stack file and on the Namespace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::Enhanced => "enhanced",
            Self::Active => "active",
            Self::Optimized => "optimized",
        }
    }

    /// The phase with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }

    /// Whether a stack may go from this phase to `next` in one deployment: one step, in either direction.
    pub fn is_next_to(self, next: Self) -> bool {
        (self as u8).abs_diff(next as u8) <= 1
    }

    /// The routing in this phase: the gateway is open from the phase that admits all users.
    pub fn routing(self, routing: Routing) -> Routing {
        Routing {
            gateway: routing.gateway.filter(|_| self >= Self::Active),
        }
    }

    /// The maximum use that the chat makes of Mem0 in this phase.
    pub fn mem0(self) -> Mem0Use {
        match self {
            Self::Parallel => Mem0Use::Off,
            Self::Enhanced => Mem0Use::Enhanced,
            Self::Active => Mem0Use::Active,
            Self::Optimized => Mem0Use::Optimized,
        }
    }

    /// The number of pods in this phase: fixed before the last phase.
    pub fn scale(self, scale: Scale) -> Scale {
        if self >= Self::Optimized {
            scale
        } else {
            Scale::Fixed(scale.least())
        }
    }
}

impl StackConfig {
    /// The configuration with the effects of a migration phase: it restricts routing, scaling, the chat's use of Mem0
    /// and the synchronization to what the phase allows.
    #[must_use]
    pub fn in_phase(self, phase: Phase) -> Self {
        Self {
            mesh: phase.routing(self.mesh),
            openmemory: OpenMemory {
                scale: phase.scale(self.openmemory.scale),
                ..self.openmemory
            },
            langgraph: self.langgraph.map(|langgraph| Langgraph {
                scale: phase.scale(langgraph.scale),
                ..langgraph
            }),
            chat: self.chat.map(|chat| Chat {
                scale: phase.scale(chat.scale),
                mem0: chat.mem0.min(phase.mem0()),
                ..chat
            }),
            sync: self.sync.map(|sync| Sync {
                suspend: sync.suspend || phase < Phase::Enhanced,
                ..sync
            }),
            ..self
        }
    }
}
