//! Builds a program with cargo: once for all hosts that run at the same time, and only if something has changed.
//!
//! The engine starts two hosts for each operation, and several operations may run at the same time. A lock file next to the
//! built program lets one host build while the others wait; a fingerprint (see [`crate::fingerprint`]) shows the others, and
//! later runs, that the build is up to date. This module does not know the purpose of the program.

use crate::environment::{self, Environment};
use crate::fingerprint::{self, Compiler, Record};
use crate::manifest::Manifest;
use crate::process::{Ending, Job, Output, Supervisor};
use anyhow::{Context as _, Result, anyhow, bail};
use cargo_metadata::Message;
use phoenix_terminal::cargo::{self, Exposed};
use phoenix_terminal::user_error::user_error;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Variables that change what cargo builds, in addition to those that begin with `CARGO_PROFILE_`.
const SETTINGS: &[&str] = &[
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// The interval at which a waiting host checks whether another build has finished.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The reason for a build.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Trigger {
    /// The program is about to run. Cargo is called only if an input has changed, prints only errors, and must not change
    /// the lock file, so that the committed versions are deployed.
    Run,
    /// `pulumi install`. Cargo is always called, prints its progress, and can update the lock file.
    Install,
}

/// A build of one binary of one package.
#[derive(Debug)]
pub struct Build<'a> {
    manifest: &'a Manifest,
    binary: String,
    profile: &'a str,
    environment: Environment,
    state: PathBuf,
}

impl<'a> Build<'a> {
    /// A build of the package's program with this Cargo profile.
    pub fn new(manifest: &'a Manifest, profile: &'a str) -> Result<Self> {
        Ok(Self::of(manifest, manifest.program()?, profile))
    }

    fn of(manifest: &'a Manifest, binary: String, profile: &'a str) -> Self {
        let environment = environment::for_cargo(std::env::vars_os());
        let set = |name: &str| {
            environment
                .get(OsString::from(name).as_os_str())
                .filter(|value| !value.is_empty())
        };
        // If a cargo configuration file sets another target folder, fingerprints are still stored here, which is harmless.
        let target = match set("CARGO_TARGET_DIR").or_else(|| set("CARGO_BUILD_TARGET_DIR")) {
            Some(target) => manifest.directory.join(target),
            None => manifest.workspace.join("target"),
        };
        Self {
            manifest,
            binary,
            profile,
            environment,
            state: target.join("pulumi"),
        }
    }

    /// The compiler of the last build, if there was one.
    pub fn compiler(&self) -> Option<Compiler> {
        fingerprint::last(&self.fingerprint()).map(|record| record.compiler)
    }

    /// The path of the program, which is built if necessary. Cargo's messages are written to `messages`.
    pub async fn executable(
        &self,
        supervisor: &Supervisor,
        trigger: Trigger,
        messages: &Output,
    ) -> Result<PathBuf> {
        let target = self.state.parent().unwrap_or(&self.state);
        if let Err(exposed) = cargo::check_target(target, None) {
            return Err(user_error(exposed.to_string(), Exposed::HINT));
        }
        let settings = self.settings();
        let fresh = || match trigger {
            Trigger::Run => fingerprint::fresh(&self.fingerprint(), &settings),
            Trigger::Install => None,
        };
        if let Some(record) = fresh() {
            return Ok(record.executable);
        }
        let _lock = self.lock(supervisor, messages).await?;
        if let Some(record) = fresh() {
            return Ok(record.executable);
        }
        self.build(supervisor, trigger, messages, settings)
            .await
            .with_context(|| {
                format!(
                    "building {} in {}",
                    self.binary,
                    self.manifest.directory.display()
                )
            })
    }

    async fn build(
        &self,
        supervisor: &Supervisor,
        trigger: Trigger,
        messages: &Output,
        settings: BTreeMap<String, String>,
    ) -> Result<PathBuf> {
        if trigger == Trigger::Run {
            print(
                messages,
                &format!("building {} (repeated only when its sources change)", self.binary),
            )
            .await;
        }
        let started = fingerprint::start(&self.fingerprint())?;
        let artifacts = self.cargo(supervisor, trigger, messages).await?;
        let compiler = self.query_compiler(supervisor).await?;
        let (inputs, absent) = self.inputs(&artifacts)?;
        let lock_file = self.manifest.workspace.join("Cargo.lock");
        let record = Record {
            executable: artifacts.executable,
            inputs,
            lock_file: fingerprint::modified(&lock_file).map(|time| (lock_file, time)),
            absent,
            settings,
            compiler,
        };
        started.finish(&self.fingerprint(), &record)?;
        Ok(record.executable)
    }

