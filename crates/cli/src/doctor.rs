//! What a deployment needs, checked one by one: tools on this machine, a stack's file, the cluster it names.
//!
//! An edge: it runs programs, reads kubeconfigs and asks an API server, and changes nothing. Every check ends, with an
//! answer or with the way out; none needs the one before it unless it says so. [`crate::commands::doctor`] prints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use phoenix::config::secret::Giver;
use phoenix::config::{NAMESPACE, secret};
use phoenix::registration::PROVIDER_VERSION;

use self::cluster::Asked;
use crate::checkout::Checkout;
use crate::mistake;
use crate::output::count;
use crate::stack::{Invalid, Stack};
use crate::stack_file::StackFile;

pub(crate) mod cluster;
mod definitions;
mod elsewhere;
pub(crate) mod environment;
mod existing;
mod identity;
mod mesh;
mod migration;
mod nodes;
mod reloader;
mod rights;
mod served;

/// How long a program may take to tell its version; a first `cargo` may be fetching its toolchain.
const PATIENCE: Duration = Duration::from_mins(1);

/// The oldest engine that finds a language host by its path, where `Pulumi.yaml` asks for no newer one.
const OLDEST_PULUMI: &str = "3.255.0";

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was asked about, such as `pulumi`.
    pub name: String,
    /// How it stands.
    pub status: Status,
    /// What was found, in words.
    pub found: String,
    /// The way out, where one is needed.
    pub hint: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Good,
    /// Worth knowing; nothing fails for it.
    Warn,
    /// A deployment would fail.
    Fail,
}

impl Status {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Check {
    fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Good,
            found: found.into(),
            hint: None,
        }
    }

    fn warn(name: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Warn,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Fail,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }
}

/// All checks: of the tools, of every stack file, and, where a stack is named, of all that its deployment needs.
pub async fn examine(checkout: &Checkout, stack: Option<&str>) -> anyhow::Result<Vec<Check>> {
    let stack = stack.map(|stack| checkout.stack(stack)).transpose()?;
    let mut checks = tools(checkout).await;
    let names = match &stack {
        Some(stack) => vec![stack.clone()],
        None => checkout.stacks()?,
    };
    if names.is_empty() {
        let hint = format!("write {}", checkout.shown(&checkout.stack_file("dev")));
        checks.push(Check::fail("stacks", "there are none", hint));
    }
    for name in &names {
        let loaded = Stack::load(checkout, name);
        checks.push(stack_file(name, &loaded));
        checks.extend(sandbox_marker(checkout, name));
        if let (Some(_), Ok(loaded)) = (&stack, &loaded) {
            checks.push(placeholders(loaded));
            checks.push(secrets(loaded));
            checks.extend(environment::examine(loaded));
            checks.extend(definitions::examine(checkout, loaded));
        }
        if stack.is_some() {
            let asked = match &loaded {
                Ok(loaded) => Asked::Stack(loaded),
                Err(_) => Asked::Unreadable,
            };
            checks.extend(cluster::examine(checkout.root(), asked).await);
        }
    }
    if stack.is_none() {
        checks.extend(cluster::examine(checkout.root(), Asked::Nothing).await);
    }
    Ok(checks)
}

async fn tools(checkout: &Checkout) -> Vec<Check> {
    let rust = checkout.rust_version().unwrap_or_default();
    let pulumi = checkout
        .pulumi_version()
        .unwrap_or_else(|| OLDEST_PULUMI.to_owned());
    let root = checkout.root();
    let mut checks = vec![
        version(
            root,
            "git",
            &["--version"],
            "",
            "install git; previews compare revisions with it",
        )
        .await,
        version(
            root,
            "cargo",
            &["--version"],
            "",
            "install Rust with rustup; it reads rust-toolchain.toml",
        )
        .await,
        version(
            root,
            "rustc",
            &["--version"],
            &rust,
            "run `rustup toolchain install` in the repository",
        )
        .await,
        version(
            root,
            "pulumi",
            &["version"],
            &pulumi,
            "install Pulumi's command, or let `cargo phoenix sandbox up` build one",
        )
        .await,
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
            "Pulumi.yaml pins none",
            "add it below plugins.languages, with `path: bin`",
        ));
    }
    checks.push(provider());
    checks
}

/// Whether a program is there and new enough.
async fn version(root: &Path, program: &str, arguments: &[&str], at_least: &str, hint: &str) -> Check {
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .current_dir(root)
        .env("PULUMI_SKIP_UPDATE_CHECK", "1")
        .kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(_) => {
            return Check::fail(
                program,
                format!("does not answer within {} s", PATIENCE.as_secs()),
                hint,
            );
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::fail(program, "is not on PATH", hint);
        }
        Ok(Err(error)) => return Check::fail(program, format!("cannot be run: {error}"), hint),
        Ok(Ok(output)) => output,
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
        return Check::warn(program, format!("does not tell its version: {first_line}"), hint);
    };
    if numbers(&found) < numbers(at_least) {
        return Check::fail(
            program,
            format!("{found}, but at least {at_least} is needed"),
            hint,
        );
    }
    Check::good(program, found)
}

/// The first word of a line that is a version.
fn number_in(line: &str) -> Option<String> {
    line.split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}

fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| {
        part.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .unwrap_or(0)
    };
    version.split('.').take(3).map(digits).collect()
}

