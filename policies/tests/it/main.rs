//! The tests of the policies, in one program.
//!
//! - `credentials`: how precisely credentials are found in real-looking configuration.
//! - `examples`: the good and the bad example of each rule, its findings, and thousands of objects.
//! - `unknown`: an unknown value, or one of a wrong type, never makes a rule pass.
//! - `controllers`: labels, annotations and fields as the controllers of Kubernetes and of custom resources interpret them.
//! - `mapping`: the rules and the controls, compared with each other and with an independent list.
//! - `mesh`: objects of Istio, evaluated by what the mesh does with them.
//! - `setting`: the effect of settings and waivers, and the errors of invalid ones.
//! - `shapes`: the same fault in every form of the API, and configurations that only resemble a fault.
//! - `together`: faults that no single item shows, and names and labels that exempt nothing.

mod controllers;
mod credentials;
mod examples;
mod mapping;
mod mesh;
mod setting;
mod shapes;
mod support;
mod together;
mod unknown;
