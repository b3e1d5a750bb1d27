//! Configuration of a stack.
//!
//! [`RawConfig`] is the configuration as written; its field documentation is the reference that editors show.
//! [`StackConfig`] is the validated configuration: code that has one need not check again that a quorum is odd or
//! that a digest is present. Validation reports every [`Problem`].
//!
//! Nothing here reads a file or talks to the engine: keys and values are arguments.

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

/// The namespace of the platform's keys in a stack file: `phoenix:qdrant`, `phoenix:openmemory`, …
pub const NAMESPACE: &str = "phoenix";

/// Reads and validates a configuration. All errors are reported together, both of the schema and of the meaning.
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
    // Errors that occur with every substitute value are independent of the schema errors.
    let others = meanings.fold(found, |others, meaning| {
        others.shared_with(&meaning.err().unwrap_or_default())
    });
    problems.append_unknown(others);
    Err(problems)
}
