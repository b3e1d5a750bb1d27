//! The launcher that builds the host, tested in a minimal repository with a small package in place of the host.

use crate::support::{RecordingCargo, path, toolchain};
use phoenix_terminal::cargo;
use phoenix_testing::programs;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

/// A repository whose host prints its arguments.
struct Repository {
    folder: tempfile::TempDir,
    root: PathBuf,
    cargo: RecordingCargo,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Spaces and quotes in the path are error-prone in shell scripts and in cargo's dep-info.
        let repository = Self {
            root: folder.path().join("my friend's repository"),
            folder,
            cargo: RecordingCargo::new(),
        };
        let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin/pulumi-language-rust");
        programs::install(&launcher, &repository.at("bin/pulumi-language-rust"));
        let host = "crates/pulumi-language-rust";
        repository.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n",
        );
        repository.write(
            &format!("{host}/Cargo.toml"),
            "[package]\nname = \"pulumi-language-rust\"\nedition = \"2024\"\n",
        );
        repository.write(
            &format!("{host}/src/main.rs"),
            "fn main() {\n    println!(\"{:?}\", std::env::args().skip(1).collect::<Vec<_>>());\n    \
             if std::env::var_os(\"PULUMI_CONFIG_PASSPHRASE\").is_some() {\n        println!(\"a passphrase\");\n    }\n}\n",
        );
        repository.write(
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"pulumi-language-rust\"\nversion = \"0.0.0\"\n",
        );
        repository
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn touch(&self, path: &str) {
        let file = File::options().append(true).open(self.at(path)).unwrap();
        // The clock of the file system can lag by some milliseconds. The pauses place the change after the last build and
        // before the next one.
        std::thread::sleep(Duration::from_millis(20));
        file.set_modified(SystemTime::now()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }

    /// The launcher in this shell, started from another folder.
    fn launcher(&self, shell: &str, launcher: &Path) -> Command {
        let mut command = Command::new(shell);
        command
            .arg(launcher)
            .args(["-v=9", "127.0.0.1:1"])
            .current_dir(self.folder.path());
        command
            .env_clear()
            .envs(toolchain())
            .env("PATH", self.cargo.path());
        command
    }

    fn launch(&self) -> Output {
        self.launcher("/bin/sh", &self.at("bin/pulumi-language-rust"))
            .output()
            .unwrap()
    }

    fn launch_successfully(&self) {
        assert_host_ran(&self.launch());
    }
}

