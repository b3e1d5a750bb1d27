//! Verbs and options that need a network, a cluster or the sandbox. They run in a second program, `phoenix-live`.
//!
//! `phoenix` itself links neither a Kubernetes client nor an asynchronous runtime, so the first command in a fresh checkout
//! is built quickly. [`Live`] is what it needs of the second program; [`Delegate`] replaces the process with that program,
//! which implements the trait for real.
//!
//! `phoenix-live` is run from the folder of `phoenix` itself, or else from the workspace's target folder. It is never
//! searched on `PATH`. In a target folder it is built if it is missing or older than its sources, as `cargo run` does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use phoenix_terminal::cargo::{self, Exposed};
use phoenix_terminal::checklist::Check;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::message;
use phoenix_terminal::user_error::user_error;

use crate::checkout::Checkout;
use crate::commands::sandbox;
use crate::secrets::{Entry, EscReport, Subject};
use crate::stack::Stack;
use phoenix_forge::{Post, Posted};
use phoenix_policies::Settings;
use phoenix_report::PolicyRun;

/// What the verbs need a network, a cluster or the sandbox for.
pub trait Live {
    /// Checks the cluster that a context of the kubeconfig leads to: whether a stack can be deployed into it.
    fn doctor(&self, checkout: &Checkout, stack: &Stack, context: &str) -> Result<Vec<Check>>;

    /// Evaluates the policies over a live cluster.
    fn check_cluster(&self, request: ClusterCheck<'_>) -> Result<PolicyRun>;

    /// The state of a stack's secrets in its cluster.
    fn secrets_in_cluster(&self, subject: &Subject) -> Result<Vec<Entry>>;

    /// The state of a stack's secrets in Pulumi ESC.
    fn secrets_in_esc(&self, subject: &Subject, organization: Option<&str>) -> Result<EscReport>;

    /// Posts a comment on a pull request, or edits the existing one.
    fn post_comment(&self, post: &Post) -> Result<Posted>;

    /// Runs `phoenix sandbox …`, started in this directory.
    fn sandbox(&self, command: sandbox::Command, directory: &Path) -> Result<Exit>;
}

/// What to evaluate of a live cluster.
#[derive(Debug)]
pub struct ClusterCheck<'a> {
    /// The stack whose cluster it is; only what concerns the stack is reported.
    pub stack: Option<&'a Stack>,
    /// The context of the kubeconfig; by default the stack's, or the current one.
    pub context: Option<&'a str>,
    /// The namespaces to report; by default all.
    pub namespaces: &'a [String],
    /// The settings of the policies.
    pub settings: Settings,
}

/// The name of the second program.
pub const PROGRAM: &str = "phoenix-live";

/// The version of both programs, which have to be the same.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first argument with which `phoenix` starts `phoenix-live`, followed by the version of `phoenix`.
const HANDSHAKE: &str = "--started-by-phoenix=";

/// Runs every verb of [`Live`] by replacing this process with `phoenix-live`, which gets the same arguments.
#[derive(Debug)]
pub struct Delegate {
    arguments: Vec<OsString>,
    root: Option<PathBuf>,
}

impl Delegate {
    /// For a command line, the program's name included, that works on the checkout in `root`.
    pub fn new(arguments: Vec<OsString>, root: Option<&Path>) -> Self {
        Self {
            arguments,
            root: root.map(Path::to_path_buf),
        }
    }

    /// Replaces the process; returns only if that fails.
    fn become_live<T>(&self) -> Result<T> {
        let executable = std::env::current_exe().context("cannot find the file of this program")?;
        let checkout = Checkout::find(self.root.as_deref()).ok();
        let places = Places {
            executable,
            checkout: checkout.map(|checkout| checkout.root().to_path_buf()),
            target: cargo::target_folder().context("cannot find the current folder")?,
        };
        let program = match places.locate()? {
            Located::Ready(program) => program,
            Located::ToBuild(build) => build.run()?,
        };
        let mut command = Command::new(&program);
        command
            .arg(format!("{HANDSHAKE}{VERSION}"))
            .args(self.arguments.iter().skip(1));
        Err(replace(command).context(format!("cannot run {}", program.display())))
    }
}

impl Live for Delegate {
    fn doctor(&self, _: &Checkout, _: &Stack, _: &str) -> Result<Vec<Check>> {
        self.become_live()
    }

    fn check_cluster(&self, _: ClusterCheck<'_>) -> Result<PolicyRun> {
        self.become_live()
    }

    fn secrets_in_cluster(&self, _: &Subject) -> Result<Vec<Entry>> {
        self.become_live()
    }

    fn secrets_in_esc(&self, _: &Subject, _: Option<&str>) -> Result<EscReport> {
        self.become_live()
    }

    fn post_comment(&self, _: &Post) -> Result<Posted> {
        self.become_live()
    }

    fn sandbox(&self, _: sandbox::Command, _: &Path) -> Result<Exit> {
        self.become_live()
    }
}

