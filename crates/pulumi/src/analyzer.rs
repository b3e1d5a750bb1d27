//! Policy packs: the engine's analyzer protocol.
//!
//! A [`Pack`] lists its policies and evaluates resources; [`Analyzer`] implements the engine's service for it. Only what
//! a pack returns is sent: this module never writes a property of a resource to a message, a log or a panic. [`serve`]
//! runs a pack as a plugin.

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

/// The enforcement level of a policy: what the engine does on a violation.
pub use crate::proto::EnforcementLevel as Level;
/// The severity of a violation.
pub use crate::proto::PolicySeverity as Severity;

/// A set of policies. Its functions can be called from several threads concurrently.
pub trait Pack: Send + Sync + 'static {
    /// The pack's parsed configuration.
    type Settings: Default + Send + Sync + 'static;

    /// The pack's metadata and policies.
    fn about(&self) -> About;

    /// Parses the configuration, which the engine merges from the defaults and `--policy-pack-config`. An error is shown
    /// to the user, and no resource is analyzed.
    fn configure(
        &self,
        policies: BTreeMap<String, PolicySettings>,
        stack: Option<&Stack>,
    ) -> Result<Self::Settings, String>;

    /// Evaluates one resource before it is created or updated.
    fn analyze(&self, resource: &Resource, context: Context<'_, Self::Settings>) -> Verdicts;

    /// Evaluates all resources of the stack together.
    fn analyze_stack(&self, resources: &[Resource], context: Context<'_, Self::Settings>) -> Verdicts;

    /// Returns the changes that make one resource compliant.
    fn remediate(&self, resource: &Resource, context: Context<'_, Self::Settings>) -> Remediations;
}

/// The context of an evaluation.
#[derive(Debug)]
pub struct Context<'a, Settings> {
    /// The pack's own settings.
    pub settings: &'a Settings,
    /// The stack; `None` if a state is analyzed without its program.
    pub stack: Option<&'a Stack>,
}

/// The stack that the resources belong to.
#[derive(Clone, PartialEq, Eq)]
pub struct Stack {
    /// The stack's name.
    pub name: String,
    /// The project's name.
    pub project: String,
    /// Whether this is a preview, in which values can be unknown.
    pub dry_run: bool,
    /// The configuration by full key, without secrets. Objects are JSON text.
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

/// One resource. Its properties can contain secrets, which `Debug` does not show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// The type, such as `kubernetes:apps/v1:Deployment`.
    pub token: String,
    /// The URN.
    pub urn: String,
    /// The name in the program.
    pub name: String,
    /// The inputs; in [`Pack::analyze_stack`], the outputs.
    pub properties: BTreeMap<String, Value>,
    /// The URN of the parent; empty for the stack.
    pub parent: String,
    /// The URNs of the dependencies; set only in [`Pack::analyze_stack`].
    pub dependencies: Vec<String>,
    /// Whether the engine refuses to delete the resource.
    pub protect: bool,
}

/// The metadata of a pack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The pack's name: at most 100 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The display name.
    pub display_name: String,
    /// The description.
    pub description: String,
    /// The version, without a leading `v`.
    pub version: String,
    /// The URL of the source repository.
    pub repository: String,
    /// The pack's policies.
    pub policies: Vec<Policy>,
}

/// One policy of a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The policy's name; not `all`, which the engine interprets as all policies.
    pub name: String,
    /// The display name.
    pub display_name: String,
    /// The requirement.
    pub description: String,
    /// The default enforcement level.
    pub level: Level,
    /// The severity of a violation.
    pub severity: Severity,
    /// Whether the policy evaluates all resources together.
    pub of_stack: bool,
    /// The JSON schema of each setting. The name `enforcementLevel` is reserved.
    pub schema: BTreeMap<String, serde_json::Value>,
    /// The compliance framework that the policy supports; the engine accepts one.
    pub framework: Option<Framework>,
    /// Search tags.
    pub tags: Vec<String>,
    /// The remediation steps.
    pub remediation: String,
}

