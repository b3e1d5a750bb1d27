//! Configuration: what a stack file says, and what it means.
//!
//! [`RawConfig`] is what was written; its field docs are the reference that editors show.
//! [`StackConfig`] is what is meant: whoever holds one need not ask again whether a quorum is
//! odd or a digest is there. The way from one to the other reports every [`Problem`] at once.
//!
//! Nothing here reads a file or talks to the engine: keys and values come in as arguments.

mod esc;
mod image;
mod names;
mod origin;
mod placeholder;
mod problem;
mod quantity;
pub mod raw;
mod read;
mod role;
pub mod secret;
mod shape;
mod stack;
mod validate;

pub use esc::EscEnvironment;
pub use image::Image;
pub use names::{DnsName, HostName, ObjectName};
pub use origin::{Origin, Origins};
pub use placeholder::{OrPlaceholder, Placeholder};
pub use problem::{Problem, Problems};
pub use quantity::Quantity;
pub use raw::RawConfig;
pub use read::read_deployment;
pub use role::RoleArn;
pub use stack::*;
use validate::validate;

/// The namespace of all our keys in a stack file: `phoenix:qdrant`, `phoenix:openmemory`, …
pub const NAMESPACE: &str = "phoenix";

/// Reads and checks the keys of a configuration. Every problem is told at once, of its shape and of its meaning.
pub fn check(keys: &std::collections::BTreeMap<String, serde_json::Value>) -> Result<StackConfig, Problems> {
    let (readings, mut problems) = RawConfig::from_keys(keys);
    let mut meanings = readings.iter().map(validate);
    let Some(first) = meanings.next() else {
        return Err(problems);
    };
    let found = match first {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => Problems::default(),
        Err(others) => others,
    };
    // What is wrong whatever is put in the place of what does not fit, is wrong by itself.
    let others = meanings.fold(found, |others, meaning| {
        others.shared_with(&meaning.err().unwrap_or_default())
    });
    problems.append_unknown(others);
    Err(problems)
}
