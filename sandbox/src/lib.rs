//! The sandbox: the real engine, provider and control plane on loopback, for one stack.
//!
//! `up` finds or builds the tools, boots a control plane with simulated nodes, and lets the real engine
//! deploy the stack into it; `down` leaves nothing behind. Promises: the checkout stays as it is, two
//! sandboxes do not notice each other, and whatever a crash leaves is cleaned by `down`. What is deployed
//! is the stack's business; nothing here knows a system.
//!
//! From the outside in: [`Command`] is what a person types, [`Sandbox`] what the live tests drive.
//! `home` is the directory, `tools` the programs, `control_plane` starts them (`process`, `ports`, `keys`),
//! `cluster` and `objects` fill it, `volumes` serves claims, `project` and `engine` are Pulumi's side.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

pub mod cluster;
mod control_plane;
mod engine;
mod home;
mod keys;
mod objects;
mod ports;
mod process;
mod project;
mod secrets;
mod status;
mod talk;
pub mod tools;
mod volumes;

use cluster::Cluster;
use control_plane::Boot;
use engine::Engine;
use home::{Home, Identity};
pub use status::{Component, Status};
use talk::{Step, say};
use tools::{Tool, Workshop};

use phoenix_manifests::yaml;
use phoenix_terminal::output;
use phoenix_terminal::exit::Exit;

/// The stack of a sandbox that was not told which.
const DEFAULT_STACK: &str = "dev";

