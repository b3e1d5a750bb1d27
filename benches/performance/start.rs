//! The startup of a language host: from its start until it prints its port. The engine starts a host twice per operation
//! and waits for that line.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::pairs::{Count, Spread};
use crate::programs::Programs;
use crate::progress;
use crate::report::{Goal, Report, Row};

/// Measures our host, the launcher that starts it, and the ideal program, which is a language host too.
pub fn measure(programs: &Programs, root: &Path, smoke: bool, report: &mut Report) -> Result<()> {
    progress("starting language hosts");
    let launcher = root.join("bin/pulumi-language-rust");
    // The first start builds the host with the dev profile, which is what users get from a checkout.
    until_port(&launcher)?;
    let count = Count::of(21, smoke);
    let mut hosts = vec![
        (
            "S1",
            "startup of the language host, until the engine can call it, in ms",
            programs.host.as_path(),
            Some(Goal::AtMost(5.0)),
        ),
        (
            "S2",
            "the same through the launcher `bin/pulumi-language-rust`, which starts the host of the dev profile, in ms",
            launcher.as_path(),
            None,
        ),
    ];
    if let Some(registrar) = &programs.registrar {
        hosts.push(("S3", "the same for the ideal program, in ms", registrar, None));
    }
    let mut times = vec![Vec::new(); hosts.len()];
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

/// Starts a host, returns the milliseconds until it prints its port, and stops it.
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
    let stdout = host.stdout.take().context("its stdout is piped")?;
    BufReader::new(stdout)
        .read_line(&mut line)
        .with_context(starting)?;
    let time = start.elapsed().as_secs_f64() * 1000.0;
    host.kill().with_context(starting)?;
    host.wait().with_context(starting)?;
    ensure!(
        line.trim().parse::<u16>().is_ok(),
        "{} printed \"{}\" instead of its port",
        program.display(),
        line.trim()
    );
    Ok(time)
}
