//! `phoenix preview`: summarizes what the changes of this checkout do to every stack.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Error, Result};
use clap::ValueEnum;
use phoenix::platform::SYSTEMS;
use phoenix_graph::Id;
use serde_json::{Value, json};

use super::diff::{Against, base_as_json, stack_as_json};
use super::render;
use crate::base::{Base, Source};
use crate::checkout::Checkout;
use crate::clusters::{self, Clusters};
use crate::comparison::{Comparison, LossGroup, Presence, risks, summary};
use crate::consent::{Consent, FORMS};
use crate::failure;
use crate::policies::{run_on_stack, today};
use crate::settings::single_document;
use crate::stack::{Several, Stack};
use phoenix_report::capacity::COLUMNS;
use phoenix_report::changes::{self, ChangeCounts, Detail};
use phoenix_report::markdown::code_block;
use phoenix_report::prices::Prices;
use phoenix_report::text::{self as report_text, Failures};
use phoenix_report::{PolicyRun, json as report_json};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message, table};
use phoenix_terminal::style::{self, escape_line};
use phoenix_terminal::user_error::{self, user_error};

/// Show what the stacks declare and what would change.
///
/// The first line is a summary. Below it: errors of stack files, destructive changes with what is at risk, policy findings, the
/// changed objects with their fields, and a row for each stack. A change is destructive if it deletes or replaces an object, loses
/// data, or is rejected by an API server; the most severe come first. A stack that exists only in the base is shown as deleted.
/// Needs only the repository: no cluster, no Pulumi and no network. Exits with 1 if a stack file is invalid, with 3 if a mandatory policy
/// fails without a waiver, and with 4 if a destructive change is not allowed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix preview dev\n  cargo phoenix preview --base origin/main --exit-code\n  \
                  cargo phoenix preview prod --allow-destructive StatefulSet/sophia-memory/qdrant --allow-destructive backup"
)]
pub struct Arguments {
    /// The stacks. Default: all, including those that exist only in the base.
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    #[command(flatten)]
    against: Against,
    /// Exit with 2 if there are changes.
    #[arg(long)]
    exit_code: bool,
    /// Consent to the destructive changes of an object (`StatefulSet/sophia-memory/qdrant`, `sophia-memory/qdrant`), of a kind
    /// (`Secret`), of a system (`backup`), or of a deleted stack. Can be repeated.
    #[arg(long, value_name = "OBJECT|KIND|SYSTEM", value_parser = Consent::parse)]
    allow_destructive: Vec<Consent>,
    #[command(flatten)]
    costs: Costs,
    /// List the placeholders instead of counting them.
    #[arg(long)]
    placeholders: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What the capacity costs; shared by the verbs that show it.
#[derive(Debug, clap::Args)]
pub(super) struct Costs {
    /// A YAML file with prices: currency, cpuHour, memoryGibHour, storageGibMonth (by storage class, `default` for the default
    /// class) and deviceHour (by resource). Adds what the workloads and claims cost in a month of 730 hours.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

impl Costs {
    /// Reads the file, if there is one.
    pub fn read(&self) -> Result<Option<Prices>> {
        let Some(path) = &self.prices else {
            return Ok(None);
        };
        let reading = || format!("cannot read {}", path.display());
        let text = std::fs::read_to_string(path).with_context(reading)?;
        let document = single_document(&text).with_context(reading)?;
        let value = document.map_or(Value::Null, |document| document.value);
        let prices = Prices::read(&value).map_err(|errors| {
            user_error(
                format!("invalid prices in {}:\n  {}", path.display(), errors.join("\n  ")),
                "docs/pull-request-comment.md has an example",
            )
        })?;
        Ok(Some(prices))
    }
}

/// The output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// The text in a code block, for the summary of a pull request.
    Markdown,
}

/// How much of an error is part of the text. On a terminal, the rest is on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorDetail {
    FirstLine,
    All,
}

