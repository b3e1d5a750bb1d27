//! Pulumi with its own home directory, state, passphrase and copy of the project.
//!
//! Nothing is written into the checkout, into the user's Pulumi home directory or to any cloud. Secrets are passed to Pulumi
//! through a pipe, never on a command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::process::{self, MARK};
use super::progress::Step;
use super::state_dir::{Identity, StateDir, make_private, write_private};
use super::tools::{Found, Origin, PROVIDER, PROVIDER_VERSION, PULUMI};
use super::{project, secrets};
use phoenix_manifests::yaml;
use phoenix_terminal::cargo::{self, Exposed};
use phoenix_terminal::output::message;
use phoenix_terminal::user_error::user_error;

/// The environment variables of Pulumi, in addition to those that cargo may read.
///
/// They do not include the mark, because they can be exported in a shell whose child processes must not be stopped.
pub fn environment(state_dir: &StateDir) -> BTreeMap<&'static str, OsString> {
    let mut backend = OsString::from("file://");
    backend.push(state_dir.state());
    // Otherwise the backend writes a metadata file for each file in a second step, and a state is unreadable if Pulumi is
    // killed in between.
    backend.push("?metadata=skip");
    BTreeMap::from([
        ("KUBECONFIG", state_dir.kubeconfig().into()),
        ("PULUMI_BACKEND_URL", backend),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", state_dir.passphrase().into()),
        ("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "1".into()),
        ("PULUMI_HOME", state_dir.pulumi().into()),
        ("PULUMI_SKIP_UPDATE_CHECK", "1".into()),
    ])
}

/// Pulumi, prepared for the stack of a sandbox.
#[derive(Debug)]
pub struct Engine<'a> {
    state_dir: &'a StateDir,
    program: PathBuf,
}

impl<'a> Engine<'a> {
    /// Creates or updates everything that Pulumi uses: plugins, passphrase, copies, stack, secrets.
    pub fn prepare(
        state_dir: &'a StateDir,
        identity: &Identity,
        tools: &BTreeMap<&'static str, Found>,
        secret_keys: &[&str],
    ) -> Result<Self> {
        let step = Step::begin(&format!("preparing a copy of the stack {}", identity.stack));
        for directory in [state_dir.project(), state_dir.pulumi(), state_dir.state()] {
            make_private(&directory)?;
        }
        let program = tool(tools, PULUMI.name)?;
        install_provider(state_dir, tools)?;
        if !state_dir.passphrase().exists() {
            write_private(
                &state_dir.passphrase(),
                secrets::generate("passphrase")?.expose().as_bytes(),
            )?;
        }
        let stack = copy_project(state_dir, identity)?;
        remove_stale_locks(state_dir)?;
        let engine = Self { state_dir, program };
        engine.run_quietly(&["stack", "select", "--create", &identity.stack], None)?;
        for name in project::without_value(&stack, secret_keys) {
            let value = secrets::generate(name)?;
            let arguments = [
                "config",
                "set",
                "--secret",
                "--stack",
                &identity.stack,
                &project::key(name),
            ];
            engine.run_quietly(&arguments, Some(value.expose()))?;
        }
        step.done(&format!("the copy is in {}", state_dir.project().display()));
        Ok(engine)
    }

