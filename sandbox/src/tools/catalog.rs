//! The programs a sandbox is made of, and where each comes from.
//!
//! Promises: a program found on PATH is used if it is new enough; a missing one is built from the module
//! that pins it under `sandbox/tools/`, once, whoever asks and however many ask at the same time. What is
//! built lives in the cache, in a folder named after the content of its module, so another pin is another
//! folder. Nothing is downloaded but Go modules, by `go` itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use sha2::{Digest as _, Sha256};

use super::home::{make_private, standard_directory, tail};
use super::secrets::hex;
use super::talk::{Step, say};

/// One program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The name of its executable.
    pub name: &'static str,
    /// The folder under `sandbox/tools/` whose `go.mod` pins it.
    pub family: &'static str,
    /// The package that `go build` makes it from.
    pub package: &'static str,
    /// The variables that its authors set when linking: who asks its version gets an answer.
    pub variables: &'static str,
    /// The build tags that leave out what is not used here.
    pub tags: &'static str,
    /// The version that is pinned.
    pub version: &'static str,
    /// How to ask it for its version, and the oldest (major, minor) that will do. Without an answer
    /// a program on PATH cannot be judged, and is not used.
    pub on_path: Option<(&'static [&'static str], (u32, u32))>,
    /// How long a build takes on two cores with empty caches, and why.
    pub cold: &'static str,
}

impl Tool {
    /// The settings that make a different executable of the same source.
    fn settings(&self) -> String {
        match self.tags {
            "" => self.variables.to_owned(),
            tags => format!("{} -tags {tags}", self.variables),
        }
    }
}

/// Files that stand in a Go module and are used as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleFiles {
    /// What they are, in words.
    pub name: &'static str,
    /// The folder under `sandbox/tools/` whose `go.mod` pins the module.
    pub family: &'static str,
    /// The module.
    pub module: &'static str,
    /// The files, relative to the module's folder.
    pub files: &'static [&'static str],
}

/// The engine.
pub const PULUMI: Tool = Tool {
    name: "pulumi",
    family: "pulumi",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    variables: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
    tags: "",
    version: "3.259.0",
    // Executables as policy packs came with 3.255.
    on_path: Some((&["version"], (3, 255))),
    cold: "3 to 4 minutes: the engine with all its backends",
};

/// The version of the Kubernetes provider; the engine looks for it by this name.
pub use phoenix::provider::VERSION as PROVIDER_VERSION;

/// The Kubernetes provider. It has no way to say its version, so one on PATH cannot be judged.
pub const PROVIDER: Tool = Tool {
    name: "pulumi-resource-kubernetes",
    family: "pulumi-kubernetes",
    package: ".",
    variables: "",
    tags: "",
    version: PROVIDER_VERSION,
    on_path: None,
    cold: "4 to 6 minutes: it links every Kubernetes API and helm",
};

const KUBERNETES: &str = "-X k8s.io/component-base/version.gitVersion=v1.37.2";

/// The database of the control plane.
pub const ETCD: Tool = Tool {
    name: "etcd",
    family: "etcd",
    package: ".",
    variables: "",
    tags: "",
    version: "3.7.3",
    on_path: Some((&["--version"], (3, 5))),
    cold: "half a minute",
};

/// The API server, with its admission.
pub const API_SERVER: Tool = Tool {
    name: "kube-apiserver",
    family: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    variables: KUBERNETES,
    tags: "",
    version: "1.37.2",
    on_path: Some((&["--version"], (1, 34))),
    cold: "4 to 5 minutes: it holds every Kubernetes API there is",
};

/// What makes pods of deployments and endpoints of services.
pub const CONTROLLER_MANAGER: Tool = Tool {
    name: "kube-controller-manager",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    cold: "1 to 2 minutes",
    ..API_SERVER
};

/// What finds a node for a pod.
pub const SCHEDULER: Tool = Tool {
    name: "kube-scheduler",
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
    cold: "half a minute after the controller manager",
    ..API_SERVER
};

