//! Backs up Qdrant, Neo4j and OpenMemory to an object store, and restores them.
//!
//! This is the program that the Jobs of the system `backup` run. Guarantees for each store:
//!
//! - **An incomplete backup is never used.** The manifest is written last and lists every file with its size and
//!   checksum. A folder without a manifest is not a backup.
//! - **A forged backup is never used.** The manifest has an authentication code, for which each store has its own key. The
//!   time of a backup counts only if the object store confirms it.
//! - **A restore verifies before it writes.** The content of all files is checked before the first change.
//! - **Memory use is bounded.** Files are streamed in chunks, regardless of their size.
//! - **Nothing is overwritten by accident.** A restore into a store that contains data is an error, unless overwriting is
//!   requested.
//!
//! The program does not depend on Kubernetes: addresses are arguments, and secrets are environment variables.

pub mod command;
mod digest;
mod error;
mod lines;
mod mac;
mod manifest;
mod neo4j;
mod openmemory;
mod prune;
mod qdrant;
mod server;
mod vault;
