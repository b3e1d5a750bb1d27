#![cfg_attr(feature = "transport", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "transport"),
    doc = "Pulumi's plans and values as plain data: the crate without its feature `transport`."
)]
//!
//! # Overview
//!
//! A program builds a [`Plan`], connects to the engine, reads the deployment, and registers the plan. A language host
//! implements a service of the module `proto` and runs it with the module `serve`. A policy pack implements
//! `analyzer::Pack`. Tests use the engine in the module `fake` (feature `fake`).
//!
//! With the feature `transport` (enabled by default), this crate is an edge: it reads the environment, opens connections
//! on loopback, and waits. Without it, the crate contains [`Value`] and [`Plan`], which are pure.

#[cfg(feature = "transport")]
pub mod analyzer;
#[cfg(feature = "transport")]
mod deployment;
#[cfg(feature = "transport")]
mod engine;
#[cfg(feature = "transport")]
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod plan;
#[cfg(feature = "transport")]
pub mod proto;
#[cfg(feature = "transport")]
mod register;
#[cfg(feature = "transport")]
pub mod serve;
mod value;
pub mod wire;

#[cfg(feature = "transport")]
pub use deployment::Deployment;
#[cfg(feature = "transport")]
pub use engine::Engine;
#[cfg(feature = "transport")]
pub use error::{Answer, Error, InputProblem};
pub use plan::{Alias, AliasParent, Expectation, Kind, Plan, Precondition, Registration, Timeouts};
#[cfg(feature = "transport")]
pub use register::{DEFAULT_IN_FLIGHT, Registered, register};
pub use secrecy::{ExposeSecret, SecretString};
pub use value::{Checksum, JsonError, Sealed, UnknownKind, Value};
#[cfg(feature = "transport")]
pub use value::{DecodeError, EncodeError, from_wire, to_wire};
