//! Conversation content in traces.

use crate::context::CheckContext;
use crate::control::Control::{AccessControl, ConfidentialKept, DataInMotion, RiskManagement};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::WORKLOADS;
use crate::pod::Container;
use crate::rule::{Check, Rule, Severity};
use crate::selector::Answer;
use crate::text::rule_text;

/// A library that traces model inputs and outputs, and the variables that control it.
struct Tracer {
    name: &'static str,
    /// Variables of which any enables tracing; empty if a variable of `named` is sufficient.
    on: &'static [&'static str],
    /// Variables that indicate that the library is in use.
    named: &'static [&'static str],
    /// In each group, one variable must have one of the values of `hidden`.
    hides: &'static [&'static [&'static str]],
    hidden: &'static [&'static str],
}

const TRUE: &[&str] = &["true", "1", "yes", "on"];
const FALSE: &[&str] = &["false", "0", "no", "off"];

const TRACERS: &[Tracer] = &[
    Tracer {
        name: "LangSmith",
        on: &[
            "LANGSMITH_TRACING",
            "LANGSMITH_TRACING_V2",
            "LANGCHAIN_TRACING",
            "LANGCHAIN_TRACING_V2",
        ],
        named: &[],
        hides: &[
            &["LANGSMITH_HIDE_INPUTS", "LANGCHAIN_HIDE_INPUTS"],
            &["LANGSMITH_HIDE_OUTPUTS", "LANGCHAIN_HIDE_OUTPUTS"],
        ],
        hidden: TRUE,
    },
    Tracer {
        name: "OpenTelemetry",
        on: &[],
        named: &["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"],
        hides: &[&["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"]],
        hidden: &["false", "0", "no", "off", "no_content", ""],
    },
    Tracer {
        name: "OpenLLMetry",
        on: &[],
        named: &[
            "TRACELOOP_BASE_URL",
            "TRACELOOP_API_KEY",
            "TRACELOOP_TRACE_CONTENT",
        ],
        hides: &[&["TRACELOOP_TRACE_CONTENT"]],
        hidden: FALSE,
    },
    Tracer {
        name: "OpenInference",
        on: &[],
        named: &[
            "PHOENIX_COLLECTOR_ENDPOINT",
            "OPENINFERENCE_HIDE_INPUTS",
            "OPENINFERENCE_HIDE_OUTPUTS",
        ],
        hides: &[&["OPENINFERENCE_HIDE_INPUTS"], &["OPENINFERENCE_HIDE_OUTPUTS"]],
        hidden: TRUE,
    },
];

/// Content of traces.
pub static TRACE_CONTENT_REDACTED: Rule = Rule {
    id: "trace-content-redacted",
    text: rule_text!("trace-content-redacted"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[ConfidentialKept, DataInMotion, RiskManagement, AccessControl],
    check: Check::Resource(|subject, context| {
        let mut is_traced = false;
        for container in context.containers(subject) {
            // Few containers use tracing, and every container is checked.
            if !has_any(container) {
                continue;
            }
            for tracer in TRACERS {
                is_traced |= check_tracer(tracer, container, context);
            }
        }
        if !is_traced {
            context.not_applicable("no variable enables tracing of model inputs or outputs");
        }
    }),
    ..Rule::DEFAULTS
};

/// Prefixes of the variables of these libraries.
const PREFIXES: [&str; 6] = [
    "LANGSMITH_",
    "LANGCHAIN_",
    "OTEL_INSTRUMENTATION_GENAI_",
    "TRACELOOP_",
    "PHOENIX_COLLECTOR_",
    "OPENINFERENCE_",
];

/// Whether a container may have a variable of any of these libraries.
fn has_any(container: &Container<'_>) -> bool {
    match container.env() {
        Field::Known(variables) => {
            variables
                .iter()
                .any(|variable| match Node::new(variable, "").text("name") {
                    Field::Known(name) => PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
                    Field::Absent => false,
                    Field::Unknown => true,
                })
        }
        Field::Absent => false,
        Field::Unknown => true,
    }
}

/// Checks one library in one container; returns whether the library is in use.
fn check_tracer(tracer: &Tracer, container: &Container<'_>, context: &mut CheckContext<'_>) -> bool {
    let read = |names: &[&'static str]| {
        names
            .iter()
            .map(|&name| (name, container.variable(name)))
            .collect::<Vec<_>>()
    };
    let known: Vec<_> = read(tracer.on)
        .into_iter()
        .chain(read(tracer.named))
        .filter(|(_, value)| !value.is_absent())
        .collect();
    if known.is_empty() {
        return false;
    }
    let is = |value: &Field<&str>, values: &[&str]| {
        value.is(|value| values.contains(&value.trim().to_ascii_lowercase().as_str()))
    };
    let is_on = if tracer.on.is_empty() {
        Answer::Yes
    } else {
        Answer::any(known.iter().map(|(_, value)| is(value, TRUE)))
    };
    for group in tracer.hides {
        let hidden = Answer::any(read(group).iter().map(|(_, value)| is(value, tracer.hidden)));
        let is_exposed = is_on.and(hidden.negate());
        let place = container.variable_path(group[0]);
        match is_exposed {
            Answer::Yes => context.fail(
                place,
                format!(
                    "{} sends conversation content to {}: {} does not hide it",
                    container.words(),
                    tracer.name,
                    group[0]
                ),
            ),
            Answer::Unknown => context.unknown(place),
            Answer::No => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_known_prefix() {
        for tracer in TRACERS {
            let variables = tracer
                .on
                .iter()
                .chain(tracer.named)
                .chain(tracer.hides.iter().copied().flatten());
            for variable in variables {
                let known = PREFIXES.iter().any(|prefix| variable.starts_with(prefix));
                assert!(known, "{variable} of {}", tracer.name);
            }
        }
    }
}
