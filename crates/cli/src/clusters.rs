//! Finds stacks that have the same cluster: an error, because each stack creates the same namespaces, and a way to evaluate
//! a production cluster with a weaker profile.
//!
//! An edge: it reads the other stack files of the checkout.

use anyhow::Result;
use phoenix::config::{Environment, NAMESPACE};
use serde::Deserialize as _;
use serde_json::Value;

use crate::checkout::Checkout;
use crate::stack_file::StackFile;

/// The keys below `phoenix:cluster` that identify a cluster.
const KEYS: [&str; 3] = ["uid", "context", "identifier"];

/// Another stack with the same cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCluster {
    /// The other stack.
    pub stack: String,
    /// Its environment, if it is valid.
    pub environment: Option<Environment>,
    /// The key with the same value in both stacks, such as `phoenix:cluster.uid`.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The other stacks of the checkout that have the cluster of this one, one entry for each key that shows it. Stack files
/// that cannot be read are left out.
pub fn shared(checkout: &Checkout, stack: &str, file: &StackFile) -> Result<Vec<SharedCluster>> {
    let mut shared = Vec::new();
    for other in checkout.stacks()?.into_iter().filter(|other| other != stack) {
        let Ok(other_file) = StackFile::read(checkout, &other) else {
            continue;
        };
        for key in KEYS {
            if let (Some(own), Some(theirs)) = (identity(file, key), identity(&other_file, key))
                && own.eq_ignore_ascii_case(theirs)
            {
                shared.push(SharedCluster {
                    stack: other.clone(),
                    environment: environment(&other_file),
                    key: format!("{NAMESPACE}:cluster.{key}"),
                    value: own.to_owned(),
                });
            }
        }
    }
    Ok(shared)
}

/// One sentence for each pair of stacks and each key.
pub fn warnings<'a>(stacks: impl Iterator<Item = (&'a str, &'a [SharedCluster])>) -> Vec<String> {
    let mut sentences = Vec::new();
    for (stack, shared) in stacks {
        for other in shared {
            let (first, second) = if *stack < *other.stack {
                (stack, other.stack.as_str())
            } else {
                (other.stack.as_str(), stack)
            };
            let sentence = format!(
                "stacks {first} and {second} have the same {}, {:?}: they would manage the same objects, and their backups would have the same prefix",
                other.key, other.value
            );
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
    }
    sentences
}

/// The value of a key that identifies a cluster; `None` for a placeholder.
fn identity<'f>(file: &'f StackFile, key: &str) -> Option<&'f str> {
    let cluster = file.keys.get(&format!("{NAMESPACE}:cluster"))?;
    let value = cluster.get(key)?.as_str()?.trim();
    (!value.is_empty()).then_some(value)
}

fn environment(file: &StackFile) -> Option<Environment> {
    let value: &Value = file.keys.get(&format!("{NAMESPACE}:environment"))?;
    Environment::deserialize(value).ok()
}
