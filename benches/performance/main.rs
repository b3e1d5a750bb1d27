//! The benchmarks: Phoenix beside the tools that people would use in its place, on one machine, in one run.
//!
//! `cargo bench -p phoenix-cli --bench performance` does everything: it builds release programs, makes the corpus, boots
//! a control plane, measures, and prints the page's table; `docs/performance.md` tells how to read it. It promises that
//! both sides of a pair did the same work, and fails where they did not. It judges no figure: a number on a busy machine
//! is no verdict.
//!
//! - [`programs`]: what is measured, built in release mode, and its versions
//! - [`corpus`]: the objects that both sides work on
//! - [`render`], [`check`], [`start`], [`engine`]: the four rooms, each with the rows of its table
//! - [`measure`], [`pairs`]: one run of one command, and many, in turns
//! - [`peers`], [`node`]: what else judges manifests, where it is installed
//! - [`machine`], [`report`]: where it was measured, and the Markdown
#![expect(
    clippy::disallowed_methods,
    reason = "benchmarks are an edge: they read clocks, start programs and write files"
)]

mod corpus;
mod engine;
mod check;
mod machine;
mod measure;
mod node;
mod pairs;
mod peers;
mod programs;
mod render;
mod report;
mod start;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use phoenix_cli::mistake;

use machine::Machine;
use programs::Programs;
use report::Report;

/// Measure Phoenix beside Helm, kube-score and the ideal Pulumi program.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench -p phoenix-cli --bench performance --",
    after_help = "Example: cargo bench -p phoenix-cli --bench performance -- --write"
)]
struct Arguments {
    /// Put the figures into docs/performance.md; without, they are printed.
    #[arg(long)]
    write: bool,
    /// One pair of each, to see that everything still works. The figures mean nothing.
    #[arg(long, conflicts_with = "write")]
    smoke: bool,
    /// Measure only this.
    #[arg(long, value_enum, value_name = "ROOM", conflicts_with = "write")]
    only: Option<Room>,
    /// The folder of the ideal program, a Go module that is a language host and registers `$BENCH_OBJECTS`
    /// [default: ../shared/bench/registrar beside the checkout].
    #[arg(long, value_name = "DIR")]
    registrar: Option<PathBuf>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Room {
    /// Rendering, beside Helm. Needs no control plane.
    Render,
    /// Judging, beside kube-score. Needs no control plane.
    Judge,
    /// The language host and the program under the engine, beside the ideal program.
    Engine,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == measure::INSIDE).is_some() {
        return measure::inside(words);
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", mistake::told(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |room: Room| arguments.only.is_none_or(|only| only == room);
    let root = root();
    let folder = tempfile::tempdir().context("making a folder for the corpus")?;
    let mut machine = Machine::look()?;
    let registrar = wanted(Room::Engine)
        .then(|| registrar(arguments, &root))
        .flatten();
    let programs = Programs::build(&root, folder.path(), registrar.as_deref())?;
    let mut report = Report::default();
    let small = corpus::make(&programs, &root, folder.path(), 1)?;
    let large = corpus::make(&programs, &root, folder.path(), 10)?;
    let huge;
    if wanted(Room::Render) {
        render::measure(&programs, [&small, &large], &root, arguments.smoke, &mut report)?;
        machine.look_again()?;
    }
    if wanted(Room::Judge) {
        let sizes = if arguments.smoke {
            vec![&small]
        } else {
            huge = corpus::make(&programs, &root, folder.path(), 100)?;
            vec![&small, &large, &huge]
        };
        check::measure(&programs, &sizes, &root, arguments.smoke, &mut report)?;
        machine.look_again()?;
    }
    if let Some(registrar) = &programs.registrar {
        start::measure(&programs, registrar, &root, arguments.smoke, &mut report)?;
        let sizes = if arguments.smoke {
            vec![&small]
        } else {
            vec![&small, &large]
        };
        let place = folder.path().join("engine");
        engine::measure(
            &programs,
            registrar,
            &sizes,
            &place,
            &root,
            arguments.smoke,
            &mut report,
        )?;
        machine.look_again()?;
    }
    let markdown = report.markdown(&machine, &programs.versions);
    if arguments.write {
        report::write(&root.join("docs/performance.md"), &markdown)
    } else {
        phoenix_cli::output::data(&markdown)
    }
}

/// The folder of the ideal program. To see that all works, what does not need it is enough.
fn registrar(arguments: &Arguments, root: &Path) -> Option<PathBuf> {
    let usual = root.join("../shared/bench/registrar");
    if arguments.registrar.is_none() && arguments.smoke && !usual.exists() {
        say(&format!(
            "without the engine's rows: {} is not there",
            usual.display()
        ));
        return None;
    }
    Some(arguments.registrar.clone().unwrap_or(usual))
}

/// The root of the checkout.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// Talk, while it works.
fn say(message: &str) {
    eprintln!("{message}");
}
