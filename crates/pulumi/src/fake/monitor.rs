//! The fake engine's resource monitor: takes registrations, checks them as the real one does, and answers.

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

/// What the engine remembers of a resource.
#[derive(Clone, Debug)]
pub(super) struct Known {
    custom: bool,
    id: String,
    /// Whether its outputs have been registered, which may happen once.
    closed: bool,
}

#[async_trait]
impl ResourceMonitor for Shared {
    async fn get_deployment_info(&self, _request: Request<()>) -> Result<Response<DeploymentInfo>, Status> {
        self.knows("GetDeploymentInfo")?;
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
            () = self.gone.clone().requested() => Err(gone()),
            answer = self.answer(request, urn) => answer,
        };
        self.record().under_way -= 1;
        answer.map(Response::new)
    }

    async fn read_resource(
        &self,
        request: Request<ReadResourceRequest>,
    ) -> Result<Response<ReadResourceResponse>, Status> {
        if self.gone.is_requested() {
            return Err(gone());
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
        if self.gone.is_requested() {
            return Err(gone());
        }
        let request = request.into_inner();
        let mut record = self.record();
        let known = record
            .known
            .get_mut(&request.urn)
            .ok_or_else(|| Status::invalid_argument(format!("unknown resource '{}'", request.urn)))?;
        if known.custom {
            return Err(Status::invalid_argument(format!(
                "'{}' gets its outputs from its provider",
                request.urn
            )));
        }
        if known.closed {
            return Err(Status::invalid_argument(format!(
                "'{}' has its outputs already",
                request.urn
            )));
        }
        known.closed = true;
        record.calls.push(Call::RegisterResourceOutputs(request));
        Ok(Response::new(()))
    }

    async fn signal_and_wait_for_shutdown(&self, _request: Request<()>) -> Result<Response<()>, Status> {
        self.knows("SignalAndWaitForShutdown")?;
        if self.gone.is_requested() {
            return Err(gone());
        }
        let mut record = self.record();
        if record.signalled || record.under_way > 0 {
            return Err(Status::failed_precondition(
                "the end was signalled twice, or too early",
            ));
        }
        record.signalled = true;
        record.calls.push(Call::SignalAndWaitForShutdown);
        Ok(Response::new(()))
    }
}

impl Shared {
    /// Writes a registration down, checks it and gives it its URN.
    fn begin(&self, request: &RegisterResourceRequest) -> Result<String, Status> {
        if self.gone.is_requested() {
            return Err(gone());
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
        if !record.asked_for.insert(urn.clone()) {
            return Err(Status::invalid_argument(format!(
                "there are two resources with the URN '{urn}'"
            )));
        }
        record.under_way += 1;
        record.high_water_mark = record.high_water_mark.max(record.under_way);
        Ok(urn)
    }

    /// Does what the script wants done about a resource.
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
                self.gone.request();
                pending().await
            }
        };
        if result != RegistrationResult::Success && !request.supports_result_reporting {
            return Err(Status::internal("resource registration failed"));
        }
        // An id is what comes of creating, so a preview has none to give.
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

/// What the engine says to everyone once it has decided to end.
fn gone() -> Status {
    Status::unavailable("resource monitor shut down")
}

/// Refuses what the engine refuses, and what no program of ours should send.
fn check(request: &RegisterResourceRequest, record: &Record) -> Result<(), Status> {
    let refuse = |why: String| {
        Err(Status::invalid_argument(format!(
            "{} '{}': {why}",
            request.r#type, request.name
        )))
    };
    if record.signalled {
        return refuse("the end was signalled before".to_owned());
    }
    if request.custom && request.r#type.split(':').count() != 3 {
        return refuse("the type of a custom resource has three parts".to_owned());
    }
    let is_root = request.r#type == ROOT_STACK_TYPE;
    if is_root != request.parent.is_empty() {
        return refuse("everything but the stack needs a parent".to_owned());
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
            return refuse(format!("it refers to '{urn}', which was not registered before"));
        }
    }
    check_provider(&request.provider, record).or_else(refuse)
}

/// Whether a reference to a provider, where there is one, is to a provider that was registered before.
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
        _ => Err(format!("the provider '{reference}' was not registered before")),
    }
}