/// What plays the kubelets.
pub const KWOK: Tool = Tool {
    name: "kwok",
    family: "kwok",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    variables: "",
    tags: "",
    version: "0.8.0",
    on_path: Some((&["--version"], (0, 7))),
    cold: "20 seconds after the API server",
};

/// Istio's own analysis. A sandbox does not need it; the tests that judge the mesh do.
pub const ISTIOCTL: Tool = Tool {
    name: "istioctl",
    family: "istio",
    package: "istio.io/istio/istioctl/cmd/istioctl",
    variables: "",
    tags: "",
    version: "1.31-alpha",
    on_path: Some((&["version", "--remote=false"], (1, 27))),
    cold: "3 to 4 minutes: half of Istio",
};

/// What the benchmarks compare rendering with. Figures belong to a version, so one on PATH is not used.
pub const HELM: Tool = Tool {
    name: "helm",
    family: "helm",
    package: "helm.sh/helm/v4/cmd/helm",
    variables: "",
    tags: "",
    version: "4.3.1",
    on_path: None,
    cold: "1 to 2 minutes",
};

/// What the benchmarks compare judging with: of the tools that judge manifests, the fastest.
pub const KUBE_SCORE: Tool = Tool {
    name: "kube-score",
    family: "kube-score",
    package: "github.com/zegl/kube-score/cmd/kube-score",
    variables: "",
    tags: "",
    version: "1.20.0",
    on_path: None,
    cold: "1 to 2 minutes",
};

/// What answers as Pulumi ESC does, for the tests of secrets: its real evaluator behind two calls.
pub const ESC_SERVICE: Tool = Tool {
    name: "phoenix-esc-service",
    family: "esc",
    package: ".",
    variables: "",
    tags: "",
    version: "3.259.0",
    on_path: None,
    cold: "1 minute",
};

/// What checks the rules and runs their examples. A sandbox does not need it; the tests of the alerts do.
pub const PROMTOOL: Tool = Tool {
    name: "promtool",
    family: "prometheus",
    package: "github.com/prometheus/prometheus/cmd/promtool",
    variables: "-X github.com/prometheus/common/version.Version=3.14.0",
    // Without the discovery of targets in every cloud: half of the source.
    tags: "remove_all_sd",
    version: "3.14.0",
    // Names of labels and messages changed with 3; what is promised is promised for it.
    on_path: Some((&["--version"], (3, 0))),
    cold: "1 minute",
};

/// What the tests run besides the tools of a sandbox.
pub const TESTS: [Tool; 3] = [ISTIOCTL, ESC_SERVICE, PROMTOOL];

/// What the benchmarks compare Phoenix with.
pub const BENCHMARKS: [Tool; 2] = [HELM, KUBE_SCORE];

/// The programs of a control plane, in the order of a build: the longest waits behind what it shares.
pub const CONTROL_PLANE: [Tool; 5] = [ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK];

/// The definitions of Istio's resources.
pub const ISTIO_DEFINITIONS: ModuleFiles = ModuleFiles {
    name: "Istio's resource definitions",
    family: "istio",
    module: "istio.io/api",
    files: &["kubernetes/customresourcedefinitions.gen.yaml"],
};

/// The definitions of what the External Secrets Operator is asked for, for the tests of secrets. Newer versions than this are
/// no Go module that can be had.
pub const EXTERNAL_SECRETS_DEFINITIONS: ModuleFiles = ModuleFiles {
    name: "the External Secrets Operator's resource definitions",
    family: "external-secrets",
    module: "github.com/external-secrets/external-secrets",
    files: &[
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
        "config/crds/bases/external-secrets.io_secretstores.yaml",
    ],
};

/// The definitions of what the Prometheus Operator reads.
pub const OPERATOR_DEFINITIONS: ModuleFiles = ModuleFiles {
    name: "the Prometheus Operator's resource definitions",
    family: "prometheus-operator",
    module: "github.com/prometheus-operator/prometheus-operator",
    files: &[
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ],
};

/// The definitions of others that a sandbox's cluster has.
pub const DEFINITIONS: [ModuleFiles; 2] = [ISTIO_DEFINITIONS, OPERATOR_DEFINITIONS];

