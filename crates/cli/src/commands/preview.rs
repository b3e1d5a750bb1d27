//! `phoenix preview`: what a change of this checkout would do to every stack, at a glance.

use std::fmt::Write as _;

use anyhow::Result;
use phoenix_graph::Loss;
use serde_json::{Value, json};

use super::diff::{Against, base_as_json, counts_as_json, stack_as_json};
use super::render;
use crate::arguments::Format;
use crate::base::{Base, Source};
use crate::checkout::Checkout;
use crate::comparison::{Comparison, Consent, Counts, verdict};
use crate::policies::told::{self, Counts as Verdicts, Failures};
use crate::policies::{Judged, today};
use crate::show::{self, Detail};
use crate::stack::Stack;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message, table};
use phoenix_terminal::style;
use phoenix_terminal::user_error::user_error;

/// Show what the stacks declare and what would change.
///
/// The first line is the verdict. Below it are a row for each stack, everything that would be deleted or replaced with
/// the data at risk, what the policies find, the values that nobody knows yet, and the objects that differ. It needs the
/// repository only: no cluster, no Pulumi and no network. It ends with 3 if a mandatory policy fails that nobody waived.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix preview dev\n  cargo phoenix preview --base origin/main --exit-code\n  \
                  cargo phoenix preview prod --allow-destructive StatefulSet/sophia-memory/qdrant"
)]
pub struct Arguments {
    /// The stacks; all of them when none is named.
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    #[command(flatten)]
    against: Against,
    /// End with 2 where something differs.
    #[arg(long)]
    exit_code: bool,
    /// Consent to an object being deleted or replaced, so that it does not end with 4.
    #[arg(long, value_name = "OBJECT", value_parser = Consent::parse)]
    allow_destructive: Vec<Consent>,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let names = names(arguments, checkout)?;
    let stacks = Stack::load_all(checkout, &names)?;
    let base = Base::choose(checkout, arguments.against.base.as_deref())?;
    if let Base::Nothing { why } = &base {
        message(why);
    }
    if arguments.stacks.is_empty() {
        for gone in base
            .stacks(checkout)?
            .iter()
            .filter(|stack| !names.contains(stack))
        {
            message(&format!(
                "{} has a stack {gone} that is gone here; what it deployed stays until `pulumi destroy`",
                base.words()
            ));
        }
    }
    let comparisons = stacks
        .iter()
        .map(|stack| Comparison::of(checkout, stack, &base, &message))
        .collect::<Result<Vec<_>>>()?;
    let day = today();
    let judged = stacks
        .iter()
        .map(|stack| Judged::of_stack(stack, day))
        .collect::<Result<Vec<_>>>()?;
    let consents = &arguments.allow_destructive;
    if !consents.is_empty() && comparisons.len() > 1 {
        return Err(user_error(
            format!(
                "--allow-destructive is given for {} stacks at once, and their objects have the same names",
                comparisons.len()
            ),
            "name the one stack that you consent to: cargo phoenix preview STACK --allow-destructive OBJECT",
        ));
    }
    match arguments.format {
        Format::Json => output::json(&as_json(&comparisons, &judged, &base, consents))?,
        Format::Text => output::print(&text(&comparisons, &judged, &base, consents))?,
    }
    let losses = comparisons
        .iter()
        .flat_map(|comparison| comparison.losses(consents));
    let losses: Vec<_> = losses.collect();
    for consent in consents
        .iter()
        .filter(|consent| !losses.iter().any(|(loss, _)| consent.covers(&loss.id)))
    {
        message(&format!(
            "--allow-destructive {consent} was not needed: nothing deletes or replaces it"
        ));
    }
    let mut exit = Exit::Clean;
    if arguments.exit_code
        && comparisons
            .iter()
            .any(|comparison| !comparison.changes.is_empty())
    {
        exit = exit.or(Exit::Changed);
    }
    if losses.iter().any(|(_, consented)| !consented) {
        exit = exit.or(Exit::Destructive);
    }
    if judged.iter().any(|judged| judged.report.blocks()) {
        exit = exit.or(Exit::Policy);
    }
    Ok(exit)
}

/// The stacks that were named, once each; all there are where none was.
fn names(arguments: &Arguments, checkout: &Checkout) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for asked in &arguments.stacks {
        let name = checkout.stack(asked)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if arguments.stacks.is_empty() {
        names = checkout.stacks()?;
    }
    if names.is_empty() {
        return Err(user_error(
            "there are no stacks to preview",
            format!("write {}", checkout.shown(&checkout.stack_file("dev"))),
        ));
    }
    Ok(names)
}

fn text(comparisons: &[Comparison], judged: &[Judged], base: &Base, consents: &[Consent]) -> String {
    let mut text = format!("{}\n\n", style::bold(&verdict(comparisons, base)));
    text.push_str(&rows(comparisons));
    declared(&mut text, comparisons);
    destructive(&mut text, comparisons, consents);
    policies(&mut text, judged);
    for comparison in comparisons {
        if let Some(told) = render::placeholders(&comparison.placeholders) {
            let _ = write!(text, "\n{}: {told}\n", style::bold(&comparison.stack));
        }
    }
    for comparison in comparisons
        .iter()
        .filter(|comparison| !comparison.changes.is_empty())
    {
        let stack = &comparison.stack;
        let _ = write!(
            text,
            "\n{}\n",
            style::bold(&format!("{stack}, compared with {}:", base.words()))
        );
        let counts = comparison.counts();
        if comparison.source == Source::Absent {
            let _ = writeln!(text, "all {} are new", count(counts.create, "object"));
        } else {
            text.push_str(&show::text(&comparison.changes.changes, Detail::Headings));
        }
        if counts.create > 0 {
            let _ = writeln!(text, "(the manifests of new objects: phoenix diff {stack})");
        }
    }
    text
}

