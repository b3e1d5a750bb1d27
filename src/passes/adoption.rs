//! Adopts existing objects.
//!
//! The provider applies an object that it does not know with server-side apply, but the API server rejects changes to
//! fields that another manager owns unless the provider forces them.

use phoenix_graph::Object;

use crate::config::ObjectName;

/// Forces the first apply of an object that the stack file lists under `adopt`.
pub fn apply(object: &mut Object, adopt: &[ObjectName]) {
    if adopt.iter().any(|name| name.matches(&object.id)) {
        object.annotate("pulumi.com/patchForce", "true");
    }
}
