//! The policy pack over the shipped stacks, over breakages of them, and over manifests that other people gave verdicts on.

mod corpora;
mod matrix;
mod stacks;
