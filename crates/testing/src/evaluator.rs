//! An independent evaluation of what the rendered policies allow.
//!
//! It parses the rendered YAML as a cluster would, and reads the connection table by its documentation; it shares no code
//! with the generation of policies from the table. [`Walk`] compares the two.
//!
//! - `objects`: the rendered objects, parsed into types that reject unknown fields.
//! - `world`: pods of the stack and other pods.
//! - `network`, `peers`, `requests`, `tokens`, `sidecars`: the semantics of each kind, from its specification.
//! - `addresses`, `paths`: CIDR blocks and path patterns.
//! - `table`: what the connection table allows.
//! - `probes`: the connections and requests to evaluate.
//! - `walk`: the comparison; `difference`: its results.
//!
//! Assumptions: the mesh has one trust domain and Istio's default path normalization, no other party creates policies in the
//! stack's namespaces, and the CNI plugin enforces NetworkPolicies.
#![allow(
    missing_docs,
    reason = "fields are those of the Kubernetes and Istio objects that they mirror"
)]

mod addresses;
mod difference;
mod network;
mod objects;
mod paths;
mod peers;
mod probes;
mod requests;
mod sidecars;
mod table;
mod tokens;
mod walk;
mod world;

pub use difference::{Difference, Layer};
pub use objects::{Manifest, documents};
pub use table::{Setting, Table, Tokens};
pub use walk::Walk;
