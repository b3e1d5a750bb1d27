//! The input and the output of a check: the subject, and the context that collects findings into one verdict.

use phoenix_graph::Object;
use serde_json::Value;

use crate::field::{Field, Node, namespace_of};
use crate::finding::Finding;
use crate::inventory::Inventory;
use crate::pod::{Container, Pod};
use crate::settings::{ASSUME, Setting};

/// The result of a rule for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The object complies.
    Pass,
    /// The object complies, or the rule does not apply to it, only because of these assumptions.
    AssumedPass(Vec<&'static str>),
    /// The object does not comply, for these reasons.
    Fail(Vec<Finding>),
    /// The rule does not apply to the object, for this reason.
    NotApplicable(&'static str),
    /// The result depends on these values, which are not known.
    Unknown(Vec<String>),
}

/// The object under evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The object.
    pub object: &'a Object,
    /// The pod that the object is or creates.
    pub pod: Option<&'a Pod<'a>>,
    /// The body of the object.
    pub body: Node<'a>,
}

impl<'a> Subject<'a> {
    /// An object and its pod.
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

    /// The namespace; `default` if the manifest sets none.
    pub fn namespace(&self) -> &'a str {
        namespace_of(self.object)
    }
}

/// Collects the findings of one rule about one object and derives the verdict.
///
/// A finding takes precedence over an unknown value, and an unknown value takes precedence over a pass.
#[derive(Debug)]
pub struct CheckContext<'a> {
    /// All objects under review, for rules that look at more than one object.
    pub inventory: &'a Inventory<'a>,
    rule: &'static str,
    /// The assumptions that the rule names.
    assumptions: &'static [&'static Setting],
    findings: Vec<Finding>,
    unknown: Vec<String>,
    not_applicable: Option<&'static str>,
}

