//! A program's Cargo manifest, read without cargo.
//!
//! Every preview needs three facts from it: the name of the program's binary, the folder of the workspace, and the packages
//! that the engine must install. Running `cargo metadata` would take longer than everything else in the host. If cargo's
//! result can differ (a target folder in a configuration file), the host does not depend on it.

use anyhow::{Context as _, Result};
use phoenix_terminal::user_error::user_error;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The manifest of the package in a program's folder.
#[derive(Debug)]
pub struct Manifest {
    /// The folder of the package.
    pub directory: PathBuf,
    /// The folder of the workspace; the package's own folder if it is not in one.
    pub workspace: PathBuf,
    package: Package,
    bins: Vec<Bin>,
}

/// A Pulumi package that the program uses and that the engine must install, usually a provider.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The name of the package, such as `random`.
    pub name: String,
    /// The kind of the package's plugin.
    #[serde(default = "resource")]
    pub kind: String,
    /// The exact version, without a leading `v`.
    pub version: String,
    /// The download server; empty for the default.
    #[serde(default)]
    pub server: String,
    /// The SHA-256 of the archive in hexadecimal, by platform (`linux-amd64`). The engine rejects other archives.
    #[serde(default)]
    pub checksums: BTreeMap<String, String>,
}

fn resource() -> String {
    "resource".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    package: Option<Package>,
    workspace: Option<Workspace>,
    #[serde(default)]
    bin: Vec<Bin>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    default_run: Option<String>,
    autobins: Option<bool>,
    workspace: Option<PathBuf>,
    metadata: Option<toml::Table>,
}

#[derive(Debug, Deserialize)]
struct Workspace {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    exclude: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Bin {
    name: String,
    path: Option<PathBuf>,
}

impl Manifest {
    /// Reads the manifest of the package in this folder.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("Cargo.toml");
        if !path.exists() {
            return Err(user_error(
                format!(
                    "{} has no Cargo.toml, so there is no program to build",
                    directory.display()
                ),
                "create it with `cargo init`, set `runtime.options.package` or `main` in Pulumi.yaml, \
                 or set `runtime.options.binary` to a prebuilt program",
            ));
        }
        let document = read_document(&path)?;
        let workspace = if document.workspace.is_some() {
            Some(directory.to_owned())
        } else {
            None
        };
        let Some(package) = document.package else {
            return Err(user_error(
                format!("{} is a workspace without a root package", path.display()),
                "set `runtime.options.package` to the package of the program",
            ));
        };
        let workspace = match (workspace, &package.workspace) {
            (Some(own), _) => own,
            (None, Some(named)) => directory.join(named),
            (None, None) => find_workspace(directory)?.unwrap_or_else(|| directory.to_owned()),
        };
        Ok(Self {
            directory: directory.to_owned(),
            workspace,
            package,
            bins: document.bin,
        })
    }

