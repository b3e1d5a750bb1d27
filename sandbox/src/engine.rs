//! The real engine, in a world of its own: its home, its state, its passphrase, its copy of the project.
//!
//! Promises: nothing is written into the checkout, into the person's own Pulumi home or to any cloud.
//! Secrets reach the engine through a pipe, never on a command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::home::{Home, Identity, make_private, write_private};
use super::process::{self, MARK};
use super::talk::{Step, say};
use super::tools::{Found, Origin, PROVIDER, PROVIDER_VERSION, PULUMI};
use super::{project, secrets};
use phoenix_manifests::yaml;

/// What the engine's environment is, besides the person's own.
///
/// It holds no mark: these lines may be put into a shell, and the shell's children are nobody's to end.
pub fn environment(home: &Home) -> BTreeMap<&'static str, OsString> {
    let mut backend = OsString::from("file://");
    backend.push(home.state());
    // Beside each file the backend would write one of metadata, in two steps: an engine killed between them leaves a
    // state that no engine can read.
    backend.push("?metadata=skip");
    BTreeMap::from([
        ("KUBECONFIG", home.kubeconfig().into()),
        ("PULUMI_BACKEND_URL", backend),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", home.passphrase().into()),
        ("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "1".into()),
        ("PULUMI_HOME", home.pulumi().into()),
        ("PULUMI_SKIP_UPDATE_CHECK", "1".into()),
    ])
}

/// The engine, ready to work on one sandbox's stack.
#[derive(Debug)]
pub struct Engine<'a> {
    home: &'a Home,
    program: PathBuf,
}

impl<'a> Engine<'a> {
    /// Makes the engine's world, or refreshes it: plugins, passphrase, copies, stack, secrets.
    pub fn prepare(
        home: &'a Home,
        identity: &Identity,
        tools: &BTreeMap<&'static str, Found>,
        secret_keys: &[&str],
    ) -> Result<Self> {
        let step = Step::begin(&format!("preparing a copy of the stack {}", identity.stack));
        for directory in [home.project(), home.pulumi(), home.state()] {
            make_private(&directory)?;
        }
        let program = tool(tools, PULUMI.name)?;
        install_provider(home, tools)?;
        if !home.passphrase().exists() {
            write_private(
                &home.passphrase(),
                secrets::invent("passphrase")?.expose().as_bytes(),
            )?;
        }
        let stack = copy_project(home, identity)?;
        remove_stale_locks(home)?;
        let engine = Self { home, program };
        engine.quietly(&["stack", "select", "--create", &identity.stack], None)?;
        for name in project::unsealed(&stack, secret_keys) {
            let value = secrets::invent(name)?;
            let arguments = [
                "config",
                "set",
                "--secret",
                "--stack",
                &identity.stack,
                &project::key(name),
            ];
            engine.quietly(&arguments, Some(value.expose()))?;
        }
        step.done(&format!("the copy is in {}", home.project().display()));
        Ok(engine)
    }

    /// A command of the engine in the copy of the project, marked as this sandbox's.
    pub fn command<Argument: AsRef<OsStr>>(&self, arguments: &[Argument]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.home.project());
        // The person's own Pulumi must not leak in: neither a token nor a default stack nor a passphrase.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("PULUMI_") || is_of_outer_cargo(name))
            {
                command.env_remove(name);
            }
        }
        command
            .envs(environment(self.home))
            .env(MARK, self.home.directory());
        command
    }

    /// Becomes the engine; returns only when that fails. Signals and the exit code are the engine's own.
    pub fn become_command(&self, arguments: &[OsString]) -> anyhow::Error {
        let error = self.command(arguments).exec();
        anyhow!(error).context(format!("running {}", self.program.display()))
    }

    /// Builds the program and its language host where they are not, with cargo's own progress. The engine would have
    /// it done as well, but silently, for minutes.
    ///
    /// The commands are the launcher's and the host's own: others would build the crates with other features, twice.
    pub fn build(checkout: &Path) -> Result<()> {
        for what in [
            ["--package", "pulumi-language-rust"],
            ["--package", "phoenix-program"],
        ] {
            let mut cargo = Command::new("cargo");
            cargo.current_dir(checkout).args(["build", "--locked"]).args(what);
            for (name, _) in std::env::vars_os() {
                if name.to_str().is_some_and(is_of_outer_cargo) {
                    cargo.env_remove(name);
                }
            }
            let status = cargo
                .stdin(Stdio::null())
                .stdout(std::io::stderr())
                .status()
                .context("running cargo")?;
            if !status.success() {
                bail!(
                    "{} could not be built from {} ({status})",
                    what[1],
                    checkout.display()
                );
            }
        }
        Ok(())
    }

    /// Deploys the stack, telling on stderr what the engine tells. A first Ctrl-C is the engine's: it stops
    /// in order, and we wait for it.
    pub fn up(&self) -> Result<ExitStatus> {
        let mut command = self.command(&["up", "--yes", "--skip-preview"]);
        if !std::io::stderr().is_terminal() {
            // A line a change of state is enough; the dots in between say nothing in a log.
            command.args(["--non-interactive", "--suppress-progress"]);
        }
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting a runtime to wait for the engine")?;
        runtime.block_on(async {
            let mut child = tokio::process::Command::from(command)
                .spawn()
                .with_context(|| format!("running {}", self.program.display()))?;
            loop {
                tokio::select! {
                    status = child.wait() => return status.context("waiting for the engine"),
                    _ = tokio::signal::ctrl_c() => say("interrupted; waiting for the engine to stop in order"),
                }
            }
        })
    }

    /// Runs a command whose output matters only when it fails.
    fn quietly(&self, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let shown = format!("pulumi {}", arguments.join(" "));
        let mut child = self
            .command(arguments)
            .arg("--non-interactive")
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("running {shown}"))?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes())
                .with_context(|| format!("writing to {shown}"))?;
        }
        let output = child
            .wait_with_output()
            .with_context(|| format!("waiting for {shown}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{shown} failed ({}): {}", output.status, words.trim());
        }
        Ok(())
    }
}

