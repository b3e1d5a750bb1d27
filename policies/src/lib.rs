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
//! A [`Rule`] is metadata and a function; the [`control`]s are those that it gives evidence for. A verdict is one of five:
//! pass, pass by assumption, fail, not applicable, unknown. A value that is not known yet never makes a rule pass
//! ([`field`]), and a stack cannot weaken its own evaluation ([`settings`]).
//!
//! [`mesh`] derives from the inventory which proxy handles the traffic of a workload; the rules about Istio build on it.
//!
//! The same graph and the same settings always give the same report: this package reads no clock, file or environment. A
//! report never contains the value of a property that may be a secret. The package does not know Phoenix or Pulumi. Of where
//! the graph comes from, it only knows whether that is an API server ([`ObjectSource`]).

mod answer;
mod cidr;
mod context;
pub mod control;
mod custom;
mod enforcement;
mod evaluate;
pub mod field;
mod finding;
mod image;
mod inventory;
pub mod kind;
pub mod mesh;
pub mod pod;
mod pod_labels;
pub mod reader;
mod relaxation;
pub mod remediation;
pub mod report;
mod review;
pub mod rule;
pub mod rules;
pub mod schema;
pub mod selector;
pub mod settings;
mod text;
pub mod waiver;

pub use context::{CheckContext, Item, Subject, Verdict};
pub use control::Control;
pub use enforcement::Enforcement;
pub use evaluate::{evaluate, evaluate_on};
pub use finding::Finding;
pub use inventory::{CLUSTER_NAMESPACES, Inventory, Workload};
pub use jiff::civil::Date;
pub use relaxation::{Relaxation, is_weaker_environment};
pub use report::{AssumedPass, ExpiringWaiver, Report};
pub use review::Review;
pub use rule::{Check, Rule, Scope, Severity};
pub use rules::RULES;
pub use settings::{Authority, ObjectSource, Settings, Source};
pub use text::RuleText;
pub use waiver::Waiver;

/// An example of the settings of a stack, as in a stack file.
pub const SETTINGS_EXAMPLE: &str = include_str!("../settings-example.yaml");
