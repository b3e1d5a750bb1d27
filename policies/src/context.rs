//! What a check is given and what it says: the subject, and the judging that collects findings into one verdict.

use phoenix_graph::Object;
use serde_json::Value;

use crate::field::{Field, Node};
use crate::inventory::Inventory;
use crate::pod::Pod;
use crate::report::{Finding, Verdict};
use crate::rule::Rule;
use crate::settings::Setting;

/// The object that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The object.
    pub object: &'a Object,
    /// The pod that it makes or is.
    pub pod: Option<&'a Pod<'a>>,
    /// The whole object as something to read fields of.
    pub body: Node<'a>,
}

impl<'a> Subject<'a> {
    /// An object, and the pod that it makes.
    pub fn new(object: &'a Object, pod: Option<&'a Pod<'a>>) -> Self {
        Self {
            object,
            pod,
            body: Node::new(object.body(), ""),
        }
    }

    /// The kind, such as `Deployment`.
    pub fn kind(&self) -> &'a str {
        &self.object.id.kind
    }

    /// The namespace; where the manifest names none, the one that `kubectl` takes.
    pub fn namespace(&self) -> &'a str {
        namespace(self.object)
    }
}

/// The namespace of an object; where it names none, the one that `kubectl` takes.
pub fn namespace(object: &Object) -> &str {
    object.id.namespace.as_deref().unwrap_or("default")
}

/// Collects what a check finds about one object, and makes one verdict of it.
///
/// A finding outweighs a value that is not known, and that outweighs everything else: what is not known is never a pass.
#[derive(Debug)]
pub struct CheckContext<'a> {
    /// Everything that was given, for the rules that look at more than one object.
    pub inventory: &'a Inventory<'a>,
    rule: &'static Rule,
    findings: Vec<Finding>,
    unknown: Vec<String>,
    aside: Option<&'static str>,
}

impl<'a> CheckContext<'a> {
    pub(crate) fn new(inventory: &'a Inventory<'a>, rule: &'static Rule) -> Self {
        Self {
            inventory,
            rule,
            findings: Vec::new(),
            unknown: Vec::new(),
            aside: None,
        }
    }

    /// The object breaks the rule, at this path.
    pub fn fail(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding {
            path: path.into(),
            message: message.into(),
        });
    }

    /// What the rule has to know is not known; `what` is a path, or a sentence.
    pub fn unknown(&mut self, what: impl Into<String>) {
        self.unknown.push(what.into());
    }

    /// The rule does not judge this object, though it judges its kind.
    pub fn not_applicable(&mut self, why: &'static str) {
        self.aside = Some(why);
    }

    /// The known value; an unknown one is noted with its path.
    pub fn note<T>(&mut self, read: Field<T>, node: Node<'_>, path: &str) -> Option<T> {
        if read.is_unknown() {
            self.unknown(node.at(path));
        }
        read.known()
    }

    /// The flag at a path; an unknown one is noted.
    pub fn flag(&mut self, node: Node<'_>, path: &str) -> Option<bool> {
        self.note(node.flag(path), node, path)
    }

    /// The text at a path; an unknown one is noted.
    pub fn text<'n>(&mut self, node: Node<'n>, path: &str) -> Option<&'n str> {
        self.note(node.text(path), node, path)
    }

    /// The number at a path; an unknown one is noted.
    pub fn number(&mut self, node: Node<'_>, path: &str) -> Option<i64> {
        self.note(node.number(path), node, path)
    }

    /// The items at a path with their places; an unknown list or item is noted and left out.
    pub fn items<'n>(&mut self, node: Node<'n>, path: &str) -> Vec<Item<'n>> {
        let Some(items) = self.note(node.list(path), node, path) else {
            return Vec::new();
        };
        let at = node.at(path);
        let mut known = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            if crate::field::is_unknown(value) {
                self.unknown(format!("{at}[{index}]"));
            } else {
                known.push(Item {
                    value,
                    path: format!("{at}[{index}]"),
                });
            }
        }
        known
    }

    /// The texts of a list; an unknown list or item is noted and left out.
    pub fn texts<'n>(&mut self, node: Node<'n>, path: &str) -> Vec<&'n str> {
        let Some(items) = self.note(node.list(path), node, path) else {
            return Vec::new();
        };
        let mut known = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            match crate::field::text(value) {
                Field::Known(text) => known.push(text),
                _ => self.unknown(format!("{}[{index}]", node.at(path))),
            }
        }
        known
    }

    /// A setting of the rule that is a flag.
    pub fn option_flag(&self, setting: &Setting) -> bool {
        self.inventory.settings.flag(self.rule.id, setting)
    }

    /// A setting of the rule that is a number.
    pub fn option_number(&self, setting: &Setting) -> i64 {
        self.inventory.settings.number(self.rule.id, setting)
    }

    /// A setting of the rule that is a list of texts.
    pub fn option_texts(&self, setting: &Setting) -> Vec<&str> {
        self.inventory.settings.texts(self.rule.id, setting)
    }

    pub(crate) fn verdict(self) -> Verdict {
        if !self.findings.is_empty() {
            Verdict::Fail(self.findings)
        } else if !self.unknown.is_empty() {
            Verdict::Unknown(self.unknown)
        } else if let Some(why) = self.aside {
            Verdict::NotApplicable(why)
        } else {
            Verdict::Pass
        }
    }
}

/// An item of a list, with its place.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// What it says.
    pub value: &'a Value,
    /// Its path, such as `spec.ports[0]`.
    pub path: String,
}

impl<'a> Item<'a> {
    /// The item as something to read fields of.
    pub fn node<'n>(&'n self) -> Node<'n>
    where
        'a: 'n,
    {
        Node::new(self.value, &self.path)
    }
}
