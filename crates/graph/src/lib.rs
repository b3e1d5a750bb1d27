//! A deployment is a value.
//!
//! Typed Kubernetes resources go into a [`Graph`]; between lies canonical JSON; rules, tests and
//! registrations take the resources out again as the types they went in as. Two graphs can be
//! compared, one can be rendered.
//!
//! This crate promises that equal graphs give equal bytes, on any machine. It deliberately knows
//! nothing of what is deployed, of Pulumi, or of where a graph came from: a stack, a YAML file
//! and a live cluster give the same type.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
//! use phoenix_graph::Graph;
//!
//! let mut graph = Graph::of("greeting");
//! graph.insert(ConfigMap {
//!     metadata: ObjectMeta {
//!         name: Some("hello".to_owned()),
//!         namespace: Some("default".to_owned()),
//!         ..Default::default()
//!     },
//!     ..Default::default()
//! });
//! assert!(graph.yaml().contains("kind: ConfigMap"));
//! assert_eq!(graph.all::<ConfigMap>().len(), 1);
//! ```

pub mod canonical;
pub mod changes;
mod graph;
mod id;
mod loss;
mod object;
mod order;
pub mod references;
pub mod yaml;

pub use changes::{Change, Changes, FieldChange, Loss, Replaces, compare};
pub use graph::Graph;
pub use id::Id;
pub use object::{NotAnObject, Object, Options, Timeouts};
pub use references::{Reference, references};
