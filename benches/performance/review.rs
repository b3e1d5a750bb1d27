//! The preview and the comment of a pull request: rows V1 to V3. No other tool does the same, so the figures are absolute.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::measure::{Figures, Run};
use crate::pairs::{Count, Spread};
use crate::programs::Programs;
use crate::progress;
use crate::report::{Goal, Report, Row};

/// The number of stacks of the large checkout, besides those of the repository. Each has the objects of prod.
const STACKS: usize = 70;

/// Measures a preview of the repository's stacks, and a comment for many stacks, each with a change.
pub fn measure(
    programs: &Programs,
    root: &Path,
    folder: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    progress("previewing a change of three stacks");
    let checkout = clone(root, &folder.join("three"))?;
    change(&checkout, &["dev", "prod", "staging"])?;
    let preview = run(programs, &checkout, "preview", &["dev", "prod", "staging"]);
    let previews = repeat(&preview, Count::of(11, smoke))?;
    report.row(Row {
        id: "V1",
        what: "preview of a change of three stacks against a base, in ms".to_owned(),
        figure: Spread::of(previews.iter().map(|figures| figures.wall * 1000.0)).into(),
        goal: Some(Goal::AtMost(100.0)),
    });
    report.series("`phoenix preview` of three stacks", &previews);

    progress("commenting on a change of many stacks");
    let checkout = clone(root, &folder.join("many"))?;
    let names: Vec<String> = (0..STACKS).map(|number| format!("prod-{number}")).collect();
    for name in &names {
        let stacks = checkout.join("stacks");
        fs::copy(
            stacks.join("Pulumi.prod.yaml"),
            stacks.join(format!("Pulumi.{name}.yaml")),
        )?;
        let snapshots = checkout.join("tests/snapshots");
        fs::create_dir(snapshots.join(name))?;
        for file in fs::read_dir(snapshots.join("prod"))? {
            let file = file?;
            fs::copy(file.path(), snapshots.join(name).join(file.file_name()))?;
        }
    }
    git(&checkout, &["add", "."])?;
    git(&checkout, &["commit", "--quiet", "--message", "Many stacks"])?;
    change(&checkout, &names)?;
    let comments = repeat(&run(programs, &checkout, "comment", &[]), Count::of(5, smoke))?;
    report.row(Row {
        id: "V2",
        what: format!("comment on a change of {STACKS} of {} stacks, in ms", STACKS + 3),
        figure: Spread::of(comments.iter().map(|figures| figures.wall * 1000.0)).into(),
        goal: Some(Goal::AtMost(5_000.0)),
    });
    report.row(Row {
        id: "V3",
        what: "the same: peak memory, in MiB".to_owned(),
        figure: Spread::of(comments.iter().map(|figures| figures.largest)).into(),
        goal: Some(Goal::AtMost(300.0)),
    });
    report.series(&format!("`phoenix comment` of {} stacks", STACKS + 3), &comments);
    Ok(())
}

/// A clone of the repository, with a committer.
fn clone(root: &Path, place: &Path) -> Result<PathBuf> {
    git(
        root,
        &[
            "clone",
            "--quiet",
            "--no-hardlinks",
            ".",
            &place.display().to_string(),
        ],
    )?;
    git(place, &["config", "user.name", "benchmarks"])?;
    git(place, &["config", "user.email", "benchmarks@example.com"])?;
    Ok(place.to_owned())
}

/// Changes a value of these stacks.
fn change(checkout: &Path, stacks: &[impl AsRef<str>]) -> Result<()> {
    for stack in stacks {
        let file = checkout.join(format!("stacks/Pulumi.{}.yaml", stack.as_ref()));
        let text = fs::read_to_string(&file)?;
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with("latencyMs: "));
        let line = line.with_context(|| format!("{} sets no latencyMs", file.display()))?;
        let changed = format!("{}latencyMs: 900", &line[..line.len() - line.trim_start().len()]);
        ensure!(
            line != changed,
            "{} already has the value of the change",
            file.display()
        );
        fs::write(&file, text.replacen(line, &changed, 1))?;
    }
    Ok(())
}

fn run(programs: &Programs, checkout: &Path, verb: &str, stacks: &[&str]) -> Run {
    let arguments = [verb, "--base", "HEAD"].into_iter().chain(stacks.iter().copied());
    Run {
        program: programs.phoenix.clone(),
        arguments: arguments.map(Into::into).collect(),
        stdin: "/dev/null".into(),
        directory: checkout.to_owned(),
        environment: [].into(),
        tree: false,
        expected_codes: &[0],
    }
}

fn repeat(run: &Run, count: Count) -> Result<Vec<Figures>> {
    for _ in 0..count.warm_ups {
        run.measure()?;
    }
    (0..count.pairs).map(|_| run.measure()).collect()
}

fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .status()
        .context("cannot run git")?;
    ensure!(status.success(), "git {arguments:?} failed");
    Ok(())
}
