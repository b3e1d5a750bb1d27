//! The tests of the pack, in one program.
//!
//! - `examples`: each rule's own good and bad manifest, what it says of the bad one, and of thousands.
//! - `unknown`: what is not known, or is of a wrong type, is never a pass.
//! - `mapping`: the rules and the controls, held against each other and against a list of their own.
//! - `setting`: what settings and waivers do, and what is told where they are wrong.
//! - `shapes`: the same fault in every shape of the API, and what only looks like one.

mod examples;
mod mapping;
mod setting;
mod shapes;
mod support;
mod unknown;