/// Whether an outer `cargo run` has set this variable to tell of the package that it runs. Build scripts watch them, so
/// with them everything would be built again for each way in which we are started.
fn is_of_outer_cargo(name: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_NAME",
        "CARGO_BIN_",
        "CARGO_PRIMARY_PACKAGE",
    ]
    .iter()
    .any(|beginning| name.starts_with(beginning))
}

/// Writes the copies of the project and of the stack file, and returns the latter.
fn copy_project(home: &Home, identity: &Identity) -> Result<Map<String, Value>> {
    let checkout = &identity.repository;
    let original = read(&checkout.join("Pulumi.yaml"))?;
    let source = project::stack_file(&original, checkout, &identity.stack);
    must_exist(checkout, &identity.stack)?;
    let target = home.project().join(format!("Pulumi.{}.yaml", identity.stack));
    let earlier = if target.exists() {
        Some(read(&target)?)
    } else {
        None
    };
    let stack = project::stack(
        read(&source)?,
        &identity.context(),
        identity.cluster_uid.as_deref(),
        earlier.as_ref(),
    );
    let copy = project::project(original, checkout);
    write(&home.project().join("Pulumi.yaml"), copy)?;
    write(&target, stack.clone())?;
    Ok(stack)
}

/// Refuses a stack that the checkout does not have, before anything is started for it.
pub fn must_exist(checkout: &Path, stack: &str) -> Result<()> {
    let source = project::stack_file(&read(&checkout.join("Pulumi.yaml"))?, checkout, stack);
    if source.is_file() {
        return Ok(());
    }
    let known = stacks_beside(&source);
    bail!(
        "there is no stack {stack}: {} does not exist\nhint: there is {known}",
        source.display()
    )
}

/// The configuration of the stack in the checkout, for what has to exist before it is deployed.
pub fn configuration(identity: &Identity) -> Result<Value> {
    let checkout = &identity.repository;
    let project = read(&checkout.join("Pulumi.yaml"))?;
    let source = project::stack_file(&project, checkout, &identity.stack);
    let mut stack = if source.is_file() {
        read(&source)?
    } else {
        Map::new()
    };
    Ok(stack.remove("config").unwrap_or_default())
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let documents = yaml::read(&text).with_context(|| format!("understanding {}", path.display()))?;
    match documents.into_iter().next().map(|document| document.value) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => bail!("{} is not a mapping of keys to values", path.display()),
    }
}

fn write(path: &Path, fields: Map<String, Value>) -> Result<()> {
    write_private(
        path,
        phoenix_graph::yaml::to_string(&Value::Object(fields)).as_bytes(),
    )
}

