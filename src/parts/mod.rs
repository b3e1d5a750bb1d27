//! Pieces that all systems use, each carrying the safe choice, so that the short way is the right one.

pub mod availability;
pub mod cluster;
pub mod container;
pub mod identity;
pub mod metadata;
pub mod rotation;
pub mod service;
pub mod snowflake;
pub mod storage;