    /// A Pulumi command in the copy of the project, with the mark of this sandbox.
    pub fn command<Argument: AsRef<OsStr>>(&self, arguments: &[Argument]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.state_dir.project());
        // The user's Pulumi settings must not apply, neither a token nor a default stack nor a passphrase, and nothing in a sandbox
        // needs the credentials of this shell. What remains is what the builds of the host and the program may read.
        let visible = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(cargo::may_read));
        command.env_clear().envs(visible);
        command
            .envs(environment(self.state_dir))
            .env(MARK, self.state_dir.directory());
        command
    }

    /// Replaces this process with Pulumi; returns only if that fails. Signals and the exit code are those of Pulumi.
    pub fn become_command(&self, arguments: &[OsString]) -> anyhow::Error {
        let error = self.command(arguments).exec();
        anyhow!(error).context(format!("running {}", self.program.display()))
    }

    /// Builds the program and its language host if needed, with cargo's progress. Pulumi would also have them built, but without
    /// any output for minutes.
    ///
    /// These are the commands of the launcher and the host. Others would build the packages a second time, with other features.
    pub fn build(checkout: &Path) -> Result<()> {
        let target = cargo::target_folder()
            .context("finding the current folder")?
            .unwrap_or_else(|| checkout.join("target"));
        if let Err(exposed) = cargo::check_target(&target, None) {
            return Err(user_error(exposed.to_string(), Exposed::HINT));
        }
        for what in [
            ["--package", "pulumi-language-rust"],
            ["--package", "phoenix-program"],
        ] {
            let mut command = cargo::command();
            command
                .current_dir(checkout)
                .args(["build", "--locked"])
                .args(what);
            let status = command
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

    /// Deploys the stack, with Pulumi's output on stderr. The first Ctrl-C is handled by Pulumi, which stops gracefully while this
    /// process waits for it.
    pub fn up(&self) -> Result<ExitStatus> {
        let mut command = self.command(&["up", "--yes", "--skip-preview"]);
        if !std::io::stderr().is_terminal() {
            // A line for each change of state; progress dots are of no use in a log.
            command.args(["--non-interactive", "--suppress-progress"]);
        }
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting a runtime to wait for Pulumi")?;
        runtime.block_on(async {
            let mut child = tokio::process::Command::from(command)
                .spawn()
                .with_context(|| format!("running {}", self.program.display()))?;
            loop {
                tokio::select! {
                    status = child.wait() => return status.context("waiting for Pulumi"),
                    _ = tokio::signal::ctrl_c() => message("interrupted; waiting for Pulumi to stop gracefully"),
                }
            }
        })
    }

    /// Runs a command whose output is only shown if it fails.
    fn run_quietly(&self, arguments: &[&str], input: Option<&str>) -> Result<()> {
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

/// Writes the copies of the project file and the stack file, and returns the latter.
fn copy_project(state_dir: &StateDir, identity: &Identity) -> Result<Map<String, Value>> {
    let checkout = &identity.repository;
    let original = read(&checkout.join("Pulumi.yaml"))?;
    let source = project::stack_file(&original, checkout, &identity.stack);
    require_stack(checkout, &identity.stack)?;
    let target = state_dir
        .project()
        .join(format!("Pulumi.{}.yaml", identity.stack));
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
    write(&state_dir.project().join("Pulumi.yaml"), copy)?;
    write(&target, stack.clone())?;
    Ok(stack)
}

/// Fails if the checkout does not have the stack, before anything is started for it.
pub fn require_stack(checkout: &Path, stack: &str) -> Result<()> {
    let source = project::stack_file(&read(&checkout.join("Pulumi.yaml"))?, checkout, stack);
    if source.is_file() {
        return Ok(());
    }
    let known = stacks_beside(&source);
    bail!(
        "there is no stack {stack}: {} does not exist\nhint: the stacks are {known}",
        source.display()
    )
}

/// The configuration of the stack in the checkout, from which objects are derived that have to exist before a deployment.
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
    let documents = yaml::read(&text).with_context(|| format!("parsing {}", path.display()))?;
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

/// Links the provider to the path at which Pulumi looks for a plugin of this version.
fn install_provider(state_dir: &StateDir, tools: &BTreeMap<&'static str, Found>) -> Result<()> {
    let provider = tools
        .get(PROVIDER.name)
        .with_context(|| format!("{} was not provided", PROVIDER.name))?;
    let folder = state_dir
        .pulumi()
        .join(format!("plugins/resource-kubernetes-v{PROVIDER_VERSION}"));
    make_private(&folder)?;
    link(&provider.path, &folder.join(PROVIDER.name))?;
    if provider.origin == Origin::Installed {
        message(&format!(
            "using the installed Kubernetes provider: {}",
            provider.path.display()
        ));
    }
    Ok(())
}

/// Removes the lock of a Pulumi process that was killed, which would block later ones. The lock is kept if any other process of
/// the sandbox than its components runs, because it may be Pulumi, or if such processes cannot be detected.
fn remove_stale_locks(state_dir: &StateDir) -> Result<()> {
    let locks = state_dir.state().join(".pulumi/locks");
    if !cfg!(target_os = "linux") || !locks.exists() {
        return Ok(());
    }
    let components: Vec<i32> = process::records(&state_dir.processes())
        .iter()
        .map(|record| record.pid)
        .collect();
    let is_component = |pid: &i32| components.contains(pid);
    if process::marked(state_dir.directory()).iter().all(is_component) {
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

    fn sandbox(directory: &Path) -> (StateDir, Identity) {
        let state_dir = StateDir::at(&directory.join("sandbox")).expect("a home");
        make_private(&state_dir.project()).expect("made");
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
        (state_dir, identity)
    }

    #[test]
    fn the_copy_is_written_and_the_checkout_is_unchanged() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (state_dir, identity) = sandbox(directory.path());
        let before = fs::read(identity.repository.join("stacks/Pulumi.dev.yaml")).expect("read");
        copy_project(&state_dir, &identity).expect("copied");
        let after = fs::read(identity.repository.join("stacks/Pulumi.dev.yaml")).expect("read");
        assert_eq!(before, after);
        let copy = read(&state_dir.project().join("Pulumi.dev.yaml")).expect("read back");
        assert_eq!(
            copy["config"]["phoenix:cluster"]["context"],
            "phoenix-sandbox-dev"
        );
        assert_eq!(copy["config"]["phoenix:stack"], "dev");
        assert_eq!(copy.get("environment"), None);
    }

    #[test]
    fn an_unknown_stack_is_reported_with_the_known_ones() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (state_dir, mut identity) = sandbox(directory.path());
        identity.stack = "production".into();
        let error = copy_project(&state_dir, &identity)
            .expect_err("unknown")
            .to_string();
        assert!(error.contains("there is no stack production"), "{error}");
        assert!(error.contains("hint: the stacks are dev"), "{error}");
    }

    #[test]
    fn the_environment_has_a_local_backend_and_no_inherited_settings() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (state_dir, _) = sandbox(directory.path());
        let environment = environment(&state_dir);
        let backend = environment["PULUMI_BACKEND_URL"].to_string_lossy().into_owned();
        assert!(backend.starts_with("file:///"), "{backend}");
        assert!(backend.ends_with("/state?metadata=skip"), "{backend}");
        assert!(!environment.contains_key(MARK));
        assert!(!environment.contains_key("PULUMI_CONFIG_PASSPHRASE"));
    }

    #[test]
    fn only_the_lock_of_a_killed_engine_is_removed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (state_dir, _) = sandbox(directory.path());
        let locks = state_dir.state().join(".pulumi/locks");
        fs::create_dir_all(&locks).expect("made");
        let mut at_work = Command::new("sleep")
            .arg("600")
            .env(MARK, state_dir.directory())
            .spawn()
            .expect("started");
        // The environment of a new process becomes visible shortly after the process.
        let shown =
            || !super::super::process::marked(state_dir.directory()).is_empty() || !cfg!(target_os = "linux");
        while !shown() && at_work.try_wait().expect("asked").is_none() {
            std::thread::yield_now();
        }
        remove_stale_locks(&state_dir).expect("looked");
        assert!(locks.exists());
        at_work.kill().expect("ours to end");
        at_work.wait().expect("ours to wait for");
        remove_stale_locks(&state_dir).expect("removed");
        assert_eq!(locks.exists(), !cfg!(target_os = "linux"));
    }
}