/// How simulated nodes and pods come to life, run and go. The heartbeat is ours.
pub const STAGES: ModuleFiles = ModuleFiles {
    name: "the life stages of simulated nodes and pods",
    family: "kwok",
    module: "sigs.k8s.io/kwok",
    files: &[
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
        "kustomize/stage/pod/fast/pod-complete.yaml",
        "kustomize/stage/pod/fast/pod-delete.yaml",
    ],
};

/// A program that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// How it came there.
    pub origin: Origin,
}

/// How a program was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was there: on PATH, or among the engine's own plugins.
    Installed,
    /// It was built from its pinned module, now or earlier.
    Built,
}

/// The place where tools are looked for, built and kept.
#[derive(Debug, Clone)]
pub struct Workshop {
    modules: PathBuf,
    cache: PathBuf,
    search: Vec<PathBuf>,
}

impl Workshop {
    /// The workshop of a checkout.
    pub fn of(repository: &Path) -> Result<Self> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self {
            modules: repository.join("sandbox/tools"),
            cache: standard_directory("XDG_CACHE_HOME", ".cache")?.join("tools"),
            search: std::env::split_paths(&search).collect(),
        })
    }

    /// All these programs, built where they are missing. What cannot be had is reported in one error.
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
        self.go_for(&missing)?;
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

    /// The program if it is there: usable on PATH, or built earlier. Says why one on PATH is passed over.
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

    /// Copies of a module's files, in the cache; fetched by `go` the first time.
    pub fn files(&self, wanted: &ModuleFiles) -> Result<Vec<PathBuf>> {
        let folder = self.folder(wanted.family, "")?.join("files");
        let name = |file: &str| folder.join(file.rsplit('/').next().unwrap_or(file));
        let paths: Vec<PathBuf> = wanted.files.iter().copied().map(name).collect();
        if paths.iter().all(|path| path.exists()) {
            return Ok(paths);
        }
        let _lock = self.lock(wanted.family)?;
        let step = Step::begin(&format!(
            "fetching {} from the Go module {}",
            wanted.name, wanted.module
        ));
        let module = self.modules.join(wanted.family);
        go(&module, &["mod", "download", wanted.module]).with_context(|| {
            format!(
                "fetching {} needs Go and its module proxy\nhint: install Go, or allow its proxy",
                wanted.name
            )
        })?;
        let listed = go(&module, &["list", "-m", "-f", "{{.Dir}}", wanted.module])?;
        make_private(&folder)?;
        for (file, path) in wanted.files.iter().zip(&paths) {
            let source = Path::new(listed.trim()).join(file);
            let text = fs::read(&source).with_context(|| format!("reading {}", source.display()))?;
            super::home::write_private(path, &text)?;
        }
        step.done(&format!("{} are in {}", wanted.name, folder.display()));
        Ok(paths)
    }

    /// The executable on PATH, if its version will do.
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
                say(&format!(
                    "{} is version {major}.{minor}, and the sandbox needs {}.{}: using version {} of our own",
                    path.display(),
                    oldest.0,
                    oldest.1,
                    tool.version
                ));
                None
            }
            None => {
                say(&format!(
                    "{} does not tell its version: using version {} of our own",
                    path.display(),
                    tool.version
                ));
                None
            }
        }
    }

    /// Builds the program, unless another command has built it while we waited for the lock.
    fn build(&self, tool: &Tool) -> Result<PathBuf> {
        let folder = self.folder(tool.family, &tool.settings())?;
        let target = folder.join(tool.name);
        let _lock = self.lock(tool.name)?;
        if target.exists() {
            return Ok(target);
        }
        make_private(&folder)?;
        let step = Step::begin(&format!(
            "building {} {}, which is neither on PATH nor in the cache; the first time this takes {}",
            tool.name, tool.version, tool.cold
        ));
        // Everything is built under another name and renamed: what has its name is whole.
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
            // As the authors release most of them; it also needs no C compiler.
            .env("CGO_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("sharing the log of a build")?)
            .stderr(output)
            .status()
            .context("running go")?;
        if !status.success() {
            bail!(
                "building {} failed ({status}); its last words:\n{}",
                tool.name,
                tail(&log)
            );
        }
        fs::rename(&unfinished, &target).with_context(|| format!("placing {}", target.display()))?;
        fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
        step.done(&format!("built {} into {}", tool.name, folder.display()));
        Ok(target)
    }

    /// Fails with both ways out when there is no Go to build with.
    fn go_for(&self, missing: &[Tool]) -> Result<()> {
        if self.search.iter().any(|folder| folder.join("go").is_file()) {
            return Ok(());
        }
        let names: Vec<String> = missing
            .iter()
            .map(|tool| format!("{} {}", tool.name, tool.version))
            .collect();
        bail!(
            "the sandbox needs {}, and there is no Go on PATH to build what is missing\n\
             hint: put these programs on PATH, or install Go 1.26 or newer and let the sandbox build them",
            names.join(", ")
        )
    }

    /// The cache folder of a family, named after a hash of its module and its build settings.
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

    /// Waits until nobody else makes the same thing.
    fn lock(&self, name: &str) -> Result<fs::File> {
        make_private(&self.cache)?;
        let path = self.cache.join(format!("{name}.lock"));
        let file = fs::File::create(&path).with_context(|| format!("opening {}", path.display()))?;
        if file.try_lock().is_err() {
            let step = Step::begin(&format!("waiting: another command is making {name}"));
            file.lock()
                .with_context(|| format!("locking {}", path.display()))?;
            step.done(&format!("the other command has made {name}"));
        }
        Ok(file)
    }
}

