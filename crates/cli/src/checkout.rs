//! The checkout that a command works on: its root, and the settings of `Pulumi.yaml`.
//!
//! An edge: it reads the file system. It locates stack files and does not read them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use phoenix_manifests::yaml;
use phoenix_terminal::user_error::{WithHint as _, user_error};

/// A checkout of this repository.
#[derive(Clone, Debug)]
pub struct Checkout {
    root: PathBuf,
    project: String,
    stacks: PathBuf,
    languages: Vec<Plugin>,
    pulumi_version: Option<String>,
}

/// A plugin with a path in `Pulumi.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name, for example `rust`.
    pub name: String,
    /// The directory of its executable, relative to the root.
    pub folder: String,
}

impl Checkout {
    /// The checkout at `root`, or the one that contains the current directory.
    pub fn find(root: Option<&Path>) -> Result<Self> {
        let here = match root {
            Some(root) => {
                fs::canonicalize(root).with_context(|| format!("cannot open {}", root.display()))?
            }
            None => std::env::current_dir().context("cannot determine the current directory")?,
        };
        let mut candidates = here.ancestors().take(if root.is_some() { 1 } else { usize::MAX });
        match candidates
            .find(|folder| folder.join("Pulumi.yaml").is_file() && folder.join("Cargo.toml").is_file())
        {
            Some(found) => Self::open(found),
            None => Err(user_error(
                format!(
                    "{} is not in a checkout: no parent directory contains Pulumi.yaml and Cargo.toml",
                    here.display()
                ),
                "change to a directory of the repository",
            )),
        }
    }

