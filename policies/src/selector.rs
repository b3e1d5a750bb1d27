//! Label selectors, with labels and selectors that may contain unknown values.

use serde_json::{Map, Value};

use crate::field::{Field, Node, text};

pub use crate::answer::Answer;

/// The labels of an object; `Unknown` if the whole mapping is.
pub type Labels<'a> = Field<&'a Map<String, Value>>;

/// The labels of pods: those that are written in a template, and those that a controller adds or overwrites.
#[derive(Clone, Copy, Debug)]
pub struct PodLabels<'a> {
    /// The labels of the template.
    pub written: Labels<'a>,
    /// The labels that the controller sets.
    pub added: &'a [AddedLabel],
    /// Whether the controller may add further labels, which are not known.
    pub is_open: bool,
}

/// A label that a controller sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedLabel {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: AddedValue,
}

/// The value of a label that a controller sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedValue {
    /// This value.
    Exactly(String),
    /// A value that begins with this text.
    StartsWith(String),
    /// A value that only the cluster knows.
    Any,
}

impl<'a> From<Labels<'a>> for PodLabels<'a> {
    fn from(written: Labels<'a>) -> Self {
        Self {
            written,
            added: &[],
            is_open: false,
        }
    }
}

/// What is known about one label.
#[derive(Clone, Copy)]
enum Label<'a> {
    Absent,
    Exactly(&'a str),
    StartsWith(&'a str),
    /// It is present, and its value is unknown.
    Present,
    Unknown,
}

impl<'a> PodLabels<'a> {
    fn get(&self, key: &str) -> Label<'a> {
        if let Some(label) = self.added.iter().find(|label| label.key == key) {
            return match &label.value {
                AddedValue::Exactly(value) => Label::Exactly(value),
                AddedValue::StartsWith(start) => Label::StartsWith(start),
                AddedValue::Any => Label::Present,
            };
        }
        match self.written.map(|labels| labels.get(key)) {
            Field::Known(Some(value)) if !value.is_null() => match text(value) {
                Field::Known(value) => Label::Exactly(value),
                _ => Label::Present,
            },
            Field::Unknown => Label::Unknown,
            Field::Known(_) | Field::Absent if self.is_open => Label::Unknown,
            Field::Known(_) | Field::Absent => Label::Absent,
        }
    }
}

impl Label<'_> {
    fn equals(self, wanted: &str) -> Answer {
        match self {
            Self::Absent => Answer::No,
            Self::Exactly(value) => Answer::from_bool(value == wanted),
            Self::StartsWith(start) if !wanted.starts_with(start) => Answer::No,
            Self::StartsWith(_) | Self::Present | Self::Unknown => Answer::Unknown,
        }
    }

    fn exists(self) -> Answer {
        match self {
            Self::Absent => Answer::No,
            Self::Exactly(_) | Self::StartsWith(_) | Self::Present => Answer::Yes,
            Self::Unknown => Answer::Unknown,
        }
    }
}

/// Whether a label selector (`matchLabels`, `matchExpressions`) matches these labels. An empty selector matches all.
pub fn selects<'l>(selector: Node<'_>, labels: impl Into<PodLabels<'l>>) -> Answer {
    let labels = labels.into();
    if crate::field::is_unknown(selector.value) || !(selector.value.is_object() || selector.value.is_null()) {
        return Answer::Unknown;
    }
    let exact = match selector.map("matchLabels") {
        Field::Known(wanted) => has_all(wanted, labels),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    let expressions = match selector.list("matchExpressions") {
        Field::Known(expressions) => expressions.iter().fold(Answer::Yes, |so_far, expression| {
            so_far.and(expressed(Node::new(expression, ""), labels))
        }),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    exact.and(expressions)
}

/// Whether all of these labels are present, which is how Services and the workload selectors of Istio match.
pub fn has_all<'l>(wanted: &Map<String, Value>, labels: impl Into<PodLabels<'l>>) -> Answer {
    let labels = labels.into();
    wanted.iter().fold(Answer::Yes, |so_far, (key, value)| {
        so_far.and(match (labels.get(key), text(value)) {
            (Label::Absent, _) => Answer::No,
            (label, Field::Known(wanted)) => label.equals(wanted),
            _ => Answer::Unknown,
        })
    })
}

fn expressed(expression: Node<'_>, labels: PodLabels<'_>) -> Answer {
    let (Field::Known(key), Field::Known(operator)) = (expression.text("key"), expression.text("operator"))
    else {
        return Answer::Unknown;
    };
    let label = labels.get(key);
    let among = || match (label, expression.list("values")) {
        (Label::Absent, _) | (_, Field::Absent) => Answer::No,
        (label, Field::Known(values)) => Answer::any(values.iter().map(|value| match text(value) {
            Field::Known(value) => label.equals(value),
            _ => Answer::Unknown,
        })),
        _ => Answer::Unknown,
    };
    match operator {
        "In" => among(),
        "NotIn" => among().negate(),
        "Exists" => label.exists(),
        "DoesNotExist" => label.exists().negate(),
        _ => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::field::UNKNOWN;

    fn answer(selector: &Value, labels: &Value) -> Answer {
        let labels = Node::new(labels, "").map("");
        selects(Node::new(selector, ""), labels)
    }

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels = json!({"app": "a", "tier": "t"});
        for (selector, expected) in [
            (json!({}), Answer::Yes),
            (json!({"matchLabels": {"app": "a"}}), Answer::Yes),
            (json!({"matchLabels": {"app": "a", "x": "y"}}), Answer::No),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["b", "a"]}]}),
                Answer::Yes,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}),
                Answer::No,
            ),
            (
                json!({"matchExpressions": [{"key": "no", "operator": "NotIn", "values": ["a"]}]}),
                Answer::Yes,
            ),
            (
                json!({"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}),
                Answer::Yes,
            ),
            (
                json!({"matchExpressions": [{"key": "no", "operator": "Exists"}]}),
                Answer::No,
            ),
            (json!({"matchLabels": {"app": UNKNOWN[0]}}), Answer::Unknown),
            (json!({"matchLabels": {"app": UNKNOWN[0], "x": "y"}}), Answer::No),
            (json!(UNKNOWN[4]), Answer::Unknown),
        ] {
            assert_eq!(answer(&selector, &labels), expected, "{selector}");
        }
        assert_eq!(
            answer(&json!({"matchLabels": {"app": "a"}}), &json!({"app": UNKNOWN[0]})),
            Answer::Unknown
        );
    }
}
