//! Where a stack does not mean what the table says, in words for a person.

use std::fmt;
use std::ops::ControlFlow;

/// A place where the stack does not mean what the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which of the layers means something else.
    pub layer: Layer,
    pub from: String,
    pub to: String,
    pub port: String,
    /// What is said: bytes, or a method and a path.
    pub said: String,
    /// Whether it goes through, though no row allows it; or else is refused, though a row allows it.
    pub allowed: bool,
    /// The object that decides it, and why it should be otherwise.
    pub because: String,
}

/// What stands between two ends, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// NetworkPolicies where a connection starts.
    Leaving,
    /// The sidecar where it starts.
    Routing,
    /// NetworkPolicies where it ends.
    Entering,
    /// Mutual TLS where it ends.
    Proving,
    /// AuthorizationPolicies and tokens where it ends.
    Asking,
    /// Whose request the server takes it for.
    Naming,
    /// All of them, one after the other.
    Conversing,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = match self.layer {
            Layer::Leaving => "packets that leave",
            Layer::Routing => "hosts that a sidecar leads to",
            Layer::Entering => "packets that enter",
            Layer::Proving => "mutual TLS",
            Layer::Asking => "requests",
            Layer::Naming => "the person of a request",
            Layer::Conversing => "all layers together",
        };
        write!(
            formatter,
            "{layer}: {} to {} port {}, {}: ",
            self.from, self.to, self.port, self.said
        )?;
        if self.allowed {
            write!(
                formatter,
                "allowed by {}, but no row of the table allows it",
                self.because
            )
        } else {
            write!(formatter, "refused by {}", self.because)
        }
    }
}

/// Collects differences up to a limit.
pub struct Findings {
    pub found: Vec<Difference>,
    limit: usize,
}

impl Findings {
    pub fn up_to(limit: usize) -> Self {
        Self {
            found: Vec::new(),
            limit,
        }
    }

    /// Breaks where the limit is reached.
    pub fn add(&mut self, difference: Difference) -> ControlFlow<()> {
        self.found.push(difference);
        if self.found.len() >= self.limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
