//! Rendering objects as YAML, compared with `helm template`. Rows R1, R2, R4 and G1.

use std::path::Path;

use anyhow::{Result, ensure};
use phoenix_graph::{Graph, Object};

use crate::corpus::{Corpus, parse};
use crate::measure::{Figures, Run};
use crate::pairs::{Count, Pairs, Spread};
use crate::programs::Programs;
use crate::progress;
use crate::report::{Goal, Report, Row};

/// Measures both sizes.
pub fn measure(
    programs: &Programs,
    corpora: [&Corpus; 2],
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let mut walls = Vec::new();
    for (corpus, row, memory_row, goal) in [
        (corpora[0], "R1", "R4", Goal::AtLeast(8.0)),
        (corpora[1], "R2", "R4 x10", Goal::AtLeast(6.0)),
    ] {
        progress(&format!("rendering {} objects", corpus.size));
        let ours = render(programs, corpus);
        ensure_same(corpus, &ours)?;
        let pairs = Pairs::measure(&ours, &corpus.helm, Count::of(15, smoke))?;
        walls.push(Spread::of(pairs.ours.iter().map(|figures| figures.wall)));
        report.row(Row {
            id: row,
            what: format!(
                "render {} objects with `crates/graph` alone: speed relative to Helm",
                corpus.size
            ),
            figure: pairs.ratio(|figures| figures.wall).inverse().into(),
            goal: Some(goal),
        });
        report.row(Row {
            id: memory_row,
            what: format!(
                "render {} objects with `crates/graph` alone: peak memory relative to Helm",
                corpus.size
            ),
            figure: pairs.ratio(|figures| figures.largest).into(),
            goal: Some(Goal::AtMost(1.0 / 3.0)),
        });
        report.series(
            &format!("render {} objects, `crates/graph` alone", corpus.size),
            &pairs.ours,
        );
        report.series(
            &format!("render {} objects, helm template", corpus.size),
            &pairs.others,
        );
    }
    report.row(Row {
        id: "G1",
        what: "ten times as many objects: factor of the wall time, including startup".to_owned(),
        figure: (walls[1].median / walls[0].median).into(),
        goal: Some(Goal::AtMost(10.0)),
    });
    progress("rendering the stack prod with the command");
    for (name, run) in [
        (
            "`phoenix render prod`, from the stack file to YAML",
            command(programs, root),
        ),
        ("`true`: the overhead of the method", nothing(root)),
    ] {
        let count = Count::of(15, smoke);
        let runs = (0..count.warm_ups + count.pairs)
            .map(|_| run.measure())
            .collect::<Result<Vec<Figures>>>()?;
        report.series(name, &runs[count.warm_ups..]);
    }
    Ok(())
}

fn render(programs: &Programs, corpus: &Corpus) -> Run {
    Run {
        program: programs.render.clone(),
        arguments: Vec::new(),
        stdin: corpus.objects.clone(),
        ..corpus.helm.clone()
    }
}

fn command(programs: &Programs, root: &Path) -> Run {
    Run {
        program: programs.phoenix.clone(),
        arguments: ["render".into(), "prod".into()].into(),
        ..nothing(root)
    }
}

fn nothing(root: &Path) -> Run {
    Run {
        program: "true".into(),
        arguments: Vec::new(),
        stdin: "/dev/null".into(),
        directory: root.to_owned(),
        environment: [].into(),
        tree: false,
        expected_codes: &[0],
    }
}

/// Fails unless both streams contain the same objects with the same content.
fn ensure_same(corpus: &Corpus, ours: &Run) -> Result<()> {
    let graph = |run: &Run| -> Result<Graph> {
        let mut graph = Graph::of("benchmark");
        for body in parse(&run.output()?)? {
            graph.add(Object::from_json("benchmark", body)?);
        }
        Ok(graph)
    };
    let (ours, helms) = (graph(ours)?, graph(&corpus.helm)?);
    ensure!(
        ours.len() == corpus.size && ours == helms,
        "Phoenix and Helm did not render the same {} objects, so they cannot be compared:\n{:?}",
        corpus.size,
        phoenix::provider::compare(&helms, &ours)
    );
    Ok(())
}
