//! A policy pack as the engine asks it, and nothing of what it judges.
//!
//! A [`Pack`] says which policies it has and looks at resources; [`Analyzer`] answers the engine for it. What a pack
//! returns is all that is ever sent: no property of a resource reaches a message, a log or a panic of this module.
//! [`serve`] runs a pack as a plugin.

mod answer;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tonic::{Request, Response, Status};

use crate::proto::analyzer_server::{Analyzer as Service, AnalyzerServer};
use crate::proto::{
    AnalyzeRequest, AnalyzeResponse, AnalyzeStackRequest, AnalyzerHandshakeRequest,
    AnalyzerHandshakeResponse, AnalyzerInfo, AnalyzerStackConfigureRequest, AnalyzerStackConfigureResponse,
    ConfigureAnalyzerRequest, PluginInfo, RemediateResponse,
};
use crate::serve::{ServeError, Stop};
use crate::value::Value;

/// How much a violated policy matters to the engine.
pub use crate::proto::EnforcementLevel as Level;
/// How bad a violation is, for those who read of it.
pub use crate::proto::PolicySeverity as Severity;

/// A set of policies. Its functions may be called from several threads at once.
pub trait Pack: Send + Sync + 'static {
    /// What the pack makes of its configuration.
    type Settings: Default + Send + Sync + 'static;

    /// Its name, and its policies.
    fn about(&self) -> About;

    /// Reads the configuration: what the engine has put together from the defaults and from `--policy-pack-config`.
    /// The error is shown to the person, and nothing is analyzed.
    fn configure(
        &self,
        policies: BTreeMap<String, PolicySettings>,
        stack: Option<&Stack>,
    ) -> Result<Self::Settings, String>;

    /// Looks at one resource as it is about to be made.
    fn analyze(&self, resource: &Resource, context: Context<'_, Self::Settings>) -> Verdicts;

    /// Looks at all resources of the stack together.
    fn analyze_stack(&self, resources: &[Resource], context: Context<'_, Self::Settings>) -> Verdicts;

    /// Says how one resource would be made right.
    fn remediate(&self, resource: &Resource, context: Context<'_, Self::Settings>) -> Remediations;
}

/// What holds for every resource that is looked at.
#[derive(Debug)]
pub struct Context<'a, Settings> {
    /// The pack's own settings.
    pub settings: &'a Settings,
    /// The stack; `None` where a state is analyzed without its program.
    pub stack: Option<&'a Stack>,
}

/// The stack whose resources are looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: String,
    /// Whether this is a preview, in which values can be unknown.
    pub dry_run: bool,
    /// Its configuration by full key, without the secrets. A mapping is the text of its JSON.
    pub config: BTreeMap<String, String>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stack")
            .field("name", &self.name)
            .field("project", &self.project)
            .field("dry_run", &self.dry_run)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// One resource as the engine shows it. Secrets are in it; `Debug` does not show them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// Its type, such as `kubernetes:apps/v1:Deployment`.
    pub token: String,
    /// Its URN.
    pub urn: String,
    /// Its name in the program.
    pub name: String,
    /// Its inputs, and for [`Pack::analyze_stack`] its outputs.
    pub properties: BTreeMap<String, Value>,
    /// The URN of what it belongs to; empty for the stack itself.
    pub parent: String,
    /// The URNs of what it waits for. Known to [`Pack::analyze_stack`] only.
    pub dependencies: Vec<String>,
    /// Whether the engine refuses to delete it.
    pub protect: bool,
}

/// What a pack says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 100 of them.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Its version, without a `v`.
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Its policies.
    pub policies: Vec<Policy>,
}

/// One policy, as the pack announces it.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name; never `all`, which the engine takes for all of them.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// What is true where it holds.
    pub description: String,
    /// Its level unless it is configured otherwise.
    pub level: Level,
    /// How bad a violation is.
    pub severity: Severity,
    /// Whether it looks at all resources together.
    pub of_stack: bool,
    /// A JSON schema for each setting, and the names of those that must be given. None of them is `enforcementLevel`.
    pub schema: BTreeMap<String, serde_json::Value>,
    /// The framework that it gives evidence for; the engine knows one.
    pub framework: Option<Framework>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// How a violation is repaired.
    pub remediation: String,
}

/// A place in a framework of compliance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framework {
    /// The framework's name.
    pub name: String,
    /// Its edition.
    pub version: String,
    /// The number of the demand.
    pub reference: String,
    /// What the demand is called.
    pub specification: String,
}

/// How a policy was configured.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// Its level.
    pub level: Level,
    /// Its settings.
    pub properties: BTreeMap<String, Value>,
}

/// What came of looking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// What is not as it should be.
    pub violations: Vec<Violation>,
    /// The policies that had nothing to judge, with the reason. What is in neither list passed.
    pub not_applicable: Vec<(String, String)>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The policy's name.
    pub policy: String,
    /// What the policy demands.
    pub description: String,
    /// What is wrong, and the way out. It may never hold a property's value.
    pub message: String,
    /// The URN of the resource; empty for the stack.
    pub urn: String,
    /// The level that the policy has by its configuration.
    pub level: Level,
    /// How bad it is.
    pub severity: Severity,
}

