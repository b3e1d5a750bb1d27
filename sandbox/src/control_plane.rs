//! A real Kubernetes control plane on loopback: what each component is told, and the order they start in.
//!
//! Promises: when [`boot`] returns, the API server is ready, the nodes are Ready, and every component
//! runs; otherwise the error holds the last words of the component that failed. A port taken by somebody
//! else in between means another try with other ports. It does not know what is deployed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use super::cluster::Cluster;
use super::home::{Home, Identity, Ports, make_private, tail, write_private};
use super::keys::Keys;
use super::objects;
use super::ports;
use super::process::{self, Record, Start};
use super::talk::Step;
use super::tools::Found;

/// The components, in the order they start. The last is this program itself, as the volumes' provisioner.
pub const COMPONENTS: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "volumes",
];

/// How long a component may take to be ready. It takes three seconds on an idle machine; compilers and
/// other sandboxes beside it make it slower, never endless.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often other ports are tried.
const ATTEMPTS: usize = 5;

/// What a boot needs to know.
#[derive(Debug)]
pub struct Boot<'a> {
    /// Where the sandbox lives.
    pub home: &'a Home,
    /// The programs, by name.
    pub tools: &'a BTreeMap<&'static str, Found>,
    /// The stages of simulated nodes and pods.
    pub stages: &'a [PathBuf],
    /// This program: it starts the others in their own sessions and serves volumes.
    pub launcher: &'a Path,
}

/// Starts the control plane, or what is left of it again with its data, and fills in the ports.
pub fn boot(boot: &Boot<'_>, identity: &mut Identity) -> Result<Cluster> {
    let step = Step::begin("starting the control plane on loopback");
    let home = boot.home;
    for directory in [home.logs(), home.processes(), home.etcd()] {
        make_private(&directory)?;
    }
    let keys = Keys::at(&home.keys())?;
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
        home.remember(identity)?;
        write_private(
            &home.kubeconfig(),
            keys.kubeconfig(&identity.context(), ports.api_server)?.as_bytes(),
        )?;
        match start_servers(boot, &keys, ports) {
            Ok(cluster) => break cluster,
            Err(failure) if failure.clash && attempt < ATTEMPTS => {
                process::stop(&process::records(&home.processes()), home.directory())?;
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
    step.done(&format!("the control plane answers on https://127.0.0.1:{port}"));

    let step = Step::begin("adding nodes in three zones, storage classes and namespaces");
    cluster
        .apply(&objects::all())
        .context("filling the sandbox's cluster")?;
    let nodes = objects::nodes().len();
    await_with(boot.home, "the nodes are not ready", || {
        let ready = cluster.ready_nodes()?;
        Ok((ready >= nodes).then_some(()))
    })?;
    step.done(&format!("{nodes} nodes are ready"));
    Ok(cluster)
}

/// Whether every component runs.
pub fn runs(home: &Home) -> bool {
    let records = process::records(&home.processes());
    COMPONENTS.iter().all(|name| {
        records
            .iter()
            .any(|record| record.name == *name && record.alive())
    })
}

/// Why the two servers did not start.
struct Failure {
    error: anyhow::Error,
    clash: bool,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, clash: false }
    }
}

/// Starts the two components that listen, and waits until the API server is ready.
fn start_servers(boot: &Boot<'_>, keys: &Keys, ports: Ports) -> Result<Cluster, Failure> {
    let etcd = start(boot, keys, "etcd", ports)?;
    // The API server ends at once when etcd does not answer, so etcd gets a moment to listen.
    let listening = || std::net::TcpStream::connect(("127.0.0.1", ports.etcd)).ok();
    await_component(boot.home, &etcd, || Ok(listening().map(drop)))?;
    let api_server = start(boot, keys, "kube-apiserver", ports)?;
    let cluster = Cluster::connect(&boot.home.kubeconfig())?;
    await_component(boot.home, &api_server, || Ok(cluster.ready().then_some(())))?;
    Ok(cluster)
}

