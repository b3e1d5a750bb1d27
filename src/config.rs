//! Configuration of a stack.
//!
//! [`RawConfig`] is the configuration as written; its field documentation is the reference that editors show.
//! [`StackConfig`] is the validated configuration: code that has one need not check again that a quorum is odd or
//! that a digest is present. Validation reports every [`Problem`].
//!
//! Nothing here reads a file or talks to the engine: keys and values are arguments.

mod esc;
mod image;
mod key;
mod names;
mod origin;
mod placeholder;
mod problem;
mod quantity;
pub mod raw;
mod read;
mod role;
pub mod schema;
mod schema_check;
pub mod secret;
mod stack;
mod validate;

pub use esc::EscEnvironment;
pub use image::Image;
pub use key::{NAMESPACE, own_key};
pub use names::{DnsName, HostName, ObjectName};
pub use origin::{Origin, Origins};
pub use placeholder::{OrPlaceholder, Placeholder};
pub use problem::{Problem, Problems};
pub use quantity::Quantity;
pub use raw::RawConfig;
pub use read::{check, read_deployment, value_from_text};
pub use role::RoleArn;
pub use stack::*;
