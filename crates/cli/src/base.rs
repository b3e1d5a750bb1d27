//! The base of a comparison: a revision, and the manifests that its own code renders.
//!
//! If the code has not changed since the revision, its stack file is rendered with this program. Otherwise, the manifests are
//! read from the snapshots committed with the revision, and snapshots that are older than the stack file are reported.
//! Without snapshots, the revision is built in a temporary worktree. An old stack file is never rendered with changed code:
//! that would hide changes of the code.

use std::cell::OnceCell;
use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow};
use phoenix::config::NAMESPACE;
use phoenix::platform;
use phoenix_graph::{Graph, Object, compare};

use crate::checkout::{Checkout, stacks_among};
use crate::stack_file::StackFile;
use phoenix_git::{Repository, short};
use phoenix_manifests::yaml;
use phoenix_terminal::cargo::{self, Exposed};
use phoenix_terminal::user_error::{WithHint as _, user_error};

/// The directory of the committed snapshots.
pub const SNAPSHOTS: &str = "tests/snapshots";

/// The files that determine what a stack file renders.
const CODE: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "crates/cli/src/stack.rs",
    "crates/cli/src/stack_file.rs",
    "crates/crds",
    "crates/graph",
    "crates/manifests",
    "crates/suggest",
    "src",
];

/// The system of an object in manifests without systems, if the checkout does not declare the object.
pub const UNKNOWN_SYSTEM: &str = "unknown";

/// Names of the main branch, in order of preference.
const MAIN_BRANCHES: [&str; 5] = ["origin/HEAD", "origin/main", "origin/master", "main", "master"];

/// The revision to compare with.
#[derive(Clone, Debug)]
pub enum Base {
    /// A commit.
    Commit {
        /// Its repository.
        repository: Repository,
        /// Its full hash.
        commit: String,
        /// Its description in messages: `HEAD`, `the merge base with origin/main`, or the given revision.
        words: String,
        /// Whether the code of the checkout is that of the commit, once it is known.
        has_same_code: OnceCell<bool>,
    },
    /// No base: all objects are new.
    Nothing {
        /// The reason.
        why: String,
    },
}

/// The objects of a stack in the base.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The graph; empty if the base does not have the stack.
    pub graph: Graph,
    /// Its source.
    pub source: Source,
    /// A sentence about snapshots that are out of date.
    pub stale: Option<String>,
}

/// The source of the graph of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Committed snapshots.
    Snapshots,
    /// The stack file of the base, rendered by this program, whose code is the same.
    StackFile,
    /// A build of that revision, because it has no snapshots of the stack.
    Worktree,
    /// None: the base does not have the stack.
    Absent,
}

impl Base {
    /// The given revision. Default: the merge base with the main branch, else HEAD.
    ///
    /// A checkout without commits has no base; nor has one without git, unless a revision is given.
    pub fn choose(checkout: &Checkout, asked: Option<&str>) -> Result<Self> {
        let Some(repository) = Repository::around(checkout.root())? else {
            return match asked {
                None => Ok(Self::Nothing {
                    why: "not a git checkout: all objects are shown as new".to_owned(),
                }),
                Some(revision) => Err(user_error(
                    format!(
                        "cannot compare with {revision}: {} is not a git checkout",
                        checkout.root().display()
                    ),
                    "clone the repository with git, or run `git init` and commit",
                )),
            };
        };
        match asked {
            Some(revision) => Self::asked(repository, revision),
            None => Self::default_of(repository),
        }
    }

    /// Its description in messages, as it follows the word "from".
    pub fn words(&self) -> String {
        match self {
            Self::Commit { commit, words, .. } => format!("{words} ({})", short(commit)),
            Self::Nothing { .. } => "nothing".to_owned(),
        }
    }

    /// The stacks of the base.
    pub fn stacks(&self, checkout: &Checkout) -> Result<Vec<String>> {
        match self {
            Self::Nothing { .. } => Ok(Vec::new()),
            Self::Commit {
                repository, commit, ..
            } => Ok(stacks_among(
                &repository.files(commit, &checkout.stacks_folder())?,
            )),
        }
    }

    fn asked(repository: Repository, revision: &str) -> Result<Self> {
        if let Some(commit) = repository.commit(revision)? {
            return Ok(Self::Commit {
                repository,
                commit,
                words: revision.to_owned(),
                has_same_code: OnceCell::new(),
            });
        }
        let hint = if repository.is_shallow()? {
            "this is a shallow clone; fetch the full history with `git fetch --unshallow`"
        } else {
            "name a local branch, tag or commit; run `git fetch` first for a remote branch"
        };
        Err(user_error(
            format!("there is no revision {revision:?} in this repository"),
            hint,
        ))
    }

