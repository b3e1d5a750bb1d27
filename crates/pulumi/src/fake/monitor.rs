//! The fake engine's resource monitor: checks registrations like the real one and records them.

use std::future::pending;

use tonic::{Request, Response, Status, async_trait};

use super::{Call, Reaction, Record, Shared, urn};
use crate::proto::resource_monitor_server::ResourceMonitor;
use crate::proto::{
    DeploymentInfo, ReadResourceRequest, ReadResourceResponse, RegisterResourceOutputsRequest,
    RegisterResourceRequest, RegisterResourceResponse, RegistrationResult, SupportsFeatureRequest,
    SupportsFeatureResponse,
};
use crate::wire::{ROOT_STACK_TYPE, UNKNOWN_STRING};

/// A registered resource.
#[derive(Clone, Debug)]
pub(super) struct Known {
    custom: bool,
    id: String,
    /// Whether its outputs are registered, which is allowed once.
    closed: bool,
}

#[async_trait]
impl ResourceMonitor for Shared {
    async fn get_deployment_info(&self, _request: Request<()>) -> Result<Response<DeploymentInfo>, Status> {
        self.require_method("GetDeploymentInfo")?;
        self.record().calls.push(Call::GetDeploymentInfo);
        Ok(Response::new(DeploymentInfo {
            project: self.script.project.clone(),
            stack: self.script.stack.clone(),
            organization: "organization".to_owned(),
            config: self.script.config.clone(),
            config_secret_keys: self.script.secret_keys.iter().cloned().collect(),
            dry_run: self.script.preview,
            parallel: 16,
            supported_features: Vec::new(),
        }))
    }

    async fn supports_feature(
        &self,
        request: Request<SupportsFeatureRequest>,
    ) -> Result<Response<SupportsFeatureResponse>, Status> {
        let known = [
            "secrets",
            "resourceReferences",
            "outputValues",
            "aliasSpecs",
            "deletedWith",
        ];
        let has_support = known.contains(&request.get_ref().id.as_str());
        Ok(Response::new(SupportsFeatureResponse { has_support }))
    }

    async fn register_resource(
        &self,
        request: Request<RegisterResourceRequest>,
    ) -> Result<Response<RegisterResourceResponse>, Status> {
        let request = request.into_inner();
        let urn = self.begin(&request)?;
        let answer = tokio::select! {
            biased;
            () = self.shutting_down.clone().requested() => Err(unavailable()),
            answer = self.answer(request, urn) => answer,
        };
        self.record().running -= 1;
        answer.map(Response::new)
    }

    async fn read_resource(
        &self,
        request: Request<ReadResourceRequest>,
    ) -> Result<Response<ReadResourceResponse>, Status> {
        if self.shutting_down.is_requested() {
            return Err(unavailable());
        }
        let request = request.into_inner();
        let mut record = self.record();
        record.calls.push(Call::ReadResource(request.clone()));
        check_provider(&request.provider, &record).map_err(Status::invalid_argument)?;
        let Some(properties) = self.script.existing.get(&request.id) else {
            return Err(Status::unknown(format!(
                "resource '{}' does not exist",
                request.id
            )));
        };
        let parent = Some(request.parent.as_str()).filter(|parent| !parent.is_empty());
        let (stack, project) = (&self.script.stack, &self.script.project);
        Ok(Response::new(ReadResourceResponse {
            urn: urn(stack, project, parent, &request.r#type, &request.name),
            properties: Some(properties.clone()),
        }))
    }

    async fn register_resource_outputs(
        &self,
        request: Request<RegisterResourceOutputsRequest>,
    ) -> Result<Response<()>, Status> {
        if self.shutting_down.is_requested() {
            return Err(unavailable());
        }
        let request = request.into_inner();
        let mut record = self.record();
        let known = record
            .known
            .get_mut(&request.urn)
            .ok_or_else(|| Status::invalid_argument(format!("unknown resource '{}'", request.urn)))?;
        if known.custom {
            return Err(Status::invalid_argument(format!(
                "'{}' is a custom resource, and its outputs come from its provider",
                request.urn
            )));
        }
        if known.closed {
            return Err(Status::invalid_argument(format!(
                "the outputs of '{}' are already registered",
                request.urn
            )));
        }
        known.closed = true;
        record.calls.push(Call::RegisterResourceOutputs(request));
        Ok(Response::new(()))
    }

    async fn signal_and_wait_for_shutdown(&self, _request: Request<()>) -> Result<Response<()>, Status> {
        self.require_method("SignalAndWaitForShutdown")?;
        if self.shutting_down.is_requested() {
            return Err(unavailable());
        }
        let mut record = self.record();
        if record.end_signaled || record.running > 0 {
            return Err(Status::failed_precondition(
                "the end was signaled twice or too early",
            ));
        }
        record.end_signaled = true;
        record.calls.push(Call::SignalAndWaitForShutdown);
        Ok(Response::new(()))
    }
}

impl Shared {
    /// Records and checks a registration, and returns its URN.
    fn begin(&self, request: &RegisterResourceRequest) -> Result<String, Status> {
        if self.shutting_down.is_requested() {
            return Err(unavailable());
        }
        let mut record = self.record();
        record
            .calls
            .push(Call::RegisterResource(Box::new(request.clone())));
        check(request, &record)?;
        let parent = Some(request.parent.as_str()).filter(|parent| !parent.is_empty());
        let urn = urn(
            &self.script.stack,
            &self.script.project,
            parent,
            &request.r#type,
            &request.name,
        );
        if !record.requested.insert(urn.clone()) {
            return Err(Status::invalid_argument(format!(
                "there are two resources with the URN '{urn}'"
            )));
        }
        record.running += 1;
        record.high_water_mark = record.high_water_mark.max(record.running);
        Ok(urn)
    }