/// What would be changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remediations {
    /// The changes, each on top of those before it.
    pub changes: Vec<Change>,
    /// The policies that had nothing to change, with the reason.
    pub not_applicable: Vec<(String, String)>,
}

/// A resource made right.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The policy's name.
    pub policy: String,
    /// What the policy demands.
    pub description: String,
    /// All properties as they shall be.
    pub properties: BTreeMap<String, Value>,
}

/// Answers the engine for a pack.
pub struct Analyzer<P: Pack> {
    pack: P,
    stop: Stop,
    settings: Mutex<Arc<P::Settings>>,
    stack: Mutex<Option<Arc<Stack>>>,
}

impl<P: Pack> Analyzer<P> {
    /// For a pack that the engine has not configured yet.
    pub fn new(pack: P, stop: Stop) -> Self {
        Self {
            pack,
            stop,
            settings: Mutex::default(),
            stack: Mutex::default(),
        }
    }

    fn stack(&self) -> Option<Arc<Stack>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the pack, with what it was configured with. A rule that breaks down breaks this call only, and what it says
    /// as it does may hold a value, so that it is not repeated.
    fn ask<T>(&self, ask: impl FnOnce(&P, Context<'_, P::Settings>) -> T) -> Result<T, Status> {
        let settings = Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner));
        let stack = self.stack();
        catch_unwind(AssertUnwindSafe(|| {
            let context = Context {
                settings: &*settings,
                stack: stack.as_deref(),
            };
            ask(&self.pack, context)
        }))
        .map_err(broke_down)
    }
}

fn broke_down(_: Box<dyn Any + Send>) -> Status {
    Status::internal("a policy broke down; where it did stands in the diagnostics of the stack")
}

/// Serves a pack until the engine is done with it. Call it once, from `main`: from now on a panic of this process says
/// where it happened and nothing else, because its words may hold a value.
pub async fn serve(pack: impl Pack) -> Result<(), ServeError> {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|place| format!(" at {}:{}", place.file(), place.line()));
        eprintln!("a policy broke down{}", place.unwrap_or_default());
    }));
    let stop = Stop::new();
    crate::serve::serve(AnalyzerServer::new(Analyzer::new(pack, stop.clone())), stop).await
}

#[tonic::async_trait]
impl<P: Pack> Service for Analyzer<P> {
    async fn handshake(
        &self,
        _: Request<AnalyzerHandshakeRequest>,
    ) -> Result<Response<AnalyzerHandshakeResponse>, Status> {
        Ok(Response::new(AnalyzerHandshakeResponse {}))
    }

    async fn configure_stack(
        &self,
        request: Request<AnalyzerStackConfigureRequest>,
    ) -> Result<Response<AnalyzerStackConfigureResponse>, Status> {
        let request = request.into_inner();
        let mut config = request.config;
        config.retain(|key, _| !request.config_secret_keys.contains(key));
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(Stack {
            name: request.stack,
            project: request.project,
            dry_run: request.dry_run,
            config,
        }));
        Ok(Response::new(AnalyzerStackConfigureResponse {}))
    }

    async fn get_plugin_info(&self, _: Request<()>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            version: self.pack.about().version,
        }))
    }

    async fn get_analyzer_info(&self, _: Request<()>) -> Result<Response<AnalyzerInfo>, Status> {
        answer::info(self.pack.about()).map(Response::new)
    }

    async fn configure(&self, request: Request<ConfigureAnalyzerRequest>) -> Result<Response<()>, Status> {
        let policies = answer::settings(request.into_inner())?;
        let stack = self.stack();
        let settings = catch_unwind(AssertUnwindSafe(|| {
            self.pack.configure(policies, stack.as_deref())
        }))
        .map_err(broke_down)?
        .map_err(Status::invalid_argument)?;
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        Ok(Response::new(()))
    }

    async fn remediate(
        &self,
        request: Request<AnalyzeRequest>,
    ) -> Result<Response<RemediateResponse>, Status> {
        let resource = answer::resource(request.into_inner())?;
        let found = self.ask(|pack, context| pack.remediate(&resource, context))?;
        answer::remediations(&self.pack.about(), found).map(Response::new)
    }

    async fn analyze(&self, request: Request<AnalyzeRequest>) -> Result<Response<AnalyzeResponse>, Status> {
        let resource = answer::resource(request.into_inner())?;
        let found = self.ask(|pack, context| pack.analyze(&resource, context))?;
        Ok(Response::new(answer::verdicts(&self.pack.about(), found)))
    }

    async fn analyze_stack(
        &self,
        request: Request<AnalyzeStackRequest>,
    ) -> Result<Response<AnalyzeResponse>, Status> {
        let resources = answer::resources(request.into_inner())?;
        let found = self.ask(|pack, context| pack.analyze_stack(&resources, context))?;
        Ok(Response::new(answer::verdicts(&self.pack.about(), found)))
    }

    async fn cancel(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.stop.request();
        Ok(Response::new(()))
    }
}
