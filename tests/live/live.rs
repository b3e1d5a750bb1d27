//! A sandbox as the tests drive it, and what can be asked of its cluster.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, ValidationDirective};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config, discovery};
use phoenix::config::secret::SecretRow;
use phoenix_cli::checkout::Checkout;
use phoenix_cli::stack::Stack;
use phoenix_cluster::connection;
use phoenix_graph::{Graph, Id, Object};
use phoenix_sandbox::{Place, Sandbox};
use serde_json::Value;

use phoenix_testing::canary::Canaries;

/// The command, as it was built for these tests.
pub const PHOENIX: &str = env!("CARGO_BIN_EXE_phoenix-live");

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// What a stack of the checkout declares.
pub fn graph(stack: &str) -> Graph {
    Stack::load(&Checkout::find(Some(&root())).unwrap(), stack)
        .unwrap()
        .graph
}

/// The secrets that a stack of the checkout needs, in mode `local` or `esc-direct`.
pub fn needed(stack: &str) -> Vec<&'static SecretRow> {
    Stack::load(&Checkout::find(Some(&root())).unwrap(), stack)
        .unwrap()
        .config
        .secrets_needed()
}

/// A sandbox that ends with the test, however the test ends.
pub struct Live {
    /// Its directory's parent, which is removed with it.
    folder: tempfile::TempDir,
    /// The engine's program.
    program: std::cell::OnceCell<OsString>,
}

impl Live {
    /// Boots a sandbox and deploys a stack into it.
    pub fn up(stack: &str) -> Self {
        let live = Self::new();
        let output = live.phoenix(&["sandbox", "up", stack]);
        assert!(output.status.success(), "{}", said(&output));
        live.pulumi_as_it_is();
        live
    }