/// A real control plane with simulated nodes, and a real `pulumi up` into it.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Start a sandbox and deploy a stack into it; started already, deploy again.
    #[command(after_help = "Example: phoenix sandbox up dev")]
    Up {
        /// The stack to deploy [default: dev].
        stack: Option<String>,
        /// Start the control plane only.
        #[arg(long)]
        no_deploy: bool,
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
    },
    /// End a sandbox and remove all of it; without one, that is fine.
    Down {
        /// The sandbox's stack, which is also its name unless it was given another.
        stack: Option<String>,
        /// Every sandbox in the default place.
        #[arg(long, conflicts_with_all = ["stack", "name", "dir"])]
        all: bool,
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
    },
    /// Tell what runs; ends with 2 when not everything does.
    Status {
        /// The sandbox's stack, which is also its name unless it was given another.
        stack: Option<String>,
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
        /// How to print it.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Run the engine inside a sandbox, on a fresh copy of its stack; ends with the engine's own code.
    #[command(after_help = "Example: phoenix sandbox pulumi -- preview --diff")]
    Pulumi {
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
        /// What to tell the engine.
        #[arg(last = true, required = true)]
        arguments: Vec<OsString>,
    },
    /// Print the variables that make kubectl and pulumi work on a sandbox.
    #[command(after_help = "Example: eval \"$(phoenix sandbox env)\"")]
    Env {
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
        /// How to print them: as lines for a shell, or as one JSON object.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Find or build the tools of a sandbox, and print where each is.
    Tools {
        /// Include the tools that only the tests need.
        #[arg(long)]
        all: bool,
        /// Include the tools that only the benchmarks need.
        #[arg(long)]
        benchmarks: bool,
    },
    /// Work that the sandbox starts by itself.
    #[command(hide = true)]
    Worker {
        /// Which work.
        #[command(subcommand)]
        work: Work,
    },
}

/// Which sandbox is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// The sandbox's name [default: the stack's].
    #[arg(long)]
    pub name: Option<String>,
    /// The sandbox's directory, in place of one among the user's state.
    #[arg(long, conflicts_with = "name")]
    pub dir: Option<PathBuf>,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What the sandbox's own processes do.
#[derive(Debug, clap::Subcommand)]
pub enum Work {
    /// Become another program in a session of its own.
    Session {
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Give volumes to claims.
    Volumes {
        /// The cluster to serve.
        #[arg(long)]
        kubeconfig: PathBuf,
    },
}

/// Does what was asked, seen from the directory where the person is.
pub fn run(command: Command, directory: &Path) -> Result<Exit> {
    match command {
        Command::Up {
            stack,
            no_deploy,
            place,
        } => {
            let options = Options {
                repository: tools::repository(directory)?,
                stack: stack.unwrap_or_else(|| DEFAULT_STACK.to_owned()),
                place,
                launcher: this_program()?,
                deploy: !no_deploy,
            };
            let sandbox = Sandbox::up(&options)?;
            say(&format!("kubeconfig: {}", sandbox.kubeconfig().display()));
        }
        Command::Down { all: true, .. } => {
            for name in Home::all()? {
                down(&Home::named(&name)?)?;
            }
        }
        Command::Down { stack, place, .. } => down(&which(&place, stack.as_deref())?)?,
        Command::Status { stack, place, format } => {
            let status = Status::of(&which(&place, stack.as_deref())?);
            match format {
                Format::Text => output::data(&status.text())?,
                Format::Json => {
                    output::json(&serde_json::to_value(&status).expect("a status is plain data"))?;
                }
            }
            return Ok(if status.running {
                Exit::Clean
            } else {
                Exit::Changed
            });
        }
        Command::Pulumi { place, arguments } => {
            let sandbox = Sandbox::open(&place)?;
            // Nobody else may rewrite the copy while we do; the engine has a lock of its own.
            let hold = sandbox.home.claim()?;
            let engine = sandbox.engine()?;
            drop(hold);
            return Err(engine.become_command(&arguments));
        }
        Command::Env { place, format } => print_environment(&Sandbox::open(&place)?, format)?,
        Command::Tools { all, benchmarks } => {
            let mut wanted = Sandbox::tools(true);
            if all {
                wanted.extend(tools::TESTS);
            }
            if benchmarks {
                wanted.extend(tools::BENCHMARKS);
            }
            let workshop = Workshop::of(&tools::repository(directory)?)?;
            for (name, found) in workshop.provide(&wanted)? {
                output::data(&format!("{name:<28}{}\n", found.path.display()))?;
            }
            for files in [&[tools::STAGES], &tools::DEFINITIONS[..]].concat() {
                for path in workshop.files(&files)? {
                    say(&format!("{}: {}", files.name, path.display()));
                }
            }
        }
        Command::Worker {
            work: Work::Session { command },
        } => process::become_session(&command)?,
        Command::Worker {
            work: Work::Volumes { kubeconfig },
        } => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("starting a runtime to serve volumes")?;
            runtime.block_on(volumes::serve(&kubeconfig))?;
        }
    }
    Ok(Exit::Clean)
}

/// What a sandbox is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The checkout it is for.
    pub repository: PathBuf,
    /// The stack to deploy.
    pub stack: String,
    /// Where it lives.
    pub place: Place,
    /// The `phoenix` program, which starts the others in sessions of their own and serves volumes. A test
    /// names the one that was built for it, because a test is another program.
    pub launcher: PathBuf,
    /// Whether the stack is deployed; without, the control plane is all.
    pub deploy: bool,
}

/// A sandbox that exists.
#[derive(Debug)]
pub struct Sandbox {
    home: Home,
    identity: Identity,
}