    fn default_of(repository: Repository) -> Result<Self> {
        let Some(head) = repository.commit("HEAD")? else {
            return Ok(Self::Nothing {
                why: "no commits yet: all objects are shown as new".to_owned(),
            });
        };
        for branch in MAIN_BRANCHES {
            let Some(main) = repository.commit(branch)? else {
                continue;
            };
            if main == head {
                break;
            }
            if let Some(commit) = repository.merge_base(&main, &head)? {
                let words = if commit == head {
                    "HEAD".to_owned()
                } else {
                    format!("the merge base with {branch}")
                };
                return Ok(Self::Commit {
                    repository,
                    commit,
                    words,
                    has_same_code: OnceCell::new(),
                });
            }
            if repository.is_shallow()? {
                return Err(user_error(
                    format!("cannot find where this branch left {branch}, because this clone is shallow"),
                    "fetch the full history with `git fetch --unshallow` (in a workflow: `fetch-depth: 0`), or pass --base",
                ));
            }
            break;
        }
        Ok(Self::Commit {
            repository,
            commit: head,
            words: "HEAD".to_owned(),
            has_same_code: OnceCell::new(),
        })
    }

    /// The objects of a stack in the base. Their components are taken from `now`, since manifests do not contain them.
    ///
    /// `say` receives progress messages and warnings.
    pub fn declared(
        &self,
        checkout: &Checkout,
        stack: &str,
        now: &Graph,
        say: &dyn Fn(&str),
    ) -> Result<Declared> {
        let absent = Declared {
            graph: Graph::default(),
            source: Source::Absent,
            stale: None,
        };
        let Self::Commit {
            repository,
            commit,
            words,
            ..
        } = self
        else {
            return Ok(absent);
        };
        let snapshots = snapshots(repository, commit, stack)?;
        let refresh = format!(
            "refresh them on the base branch with `cargo phoenix snapshots {stack}`, and commit them"
        );
        if let Some(graph) = self.rendered(checkout, stack)? {
            let is_stale = !snapshots.is_empty() && !compare(&snapshots, &graph, |_, _| false).is_empty();
            return Ok(Declared {
                graph,
                source: Source::StackFile,
                stale: is_stale.then(|| {
                    format!(
                        "the snapshots of {stack} in {} are out of date and were not used; {refresh}",
                        self.words()
                    )
                }),
            });
        }
        if !snapshots.is_empty() {
            let stale = self.is_older_than_stack_file(checkout, stack)?.then(|| {
                format!(
                    "the snapshots of {stack} in {} are older than its stack file, so changes that the base already \
                     contains may be listed; {refresh}",
                    self.words()
                )
            });
            return Ok(Declared {
                graph: snapshots,
                source: Source::Snapshots,
                stale,
            });
        }
        let stack_file = checkout.shown(&checkout.stack_file(stack));
        let is_there =
            repository.has(commit, &stack_file)? && repository.has(commit, "crates/cli/Cargo.toml")?;
        if !is_there {
            say(&format!(
                "{words} has no stack {stack}: all its objects are shown as new"
            ));
            return Ok(absent);
        }
        say(&format!(
            "{words} has no snapshots of {stack}; building that revision in a temporary worktree, which can take several minutes"
        ));
        let rendered = render_in_worktree(checkout, repository, commit, stack).or_hint(
            format!("cannot render {stack} with the code of {words}"),
            format!("commit the snapshots of the base in {SNAPSHOTS}/{stack}, or pass another --base"),
        )?;
        let mut graph = Graph::default();
        let component = |object: &Object| {
            now.object(&object.id)
                .map_or_else(|| UNKNOWN_SYSTEM.to_owned(), |known| known.component.clone())
        };
        add(&mut graph, &rendered, component)
            .with_context(|| format!("cannot read the manifests that {} rendered", short(commit)))?;
        Ok(Declared {
            graph,
            source: Source::Worktree,
            stale: None,
        })
    }

    /// The stack file of the base; `None` if the base does not have it, or if it cannot be read.
    pub fn stack_file(&self, checkout: &Checkout, stack: &str) -> Result<Option<StackFile>> {
        match self {
            Self::Nothing { .. } => Ok(None),
            Self::Commit { commit, .. } => self.stack_file_at(commit, checkout, stack),
        }
    }

    /// The versions of the stack file up to the base, as far as they can be read; at most 50, the latest first.
    pub fn earlier_stack_files(&self, checkout: &Checkout, stack: &str) -> Result<Vec<StackFile>> {
        let Self::Commit {
            repository, commit, ..
        } = self
        else {
            return Ok(Vec::new());
        };
        let path = checkout.shown(&checkout.stack_file(stack));
        let mut files = Vec::new();
        for commit in repository.history(commit, &path, 50)? {
            files.extend(self.stack_file_at(&commit, checkout, stack)?);
        }
        Ok(files)
    }

