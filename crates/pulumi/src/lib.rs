#![doc = include_str!("../README.md")]
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

pub mod analyzer;
mod deployment;
mod engine;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod plan;
pub mod proto;
mod register;
pub mod serve;
mod value;
pub mod wire;

pub use deployment::Deployment;
pub use engine::Engine;
pub use error::{Answer, Error, InputProblem};
pub use plan::{Alias, AliasParent, Fact, Kind, Plan, Premise, Registration, Timeouts};
pub use register::{DEFAULT_IN_FLIGHT, Registered, register};
pub use secrecy::{ExposeSecret, SecretString};
pub use value::{
    Checksum, DecodeError, EncodeError, JsonError, Sealed, UnknownKind, Value, from_wire, to_wire,
};