fn launcher(root: &Path, folder: &str, name: &str) -> Check {
    let path = format!("{folder}/pulumi-language-{name}");
    let subject = "language host";
    let hint = "restore it with `git checkout -- bin`; Pulumi.yaml names its folder below plugins.languages";
    match std::fs::metadata(root.join(&path)) {
        Ok(there) if is_executable(&there) => Check::good(subject, path),
        Ok(_) => Check::fail(
            subject,
            format!("{path} is not an executable file"),
            format!("chmod +x {path}"),
        ),
        Err(_) => Check::fail(subject, format!("{path} is not there"), hint),
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

/// The Kubernetes provider, which the engine downloads where it is missing.
fn provider() -> Check {
    let subject = "provider";
    let home = std::env::var_os("PULUMI_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pulumi")));
    let name = format!("resource-kubernetes-v{PROVIDER_VERSION}");
    if home.is_some_and(|home| home.join("plugins").join(&name).is_dir()) {
        return Check::good(
            subject,
            format!("kubernetes {PROVIDER_VERSION} among the engine's plugins"),
        );
    }
    let program = "pulumi-resource-kubernetes";
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        let found = format!("{program} on PATH is used, and its version is not known");
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
            "kubernetes is not installed, and the engine may not download it",
            hint,
        );
    }
    Check::warn(
        subject,
        "kubernetes is not installed; the engine will download it",
        hint,
    )
}

fn stack_file(name: &str, loaded: &anyhow::Result<Stack>) -> Check {
    let subject = format!("stack {name}");
    let error = match loaded {
        Ok(stack) => {
            return Check::good(
                subject,
                format!(
                    "{} declares {}",
                    stack.file.path,
                    count(stack.graph.len(), "object")
                ),
            );
        }
        Err(error) => error,
    };
    match error.downcast_ref::<Invalid>() {
        Some(invalid) => Check::fail(
            subject,
            invalid.to_string(),
            "repair the stack file; each problem has its own hint",
        ),
        None => Check::fail(
            subject,
            mistake::told(error).trim_start_matches("error: "),
            "repair the stack file",
        ),
    }
}

/// `phoenix:sandbox` makes the program accept placeholders; in a checkout nobody may set it.
fn sandbox_marker(checkout: &Checkout, name: &str) -> Option<Check> {
    let file = StackFile::read(checkout, name).ok()?;
    let key = format!("{NAMESPACE}:sandbox");
    let is_set = file
        .keys
        .get(&key)
        .is_some_and(|value| *value != serde_json::Value::Bool(false));
    let place = file
        .origins
        .of(&key)
        .map_or(file.path.clone(), ToString::to_string);
    is_set.then(|| {
        Check::fail(
            "sandbox marker",
            format!("{key} is set at {place}"),
            "remove it; only the sandbox's own copy of the file has it",
        )
    })
}

fn placeholders(stack: &Stack) -> Check {
    let subject = "placeholders";
    let placeholders = &stack.config.placeholders;
    if placeholders.is_empty() {
        return Check::good(subject, "none");
    }
    let lines: Vec<_> = placeholders
        .iter()
        .map(|(key, missing)| format!("\n{key} — {missing}"))
        .collect();
    let found = format!(
        "{} not known yet, which a deployment refuses:{}",
        count(placeholders.len(), "value"),
        lines.concat()
    );
    Check::fail(
        subject,
        found,
        format!("write the values into {}", stack.file.path),
    )
}

fn secrets(stack: &Stack) -> Check {
    let subject = "secrets";
    if let Some(source) = crate::secrets::source(&stack.config.secrets) {
        let own: Vec<_> = stack.file.secrets.iter().map(String::as_str).collect();
        return if own.is_empty() {
            Check::good(subject, format!("come from {source}; the stack itself has none"))
        } else {
            Check::fail(
                subject,
                format!(
                    "come from {source}, but the stack itself has values of {}, and nobody could tell which is meant",
                    own.join(", ")
                ),
                format!("pulumi config rm KEY --stack {}", stack.name),
            )
        };
    }
    let needed = stack.config.secrets_needed();
    let missing = secret::missing(
        &needed,
        stack.file.secrets.iter().map(String::as_str),
        Giver::Person,
    );
    let needed = needed.len();
    if missing.is_empty() {
        return Check::good(subject, format!("all {needed} have a value"));
    }
    let lines: Vec<_> = missing
        .iter()
        .map(|problem| format!("\n{} {}", problem.key, problem.message))
        .collect();
    let found = format!(
        "{} of {needed} have no value:{}",
        missing.iter().count(),
        lines.concat()
    );
    Check::fail(
        subject,
        found,
        format!(
            "pulumi config set --secret KEY --stack {}; it asks for the value",
            stack.name
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say_and_compared_by_number() {
        assert_eq!(number_in("git version 2.39.5"), Some("2.39.5".to_owned()));
        assert_eq!(number_in("v3.259.0"), Some("3.259.0".to_owned()));
        assert_eq!(
            number_in("rustc 1.95.0 (59807616e 2026-04-14)"),
            Some("1.95.0".to_owned())
        );
        assert!(numbers("3.259.0") > numbers("3.255.0"));
        assert!(numbers("3.99.0") < numbers("3.255.0"));
        assert!(numbers("3.255.0-alpha.1") >= numbers("3.255"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_fails_with_the_way_out() {
        let check = version(Path::new("."), "no-such-program-here", &[], "", "install it").await;
        assert_eq!(
            check,
            Check::fail("no-such-program-here", "is not on PATH", "install it")
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