    /// Performs the scripted reaction to a registration.
    async fn answer(
        &self,
        request: RegisterResourceRequest,
        urn: String,
    ) -> Result<RegisterResourceResponse, Status> {
        tokio::time::sleep(self.script.delay).await;
        let result = match self.script.reactions.get(&request.name) {
            None => RegistrationResult::Success,
            Some(Reaction::Delay(delay)) => {
                tokio::time::sleep(*delay).await;
                RegistrationResult::Success
            }
            Some(Reaction::Refuse(code, message)) => return Err(Status::new(*code, message.clone())),
            Some(Reaction::Fail) => RegistrationResult::Fail,
            Some(Reaction::Skip) => RegistrationResult::Skip,
            Some(Reaction::ShutDown) => {
                self.shutting_down.request();
                pending().await
            }
        };
        if result != RegistrationResult::Success && !request.supports_result_reporting {
            return Err(Status::internal("resource registration failed"));
        }
        // Creating a resource assigns its id, so there is none in a preview.
        let id = if request.custom && !self.script.preview {
            format!("id-of-{}", request.name)
        } else {
            String::new()
        };
        let known = Known {
            custom: request.custom,
            id: id.clone(),
            closed: false,
        };
        self.record().known.insert(urn.clone(), known);
        Ok(RegisterResourceResponse {
            urn,
            id,
            object: request.object,
            result: result.into(),
            ..Default::default()
        })
    }
}

/// The response to all calls while the engine is shutting down.
fn unavailable() -> Status {
    Status::unavailable("resource monitor shut down")
}

/// Rejects what the engine rejects, and requests that this crate must not send.
fn check(request: &RegisterResourceRequest, record: &Record) -> Result<(), Status> {
    let reject = |reason: String| {
        Err(Status::invalid_argument(format!(
            "{} '{}': {reason}",
            request.r#type, request.name
        )))
    };
    if record.end_signaled {
        return reject("the end was already signaled".to_owned());
    }
    if request.custom && request.r#type.split(':').count() != 3 {
        return reject("the type of a custom resource must have three parts".to_owned());
    }
    let is_root = request.r#type == ROOT_STACK_TYPE;
    if is_root != request.parent.is_empty() {
        return reject("every resource except the stack must have a parent".to_owned());
    }
    let others = [&request.parent, &request.deleted_with]
        .into_iter()
        .filter(|urn| !urn.is_empty());
    let properties = request
        .property_dependencies
        .values()
        .flat_map(|dependencies| &dependencies.urns);
    for urn in others.chain(&request.dependencies).chain(properties) {
        if !record.known.contains_key(urn) {
            return reject(format!("it refers to '{urn}', which is not registered"));
        }
    }
    check_provider(&request.provider, record).or_else(reject)
}

/// Fails if a provider reference is set and the provider is not registered.
fn check_provider(reference: &str, record: &Record) -> Result<(), String> {
    if reference.is_empty() {
        return Ok(());
    }
    let Some((urn, id)) = reference.rsplit_once("::") else {
        return Err(format!("'{reference}' is not a reference to a provider"));
    };
    match record.known.get(urn) {
        Some(provider) if provider.id == id => Ok(()),
        Some(provider) if provider.id.is_empty() && id == UNKNOWN_STRING => Ok(()),
        _ => Err(format!("the provider '{reference}' is not registered")),
    }
}
