//! One module for each system. Each takes its own configuration and the shared names and returns its resources; no
//! system calls another.

pub mod audit_trail;
pub mod backup;
pub mod chat;
pub mod knowledge_graph;
pub mod langgraph;
pub mod load_test;
pub mod mcp;
pub mod mesh;
pub mod monitoring;
pub mod namespace;
pub mod openmemory;
pub mod qdrant;
pub mod redis;
pub mod secrets;
pub mod sync;
pub mod trust;
