//! `phoenix check`: does this keep the rules that SOC 2 and HIPAA ask evidence for?

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use phoenix_policies::Settings;
use phoenix_policies::settings::assume;
use serde_json::{Value, json};

use crate::checkout::Checkout;
use crate::live::Live;
pub use crate::policies::settings_of;
use crate::policies::{Judged, evaluate_in_parallel, read_settings, sarif, today, told};
use crate::stack::Stack;
use phoenix_manifests::yaml;
use phoenix_manifests::{MAX_BYTES, Manifests};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message};
use phoenix_terminal::user_error::user_error;

/// Judge stacks or manifests by the policies.
///
/// Without anything to judge it takes all stacks, each under its own settings (`phoenix:policies`). With `--file` it takes any
/// manifests of Kubernetes and Istio: of several documents, lists, folders, or from stdin. With `--cluster` it takes what a
/// live cluster has. Each failure is told with its place, the controls that it is evidence for and the way to repair it. It
/// changes nothing. It ends with 3 if a mandatory rule fails that nobody waived; what cannot be said because a value is not
/// known or may not be seen is told, and fails nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix check prod\n  cargo phoenix check --file deploy/ --format sarif\n  helm template . | cargo \
                  phoenix check --file -\n  cargo phoenix check prod --cluster\n  cargo phoenix check --cluster --context staging --namespace payments"
)]
pub struct Arguments {
    /// The stacks, such as prod; by default all.
    #[arg(conflicts_with = "file")]
    stacks: Vec<String>,
    /// A file or folder of manifests, or `-` for stdin; may be given several times.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// A live cluster: everything that the rules look at and that you may list, the cluster's own namespaces excepted. With a
    /// stack it is the stack's cluster and settings, what it declares and what else is in its namespaces. No value of a Secret is read.
    #[arg(long, conflicts_with = "file")]
    cluster: bool,
    /// The context of the kubeconfig; by default the stack's, or the current one.
    #[arg(long, value_name = "NAME", requires = "cluster")]
    pub context: Option<String>,
    /// Tell only of this namespace of the cluster; may be given several times.
    #[arg(long, value_name = "NAMESPACE", requires = "cluster")]
    pub namespace: Vec<String>,
    /// Settings for manifests or for a cluster without a stack: a YAML file with the keys of `phoenix:policies`.
    #[arg(long, value_name = "FILE", conflicts_with = "stacks")]
    settings: Option<PathBuf>,
    /// The manifests are a part of a deployment: what is missing is unknown, not wrong.
    #[arg(long, requires = "file")]
    partial: bool,
    /// Prints what was assumed of the cluster, too.
    #[arg(long)]
    assumptions: bool,
    /// For people, for machines, or for code scanning.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON document with every verdict.
    Json,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
}

/// Runs the verb.
pub fn run(
    arguments: &Arguments,
    checkout: impl FnOnce() -> Result<Checkout>,
    live: &dyn Live,
) -> Result<Exit> {
    let mut exit = Exit::Clean;
    if arguments.settings.is_some() && arguments.file.is_empty() && !arguments.cluster {
        return Err(user_error(
            "--settings is for manifests and clusters, and a stack has its settings in its file",
            "write them below phoenix:policies in the stack file, or name manifests with --file",
        ));
    }
    let judged = if arguments.cluster {
        let stack = match arguments.stacks.as_slice() {
            [] => None,
            [one] => Some(Stack::load(&checkout()?, one)?),
            _ => {
                return Err(user_error(
                    "--cluster is given for several stacks at once",
                    "name one stack, or none and a --context",
                ));
            }
        };
        vec![live.check_cluster(arguments, stack.as_ref())?]
    } else if arguments.file.is_empty() {
        stacks(&arguments.stacks, &checkout()?)?
    } else {
        let (judged, is_whole) = files(arguments)?;
        if !is_whole {
            exit = Exit::Failed;
        }
        vec![judged]
    };
    match arguments.format {
        Format::Text => {
            for judged in &judged {
                output::print(&told::text(judged))?;
                if arguments.assumptions {
                    output::print(&told::assumptions(judged))?;
                }
            }
        }
        Format::Json => {
            let all: Vec<_> = judged.iter().map(told::json).collect();
            output::json(&json!({"judged": all}))?;
        }
        Format::Sarif => output::json(&sarif::document(&judged))?,
    }
    if judged.iter().any(|judged| judged.report.blocks()) {
        exit = exit.or(Exit::Policy);
    }
    Ok(exit)
}

