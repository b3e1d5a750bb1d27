//! A sandbox: the real engine, Kubernetes provider and control plane on loopback, for one stack.
//!
//! [`Sandbox::up`] finds or builds the tools, starts a control plane with simulated nodes, and lets Pulumi deploy the stack;
//! [`Sandbox::down`] removes everything. The checkout is not changed, sandboxes are independent of each other, and `down`
//! also cleans up after a crash. Nothing here knows a system of the platform.
//!
//! `state_dir` is the directory of a sandbox, `tools` its programs, `control_plane` starts them (`process`, `ports`, `keys`),
//! `objects` fills the cluster, `volumes` provisions claims, `project` and `engine` run Pulumi.

#![expect(
    clippy::disallowed_methods,
    reason = "the package is an edge: it runs programs, writes files and uses the network"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use phoenix_cluster::admin::Cluster;
use phoenix_manifests::yaml;
use phoenix_terminal::output::message;

mod control_plane;
mod engine;
mod keys;
mod objects;
mod ports;
mod process;
mod progress;
mod project;
mod secrets;
mod state_dir;
mod status;
pub mod tools;
mod volumes;
pub mod worker;

use control_plane::Boot;
use engine::Engine;
use progress::Step;
use state_dir::{Identity, StateDir};
pub use status::{Component, Status};
use tools::{Tool, ToolCache};

/// The stack of a sandbox for which none was given.
pub const DEFAULT_STACK: &str = "dev";

/// The sandbox to work on.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The name of the sandbox; by default that of its stack.
    pub name: Option<String>,
    /// The directory of the sandbox, instead of one in the user's state directory.
    pub dir: Option<PathBuf>,
}

/// How to start a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// The checkout.
    pub repository: PathBuf,
    /// The stack to deploy.
    pub stack: String,
    /// Which sandbox.
    pub place: Place,
    /// The program `phoenix-live`, which starts the others in sessions of their own and provisions volumes. Not always the
    /// current program: a test is another one.
    pub launcher: PathBuf,
    /// Whether to deploy the stack, or only start the control plane.
    pub deploy: bool,
}

/// An existing sandbox.
#[derive(Debug)]
pub struct Sandbox {
    state_dir: StateDir,
    identity: Identity,
}

impl Sandbox {
    /// Starts a sandbox, or brings an existing one to the requested state.
    pub fn up(options: &Options) -> Result<Self> {
        if options.deploy {
            engine::require_stack(&options.repository, &options.stack)?;
        }
        let state_dir = which(&options.place, Some(&options.stack))?;
        let lock = state_dir.lock()?;
        let identity = match state_dir.identity() {
            Some(known) if known.stack == options.stack => Identity {
                repository: options.repository.clone(),
                ..known
            },
            Some(known) => bail!(
                "the sandbox in {} is for the stack {}, not {}\nhint: use another name with --name",
                state_dir.directory().display(),
                known.stack,
                options.stack
            ),
            None => Identity {
                name: options.place.name.clone().unwrap_or_else(|| name_of(&state_dir)),
                stack: options.stack.clone(),
                repository: options.repository.clone(),
                ports: None,
                cluster_uid: None,
            },
        };
        state_dir.remember(&identity)?;
        let mut sandbox = Self { state_dir, identity };
        let cache = ToolCache::of(&options.repository)?;
        let found = cache.provide(&Self::tools(options.deploy))?;
        let stages = cache.files(&tools::STAGES)?;
        let mut definitions = Vec::new();
        for files in tools::DEFINITIONS {
            definitions.extend(cache.files(&files)?);
        }
        let boot = Boot {
            state_dir: &sandbox.state_dir,
            tools: &found,
            stages: &stages,
            launcher: &options.launcher,
        };
        let cluster = sandbox.running_cluster(&boot)?;
        sandbox.identity = sandbox.state_dir.identity().unwrap_or(sandbox.identity);
        sandbox.identity.cluster_uid = Some(cluster.uid()?);

        sandbox.state_dir.remember(&sandbox.identity)?;
        define(&cluster, &definitions)?;
        if options.deploy {
            let classes = objects::named_classes(&engine::configuration(&sandbox.identity)?);
            cluster
                .apply(&classes)
                .context("creating the storage classes of the stack")?;
            let engine = sandbox.prepared(&found)?;
            Engine::build(&sandbox.identity.repository)?;
            message(&format!("deploying the stack {}", sandbox.identity.stack));
            let status = engine.up()?;
            if !status.success() {
                bail!(
                    "Pulumi could not deploy the stack {} ({status})\n\
                     hint: fix the error and run `phoenix sandbox up` again; the control plane keeps running",
                    sandbox.identity.stack
                );
            }
            let pods = cluster.pods()?;
            message(&format!(
                "deployed: {} of {} pods are ready",
                pods.ready, pods.total
            ));
        }
        drop(lock);
        Ok(sandbox)
    }

