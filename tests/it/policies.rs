//! The policy pack over the shipped stacks, over breakages of them, and over manifests that other people gave verdicts on,
//! over changes by chance, and over what somebody wrote to hurt.

mod chance;
mod corpora;
mod hostile;
mod matrix;
mod stacks;