    fn open(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join("Pulumi.yaml")).context("cannot read Pulumi.yaml")?;
        let documents = yaml::read(&text).context("cannot read Pulumi.yaml")?;
        let project = documents.first().map_or(&Value::Null, |document| &document.value);
        let stacks = project
            .get("stackConfigDir")
            .and_then(Value::as_str)
            .unwrap_or(".");
        let languages = project.pointer("/plugins/languages").and_then(Value::as_array);
        let plugin = |entry: &Value| {
            let field = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            Some(Plugin {
                name: field("name")?,
                folder: field("path")?,
            })
        };
        Ok(Self {
            root: root.to_owned(),
            project: project
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            stacks: PathBuf::from(stacks),
            languages: languages.into_iter().flatten().filter_map(plugin).collect(),
            pulumi_version: project
                .get("requiredPulumiVersion")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// The directory that contains `Pulumi.yaml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The project's name in `Pulumi.yaml`, the second part of every URN.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The language plugins with a path in `Pulumi.yaml`.
    pub fn languages(&self) -> &[Plugin] {
        &self.languages
    }

    /// The minimum Pulumi version in `Pulumi.yaml`, if written as `>=3.255.0`.
    pub fn pulumi_version(&self) -> Option<String> {
        let version = self.pulumi_version.as_deref()?.strip_prefix(">=")?.trim();
        (!version.contains([' ', ','])).then(|| version.to_owned())
    }

    /// The minimum Rust version in `Cargo.toml`.
    pub fn rust_version(&self) -> Option<String> {
        let manifest = fs::read_to_string(self.root.join("Cargo.toml")).ok()?;
        rust_version_in(&manifest).map(str::to_owned)
    }

    /// The names of all stacks with a stack file, sorted.
    pub fn stacks(&self) -> Result<Vec<String>> {
        let folder = self.root.join(&self.stacks);
        let entries = fs::read_dir(&folder).or_hint(
            format!("cannot list the stack files in {}", self.shown(&folder)),
            "stackConfigDir in Pulumi.yaml names their directory",
        )?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", self.shown(&folder)))?;
            names.extend(entry.file_name().into_string());
        }
        let stacks = stacks_among(&names);
        if let Some(name) = stacks.iter().find(|name| !is_stack_name(name)) {
            return Err(user_error(
                format!(
                    "{} is not a valid stack file: {name:?} is not a stack name",
                    self.shown(&self.stack_file(name))
                ),
                STACK_NAME_HINT,
            ));
        }
        Ok(stacks)
    }

    /// The names of all files in the directory of the stack files.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(&self.stacks));
        let names = entries.into_iter().flatten().flatten();
        names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// How to fix the name of a stack that does not exist.
    fn hint_for(&self, asked: &str, stacks: &[String]) -> String {
        // A path of a stack file, or the full name of a stack.
        let last = asked.rsplit(['/', '\\']).next().unwrap_or(asked);
        let name = last.strip_prefix("Pulumi.").unwrap_or(last);
        let name = [".yaml", ".yml", ".json"]
            .iter()
            .find_map(|extension| name.strip_suffix(extension))
            .unwrap_or(name);
        if stacks.iter().any(|stack| stack == name) {
            return format!("did you mean {name}?");
        }
        let is_other_extension = |file: &String| {
            [".yml", ".json"]
                .iter()
                .any(|extension| file.eq_ignore_ascii_case(&format!("Pulumi.{name}{extension}")))
                || (file.eq_ignore_ascii_case(&format!("Pulumi.{name}.yaml")))
        };
        if let Some(file) = self.files().into_iter().find(is_other_extension)
            && stack_of_file(&file).is_none()
        {
            let folder = self.stacks_folder();
            return format!(
                "rename {folder}/{file} to {}, the only form that is read",
                self.shown(&self.stack_file(name))
            );
        }
        match phoenix_suggest::nearest(name, stacks.iter().map(String::as_str)) {
            Some(stack) => format!("did you mean {stack}?"),
            None if is_stack_name(name) => format!("create {}", self.shown(&self.stack_file(name))),
            None => STACK_NAME_HINT.to_owned(),
        }
    }

    /// The name of a stack with a stack file: `asked` itself, or an error that lists the existing stacks.
    pub fn stack(&self, asked: &str) -> Result<String> {
        let stacks = self.stacks()?;
        if stacks.iter().any(|stack| stack == asked) {
            return Ok(asked.to_owned());
        }
        let shown: String = asked.chars().take(60).collect();
        let hint = self.hint_for(&shown, &stacks);
        let known = if stacks.is_empty() {
            "there are no stacks yet".to_owned()
        } else {
            format!("existing stacks: {}", stacks.join(", "))
        };
        Err(user_error(format!("there is no stack {shown:?} ({known})"), hint))
    }

    /// The path of a stack file.
    pub fn stack_file(&self, stack: &str) -> PathBuf {
        self.root.join(&self.stacks).join(format!("Pulumi.{stack}.yaml"))
    }

    /// The directory of the stack files, relative to the root.
    pub fn stacks_folder(&self) -> String {
        self.shown(&self.root.join(&self.stacks))
    }

    /// A path for messages: relative to the root, with slashes.
    pub fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> = relative
            .components()
            .filter(|part| !matches!(part, std::path::Component::CurDir))
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        if relative.is_absolute() {
            relative.display().to_string()
        } else {
            parts.join("/")
        }
    }
}

/// `rust-version` of `[workspace.package]`. A line scan: a TOML parser for one key would slow down the first build.
fn rust_version_in(manifest: &str) -> Option<&str> {
    let section = manifest
        .lines()
        .skip_while(|line| line.trim() != "[workspace.package]")
        .skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == "rust-version")
        .map(|(_, version)| version.trim().trim_matches('"'))
}

/// What Pulumi accepts as the name of a stack.
const STACK_NAME_HINT: &str =
    "a stack name has at most 100 characters: letters, digits, hyphens, underscores and periods";

/// Whether Pulumi accepts this name of a stack.
fn is_stack_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// The stacks of these file names, sorted.
pub fn stacks_among(names: &[String]) -> Vec<String> {
    let mut stacks: Vec<_> = names
        .iter()
        .filter_map(|name| stack_of_file(name))
        .map(str::to_owned)
        .collect();
    stacks.sort_unstable();
    stacks
}