    async fn cargo(&self, supervisor: &Supervisor, trigger: Trigger, messages: &Output) -> Result<Artifacts> {
        let mut arguments = vec![
            "build",
            "--profile",
            self.profile,
            "--message-format=json-render-diagnostics",
            "--bin",
            &self.binary,
        ];
        if trigger == Trigger::Run {
            arguments.push("--quiet");
            if self.manifest.workspace.join("Cargo.lock").exists() {
                arguments.push("--locked");
            }
        }
        let job = self.job(cargo(&self.environment)?, &arguments);
        let (ending, output) = collect(supervisor, job, messages.clone()).await?;
        match ending {
            Ending::Exited(0) => self.artifacts(&output),
            Ending::Exited(code) if trigger == Trigger::Run => Err(user_error(
                format!("cargo failed with exit code {code}; see its messages above"),
                "fix the errors; if only the lock file is out of date, run `pulumi install`",
            )),
            Ending::Exited(code) => bail!("cargo failed with exit code {code}; see its messages above"),
            Ending::Killed(signal) => bail!("cargo was killed by signal {signal}"),
            Ending::Stopped => bail!("stopped because the operation was canceled"),
        }
    }

    /// Reads the built program and the packages it was built from in cargo's output.
    fn artifacts(&self, output: &[u8]) -> Result<Artifacts> {
        let own = self.manifest.path();
        let mut executable = None;
        let mut manifests = BTreeSet::new();
        let mut generated = Vec::new();
        for message in Message::parse_stream(output) {
            match message.context("reading the output of cargo")? {
                Message::CompilerArtifact(artifact) => {
                    let manifest = PathBuf::from(&artifact.manifest_path);
                    let built = artifact
                        .executable
                        .filter(|_| artifact.target.name == self.binary);
                    if built.is_some() && same_file(&manifest, &own) {
                        executable = built.map(PathBuf::from);
                    }
                    // Packages from a registry or a repository never change.
                    if artifact.package_id.repr.starts_with("path+") {
                        manifests.insert(manifest);
                    }
                }
                Message::BuildScriptExecuted(script) => generated.push(script.out_dir.into()),
                _ => (),
            }
        }
        let executable = executable.ok_or_else(|| {
            user_error(
                format!(
                    "cargo built no binary named {} in the package {}",
                    self.binary,
                    self.manifest.name()
                ),
                "correct `default-run` or the `[[bin]]` sections in Cargo.toml",
            )
        })?;
        Ok(Artifacts {
            executable,
            manifests,
            generated,
        })
    }

    /// The input files, and the files that must not exist.
    fn inputs(&self, artifacts: &Artifacts) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let mut dep_info = artifacts.executable.clone().into_os_string();
        dep_info.push(".d");
        let profile = artifacts.executable.parent().unwrap_or(&artifacts.executable);
        let is_generated = |path: &Path| {
            path.starts_with(profile) || artifacts.generated.iter().any(|folder| path.starts_with(folder))
        };
        let mut watched: BTreeSet<PathBuf> = cargo::sources(Path::new(&dep_info))
            .with_context(|| format!("reading {}", Path::new(&dep_info).display()))?
            .into_iter()
            .map(|path| self.manifest.directory.join(path))
            .filter(|path| !is_generated(path))
            .collect();
        watched.extend(artifacts.manifests.iter().cloned());
        watched.insert(self.manifest.path());
        watched.insert(self.manifest.workspace.join("Cargo.toml"));
        let configuration = self.configuration_files();
        let (present, absent): (Vec<_>, Vec<_>) = configuration.into_iter().partition(|path| path.exists());
        watched.extend(present);
        Ok((watched.into_iter().collect(), absent))
    }

    /// The files that configure cargo and rustup, in the folder of the package and all folders above.
    fn configuration_files(&self) -> Vec<PathBuf> {
        let names = [
            "rust-toolchain.toml",
            "rust-toolchain",
            ".cargo/config.toml",
            ".cargo/config",
        ];
        let above = self
            .manifest
            .directory
            .ancestors()
            .flat_map(|folder| names.map(|name| folder.join(name)));
        above.collect()
    }

    async fn query_compiler(&self, supervisor: &Supervisor) -> Result<Compiler> {
        query_compiler(supervisor, &self.environment, &self.manifest.directory).await
    }

    fn job(&self, program: PathBuf, arguments: &[&str]) -> Job {
        Job {
            program,
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: self.environment.clone(),
            directory: self.manifest.directory.clone(),
        }
    }

    async fn lock(&self, supervisor: &Supervisor, messages: &Output) -> Result<File> {
        let path = self.state.join(format!("{}.lock", self.id()));
        let open = || -> std::io::Result<File> {
            fs::create_dir_all(&self.state)?;
            File::create(&path)
        };
        let file = open()
            .map_err(|error| anyhow!(error))
            .with_context(|| format!("opening the lock {}", path.display()))?;
        let mut reported = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if supervisor.is_stopping() => {
                    bail!("stopped while waiting for another build of {}", self.binary)
                }
                Err(TryLockError::WouldBlock) => {
                    if !reported {
                        print(messages, &format!("waiting for another build of {}", self.binary)).await;
                        reported = true;
                    }
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("taking the lock {}", path.display()));
                }
            }
        }
    }

    fn fingerprint(&self) -> PathBuf {
        self.state.join(format!("{}.json", self.id()))
    }

    /// The name of this build's own files.
    fn id(&self) -> String {
        format!("{}-{}-{}", self.manifest.name(), self.binary, self.profile)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let is_relevant = |name: &str| SETTINGS.contains(&name) || name.starts_with("CARGO_PROFILE_");
        self.environment
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .filter(|(name, _)| is_relevant(name))
            .collect()
    }
}

