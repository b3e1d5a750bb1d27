//! Checking manifests against all rules, compared with kube-score, the fastest of the other tools, and with the tools that
//! are installed. Rows P1 to P5 and G2.

use std::path::Path;

use anyhow::Result;

use crate::corpus::Corpus;
use crate::measure::Run;
use crate::pairs::{Count, Pairs, Spread};
use crate::peers::PEERS;
use crate::programs::Programs;
use crate::progress;
use crate::report::{Figure, Goal, Report, Row};

/// Measures all sizes; each is ten times the previous one.
pub fn measure(
    programs: &Programs,
    corpora: &[&Corpus],
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let mut walls = Vec::new();
    for (place, corpus) in corpora.iter().enumerate() {
        let (row, memory_row) = [
            ("P3", "P3 memory"),
            ("P3 x10", "P3 x10 memory"),
            ("P3 x100", "P5"),
        ][place.min(2)];
        progress(&format!("checking {} objects", corpus.size));
        let ours = check(programs, root, &["--file".as_ref(), corpus.yaml.as_ref()]);
        let theirs = score(programs, root, corpus);
        let count = if place < 2 { 11 } else { 5 };
        let pairs = Pairs::measure(&ours, &theirs, Count::of(count, smoke))?;
        walls.push((
            corpus.size,
            Spread::of(pairs.ours.iter().map(|figures| figures.wall)),
        ));
        report.row(Row {
            id: row,
            what: format!(
                "check {} objects in a file: speed relative to kube-score",
                corpus.size
            ),
            figure: pairs.ratio(|figures| figures.wall).inverse().into(),
            goal: Some(Goal::AtLeast(1.0)),
        });
        report.row(Row {
            id: memory_row,
            what: format!(
                "check {} objects in a file: peak memory relative to kube-score",
                corpus.size
            ),
            figure: pairs.ratio(|figures| figures.largest).into(),
            goal: (place == 2).then_some(Goal::AtMost(1.0)),
        });
        report.series(
            &format!("check {} objects, `phoenix check --file`", corpus.size),
            &pairs.ours,
        );
        report.series(
            &format!("check {} objects, kube-score", corpus.size),
            &pairs.others,
        );
    }
    progress("checking the stack prod");
    let ours = check(programs, root, &["prod".as_ref()]);
    let pairs = Pairs::measure(&ours, &score(programs, root, corpora[0]), Count::of(11, smoke))?;
    report.row(Row {
        id: "P1",
        what: format!(
            "`phoenix check prod`, from the stack file to the report: speed relative to kube-score on {} objects",
            corpora[0].size
        ),
        figure: pairs.ratio(|figures| figures.wall).inverse().into(),
        goal: Some(Goal::AtLeast(2.5)),
    });
    report.series("`phoenix check prod`", &pairs.ours);
    for peer in &PEERS {
        let what = format!(
            "the same: speed relative to {} on {} objects",
            peer.name, corpora[0].size
        );
        let Some(program) = peer.find() else {
            progress(&format!("skipping {}: it is not on PATH", peer.name));
            report.row(Row {
                id: "P2",
                what,
                figure: Figure::Missing,
                goal: Some(Goal::AtLeast(peer.goal)),
            });
            continue;
        };
        progress(&format!("comparing with {}", peer.name));
        let theirs = peer.run(&program, root, corpora[0]);
        let pairs = Pairs::measure(&ours, &theirs, Count::of(peer.count, smoke))?;
        report.row(Row {
            id: "P2",
            what,
            figure: pairs.ratio(|figures| figures.wall).inverse().into(),
            goal: Some(Goal::AtLeast(peer.goal)),
        });
        report.series(
            &format!(
                "check {} objects, {} {}",
                corpora[0].size,
                peer.name,
                peer.version(&program)
            ),
            &pairs.others,
        );
    }
    if let [.., (fewer, less), (more, longer)] = walls.as_slice() {
        #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
        let objects = (more - fewer) as f64;
        report.row(Row {
            id: "P4",
            what: format!("each additional object, from {fewer} to {more}, in ms"),
            figure: ((longer.median - less.median) * 1000.0 / objects).into(),
            goal: Some(Goal::AtMost(0.05)),
        });
        report.row(Row {
            id: "G2",
            what: "ten times as many objects: factor of the wall time".to_owned(),
            figure: (longer.median / less.median).into(),
            goal: Some(Goal::AtMost(10.5)),
        });
    }
    Ok(())
}

fn check(programs: &Programs, root: &Path, what: &[&std::ffi::OsStr]) -> Run {
    Run {
        program: programs.phoenix.clone(),
        arguments: std::iter::once("check".into())
            .chain(what.iter().map(Into::into))
            .collect(),
        stdin: "/dev/null".into(),
        directory: root.to_owned(),
        environment: [].into(),
        tree: false,
        // 3: a mandatory rule failed.
        expected_codes: &[0, 3],
    }
}

fn score(programs: &Programs, root: &Path, corpus: &Corpus) -> Run {
    Run {
        program: programs.kube_score.clone(),
        arguments: vec!["score".into(), corpus.yaml.clone().into()],
        // 1: critical findings.
        expected_codes: &[0, 1],
        ..check(programs, root, &[])
    }
}