    /// A place for a sandbox.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            program: std::cell::OnceCell::new(),
        }
    }

    pub fn directory(&self) -> PathBuf {
        self.folder.path().join("sandbox")
    }

    /// Runs the command on this sandbox.
    pub fn phoenix(&self, arguments: &[&str]) -> Output {
        // What belongs to the engine stands behind `--`.
        let own = arguments
            .iter()
            .position(|argument| *argument == "--")
            .unwrap_or(arguments.len());
        let mut command = Command::new(PHOENIX);
        command
            .current_dir(root())
            .args(&arguments[..own])
            .arg("--dir")
            .arg(self.directory())
            .args(&arguments[own..]);
        command.output().unwrap()
    }

    /// Runs the engine on a fresh copy of the stack file, and expects it to succeed.
    pub fn pulumi(&self, arguments: &[&str]) -> String {
        let output = self.phoenix(&[&["sandbox", "pulumi", "--"], arguments].concat());
        assert!(
            output.status.success(),
            "pulumi {}: {}",
            arguments.join(" "),
            said(&output)
        );
        said(&output)
    }

    /// The engine on the copy as it is now, with everything that was changed in it.
    pub fn pulumi_as_it_is(&self) -> Command {
        let sandbox = self.sandbox();
        // Asking the sandbox for a command makes a fresh copy, so it is asked once, before anything is changed.
        let program = self
            .program
            .get_or_init(|| sandbox.pulumi(&[]).unwrap().get_program().into());
        let mut command = Command::new(program);
        command.envs(sandbox.environment()).current_dir(sandbox.project());
        command
    }

    pub fn sandbox(&self) -> Sandbox {
        Sandbox::open(&Place {
            name: None,
            dir: Some(self.directory()),
        })
        .unwrap()
    }

    /// Asks the cluster something.
    pub fn ask<T, F: Future<Output = T>>(&self, question: impl FnOnce(Client) -> F) -> T {
        let kubeconfig = self.sandbox().kubeconfig();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .unwrap();
            question(connection::retrying(config).unwrap()).await
        })
    }

    /// The objects of a graph that the cluster has, with their resource versions.
    pub fn versions(&self, graph: &Graph) -> BTreeMap<Id, String> {
        self.ask(|client| async move {
            let mut found = BTreeMap::new();
            for object in graph.objects() {
                let api = api(&client, object).await;
                if let Some(live) = api.get_opt(&object.id.name).await.unwrap() {
                    // The generation counts changes of the specification only; the version, changes of the status too.
                    let metadata = live.metadata;
                    let content = serde_json::to_value((
                        &live.data.get("spec"),
                        &live.data.get("data"),
                        &metadata.labels,
                        &metadata.annotations,
                        &metadata.uid,
                    ))
                    .unwrap();
                    found.insert(object.id.clone(), content.to_string());
                }
            }
            found
        })
    }

    /// Waits until this many pods are ready and all claims are bound. An autoscaler takes a moment after `up`.
    pub fn is_ready_with(&self, pods: usize) {
        for _ in 0..90 {
            if self.workload_pods().len() == pods && self.not_ready().is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        panic!(
            "after 90 s there are {} pods instead of {pods}, and not ready are {:?}",
            self.workload_pods().len(),
            self.not_ready()
        );
    }

    /// Pods that are not ready and claims that are not bound, in words.
    fn not_ready(&self) -> Vec<String> {
        let pods = self.workload_pods();
        self.ask(|client| async move {
            let mut found = Vec::new();
            for pod in pods {
                let conditions = pod
                    .status
                    .and_then(|status| status.conditions)
                    .unwrap_or_default();
                if !conditions
                    .iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True")
                {
                    found.push(format!("pod {:?}", pod.metadata.name));
                }
            }
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, "sophia-memory");
            for claim in claims.list(&ListParams::default()).await.unwrap() {
                if claim.status.and_then(|status| status.phase).as_deref() != Some("Bound") {
                    found.push(format!("claim {:?}", claim.metadata.name));
                }
            }
            found
        })
    }

    /// The pods in the platform's namespace that run all the time. The schedules of Jobs can start one during a test.
    pub fn workload_pods(&self) -> Vec<Pod> {
        let is_of_job = |pod: &Pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.kind == "Job")
        };
        self.ask(|client| async move {
            let pods = Api::<Pod>::namespaced(client, "sophia-memory");
            let pods = pods.list(&ListParams::default()).await.unwrap();
            pods.into_iter().filter(|pod| !is_of_job(pod)).collect()
        })
    }

    /// The number of pods in the platform's namespace.
    pub fn pods(&self) -> usize {
        self.ask(|client| async move {
            Api::<Pod>::namespaced(client, "sophia-memory")
                .list(&ListParams::default())
                .await
                .unwrap()
                .items
                .len()
        })
    }

    /// Sends an object to the server as a dry run with strict field validation.
    pub fn validate(&self, object: &Object) -> Result<(), String> {
        self.ask(|client| async move {
            let mut parameters = PatchParams::apply("validation").force().dry_run();
            parameters.field_validation = Some(ValidationDirective::Strict);
            let patch = Patch::Apply(object.body());
            api(&client, object)
                .await
                .patch(&object.id.name, &parameters, &patch)
                .await
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
    }

    /// The values of all secrets of the sandbox, and its passphrase.
    pub fn secrets(&self, stack: &str) -> Vec<String> {
        let mut values: Vec<String> = needed(stack)
            .iter()
            .map(|row| {
                let output = self
                    .pulumi_as_it_is()
                    .args(["config", "get", &row.full_key()])
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{}", said(&output));
                String::from_utf8(output.stdout).unwrap().trim().to_owned()
            })
            .collect();
        let environment = self.sandbox().environment();
        let passphrase = &environment["PULUMI_CONFIG_PASSPHRASE_FILE"];
        values.push(std::fs::read_to_string(passphrase).unwrap().trim().to_owned());
        values
    }

    /// The name of the file that holds the passphrase.
    pub fn passphrase_file(&self) -> OsString {
        let environment = self.sandbox().environment();
        let path = Path::new(&environment["PULUMI_CONFIG_PASSPHRASE_FILE"]);
        path.file_name().unwrap().to_owned()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let output = self.phoenix(&["sandbox", "down"]);
        if !output.status.success() {
            eprintln!("the sandbox of the test did not end: {}", said(&output));
        }
    }
}

async fn api(client: &Client, object: &Object) -> Api<DynamicObject> {
    let (group, version) = object
        .api_version
        .split_once('/')
        .unwrap_or(("", &object.api_version));
    let kind = GroupVersionKind::gvk(group, version, &object.id.kind);
    let (resource, _) = discovery::pinned_kind(client, &kind).await.unwrap();
    match &object.id.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Everything a program has said.
pub fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The state of the checkout as git sees it.
pub fn checkout_state() -> String {
    let git = |arguments: &[&str]| {
        said(
            &Command::new("git")
                .current_dir(root())
                .args(arguments)
                .output()
                .unwrap(),
        )
    };
    git(&["status", "--porcelain"]) + &git(&["diff"])
}

/// Files below a folder that hold one of these values, in any of the forms a careless program would write it in.
pub fn files_with(folder: &Path, canaries: &Canaries, except: &[&OsStr]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if except.contains(&entry.file_name().as_os_str()) || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            found.extend(files_with(&path, canaries, except));
        } else if let Ok(content) = std::fs::read(&path)
            && canaries.are_in(&String::from_utf8_lossy(&content))
        {
            found.push(path);
        }
    }
    found
}

/// The pods that a graph asks for at least.
pub fn pods_of(graph: &Graph) -> usize {
    let number = |pointer: &str, body: &Value| body.pointer(pointer).and_then(Value::as_u64);
    let pods: u64 = graph
        .objects()
        .filter(|object| object.id.namespace.as_deref() == Some("sophia-memory"))
        .filter_map(|object| match object.id.kind.as_str() {
            // Without a number, the autoscaler has it.
            "Deployment" | "StatefulSet" => number("/spec/replicas", object.body()),
            "HorizontalPodAutoscaler" => number("/spec/minReplicas", object.body()),
            _ => None,
        })
        .sum();
    usize::try_from(pods).unwrap()
}
