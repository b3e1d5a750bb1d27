//! Neo4j and OpenMemory, with servers that inject faults, and backups that an attacker wrote.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at the files that the program wrote, and damage them"
)]

mod fake_neo4j;
mod forged;
mod neo4j;
mod openmemory;
mod planted;
mod program;
mod prune;
