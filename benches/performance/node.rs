//! A policy pack written with the Node SDK, with twenty rules that check one label each, to compare ours with. Row E4.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The installed pack, and a `PATH` that contains its runner.
#[derive(Debug)]
pub struct NodePack {
    /// The folder of the pack.
    pub folder: PathBuf,
    /// The `PATH` for the engine.
    pub path: OsString,
}

/// The program that the engine starts for the runtime named in the pack.
const RUNNER: &str = "pulumi-analyzer-policy-peer";

impl NodePack {
    /// Installs the pack into a folder. `None` if npm is not on `PATH`.
    pub fn install(root: &Path, folder: &Path) -> Result<Option<Self>> {
        let npm = Command::new("npm")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !npm.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        for file in ["PulumiPolicy.yaml", "package.json", "index.js"] {
            let from = root.join("benches/peers/node").join(file);
            fs::copy(&from, folder.join(file)).with_context(|| format!("copying {}", from.display()))?;
        }
        let installed = Command::new("npm")
            .args([
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
                "--silent",
            ])
            .current_dir(folder)
            .stdin(Stdio::null())
            .status()
            .context("running npm")?;
        ensure!(
            installed.success(),
            "npm cannot install the policy pack of the Node SDK ({installed})"
        );
        let executor = folder.join("node_modules/@pulumi/pulumi/cmd/run-policy-pack");
        let script = format!("#!/bin/sh\nexec node '{}' \"$@\"\n", executor.display());
        let runner = folder.join(RUNNER);
        fs::write(&runner, script).with_context(|| format!("writing {}", runner.display()))?;
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("setting permissions of {}", runner.display()))?;
        let others = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&others));
        Ok(Some(Self {
            folder: folder.to_owned(),
            path: std::env::join_paths(folders).context("adding the Node pack to PATH")?,
        }))
    }
}