/// The arguments of `phoenix-live` without the program's name and the handshake. Fails if `phoenix` has another version.
pub fn accept(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = arguments.into_iter().skip(1).collect();
    let caller = arguments
        .first()
        .and_then(|first| first.to_str()?.strip_prefix(HANDSHAKE).map(str::to_owned));
    if let Some(caller) = caller {
        if caller != VERSION {
            return Err(user_error(
                format!("{PROGRAM} has version {VERSION}, but phoenix has version {caller}"),
                "install both programs from the same release, or build both from the same checkout",
            ));
        }
        arguments.remove(0);
    }
    Ok(arguments)
}

/// Where `phoenix-live` may be.
struct Places {
    /// The file of `phoenix`.
    executable: PathBuf,
    /// The checkout that the command works on.
    checkout: Option<PathBuf>,
    /// Cargo's target folder, if it is set for this process.
    target: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
enum Located {
    Ready(PathBuf),
    ToBuild(Build),
}

/// A build of `phoenix-live` by cargo.
#[derive(Debug, PartialEq, Eq)]
struct Build {
    workspace: PathBuf,
    target: PathBuf,
    /// The folder of the profile in the target folder, such as `debug`.
    folder: String,
}

impl Places {
    fn locate(&self) -> Result<Located> {
        let folder = self.executable.parent().unwrap_or(Path::new("."));
        // Cargo lists the sources of a program beside it, in its target folder and nowhere else.
        let own = sources_of(&self.executable);
        let beside = folder.join(file_name());
        if beside.is_file() && (own.is_none() || is_up_to_date(&beside)) {
            return Ok(Located::Ready(beside));
        }
        let workspace = own
            .as_deref()
            .and_then(workspace_of)
            .or_else(|| self.checkout.clone())
            .filter(|workspace| workspace.join("crates/live/Cargo.toml").is_file());
        let Some(workspace) = workspace else {
            return Err(user_error(
                format!(
                    "{PROGRAM} is missing from {}; it runs the commands that need a network, a cluster or the sandbox",
                    folder.display()
                ),
                "install both programs of the release into one folder, or run phoenix in a checkout of its repository",
            ));
        };
        let build = if own.is_some() {
            Build {
                target: folder.parent().unwrap_or(folder).to_path_buf(),
                folder: folder
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                workspace,
            }
        } else {
            Build {
                target: self.target.clone().unwrap_or_else(|| workspace.join("target")),
                folder: if cfg!(debug_assertions) {
                    "debug"
                } else {
                    "release"
                }
                .to_owned(),
                workspace,
            }
        };
        let program = build.program();
        if let Err(exposed) = cargo::check_target(&build.target, Some(&program)) {
            return Err(user_error(exposed.to_string(), Exposed::HINT));
        }
        Ok(if program.is_file() && is_up_to_date(&program) {
            Located::Ready(program)
        } else {
            Located::ToBuild(build)
        })
    }
}

impl Build {
    fn program(&self) -> PathBuf {
        self.target.join(&self.folder).join(file_name())
    }

    fn profile(&self) -> &str {
        // The only profile whose folder has another name.
        if self.folder == "debug" {
            "dev"
        } else {
            &self.folder
        }
    }

    fn run(&self) -> Result<PathBuf> {
        let program = self.program();
        if program.is_file() {
            message(&format!("updating {PROGRAM}, whose sources may have changed"));
        } else {
            message(&format!(
                "building {PROGRAM}, which runs the commands that need a network, a cluster or the sandbox; the first build takes one or \
                 two minutes on two cores"
            ));
        }
        let status = cargo::command()
            .current_dir(&self.workspace)
            .args([
                "build",
                "--locked",
                "--package",
                PROGRAM,
                "--profile",
                self.profile(),
            ])
            .arg("--target-dir")
            .arg(&self.target)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status();
        let status = match status {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(user_error(
                    format!("{PROGRAM} must be built, but cargo is not on PATH"),
                    "install Rust with rustup",
                ));
            }
            status => status.context("cannot run cargo")?,
        };
        if !status.success() {
            bail!(
                "{PROGRAM} could not be built from {} ({status})",
                self.workspace.display()
            );
        }
        Ok(program)
    }
}

fn file_name() -> String {
    format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX)
}

/// The source files of a program in cargo's target folder; `None` for a program elsewhere.
fn sources_of(program: &Path) -> Option<Vec<PathBuf>> {
    cargo::sources(&program.with_extension("d")).ok()
}

/// Whether no source of a program changed after the program was built. If its sources are not known, because cargo built it for a
/// test only, cargo has to decide.
fn is_up_to_date(program: &Path) -> bool {
    let modified = |path: &Path| -> Option<SystemTime> { std::fs::metadata(path).ok()?.modified().ok() };
    let Some(built) = modified(program) else {
        return false;
    };
    // A removed source is a change, too.
    let is_older = |source: &PathBuf| modified(source).is_some_and(|modified| modified <= built);
    sources_of(program).is_some_and(|sources| sources.iter().all(is_older))
}

/// The workspace that the sources of `phoenix` are in.
fn workspace_of(sources: &[PathBuf]) -> Option<PathBuf> {
    let main = Path::new("crates/cli/src/main.rs");
    let source = sources.iter().find(|source| source.ends_with(main))?;
    source
        .ancestors()
        .nth(main.components().count())
        .map(Path::to_path_buf)
}

