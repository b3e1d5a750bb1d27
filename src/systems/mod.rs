//! One module a system. Each takes its own configuration and the shared names, and gives back
//! its resources; none calls another.

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
