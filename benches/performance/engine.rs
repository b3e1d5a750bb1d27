//! Under the engine: the first preview of the corpus with our host and program, beside the ideal program, and with the
//! policy pack beside without. Rows E1 to E6.
//!
//! The ideal program is a Go language host that is the program as well, so what it takes is the engine's own time. Both
//! sides have a home and a state of their own, and else the same of everything: objects, provider, cluster, settings, and
//! how many registrations are under way at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use phoenix_cli::sandbox::tools::PROVIDER_VERSION;
use phoenix_cli::sandbox::{Options, Place, Sandbox};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::corpus::Corpus;
use crate::measure::{Figures, Run};
use crate::node::NodePack;
use crate::pairs::{Count, Pairs, Spread};
use crate::programs::Programs;
use crate::report::{Figure, Goal, Report, Row};
use crate::say;

/// Registrations under way at once, on both sides. More than eight gain nothing.
const IN_FLIGHT: &str = "12";

/// Requests a second that the provider allows itself, on both sides. Its own limit would hide what a program takes:
/// from some hundred objects on, everybody would wait for it.
const PROVIDER_LIMIT: &str = "2000";

/// Measures no objects, and those of each corpus.
pub fn measure(
    programs: &Programs,
    registrar: &Path,
    corpora: &[&Corpus],
    place: &Path,
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let cluster = Cluster::boot(&place.join("sandbox"), programs, root)?;
    let kubeconfig = cluster.sandbox().kubeconfig();
    let world = |name: &str, host: &Path| World::make(&place.join(name), host, &kubeconfig, programs);
    let ours = world("phoenix", &root.join("bin"))?;
    let ideal = world(
        "ideal",
        registrar.parent().context("the ideal program lies in a folder")?,
    )?;
    let nothing = place.join("nothing.json");
    fs::write(&nothing, "[]").with_context(|| format!("writing {}", nothing.display()))?;

    let pairs = |objects: &Path, size: usize, count: usize| {
        say(&format!("previewing {size} objects"));
        let (ours, ideal) = (ours.preview(objects), ideal.preview(objects));
        same(&ours, &ideal, size)?;
        Pairs::measure(&ours, &ideal, Count::of(count, smoke))
    };
    let empty = pairs(&nothing, 0, 9)?;
    report.row(Row {
        id: "E5",
        what: "preview of an empty program: wall time, of the ideal program's".to_owned(),
        figure: empty.ratio(|figures| figures.wall).into(),
        goal: Some(Goal::AtMost(1.03)),
    });
    note(report, 0, &empty);
    let rows = [("E1", "E6", 9), ("E2", "E6 x10", 5)];
    for (corpus, (row, memory_row, count)) in corpora.iter().zip(rows) {
        let pairs = pairs(&corpus.objects, corpus.size, count)?;
        report.row(Row {
            id: row,
            what: format!(
                "first preview of {} objects: wall time, of the ideal program's",
                corpus.size
            ),
            figure: pairs.ratio(|figures| figures.wall).into(),
            goal: Some(Goal::AtMost(1.05)),
        });
        report.row(Row {
            id: memory_row,
            what: "the same: peak memory of all processes, of the ideal program's".to_owned(),
            figure: pairs.ratio(|figures| figures.tree).into(),
            goal: Some(Goal::AtMost(1.05)),
        });
        note(report, corpus.size, &pairs);
    }
    let [small, ..] = corpora else {
        return cluster.end();
    };
    packs(programs, &ours, small, place, root, smoke, report)?;
    cluster.end()
}

