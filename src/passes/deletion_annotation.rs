//! Annotates each object with its deletion policy, so that dropping `protect` shows up in a diff.

use phoenix_graph::Object;

/// Adds the annotation, unless the object is simply deleted.
pub fn apply(object: &mut Object) {
    let policy = match (object.options.protect, object.options.retain_on_delete) {
        (false, false) => return,
        (true, false) => "refused",
        (false, true) => "retained",
        (true, true) => "refused, then retained",
    };
    object.annotate("phoenix.ai/deletion", policy);
}