/// Waits for a component, and notices when it ends instead.
fn await_component(
    home: &Home,
    record: &Record,
    mut ready: impl FnMut() -> Result<Option<()>>,
) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let alive = record.alive();
        // A stranger may answer on the port that our component did not get, so it must live, too.
        if alive && ready()?.is_some() {
            return Ok(());
        }
        let log = home.log(&record.name);
        let words = tail(&log);
        if !alive {
            let error = anyhow!(
                "{} ended instead of serving; its last words:\n{words}",
                record.name
            );
            return Err(Failure {
                error,
                clash: ports::is_clash(&words),
            });
        }
        if began.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            let error = anyhow!(
                "{} is not ready after {seconds} s; its last words:\n{words}\nhint: the whole log is {}",
                record.name,
                log.display()
            );
            return Err(Failure { error, clash: false });
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until all components together have brought something about.
fn await_with<T>(home: &Home, complaint: &str, mut done: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(value) = done()? {
            return Ok(value);
        }
        if let Some(dead) = process::records(&home.processes())
            .iter()
            .find(|record| !record.alive())
        {
            bail!(
                "{} ended; its last words:\n{}",
                dead.name,
                tail(&home.log(&dead.name))
            );
        }
        if began.elapsed() > PATIENCE {
            bail!(
                "{complaint} after {} s\nhint: the logs are in {}",
                PATIENCE.as_secs(),
                home.logs().display()
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn start(boot: &Boot<'_>, keys: &Keys, name: &str, ports: Ports) -> Result<Record> {
    let home = boot.home;
    let program = match boot.tools.get(name) {
        Some(found) => found.path.clone(),
        None => boot.launcher.to_path_buf(),
    };
    let mut arguments = arguments(name, home, keys, ports);
    if name == "kwok" {
        let heartbeat = home.directory().join("heartbeat.yaml");
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
    let record = process::start(&start, boot.launcher, home.directory(), &home.log(name))?;
    record.write(&home.processes())?;
    Ok(record)
}

/// What a component is told on its command line.
fn arguments(name: &str, home: &Home, keys: &Keys, ports: Ports) -> Vec<OsString> {
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
    let kubeconfig = home.kubeconfig();
    let words = |list: &[&str]| list.iter().copied().map(OsString::from).collect::<Vec<_>>();
    match name {
        "etcd" => {
            let mut told = words(&["--name=sandbox", "--client-cert-auth", "--peer-client-cert-auth"]);
            // Nothing here has to survive a power cut, and a sync costs more than everything else.
            told.push("--unsafe-no-fsync".into());
            told.push("--log-level=warn".into());
            told.push(format!("--listen-client-urls=https://127.0.0.1:{etcd}").into());
            told.push(format!("--advertise-client-urls=https://127.0.0.1:{etcd}").into());
            told.push(format!("--listen-peer-urls=https://127.0.0.1:{etcd_peer}").into());
            told.push(format!("--initial-advertise-peer-urls=https://127.0.0.1:{etcd_peer}").into());
            told.push(format!("--initial-cluster=sandbox=https://127.0.0.1:{etcd_peer}").into());
            told.extend([
                file("--data-dir", &home.etcd()),
                file("--cert-file", &keys.server.public),
                file("--key-file", &keys.server.private),
                file("--trusted-ca-file", &keys.authority),
                file("--peer-cert-file", &keys.server.public),
                file("--peer-key-file", &keys.server.private),
                file("--peer-trusted-ca-file", &keys.authority),
            ]);
            told
        }
        "kube-apiserver" => {
            let mut told = words(&[
                "--bind-address=127.0.0.1",
                // The address that the `kubernetes` Service shows. Loopback is not accepted there, and the
                // machine's own would change with the network; this one is reserved for documentation.
                "--advertise-address=192.0.2.1",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=Node,RBAC",
                "--anonymous-auth=false",
                "--allow-privileged=true",
                "--profiling=false",
            ]);
            told.push(format!("--secure-port={api_server}").into());
            told.push(format!("--etcd-servers=https://127.0.0.1:{etcd}").into());
            told.extend([
                file("--etcd-cafile", &keys.authority),
                file("--etcd-certfile", &keys.administrator.public),
                file("--etcd-keyfile", &keys.administrator.private),
                file("--tls-cert-file", &keys.server.public),
                file("--tls-private-key-file", &keys.server.private),
                file("--client-ca-file", &keys.authority),
                file("--service-account-key-file", &keys.tokens.public),
                file("--service-account-signing-key-file", &keys.tokens.private),
            ]);
            told
        }
        "kube-controller-manager" => {
            let mut told = words(&[
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                // No port: nobody asks, and a port can clash.
                "--secure-port=0",
                // A busy machine delays heartbeats; a node that is lost for that reason only confuses.
                "--node-monitor-grace-period=5m",
                // The default of 15 seconds is for clusters with thousands of autoscalers.
                "--horizontal-pod-autoscaler-sync-period=2s",
                // A stack arrives at once, and the default of 20 requests a second would be what takes time.
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ]);
            told.extend([
                file("--kubeconfig", &kubeconfig),
                file("--root-ca-file", &keys.authority),
                file("--service-account-private-key-file", &keys.tokens.private),
            ]);
            told
        }
        "kube-scheduler" => {
            let mut told = words(&["--leader-elect=false", "--secure-port=0"]);
            told.push(file("--kubeconfig", &kubeconfig));
            told
        }
        "kwok" => {
            let mut told = words(&["--manage-all-nodes=true", "--node-lease-duration-seconds=40"]);
            told.push(file("--kubeconfig", &kubeconfig));
            told
        }
        "volumes" => {
            let mut told = words(&["sandbox", "worker", "volumes", "--kubeconfig"]);
            told.push(kubeconfig.into());
            told
        }
        other => panic!("no component of the control plane is called {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = Home::at(directory.path()).expect("a home");
        let keys = Keys::at(&home.keys()).expect("keys");
        let ports = Ports {
            api_server: 6443,
            etcd: 2379,
            etcd_peer: 2380,
        };
        let told = arguments(name, &home, &keys, ports).into_iter();
        told.map(|argument| argument.into_string().expect("these are all text"))
            .collect()
    }

    #[test]
    fn every_component_is_told_something() {
        for name in COMPONENTS {
            assert!(!told(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn nothing_listens_beyond_loopback_and_etcd_asks_for_certificates() {
        let etcd = told("etcd");
        for argument in etcd.iter().filter(|argument| argument.contains("://")) {
            assert!(argument.contains("https://127.0.0.1:"), "{argument}");
        }
        assert!(etcd.contains(&"--client-cert-auth".to_owned()));
        assert!(told("kube-apiserver").contains(&"--bind-address=127.0.0.1".to_owned()));
        for name in ["kube-controller-manager", "kube-scheduler"] {
            assert!(told(name).contains(&"--secure-port=0".to_owned()), "{name}");
        }
    }
}
