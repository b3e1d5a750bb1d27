//! `phoenix preview`: summarizes what the changes of this checkout do to every stack.

use std::fmt::Write as _;

use anyhow::Result;
use phoenix_graph::Loss;
use serde_json::{Value, json};

use super::diff::{Against, base_as_json, stack_as_json};
use super::render;
use crate::arguments::Format;
use crate::base::{Base, Source};
use crate::checkout::Checkout;
use crate::clusters;
use crate::comparison::{Comparison, Consent, verdict};
use crate::policies::{run_on_stack, today};
use crate::stack::Stack;
use phoenix_report::changes::{self, ChangeCounts, Detail};
use phoenix_report::text::{self as report_text, Failures};
use phoenix_report::{PolicyRun, json as report_json};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message, table};
use phoenix_terminal::style;
use phoenix_terminal::user_error::user_error;

/// Show what the stacks declare and what would change.
///
/// The first line is a summary. Below it: a row for each stack, deletions and replacements with the data at risk, policy
/// findings, placeholders, and the changed objects, the riskiest first. Needs only the repository: no cluster, no Pulumi and
/// no network. Exits with 3 if a mandatory policy fails without a waiver, and with 4 if an object would be deleted or
/// replaced without consent.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix preview dev\n  cargo phoenix preview --base origin/main --exit-code\n  \
                  cargo phoenix preview prod --allow-destructive StatefulSet/sophia-memory/qdrant"
)]
pub struct Arguments {
    /// The stacks. Default: all.
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    #[command(flatten)]
    against: Against,
    /// Exit with 2 if there are changes.
    #[arg(long)]
    exit_code: bool,
    /// Consent to the deletion or replacement of an object. Can be repeated.
    #[arg(long, value_name = "OBJECT", value_parser = Consent::parse)]
    allow_destructive: Vec<Consent>,
    /// The output format.
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
                "{} has a stack {gone} that this checkout does not have; its deployed resources remain until `pulumi destroy`",
                base.words()
            ));
        }
    }
    let comparisons = stacks
        .iter()
        .map(|stack| Comparison::of(checkout, stack, &base, &message))
        .collect::<Result<Vec<_>>>()?;
    let day = today();
    let runs = stacks
        .iter()
        .map(|stack| run_on_stack(stack, day))
        .collect::<Result<Vec<_>>>()?;
    let warnings = clusters::warnings(
        stacks
            .iter()
            .map(|stack| (stack.name.as_str(), stack.shared_cluster.as_slice())),
    );
    let consents = &arguments.allow_destructive;
    if !consents.is_empty() && comparisons.len() > 1 {
        return Err(user_error(
            format!(
                "--allow-destructive is ambiguous: {} stacks have objects of the same names",
                comparisons.len()
            ),
            "name one stack: cargo phoenix preview STACK --allow-destructive OBJECT",
        ));
    }
    match arguments.format {
        Format::Json => {
            let mut json = as_json(&comparisons, &runs, &base, consents);
            json["warnings"] = json!(warnings);
            output::json(&json)?;
        }
        Format::Text => {
            output::print(&text(&comparisons, &runs, &base, consents))?;
            for warning in &warnings {
                output::print(&format!("{} {warning}\n", style::yellow("warning")))?;
            }
        }
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
            "--allow-destructive {consent} had no effect: the object is not deleted or replaced"
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
    if runs.iter().any(|run| run.report.blocks()) {
        exit = exit.or(Exit::Policy);
    }
    Ok(exit)
}

/// The named stacks without duplicates, or all stacks.
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
            "there are no stacks",
            format!("create {}", checkout.shown(&checkout.stack_file("dev"))),
        ));
    }
    Ok(names)
}

fn text(comparisons: &[Comparison], runs: &[PolicyRun], base: &Base, consents: &[Consent]) -> String {
    let mut text = format!("{}\n\n", style::bold(&verdict(comparisons, base)));
    text.push_str(&rows(comparisons));
    declared(&mut text, comparisons);
    destructive(&mut text, comparisons, consents);
    policies(&mut text, runs);
    for comparison in comparisons {
        if let Some(lines) = render::placeholders(&comparison.placeholders) {
            let _ = write!(text, "\n{}: {lines}\n", style::bold(&comparison.stack));
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
            text.push_str(&changes::text(&comparison.changes.changes, Detail::Headings));
        }
        if counts.create > 0 {
            let _ = writeln!(
                text,
                "(to see the manifests of new objects: phoenix diff {stack})"
            );
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
        let ChangeCounts {
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

/// The number of objects of each stack by system.
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

/// All deletions and replacements, with the data at risk.
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
                data.unwrap_or("none; the object can be created again")
            );
            let _ = if consented {
                writeln!(text, "    allowed by --allow-destructive")
            } else {
                writeln!(text, "    to allow: --allow-destructive {}", Consent::to(&id))
            };
        }
    }
}

/// Policy findings: one line for the stacks without any, and all findings without a waiver for the others.
fn policies(text: &mut String, runs: &[PolicyRun]) {
    let (clean, failing): (Vec<_>, Vec<_>) = runs
        .iter()
        .partition(|run| run.report.failures().next().is_none());
    if !failing.is_empty() {
        let _ = write!(text, "\n{}\n", style::bold(&style::red("Policies")));
        for run in failing {
            text.push_str(&report_text::failures(run, Failures::Open));
            let _ = writeln!(text, "{}: {}", run.name, report_text::summary(run));
        }
    }
    if !clean.is_empty() {
        let names: Vec<_> = clean.iter().map(|run| run.name.as_str()).collect();
        let (mut waived, mut unknown, mut assumed) = (0, 0, 0);
        for counts in clean.iter().map(|run| run.counts()) {
            waived += counts.waived;
            unknown += counts.unknown;
            assumed += counts.assumed;
        }
        let mut line = format!("Policies: no findings ({})", names.join(", "));
        for (number, word) in [
            (waived, "waived"),
            (unknown, "unknown"),
            (assumed, "passed by assumption"),
        ] {
            if number > 0 {
                let _ = write!(line, ", {number} {word}");
            }
        }
        let _ = write!(text, "\n{line}\n");
    }
    for run in runs {
        for line in report_text::weakened(run).lines() {
            let _ = writeln!(text, "{}: {line}", run.name);
        }
    }
    for waiver in runs.iter().flat_map(|run| &run.report.expiring_waivers) {
        let _ = writeln!(text, "{} {waiver}", style::yellow("note"));
    }
}

fn as_json(comparisons: &[Comparison], runs: &[PolicyRun], base: &Base, consents: &[Consent]) -> Value {
    let total: ChangeCounts = comparisons.iter().map(Comparison::counts).sum();
    let stacks: Value = comparisons
        .iter()
        .zip(runs)
        .map(|(comparison, run)| {
            let mut stack = stack_as_json(comparison);
            stack["policies"] = report_json::brief(run);
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
        "counts": total.json(),
        "stacks": stacks,
    })
}
