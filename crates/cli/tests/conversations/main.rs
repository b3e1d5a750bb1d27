//! Conversations with the real command, each in a checkout of its own: what is typed, what is answered, how it ends.
//!
//! - `checking`: stacks and manifests, judged by the policies.
//! - `comparing`: preview and diff, their bases and their exit codes.
//! - `rendering`: manifests to stdout and into a folder.
//! - `mistakes`: what a person is told who typed or wrote something wrong.
//! - `explaining`: what a key or an object is.
//! - `examining`: doctor, with and without a cluster.
//! - `secrets`: how the secrets of a stack stand, and that no value is ever told.
//! - `secrets_in_esc`: the same for an environment of Pulumi ESC.
//! - `talking`: help, completions, colours, pipes.
#![expect(clippy::disallowed_methods, reason = "tests make checkouts and run programs")]

mod checking;
mod checking_clusters;
mod comparing;
mod examining;
mod explaining;
mod mistakes;
mod rendering;
mod secrets;
mod secrets_in_esc;
mod support;
mod talking;
mod world;
