//! Finds stacks that have the same cluster: an error, because each stack creates the same namespaces, and a way to evaluate
//! a production cluster with a weaker profile.
//!
//! An edge: it reads the other stack files of the checkout.

use std::cell::OnceCell;

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

/// The clusters of all stacks of a checkout, whose files are read once, when they are first needed. Stack files that cannot be
/// read are left out.
pub struct Clusters<'c> {
    checkout: &'c Checkout,
    stacks: OnceCell<Vec<Identity>>,
}

/// What identifies the cluster of a stack.
struct Identity {
    stack: String,
    environment: Option<Environment>,
    /// The values of [`KEYS`].
    values: [Option<String>; 3],
}

impl<'c> Clusters<'c> {
    /// Of this checkout.
    pub fn of(checkout: &'c Checkout) -> Self {
        Self {
            checkout,
            stacks: OnceCell::new(),
        }
    }

    /// The other stacks that have the cluster of this one, one entry for each key that shows it.
    pub fn shared(&self, stack: &str, file: &StackFile) -> Result<Vec<SharedCluster>> {
        let mut shared = Vec::new();
        for other in self.stacks()?.iter().filter(|other| other.stack != stack) {
            for (key, theirs) in KEYS.iter().zip(&other.values) {
                if let (Some(own), Some(theirs)) = (identity(file, key), theirs)
                    && own.eq_ignore_ascii_case(theirs)
                {
                    shared.push(SharedCluster {
                        stack: other.stack.clone(),
                        environment: other.environment,
                        key: format!("{NAMESPACE}:cluster.{key}"),
                        value: own.to_owned(),
                    });
                }
            }
        }
        Ok(shared)
    }

    fn stacks(&self) -> Result<&[Identity]> {
        if let Some(stacks) = self.stacks.get() {
            return Ok(stacks);
        }
        let read = self.checkout.stacks()?.into_iter().filter_map(|stack| {
            let file = StackFile::read(self.checkout, &stack).ok()?;
            Some(Identity {
                environment: environment(&file),
                values: KEYS.map(|key| identity(&file, key).map(str::to_owned)),
                stack,
            })
        });
        let read = read.collect();
        Ok(self.stacks.get_or_init(|| read))
    }
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
