//! A real Kubernetes control plane on loopback: the arguments of each component, and the start order.
//!
//! When [`boot`] returns, the API server and the nodes are ready and every component runs; otherwise the error contains the end
//! of the log of the failed component. If another process takes a port in the meantime, other ports are tried. This module does
//! not know what is deployed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use super::keys::Keys;
use super::objects;
use super::ports;
use super::process::{self, Record, Start};
use super::progress::Step;
use super::state_dir::{Identity, Ports, StateDir, make_private, tail, write_private};
use super::tools::Found;
use phoenix_cluster::admin::Cluster;

/// The components, in start order. The last one is the volume provisioner of this package.
pub const COMPONENTS: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "volumes",
];

/// How long a component may take to become ready. An idle machine takes three seconds; compilers and other sandboxes slow it
/// down.
const READY_TIMEOUT: Duration = Duration::from_mins(2);

/// The number of attempts with different ports.
const ATTEMPTS: usize = 5;

/// The input of [`boot`].
#[derive(Debug)]
pub struct Boot<'a> {
    /// The directory of the sandbox.
    pub state_dir: &'a StateDir,
    /// The programs, by name.
    pub tools: &'a BTreeMap<&'static str, Found>,
    /// The stage files of simulated nodes and pods.
    pub stages: &'a [PathBuf],
    /// `phoenix-live`, which starts the others in their own sessions and provisions volumes.
    pub launcher: &'a Path,
}

/// Starts the control plane, with its existing data if there is any, and sets the ports in `identity`.
pub fn boot(boot: &Boot<'_>, identity: &mut Identity) -> Result<Cluster> {
    let step = Step::begin("starting the control plane on loopback");
    let state_dir = boot.state_dir;
    for directory in [state_dir.logs(), state_dir.processes(), state_dir.etcd()] {
        make_private(&directory)?;
    }
    let keys = Keys::at(&state_dir.keys())?;
    let mut attempt = 1;
    let cluster = loop {
        let ports = match identity.ports {
            Some(known) if ports::all_free(&[known.api_server, known.etcd, known.etcd_peer]) => known,
            _ => {
                let [api_server, etcd, etcd_peer] = ports::free()?;
                Ports {
                    api_server,
                    etcd,
                    etcd_peer,
                }
            }
        };
        identity.ports = Some(ports);
        state_dir.remember(identity)?;
        write_private(
            &state_dir.kubeconfig(),
            keys.kubeconfig(&identity.context(), ports.api_server)?.as_bytes(),
        )?;
        match start_servers(boot, &keys, ports) {
            Ok(cluster) => break cluster,
            Err(failure) if failure.port_conflict && attempt < ATTEMPTS => {
                process::stop(&process::records(&state_dir.processes()), state_dir.directory())?;
                identity.ports = None;
                attempt += 1;
            }
            Err(failure) => return Err(failure.error),
        }
    };
    for name in &COMPONENTS[2..] {
        start(
            boot,
            &keys,
            name,
            identity.ports.expect("the ports were chosen above"),
        )?;
    }
    let port = identity.ports.expect("the ports were chosen above").api_server;
    step.done(&format!("the control plane is ready on https://127.0.0.1:{port}"));

    let step = Step::begin("creating nodes in three zones, storage classes and namespaces");
    cluster
        .apply(&objects::all())
        .context("creating the objects of the sandbox's cluster")?;
    let nodes = objects::nodes().len();
    wait_until(boot.state_dir, "the nodes are not ready", || {
        let ready = cluster.ready_nodes()?;
        Ok((ready >= nodes).then_some(()))
    })?;
    step.done(&format!("{nodes} nodes are ready"));
    Ok(cluster)
}

/// Whether every component runs.
pub fn runs(state_dir: &StateDir) -> bool {
    let records = process::records(&state_dir.processes());
    COMPONENTS.iter().all(|name| {
        records
            .iter()
            .any(|record| record.name == *name && record.alive())
    })
}

/// Why the two servers could not be started.
struct Failure {
    error: anyhow::Error,
    port_conflict: bool,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            error,
            port_conflict: false,
        }
    }
}