impl Sandbox {
    /// Starts a sandbox, or brings one that exists to the state that is asked for.
    pub fn up(options: &Options) -> Result<Self> {
        if options.deploy {
            engine::must_exist(&options.repository, &options.stack)?;
        }
        let home = which(&options.place, Some(&options.stack))?;
        let hold = home.claim()?;
        let identity = match home.identity() {
            Some(known) if known.stack == options.stack => Identity {
                repository: options.repository.clone(),
                ..known
            },
            Some(known) => bail!(
                "the sandbox in {} is for the stack {}, not {}\nhint: give the new one another name with --name",
                home.directory().display(),
                known.stack,
                options.stack
            ),
            None => Identity {
                name: options.place.name.clone().unwrap_or_else(|| name_of(&home)),
                stack: options.stack.clone(),
                repository: options.repository.clone(),
                ports: None,
                cluster_uid: None,
            },
        };
        home.remember(&identity)?;
        let mut sandbox = Self { home, identity };
        let workshop = Workshop::of(&options.repository)?;
        let found = workshop.provide(&Self::tools(options.deploy))?;
        let stages = workshop.files(&tools::STAGES)?;
        let mut definitions = Vec::new();
        for files in tools::DEFINITIONS {
            definitions.extend(workshop.files(&files)?);
        }
        let boot = Boot {
            home: &sandbox.home,
            tools: &found,
            stages: &stages,
            launcher: &options.launcher,
        };
        let cluster = sandbox.running_cluster(&boot)?;
        sandbox.identity = sandbox.home.identity().unwrap_or(sandbox.identity);
        sandbox.identity.cluster_uid = Some(cluster.uid()?);

        sandbox.home.remember(&sandbox.identity)?;
        define(&cluster, &definitions)?;
        if options.deploy {
            let classes = objects::named_classes(&engine::configuration(&sandbox.identity)?);
            cluster
                .apply(&classes)
                .context("making the storage classes that the stack names")?;
            let engine = sandbox.prepared(&found)?;
            Engine::build(&sandbox.identity.repository)?;
            say(&format!("deploying the stack {}", sandbox.identity.stack));
            let status = engine.up()?;
            if !status.success() {
                bail!(
                    "the engine could not deploy the stack {} ({status})\n\
                     hint: repair it and run `phoenix sandbox up` again; the control plane goes on",
                    sandbox.identity.stack
                );
            }
            let pods = cluster.pods()?;
            say(&format!(
                "deployed: {} of {} pods are ready",
                pods.ready, pods.total
            ));
        }
        drop(hold);
        Ok(sandbox)
    }

    /// The sandbox in this place, which must exist.
    pub fn open(place: &Place) -> Result<Self> {
        let home = which(place, None)?;
        match home.identity() {
            Some(identity) => Ok(Self { home, identity }),
            None => bail!(
                "there is no sandbox in {}\nhint: phoenix sandbox up",
                home.directory().display()
            ),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Where all of it lives.
    pub fn directory(&self) -> &Path {
        self.home.directory()
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.kubeconfig()
    }

    /// The name of its kubeconfig's only context.
    pub fn context(&self) -> String {
        self.identity.context()
    }

    /// Where the engine works: the copy of the project.
    pub fn project(&self) -> PathBuf {
        self.home.project()
    }

    /// The variables that make kubectl and pulumi work on it.
    pub fn environment(&self) -> BTreeMap<&'static str, OsString> {
        engine::environment(&self.home)
    }

    /// A connection to its API server.
    pub fn cluster(&self) -> Result<Cluster> {
        Cluster::connect(&self.home.kubeconfig())
    }

    /// What of it runs.
    pub fn status(&self) -> Status {
        Status::of(&self.home)
    }

    /// A command of the engine on a fresh copy of its stack, with this environment and in that folder.
    pub fn pulumi(&self, arguments: &[&str]) -> Result<std::process::Command> {
        Ok(self.engine()?.command(arguments))
    }

    /// Ends it and removes all of it.
    pub fn down(self) -> Result<()> {
        down(&self.home)
    }

    /// The programs that a sandbox needs, with or without the engine.
    fn tools(deploy: bool) -> Vec<Tool> {
        let engine = [tools::PULUMI, tools::PROVIDER];
        let engine = engine.into_iter().filter(|_| deploy);
        tools::CONTROL_PLANE.into_iter().chain(engine).collect()
    }

    /// The cluster that runs already, or a new start of it with the data of the last.
    fn running_cluster(&self, boot: &Boot<'_>) -> Result<Cluster> {
        if control_plane::runs(&self.home) {
            let cluster = self.cluster()?;
            if cluster.ready() {
                say("the control plane runs already");
                return Ok(cluster);
            }
        }
        process::stop(&process::records(&self.home.processes()), self.home.directory())?;
        let mut identity = self.identity.clone();
        control_plane::boot(boot, &mut identity)
    }

    fn engine(&self) -> Result<Engine<'_>> {
        let workshop = Workshop::of(&self.identity.repository)?;
        self.prepared(&workshop.provide(&[tools::PULUMI, tools::PROVIDER])?)
    }

