//! The start of a language host: from its start to the line with its port, on which the engine waits, twice at every
//! operation.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::pairs::{Count, Spread};
use crate::programs::Programs;
use crate::report::{Goal, Report, Row};
use crate::say;

/// Measures our host, the launcher in front of it, and the ideal program, which is a host as well.
pub fn measure(
    programs: &Programs,
    registrar: &Path,
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    say("starting language hosts");
    let launcher = root.join("bin/pulumi-language-rust");
    // The first start builds what is missing and remembers that it did.
    until_port(&launcher)?;
    let count = Count::of(21, smoke);
    let hosts = [
        (
            "S1",
            "start of the language host, until the engine can call it, in ms",
            programs.host.as_path(),
            Some(Goal::AtMost(5.0)),
        ),
        (
            "S2",
            "the same through the launcher `bin/pulumi-language-rust`, in ms",
            launcher.as_path(),
            None,
        ),
        ("S3", "the same of the ideal program, in ms", registrar, None),
    ];
    let mut times = [const { Vec::new() }; 3];
    for turn in 0..count.warm_ups + count.pairs {
        for ((.., program, _), times) in hosts.iter().zip(&mut times) {
            let time = until_port(program)?;
            if turn >= count.warm_ups {
                times.push(time);
            }
        }
    }
    for ((id, what, _, goal), times) in hosts.into_iter().zip(times) {
        report.row(Row {
            id,
            what: what.to_owned(),
            figure: Spread::of(times).into(),
            goal,
        });
    }
    Ok(())
}

/// Milliseconds from the start of a host to its port; then it is ended.
fn until_port(program: &Path) -> Result<f64> {
    let starting = || format!("starting {}", program.display());
    let start = Instant::now();
    let mut host = Command::new(program)
        .arg("127.0.0.1:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(starting)?;
    let mut line = String::new();
    let stdout = host.stdout.take().context("its stdout was asked for")?;
    BufReader::new(stdout)
        .read_line(&mut line)
        .with_context(starting)?;
    let time = start.elapsed().as_secs_f64() * 1000.0;
    host.kill().with_context(starting)?;
    host.wait().with_context(starting)?;
    ensure!(
        line.trim().parse::<u16>().is_ok(),
        "{} said \"{}\" in place of its port",
        program.display(),
        line.trim()
    );
    Ok(time)
}
