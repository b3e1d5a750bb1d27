//! What is told of a conversation to those who trace programs.

use crate::control::Control::{AccessControl, ConfidentialKept, DataInMotion, RiskManagement};
use crate::judging::Judging;
use crate::pod::{Container, WORKLOADS};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::rules::{containers, place_of_variable, variable};
use crate::selector::Answer;

/// A library that traces what is said to models and by them, and the variables that decide how much of it.
struct Tracer {
    name: &'static str,
    /// Any of these switches the tracing on; none of them where it is on as soon as one of `named` is there.
    on: &'static [&'static str],
    /// Variables by which it is known that the library is in use.
    named: &'static [&'static str],
    /// For each of these groups one variable must have one of the values of `hidden`.
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

/// Traces of conversations.
pub static TRACE_CONTENT_REDACTED: Rule = Rule {
    id: "trace-content-redacted",
    title: "Traces tell that somebody asked a model, and not what",
    meaning: "Judges containers whose variables say that what is said to a model is traced: by LangSmith (`LANGSMITH_TRACING` and its older names), OpenTelemetry (`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`), OpenLLMetry (`TRACELOOP_…`) or OpenInference (`PHOENIX_COLLECTOR_ENDPOINT`, `OPENINFERENCE_…`). Passes where the tracing is switched off, or the library's own variables hide inputs and outputs. Fails where either is told.",
    why: "A prompt of a memory platform is full of what people said; a tracing service is a second store of it, often somebody else's.",
    remedy: "Switch the tracing off, or hide inputs and outputs: `LANGSMITH_HIDE_INPUTS` and `LANGSMITH_HIDE_OUTPUTS`, `TRACELOOP_TRACE_CONTENT: \"false\"`, `OPENINFERENCE_HIDE_INPUTS` and `OPENINFERENCE_HIDE_OUTPUTS`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[ConfidentialKept, DataInMotion, RiskManagement, AccessControl],
    limits: &[
        "variables that come from a ConfigMap or a Secret as a whole (`envFrom`) are not read",
        "what a program traces by its own code, and what a collector removes on the way, is not seen",
    ],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    env: [{name: LANGSMITH_TRACING, value: \"true\"}, {name: LANGSMITH_HIDE_INPUTS, value: \"true\"}, {name: LANGSMITH_HIDE_OUTPUTS, value: \"true\"}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    env: [{name: LANGSMITH_TRACING, value: \"true\"}, {name: LANGSMITH_HIDE_INPUTS, value: \"true\"}, {name: LANGSMITH_HIDE_OUTPUTS, value: \"false\"}]\n",
    check: |subject, judging| {
        let mut traced = false;
        for container in containers(subject, judging) {
            // Few containers trace anything, and this is asked of all.
            if !has_any(container) {
                continue;
            }
            for tracer in TRACERS {
                traced |= told(tracer, container, judging);
            }
        }
        if !traced {
            judging.not_applicable("no variable says that it traces what is said to a model");
        }
    },
};

/// What the names of the variables of these libraries begin with.
const BEGINNINGS: [&str; 6] = [
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
        Read::Known(variables) => {
            variables
                .iter()
                .any(|variable| match Node::new(variable, "").text("name") {
                    Read::Known(name) => BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)),
                    Read::Absent => false,
                    Read::Unknown => true,
                })
        }
        Read::Absent => false,
        Read::Unknown => true,
    }
}

/// Judges one library in one container; whether there was anything to judge.
fn told(tracer: &Tracer, container: &Container<'_>, judging: &mut Judging<'_>) -> bool {
    let read = |names: &[&'static str]| {
        names
            .iter()
            .map(|&name| (name, variable(container, name)))
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
    let is = |value: &Read<&str>, values: &[&str]| match value {
        Read::Known(value) => Answer::from_bool(values.contains(&value.trim().to_ascii_lowercase().as_str())),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    };
    let is_on = if tracer.on.is_empty() {
        Answer::Yes
    } else {
        Answer::any(known.iter().map(|(_, value)| is(value, TRUE)))
    };
    for group in tracer.hides {
        let hidden = Answer::any(read(group).iter().map(|(_, value)| is(value, tracer.hidden)));
        let is_told = is_on.and(match hidden {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Unknown => Answer::Unknown,
        });
        let place = place_of_variable(container, group[0]);
        match is_told {
            Answer::Yes => judging.fail(
                place,
                format!(
                    "{} tells {} what is said: {} does not hide it",
                    container.words(),
                    tracer.name,
                    group[0]
                ),
            ),
            Answer::Unknown => judging.unknown(place),
            Answer::No => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_that_is_read_begins_as_is_looked_for() {
        for tracer in TRACERS {
            let variables = tracer
                .on
                .iter()
                .chain(tracer.named)
                .chain(tracer.hides.iter().copied().flatten());
            for variable in variables {
                let known = BEGINNINGS.iter().any(|beginning| variable.starts_with(beginning));
                assert!(known, "{variable} of {}", tracer.name);
            }
        }
    }
}