/// Asserts that the host ran with its arguments and that nothing was printed before.
fn assert_host_ran(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "[\"-v=9\", \"127.0.0.1:1\"]\n",
        "{stderr}"
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_launcher_is_executable() {
    let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin/pulumi-language-rust");
    assert_eq!(
        fs::metadata(launcher).unwrap().permissions().mode() & 0o111,
        0o111
    );
}

#[test]
fn only_the_first_start_builds_the_host() {
    let repository = Repository::new();
    let first = repository.launch();
    assert_host_ran(&first);
    assert!(stderr(&first).contains("building the language host"));
    assert_eq!(
        repository.cargo.calls(),
        ["build --quiet --locked -p pulumi-language-rust"]
    );
    let second = repository.launch();
    assert_host_ran(&second);
    assert_eq!(stderr(&second), "");
    assert_eq!(repository.cargo.calls().len(), 1);
}

#[test]
fn a_touched_input_calls_cargo_once() {
    let repository = Repository::new();
    repository.launch_successfully();
    let host = "crates/pulumi-language-rust";
    // Changes of the lock file and the manifests do not make cargo relink, and must not call cargo at every start.
    for (already, path) in [
        format!("{host}/src/main.rs"),
        format!("{host}/Cargo.toml"),
        "Cargo.toml".into(),
        "Cargo.lock".into(),
    ]
    .iter()
    .enumerate()
    {
        repository.touch(path);
        repository.launch_successfully();
        repository.launch_successfully();
        assert_eq!(repository.cargo.calls().len(), already + 2, "{path}");
    }
}

#[test]
fn an_edit_during_the_build_is_detected_by_the_next_start() {
    let repository = Repository::new();
    repository.write(
        "crates/pulumi-language-rust/build.rs",
        "fn main() {\n    println!(\"cargo::rerun-if-changed=build.rs\");\n    \
         std::thread::sleep(std::time::Duration::from_millis(50));\n    \
         std::fs::File::options().append(true).open(\"src/main.rs\").unwrap()\
         .set_modified(std::time::SystemTime::now()).unwrap();\n}\n",
    );
    repository.launch_successfully();
    repository.launch_successfully();
    repository.launch_successfully();
    assert_eq!(repository.cargo.calls().len(), 2);
}

#[test]
fn a_missing_host_is_rebuilt() {
    let repository = Repository::new();
    repository.launch_successfully();
    fs::remove_file(repository.at("target/debug/pulumi-language-rust")).unwrap();
    repository.launch_successfully();
    assert_eq!(repository.cargo.calls().len(), 2);
}

#[test]
fn a_damaged_stamp_is_ignored() {
    let repository = Repository::new();
    repository.launch_successfully();
    let evaluated = repository.at("evaluated");
    let victim = repository.at("victim");
    fs::write(&victim, "kept").unwrap();
    for (already, (shell, damage)) in [
        ("/bin/sh", "set -- 'cut o".to_owned()),
        ("bash", "/does/not/exist\n".to_owned()),
        ("/bin/sh", "echo a word on stdout\n".to_owned()),
        ("bash", "exit_not_a_command\n".to_owned()),
        // None of these is evaluated, and none is taken for an expression of `find`.
        ("/bin/sh", format!("touch '{}'\n", evaluated.display())),
        (
            "bash",
            format!("$(touch '{0}')\n`touch '{0}'`\n", evaluated.display()),
        ),
        ("/bin/sh", format!("{}\n-delete\n", victim.display())),
        ("bash", "(\n-exec\n".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        repository.write("target/pulumi/launcher.inputs", &damage);
        let launcher = repository.at("bin/pulumi-language-rust");
        assert_host_ran(&repository.launcher(shell, &launcher).output().unwrap());
        assert_eq!(repository.cargo.calls().len(), already + 2, "{shell}: {damage}");
    }
    assert!(!evaluated.exists());
    assert!(victim.exists());
}

#[test]
fn build_scripts_see_no_credentials() {
    let repository = Repository::new();
    repository.write(
        "crates/pulumi-language-rust/build.rs",
        "fn main() {\n    let names: Vec<_> = std::env::vars().map(|(name, _)| name + \"\\n\").collect();\n    \
         std::fs::write(\"../../seen\", names.concat()).unwrap();\n}\n",
    );
    let credentials = [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "CARGO_REGISTRY_TOKEN",
        "GH_PAT",
        "GITHUB_TOKEN",
        "KUBECONFIG",
        "PGPASSWORD",
        "PHOENIX_ESC_TOKEN",
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_CONFIG_PASSPHRASE",
        "VAULT_TOKEN",
    ];
    let mut command = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
    command.envs(credentials.map(|name| (name, "a value")));
    // Names of the script's own variables, and a value that looks like another variable.
    command.env("target", "/elsewhere").env("package", "another");
    command.env("SEVERAL_LINES", "one\nPATH=two");
    command.env("CARGO_TERM_COLOR", "never");
    assert_host_ran(&command.output().unwrap());
    let seen = fs::read_to_string(repository.at("seen")).unwrap();
    let seen: Vec<_> = seen.lines().collect();
    for name in credentials
        .into_iter()
        .chain(["SEVERAL_LINES", "target", "package"])
    {
        assert!(!seen.contains(&name), "{name}");
    }
    for name in ["PATH", "HOME", "CARGO_TERM_COLOR"] {
        assert!(seen.contains(&name), "{name}: {seen:?}");
    }
}

#[test]
fn the_launcher_lists_the_same_variables_as_the_other_programs() {
    let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin/pulumi-language-rust");
    let launcher = fs::read_to_string(launcher).unwrap();
    let (_, function) = launcher.split_once("\nhide_variables() {").unwrap();
    let function = function.split_once("\n}\n").unwrap().0.replace("\\\n", " ");
    let patterns: Vec<Vec<&str>> = function
        .lines()
        .filter_map(|line| line.split_once(')'))
        .filter(|(_, then)| then.trim_end().ends_with(";;"))
        .map(|(patterns, _)| patterns.split('|').map(str::trim).collect())
        .collect();
    let with = |before: &str, names: &[&str], after: &str| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("{before}{name}{after}"))
            .collect()
    };
    let hidden = [
        with("*", cargo::SECRET_PARTS, "*"),
        with("", cargo::OF_CARGO_RUN, "*"),
    ];
    assert_eq!(patterns.len(), 4, "{function}");
    assert_eq!(patterns[1], hidden.concat());
    assert_eq!(patterns[2], cargo::VARIABLES);
    assert_eq!(patterns[3], with("", cargo::PREFIXES, "*"));
}

