//! Copies what the stores hold to an object store, and back, and says the truth about it.
//!
//! It is the program inside the Jobs of the system `backup`. Three promises hold for each store:
//!
//! - **A half-written backup is never taken for one.** The manifest is written last, and names every file with its
//!   size and checksum; what has no manifest is not a backup.
//! - **Memory is bounded.** Files pass through in pieces, however large they are.
//! - **Nothing is overwritten by accident.** A restore refuses a store that holds something, unless it is told to.
//!
//! It knows nothing of Kubernetes: addresses come in as arguments, secrets as variables of the environment.

pub mod command;
mod digest;
mod error;
mod lines;
mod manifest;
mod neo4j;
mod openmemory;
mod prune;
mod qdrant;
mod server;
mod vault;

pub use error::Error;
pub use manifest::{Collection, File, Manifest, Store};
pub use prune::Keep;
pub use server::Patience;
pub use vault::{Kept, State, Target, Vault};