impl<'a> CheckContext<'a> {
    pub(crate) fn new(
        inventory: &'a Inventory<'a>,
        rule: &'static str,
        assumptions: &'static [&'static Setting],
    ) -> Self {
        Self {
            inventory,
            rule,
            assumptions,
            findings: Vec::new(),
            unknown: Vec::new(),
            not_applicable: None,
        }
    }

    /// Reports a fault of the object at a path.
    pub fn fail(&mut self, path: impl Into<String>, message: impl Into<String>) {
        let finding = Finding {
            path: path.into(),
            message: message.into(),
        };
        // A check runs once for each pod of an object, and may look at the whole object.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Records that the verdict depends on something that is not known: a path or a phrase.
    pub fn unknown(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.unknown.contains(&what) {
            self.unknown.push(what);
        }
    }

    /// Reports an object that does not exist: a fault if the input is complete, otherwise unknown.
    pub fn missing(&mut self, path: impl Into<String>, message: impl AsRef<str>) {
        let message = message.as_ref();
        if self.inventory.is_complete() {
            self.fail(path, message);
        } else {
            self.unknown(format!("{}: {message} in the input", path.into()));
        }
    }

    /// Records why the rule does not apply to the object, although it checks its kind.
    pub fn not_applicable(&mut self, why: &'static str) {
        self.not_applicable = Some(why);
    }

    /// Returns the value if it is known, and records the path if it is unknown.
    pub fn known<T>(&mut self, field: Field<T>, node: Node<'_>, path: &str) -> Option<T> {
        if field.is_unknown() {
            self.unknown(node.at(path));
        }
        field.known()
    }

    /// The boolean at a path; an unknown one is recorded.
    pub fn flag(&mut self, node: Node<'_>, path: &str) -> Option<bool> {
        self.known(node.flag(path), node, path)
    }

    /// The string at a path; an unknown one is recorded.
    pub fn text<'n>(&mut self, node: Node<'n>, path: &str) -> Option<&'n str> {
        self.known(node.text(path), node, path)
    }

    /// The integer at a path; an unknown one is recorded.
    pub fn number(&mut self, node: Node<'_>, path: &str) -> Option<i64> {
        self.known(node.number(path), node, path)
    }

    /// The value of a key that may contain dots, such as a label; an unknown one is recorded.
    pub fn entry<'n>(&mut self, node: Node<'n>, path: &str, key: &str) -> Option<&'n str> {
        self.known(node.entry(path, key), node, &format!("{path}[{key}]"))
    }

    /// The items at a path with their paths; an unknown list or item is recorded and left out.
    pub fn items<'n>(&mut self, node: Node<'n>, path: &str) -> Vec<Item<'n>> {
        let Some(items) = self.known(node.list(path), node, path) else {
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

    /// The strings of a list; an unknown list or item is recorded and left out.
    pub fn texts<'n>(&mut self, node: Node<'n>, path: &str) -> Vec<&'n str> {
        let Some(items) = self.known(node.list(path), node, path) else {
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

    /// Checks a field of a container that is inherited from its pod: `fault` returns the message for a value that does not
    /// comply, and gets `None` if neither the container nor the pod sets the field. An unknown value is recorded.
    pub fn check_inherited<'p, T>(
        &mut self,
        container: &Container<'p>,
        pod: &Pod<'p>,
        field: &str,
        read: impl Fn(&Node<'p>, &str) -> Field<T>,
        fault: impl FnOnce(Option<T>) -> Option<String>,
    ) {
        let message = match container.or_pod(read, field, pod) {
            Field::Known(value) => fault(Some(value)),
            Field::Absent => fault(None),
            Field::Unknown => {
                self.unknown(container.node().at(field));
                return;
            }
        };
        if let Some(message) = message {
            self.fail(container.node().at(field), message);
        }
    }

    /// The pod of the subject; the parts of it that cannot be read are recorded.
    pub fn pod<'s>(&mut self, subject: &Subject<'s>) -> Option<&'s Pod<'s>> {
        let pod = subject.pod?;
        for path in &pod.unreadable {
            self.unknown(path.clone());
        }
        Some(pod)
    }

    /// The containers of the subject's pod; those that cannot be read are recorded.
    pub fn containers<'s>(&mut self, subject: &Subject<'s>) -> &'s [Container<'s>] {
        self.pod(subject).map_or(&[], |pod| pod.containers.as_slice())
    }

    /// An option of the rule that is a flag.
    pub fn option_flag(&self, setting: &Setting) -> bool {
        self.inventory.settings.flag(self.rule, setting)
    }

    /// An option of the rule that is a number.
    pub fn option_number(&self, setting: &Setting) -> i64 {
        self.inventory.settings.number(self.rule, setting)
    }

    /// An option of the rule that is a list of strings.
    pub fn option_texts(&self, setting: &Setting) -> Vec<&'a str> {
        self.inventory.settings.texts(self.rule, setting)
    }

    /// The first string of an option that is a list of strings, for options that take only one.
    pub fn option_text(&self, setting: &Setting) -> Option<&'a str> {
        self.option_texts(setting).first().copied()
    }

    /// An assumption of the rule that is a flag.
    pub fn assumed(&self, setting: &Setting) -> bool {
        self.require_own(setting);
        self.inventory.settings.flag(ASSUME, setting)
    }

    /// An assumption of the rule that is a list of strings.
    pub fn assumed_texts(&self, setting: &Setting) -> Vec<&'a str> {
        self.require_own(setting);
        self.inventory.settings.texts(ASSUME, setting)
    }

    /// The evaluation without an assumption repeats only the rules that name it.
    fn require_own(&self, setting: &Setting) {
        debug_assert!(
            self.assumptions.iter().any(|own| own.name == setting.name),
            "the rule {} does not name the assumption {}",
            self.rule,
            setting.name
        );
    }

    /// Turns findings about absent fields into unknown values, for objects that a controller completes.
    pub(crate) fn keep_written(&mut self, body: &Value) {
        let (written, absent) = std::mem::take(&mut self.findings)
            .into_iter()
            .partition(|finding| is_written(body, &finding.path));
        self.findings = written;
        let absent: Vec<Finding> = absent;
        let unknown = absent
            .into_iter()
            .map(|finding| format!("{}: whether a controller sets it", finding.path));
        self.unknown.extend(unknown);
    }

    pub(crate) fn verdict(self) -> Verdict {
        if !self.findings.is_empty() {
            Verdict::Fail(self.findings)
        } else if !self.unknown.is_empty() {
            Verdict::Unknown(self.unknown)
        } else if let Some(why) = self.not_applicable {
            Verdict::NotApplicable(why)
        } else {
            Verdict::Pass
        }
    }
}

/// Whether an object has a value at a path such as `spec.containers[0].image` or `metadata.annotations[example.com/key]`.
fn is_written(body: &Value, path: &str) -> bool {
    let found = keys(path).try_fold(body, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => value.get(key),
    });
    found.is_some_and(|value| !value.is_null())
}

/// The keys of a path: those in brackets may contain dots.
fn keys(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split('[').enumerate().flat_map(|(number, part)| {
        let (bracketed, dotted) = match part.split_once(']') {
            Some((key, rest)) if number > 0 => (Some(key), rest),
            _ => (None, part),
        };
        bracketed.into_iter().chain(dotted.split('.'))
    });
    parts.filter(|key| !key.is_empty())
}

/// An item of a list.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// Its value.
    pub value: &'a Value,
    /// Its path, such as `spec.ports[0]`.
    pub path: String,
}

impl<'a> Item<'a> {
    /// The item as a node.
    pub fn node<'n>(&'n self) -> Node<'n>
    where
        'a: 'n,
    {
        Node::new(self.value, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_in_brackets_may_contain_dots() {
        let body = json!({
            "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
            "spec": {"containers": [{"image": "a", "env": []}]},
        });
        for path in [
            "metadata.annotations[sidecar.istio.io/inject]",
            "spec.containers[0].image",
            "spec.containers[0]",
            "spec",
        ] {
            assert!(is_written(&body, path), "{path}");
        }
        for path in [
            "metadata.annotations[sidecar.istio.io/other]",
            "metadata.annotations[sidecar].istio",
            "spec.containers[1].image",
            "spec.containers[0].command",
        ] {
            assert!(!is_written(&body, path), "{path}");
        }
    }
}
