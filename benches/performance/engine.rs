//! Under the engine: the first preview of the corpus with our host and program, compared with the ideal program, and with
//! the policy pack, compared with none. Rows E1 to E6.
//!
//! The ideal program is a Go language host that registers the objects itself, so its time is that of the engine. Each side
//! has its own `PULUMI_HOME` and state; objects, provider, cluster, settings and the number of concurrent registrations
//! are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use phoenix_sandbox::tools::PROVIDER_VERSION;
use phoenix_sandbox::{Options, Place, Sandbox};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::corpus::Corpus;
use crate::measure::{Figures, Run};
use crate::node::NodePack;
use crate::pairs::{Count, Pairs, Spread};
use crate::programs::Programs;
use crate::progress;
use crate::report::{Figure, Goal, Report, Row};

/// Concurrent registrations, on both sides. More than eight are no faster.
const IN_FLIGHT: &str = "12";

/// The provider's limit of requests per second, on both sides. With its default, the limit would dominate the time from
/// a few hundred objects on.
const PROVIDER_LIMIT: &str = "2000";

/// Measures an empty program, each corpus, and the policy pack.
pub fn measure(
    programs: &Programs,
    corpora: &[&Corpus],
    place: &Path,
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let cluster = Cluster::boot(&place.join("sandbox"), programs, root)?;
    let kubeconfig = cluster.sandbox().kubeconfig();
    let project = |name: &str, host: &Path| Project::create(&place.join(name), host, &kubeconfig, programs);
    let ours = project("phoenix", &root.join("bin"))?;
    if let Some(registrar) = &programs.registrar {
        let ideal = project(
            "ideal",
            registrar.parent().context("the ideal program is in a folder")?,
        )?;
        previews(&ours, &ideal, corpora, place, smoke, report)?;
    } else {
        progress("skipping the comparison with the ideal program: there is no --registrar");
    }
    if let [small, ..] = corpora {
        packs(programs, &ours, small, place, root, smoke, report)?;
    }
    cluster.end()
}

/// First previews, compared with the ideal program.
fn previews(
    ours: &Project,
    ideal: &Project,
    corpora: &[&Corpus],
    place: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let nothing = place.join("nothing.json");
    fs::write(&nothing, "[]").with_context(|| format!("writing {}", nothing.display()))?;

    let pairs = |objects: &Path, size: usize, count: usize| {
        progress(&format!("previewing {size} objects"));
        let (ours, ideal) = (ours.preview(objects), ideal.preview(objects));
        ensure_same(&ours, &ideal, size)?;
        Pairs::measure(&ours, &ideal, Count::of(count, smoke))
    };
    let empty = pairs(&nothing, 0, 9)?;
    report.row(Row {
        id: "E5",
        what: "preview of an empty program: wall time relative to the ideal program".to_owned(),
        figure: empty.ratio(|figures| figures.wall).into(),
        goal: Some(Goal::AtMost(1.03)),
    });
    add_series(report, 0, &empty);
    let rows = [("E1", "E6", 9), ("E2", "E6 x10", 5)];
    for (corpus, (row, memory_row, count)) in corpora.iter().zip(rows) {
        let pairs = pairs(&corpus.objects, corpus.size, count)?;
        report.row(Row {
            id: row,
            what: format!(
                "first preview of {} objects: wall time relative to the ideal program",
                corpus.size
            ),
            figure: pairs.ratio(|figures| figures.wall).into(),
            goal: Some(Goal::AtMost(1.05)),
        });
        report.row(Row {
            id: memory_row,
            what: "the same: peak memory of all processes relative to the ideal program".to_owned(),
            figure: pairs.ratio(|figures| figures.tree).into(),
            goal: Some(Goal::AtMost(1.05)),
        });
        add_series(report, corpus.size, &pairs);
    }
    Ok(())
}