    /// Opens an existing sandbox.
    pub fn open(place: &Place) -> Result<Self> {
        let state_dir = which(place, None)?;
        match state_dir.identity() {
            Some(identity) => Ok(Self { state_dir, identity }),
            None => bail!(
                "there is no sandbox in {}\nhint: phoenix sandbox up",
                state_dir.directory().display()
            ),
        }
    }

    /// The name of the sandbox.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// The directory with all of its files.
    pub fn directory(&self) -> &Path {
        self.state_dir.directory()
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state_dir.kubeconfig()
    }

    /// The name of the only context of its kubeconfig.
    pub fn context(&self) -> String {
        self.identity.context()
    }

    /// The directory in which Pulumi runs: a copy of the project.
    pub fn project(&self) -> PathBuf {
        self.state_dir.project()
    }

    /// The environment variables with which kubectl and pulumi use the sandbox.
    pub fn environment(&self) -> BTreeMap<&'static str, OsString> {
        engine::environment(&self.state_dir)
    }

    /// A connection to its API server.
    pub fn cluster(&self) -> Result<Cluster> {
        Cluster::connect(&self.state_dir.kubeconfig())
    }

    /// The status of each component.
    pub fn status(&self) -> Status {
        Status::of(&self.state_dir)
    }

    /// Stops the sandbox in this place and removes all of its files. Succeeds if there is none.
    pub fn down_at(place: &Place, stack: Option<&str>) -> Result<()> {
        down(&which(place, stack)?)
    }

    /// Stops every sandbox in the default directory.
    pub fn down_all() -> Result<()> {
        for name in StateDir::all()? {
            down(&StateDir::named(&name)?)?;
        }
        Ok(())
    }

    /// The status of the sandbox in this place, which may not exist.
    pub fn status_at(place: &Place, stack: Option<&str>) -> Result<Status> {
        Ok(Status::of(&which(place, stack)?))
    }

    /// Replaces this process with Pulumi on a fresh copy of the stack file; returns the error if that fails.
    pub fn become_pulumi(&self, arguments: &[OsString]) -> Result<anyhow::Error> {
        // No other command may rewrite the copy at the same time. Pulumi has a lock of its own.
        let lock = self.state_dir.lock()?;
        let engine = self.engine()?;
        drop(lock);
        Ok(engine.become_command(arguments))
    }

    /// The path of Pulumi if it is installed or was built before.
    pub fn installed_pulumi(&self) -> Result<Option<PathBuf>> {
        let cache = ToolCache::of(&self.identity.repository)?;
        Ok(cache.look(&tools::PULUMI)?.map(|found| found.path))
    }

    /// A Pulumi command on a fresh copy of the stack file, with that environment and in that directory.
    pub fn pulumi(&self, arguments: &[&str]) -> Result<std::process::Command> {
        Ok(self.engine()?.command(arguments))
    }

    /// Stops the sandbox and removes all of its files.
    pub fn down(self) -> Result<()> {
        down(&self.state_dir)
    }

    /// The programs of a sandbox, with or without Pulumi.
    pub fn tools(deploy: bool) -> Vec<Tool> {
        let engine = [tools::PULUMI, tools::PROVIDER];
        let engine = engine.into_iter().filter(|_| deploy);
        tools::CONTROL_PLANE.into_iter().chain(engine).collect()
    }

    /// The running cluster; if it is not running, it is started with its existing data.
    fn running_cluster(&self, boot: &Boot<'_>) -> Result<Cluster> {
        if control_plane::runs(&self.state_dir) {
            let cluster = self.cluster()?;
            if cluster.ready() {
                message("the control plane is already running");
                return Ok(cluster);
            }
        }
        process::stop(
            &process::records(&self.state_dir.processes()),
            self.state_dir.directory(),
        )?;
        let mut identity = self.identity.clone();
        control_plane::boot(boot, &mut identity)
    }

    fn engine(&self) -> Result<Engine<'_>> {
        let cache = ToolCache::of(&self.identity.repository)?;
        self.prepared(&cache.provide(&[tools::PULUMI, tools::PROVIDER])?)
    }

    fn prepared(&self, found: &BTreeMap<&'static str, tools::Found>) -> Result<Engine<'_>> {
        let keys: Vec<&str> = phoenix::config::secret::INVENTORY
            .iter()
            .map(|row| row.key)
            .collect();
        Engine::prepare(&self.state_dir, &self.identity, found, &keys)
    }
}

