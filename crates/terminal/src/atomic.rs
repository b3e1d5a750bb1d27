//! Atomic file writes: a reader sees the old content or the new, never a part of it.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

/// Replaces the content of a file, or creates it.
pub fn replace(file: &Path, content: &[u8]) -> Result<()> {
    persist(stage(file, content)?, file)
}

/// Writes the content to a temporary file in the same directory. [`persist`] moves it into place.
pub fn stage(file: &Path, content: &[u8]) -> Result<NamedTempFile> {
    let writing = || format!("cannot write {}", file.display());
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".phoenix-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Temporary files are private by default; the umask still applies to this mode.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder).with_context(writing)?;
    temporary.write_all(content).with_context(writing)?;
    temporary.as_file().sync_all().with_context(writing)?;
    Ok(temporary)
}

/// Moves a staged file to its final path.
pub fn persist(staged: NamedTempFile, file: &Path) -> Result<()> {
    staged
        .persist(file)
        .map(drop)
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests read the written file")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_no_temporary_file_remains() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema.json");
        replace(&file, b"old").unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_the_file() {
        let error = replace(Path::new("no-such-folder/schema.json"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "cannot write no-such-folder/schema.json");
    }
}
