//! `phoenix sandbox`: maps the command line to the package `phoenix-sandbox`, and prints.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use phoenix_cli::arguments::Format;
use phoenix_cli::commands::sandbox::{self, Command, Work};
use phoenix_sandbox::{DEFAULT_STACK, Options, Place, Sandbox, tools, worker};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{data, document, message};
use serde_json::{Map, Value, json};

/// Runs the verb, started in this directory.
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
                place: self::place(place),
                launcher: std::env::current_exe().context("cannot find the file of this program")?,
                deploy: !no_deploy,
            };
            let sandbox = Sandbox::up(&options)?;
            message(&format!("kubeconfig: {}", sandbox.kubeconfig().display()));
        }
        Command::Down { all: true, .. } => Sandbox::down_all()?,
        Command::Down { stack, place, .. } => Sandbox::down_at(&self::place(place), stack.as_deref())?,
        Command::Status { stack, place, format } => {
            let status = Sandbox::status_at(&self::place(place), stack.as_deref())?;
            match format {
                Format::Text => data(&status.text())?,
                Format::Json => document(
                    "sandbox-status",
                    serde_json::to_value(&status).expect("a status is plain data"),
                )?,
            }
            return Ok(if status.running {
                Exit::Clean
            } else {
                Exit::Changed
            });
        }
        Command::Pulumi { place, arguments } => {
            return Err(Sandbox::open(&self::place(place))?.become_pulumi(&arguments)?);
        }
        Command::Env { place, format } => {
            print_environment(&Sandbox::open(&self::place(place))?, format)?;
        }
        Command::Tools { all, benchmarks } => print_tools(&tools::repository(directory)?, all, benchmarks)?,
        Command::Worker {
            work: Work::Session { command },
        } => worker::session(&command)?,
        Command::Worker {
            work: Work::Volumes { kubeconfig },
        } => worker::volumes(&kubeconfig)?,
    }
    Ok(Exit::Clean)
}

fn place(place: sandbox::Place) -> Place {
    Place {
        name: place.name,
        dir: place.dir,
    }
}

fn print_tools(repository: &Path, all: bool, benchmarks: bool) -> Result<()> {
    let cache = tools::ToolCache::of(repository)?;
    let mut wanted = Sandbox::tools(true);
    if all {
        wanted.extend(tools::TESTS);
    }
    if benchmarks {
        wanted.extend(tools::BENCHMARKS);
    }
    for (name, found) in cache.provide(&wanted)? {
        data(&format!("{name:<28}{}\n", found.path.display()))?;
    }
    for files in [&[tools::STAGES], &tools::DEFINITIONS[..]].concat() {
        for path in cache.files(&files)? {
            message(&format!("{}: {}", files.name, path.display()));
        }
    }
    Ok(())
}

fn print_environment(sandbox: &Sandbox, format: Format) -> Result<()> {
    let variables = sandbox.environment();
    if format == Format::Json {
        return document("sandbox-env", environment_json(&variables));
    }
    for (name, value) in variables {
        data(&format!(
            "export {name}={}\n",
            shell_quoted(&value.to_string_lossy())
        ))?;
    }
    let pulumi = sandbox.installed_pulumi()?;
    let pulumi = pulumi.unwrap_or_else(|| PathBuf::from(tools::PULUMI.name));
    message(&format!(
        "Pulumi works in a copy of the project: run {} -C {}",
        pulumi.display(),
        sandbox.project().display()
    ));
    Ok(())
}

fn environment_json(variables: &BTreeMap<&'static str, OsString>) -> Value {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.to_string_lossy().into()));
    json!({"variables": variables.collect::<Map<_, _>>()})
}

/// A text as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use phoenix_terminal::output::with_format;

    use super::*;

    fn nowhere(directory: &Path) -> sandbox::Place {
        sandbox::Place {
            name: None,
            dir: Some(directory.join("none")),
        }
    }

    #[test]
    fn stopping_a_sandbox_that_does_not_exist_succeeds() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let command = Command::Down {
            stack: None,
            all: false,
            place: nowhere(directory.path()),
        };
        assert_eq!(run(command, directory.path()).expect("it succeeds"), Exit::Clean);
        assert!(!directory.path().join("none").exists());
    }

    #[test]
    fn the_status_of_a_missing_sandbox_is_that_not_everything_runs() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let command = Command::Status {
            stack: None,
            place: nowhere(directory.path()),
            format: Format::Json,
        };
        assert_eq!(
            run(command, directory.path()).expect("it is shown"),
            Exit::Changed
        );
    }

    #[test]
    fn the_json_formats_match_their_schemas() {
        let status = |status: Value| with_format("sandbox-status", status);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let missing = Sandbox::status_at(&place(nowhere(directory.path())), None).expect("it is shown");
        let missing = serde_json::to_value(&missing).unwrap();
        let running = phoenix_sandbox::Status {
            name: Some("dev".to_owned()),
            stack: Some("dev".to_owned()),
            directory: "/d".into(),
            running: true,
            components: vec![phoenix_sandbox::Component {
                name: "etcd".to_owned(),
                running: true,
                pid: Some(1),
            }],
            ports: None,
            kubeconfig: Some("/d/kubeconfig".into()),
            context: Some("phoenix-sandbox-dev".to_owned()),
            nodes: Some(1),
            pods: None,
        };
        let variables = BTreeMap::from([("KUBECONFIG", OsString::from("/d"))]);
        for document in [
            status(missing),
            status(serde_json::to_value(running).unwrap()),
            with_format("sandbox-env", environment_json(&variables)),
        ] {
            let format = document["format"].as_str().unwrap();
            let schema = phoenix_cli::formats::schema(format).unwrap();
            let schema = serde_json::from_str(schema).unwrap();
            assert_eq!(
                phoenix_testing::json_schema::violations(&schema, &document),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn a_quoted_word_survives_the_shell() {
        assert_eq!(shell_quoted("file:///it's here"), r"'file:///it'\''s here'");
    }
}