/// The result of a build.
#[derive(Debug)]
struct Artifacts {
    executable: PathBuf,
    manifests: BTreeSet<PathBuf>,
    /// The output folders of build scripts. Files in them are newer than the start of the build and are not inputs.
    generated: Vec<PathBuf>,
}

/// The path of cargo.
pub fn cargo(environment: &Environment) -> Result<PathBuf> {
    find(environment, "cargo").ok_or_else(|| {
        user_error(
            "the program must be built, but cargo is not on PATH",
            "install the Rust toolchain with rustup, or set `runtime.options.binary` to a prebuilt program",
        )
    })
}

/// The compiler that cargo uses in this folder, from `rustc -vV`.
pub async fn query_compiler(
    supervisor: &Supervisor,
    environment: &Environment,
    directory: &Path,
) -> Result<Compiler> {
    let rustc = find(environment, "rustc")
        .ok_or_else(|| user_error("rustc is not on PATH", "install the Rust toolchain with rustup"))?;
    let query = async |arguments: &[&str]| {
        let job = Job {
            program: rustc.clone(),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment.clone(),
            directory: directory.to_owned(),
        };
        let (ending, output) = collect(supervisor, job, Output::Inherit).await?;
        if ending != Ending::Exited(0) {
            bail!("cannot read the version of rustc");
        }
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    };
    let version = query(&["-vV"]).await?;
    let field = |key: &str| {
        version
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    // `rustc` on PATH can be a proxy of rustup. The compiler itself is in its sysroot.
    let real = Path::new(&query(&["--print", "sysroot"]).await?).join("bin/rustc");
    let executable = if real.exists() { real } else { rustc.clone() };
    Ok(Compiler {
        executable,
        version: field("release:"),
        host: field("host:"),
    })
}

/// Looks up a program on the PATH of this environment.
pub fn find(environment: &Environment, name: &str) -> Option<PathBuf> {
    let path = environment.get(OsString::from("PATH").as_os_str())?;
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|path| fingerprint::is_program(path))
}

/// Runs a process to its end and returns its stdout.
pub async fn collect(supervisor: &Supervisor, job: Job, stderr: Output) -> Result<(Ending, Vec<u8>)> {
    let (sender, mut chunks) = mpsc::channel(16);
    let gather = async {
        let mut all = Vec::new();
        while let Some(piece) = chunks.recv().await {
            all.extend(piece);
        }
        all
    };
    let run = supervisor.run(job, Output::Chunks(sender), stderr, std::future::pending());
    let (ending, all) = tokio::join!(run, gather);
    Ok((ending?, all))
}

async fn print(messages: &Output, text: &str) {
    match messages {
        Output::Inherit => eprintln!("{text}"),
        // If the receiver is gone, the message is dropped.
        Output::Chunks(chunks) => drop(chunks.send(format!("{text}\n").into_bytes()).await),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
