//! Evaluates the policies for stacks. [`phoenix_report`] renders the result.

use std::num::NonZero;

use anyhow::{Result, anyhow};
use phoenix::config::NAMESPACE;
use phoenix_graph::{Graph, Id};
use phoenix_manifests::Place;
use phoenix_policies::{Date, Report, Settings, evaluate, evaluate_on};
use phoenix_report::{NotEvaluated, PolicyRun};
use serde_json::Value;

use crate::stack::Stack;
use phoenix_terminal::output::count;

/// Evaluates the policies for a stack, with the settings of its file.
pub fn run_on_stack(stack: &Stack, today: Date) -> Result<PolicyRun> {
    let settings = settings_of(stack, today)?;
    let report = evaluate(&stack.graph, &settings);
    let (file, origins) = (stack.file.path.clone(), stack.file.origins.clone());
    let keys: std::collections::BTreeMap<Id, String> = stack
        .graph
        .objects()
        .map(|object| (object.id.clone(), key_of(&object.component)))
        .collect();
    Ok(PolicyRun {
        name: stack.name.clone(),
        objects: stack.graph.len(),
        report,
        settings,
        not_evaluated: NotEvaluated::default(),
        // Objects have no line in a stack file; the closest is the key of the system that declares them. Waivers are in
        // the file itself.
        places: Box::new(move |id, path| {
            let key = match keys.get(id) {
                Some(key) => key.clone(),
                None => format!("{NAMESPACE}:policies.{path}"),
            };
            let line = origins.of(&key).or_else(|| origins.of(NAMESPACE));
            Some(Place {
                file: file.clone(),
                line: line.map_or(1, |origin| origin.line),
            })
        }),
    })
}

/// The key of the stack file that a system is configured by: `phoenix:knowledgeGraph` for `knowledge_graph`.
fn key_of(system: &str) -> String {
    let mut key = format!("{NAMESPACE}:");
    for (index, word) in system.split('_').enumerate() {
        match word.chars().next() {
            Some(first) if index > 0 => {
                key.push(first.to_ascii_uppercase());
                key.push_str(&word[first.len_utf8()..]);
            }
            _ => key.push_str(word),
        }
    }
    key
}

/// The policy settings of a stack: `phoenix:policies` of its file.
pub fn settings_of(stack: &Stack, today: Date) -> Result<Settings> {
    let key = format!("{NAMESPACE}:policies");
    let value = stack.file.keys.get(&key).unwrap_or(&Value::Null);
    read_settings(value, today, &format!("{key} of {}", stack.file.path))
}

/// Parses policy settings. `source` names them in errors.
pub fn read_settings(value: &Value, today: Date, source: &str) -> Result<Settings> {
    Settings::read(value, today).map_err(|problems| {
        let lines: Vec<_> = problems
            .iter()
            .map(|problem| format!("  {}", problem.to_string().replace('\n', "\n    ")))
            .collect();
        anyhow!(
            "invalid policy settings: {} in {source}\n{}",
            count(problems.len(), "problem"),
            lines.join("\n")
        )
    })
}

/// Evaluates a graph on all processors.
pub fn evaluate_in_parallel(graph: &Graph, settings: &Settings) -> Report {
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    evaluate_on(threads, graph, settings)
}

/// The current day in UTC, on which waivers are valid or not.
pub fn today() -> Date {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    phoenix_policies::waiver::day_of(seconds)
}