fn stacks_beside(file: &Path) -> String {
    let entries = file
        .parent()
        .and_then(|folder| fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("Pulumi.")?.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    if names.is_empty() {
        "none yet".to_owned()
    } else {
        names.join(", ")
    }
}

/// Puts the provider where the engine looks for a plugin of this version.
fn install_provider(home: &Home, tools: &BTreeMap<&'static str, Found>) -> Result<()> {
    let provider = tools
        .get(PROVIDER.name)
        .with_context(|| format!("{} was not provided", PROVIDER.name))?;
    let folder = home
        .pulumi()
        .join(format!("plugins/resource-kubernetes-v{PROVIDER_VERSION}"));
    make_private(&folder)?;
    link(&provider.path, &folder.join(PROVIDER.name))?;
    if provider.origin == Origin::Installed {
        say(&format!(
            "using the Kubernetes provider that is installed: {}",
            provider.path.display()
        ));
    }
    Ok(())
}

/// Removes the lock of an engine that was killed, which would refuse every later one. Where any process
/// of the sandbox runs besides its components it may be an engine at work, and its lock stays; so it does
/// where such processes cannot be seen.
fn remove_stale_locks(home: &Home) -> Result<()> {
    let locks = home.state().join(".pulumi/locks");
    if !cfg!(target_os = "linux") || !locks.exists() {
        return Ok(());
    }
    let components: Vec<i32> = process::records(&home.processes())
        .iter()
        .map(|record| record.pid)
        .collect();
    let is_component = |pid: &i32| components.contains(pid);
    if process::marked(home.directory()).iter().all(is_component) {
        fs::remove_dir_all(&locks).with_context(|| format!("removing {}", locks.display()))?;
    }
    Ok(())
}

fn link(target: &Path, name: &Path) -> Result<()> {
    match fs::remove_file(name) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("replacing {}", name.display()));
        }
        _ => {}
    }
    std::os::unix::fs::symlink(target, name).with_context(|| format!("linking {}", name.display()))
}

fn tool(tools: &BTreeMap<&'static str, Found>, name: &str) -> Result<PathBuf> {
    tools
        .get(name)
        .map(|found| found.path.clone())
        .with_context(|| format!("{name} was not provided"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(directory: &Path) -> (Home, Identity) {
        let home = Home::at(&directory.join("sandbox")).expect("a home");
        make_private(&home.project()).expect("made");
        let repository = directory.join("checkout");
        fs::create_dir_all(repository.join("stacks")).expect("made");
        let project = "name: phoenix\nruntime: rust\nstackConfigDir: stacks\n";
        fs::write(repository.join("Pulumi.yaml"), project).expect("written");
        let stack = "environment: [phoenix/dev]\nconfig:\n  phoenix:stack: dev\n";
        fs::write(repository.join("stacks/Pulumi.dev.yaml"), stack).expect("written");
        let identity = Identity {
            name: "dev".into(),
            stack: "dev".into(),
            repository,
            ports: None,
            cluster_uid: None,
        };
        (home, identity)
    }

    #[test]
    fn the_copy_is_written_and_the_checkout_is_not() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (home, identity) = sandbox(directory.path());
        let before = fs::read(identity.repository.join("stacks/Pulumi.dev.yaml")).expect("read");
        copy_project(&home, &identity).expect("copied");
        let after = fs::read(identity.repository.join("stacks/Pulumi.dev.yaml")).expect("read");
        assert_eq!(before, after);
        let copy = read(&home.project().join("Pulumi.dev.yaml")).expect("read back");
        assert_eq!(
            copy["config"]["phoenix:cluster"]["context"],
            "phoenix-sandbox-dev"
        );
        assert_eq!(copy["config"]["phoenix:stack"], "dev");
        assert_eq!(copy.get("environment"), None);
    }

    #[test]
    fn an_unknown_stack_is_answered_with_the_known_ones() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (home, mut identity) = sandbox(directory.path());
        identity.stack = "production".into();
        let error = copy_project(&home, &identity).expect_err("unknown").to_string();
        assert!(error.contains("there is no stack production"), "{error}");
        assert!(error.contains("hint: there is dev"), "{error}");
    }

    #[test]
    fn the_engine_reaches_no_cloud_and_inherits_no_settings() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (home, _) = sandbox(directory.path());
        let environment = environment(&home);
        let backend = environment["PULUMI_BACKEND_URL"].to_string_lossy().into_owned();
        assert!(backend.starts_with("file:///"), "{backend}");
        assert!(backend.ends_with("/state?metadata=skip"), "{backend}");
        assert!(!environment.contains_key(MARK));
        assert!(!environment.contains_key("PULUMI_CONFIG_PASSPHRASE"));
    }

    #[test]
    fn the_lock_of_a_killed_engine_goes_and_that_of_one_at_work_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (home, _) = sandbox(directory.path());
        let locks = home.state().join(".pulumi/locks");
        fs::create_dir_all(&locks).expect("made");
        let mut at_work = Command::new("sleep")
            .arg("600")
            .env(MARK, home.directory())
            .spawn()
            .expect("started");
        // The system shows a new process's environment a moment after it shows the process.
        let shown =
            || !super::super::process::marked(home.directory()).is_empty() || !cfg!(target_os = "linux");
        while !shown() && at_work.try_wait().expect("asked").is_none() {
            std::thread::yield_now();
        }
        remove_stale_locks(&home).expect("looked");
        assert!(locks.exists());
        at_work.kill().expect("ours to end");
        at_work.wait().expect("ours to wait for");
        remove_stale_locks(&home).expect("removed");
        assert_eq!(locks.exists(), !cfg!(target_os = "linux"));
    }
}
