//! Building blocks that all systems use, with secure defaults.

pub mod availability;
pub mod container;
pub mod identity;
pub mod metadata;
pub mod service;
pub mod snowflake;
pub mod storage;
