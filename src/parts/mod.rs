//! Building blocks that all systems use, with secure defaults.

pub mod availability;
pub mod cluster;
pub mod container;
pub mod identity;
pub mod metadata;
pub mod rotation;
pub mod service;
pub mod snowflake;
pub mod storage;