#[test]
fn a_host_that_another_user_can_replace_is_not_run() {
    let repository = Repository::new();
    repository.launch_successfully();
    let allow = |path: &str, mode| {
        fs::set_permissions(repository.at(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in [
        "target",
        "target/debug",
        "target/pulumi",
        "target/pulumi/launcher.inputs",
        "target/debug/pulumi-language-rust",
    ] {
        allow(path, 0o777);
        let refused = repository.launch();
        assert_eq!(refused.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&refused.stdout), "");
        let said = stderr(&refused);
        assert!(
            said.contains("another user can write to ") && said.contains(path),
            "{said}"
        );
        allow(path, 0o755);
    }
    repository.launch_successfully();
    assert_eq!(repository.cargo.calls().len(), 1);
}

#[test]
fn simultaneous_launchers_build_once() {
    let repository = Repository::new();
    let start = || {
        let mut command = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let started = [start(), start(), start()];
    for launcher in started {
        assert_host_ran(&launcher.wait_with_output().unwrap());
    }
    assert_eq!(
        repository.cargo.calls().len(),
        1,
        "{:?}",
        repository.cargo.calls()
    );
}

/// A PATH with what the launcher needs except `flock`.
fn path_without_flock(repository: &Repository) -> String {
    let folder = repository.folder.path().join("tools");
    fs::create_dir_all(&folder).unwrap();
    for name in [
        "env", "find", "id", "sed", "tr", "mkdir", "rm", "mv", "touch", "cat", "sleep", "cc", "ld", "as",
        "sh",
    ] {
        if let Some(tool) = std::env::split_paths(&path())
            .map(|folder| folder.join(name))
            .find(|tool| tool.exists())
        {
            let link = folder.join(name);
            if !link.exists() {
                symlink(tool, link).unwrap();
            }
        }
    }
    let cargo = repository.cargo.path();
    let cargo = cargo.split(':').next().unwrap();
    let real = Path::new(env!("CARGO")).parent().unwrap();
    format!("{cargo}:{}:{}", real.display(), folder.display())
}

#[test]
fn without_flock_several_launchers_still_build_once() {
    let repository = Repository::new();
    let tools = path_without_flock(&repository);
    let start = || {
        let mut command = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
        command
            .env("PATH", &tools)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let started = [start(), start()];
    for launcher in started {
        assert_host_ran(&launcher.wait_with_output().unwrap());
    }
    assert_eq!(repository.cargo.calls().len(), 1);
    assert!(
        !repository.at("target/pulumi/launcher.lock.d").exists(),
        "the lock is released"
    );
}

#[test]
fn without_flock_the_lock_of_a_dead_launcher_is_removed() {
    let repository = Repository::new();
    let tools = path_without_flock(&repository);
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    repository.write("target/pulumi/launcher.lock.d/pid", &format!("{}\n", dead.id()));
    let output = repository
        .launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"))
        .env("PATH", tools)
        .output()
        .unwrap();
    assert_host_ran(&output);
}

#[test]
fn the_launcher_works_through_a_link_and_in_bash() {
    let repository = Repository::new();
    let link = repository.folder.path().join("link");
    symlink("my friend's repository/bin/pulumi-language-rust", &link).unwrap();
    for shell in ["/bin/sh", "bash"] {
        assert_host_ran(&repository.launcher(shell, &link).output().unwrap());
    }
    assert_eq!(repository.cargo.calls().len(), 1);
}

#[test]
fn an_absolute_or_relative_target_folder_is_used() {
    let repository = Repository::new();
    let mut command = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
    assert_host_ran(&command.env("CARGO_TARGET_DIR", "elsewhere").output().unwrap());
    assert!(
        repository
            .folder
            .path()
            .join("elsewhere/debug/pulumi-language-rust")
            .exists()
    );
    assert!(!repository.at("target").exists());
}

#[test]
fn a_missing_cargo_is_reported_with_a_hint() {
    let repository = Repository::new();
    let mut command = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let stderr = stderr(&output);
    assert!(
        stderr.contains("cargo is not on PATH") && stderr.contains("hint: install the Rust toolchain"),
        "{stderr}"
    );
}

#[test]
fn a_prebuilt_host_needs_no_cargo() {
    let repository = Repository::new();
    let host = repository.at("target/debug/pulumi-language-rust");
    programs::script(&host, "#!/bin/sh\necho prebuilt\n");
    let mut command = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    assert_eq!(output.stdout, b"prebuilt\n");
}

#[test]
fn a_failed_build_is_reported_and_retried() {
    let repository = Repository::new();
    let source = "crates/pulumi-language-rust/src/main.rs";
    let good = fs::read_to_string(repository.at(source)).unwrap();
    repository.write(source, "fn main() { wrong }");
    let output = repository.launch();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let stderr = stderr(&output);
    assert!(
        stderr.contains("cannot find value `wrong`") && stderr.contains("cannot build the language host"),
        "{stderr}"
    );
    repository.write(source, &good);
    repository.launch_successfully();
}

#[test]
fn a_build_does_not_get_the_variables_of_an_outer_cargo() {
    // Build scripts watch these variables, so the same sources would be rebuilt for each way of starting.
    let repository = Repository::new();
    let folder = tempfile::tempdir().unwrap();
    let cargo = folder.path().join("cargo");
    programs::script(&cargo, "#!/bin/sh\nenv >&2\nexit 1\n");
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":");
    path.push(repository.cargo.path());
    let mut launcher = repository.launcher("/bin/sh", &repository.at("bin/pulumi-language-rust"));
    launcher
        .env("PATH", path)
        .env("CARGO_PKG_NAME", "outer")
        .env("CARGO_MANIFEST_DIR", "/outer")
        .env("CARGO_HOME", "/kept");
    let seen = stderr(&launcher.output().unwrap());
    assert!(
        !seen.contains("outer") && seen.contains("CARGO_HOME=/kept"),
        "{seen}"
    );
}