/// Replaces this process, so that signals and the exit code are the program's own; returns only if that fails.
#[cfg(unix)]
fn replace(mut command: Command) -> anyhow::Error {
    use std::os::unix::process::CommandExt as _;
    anyhow!(command.exec())
}

/// Runs the program and ends with its exit code; returns only if it cannot be started.
#[cfg(not(unix))]
fn replace(mut command: Command) -> anyhow::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => anyhow!(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// A folder with programs and sources, as cargo or an installer leaves them.
    struct Layout(tempfile::TempDir);

    impl Layout {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn file(&self, path: &str, text: &str) -> PathBuf {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        /// A workspace in `my work`, with `phoenix` in its target folder.
        fn workspace(&self) -> Places {
            self.file("my work/crates/live/Cargo.toml", "");
            let main = self.file("my work/crates/cli/src/main.rs", "");
            let listed = main.display().to_string().replace(' ', "\\ ");
            let executable = self.file("my work/target/debug/phoenix", "");
            self.file("my work/target/debug/phoenix.d", &format!("phoenix: {listed}\n"));
            Places {
                executable,
                checkout: None,
                target: None,
            }
        }

        /// `phoenix-live` in the target folder, built so long after its source.
        fn built(&self, after: Duration) -> PathBuf {
            let source = self.file("my work/crates/live/src/main.rs", "");
            let program = self.file("my work/target/debug/phoenix-live", "");
            let listed = source.display().to_string().replace(' ', "\\ ");
            self.file(
                "my work/target/debug/phoenix-live.d",
                &format!("phoenix-live: {listed}\n"),
            );
            let source_time = fs::metadata(&source).unwrap().modified().unwrap();
            let file = fs::File::options().write(true).open(&program).unwrap();
            file.set_modified(source_time + after).unwrap();
            program
        }
    }

    #[test]
    fn an_installed_program_is_taken_from_the_folder_of_phoenix() {
        let layout = Layout::new();
        let places = Places {
            executable: layout.file("bin/phoenix", ""),
            checkout: None,
            target: None,
        };
        let error = places.locate().unwrap_err().to_string();
        assert!(error.contains("phoenix-live is missing"), "{error}");
        assert!(error.contains("hint: install both programs"), "{error}");
        let live = layout.file("bin/phoenix-live", "");
        assert_eq!(places.locate().unwrap(), Located::Ready(live));
    }

    #[test]
    fn in_a_target_folder_the_program_is_built_if_it_is_missing_or_older_than_its_sources() {
        let layout = Layout::new();
        let places = layout.workspace();
        let build = Build {
            workspace: layout.path("my work"),
            target: layout.path("my work/target"),
            folder: "debug".to_owned(),
        };
        assert_eq!(build.profile(), "dev");
        assert_eq!(places.locate().unwrap(), Located::ToBuild(build));
        let live = layout.built(Duration::from_secs(1));
        assert_eq!(places.locate().unwrap(), Located::Ready(live.clone()));
        let list = live.with_extension("d");
        fs::rename(&list, layout.path("list")).unwrap();
        assert!(matches!(places.locate().unwrap(), Located::ToBuild(_)));
        fs::rename(layout.path("list"), list).unwrap();
        let changed = layout.file("my work/crates/live/src/main.rs", "");
        let file = fs::File::options().write(true).open(&changed).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_mins(1))
            .unwrap();
        assert!(matches!(places.locate().unwrap(), Located::ToBuild(_)));
        fs::remove_file(changed).unwrap();
        assert!(matches!(places.locate().unwrap(), Located::ToBuild(_)));
    }

    #[test]
    fn an_installed_phoenix_in_a_checkout_uses_the_target_folder_of_the_checkout() {
        let layout = Layout::new();
        layout.workspace();
        let mut places = Places {
            executable: layout.file("bin/phoenix", ""),
            checkout: Some(layout.path("my work")),
            target: None,
        };
        let live = layout.built(Duration::from_secs(1));
        assert_eq!(places.locate().unwrap(), Located::Ready(live));
        places.target = Some(layout.path("elsewhere"));
        let Located::ToBuild(build) = places.locate().unwrap() else {
            panic!("nothing is built in the other target folder");
        };
        assert_eq!(build.target, layout.path("elsewhere"));
        places.checkout = Some(layout.path("bin"));
        places
            .locate()
            .expect_err("a folder without sources is no checkout of Phoenix");
    }

    #[test]
    fn both_programs_have_the_same_version() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let own = format!("{HANDSHAKE}{VERSION}");
        assert_eq!(
            accept(words(&["phoenix-live", &own, "doctor", "dev"])).unwrap(),
            words(&["doctor", "dev"])
        );
        assert_eq!(
            accept(words(&["phoenix-live", "doctor"])).unwrap(),
            words(&["doctor"])
        );
        let other = format!("{HANDSHAKE}0.0.1");
        let error = accept(words(&["phoenix-live", &other, "doctor"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("but phoenix has version 0.0.1"), "{error}");
    }
}
