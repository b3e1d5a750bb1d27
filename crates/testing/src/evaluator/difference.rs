//! Differences between what a stack allows and what the connection table lists, as readable messages.

use std::fmt;
use std::ops::ControlFlow;

/// A connection or request that the stack allows and the table does not list, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The layer that differs.
    pub layer: Layer,
    pub from: String,
    pub to: String,
    pub port: String,
    /// What is sent: packets, bytes, or a method and a path.
    pub said: String,
    /// Whether it is allowed without a row; otherwise it is denied although a row allows it.
    pub allowed: bool,
    /// The object that decides it, and the row that should.
    pub because: String,
}

/// The checks between two ends of a connection, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Egress NetworkPolicies of the client.
    Egress,
    /// The hosts that the client's sidecar knows.
    SidecarHosts,
    /// Ingress NetworkPolicies of the server.
    Ingress,
    /// Mutual TLS at the server.
    MutualTls,
    /// AuthorizationPolicies and RequestAuthentications at the server.
    Authorization,
    /// The user that the server reads from the request.
    UserIdentity,
    /// All of them together.
    EndToEnd,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = match self.layer {
            Layer::Egress => "egress",
            Layer::SidecarHosts => "sidecar hosts",
            Layer::Ingress => "ingress",
            Layer::MutualTls => "mutual TLS",
            Layer::Authorization => "authorization",
            Layer::UserIdentity => "user identity",
            Layer::EndToEnd => "end to end",
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
            write!(formatter, "denied by {}", self.because)
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

    /// Breaks when the limit is reached.
    pub fn add(&mut self, difference: Difference) -> ControlFlow<()> {
        self.found.push(difference);
        if self.found.len() >= self.limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