fn stacks(names: &[String], checkout: &Checkout) -> Result<Vec<Judged>> {
    let all = checkout.stacks()?;
    let names = if names.is_empty() { &all } else { names };
    let stacks = Stack::load_all(checkout, names)?;
    stacks
        .iter()
        .map(|stack| Judged::of_stack(stack, today()))
        .collect()
}

/// The manifests, judged; and whether all of them could be read.
fn files(arguments: &Arguments) -> Result<(Judged, bool)> {
    let mut settings = settings_of_file(arguments)?;
    if arguments.partial {
        settings.assume(&assume::COMPLETE, json!(false));
    }
    let mut manifests = Manifests::new();
    for path in &arguments.file {
        if path.as_os_str() == "-" {
            let bytes = read_some(std::io::stdin()).context("cannot read the manifests from stdin")?;
            manifests.read_bytes("stdin", bytes);
        } else {
            read_path(path, &mut manifests)?;
        }
    }
    for (file, broken) in &manifests.errors {
        message(&format!(
            "error: cannot read {file}, {broken}\nwhat this is a part of is not judged"
        ));
    }
    let passed_over: usize = manifests.skipped.values().sum();
    if passed_over > 0 {
        message(&format!(
            "passed over {}, which are no Kubernetes objects",
            count(passed_over, "document")
        ));
    }
    let name = match arguments.file.as_slice() {
        [one] if one.as_os_str() != "-" => one.display().to_string(),
        _ => "manifests".to_owned(),
    };
    let judged = Judged {
        name,
        objects: manifests.graph.len(),
        report: evaluate_in_parallel(&manifests.graph, &settings),
        settings,
        places: Box::new(manifests.places()),
    };
    Ok((judged, manifests.errors.is_empty()))
}

/// The settings that `--settings` names; the defaults without it.
pub fn settings_of_file(arguments: &Arguments) -> Result<Settings> {
    let value = match &arguments.settings {
        None => Value::Null,
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the settings {}", path.display()))?;
            let mut documents =
                yaml::read(&text).with_context(|| format!("cannot read the settings {}", path.display()))?;
            if documents.is_empty() {
                Value::Null
            } else {
                documents.remove(0).value
            }
        }
    };
    let whose = arguments
        .settings
        .as_ref()
        .map_or_else(String::new, |path| path.display().to_string());
    read_settings(&value, today(), &whose)
}

fn read_path(path: &Path, manifests: &mut Manifests) -> Result<()> {
    let reading = || format!("cannot read the manifests of {}", path.display());
    if path.is_dir() {
        let mut entries = fs::read_dir(path)
            .with_context(reading)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .with_context(reading)?;
        entries.sort();
        for entry in entries {
            let is_manifest = entry
                .extension()
                .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
            // A link can lead back to where it lies.
            if entry.is_symlink() || !(entry.is_dir() || is_manifest) {
                continue;
            }
            read_path(&entry, manifests)?;
        }
        return Ok(());
    }
    let file = fs::File::open(path).with_context(reading)?;
    let bytes = read_some(file).with_context(reading)?;
    manifests.read_bytes(&path.display().to_string(), bytes);
    Ok(())
}

/// What there is to read, up to one byte more than is taken: a file that never ends is refused like a long one.
fn read_some(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    from.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
