//! Reads revisions and files of the checkout with git.
//!
//! An edge: it runs the program `git`. All operations are read-only, except that a [`Worktree`] is created and removed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, anyhow};

use phoenix_terminal::user_error::user_error;

/// The git repository of a checkout.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    /// The path of the checkout in the repository: empty, or ending in a slash.
    prefix: String,
}

/// A temporary checkout of another revision; removed when dropped.
#[derive(Debug)]
pub struct Worktree<'a> {
    repository: &'a Repository,
    folder: tempfile::TempDir,
}

impl Repository {
    /// The repository that contains `root`; `None` if there is none.
    pub fn around(root: &Path) -> Result<Option<Self>> {
        let mut repository = Self {
            root: root.to_owned(),
            prefix: String::new(),
        };
        let output = repository.run(["rev-parse", "--show-prefix"])?;
        if output.status.success() {
            text(&output.stdout)
                .trim_end_matches('\n')
                .clone_into(&mut repository.prefix);
            return Ok(Some(repository));
        }
        let words = text(&output.stderr);
        if words.contains("not a git repository") {
            return Ok(None);
        }
        Err(anyhow!("{}", words.trim()).context("cannot read the git repository"))
    }

    /// The commit of a revision; `None` if there is no such revision.
    pub fn commit(&self, revision: &str) -> Result<Option<String>> {
        // Git would take a name that begins with a hyphen as an option.
        if revision.starts_with('-') {
            return Ok(None);
        }
        let output = self.run([
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{revision}^{{commit}}"),
        ])?;
        Ok(output
            .status
            .success()
            .then(|| text(&output.stdout).trim().to_owned()))
    }

    /// The merge base; `None` if there is none in this clone.
    pub fn merge_base(&self, left: &str, right: &str) -> Result<Option<String>> {
        let output = self.run(["merge-base", left, right])?;
        Ok(output
            .status
            .success()
            .then(|| text(&output.stdout).trim().to_owned()))
    }

    /// Whether this is a shallow clone.
    pub fn is_shallow(&self) -> Result<bool> {
        Ok(text(&self.run(["rev-parse", "--is-shallow-repository"])?.stdout).trim() == "true")
    }

    /// The names of the files in a directory of the checkout at a commit; empty if there is no such directory.
    pub fn files(&self, commit: &str, folder: &str) -> Result<Vec<String>> {
        let tree = format!("{commit}:{}{folder}", self.prefix);
        let output = self.run(["ls-tree", "-z", "--name-only", &tree])?;
        if !output.status.success() {
            return Ok(Vec::new());
        }
        Ok(text(&output.stdout)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect())
    }

    /// The text of a file of the checkout at a commit.
    pub fn show(&self, commit: &str, path: &str) -> Result<String> {
        let output = self.run(["cat-file", "blob", &format!("{commit}:{}{path}", self.prefix)])?;
        let reading = || format!("cannot read {path} at {}", short(commit));
        if !output.status.success() {
            return Err(anyhow!("{}", text(&output.stderr).trim()).context(reading()));
        }
        String::from_utf8(output.stdout).with_context(reading)
    }

    /// Whether a file of the checkout exists at a commit.
    pub fn has(&self, commit: &str, path: &str) -> Result<bool> {
        Ok(self
            .run(["cat-file", "-e", &format!("{commit}:{}{path}", self.prefix)])?
            .status
            .success())
    }

    /// Whether the files at these paths, uncommitted changes and new files included, are those of a commit.
    pub fn is_unchanged(&self, commit: &str, paths: &[&str]) -> Result<bool> {
        let changed = ["diff", "--quiet", commit, "--"]
            .into_iter()
            .chain(paths.iter().copied());
        if !self.run(changed)?.status.success() {
            return Ok(false);
        }
        let new = ["ls-files", "--others", "--exclude-standard", "--"];
        let output = self.run(new.into_iter().chain(paths.iter().copied()))?;
        Ok(output.status.success() && output.stdout.is_empty())
    }

    /// The last commits, up to the given one, that changed a file or directory; at most `limit`, the latest first.
    pub fn history(&self, commit: &str, path: &str, limit: usize) -> Result<Vec<String>> {
        let limit = format!("--max-count={limit}");
        let output = self.run(["log", &limit, "--format=%H", commit, "--", path])?;
        Ok(text(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// A temporary checkout of a commit.
    pub fn worktree(&self, commit: &str) -> Result<Worktree<'_>> {
        let folder = tempfile::Builder::new()
            .prefix("phoenix-base-")
            .tempdir()
            .context("cannot create a temporary directory")?;
        let worktree = Worktree {
            repository: self,
            folder,
        };
        let place = worktree.folder.path().join("tree");
        let arguments = ["worktree", "add", "--detach", "--force", "--quiet"].map(OsStr::new);
        let output = self.run(
            arguments
                .into_iter()
                .chain([place.as_os_str(), OsStr::new(commit)]),
        )?;
        if output.status.success() {
            return Ok(worktree);
        }
        Err(anyhow!("{}", text(&output.stderr).trim()).context(format!(
            "cannot check out {} in a temporary worktree",
            short(commit)
        )))
    }

    fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Result<Output> {
        let mut command = Command::new("git");
        // English messages, because one of them is matched; and no lock that conflicts with an editor refreshing its index.
        command
            .arg("-C")
            .arg(&self.root)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0");
        match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(user_error("cannot run git: not found on PATH", "install git"))
            }
            output => output.context("cannot run git"),
        }
    }
}

impl Worktree<'_> {
    /// The root of the checkout in the worktree.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("tree").join(&self.repository.prefix)
    }
}

impl Drop for Worktree<'_> {
    fn drop(&mut self) {
        let place = self.folder.path().join("tree");
        let arguments = ["worktree", "remove", "--force"].map(OsStr::new);
        // On failure a temporary directory remains; git prunes worktrees without a directory.
        let _ = self
            .repository
            .run(arguments.into_iter().chain([place.as_os_str()]));
    }
}

/// An abbreviated commit hash for messages.
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
