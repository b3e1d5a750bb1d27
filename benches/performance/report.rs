//! The results as Markdown: a table of goals, a table of what was measured, and the place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use phoenix_cli::mistake::mistake;

use crate::machine::Machine;
use crate::measure::Figures;
use crate::pairs::Spread;

/// Between these lines of the page stand the figures.
const BEGIN: &str = "<!-- figures: written by the benchmarks -->";
const END: &str = "<!-- end of figures -->";

/// Everything that was found out.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    series: Vec<(String, Vec<Figures>)>,
}

/// One figure that has a name.
#[derive(Debug)]
pub struct Row {
    /// Its short name, by which pages refer to it.
    pub id: &'static str,
    /// What it is the figure of.
    pub what: String,
    /// The figure.
    pub figure: Figure,
    /// What it should be.
    pub goal: Option<Goal>,
}

/// A figure: one number, or many of which the median counts.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// Made from medians.
    One(f64),
    /// One for each pair or run.
    Many(Spread),
    /// What it needs is not installed.
    Missing,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
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

    /// Adds what single runs took.
    pub fn series(&mut self, name: &str, runs: &[Figures]) {
        self.series.push((name.to_owned(), runs.to_vec()));
    }

    /// All of it as Markdown.
    pub fn markdown(&self, machine: &Machine, versions: &BTreeMap<&'static str, String>) -> String {
        let mut text =
            String::from("| row | what | figure [least – most] | goal | met |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let (goal, met) = row
                .goal
                .map_or(("–".to_owned(), "–"), |goal| goal.judge(row.figure));
            line(&mut text, &[row.id, &row.what, &row.figure.shown(), &goal, met]);
        }
        text.push_str("\n| run | wall, ms | CPU, ms | largest process, MiB | all processes, MiB | n |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for (name, runs) in &self.series {
            let of = |figure: fn(&Figures) -> f64| Spread::of(runs.iter().map(figure));
            let tree = of(|run| run.tree);
            let tree = if tree.most > 0.0 {
                whole(tree)
            } else {
                "–".to_owned()
            };
            let cells = [
                name,
                &whole(of(|run| run.wall * 1000.0)),
                &whole(of(|run| run.cpu * 1000.0)),
                &whole(of(|run| run.largest)),
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
            "\nMeasured on {} cores of {}, Linux {}. Load average before, and after each part: {}. {}.\n",
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
    fn judge(self, figure: Figure) -> (String, &'static str) {
        let figure = match figure {
            Figure::One(number) => Some(number),
            Figure::Many(spread) => Some(spread.median),
            Figure::Missing => None,
        };
        let (goal, met) = match self {
            Self::AtLeast(least) => (
                format!("≥ {}", number(least)),
                figure.map(|figure| figure >= least),
            ),
            Self::AtMost(most) => (format!("≤ {}", number(most)), figure.map(|figure| figure <= most)),
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
    fn shown(self) -> String {
        match self {
            Self::One(one) => format!("**{}**", number(one)),
            Self::Many(spread) => format!(
                "**{}** [{} – {}]",
                number(spread.median),
                number(spread.least),
                number(spread.most)
            ),
            Self::Missing => "not installed".to_owned(),
        }
    }
}

/// Puts the figures into the page.
pub fn write(page: &Path, figures: &str) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(mistake(
            format!("{} has no place for the figures", page.display()),
            format!("write the lines {BEGIN} and {END} where they belong"),
        ));
    };
    fs::write(page, format!("{before}{BEGIN}\n\n{figures}\n{END}{after}"))
        .with_context(|| format!("writing {}", page.display()))
}

fn line(text: &mut String, cells: &[&str]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("writing to a string never fails");
}

/// Three digits that mean something.
fn number(number: f64) -> String {
    let digits = match number.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{number:.digits$}")
}

fn whole(spread: Spread) -> String {
    Figure::from(spread).shown().replace("**", "")
}
