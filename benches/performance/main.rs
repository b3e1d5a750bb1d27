//! The benchmarks: Phoenix and the tools it is compared with, measured on one machine in one run.
//!
//! `cargo run --release -p phoenix-benchmarks` builds release programs, generates the corpus, starts a control plane,
//! measures, and prints the tables of `docs/performance.md`, which explains them. It verifies that both sides of a pair
//! do the same work and fails if they do not. It does not fail because of a figure: on a busy machine figures mean little.
//!
//! - [`programs`]: the measured programs, built in release mode, and their versions
//! - [`corpus`]: the objects that both sides process
//! - [`render`], [`check`], [`review`], [`start`], [`engine`]: the sections of the benchmark, each with its rows of the table
//! - [`measure`], [`pairs`]: one run of one command, and alternating runs of two
//! - [`peers`], [`node`]: other policy tools, measured if they are installed
//! - [`machine`], [`report`]: the description of the machine, and the Markdown
#![expect(
    clippy::disallowed_methods,
    reason = "benchmarks are an edge: they read clocks, start programs and write files"
)]

mod check;
mod corpus;
mod engine;
mod machine;
mod measure;
mod node;
mod pairs;
mod peers;
mod programs;
mod render;
mod report;
mod review;
mod start;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use phoenix_terminal::user_error;

use machine::Machine;
use programs::Programs;
use report::Report;

/// Measure Phoenix and compare it with Helm, kube-score and an ideal Pulumi program.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo run --release -p phoenix-benchmarks --",
    after_help = "Example: cargo run --release -p phoenix-benchmarks -- --only render"
)]
struct Arguments {
    /// Write the figures to docs/performance.md instead of stdout.
    #[arg(long)]
    write: bool,
    /// Run each pair once, to verify that the benchmarks work. The figures are meaningless.
    #[arg(long, conflicts_with = "write")]
    smoke: bool,
    /// Measure only this section.
    #[arg(long, value_enum, value_name = "SECTION", conflicts_with = "write")]
    only: Option<Section>,
    /// The folder of the ideal program: a Go module that is a language host and registers the objects in the file
    /// `$BENCH_OBJECTS`. Without it, the rows that compare with the ideal program are left out.
    #[arg(long, value_name = "DIR")]
    registrar: Option<PathBuf>,
}

/// A section that can be measured on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Rendering, compared with Helm. Needs no control plane.
    Render,
    /// Checking policies, compared with kube-score. Needs no control plane.
    Check,
    /// The preview and the comment of a pull request. Needs no control plane.
    Review,
    /// The language host, the program and the policy pack under the engine. Builds the engine and a control plane.
    Engine,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == measure::CHILD).is_some() {
        return measure::child(words);
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", user_error::render(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |section: Section| arguments.only.is_none_or(|only| only == section);
    let root = root();
    let folder = tempfile::tempdir().context("creating a folder for the corpus")?;
    let mut machine = Machine::detect()?;
    let programs = Programs::build(
        &root,
        folder.path(),
        wanted(Section::Engine),
        arguments.registrar.as_deref(),
    )?;
    let mut report = Report::default();
    let small = corpus::make(&programs, &root, folder.path(), 1)?;
    let large = corpus::make(&programs, &root, folder.path(), 10)?;
    let huge;
    if wanted(Section::Render) {
        render::measure(&programs, [&small, &large], &root, arguments.smoke, &mut report)?;
        machine.record_load()?;
    }
    if wanted(Section::Check) {
        let sizes = if arguments.smoke {
            vec![&small]
        } else {
            huge = corpus::make(&programs, &root, folder.path(), 100)?;
            vec![&small, &large, &huge]
        };
        check::measure(&programs, &sizes, &root, arguments.smoke, &mut report)?;
        machine.record_load()?;
    }
    if wanted(Section::Review) {
        review::measure(&programs, &root, folder.path(), arguments.smoke, &mut report)?;
        machine.record_load()?;
    }
    if wanted(Section::Engine) {
        start::measure(&programs, &root, arguments.smoke, &mut report)?;
        let sizes = if arguments.smoke {
            vec![&small]
        } else {
            vec![&small, &large]
        };
        let place = folder.path().join("engine");
        engine::measure(&programs, &sizes, &place, &root, arguments.smoke, &mut report)?;
        machine.record_load()?;
    }
    let markdown = report.markdown(&machine, &programs.versions);
    if arguments.write {
        report::write(&root.join("docs/performance.md"), &markdown)
    } else {
        phoenix_terminal::output::data(&markdown)
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root)
}

/// Prints progress to stderr.
fn progress(message: &str) {
    eprintln!("{message}");
}
