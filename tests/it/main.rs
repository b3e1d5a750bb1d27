//! The fast tests over the whole repository, in one program, because linking several costs more than running them.
//!
//! - `alerts`: rules and dashboards query exposed metrics; every alert has a runbook and examples.
//! - `applications`: settings and connections of LangGraph, the chat and the synchronization.
//! - `architecture`: allowed dependencies between packages and between modules.
//! - `audit_trail`: access logging of every workload.
//! - `backup`: every store with data has a backup, a restore and an alert on the age of its backup.
//! - `blast_radius`: a changed number of a stack file changes one system, or the table gives the reason for more.
//! - `docs_pages`: every page is linked, and every link, file, command and setting key that a page names exists.
//! - `config`: errors of invalid configurations; no configuration causes a panic.
//! - `confinement`: configuration cannot expand secrets or widen networks; pods and callers without a row stay confined.
//! - `dashboards`: panels, queries, units and thresholds as a table.
//! - `evaluated`: the rendered policies allow exactly what the connection table lists; `phoenix_testing::evaluator` computes what they allow.
//! - `external_secrets`: objects for the External Secrets Operator, checked against its own types.
//! - `features`: packages that several binaries share have equal features, so that they are compiled once.
//! - `generated`: generated files of the repository are up to date.
//! - `guarantees`: what the platform guarantees, one test each.
//! - `invariants`: properties of every graph, for the shipped stacks and for generated ones.
//! - `load_test`: it is started manually and uses the stack's own targets.
//! - `migration`: each phase is a reviewable difference and can be reverted.
//! - `policies`: findings of the policy pack in the stacks, in broken stacks, and in manifests with known results.
//! - `registration`: requests to the engine, recorded by an engine in this process.
//! - `rotation`: which pods restart when a secret changes or moves to another source.
//! - `stacks`: the rendered stacks as snapshots; they are also the base of `phoenix diff`.
//! - `words`: texts and public identifiers avoid private vocabulary.
//! - `workflows`: permissions and pins of the hosted workflows.
#![allow(clippy::disallowed_methods, reason = "tests read the files of the repository")]

mod alerts;
mod applications;
mod architecture;
mod audit_trail;
mod backup;
mod blast_radius;
mod config;
mod confinement;
mod dashboards;
mod docs_pages;
mod evaluated;
mod external_secrets;
mod features;
mod generated;
mod generators;
mod guarantees;
mod invariants;
mod lexer;
mod load_test;
mod migration;
mod mutations;
mod policies;
mod registration;
mod rotation;
mod stacks;
mod support;
mod words;
mod workflows;
