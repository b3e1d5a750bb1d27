//! Builds a program with cargo: once, however many hosts are started, and not at all when nothing has changed.
//!
//! The engine starts two hosts at every operation, and people start several operations. A lock beside the built
//! program makes one of them build while the others wait; a stamp (see [`crate::stamp`]) tells the others, and every
//! later start, that there is nothing to do. It does not know what the program is for.

use crate::environment::{self, Environment};
use crate::manifest::Manifest;
use crate::mistake::mistake;
use crate::process::{Ending, Job, Output, Supervisor};
use crate::stamp::{self, Compiler, Record};
use anyhow::{Context as _, Result, anyhow, bail};
use cargo_metadata::Message;
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

/// How often a host that waits for the build of another looks whether it is done.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The occasion of a build.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Occasion {
    /// The program is about to run. Cargo is asked only if something has changed, says only what is wrong, and may not
    /// alter the lock file: what is deployed is what was committed.
    Run,
    /// Somebody asked for it. Cargo is always asked, says what it does, and may complete the lock file.
    Install,
}

/// Builds one binary of one package.
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
        // Where a configuration file moves the target folder our notes still lie here, which does no harm.
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

    /// The compiler of the last build, if it is known.
    pub fn compiler(&self) -> Option<Compiler> {
        stamp::last(&self.stamp()).map(|record| record.compiler)
    }

    /// The path of the built program; builds it if need be. What cargo says goes to `talk`.
    pub async fn executable(
        &self,
        supervisor: &Supervisor,
        occasion: Occasion,
        talk: &Output,
    ) -> Result<PathBuf> {
        let settings = self.settings();
        let fresh = || match occasion {
            Occasion::Run => stamp::fresh(&self.stamp(), &settings),
            Occasion::Install => None,
        };
        if let Some(record) = fresh() {
            return Ok(record.executable);
        }
        let _lock = self.lock(supervisor, talk).await?;
        if let Some(record) = fresh() {
            return Ok(record.executable);
        }
        self.build(supervisor, occasion, talk, settings)
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
        occasion: Occasion,
        talk: &Output,
        settings: BTreeMap<String, String>,
    ) -> Result<PathBuf> {
        if occasion == Occasion::Run {
            say(
                talk,
                &format!("building {} (again only when its sources change)", self.binary),
            )
            .await;
        }
        let started = stamp::start(&self.stamp())?;
        let artifacts = self.cargo(supervisor, occasion, talk).await?;
        let compiler = self.ask_compiler(supervisor).await?;
        let (inputs, absent) = self.inputs(&artifacts)?;
        let lock_file = self.manifest.workspace.join("Cargo.lock");
        let record = Record {
            executable: artifacts.executable,
            inputs,
            lock_file: stamp::modified(&lock_file).map(|time| (lock_file, time)),
            absent,
            settings,
            compiler,
        };
        started.finish(&self.stamp(), &record)?;
        Ok(record.executable)
    }

    async fn cargo(&self, supervisor: &Supervisor, occasion: Occasion, talk: &Output) -> Result<Artifacts> {
        let mut arguments = vec![
            "build",
            "--profile",
            self.profile,
            "--message-format=json-render-diagnostics",
            "--bin",
            &self.binary,
        ];
        if occasion == Occasion::Run {
            arguments.push("--quiet");
            if self.manifest.workspace.join("Cargo.lock").exists() {
                arguments.push("--locked");
            }
        }
        let job = self.job(cargo(&self.environment)?, &arguments);
        let (ending, messages) = collect(supervisor, job, talk.clone()).await?;
        match ending {
            Ending::Exited(0) => self.artifacts(&messages),
            Ending::Exited(code) if occasion == Occasion::Run => Err(mistake(
                format!("cargo failed with code {code}; its messages stand above"),
                "repair the program; if only the lock file is out of date, `pulumi install` brings it up to date",
            )),
            Ending::Exited(code) => bail!("cargo failed with code {code}; its messages stand above"),
            Ending::Killed(signal) => bail!("cargo was killed by signal {signal}"),
            Ending::Stopped => bail!("stopped, because the operation was cancelled"),
        }
    }

    /// What cargo's messages tell of the program and of the packages it was made from.
    fn artifacts(&self, messages: &[u8]) -> Result<Artifacts> {
        let own = self.manifest.path();
        let mut executable = None;
        let mut manifests = BTreeSet::new();
        let mut made = Vec::new();
        for message in Message::parse_stream(messages) {
            match message.context("reading what cargo says of the build")? {
                Message::CompilerArtifact(artifact) => {
                    let manifest = PathBuf::from(&artifact.manifest_path);
                    let built = artifact
                        .executable
                        .filter(|_| artifact.target.name == self.binary);
                    if built.is_some() && same_file(&manifest, &own) {
                        executable = built.map(PathBuf::from);
                    }
                    // Others come from a registry or a repository, and never change.
                    if artifact.package_id.repr.starts_with("path+") {
                        manifests.insert(manifest);
                    }
                }
                Message::BuildScriptExecuted(script) => made.push(script.out_dir.into()),
                _ => (),
            }
        }
        let executable = executable.ok_or_else(|| {
            mistake(
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
            made,
        })
    }

    /// The files to watch, and those that must stay absent.
    fn inputs(&self, artifacts: &Artifacts) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let mut dep_info = artifacts.executable.clone().into_os_string();
        dep_info.push(".d");
        let profile = artifacts.executable.parent().unwrap_or(&artifacts.executable);
        let is_made = |path: &Path| {
            path.starts_with(profile) || artifacts.made.iter().any(|made| path.starts_with(made))
        };
        let mut watched: BTreeSet<PathBuf> = stamp::read_dep_info(Path::new(&dep_info))?
            .into_iter()
            .map(|path| self.manifest.directory.join(path))
            .filter(|path| !is_made(path))
            .collect();
        watched.extend(artifacts.manifests.iter().cloned());
        watched.insert(self.manifest.path());
        watched.insert(self.manifest.workspace.join("Cargo.toml"));
        let steering = self.steering();
        let (present, absent): (Vec<_>, Vec<_>) = steering.into_iter().partition(|path| path.exists());
        watched.extend(present);
        Ok((watched.into_iter().collect(), absent))
    }

    /// The files that steer cargo and rustup, from the program's folder upwards.
    fn steering(&self) -> Vec<PathBuf> {
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

    async fn ask_compiler(&self, supervisor: &Supervisor) -> Result<Compiler> {
        ask_compiler(supervisor, &self.environment, &self.manifest.directory).await
    }

    fn job(&self, program: PathBuf, arguments: &[&str]) -> Job {
        Job {
            program,
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: self.environment.clone(),
            directory: self.manifest.directory.clone(),
        }
    }

    async fn lock(&self, supervisor: &Supervisor, talk: &Output) -> Result<File> {
        let path = self.state.join(format!("{}.lock", self.id()));
        let open = || -> std::io::Result<File> {
            fs::create_dir_all(&self.state)?;
            File::create(&path)
        };
        let file = open()
            .map_err(|error| anyhow!(error))
            .with_context(|| format!("opening the lock {}", path.display()))?;
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if supervisor.is_stopping() => {
                    bail!("stopped while waiting for another build of {}", self.binary)
                }
                Err(TryLockError::WouldBlock) => {
                    if !said {
                        say(talk, &format!("waiting for another build of {}", self.binary)).await;
                        said = true;
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("taking the lock {}", path.display()));
                }
            }
        }
    }

    fn stamp(&self) -> PathBuf {
        self.state.join(format!("{}.json", self.id()))
    }

    /// The name of this build's own files.
    fn id(&self) -> String {
        format!("{}-{}-{}", self.manifest.name(), self.binary, self.profile)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let steers = |name: &str| SETTINGS.contains(&name) || name.starts_with("CARGO_PROFILE_");
        self.environment
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .filter(|(name, _)| steers(name))
            .collect()
    }
}

