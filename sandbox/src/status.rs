//! The status of a sandbox, as text and as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::control_plane::COMPONENTS;
use super::process;
use super::state_dir::{Ports, StateDir};
use phoenix_cluster::admin::{Cluster, Pods};

/// The status of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The name; `None` if there is no sandbox, or an incomplete one after a crash.
    pub name: Option<String>,
    /// Its stack.
    pub stack: Option<String>,
    /// Its directory.
    pub directory: PathBuf,
    /// Whether every component runs and the API server is ready.
    pub running: bool,
    /// The components, in start order.
    pub components: Vec<Component>,
    /// The ports of the control plane.
    pub ports: Option<Ports>,
    /// The kubeconfig, if it exists.
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig.
    pub context: Option<String>,
    /// The number of ready nodes, if the API server is ready.
    pub nodes: Option<usize>,
    /// The pods, if the API server is ready.
    pub pods: Option<Pods>,
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Whether its process runs.
    pub running: bool,
    /// The id of the running process.
    pub pid: Option<i32>,
}

impl Status {
    /// The status of the sandbox in this directory, which may not exist.
    pub fn of(state_dir: &StateDir) -> Self {
        let records = process::records(&state_dir.processes());
        let components: Vec<Component> = COMPONENTS
            .iter()
            .map(|name| {
                let alive = records
                    .iter()
                    .find(|record| record.name == *name && record.alive());
                Component {
                    name: (*name).to_owned(),
                    running: alive.is_some(),
                    pid: alive.map(|record| record.pid),
                }
            })
            .collect();
        let identity = state_dir.identity();
        let kubeconfig = Some(state_dir.kubeconfig()).filter(|path| path.exists());
        let cluster = kubeconfig
            .as_deref()
            .filter(|_| {
                components
                    .iter()
                    .any(|component| component.name == "kube-apiserver" && component.running)
            })
            .and_then(|path| Cluster::connect(path).ok())
            .filter(Cluster::ready);
        Self {
            running: cluster.is_some() && components.iter().all(|component| component.running),
            name: identity.as_ref().map(|identity| identity.name.clone()),
            stack: identity.as_ref().map(|identity| identity.stack.clone()),
            directory: state_dir.directory().to_path_buf(),
            components,
            ports: identity.as_ref().and_then(|identity| identity.ports),
            context: identity.as_ref().map(super::state_dir::Identity::context),
            kubeconfig,
            nodes: cluster.as_ref().and_then(|cluster| cluster.ready_nodes().ok()),
            pods: cluster.as_ref().and_then(|cluster| cluster.pods().ok()),
        }
    }

    /// The status as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            let _infallible = writeln!(text, "{label:<12}{value}");
        };
        let Some(name) = &self.name else {
            line("sandbox", &format!("none in {}", self.directory.display()));
            return text;
        };
        line(
            "sandbox",
            &format!("{name}, {}", if self.running { "running" } else { "not running" }),
        );
        line("stack", self.stack.as_deref().unwrap_or("-"));
        line("directory", &self.directory.display().to_string());
        if let Some(kubeconfig) = &self.kubeconfig {
            line("kubeconfig", &kubeconfig.display().to_string());
        }
        line("context", self.context.as_deref().unwrap_or("-"));
        if let Some(ports) = self.ports {
            line("API server", &format!("https://127.0.0.1:{}", ports.api_server));
        }
        for component in &self.components {
            let state = component
                .pid
                .map_or("stopped".to_owned(), |pid| format!("running as process {pid}"));
            line("", &format!("{:<25}{state}", component.name));
        }
        if let Some(nodes) = self.nodes {
            line("nodes", &format!("{nodes} ready"));
        }
        if let Some(pods) = self.pods {
            line("pods", &format!("{} of {} ready", pods.ready, pods.total));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_sandbox_is_reported() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state_dir = StateDir::at(&directory.path().join("none")).expect("a home");
        let status = Status::of(&state_dir);
        assert!(!status.running);
        assert!(
            status.text().starts_with("sandbox     none in "),
            "{}",
            status.text()
        );
    }

    #[test]
    fn a_stopped_component_is_shown_with_the_others() {
        let status = Status {
            name: Some("dev".into()),
            stack: Some("dev".into()),
            directory: "/sandboxes/dev".into(),
            running: false,
            components: vec![
                Component {
                    name: "etcd".into(),
                    running: true,
                    pid: Some(41),
                },
                Component {
                    name: "kwok".into(),
                    running: false,
                    pid: None,
                },
            ],
            ports: Some(Ports {
                api_server: 6443,
                etcd: 2379,
                etcd_peer: 2380,
            }),
            kubeconfig: Some("/sandboxes/dev/kubeconfig".into()),
            context: Some("phoenix-sandbox-dev".into()),
            nodes: Some(12),
            pods: Some(Pods { ready: 3, total: 4 }),
        };
        let expected = "\
sandbox     dev, not running
stack       dev
directory   /sandboxes/dev
kubeconfig  /sandboxes/dev/kubeconfig
context     phoenix-sandbox-dev
API server  https://127.0.0.1:6443
            etcd                     running as process 41
            kwok                     stopped
nodes       12 ready
pods        3 of 4 ready
";
        assert_eq!(status.text(), expected);
    }
}
