//! The verbs, one file each: what can be typed, and what happens then.
//!
//! A verb asks the modules above this one for data and prints it; nothing here decides what is right or wrong.

pub mod check;
pub mod completions;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod preview;
pub mod render;
pub mod sandbox;
pub mod schema;
pub mod secrets;
