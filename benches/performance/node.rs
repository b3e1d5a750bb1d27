//! A policy pack written with Node's SDK, of twenty rules that look at one label each, to set beside ours. Row E4.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The pack, installed, and a `PATH` on which the engine finds what runs it.
#[derive(Debug)]
pub struct NodePack {
    /// Its folder.
    pub folder: PathBuf,
    /// The `PATH` for the engine.
    pub path: OsString,
}

/// What the engine starts for the runtime that the pack names.
const RUNNER: &str = "pulumi-analyzer-policy-peer";

impl NodePack {
    /// Installs it into a folder; `None` where there is no npm.
    pub fn install(root: &Path, folder: &Path) -> Result<Option<Self>> {
        let asked = Command::new("npm")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
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
            "npm could not install the Node pack ({installed})"
        );
        let executor = folder.join("node_modules/@pulumi/pulumi/cmd/run-policy-pack");
        let script = format!("#!/bin/sh\nexec node '{}' \"$@\"\n", executor.display());
        let runner = folder.join(RUNNER);
        fs::write(&runner, script).with_context(|| format!("writing {}", runner.display()))?;
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("making {} executable", runner.display()))?;
        let others = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&others));
        Ok(Some(Self {
            folder: folder.to_owned(),
            path: std::env::join_paths(folders).context("putting the Node pack on PATH")?,
        }))
    }
}
