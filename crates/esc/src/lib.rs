#![doc = include_str!("../README.md")]
//!
//! # Overview
//!
//! A [`Client`] opens an [`Environment`] and returns its [`Values`], a tree in which secrets are protected. [`Error`] is a
//! failure to open the environment; [`ValueError`] means that a value is not a secret string. Tests use the fake service
//! of `phoenix-testing`.
//!
//! This crate is an edge: it calls a service, waits, and reads the clock. Only [`Value`] is pure.

mod client;
mod environment;
mod error;
mod masking;
mod response;
mod value;

pub use client::{Client, RetryPolicy, SERVICE};
pub use environment::Environment;
pub use error::{Diagnostic, Error};
pub use secrecy::{ExposeSecret, SecretString};
pub use value::{Kind, Secret, Value, ValueError, Values};