/// The results of all stacks.
pub(super) struct Preview<'a> {
    pub base: &'a Base,
    consents: &'a [Consent],
    /// The valid stacks, deleted ones first.
    pub comparisons: Vec<Comparison>,
    /// The policy findings of the stacks that are not deleted, in the same order.
    pub runs: Vec<PolicyRun>,
    /// The stacks that cannot be previewed.
    pub errors: Vec<(String, Error)>,
    /// Which stacks have the same cluster.
    pub warnings: Vec<String>,
    /// What resources cost.
    pub prices: Option<Prices>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let prices = arguments.costs.read()?;
    let base = Base::choose(checkout, arguments.against.base.as_deref())?;
    let names = Names::of(&arguments.stacks, checkout, &base)?;
    let mut preview = Preview::of(checkout, names, &base, &arguments.allow_destructive);
    preview.prices = prices;
    if preview.comparisons.is_empty() {
        let errors = preview.errors.into_iter().map(|(_, error)| error);
        return Err(Several::or_one(errors.collect()));
    }
    preview.check_consents()?;
    if let Base::Nothing { why } = &base {
        message(why);
    }
    match arguments.format {
        Format::Json => output::document("preview", preview.json())?,
        Format::Text => output::print(&preview.text(arguments.placeholders, ErrorDetail::FirstLine))?,
        Format::Markdown => {
            let text = style::sanitize(&preview.text(arguments.placeholders, ErrorDetail::All));
            output::data(&code_block("text", &style::strip(&text)))?;
        }
    }
    for (_, error) in &preview.errors {
        message(&user_error::render(error));
    }
    let exit = preview.exit();
    Ok(if arguments.exit_code && preview.is_changed() {
        exit.or(Exit::Changed)
    } else {
        exit
    })
}

/// The stacks to preview, each once: those that only the base has, then those of the checkout.
pub(super) struct Names {
    deleted: Vec<String>,
    declared: Vec<String>,
}

impl Names {
    /// The given stacks, or all.
    pub fn of(asked: &[String], checkout: &Checkout, base: &Base) -> Result<Self> {
        let existing = checkout.stacks()?;
        let mut deleted = base.stacks(checkout)?;
        deleted.retain(|stack| !existing.contains(stack));
        if asked.is_empty() {
            if existing.is_empty() && deleted.is_empty() {
                return Err(user_error(
                    "there are no stacks",
                    format!("create {}", checkout.shown(&checkout.stack_file("dev"))),
                ));
            }
            return Ok(Self {
                deleted,
                declared: existing,
            });
        }
        let mut names = Self {
            deleted: Vec::new(),
            declared: Vec::new(),
        };
        for asked in asked {
            let (list, name) = if deleted.contains(asked) {
                (&mut names.deleted, asked.clone())
            } else {
                (&mut names.declared, checkout.stack(asked)?)
            };
            if !list.contains(&name) {
                list.push(name);
            }
        }
        Ok(names)
    }
}

impl<'a> Preview<'a> {
    /// Compares and evaluates these stacks.
    pub fn of(checkout: &Checkout, names: Names, base: &'a Base, consents: &'a [Consent]) -> Self {
        let mut preview = Self {
            base,
            consents,
            comparisons: Vec::new(),
            runs: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            prices: None,
        };
        for name in names.deleted {
            match Comparison::deleted(checkout, &name, base, &message) {
                Ok(comparison) => preview.comparisons.push(comparison),
                Err(error) => preview.errors.push((name, error)),
            }
        }
        let day = today();
        let clusters = Clusters::of(checkout);
        for name in names.declared {
            let result = Stack::load_among(checkout, &name, &clusters).and_then(|stack| {
                Ok((
                    Comparison::of(checkout, &stack, base, &message)?,
                    run_on_stack(&stack, day)?,
                    stack.shared_cluster,
                ))
            });
            match result {
                Ok((comparison, run, shared)) => {
                    let warnings = clusters::warnings(std::iter::once((name.as_str(), shared.as_slice())));
                    let new: Vec<_> = warnings
                        .into_iter()
                        .filter(|warning| !preview.warnings.contains(warning))
                        .collect();
                    preview.warnings.extend(new);
                    preview.comparisons.push(comparison);
                    preview.runs.push(run);
                }
                Err(error) => preview.errors.push((name, error)),
            }
        }
        preview.note_renamed_stacks();
        preview
    }