/// The policy pack beside none, and what it adds beside what a pack of Node's SDK adds.
fn packs(
    programs: &Programs,
    world: &World,
    corpus: &Corpus,
    place: &Path,
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let size = corpus.size;
    let without = world.preview(&corpus.objects);
    say(&format!("previewing {size} objects with the policy pack"));
    // None of its rules stops the engine: the corpus breaks some.
    let settings = place.join("policies.json");
    write(&settings, "{\"all\": \"advisory\"}")?;
    let mut ours = judged_by(&without, &programs.policies);
    ours.arguments
        .extend(["--policy-pack-config".into(), settings.into()]);
    found_something(&ours)?;
    let pairs = Pairs::measure(&ours, &without, Count::of(9, smoke))?;
    report.row(Row {
        id: "E3",
        what: format!("first preview of {size} objects with the policy pack: wall time, of the same without"),
        figure: pairs.ratio(|figures| figures.wall).into(),
        goal: Some(Goal::AtMost(1.25)),
    });
    report.series(
        &format!("preview of {size} objects, Phoenix with the policy pack"),
        &pairs.ours,
    );
    let mut row = Row {
        id: "E4",
        what: "what the policy pack adds, of what twenty rules with Node's SDK add".to_owned(),
        figure: Figure::Missing,
        goal: Some(Goal::AtMost(0.25)),
    };
    if let Some(node) = NodePack::install(root, &place.join("node"))? {
        say(&format!("previewing {size} objects with a pack of Node's SDK"));
        let mut theirs = judged_by(&without, &node.folder);
        theirs.environment.insert("PATH", node.path);
        found_something(&theirs)?;
        let nodes = Pairs::measure(&theirs, &without, Count::of(5, smoke))?;
        let added = |pairs: &Pairs| {
            let median = |runs: &[Figures]| Spread::of(runs.iter().map(|run| run.wall)).median;
            median(&pairs.ours) - median(&pairs.others)
        };
        row.figure = (added(&pairs) / added(&nodes)).into();
        report.series(
            &format!("preview of {size} objects, Phoenix with a pack of Node's SDK"),
            &nodes.ours,
        );
    } else {
        say("without a pack of Node's SDK: npm is not on PATH");
    }
    report.row(row);
    Ok(())
}

/// The same preview, with a policy pack.
fn judged_by(preview: &Run, pack: &Path) -> Run {
    let mut run = preview.clone();
    run.arguments.extend(["--policy-pack".into(), pack.into()]);
    run
}

/// Makes sure that the engine asks the policy pack.
fn found_something(run: &Run) -> Result<()> {
    let said = String::from_utf8_lossy(&run.output()?).into_owned();
    ensure!(
        said.contains("[advisory]"),
        "the engine does not tell what the policy pack found: {said}"
    );
    Ok(())
}

fn note(report: &mut Report, size: usize, pairs: &Pairs) {
    report.series(&format!("preview of {size} objects, Phoenix"), &pairs.ours);
    report.series(
        &format!("preview of {size} objects, ideal program"),
        &pairs.others,
    );
}

/// A control plane that ends with the benchmark, however that ends.
struct Cluster(Option<Sandbox>);

impl Cluster {
    fn boot(place: &Path, programs: &Programs, root: &Path) -> Result<Self> {
        let options = Options {
            repository: root.to_owned(),
            stack: "dev".to_owned(),
            place: Place {
                name: None,
                dir: Some(place.to_owned()),
            },
            launcher: programs.phoenix.clone(),
            deploy: false,
        };
        Ok(Self(Some(Sandbox::up(&options)?)))
    }

    fn sandbox(&self) -> &Sandbox {
        self.0.as_ref().expect("it has not ended")
    }

    fn end(mut self) -> Result<()> {
        self.0.take().expect("it has not ended").down()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Sandbox::down) {
            say(&format!("the control plane could not be ended: {error:#}"));
        }
    }
}

/// One side: a project with its own engine's home, state and language host.
struct World {
    pulumi: PathBuf,
    directory: PathBuf,
    environment: BTreeMap<&'static str, OsString>,
}

