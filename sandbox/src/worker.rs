//! The background processes of a sandbox, which `phoenix-live` runs for it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::{process, volumes};

/// Runs another program in a session of its own, in place of this one; returns only if that fails.
pub fn session(command: &[OsString]) -> Result<()> {
    process::become_session(command)
}

/// Provisions volumes for claims until the process is stopped.
pub fn volumes(kubeconfig: &Path) -> Result<()> {
    volumes::serve(kubeconfig)
}
