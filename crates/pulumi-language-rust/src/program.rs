//! The program of a project: its folder, its options, and its source.

use crate::fingerprint::is_program;
use crate::manifest::Manifest;
use crate::options::Options;
use anyhow::Result;
use phoenix_terminal::user_error::user_error;
use pulumi_wire::proto::ProgramInfo;
use std::path::PathBuf;

/// A program, as described by its project.
#[derive(Debug)]
pub struct Program {
    /// The folder of the program.
    pub directory: PathBuf,
    /// The options of the project.
    pub options: Options,
}

/// The source of a program.
#[derive(Debug)]
pub enum Source {
    /// A prebuilt executable.
    Binary(PathBuf),
    /// A package to build.
    Package(Box<Manifest>),
}

impl Program {
    /// Locates the program. `folder` is the program's folder for engines that send no `info`.
    pub fn find(info: Option<&ProgramInfo>, folder: &str) -> Result<Self> {
        let options = Options::read(info.and_then(|info| info.options.as_ref()))?;
        let mut directory = PathBuf::from(info.map_or(folder, |info| &info.program_directory));
        if directory.as_os_str().is_empty() {
            directory = PathBuf::from(folder);
        }
        // `main` can be a folder or a file of the project. Only a folder changes the program's folder.
        if let Some(info) = info
            && directory.join(&info.entry_point).is_dir()
            && !matches!(info.entry_point.as_str(), "" | ".")
        {
            directory = directory.join(&info.entry_point);
        }
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        Ok(Self { directory, options })
    }

    /// What to start: a given binary, the package that the options name, or the package in the folder.
    pub fn source(&self) -> Result<Source> {
        match &self.options.binary {
            Some(binary) => Ok(Source::Binary(self.directory.join(binary))),
            None => Ok(Source::Package(Box::new(self.read_manifest()?))),
        }
    }

    /// The manifest, if there is one. A prebuilt binary does not need one.
    pub fn manifest(&self) -> Result<Option<Manifest>> {
        if self.options.binary.is_some() && !self.directory.join("Cargo.toml").exists() {
            return Ok(None);
        }
        self.read_manifest().map(Some)
    }

    fn read_manifest(&self) -> Result<Manifest> {
        match &self.options.package {
            Some(package) => Manifest::of_member(&self.directory, package),
            None => Manifest::read(&self.directory),
        }
    }
}

/// Checks that a prebuilt program exists and is executable.
pub fn check_binary(path: &std::path::Path) -> Result<()> {
    if !path.exists() {
        return Err(user_error(
            format!(
                "runtime.options.binary is {}, which does not exist",
                path.display()
            ),
            "build it first, or remove the option to build the program automatically",
        ));
    }
    if !is_program(path) {
        return Err(user_error(
            format!(
                "runtime.options.binary is {}, which is not executable",
                path.display()
            ),
            "run `chmod +x` if it is a program",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(directory: &str, entry_point: &str) -> ProgramInfo {
        ProgramInfo {
            program_directory: directory.to_owned(),
            entry_point: entry_point.to_owned(),
            ..ProgramInfo::default()
        }
    }

    #[test]
    fn the_entry_point_can_be_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("infra")).unwrap();
        std::fs::write(folder.path().join("main.rs"), "").unwrap();
        let directory = |entry_point: &str| {
            let info = info(folder.path().to_str().unwrap(), entry_point);
            Program::find(Some(&info), "").unwrap().directory
        };
        assert_eq!(directory("infra"), folder.path().join("infra"));
        for own in ["", ".", "main.rs", "absent"] {
            assert_eq!(directory(own), folder.path(), "{own}");
        }
    }

    #[test]
    fn an_older_engine_sends_only_the_folder() {
        assert_eq!(
            Program::find(None, "/project").unwrap().directory,
            PathBuf::from("/project")
        );
    }
}