impl World {
    fn make(directory: &Path, host: &Path, kubeconfig: &Path, programs: &Programs) -> Result<Self> {
        let state = directory.join("state");
        fs::create_dir_all(&state).with_context(|| format!("making {}", state.display()))?;
        let provider = programs
            .provider
            .parent()
            .context("the provider lies in a folder")?;
        // The same names on both sides, so that the same objects have the same URNs.
        let project = json!({
            "name": "benchmark",
            "runtime": {
                "name": "rust",
                "options": { "binary": programs.objects, "forward": ["OBJECTS", "IN_FLIGHT"] },
            },
            "plugins": {
                "languages": [{ "name": "rust", "path": host }],
                "providers": [{ "name": "kubernetes", "path": provider, "version": PROVIDER_VERSION }],
            },
        });
        // What our host answers when it is asked for plugins; the ideal program knows the same answer by heart.
        let manifest = format!(
            "[package]\nname = \"benchmark\"\n\n[package.metadata.pulumi]\n\
             packages = [{{ name = \"kubernetes\", version = \"{PROVIDER_VERSION}\" }}]\n"
        );
        write(
            &directory.join("Pulumi.yaml"),
            &phoenix_graph::yaml::to_string(&project),
        )?;
        write(&directory.join("Cargo.toml"), &manifest)?;
        let mut backend = OsString::from("file://");
        backend.push(&state);
        let world = Self {
            pulumi: programs.pulumi.clone(),
            directory: directory.to_owned(),
            environment: BTreeMap::from([
                ("BENCH_INFLIGHT", IN_FLIGHT.into()),
                ("IN_FLIGHT", IN_FLIGHT.into()),
                ("KUBECONFIG", kubeconfig.into()),
                ("PULUMI_BACKEND_URL", backend),
                ("PULUMI_CONFIG_PASSPHRASE", OsString::new()),
                ("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "1".into()),
                ("PULUMI_HOME", directory.join("home").into()),
                ("PULUMI_K8S_CLIENT_BURST", PROVIDER_LIMIT.into()),
                ("PULUMI_K8S_CLIENT_QPS", PROVIDER_LIMIT.into()),
                ("PULUMI_SKIP_UPDATE_CHECK", "1".into()),
            ]),
        };
        world.run(&["stack", "init", "first"]).output()?;
        Ok(world)
    }

    /// The first preview of these objects: nothing of them is known to the engine or to the cluster.
    fn preview(&self, objects: &Path) -> Run {
        let mut run = self.run(&["preview", "--stack", "first"]);
        run.environment.insert("OBJECTS", objects.into());
        run.environment.insert("BENCH_OBJECTS", objects.into());
        run
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let arguments = arguments.iter().chain(&["--non-interactive"]);
        Run {
            program: self.pulumi.clone(),
            arguments: arguments.map(OsString::from).collect(),
            stdin: "/dev/null".into(),
            directory: self.directory.clone(),
            environment: self.environment.clone(),
            tree: true,
            ends_with: &[0],
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// What the engine says it would do, with `--json`.
#[derive(Debug, Deserialize)]
struct Preview {
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    op: String,
    urn: String,
    new_state: State,
}

/// What a program has a say in.
#[derive(Debug, PartialEq, Deserialize)]
struct State {
    #[serde(default)]
    inputs: Value,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    dependencies: BTreeSet<String>,
}

/// Makes sure that the engine was asked for the same on both sides.
fn same(ours: &Run, ideal: &Run, size: usize) -> Result<()> {
    let steps = |run: &Run| -> Result<BTreeMap<String, (String, State)>> {
        let mut run = run.clone();
        run.arguments.push("--json".into());
        let preview: Preview =
            serde_json::from_slice(&run.output()?).context("reading what the engine would do")?;
        let steps = preview.steps.into_iter();
        Ok(steps.map(|step| (step.urn, (step.op, step.new_state))).collect())
    };
    let (ours, ideal) = (steps(ours)?, steps(ideal)?);
    let differing = ours
        .keys()
        .chain(ideal.keys())
        .find(|urn| ours.get(*urn) != ideal.get(*urn));
    if let Some(urn) = differing {
        anyhow::bail!(
            "the two programs do not ask the engine for the same, so there is nothing to compare; for {urn}\n\
             Phoenix has it {:?}\nthe ideal program {:?}",
            ours.get(urn),
            ideal.get(urn)
        );
    }
    let is_object = |(urn, (_, state)): &(&String, &(String, State))| {
        urn.contains("$kubernetes:") && state.inputs.pointer("/metadata/name").is_some()
    };
    let objects = ours.iter().filter(is_object).count();
    ensure!(
        objects == size,
        "the engine was asked for {objects} objects, and not {size}"
    );
    Ok(())
}