    /// Reads the manifest of the package with this name in the workspace that contains `directory`.
    pub fn of_member(directory: &Path, name: &str) -> Result<Self> {
        let Some((root, workspace)) = workspace_around(directory)? else {
            let own = Self::read(directory)?;
            return if own.name() == name {
                Ok(own)
            } else {
                Err(unknown_package(
                    name,
                    &format!("{} is not in a workspace", directory.display()),
                ))
            };
        };
        for folder in workspace.member_folders(&root) {
            let path = folder.join("Cargo.toml");
            // Most manifests are not parsed: a preview of a large workspace must not pay for all of them.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            if !text.contains(name) {
                continue;
            }
            if parse_document(&path, &text)?
                .package
                .is_some_and(|package| package.name == name)
            {
                return Self::read(&folder);
            }
        }
        Err(unknown_package(
            name,
            &format!("the workspace {} has no package of that name", root.display()),
        ))
    }

    /// The path of the manifest itself.
    pub fn path(&self) -> PathBuf {
        self.directory.join("Cargo.toml")
    }

    /// The name of the package.
    pub fn name(&self) -> &str {
        &self.package.name
    }

    /// The binary that is the program: the one that `cargo run` runs.
    pub fn program(&self) -> Result<String> {
        if let Some(named) = &self.package.default_run {
            return Ok(named.clone());
        }
        let mut bins = self.bins()?;
        match bins.len() {
            1 => Ok(bins.pop_first().expect("the set has one element")),
            0 => Err(user_error(
                format!(
                    "the package {} has no binary, so there is no program to run",
                    self.name()
                ),
                "add src/main.rs",
            )),
            _ => Err(user_error(
                format!(
                    "the package {} has several binaries ({}) and no `default-run`",
                    self.name(),
                    Vec::from_iter(bins).join(", ")
                ),
                "set `default-run` below `[package]` in Cargo.toml",
            )),
        }
    }

    /// The packages listed below `[package.metadata.pulumi]`.
    pub fn requirements(&self) -> Result<Vec<Requirement>> {
        self.read_requirements()
            .with_context(|| format!("reading [package.metadata.pulumi] in {}", self.path().display()))
    }

    fn read_requirements(&self) -> Result<Vec<Requirement>> {
        let Some(section) = self
            .package
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get("pulumi"))
        else {
            return Ok(Vec::new());
        };
        let form = "write an entry as `{ name = \"random\", version = \"4.18.0\" }`; \
                    `kind`, `server` and `checksums` are optional";
        let entries = match section.get("packages") {
            None => return Ok(Vec::new()),
            Some(toml::Value::Array(entries)) => entries,
            Some(_) => return Err(user_error("`packages` is not a list", form)),
        };
        entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let requirement: Requirement = entry
                    .clone()
                    .try_into()
                    .map_err(|error: toml::de::Error| user_error(error.message().to_owned(), form))
                    .with_context(|| format!("entry {} of `packages`", index + 1))?;
                requirement
                    .check()
                    .with_context(|| format!("entry {} of `packages`", index + 1))?;
                Ok(requirement)
            })
            .collect()
    }

    /// The binaries that cargo finds: those in the manifest, and those in the default locations.
    fn bins(&self) -> Result<BTreeSet<String>> {
        let mut names: BTreeSet<String> = self.bins.iter().map(|bin| bin.name.clone()).collect();
        if self.package.autobins == Some(false) {
            return Ok(names);
        }
        for (name, path) in self.found_bins()? {
            // A `[[bin]]` section with this path renames the binary instead of adding one.
            if !self.bins.iter().any(|bin| bin.path.as_deref() == Some(&path)) {
                names.insert(name);
            }
        }
        Ok(names)
    }

    fn found_bins(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        if self.directory.join("src/main.rs").exists() {
            found.push((self.name().to_owned(), PathBuf::from("src/main.rs")));
        }
        let folder = self.directory.join("src/bin");
        if !folder.is_dir() {
            return Ok(found);
        }
        for entry in
            fs::read_dir(&folder).with_context(|| format!("looking for binaries in {}", folder.display()))?
        {
            let path = entry?.path();
            let (Some(name), Some(file)) = (path.file_stem(), path.file_name()) else {
                continue;
            };
            let relative = Path::new("src/bin").join(file);
            let name = name.to_string_lossy().into_owned();
            if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((name, relative));
            } else if path.join("main.rs").exists() {
                found.push((name, relative.join("main.rs")));
            }
        }
        Ok(found)
    }
}

impl Requirement {
    fn check(&self) -> Result<()> {
        if self.name.is_empty() {
            return Err(user_error(
                "`name` is empty",
                "set it to the name of the package, such as \"random\"",
            ));
        }
        if !is_exact_version(&self.version) {
            return Err(user_error(
                format!("`{}` is not an exact version of {}", self.version, self.name),
                "use three numbers without a leading \"v\", such as \"4.18.0\"",
            ));
        }
        for (platform, checksum) in &self.checksums {
            if checksum.len() != 64 || !checksum.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(user_error(
                    format!("the checksum of {} for {platform} is not a SHA-256", self.name),
                    "use 64 hexadecimal digits",
                ));
            }
        }
        Ok(())
    }
}

