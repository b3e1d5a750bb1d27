//! An engine in this process that answers as the real one does, for tests of programs and hosts.
//!
//! It builds URNs as the engine builds them, gives no ids in a preview, refuses what the engine refuses, and writes
//! down all it was asked. It promises to be strict: a program that passes here has sent well-formed requests in
//! an order that is possible. It runs no provider and keeps no state, so it knows nothing of diffs.
//!
//! ```
//! use pulumi_wire::fake::{FakeEngine, Reaction};
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let fake = FakeEngine::preview().react("slow", Reaction::Fail).start().await;
//! let engine = fake.connect().await;
//! assert_eq!(engine.deployment().await.unwrap().project, "project");
//! # });
//! ```

mod engine;
mod monitor;
mod urn;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::Status;

use crate::engine::Engine;
use crate::proto::engine_server::EngineServer;
use crate::proto::resource_monitor_server::ResourceMonitorServer;
use crate::proto::{
    LogRequest, LogSeverity, ReadResourceRequest, RegisterResourceOutputsRequest,
    RegisterResourceRequest,
};
use crate::serve::{Stop, serve_on};
use crate::value::{Value, to_wire};
use monitor::Known;
pub use tonic::Code;
pub use urn::urn;

/// What an engine shall be like. [`start`](Script::start) makes one.
#[derive(Clone, Debug)]
pub struct Script {
    project: String,
    stack: String,
    preview: bool,
    config: BTreeMap<String, String>,
    secret_keys: BTreeSet<String>,
    reactions: BTreeMap<String, Reaction>,
    delay: Duration,
    /// The methods that it is too old for.
    unknown: BTreeSet<&'static str>,
    existing: BTreeMap<String, prost_types::Struct>,
}

/// What an engine does about a resource of some name, other than to accept it.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Answers that it failed, as the engine does with `--continue-on-error`.
    Fail,
    /// Answers that it was not tried, because something it depends on failed.
    Skip,
    /// Breaks the call off.
    Refuse(Code, String),
    /// Accepts it after a while.
    Delay(Duration),
    /// Goes away: this call and all that are pending or still come are answered "unavailable".
    ShutDown,
}

/// Something the engine was asked or told.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// What is being deployed?
    GetDeploymentInfo,
    /// Look at this, which exists already.
    ReadResource(ReadResourceRequest),
    /// Let this resource exist.
    RegisterResource(Box<RegisterResourceRequest>),
    /// That was all of this component, or these are the stack's outputs.
    RegisterResourceOutputs(RegisterResourceOutputsRequest),
    /// Nothing more will come.
    SignalAndWaitForShutdown,
    /// Show this to the person.
    Log(LogRequest),
}

impl Script {
    fn new(preview: bool) -> Self {
        Self {
            project: "project".to_owned(),
            stack: "stack".to_owned(),
            preview,
            config: BTreeMap::new(),
            secret_keys: BTreeSet::new(),
            reactions: BTreeMap::new(),
            delay: Duration::ZERO,
            unknown: BTreeSet::new(),
            existing: BTreeMap::new(),
        }
    }

    /// Names the project and the stack, which are `project` and `stack` otherwise.
    #[must_use]
    pub fn deploying(mut self, project: &str, stack: &str) -> Self {
        project.clone_into(&mut self.project);
        stack.clone_into(&mut self.stack);
        self
    }

    /// Sets a configuration value, by full key.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets a secret configuration value, by full key.
    #[must_use]
    pub fn secret(mut self, key: &str, value: &str) -> Self {
        self.secret_keys.insert(key.to_owned());
        self.config(key, value)
    }

    /// Says what to do about the resources of a name.
    #[must_use]
    pub fn react(mut self, name: &str, reaction: Reaction) -> Self {
        self.reactions.insert(name.to_owned(), reaction);
        self
    }

    /// Takes this long over every registration.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// An engine before 3.231, which does not answer `GetDeploymentInfo`.
    #[must_use]
    pub fn without_deployment_info(mut self) -> Self {
        self.unknown.insert("GetDeploymentInfo");
        self
    }

    /// An engine before 3.180, which does not answer `SignalAndWaitForShutdown`.
    #[must_use]
    pub fn without_shutdown_signal(mut self) -> Self {
        self.unknown.insert("SignalAndWaitForShutdown");
        self
    }

    /// An engine before 3.219, which does not answer `RequirePulumiVersion`.
    #[must_use]
    pub fn without_version_check(mut self) -> Self {
        self.unknown.insert("RequirePulumiVersion");
        self
    }