/// The repository that holds this directory: the nearest one above with the sandbox's modules.
pub fn repository(start: &Path) -> Result<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join("sandbox/tools").is_dir() && folder.join("Cargo.toml").is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            anyhow!(
                "{} is not in a checkout of Phoenix, and the sandbox builds its tools from one\n\
                 hint: change into the repository",
                start.display()
            )
        })
}

/// The provider that the official engine has installed for this user, of exactly our version.
fn official_provider() -> Option<PathBuf> {
    let home = std::env::var_os("PULUMI_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pulumi")))?;
    let path = home
        .join(format!("plugins/resource-kubernetes-v{PROVIDER_VERSION}"))
        .join(PROVIDER.name);
    path.is_file().then_some(path)
}

/// The first `major.minor` in what a program says of itself.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|character: char| !character.is_ascii_digit() && character != '.')
        .find_map(|word| {
            let mut numbers = word.split('.');
            Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
}

/// Adds the files of a folder and its subfolders.
fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading {}", folder.display());
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

/// What a `go` command prints.
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A workshop in a temporary directory, with one module and one folder on its PATH.
    fn workshop(directory: &Path) -> Workshop {
        let workshop = Workshop {
            modules: directory.join("modules"),
            cache: directory.join("cache"),
            search: vec![directory.join("bin")],
        };
        fs::create_dir_all(workshop.modules.join("etcd")).expect("made");
        fs::create_dir_all(directory.join("bin")).expect("made");
        fs::write(workshop.modules.join("etcd/go.mod"), "module example").expect("written");
        workshop
    }

    fn put_on_path(directory: &Path, name: &str, says: &str) {
        let path = directory.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
    }

    #[test]
    fn versions_are_read_from_what_each_program_really_says() {
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
    fn a_program_on_path_is_used_when_it_is_new_enough() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let workshop = workshop(directory.path());
        put_on_path(directory.path(), "etcd", "etcd Version: 3.6.1");
        let found = workshop.look(&ETCD).expect("looked").expect("found");
        assert_eq!(
            found,
            Found {
                path: directory.path().join("bin/etcd"),
                origin: Origin::Installed
            }
        );
    }

    #[test]
    fn an_old_program_on_path_is_passed_over_for_one_we_built() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let workshop = workshop(directory.path());
        put_on_path(directory.path(), "etcd", "etcd Version: 3.4.9");
        assert_eq!(workshop.look(&ETCD).expect("looked"), None);
        let folder = workshop.folder("etcd", "").expect("named");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("etcd"), "").expect("written");
        let found = workshop.look(&ETCD).expect("looked").expect("found");
        assert_eq!(found.origin, Origin::Built);
    }

    #[test]
    fn another_pin_is_another_folder() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let workshop = workshop(directory.path());
        let before = workshop.folder("etcd", "").expect("named");
        assert_eq!(workshop.folder("etcd", "").expect("named"), before);
        assert_ne!(workshop.folder("etcd", "-X version=2").expect("named"), before);
        fs::write(workshop.modules.join("etcd/go.mod"), "module other").expect("written");
        assert_ne!(workshop.folder("etcd", "").expect("named"), before);
    }

    #[test]
    fn without_go_every_missing_program_is_named_with_both_ways_out() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let workshop = workshop(directory.path());
        let error = workshop
            .go_for(&[ETCD, KWOK])
            .expect_err("there is no go")
            .to_string();
        assert!(error.contains("etcd 3.7.3, kwok 0.8.0"), "{error}");
        assert!(error.contains("on PATH, or install Go"), "{error}");
        put_on_path(directory.path(), "go", "");
        workshop.go_for(&[ETCD]).expect("now there is one");
    }

    #[test]
    fn outside_a_checkout_the_way_in_is_shown() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let error = repository(directory.path()).expect_err("no checkout").to_string();
        assert!(error.contains("hint: change into the repository"), "{error}");
    }

    /// Modules with the same versions are compiled once for all tools.
    #[test]
    fn the_tools_share_the_versions_of_the_kubernetes_modules() {
        let root =
            repository(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("this is a checkout");
        let versions = |family: &str| {
            let manifest = root.join("sandbox/tools").join(family).join("go.mod");
            let text = fs::read_to_string(manifest).expect("every family has a go.mod");
            let modules = text.lines().filter_map(|line| {
                let mut words = line.split_whitespace();
                let (module, version) = (words.next()?, words.next()?);
                version
                    .starts_with('v')
                    .then(|| (module.to_owned(), version.to_owned()))
            });
            modules.collect::<BTreeMap<_, _>>()
        };
        let kubernetes = versions("kubernetes");
        for family in ["kwok", "prometheus", "istio"] {
            let modules = versions(family);
            for module in [
                "k8s.io/api",
                "k8s.io/apimachinery",
                "k8s.io/client-go",
                "golang.org/x/net",
            ] {
                assert_eq!(modules[module], kubernetes[module], "{module} of {family}");
            }
        }
    }

    #[test]
    fn the_table_names_modules_that_exist_and_pin_what_it_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = repository(&root).expect("this is a checkout");
        let tools = [&CONTROL_PLANE[..], &[PULUMI, PROVIDER], &TESTS, &BENCHMARKS].concat();
        for tool in tools {
            let manifest = root.join("sandbox/tools").join(tool.family).join("go.mod");
            let text = fs::read_to_string(&manifest).expect("every family has a go.mod");
            if tool.package != "." {
                assert!(
                    text.contains(tool.package),
                    "{} does not list {}",
                    tool.family,
                    tool.package
                );
            }
            if let Some(variable) = tool.variables.rsplit_once("=v") {
                assert_eq!(variable.1, tool.version, "{}", tool.name);
            }
        }
        for (family, module, tool) in [
            ("kubernetes", "k8s.io/kubernetes", API_SERVER),
            ("etcd", "go.etcd.io/etcd/server/v3", ETCD),
            ("kwok", "sigs.k8s.io/kwok", KWOK),
            ("pulumi", "github.com/pulumi/pulumi/pkg/v3", PULUMI),
            ("helm", "helm.sh/helm/v4", HELM),
            ("kube-score", "github.com/zegl/kube-score", KUBE_SCORE),
            ("esc", "github.com/pulumi/pulumi/sdk/v3", ESC_SERVICE),
        ] {
            let text = fs::read_to_string(root.join("sandbox/tools").join(family).join("go.mod"));
            let line = format!("{module} v{}", tool.version);
            assert!(
                text.expect("read").contains(&line),
                "{family} does not pin {line}"
            );
        }
    }
}
