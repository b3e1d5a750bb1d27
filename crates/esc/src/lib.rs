#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! A [`Client`] opens an [`Environment`] and gives back its [`Values`], a tree in which secrets are sealed. What can go
//! wrong is an [`Error`] on the way there, or [`Unfit`] where a value is not what the caller needs.
//! Tests use the fake service of `phoenix-testing`.
//!
//! This crate is an edge: it talks to a service, waits and looks at the clock. [`Value`] alone is pure.

mod answer;
mod client;
mod environment;
mod error;
mod masking;
mod value;

pub use client::{Client, Patience, SERVICE};
pub use environment::Environment;
pub use error::{Diagnostic, Error};
pub use secrecy::{ExposeSecret, SecretString};
pub use value::{Kind, Secret, Unfit, Value, Values};