/// Whether a version has the form `1.2.3`, with optional `-rc.1` and `+build`. The engine interprets `1.2` or a leading `v`
/// differently.
fn is_exact_version(version: &str) -> bool {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = release.split('.').collect();
    let plain = |number: &&str| {
        !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
            && (*number == "0" || !number.starts_with('0'))
    };
    let rest = &version[release.len()..];
    let label = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    numbers.len() == 3 && numbers.iter().all(plain) && rest.bytes().all(label) && rest.len() != 1
}

impl Workspace {
    /// The folders of the root package and of the members, without those that are excluded.
    fn member_folders(&self, root: &Path) -> Vec<PathBuf> {
        let members = self.members.iter().flat_map(|pattern| expand(root, pattern));
        std::iter::once(root.to_owned())
            .chain(members.filter(|folder| !self.excludes(root, folder)))
            .collect()
    }

    fn excludes(&self, root: &Path, folder: &Path) -> bool {
        self.exclude
            .iter()
            .any(|excluded| folder.starts_with(root.join(excluded)))
    }
}

/// The folders below `root` that match a pattern of `workspace.members`, in which `*` stands for any characters of one
/// name.
fn expand(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let names = pattern.split('/').filter(|name| !name.is_empty());
    names.fold(vec![root.to_owned()], |folders, name| {
        if !name.contains('*') {
            return folders.into_iter().map(|folder| folder.join(name)).collect();
        }
        let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
        let mut matching: Vec<_> = entries
            .filter(|entry| matches(name, &entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
        matching.sort();
        matching
    })
}

/// Whether a name matches a pattern in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| matches(rest, &tail[at..]))
        }),
    }
}

fn unknown_package(name: &str, reason: &str) -> anyhow::Error {
    user_error(
        format!("runtime.options.package names {name}, but {reason}"),
        "correct the name, or add the package to `workspace.members` in Cargo.toml",
    )
}

/// The workspace that the folder is in: its own manifest's, or that of the nearest folder above.
fn workspace_around(directory: &Path) -> Result<Option<(PathBuf, Workspace)>> {
    let own = directory.join("Cargo.toml");
    if own.exists()
        && let Some(workspace) = read_document(&own)?.workspace
    {
        return Ok(Some((directory.to_owned(), workspace)));
    }
    nearest_workspace(directory)
}

fn find_workspace(member: &Path) -> Result<Option<PathBuf>> {
    Ok(nearest_workspace(member)?
        .filter(|(root, workspace)| !workspace.excludes(root, member))
        .map(|(root, _)| root))
}

/// The workspace of the nearest folder above that has one.
fn nearest_workspace(member: &Path) -> Result<Option<(PathBuf, Workspace)>> {
    for folder in member.ancestors().skip(1) {
        let path = folder.join("Cargo.toml");
        if !path.exists() {
            continue;
        }
        if let Some(workspace) = read_document(&path)?.workspace {
            return Ok(Some((folder.to_owned(), workspace)));
        }
    }
    Ok(None)
}

fn read_document(path: &Path) -> Result<Document> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse_document(path, &text)
}

