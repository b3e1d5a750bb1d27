//! The state of a stack's secrets outside its stack file: in its cluster, and in Pulumi ESC.

pub mod cluster;
pub mod esc;
