//! Writing files so that whoever looks sees the old content or the new, and never half of it.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

/// Replaces the content of a file, or makes it.
pub fn replace(file: &Path, content: &[u8]) -> Result<()> {
    put(staged(file, content)?, file)
}

/// The content in a temporary file beside its place.
pub fn staged(file: &Path, content: &[u8]) -> Result<NamedTempFile> {
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
        // Temporary files are private by default; the umask still applies to this.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder).with_context(writing)?;
    temporary.write_all(content).with_context(writing)?;
    temporary.as_file().sync_all().with_context(writing)?;
    Ok(temporary)
}

/// Moves a staged file to its place.
pub fn put(staged: NamedTempFile, file: &Path) -> Result<()> {
    staged
        .persist(file)
        .map(drop)
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema.json");
        replace(&file, b"old").unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
        let error = replace(Path::new("no-such-folder/schema.json"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "cannot write no-such-folder/schema.json");
    }
}