fn parse_document(path: &Path, text: &str) -> Result<Document> {
    toml::from_str(text).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenix_terminal::user_error::render_inline;

    /// A folder with a manifest and empty files.
    fn package(manifest: &str, files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn program(manifest: &str, files: &[&str]) -> Result<String, String> {
        let folder = package(manifest, files);
        Manifest::read(folder.path())
            .unwrap()
            .program()
            .map_err(|error| render_inline(&error))
    }

    fn requirements(metadata: &str) -> Result<Vec<Requirement>, String> {
        let folder = package(&format!("[package]\nname = \"a\"\n{metadata}"), &[]);
        let error = Manifest::read(folder.path())
            .unwrap()
            .requirements()
            .map_err(|error| render_inline(&error));
        error.map_err(|error| error.replace(&format!("{}", folder.path().display()), "<folder>"))
    }

    #[test]
    fn the_only_binary_is_the_program() {
        assert_eq!(program("[package]\nname = \"a\"", &["src/main.rs"]).unwrap(), "a");
        assert_eq!(
            program("[package]\nname = \"a\"", &["src/lib.rs", "src/bin/b.rs"]).unwrap(),
            "b"
        );
        assert_eq!(
            program("[package]\nname = \"a\"", &["src/bin/c/main.rs"]).unwrap(),
            "c"
        );
    }

    #[test]
    fn the_default_run_binary_is_the_program() {
        let manifest = "[package]\nname = \"a\"\ndefault-run = \"b\"";
        assert_eq!(program(manifest, &["src/main.rs", "src/bin/b.rs"]).unwrap(), "b");
    }

    #[test]
    fn a_bin_section_renames_the_binary_of_its_file() {
        let manifest = "[package]\nname = \"a\"\n[[bin]]\nname = \"b\"\npath = \"src/main.rs\"";
        assert_eq!(program(manifest, &["src/main.rs"]).unwrap(), "b");
    }

    #[test]
    fn without_autobins_only_bin_sections_count() {
        let manifest = "[package]\nname = \"a\"\nautobins = false\n[[bin]]\nname = \"b\"\npath = \"b.rs\"";
        assert_eq!(program(manifest, &["src/main.rs", "b.rs"]).unwrap(), "b");
    }

    #[test]
    fn several_binaries_need_a_default_run() {
        assert_eq!(
            program("[package]\nname = \"a\"", &["src/main.rs", "src/bin/b.rs"]).unwrap_err(),
            "the package a has several binaries (a, b) and no `default-run`\n\
             hint: set `default-run` below `[package]` in Cargo.toml"
        );
    }

    #[test]
    fn a_library_is_not_a_program() {
        let error = program("[package]\nname = \"a\"", &["src/lib.rs"]).unwrap_err();
        assert!(
            error.contains("has no binary") && error.contains("hint: add src/main.rs"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_without_a_manifest_is_reported_with_hints() {
        let folder = tempfile::tempdir().unwrap();
        let error = render_inline(&Manifest::read(folder.path()).unwrap_err());
        assert!(error.contains("has no Cargo.toml"), "{error}");
        assert!(
            [
                "cargo init",
                "`runtime.options.package`",
                "`main`",
                "`runtime.options.binary`"
            ]
            .iter()
            .all(|part| error.contains(part)),
            "{error}"
        );
    }

    #[test]
    fn a_workspace_without_a_root_package_is_not_a_program() {
        let folder = package("[workspace]", &[]);
        let error = render_inline(&Manifest::read(folder.path()).unwrap_err());
        assert!(
            error.contains("is a workspace without a root package\nhint: set `runtime.options.package`"),
            "{error}"
        );
    }

    #[test]
    fn a_member_belongs_to_the_workspace_above_it() {
        let folder = package("[workspace]\nmembers = [\"a\"]\nexclude = [\"b\"]", &[]);
        for name in ["a", "b"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(
                folder.path().join(name).join("Cargo.toml"),
                "[package]\nname = \"x\"",
            )
            .unwrap();
        }
        let workspace = |name: &str| Manifest::read(&folder.path().join(name)).unwrap().workspace;
        assert_eq!(workspace("a"), folder.path());
        assert_eq!(workspace("b"), folder.path().join("b"));
    }

    #[test]
    fn a_package_is_found_by_its_name_in_the_workspace_around_the_folder() {
        let folder = package(
            "[package]\nname = \"root\"\n[workspace]\nmembers = [\"crates/*\", \"pack/analyzer\"]\nexclude = [\"crates/out\"]",
            &["crates/no_package/notes.txt"],
        );
        for (path, name) in [
            ("crates/one", "first"),
            ("crates/out", "excluded"),
            ("pack", "pack"),
            ("pack/analyzer", "analyzer"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("Cargo.toml"), format!("[package]\nname = \"{name}\"")).unwrap();
        }
        let find = |from: &str, name: &str| {
            Manifest::of_member(&folder.path().join(from), name)
                .map(|found| (found.directory, found.workspace))
                .map_err(|error| render_inline(&error))
        };
        for from in ["", "pack", "stacks", "crates/one"] {
            let from = if from.is_empty() { "." } else { from };
            let found = find(from, "first").unwrap();
            assert_eq!(
                found.0.canonicalize().unwrap(),
                folder.path().join("crates/one").canonicalize().unwrap()
            );
            assert_eq!(
                found.1.canonicalize().unwrap(),
                folder.path().canonicalize().unwrap()
            );
        }
        assert_eq!(
            find("pack", "analyzer").unwrap().0,
            folder.path().join("pack/analyzer")
        );
        assert_eq!(find("pack", "root").unwrap().0, folder.path());
        for absent in ["excluded", "firs"] {
            assert_eq!(
                find("pack", absent).unwrap_err(),
                format!(
                    "runtime.options.package names {absent}, but the workspace {} has no package of that name\n\
                     hint: correct the name, or add the package to `workspace.members` in Cargo.toml",
                    folder.path().display()
                )
            );
        }
    }

    #[test]
    fn outside_a_workspace_only_the_package_of_the_folder_can_be_named() {
        let folder = package("[package]\nname = \"alone\"", &[]);
        assert_eq!(
            Manifest::of_member(folder.path(), "alone").unwrap().name(),
            "alone"
        );
        let error = render_inline(&Manifest::of_member(folder.path(), "other").unwrap_err());
        assert!(
            error.contains("names other, but") && error.contains("is not in a workspace"),
            "{error}"
        );
    }

    #[test]
    fn an_asterisk_matches_any_characters() {
        for name in ["phoenix-cli", "phoenix-"] {
            assert!(matches("phoenix-*", name), "{name}");
        }
        assert!(matches("*", "anything") && matches("a*c*e", "abcde") && matches("a", "a"));
        assert!(!matches("a*c", "abcd") && !matches("a", "b") && !matches("b*", "a"));
    }

    #[test]
    fn packages_are_read_with_defaults() {
        let digits = "0123456789abcdef".repeat(4);
        let read = requirements(&format!(
            "[package.metadata.pulumi]\npackages = [{{ name = \"random\", version = \"4.18.0\" }}, \
             {{ name = \"own\", kind = \"resource\", version = \"1.0.0-rc.1\", server = \"s\", checksums = {{ linux-amd64 = \"{digits}\" }} }}]"
        ))
        .unwrap();
        assert_eq!(
            (
                read[0].name.as_str(),
                read[0].kind.as_str(),
                read[0].version.as_str()
            ),
            ("random", "resource", "4.18.0")
        );
        assert_eq!(
            (read[1].server.as_str(), read[1].checksums["linux-amd64"].as_str()),
            ("s", digits.as_str())
        );
    }

    #[test]
    fn a_program_without_the_section_requires_no_packages() {
        assert_eq!(requirements("").unwrap(), []);
        assert_eq!(requirements("[package.metadata.pulumi]").unwrap(), []);
    }

    #[test]
    fn a_malformed_package_is_reported_with_its_position_and_the_format() {
        let error = requirements("[package.metadata.pulumi]\npackages = [{ nam = \"random\" }]").unwrap_err();
        assert_eq!(
            error,
            "reading [package.metadata.pulumi] in <folder>/Cargo.toml: entry 1 of `packages`: unknown field `nam`, \
             expected one of `name`, `kind`, `version`, `server`, `checksums`\n\
             hint: write an entry as `{ name = \"random\", version = \"4.18.0\" }`; `kind`, `server` and `checksums` are optional"
        );
        let error = requirements("[package.metadata.pulumi]\npackages = \"random\"").unwrap_err();
        assert!(error.contains("`packages` is not a list"), "{error}");
    }

    #[test]
    fn a_version_that_is_not_exact_is_rejected() {
        for version in [
            "", "4", "4.18", "v4.18.0", "^4.18.0", "4.18.x", "04.1.0", "4.18.0-",
        ] {
            let error = requirements(&format!(
                "[package.metadata.pulumi]\npackages = [{{ name = \"random\", version = \"{version}\" }}]"
            ));
            let error = error.unwrap_err();
            assert!(
                error.contains(&format!("`{version}` is not an exact version of random")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_checksum_that_is_not_a_sha256_is_rejected() {
        let error = requirements(
            "[package.metadata.pulumi]\npackages = [{ name = \"a\", version = \"1.0.0\", checksums = { linux-amd64 = \"12\" } }]",
        );
        assert!(
            error
                .unwrap_err()
                .contains("the checksum of a for linux-amd64 is not a SHA-256")
        );
    }
}
