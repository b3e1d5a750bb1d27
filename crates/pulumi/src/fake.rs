//! A fake engine in the current process, for tests of programs and hosts.
//!
//! It builds URNs like the engine, assigns no ids in a preview, rejects what the engine rejects, and records all calls. It
//! is strict: a program that passes has sent well-formed requests in a possible order. It runs no provider and keeps no
//! state, so it computes no diffs.
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
    LogRequest, LogSeverity, ReadResourceRequest, RegisterResourceOutputsRequest, RegisterResourceRequest,
};
use crate::serve::{Stop, serve_on};
use crate::value::{Value, to_wire};
use monitor::Known;
pub use tonic::Code;
pub use urn::urn;

/// The behavior of a fake engine. [`start`](Script::start) starts it.
#[derive(Clone, Debug)]
pub struct Script {
    project: String,
    stack: String,
    preview: bool,
    config: BTreeMap<String, String>,
    secret_keys: BTreeSet<String>,
    reactions: BTreeMap<String, Reaction>,
    delay: Duration,
    /// The methods that the engine does not implement.
    unimplemented: BTreeSet<&'static str>,
    existing: BTreeMap<String, prost_types::Struct>,
}

/// The engine's reaction to the registration of a resource, other than accepting it.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Returns the result "failed", as the engine does with `--continue-on-error`.
    Fail,
    /// Returns the result "skipped", because a dependency failed.
    Skip,
    /// Fails the call with this status.
    Refuse(Code, String),
    /// Accepts the resource after this time.
    Delay(Duration),
    /// Shuts down: this call and all pending and later calls fail with "unavailable".
    ShutDown,
}

/// A call to the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Returns the deployment.
    GetDeploymentInfo,
    /// Reads an existing resource.
    ReadResource(ReadResourceRequest),
    /// Registers a resource.
    RegisterResource(Box<RegisterResourceRequest>),
    /// Registers the outputs of a component or of the stack.
    RegisterResourceOutputs(RegisterResourceOutputsRequest),
    /// Signals that no further resource follows.
    SignalAndWaitForShutdown,
    /// Logs a message to the user.
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
            unimplemented: BTreeSet::new(),
            existing: BTreeMap::new(),
        }
    }

    /// Sets the names of the project and the stack. The defaults are `project` and `stack`.
    #[must_use]
    pub fn deploying(mut self, project: &str, stack: &str) -> Self {
        project.clone_into(&mut self.project);
        stack.clone_into(&mut self.stack);
        self
    }

    /// Sets a configuration value by full key.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets a secret configuration value by full key.
    #[must_use]
    pub fn secret(mut self, key: &str, value: &str) -> Self {
        self.secret_keys.insert(key.to_owned());
        self.config(key, value)
    }

    /// Sets the reaction to resources with this name.
    #[must_use]
    pub fn react(mut self, name: &str, reaction: Reaction) -> Self {
        self.reactions.insert(name.to_owned(), reaction);
        self
    }

    /// Delays every registration by this time.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Behaves like an engine before 3.231, which does not implement `GetDeploymentInfo`.
    #[must_use]
    pub fn without_deployment_info(mut self) -> Self {
        self.unimplemented.insert("GetDeploymentInfo");
        self
    }

    /// Behaves like an engine before 3.180, which does not implement `SignalAndWaitForShutdown`.
    #[must_use]
    pub fn without_shutdown_signal(mut self) -> Self {
        self.unimplemented.insert("SignalAndWaitForShutdown");
        self
    }

    /// Behaves like an engine before 3.219, which does not implement `RequirePulumiVersion`.
    #[must_use]
    pub fn without_version_check(mut self) -> Self {
        self.unimplemented.insert("RequirePulumiVersion");
        self
    }

    /// Adds an existing resource with this id, which can be read.
    ///
    /// # Panics
    ///
    /// If a property refers to a secret: existing resources have values.
    #[must_use]
    pub fn existing(mut self, id: &str, properties: &BTreeMap<String, Value>) -> Self {
        let properties =
            to_wire(properties, &BTreeMap::new()).expect("existing resources have values, not references");
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

/// A running fake engine. It stops when dropped.
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

    /// The environment variables that a host sets for the program.
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

    /// Connects as a program does.
    ///
    /// # Panics
    ///
    /// If the connection fails.
    pub async fn connect(&self) -> Engine {
        let environment = self.environment();
        Engine::connect_with(move |name| environment.get(name).cloned())
            .await
            .expect("the fake engine listens")
    }

    /// All calls so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.record().calls.clone()
    }

    /// The registrations so far, in order of arrival. The first one is the stack.
    pub fn registrations(&self) -> Vec<RegisterResourceRequest> {
        self.calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::RegisterResource(request) => Some(*request),
                _ => None,
            })
            .collect()
    }

    /// The logged messages: severity, text, and URN of the resource.
    pub fn logs(&self) -> Vec<(LogSeverity, String, String)> {
        self.calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::Log(log) => Some((log.severity(), log.message, log.urn)),
                _ => None,
            })
            .collect()
    }

    /// The maximum number of concurrent registrations.
    pub fn high_water_mark(&self) -> usize {
        self.shared.record().high_water_mark
    }

    /// Shuts down, as the engine does when the user interrupts it or a resource fails.
    pub fn shut_down(&self) {
        self.shared.shutting_down.request();
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// The state that both services share.
struct Shared {
    script: Script,
    record: Mutex<Record>,
    shutting_down: Stop,
}

/// The calls and resources so far.
#[derive(Default)]
struct Record {
    calls: Vec<Call>,
    /// The URNs of all registrations, finished or not.
    requested: BTreeSet<String>,
    /// The finished registrations.
    known: BTreeMap<String, Known>,
    running: usize,
    high_water_mark: usize,
    end_signaled: bool,
}

impl Shared {
    fn new(script: Script) -> Self {
        Self {
            script,
            record: Mutex::default(),
            shutting_down: Stop::new(),
        }
    }

    /// Fails if the engine does not implement the method.
    fn require_method(&self, method: &str) -> Result<(), Status> {
        if self.script.unimplemented.contains(method) {
            return Err(Status::unimplemented(format!("unknown method {method}")));
        }
        Ok(())
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no panic while the record was held")
    }
}
