//! The programs that a deployment runs: whether each is installed, and new enough.

use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use phoenix::provider::VERSION as PROVIDER_VERSION;

use crate::checkout::Checkout;
use phoenix_terminal::checklist::Check;
use phoenix_terminal::version::{number_in, numbers};

/// How long a program may take to print its version. The first `cargo` in a checkout may download its toolchain.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The oldest engine that finds a language host by path; used if `Pulumi.yaml` does not require a newer one.
const OLDEST_PULUMI: &str = "3.255.0";

/// Checks git, cargo, rustc, pulumi, the language host and the provider.
pub fn run(checkout: &Checkout) -> Vec<Check> {
    let rust = checkout.rust_version().unwrap_or_default();
    let pulumi = checkout
        .pulumi_version()
        .unwrap_or_else(|| OLDEST_PULUMI.to_owned());
    let root = checkout.root();
    let mut checks = vec![
        program(
            root,
            "git",
            &["--version"],
            "",
            "install git; previews compare revisions with it",
        ),
        program(
            root,
            "cargo",
            &["--version"],
            "",
            "install Rust with rustup, which reads rust-toolchain.toml",
        ),
        program(
            root,
            "rustc",
            &["--version"],
            &rust,
            "run `rustup toolchain install` in the repository",
        ),
        program(
            root,
            "pulumi",
            &["version"],
            &pulumi,
            "install the Pulumi CLI, or let `cargo phoenix sandbox up` build it",
        ),
    ];
    checks.extend(
        checkout
            .languages()
            .iter()
            .map(|plugin| launcher(root, &plugin.folder, &plugin.name)),
    );
    if checkout.languages().is_empty() {
        checks.push(Check::fail(
            "language host",
            "Pulumi.yaml does not configure one",
            "add it below plugins.languages, with `path: bin`",
        ));
    }
    checks.push(provider());
    checks
}

/// Checks that a program can be run and is new enough.
fn program(root: &Path, program: &str, arguments: &[&str], at_least: &str, hint: &str) -> Check {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root)
        .env("PULUMI_SKIP_UPDATE_CHECK", "1");
    let output = match output_within(&mut command, TIMEOUT) {
        Ok(None) => {
            return Check::fail(
                program,
                format!("does not answer within {} s", TIMEOUT.as_secs()),
                hint,
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Check::fail(program, "is not on PATH", hint);
        }
        Err(error) => return Check::fail(program, format!("cannot be run: {error}"), hint),
        Ok(Some(output)) => output,
    };
    let words = String::from_utf8_lossy(if output.status.success() {
        &output.stdout
    } else {
        &output.stderr
    })
    .into_owned();
    let first_line = words.trim().lines().next().unwrap_or_default();
    if !output.status.success() {
        return Check::fail(program, format!("does not run: {first_line}"), hint);
    }
    let Some(found) = number_in(first_line) else {
        return Check::warn(program, format!("does not print its version: {first_line}"), hint);
    };
    if numbers(&found) < numbers(at_least) {
        return Check::fail(
            program,
            format!("{found}, but at least {at_least} is required"),
            hint,
        );
    }
    Check::good(program, found)
}

/// The output of a command; `None` if it runs for longer than `limit` and is therefore killed.
///
/// The output goes to files, so that a command with much to say is not blocked by a full pipe.
pub fn output_within(command: &mut Command, limit: Duration) -> io::Result<Option<Output>> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let content = |file: &mut std::fs::File| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(Some(Output {
        status,
        stdout: content(&mut stdout)?,
        stderr: content(&mut stderr)?,
    }))
}

fn launcher(root: &Path, folder: &str, name: &str) -> Check {
    let path = format!("{folder}/pulumi-language-{name}");
    let subject = "language host";
    let hint =
        "restore it with `git checkout -- bin`; its folder is configured in plugins.languages of Pulumi.yaml";
    match std::fs::metadata(root.join(&path)) {
        Ok(there) if is_executable(&there) => Check::good(subject, path),
        Ok(_) => Check::fail(
            subject,
            format!("{path} is not an executable file"),
            format!("chmod +x {path}"),
        ),
        Err(_) => Check::fail(subject, format!("{path} does not exist"), hint),
    }
}

#[cfg(unix)]
fn is_executable(there: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    there.is_file() && there.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(there: &std::fs::Metadata) -> bool {
    there.is_file()
}

/// Checks the Kubernetes provider, which Pulumi downloads if it is missing.
fn provider() -> Check {
    let subject = "provider";
    let home = std::env::var_os("PULUMI_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pulumi")));
    let name = format!("resource-kubernetes-v{PROVIDER_VERSION}");
    if home.is_some_and(|home| home.join("plugins").join(&name).is_dir()) {
        return Check::good(subject, format!("kubernetes {PROVIDER_VERSION} is installed"));
    }
    let program = "pulumi-resource-kubernetes";
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        let found = format!("{program} on PATH is used; its version is not known");
        return Check::warn(
            subject,
            found,
            format!("pulumi plugin install resource kubernetes {PROVIDER_VERSION}"),
        );
    }
    let hint = format!("pulumi plugin install resource kubernetes {PROVIDER_VERSION}");
    if std::env::var_os("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION").is_some_and(|value| !value.is_empty())
    {
        return Check::fail(
            subject,
            "kubernetes is not installed, and downloads of plugins are disabled",
            hint,
        );
    }
    Check::warn(
        subject,
        "kubernetes is not installed; Pulumi will download it",
        hint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenix_terminal::checklist::Status;

    #[test]
    fn a_missing_program_fails_with_a_fix() {
        let check = program(Path::new("."), "no-such-program-here", &[], "", "install it");
        assert_eq!(
            check,
            Check::fail("no-such-program-here", "is not on PATH", "install it")
        );
    }

    #[test]
    fn a_program_that_never_ends_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("60");
        assert!(
            output_within(&mut command, Duration::from_millis(50))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn long_output_does_not_block_the_program() {
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 300000 /dev/zero; echo end >&2"]);
        let output = output_within(&mut command, Duration::from_secs(30))
            .unwrap()
            .unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.as_slice()),
            (300_000, &b"end\n"[..])
        );
    }

    #[test]
    fn a_launcher_that_cannot_be_executed_fails() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        assert_eq!(launcher(folder.path(), "bin", "rust").status, Status::Fail);
        std::fs::write(folder.path().join("bin/pulumi-language-rust"), "").unwrap();
        assert_eq!(
            launcher(folder.path(), "bin", "rust").hint.as_deref(),
            Some("chmod +x bin/pulumi-language-rust")
        );
    }
}
