//! `phoenix check`: evaluates the policies for stacks, manifests or a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use phoenix_policies::settings::assume;
use phoenix_policies::{Authority, Settings, Source};
use serde_json::json;

use crate::checkout::Checkout;
use crate::live::{ClusterCheck, Live};
pub use crate::policies::settings_of;
use crate::policies::{evaluate_in_parallel, run_on_stack, today};
use crate::settings::{read_settings, single_document};
use crate::stack::Stack;
use phoenix_manifests::{MAX_BYTES, Manifests, SyntaxError};
use phoenix_report::{NotEvaluated, PolicyRun, json as report_json, sarif, text};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message};
use phoenix_terminal::user_error::user_error;

/// Check stacks, manifests or a cluster against the policies.
///
/// Without arguments, checks all stacks, each with the profile of its environment (`policies/profiles`), tightened by its own
/// settings (`phoenix:policies`). Assumptions, and settings that weaken the evaluation, are always reported. `--file` checks any Kubernetes
/// and Istio manifests: files with several documents, lists, directories, or stdin. `--cluster` checks a live cluster.
/// Each failure is reported with its file and line, the controls it affects, and a fix. The command is read-only. It exits
/// with 3 if a mandatory rule fails without a waiver. Rules that depend on an unknown value, or on objects that you may not
/// list, are reported as unknown and do not fail. Manifests are read as `kubectl` 1.37 reads them. The command exits with 1
/// if a document cannot be read or is not a Kubernetes object, or if there is no object at all.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix check prod\n  cargo phoenix check --file deploy/ --format sarif\n  helm template . | cargo \
                  phoenix check --file -\n  cargo phoenix check prod --cluster\n  cargo phoenix check --cluster --context staging --namespace payments"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
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
    /// Treat the manifests as part of a deployment: report references to missing objects as unknown instead of failed.
    #[arg(long, requires = "file")]
    partial: bool,
    /// Do not fail because of documents that cannot be read or are not Kubernetes objects, or because there is no object.
    /// Such documents are still counted.
    #[arg(long, requires = "file")]
    allow_skipped: bool,
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
        let run = live.check_cluster(ClusterCheck {
            stack: stack.as_ref(),
            context: arguments.context.as_deref(),
            namespaces: &arguments.namespace,
            settings,
        })?;
        if run.objects == 0 {
            message(&format!(
                "error: no objects found in {}\nhint: check --context and --namespace, and which objects you may list",
                run.name
            ));
            exit = Exit::Failed;
        }
        vec![run]
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
            output::document("check", json!({"runs": all}))?;
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

/// Evaluates the manifests. The second value is false if some were not evaluated, or there were none.
fn files(arguments: &Arguments) -> Result<(PolicyRun, bool)> {
    let mut settings = settings_of_file(arguments)?;
    if arguments.partial {
        settings.assume(&assume::COMPLETE, json!(false));
    }
    let mut input = Input {
        manifests: Manifests::new(),
        visited: BTreeSet::new(),
    };
    for path in &arguments.file {
        input.add(path)?;
    }
    let manifests = input.manifests;
    for (file, error) in &manifests.errors {
        message(&format!("error: {file}, {error}"));
    }
    for skipped in &manifests.skipped {
        message(&format!(
            "{}: not a Kubernetes object: {}",
            skipped.place, skipped.reason
        ));
    }
    let unlisted =
        manifests.error_count + manifests.skipped_count - (manifests.errors.len() + manifests.skipped.len());
    if unlisted > 0 {
        message(&format!("and {} more", count(unlisted, "document")));
    }
    let name = match arguments.file.as_slice() {
        [one] if one.as_os_str() != "-" => one.display().to_string(),
        _ => "manifests".to_owned(),
    };
    if manifests.graph.is_empty() {
        message(&format!(
            "error: no Kubernetes objects found in {}\nhint: pass files with the extension .yaml, .yml or .json, a directory that \
             contains some, or `-` for stdin; render charts and kustomizations first",
            match arguments.file.as_slice() {
                [one] if one.as_os_str() == "-" => "the manifests from stdin",
                _ => name.as_str(),
            }
        ));
    }
    let mut run = PolicyRun {
        name,
        objects: manifests.graph.len(),
        report: evaluate_in_parallel(&manifests.graph, &settings),
        settings,
        places: Box::new(manifests.places()),
        not_evaluated: NotEvaluated {
            unreadable: manifests.errors,
            unreadable_count: manifests.error_count,
            skipped: manifests.skipped,
            skipped_count: manifests.skipped_count,
            ..NotEvaluated::default()
        },
    };
    run.not_evaluated.kinds_without_rules = run.kinds_without_rules();
    let is_complete = run.not_evaluated.is_complete() && run.objects > 0;
    Ok((run, is_complete || arguments.allow_skipped))
}

/// The settings that `--settings` names; the defaults without it.
fn settings_of_file(arguments: &Arguments) -> Result<Settings> {
    let Some(path) = &arguments.settings else {
        return Ok(Settings::on(today()));
    };
    let reading = || format!("cannot read the settings {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let document = single_document(&text).with_context(reading)?;
    let source = Source::new(path.display().to_string(), Authority::Caller);
    match document {
        Some(document) => read_settings(&document, &source, today()),
        None => Ok(Settings::on(today())),
    }
}

/// The manifests that are read.
struct Input {
    manifests: Manifests,
    /// The files and directories that were visited, without symbolic links: each is read once, however many lead to it.
    visited: BTreeSet<PathBuf>,
}

impl Input {
    /// Reads a file, the files of a directory, or stdin for `-`.
    fn add(&mut self, path: &Path) -> Result<()> {
        let reading = || format!("cannot read the manifests of {}", path.display());
        if path.as_os_str() == "-" {
            let bytes = read_some(std::io::stdin()).context("cannot read the manifests from stdin")?;
            self.manifests.read_bytes("stdin", bytes);
            return Ok(());
        }
        let kind = fs::metadata(path).with_context(reading)?;
        // A pipe of the shell, such as `<(helm template .)`, has no path without links.
        if is_open_file(path) {
            return self.read(path).with_context(reading);
        }
        if !kind.is_dir() && !kind.is_file() {
            return Err(user_error(
                format!("{} is not a file or a directory", path.display()),
                "pass what it contains on stdin, with --file -",
            ));
        }
        if !self.visited.insert(fs::canonicalize(path).with_context(reading)?) {
            return Ok(());
        }
        if kind.is_file() {
            return self.read(path).with_context(reading);
        }
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
            // Symbolic links are followed.
            if (is_manifest || entry.is_dir())
                && let Err(error) = self.add(&entry)
            {
                self.reject(&entry, &error);
            }
        }
        Ok(())
    }

    fn read(&mut self, path: &Path) -> std::io::Result<()> {
        let bytes = read_some(fs::File::open(path)?)?;
        self.manifests.read_bytes(&path.display().to_string(), bytes);
        Ok(())
    }

    /// Adds an error of an entry of a directory; the others are read.
    fn reject(&mut self, path: &Path, error: &anyhow::Error) {
        let error = SyntaxError {
            message: format!("{:#}", error.root_cause()),
            hint: None,
            line: 1,
            column: 1,
        };
        self.manifests.unreadable(&path.display().to_string(), error);
    }
}

/// Whether a path is an open file of this process.
fn is_open_file(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdin", "/proc/self/fd"]
        .iter()
        .any(|open| path.starts_with(open))
}

/// Reads at most one byte more than the limit, so that an endless file is rejected like a long one.
fn read_some(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    from.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