/// Stops the processes of a sandbox and removes its directory, also if it is incomplete.
fn down(state_dir: &StateDir) -> Result<()> {
    let shown = state_dir.directory().display().to_string();
    let lock = if state_dir.exists() {
        Some(state_dir.lock()?)
    } else {
        None
    };
    // The records in a directory that is not a sandbox are not of phoenix.
    let records = if lock.is_some() {
        process::records(&state_dir.processes())
    } else {
        Vec::new()
    };
    let ended = process::stop(&records, state_dir.directory())?;
    let stopped = format!("{} processes", ended.len());
    if let Some(lock) = lock {
        let others = state_dir.remove(lock)?;
        if others.is_empty() {
            message(&format!("stopped {stopped} and removed {shown}"));
        } else {
            message(&format!(
                "stopped {stopped} and removed the files of the sandbox from {shown}; what does not belong to it was kept: {}",
                others.join(", ")
            ));
        }
    } else if !ended.is_empty() {
        message(&format!(
            "stopped {stopped} of a sandbox whose directory {shown} no longer exists"
        ));
    } else {
        message(&format!("there is no sandbox in {shown}"));
    }
    Ok(())
}

/// Selects the sandbox: by directory or name, else that of the stack, else the only one.
fn which(place: &Place, stack: Option<&str>) -> Result<StateDir> {
    if let Some(directory) = &place.dir {
        return StateDir::at(directory);
    }
    if let Some(name) = place.name.as_deref().or(stack) {
        return StateDir::named(name);
    }
    match StateDir::all()?.as_slice() {
        [only] => StateDir::named(only),
        names if names.len() > 1 && !names.iter().any(|name| name == DEFAULT_STACK) => {
            bail!(
                "there are several sandboxes: {}\nhint: select one with --name",
                names.join(", ")
            )
        }
        _ => StateDir::named(DEFAULT_STACK),
    }
}

fn define(cluster: &Cluster, files: &[PathBuf]) -> Result<()> {
    let step = Step::begin("installing the custom resource definitions of Istio and the Prometheus Operator");
    let mut definitions = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let documents = yaml::read(&text).with_context(|| format!("parsing {}", file.display()))?;
        let values = documents.into_iter().map(|document| document.value);
        definitions.extend(values.filter(|value| !value.is_null()));
    }
    cluster.define(&definitions)?;
    step.done(&format!(
        "{} custom resource definitions are served",
        definitions.len()
    ));
    Ok(())
}

/// The name of a sandbox in a directory that the user chose. The name becomes a part of the kubeconfig's context, so characters
/// of the directory's name that are not allowed there are replaced.
fn name_of(state_dir: &StateDir) -> String {
    let name = state_dir
        .directory()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    name.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .collect()
}