    /// Something with this id that exists already, for those who read it.
    ///
    /// # Panics
    ///
    /// When a property refers to a secret: what exists has values.
    #[must_use]
    pub fn existing(mut self, id: &str, properties: &BTreeMap<String, Value>) -> Self {
        let properties =
            to_wire(properties, &BTreeMap::new()).expect("what exists has values, not references");
        self.existing.insert(id.to_owned(), properties);
        self
    }

    /// Starts the engine on two free ports on loopback: one for the resource monitor, one for messages.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub async fn start(self) -> FakeEngine {
        let (monitor_listener, monitor) = listen().await;
        let (engine_listener, engine) = listen().await;
        let fake = FakeEngine {
            shared: Arc::new(Shared::new(self)),
            monitor,
            engine,
            stop: Stop::new(),
        };
        tokio::spawn(serve_on(
            monitor_listener,
            ResourceMonitorServer::from_arc(fake.shared.clone()),
            fake.stop.clone(),
        ));
        tokio::spawn(serve_on(
            engine_listener,
            EngineServer::from_arc(fake.shared.clone()),
            fake.stop.clone(),
        ));
        fake
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port on loopback");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

/// An engine that is running. It stops when dropped.
pub struct FakeEngine {
    shared: Arc<Shared>,
    monitor: SocketAddr,
    engine: SocketAddr,
    stop: Stop,
}

impl FakeEngine {
    /// An engine that runs `pulumi preview`.
    pub fn preview() -> Script {
        Script::new(true)
    }

    /// An engine that runs `pulumi up`.
    pub fn up() -> Script {
        Script::new(false)
    }

    /// The address of the resource monitor, in the engine's format: host and port.
    pub fn address(&self) -> String {
        self.monitor.to_string()
    }

    /// The variables that a host sets for the program it starts.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let script = &self.shared.script;
        let json = |value: serde_json::Value| value.to_string();
        [
            ("PULUMI_MONITOR", self.address()),
            ("PULUMI_ENGINE", self.engine.to_string()),
            ("PULUMI_PROJECT", script.project.clone()),
            ("PULUMI_STACK", script.stack.clone()),
            ("PULUMI_ORGANIZATION", "organization".to_owned()),
            ("PULUMI_DRY_RUN", script.preview.to_string()),
            ("PULUMI_PARALLEL", "16".to_owned()),
            ("PULUMI_CONFIG", json(script.config.clone().into_iter().collect())),
            (
                "PULUMI_CONFIG_SECRET_KEYS",
                json(script.secret_keys.iter().cloned().collect()),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Connects to it as a program would.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub async fn connect(&self) -> Engine {
        let environment = self.environment();
        Engine::connect_with(move |name| environment.get(name).cloned())
            .await
            .expect("the fake engine listens")
    }

    /// Everything it was asked or told so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.record().calls.clone()
    }

    /// The resources it was asked for, in order of arrival, the stack's own first.
    pub fn registrations(&self) -> Vec<RegisterResourceRequest> {
        self.calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::RegisterResource(request) => Some(*request),
                _ => None,
            })
            .collect()
    }

    /// The messages it was to show: how severe, what, and under which resource.
    pub fn logs(&self) -> Vec<(LogSeverity, String, String)> {
        self.calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::Log(log) => Some((log.severity(), log.message, log.urn)),
                _ => None,
            })
            .collect()
    }

    /// How many registrations were under way at once, at most.
    pub fn high_water_mark(&self) -> usize {
        self.shared.record().high_water_mark
    }

    /// Goes away, as the engine does when the person interrupts it or a resource fails.
    pub fn shut_down(&self) {
        self.shared.gone.request();
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// What the services share.
struct Shared {
    script: Script,
    record: Mutex<Record>,
    gone: Stop,
}

/// What has happened so far.
#[derive(Default)]
struct Record {
    calls: Vec<Call>,
    /// The URNs that were asked for, answered or not.
    asked_for: BTreeSet<String>,
    /// What has been answered.
    known: BTreeMap<String, Known>,
    under_way: usize,
    high_water_mark: usize,
    signalled: bool,
}

impl Shared {
    fn new(script: Script) -> Self {
        Self {
            script,
            record: Mutex::default(),
            gone: Stop::new(),
        }
    }

    /// Whether the engine is new enough for a method.
    fn knows(&self, method: &str) -> Result<(), Status> {
        if self.script.unknown.contains(method) {
            return Err(Status::unimplemented(format!("unknown method {method}")));
        }
        Ok(())
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no panic while the record was held")
    }
}