/// What a build made, and from which packages.
#[derive(Debug)]
struct Artifacts {
    executable: PathBuf,
    manifests: BTreeSet<PathBuf>,
    /// Folders that build scripts wrote into: younger than the build's start, and no sources.
    made: Vec<PathBuf>,
}

/// The path of cargo.
pub fn cargo(environment: &Environment) -> Result<PathBuf> {
    find(environment, "cargo").ok_or_else(|| {
        mistake(
            "cargo is not on PATH, and the program has to be built",
            "install the Rust toolchain with rustup, or name a built program in `runtime.options.binary`",
        )
    })
}

/// The compiler that cargo uses in this folder, in its own words.
pub async fn ask_compiler(
    supervisor: &Supervisor,
    environment: &Environment,
    directory: &Path,
) -> Result<Compiler> {
    let rustc = find(environment, "rustc")
        .ok_or_else(|| mistake("rustc is not on PATH", "install the Rust toolchain with rustup"))?;
    let ask = async |arguments: &[&str]| {
        let job = Job {
            program: rustc.clone(),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment.clone(),
            directory: directory.to_owned(),
        };
        let (ending, answer) = collect(supervisor, job, Output::Inherit).await?;
        if ending != Ending::Exited(0) {
            bail!("rustc did not say which one it is");
        }
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    };
    let words = ask(&["-vV"]).await?;
    let word = |key: &str| {
        words
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    // Behind a proxy of rustup's, the compiler itself lies in its sysroot.
    let real = Path::new(&ask(&["--print", "sysroot"]).await?).join("bin/rustc");
    let executable = if real.exists() { real } else { rustc.clone() };
    Ok(Compiler {
        executable,
        version: word("release:"),
        host: word("host:"),
    })
}

/// A program on the PATH of this environment.
pub fn find(environment: &Environment, name: &str) -> Option<PathBuf> {
    let path = environment.get(OsString::from("PATH").as_os_str())?;
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|path| stamp::is_program(path))
}

/// Runs to the end and gives back what came on stdout.
pub async fn collect(supervisor: &Supervisor, job: Job, stderr: Output) -> Result<(Ending, Vec<u8>)> {
    let (sender, mut pieces) = mpsc::channel(16);
    let gather = async {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.extend(piece);
        }
        all
    };
    let run = supervisor.run(job, Output::Pieces(sender), stderr, std::future::pending());
    let (ending, all) = tokio::join!(run, gather);
    Ok((ending?, all))
}

async fn say(talk: &Output, text: &str) {
    match talk {
        Output::Inherit => eprintln!("{text}"),
        // Nobody listens any more: nothing to be said.
        Output::Pieces(pieces) => drop(pieces.send(format!("{text}\n").into_bytes()).await),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
