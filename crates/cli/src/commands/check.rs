//! `phoenix check`: evaluates the policies for stacks, manifests or a cluster.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use phoenix_policies::Settings;
use phoenix_policies::settings::assume;
use serde_json::{Value, json};

use crate::checkout::Checkout;
use crate::live::{ClusterCheck, Live};
pub use crate::policies::settings_of;
use crate::policies::{evaluate_in_parallel, read_settings, run_on_stack, today};
use crate::stack::Stack;
use phoenix_manifests::yaml;
use phoenix_manifests::{MAX_BYTES, Manifests};
use phoenix_report::{PolicyRun, json as report_json, sarif, text};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message};
use phoenix_terminal::user_error::user_error;

/// Check stacks, manifests or a cluster against the policies.
///
/// Without arguments, checks all stacks, each with its own settings (`phoenix:policies`). `--file` checks any Kubernetes
/// and Istio manifests: files with several documents, lists, directories, or stdin. `--cluster` checks a live cluster.
/// Each failure is reported with its file and line, the controls it affects, and a fix. The command is read-only. It exits
/// with 3 if a mandatory rule fails without a waiver. Rules that depend on an unknown value, or on objects that you may not
/// list, are reported as unknown and do not fail.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix check prod\n  cargo phoenix check --file deploy/ --format sarif\n  helm template . | cargo \
                  phoenix check --file -\n  cargo phoenix check prod --cluster\n  cargo phoenix check --cluster --context staging --namespace payments"
)]
pub struct Arguments {
    /// The stacks, for example prod. Default: all.
    #[arg(conflicts_with = "file")]
    stacks: Vec<String>,
    /// A file or directory of manifests, or `-` for stdin. Can be repeated.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Check a live cluster: all objects that the rules cover and that you may list, except in `kube-system`, `kube-public`
    /// and `kube-node-lease`. With a stack: the stack's cluster, with its settings, limited to the objects it declares and to
    /// its namespaces. Values of Secrets are never read.
    #[arg(long, conflicts_with = "file")]
    cluster: bool,
    /// The kubeconfig context. Default: the stack's, or the current context.
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,
    /// Report only this namespace of the cluster. Can be repeated.
    #[arg(long, value_name = "NAMESPACE", requires = "cluster")]
    namespace: Vec<String>,
    /// Policy settings for manifests, or for a cluster without a stack: a YAML file with the keys of `phoenix:policies`.
    #[arg(long, value_name = "FILE", conflicts_with = "stacks")]
    settings: Option<PathBuf>,
    /// The manifests are part of a deployment: references to missing objects are unknown instead of failed.
    #[arg(long, requires = "file")]
    partial: bool,
    /// Also print the assumptions about the cluster.
    #[arg(long)]
    assumptions: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading.
    #[default]
    Text,
    /// One JSON document with every verdict.
    Json,
    /// SARIF 2.1.0, for code scanning.
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
            "--settings applies to manifests and clusters only; the settings of a stack are in its file",
            "set phoenix:policies in the stack file, or pass manifests with --file",
        ));
    }
    let runs = if arguments.cluster {
        let stack = match arguments.stacks.as_slice() {
            [] => None,
            [one] => Some(Stack::load(&checkout()?, one)?),
            _ => {
                return Err(user_error(
                    "--cluster accepts at most one stack",
                    "name one stack, or none with --context",
                ));
            }
        };
        let settings = match &stack {
            Some(stack) => settings_of(stack, today())?,
            None => settings_of_file(arguments)?,
        };
        vec![live.check_cluster(ClusterCheck {
            stack: stack.as_ref(),
            context: arguments.context.as_deref(),
            namespaces: &arguments.namespace,
            settings,
        })?]
    } else if arguments.file.is_empty() {
        stacks(&arguments.stacks, &checkout()?)?
    } else {
        let (run, is_complete) = files(arguments)?;
        if !is_complete {
            exit = Exit::Failed;
        }
        vec![run]
    };
    match arguments.format {
        Format::Text => {
            for run in &runs {
                output::print(&text::report(run))?;
                if arguments.assumptions {
                    output::print(&text::assumptions(run))?;
                }
            }
        }
        Format::Json => {
            let all: Vec<_> = runs.iter().map(report_json::report).collect();
            output::json(&json!({"judged": all}))?;
        }
        Format::Sarif => output::json(&sarif::log(&runs))?,
    }
    if runs.iter().any(|run| run.report.blocks()) {
        exit = exit.or(Exit::Policy);
    }
    Ok(exit)
}

fn stacks(names: &[String], checkout: &Checkout) -> Result<Vec<PolicyRun>> {
    let all = checkout.stacks()?;
    let names = if names.is_empty() { &all } else { names };
    let stacks = Stack::load_all(checkout, names)?;
    stacks.iter().map(|stack| run_on_stack(stack, today())).collect()
}

/// Evaluates the manifests. The second value is false if some could not be read.
fn files(arguments: &Arguments) -> Result<(PolicyRun, bool)> {
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
    for (file, error) in &manifests.errors {
        message(&format!(
            "error: cannot read {file}, {error}\nthe document was not checked"
        ));
    }
    let skipped: usize = manifests.skipped.values().sum();
    if skipped > 0 {
        message(&format!(
            "skipped {}: not Kubernetes objects",
            count(skipped, "document")
        ));
    }
    let name = match arguments.file.as_slice() {
        [one] if one.as_os_str() != "-" => one.display().to_string(),
        _ => "manifests".to_owned(),
    };
    let run = PolicyRun {
        name,
        objects: manifests.graph.len(),
        report: evaluate_in_parallel(&manifests.graph, &settings),
        settings,
        places: Box::new(manifests.places()),
    };
    Ok((run, manifests.errors.is_empty()))
}

/// The settings that `--settings` names; the defaults without it.
fn settings_of_file(arguments: &Arguments) -> Result<Settings> {
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
    let source = arguments
        .settings
        .as_ref()
        .map_or_else(String::new, |path| path.display().to_string());
    read_settings(&value, today(), &source)
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
            // A symbolic link can point to an ancestor.
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

/// Reads at most one byte more than the limit, so that an endless file is rejected like a long one.
fn read_some(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    from.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