    fn stack_file_at(&self, commit: &str, checkout: &Checkout, stack: &str) -> Result<Option<StackFile>> {
        let Self::Commit { repository, .. } = self else {
            return Ok(None);
        };
        let path = checkout.shown(&checkout.stack_file(stack));
        let text = repository.find(commit, &path)?;
        Ok(text.and_then(|text| StackFile::parse(&path, text).ok()))
    }

    /// What the stack file of the base renders with the code of this checkout.
    pub fn approximate(&self, checkout: &Checkout, stack: &str) -> Result<Declared> {
        let file = self.stack_file(checkout, stack)?;
        let graph = file
            .and_then(|file| file.checked().ok())
            .map(|config| platform::build(&config));
        Ok(Declared {
            graph: graph.ok_or_else(|| {
                user_error(
                    format!(
                        "cannot list the objects of {stack} in {}: its stack file is invalid",
                        self.words()
                    ),
                    "pass another --base",
                )
            })?,
            source: Source::StackFile,
            stale: Some(format!(
                "{} has no snapshots of {stack}, so its stack file was rendered with the code of this checkout",
                self.words()
            )),
        })
    }

    /// What the stack file of the base renders, if the code is the same.
    fn rendered(&self, checkout: &Checkout, stack: &str) -> Result<Option<Graph>> {
        let Self::Commit {
            repository,
            commit,
            has_same_code,
            ..
        } = self
        else {
            return Ok(None);
        };
        let same = if let Some(same) = has_same_code.get() {
            *same
        } else {
            let same =
                repository.has(commit, "src/platform.rs")? && repository.is_unchanged(commit, &CODE)?;
            *has_same_code.get_or_init(|| same)
        };
        if !same {
            return Ok(None);
        }
        let file = self.stack_file(checkout, stack)?;
        let config = file.and_then(|file| file.checked().ok());
        Ok(config.map(|config| platform::build(&config)))
    }

    /// Whether the configuration in the stack file changed after the snapshots.
    fn is_older_than_stack_file(&self, checkout: &Checkout, stack: &str) -> Result<bool> {
        let Self::Commit {
            repository, commit, ..
        } = self
        else {
            return Ok(false);
        };
        let history = repository.history(commit, &format!("{SNAPSHOTS}/{stack}"), 1)?;
        let Some(written) = history.first() else {
            return Ok(false);
        };
        // Policy settings are not rendered.
        let keys = |commit: &str| -> Result<_> {
            let file = self.stack_file_at(commit, checkout, stack)?;
            Ok(file.map(|mut file| {
                file.keys.remove(&format!("{NAMESPACE}:policies"));
                (file.keys, file.secrets)
            }))
        };
        Ok(keys(written)? != keys(commit)?)
    }
}

/// The snapshots of a stack at a commit.
fn snapshots(repository: &Repository, commit: &str, stack: &str) -> Result<Graph> {
    let folder = format!("{SNAPSHOTS}/{stack}");
    let files = repository.files(commit, &folder)?;
    let systems: Vec<&str> = files
        .iter()
        .filter_map(|file| file.strip_suffix(".yaml.snap"))
        .collect();
    let paths: Vec<String> = systems
        .iter()
        .map(|system| format!("{folder}/{system}.yaml.snap"))
        .collect();
    let mut graph = Graph::default();
    let texts = repository.show_all(commit, &paths)?;
    for ((system, path), text) in systems.into_iter().zip(&paths).zip(texts) {
        add(&mut graph, content_of_snapshot(&text), |_| system.to_owned())
            .with_context(|| format!("cannot read the snapshot {path} at {}", short(commit)))?;
    }
    Ok(graph)
}

impl Source {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::StackFile => "stackFile",
            Self::Worktree => "worktree",
            Self::Absent => "absent",
        }
    }
}

/// The content of a snapshot file after its header, which ends with the second line `---`.
pub fn content_of_snapshot(text: &str) -> &str {
    let Some(header) = text.strip_prefix("---\n") else {
        return text;
    };
    match header.find("\n---\n") {
        Some(end) if header.starts_with("source:") || header.starts_with("expression:") => {
            &header[end + "\n---\n".len()..]
        }
        _ => text,
    }
}

/// Adds all objects of a YAML stream.
fn add(graph: &mut Graph, stream: &str, component: impl Fn(&Object) -> String) -> Result<()> {
    for document in yaml::read(stream)?
        .into_iter()
        .filter(|document| !document.value.is_null())
    {
        let mut object = Object::from_json("", document.value)?;
        object.component = component(&object);
        mark_secrets(&mut object);
        if graph.object(&object.id).is_some() {
            return Err(anyhow!("{} is declared twice", object.id));
        }
        graph.add(object);
    }
    Ok(())
}

