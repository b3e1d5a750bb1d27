//! What the rendered policies mean, worked out a second time.
//!
//! It reads the bytes of a rendered stack as a cluster would, and the connection table as its words say; it shares
//! nothing with the code that makes policies from the table. [`Walk`] holds one against the other.
//!
//! - `objects`: the rendering, read back into types that refuse what they do not know.
//! - `world`: pods, declared ones and strangers.
//! - `network`, `peers`, `requests`, `tokens`, `sidecars`: what each kind of object means, from its specification.
//! - `addresses`, `paths`: what they are made of.
//! - `table`: what the connection table says.
//! - `probes`: what is tried out.
//! - `walk`: the comparison; `difference`: what it finds.
//!
//! It takes for granted: the mesh has one trust domain and its usual path normalisation, nobody else puts policies into
//! our namespace, and the network keeps NetworkPolicies.

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