/// A preview with the policy pack compared with one without, and what the pack adds compared with a pack of the Node SDK.
fn packs(
    programs: &Programs,
    project: &Project,
    corpus: &Corpus,
    place: &Path,
    root: &Path,
    smoke: bool,
    report: &mut Report,
) -> Result<()> {
    let size = corpus.size;
    let without = project.preview(&corpus.objects);
    progress(&format!("previewing {size} objects with the policy pack"));
    // All rules are advisory, because the corpus violates some and the engine must continue.
    let settings = place.join("policies.json");
    write(&settings, "{\"all\": \"advisory\"}")?;
    let mut ours = with_policy_pack(&without, &programs.policies);
    ours.arguments
        .extend(["--policy-pack-config".into(), settings.into()]);
    ensure_findings(&ours)?;
    let pairs = Pairs::measure(&ours, &without, Count::of(9, smoke))?;
    report.row(Row {
        id: "E3",
        what: format!(
            "first preview of {size} objects with the policy pack: wall time relative to one without"
        ),
        figure: pairs.ratio(|figures| figures.wall).into(),
        goal: Some(Goal::AtMost(1.25)),
    });
    report.series(
        &format!("preview of {size} objects, Phoenix with the policy pack"),
        &pairs.ours,
    );
    let mut row = Row {
        id: "E4",
        what: "time added by the policy pack, relative to twenty rules of the Node SDK".to_owned(),
        figure: Figure::Missing,
        goal: Some(Goal::AtMost(0.25)),
    };
    if let Some(node) = NodePack::install(root, &place.join("node"))? {
        progress(&format!(
            "previewing {size} objects with a policy pack of the Node SDK"
        ));
        let mut theirs = with_policy_pack(&without, &node.folder);
        theirs.environment.insert("PATH", node.path);
        ensure_findings(&theirs)?;
        let nodes = Pairs::measure(&theirs, &without, Count::of(5, smoke))?;
        let added = |pairs: &Pairs| {
            let median = |runs: &[Figures]| Spread::of(runs.iter().map(|run| run.wall)).median;
            median(&pairs.ours) - median(&pairs.others)
        };
        row.figure = (added(&pairs) / added(&nodes)).into();
        report.series(
            &format!("preview of {size} objects, Phoenix with a policy pack of the Node SDK"),
            &nodes.ours,
        );
    } else {
        progress("skipping the policy pack of the Node SDK: npm is not on PATH");
    }
    report.row(row);
    Ok(())
}

/// The same preview, with a policy pack.
fn with_policy_pack(preview: &Run, pack: &Path) -> Run {
    let mut run = preview.clone();
    run.arguments.extend(["--policy-pack".into(), pack.into()]);
    run
}

/// Fails unless the preview reports findings of the policy pack.
fn ensure_findings(run: &Run) -> Result<()> {
    let output = String::from_utf8_lossy(&run.output()?).into_owned();
    ensure!(
        output.contains("[advisory]"),
        "the preview reports no findings of the policy pack: {output}"
    );
    Ok(())
}

fn add_series(report: &mut Report, size: usize, pairs: &Pairs) {
    report.series(&format!("preview of {size} objects, Phoenix"), &pairs.ours);
    report.series(
        &format!("preview of {size} objects, ideal program"),
        &pairs.others,
    );
}

/// A control plane that is stopped when it is dropped.
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
            launcher: programs.live.clone(),
            deploy: false,
        };
        Ok(Self(Some(Sandbox::up(&options)?)))
    }

    fn sandbox(&self) -> &Sandbox {
        self.0.as_ref().expect("the control plane is running")
    }

    fn end(mut self) -> Result<()> {
        self.0.take().expect("the control plane is running").down()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Sandbox::down) {
            progress(&format!("cannot stop the control plane: {error:#}"));
        }
    }
}

/// One side: a Pulumi project with its own `PULUMI_HOME`, state and language host.
struct Project {
    pulumi: PathBuf,
    directory: PathBuf,
    environment: BTreeMap<&'static str, OsString>,
}

impl Project {
    fn create(directory: &Path, host: &Path, kubeconfig: &Path, programs: &Programs) -> Result<Self> {
        let state = directory.join("state");
        fs::create_dir_all(&state).with_context(|| format!("creating {}", state.display()))?;
        let provider = programs
            .provider
            .parent()
            .context("the provider is in a folder")?;
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
        // Our host reads the required plugins from here; they are built into the ideal program.
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
        let created = Self {
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
        created.run(&["stack", "init", "first"]).output()?;
        Ok(created)
    }

    /// The first preview of these objects: neither the engine's state nor the cluster contains any of them.
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
            expected_codes: &[0],
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The output of `pulumi preview --json`.
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

/// The part of a resource's state that the program determines.
#[derive(Debug, PartialEq, Deserialize)]
struct State {
    #[serde(default)]
    inputs: Value,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    dependencies: BTreeSet<String>,
}

/// Fails unless both sides register the same resources.
fn ensure_same(ours: &Run, ideal: &Run, size: usize) -> Result<()> {
    let steps = |run: &Run| -> Result<BTreeMap<String, (String, State)>> {
        let mut run = run.clone();
        run.arguments.push("--json".into());
        let preview: Preview = serde_json::from_slice(&run.output()?).context("parsing the preview")?;
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
            "the two programs do not register the same resources, so they cannot be compared; {urn}\n\
             Phoenix: {:?}\nthe ideal program: {:?}",
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
        "the programs registered {objects} objects instead of {size}"
    );
    Ok(())
}
