//! The policy pack, applied to the shipped stacks, to broken variants of them, to published manifests with known results, to
//! random changes, and to hostile input.

mod chance;
mod corpora;
mod hostile;
mod matrix;
mod stacks;
