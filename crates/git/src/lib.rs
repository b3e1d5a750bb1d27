//! Reads revisions and files of the checkout with git.
//!
//! An edge: it runs the program `git`. All operations are read-only, except that a [`Worktree`] is created and removed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

/// The number of files that one process reads, which limits the memory for their texts.
const FILES_AT_ONCE: usize = 32;

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

    /// The text of a file of the checkout at a commit; `None` if it does not exist.
    pub fn find(&self, commit: &str, path: &str) -> Result<Option<String>> {
        if path.contains('\n') {
            return if self.has(commit, path)? {
                self.show(commit, path).map(Some)
            } else {
                Ok(None)
            };
        }
        let request = format!("{commit}:{}{path}\n", self.prefix);
        let output = self.run_with_input(["cat-file", "--batch"], &request)?;
        let content = next_object(&mut output.stdout.as_slice()).map(<[u8]>::to_vec);
        let reading = || format!("cannot read {path} at {}", short(commit));
        content.map(String::from_utf8).transpose().with_context(reading)
    }

    /// The texts of files of the checkout at a commit, in the same order. One process reads all of them.
    pub fn show_all(&self, commit: &str, paths: &[String]) -> Result<Vec<String>> {
        let mut texts = Vec::with_capacity(paths.len());
        for paths in paths.chunks(FILES_AT_ONCE) {
            // A name with a line break would be two requests.
            if paths.iter().any(|path| path.contains('\n')) {
                for path in paths {
                    texts.push(self.show(commit, path)?);
                }
                continue;
            }
            let requests = paths
                .iter()
                .map(|path| format!("{commit}:{}{path}\n", self.prefix));
            let requests = requests.collect::<Vec<_>>().concat();
            let output = self.run_with_input(["cat-file", "--batch"], &requests)?;
            let mut rest = output.stdout.as_slice();
            for path in paths {
                let reading = || format!("cannot read {path} at {}", short(commit));
                let content = next_object(&mut rest)
                    .ok_or_else(|| anyhow!("git has no such file").context(reading()))?;
                texts.push(String::from_utf8(content.to_vec()).with_context(reading)?);
            }
        }
        Ok(texts)
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
        finished(self.git(arguments).output())
    }

    /// The same with a text on stdin.
    fn run_with_input<I: IntoIterator<Item: AsRef<OsStr>>>(
        &self,
        arguments: I,
        input: &str,
    ) -> Result<Output> {
        let mut command = self.git(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut run = || {
            let mut child = command.spawn()?;
            let stdin = child.stdin.take();
            // Git answers before it has read everything, so that both sides would wait for each other.
            std::thread::scope(|scope| {
                let writer =
                    scope.spawn(|| stdin.map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes())));
                let output = child.wait_with_output()?;
                // Git that ends early says why.
                let _ = writer.join();
                Ok(output)
            })
        };
        finished(run())
    }

    fn git<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new("git");
        // English messages, because one of them is matched; and no lock that conflicts with an editor refreshing its index.
        command
            .arg("-C")
            .arg(&self.root)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0");
        command
    }
}

fn finished(output: std::io::Result<Output>) -> Result<Output> {
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(user_error("cannot run git: not found on PATH", "install git"))
        }
        output => output.context("cannot run git"),
    }
}

/// The content of the next object in the output of `git cat-file --batch`: a line with its name, type and size, then its bytes and
/// a line break. `None` if the object does not exist or is no file.
fn next_object<'o>(output: &mut &'o [u8]) -> Option<&'o [u8]> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&output[..end]).ok()?;
    let (_, size) = head.rsplit_once(" blob ")?;
    let content = &output[end + 1..];
    let size: usize = size.parse().ok()?;
    let found = content.get(..size)?;
    *output = content.get(size + 1..)?;
    Some(found)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_one_after_another() {
        let output = b"abc blob 5\nx\ny\nz\ndef blob 0\n\nname with spaces missing\n";
        let mut rest = output.as_slice();
        assert_eq!(next_object(&mut rest), Some(&b"x\ny\nz"[..]));
        assert_eq!(next_object(&mut rest), Some(&b""[..]));
        assert_eq!(next_object(&mut rest), None);
        for broken in [
            &b"abc blob 9\nshort\n"[..],
            b"abc tree 1\nx\n",
            b"abc blob x\n",
            b"",
        ] {
            assert_eq!(next_object(&mut &*broken), None);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes a repository")]
    fn several_files_are_read_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .arg("-C")
                .arg(folder.path())
                .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        git(&["init", "--quiet"]);
        let names: Vec<String> = (0..70).map(|number| format!("file {number} é.txt")).collect();
        for name in &names {
            std::fs::write(folder.path().join(name), format!("{name}\n\nblob 3\n")).unwrap();
        }
        std::fs::write(folder.path().join("large.txt"), "x".repeat(300_000)).unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "files"]);
        let repository = Repository::around(folder.path()).unwrap().unwrap();
        let commit = repository.commit("HEAD").unwrap().unwrap();
        let texts = repository.show_all(&commit, &names).unwrap();
        let expected: Vec<_> = names.iter().map(|name| format!("{name}\n\nblob 3\n")).collect();
        assert_eq!(texts, expected);
        let large = vec!["large.txt".to_owned(); 40];
        assert!(
            repository
                .show_all(&commit, &large)
                .unwrap()
                .iter()
                .all(|text| text.len() == 300_000)
        );
        assert_eq!(
            repository.find(&commit, &names[3]).unwrap().as_ref(),
            Some(&expected[3])
        );
        assert_eq!(repository.find(&commit, "missing").unwrap(), None);
        assert_eq!(repository.find(&commit, "with\nline break").unwrap(), None);
        let error = repository.show_all(&commit, &["missing".to_owned()]).unwrap_err();
        assert!(
            format!("{error:#}").contains("cannot read missing at "),
            "{error:#}"
        );
    }
}
