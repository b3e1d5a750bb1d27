//! The fast tests over the whole repository, in one program, because linking several costs more than running them.
//!
//! - `stacks`: what each stack renders, as snapshots that a reviewer reads; they are also the base of `phoenix diff`.
//! - `applications`: what LangGraph, the chat and the synchronization are told, and how far they reach.
//! - `backup`: every store that keeps data is copied, can be put back, and somebody is told when it is not copied.
//! - `config`: what a wrong configuration is told, and that no configuration makes anything panic.
//! - `invariants`: what holds for every graph, of the shipped stacks and of generated ones.
//! - `load_test`: only a person starts it, and it judges by the stack's own targets.
//! - `migration`: each phase is a difference that a reader sees, and can be taken back.
//! - `blast_radius`: one number of a stack file changes one system, or the table says why it is more.
//! - `guarantees`: what the platform promises, each as a test of its own.
//! - `policies`: what the policy pack says of the stacks, of what is broken in them, and of manifests with known verdicts.
//! - `alerts`: rules and dashboards ask for what somebody exposes; every alert has a runbook and examples.
//! - `registration`: what the engine is asked for, against an engine in this process.
//! - `rotation`: what happens to whom when a secret changes, or comes from elsewhere.
//! - `evaluated`: the rendered policies mean what the connection table says; `evaluator` works out what they mean.
//! - `audit_trail`: what is written down of who asked whom for what.
//! - `architecture`: who may depend on whom.
//! - `external_secrets`: what the External Secrets Operator is asked for, held against its own types.
//! - `words`: text and public identifiers avoid private vocabulary.
//! - `generated`: files of the repository that are made from code are as the code makes them.
#![allow(clippy::disallowed_methods, reason = "tests read the files of the repository")]

mod alerts;
mod applications;
mod architecture;
mod audit_trail;
mod backup;
mod blast_radius;
mod config;
mod evaluated;
mod evaluator;
mod external_secrets;
mod generated;
mod generators;
mod guarantees;
mod invariants;
mod load_test;
mod migration;
mod mutations;
mod policies;
mod registration;
mod rotation;
mod stacks;
mod support;
mod words;
