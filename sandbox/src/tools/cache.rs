//! The cache of built programs: finds a program on PATH or in the cache, or builds it with Go.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use phoenix_terminal::output::message;
use sha2::{Digest as _, Sha256};

use super::catalog::{ModuleFiles, PROVIDER, PROVIDER_VERSION, Tool};
use crate::progress::Step;
use crate::secrets::hex;
use crate::state_dir::{make_private, standard_directory, tail, write_private};

/// An executable program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is installed: on PATH, or as a plugin of Pulumi.
    Installed,
    /// It was built from its pinned module.
    Built,
}

/// Finds, builds and caches programs.
#[derive(Debug, Clone)]
pub struct ToolCache {
    modules: PathBuf,
    cache: PathBuf,
    search: Vec<PathBuf>,
}

impl ToolCache {
    /// The cache for the pins of a checkout.
    pub fn of(repository: &Path) -> Result<Self> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self {
            modules: repository.join("sandbox/tools"),
            cache: standard_directory("XDG_CACHE_HOME", ".cache")?.join("tools"),
            search: std::env::split_paths(&search).collect(),
        })
    }

    /// All of these programs; missing ones are built. All programs that cannot be provided are reported in one error.
    pub fn provide(&self, tools: &[Tool]) -> Result<BTreeMap<&'static str, Found>> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for tool in tools {
            match self.look(tool)? {
                Some(there) => drop(found.insert(tool.name, there)),
                None => missing.push(*tool),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        self.require_go(&missing)?;
        for tool in missing {
            let path = self.build(&tool)?;
            found.insert(
                tool.name,
                Found {
                    path,
                    origin: Origin::Built,
                },
            );
        }
        Ok(found)
    }

    /// The program if it is on PATH in an accepted version, or in the cache. Reports why one on PATH is not used.
    pub fn look(&self, tool: &Tool) -> Result<Option<Found>> {
        if let Some(path) = self.installed(tool) {
            return Ok(Some(Found {
                path,
                origin: Origin::Installed,
            }));
        }
        let path = self.folder(tool.family, &tool.settings())?.join(tool.name);
        Ok(path.exists().then_some(Found {
            path,
            origin: Origin::Built,
        }))
    }

    /// Copies of a module's files in the cache. The module is downloaded by `go` the first time.
    pub fn files(&self, wanted: &ModuleFiles) -> Result<Vec<PathBuf>> {
        let folder = self.folder(wanted.family, "")?.join("files");
        let name = |file: &str| folder.join(file.rsplit('/').next().unwrap_or(file));
        let paths: Vec<PathBuf> = wanted.files.iter().copied().map(name).collect();
        if paths.iter().all(|path| path.exists()) {
            return Ok(paths);
        }
        let _lock = self.lock(wanted.family)?;
        let step = Step::begin(&format!(
            "downloading {} from the Go module {}",
            wanted.name, wanted.module
        ));
        let module = self.modules.join(wanted.family);
        go(&module, &["mod", "download", wanted.module]).with_context(|| {
            format!(
                "downloading {} requires Go and its module proxy\nhint: install Go, or allow access to the proxy",
                wanted.name
            )
        })?;
        let listed = go(&module, &["list", "-m", "-f", "{{.Dir}}", wanted.module])?;
        make_private(&folder)?;
        for (file, path) in wanted.files.iter().zip(&paths) {
            let source = Path::new(listed.trim()).join(file);
            let text = fs::read(&source).with_context(|| format!("reading {}", source.display()))?;
            write_private(path, &text)?;
        }
        step.done(&format!("downloaded {} into {}", wanted.name, folder.display()));
        Ok(paths)
    }

    /// The executable on PATH, if its version is accepted.
    fn installed(&self, tool: &Tool) -> Option<PathBuf> {
        if tool == &PROVIDER {
            return official_provider();
        }
        let (question, oldest) = tool.on_path?;
        let path = self
            .search
            .iter()
            .map(|folder| folder.join(tool.name))
            .find(|path| path.is_file())?;
        let answer = Command::new(&path)
            .args(question)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        match version_in(&text) {
            Some(version) if version >= oldest => Some(path),
            Some((major, minor)) => {
                message(&format!(
                    "{} has version {major}.{minor}, but the sandbox requires {}.{}: using the pinned version {}",
                    path.display(),
                    oldest.0,
                    oldest.1,
                    tool.version
                ));
                None
            }
            None => {
                message(&format!(
                    "{} does not print its version: using the pinned version {}",
                    path.display(),
                    tool.version
                ));
                None
            }
        }
    }

    /// Builds the program, unless another command built it while this one waited for the lock.
    fn build(&self, tool: &Tool) -> Result<PathBuf> {
        let folder = self.folder(tool.family, &tool.settings())?;
        let target = folder.join(tool.name);
        let _lock = self.lock(tool.name)?;
        if target.exists() {
            return Ok(target);
        }
        make_private(&folder)?;
        let step = Step::begin(&format!(
            "building {} {}, which is neither on PATH nor in the cache; the first build takes {}",
            tool.name, tool.version, tool.cold
        ));
        // Built under another name and then renamed, so that a program in the cache is always complete.
        let unfinished = folder.join(format!(".{}.unfinished", tool.name));
        let log = folder.join(format!("{}.log", tool.name));
        let output = fs::File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let flags = format!("-s -w {}", tool.variables);
        let status = Command::new("go")
            .args([
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                flags.trim(),
                // The linker strips debug information anyway; not generating it saves an eighth of the time.
                "-gcflags=all=-dwarf=false",
                "-tags",
                tool.tags,
                "-o",
            ])
            .arg(&unfinished)
            .arg(tool.package)
            .current_dir(self.modules.join(tool.family))
            .env("GOWORK", "off")
            // As most of them are released; it also requires no C compiler.
            .env("CGO_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("opening the log of a build")?)
            .stderr(output)
            .status()
            .context("running go")?;
        if !status.success() {
            bail!(
                "building {} failed ({status}); the end of its log:\n{}",
                tool.name,
                tail(&log)
            );
        }
        fs::rename(&unfinished, &target).with_context(|| format!("moving to {}", target.display()))?;
        fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
        step.done(&format!("built {} into {}", tool.name, folder.display()));
        Ok(target)
    }

    /// Fails if Go is not installed, with both possible fixes.
    fn require_go(&self, missing: &[Tool]) -> Result<()> {
        if self.search.iter().any(|folder| folder.join("go").is_file()) {
            return Ok(());
        }
        let names: Vec<String> = missing
            .iter()
            .map(|tool| format!("{} {}", tool.name, tool.version))
            .collect();
        bail!(
            "the sandbox requires {}, and Go is not on PATH to build what is missing\n\
             hint: put these programs on PATH, or install Go 1.26 or later to have them built",
            names.join(", ")
        )
    }

    /// The cache directory of a family, named after a hash of its module and its build settings.
    fn folder(&self, family: &str, settings: &str) -> Result<PathBuf> {
        let module = self.modules.join(family);
        let mut digest = Sha256::new();
        let mut files = Vec::new();
        collect_files(&module, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&module).unwrap_or(&file);
            digest.update(name.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
        }
        digest.update(settings);
        let hash = hex(&digest.finalize()[..6]);
        Ok(self.cache.join(format!("{family}-{hash}")))
    }

    /// Locks the build of a program, or waits until another command has finished it.
    fn lock(&self, name: &str) -> Result<fs::File> {
        make_private(&self.cache)?;
        let path = self.cache.join(format!("{name}.lock"));
        let file = fs::File::create(&path).with_context(|| format!("opening {}", path.display()))?;
        if file.try_lock().is_err() {
            let step = Step::begin(&format!("waiting for another command that is building {name}"));
            file.lock()
                .with_context(|| format!("locking {}", path.display()))?;
            step.done(&format!("the other command has built {name}"));
        }
        Ok(file)
    }
}