/// Marks the values of a rendered Secret that are references, as they are in the graph that was rendered.
fn mark_secrets(object: &mut Object) {
    if object.id.kind != "Secret" || !object.id.group.is_empty() {
        return;
    }
    let values = object
        .body()
        .get("stringData")
        .and_then(|values| values.as_object());
    let references: Vec<(String, String)> = values
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| {
            let name = value.as_str()?.strip_prefix("secret ")?;
            let key = key.replace('~', "~0").replace('/', "~1");
            name.starts_with(NAMESPACE)
                .then(|| (format!("/stringData/{key}"), name.to_owned()))
        })
        .collect();
    for (pointer, name) in references {
        object.secret(&pointer, &name);
    }
}

/// Builds a revision in a worktree and renders a stack with it.
fn render_in_worktree(
    checkout: &Checkout,
    repository: &Repository,
    commit: &str,
    stack: &str,
) -> Result<String> {
    let worktree = repository.worktree(commit)?;
    // Set by `cargo run`.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = cargo::target_folder()
        .context("cannot find the current folder")?
        .unwrap_or_else(|| checkout.root().join("target"));
    // A separate target directory, kept for the next run: both revisions have the same packages, and would overwrite each
    // other's artifacts.
    let own_target = target.join("base");
    for folder in [&target, &own_target] {
        if let Err(exposed) = cargo::check_target(folder, None) {
            return Err(user_error(exposed.to_string(), Exposed::HINT));
        }
    }
    let mut command = cargo::command_of(&program);
    command.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "phoenix-cli",
        "--bin",
        "phoenix",
    ]);
    if !cfg!(debug_assertions) {
        // The same profile as this binary.
        command.arg("--release");
    }
    command.args(["--", "render", stack]);
    command
        .current_dir(worktree.root())
        .env("CARGO_TARGET_DIR", own_target)
        .stdin(Stdio::null());
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<_> = words.trim().lines().rev().take(20).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        return Err(anyhow!("{}", tail.join("\n"))
            .context(format!("`phoenix render {stack}` of that revision failed")));
    }
    String::from_utf8(output.stdout).context("its output is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_that_renders_a_stack_is_compared_with_the_base() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifest = |folder: &str| std::fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap();
        let workspace = manifest("");
        let folder_of = |package: &str| {
            let (_, rest) = workspace.split_once(&format!("\n{package} = {{ path = \""))?;
            Some(rest.split('"').next()?.to_owned())
        };
        let mut folders = vec![String::new()];
        let mut next = 0;
        while let Some(folder) = folders.get(next).cloned() {
            next += 1;
            let text = manifest(&folder);
            let (_, dependencies) = text.split_once("\n[dependencies]\n").unwrap_or_default();
            let dependencies = dependencies.split("\n[").next().unwrap_or_default();
            for package in dependencies
                .lines()
                .filter_map(|line| line.strip_suffix(".workspace = true"))
            {
                if let Some(folder) = folder_of(package).filter(|folder| !folders.contains(folder)) {
                    folders.push(folder);
                }
            }
        }
        assert!(folders.len() > 3, "{folders:?}");
        for folder in folders.iter().filter(|folder| !folder.is_empty()) {
            assert!(CODE.contains(&folder.as_str()), "{folder} is not compared");
        }
    }

    #[test]
    fn the_header_of_a_snapshot_is_not_part_of_the_manifests() {
        let snapshot = "---\nsource: tests/it/stacks.rs\nexpression: yaml\n---\n---\nkind: Namespace\n";
        assert_eq!(content_of_snapshot(snapshot), "---\nkind: Namespace\n");
        assert_eq!(
            content_of_snapshot("---\nkind: Namespace\n---\nkind: Secret\n"),
            "---\nkind: Namespace\n---\nkind: Secret\n"
        );
    }

    #[test]
    fn a_rendered_graph_is_read_back_unchanged() {
        let mut before = Graph::of("qdrant");
        let body = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "memory"},
            "data": {"on": "off", "script": "set -e\n\nexec a\n", "number": "012"},
        });
        before.add(Object::from_json("qdrant", body).unwrap());
        let mut after = Graph::default();
        add(&mut after, &before.yaml(), |_| "qdrant".to_owned()).unwrap();
        assert_eq!(
            after.objects().collect::<Vec<_>>(),
            before.objects().collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_duplicate_object_is_an_error() {
        let stream = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".to_owned();
        let twice = format!("{stream}---\n{stream}");
        let error = add(&mut Graph::default(), &twice, |_| String::new()).unwrap_err();
        assert_eq!(error.to_string(), "Namespace a is declared twice");
    }
}