    /// Notes which deleted stacks have the cluster of a new one, so that they were probably renamed.
    fn note_renamed_stacks(&mut self) {
        let new: Vec<_> = self
            .comparisons
            .iter()
            .filter(|comparison| comparison.source == Source::Absent)
            .map(|comparison| {
                (
                    comparison.stack.clone(),
                    comparison
                        .clusters()
                        .into_iter()
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        for deleted in self
            .comparisons
            .iter_mut()
            .filter(|comparison| comparison.presence == Presence::Deleted)
        {
            let renamed = {
                let clusters = deleted.clusters();
                new.iter().find(|(_, others)| {
                    !others.is_empty() && others.iter().map(String::as_str).eq(clusters.iter().copied())
                })
            };
            if let Some((name, _)) = renamed {
                deleted.notes.push(format!(
                    "{name} is new and has the same cluster; if {0} was renamed, `pulumi stack rename {name} --stack {0}` keeps its resources",
                    deleted.stack
                ));
            }
        }
    }

    /// Rejects consents that name nothing, and reports those that no destructive change needs.
    fn check_consents(&self) -> Result<()> {
        if !self.consents.is_empty() && self.comparisons.len() + self.errors.len() > 1 {
            return Err(user_error(
                format!(
                    "--allow-destructive is ambiguous: {} have objects of the same names",
                    count(self.comparisons.len() + self.errors.len(), "stack")
                ),
                "name one stack: cargo phoenix preview STACK --allow-destructive OBJECT",
            ));
        }
        for consent in self.consents {
            require_subject(consent, &self.comparisons)?;
            let is_needed = self.comparisons.iter().any(|comparison| {
                comparison
                    .losses(&[])
                    .iter()
                    .any(|(loss, _)| comparison.is_covered(loss, consent))
            });
            if !is_needed {
                message(&format!(
                    "--allow-destructive {consent} had no effect: it matches no destructive change"
                ));
            }
        }
        Ok(())
    }

    /// Whether any stack has changes.
    pub fn is_changed(&self) -> bool {
        self.comparisons
            .iter()
            .any(|comparison| !comparison.changes.is_empty())
    }

    /// The exit code without regard to changes.
    pub fn exit(&self) -> Exit {
        let mut exit = Exit::Clean;
        if !self.errors.is_empty() {
            exit = exit.or(Exit::Failed);
        }
        if self.not_allowed() > 0 {
            exit = exit.or(Exit::Destructive);
        }
        if self.runs.iter().any(|run| run.report.blocks()) {
            exit = exit.or(Exit::Policy);
        }
        exit
    }

    /// The number of destructive changes without consent.
    fn not_allowed(&self) -> usize {
        let losses = self
            .comparisons
            .iter()
            .flat_map(|comparison| comparison.losses(self.consents));
        losses.filter(|(_, consented)| !consented).count()
    }

    /// The first line: changes, destructive changes, errors and policies.
    fn verdict(&self) -> String {
        let mut verdict = summary(&self.comparisons, self.base);
        let deleted = self
            .comparisons
            .iter()
            .filter(|comparison| comparison.presence == Presence::Deleted);
        let deleted: Vec<_> = deleted.map(|comparison| comparison.stack.as_str()).collect();
        if !deleted.is_empty() {
            let _ = write!(verdict, "; DELETED: {}", deleted.join(", "));
        }
        if !self.errors.is_empty() {
            let names: Vec<_> = self.errors.iter().map(|(name, _)| name.as_str()).collect();
            let _ = write!(verdict, "; INVALID: {}", names.join(", "));
        }
        if self.not_allowed() > 0 {
            let _ = write!(
                verdict,
                "; {} not allowed",
                count(self.not_allowed(), "destructive change")
            );
        }
        let failing = |is_failing: &dyn Fn(&PolicyRun) -> bool| -> Vec<&str> {
            let runs = self.runs.iter().filter(|run| is_failing(run));
            runs.map(|run| run.name.as_str()).collect()
        };
        let (blocked, found) = (
            failing(&|run| run.report.blocks()),
            failing(&|run| run.report.failures().next().is_some()),
        );
        if !blocked.is_empty() {
            let _ = write!(verdict, "; mandatory policies FAIL: {}", blocked.join(", "));
        } else if !found.is_empty() {
            let _ = write!(verdict, "; advisory policy findings: {}", found.join(", "));
        } else if !self.runs.is_empty() {
            verdict.push_str("; no policy findings");
        }
        verdict
    }

    fn text(&self, with_placeholders: bool, detail: ErrorDetail) -> String {
        let mut text = format!("{}\n", style::bold(&escape_line(&self.verdict())));
        self.errors_and_notes(&mut text, detail);
        self.destructive(&mut text);
        self.policies(&mut text);
        self.changes(&mut text);
        text.push('\n');
        text.push_str(&self.rows());
        text.push('\n');
        self.capacity(&mut text);
        self.declared(&mut text);
        self.placeholders(&mut text, with_placeholders);
        text
    }

    fn errors_and_notes(&self, text: &mut String, detail: ErrorDetail) {
        for (_, error) in &self.errors {
            let rendered = user_error::render(error);
            let mut lines = rendered.lines();
            let first = lines.next().unwrap_or_default();
            let _ = write!(text, "\n{}\n", style::red(&escape_line(first)));
            for line in lines.filter(|_| detail == ErrorDetail::All) {
                let _ = writeln!(text, "{}", escape_line(line));
            }
        }
        for note in self.comparisons.iter().flat_map(|comparison| &comparison.notes) {
            let _ = write!(text, "\n{} {}\n", style::yellow("note:"), escape_line(note));
        }
        for warning in &self.warnings {
            let _ = write!(text, "\n{} {}\n", style::yellow("warning:"), escape_line(warning));
        }
    }

    /// All destructive changes, with what is at risk.
    fn destructive(&self, text: &mut String) {
        let groups = self.comparisons.iter().flat_map(|comparison| {
            comparison
                .loss_groups(self.consents)
                .into_iter()
                .map(move |group| (comparison, group))
        });
        for (index, (comparison, group)) in groups.enumerate() {
            if index == 0 {
                let _ = write!(text, "\n{}\n", style::bold(&style::red("Destructive changes")));
            }
            let (subject, why, allowed_by) = description(&group);
            let _ = writeln!(
                text,
                "  {}: {}",
                comparison.stack,
                style::red(&escape_line(&subject))
            );
            let _ = writeln!(text, "    {}", escape_line(&why));
            for risk in risks(&group) {
                let _ = writeln!(text, "    {}", escape_line(&risk));
            }
            for instead in group.losses.iter().filter_map(|loss| loss.instead).take(1) {
                let _ = writeln!(text, "    instead: {instead}");
            }
            let _ = if group.consented {
                writeln!(text, "    allowed by --allow-destructive")
            } else {
                writeln!(
                    text,
                    "    to allow: --allow-destructive {}",
                    escape_line(&allowed_by)
                )
            };
        }
    }

    /// Policy findings: all findings without a waiver of the stacks that have any, and one line for the others.
    fn policies(&self, text: &mut String) {
        let (clean, failing): (Vec<_>, Vec<_>) = self
            .runs
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
        for run in &self.runs {
            for line in report_text::weakened(run).lines() {
                let _ = writeln!(text, "{}: {line}", run.name);
            }
        }
        for waiver in self.runs.iter().flat_map(|run| &run.report.expiring_waivers) {
            let _ = writeln!(
                text,
                "{} {}",
                style::yellow("note"),
                escape_line(&waiver.to_string())
            );
        }
    }

    /// The changed objects of each stack, with their fields.
    fn changes(&self, text: &mut String) {
        let changed = self
            .comparisons
            .iter()
            .filter(|comparison| !comparison.changes.is_empty());
        for comparison in changed {
            let stack = &comparison.stack;
            let _ = write!(
                text,
                "\n{}\n",
                style::bold(&format!("{stack}, compared with {}:", self.base.words()))
            );
            let counts = comparison.counts();
            if comparison.source == Source::Absent {
                let _ = writeln!(text, "all {} are new", count(counts.create, "object"));
            } else {
                text.push_str(&changes::text(&comparison.changes, Detail::Headings));
            }
            if counts.create > 0 {
                let _ = writeln!(
                    text,
                    "(to see the manifests of new objects: phoenix diff {stack})"
                );
            }
        }
    }

    /// A row for each stack.
    fn rows(&self) -> String {
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
        for comparison in &self.comparisons {
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

    /// What the pods and claims of each stack request.
    fn capacity(&self, text: &mut String) {
        let head = ["stack"].iter().chain(&COLUMNS).map(ToString::to_string);
        let price = self
            .prices
            .iter()
            .map(|prices| format!("{}/month", prices.currency));
        let mut rows: Vec<Vec<String>> = vec![head.chain(price).collect()];
        let mut sentences = String::new();
        for comparison in &self.comparisons {
            let (stack, capacity) = (&comparison.stack, &comparison.capacity);
            let mut row = vec![stack.clone()];
            row.extend(capacity.cells());
            let mut lines = capacity.sentences();
            if let Some(prices) = &self.prices {
                let (cost, unpriced) = capacity.cost(prices);
                row.push(cost);
                lines.extend(unpriced.into_iter().map(|name| format!("{name} has no price")));
            }
            rows.push(row.iter().map(|cell| escape_line(cell).into_owned()).collect());
            for line in lines {
                let _ = writeln!(sentences, "{stack}: {}", escape_line(&line));
            }
        }
        let _ = writeln!(text, "{}{sentences}", table(&rows));
    }

    /// The number of objects of each stack by system.
    fn declared(&self, text: &mut String) {
        for comparison in self
            .comparisons
            .iter()
            .filter(|comparison| comparison.presence == Presence::Declared)
        {
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

    /// The placeholders of each stack, or their numbers.
    fn placeholders(&self, text: &mut String, all: bool) {
        let with_some: Vec<_> = self
            .comparisons
            .iter()
            .filter(|comparison| !comparison.placeholders.is_empty())
            .collect();
        if all {
            for comparison in with_some {
                if let Some(lines) = render::placeholders(&comparison.placeholders) {
                    let _ = write!(text, "\n{}: {lines}\n", style::bold(&comparison.stack));
                }
            }
        } else if !with_some.is_empty() {
            let numbers: Vec<_> = with_some
                .iter()
                .map(|comparison| format!("{} {}", comparison.stack, comparison.placeholders.len()))
                .collect();
            let _ = write!(
                text,
                "\nplaceholders: {} (--placeholders lists them)\n",
                numbers.join(", ")
            );
        }
    }

    fn json(&self) -> Value {
        let total: ChangeCounts = self.comparisons.iter().map(Comparison::counts).sum();
        let stacks: Value = self
            .comparisons
            .iter()
            .map(|comparison| {
                let mut stack = stack_as_json(comparison, self.consents);
                let run = self.runs.iter().find(|run| run.name == comparison.stack);
                stack["policies"] = run.map(report_json::brief).into();
                stack["capacity"] = comparison.capacity.json();
                stack["monthlyCost"] = self
                    .prices
                    .as_ref()
                    .map(|prices| cost_as_json(comparison, prices))
                    .into();
                stack["declares"] = comparison
                    .systems
                    .iter()
                    .map(|(system, objects)| ((*system).to_owned(), Value::from(*objects)))
                    .collect();
                stack["placeholders"] = comparison
                    .placeholders
                    .iter()
                    .map(|(key, missing)| json!({"key": key, "missing": missing}))
                    .collect();
                stack
            })
            .collect();
        let errors = self
            .errors
            .iter()
            .flat_map(|(name, error)| failure::errors(error, Some(name)));
        json!({
            "verdict": self.verdict(),
            "base": base_as_json(self.base),
            "counts": total.json(),
            "stacks": stacks,
            "errors": errors.collect::<Vec<_>>(),
            "warnings": self.warnings,
        })
    }
}

/// What a stack costs in a month, before and after the change.
fn cost_as_json(comparison: &Comparison, prices: &Prices) -> Value {
    let capacity = &comparison.capacity;
    let (before, after) = (prices.cost(&capacity.before), prices.cost(&capacity.after));
    json!({
        "currency": prices.currency,
        "before": before.month,
        "after": after.month,
        "unpriced": after.unpriced,
    })
}

/// The subject of a group of losses, what happens to it, and the argument that allows it.
pub(super) fn description(group: &LossGroup) -> (String, String, String) {
    match (&group.system, group.losses.as_slice()) {
        (Some(system), losses) => (
            format!("the system {system}"),
            format!("deleted: {}", count(losses.len(), "object")),
            system.clone(),
        ),
        (None, [loss, ..]) => (loss.id.to_string(), loss.why.clone(), Consent::to(&loss.id)),
        (None, []) => (String::new(), String::new(), String::new()),
    }
}

/// Returns an error with the right form if a consent names no object, kind or system of the comparisons.
fn require_subject(consent: &Consent, comparisons: &[Comparison]) -> Result<()> {
    let ids: Vec<&Id> = comparisons.iter().flat_map(Comparison::objects).collect();
    let is_system = |comparison: &Comparison| {
        let mut changes = comparison.changes.changes.iter();
        changes.any(|change| consent.is_word(&change.object().component))
    };
    let is_known = ids.iter().any(|id| consent.covers(id, ""))
        || SYSTEMS.iter().any(|system| consent.is_word(system))
        || comparisons.iter().any(|comparison| {
            is_system(comparison)
                || (comparison.presence == Presence::Deleted && consent.is_word(&comparison.stack))
        });
    if is_known {
        return Ok(());
    }
    if let Some(id) = ids.iter().find(|id| consent.is_word(&id.name)) {
        return Err(consent.refused(&format!("did you mean {}?", Consent::to(id))));
    }
    let objects = ids.iter().flat_map(|id| [Consent::to(id), id.kind.clone()]);
    let forms: BTreeMap<String, String> = objects
        .chain(SYSTEMS.iter().map(|system| (*system).to_owned()))
        .map(|form| (form.to_lowercase(), form))
        .collect();
    let nearest = phoenix_suggest::nearest_path(&consent.to_string(), forms.keys().map(String::as_str));
    Err(match nearest {
        Some(word) => consent.refused(&format!("did you mean {}?", forms[word])),
        None => consent.refused(FORMS),
    })
}