/// The repository that contains this directory: the nearest parent with the modules of the sandbox.
pub fn repository(start: &Path) -> Result<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join("sandbox/tools").is_dir() && folder.join("Cargo.toml").is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            anyhow!(
                "{} is not in a checkout of Phoenix, from which the sandbox builds its tools\n\
                 hint: change into the repository",
                start.display()
            )
        })
}

/// The provider in exactly the pinned version, if Pulumi has installed it for this user.
fn official_provider() -> Option<PathBuf> {
    let home = std::env::var_os("PULUMI_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pulumi")))?;
    let path = home
        .join(format!("plugins/resource-kubernetes-v{PROVIDER_VERSION}"))
        .join(PROVIDER.name);
    path.is_file().then_some(path)
}

/// The first `major.minor` in the output of a program.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|character: char| !character.is_ascii_digit() && character != '.')
        .find_map(|word| {
            let mut numbers = word.split('.');
            Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
}

/// Adds the files of a directory and its subdirectories.
fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("listing {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The output of a `go` command.
fn go(module: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(module)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .output()
        .context("running go")?;
    if !output.status.success() {
        bail!(
            "go {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).context("reading what go printed")
}

#[cfg(test)]
mod tests {

    use super::super::catalog::{ETCD, KWOK};
    use super::*;

    /// A cache in a temporary directory, with one module and one directory on its PATH.
    fn cache(directory: &Path) -> ToolCache {
        let cache = ToolCache {
            modules: directory.join("modules"),
            cache: directory.join("cache"),
            search: vec![directory.join("bin")],
        };
        fs::create_dir_all(cache.modules.join("etcd")).expect("made");
        fs::create_dir_all(directory.join("bin")).expect("made");
        fs::write(cache.modules.join("etcd/go.mod"), "module example").expect("written");
        cache
    }

    fn put_on_path(directory: &Path, name: &str, output: &str) {
        let path = directory.join("bin").join(name);
        phoenix_testing::programs::script(&path, &format!("#!/bin/sh\necho '{output}'\n"));
    }

    #[test]
    fn versions_are_read_from_the_output_of_each_program() {
        assert_eq!(
            version_in("etcd Version: 3.7.3\nGit SHA: Not provided"),
            Some((3, 7))
        );
        assert_eq!(version_in("Kubernetes v1.37.2"), Some((1, 37)));
        assert_eq!(
            version_in("kwok version v0.8.0 go1.26.8 (linux/amd64)"),
            Some((0, 8))
        );
        assert_eq!(version_in("v3.259.0"), Some((3, 259)));
        assert_eq!(version_in("client version: unknown"), None);
    }

    #[test]
    fn a_program_on_path_is_used_if_its_version_is_accepted() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(directory.path());
        put_on_path(directory.path(), "etcd", "etcd Version: 3.6.1");
        let found = cache.look(&ETCD).expect("looked").expect("found");
        assert_eq!(
            found,
            Found {
                path: directory.path().join("bin/etcd"),
                origin: Origin::Installed
            }
        );
    }

    #[test]
    fn an_old_program_on_path_is_not_used() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(directory.path());
        put_on_path(directory.path(), "etcd", "etcd Version: 3.4.9");
        assert_eq!(cache.look(&ETCD).expect("looked"), None);
        let folder = cache.folder("etcd", "").expect("named");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("etcd"), "").expect("written");
        let found = cache.look(&ETCD).expect("looked").expect("found");
        assert_eq!(found.origin, Origin::Built);
    }

    #[test]
    fn another_pin_has_another_directory() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(directory.path());
        let before = cache.folder("etcd", "").expect("named");
        assert_eq!(cache.folder("etcd", "").expect("named"), before);
        assert_ne!(cache.folder("etcd", "-X version=2").expect("named"), before);
        fs::write(cache.modules.join("etcd/go.mod"), "module other").expect("written");
        assert_ne!(cache.folder("etcd", "").expect("named"), before);
    }

    #[test]
    fn without_go_every_missing_program_is_reported_with_both_fixes() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(directory.path());
        let error = cache
            .require_go(&[ETCD, KWOK])
            .expect_err("there is no go")
            .to_string();
        assert!(error.contains("etcd 3.7.3, kwok 0.8.0"), "{error}");
        assert!(error.contains("on PATH, or install Go"), "{error}");
        put_on_path(directory.path(), "go", "");
        cache.require_go(&[ETCD]).expect("now there is one");
    }

    #[test]
    fn outside_a_checkout_the_error_has_a_hint() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let error = repository(directory.path()).expect_err("no checkout").to_string();
        assert!(error.contains("hint: change into the repository"), "{error}");
    }
}
