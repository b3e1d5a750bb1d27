//! The results as Markdown: the rows with their goals, the measured runs, and the machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use phoenix_terminal::user_error::user_error;

use crate::machine::Machine;
use crate::measure::Figures;
use crate::pairs::Spread;

/// The figures are between these two lines of the page.
const BEGIN: &str = "<!-- figures: written by the benchmarks -->";
const END: &str = "<!-- end of figures -->";

/// The results.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    series: Vec<(String, Vec<Figures>)>,
}

/// A named figure.
#[derive(Debug)]
pub struct Row {
    /// The id by which pages refer to it.
    pub id: &'static str,
    /// A description.
    pub what: String,
    /// The figure.
    pub figure: Figure,
    /// The goal, if there is one.
    pub goal: Option<Goal>,
}

/// A single number, or a distribution that is reported by its median.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// Computed from medians.
    One(f64),
    /// One value per pair or run.
    Many(Spread),
    /// Not measured, because a required program is not installed.
    Missing,
}

/// The goal for a figure.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl From<f64> for Figure {
    fn from(number: f64) -> Self {
        Self::One(number)
    }
}

impl From<Spread> for Figure {
    fn from(spread: Spread) -> Self {
        Self::Many(spread)
    }
}

impl Report {
    /// Adds a figure.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds the figures of the runs of one command.
    pub fn series(&mut self, name: &str, runs: &[Figures]) {
        self.series.push((name.to_owned(), runs.to_vec()));
    }

    /// The whole report as Markdown.
    pub fn markdown(&self, machine: &Machine, versions: &BTreeMap<&'static str, String>) -> String {
        let mut text =
            String::from("| row | what | figure [min – max] | goal | met |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let (goal, met) = row
                .goal
                .map_or(("–".to_owned(), "–"), |goal| goal.evaluate(row.figure));
            line(&mut text, &[row.id, &row.what, &row.figure.display(), &goal, met]);
        }
        text.push_str("\n| run | wall, ms | CPU, ms | largest process, MiB | all processes, MiB | n |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for (name, runs) in &self.series {
            let of = |figure: fn(&Figures) -> f64| Spread::of(runs.iter().map(figure));
            let tree = of(|run| run.tree);
            let tree = if tree.max > 0.0 {
                format_spread(tree)
            } else {
                "–".to_owned()
            };
            let cells = [
                name,
                &format_spread(of(|run| run.wall * 1000.0)),
                &format_spread(of(|run| run.cpu * 1000.0)),
                &format_spread(of(|run| run.largest)),
                &tree,
                &runs.len().to_string(),
            ];
            line(&mut text, &cells.map(String::as_str));
        }
        let versions: Vec<_> = versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        write!(
            text,
            "\nMeasured on {} cores of {}, Linux {}. Load average before, and after each section: {}. {}.\n",
            machine.cores,
            machine.processor,
            machine.kernel,
            machine.loads.join(", "),
            versions.join(", ")
        )
        .expect("writing to a string never fails");
        text
    }
}

impl Goal {
    fn evaluate(self, figure: Figure) -> (String, &'static str) {
        let figure = match figure {
            Figure::One(number) => Some(number),
            Figure::Many(spread) => Some(spread.median),
            Figure::Missing => None,
        };
        let (goal, met) = match self {
            Self::AtLeast(min) => (format!("≥ {}", number(min)), figure.map(|figure| figure >= min)),
            Self::AtMost(max) => (format!("≤ {}", number(max)), figure.map(|figure| figure <= max)),
        };
        let met = match met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        (goal, met)
    }
}

impl Figure {
    fn display(self) -> String {
        match self {
            Self::One(one) => format!("**{}**", number(one)),
            Self::Many(spread) => format!(
                "**{}** [{} – {}]",
                number(spread.median),
                number(spread.min),
                number(spread.max)
            ),
            Self::Missing => "not installed".to_owned(),
        }
    }
}

/// Writes the figures into the page.
pub fn write(page: &Path, figures: &str) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(user_error(
            format!("{} has no marker lines for the figures", page.display()),
            format!("add the lines {BEGIN} and {END} where the figures belong"),
        ));
    };
    fs::write(page, format!("{before}{BEGIN}\n\n{figures}\n{END}{after}"))
        .with_context(|| format!("writing {}", page.display()))
}

fn line(text: &mut String, cells: &[&str]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("writing to a string never fails");
}

/// Formats with three significant digits.
fn number(number: f64) -> String {
    let digits = match number.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{number:.digits$}")
}

fn format_spread(spread: Spread) -> String {
    Figure::from(spread).display().replace("**", "")
}
