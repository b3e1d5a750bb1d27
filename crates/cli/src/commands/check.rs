//! `phoenix check`: does this keep the rules that SOC 2 and HIPAA ask evidence for?

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use phoenix::config::NAMESPACE;
use phoenix_policies::settings::assume;
use phoenix_policies::{Date, Settings, judge};
use serde_json::{Value, json};

use crate::checkout::Checkout;
use crate::exit::Exit;
use crate::mistake::mistake;
use crate::output::{self, Paint, count, data, say};
use crate::policies::reading::Manifests;
use crate::policies::{Judged, Place, sarif, told};
use crate::stack::Stack;
use crate::yaml;

/// Judge stacks or manifests by the policies.
///
/// Without anything to judge it takes all stacks, each under its own settings (`phoenix:policies`). With `--file` it takes any
/// manifests of Kubernetes and Istio: of several documents, lists, folders, or from stdin. Each failure is told with its
/// place, the controls that it is evidence for and the way to repair it. It asks no cluster. It ends with 3 if a mandatory
/// rule fails that nobody waived; what cannot be said because a value is not known is told, and fails nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix check prod\n  cargo phoenix check --file deploy/ --format sarif\n  helm template . | cargo \
                  phoenix check --file -"
)]
pub struct Arguments {
    /// The stacks, such as prod; by default all.
    #[arg(conflicts_with = "file")]
    stacks: Vec<String>,
    /// A file or folder of manifests, or `-` for stdin; may be given several times.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Settings for manifests: a YAML file with the keys of `phoenix:policies`.
    #[arg(long, value_name = "FILE", requires = "file")]
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
pub fn run(arguments: &Arguments, checkout: impl FnOnce() -> Result<Checkout>, paint: Paint) -> Result<Exit> {
    let mut exit = Exit::Clean;
    let judged = if arguments.file.is_empty() {
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
                data(&told::text(judged, paint))?;
                if arguments.assumptions {
                    data(&told::assumptions(judged))?;
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
    let mut judged = Vec::new();
    for stack in Stack::load_all(checkout, names)? {
        let settings = settings_of(&stack, today())?;
        let path = stack.file.path.clone();
        judged.push(Judged {
            objects: stack.graph.len(),
            report: judge(&stack.graph, &settings),
            settings,
            places: Box::new(move |_, _| {
                Some(Place {
                    file: path.clone(),
                    line: 1,
                })
            }),
            name: stack.name,
        });
    }
    Ok(judged)
}

/// How a stack wants to be judged: `phoenix:policies` of its file.
pub fn settings_of(stack: &Stack, today: Date) -> Result<Settings> {
    let key = format!("{NAMESPACE}:policies");
    let value = stack.file.keys.get(&key).unwrap_or(&Value::Null);
    read_settings(value, today, &format!("{key} of {}", stack.file.path))
}

fn read_settings(value: &Value, today: Date, whose: &str) -> Result<Settings> {
    Settings::read(value, today).map_err(|problems| {
        let told: Vec<_> = problems
            .iter()
            .map(|problem| format!("  {}", problem.to_string().replace('\n', "\n    ")))
            .collect();
        anyhow::anyhow!(
            "the settings of the policies are not valid: {} in {whose}\n{}",
            count(problems.len(), "problem"),
            told.join("\n")
        )
    })
}

/// The manifests, judged; and whether all of them could be read.
fn files(arguments: &Arguments) -> Result<(Judged, bool)> {
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
    let mut settings = read_settings(&value, today(), &whose)?;
    if arguments.partial {
        settings.assume(&assume::COMPLETE, json!(false));
    }
    let mut manifests = Manifests::new();
    for path in &arguments.file {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the manifests from stdin")?;
            manifests.read("stdin", text);
        } else {
            read_path(path, &mut manifests)?;
        }
    }
    for (file, broken) in &manifests.broken {
        say(&format!(
            "error: cannot read {file}, {broken}; what comes after it in the file is not judged"
        ));
    }
    let passed_over: usize = manifests.passed_over.values().sum();
    if passed_over > 0 {
        say(&format!(
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
        report: judge(&manifests.graph, &settings),
        settings,
        places: Box::new(manifests.places()),
    };
    Ok((judged, manifests.broken.is_empty()))
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
    let bytes = fs::read(path).with_context(reading)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| mistake(format!("{} is no text", path.display()), "save it as UTF-8"))
        .with_context(reading)?;
    manifests.read(&path.display().to_string(), text);
    Ok(())
}

/// The day, which waivers are held against.
fn today() -> Date {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Date::from_days_since_1970(u32::try_from(seconds / 86_400).unwrap_or(u32::MAX))
}