/// A row for each stack.
fn rows(comparisons: &[Comparison]) -> String {
    let head = [
        "stack",
        "objects",
        "create",
        "update",
        "replace",
        "delete",
        "placeholders",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for comparison in comparisons {
        let Counts {
            create,
            update,
            replace,
            delete,
        } = comparison.counts();
        let declared = comparison.systems.iter().map(|(_, objects)| objects).sum();
        let numbers = [
            declared,
            create,
            update,
            replace,
            delete,
            comparison.placeholders.len(),
        ];
        let mut row = vec![comparison.stack.clone()];
        row.extend(numbers.map(|number| number.to_string()));
        rows.push(row);
    }
    table(&rows)
}

/// What each stack declares, system by system.
fn declared(text: &mut String, comparisons: &[Comparison]) {
    text.push('\n');
    for comparison in comparisons {
        let systems: Vec<_> = comparison
            .systems
            .iter()
            .map(|(system, objects)| format!("{system} {objects}"))
            .collect();
        let objects: usize = comparison.systems.iter().map(|(_, objects)| objects).sum();
        let _ = writeln!(
            text,
            "{} declares {}: {}",
            comparison.stack,
            count(objects, "object"),
            systems.join(", ")
        );
    }
}

/// Everything that would be deleted or replaced, unfolded.
fn destructive(text: &mut String, comparisons: &[Comparison], consents: &[Consent]) {
    let mut is_first = true;
    for comparison in comparisons {
        for (Loss { id, why, data }, consented) in comparison.losses(consents) {
            if std::mem::take(&mut is_first) {
                let _ = write!(text, "\n{}\n", style::bold(&style::red("Destructive changes")));
            }
            let _ = writeln!(text, "  {}: {}", comparison.stack, style::red(&id.to_string()));
            let _ = writeln!(text, "    {why}");
            let _ = writeln!(
                text,
                "    data at risk: {}",
                data.unwrap_or("none; the graph can make it again")
            );
            let _ = if consented {
                writeln!(text, "    consented to with --allow-destructive")
            } else {
                writeln!(text, "    to consent: --allow-destructive {}", Consent::to(&id))
            };
        }
    }
}

/// What the policies find: a line for what is clean, and everything that nobody waived for what is not.
fn policies(text: &mut String, judged: &[Judged]) {
    let (clean, failing): (Vec<_>, Vec<_>) = judged
        .iter()
        .partition(|judged| judged.report.failures().next().is_none());
    if !failing.is_empty() {
        let _ = write!(text, "\n{}\n", style::bold(&style::red("Policies")));
        for judged in failing {
            text.push_str(&told::failures(judged, Failures::Open));
            let _ = writeln!(text, "{}: {}", judged.name, told::summary(judged));
        }
    }
    if !clean.is_empty() {
        let names: Vec<_> = clean.iter().map(|judged| judged.name.as_str()).collect();
        let (mut waived, mut unknown) = (0, 0);
        for counts in clean.iter().map(|judged| Verdicts::of(judged)) {
            waived += counts.waived;
            unknown += counts.unknown;
        }
        let mut line = format!("policies: nothing is found in {}", names.join(", "));
        for (number, word) in [(waived, "waived"), (unknown, "not known yet")] {
            if number > 0 {
                let _ = write!(line, ", {number} {word}");
            }
        }
        let _ = write!(text, "\n{line}\n");
    }
    for ending in judged.iter().flat_map(|judged| &judged.report.expiring_waivers) {
        let _ = writeln!(text, "{} {ending}", style::yellow("note"));
    }
}

fn as_json(comparisons: &[Comparison], judged: &[Judged], base: &Base, consents: &[Consent]) -> Value {
    let total: Counts = comparisons.iter().map(Comparison::counts).sum();
    let stacks: Value = comparisons
        .iter()
        .zip(judged)
        .map(|(comparison, judged)| {
            let mut stack = stack_as_json(comparison);
            stack["policies"] = told::brief(judged);
            stack["declares"] = comparison.systems.iter().map(|(system, objects)| ((*system).to_owned(), Value::from(*objects))).collect();
            stack["placeholders"] = comparison.placeholders.iter().map(|(key, missing)| json!({"key": key, "missing": missing})).collect();
            stack["destructive"] = comparison
                .losses(consents)
                .into_iter()
                .map(|(loss, consented)| {
                    json!({"object": Consent::to(&loss.id), "why": loss.why, "dataAtRisk": loss.data, "consented": consented})
                })
                .collect();
            stack
        })
        .collect();
    json!({
        "verdict": verdict(comparisons, base),
        "base": base_as_json(base),
        "counts": counts_as_json(total),
        "stacks": stacks,
    })
}