/// A control of a compliance framework.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framework {
    /// The framework's name.
    pub name: String,
    /// The framework's version.
    pub version: String,
    /// The control's id.
    pub reference: String,
    /// The control's name.
    pub specification: String,
}

/// The configuration of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// The enforcement level.
    pub level: Level,
    /// The settings by name.
    pub properties: BTreeMap<String, Value>,
}

/// The result of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// The violations.
    pub violations: Vec<Violation>,
    /// The names of policies that did not apply, with the reason. Policies in neither list passed.
    pub not_applicable: Vec<(String, String)>,
}

/// A violation of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The policy's name.
    pub policy: String,
    /// The policy's requirement.
    pub description: String,
    /// The problem and its remediation. The message must not contain property values.
    pub message: String,
    /// The URN of the resource; empty for the stack.
    pub urn: String,
    /// The configured enforcement level of the policy.
    pub level: Level,
    /// The severity.
    pub severity: Severity,
}

/// The changes that make a resource compliant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remediations {
    /// The changes; each one includes the earlier ones.
    pub changes: Vec<Change>,
    /// The names of policies that did not apply, with the reason.
    pub not_applicable: Vec<(String, String)>,
}

/// A change to a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The policy's name.
    pub policy: String,
    /// The policy's requirement.
    pub description: String,
    /// All properties of the resource after the change.
    pub properties: BTreeMap<String, Value>,
}

/// The engine's analyzer service for a pack.
pub struct Analyzer<P: Pack> {
    pack: P,
    stop: Stop,
    settings: Mutex<Arc<P::Settings>>,
    stack: Mutex<Option<Arc<Stack>>>,
}

impl<P: Pack> Analyzer<P> {
    /// Creates the service for a pack with default settings.
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

    /// Calls the pack with its settings. If a policy panics, only this call fails. The panic message is discarded,
    /// because it can contain a property value.
    fn evaluate<T>(&self, evaluate: impl FnOnce(&P, Context<'_, P::Settings>) -> T) -> Result<T, Status> {
        let settings = Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner));
        let stack = self.stack();
        catch_unwind(AssertUnwindSafe(|| {
            let context = Context {
                settings: &*settings,
                stack: stack.as_deref(),
            };
            evaluate(&self.pack, context)
        }))
        .map_err(panicked)
    }
}

fn panicked(_: Box<dyn Any + Send>) -> Status {
    Status::internal("a policy panicked; the diagnostics of the stack show the source location")
}

/// Serves a pack until the engine stops it. Call this function once, from `main`: it installs a panic hook that prints
/// only the source location, because a panic message can contain a property value.
pub async fn serve(pack: impl Pack) -> Result<(), ServeError> {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|place| format!(" at {}:{}", place.file(), place.line()));
        eprintln!("a policy panicked{}", place.unwrap_or_default());
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
        .map_err(panicked)?
        .map_err(Status::invalid_argument)?;
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        Ok(Response::new(()))
    }

    async fn remediate(
        &self,
        request: Request<AnalyzeRequest>,
    ) -> Result<Response<RemediateResponse>, Status> {
        let resource = answer::resource(request.into_inner())?;
        let found = self.evaluate(|pack, context| pack.remediate(&resource, context))?;
        answer::remediations(&self.pack.about(), found).map(Response::new)
    }

    async fn analyze(&self, request: Request<AnalyzeRequest>) -> Result<Response<AnalyzeResponse>, Status> {
        let resource = answer::resource(request.into_inner())?;
        let found = self.evaluate(|pack, context| pack.analyze(&resource, context))?;
        Ok(Response::new(answer::verdicts(&self.pack.about(), found)))
    }

    async fn analyze_stack(
        &self,
        request: Request<AnalyzeStackRequest>,
    ) -> Result<Response<AnalyzeResponse>, Status> {
        let resources = answer::resources(request.into_inner())?;
        let found = self.evaluate(|pack, context| pack.analyze_stack(&resources, context))?;
        Ok(Response::new(answer::verdicts(&self.pack.about(), found)))
    }

    async fn cancel(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.stop.request();
        Ok(Response::new(()))
    }
}
