//! Label selectors, with labels and selectors that may contain unknown values.

use serde_json::{Map, Value};

use crate::field::{Field, Node, text};

/// The answer to a question that may depend on an unknown value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// The answer depends on an unknown value.
    Unknown,
}

impl Answer {
    /// Yes or no.
    pub fn from_bool(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Yes if both answers are yes.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// The opposite.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }

    /// Yes if any of the answers is yes.
    pub fn any(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut so_far = Self::No;
        for answer in answers {
            match answer {
                Self::Yes => return Self::Yes,
                Self::Unknown => so_far = Self::Unknown,
                Self::No => {}
            }
        }
        so_far
    }
}

/// The labels of an object; `Unknown` if the whole mapping is.
pub type Labels<'a> = Field<&'a Map<String, Value>>;

/// Whether a label selector (`matchLabels`, `matchExpressions`) matches these labels. An empty selector matches all.
pub fn selects(selector: Node<'_>, labels: Labels<'_>) -> Answer {
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
pub fn has_all(wanted: &Map<String, Value>, labels: Labels<'_>) -> Answer {
    wanted.iter().fold(Answer::Yes, |so_far, (key, value)| {
        so_far.and(match (label(labels, key), text(value)) {
            (Field::Absent, _) => Answer::No,
            (Field::Known(is), Field::Known(wanted)) => Answer::from_bool(is == wanted),
            _ => Answer::Unknown,
        })
    })
}

fn expressed(expression: Node<'_>, labels: Labels<'_>) -> Answer {
    let (Field::Known(key), Field::Known(operator)) = (expression.text("key"), expression.text("operator"))
    else {
        return Answer::Unknown;
    };
    let is = label(labels, key);
    let among = || match (is, expression.list("values")) {
        (Field::Known(is), Field::Known(values)) => {
            Answer::any(values.iter().map(|value| match text(value) {
                Field::Known(value) => Answer::from_bool(value == is),
                _ => Answer::Unknown,
            }))
        }
        (Field::Absent, _) | (_, Field::Absent) => Answer::No,
        _ => Answer::Unknown,
    };
    let exists = match is {
        Field::Absent => Answer::No,
        // A label with an unknown value is present, unless the whole mapping is unknown.
        Field::Unknown if labels.is_unknown() => Answer::Unknown,
        Field::Known(_) | Field::Unknown => Answer::Yes,
    };
    match operator {
        "In" => among(),
        "NotIn" => among().negate(),
        "Exists" => exists,
        "DoesNotExist" => exists.negate(),
        _ => Answer::Unknown,
    }
}

fn label<'a>(labels: Labels<'a>, key: &str) -> Field<&'a str> {
    labels.and_then(|labels| match labels.get(key) {
        None | Some(Value::Null) => Field::Absent,
        Some(value) => text(value),
    })
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
