//! Explains a configuration key, an object of a stack, a policy rule or a control.
//!
//! The texts are derived, not written for single keys or objects: the meaning of a key comes from its schema, its effects and
//! rejected values are determined by [`probe`] (which builds the graph with other values), and references of an object are read
//! from the graph. No cluster is contacted. [`crate::commands::explain`] prints.

pub mod key;
pub mod object;
pub mod probe;
pub mod schema;

use std::collections::BTreeMap;

use phoenix_policies::{Control, RULES, Rule};

use crate::checkout::Checkout;
use crate::stack::Stack;
use crate::stack_file::StackFile;
use phoenix_terminal::user_error::user_error;

/// A stack file, and its graph if the file is valid.
#[derive(Debug)]
pub struct LoadedStack {
    /// The stack's name.
    pub name: String,
    /// The content of its file.
    pub file: StackFile,
    /// The built stack; `None` if the file has errors.
    pub stack: Option<Stack>,
}

/// The stacks that explanations refer to.
#[derive(Debug)]
pub struct Subjects {
    /// The project name, the second part of every URN.
    pub project: String,
    /// The stacks, by name.
    pub stacks: Vec<LoadedStack>,
}

/// The subject of an explanation.
#[derive(Debug)]
pub enum Explanation {
    /// A key of the configuration.
    Key(Box<key::Key>),
    /// An object that a stack declares.
    Object(Box<object::Explained>),
    /// A rule of the policies.
    Rule(&'static Rule),
    /// A control that rules give evidence for.
    Control(Control),
}

impl Subjects {
    /// Loads all stacks of the checkout. A stack file with errors does not affect the others.
    pub fn of(checkout: &Checkout) -> anyhow::Result<Self> {
        let mut stacks = Vec::new();
        for name in checkout.stacks()? {
            let file = StackFile::read(checkout, &name)?;
            stacks.push(LoadedStack {
                stack: Stack::load(checkout, &name).ok(),
                name,
                file,
            });
        }
        Ok(Self {
            project: checkout.project().to_owned(),
            stacks,
        })
    }

    /// Explains what the words name. Returns an error with suggestions if they name nothing or several things.
    pub fn explain(&self, words: &[String]) -> anyhow::Result<Explanation> {
        let asked = words.join(" ");
        let asked = asked.trim();
        if let Some(policy) = policy(asked) {
            return Ok(policy);
        }
        let looks_like_object = asked.contains(['/', ' ']);
        if !looks_like_object && let Some(key) = key::explain(asked, self) {
            return Ok(Explanation::Key(Box::new(key)));
        }
        let objects = object::named(asked, self);
        match objects.as_slice() {
            [id] => Ok(Explanation::Object(Box::new(object::explain(id, self)))),
            [] => Err(self.nothing_named(asked, looks_like_object)),
            several => {
                let names: Vec<_> = several.iter().map(object::typed).collect();
                Err(user_error(
                    format!(
                        "{asked:?} matches {} objects: {}",
                        several.len(),
                        names.join(", ")
                    ),
                    format!("name one of them, for example: phoenix explain {}", names[0]),
                ))
            }
        }
    }

    fn nothing_named(&self, asked: &str, looks_like_object: bool) -> anyhow::Error {
        let shown: String = asked.chars().take(100).collect();
        let keys = schema::all();
        let objects = object::all(self);
        let own = asked
            .strip_prefix(&format!("{}:", phoenix::config::NAMESPACE))
            .unwrap_or(asked);
        let candidates: BTreeMap<String, String> = if looks_like_object {
            objects
                .iter()
                .map(|id| (object::typed(id).to_lowercase(), object::typed(id)))
                .collect()
        } else {
            let names = objects.iter().map(|id| (id.name.clone(), object::typed(id)));
            names
                .chain(RULES.iter().map(|rule| (rule.id.to_owned(), rule.id.to_owned())))
                .chain(keys.into_iter().map(|key| (key.to_lowercase(), key)))
                .collect()
        };
        let own = own.replace(' ', "/").to_lowercase();
        let nearest = phoenix_suggest::nearest_path(&own, candidates.keys().map(String::as_str));
        let hint = match nearest {
            Some(word) => format!("did you mean {}?", candidates[word]),
            None => "write keys as in a stack file, for example qdrant.replicas, and objects as Kind/namespace/name, for example \
                     StatefulSet/sophia-memory/qdrant"
                .to_owned(),
        };
        user_error(
            format!("{shown:?} is not a configuration key, an object of a stack, a policy rule or a control"),
            hint,
        )
    }
}

/// The rule or control of this name. A control may be prefixed with its framework.
fn policy(asked: &str) -> Option<Explanation> {
    let id = ["SOC 2 ", "SOC2 ", "HIPAA "]
        .iter()
        .find_map(|framework| asked.strip_prefix(framework))
        .unwrap_or(asked);
    let rule = phoenix_policies::rules::find(id).map(Explanation::Rule);
    rule.or_else(|| Control::named(id).map(Explanation::Control))
}
