//! Which program the engine means: a folder, its options, and what is to be started there.

use crate::manifest::Manifest;
use crate::mistake::mistake;
use crate::options::Options;
use crate::stamp::is_program;
use anyhow::Result;
use pulumi_wire::proto::ProgramInfo;
use std::path::PathBuf;

/// A program as its project describes it.
#[derive(Debug)]
pub struct Program {
    /// The folder of the program.
    pub directory: PathBuf,
    /// What the project says of it.
    pub options: Options,
}

/// What a program is made of.
#[derive(Debug)]
pub enum Source {
    /// An executable that somebody else has built.
    Binary(PathBuf),
    /// A package to build.
    Package(Box<Manifest>),
}

impl Program {
    /// Finds the program. `folder` is where older engines say it is.
    pub fn find(info: Option<&ProgramInfo>, folder: &str) -> Result<Self> {
        let options = Options::read(info.and_then(|info| info.options.as_ref()))?;
        let mut directory = PathBuf::from(info.map_or(folder, |info| &info.program_directory));
        if directory.as_os_str().is_empty() {
            directory = PathBuf::from(folder);
        }
        // `main` may name a folder below the project's or a file in it; only a folder tells us more.
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

    /// The manifest, if there is one: a given binary needs none.
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

/// Refuses a file that cannot be started, before the attempt, and says why.
pub fn check_binary(path: &std::path::Path) -> Result<()> {
    if !path.exists() {
        return Err(mistake(
            format!(
                "runtime.options.binary names {}, which does not exist",
                path.display()
            ),
            "build it first, or leave the option out to have the program built",
        ));
    }
    if !is_program(path) {
        return Err(mistake(
            format!(
                "runtime.options.binary names {}, which cannot be executed",
                path.display()
            ),
            "make it executable with `chmod +x`, if it is a program",
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
    fn the_entry_point_may_be_a_folder_below_the_programs() {
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
    fn an_older_engine_names_the_folder_alone() {
        assert_eq!(
            Program::find(None, "/project").unwrap().directory,
            PathBuf::from("/project")
        );
    }
}
