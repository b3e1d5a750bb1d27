//! A minimal language host: it runs no program, but has the lifecycle of a plugin.

use pulumi_wire::proto::language_runtime_server::{LanguageRuntime, LanguageRuntimeServer};
use pulumi_wire::proto::{
    AboutRequest, AboutResponse, GetProgramDependenciesRequest, GetProgramDependenciesResponse,
    GetRequiredPackagesRequest, GetRequiredPackagesResponse, InstallDependenciesRequest,
    InstallDependenciesResponse, LanguageHandshakeRequest, LanguageHandshakeResponse, PluginInfo,
    RunPluginRequest, RunPluginResponse, RunRequest, RunResponse,
};
use pulumi_wire::serve::{ServeError, Stop, serve};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};

#[tokio::main]
async fn main() -> Result<(), ServeError> {
    let stop = Stop::new();
    serve(LanguageRuntimeServer::new(Host { stop: stop.clone() }), stop).await
}

struct Host {
    stop: Stop,
}

#[async_trait]
impl LanguageRuntime for Host {
    type InstallDependenciesStream = BoxStream<InstallDependenciesResponse>;
    type RunPluginStream = BoxStream<RunPluginResponse>;

    async fn handshake(
        &self,
        _: Request<LanguageHandshakeRequest>,
    ) -> Result<Response<LanguageHandshakeResponse>, Status> {
        Ok(Response::new(LanguageHandshakeResponse {}))
    }

    async fn get_plugin_info(&self, _: Request<()>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            version: "1.2.3".to_owned(),
        }))
    }

    async fn get_required_packages(
        &self,
        _: Request<GetRequiredPackagesRequest>,
    ) -> Result<Response<GetRequiredPackagesResponse>, Status> {
        Ok(Response::new(GetRequiredPackagesResponse::default()))
    }

    async fn run(&self, _: Request<RunRequest>) -> Result<Response<RunResponse>, Status> {
        Ok(Response::new(RunResponse {
            error: "this host runs nothing".to_owned(),
            bail: false,
        }))
    }

    async fn install_dependencies(
        &self,
        _: Request<InstallDependenciesRequest>,
    ) -> Result<Response<Self::InstallDependenciesStream>, Status> {
        Err(Status::unimplemented("this host installs nothing"))
    }

    async fn about(&self, _: Request<AboutRequest>) -> Result<Response<AboutResponse>, Status> {
        Ok(Response::new(AboutResponse::default()))
    }

    async fn get_program_dependencies(
        &self,
        _: Request<GetProgramDependenciesRequest>,
    ) -> Result<Response<GetProgramDependenciesResponse>, Status> {
        Ok(Response::new(GetProgramDependenciesResponse::default()))
    }

    async fn run_plugin(
        &self,
        _: Request<RunPluginRequest>,
    ) -> Result<Response<Self::RunPluginStream>, Status> {
        Err(Status::unimplemented("this host runs nothing"))
    }

    async fn cancel(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.stop.request();
        Ok(Response::new(()))
    }
}