    fn prepared(&self, found: &BTreeMap<&'static str, tools::Found>) -> Result<Engine<'_>> {
        let keys: Vec<&str> = phoenix::config::secret::INVENTORY
            .iter()
            .map(|row| row.key)
            .collect();
        Engine::prepare(&self.home, &self.identity, found, &keys)
    }
}

/// Ends what runs of a sandbox and removes its directory, however much of it there is.
fn down(home: &Home) -> Result<()> {
    let shown = home.directory().display().to_string();
    let existed = home.exists();
    let hold = if existed { Some(home.claim()?) } else { None };
    let ended = process::stop(&process::records(&home.processes()), home.directory())?;
    if let Some(hold) = hold {
        home.remove(hold)?;
    }
    if existed || !ended.is_empty() {
        say(&format!("ended {} processes and removed {shown}", ended.len()));
    } else {
        say(&format!("there is no sandbox in {shown}"));
    }
    Ok(())
}

/// The place that is meant: the one that was named, else the stack's, else the only one there is.
fn which(place: &Place, stack: Option<&str>) -> Result<Home> {
    if let Some(directory) = &place.dir {
        return Home::at(directory);
    }
    if let Some(name) = place.name.as_deref().or(stack) {
        return Home::named(name);
    }
    match Home::all()?.as_slice() {
        [only] => Home::named(only),
        names if names.len() > 1 && !names.iter().any(|name| name == DEFAULT_STACK) => {
            bail!(
                "there are several sandboxes: {}\nhint: name one with --name",
                names.join(", ")
            )
        }
        _ => Home::named(DEFAULT_STACK),
    }
}

fn define(cluster: &Cluster, files: &[PathBuf]) -> Result<()> {
    let step = Step::begin("adding the resource definitions of Istio and of the Prometheus Operator");
    let mut definitions = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let documents = yaml::read(&text).with_context(|| format!("understanding {}", file.display()))?;
        let values = documents.into_iter().map(|document| document.value);
        definitions.extend(values.filter(|value| !value.is_null()));
    }
    cluster.define(&definitions)?;
    step.done(&format!("{} resource definitions are served", definitions.len()));
    Ok(())
}

fn print_environment(sandbox: &Sandbox, format: Format) -> Result<()> {
    let variables = sandbox.environment();
    if format == Format::Json {
        let fields = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string_lossy().into()));
        return output::json(&Value::Object(fields.collect()));
    }
    for (name, value) in variables {
        output::data(&format!(
            "export {name}={}\n",
            shell_quoted(&value.to_string_lossy())
        ))?;
    }
    let engine = Workshop::of(&sandbox.identity.repository)?.look(&tools::PULUMI)?;
    let engine = engine.map_or_else(|| PathBuf::from(tools::PULUMI.name), |found| found.path);
    say(&format!(
        "the engine works in its copy of the project: run {} -C {}",
        engine.display(),
        sandbox.project().display()
    ));
    Ok(())
}

/// A text as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The name of a sandbox that lives in a directory of the person's choice. The directory's own name may
/// hold anything, and the name becomes a part of the kubeconfig's context.
fn name_of(home: &Home) -> String {
    let name = home
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

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("finding this program's own file, which starts the others")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Line as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn what_stands_behind_the_dashes_is_the_engines() {
        let line = Line::try_parse_from(["x", "pulumi", "--name", "live", "--", "preview", "--diff"]);
        let Command::Pulumi { place, arguments } = line.expect("parsed").command else {
            panic!("another command was parsed")
        };
        assert_eq!(place.name.as_deref(), Some("live"));
        assert_eq!(arguments, ["preview", "--diff"]);
    }

    #[test]
    fn ending_a_sandbox_that_does_not_exist_is_fine() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = Place {
            name: None,
            dir: Some(directory.path().join("none")),
        };
        let exit = run(
            Command::Down {
                stack: None,
                all: false,
                place,
            },
            directory.path(),
        )
        .expect("fine");
        assert_eq!(exit, Exit::Clean);
        assert!(!directory.path().join("none").exists());
    }

    #[test]
    fn the_status_of_nothing_is_that_not_everything_runs() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = Place {
            name: None,
            dir: Some(directory.path().join("none")),
        };
        let command = Command::Status {
            stack: None,
            place,
            format: Format::Json,
        };
        assert_eq!(run(command, directory.path()).expect("told"), Exit::Changed);
    }

    #[test]
    fn a_quoted_word_survives_the_shell() {
        assert_eq!(shell_quoted("file:///it's here"), r"'file:///it'\''s here'");
    }
}
