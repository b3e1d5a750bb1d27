//! Storage, backups and retention.

pub mod backups;
pub mod storage;
