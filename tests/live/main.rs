//! The live lane: the real engine, provider and control plane, and the mesh's own analyzer.
//!
//! These tests are ignored by a plain `cargo test`, because building the tools takes more than half an hour once.
//! `.ci/run` never skips them. By hand: `cargo test --test live -- --ignored --test-threads=1`.
//!
//! - `adoption`: what was deployed by hand becomes the stack's, with its data.
//! - `alerts`: rules that Prometheus reads, and that fire when they should and only then.
//! - `crds`: the generated types of custom resources, against the pinned definitions.
//! - `dev`: a stack from its first `up` to a `destroy` that leaves nothing.
//! - `esc_definitions`: the environments in `stacks/esc`, evaluated as Pulumi ESC evaluates them.
//! - `esc_direct`: secrets from an environment that the program opens itself, evaluated as Pulumi ESC evaluates it.
//! - `parity`: manifests that mean the same to our reader and to `kubectl`.
//! - `policies`: the policy pack in the engine: over a good stack and a bad one, repairing, and on a state.
//! - `rotation`: a changed secret restarts exactly its readers, and Qdrant changes its key in three steps.
//! - `external_secrets`: what the External Secrets Operator is asked for, accepted by a server that knows its resources.
//! - `leaks`: canaries in every secret, looked for in everything that is said and written.
//! - `prod`: protection, retention, and manifests that the API server accepts.
//! - `mesh`: manifests that the mesh's own analyzer accepts.
//! - `outages`: drains, a lost zone, a rollout of everything at once, and Pod Security.
//! - `side_by_side`: two sandboxes at once, and one that is killed midway.
//! - `faults`: processes that die, servers that fail, a full disk; and that the stack becomes whole again.
//! - `by_hand`: what a person sees who types `pulumi` with something wrong.
#![allow(
    clippy::disallowed_methods,
    reason = "tests drive real programs and look at the files they leave"
)]

mod adoption;
mod alerts;
mod by_hand;
mod crds;
mod dev;
mod esc;
mod esc_definitions;
mod esc_direct;
mod external_secrets;
mod faults;
mod inventory;
mod leaks;
mod live;
mod mesh;
mod outages;
mod parity;
mod policies;
mod prod;
mod rotation;
mod side_by_side;
