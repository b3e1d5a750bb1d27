#![cfg_attr(feature = "transport", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "transport"), doc = "Pulumi's plans and values as plain data: the crate without its feature `transport`.")]
//!
//! # Where to look
//!
//! A program makes a [`Plan`], [connects](Engine::connect), asks for the [`Deployment`] and [`register`]s. A language
//! host finds the services it serves in [`proto`], and in [`serve`](mod@serve) the way every plugin starts. A policy
//! pack implements [`analyzer::Pack`]. Tests find
//! an engine in `fake` (feature `fake`).
//!
//! This crate is an edge: it reads the environment, opens connections on loopback and waits. [`Value`] and [`Plan`]
//! alone are pure.

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
pub use plan::{Alias, AliasParent, Fact, Kind, Plan, Premise, Registration, Timeouts};
#[cfg(feature = "transport")]
pub use register::{DEFAULT_IN_FLIGHT, Registered, register};
pub use secrecy::{ExposeSecret, SecretString};
pub use value::{Checksum, JsonError, Sealed, UnknownKind, Value};
#[cfg(feature = "transport")]
pub use value::{DecodeError, EncodeError, from_wire, to_wire};
