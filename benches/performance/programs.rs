//! What is measured, built as users would have it: ours by cargo in release mode, the others by Go from pinned modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use phoenix_cli::mistake::mistake;
use phoenix_cli::sandbox::tools::{HELM, KUBE_SCORE, PROVIDER, PULUMI, Tool, Workshop};

use crate::say;

/// Every program that takes part.
#[derive(Debug)]
pub struct Programs {
    /// Helm.
    pub helm: PathBuf,
    /// kube-score, which judges manifests.
    pub kube_score: PathBuf,
    /// The engine.
    pub pulumi: PathBuf,
    /// The Kubernetes provider.
    pub provider: PathBuf,
    /// The ideal program, where it takes part.
    pub registrar: Option<PathBuf>,
    /// The `phoenix` command.
    pub phoenix: PathBuf,
    /// The policy pack.
    pub policies: PathBuf,
    /// Our language host.
    pub host: PathBuf,
    /// `crates/graph` as a program that renders what it reads.
    pub render: PathBuf,
    /// `crates/pulumi` as a program that registers what it reads.
    pub objects: PathBuf,
    /// The versions of all of them, by name.
    pub versions: BTreeMap<&'static str, String>,
}

impl Programs {
    /// Builds what is missing. The `registrar` is the folder of the ideal program's Go module.
    pub fn build(root: &Path, folder: &Path, registrar: Option<&Path>) -> Result<Self> {
        let registrar = registrar
            .map(|module| build_registrar(module, folder))
            .transpose()?;
        // The launcher's own words, so that it finds its host as it would have built it.
        cargo(root, &["--package", "pulumi-language-rust"])?;
        cargo(root, &["--package", "phoenix-cli", "--bin", "phoenix"])?;
        cargo(
            root,
            &["--package", "phoenix-policies", "--bin", "phoenix-policies"],
        )?;
        cargo(root, &["--package", "phoenix-graph", "--example", "render"])?;
        cargo(root, &["--package", "pulumi-wire", "--example", "objects"])?;
        let mut wanted = vec![HELM, KUBE_SCORE];
        if registrar.is_some() {
            wanted.extend([PULUMI, PROVIDER]);
        }
        let found = Workshop::of(root)?.provide(&wanted)?;
        let tool = |name: &str| {
            found
                .get(name)
                .map(|found| found.path.clone())
                .unwrap_or_default()
        };
        let release = target(root).join("release");
        Ok(Self {
            helm: tool(HELM.name),
            kube_score: tool(KUBE_SCORE.name),
            pulumi: tool(PULUMI.name),
            provider: tool(PROVIDER.name),
            registrar,
            phoenix: release.join("phoenix"),
            policies: release.join("phoenix-policies"),
            host: release.join("pulumi-language-rust"),
            render: release.join("examples/render"),
            objects: release.join("examples/objects"),
            versions: versions(&wanted)?,
        })
    }
}

/// What is pinned or asked for, so that figures can be compared with those of another day.
fn versions(tools: &[Tool]) -> Result<BTreeMap<&'static str, String>> {
    let mut versions: BTreeMap<_, _> = tools
        .iter()
        .map(|tool| (tool.name, tool.version.to_owned()))
        .collect();
    for (name, question) in [("rustc", "--version"), ("go", "version")] {
        let answer = Command::new(name)
            .arg(question)
            .output()
            .with_context(|| format!("asking {name} for its version"))?;
        let words = String::from_utf8_lossy(&answer.stdout);
        let version = words.split_whitespace().find(|word| {
            word.trim_start_matches("go")
                .starts_with(|first: char| first.is_ascii_digit())
        });
        let version = version.unwrap_or("unknown").trim_start_matches("go");
        versions.insert(name, version.to_owned());
    }
    Ok(versions)
}

/// Builds the ideal program from the folder where it is kept, which is not written to.
fn build_registrar(module: &Path, folder: &Path) -> Result<PathBuf> {
    if !module.join("go.mod").is_file() {
        return Err(mistake(
            format!(
                "the ideal program, beside which the engine's rows are measured, is not in {}",
                module.display()
            ),
            "name its folder with --registrar, or leave these rows out with --only render",
        ));
    }
    say("building the ideal program");
    // The name by which the engine looks for a language host.
    let program = folder.join("registrar/pulumi-language-rust");
    let status = Command::new("go")
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(module)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .status()
        .context("running go")?;
    if !status.success() {
        bail!(
            "the ideal program could not be built from {} ({status})",
            module.display()
        );
    }
    Ok(program)
}

fn cargo(root: &Path, what: &[&str]) -> Result<()> {
    say(&format!("building {}", what.join(" ")));
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--locked"])
        .args(what);
    for (name, _) in std::env::vars_os() {
        // The cargo that runs us says of which package; build scripts watch that, and everything would be built again.
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_") && !KEPT.contains(&name))
        {
            cargo.env_remove(name);
        }
    }
    let status = cargo.stdin(Stdio::null()).status().context("running cargo")?;
    if !status.success() {
        bail!("cargo could not build {} ({status})", what.join(" "));
    }
    Ok(())
}

/// Cargo's variables that people set.
const KEPT: [&str; 3] = ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS"];

fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root.join(target),
        None => root.join("target"),
    }
}
