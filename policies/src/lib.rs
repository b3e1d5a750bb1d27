//! Policies for Kubernetes and Istio objects, with evidence for SOC 2 and HIPAA controls.
//!
//! ```text
//! Graph + Settings ─▶ evaluate ─▶ Report
//!                        │
//!                        ├─ rules ──▶ rule ──▶ context ──▶ inventory ──▶ settings
//!                        │                                     │
//!                        └─ waivers                            └──▶ selector, pod ──▶ kind, field
//! ```
//!
//! [`evaluate`] takes a [`Graph`](phoenix_graph::Graph) and [`Settings`] and returns a [`Report`]: the verdict of every rule
//! of [`RULES`] on every object that it checks. Pulumi's analyzer (`policies/analyzer`), `phoenix check`, the tests and the
//! audit all call it.
//!
//! A [`Rule`] is metadata and a function; the [`control`]s are those that it gives evidence for. A verdict is one of four:
//! pass, fail, not applicable, unknown. A value that is not known yet never makes a rule pass ([`field`]).
//!
//! The same graph and the same settings always give the same report: this package reads no clock, file or environment. A
//! report never contains the value of a property that may be a secret. The package does not know Phoenix, Pulumi or where
//! the graph comes from.

mod cidr;
mod context;
pub mod control;
mod custom;
mod enforcement;
mod evaluate;
pub mod field;
mod image;
mod inventory;
pub mod kind;
pub mod pod;
mod pod_labels;
pub mod reader;
pub mod remediation;
pub mod report;
pub mod rule;
pub mod rules;
pub mod schema;
pub mod selector;
pub mod settings;
mod text;
pub mod waiver;

pub use context::{CheckContext, Finding, Item, Subject, Verdict};
pub use control::Control;
pub use enforcement::Enforcement;
pub use evaluate::{evaluate, evaluate_on};
pub use inventory::{Inventory, Workload};
pub use jiff::civil::Date;
pub use report::{ExpiringWaiver, Report};
pub use rule::{Check, Rule, Scope, Severity};
pub use rules::RULES;
pub use settings::Settings;
pub use text::RuleText;
pub use waiver::Waiver;

/// An example of settings, as in a stack file.
pub const SETTINGS_EXAMPLE: &str = include_str!("../settings-example.yaml");