/// The stack of a file name.
fn stack_of_file(name: &str) -> Option<&str> {
    let stack = name.strip_prefix("Pulumi.")?.strip_suffix(".yaml")?;
    (!stack.is_empty()).then_some(stack)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const PROJECT: &str =
        "name: phoenix\nstackConfigDir: stacks\nplugins:\n  languages:\n  - name: rust\n    path: bin\n";

    #[test]
    fn the_root_is_found_from_a_subdirectory() {
        let folder = checkout(&[
            ("Pulumi.yaml", PROJECT),
            ("Cargo.toml", ""),
            ("stacks/Pulumi.dev.yaml", ""),
        ]);
        let found = Checkout::find(Some(folder.path())).unwrap();
        assert_eq!(
            found.languages(),
            [Plugin {
                name: "rust".to_owned(),
                folder: "bin".to_owned()
            }]
        );
        assert_eq!(found.shown(&found.stack_file("dev")), "stacks/Pulumi.dev.yaml");
    }

    #[test]
    fn an_unknown_stack_is_reported_with_the_most_similar_name() {
        let folder = checkout(&[
            ("Pulumi.yaml", PROJECT),
            ("Cargo.toml", ""),
            ("stacks/Pulumi.staging.yaml", ""),
            ("stacks/notes.yaml", ""),
        ]);
        let found = Checkout::find(Some(folder.path())).unwrap();
        assert_eq!(found.stacks().unwrap(), ["staging"]);
        let error = found.stack("stagin").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no stack \"stagin\" (existing stacks: staging)\nhint: did you mean staging?"
        );
    }

    #[test]
    fn the_stack_that_a_path_another_extension_or_another_case_names_is_suggested() {
        let folder = checkout(&[
            ("Pulumi.yaml", PROJECT),
            ("Cargo.toml", ""),
            ("stacks/Pulumi.dev.yaml", ""),
            ("stacks/Pulumi.qa.yml", ""),
        ]);
        let found = Checkout::find(Some(folder.path())).unwrap();
        for asked in [
            "stacks/Pulumi.dev.yaml",
            "./stacks/Pulumi.dev.yaml",
            "Pulumi.dev.yaml",
            "dev.yaml",
            "Pulumi.dev.yml",
            "acme/phoenix/dev",
            "DEV",
            "Dev",
        ] {
            let error = found.stack(asked).unwrap_err().to_string();
            assert!(error.ends_with("hint: did you mean dev?"), "{asked}: {error}");
        }
        for asked in ["qa", "QA", "stacks/Pulumi.qa.yml", "Pulumi.qa.yaml"] {
            let error = found.stack(asked).unwrap_err().to_string();
            assert!(
                error.contains("hint: rename stacks/Pulumi.qa.yml to stacks/Pulumi."),
                "{asked}: {error}"
            );
        }
        let error = found.stack("production").unwrap_err().to_string();
        assert!(
            error.ends_with("hint: create stacks/Pulumi.production.yaml"),
            "{error}"
        );
    }

    #[test]
    fn a_stack_file_with_a_name_that_pulumi_rejects_is_an_error() {
        for name in ["My Stack", "a b", "größe", "a+b", &"x".repeat(101)] {
            let folder = checkout(&[
                ("Pulumi.yaml", PROJECT),
                ("Cargo.toml", ""),
                (&format!("stacks/Pulumi.{name}.yaml"), ""),
            ]);
            let error = Checkout::find(Some(folder.path())).unwrap().stacks().unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("is not a stack name") && error.contains("hint: a stack name has at most"),
                "{error}"
            );
        }
        assert!(is_stack_name("a.b-C_9"));
    }

    #[test]
    fn a_stack_name_with_a_path_is_rejected() {
        let folder = checkout(&[
            ("Pulumi.yaml", PROJECT),
            ("Cargo.toml", ""),
            ("stacks/Pulumi.dev.yaml", ""),
            ("Pulumi.x.yaml", ""),
        ]);
        assert!(
            Checkout::find(Some(folder.path()))
                .unwrap()
                .stack("../x")
                .is_err()
        );
    }

    #[test]
    fn the_rust_version_is_that_of_the_workspace() {
        let manifest = "[package]\nrust-version.workspace = true\n\n[workspace.package]\nedition = \"2024\"\nrust-version = \"1.95\"\n";
        assert_eq!(rust_version_in(manifest), Some("1.95"));
        assert_eq!(rust_version_in("[workspace]\n"), None);
    }

    #[test]
    fn outside_a_checkout_the_error_has_a_hint() {
        let folder = checkout(&[("Cargo.toml", "")]);
        let error = Checkout::find(Some(folder.path())).unwrap_err().to_string();
        assert!(
            error.ends_with("hint: change to a directory of the repository"),
            "{error}"
        );
    }
}
