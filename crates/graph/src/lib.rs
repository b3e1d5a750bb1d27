//! A deployment as a value.
//!
//! A [`Graph`] takes typed Kubernetes resources and stores them as canonical JSON; rules, tests and registrations read them
//! as typed resources again. Two graphs can be compared, and a graph can be rendered.
//!
//! Equal graphs render to equal bytes on every machine. The crate deliberately does not know what is deployed, Pulumi, or the
//! origin of a graph: a stack, a YAML file and a live cluster all become the same type.
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
pub mod capacity;
pub mod changes;
mod field_change;
mod graph;
mod id;
mod loss;
mod object;
mod order;
mod pod_template;
pub mod quantity;
pub mod references;
pub mod yaml;

pub use changes::{Change, Changes, Replaces, compare};
pub use field_change::FieldChange;
pub use graph::Graph;
pub use id::Id;
pub use loss::{Loss, LossKind, Risk};
pub use object::{NotAnObject, Object, Options, Timeouts};
pub use references::{Reference, references};
