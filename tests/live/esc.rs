//! A service on loopback that answers as Pulumi ESC does, with its real evaluator; only what providers would fetch is made up.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use phoenix_sandbox::tools::{ESC_SERVICE, ToolCache};
use serde_json::Value;

use crate::live::root;

/// The access token that the service takes.
pub const TOKEN: &str = "pul-canary-2b7e151628aed2a6";

/// The service, which ends with the test. Its organization is `acme`.
pub struct Service {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Service {
    /// With the definitions in `definitions/PROJECT/NAME.yaml` of a folder, and what each provider fetches.
    pub fn start(folder: &Path, fetched: &Value) -> Self {
        let file = folder.join("fetched.json");
        std::fs::write(&file, fetched.to_string()).unwrap();
        let found = ToolCache::of(&root()).unwrap().provide(&[ESC_SERVICE]).unwrap();
        let mut child = Command::new(&found[ESC_SERVICE.name].path)
            .arg("acme")
            .args([&folder.join("definitions"), &file])
            .env("ESC_TOKEN", TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}
