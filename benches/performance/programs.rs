//! The measured programs: ours, built by cargo with the release profile, and the others, built by Go from pinned modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use phoenix_sandbox::tools::{HELM, KUBE_SCORE, PROVIDER, PULUMI, Tool, ToolCache};
use phoenix_terminal::user_error::user_error;

use crate::progress;

/// The measured programs.
#[derive(Debug)]
pub struct Programs {
    /// Helm.
    pub helm: PathBuf,
    /// kube-score, which checks manifests.
    pub kube_score: PathBuf,
    /// The Pulumi engine; empty if the engine is not measured.
    pub pulumi: PathBuf,
    /// The Kubernetes provider; empty if the engine is not measured.
    pub provider: PathBuf,
    /// The ideal program, if it is measured.
    pub registrar: Option<PathBuf>,
    /// The `phoenix` command.
    pub phoenix: PathBuf,
    /// `phoenix-live`, which starts the processes of the sandbox.
    pub live: PathBuf,
    /// The policy pack.
    pub policies: PathBuf,
    /// The language host.
    pub host: PathBuf,
    /// A program that renders the objects it reads, using `crates/graph` only.
    pub render: PathBuf,
    /// A program that registers the objects it reads, using `crates/pulumi` only.
    pub objects: PathBuf,
    /// The versions of the other programs, by name.
    pub versions: BTreeMap<&'static str, String>,
}

impl Programs {
    /// Builds the programs that are missing. `registrar` is the folder of the ideal program's Go module.
    pub fn build(root: &Path, folder: &Path, engine: bool, registrar: Option<&Path>) -> Result<Self> {
        let registrar = registrar
            .map(|module| build_registrar(module, folder))
            .transpose()?;
        cargo(root, &["--package", "pulumi-language-rust"])?;
        cargo(root, &["--package", "phoenix-cli"])?;
        cargo(root, &["--package", "phoenix-live"])?;
        cargo(root, &["--package", "phoenix-analyzer"])?;
        cargo(root, &["--package", "phoenix-graph", "--example", "render"])?;
        cargo(root, &["--package", "pulumi-wire", "--example", "objects"])?;
        let mut wanted = vec![HELM, KUBE_SCORE];
        if engine {
            wanted.extend([PULUMI, PROVIDER]);
        }
        let found = ToolCache::of(root)?.provide(&wanted)?;
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
            live: release.join("phoenix-live"),
            policies: release.join("phoenix-policies"),
            host: release.join("pulumi-language-rust"),
            render: release.join("examples/render"),
            objects: release.join("examples/objects"),
            versions: versions(&wanted)?,
        })
    }
}

/// The pinned versions and those of the compilers, so that figures of different days can be compared.
fn versions(tools: &[Tool]) -> Result<BTreeMap<&'static str, String>> {
    let mut versions: BTreeMap<_, _> = tools
        .iter()
        .map(|tool| (tool.name, tool.version.to_owned()))
        .collect();
    for (name, argument) in [("rustc", "--version"), ("go", "version")] {
        let output = Command::new(name)
            .arg(argument)
            .output()
            .with_context(|| format!("running {name} {argument}"))?;
        let words = String::from_utf8_lossy(&output.stdout);
        let version = words.split_whitespace().find(|word| {
            word.trim_start_matches("go")
                .starts_with(|first: char| first.is_ascii_digit())
        });
        let version = version.unwrap_or("unknown").trim_start_matches("go");
        versions.insert(name, version.to_owned());
    }
    Ok(versions)
}

/// Builds the ideal program. Does not write to the folder of its module.
fn build_registrar(module: &Path, folder: &Path) -> Result<PathBuf> {
    if !module.join("go.mod").is_file() {
        return Err(user_error(
            format!(
                "the ideal program is not in {}: there is no go.mod",
                module.display()
            ),
            "pass the folder of its Go module with --registrar, or leave out the option and the rows that need it",
        ));
    }
    progress("building the ideal program");
    // The engine looks for a language host by this name.
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
            "cannot build the ideal program in {} ({status})",
            module.display()
        );
    }
    Ok(program)
}

fn cargo(root: &Path, what: &[&str]) -> Result<()> {
    progress(&format!("building {}", what.join(" ")));
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--locked"])
        .args(what);
    for (name, _) in std::env::vars_os() {
        // The variables that `cargo run` sets would make build scripts run again, and everything that depends on them.
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_") && !KEPT.contains(&name))
        {
            cargo.env_remove(name);
        }
    }
    let status = cargo.stdin(Stdio::null()).status().context("running cargo")?;
    if !status.success() {
        bail!("cargo build {} failed ({status})", what.join(" "));
    }
    Ok(())
}

/// Variables of cargo that users set.
const KEPT: [&str; 3] = ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS"];

fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root.join(target),
        None => root.join("target"),
    }
}
