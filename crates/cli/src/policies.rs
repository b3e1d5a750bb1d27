//! Evaluates the policies for stacks. [`phoenix_report`] renders the result.
//!
//! The settings of a stack are the defaults, then the reviewed profile of its environment, then those of the stack file,
//! which can only tighten.

use std::num::NonZero;

use anyhow::Result;
use phoenix::config::{Environment, NAMESPACE};
use phoenix_graph::{Graph, Id};
use phoenix_manifests::Place;
use phoenix_policies::{Date, Report, Settings, evaluate, evaluate_on, is_weaker_environment};
use phoenix_report::{NotEvaluated, PolicyRun};

use crate::settings::{invalid, own_settings};
use crate::stack::Stack;

pub use crate::settings::today;

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
                None if path.starts_with(NAMESPACE) => path.to_owned(),
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

/// The policy settings of a stack: the profile of its environment, tightened by `phoenix:policies` of its file.
pub fn settings_of(stack: &Stack, today: Date) -> Result<Settings> {
    let mut settings = stack.profile.settings(today)?;
    let own = own_settings(&stack.file, today).map_err(|problems| {
        let key = format!("{NAMESPACE}:policies of {}", stack.file.path);
        invalid(&problems, &key, |_| None)
    })?;
    settings.tighten(&own, &stack.name);
    let environment = stack.config.environment.as_str();
    let key = format!("{NAMESPACE}:environment");
    settings.check_environment(&key, &stack.name, environment);
    for other in &stack.shared_cluster {
        let declared = other.environment.map(Environment::as_str);
        if let Some(stricter) = declared.filter(|declared| is_weaker_environment(environment, declared)) {
            settings.add_objection(
                &key,
                format!(
                    "the environment is {}, but stack {} declares the same cluster as {}: both have the {} {:?}",
                    environment, other.stack, stricter, other.key, other.value
                ),
            );
        }
    }
    Ok(settings)
}

/// Evaluates a graph on all processors.
pub fn evaluate_in_parallel(graph: &Graph, settings: &Settings) -> Report {
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    evaluate_on(threads, graph, settings)
}
