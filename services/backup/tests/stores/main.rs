//! The graph and the memories, against a server that answers well and badly.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at the files that the program wrote, and damage them"
)]

mod fake_neo4j;
mod neo4j;
mod openmemory;
mod program;