/// Starts the two components that listen on a port, and waits until the API server is ready.
fn start_servers(boot: &Boot<'_>, keys: &Keys, ports: Ports) -> Result<Cluster, Failure> {
    let etcd = start(boot, keys, "etcd", ports)?;
    // The API server exits immediately if etcd does not respond.
    let listening = || std::net::TcpStream::connect(("127.0.0.1", ports.etcd)).ok();
    wait_for_component(boot.state_dir, &etcd, || Ok(listening().map(drop)))?;
    let api_server = start(boot, keys, "kube-apiserver", ports)?;
    let cluster = Cluster::connect(&boot.state_dir.kubeconfig())?;
    wait_for_component(boot.state_dir, &api_server, || Ok(cluster.ready().then_some(())))?;
    Ok(cluster)
}

/// Waits until a component is ready; fails if it exits.
fn wait_for_component(
    state_dir: &StateDir,
    record: &Record,
    mut ready: impl FnMut() -> Result<Option<()>>,
) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let alive = record.alive();
        // Another process may respond on a port that the component could not bind, so the component has to run as well.
        if alive && ready()?.is_some() {
            return Ok(());
        }
        let log = state_dir.log(&record.name);
        let words = tail(&log);
        if !alive {
            let error = anyhow!("{} exited; the end of its log:\n{words}", record.name);
            return Err(Failure {
                error,
                port_conflict: ports::is_conflict(&words),
            });
        }
        if began.elapsed() > READY_TIMEOUT {
            let seconds = READY_TIMEOUT.as_secs();
            let error = anyhow!(
                "{} is not ready after {seconds} s; the end of its log:\n{words}\nhint: the complete log is {}",
                record.name,
                log.display()
            );
            return Err(Failure {
                error,
                port_conflict: false,
            });
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until a condition holds; fails if a component exits.
fn wait_until<T>(
    state_dir: &StateDir,
    complaint: &str,
    mut done: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(value) = done()? {
            return Ok(value);
        }
        if let Some(dead) = process::records(&state_dir.processes())
            .iter()
            .find(|record| !record.alive())
        {
            bail!(
                "{} exited; the end of its log:\n{}",
                dead.name,
                tail(&state_dir.log(&dead.name))
            );
        }
        if began.elapsed() > READY_TIMEOUT {
            bail!(
                "{complaint} after {} s\nhint: the logs are in {}",
                READY_TIMEOUT.as_secs(),
                state_dir.logs().display()
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn start(boot: &Boot<'_>, keys: &Keys, name: &str, ports: Ports) -> Result<Record> {
    let state_dir = boot.state_dir;
    let program = match boot.tools.get(name) {
        Some(found) => found.path.clone(),
        None => boot.launcher.to_path_buf(),
    };
    let mut arguments = arguments(name, state_dir, keys, ports);
    if name == "kwok" {
        let heartbeat = state_dir.directory().join("heartbeat.yaml");
        fs::write(&heartbeat, phoenix_graph::yaml::to_string(&objects::heartbeat()))
            .with_context(|| format!("writing {}", heartbeat.display()))?;
        for stage in boot.stages.iter().chain([&heartbeat]) {
            arguments.push("--config".into());
            arguments.push(stage.into());
        }
    }
    let start = Start {
        name,
        program,
        arguments,
        environment: BTreeMap::new(),
    };
    let record = process::start(&start, boot.launcher, state_dir.directory(), &state_dir.log(name))?;
    record.write(&state_dir.processes())?;
    Ok(record)
}

/// The arguments of a component.
fn arguments(name: &str, state_dir: &StateDir, keys: &Keys, ports: Ports) -> Vec<OsString> {
    let Ports {
        api_server,
        etcd,
        etcd_peer,
    } = ports;
    let file = |flag: &str, path: &Path| {
        let mut argument = OsString::from(flag);
        argument.push("=");
        argument.push(path);
        argument
    };
    let kubeconfig = state_dir.kubeconfig();
    let words = |list: &[&str]| list.iter().copied().map(OsString::from).collect::<Vec<_>>();
    match name {
        "etcd" => {
            let mut list = words(&["--name=sandbox", "--client-cert-auth", "--peer-client-cert-auth"]);
            // Data does not have to survive a power failure, and syncing takes more time than everything else.
            list.push("--unsafe-no-fsync".into());
            list.push("--log-level=warn".into());
            list.push(format!("--listen-client-urls=https://127.0.0.1:{etcd}").into());
            list.push(format!("--advertise-client-urls=https://127.0.0.1:{etcd}").into());
            list.push(format!("--listen-peer-urls=https://127.0.0.1:{etcd_peer}").into());
            list.push(format!("--initial-advertise-peer-urls=https://127.0.0.1:{etcd_peer}").into());
            list.push(format!("--initial-cluster=sandbox=https://127.0.0.1:{etcd_peer}").into());
            list.extend([
                file("--data-dir", &state_dir.etcd()),
                file("--cert-file", &keys.server.public),
                file("--key-file", &keys.server.private),
                file("--trusted-ca-file", &keys.authority),
                file("--peer-cert-file", &keys.server.public),
                file("--peer-key-file", &keys.server.private),
                file("--peer-trusted-ca-file", &keys.authority),
            ]);
            list
        }
        "kube-apiserver" => {
            let mut list = words(&[
                "--bind-address=127.0.0.1",
                // The address of the Service `kubernetes`. Loopback addresses are not accepted, and the machine's own
                // address depends on the network; this one is reserved for documentation.
                "--advertise-address=192.0.2.1",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=Node,RBAC",
                "--anonymous-auth=false",
                "--allow-privileged=true",
                "--profiling=false",
            ]);
            list.push(format!("--secure-port={api_server}").into());
            list.push(format!("--etcd-servers=https://127.0.0.1:{etcd}").into());
            list.extend([
                file("--etcd-cafile", &keys.authority),
                file("--etcd-certfile", &keys.administrator.public),
                file("--etcd-keyfile", &keys.administrator.private),
                file("--tls-cert-file", &keys.server.public),
                file("--tls-private-key-file", &keys.server.private),
                file("--client-ca-file", &keys.authority),
                file("--service-account-key-file", &keys.tokens.public),
                file("--service-account-signing-key-file", &keys.tokens.private),
            ]);
            list
        }
        "kube-controller-manager" => {
            let mut list = words(&[
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                // No port: it is not used, and could conflict with another process.
                "--secure-port=0",
                // A busy machine delays heartbeats, which should not make nodes unreachable.
                "--node-monitor-grace-period=5m",
                // The default of 15 seconds is intended for large clusters.
                "--horizontal-pod-autoscaler-sync-period=2s",
                // All objects of a stack are created together; the default of 20 requests per second would be the bottleneck.
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ]);
            list.extend([
                file("--kubeconfig", &kubeconfig),
                file("--root-ca-file", &keys.authority),
                file("--service-account-private-key-file", &keys.tokens.private),
            ]);
            list
        }
        "kube-scheduler" => {
            let mut list = words(&["--leader-elect=false", "--secure-port=0"]);
            list.push(file("--kubeconfig", &kubeconfig));
            list
        }
        "kwok" => {
            let mut list = words(&["--manage-all-nodes=true", "--node-lease-duration-seconds=40"]);
            list.push(file("--kubeconfig", &kubeconfig));
            list
        }
        "volumes" => {
            let mut list = words(&["sandbox", "worker", "volumes", "--kubeconfig"]);
            list.push(kubeconfig.into());
            list
        }
        other => panic!("no component of the control plane is called {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(name: &str) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state_dir = StateDir::at(directory.path()).expect("a home");
        let keys = Keys::at(&state_dir.keys()).expect("keys");
        let ports = Ports {
            api_server: 6443,
            etcd: 2379,
            etcd_peer: 2380,
        };
        let list = arguments(name, &state_dir, &keys, ports).into_iter();
        list.map(|argument| argument.into_string().expect("these are all text"))
            .collect()
    }

    #[test]
    fn every_component_has_arguments() {
        for name in COMPONENTS {
            assert!(!arguments_of(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn components_listen_on_loopback_only_and_etcd_requires_certificates() {
        let etcd = arguments_of("etcd");
        for argument in etcd.iter().filter(|argument| argument.contains("://")) {
            assert!(argument.contains("https://127.0.0.1:"), "{argument}");
        }
        assert!(etcd.contains(&"--client-cert-auth".to_owned()));
        assert!(arguments_of("kube-apiserver").contains(&"--bind-address=127.0.0.1".to_owned()));
        for name in ["kube-controller-manager", "kube-scheduler"] {
            assert!(
                arguments_of(name).contains(&"--secure-port=0".to_owned()),
                "{name}"
            );
        }
    }
}
